"""The open tasks that others published: fetched from their repositories, and built as they were measured.
Knows addresses, upstream's file formats and sha256; no model."""

from __future__ import annotations

import hashlib
import json
import random
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from t2l.errors import T2LError
from t2l.files import complete_or_absent

# Addresses, readers, our descriptions and the sha256 of what must come out.
TABLE = Path(__file__).resolve().parent.parent.parent / "data" / "sources.yaml"
ADDRESS = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
MOST_BYTES, _SECONDS = 32 * 2**20, 60
_MOST = {"train": 800, "test": 200}
_FACTS = ("category", "source", "license", "open_license", "split", "metric", "max_new_tokens")

Pairs = list[tuple[str, str]]
# Training and test examples; the second is None where the source has one pool of both.
Parts = tuple[Pairs, Pairs | None]


def fetch(
    out: str | Path, names: Collection[str] = (), *, copies: str | Path | None = None, table: Path = TABLE
) -> Iterator[tuple[str, str]]:
    """Writes OUT/TASK/ for every task of the table, or for `names`; yields its name and what became of it.

    That is "made", "there" (it was), or the fault: an unreachable address, a file of another form, examples
    whose sha256 is not the table's. copies: a folder with OWNER/NAME/PATH in place of the network.
    Raises T2LError for an unknown task or a table that cannot be read.
    """
    try:
        known = yaml.safe_load(table.read_text(encoding="utf-8"))
        tasks, repositories = known["tasks"], known["repositories"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as err:
        raise T2LError(f"{table} cannot be read ({err}); fetching needs a checkout with it.") from err
    if unknown := [name for name in names if name not in tasks]:
        raise T2LError(
            f"The task {unknown[0]!r} is not among those to fetch; choose from {', '.join(tasks)}."
        )
    return (
        (name, _one(Path(out) / name, name, tasks[name], repositories, copies))
        for name in (names or list(tasks))
    )


def _one(
    target: Path, name: str, task: Mapping[str, Any], repositories: Mapping[str, str], copies: Any
) -> str:
    if all(_digest_of(target / f"{part}.jsonl") == digest for part, digest in task["sha256"].items()):
        return "there"
    try:
        files = [_read(task["repository"], repositories, path, copies) for path in task["files"]]
        made = {part: _lines(rows) for part, rows in build(files, task).items() if rows}
        wrong = [part for part, digest in task["sha256"].items() if _digest(made.get(part, b"")) != digest]
        if wrong:
            return f"{wrong[0]}.jsonl came out otherwise than it was measured; the source has changed"
        facts = {"name": name, **{key: task[key] for key in _FACTS}}
        facts |= {key: task[key] for key in ("benchmark", "choices") if key in task}
        facts["descriptions"] = task["descriptions"]
        with complete_or_absent(target, ("task.yaml", "train.jsonl", "test.jsonl")) as folder:
            text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=10_000)
            (folder / "task.yaml").write_text(text, encoding="utf-8")
            for part, data in made.items():
                (folder / f"{part}.jsonl").write_bytes(data)
    except T2LError as err:
        return str(err)
    return "made"


def _read(repository: str, commits: Mapping[str, str], path: str, copies: Any) -> Any:
    """One file of a repository as JSON, a list of rows where it is JSON lines."""
    if copies is not None:
        where = str(Path(copies) / repository / path)
    else:
        where = ADDRESS.format(repository=repository, commit=commits[repository], path=path)
    try:
        if copies is not None:
            data = Path(where).read_bytes()
        else:
            with urllib.request.urlopen(where, timeout=_SECONDS) as answer:
                data = answer.read(MOST_BYTES + 1)
    except (OSError, HTTPException) as err:
        reason = f"status {err.code}" if isinstance(err, urllib.error.HTTPError) else err
        raise T2LError(
            f"{where} cannot be read ({reason}); check the network, or give copies of the repositories."
        ) from err
    if len(data) > MOST_BYTES:
        raise T2LError(f"{where} has more than {MOST_BYTES:,} bytes; it is not the file that was measured.")
    try:
        text = data.decode("utf-8")
        return [json.loads(line) for line in text.splitlines()] if path.endswith("l") else json.loads(text)
    except (ValueError, RecursionError) as err:
        raise T2LError(f"{where} is not JSON ({str(err)[:80]}).") from err


def build(files: Sequence[Any], task: Mapping[str, Any]) -> dict[str, Pairs]:
    """The examples of a task, {"train", "test"}, from its source files in the table's order.

    Raises T2LError where the files have another form.
    """
    try:
        train, test = FORMS[task["form"]](files, ROWS[task.get("rows", "plain")])
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as err:
        raise T2LError(f"{task['files'][0]} has another form than {task['form']} ({err!r}).") from err
    keep, drop = KEEP[task.get("keep", "all")], task.get("conflicts") == "drop"
    train = [pair for pair in train if keep(*pair)]
    test = None if test is None else [pair for pair in test if keep(*pair)]
    if test is None or (task["form"] == "induction" and len(train) + len(test) < 120):
        made = _divided(_unique([*train, *(test or [])], drop))
    elif task["form"] == "induction":
        made = _ordered(*_topped_up(_unique(train, drop), _unique(test, drop)))
    else:
        made = _ordered(_unique(train, drop), _unique(test, drop))
    return {part: rows[: _MOST[part]] for part, rows in made.items()}


