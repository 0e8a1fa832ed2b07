"""Seconds to the same score: prompts to an adapter, and full-shot fine-tuning of the same base, in one run.
Peer: the recipe of `t2l eval`, on all training examples, with 1, 2, 4, ... steps until it answers as well."""

from __future__ import annotations

import argparse
import json
import statistics
import time

from compare_with_lora import scores

from t2l.base import BaseModel, quiet
from t2l.errors import T2LError, run_script
from t2l.eval.finetune import RECIPE, drawn, finetune
from t2l.generator import Condition, Generator
from t2l.packed import pack_linears
from t2l.studio import find_checkpoint
from t2l.tasks import pick, read_suites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="one that reads prompts")
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--names", required=True, help="tasks, separated by commas")
    parser.add_argument("--limit", type=int, default=50, help="test examples of each task")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = Generator.load(find_checkpoint(args.checkpoint))
    if generator.reads != "prompts":
        raise T2LError(f"{args.checkpoint} reads descriptions; give a checkpoint made by `t2l train dnd`.")
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype)
    pack_linears(base.model)
    rows = []
    for task in pick(read_suites(args.tasks.split(",")), args.names.split(",")).values():
        prompts = Condition(prompts=tuple(example.input for example in drawn(task, 16, 0)))
        times = []
        for _ in range(args.repeats + 1):
            start = time.perf_counter()
            weights = generator.generate([prompts])[0]
            times.append(time.perf_counter() - start)
        # The first one loads the encoder.
        row = {"task": task.name, "dnd_seconds": statistics.median(times[1:])}
        row |= {"dnd": scores(base, task, weights, args.limit)[0], "steps": 0, "tuned": 0.0, "seconds": 0.0}
        # At 0 the base itself answers as well, and nothing is to be tuned for.
        row["tuned"] = scores(base, task, generator.spec.zeros(), args.limit)[0]
        while row["tuned"] < row["dnd"] and row["steps"] < RECIPE["most"]:
            row["steps"] = min(2 * row["steps"] or 1, RECIPE["most"])
            start = time.perf_counter()
            # Anew for every count, so that its schedule ends there: only the last one's seconds count.
            tuned = finetune(base, task.train, generator.spec, 0, count=row["steps"])
            row["seconds"] = time.perf_counter() - start
            row["tuned"] = scores(base, task, tuned, args.limit)[0]
        row["ratio"] = row["seconds"] / row["dnd_seconds"]
        rows.append(row)
        print(
            f"{task.name:<24} DnD {100 * row['dnd']:5.1f} in {row['dnd_seconds']:.3f} s; tuned on "
            f"{len(task.train)} examples {100 * row['tuned']:5.1f} after {row['steps']} steps, "
            f"{row['seconds']:.1f} s, {row['ratio']:.0f} times",
            flush=True,
        )
    if args.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    run_script(main)
