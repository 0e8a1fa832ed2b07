"""What descriptions in other languages are worth: are they near their task, and do their adapters answer?
The translations are data/translations.yaml; the adapter of another task's description stands beside them."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import yaml

from t2l.base import quiet
from t2l.errors import run_script
from t2l.studio import DEFAULT_CHECKPOINT, Studio
from t2l.tasks import pick, read_suites

TRANSLATIONS = Path(__file__).resolve().parent.parent / "data" / "translations.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--n", type=int, default=25, help="test examples of each task; 0: similarity alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    said = yaml.safe_load(TRANSLATIONS.read_text(encoding="utf-8"))
    rows, names = [], list(said)
    suite = pick(read_suites(args.tasks.split(",")), names) if args.n else {}
    with tempfile.TemporaryDirectory() as shelf:
        studio = Studio(args.checkpoint, shelf=shelf)
        for number, name in enumerate(names):
            words = {**said[name], "other": said[names[(number + 7) % len(names)]]["en"]}
            near = {language: studio.likeness(text) for language, text in words.items()}
            row: dict[str, Any] = {
                "task": name,
                "similarity": {language: found.similarity for language, found in near.items()},
                "nearest": {language: found.nearest[0].name == name for language, found in near.items()},
                "warned": {language: bool(found.warning) for language, found in near.items()},
            }
            if args.n:
                ids = [studio.describe(text).adapter.id for text in words.values()]
                (scores,) = deque(studio.score(ids, suite[name].test[: args.n]), maxlen=1)
                row["n"] = len(scores.examples)
                row["strict"] = {lang: statistics.mean(scores.right(i)) for i, lang in enumerate(words, 1)}
            rows.append(row)
            if not args.json:
                print(
                    name, *(f"{key}: {_told(row[key])}" for key in row if key not in ("task", "n")), sep="  "
                )
    kinds = [key for key in rows[0] if key not in ("task", "n")]
    means = {
        kind: {language: statistics.mean(row[kind][language] for row in rows) for language in rows[0][kind]}
        for kind in kinds
    }
    if args.json:
        print(json.dumps({**means, "tasks": rows}))
    else:
        for kind in kinds:
            print(f"mean {kind}: {_told(means[kind])}")


def _told(values: dict[str, float]) -> str:
    return " ".join(f"{language} {value:.2f}" for language, value in values.items())


if __name__ == "__main__":
    run_script(main)