def _divided(pool: Pairs) -> dict[str, Pairs]:
    """70/30 below 120 examples, 80/20 below 1000, else 200 to test on."""
    pool.sort()
    random.Random(0).shuffle(pool)
    n = len(pool)
    k = n - round(0.7 * n) if n < 120 else round(0.2 * n) if n < 1000 else 200
    return {"train": pool[k:], "test": pool[:k]}


def _topped_up(train: Pairs, test: Pairs) -> tuple[Pairs, Pairs]:
    """The source's own held-out examples, and of the others as many as make a fifth."""
    held = {given for given, _ in test}
    train = sorted(pair for pair in train if pair[0] not in held)
    random.Random(0).shuffle(train)
    n = len(train) + len(test)
    more = max(0, (min(200, max(len(test), round(0.2 * n))) if n < 1000 else 200) - len(test))
    return train[more:], [*test, *train[:more]]


def _ordered(train: Pairs, test: Pairs) -> dict[str, Pairs]:
    held, chance = {given for given, _ in test}, random.Random(0)
    test, train = sorted(test), sorted(pair for pair in train if pair[0] not in held)
    chance.shuffle(test)
    chance.shuffle(train)
    return {"train": train, "test": test}


def _unique(pairs: Pairs, drop: bool) -> Pairs:
    """Every input once, with its first output; drop: without those that have several outputs."""
    found: dict[str, str] = {}
    several = set()
    for given, right in ((_clean(a), _clean(b)) for a, b in pairs):
        if given and right and found.setdefault(given, right) != right:
            several.add(given)
    return [(given, right) for given, right in found.items() if not (drop and given in several)]


def _clean(text: str) -> str:
    return "\n".join(re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in str(text).split("\n")).strip()


def _rows(file: Any) -> list[dict[str, Any]]:
    return list(file["examples"].values())


def _in_order(row: Mapping[str, Any]) -> tuple[str, str]:
    """The animals of a list as the list has them: the source has them in a random order."""
    kept = set(row["output"].split(", "))
    return row["input"], ", ".join(word for word in row["input"].split(", ") if word in kept)


# What a row says: its input and its output.
Read = Callable[[Mapping[str, Any]], tuple[str, str]]
ROWS: dict[str, Read] = {
    "plain": lambda row: (row["input"], row["output"]),
    # A code after the currency's name goes.
    "currency": lambda row: (row["input"], re.sub(r" \([^)]*\)$", "", row["output"])),
    "animals": _in_order,
    # The source has called its fields by both names.
    "reworded": lambda row: (
        row["informal"] if "informal" in row else row["input"],
        row["formal"] if "formal" in row else row["output"],
    ),
    "concept": lambda row: (", ".join(row["items"]), row["concept"]),
    "cause": lambda row: (row["cause"], row["effect"]),
    "word_problem": lambda row: (
        re.sub(r"\s+", " ", row["question"]),
        row["answer"].split("####")[1].replace(",", ""),
    ),
}


def _causes(files: Sequence[Any], read: Read) -> Parts:
    """Cause and effect in both orders; the pairs are divided before that."""
    pairs = sorted({read(row) for file in files for row in _rows(file)})
    random.Random(0).shuffle(pairs)

    def both(some: Pairs) -> Pairs:
        return [
            (f"Sentence 1: {first} Sentence 2: {second}", cause)
            for cause, effect in some
            for first, second in ((cause, effect), (effect, cause))
        ]

    k = len(pairs) - round(0.7 * len(pairs))
    return both(pairs[k:]), both(pairs[:k])


# How a source's files hold their rows.
FORMS: dict[str, Callable[[Sequence[Any], Read], Parts]] = {
    "list": lambda files, read: ([read(row) for row in files[0]], None),
    "test": lambda files, read: ([], [read(row) for row in files[0]]),
    # The first file to learn from, the second held out.
    "induction": lambda files, read: (
        [read(row) for row in _rows(files[0])],
        [read(row) for row in _rows(files[1])],
    ),
    "pool": lambda files, read: ([read(row) for file in files for row in _rows(file)], None),
    "causes": _causes,
}
# Which examples of a source are taken.
KEEP: dict[str, Callable[[str, str], bool]] = {
    "all": lambda given, right: True,
    "word": lambda given, right: len(given) > 1 and given.isalpha(),
    "no_pm": lambda given, right: "p.m." not in given,
    "short": lambda given, right: len(right.split()) <= 20,
}


def _lines(pairs: Pairs) -> bytes:
    rows = ({"input": given, "output": right} for given, right in pairs)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of(file: Path) -> str:
    return _digest(file.read_bytes()) if file.is_file() else ""
