"""Text tasks: descriptions, examples, and how a suite folder is read.
Knows no model; a task is data."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from t2l.errors import T2LError


@dataclass(frozen=True)
class Example:
    """One input text and the output that is right for it."""

    input: str
    output: str


@dataclass(frozen=True)
class Task:
    """All facts of one task; `descriptions` are eight ways to say it, `choices` a closed label set.

    family: tasks of one name here are one function with other parameters.
    """

    name: str
    category: str
    split: str
    metric: str
    descriptions: tuple[str, ...]
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    max_new_tokens: int = 32
    choices: tuple[str, ...] = ()
    source: str = ""
    license: str = ""
    open_license: bool = False
    benchmark: bool = False
    family: str = ""


# What a task.yaml may say. A canary is a mark by which copies of a data set are found; nothing reads it.
_FACTS = {field.name for field in fields(Task)} - {"train", "test"} | {"canary"}


def read_task(folder: str | Path) -> Task:
    """Reads `task.yaml`, `train.jsonl` and `test.jsonl`; raises T2LError naming the file and the fault."""
    folder = Path(folder)
    meta_file = folder / "task.yaml"
    try:
        meta = yaml.safe_load(meta_file.read_text(encoding="utf-8"))
    # ValueError: not UTF-8, or a date or number that Python cannot hold.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        raise T2LError(f"{meta_file} cannot be read: {err}") from err
    if not isinstance(meta, dict):
        raise T2LError(f"{meta_file} must be a mapping with a name and descriptions.")
    if unknown := meta.keys() - _FACTS:
        raise T2LError(
            f"{meta_file}: {str(min(map(str, unknown)))[:80]!r} is unknown; choose from "
            f"{', '.join(sorted(_FACTS))}, or leave it away."
        )
    name = meta.get("name", folder.name)
    if not _is_text(name):
        raise T2LError(f"{meta_file}: the name must be a text, not {name!r}.")
    descriptions = meta.get("descriptions")
    if not isinstance(descriptions, list) or not descriptions or not all(map(_is_text, descriptions)):
        raise T2LError(f"{meta_file} needs `descriptions`, a list of texts.")
    choices = meta.get("choices") or []
    if not isinstance(choices, list) or not all(map(_is_text, choices)):
        raise T2LError(f"{meta_file}: choices must be a list of texts (quote words like yes and no).")
    metric = meta.get("metric", "exact_match")
    if metric not in ("exact_match", "choice"):
        raise T2LError(f"{meta_file}: metric {metric!r} is unknown; use exact_match or choice.")
    split = meta.get("split", "train")
    if split not in ("train", "eval"):
        raise T2LError(f"{meta_file}: split {split!r} is unknown; use train or eval.")
    max_new_tokens = meta.get("max_new_tokens", 32)
    if not isinstance(max_new_tokens, int) or max_new_tokens < 1:
        raise T2LError(f"{meta_file}: max_new_tokens must be a whole number of at least 1.")
    train, test = (read_part(folder / f"{part}.jsonl") for part in ("train", "test"))
    if not train and not test:
        raise T2LError(f"{folder} holds neither train.jsonl nor test.jsonl with examples.")
    return Task(
        name=name,
        category=str(meta.get("category", "")),
        split=split,
        metric=metric,
        descriptions=tuple(descriptions),
        train=train,
        test=test,
        max_new_tokens=max_new_tokens,
        choices=tuple(choices),
        source=str(meta.get("source", "")),
        license=str(meta.get("license", "")),
        open_license=meta.get("open_license") is True,
        benchmark=meta.get("benchmark") is True,
        family=str(meta.get("family") or ""),
    )


def read_suite(
    folder: str | Path, *, split: str | None = None, open_license: bool | None = None
) -> dict[str, Task]:
    """Every task in `folder` by name, sorted; optionally of one split or one kind of licence.

    Raises T2LError where the folder holds no such task or two tasks share a name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise T2LError(f"{folder} is not a folder of tasks.")
    tasks: dict[str, Task] = {}
    for file in sorted(folder.glob("*/task.yaml")):
        task = read_task(file.parent)
        if task.name in tasks:
            raise T2LError(f"{file}: the task name {task.name!r} appears twice in {folder}.")
        tasks[task.name] = task
    return _fitting(tasks, folder, split, open_license)


def _fitting(
    tasks: dict[str, Task], folder: str | Path, split: str | None, open_license: bool | None
) -> dict[str, Task]:
    fits = {
        name: task
        for name, task in tasks.items()
        if split in (None, task.split) and open_license in (None, task.open_license)
    }
    if not fits:
        raise T2LError(f"{folder} holds no task that fits (a task is a folder with a task.yaml).")
    return fits


def read_suites(
    folders: Iterable[str | Path], split: str | None = None, open_license: bool | None = None
) -> dict[str, Task]:
    """`read_suite` of several folders as one suite; a task that is equal in two of them counts once.

    Raises T2LError as `read_suite`, and where two folders mean different things by one name.
    """
    tasks: dict[str, Task] = {}
    seen: dict[str, tuple[Any, ...]] = {}
    for folder in folders:
        # Of every split: what one folder holds out another one must not train on.
        every = read_suite(folder)
        for name, task in every.items():
            told = (task.train, task.test, task.split, task.descriptions, task.metric, task.choices)
            if seen.setdefault(name, told) != told:
                raise T2LError(f"{folder} has another task {name!r} than the folders before; rename one.")
        # The first folder's, where what nobody compares differs.
        tasks = _fitting(every, folder, split, open_license) | tasks
    return dict(sorted(tasks.items()))


