"""Evaluation: methods on a suite's test examples, one line of JSON for each (method, task, description).
Knows tasks, generators and decoding; chooses nothing: every prompt format here is fixed."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2l.base import BaseModel
from t2l.engine import Chat, Decoding, decode
from t2l.errors import T2LError
from t2l.eval.metrics import lenient, strict
from t2l.generator import Generator
from t2l.lora import LoRAWeights
from t2l.tasks import Example, Task

# Terse, input-and-output format, free.
THREE = (0, 3, 6)
SHOTS = 5
_BATCH = 128

PromptFunction = Callable[[Task, str, Example], Chat]


def _user(text: str) -> Chat:
    return [{"role": "user", "content": text}]


def _input_alone(task: Task, description: str, example: Example) -> Chat:
    return _user(example.input)


def _described(task: Task, description: str, example: Example) -> Chat:
    return _user(f"{description}\n\n{example.input}")


def _in_context(task: Task, description: str, example: Example) -> Chat:
    turns = []
    for shot in task.train[:SHOTS]:
        turns += [{"role": "user", "content": shot.input}, {"role": "assistant", "content": shot.output}]
    return [*turns, *_user(example.input)]


@dataclass(frozen=True)
class Method:
    """What a method says to the base, with which descriptions, and whose make its adapter ("own", "other").

    A score is the mean over `descriptions` (numbers within a task), never the best of them.
    """

    prompt: PromptFunction
    descriptions: tuple[int | None, ...] = (None,)
    adapter: str | None = None


METHODS = {
    "base": Method(_input_alone),
    "description": Method(_described, THREE),
    "icl": Method(_in_context),
    "t2l": Method(_input_alone, THREE, "own"),
    # For tasks that were trained on: descriptions that were trained on as well, and two that were not.
    "t2l_seen": Method(_input_alone, (0, 3), "own"),
    "t2l_unseen": Method(_input_alone, (6, 7), "own"),
    "t2l_other": Method(_input_alone, THREE, "other"),
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

    out: results.jsonl; rows that it already holds for the same question (weights, generator, limit) are not
    computed again. "t2l_other" makes its adapters from another task's descriptions, as a control.
    Greedy decoding. Raises T2LError for an unknown method or a foreign base.
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
    file = Path(out)
    known = {_key(row): row for row in _read(file)}
    rows = []
    for key in _questions(tasks, methods, base, generator, limit):
        row = known.get(_key(key))
        if row is None:
            index = next(i for i, task in enumerate(tasks) if task.name == key["task"])
            row = {**key, **_score(tasks, index, METHODS[key["method"]], key, base, generator)}
            _append(file, row)
            print(
                f"{row['method']:<12} {row['task']:<26} description {row['description']!s:<5}"
                f"strict {row['strict']:.2f} lenient {row['lenient']:.2f} (n {row['n']})",
                file=sys.stderr,
                flush=True,
            )
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each method the means over tasks of the means over descriptions, in percent."""
    out = []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        line: dict[str, Any] = {"method": method, "tasks": len({row["task"] for row in mine})}
        for metric in ("strict", "lenient"):
            by_task = {
                task: statistics.mean(row[metric] for row in mine if row["task"] == task)
                for task in {row["task"] for row in mine}
            }
            line[metric] = round(100 * statistics.mean(by_task.values()), 1)
        out.append(line)
    return out


def _questions(
    tasks: Sequence[Task],
    methods: Sequence[str],
    base: BaseModel,
    generator: Generator | None,
    limit: int,
) -> Iterator[dict[str, Any]]:
    for name in methods:
        method = METHODS[name]
        for task in tasks:
            for description in method.descriptions:
                if description is not None and description >= len(task.descriptions):
                    raise T2LError(f"Task {task.name} has no description {description}.")
                yield {
                    "method": name,
                    "task": task.name,
                    "description": description,
                    "limit": limit,
                    "weights_id": base.weights_id,
                    "dtype": str(base.dtype).removeprefix("torch."),
                    "generator_id": generator.id if generator and method.adapter else None,
                }


def _score(
    tasks: Sequence[Task],
    index: int,
    method: Method,
    key: dict[str, Any],
    base: BaseModel,
    generator: Generator | None,
) -> dict[str, Any]:
    task, start = tasks[index], time.perf_counter()
    number = key["description"]
    description = task.descriptions[number or 0]
    weights: LoRAWeights | None = None
    if method.adapter:
        assert generator is not None
        # Half the list away: twins of a task stand beside it.
        source = task if method.adapter == "own" else tasks[(index + len(tasks) // 2) % len(tasks)]
        weights = generator.generate([source.descriptions[number or 0]])[0]
    examples = task.test[: key["limit"]]
    prompts = [base.prompt_ids(method.prompt(task, description, example)) for example in examples]
    answers = answer(base, prompts, weights, task.max_new_tokens)
    pairs = list(zip(answers, (example.output for example in examples), strict=True))
    return {
        "n": len(examples),
        "strict": statistics.mean(strict(a, r) for a, r in pairs),
        "lenient": statistics.mean(lenient(a, r) for a, r in pairs),
        "seconds": round(time.perf_counter() - start, 2),
        # Answers quote inputs: those of data that may not be passed on stay out of results.
        "first_answers": [a[:80] for a in answers[:3]] if task.open_license else [],
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


_KEY = ("method", "task", "description", "limit", "weights_id", "dtype", "generator_id")


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row.get(name) for name in _KEY)


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as err:
            raise T2LError(
                f"{file}, line {number}: not JSON; remove that line or choose another --out."
            ) from err
    return rows


def _append(file: Path, row: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space or choose another --out.") from err
