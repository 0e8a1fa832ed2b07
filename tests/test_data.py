"""The tasks in data/suite: made again byte for byte by data/build, sound, each a function of its own."""

import json
import subprocess
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
DATA = HERE if (HERE / "build").is_dir() else HERE.parent / "data"
TASKS = sorted(path.parent for path in DATA.glob("suite/*/task.yaml"))
FIRST, ALL = 60, 962
LARGEST = 14_000_000


def pairs(path: Path) -> list[tuple[str, str]]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(line["input"], line["output"]) for line in lines]


def read(task: Path) -> dict:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many times as fast, where it is there
    return yaml.load((task / "task.yaml").read_text(encoding="utf-8"), loader)


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def facts() -> dict[str, dict]:
    return {task.name: read(task) for task in TASKS}


@pytest.fixture(scope="module")
def rules():
    """The functions of the family tasks that can be applied to any text."""
    sys.path.insert(0, str(DATA / "build"))
    try:
        import families  # noqa: F401
        from families import base
    finally:
        sys.path.pop(0)
    return {name: task.rule for name, task in base.TASKS.items() if task.rule}


def test_building_again_gives_the_same_bytes(tmp_path):
    subprocess.run([sys.executable, DATA / "build/build.py", tmp_path], check=True)
    built, kept = files(tmp_path), files(DATA / "suite")
    assert len(kept) == 3 * ALL
    assert built.keys() == kept.keys()
    assert [name for name in kept if built[name] != kept[name]] == []
    assert sum(map(len, kept.values())) < LARGEST


def test_every_task_has_eight_descriptions_and_disjoint_inputs(facts):
    for task in TASKS:
        assert len({text.casefold() for text in facts[task.name]["descriptions"]}) == 8, task.name
        assert len(facts[task.name]["descriptions"]) == 8, task.name
        train, test = pairs(task / "train.jsonl"), pairs(task / "test.jsonl")
        both = {text.casefold() for text, _ in train + test}
        assert len(train) >= 24 and len(test) >= 8, task.name
        assert len(both) == len(train) + len(test), task.name
        assert all(text.strip() and output.strip() for text, output in train + test), task.name
        if facts[task.name]["metric"] == "choice":
            assert {output for _, output in train + test} == set(facts[task.name]["choices"]), task.name


def test_no_description_serves_two_tasks(facts):
    tasks = defaultdict(set)
    for name, fact in facts.items():
        for text in fact["descriptions"]:
            tasks[text.casefold()].add(name)
    assert {text: names for text, names in tasks.items() if len(names) > 1} == {}


def test_about_an_eighth_is_held_out(facts):
    new = [fact for fact in facts.values() if "family" in fact]
    assert len(new) == ALL - FIRST
    held_out = sum(fact["split"] == "eval" for fact in new)
    assert 0.11 < held_out / len(new) < 0.16


def test_no_two_tasks_agree_on_common_inputs():
    answers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for task in TASKS:
        for text, output in pairs(task / "train.jsonl") + pairs(task / "test.jsonl"):
            answers[text].append((task.name, output))
    common: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for given in answers.values():
        for (one, first), (other, second) in combinations(given, 2):
            common[one, other].append(first == second)
    assert [names for names, same in common.items() if len(same) >= 10 and sum(same) > 0.9 * len(same)] == []


def reproduces(rule, examples: list[tuple[str, str]]) -> bool:
    """Whether the function gives more than 90 % of these answers."""
    wrong = 0
    for text, output in examples:
        try:
            wrong += rule(text) != output
        except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError):
            wrong += 1
        if wrong > 0.1 * len(examples):
            return False
    return True


def test_no_function_is_there_twice(rules, facts):
    tests = {task.name: pairs(task / "test.jsonl") for task in TASKS}
    covers = {(a, b) for a, rule in rules.items() for b in tests if a != b and reproduces(rule, tests[b])}
    twins = {(a, b) for a, b in covers if (b, a) in covers and a < b}
    assert twins == set()
    leaks = {(a, b) for a, b in covers if facts[a]["split"] == "train" and facts[b]["split"] == "eval"}
    assert leaks == set()
