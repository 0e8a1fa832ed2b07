"""Evaluation: methods on a suite's test examples, one line of JSON for each (method, task, description).
Knows tasks, generators and decoding; chooses nothing: every prompt format here is fixed."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from t2l import __version__
from t2l.adapter import Adapter
from t2l.base import BaseModel
from t2l.engine import Chat, Decoding, decode
from t2l.errors import T2LError
from t2l.eval.arrow import TOP_K, routed
from t2l.eval.methods import METHODS, N_SHOTS, Ask, Method, Sources, adapters_id, asks
from t2l.eval.metrics import lenient, strict
from t2l.generator import Generator
from t2l.lora import LoRAWeights, align, stack
from t2l.packed import pack_linears
from t2l.tasks import Task
from t2l.train.recon import Library

__all__ = ["METHODS", "N_SHOTS", "answer", "evaluate", "read_rows", "row_key"]

_BATCH = 128
_NEEDS = {
    "generator": "Methods with adapters of descriptions need a checkpoint.",
    "library": "needs a library of LoRAs; give --library, a folder of `t2l train library`.",
    "multitask": "needs a multi-task LoRA; give --multitask, a folder of `t2l train multitask`.",
}
# What names a question, the answers to it, and so the row.
Question = tuple[Ask, dict[str, Any]]


def evaluate(
    tasks: Sequence[Task],
    methods: Sequence[str],
    base: BaseModel,
    generator: Generator | None,
    out: str | Path,
    *,
    limit: int = 100,
    seeds: int = 1,
    library: Library | None = None,
    multitask: Adapter | None = None,
    suite: Sequence[Task] = (),
    processes: Any = None,
) -> list[dict[str, Any]]:
    """Scores every method on the first `limit` test examples of every task; returns the rows of this call.

    out: results.jsonl; rows that it already holds for the same question (weights, dtype, adapters, prompt
    format, data, limit) are not made again, and a last line that an interruption cut off is.
    seeds: of methods that draw something. suite: the tasks that the library's adapters are of, where the
    nearest description is looked for. processes: accelerate's PartialState, whose processes share the tasks.
    Greedy decoding; all methods of a task answer in the same batches.
    Raises T2LError for an unknown method, a foreign base or a description that is missing, before anything
    is measured.
    """
    methods = list(dict.fromkeys(methods))
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise T2LError(f"The method {unknown[0]!r} is unknown; choose from {', '.join(METHODS)}.")
    given = {"generator": generator, "library": library, "multitask": multitask}
    for name in methods:
        need = METHODS[name].needs
        if need and given[need] is None:
            raise T2LError(_NEEDS[need] if need == "generator" else f"{name} {_NEEDS[need]}")
    for name, value in (("limit", limit), ("seeds", seeds)):
        if value < 1:
            raise T2LError(f"{name} must be at least 1, not {value}.")
    tasks = [task for task in tasks if task.test]
    if not tasks:
        raise T2LError("None of these tasks has test examples; write a test.jsonl or choose other tasks.")
    known_tasks = {task.name: task for task in (*suite, *tasks)}
    sources = Sources(base, generator, library, multitask, known_tasks)
    pack_linears(base.model)
    main, rank, world = True, 0, 1
    if processes is not None:
        main, rank, world = (
            processes.is_main_process,
            processes.process_index,
            processes.num_processes,
        )
    questions = list(_questions(tasks, methods, sources, limit, seeds, main))
    file, known = Path(out), {}
    if file.exists():
        known = {row_key(row): row for row in read_rows(file)}
    if processes is not None:
        # Nobody writes before all have read.
        processes.wait_for_everyone()
    if main and file.exists():
        _mend(file)
    if processes is not None:
        processes.wait_for_everyone()
    _measure(questions, known, sources, file, (rank, world), main)
    if processes is not None:
        processes.wait_for_everyone()
        known = {row_key(row): row for row in read_rows(file)}
    return [known[name] for _, key in questions if (name := row_key(key)) in known]


def _questions(
    tasks: Sequence[Task], methods: Sequence[str], sources: Sources, limit: int, seeds: int, say: bool
) -> list[Question]:
    """Every question and what names it, task after task."""
    base, generator = sources.base, sources.generator
    found: list[Question] = []
    for task in tasks:
        for name in methods:
            method = METHODS[name]
            asked = asks(name, task, tasks, sources, limit, seeds)
            if isinstance(asked, str):
                if say:
                    print(f"{name}: {task.name} is left out, {asked}.", file=sys.stderr)
                continue
            for ask in asked:
                key = {
                    "method": name,
                    "task": task.name,
                    "description": ask.number,
                    "seed": ask.seed,
                    "adapter_of": ask.of,
                    "format": method.format or (f"top {_top(sources)}" if method.routed else None),
                    "limit": limit,
                    "data": _data_id(ask, limit, says_task=method.format is not None),
                    "weights_id": base.weights_id,
                    "dtype": str(base.dtype).removeprefix("torch."),
                    "generator_id": generator.id if generator and method.needs == "generator" else None,
                    "adapters_id": adapters_id(method, sources),
                }
                found.append((ask, key))
    return found


def _top(sources: Sources) -> int:
    return min(TOP_K, sources.stack.n or 1)


def _data_id(ask: Ask, limit: int, *, says_task: bool) -> str:
    """Names what is asked: a row about other examples or another wording is another row."""
    examples = [[(e.input, e.output) for e in part] for part in (ask.examples, ask.task.test[:limit])]
    facts = [examples, ask.text, ask.task.max_new_tokens]
    if says_task and ask.text is not None and ask.number is not None:
        # Where the adapter is another task's, the prompt still says this one.
        own = ask.task.descriptions[ask.number]
        facts += [own] * (own != ask.text)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def _measure(
    questions: Sequence[Question],
    known: dict[tuple, dict[str, Any]],
    sources: Sources,
    file: Path,
    share: tuple[int, int],
    shown: bool,
) -> None:
    """Answers this process's questions that are not known yet, task after task, and adds their rows."""
    from tqdm import tqdm

    by_task: dict[str, list[Question]] = {}
    for question in questions:
        if row_key(question[1]) not in known:
            by_task.setdefault(question[0].task.name, []).append(question)
    mine = list(by_task.values())[share[0] :: share[1]]
    total = sum(len(asked) for asked in mine)
    with tqdm(total=total, unit="row", disable=not shown or not total, mininterval=1.0) as bar:
        for asked in mine:
            for row in _rows(asked, sources):
                _append(file, row)
                known[row_key(row)] = row
                bar.update()
                seed = "" if row["seed"] is None else f" seed {row['seed']} "
                bar.write(
                    f"{row['method']:<15} {row['task']:<26} description {row['description']!s:<5}{seed}"
                    f"strict {row['strict']:.2f} lenient {row['lenient']:.2f} (n {row['n']})",
                    file=sys.stderr,
                )


