"""Tasks from files of examples, more wordings for them, and what training and held-out tasks share.
Knows files, tasks and vectors of descriptions; no base model and no network."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from t2l.errors import T2LError, check_whole
from t2l.files import complete_or_absent
from t2l.generator import MAX_DESCRIPTION, Condition, check_text
from t2l.tasks import Example, Task

# One example; more is a file of another kind.
MOST_LINE = 2**18
MOST_TEST = 100
LAYOUTS = ("plain", "super_natural")
_KINDS = (".jsonl", ".csv", ".parquet")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,79}")
# Tasks of Super-NaturalInstructions that are made from a benchmark which the published evaluation uses.
# Source: the lists of arXiv 2506.06105's code.
EXCLUDED = {
    33: "winogrande",
    34: "winogrande",
    80: "piqa",
    81: "piqa",
    228: "arc",
    380: "boolq",
    381: "boolq",
    1286: "openbookqa",
    1389: "hellaswag",
    1391: "winogrande",
}
# Those that the published training keeps for validation, as tasks never seen; 479 of its 500 remain.
# Source: the same lists.
KEPT_OUT = frozenset({35, 39, 202, 304, 362, 614, 701, 706, 710, 726, 1557})
# What the published prompts say after a definition, and where several outputs are right.
_PLAINLY = " Please complete the task without any explanation."
_LISTED = "\nThe answer should be a comma-separated list of possible completions."
_TEMPLATES = (
    "{said}.",
    "Your task: {said}.",
    "Do this with every input: {said}.",
    "{said}. Give the result and nothing else.",
    "Follow this instruction: {said}.",
    "I need a model for the following: {said}.",
    "You receive an input. {said}.",
    "Instruction for the input below: {said}.",
    "What is asked for: {said}.",
    "{said}. Do not explain the answer.",
    "The job of this model: {said}.",
    "Read the input, then: {said}.",
)
_GRAM = 13
_KINDS_OF_OVERLAP = ("exact", "alike", "inputs", "grams")


# Reading examples


@dataclass(frozen=True)
class Columns:
    """Which fields of a row are input and output, and which ones may stand beside them unread."""

    input: str = "input"
    output: str = "output"
    ignore: tuple[str, ...] = ()


def read_examples(
    file: str | Path, columns: Columns | None = None, layout: str = "plain", defined: bool = False
) -> list[Example]:
    """The examples of a .jsonl, .csv (with a header) or .parquet file, in order; equal ones once.

    layout: "plain", a text for input and output each; "super_natural", see `super_natural`, as is defined.
    Raises T2LError naming file, line and fault: not JSON, over 262,144 bytes, unknown or missing fields, no
    text, or fewer than two examples.
    """
    file, columns = Path(file), columns or Columns(ignore=("id",) if layout == "super_natural" else ())
    if layout not in LAYOUTS:
        raise T2LError(f"layout={layout!r} is unknown; choose {' or '.join(LAYOUTS)}.")
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if file.suffix not in readers:
        raise T2LError(f"{file} is none of {', '.join(readers)}; convert it to JSON lines first.")
    examples: dict[Example, None] = {}
    try:
        for line, row in readers[file.suffix](file):
            where = f"{file}, line {line}"
            unknown = set(row) - {columns.input, columns.output, *columns.ignore}
            if unknown:
                raise T2LError(
                    f"{where}: the field {min(unknown)!r} is unknown; name the fields to read "
                    "(--input-field, --output-field) or to leave out (--ignore)."
                )
            for field in (columns.input, columns.output):
                if field not in row:
                    raise T2LError(f"{where}: the field {field!r} is missing; add it.")
            values = row[columns.input], row[columns.output]
            if layout == "super_natural":
                example = super_natural(*values, where=where, defined=defined)[1]
            else:
                example = Example(*(_text(value, where) for value in values))
            if not example.output.strip():
                raise T2LError(f"{where}: the output is empty; remove the line.")
            examples[example] = None
    except (OSError, UnicodeDecodeError) as err:
        raise T2LError(f"{file} cannot be read ({err}); give a file in UTF-8.") from err
    if len(examples) < 2:
        raise T2LError(
            f"{file} holds {len(examples)} different examples; a task needs at least two, one to train on "
            "and one to test."
        )
    return list(examples)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise T2LError(f"{where}: {json.dumps(value, default=str)[:80]} is no text; put it in quotes.")
    return value


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines, none longer than is allowed; a longer one is never read to its end."""
    with open(file, "rb") as stream:
        number = 0
        while line := stream.readline(MOST_LINE + 1):
            number += 1
            if len(line) > MOST_LINE:
                raise T2LError(
                    f"{file}, line {number} has more than {MOST_LINE:,} bytes; that is no single example."
                )
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise T2LError(f"{file}, line {number}: not JSON ({str(err)[:100]}).") from err
        if not isinstance(row, dict):
            raise T2LError(f'{file}, line {number}: expected {{"input": "...", "output": "..."}}.')
        yield number, row


