"""The command line: t2l (= python -m t2l) generate | compare | train | eval | export | lint | ...
Knows argparse and the studio; decides nothing itself."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from t2l import __version__
from t2l.errors import T2LError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    0, 1 where `lint` finds something, 2 for what the user can fix, 130 after Ctrl-C, 141 where the reader of
    its output has gone, as of `t2l report | head`.
    """
    args = _parser().parse_args(argv)
    try:
        # A description may hold characters that this terminal cannot show; they must not end the program.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        result = args.run(args)
        if args.json:
            print(json.dumps(result))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except T2LError as err:
        if args.json:
            print(json.dumps({"error": str(err)}))
        print(f"t2l: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\n{stop}".rstrip(), file=sys.stderr)
        return 130
    return 1 if result.get("findings") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="t2l", description="A sentence becomes a LoRA adapter.")
    parser.add_argument("--version", action="version", version=f"t2l {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="end the output with one line of JSON")
    model = _model_options(dtype="auto")
    presets = _preset_options()

    generate = commands.add_parser(
        "generate", parents=[common, model, presets], help="make an adapter of a description as a PEFT folder"
    )
    generate.add_argument("description", nargs="?", default="")
    generate.add_argument(
        "--prompts", help="in its place: a file of inputs without answers, one a line, or .jsonl"
    )
    generate.add_argument(
        "--tell-prompts", action="store_true", help="let the prompts stand in the adapter's folder"
    )
    generate.add_argument(
        "--out", required=True, help="folder to write; an adapter that is there is replaced"
    )
    generate.set_defaults(run=_generate)

    compare = commands.add_parser(
        "compare", parents=[common, model, presets], help="base and adapted answers to prompts, side by side"
    )
    compare.add_argument("description")
    compare.add_argument("prompts", nargs="+", metavar="prompt")
    compare.add_argument("--max-new-tokens", type=int, default=64)
    compare.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    compare.add_argument("--top-p", type=float, default=1.0, help="1 keeps every token")
    compare.add_argument("--top-k", type=int, default=0, help="0 keeps every token")
    compare.add_argument("--repetition-penalty", type=float, default=1.0, help="1 is none")
    compare.add_argument("--stop", action="append", default=[], help="ends an answer; may be repeated")
    compare.add_argument("--seed", type=int, default=0)
    compare.add_argument("--strength", type=float, default=1.0, help="of the adapter; 0 is the base")
    compare.add_argument(
        "--say-task",
        action="store_true",
        help="the prompts say the task too, to base and adapter alike; to adapters trained so they always do",
    )
    compare.set_defaults(run=_compare)

    train = commands.add_parser("train", help="train a hypernetwork, or LoRAs").add_subparsers(
        dest="method", required=True
    )
    sft = train.add_parser("sft", parents=[common], help="through the frozen base, on a suite of tasks")
    contrast = train.add_parser(
        "encoder", parents=[common], help="fit the text encoder to the descriptions of a suite of tasks"
    )
    recon = train.add_parser("recon", parents=[common], help="from a library of adapters, without a base")
    distill = train.add_parser(
        "distill", parents=[common], help="from another checkpoint's adapters, without a base"
    )
    dnd = train.add_parser(
        "dnd", parents=[common], help="a network that reads example prompts, from a library with snapshots"
    )
    dnd_sft = train.add_parser(
        "dnd-sft", parents=[common], help="goes on with a network of `train dnd`, through the frozen base"
    )
    library = train.add_parser(
        "library", parents=[common], help="one LoRA for each task, many in one batch (no hypernetwork)"
    )
    multitask = train.add_parser(
        "multitask", parents=[common], help="one LoRA for all tasks (no hypernetwork)"
    )
    from t2l.train.contrast import ContrastRun
    from t2l.train.distill import DistillRun
    from t2l.train.dnd import DnDRun
    from t2l.train.dnd_sft import DnDSFTRun
    from t2l.train.library import LibraryRun, MultitaskRun
    from t2l.train.loop import FitConfig
    from t2l.train.recon import ReconRun
    from t2l.train.sft import SFTConfig, SFTRun

    _add_settings(recon, ReconRun, FitConfig)
    recon.set_defaults(run=_train_recon)
    _add_settings(distill, DistillRun, FitConfig)
    distill.set_defaults(run=_train_distill)
    _add_settings(dnd, DnDRun, FitConfig)
    dnd.set_defaults(run=_train_dnd)
    _add_settings(dnd_sft, DnDSFTRun, SFTConfig, FitConfig, without={"described"})
    dnd_sft.set_defaults(run=_train_dnd_sft)
    _add_settings(sft, SFTRun, SFTConfig, FitConfig)
    _add_settings(
        library, LibraryRun, SFTConfig, FitConfig, without=_NO_CONDITION | {"family_power", "described"}
    )
    _add_settings(multitask, MultitaskRun, SFTConfig, FitConfig, without=_NO_CONDITION)
    library.set_defaults(run=_train_library)
    multitask.set_defaults(run=_train_multitask)
    _add_settings(contrast, ContrastRun, FitConfig)
    sft.set_defaults(run=_train_sft)
    contrast.set_defaults(run=_train_encoder)

    describing = train.add_parser(
        "describe", parents=[common], help="write descriptions for tasks that have none, from their examples"
    )
    describing.add_argument("--tasks", type=_names, required=True, help="folders of suites, by commas")
    describing.add_argument("--names", type=_names, default=(), help="only these tasks, by commas")
    describing.add_argument("--count", type=int, default=8, help="descriptions of each task (default 8)")
    who = describing.add_mutually_exclusive_group(required=True)
    who.add_argument("--endpoint", default="", help="of an OpenAI-compatible server, such as https://host/v1")
    who.add_argument("--local", action="store_true", help="the local base; small ones write poor ones")
    describing.add_argument("--model", default="", help="of the endpoint")
    describing.add_argument(
        "--key-variable", default="OPENAI_API_KEY", help="environment variable of the key"
    )
    describing.add_argument("--timeout", type=float, default=60.0, help="seconds")
    describing.add_argument("--base", default="", help="Hub id or folder, with --local")
    describing.add_argument("--seed", type=int, default=0)
    describing.set_defaults(run=_train_describe)

    data = commands.add_parser("data", help="tasks of your own").add_subparsers(dest="method", required=True)
    converting = data.add_parser("convert", parents=[common], help="make tasks of files of examples")
    converting.add_argument(
        "source", help="a .jsonl, .csv or .parquet file, or a folder with one for each task"
    )
    converting.add_argument("--out", required=True, help="folder of the suite; its tasks are added to")
    converting.add_argument("--name", default="", help="of the task (default: the file's)")
    converting.add_argument(
        "--description", action="append", default=[], help="what the task is; may be repeated"
    )
    converting.add_argument(
        "--later", action="store_true", help="descriptions come later (t2l train describe)"
    )
    converting.add_argument("--paraphrases", type=int, default=0, help="more wordings of each, from frames")
    converting.add_argument(
        "--layout", default="plain", help="plain, or super_natural for the Lots-of-LoRAs datasets"
    )
    converting.add_argument(
        "--definition-in-input", action="store_true", help="super_natural: the base reads the definition too"
    )
    converting.add_argument("--input-field", default="input")
    converting.add_argument("--output-field", default="output")
    converting.add_argument("--ignore", type=_names, default=(), help="fields to leave out, by commas")
    converting.add_argument("--split", default="train", choices=["train", "eval"])
    converting.add_argument("--metric", default="exact_match", choices=["exact_match", "choice"])
    converting.add_argument("--max-new-tokens", type=int, default=32, help="longest answer")
    converting.add_argument("--test", type=int, default=0, help="inputs kept for testing (default a tenth)")
    converting.add_argument("--license", default="", help="of the data")
    converting.add_argument("--open-license", action="store_true", help="the data may be passed on freely")
    converting.set_defaults(run=_data_convert)
    fetching = data.add_parser(
        "fetch", parents=[common], help="open tasks that others published, from their repositories"
    )
    fetching.add_argument("--out", required=True, help="folder of the suite; its tasks are added to")
    fetching.add_argument("--names", type=_names, default=(), help="tasks, by commas (default all)")
    fetching.add_argument("--copies", help="folder with OWNER/NAME/, in place of the network")
    fetching.set_defaults(run=_data_fetch)
    checking = data.add_parser(
        "check", parents=[common], help="what held-out tasks share with those that are trained on"
    )
    checking.add_argument("--tasks", type=_names, required=True, help="folders of suites, by commas")
    checking.add_argument("--encoder", help="text encoder that compares descriptions")
    checking.add_argument("--text-only", action="store_true", help="leave descriptions out")
    checking.set_defaults(run=_data_check)

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
        "--methods",
        type=_names,
        default=(),
        help="separated by commas (default base,description,icl and t2l, or t2l_told where the checkpoint "
        "was trained with the task in its prompts)",
    )
    evaluate.add_argument("--limit", type=int, default=100, help="test examples of each task")
    evaluate.add_argument("--seeds", type=int, default=1, help="of methods that draw examples")
    evaluate.add_argument("--library", help="folder of LoRAs: for mean, nearest, arrow and oracle")
    evaluate.add_argument("--multitask", help="folder of a multi-task LoRA: for multitask")
    evaluate.add_argument("--benchmarks", action="store_true", help="public benchmarks too")
    evaluate.add_argument("--out", required=True, help="results.jsonl; rows that it holds are not made again")
    evaluate.set_defaults(run=_evaluate)

    report = commands.add_parser(
        "report", parents=[common], help="means over tasks, intervals and differences of results"
    )
    report.add_argument("results", nargs="*", help="files of `t2l eval` on held-out tasks")
    report.add_argument("--seen", nargs="+", default=(), help="files on tasks that were trained on")
    report.add_argument("--markdown", action="store_true", help="all tables, those by task too, as Markdown")
    report.add_argument(
        "--into",
        nargs="+",
        default=(),
        metavar="FILE",
        help="put the tables between the marks in these files",
    )
    report.add_argument("--plots", metavar="DIR", help="write every plot that there is data for, as SVG")
    report.add_argument("--analysis", metavar="FILE", help="what `t2l analyse` wrote, for plots and Markdown")
    report.set_defaults(run=_report)

    analyse = commands.add_parser(
        "analyse", parents=[common], help="do like descriptions get like adapters; does a description steer"
    )
    analyse.add_argument("--tasks", type=_names, required=True, help="folders of task suites, by commas")
    analyse.add_argument("--checkpoints", type=_names, default=(), help="names or folders, by commas")
    analyse.add_argument("--library", help="folder of LoRAs, which reconstruction learns from")
    analyse.add_argument("--limit", type=int, default=100, help="tasks, evenly spaced over the names")
    analyse.add_argument("--dtype", default="bfloat16", help="of the base (default bfloat16)")
    analyse.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    analyse.add_argument("--out", required=True, help="JSON file to write")
    analyse.set_defaults(run=_analyse)

    benchmark = commands.add_parser(
        "benchmark", parents=[common], help="the papers' benchmarks through lm-eval: base, and adapter beside"
    )
    benchmark.add_argument("names", type=_names, help="separated by commas, such as arc_easy,boolq,gsm8k")
    benchmark.add_argument("--adapter", metavar="DIR", help="folder of an adapter (default: the base alone)")
    benchmark.add_argument("--base", help="Hub id or folder (default: the adapter's, or the embedded one)")
    benchmark.add_argument(
        "--data", metavar="DIR", help="NAME/SPLIT.jsonl in the published format, in place of the Hub"
    )
    benchmark.add_argument("--limit", type=int, help="examples of each (default: all)")
    benchmark.add_argument("--shots", type=int, default=0, help="solved examples in the prompt")
    benchmark.add_argument(
        "--code", action="store_true", help="let humaneval and mbpp run what the model writes, in a sandbox"
    )
    benchmark.add_argument("--dtype", default="bfloat16", help="of the base (default bfloat16)")
    benchmark.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    benchmark.add_argument("--out", metavar="FILE", help="JSON file to write")
    benchmark.set_defaults(run=_benchmark)

    importing = commands.add_parser(
        "import", parents=[common], help="convert a published checkpoint (hypermod.pt) to our own layout"
    )
    importing.add_argument("source", help="its folder, or the Hub id of its repository")
    importing.add_argument("--out", required=True, help="folder to write")
    importing.add_argument("--subfolder", default="", help="where in the source the files lie")
    importing.add_argument(
        "--order",
        type=_names,
        help="modules of the module embedding's rows, separated by commas (default: the order of the heads)",
    )
    importing.set_defaults(run=_import)

    export = commands.add_parser(
        "export", parents=[common], help="an adapter as a GGUF for llama.cpp, or merged into its base"
    )
    export.add_argument("folder", help="folder of the adapter")
    export.add_argument("--to", required=True, choices=["gguf", "merged"])
    export.add_argument("--out", required=True, help="file (gguf) or folder (merged) to write; a new one")
    export.add_argument("--base", help="Hub id or folder of the base (default: the one the adapter names)")
    export.set_defaults(run=_export)

    lint = commands.add_parser(
        "lint", parents=[common], help="what keeps vLLM from serving an adapter; status 1 where there is any"
    )
    lint.add_argument("folder", help="folder of the adapter")
    lint.set_defaults(run=_lint)

    push = commands.add_parser(
        "push",
        parents=[common],
        help="publish an adapter's folder on the Hub (sign-in: HF_TOKEN or `hf auth login`)",
    )
    push.add_argument("folder")
    push.add_argument("repo", help="namespace/name")
    visibility = push.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", default=True, help="the default")
    visibility.add_argument("--public", dest="private", action="store_false")
    push.add_argument(
        "--mode", default="new", help="new, update (a new commit), or pr (a pull request); default new"
    )
    push.add_argument("--title", help="of the card; default the description")
    push.add_argument("--notes", default="", help="plain text for the card")
    push.add_argument("--license", default="", help="only for a base whose licence is not known here")
    push.add_argument("--dry-run", action="store_true", help="show the card and what would be uploaded")
    push.set_defaults(run=_push)

    pull = commands.add_parser("pull", parents=[common], help="fetch an adapter from the Hub as a folder")
    pull.add_argument("repo", help="namespace/name")
    pull.add_argument("--revision", help="commit, branch or refs/pr/N; default the newest")
    pull.add_argument("--out", required=True, help="folder to write; an adapter that is there is replaced")
    pull.set_defaults(run=_pull)

    space = commands.add_parser(
        "space",
        parents=[common],
        help="deploy this project as a Space on the Hub (sign-in: HF_TOKEN or `hf auth login`)",
    )
    space.add_argument("repo", help="namespace/name")
    visibility = space.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", default=True, help="the default")
    visibility.add_argument("--public", dest="private", action="store_false")
    space.add_argument("--hardware", help="of a new Space, by the Hub's names, such as zero-a10g")
    space.add_argument("--dry-run", action="store_true", help="check, and show what would be uploaded")
    space.set_defaults(run=_space)

    doctor = commands.add_parser(
        "doctor", parents=[common], help="what is installed and what would be downloaded"
    )
    doctor.add_argument("--presets", action="store_true", help="the presets and the memory they take instead")
    doctor.set_defaults(run=_doctor)
    return parser


