"""Scores every candidate prompt format of the baselines on tasks of split train, and names the best of each.
Strict decides, lenient breaks ties, then the order of t2l/eval/formats.py; split eval is never read."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from t2l.base import BaseModel, quiet
from t2l.engine import Chat
from t2l.errors import run_script
from t2l.eval.formats import DESCRIPTION, SHOTS
from t2l.eval.metrics import lenient, strict
from t2l.eval.run import N_SHOTS, answer
from t2l.tasks import Task, read_suites


def candidates() -> dict[tuple[str, str], Callable[[Task, str], Chat]]:
    """(method, format) -> the chat of a task and one of its inputs; descriptions are number 0."""
    described = {
        ("description", name): lambda task, text, make=make: make(task.descriptions[0], text)
        for name, make in DESCRIPTION.items()
    }
    shown = {
        ("icl", name): lambda task, text, make=make: make(task.train[:N_SHOTS], text)
        for name, make in SHOTS.items()
    }
    return {**described, **shown}


def chosen(tasks: dict[str, Task], n: int) -> list[Task]:
    """At most n tasks, evenly spaced over the names, of those that have examples to show and to ask."""
    fit = [task for task in tasks.values() if task.test and len(task.train) >= N_SHOTS]
    return fit[:: -(-len(fit) // n)] if fit else []


def score(base: BaseModel, tasks: list[Task], limit: int) -> list[dict[str, Any]]:
    """One row a format, the best of each method first: means over tasks, in percent."""
    # Tasks with answers of one length share batches.
    lengths = sorted({task.max_new_tokens for task in tasks})
    rows = []
    for (method, name), make in candidates().items():
        scores = []
        for length in lengths:
            asked = [task for task in tasks if task.max_new_tokens == length]
            chats = [make(task, example.input) for task in asked for example in task.test[:limit]]
            answers = iter(answer(base, [base.prompt_ids(chat) for chat in chats], None, length))
            for task in asked:
                pairs = [(next(answers), example.output) for example in task.test[:limit]]
                scores.append([statistics.mean(f(a, right) for a, right in pairs) for f in (strict, lenient)])
        means = [round(100 * statistics.mean(column), 2) for column in zip(*scores, strict=True)]
        rows.append({"method": method, "format": name, "strict": means[0], "lenient": means[1]})
        print(rows[-1], file=sys.stderr, flush=True)
    # Sorting is stable: what comes first in the file wins a full tie.
    return sorted(rows, key=lambda row: (row["method"], -row["strict"], -row["lenient"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--n-tasks", type=int, default=26, help="evenly spaced over those that fit")
    parser.add_argument("--limit", type=int, default=20, help="test examples of each task")
    parser.add_argument("--dtype", default="bfloat16", help="of the base")
    parser.add_argument("--json", action="store_true", help="end the output with one line of JSON")
    args = parser.parse_args()
    quiet()
    tasks = chosen(read_suites(args.tasks.split(","), split="train", open_license=True), args.n_tasks)
    rows = score(BaseModel.load(dtype=args.dtype), tasks, args.limit)
    print(f"{len(tasks)} tasks: {', '.join(task.name for task in tasks)}\n")
    print("| method | format | strict | lenient |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['method']} | {row['format']} | {row['strict']:.1f} | {row['lenient']:.1f} |")
    if args.json:
        print(json.dumps({"tasks": [task.name for task in tasks], "limit": args.limit, "rows": rows}))


if __name__ == "__main__":
    run_script(main)