def _csv(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    limit = csv.field_size_limit(MOST_LINE)
    rows = csv.reader((line for _, line in _lines(file)), strict=True)
    try:
        header = next(rows, [])
        if len(set(header)) < len(header):
            raise T2LError(f"{file}, line 1: two columns have one name; rename one.")
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise T2LError(
                    f"{file}, line {rows.line_num}: {len(row)} fields, but the header names {len(header)}; "
                    "put texts with commas in quotes."
                )
            yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as err:
        raise T2LError(f"{file}, line {rows.line_num}: not CSV ({err}).") from err
    finally:
        csv.field_size_limit(limit)


def _parquet(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        # Not required here: only published datasets come as parquet.
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as err:
        raise T2LError(f"{file} needs the package pyarrow (pip install pyarrow), or convert it.") from err
    try:
        yield from enumerate(parquet.read_table(file).to_pylist(), 1)
    except (arrow.ArrowException, OSError) as err:
        raise T2LError(f"{file} cannot be read ({str(err)[:200]}); fetch it again.") from err


def super_natural(
    text: Any, outputs: Any, where: str = "this row", defined: bool = False
) -> tuple[str, Example]:
    """(definition, example) of one row of a Lots-of-LoRAs dataset, which holds a whole few-shot prompt.

    Several right outputs are joined by commas. defined: the example's input begins with the definition, in
    the words of the published training. Raises T2LError where the prompt has another form: "Definition:
    ...", "Positive Example 1 -", ..., "Now complete the following example -", "Input: ...", "Output:".
    Source: arXiv 2506.06105's code.
    """
    if not isinstance(outputs, list) or not outputs or not all(isinstance(o, str) for o in outputs):
        raise T2LError(f"{where}: output must be a list of texts, not {json.dumps(outputs)[:80]}.")
    found = re.fullmatch(
        r"\s*Definition:(?P<definition>.*?)\n\s*\n\s*Positive Example.*"
        r"\n\s*Now complete the following example -\s*Input:(?P<input>.*?)(?:\n\s*Output:\s*)?",
        _text(text, where),
        re.DOTALL,
    )
    if not found or not found["definition"].strip():
        raise T2LError(
            f'{where}: the input is no prompt of this layout ("Definition: ...", examples, "Now complete the '
            'following example -"); use layout=plain.'
        )
    definition, asked = found["definition"].strip(), found["input"].strip()
    if defined:
        asked = f"{definition}{_PLAINLY}{_LISTED if len(outputs) > 1 else ''}\n\n{asked}"
    return definition, Example(asked, ", ".join(outputs))


def definition_of(file: str | Path, columns: Columns | None = None) -> str:
    """The definition that every row of a super_natural file repeats, from its first row."""
    file, columns = Path(file), columns or Columns()
    line, row = next(iter((_jsonl if file.suffix == ".jsonl" else _parquet)(file)))
    return super_natural(row.get(columns.input), row.get(columns.output), f"{file}, line {line}")[0]


# Writing tasks


@dataclass(frozen=True)
class Conversion:
    """What a converted task says of itself beside its examples, see `t2l.tasks.Task`.

    test: how many examples are kept for testing; 0 takes a tenth, at most 100. definition_in_input:
    super_natural only: the definition stands before every input, as in the published training, so that the
    base reads it too. later: descriptions come afterwards (`t2l train describe`).
    """

    split: str = "train"
    metric: str = "exact_match"
    max_new_tokens: int = 32
    license: str = ""
    open_license: bool = False
    paraphrases: int = 0
    test: int = 0
    definition_in_input: bool = False
    later: bool = False

    def __post_init__(self) -> None:
        if self.split not in ("train", "eval") or self.metric not in ("exact_match", "choice"):
            raise T2LError(
                f"split={self.split!r}, metric={self.metric!r}: choose train or eval, exact_match or choice."
            )
        for name, least in (("max_new_tokens", 1), ("paraphrases", 0), ("test", 0)):
            check_whole(getattr(self, name), name, least)
        if self.later and self.paraphrases:
            raise T2LError("There is nothing to paraphrase where descriptions come later; leave one away.")


def convert(
    source: str | Path,
    out: str | Path,
    how: Conversion,
    *,
    name: str = "",
    descriptions: Sequence[str] = (),
    columns: Columns | None = None,
    layout: str = "plain",
) -> dict[str, int]:
    """Makes suite folders `out`/NAME of a file, or of every file in a folder; returns examples by name.

    A task is named as its file. Its descriptions are the given ones, else the lines of NAME.txt beside the
    file, else (super_natural) its definition. A folder with data/train-*.parquet is one task, a downloaded
    dataset. Nothing is written before everything was read. Raises T2LError naming what is wrong where: as
    `read_examples`, and for names that are taken, no descriptions, or a task that a benchmark is made of.
    """
    source, out = Path(source), Path(out)
    files = _sources(source)
    if len(files) > 1 and (name or descriptions):
        raise T2LError(f"{source} holds {len(files)} tasks; a name and descriptions are for one. Leave them.")
    tasks: dict[str, tuple[dict[str, Any], list[Example], list[Example]]] = {}
    for own, parts in files.items():
        called = name or own
        if not _NAME.fullmatch(called):
            raise T2LError(f"{called!r} cannot name a task; use letters, digits, '_', '-' and '.' (--name).")
        if called in tasks or (out / called).exists():
            raise T2LError(f"There is a task {called!r} in {out} already; choose another name (--name).")
        benchmark = _benchmark(called, layout, how.split)
        examples = [read_examples(part, columns, layout, how.definition_in_input) for part in parts]
        definition = definition_of(parts[0], columns) if layout == "super_natural" else ""
        said = [*(descriptions or _beside(parts[0])), *([definition] if definition else [])]
        if not said and not how.later:
            raise T2LError(
                f"{called} has no description; give one (--description), write one a line to "
                f"{parts[0].with_suffix('.txt').name} beside it, or let them be written later (--later)."
            )
        wordings = [w for text in dict.fromkeys(said) for w in paraphrases(text, how.paraphrases + 1)]
        train, test = examples if len(examples) == 2 else divide(examples[0], how.test)
        facts: dict[str, Any] = {"name": called, "split": how.split, "metric": how.metric}
        facts |= {"max_new_tokens": how.max_new_tokens, "license": how.license}
        facts |= {"open_license": how.open_license, "source": parts[0].name}
        if benchmark:
            facts["benchmark"] = True
        if how.metric == "choice":
            facts["choices"] = sorted({example.output for example in (*train, *test)})
        tasks[called] = {**facts, "descriptions": list(dict.fromkeys(wordings))}, train, test
    for called, (facts, train, test) in tasks.items():
        write_task(out / called, facts, train, test)
    return {called: len(train) + len(test) for called, (_, train, test) in tasks.items()}


def write_task(
    folder: str | Path, facts: Mapping[str, Any], train: Iterable[Example], test: Iterable[Example]
) -> None:
    """Writes task.yaml, train.jsonl and test.jsonl into a new folder, complete or not at all."""
    with complete_or_absent(folder) as work:
        text = yaml.safe_dump(dict(facts), sort_keys=False, allow_unicode=True, width=110)
        (work / "task.yaml").write_text(text, encoding="utf-8")
        for part, examples in (("train", train), ("test", test)):
            lines = (json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in examples)
            (work / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")


def divide(examples: Sequence[Example], test: int = 0) -> tuple[list[Example], list[Example]]:
    """(train, test): `test` of the inputs, by default a tenth and at most 100; equal inputs stay together.

    Which ones follows from their sha256, so that more examples do not shuffle the others.
    """
    marks = sorted({hashlib.sha256(e.input.encode()).hexdigest() for e in examples})
    wanted = test or max(1, min(MOST_TEST, len(marks) // 10))
    if wanted >= len(marks):
        raise T2LError(
            f"{wanted} inputs are wanted for the test, but there are {len(marks)} different ones; give more "
            "examples or a smaller test."
        )
    chosen = set(marks[:wanted])
    kept = [hashlib.sha256(e.input.encode()).hexdigest() in chosen for e in examples]
    train = [e for e, is_test in zip(examples, kept, strict=True) if not is_test]
    return train, [e for e, is_test in zip(examples, kept, strict=True) if is_test]


def paraphrases(description: str, n: int) -> list[str]:
    """At most n wordings of a description, itself first: the same words in other frames.

    Frames teach the network that they mean nothing; other words for the task itself are for people or for
    `t2l train describe`. Raises T2LError for a description that cannot serve.
    """
    own = Condition(description).text
    said = own[:-1] if own.endswith(".") and not own.endswith("..") else own
    framed = (template.format(said=said) for template in _TEMPLATES)
    made = dict.fromkeys([own, *(text for text in framed if len(text) <= MAX_DESCRIPTION)])
    return list(made)[: max(1, n)]


def _sources(source: Path) -> dict[str, list[Path]]:
    """Task name -> its file, or its files for training and for testing."""
    if source.is_file():
        return {source.stem: [source]}
    if not source.is_dir():
        raise T2LError(f"{source} is neither a file nor a folder of examples.")
    parts = [sorted((source / "data").glob(f"{part}-*")) for part in ("train", "test")]
    if parts[0]:
        if any(len(files) > 1 for files in parts):
            raise T2LError(f"{source / 'data'} holds a part in several files; join them into one first.")
        return {source.resolve().name: [file for files in parts for file in files]}
    files = sorted(file for file in source.iterdir() if file.suffix in _KINDS)
    if not files:
        raise T2LError(f"{source} holds no {', '.join(_KINDS)} file; give a file or folder of examples.")
    stems = [file.stem for file in files]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), ""):
        raise T2LError(f"{source} holds the task {twice!r} twice, in files of two kinds; remove one.")
    return {file.stem: [file] for file in files}


def _beside(file: Path) -> list[str]:
    texts = file.with_suffix(".txt")
    try:
        lines = texts.read_text(encoding="utf-8").splitlines() if texts.is_file() else []
        return [check_text(line, "description", MAX_DESCRIPTION) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, T2LError) as err:
        raise T2LError(f"{texts} cannot serve as descriptions: {err}") from err


def _benchmark(name: str, layout: str, split: str) -> str:
    """The benchmark that a task is made from; raises T2LError for what the published training leaves out."""
    found = re.match(r"(?:task|lol_)0*([0-9]{1,4})(?![0-9])", name)
    number = int(found[1]) if found and layout == "super_natural" else 0
    benchmark = EXCLUDED.get(number, "")
    if number in KEPT_OUT and split == "train":
        raise T2LError(
            f"{name} is one of the {len(KEPT_OUT)} tasks that the published training keeps for validation; "
            "leave it out, or convert it with split=eval."
        )
    if benchmark and split == "train":
        raise T2LError(
            f"{name} is made from the benchmark {benchmark}, which the published evaluation measures on, so "
            "the published training leaves it out; do so, or convert it with split=eval."
        )
    return benchmark


# What training and held-out tasks share


@dataclass(frozen=True)
class Overlap:
    """What a task's test examples share with training, counted in test examples.

    own: that are among the task's own training examples. exact: whose input and output both stand in one
    example of a training task. alike: the same without case and punctuation, which some tasks are about.
    inputs: whose input stands there, whatever its output. grams: that share 13 words in a row with a training
    example. where: the training task with the most of all these. nearest, similarity: the training task with
    the nearest description, and the cosine of both.
    """

    task: str
    split: str
    examples: int
    own: int
    exact: int = 0
    alike: int = 0
    inputs: int = 0
    grams: int = 0
    where: str = ""
    nearest: str = ""
    similarity: float | None = None


def normalise(text: str) -> str:
    """A text as its words in lower case, one space between; what has no word stays as it is."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text.strip().casefold()


def grams(text: str, size: int = _GRAM) -> set[str]:
    """Every run of `size` words of a normalised text."""
    words = text.split()
    return {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}


def overlaps(tasks: Iterable[Task], encoder: Any = None) -> list[Overlap]:
    """What every task of split eval shares with those of split train, and every task with itself.

    encoder: a TextEncoder, or None to leave descriptions out.
    Raises T2LError where there is no task of split train to compare with.
    """
    tasks = list(tasks)
    trained = [task for task in tasks if task.split == "train"]
    held_out = [task for task in tasks if task.split == "eval"]
    if not trained or not held_out:
        raise T2LError(
            f"{len(trained)} tasks of split train and {len(held_out)} of split eval cannot be compared; give "
            "the folders of both (--tasks A,B)."
        )
    # Only what is held out is kept in memory: training data may be large.
    index: dict[str, dict[Any, set[tuple[str, int]]]] = {kind: {} for kind in _KINDS_OF_OVERLAP}
    for task in held_out:
        for number, example in enumerate(task.test):
            for kind, keys in _keys(example).items():
                for key in keys:
                    index[kind].setdefault(key, set()).add((task.name, number))
    # Kind -> training task -> held-out examples.
    found: dict[str, dict[str, set[tuple[str, int]]]] = {kind: {} for kind in index}
    for task in trained:
        for example in task.train:
            for kind, keys in _keys(example).items():
                if hits := [index[kind][key] for key in keys if key in index[kind]]:
                    found[kind].setdefault(task.name, set()).update(*hits)
    near = _nearest(held_out, trained, encoder) if encoder is not None else {}
    rows = []
    for task in held_out:
        counts: dict[str, int] = {}
        where: Counter[str] = Counter()
        for kind, shared in found.items():
            own = {name: {mark for mark in marks if mark[0] == task.name} for name, marks in shared.items()}
            counts[kind] = len(set().union(*own.values()))
            where.update({name: len(marks) for name, marks in own.items() if marks})
        most = max(where, key=lambda name: (where[name], name)) if where else ""
        name, similarity = near.get(task.name, ("", None))
        rows.append(
            Overlap(
                task.name,
                "eval",
                len(task.test),
                _own(task),
                **counts,
                where=most,
                nearest=name,
                similarity=similarity,
            )
        )
    rows += [Overlap(task.name, "train", len(task.test), own) for task in trained if (own := _own(task))]
    return rows


def _keys(example: Example) -> dict[str, set[Any]]:
    """What two examples must have in common to count as overlapping, for every kind of overlap."""
    asked, said = normalise(example.input), normalise(example.output)
    return {
        "exact": {(example.input.strip(), example.output.strip())},
        "alike": {(asked, said)},
        "inputs": {asked},
        "grams": grams(f"{asked} {said}"),
    }


def _own(task: Task) -> int:
    """Test examples of a task that are among its own training examples."""
    known = {(e.input.strip(), e.output.strip()) for e in task.train}
    return sum((e.input.strip(), e.output.strip()) in known for e in task.test)


def _nearest(held_out: Sequence[Task], trained: Sequence[Task], encoder: Any) -> dict[str, tuple[str, float]]:
    """For every held-out task the training task with the most similar description, and the cosine."""
    owners = [task.name for task in trained for _ in task.descriptions]
    known = encoder.encode_cached([Condition(d).text for task in trained for d in task.descriptions])
    near = {}
    for task in held_out:
        vectors = encoder.encode_cached([Condition(d).text for d in task.descriptions])
        # The encoder's vectors have the norm sqrt(size).
        value, place = (vectors @ known.T / encoder.size).max(0)[0].max(0)
        near[task.name] = (owners[int(place)], round(float(value), 4))
    return near


def table(rows: Sequence[Overlap]) -> list[str]:
    """Overlaps as lines for a terminal, the most alike first; counts are test examples."""
    held_out = sorted(
        (row for row in rows if row.split == "eval"),
        key=lambda r: (-r.exact, -r.grams, -r.alike, -r.inputs, -(r.similarity or 0)),
    )
    head = ("held-out task", "tests", "exact", f"{_GRAM} words", "alike", "input", "own")
    head += ("mostly in", "nearest", "cosine")
    cells = [
        (
            row.task,
            *map(str, (row.examples, row.exact, row.grams, row.alike, row.inputs, row.own)),
            row.where or "-",
            row.nearest or "-",
            "-" if row.similarity is None else f"{row.similarity:.2f}",
        )
        for row in held_out
    ]
    widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in (head, *cells)]
    inside = [row for row in rows if row.split == "train"]
    if inside:
        worst = max(inside, key=lambda row: row.own / max(1, row.examples))
        lines.append(
            f"{len(inside)} training tasks share test examples with their own training examples, most "
            f"{worst.task} ({worst.own} of {worst.examples})."
        )
    return lines