def _model_options(dtype: str) -> argparse.ArgumentParser:
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--checkpoint", help="name or folder of the generator")
    model.add_argument(
        "--dtype",
        default=dtype,
        help=f"auto, float32, bfloat16, float16 or 4bit of the base (default {dtype})",
    )
    model.add_argument("--device", default="auto", help="auto, cpu, cuda, mps, or split: over all GPUs")
    return model


def _preset_options() -> argparse.ArgumentParser:
    presets = argparse.ArgumentParser(add_help=False)
    presets.add_argument(
        "--preset", default="", help="a known base with its checkpoint; `t2l doctor --presets`"
    )
    presets.add_argument("--scaling", default="", help="of the preset: trained (the default) or tables")
    presets.add_argument(
        "--chat-template", default="", help="of the preset: stock (the default) or reference"
    )
    return presets


_TRAIN_HELP = {
    "tasks": "folders of task suites, separated by commas; tasks of split eval are never read",
    "condition": "pooled or tokens: what is read of a description (recon: or one_hot, the task's number)",
    "library": "folder with the PEFT folder of every task's adapter; or several, also TASK=namespace/name",
    "loss": "raw, z_score, delta (exact L1), frobenius or relative",
    "delta_scaling": "multiplies ΔW in the losses delta and frobenius",
    "descriptions_per_task": "of each adapter of a step",
    "encoder_adapter": "folder of an encoder fitted by `t2l train encoder`, else what init was trained with",
    "specialist": "second checkpoint, which teaches what to make of --specialist-tasks",
    "specialist_tasks": "folders of task suites that the specialist is asked about, separated by commas",
    "specialist_share": "fraction of a step's adapters that are the specialist's",
    "teacher": "checkpoint whose adapters are learned; base, encoder, targets and rank are its own",
    "temperature": "cosines are divided by it",
    "init": "checkpoint (encoder: folder `encoder` of a run) of the same form to begin from",
    "variant": "l, m, s or rankwise",
    "base": "Hub id or folder of the frozen base",
    "encoder": "text encoder of the descriptions",
    "targets": "modules of a decoder layer, separated by commas",
    "prompts": "how many the network reads at once",
    "length": "tokens of each prompt that it reads",
    "size": "of the network; everything else follows from it",
    "kernel": "of every convolution, odd",
    "stages": "sizes between condition and grid in place of those that follow, such as 64x19x128, by commas",
    "unmasked": "states of padding count too, as in the reference",
    "states": "snapshots of each adapter that are used besides its best state",
    "pool": "prompts of each task that are used",
    "prompt_noise": "deviation of the noise on the states of prompts",
    "target_noise": "deviation of the noise on the adapters' tokens",
    "rank": "LoRA rank",
    "alpha": "LoRA alpha; the scaling is alpha/rank",
    "latent_size": "size of the trunk",
    "head_size": "size of what the heads read",
    "share": "none, layers or all",
    "paraphrases": "YAML file {task: [texts]} of further descriptions to train on",
    "descriptions": "how many of each task's descriptions are trained on",
    "val_tasks": "tasks kept out and scored as unseen ones, separated by commas",
    "open_license": "only tasks whose data may be passed on freely",
    "dtype": "auto, float32, bfloat16, float16 or 4bit of the base",
    "tasks_per_step": "rows of a step, each one task and one adapter",
    "examples_per_task": "most examples that share a row",
    "tokens_per_row": "most tokens of a row with several examples",
    "max_tokens": "longest example",
    "l2": "weight of the generated numbers' mean squares",
    "label_smoothing": "of the cross-entropy",
    "condition_noise": "noise of this size on what is read of a task; of descriptions two are mixed",
    "described": "fraction of the rows whose prompts say the task too",
    "turns": "fraction of the rows whose examples are turns of one conversation",
    "family_power": "a task is drawn with its family's size to the power of minus this",
    "neftune": "noise on the base's input embeddings, this over sqrt(tokens x size) (arXiv 2310.05914)",
    "lora_dropout": "of what the adapters read",
    "accumulate": "passes that a step is cut into, to save memory; the numbers stay the same",
    "mixed_precision": "no or bf16",
    "gradient_checkpointing": "compute the base's layers again in the backward pass, to save memory",
    "int8": "the base multiplies in 8 bits (float32 on a CPU): faster steps, gradients a little rounded",
    "patience": "validations without a lower loss that end training (0: never)",
    "names": "only these tasks, separated by commas",
    "offset": "folder of an adapter, such as a multi-task LoRA, that what is generated is added to",
    "learn_offset": "what is added (an adapter given as offset, else a LoRA's random start) learns too",
    "workers": "processes that make the batches of the steps to come, for a GPU that would wait (0: none)",
    "snapshots": "how many last states of each adapter to keep besides its best one",
    "snapshot_every": "steps between them",
    "shared_a": "folder of an adapter that every LoRA begins at and whose A it keeps: only B is trained",
    "track": "send the log's numbers to tensorboard, trackio or wandb too",
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


# What steers descriptions, which a LoRA without a hypernetwork does not read.
_NO_CONDITION = {"condition_noise"}


def _add_settings(parser: argparse.ArgumentParser, *settings: type, without: Collection[str] = ()) -> None:
    parser.add_argument("--out", required=True, help="folder of the run; the same command again continues it")
    for kind in settings:
        group = parser.add_argument_group(kind.__name__)
        for field in dataclasses.fields(kind):
            if field.name in without:
                continue
            option: dict[str, Any] = {"help": _TRAIN_HELP[field.name]}
            if field.default is dataclasses.MISSING:
                option["required"] = True
                option["type"] = {"int": int, "str": str}.get(str(field.type), _names)
            elif isinstance(field.default, bool):
                option["action"] = "store_true"
            else:
                option["default"] = field.default
                kind_of = {"int": int, "float": float}.get(str(field.type), type(field.default))
                option["type"] = _names if isinstance(field.default, tuple) else kind_of
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


def _train_library(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.library import INDEX, LibraryRun, train_library
    from t2l.train.loop import FitConfig
    from t2l.train.sft import SFTConfig

    quiet()
    run, sft, fitting = (_given(args, kind) for kind in (LibraryRun, SFTConfig, FitConfig))
    done = train_library(run, sft, fitting, args.out)
    print(f"{done} adapters; the library is {args.out}, its index {args.out}/{INDEX}")
    return {"adapters": done, "library": args.out}


def _train_multitask(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.library import MultitaskRun, train_multitask
    from t2l.train.loop import FitConfig
    from t2l.train.sft import SFTConfig

    quiet()
    run, sft, fitting = (_given(args, kind) for kind in (MultitaskRun, SFTConfig, FitConfig))
    done = train_multitask(run, sft, fitting, args.out)
    print(f"{done} steps done; the adapter is {args.out}/adapter")
    return {"steps": done, "adapter": f"{args.out}/adapter"}


def _train_encoder(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.contrast import ContrastRun, train_encoder
    from t2l.train.loop import FitConfig

    quiet()
    done = train_encoder(_given(args, ContrastRun), _given(args, FitConfig), args.out)
    print(f"{done} steps done; the fitted encoder is {args.out}/encoder")
    return {"steps": done, "encoder": f"{args.out}/encoder"}


def _train_recon(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.loop import FitConfig
    from t2l.train.recon import ReconRun, train_recon

    quiet()
    done = train_recon(_given(args, ReconRun), _given(args, FitConfig), args.out)
    print(f"{done} steps done; the checkpoint is {args.out}/generator, errors are in {args.out}/report")
    return {"steps": done, "checkpoint": f"{args.out}/generator", "errors": f"{args.out}/report/errors.jsonl"}


def _train_distill(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.distill import DistillRun, train_distill
    from t2l.train.loop import FitConfig

    quiet()
    done = train_distill(_given(args, DistillRun), _given(args, FitConfig), args.out)
    print(f"{done} steps done; the checkpoint is {args.out}/generator")
    return {"steps": done, "checkpoint": f"{args.out}/generator"}


def _train_dnd(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.dnd import DnDRun, train_dnd
    from t2l.train.loop import FitConfig

    quiet()
    done = train_dnd(_given(args, DnDRun), _given(args, FitConfig), args.out)
    print(f"{done} steps done; the checkpoint is {args.out}/generator, distances are in {args.out}/report")
    made = {"checkpoint": f"{args.out}/generator", "distances": f"{args.out}/report/distances.jsonl"}
    return {"steps": done, **made}


def _train_dnd_sft(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.train.dnd_sft import DnDSFTRun, train_dnd_sft
    from t2l.train.loop import FitConfig
    from t2l.train.sft import SFTConfig

    quiet()
    run, sft, fitting = (_given(args, kind) for kind in (DnDSFTRun, SFTConfig, FitConfig))
    done = train_dnd_sft(run, sft, fitting, args.out)
    print(f"{done} steps done; the checkpoint is {args.out}/generator")
    return {"steps": done, "checkpoint": f"{args.out}/generator"}


def _train_describe(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import DEFAULT_BASE, quiet
    from t2l.train.describe import Endpoint, describe, local

    quiet()
    if args.local:
        ask = local(args.base or DEFAULT_BASE)
    else:
        ask = Endpoint(args.endpoint, args.model, args.key_variable, args.timeout).ask
    made = describe(args.tasks, args.count, ask, names=args.names, seed=args.seed)
    print(f"{sum(map(len, made.values()))} descriptions of {len(made)} tasks")
    return {"descriptions": made}


def _data_convert(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.train.data import Columns, Conversion, convert

    # The published layout has an id beside both.
    ignore = (*args.ignore, "id") if args.layout == "super_natural" else args.ignore
    made = convert(
        args.source,
        args.out,
        _given(args, Conversion),
        name=args.name,
        descriptions=args.description,
        columns=Columns(args.input_field, args.output_field, ignore),
        layout=args.layout,
    )
    print(f"{args.out}: {len(made)} tasks, {sum(made.values())} examples")
    return {"out": args.out, "tasks": made}


def _data_fetch(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.train.fetch import fetch

    became: dict[str, str] = {}
    for name, what in fetch(args.out, args.names, copies=args.copies):
        became[name] = what
        print(f"{name}: {what}", flush=True)
    if faults := [name for name, what in became.items() if what not in ("made", "there")]:
        raise T2LError(
            f"{len(faults)} of {len(became)} tasks could not be made, such as {faults[0]}; the others are "
            "there, and the same command tries these again."
        )
    return {"out": args.out, "tasks": became}


def _data_check(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import quiet
    from t2l.encoder import DEFAULT_ENCODER, TextEncoder
    from t2l.tasks import read_suites
    from t2l.train.data import overlaps, table

    quiet()
    suite = read_suites(args.tasks)
    rows = overlaps(suite.values(), None if args.text_only else TextEncoder(args.encoder or DEFAULT_ENCODER))
    print("\n".join(table(rows)))
    return {"tasks": [dataclasses.asdict(row) for row in rows]}


def _given(args: argparse.Namespace, settings: type) -> Any:
    names = [field.name for field in dataclasses.fields(settings) if hasattr(args, field.name)]
    return settings(**{name: getattr(args, name) for name in names})


def _studio(args: argparse.Namespace) -> Any:
    from t2l.presets import Setup
    from t2l.studio import Studio

    setup = Setup.chosen(args.preset, args.scaling, args.chat_template)
    return Studio(args.checkpoint or "", dtype=args.dtype, device=args.device, setup=setup)


def _generate(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.generator import read_prompts

    if bool(args.description) == bool(args.prompts):
        raise T2LError("Give either a description or --prompts FILE.")
    if args.prompts:
        made = _studio(args).show(
            read_prompts(args.prompts), checkpoint=args.checkpoint or "", tell=args.tell_prompts
        )
    else:
        made = _studio(args).describe(args.description)
    size = made.adapter.save(args.out)
    print(f"{args.out}: adapter {made.adapter.id}, {size / 1e6:.1f} MB, made in {made.seconds * 1000:.0f} ms")
    return {"id": made.adapter.id, "path": args.out, "bytes": size, "seconds": round(made.seconds, 4)}


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.engine import Decoding
    from t2l.generator import check_text
    from t2l.studio import tasks_said

    decoding = Decoding(
        args.max_new_tokens,
        args.temperature,
        args.top_p,
        args.top_k,
        args.repetition_penalty,
        args.seed,
        tuple(args.stop),
    )
    studio = _studio(args)
    for prompt in args.prompts:
        # All of them before the first is answered, whose answer would be lost.
        check_text(prompt, "prompt", studio.limits.prompt)
    studio.check_memory()
    made = studio.describe(args.description)
    print(f"Adapter {made.adapter.id}: {made.adapter.condition}")
    results = []
    for prompt in args.prompts:
        *_, (base, adapted) = studio.compare(
            prompt,
            [made.adapter.weights],
            decoding,
            [args.strength],
            told=tasks_said([made.adapter], args.say_task),
        )
        results.append({"prompt": prompt, "base": base, "adapted": adapted})
        print(f"\nPrompt:  {prompt}\nBase:    {base}\nAdapted: {adapted}", flush=True)
    return {"id": made.adapter.id, "results": results}


def _sharing(device: str) -> tuple[Any, str]:
    """Under `accelerate launch` or `torchrun` accelerate's state of all processes, and this one's device."""
    import os

    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None, device
    import torch
    from accelerate import PartialState

    # Unless it is told so, it takes several processes on CPUs for one each.
    processes = PartialState(cpu=device == "cpu" or not torch.accelerator.is_available())
    return processes, str(processes.device) if device == "auto" else device


def _evaluate(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import BaseModel, quiet
    from t2l.eval.methods import own_way, read_multitask
    from t2l.eval.report import lines, summarize
    from t2l.eval.run import evaluate
    from t2l.official import load_generator
    from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
    from t2l.tasks import pick, read_suites
    from t2l.train.recon import Library

    quiet()
    every = read_suites(args.tasks)
    suite = {name: task for name, task in every.items() if task.split == args.split}
    if args.names:
        suite = pick(suite, args.names)
    tasks = [task for task in suite.values() if args.benchmarks or not task.benchmark]
    generator = load_generator(find_checkpoint(args.checkpoint or DEFAULT_CHECKPOINT))
    processes, device = _sharing(args.device)
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype, device=device)
    rows = evaluate(
        tasks,
        args.methods or ("base", "description", "icl", own_way("t2l", generator)),
        base,
        generator,
        args.out,
        limit=args.limit,
        seeds=args.seeds,
        library=Library.open(args.library) if args.library else None,
        multitask=read_multitask(args.multitask) if args.multitask else None,
        suite=list(every.values()),
        processes=processes,
    )
    report = summarize([], rows) if args.split == "train" else summarize(rows)
    if processes is None or processes.is_main_process:
        print("\n".join(lines(report)))
    return {"out": args.out, **report}


def _report(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.eval.analysis import read_analysis
    from t2l.eval.plots import plots, steering_table, write_plots
    from t2l.eval.report import fill, lines, summarize, tables
    from t2l.eval.run import read_rows
    from t2l.files import replace_file

    held_out, seen = (
        [row for file in files for row in read_rows(file)] for files in (args.results, args.seen)
    )
    report = summarize(held_out, seen)
    parts = tables(report)
    analysis = read_analysis(args.analysis) if args.analysis else None
    if analysis:
        parts["steering"] = steering_table(analysis)
    print("\n\n".join(parts.values()) if args.markdown else "\n".join(lines(report)))
    if args.plots:
        made, lacking = plots(held_out or seen, analysis)
        print("\n".join([*map(str, write_plots(args.plots, made)), *lacking]))
        report |= {"plots": [plot.name for plot in made], "lacking": lacking}
    for name in args.into:
        try:
            file = Path(name)
            replace_file(file, fill(file.read_text(encoding="utf-8"), parts))
        except T2LError as err:
            raise T2LError(f"{name}: {err}") from err
        except (OSError, UnicodeDecodeError) as err:
            raise T2LError(f"{name} cannot be filled ({err}); give a text file with marks.") from err
    return report


def _analyse(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.base import BaseModel, quiet
    from t2l.eval.analysis import analyse, writable, write_analysis
    from t2l.official import load_generator
    from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
    from t2l.tasks import read_suites
    from t2l.train.recon import Library

    quiet()
    # Before anything is computed for it.
    writable(args.out)
    names = args.checkpoints or (DEFAULT_CHECKPOINT,)
    generators = [load_generator(find_checkpoint(name)) for name in names]
    base = BaseModel.load(generators[0].spec.base_model, dtype=args.dtype, device=args.device)
    library = Library.open(args.library) if args.library else None
    found = analyse(base, generators, library, read_suites(args.tasks), args.limit)
    write_analysis(args.out, found)
    for one in found["grouping"]:
        print(f"{one['adapters']}: rank correlation {one['rank_correlation']:.2f} over {one['tasks']} tasks")
    for row in (row for one in found["steer"] for row in one["answers"]):
        print(f"{row['description'] or 'base alone'}: {row['answer']!r}")
    told = [{k: one[k] for k in ("adapters", "tasks", "rank_correlation")} for one in found["grouping"]]
    return {"out": args.out, "grouping": told, "steer": found["steer"]}


def _benchmark(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.adapter import Adapter
    from t2l.attach import target_modules
    from t2l.base import DEFAULT_BASE, BaseModel, quiet
    from t2l.eval.benchmarks import check_benchmarks, run_benchmarks
    from t2l.files import complete_file, refuse_existing

    quiet()
    options: dict[str, Any] = {"limit": args.limit, "shots": args.shots, "code": args.code, "data": args.data}
    # Before the base is loaded.
    check_benchmarks(args.names, **options)
    if args.out:
        refuse_existing(Path(args.out))
    adapter = Adapter.load(args.adapter) if args.adapter else None
    name = args.base or (adapter.spec.base_model if adapter else DEFAULT_BASE)
    base = BaseModel.load(name, dtype=args.dtype, device=args.device)
    if adapter:
        target_modules(base.model, adapter.spec)
    found = {"base": run_benchmarks(base, None, args.names, **options)}
    if adapter:
        found["adapted"] = run_benchmarks(base, adapter.weights, args.names, **options)
    for column, scores in found.items():
        for one, score in scores.items():
            print(f"{column:<8} {one:<14} {score['score']:.3f} {score['metric']} (n {score['n']})")
    told = {"base_model": base.id, "weights_id": base.weights_id, "dtype": args.dtype, **found}
    if args.out:
        with complete_file(args.out) as work:
            work.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.official import convert

    made = convert(args.source, args.out, subfolder=args.subfolder, order=args.order)
    order, known_from = made.training["module_order"], made.training["module_order_from"]
    variant = getattr(made.network.config, "variant", "")
    print(f"{args.out}: {variant.upper()} for {made.spec.base_model}")
    print(f"Module order {', '.join(order)} (from: {known_from})")
    return {"path": args.out, "id": made.id, "module_order": order, "module_order_from": known_from}


def _export(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.adapter import Adapter
    from t2l.base import BaseModel, quiet, read_config
    from t2l.export import to_gguf, to_merged

    quiet()
    adapter = Adapter.load(args.folder)
    name = args.base or adapter.spec.base_model
    config = read_config(name)
    if args.to == "gguf":
        size = to_gguf(adapter, args.out, config)
    else:
        # As it is stored: a merged model is neither larger nor coarser than its base.
        stored = str(config.get_text_config().dtype or "float32").removeprefix("torch.")
        size = to_merged(adapter, BaseModel.load(name, dtype=stored, device="cpu"), args.out)
    print(f"{args.out}: {args.to}, {size / 1e6:.1f} MB")
    return {"path": args.out, "to": args.to, "bytes": size}


def _lint(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.export import lint

    findings = lint(args.folder)
    print("\n".join(findings) or f"{args.folder}: nothing that vLLM would refuse")
    return {"findings": findings}


def _push(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.adapter import CARD, Adapter
    from t2l.card import Told, license_of
    from t2l.hub import publish, repo_files, stored_token
    from t2l.studio import Studio

    adapter = Adapter.load(args.folder)
    likeness = Studio().told_likeness(adapter)
    if args.dry_run:
        told = Told(args.title or "", args.notes, args.license, likeness=likeness)
        files = repo_files(adapter, args.repo, told)
        sizes = {name: len(data) for name, data in files.items()}
        print(files[CARD].decode())
        for name, size in sizes.items():
            print(f"{size:>12,} {name}")
        fetched = license_of(adapter.spec.base_model, args.license).files
        for name in fetched:
            print(f"{'':>12} {name}, from the base's own repo if it is there")
        return {"repo": args.repo, "files": sizes, "from_base": list(fetched)}
    made = publish(
        adapter,
        args.repo,
        stored_token(),
        private=args.private,
        mode=args.mode,
        title=args.title,
        notes=args.notes,
        license=args.license,
        likeness=likeness,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    kind = "private" if made.private else "public"
    print(f"{made.pull_request_url or made.url} ({kind}, commit {made.commit})")
    return dataclasses.asdict(made)


def _pull(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.hub import pull, stored_token

    adapter = pull(args.repo, revision=args.revision, token=stored_token())
    size = adapter.save(args.out)
    print(f"{args.out}: {args.repo}, an adapter of {adapter.spec.base_model}, {size / 1e6:.1f} MB")
    return {"id": adapter.id, "path": args.out, "bytes": size, "base_model": adapter.spec.base_model}


def _space(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.hub import check_id, stored_token
    from t2l.space import deploy, space_files

    if args.dry_run:
        check_id(args.repo, "text-to-lora")
        sizes = {name: len(data) for name, data in space_files().items()}
        for name, size in sizes.items():
            print(f"{size:>12,} {name}")
        print(f"{sum(sizes.values()):>12,} bytes in {len(sizes)} files")
        return {"repo": args.repo, "files": sizes, "bytes": sum(sizes.values())}
    made = deploy(
        args.repo,
        stored_token(),
        private=args.private,
        hardware=args.hardware,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    kind, state = "private" if made.private else "public", "" if made.changed else ", already there"
    print(f"{made.url} ({kind}, commit {made.commit}{state})")
    return dataclasses.asdict(made)


def _doctor(args: argparse.Namespace) -> dict[str, Any]:
    from t2l.studio import doctor

    if args.presets:
        return _presets()
    facts = doctor()
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(value) or "nothing"
        print(f"{key.replace('_', ' '):<15} {value}")
    return facts


def _presets() -> dict[str, Any]:
    from t2l.presets import table

    rows = table()
    for row in rows:
        needs = ", ".join(f"{row[f'device_{kind}']} GB in {kind}" for kind in ("float32", "bfloat16", "4bit"))
        gated = ", gated" if row["gated"] else ""
        print(
            f"{row['preset']:<13} {row['base']}{gated}: {needs}; encoder and network {row['host']} GB of RAM"
        )
    return {"presets": rows}


if __name__ == "__main__":
    sys.exit(main())
