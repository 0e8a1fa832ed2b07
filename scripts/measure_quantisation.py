"""What the quantised copy of the base may cost: scores with noise of the quantisation's own size added.
The original weights lie within half a step of the copy's; noise drawn there stands in for the way back."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from t2l.base import BaseModel, quiet
from t2l.errors import run_script
from t2l.eval.methods import own_way
from t2l.eval.report import lines, summarize
from t2l.eval.run import evaluate
from t2l.generator import Generator
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
from t2l.tasks import read_suites

# Q4_1 cuts a row into blocks of so many weights and gives each block this many levels, its ends included.
BLOCK, LEVELS = 32, 16


def steps_of(weight: Tensor) -> Tensor:
    """The distance of two levels for every weight (o, i), from the ends of its block."""
    blocks = weight.unflatten(-1, (-1, BLOCK))
    step = (blocks.amax(-1, keepdim=True) - blocks.amin(-1, keepdim=True)) / (LEVELS - 1)
    return step.expand_as(blocks).flatten(-2)


def is_quantised(weight: Tensor) -> bool:
    """Whether every block of a matrix has at most 16 different values."""
    if weight.dim() != 2 or weight.shape[-1] % BLOCK:
        return False
    ordered = weight.unflatten(-1, (-1, BLOCK)).sort(-1).values
    return int((ordered.diff(dim=-1) != 0).sum(-1).max()) < LEVELS


@torch.no_grad()
def add_noise(base: BaseModel, seed: int) -> tuple[int, float]:
    """Adds uniform noise of half a step to every quantised matrix; their number, noise over weight (RMS)."""
    generator = torch.Generator().manual_seed(seed)
    count, noise, size = 0, 0.0, 0.0
    for parameter in base.model.parameters():
        if is_quantised(parameter):
            draw = torch.rand(parameter.shape, generator=generator) - 0.5
            change = draw * steps_of(parameter)
            noise, size = noise + float(change.square().sum()), size + float(parameter.square().sum())
            parameter += change
            count += 1
    return count, (noise / size) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--methods", help="by commas; default the checkpoint's own way of asking")
    parser.add_argument("--limit", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = Generator.load(find_checkpoint(args.checkpoint))
    methods = args.methods.split(",") if args.methods else [own_way("t2l", generator)]
    suite = read_suites(args.tasks.split(","), split="eval")
    tasks = [task for task in suite.values() if not task.benchmark]
    results = {}
    for seed in [None, *range(args.seeds)]:
        # In float32: half a step would be lost in bfloat16's rounding here and there.
        base = BaseModel.load(generator.spec.base_model, dtype="float32")
        facts = {"matrices": 0, "noise_over_weights": 0.0}
        if seed is not None:
            count, ratio = add_noise(base, seed)
            facts = {"matrices": count, "noise_over_weights": round(ratio, 4)}
        base.model.to(torch.bfloat16)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.jsonl"
            rows = evaluate(tasks, methods, base, generator, file, limit=args.limit)
        summary = summarize(rows)
        name = "as it is" if seed is None else f"noise, seed {seed}"
        results[name] = {**facts, "report": summary}
        print(name, facts, *lines(summary), sep="\n", flush=True)
    if args.json:
        print(json.dumps(results))


if __name__ == "__main__":
    run_script(main)
