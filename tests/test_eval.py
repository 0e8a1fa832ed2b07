"""Scores and the runner: metrics by hand-made cases, resume by the file alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import REPO

from t2l.errors import T2LError
from t2l.eval.metrics import lenient, strict
from t2l.eval.run import METHODS, evaluate, table
from t2l.generator import Generator
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
from t2l.tasks import read_suite


@pytest.mark.parametrize(
    ("answer", "right", "is_strict", "is_lenient"),
    [
        ("toasters", "toasters", True, True),
        (" toasters\n", "toasters", True, True),
        ("Toasters.", "toasters", False, True),
        ("The answer is toasters.", "toasters", False, True),
        ("toasters\nand more", "toasters", False, True),
        ("a toaster", "toasters", False, False),
        ("mainMenu", "main-menu", False, False),
        ("main_menu", "main-menu", False, False),
        ("- a\n- b", "- a\n- b", True, True),
        ("- a", "- a\n- b", False, False),
        ("", "toasters", False, False),
    ],
)
def test_metrics(answer: str, right: str, is_strict: bool, is_lenient: bool) -> None:
    assert strict(answer, right) == is_strict and lenient(answer, right) == is_lenient


@pytest.fixture(scope="module")
def tasks():
    suite = read_suite(REPO / "data" / "suite", split="eval")
    return [suite["kebab_case"], suite["min_number"]]


def test_every_method_says_what_it_should(tasks) -> None:
    task, example = tasks[0], tasks[0].test[0]
    description = task.descriptions[0]
    chats = {name: method.prompt(task, description, example) for name, method in METHODS.items()}
    assert chats["base"] == chats["t2l"] == chats["t2l_other"] == [{"role": "user", "content": example.input}]
    assert description in chats["description"][-1]["content"]
    assert len(chats["icl"]) == 11 and chats["icl"][1]["content"] == task.train[0].output
    # No prompt holds its own answer.
    assert not any(example.output == turn["content"] for chat in chats.values() for turn in chat)


def test_rows_are_kept_and_not_made_again(tasks, base, tmp_path: Path) -> None:
    generator = Generator.load(find_checkpoint(DEFAULT_CHECKPOINT))
    out = tmp_path / "results.jsonl"
    args = (tasks, ["base", "t2l", "t2l_other"], base, generator, out)
    first = evaluate(*args, limit=2)
    text = out.read_text()
    assert len(first) == 2 + 6 + 6 and all(row["n"] == 2 for row in first)
    assert evaluate(*args, limit=2) == first and out.read_text() == text
    # A row that is lost is made again, with the same score.
    out.write_text("".join(line + "\n" for line in text.splitlines()[:-1]))
    again = evaluate(*args, limit=2)
    assert [row["strict"] for row in again] == [row["strict"] for row in first]
    assert [row["method"] for row in table(first)] == ["base", "t2l", "t2l_other"]


def test_the_table_is_a_mean_over_tasks_of_means_over_descriptions() -> None:
    rows = [
        {"method": "t2l", "task": task, "strict": score, "lenient": 1.0}
        for task, score in (("a", 1.0), ("a", 0.0), ("b", 0.0))
    ]
    assert table(rows) == [{"method": "t2l", "tasks": 2, "strict": 25.0, "lenient": 100.0}]


def test_bad_questions_are_refused(tasks, base, tmp_path: Path) -> None:
    with pytest.raises(T2LError, match="magic"):
        evaluate(tasks, ["magic"], base, None, tmp_path / "r")
    with pytest.raises(T2LError, match="checkpoint"):
        evaluate(tasks, ["t2l"], base, None, tmp_path / "r")
    with pytest.raises(T2LError, match="limit"):
        evaluate(tasks, ["base"], base, None, tmp_path / "r", limit=0)
    (tmp_path / "r").write_text("{broken\n")
    with pytest.raises(T2LError, match="line 1"):
        evaluate(tasks, ["base"], base, None, tmp_path / "r")
