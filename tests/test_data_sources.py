"""Tasks from files, and the check for leaks: strict with what comes in, honest about what is shared."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from paths import FIXTURES, REPO

from t2l.cli import _parser, main
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.tasks import Example, Task, read_suite, read_task
from t2l.train import data
from t2l.train.data import Columns, Conversion, convert, divide, overlaps, paraphrases, read_examples, table


def jsonl(file: Path, rows: list) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def plurals(count: int = 40) -> list[dict[str, str]]:
    return [{"input": f"word{i}", "output": f"word{i}s"} for i in range(count)]


# Reading


def test_json_lines_and_csv_give_the_same_examples(tmp_path: Path) -> None:
    rows = [{"input": 'a "b", c', "output": "two\nlines"}, {"input": "ä", "output": "ö"}]
    one = read_examples(jsonl(tmp_path / "a.jsonl", rows))
    (tmp_path / "a.csv").write_bytes(
        '\ufeffinput,output\r\n"a ""b"", c","two\nlines"\r\nä,ö\r\n\r\nä,ö\r\n'.encode()
    )
    assert one == read_examples(tmp_path / "a.csv") == [Example(**row) for row in rows]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"input": "a", "output": "b"}\n' * 4710 + '{"input": "a", "out\n', r"line 4711: not JSON"),
        ('{"input": "a", "output": "b"}\n{"input": "%s", "output": "b"}' % ("x" * 2**20), "line 2 has more"),
        ('{"input": "a", "output": "b", "label": 1}\n', "line 1: the field 'label' is unknown"),
        ('{"input": "a"}\n', "line 1: the field 'output' is missing"),
        ('{"input": "a", "output": 3}\n', "line 1: 3 is no text"),
        ('{"input": "a", "output": "\\ud800"}\n', "is no text"),
        ('{"input": "a", "output": " "}\n', "the output is empty"),
        ("[1]\n", "line 1: expected"),
        ('{"input": "a", "output": "b"}\n' * 9, "1 different examples"),
        ("", "0 different examples"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_fault_in_json_lines_is_named_with_its_line(text: str, match: str, tmp_path: Path) -> None:
    file = tmp_path / "task.jsonl"
    file.write_text(text)
    with pytest.raises(T2LError, match=match):
        read_examples(file)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("input,output\na,b\na,b,c\n", "line 3: 3 fields, but the header names 2"),
        ("input,input\na,b\n", "two columns have one name"),
        ("input,label\na,b\n", "'label' is unknown"),
        ('input,output\na,"b"c\n', "line 2: not CSV"),
        ("input,output\n" + "x" * 2**20 + ",b\n", "line 2 has more than 262,144 bytes"),
        ("input,output\na,b\n", "1 different examples"),
        ("", "0 different examples"),
    ],
)
def test_a_fault_in_csv_is_named_with_its_line(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "task.csv").write_text(text)
    with pytest.raises(T2LError, match=match):
        read_examples(tmp_path / "task.csv")


def test_other_files_and_other_fields(tmp_path: Path) -> None:
    rows = [{"question": str(n), "answer": "x", "id": n} for n in range(3)]
    file = jsonl(tmp_path / "a.jsonl", rows)
    made = read_examples(file, Columns("question", "answer", ("id",)))
    assert made == [Example(str(n), "x") for n in range(3)]
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(T2LError, match="none of"):
        read_examples(tmp_path / "a.txt")
    (tmp_path / "b.jsonl").write_bytes(b'{"input": "\xff"}')
    with pytest.raises(T2LError, match="UTF-8"):
        read_examples(tmp_path / "b.jsonl")
    with pytest.raises(T2LError, match="cannot be read"):
        read_examples(tmp_path / "missing.csv")
    with pytest.raises(T2LError, match="layout='wide'"):
        read_examples(file, layout="wide")


# Converting


def test_a_file_becomes_a_task_that_a_suite_reads(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "plural.jsonl", plurals())
    command = ["data", "convert", str(file), "--out", str(tmp_path / "suite"), "--name", "plurals"]
    command += ["--description", "Say the plural.", "--description", "More than one of it."]
    assert main([*command, "--paraphrases", "2", "--open-license", "--metric", "choice"]) == 0
    (task,) = read_suite(tmp_path / "suite").values()
    assert task.name == "plurals" and task.split == "train" and task.open_license
    assert task.descriptions[0] == "Say the plural." and len(task.descriptions) == 6
    assert len(task.test) == 4 and len(task.train) == 36 and not {*task.test} & {*task.train}
    assert len(task.choices) == 40
    # A second task of the name is refused, and nothing of the first is lost.
    assert main(command) == 2 and read_task(tmp_path / "suite" / "plurals") == task


def test_a_folder_becomes_a_suite_or_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        jsonl(tmp_path / "raw" / f"{name}.jsonl", plurals())
    (tmp_path / "raw" / "one.txt").write_text("The plural.\n\nOf the word.\n")
    with pytest.raises(T2LError, match=r"two has no description; .* two\.txt"):
        convert(tmp_path / "raw", tmp_path / "suite", Conversion())
    assert not (tmp_path / "suite").exists()
    (tmp_path / "raw" / "two.txt").write_text("Another one.\n")
    assert convert(tmp_path / "raw", tmp_path / "suite", Conversion(test=10)) == {"one": 40, "two": 40}
    suite = read_suite(tmp_path / "suite")
    assert suite["one"].descriptions == ("The plural.", "Of the word.") and len(suite["two"].test) == 10
    for changes, match in (({"name": "x"}, "2 tasks"), ({"descriptions": ["x"]}, "2 tasks")):
        with pytest.raises(T2LError, match=match):
            convert(tmp_path / "raw", tmp_path / "other", Conversion(), **changes)
    jsonl(tmp_path / "raw" / "two.csv", [])
    with pytest.raises(T2LError, match="'two' twice"):
        convert(tmp_path / "raw", tmp_path / "other", Conversion())


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("../up", {}, "cannot name a task"),
        ("x", {"test": 40}, "40 inputs are wanted"),
        ("x", {"split": "test"}, "split='test'"),
        ("x", {"max_new_tokens": 0}, "max_new_tokens"),
        ("x", {"later": True, "paraphrases": 3}, "nothing to paraphrase"),
    ],
)
def test_conversions_that_cannot_work_are_refused(name, changes: dict, match: str, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", plurals())
    with pytest.raises(T2LError, match=match):
        convert(file, tmp_path / "suite", Conversion(**changes), name=name, descriptions=["d"])
    assert not (tmp_path / "suite").exists()


def test_descriptions_can_come_later(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", plurals())
    convert(file, tmp_path / "suite", Conversion(later=True))
    with pytest.raises(T2LError, match="needs `descriptions`"):
        read_suite(tmp_path / "suite")


def test_equal_inputs_never_part_and_more_examples_move_none() -> None:
    examples = [Example(f"q{n % 30}", str(n)) for n in range(90)]
    train, test = divide(examples)
    assert {e.input for e in test}.isdisjoint({e.input for e in train}) and len(test) == 9
    _, more = divide([*examples, Example("q999", "x")], test=3)
    assert len({e.input for e in more} & {e.input for e in divide(examples, test=3)[1]}) >= 2


def test_paraphrases_are_the_same_words_in_other_frames() -> None:
    made = paraphrases("Output  the plural.", 100)
    assert made[0] == "Output the plural." and len(made) == len(set(made)) == 12
    assert all("Output the plural" in text and ".." not in text for text in made)
    assert paraphrases("What is it?", 1) == ["What is it?"]
    with pytest.raises(T2LError, match="empty"):
        paraphrases(" ", 3)


# The layout of Super-NaturalInstructions

PROMPT = """Definition: You are given a word. Say its plural..