def _rows(asked: Sequence[Question], sources: Sources) -> list[dict[str, Any]]:
    """The rows of some questions about one task, answered in common batches."""
    import transformers

    base, task = sources.base, asked[0][0].task
    examples = task.test[: asked[0][1]["limit"]]
    prompts, fitting, methods = [], [], []
    adapters: list[LoRAWeights | None] = []
    made_in: list[float] = []
    for ask, key in asked:
        method = METHODS[key["method"]]
        try:
            asking = [_prompt_ids(base, method.prompt(ask, example.input)) for example in examples]
            start = time.perf_counter()
            adapter = method.adapter(sources, ask) if method.adapter else None
        except T2LError as err:
            # One task's long examples or descriptions must not end the measurement of all others.
            print(f"{key['method']}: {task.name} is left out. {err}", file=sys.stderr)
            continue
        made_in.append(time.perf_counter() - start)
        prompts.append(asking)
        adapters.append(adapter)
        methods.append(method)
        fitting.append((ask, key))
    asked = fitting
    answers, spent = _answers(sources, prompts, adapters, methods, task.max_new_tokens)
    rows = []
    for (ask, key), texts, method, seconds, more in zip(asked, answers, methods, made_in, spent, strict=True):
        generator = sources.generator if method.needs == "generator" else None
        pairs = list(zip(texts, (example.output for example in examples), strict=True))
        each = {
            "strict": [strict(answer, right) for answer, right in pairs],
            "lenient": [lenient(answer, right) for answer, right in pairs],
        }
        rows.append(
            {
                **key,
                "split": task.split,
                "benchmark": task.benchmark,
                "n": len(examples),
                **{name: statistics.mean(values) for name, values in each.items()},
                # Example by example, for differences that are paired by example.
                **{f"{name}_each": "".join(str(int(v)) for v in values) for name, values in each.items()},
                "seconds": round(seconds + more, 2),
                "adapter_seconds": round(seconds, 3) if method.adapter else None,
                "examples": len(ask.examples),
                "similarity": sources.similarity(ask.text) if generator else None,
                "generator": generator.name if generator else None,
                "trained_tasks": len(generator.training.get("tasks", ())) if generator else None,
                "says_task": generator.says_task if generator else None,
                # Answers quote inputs: those of data that may not be passed on stay out of results.
                "first_answers": [a[:80] for a in texts[:3]] if task.open_license else [],
                "versions": {
                    "t2l": __version__,
                    "torch": torch.__version__,
                    "transformers": transformers.__version__,
                },
            }
        )
    return rows


