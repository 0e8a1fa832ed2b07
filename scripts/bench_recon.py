"""A step of reconstruction at the size of Mistral-7B with 479 adapters on disk: seconds and peak memory.
The adapters are random, and hard links of four files: what is read and computed is as much."""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch

from t2l.adapter import Adapter
from t2l.errors import run_script
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.train import recon
from t2l.train.recon import Library, ReconData, Units, recon_loss

MISTRAL = LoRASpec(
    "mistralai/Mistral-7B-Instruct-v0.2",
    32,
    {"self_attn.q_proj": (4096, 4096), "self_attn.v_proj": (4096, 1024)},
    8,
    16,
    True,
)


def peak() -> float:
    """Most memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="l")
    parser.add_argument("--tasks", type=int, default=479)
    parser.add_argument("--losses", default="raw,z_score,frobenius,delta")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--tasks-per-step", type=int, default=4)
    args = parser.parse_args()
    names = [f"task{number}" for number in range(args.tasks)]
    print(json.dumps({"threads": torch.get_num_threads(), "before_gb": round(peak(), 2)}))
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            if number < 4:
                weights = MISTRAL.zeros().map(lambda t: torch.randn(t.shape) / 100)
                Adapter(weights, "", "", "").save(Path(folder) / name)
                continue
            (Path(folder) / name).mkdir()
            for file in (Path(folder) / names[number % 4]).iterdir():
                os.link(file, Path(folder) / name / file.name)
        start = time.perf_counter()
        library = Library.open(folder, names)
        opened = time.perf_counter() - start
        size = sum(file.stat().st_size for file in Path(folder).glob("*/*.safetensors")) / 1e9
        print(json.dumps({"library_gb": round(size, 2), "open_s": round(opened, 1), "gb": round(peak(), 2)}))
        for loss in args.losses.split(","):
            torch.manual_seed(0)
            network = T2L(T2LConfig(MISTRAL, 1024, args.variant, head_bias=loss != "z_score")).train()
            optimizer = torch.optim.AdamW(network.parameters())
            start, mean, std = time.perf_counter(), None, None
            if loss == "z_score":
                mean, std = recon.statistics(library, names)
            prepared = time.perf_counter() - start
            units = Units(loss, mean=mean, std=std)
            conditions = [torch.randn(128, 1024) for _ in names]
            data = ReconData(library, names, conditions, tasks_per_step=args.tasks_per_step)
            value, reading, seconds = recon_loss(units), [], []
            for number in range(1 if loss == "delta" else args.steps):
                start = time.perf_counter()
                step = data.step(number)
                reading.append(time.perf_counter() - start)
                value(network, step)["loss"].backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                seconds.append(time.perf_counter() - start)
            row = {
                "loss": loss,
                "variant": args.variant,
                "parameters": sum(p.numel() for p in network.parameters()),
                "statistics_s": round(prepared, 1),
                "read_s": round(statistics.median(reading), 3),
                "step_s": round(statistics.median(seconds), 2),
                "peak_gb": round(peak(), 2),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    run_script(main)
