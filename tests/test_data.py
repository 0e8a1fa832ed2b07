"""The tasks in data/suite: made again byte for byte by data/build, and sound."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DATA = Path(__file__).parent.parent / "data"
TASKS = sorted(path.parent for path in DATA.glob("suite/*/task.yaml"))


def inputs(path: Path) -> list[str]:
    return [json.loads(line)["input"] for line in path.read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_building_again_gives_the_same_bytes(tmp_path):
    subprocess.run([sys.executable, DATA / "build/build.py", tmp_path], check=True)
    built, kept = files(tmp_path), files(DATA / "suite")
    assert len(kept) == 3 * 60
    assert built.keys() == kept.keys()
    assert [name for name in kept if built[name] != kept[name]] == []


@pytest.mark.parametrize("task", TASKS, ids=lambda path: path.name)
def test_task_has_eight_descriptions_and_disjoint_inputs(task):
    facts = yaml.safe_load((task / "task.yaml").read_text(encoding="utf-8"))
    assert len(set(facts["descriptions"])) == len(facts["descriptions"]) == 8
    train, test = inputs(task / "train.jsonl"), inputs(task / "test.jsonl")
    both = {text.casefold() for text in train + test}
    assert train and test and len(both) == len(train) + len(test)


def test_no_description_serves_two_tasks():
    facts = [yaml.safe_load((task / "task.yaml").read_text(encoding="utf-8")) for task in TASKS]
    descriptions = [text.casefold() for fact in facts for text in fact["descriptions"]]
    assert len(set(descriptions)) == len(descriptions)