Positive Example 1 -
Input: dog
Output: dogs

Negative Example 1 -
Input: cat
Output: cat

Now complete the following example -
Input: {}
Output:
"""


def published(count: int = 12) -> list[dict]:
    return [
        {"input": PROMPT.format(f"line {n}\nInput: {n}"), "output": [f"{n}s", "or"], "id": f"task-{n}"}
        for n in range(count)
    ]


def test_the_published_layout_is_read_without_its_few_shot_examples(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "task1_plural.jsonl", published())
    assert convert(file, tmp_path / "suite", Conversion(), layout="super_natural") == {"task1_plural": 12}
    task = read_task(tmp_path / "suite" / "task1_plural")
    assert task.descriptions == ("You are given a word. Say its plural..",)
    assert Example("line 3\nInput: 3", "3s, or") in (*task.train, *task.test)
    how = Conversion(definition_in_input=True)
    convert(file, tmp_path / "published", how, layout="super_natural")
    first = read_task(tmp_path / "published" / "task1_plural").train[0]
    said = "You are given a word. Say its plural.. Please complete the task without any explanation."
    assert first.input.startswith(said)
    # As recorded from the reference.
    recorded = json.loads((FIXTURES / "protocol" / "protocol.json").read_text())["lol_preprocess"]
    for case in recorded:
        row, expected = case["input"], case["output"]
        _, example = data.super_natural(row["input"], row["output"], defined=True)
        assert example == Example(f"{expected['task_def']}\n\n{expected['problem']}", expected["answer"])


def test_a_downloaded_dataset_is_one_task_with_its_own_test(tmp_path: Path, monkeypatch) -> None:
    # Rows as pyarrow gives them; the package is not needed to test what is made of them.
    rows = {"train": published(10), "test": published(13)[10:]}
    parquet = types.SimpleNamespace(
        read_table=lambda file: types.SimpleNamespace(to_pylist=lambda: rows[file.name.partition("-")[0]])
    )
    monkeypatch.setitem(sys.modules, "pyarrow", types.SimpleNamespace(ArrowException=ValueError))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    folder = tmp_path / "task2_more"
    (folder / "data").mkdir(parents=True)
    for part in ("train", "valid", "test"):
        (folder / "data" / f"{part}-00000-of-00001.parquet").write_bytes(b"")
    assert (
        main(["data", "convert", str(folder), "--layout", "super_natural", "--out", str(tmp_path / "s")]) == 0
    )
    task = read_task(tmp_path / "s" / "task2_more")
    assert (len(task.train), len(task.test)) == (10, 3)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(T2LError, match="pip install pyarrow"):
        convert(folder, tmp_path / "t", Conversion(), layout="super_natural")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"input": "Say it.", "output": ["a"], "id": "1"}, "no prompt of this layout"),
        ({"input": PROMPT.format("x"), "output": "a", "id": "1"}, "must be a list of texts"),
        ({"input": PROMPT.format("x"), "output": [], "id": "1"}, "must be a list of texts"),
        ({"input": PROMPT.format("x"), "output": ["a"], "extra": "1"}, "'extra' is unknown"),
    ],
)
def test_rows_of_another_layout_are_refused(row: dict, match: str, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "task3_x.jsonl", [*published(3), row])
    with pytest.raises(T2LError, match=f"line 4: .*{match}"):
        convert(file, tmp_path / "suite", Conversion(), layout="super_natural")


def test_tasks_made_of_benchmarks_are_not_trained_on(tmp_path: Path) -> None:
    assert len({*data.EXCLUDED, *data.KEPT_OUT}) == 500 - 479
    file = jsonl(tmp_path / "task035_winogrande_question_modification_person.jsonl", published())
    with pytest.raises(T2LError, match="one of the 11 tasks that the published training keeps"):
        convert(file, tmp_path / "suite", Conversion(), layout="super_natural")
    for name in ("task033_winogrande", "lol_228", "task1389_hellaswag_completion"):
        file = jsonl(tmp_path / f"{name}.jsonl", published())
        with pytest.raises(T2LError, match=f"{name} is made from the benchmark"):
            convert(file, tmp_path / "suite", Conversion(), layout="super_natural")
        convert(file, tmp_path / "eval", Conversion(split="eval"), layout="super_natural")
    assert all(task.benchmark for task in read_suite(tmp_path / "eval").values())
    file = jsonl(tmp_path / "task3300_other.jsonl", published())
    assert convert(file, tmp_path / "suite", Conversion(), layout="super_natural")


# Leaks


def task(
    name: str, split: str, train: list[tuple[str, str]], test: list[tuple[str, str]], *said: str
) -> Task:
    pairs = (tuple(Example(*pair) for pair in part) for part in (train, test))
    return Task(name, "", split, "exact_match", said or (name,), *pairs)


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


def test_every_kind_of_overlap_is_counted_and_nothing_else() -> None:
    tests = [
        ("Same", "a"),  # exact
        ("punctu-ation", "B!"),  # alike
        ("input", "other"),  # its input alone
        (f"Before this: {LONG.upper()}!", "c"),  # 13 words
        (LONG.rsplit(" ", 1)[0], "d"),  # 12 words
        ("own", "e"),
    ]
    rows = overlaps(
        [
            task("held", "eval", [("own", "e")], tests),
            task("free", "eval", [], [("nothing", "shared")]),
            task("near", "train", [("Same", "a"), ("Punctu ation", "b"), ("input", "x")], [("q", "q")]),
            task("far", "train", [(f"then {LONG}, after", "y"), ("z", "z")], [("z", "z"), ("y", "z")]),
        ]
    )
    held, free, far = rows
    assert (held.exact, held.alike, held.inputs, held.grams, held.own) == (1, 2, 3, 1, 1)
    assert held.where == "near" and held.similarity is None
    assert (free.exact, free.alike, free.inputs, free.grams, free.where) == (0, 0, 0, 0, "")
    assert (far.task, far.split, far.own, far.examples) == ("far", "train", 1, 2)
    lines = table(rows)
    assert lines[1].startswith("held") and "far (1 of 2)" in lines[-1]


def test_near_descriptions_are_found_by_the_encoder() -> None:
    pair = [("a", "b")]
    rows = overlaps(
        [
            task("held", "eval", pair, pair, "Say the plural of the noun.", "Sort the list."),
            task("plural", "train", pair, pair, "Output the plural of the noun."),
            task("count", "train", pair, pair, "Count the letters.", "Count the words."),
        ],
        TextEncoder(),
    )
    assert rows[0].nearest == "plural" and rows[0].similarity is not None and 0.6 < rows[0].similarity < 1
    with pytest.raises(T2LError, match="0 of split eval"):
        overlaps([task("one", "train", pair, pair)])


def test_the_check_reports_as_table_and_as_json(tmp_path: Path, capsys) -> None:
    for name, split in (("a", "train"), ("b", "eval")):
        file = jsonl(tmp_path / f"{name}.jsonl", plurals())
        convert(file, tmp_path / split, Conversion(split=split, test=10), descriptions=["Say the plural."])
    folders = f"{tmp_path / 'train'},{tmp_path / 'eval'}"
    assert main(["data", "check", "--tasks", folders, "--text-only", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    (row,) = json.loads(last)["tasks"]
    assert row["exact"] == 0 and row["examples"] == 10 and lines[0].startswith("held-out task")
    facts = yaml.safe_load((tmp_path / "train" / "a" / "task.yaml").read_text())
    assert facts["source"] == "a.jsonl"


# What docs/training.md promises

DOCS = (REPO / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)).splitlines()


# What each script misses first in an empty folder, once it has understood its arguments.
MISSING = {
    "app.py": "runs/mine/generator",
    "data/build/around.py": "no training input holds a sentence",
    "scripts/join.py": "checkpoints/smollm2-135m-t2l-m",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_docs_are_legal(line: str, tmp_path: Path) -> None:
    program, *args = shlex.split(line)
    if program == "t2l":
        assert _parser().parse_args(args).run
        return
    script, *args = args
    assert program == "python"
    command = [sys.executable, str(REPO / script), *args]
    failed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode and MISSING[script] in failed.stderr, failed.stderr[-2000:]


def test_the_first_five_commands_lead_from_files_to_a_page() -> None:
    words = [" ".join(line.split()[:3]) for line in COMMANDS[:5]]
    assert words[:4] == ["t2l data convert", "t2l train describe", "t2l data check", "t2l train sft"]
    assert words[4].startswith("python app.py")
