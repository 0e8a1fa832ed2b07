"""Writes a checkpoint's index of trained tasks, and measures below which similarity little is to be expected.

    python scripts/index_tasks.py checkpoints/NAME --tasks data/suite,OTHERS \\
        --results results/NAME.jsonl,results/NAME.seen.jsonl

The index holds every task of the checkpoint's training that --tasks have, as the mean direction of its
trained descriptions; vectors that are there, as training writes them, stay. So the folders choose what a page
names as near: thousands of generated tasks need not be shipped. The threshold comes from scored descriptions
that were not trained on (methods t2l and t2l_unseen of `t2l eval`, or t2l_told and t2l_told_unseen for a
checkpoint that says its tasks): the similarity that best separates those whose adapter answers at least one
of five examples right from the others (Youden's J).
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open

from t2l.encoder import TextEncoder
from t2l.errors import T2LError, run_script
from t2l.eval.methods import own_way
from t2l.eval.run import read_rows
from t2l.generator import Condition, Generator
from t2l.likeness import TaskIndex
from t2l.tasks import read_suites

USEFUL = 0.2
UNTRAINED = ("t2l", "t2l_unseen")  # methods whose descriptions were not trained on


def threshold(points: list[tuple[float, float]]) -> tuple[float, float, float]:
    """(similarity, score) pairs -> the best cut and the share of useful ones above, of useless ones below."""
    useful = [s for s, score in points if score >= USEFUL]
    others = [s for s, score in points if score < USEFUL]
    if not useful or not others:
        raise T2LError("All scored descriptions are useful, or none is; no threshold separates them.")

    def kept(cut: float) -> tuple[float, float]:
        return sum(s >= cut for s in useful) / len(useful), sum(s < cut for s in others) / len(others)

    values = sorted({s for s, _ in points})
    cuts = [statistics.mean(pair) for pair in itertools.pairwise(values)]
    best = max(cuts, key=lambda cut: sum(kept(cut)))
    return best, *kept(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--results", help="files of scored descriptions, by commas; else no threshold")
    parser.add_argument("--pull", type=float, help="how far descriptions are turned to the nearest task's")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    generator = Generator.load(args.checkpoint)
    if generator.reads != "text":
        raise T2LError(f"{generator.name} reads no descriptions, so that there is nothing to compare with.")
    suite = read_suites(args.tasks.split(","))

    def encode(texts: tuple[str, ...]) -> torch.Tensor:
        assert isinstance(generator.encoder, TextEncoder)
        return generator.encoder.encode_cached([Condition(text).text for text in texts])

    index, training = generator.index, generator.training
    known = index.names if index else training["tasks"]
    kept = [n for n, name in enumerate(known) if name in suite]
    names = [known[n] for n in kept]
    if not names:
        raise T2LError(f"{args.tasks} has none of the tasks that {generator.name} was trained on.")
    if index is None:
        tasks = [suite[name] for name in names]
        used = [encode(task.descriptions[: training["descriptions"]]) for task in tasks]
        index = TaskIndex.of(names, [task.descriptions[0] for task in tasks], used)
    else:
        index = index.subset(kept)
    report = {"checkpoint": generator.name, "tasks": len(index.names), "trained_on": len(training["tasks"])}
    if args.results:
        asked = [own_way(name, generator) for name in UNTRAINED]
        scores: dict[tuple[str, int], list[float]] = defaultdict(list)
        for row in itertools.chain.from_iterable(read_rows(file) for file in args.results.split(",")):
            if row["method"] in asked and row["generator_id"] == generator.id:
                scores[row["task"], row["description"]].append(row["strict"])
        points = []
        if lacking := sorted({name for name, _ in scores} - set(suite)):
            raise T2LError(f"{args.results} has {lacking[0]}, which is not in {args.tasks}; add its suite.")
        for (name, number), values in scores.items():
            near = index.nearest(encode((suite[name].descriptions[number],))[0], 1)[0]
            points.append((near.similarity, statistics.mean(values)))
        far, above, below = threshold(points)
        index = replace(index, far=round(far, 3))
        report |= {
            "descriptions": len(points),
            "far": index.far,
            "useful_above": round(above, 3),
            "useless_below": round(below, 3),
            "mean_score_above": round(100 * statistics.mean(v for s, v in points if s >= far), 1),
            "mean_score_below": round(100 * statistics.mean(v for s, v in points if s < far), 1),
            "below": sum(s < far for s, _ in points),
        }
    pull = generator.pull if args.pull is None else args.pull
    with safe_open(Path(args.checkpoint) / "model.safetensors", "pt") as stored:
        # A network by reconstruction is stored in float32, and stays so.
        kind = stored.get_tensor(next(iter(stored.keys()))).dtype
    replace(generator, index=index, pull=pull).save(args.checkpoint, kind)
    print(json.dumps(report) if args.json else "\n".join(f"{key}: {value}" for key, value in report.items()))


if __name__ == "__main__":
    run_script(main)
