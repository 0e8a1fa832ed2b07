"""The README's examples run as they stand, and its front matter is what a Space reads."""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from paths import REPO

from t2l.cli import _parser, main
from t2l.eval.report import APART, GROUPS, fill, label, summarize, tables, task_scores
from t2l.eval.run import read_rows
from t2l.generator import Generator

# Checkpoints beside the default one.
OTHERS = [f"smollm2-135m-{name}" for name in ("dnd", "t2l-l", "t2l-recon", "t2l-s")]
README = (REPO / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "print" in code:
        assert "adapted: hammers" in done.stdout


def test_the_notebook_is_the_tour(monkeypatch) -> None:
    monkeypatch.syspath_prepend(REPO / "scripts")
    from make_notebook import written

    text = (REPO / "docs" / "tour.md").read_text(encoding="utf-8")
    told = (REPO / "docs" / "tour.ipynb").read_text(encoding="utf-8")
    assert told == written(text), "run: python scripts/make_notebook.py"


def test_the_tour_runs_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    cells = json.loads((REPO / "docs" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "adapted: 'hammers'" in done.stdout and "chosen: Output the plural" in done.stdout


@pytest.mark.parametrize("line", "".join(blocks("bash")).splitlines())
def test_command_line_examples_run(line: str, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    program, *args = shlex.split(line)
    assert program == "t2l" and main(args) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", "".join(blocks("sh")).splitlines())
def test_training_examples_are_legal_commands(line: str) -> None:
    program, *args = shlex.split(line)
    assert program == "t2l" and _parser().parse_args(args).run


def test_front_matter_matches_what_is_installed() -> None:
    front = yaml.safe_load(README.split("---\n")[1])
    requirements = (REPO / "requirements.txt").read_text()
    assert front["sdk"] == "gradio" and f"gradio[oauth]=={front['sdk_version']}" in requirements
    assert (REPO / front["app_file"]).is_file() and len(front["short_description"]) <= 60


@pytest.mark.parametrize(
    ("name", "checkpoint", "others"),
    [
        ("README.md", "smollm2-135m-t2l-m", ["baselines"]),
        ("checkpoints/smollm2-135m-t2l-m/README.md", "smollm2-135m-t2l-m", ["baselines"]),
        # They have their own baselines beside them.
        *((f"checkpoints/{n}/README.md", n, []) for n in OTHERS),
    ],
)
def test_published_tables_are_those_of_the_results(name: str, checkpoint: str, others: list[str]) -> None:
    *held_out, trained = (f"results/{part}.jsonl" for part in (*others, checkpoint, f"{checkpoint}.seen"))
    rows = [row for file in held_out for row in read_rows(REPO / file)]
    text = (REPO / name).read_text(encoding="utf-8")
    command = f"t2l report {' '.join(held_out)} --seen {trained} --into {name}"
    report = summarize(rows, read_rows(REPO / trained))
    assert fill(text, tables(report)) == text, f"run: {command}"
    made = {row["generator_id"] for row in rows if row["generator_id"]}
    assert made == {Generator.load(REPO / "checkpoints" / checkpoint).id}


def test_checkpoints_are_few_enough_to_be_kept_and_each_has_its_card_tested() -> None:
    folders = sorted(p.name for p in (REPO / "checkpoints").iterdir() if p.is_dir())
    assert folders == sorted([*OTHERS, "smollm2-135m-t2l-m"])
    assert sum(file.stat().st_size for file in (REPO / "checkpoints").rglob("*") if file.is_file()) < 60e6
    # One specification of adapters for all of them but the one that reads prompts.
    specs = [Generator.load(REPO / "checkpoints" / name).spec for name in folders if "t2l" in name]
    assert all(spec == specs[0] for spec in specs)


@pytest.mark.parametrize(("file", "group"), [("table", "main"), ("table.seen", "trained")])
def test_the_whole_table_holds_the_means_of_its_rows(file: str, group: str) -> None:
    text = (REPO / "docs" / "table.md").read_text(encoding="utf-8")
    (part,) = re.findall(rf"^\| {GROUPS[group]} \| strict .*?\n\n", text, re.MULTILINE | re.DOTALL)
    rows = read_rows(REPO / "results" / f"{file}.jsonl")
    scores = task_scores(row for row in rows if not row["benchmark"])
    assert len(scores) == len(part.strip().splitlines()) - 2
    for column, tasks in scores.items():
        counted = [strict for task, (strict, _) in tasks.items() if task not in APART]
        assert f"| {label(column)} | {100 * statistics.mean(counted):.1f} |" in part, "run: scripts/table.sh"


def test_the_tree_names_what_is_there() -> None:
    (tree,) = re.findall(r"^```\n(app\.py .*?)^```$", README, re.MULTILINE | re.DOTALL)
    for line in tree.splitlines():
        name = line.split()[0]
        folder = REPO / "t2l" if line.startswith("  ") else REPO
        assert (folder / name).exists(), name
    listed = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("  ")}
    there = {p.name for p in (REPO / "t2l").iterdir() if not p.name.startswith("__")}
    assert there == listed
