"""Scaling: the same training on 8, 16, ... tasks, or of other forms of the network, and what that does.
The questions of arXiv 2506.06105 on the number of training tasks and on L, M and S; one budget of steps."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from compress import FORMS, forms_of, mean_score, spread, stored

from t2l.base import BaseModel, quiet
from t2l.errors import run_script
from t2l.eval.report import APART
from t2l.eval.run import evaluate
from t2l.generator import Generator
from t2l.tasks import read_suites, training_tasks
from t2l.train.loop import FitConfig
from t2l.train.sft import SFTConfig, SFTRun, train_sft

TARGETS = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument(
        "--sizes", default="8,16,32,64,102", help="training tasks; each contains the one before"
    )
    parser.add_argument("--steps", type=int, default=300, help="of every run, however many tasks it has")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--forms", default="m", help=f"of {', '.join(FORMS)}")
    parser.add_argument("--head-size", type=int, default=256)
    parser.add_argument("--limit", type=int, default=30, help="test examples of each task")
    parser.add_argument("--trained", type=int, default=16, help="of the smallest size, tasks to measure")
    parser.add_argument("--train-only", action="store_true", help="measure later, with the same command")
    parser.add_argument("--work", default="runs/scaling", help="folder of the runs, which go on there")
    parser.add_argument("--out", default="results/scaling.jsonl", help="rows of every run on held-out tasks")
    parser.add_argument("--seen", default="results/scaling.seen.jsonl", help="and on trained tasks")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    folders, forms = tuple(args.tasks.split(",")), forms_of(args.forms)
    order = spread(training_tasks(folders, (), True)[0])
    sizes = sorted({min(int(size), len(order)) for size in args.sizes.split(",")})
    # Sizes first, so that a comparison of forms at one size repeats none of them.
    runs = [(size, form) for size in sizes for form in forms]
    for size, form in runs:
        variant, share = FORMS[form]
        run = SFTRun(
            folders,
            tuple(task.name for task in order[:size]),
            variant=variant,
            share=share,
            head_size=args.head_size,
            targets=TARGETS,
            open_license=True,
            dtype="bfloat16",
        )
        sft = SFTConfig(tasks_per_step=8, condition_noise=1.0)
        fitting = FitConfig(args.steps, args.learning_rate, validate_every=args.steps)
        train_sft(run, sft, fitting, Path(args.work) / f"{size}-{form}")
    if args.train_only:
        return
    suite = read_suites(folders, split="eval")
    held_out = [t for t in suite.values() if not t.benchmark and t.name not in APART]
    trained = order[: sizes[0]][: args.trained]
    base, found = BaseModel.load(dtype="bfloat16"), []
    for size, form in runs:
        folder = Path(args.work) / f"{size}-{form}" / "generator"
        made = Generator.load(folder)
        made.name = f"{form}-{size}"
        scores: dict[str, str | float] = {"form": form, "tasks": size, "stored": stored(folder)}
        for tasks, methods, out in (
            (held_out, ["t2l"], args.out),
            (trained, ["t2l_seen", "t2l_unseen"], args.seen),
        ):
            rows = evaluate(tasks, methods, base, made, out, limit=args.limit)
            for method in methods:
                scores[method] = mean_score([row for row in rows if row["method"] == method], "strict")
        found.append(scores)
        print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in scores.items()))
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    run_script(main)
