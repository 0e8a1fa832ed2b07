"""What an adapter costs by generation, by fine-tuning and in context: FLOPs by torch's counter, and seconds.
Peers in the same run: one LoRA fine-tuned by the recipe of `t2l eval`, and solved examples in the prompt."""

from __future__ import annotations

import argparse
import json

from t2l.base import BaseModel, quiet
from t2l.errors import run_script
from t2l.eval.cost import cost
from t2l.generator import Generator
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
from t2l.tasks import pick, read_suites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--tasks", default="data/suite", help="folders of task suites, separated by commas")
    parser.add_argument("--name", default="kebab_case")
    parser.add_argument("--examples", type=int, default=128, help="of fine-tuning")
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = Generator.load(find_checkpoint(args.checkpoint))
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype)
    task = pick(read_suites(args.tasks.split(",")), [args.name])[args.name]
    found = cost(base, generator, task, repeats=args.repeats, n=args.examples, shots=args.shots)
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found["flops"].items():
        print(f"{name:<20} {value / 1e9:12.3f} GFLOP")
    for name, value in found["seconds"].items():
        print(f"{name:<20} {value:12.4f} s")
    for name in ("fine_tuning_over_generation", "in_context_over_adapter"):
        ratio = found[name]
        print(
            f"{name:<28} {ratio['flops']:10.2f} times the FLOPs, {ratio['seconds']:10.2f} times the seconds"
        )
    print(f"queries until even with {args.shots} examples: {found['queries_until_even']:.2f}")


if __name__ == "__main__":
    run_script(main)
