"""The command line: t2l (= python -m t2l) generate | compare | train | eval | report | doctor.
Knows argparse and the studio; decides nothing itself."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2l import __version__
from t2l.errors import T2LError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, 2 for what the user can fix, 130 after Ctrl-C."""
    args = _parser().parse_args(argv)
    try:
        # A description may hold characters that this terminal cannot show; they must not end the program.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        result = args.run(args)
    except T2LError as err:
        if args.json:
            print(json.dumps({"error": str(err)}))
        print(f"t2l: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\n{stop}".rstrip(), file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="t2l", description="A sentence becomes a LoRA adapter.")
    parser.add_argument("--version", action="version", version=f"t2l {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="end the output with one line of JSON")
    model = _model_options(dtype="auto")

    generate = commands.add_parser(
        "generate", parents=[common, model], help="make the adapter of a description as a PEFT folder"
    )
    generate.add_argument("description")
    generate.add_argument(
        "--out", required=True, help="folder to write; an adapter that is there is replaced"
    )
    generate.set_defaults(run=_generate)

    compare = commands.add_parser(
        "compare", parents=[common, model], help="base and adapted answers to prompts, side by side"
    )
    compare.add_argument("description")
    compare.add_argument("prompts", nargs="+", metavar="prompt")
    compare.add_argument("--max-new-tokens", type=int, default=64)
    compare.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    compare.add_argument("--seed", type=int, default=0)
    compare.set_defaults(run=_compare)

    train = commands.add_parser("train", help="train a hypernetwork").add_subparsers(
        dest="method", required=True
    )
    sft = train.add_parser("sft", parents=[common], help="through the frozen base, on a suite of tasks")
    contrast = train.add_parser(
        "encoder", parents=[common], help="fit the text encoder to the descriptions of a suite of tasks"
    )
    from t2l.train.contrast import ContrastRun
    from t2l.train.loop import FitConfig
    from t2l.train.sft import SFTConfig, SFTRun

    _add_settings(sft, SFTRun, SFTConfig, FitConfig)
    _add_settings(contrast, ContrastRun, FitConfig)
    sft.set_defaults(run=_train_sft)
    contrast.set_defaults(run=_train_encoder)

    # A fixed type: "auto" may choose another one when an interrupted measurement goes on.
    evaluate = commands.add_parser(
        "eval",
        parents=[common, _model_options(dtype="bfloat16")],
        help="score methods on a suite's test examples",
    )
    evaluate.add_argument(
        "--tasks", type=_names, required=True, help="folders of task suites, separated by commas"
    )
    evaluate.add_argument("--split", default="eval", choices=["train", "eval"])
    evaluate.add_argument("--names", type=_names, default=(), help="only these tasks, separated by commas")
    evaluate.add_argument(
        "--methods", type=_names, default=("base", "description", "icl", "t2l"), help="separated by commas"
    )
    evaluate.add_argument("--limit", type=int, default=100, help="test examples of each task")
    evaluate.add_argument("--benchmarks", action="store_true", help="public benchmarks too")
    evaluate.add_argument("--out", required=True, help="results.jsonl; rows that it holds are not made again")
    evaluate.set_defaults(run=_evaluate)

    report = commands.add_parser(
        "report", parents=[common], help="means over tasks, intervals and differences of results"
    )
    report.add_argument("results", nargs="+", help="files of `t2l eval` on held-out tasks")
    report.add_argument("--seen", nargs="+", default=(), help="files on tasks that were trained on")
    report.add_argument("--markdown", action="store_true", help="all tables, those by task too, as Markdown")
    report.add_argument(
        "--into",
        nargs="+",
        default=(),
        metavar="FILE",
        help="put the tables between the marks in these files",
    )
    report.set_defaults(run=_report)

    doctor = commands.add_parser(
        "doctor", parents=[common], help="what is installed and what would be downloaded"
    )
    doctor.set_defaults(run=_doctor)
    return parser


def _model_options(dtype: str) -> argparse.ArgumentParser:
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--checkpoint", help="name or folder of the generator")
    model.add_argument(
        "--dtype", default=dtype, help=f"auto, float32, bfloat16 or float16 of the base (default {dtype})"
    )
    model.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    return model


_TRAIN_HELP = {
    "tasks": "folders of task suites, separated by commas; tasks of split eval are never read",
    "condition": "pooled or tokens: what is read of a description",
    "encoder_adapter": "folder of an encoder fitted by `t2l train encoder`",
    "temperature": "cosines are divided by it",
    "init": "checkpoint of the same form to begin from",
    "variant": "l, m, s or rankwise",
    "base": "Hub id or folder of the frozen base",
    "encoder": "text encoder of the descriptions",
    "targets": "modules of a decoder layer, separated by commas",
    "rank": "LoRA rank",
    "alpha": "LoRA alpha; the scaling is alpha/rank",
    "latent_size": "size of the trunk",
    "head_size": "size of what the heads read",
    "share": "none, layers or all",
    "descriptions": "how many of each task's descriptions are trained on",
    "val_tasks": "tasks kept out and scored as unseen ones, separated by commas",
    "open_license": "only tasks whose data may be passed on freely",
    "dtype": "auto, float32, bfloat16 or float16 of the base",
    "tasks_per_step": "rows of a step, each one task and one adapter",
    "examples_per_task": "most examples that share a row",
    "tokens_per_row": "most tokens of a row with several examples",
    "max_tokens": "longest example",
    "l2": "weight of the generated numbers' mean squares",
    "label_smoothing": "of the cross-entropy",
    "condition_noise": "mixes a task's descriptions and adds noise of this size",
    "steps": "optimiser steps",
    "learning_rate": "at the top of the schedule",
    "warmup": "fraction of the steps in which the rate rises",
    "weight_decay": "AdamW's",
    "clip": "largest gradient norm",
    "seed": "of everything random",
    "save_minutes": "time between checkpoints",
    "log_every": "steps between log lines",
    "validate_every": "steps between validations",
}


def _add_settings(parser: argparse.ArgumentParser, *settings: type) -> None:
    parser.add_argument("--out", required=True, help="folder of the run; the same command again continues it")
    for kind in settings:
        group = parser.add_argument_group(kind.__name__)
        for field in dataclasses.fields(kind):
            option: dict[str, Any] = {"help": _TRAIN_HELP[field.name]}
            if field.default is dataclasses.MISSING:
                option["required"] = True
                option["type"] = int if field.name == "steps" else _names
            elif isinstance(field.default, bool):
                option["action"] = "store_true"
            else:
                option["default"] = field.default
                option["type"] = _names if isinstance(field.default, tuple) else type(field.default)
            if not isinstance(field.default, bool) and field.default is not dataclasses.MISSING:
                shown = ",".join(field.default) if isinstance(field.default, tuple) else field.default
                option["help"] += f" (default {shown})" if shown != "" else ""
            group.add_argument(f"--{field.name.replace('_', '-')}", **option)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _train_sft(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.loop import FitConfig
    from t2l.train.sft import SFTConfig, SFTRun, train_sft

    quiet()
    run, sft, fitting = (_given(args, kind) for kind in (SFTRun, SFTConfig, FitConfig))
    done = train_sft(run, sft, fitting, args.out)
    print(f"{done} steps done; the checkpoint is {args.out}/generator")
    return {"steps": done, "checkpoint": f"{args.out}/generator"}


def _train_encoder(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.contrast import ContrastRun, train_encoder
    from t2l.train.loop import FitConfig

    quiet()
    done = train_encoder(_given(args, ContrastRun), _given(args, FitConfig), args.out)
    print(f"{done} steps done; the fitted encoder is {args.out}/encoder")
    return {"steps": done, "encoder": f"{args.out}/encoder"}


def _given(args: argparse.Namespace, settings: type) -> Any:
    return settings(**{field.name: getattr(args, field.name) for field in dataclasses.fields(settings)})


def _studio(args: argparse.Namespace) -> Any:
    from t2l.studio import DEFAULT_CHECKPOINT, Studio

    return Studio(args.checkpoint or DEFAULT_CHECKPOINT, dtype=args.dtype, device=args.device)


def _generate(args: argparse.Namespace) -> dict[str, Any]:
    made = _studio(args).describe(args.description)
    size = made.adapter.save(args.out)
    print(f"{args.out}: adapter {made.adapter.id}, {size / 1e6:.1f} MB, made in {made.seconds * 1000:.0f} ms")
    return {"id": made.adapter.id, "path": args.out, "bytes": size, "seconds": round(made.seconds, 4)}


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.engine import Decoding

    decoding = Decoding(args.max_new_tokens, args.temperature, seed=args.seed)
    studio = _studio(args)
    made = studio.describe(args.description)
    print(f"Adapter {made.adapter.id}: {made.adapter.condition}")
    results = []
    for prompt in args.prompts:
        *_, (base, adapted) = studio.compare(prompt, [made.adapter.weights], decoding)
        results.append({"prompt": prompt, "base": base, "adapted": adapted})
        print(f"\nPrompt:  {prompt}\nBase:    {base}\nAdapted: {adapted}", flush=True)
    return {"id": made.adapter.id, "results": results}


def _evaluate(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import BaseModel, quiet
    from t2l.eval.report import lines, summarize
    from t2l.eval.run import evaluate
    from t2l.generator import Generator
    from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
    from t2l.tasks import pick, read_suites

    quiet()
    suite = read_suites(args.tasks, split=args.split)
    if args.names:
        suite = pick(suite, args.names)
    tasks = [task for task in suite.values() if args.benchmarks or not task.benchmark]
    generator = Generator.load(find_checkpoint(args.checkpoint or DEFAULT_CHECKPOINT))
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype, device=args.device)
    rows = evaluate(tasks, args.methods, base, generator, args.out, limit=args.limit)
    report = summarize([], rows) if args.split == "train" else summarize(rows)
    print("\n".join(lines(report)))
    return {"out": args.out, **report}


def _report(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.eval.report import fill, lines, summarize, tables
    from t2l.eval.run import read_rows

    held_out, seen = (
        [row for file in files for row in read_rows(file)] for files in (args.results, args.seen)
    )
    report = summarize(held_out, seen)
    parts = tables(report)
    print("\n\n".join(parts.values()) if args.markdown else "\n".join(lines(report)))
    for name in args.into:
        try:
            file = Path(name)
            file.write_text(fill(file.read_text(encoding="utf-8"), parts), encoding="utf-8")
        except T2LError as err:
            raise T2LError(f"{name}: {err}") from err
        except (OSError, UnicodeDecodeError) as err:
            raise T2LError(f"{name} cannot be filled ({err}); give a text file with marks.") from err
    return report


def _doctor(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.studio import doctor

    facts = doctor()
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(value) or "nothing"
        print(f"{key.replace('_', ' '):<15} {value}")
    return facts


if __name__ == "__main__":
    sys.exit(main())
