"""What descriptions in other languages are worth: strict accuracy of their adapters on trained tasks.
The translations are data/translations.yaml; the adapter of another task's description stands beside them."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import deque
from pathlib import Path

import yaml

from t2l.base import quiet
from t2l.studio import DEFAULT_CHECKPOINT, Studio
from t2l.tasks import read_suites

TRANSLATIONS = Path(__file__).resolve().parent.parent / "data" / "translations.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--n", type=int, default=25, help="test examples of each task")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    said = yaml.safe_load(TRANSLATIONS.read_text(encoding="utf-8"))
    suite, rows, names = read_suites(args.tasks.split(",")), [], list(said)
    with tempfile.TemporaryDirectory() as shelf:
        studio = Studio(args.checkpoint, shelf=shelf)
        for number, name in enumerate(names):
            words = {**said[name], "other": said[names[(number + 7) % len(names)]]["en"]}
            ids = [studio.describe(text).adapter.id for text in words.values()]
            (scores,) = deque(studio.score(ids, suite[name].test[: args.n]), maxlen=1)
            near = {language: studio.likeness(text).similarity for language, text in words.items()}
            right = {language: statistics.mean(scores.right(i)) for i, language in enumerate(words, 1)}
            rows.append({"task": name, "n": len(scores.examples), "strict": right, "similarity": near})
            if not args.json:
                told = " ".join(f"{k} {100 * v:5.1f} ({near[k]:.2f})" for k, v in right.items())
                print(f"{name:<20} {told}", flush=True)
    means = {k: statistics.mean(row["strict"][k] for row in rows) for k in rows[0]["strict"]}
    if args.json:
        print(json.dumps({"strict": means, "tasks": rows}))
    else:
        print(f"{'mean':<20} " + " ".join(f"{k} {100 * v:5.1f}       " for k, v in means.items()))


if __name__ == "__main__":
    main()
