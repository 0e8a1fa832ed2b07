"""The command line: JSON on the last line, one clear error, and training end to end on a small suite."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import REPO

from t2l.cli import _parser, main
from t2l.eval.analysis import read_analysis

PLURAL = "Output the plural of the noun."


def run(capsys, *args: str) -> tuple[int, str, str]:
    status = main(args)
    out, err = capsys.readouterr()
    return status, out, err


def test_generate_writes_a_peft_folder_and_says_so(capsys, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    status, text, _ = run(capsys, "generate", PLURAL, "--out", str(out), "--json")
    result = json.loads(text.splitlines()[-1])
    assert status == 0 and set(result) == {"id", "path", "bytes", "seconds"}
    assert result["path"] == str(out) and result["bytes"] == sum(f.stat().st_size for f in out.iterdir())
    assert (out / "adapter_model.safetensors").is_file()


def test_compare_answers_every_prompt(capsys) -> None:
    prompts = ["hammer", "child"]
    status, text, _ = run(capsys, "compare", PLURAL, *prompts, "--json", "--max-new-tokens", "12")
    result = json.loads(text.splitlines()[-1])
    assert status == 0 and set(result) == {"id", "results"}
    assert [row["prompt"] for row in result["results"]] == prompts
    assert result["results"][0]["adapted"].strip() == "hammers"
    assert all(set(row) == {"prompt", "base", "adapted"} for row in result["results"])


def test_compare_refuses_a_prompt_before_any_is_answered(capsys) -> None:
    status, text, said = run(capsys, "compare", PLURAL, "hammer", " ", "--json")
    assert status == 2 and "prompt is empty" in said and "Adapter" not in text


def test_a_reader_that_goes_away_ends_the_command_without_a_complaint() -> None:
    command = [sys.executable, "-m", "t2l", "report", "results/baselines.jsonl"]
    asked = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asked.stdout and asked.stderr
    # Before the first line: it takes seconds to load.
    asked.stdout.close()
    assert (asked.stderr.read(), asked.wait()) == (b"", 141)
    asked.stderr.close()


def test_doctor_is_one_line_of_json(capsys) -> None:
    status, text, _ = run(capsys, "doctor", "--json")
    assert status == 0 and json.loads(text.splitlines()[-1])["cache"]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["generate", " ", "--out", "x"], "empty"),
        (["generate", PLURAL, "--out", "x", "--checkpoint", "nothing"], "nothing"),
        (["generate", PLURAL, "--out", "/proc/no/such"], "/proc/no/such"),
        (["compare", PLURAL, "hammer", "--max-new-tokens", "0"], "max_new_tokens"),
        (["compare", PLURAL, "hammer", "--device", "abacus"], "abacus"),
        (["eval", "--tasks", "no/such/suite", "--out", "x"], "no/such/suite"),
        (["eval", "--tasks", "data/suite,no/such/suite", "--out", "x"], "no/such/suite"),
        (["report", "no/such/results"], "no/such/results"),
        (["report", "results/baselines.jsonl", "results/baselines.jsonl"], "twice"),
        (["report", "results/baselines.jsonl", "--into", "LICENSE"], "LICENSE"),
        (["report", "--seen", "results/baselines.jsonl"], "without --seen"),
        (["report"], "no rows"),
        (["benchmark", "boolq", "--data", "data", "--out", "LICENSE"], "LICENSE exists"),
        (["analyse", "--tasks", "data/suite", "--out", "docs"], "docs is a folder"),
        (["analyse", "--tasks", "data/suite", "--out", "/proc/no/file"], "/proc/no/file"),
        (["train", "sft", "--tasks", "data/suite", "--out", "x", "--steps", "0"], "steps"),
        (["train", "sft", "--tasks", "data/suite", "--out", "x", "--steps", "1", "--variant", "xl"], "xl"),
        (
            ["train", "sft", "--tasks", "data/suite", "--out", "x", "--steps", "1", "--descriptions", "0"],
            "desc",
        ),
    ],
)
def test_what_a_user_can_fix_is_one_error(
    capsys, monkeypatch, tmp_path: Path, args: list[str], named: str
) -> None:
    monkeypatch.chdir(REPO)
    if "x" in args:
        args = [str(tmp_path / "x") if arg == "x" else arg for arg in args]
    status, text, err = run(capsys, *args, "--json")
    assert status == 2 and named in err and err.count("\n") == 1
    assert named in json.loads(text.splitlines()[-1])["error"]
    assert not (tmp_path / "x").exists()


def test_eval_measures_once_and_report_fills_the_tables(capsys, tmp_path: Path) -> None:
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "results.jsonl"
    shutil.copytree(REPO / "data" / "suite" / "kebab_case", one / "kebab_case")
    shutil.copytree(REPO / "data" / "suite" / "min_number", two / "min_number")
    # What is named twice is measured once.
    args = ["eval", "--tasks", f"{one},{two}", "--split", "eval", "--methods", "base,t2l,t2l_other,base"]
    status, text, _ = run(capsys, *args, "--limit", "1", "--out", str(out), "--json")
    result = json.loads(text.splitlines()[-1])
    assert status == 0 and result["settings"]["dtype"] == "bfloat16" and result["settings"]["limit"] == 1
    assert [row["tasks"] for row in result["groups"][0]["methods"]] == [2, 2, 2]
    rows = out.read_bytes()
    assert len(rows.splitlines()) == 2 + 6 + 6
    assert run(capsys, *args, "--limit", "1", "--out", str(out))[0] == 0 and out.read_bytes() == rows

    page = tmp_path / "page.md"
    page.write_text("<!-- methods -->\n<!-- /methods -->\n", encoding="utf-8")
    status, text, _ = run(capsys, "report", str(out), "--markdown", "--into", str(page), "--json")
    assert status == 0 and "| min_number |" in text
    tables = page.read_text(encoding="utf-8").removeprefix("<!-- methods -->\n")
    assert text.startswith(tables.removesuffix("\n<!-- /methods -->\n")) and "| **Text-to-LoRA**" in tables
    assert json.loads(text.splitlines()[-1]) == {name: result[name] for name in ("settings", "groups")}


def test_settings_that_are_numbers_may_have_a_fraction() -> None:
    words = ["train", "multitask", "--tasks", "x", "--out", "y", "--steps", "1", "--alpha", "0.5"]
    assert _parser().parse_args(words).alpha == 0.5


def test_an_analysis_of_a_checkpoint_is_written_and_drawn(capsys, tmp_path: Path) -> None:
    out = tmp_path / "analysis.json"
    asked = ["--tasks", str(REPO / "data/suite"), "--checkpoints", "smollm2-135m-t2l-s", "--limit", "4"]
    assert run(capsys, "analyse", *asked, "--out", str(out))[0] == 0
    (grouping,) = read_analysis(out)["grouping"]
    # Its tasks, evenly spaced; like descriptions are to get like adapters.
    assert grouping["adapters"] == "generated by smollm2-135m-t2l-s" and grouping["tasks"] == 4
    assert -1 <= grouping["rank_correlation"] <= 1
    (steered,) = read_analysis(out)["steer"]
    assert len({row["answer"] for row in steered["answers"]}) > 2


def test_a_network_trains_on_the_shipped_suite_resumes_and_generates(capsys, tmp_path: Path) -> None:
    out, suite = tmp_path / "run", tmp_path / "suite"
    names = ["camel_case", "first_word", "kebab_case", "last_word", "snake_case", "uppercase"]
    for name in names:
        shutil.copytree(REPO / "data" / "suite" / name, suite / name)
    args = [
        *("train", "sft", "--tasks", str(suite), "--out", str(out), "--variant", "s"),
        *("--steps", "4", "--tasks-per-step", "2", "--tokens-per-row", "64", "--val-tasks", "camel_case"),
        *("--log-every", "1", "--validate-every", "4", "--head-size", "32", "--latent-size", "32", "--json"),
    ]
    status, text, _ = run(capsys, *args)
    result = json.loads(text.splitlines()[-1])
    assert status == 0 and result["steps"] == 4
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 4]
    assert set(rows[-1]) == {"step", "seen_loss", "unseen_descriptions_loss", "unseen_tasks_loss"}
    config = json.loads((Path(result["checkpoint"]) / "config.json").read_text())
    # camel_case is kept out by name, kebab_case by its split.
    assert config["training"]["tasks"] == ["first_word", "last_word", "snake_case", "uppercase"]
    # The same command again has nothing left to do, and the checkpoint serves.
    assert run(capsys, *args)[0] == 0
    made = run(capsys, "generate", PLURAL, "--checkpoint", result["checkpoint"], "--out", str(tmp_path / "a"))
    assert made[0] == 0
