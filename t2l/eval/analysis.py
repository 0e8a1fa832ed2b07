"""Analysis: whether like descriptions get like adapters, and whether the description steers the answer.
Knows adapters, descriptions and answers; scores nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2l.base import BaseModel
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.eval.run import answer
from t2l.files import replace_file
from t2l.generator import Condition, Generator
from t2l.likeness import TaskIndex
from t2l.lora import LoRAWeights, stack
from t2l.tasks import Task
from t2l.train.recon import Library

# One input that each of them can be done with.
STEERED = "apple, cat, river, moon"
STEERING = (
    "Output the first word of the list.",
    "Output the last word of the list.",
    "Count the words of the list.",
    "Write the text in capital letters.",
)
_STEERED_TOKENS = 16


def delta_cosines(adapters: LoRAWeights) -> Tensor:
    """Cosines between the ΔW of a stack of n adapters over all modules and layers, (n, n) in float64.

    By products of r by r alone: the inner product of BA and B'A' is the sum of BᵀB' · AA'ᵀ.
    """
    n, rank = adapters.n, adapters.spec.rank
    if n is None:
        raise T2LError("A single adapter has nothing to be compared with; give a stack.")
    inner = torch.zeros(n, n, dtype=torch.float64)
    for name in adapters.spec.targets:
        for layer in range(adapters.spec.n_layers):
            a = adapters.A[name][:, layer].double().flatten(0, 1)
            b = adapters.B[name][:, layer].double().mT.flatten(0, 1)
            inner += ((a @ a.T) * (b @ b.T)).view(n, rank, n, rank).sum((1, 3))
    sizes = inner.diagonal().clamp_min(1e-300).sqrt()
    return inner / sizes / sizes.unsqueeze(1)


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's correlation of two rows of numbers, ties at their mean rank; 0 where one is constant."""

    def ranks(values: Tensor) -> Tensor:
        _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
        return ((counts.cumsum(0) - (counts - 1) / 2).double() - 1)[inverse]

    x, y = (r - r.mean() for r in (ranks(one), ranks(other)))
    size = float(x.norm() * y.norm())
    return float(x @ y) / size if size else 0.0


def grouping(kind: str, tasks: Sequence[Task], adapters: LoRAWeights) -> dict[str, Any]:
    """How the likeness of descriptions and that of adapters go together, over all pairs of tasks.

    kind: what made the adapters, in words; a stack with one adapter for each task. Descriptions are compared
    by the default encoder, each task by the mean direction of all of its own.
    """
    if len(tasks) < 3 or adapters.n != len(tasks):
        raise T2LError(f"{len(tasks)} tasks cannot be compared; give at least three.")
    encoder = TextEncoder()
    vectors = [encoder.encode_cached([Condition(t).text for t in task.descriptions]) for task in tasks]
    centres = TaskIndex.of([task.name for task in tasks], [""] * len(tasks), vectors).centres
    place = torch.triu_indices(len(tasks), len(tasks), 1)
    said, made = (centres @ centres.T)[*place].double(), delta_cosines(adapters)[*place]
    return {
        "adapters": kind,
        "tasks": len(tasks),
        "rank_correlation": round(rank_correlation(said, made), 4),
        "descriptions": [round(v, 3) for v in said.tolist()],
        "deltas": [round(v, 3) for v in made.tolist()],
    }


def steer(base: BaseModel, generator: Generator) -> dict[str, Any]:
    """The answers to one input under the adapters of four descriptions, and the base's own.

    The adapters are asked in the way of their checkpoint, the base the input alone.
    """
    made = [generator.generate([text])[0] for text in STEERING]
    adapters = stack([generator.spec.zeros(), *made])
    told = ["", *map(generator.said, STEERING)]
    prompts = [base.prompt_ids(base.told([{"role": "user", "content": STEERED}], text)) for text in told]
    texts = answer(base, prompts, adapters, _STEERED_TOKENS, range(len(prompts)))
    rows = [{"description": d, "answer": t} for d, t in zip(("", *STEERING), texts, strict=True)]
    return {"checkpoint": generator.name, "input": STEERED, "answers": rows}


def analyse(
    base: BaseModel,
    generators: Sequence[Generator],
    library: Library | None,
    suite: Mapping[str, Task],
    limit: int,
) -> dict[str, Any]:
    """`grouping` of every generator's trained tasks and of the library's, and `steer` of every generator.

    Of more than `limit` tasks as many, evenly spaced over the names. A generator is asked by each task's
    first description. Raises T2LError where fewer than three of the tasks are in the suite.
    """
    for generator in generators:
        if generator.spec.base_model != base.id:
            raise T2LError(f"{generator.name} is for {generator.spec.base_model}, the base is {base.id}.")

    def chosen(names: Iterable[str]) -> list[Task]:
        there = sorted(set(names) & set(suite))
        step = max(1, -(-len(there) // max(1, limit)))
        return [suite[name] for name in there[::step]]

    found = []
    for generator in generators:
        tasks = chosen(generator.training.get("tasks", ()))
        made = generator.generate([task.descriptions[0] for task in tasks]) if len(tasks) > 2 else None
        if made is None:
            raise T2LError(f"{generator.name} was trained on {len(tasks)} of these tasks; give others.")
        found.append(grouping(f"generated by {generator.name}", tasks, made))
    if library:
        tasks = chosen(library.folders)
        found.append(grouping("one LoRA each", tasks, library.read([task.name for task in tasks])))
    return {"grouping": found, "steer": [steer(base, generator) for generator in generators]}


def write_analysis(file: str | Path, found: dict[str, Any]) -> None:
    """Writes an analysis as JSON; complete or as it was."""
    try:
        replace_file(writable(file), json.dumps(found, ensure_ascii=False) + "\n")
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space or choose another place.") from err


def writable(file: str | Path) -> Path:
    """A file that can be written, its folder made; raises T2LError where it cannot."""
    target = Path(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise T2LError(f"{target} cannot be written ({err}); choose another place.") from err
    if target.is_dir():
        raise T2LError(f"{target} is a folder; give the name of a file.")
    return target


def read_analysis(file: str | Path) -> dict[str, Any]:
    """What `write_analysis` wrote; raises T2LError for another file."""
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(isinstance(found[k], list) for k in ("grouping", "steer")):
            raise ValueError("it has no grouping or no steer")
    except (OSError, ValueError, KeyError, RecursionError) as err:
        raise T2LError(f"{file} cannot be read ({err}); give a file that `t2l analyse` wrote.") from err
    return found
