"""Puts rows of one results file into another, in the place of older ones: merge_results.py NEW INTO OUT.

A row takes the place of the one of the same method, task, description, seed and prompt format of a checkpoint
of the same name, whatever its weights were; rows that INTO does not have are added at the end.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from t2l.errors import run_script
from t2l.eval.run import read_rows
from t2l.files import complete_file

SAME = ("method", "task", "description", "seed", "format", "split", "generator")


def merge(new: list[dict[str, Any]], into: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The rows of both, and how many of `into` were replaced."""

    def name(row: dict[str, Any]) -> tuple:
        return tuple(row.get(key) for key in SAME)

    latest = {name(row): row for row in new}
    asked = len(latest)
    merged = [latest.pop(name(row), row) for row in into]
    return [*merged, *latest.values()], asked - len(latest)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("new", type=Path, help="results.jsonl with the rows to put in")
    parser.add_argument("into", type=Path, help="results.jsonl that has older ones")
    parser.add_argument("out", type=Path, help="a new file, with the rows of both")
    args = parser.parse_args()
    new = read_rows(args.new)
    merged, replaced = merge(new, read_rows(args.into))
    with complete_file(args.out) as work:
        work.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in merged), encoding="utf-8"
        )
    print(f"{args.out}: {len(merged)} rows, {replaced} of them replaced")


if __name__ == "__main__":
    run_script(main)
