"""Whether choosing a wording by examples helps: strict accuracy of the first and of the chosen one.
Counted on examples that did not choose, for tasks whose last two descriptions were never trained on."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import deque

from t2l.base import quiet
from t2l.errors import run_script
from t2l.studio import DEFAULT_CHECKPOINT, Studio, Wordings
from t2l.tasks import pick, read_suites

# The descriptions that training leaves out.
UNSEEN = (6, 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--names", required=True, help="tasks, separated by commas")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--n", type=int, default=40, help="test examples of each task, half of which choose")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    suite, rows = read_suites(args.tasks.split(",")), []
    with tempfile.TemporaryDirectory() as shelf:
        studio = Studio(args.checkpoint, shelf=shelf)
        for name, task in pick(suite, args.names.split(",")).items():
            words = [task.descriptions[number] for number in UNSEEN]
            (found,) = deque(studio.better_wording(words, task.test[: args.n]), maxlen=1)
            assert isinstance(found, Wordings)
            first, best, base = found.first, found.best, found.base
            row = {"task": name, "n": best.n, "base": base.strict, "first": first.strict, "best": best.strict}
            rows.append({**row, "wording": best.text})
            if not args.json:
                told = f"base {base.strict:>3} first {first.strict:>3} best {best.strict:>3} of {best.n}"
                print(f"{name:<28} {told}", flush=True)
    better, worse = (sum(sign * (row["best"] - row["first"]) > 0 for row in rows) for sign in (1, -1))
    if args.json:
        print(json.dumps({"better": better, "worse": worse, "tasks": rows}))
    else:
        print(f"better {better}, worse {worse}, of {len(rows)} tasks")


if __name__ == "__main__":
    run_script(main)
