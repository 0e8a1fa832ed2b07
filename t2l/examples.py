"""A person's own examples, inputs with what is right for them, read from CSV or JSON; and tables.
Knows text alone: no model, no page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2l.errors import T2LError
from t2l.generator import check_text
from t2l.tasks import Example

MAX_ROWS, MAX_BYTES = 1000, 2_000_000
MAX_INPUT, MAX_EXPECTED = 20_000, 2_000
# Of those that stand in a prompt.
MAX_SOLVED = 16
# What the two columns may be called; the first of each is what messages say.
_INPUT = ("input", "prompt", "question", "text")
_EXPECTED = ("expected", "output", "answer", "target", "label", "completion")
_SEPARATORS = (",", ";", "\t", "|")
_REMEDY = "give a CSV whose first line is input,expected, or JSON lines with these two fields"
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read_examples(data: bytes) -> tuple[Example, ...]:
    """The examples of a CSV, of JSON lines, or of a JSON list, UTF-8 or UTF-16; equal ones count once.

    CSV: separated by comma, semicolon, tab or bar, the columns named by the first line, others ignored.
    Raises T2LError naming the row for what cannot be read.
    """
    if len(data) > MAX_BYTES:
        raise T2LError(f"The file has {len(data):,} bytes, the most is {MAX_BYTES:,}; take a sample of it.")
    if data[:2] == b"PK":
        raise T2LError("The file is a zip or a spreadsheet; save the sheet as CSV, and give that.")
    encoding = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "UTF-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as err:
        raise T2LError(f"The file is not {encoding} text (byte {err.start:,}); save it so.") from err
    if "\0" in text:
        raise T2LError(f"The file holds zero bytes, so it is no text; {_REMEDY}.")
    return check_examples(_records(text) if text.lstrip()[:1] in ("[", "{") else _rows(text))


def check_examples(pairs: Iterable[tuple[Any, Any]]) -> tuple[Example, ...]:
    """Examples of (input, expected) pairs, rows where both are blank left out, equal ones once."""
    kept: dict[Example, None] = {}
    for number, (given, expected) in enumerate(pairs, 1):
        if number > MAX_ROWS:
            raise T2LError(f"There are more than {MAX_ROWS:,} rows; take a sample of them.")
        if not _text(given).strip() and not _text(expected).strip():
            continue
        for value, what, most in ((given, "input", MAX_INPUT), (expected, "expected text", MAX_EXPECTED)):
            if isinstance(value, bool) or not isinstance(value, str | int | float | None):
                shown = json.dumps(value, default=str)[:60]
                raise T2LError(f"The {what} of row {number} is {shown}, no text; put it into quotes.")
            check_text(_text(value), f"{what} of row {number}", most)
        kept[Example(_text(given).strip(), _text(expected).strip())] = None
    if not kept:
        raise T2LError(f"There are no examples; {_REMEDY}.")
    return tuple(kept)


def read_solved(text: str) -> tuple[Example, ...]:
    """Solved examples as they are typed: one a line, input => answer; blank lines count nothing.

    Raises T2LError naming the line that has no =>, or too many lines.
    """
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        given, arrow, answer = line.partition("=>")
        if line.strip() and not (arrow and given.strip() and answer.strip()):
            raise T2LError(f"Line {number} of the solved examples is {line[:60]!r}; write: input => answer")
        if line.strip():
            pairs.append((given, answer))
    return check_solved(pairs)


def check_solved(pairs: Iterable[tuple[Any, Any]]) -> tuple[Example, ...]:
    """Solved examples of (input, answer) pairs, at most MAX_SOLVED, or none."""
    pairs = list(pairs)
    if len(pairs) > MAX_SOLVED:
        raise T2LError(f"{len(pairs)} solved examples were given; the most is {MAX_SOLVED}. Five are good.")
    return check_examples(pairs) if pairs else ()


def table(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows as CSV for a spreadsheet, in which no text is a formula: such a one begins with ' there."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row]
        for row in rows
    )
    return file.getvalue().encode("utf-8-sig")


def _text(value: Any) -> str:
    """A cell as text; of JSON a number is one too."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return str(value)


def _rows(text: str) -> list[tuple[Any, Any]]:
    first = text.lstrip("\n").partition("\n")[0]
    for separator in _SEPARATORS:
        names = [name.strip().strip('"').lower() for name in first.split(separator)]
        if (columns := _columns(names)) is not None:
            break
    else:
        raise T2LError(f"The first line is {first[:80]!r}, which names no two columns; {_REMEDY}.")
    found, reader = [], csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise T2LError(
                    f"Line {reader.line_num} has {len(cells)} columns where the first has {len(names)}; put "
                    'texts that hold the separator into "quotes".'
                )
            found.append((cells[columns[0]], cells[columns[1]]))
            if len(found) > MAX_ROWS + 1:
                break
    except csv.Error as err:
        raise T2LError(f"Line {reader.line_num} is no CSV ({err}); {_REMEDY}.") from err
    return found[1:]


def _records(text: str) -> list[tuple[Any, Any]]:
    try:
        if text.lstrip().startswith("["):
            records = json.loads(text)
        else:
            records = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as err:
        raise T2LError(f"The file is not JSON ({str(err)[:100]}); {_REMEDY}.") from err
    found = []
    for number, record in enumerate(records, 1):
        if isinstance(record, list) and len(record) == 2:
            found.append((record[0], record[1]))
            continue
        names = list(record) if isinstance(record, Mapping) else []
        if (columns := _columns([str(name).lower() for name in names])) is None:
            raise T2LError(
                f"Row {number} is {str(record)[:80]!r}, which has no input and expected; {_REMEDY}."
            )
        found.append((record[names[columns[0]]], record[names[columns[1]]]))
    return found


def _columns(names: Sequence[str]) -> tuple[int, int] | None:
    """Where the two columns are; None where one is missing, or named twice."""
    places = [[names.index(name) for name in wanted if name in names] for wanted in (_INPUT, _EXPECTED)]
    if not all(places) or any(names.count(names[place[0]]) > 1 for place in places):
        return None
    return places[0][0], places[1][0]
