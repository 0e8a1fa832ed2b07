"""The functions of data/build/grid.py and around.py: sound tasks, the same bytes again, none held out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from t2l.tasks import read_suite

DATA = Path(__file__).parent.parent / "data"


def run_grid(out: Path, *options: str | Path) -> None:
    command = [sys.executable, DATA / "build/grid.py", out, "--per-family", "4", *options]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "random"})


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("grid") / "tasks"
    run_grid(out)
    return out


def test_the_grid_is_a_suite_of_training_tasks(grid):
    tasks = read_suite(grid)
    assert len(tasks) > 200 and {task.split for task in tasks.values()} == {"train"}
    for name, task in tasks.items():
        assert len(set(task.descriptions)) == 8, name
        assert len(task.train) >= 20 and len(task.test) == 8, name
        assert not {e.input for e in task.train} & {e.input for e in task.test}, name
        assert len({e.output for e in (*task.train, *task.test)}) > 1, name


def test_building_again_gives_the_same_bytes(grid, tmp_path):
    run_grid(tmp_path / "again")
    files = {p.relative_to(grid): p.read_bytes() for p in grid.rglob("*.*")}
    again = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*.*")}
    assert files == again


def test_a_tokenizers_words_are_drawn_from_and_more_examples_written(grid, tmp_path):
    words = [a + b + c for a in "bdgklmnprst" for b in "aeiou" for c in ("nder", "lmax", "rvost")]
    vocabulary = [*words, "\u0120Capital", "\u0120under_score", "\u0120of"]
    tokens = {("\u0120" if token in words else "") + token: n for n, token in enumerate(vocabulary)}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}}), encoding="utf-8")
    run_grid(tmp_path / "more", "--tokenizer", tmp_path / "tokenizer.json", "--train", "90")
    before, after = read_suite(grid), read_suite(tmp_path / "more")
    letters = [task for name, task in after.items() if name.startswith("grid_letter_of_word_")]
    assert letters and all(len(task.train) == 90 for task in letters)
    drawn = {word for task in letters for example in task.train for word in example.input.split()}
    assert len(drawn & set(words)) > 60 and "of" not in drawn and "Capital" not in drawn
    # A name stays with its function, by which others call it; few find too few examples.
    assert len(before.keys() ^ after.keys()) < 10


def test_few_examples_of_each_function_are_enough(tmp_path):
    run_grid(tmp_path / "few", "--train", "6")
    tasks = read_suite(tmp_path / "few")
    assert len(tasks) > 200 and {len(task.train) for task in tasks.values()} <= {3, 4, 5, 6}


# held-out functions of data/suite, written once more and apart from its own
HELD_OUT = {
    "kebab_case": lambda t: t.lower().replace(" ", "-"),
    "longest_word": lambda t: max(t.replace(",", " ").split(), key=len),
    "min_number": lambda t: min(t.replace(",", " ").split(), key=int) if t[:1].isdigit() else "",
    "sort_by_length": lambda t: " ".join(sorted(t.split(), key=len)),
    "count_vowels": lambda t: str(sum(c in "aeiou" for c in t.lower())),
}


def test_no_function_does_what_a_held_out_task_does(grid):
    for task in read_suite(grid).values():
        for name, function in HELD_OUT.items():
            same = told = 0  # examples that tell the function from leaving the input as it is
            for example in task.train:
                try:
                    answer = function(example.input)
                except ValueError:
                    continue
                told += answer != example.input
                same += example.output == answer != example.input
            assert same < 0.9 * max(told, 1), (task.name, name, task.train[:2])


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(DATA / "build")
    import grid

    return grid


def test_held_out_tasks_are_known_by_their_test_examples_too(module, tmp_path):
    task = tmp_path / "suite" / "last"
    task.mkdir(parents=True)
    (task / "task.yaml").write_text("name: last\nsplit: eval\n")
    (task / "test.jsonl").write_text('{"input": "a b", "output": "b"}\n')
    other = tmp_path / "suite" / "other"
    other.mkdir()
    (other / "task.yaml").write_text("name: other\n")
    assert [pairs[0] for pairs in module.held_out([tmp_path / "suite"])["last"][:1]] == [("a b", "b")]
    (task / "test.jsonl").write_text("")
    with pytest.raises(SystemExit, match="last has no example"):
        module.held_out([tmp_path / "suite"])


def test_a_held_out_task_is_known_by_what_it_does_whatever_separates_the_items(module):
    texts = [
        f"{a}, {b}, {c}" for a in ("red", "tiny", "big") for b in ("oak", "tree") for c in ("river", "cat")
    ]
    last = list(module.variants([(text, text.split(", ")[-1]) for text in texts]))
    doing = [f for f in module.placed() if f.family.startswith("item_of_") and module.does(f, last)]
    places = {f.nouns[0].split(" of ")[0] for f in doing}
    assert {"the last", "the third"} <= places and not {"the first", "the second", "the middle"} & places
    assert {f.inputs[0] for f in doing} >= {
        "three words separated by commas",
        "three words separated by bars",
    }
    assert not [f for f in module.joined() if module.does(f, last)]


def test_a_function_that_is_left_out_is_named_with_its_task(module, monkeypatch, tmp_path):
    suite = tmp_path / "suite" / "plus_seven"
    suite.mkdir(parents=True)
    (suite / "task.yaml").write_text("name: plus_seven\nsplit: eval\n")
    rows = [json.dumps({"input": str(n), "output": str(n + 7)}) for n in range(1, 30)]
    (suite / "train.jsonl").write_text("\n".join(rows))
    monkeypatch.setattr(module, "FAMILIES", [module.arithmetic])
    written, left_out = module.build(tmp_path / "out", 100, [tmp_path / "suite"])
    assert [twin for _, twin in left_out] == ["plus_seven"]
    assert written == {"number_plus": 29, "number_minus": 30, "number_times": 10}


# what data/build/around.py stands around, written once more
AROUND = {
    "second letter": lambda t: t[1:2],
    "longest word": lambda t: max(t.split(), key=len),
    "kebab case": lambda t: "-".join(t.lower().split()),
    "the middle of three or five": lambda t: middle if (middle := central(t)) else t,
    "the smallest number": lambda t: min(t.split(", "), key=int) if re.fullmatch(r"\d+(, \d+)+", t) else t,
    "the last in the alphabet": lambda t: max(t.split(", "), key=str.lower) if ", " in t else t,
    "how many vowels": lambda t: str(sum(c in "aeiou" for c in t.lower())),
    "the link": lambda t: found[0].rstrip(".,)!") if (found := re.search(r"https?://[^\s,)]+", t)) else t,
}


def central(text: str) -> str:
    items = text.split(", ")
    return items[len(items) // 2] if len(items) in (3, 5) else ""


def test_functions_around_a_few_are_made_alike_twice_without_the_few(tmp_path):
    environment = {**os.environ, "PYTHONHASHSEED": "random"}
    runs = [
        subprocess.Popen(
            [sys.executable, DATA / "build/around.py", tmp_path / name, "--train", "24"], env=environment
        )
        for name in ("one", "two")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    one, two = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert one == two
    tasks = read_suite(tmp_path / "one")
    assert len(tasks) > 240 and {task.split for task in tasks.values()} == {"train"}
    families = {task.family.rpartition("_")[0] for task in tasks.values()}
    assert {"around_letter_second", "around_longest", "around_hyphens", "around_joined"} <= families
    for task in tasks.values():
        assert len(set(task.descriptions)) == 8 and len(task.test) == 8, task.name
        for name, function in AROUND.items():
            # Examples that tell the function from leaving the input, or a word's first letter, as it is.
            telling = [e for e in task.train if function(e.input) not in (e.input, e.input[:1])]
            same = sum(function(e.input) == e.output for e in telling)
            assert same < 0.9 * max(len(telling), 1), (task.name, name, task.train[:2])
    seconds = [t for t in tasks.values() if t.family.startswith("around_letter_second")]
    assert any('"' + e.input[1] + '"' == e.output for task in seconds for e in task.train)


def test_functions_around_a_few_need_sentences(tmp_path):
    (tmp_path / "suite").mkdir()
    command = [sys.executable, DATA / "build/around.py", tmp_path / "out", "--sentences", tmp_path / "suite"]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 2 and "no training input holds a sentence" in failed.stderr
    assert not (tmp_path / "out").exists()
