"""Evaluation: methods on a suite's test examples, one line of JSON for each (method, task, description).
Knows tasks, generators and decoding; chooses nothing: every prompt format here is fixed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from t2l import __version__
from t2l.base import BaseModel
from t2l.engine import Chat, Decoding, decode
from t2l.errors import T2LError
from t2l.eval.formats import DESCRIPTION, DESCRIPTION_FORMAT, SHOTS, SHOTS_FORMAT
from t2l.eval.metrics import lenient, strict
from t2l.generator import Generator
from t2l.lora import LoRAWeights
from t2l.packed import pack_linears
from t2l.tasks import Task

# Terse, input-and-output format, free.
THREE = (0, 3, 6)
N_SHOTS = 5
_BATCH = 128

# (task, one of its descriptions, an input) -> what the base is told.
PromptFunction = Callable[[Task, str, str], Chat]


def _input_alone(task: Task, description: str, text: str) -> Chat:
    return [{"role": "user", "content": text}]


def _described(task: Task, description: str, text: str) -> Chat:
    return DESCRIPTION[DESCRIPTION_FORMAT](description, text)


def _in_context(task: Task, description: str, text: str) -> Chat:
    return SHOTS[SHOTS_FORMAT](task.train[:N_SHOTS], text)


@dataclass(frozen=True)
class Method:
    """What a method is called, what it says to the base, with which descriptions, and whose make its adapter.

    A score is the mean over `descriptions` (numbers within a task), never the best of them. adapter: "own" or
    "other" (another task's description under the same number). format: the prompt format's name, where there
    is a choice. shots: training examples that it needs; tasks with fewer are left out.
    """

    label: str
    prompt: PromptFunction
    descriptions: tuple[int | None, ...] = (None,)
    adapter: str | None = None
    format: str | None = None
    shots: int = 0


METHODS = {
    "base": Method("base, input alone", _input_alone),
    "description": Method("base, description in the prompt", _described, THREE, format=DESCRIPTION_FORMAT),
    "icl": Method(
        f"base, {N_SHOTS} solved examples in the prompt", _in_context, format=SHOTS_FORMAT, shots=N_SHOTS
    ),
    "t2l": Method("**Text-to-LoRA**, input alone", _input_alone, THREE, "own"),
    # For tasks that were trained on: descriptions that were trained on as well, and two that were not.
    "t2l_seen": Method("Text-to-LoRA, trained task, trained descriptions", _input_alone, (0, 3), "own"),
    "t2l_unseen": Method("Text-to-LoRA, trained task, new descriptions", _input_alone, (6, 7), "own"),
    "t2l_other": Method("control: adapter of another task's description", _input_alone, THREE, "other"),
}


def evaluate(
    tasks: Sequence[Task],
    methods: Sequence[str],
    base: BaseModel,
    generator: Generator | None,
    out: str | Path,
    *,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Scores every method on the first `limit` test examples of every task; returns the rows of this call.

    out: results.jsonl; rows that it already holds for the same question (weights, dtype, generator, prompt
    format, data, limit) are not made again, and a last line that an interruption cut off is.
    Greedy decoding. Raises T2LError for an unknown method, a foreign base or a description that is missing,
    before anything is measured.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise T2LError(f"The method {unknown[0]!r} is unknown; choose from {', '.join(METHODS)}.")
    if any(METHODS[name].adapter for name in methods):
        if generator is None:
            raise T2LError("Methods with adapters need a checkpoint.")
        if generator.spec.base_model != base.id:
            raise T2LError(f"The checkpoint is for {generator.spec.base_model}, the base is {base.id}.")
    if limit < 1:
        raise T2LError(f"limit must be at least 1, not {limit}.")
    tasks = [task for task in tasks if task.test]
    if not tasks:
        raise T2LError("None of these tasks has test examples; write a test.jsonl or choose other tasks.")
    pack_linears(base.model)
    questions = list(_questions(tasks, methods, base, generator, limit))
    file = Path(out)
    known = {}
    if file.exists():
        known = {_key(row): row for row in read_rows(file)}
        _mend(file)
    rows = []
    for task, source, key in questions:
        row = known.get(_key(key))
        if row is None:
            row = {**key, **_score(task, source, key, base, generator)}
            _append(file, row)
            print(
                f"{row['method']:<12} {row['task']:<26} description {row['description']!s:<5}"
                f"strict {row['strict']:.2f} lenient {row['lenient']:.2f} (n {row['n']})",
                file=sys.stderr,
                flush=True,
            )
        rows.append(row)
    return rows


def other_task(task: Task, tasks: Sequence[Task], description: int = 0) -> Task:
    """The task whose adapter is the control for `task`: always the same one, whatever the order of `tasks`.

    Never the task itself, one of its family, one of its name with another number (add_3, add_5), or one
    without that description. Raises T2LError where `tasks` has no such task.
    """
    others = [
        other
        for other in tasks
        if _stem(other.name) != _stem(task.name)
        and (not task.family or other.family != task.family)
        and len(other.descriptions) > description
    ]
    if not others:
        raise T2LError(f"There is no other function than {task.name} to take an adapter from; add tasks.")
    # The lowest hash of the pair: a draw that adding or removing third tasks seldom changes.
    return min(others, key=lambda other: hashlib.sha256(f"{task.name} {other.name}".encode()).digest())


def _stem(name: str) -> str:
    return re.sub(r"(_\d+)+$", "", name)


def _questions(
    tasks: Sequence[Task],
    methods: Sequence[str],
    base: BaseModel,
    generator: Generator | None,
    limit: int,
) -> Iterator[tuple[Task, Task, dict[str, Any]]]:
    """(task, task that the adapter is made for, what names the question) in the order of measuring."""
    for name in methods:
        method = METHODS[name]
        for task in tasks:
            if len(task.train) < method.shots:
                print(
                    f"{name}: {task.name} has no {method.shots} training examples; left out.", file=sys.stderr
                )
                continue
            last = max(number or 0 for number in method.descriptions)
            if last >= len(task.descriptions):
                raise T2LError(f"Task {task.name} has no description {last}; add it or leave out {name}.")
            source = other_task(task, tasks, last) if method.adapter == "other" else task
            for number in method.descriptions:
                yield (
                    task,
                    source,
                    {
                        "method": name,
                        "task": task.name,
                        "description": number,
                        "adapter_of": source.name if method.adapter else None,
                        "format": method.format,
                        "limit": limit,
                        "data": _data_id(
                            task, method.shots, None if number is None else source.descriptions[number], limit
                        ),
                        "weights_id": base.weights_id,
                        "dtype": str(base.dtype).removeprefix("torch."),
                        "generator_id": generator.id if generator and method.adapter else None,
                    },
                )


def _data_id(task: Task, shots: int, description: str | None, limit: int) -> str:
    """Names what is asked: a row about other examples or another wording is another row."""
    examples = [[(e.input, e.output) for e in part] for part in (task.train[:shots], task.test[:limit])]
    return hashlib.sha256(json.dumps([examples, description, task.max_new_tokens]).encode()).hexdigest()[:12]


def _score(
    task: Task, source: Task, key: dict[str, Any], base: BaseModel, generator: Generator | None
) -> dict[str, Any]:
    import transformers

    start = time.perf_counter()
    method, number = METHODS[key["method"]], key["description"] or 0
    weights: LoRAWeights | None = None
    if method.adapter:
        assert generator is not None
        weights = generator.generate([source.descriptions[number]])[0]
    examples = task.test[: key["limit"]]
    chats = [method.prompt(task, task.descriptions[number], example.input) for example in examples]
    answers = answer(base, [base.prompt_ids(chat) for chat in chats], weights, task.max_new_tokens)
    pairs = list(zip(answers, (example.output for example in examples), strict=True))
    return {
        "split": task.split,
        "benchmark": task.benchmark,
        "n": len(examples),
        "strict": statistics.mean(strict(a, r) for a, r in pairs),
        "lenient": statistics.mean(lenient(a, r) for a, r in pairs),
        "seconds": round(time.perf_counter() - start, 2),
        # Answers quote inputs: those of data that may not be passed on stay out of results.
        "first_answers": [a[:80] for a in answers[:3]] if task.open_license else [],
        "versions": {
            "t2l": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def answer(
    base: BaseModel, prompts: Sequence[list[int]], weights: LoRAWeights | None, max_new_tokens: int
) -> list[str]:
    """Greedy answers of one adapter (or the base) to many prompts, batched by length."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        *_, texts = decode(base, [prompts[i] for i in chosen], weights, Decoding(max_new_tokens))
        for i, text in zip(chosen, texts, strict=True):
            answers[i] = text
    return answers


_KEY = (
    *("method", "task", "description", "adapter_of", "format"),
    *("limit", "data", "weights_id", "dtype", "generator_id"),
)


def _key(row: dict[str, Any]) -> tuple:
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
    for number, line in enumerate([*lines, last] if _is_row(last) else lines, 1):
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
