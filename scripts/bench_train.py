"""Examples a second of SFT, packed behind their shared template start.
Peer in the same run: the same examples as padded rows of their own, the form of the reference's batches."""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from torch import nn

from t2l.attach import attached
from t2l.base import BaseModel, quiet
from t2l.hypernet import T2L, T2LConfig
from t2l.tasks import read_suite
from t2l.train.sft import SFTConfig, SFTData, answer_losses, pack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="data/suite")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    base = BaseModel.load(dtype=args.dtype)
    base.model.set_attn_implementation("eager" if base.device.type == "cpu" else "sdpa")
    tasks = list(read_suite(args.tasks, split="train").values())
    spec = base.spec(["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj"])
    network = T2L(T2LConfig(spec, 384, "m", shift="element", scale="scalar")).initialise("zero")
    config = SFTConfig(tasks_per_step=8)
    data = SFTData(base, tasks, list(torch.randn(len(tasks), 1, 384)), config)

    def seconds(rows: list, owner: list[int], condition: torch.Tensor) -> float:
        start = time.perf_counter()
        with attached(base.model, network(condition), torch.tensor(owner)):
            losses, share = answer_losses(base.model, pack(rows).to(base))
        (losses * share).sum().backward()
        nn.Module.zero_grad(network)
        return time.perf_counter() - start

    packed, separate, examples = [], [], 0
    for step in range(args.steps + 1):
        rows, condition = data.rows(step)
        alone = [[example] for row in rows for example in row]
        owner = [number for number, row in enumerate(rows) for _ in row]
        packed.append(seconds(rows, list(range(len(rows))), condition))
        separate.append(seconds(alone, owner, condition))
        examples += len(alone) if step else 0
    each = examples / args.steps
    result = {
        "dtype": str(base.dtype).removeprefix("torch."),
        "examples_a_step": each,
        "packed_examples_per_second": each / statistics.median(packed[1:]),
        "separate_examples_per_second": each / statistics.median(separate[1:]),
        "packed_over_separate": statistics.median(separate[1:]) / statistics.median(packed[1:]),
    }
    if args.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:<30} {value if isinstance(value, str) else round(value, 2)}")


if __name__ == "__main__":
    main()
