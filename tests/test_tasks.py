"""Suites are read whole, and every fault names its file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from paths import REPO

from t2l.errors import T2LError
from t2l.tasks import Example, pick, read_suite, read_task, training_tasks

SUITE = REPO / "data" / "suite"
META = 'name: one\ndescriptions: [Do it., "Do it, please."]\n'
LINE = '{"input": "a", "output": "b"}\n'


def write(folder: Path, meta: str | bytes = META, train: str | bytes = LINE) -> Path:
    folder.mkdir(parents=True)
    for file, content in (("task.yaml", meta), ("train.jsonl", train)):
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_the_suite_that_ships_is_read_whole() -> None:
    tasks = read_suite(SUITE)
    assert len(tasks) == 962 and list(tasks) == sorted(tasks)
    for name, task in tasks.items():
        facts = yaml.safe_load((SUITE / name / "task.yaml").read_text(encoding="utf-8"))
        assert (task.name, list(task.descriptions)) == (name, facts["descriptions"])
        assert (task.split, task.metric, task.license) == (facts["split"], facts["metric"], facts["license"])
        assert len(task.train) == (SUITE / name / "train.jsonl").read_text(encoding="utf-8").count("\n")
        assert len(task.test) == (SUITE / name / "test.jsonl").read_text(encoding="utf-8").count("\n")
        assert (task.metric == "choice") == bool(task.choices)


def test_a_suite_can_be_narrowed_to_a_split_a_licence_or_names(tmp_path: Path) -> None:
    write(tmp_path / "a", META)
    write(tmp_path / "b", META.replace("one", "two") + "split: eval\n")
    write(tmp_path / "c", META.replace("one", "three") + "open_license: true\n")
    assert set(read_suite(tmp_path)) == {"one", "two", "three"}
    assert set(read_suite(tmp_path, split="train")) == {"one", "three"}
    assert set(read_suite(tmp_path, open_license=True)) == {"three"}
    assert set(pick(read_suite(tmp_path), ["two"])) == {"two"}
    with pytest.raises(T2LError, match="no task 'four'"):
        pick(read_suite(tmp_path), ["two", "four"])


def test_examples_keep_their_text_as_it_is(tmp_path: Path) -> None:
    rows = '{"input": "", "output": " b\\u2028"}\r\n\n{"input": "\u2028 \U0001f916", "output": "x"}'
    task = read_task(write(tmp_path / "a", train=rows))
    assert task.train == (Example("", " b\u2028"), Example("\u2028 \U0001f916", "x"))
    assert task.test == () and task.max_new_tokens == 32


META_FAULTS = {
    "not YAML": ("a: [", "cannot be read"),
    "not UTF-8": (b"name: \xff\n", "cannot be read"),
    "a date that is none": (META + "source: 2020-13-45\n", "cannot be read"),
    "too deep": ("[" * 5000, "cannot be read"),
    "Python objects": ("name: !!python/object/apply:os.getcwd []\n", "cannot be read"),
    "not a mapping": ("- one\n", "must be a mapping"),
    "empty": ("", "must be a mapping"),
    "no descriptions": ("name: one\n", "needs `descriptions`"),
    "descriptions in one text": ("name: one\ndescriptions: Do it.\n", "needs `descriptions`"),
    "a blank description": ("descriptions: [' ']\n", "needs `descriptions`"),
    "unknown metric": (META + "metric: bleu\n", "metric 'bleu' is unknown"),
    "unhashable metric": (META + "metric: [choice]\n", "metric .* is unknown"),
    "an unknown fact": (META + "spilt: eval\n", "'spilt' is unknown; choose from"),
    "unknown split": (META + "split: valid\n", "split 'valid' is unknown"),
    "no tokens": (META + "max_new_tokens: 0\n", "max_new_tokens"),
    "tokens in words": (META + "max_new_tokens: many\n", "max_new_tokens"),
    "choices in one text": (META + "choices: red\n", "choices"),
    "choices that YAML reads as booleans": (META + "choices: [yes, no]\n", "choices"),
    "a name that is no text": (META.replace("one", "[one]"), "name"),
}


@pytest.mark.parametrize("fault", META_FAULTS)
def test_a_fault_in_the_facts_names_the_file(tmp_path: Path, fault: str) -> None:
    meta, named = META_FAULTS[fault]
    write(tmp_path / "good", META.replace("one", "good"))
    file = write(tmp_path / "task", meta) / "task.yaml"
    with pytest.raises(T2LError, match=f"{re.escape(str(file))}.*{named}"):
        read_suite(tmp_path)


LINE_FAULTS = {
    "not JSON": '{"input": "a"',
    "not an object": '["a", "b"]',
    "no output": '{"input": "a"}',
    "no input": '{"output": "b"}',
    "blank output": '{"input": "a", "output": " "}',
    "output is a number": '{"input": "a", "output": 5}',
    "half a character": '{"input": "\\ud83e", "output": "b"}',
    "a number too long to read": '{"input": "a", "output": ' + "9" * 5000 + "}",
    "too deep": "[" * 100_000,
}


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_a_fault_in_an_example_names_file_and_line(tmp_path: Path, fault: str) -> None:
    folder = write(tmp_path / "task", train=LINE + "\n" + LINE_FAULTS[fault] + "\n" + LINE)
    with pytest.raises(T2LError, match=f"{re.escape(str(folder / 'train.jsonl'))}, line 3"):
        read_suite(tmp_path)


def test_files_that_are_not_what_they_should_be_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train=b'{"input": "\xff", "output": "b"}\n')
    with pytest.raises(T2LError, match=r"train\.jsonl cannot be read"):
        read_task(folder)
    (folder / "train.jsonl").write_text("\n")
    with pytest.raises(T2LError, match="holds neither"):
        read_task(folder)
    (folder / "train.jsonl").unlink()
    (folder / "train.jsonl").mkdir()
    with pytest.raises(T2LError, match=r"train\.jsonl cannot be read"):
        read_task(folder)
    with pytest.raises(T2LError, match=r"nothing.task\.yaml cannot be read"):
        read_task(tmp_path / "nothing")


def test_what_one_suite_holds_out_another_one_does_not_train_on(tmp_path: Path) -> None:
    write(tmp_path / "old" / "one")
    write(tmp_path / "new" / "one", META + "split: eval\n")
    write(tmp_path / "new" / "two", META.replace("one", "two"))
    write(tmp_path / "copy" / "one")
    write(tmp_path / "said" / "one", META.replace("please", "now"))
    folders = {name: tmp_path / name for name in ("old", "new", "copy", "said")}
    assert [task.name for task in training_tasks([folders["old"], folders["copy"]], (), False)[0]] == ["one"]
    for other in ("new", "said"):
        for order in (("old", other), (other, "old")):
            with pytest.raises(T2LError, match="another task 'one' than the folders before"):
                training_tasks([folders[name] for name in order], (), False)


def test_suites_without_tasks_or_with_one_name_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(T2LError, match="not a folder"):
        read_suite(tmp_path / "missing")
    with pytest.raises(T2LError, match="no task that fits"):
        read_suite(tmp_path)
    write(tmp_path / "a")
    with pytest.raises(T2LError, match="no task that fits"):
        read_suite(tmp_path, split="eval")
    second = write(tmp_path / "b")
    with pytest.raises(T2LError, match=f"{re.escape(str(second))}.*'one' appears twice"):
        read_suite(tmp_path)
