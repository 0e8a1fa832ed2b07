"""Benchmarks: rows in the published formats through lm-eval, where it is installed; and the sandbox."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from test_eval_methods import place, sources  # noqa: F401

from t2l.attach import attached
from t2l.cli import main
from t2l.errors import T2LError
from t2l.eval.benchmarks import BENCHMARKS, CODE, check_sandbox, passes, program, run_benchmarks

FOUR = {"text": ["water", "sand", "air", "fire"], "label": ["A", "B", "C", "D"]}
ROWS = {
    "arc_challenge/test": {"id": "a", "question": "What is wet?", "choices": FOUR, "answerKey": "A"},
    "arc_easy/test": {"id": "a", "question": "What is wet?", "choices": FOUR, "answerKey": "A"},
    "boolq/validation": {"question": "is it wet", "passage": "Water is wet.", "idx": 0, "label": 1},
    "gsm8k/test": {"question": "What is 1+1?", "answer": "It is two.\n#### 2"},
    "hellaswag/validation": {
        "ind": 0,
        "activity_label": "Cooking",
        "ctx_a": "A man cooks.",
        "ctx_b": "he",
        "ctx": "A man cooks. he",
        "endings": ["eats.", "flies.", "melts.", "sings."],
        "source_id": "x",
        "split": "val",
        "split_type": "indomain",
        "label": "0",
    },
    "openbookqa/test": {"id": "1", "question_stem": "The sun is", "choices": FOUR, "answerKey": "D"},
    "piqa/validation": {"goal": "To cut paper", "sol1": "use scissors", "sol2": "use soup", "label": 0},
    "winogrande/validation": {
        "sentence": "The cup did not fit in the bag because the _ was big.",
        "option1": "cup",
        "option2": "bag",
        "answer": "1",
    },
}
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "test": "def check(f):\n    assert f(1, 2) == 3\n",
    "entry_point": "add",
}
MBPP = {
    "text": "Add.",
    "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "test_setup_code": "",
}


def test_there_are_the_papers_ten_benchmarks() -> None:
    assert len({*BENCHMARKS, *CODE}) == 10 and {name.partition("/")[0] for name in ROWS} == set(BENCHMARKS)


def test_what_cannot_be_run_is_named(sources, monkeypatch) -> None:  # noqa: F811
    with pytest.raises(T2LError, match="choose from arc_challenge"):
        run_benchmarks(sources.base, None, ["magic"])
    with pytest.raises(T2LError, match="runs programs that the model writes"):
        run_benchmarks(sources.base, None, ["piqa", "mbpp"])
    if not importlib.util.find_spec("lm_eval"):
        with pytest.raises(T2LError, match="pip install lm-eval"):
            run_benchmarks(sources.base, None, ["piqa"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(T2LError, match="leave humaneval and mbpp out"):
        run_benchmarks(sources.base, None, ["humaneval"], code=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["magic"], "choose from arc_challenge"),
        (["mbpp"], "--code"),
        ([","], "give a benchmark"),
        (["piqa", "--limit", "0"], "limit 0"),
        (["piqa", "--shots", "-1"], "shots -1"),
        (["piqa", "--shots", "2", "--data", "nowhere"], "train.jsonl is missing"),
        (["piqa", "--adapter", "nowhere"], "nowhere"),
    ],
)
def test_the_command_refuses_before_anything_is_loaded(options: list[str], said: str, capsys) -> None:
    if not importlib.util.find_spec("lm_eval") and "nowhere" in options:
        said = "pip install lm-eval"
    assert main(["benchmark", *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("    return a + b\n", True),
        ("    return a - b\n", False),
        ("Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.", True),
        ("def add(a, b):\n    return (", False),
        ("", False),
        # It leaves before its tests.
        ("def add(a, b):\n    return 5\n\nimport sys\nsys.exit(0)", False),
    ],
)
def test_an_answer_is_a_program_that_its_tests_judge(answer: str, right: bool) -> None:
    sandbox()
    assert passes(program("humaneval", HUMANEVAL, answer)) == right
    whole = answer if "def" in answer else f"def add(a, b):\n{answer}"
    assert passes(program("mbpp", MBPP, whole)) == right


def test_an_answer_may_use_what_its_prompt_imports() -> None:
    sandbox()
    row = {**HUMANEVAL, "prompt": f"from typing import List\n\n{HUMANEVAL['prompt']}"}
    assert passes(program("humaneval", row, "def add(a: List[int], b):\n    return a + b"))


def sandbox() -> None:
    try:
        check_sandbox()
    except T2LError as err:
        pytest.skip(str(err))


@pytest.mark.parametrize(
    "text",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 1), 1)",
        "import socket\ns = socket.socket(); s.settimeout(1); s.connect(('10.0.0.1', 80))",
        "x = bytearray(3 * 2**30)",
        "open('big', 'wb').write(bytes(2**22))",
        "import os\nassert os.environ.get('HOME') or os.environ.get('PATH')",
        "import os\nassert os.listdir('.') != ['program.py']",
    ],
)
def test_a_program_has_no_network_no_room_and_no_environment(text: str) -> None:
    sandbox()
    assert not passes(text)


def test_hand_made_rows_are_scored_by_lm_eval(sources, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip("lm_eval")
    for name, row in ROWS.items():
        file = tmp_path / f"{name}.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n")
    sources.base.model.config.max_position_embeddings = 1024
    scores = run_benchmarks(sources.base, sources.stack[0], list(BENCHMARKS), data=tmp_path)
    assert {name: score["n"] for name, score in scores.items()} == dict.fromkeys(BENCHMARKS, 2)
    assert all(score["score"] in (0, 1) for score in scores.values())
    # The same row with its solutions exchanged: whichever the base prefers, it is right once.
    row = ROWS["piqa/validation"]
    other = {**row, "sol1": row["sol2"], "sol2": row["sol1"]}
    (tmp_path / "piqa" / "validation.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(other)}\n")
    assert run_benchmarks(sources.base, None, ["piqa"], data=tmp_path)["piqa"]["score"] == 0.5
    (tmp_path / "piqa" / "validation.jsonl").unlink()
    with pytest.raises(T2LError, match=r"piqa.validation\.jsonl is missing"):
        run_benchmarks(sources.base, None, ["piqa"], data=tmp_path)


def test_what_is_scored_is_the_base_with_the_adapter(sources, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    lm_eval = pytest.importorskip("lm_eval")
    file = tmp_path / "piqa" / "validation.jsonl"
    file.parent.mkdir()
    file.write_text(f"{json.dumps(ROWS['piqa/validation'])}\n" * 2)
    sources.base.model.config.max_position_embeddings = 1024
    ids, seen, scored = torch.tensor([[3, 5, 8]]), [], lm_eval.simple_evaluate

    def watched(model, **options):
        with torch.no_grad():
            seen.append(model.model(ids).logits)
        return scored(model, **options)

    monkeypatch.setattr(lm_eval, "simple_evaluate", watched)
    weights = sources.stack[0]
    for adapter in (None, weights, None):
        run_benchmarks(sources.base, adapter, ["piqa"], data=tmp_path)
    with torch.no_grad(), attached(sources.base.model, weights):
        expected = sources.base.model(ids).logits
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], expected)
    torch.testing.assert_close(seen[1], expected)


def test_the_command_scores_base_and_adapter(tmp_path: Path, capsys) -> None:
    pytest.importorskip("lm_eval")
    file = tmp_path / "piqa" / "validation.jsonl"
    file.parent.mkdir()
    file.write_text(f"{json.dumps(ROWS['piqa/validation'])}\n" * 3)
    assert main(["generate", "Output the plural of the noun.", "--out", str(tmp_path / "made")]) == 0
    made, out = str(tmp_path / "made"), tmp_path / "scores.json"
    options = ["--adapter", made, "--data", str(tmp_path), "--limit", "2", "--out", str(out)]
    assert main(["benchmark", "piqa", *options]) == 0
    told = json.loads(out.read_text())
    assert told["base"]["piqa"]["n"] == told["adapted"]["piqa"]["n"] == 2
    assert "adapted  piqa" in capsys.readouterr().out