def _prompt_ids(base: BaseModel, chat: Chat) -> list[int]:
    """Tokens of a chat; what its system message says stands elsewhere where a template takes none."""
    if chat[0]["role"] == "system":
        chat = base.told(chat[1:], chat[0]["content"])
    return base.prompt_ids(chat)


def _answers(
    sources: Sources,
    prompts: Sequence[Sequence[list[int]]],
    adapters: Sequence[LoRAWeights | None],
    methods: Sequence[Method],
    max_new_tokens: int,
) -> tuple[list[list[str]], list[float]]:
    """Answers and seconds of every question; those without routing share batches, and their time by rows."""
    base = sources.base
    answers: list[list[str]] = [[] for _ in prompts]
    spent = [0.0] * len(prompts)
    together = [i for i, method in enumerate(methods) if not method.routed]
    wanted = [adapters[i] for i in together]
    there = [weights for weights in wanted if weights is not None]
    for group in [together, *([i] for i, method in enumerate(methods) if method.routed)]:
        if not group:
            continue
        start, flat = time.perf_counter(), [ids for i in group for ids in prompts[i]]
        if group is not together:
            library = adapters[group[0]]
            assert library is not None
            with routed(base.model, library, min(TOP_K, library.n or 1), known=sources.directions):
                texts = answer(base, flat, None, max_new_tokens)
        elif not there:
            texts = answer(base, flat, None, max_new_tokens)
        elif len(group) == 1:
            texts = answer(base, flat, there[0], max_new_tokens)
        else:
            # The base is the adapter that changes nothing.
            aligned = align([w if w is not None else there[0].spec.zeros() for w in wanted])
            rows = [place for place, i in enumerate(group) for _ in prompts[i]]
            texts = answer(base, flat, stack(aligned), max_new_tokens, rows)
        seconds, first = time.perf_counter() - start, 0
        for i in group:
            answers[i] = texts[first : first + len(prompts[i])]
            first += len(prompts[i])
            spent[i] = seconds * len(prompts[i]) / len(flat)
    return answers, spent


def answer(
    base: BaseModel,
    prompts: Sequence[list[int]],
    weights: LoRAWeights | None,
    max_new_tokens: int,
    rows: Sequence[int] | None = None,
) -> list[str]:
    """Greedy answers to many prompts, batched by length.

    weights: one adapter for all of them, or None for the base; or a stack, of which prompt b uses rows[b].
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    # A prompt that leaves too little room is answered alone: no other is padded to its length.
    room = [i for i in order if len(prompts[i]) + max_new_tokens <= base.context_length]
    batches = [room[start : start + _BATCH] for start in range(0, len(room), _BATCH)]
    for chosen in [*batches, *([i] for i in order[len(room) :])]:
        mine = None if rows is None else [rows[i] for i in chosen]
        *_, texts = decode(base, [prompts[i] for i in chosen], weights, Decoding(max_new_tokens), mine)
        for i, text in zip(chosen, texts, strict=True):
            answers[i] = text
    return answers


_KEY = (
    *("method", "task", "description", "seed", "adapter_of", "format"),
    *("limit", "data", "weights_id", "dtype", "generator_id", "adapters_id"),
)
# Of every row.
_BEGINNING = b'{"method": "'


def row_key(row: dict[str, Any]) -> tuple:
    """What names the question of a row; rows of older versions lack some of it, which counts as None."""
    return tuple(row.get(name) for name in _KEY)


def read_rows(file: str | Path) -> list[dict[str, Any]]:
    """The rows of a results file; a last line that was cut off midway is left out.

    Raises T2LError naming the line that is no row, or a file that cannot be read.
    """
    try:
        # By "\n" alone: an answer may hold other characters that end lines elsewhere.
        *lines, last = Path(file).read_bytes().split(b"\n")
    except OSError as err:
        raise T2LError(f"{file} cannot be read ({err}); give a file that `t2l eval` wrote.") from err
    rows = []
    # What was cut off has a row's beginning.
    cut = last.startswith(_BEGINNING) or _BEGINNING.startswith(last)
    for number, line in enumerate(lines if cut and not _is_row(last) else [*lines, last], 1):
        if not _is_row(line):
            raise T2LError(f"{file}, line {number}: not a row; remove that line or choose another file.")
        rows.append(json.loads(line))
    return rows


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    wanted = {"method": str, "task": str, "n": int, "strict": float | int, "lenient": float | int}
    return isinstance(row, dict) and all(isinstance(row.get(name), kind) for name, kind in wanted.items())


def _mend(file: Path) -> None:
    """Makes the file end with a whole line: what an interruption cut off goes."""
    last = file.read_bytes().rpartition(b"\n")[2]
    if _is_row(last):
        with open(file, "ab") as stream:
            stream.write(b"\n")
    elif last:
        os.truncate(file, file.stat().st_size - len(last))


def _append(file: Path, row: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "ab") as stream:
            stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space or choose another --out.") from err
