"""Compression: a library of LoRAs against hypernetworks that reconstruct it: numbers stored, error, score.
The table of arXiv 2506.06105 on reconstruction, with the two readings of layer sharing beside L, M and S."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from t2l.base import BaseModel, quiet
from t2l.errors import T2LError, run_script
from t2l.eval.run import evaluate
from t2l.generator import Generator
from t2l.lora import stack
from t2l.tasks import Task, read_suites
from t2l.train.library import read_library
from t2l.train.loop import FitConfig
from t2l.train.recon import Library, ReconRun, relative_errors, train_recon
from t2l.train.recon import statistics as statistics_of

# Name in the table -> variant and share.
FORMS = {
    "l": ("l", "none"),
    "m": ("m", "none"),
    "s": ("s", "none"),
    "layers": ("l", "layers"),
    "all": ("l", "all"),
}


def forms_of(given: str) -> list[str]:
    """The forms that a command names; raises T2LError for one that there is not."""
    forms = given.split(",")
    if strange := next((form for form in forms if form not in FORMS), None):
        raise T2LError(f"There is no form {strange!r}; choose among {', '.join(FORMS)}.")
    return forms


def spread(tasks: Iterable[Task]) -> list[Task]:
    """The tasks in an order whose beginnings hold as many categories as they can; T2LError for none."""
    by_category: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.name):
        by_category.setdefault(task.category, []).append(task)
    if not by_category:
        raise T2LError("None of these tasks can be used; give other --tasks.")
    rounds = max(map(len, by_category.values()))
    return [group[i] for i in range(rounds) for group in by_category.values() if i < len(group)]


def stored(generator: Path) -> int:
    """How many numbers a checkpoint's weights file holds of its network."""
    with safe_open(generator / "model.safetensors", framework="pt") as file:
        keys = [key for key in file.keys() if not key.startswith("encoder_adapter")]
        return sum(file.get_tensor(key).numel() for key in keys)


def off_the_mean(library: Library) -> Iterator[dict[str, Tensor]]:
    """The relative errors of the library's mean, taken for each of its adapters."""
    mean = statistics_of(library, list(library.folders))[0]
    for name in library.folders:
        yield relative_errors(stack([mean]), library.read([name]))


def mean_score(rows: Sequence[dict[str, Any]], metric: str) -> float:
    """The mean over tasks of the means over their descriptions."""
    by_task: dict[str, list[float]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row[metric])
    return statistics.mean(map(statistics.mean, by_task.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, help="folder of `t2l train library`")
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--sizes", default="9,16,32", help="how many of the library's tasks")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--loss", default="relative", help="raw, z_score, delta, frobenius or relative")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--tasks-per-step", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--head-size", type=int, default=128)
    parser.add_argument("--limit", type=int, default=30, help="test examples of each task")
    parser.add_argument("--work", default="runs/compression", help="folder of the runs, which go on there")
    parser.add_argument("--out", default="results/compression.json", help="a list with a row for every run")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    folders, forms = tuple(args.tasks.split(",")), forms_of(args.forms)
    suite = read_suites(folders, split="train")
    names = [member.name for member in read_library(args.library)]
    order = spread(suite[name] for name in names if name in suite)
    base = BaseModel.load(dtype="bfloat16")
    work, rows = Path(args.work), []
    for size in sorted({min(int(size), len(order)) for size in args.sizes.split(",")}):
        tasks = order[:size]
        library = Library.open(args.library, [task.name for task in tasks])
        part = ",".join(str(library.folders[task.name]) for task in tasks)

        def scored(
            method: str, made: Generator | None = None, tasks: list[Task] = tasks, of: Library = library
        ) -> dict[str, float]:
            rows = evaluate(tasks, [method], base, made, work / "answers.jsonl", limit=args.limit, library=of)
            return {metric: mean_score(rows, metric) for metric in ("strict", "lenient")}

        facts = {
            "tasks": size,
            "names": [task.name for task in tasks],
            "library": size * library.spec.n_parameters,
        }
        facts |= {"limit": args.limit, "date": date.today().isoformat(), "base_weights_id": base.weights_id}
        oracle = scored("oracle")
        rows.append({"form": "library", "stored": facts["library"], "error": 0.0, **oracle, **facts})
        errors = [statistics.mean(map(float, errors.values())) for errors in off_the_mean(library)]
        row = {"form": "mean", "stored": library.spec.n_parameters, "error": statistics.mean(errors)}
        rows.append({**row, **scored("mean"), **facts})
        for form in forms:
            variant, share = FORMS[form]
            run = ReconRun(
                part,
                folders,
                loss=args.loss,
                variant=variant,
                share=share,
                head_size=args.head_size,
                tasks_per_step=min(size, args.tasks_per_step),
            )
            fitting = FitConfig(args.steps, args.learning_rate, 0.1, 1e-3, validate_every=args.steps)
            out = work / f"{size}-{form}-{args.loss}-{args.head_size}"
            train_recon(run, fitting, out)
            generator = Generator.load(out / "generator")
            lines = (out / "report" / "errors.jsonl").read_text(encoding="utf-8").splitlines()
            errors = [row["error"] for row in map(json.loads, lines) if row["kind"] == "trained"]
            row = {"form": form, "stored": stored(out / "generator"), "error": statistics.mean(errors)}
            row |= scored("t2l_seen", generator)
            row |= {"kept": row["strict"] / oracle["strict"] if oracle["strict"] else None}
            row |= {
                "loss": args.loss,
                "steps": args.steps,
                "tasks_per_step": args.tasks_per_step,
                "learning_rate": args.learning_rate,
                **facts,
            }
            rows.append({**row, "head_size": args.head_size, "generator_id": generator.id})
            sizes = f"{row['stored'] / 1e6:6.2f} M of {facts['library'] / 1e6:6.2f} M"
            scores = f"strict {100 * row['strict']:5.1f} of {100 * oracle['strict']:5.1f}"
            print(f"{size:>3} tasks  {form:<8} {sizes}  error {row['error']:.2f}  {scores}", flush=True)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    Path(args.out).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    run_script(main)