def pick(tasks: dict[str, Task], names: Iterable[str]) -> dict[str, Task]:
    """The named tasks; raises T2LError naming one that the suite does not have."""
    chosen = {}
    for name in names:
        if name not in tasks:
            raise T2LError(f"The suite has no task {name!r}; it has {', '.join(sorted(tasks)[:8])}, ...")
        chosen[name] = tasks[name]
    return chosen


def training_tasks(
    folders: Iterable[str | Path], held_out: Iterable[str], open_license: bool, names: Iterable[str] = ()
) -> tuple[list[Task], list[Task]]:
    """The tasks of split train to train on, and the named ones that are kept out of it.

    open_license: of the first, only those whose data may be passed on freely. names: of these, only them.
    Raises T2LError as `read_suites` and `pick`; tasks of split eval are never returned.
    """
    suite = read_suites(folders, split="train")
    kept = pick(suite, held_out)
    used = {n: t for n, t in suite.items() if n not in kept and (t.open_license or not open_license)}
    return list((pick(used, names) if names else used).values()), list(kept.values())


def digest(tasks: Iterable[Task]) -> str:
    """Names what tasks hold for training, 16 hex digits: another description or example, another digest."""
    facts = [
        (task.name, task.family, task.descriptions, [(e.input, e.output) for e in task.train])
        for task in tasks
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def require_descriptions(tasks: Iterable[Task], count: int) -> None:
    """Raises T2LError naming the first task with fewer than `count` descriptions."""
    for task in tasks:
        if len(task.descriptions) < count:
            raise T2LError(f"Task {task.name} has {len(task.descriptions)} descriptions, not {count}.")


def read_paraphrases(file: str | Path) -> dict[str, tuple[str, ...]]:
    """Further descriptions of tasks, by task: a YAML file {task: [texts]}, to be trained on alone.

    Raises T2LError naming the file and what in it is none of that.
    """
    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        reason = str(err).splitlines()[0]
        raise T2LError(f"{file} cannot be read ({reason}); give YAML of the form TASK: [texts].") from err
    if not isinstance(found, dict) or not found:
        raise T2LError(f"{file} holds no tasks; give YAML of the form TASK: [texts].")
    for name, texts in found.items():
        if (
            not isinstance(name, str)
            or not isinstance(texts, list)
            or not texts
            or not all(map(_is_text, texts))
        ):
            raise T2LError(
                f"{file}: {str(name)[:80]!r} has no list of texts; write each as a text of its own."
            )
    return {name: tuple(texts) for name, texts in found.items()}


def with_paraphrases(tasks: Sequence[Task], file: str | Path, count: int) -> list[Task]:
    """The tasks with what is trained on alone: their first `count` descriptions, and those of `file`.

    Raises T2LError for paraphrases of none of them, or one that is to be scored as unseen.
    """
    further = read_paraphrases(file) if file else {}
    if further and not further.keys() & {task.name for task in tasks}:
        raise T2LError(f"{file} names none of the tasks that are trained on; give their names.")
    found = []
    for task in tasks:
        more = further.get(task.name, ())
        if kept := set(more) & set(task.descriptions[count:]):
            raise T2LError(
                f"{file}: {kept.pop()[:80]!r} of {task.name} is a description that is scored as "
                "unseen; remove it."
            )
        found.append(replace(task, descriptions=(*task.descriptions[:count], *more)))
    return found


def family_weights(tasks: Sequence[Task], power: float) -> list[float]:
    """How often each task is drawn: its family's size to the power of minus `power`; without a family, 1."""
    sizes = Counter(task.family for task in tasks if task.family)
    return [sizes.get(task.family, 1) ** -power for task in tasks]


def draw_tasks(draw: random.Random, weights: Sequence[float], count: int) -> list[int]:
    """Numbers of `count` different tasks, drawn by weight."""
    # The largest of u^(1/w) (Efraimidis and Spirakis, 2006).
    keys = [draw.random() ** (1 / weight) for weight in weights]
    return sorted(range(len(keys)), key=keys.__getitem__)[-count:]


def _is_text(value: Any, blank: bool = False) -> bool:
    """Whether this is a text of whole characters: JSON can write half a surrogate pair."""
    return (
        isinstance(value, str)
        and (blank or bool(value.strip()))
        and not any("\ud800" <= c <= "\udfff" for c in value)
    )


def read_part(file: Path) -> tuple[Example, ...]:
    """The examples of a task's train.jsonl or test.jsonl, if it is there; raises T2LError naming a line."""
    if not file.exists():
        return ()
    examples = []
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise T2LError(f"{file} cannot be read: {err}") from err
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise T2LError(f"{file}, line {number}: not JSON ({str(err)[:100]}).") from err
        if (
            not isinstance(row, dict)
            or not _is_text(row.get("input"), blank=True)
            or not _is_text(row.get("output"))
        ):
            raise T2LError(f'{file}, line {number}: expected {{"input": "...", "output": "..."}}.')
        examples.append(Example(row["input"], row["output"]))
    return tuple(examples)
