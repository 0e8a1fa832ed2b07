"""Own examples: whatever a spreadsheet or a program writes, and what cannot be read is said by its row."""

from __future__ import annotations

import csv
import io
import json

import pytest

from t2l.errors import T2LError
from t2l.examples import (
    MAX_BYTES,
    MAX_ROWS,
    MAX_SOLVED,
    check_examples,
    check_solved,
    read_examples,
    read_solved,
    table,
)
from t2l.tasks import Example

CAT, DOG = Example("cat", "cats"), Example("dog, old", "dogs")


@pytest.mark.parametrize(
    "data",
    [
        b'input,expected\ncat,cats\n"dog, old",dogs\n',
        b"Prompt;Answer\r\ncat;cats\r\ndog, old;dogs\r\n\r\n",
        "\ufeffid\tinput\toutput\n1\tcat\tcats\n2\tdog, old\tdogs\n".encode(),
        "input|label\ncat|cats\ndog, old|dogs\n".encode("utf-16"),
        b'{"input": "cat", "expected": "cats"}\n\n{"input": "dog, old", "output": "dogs", "id": 4}\n',
        b'[["cat", "cats"], {"text": "dog, old", "target": "dogs"}]',
        b'input,expected\ncat,cats\n"dog, old",dogs\ncat,cats\n,\n',
    ],
)
def test_what_programs_write_is_read(data: bytes) -> None:
    assert read_examples(data) == (CAT, DOG)


def test_numbers_of_json_and_lines_within_quotes_are_texts() -> None:
    assert read_examples(b'[{"input": 3, "expected": 4.5}]') == (Example("3", "4.5"),)
    assert read_examples(b'input,expected\n"two\nlines",one\n') == (Example("two\nlines", "one"),)
    # Such a break is no end of a line to JSON.
    assert read_examples('{"input": "a\u2028b", "expected": "c"}\n'.encode()) == (Example("a\u2028b", "c"),)
    # What a spreadsheet would call a formula is a text like any other.
    assert read_examples(b"input,expected\n=1+1,@x\n") == (Example("=1+1", "@x"),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "names no two columns"),
        (b"input,expected\n", "no examples"),
        (b"cat,cats\ndog,dogs\n", "'cat,cats', which names no two columns; give a CSV"),
        (b"input,input,expected\n1,2,3\n", "names no two columns"),
        (b"input,expected\na,b,c\n", "Line 2 has 3 columns where the first has 2"),
        (b'input,expected\n"a,b\n', "no CSV"),
        (b"input,expected\na,\n", "expected text of row 1 is empty"),
        (b"input,expected\nx,y\na,b\x07\n", "row 2 holds the control character"),
        (b"input,expected\n\xff,b\n", "not UTF-8 text \\(byte 15\\)"),
        (b"PK\x03\x04rest", "spreadsheet; save the sheet as CSV"),
        (b"input,expected\na\0,b\n", "zero bytes"),
        (b"[" * 100_000, "not JSON"),
        (b'{"input": "a"}', "Row 1 is .* has no input and expected"),
        (b'[{"input": ["a"], "expected": "b"}]', r'input of row 1 is \["a"\], no text; put it into quotes'),
        (
            b'[{"input": "a", "expected": true}]',
            "expected text of row 1 is true, no text; put it",
        ),
        (b"x" * (MAX_BYTES + 1), "take a sample"),
        (b"input,expected\n" + b"a,b\n" * 100_000, f"more than {MAX_ROWS:,} rows"),
        (b"input,expected\na," + b"b" * 2001 + b"\n", "has 2,001 characters"),
        (b"input,expected\n" + b"a" * 140_000 + b",b\n", "no CSV|140,000 characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(data: bytes, said: str) -> None:
    with pytest.raises(T2LError, match=said):
        read_examples(data)


def test_a_full_file_of_examples_is_read() -> None:
    rows = "".join(json.dumps({"input": f"{n}", "expected": f"{n}"}) + "\n" for n in range(MAX_ROWS))
    assert len(read_examples(rows.encode())) == MAX_ROWS
    with pytest.raises(T2LError, match="more than"):
        check_examples([("a", "b")] * (MAX_ROWS + 1))


def test_solved_examples_are_typed_one_a_line() -> None:
    assert read_solved(" cat => cats\n\ndog, old=>dogs \n") == (CAT, DOG)
    assert read_solved(" \n") == check_solved([]) == ()
    for text, said in (
        ("cat => cats\ndog", "Line 2 .* 'dog'; write"),
        ("=> cats", "Line 1"),
        ("cat =>", "Line 1"),
    ):
        with pytest.raises(T2LError, match=said):
            read_solved(text)
    with pytest.raises(
        T2LError, match=f"{MAX_SOLVED + 1} solved examples were given; the most is {MAX_SOLVED}"
    ):
        read_solved("a => b\n" * (MAX_SOLVED + 1))


def test_no_cell_of_a_table_is_a_formula() -> None:
    data = table([("input", "n"), ("=HYPERLINK(1)", 2), ("-5", 0.5), ("plain, text", None)])
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [["input", "n"], ["'=HYPERLINK(1)", "2"], ["'-5", "0.5"], ["plain, text", ""]]
