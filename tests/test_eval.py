"""Scores, formats, the runner and the report: hand-made cases, adapters by hand, resume by the file alone."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from paths import REPO

from t2l.attach import attached
from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.eval.formats import (
    DESCRIBED_SHOTS,
    DESCRIBED_SHOTS_FORMAT,
    DESCRIPTION,
    DESCRIPTION_FORMAT,
    SHOTS,
    SHOTS_FORMAT,
)
from t2l.eval.methods import METHODS, N_SHOTS, Ask, other_task, own_way
from t2l.eval.metrics import lenient, strict
from t2l.eval.report import RESAMPLES, fill, interval, summarize, tables, task_scores
from t2l.eval.run import _data_id, evaluate, read_rows
from t2l.lora import LoRAWeights
from t2l.tasks import Example, Task, read_task


@pytest.mark.parametrize(
    ("answer", "right", "is_strict", "is_lenient"),
    [
        ("toasters", "toasters", True, True),
        (" toasters\n", "toasters", True, True),
        ("Toasters.", "toasters", False, True),
        ("**toasters**", "toasters", False, True),
        ("The answer is toasters.", "toasters", False, True),
        ("So, the answer is: “toasters”!", "toasters", False, True),
        ("toasters\nand more", "toasters", False, True),
        ("a toaster", "toasters", False, False),
        ("toasters and more", "toasters", False, False),
        ("mainMenu", "main-menu", False, False),
        ("main_menu", "main-menu", False, False),
        ("- a\n- b", "- a\n- b", True, True),
        ("- a", "- a\n- b", False, False),
        ("", "toasters", False, False),
        # Marks and signs that the right text has, or that change it, count.
        ("Is it so", "Is it so?", False, False),
        ('"is it so?"', "Is it so?", False, True),
        ("5", "-5", False, False),
        ("-5", "5", False, False),
        ("5%", "5", False, False),
        ("5.0", "5", False, False),
        ("The answer is 5", "The answer is 5", True, True),
        ("The answer is 5.", "The answer is 5", False, True),
        ("the output: yes", "Output: yes", False, False),
        ("output: yes", "Output: yes", False, True),
        ("Answer: output: yes", "Output: yes", False, True),
    ],
)
def test_metrics(answer: str, right: str, is_strict: bool, is_lenient: bool) -> None:
    assert strict(answer, right) == is_strict and lenient(answer, right) == is_lenient


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return [
        read_task(REPO / "data" / "suite" / name) for name in ("kebab_case", "min_number", "count_vowels")
    ]


@pytest.fixture
def small(base: BaseModel, tiny) -> BaseModel:
    """The tiny random Llama with the vocabulary of the embedded base."""
    torch.manual_seed(0)
    tiny.resize_token_embeddings(len(base.tokenizer), mean_resizing=False)
    tiny.config.max_position_embeddings = 1024
    tiny.eval().requires_grad_(False)
    return BaseModel("tiny/Llama", "random", tiny, base.tokenizer)


class Made:
    """A generator whose adapters are random numbers drawn from the description."""

    id = name = "made"
    index, says_task = None, False
    training = {"tasks": ["one", "two"]}  # noqa: RUF012

    def __init__(self, base: BaseModel) -> None:
        self.spec = base.spec(["self_attn.q_proj", "mlp.down_proj"], rank=4, alpha=8)

    def generate(self, conditions: list[str]) -> LoRAWeights:
        (text,) = conditions
        generator = torch.Generator().manual_seed(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
        return self.spec.zeros(1).map(lambda t: torch.randn(t.shape, generator=generator))


def by_hand(base: BaseModel, text: str, weights: LoRAWeights, n: int) -> str:
    """Greedy tokens one by one, without cache or batch, under one adapter."""
    prompt = base.prompt_ids([{"role": "user", "content": text}])
    ids = list(prompt)
    while len(ids) < len(prompt) + n:
        with torch.no_grad(), attached(base.model, weights):
            token = int(base.model(torch.tensor([ids])).logits[0, -1].argmax())
        if token in base.eos_ids:
            break
        ids.append(token)
    return base.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "adapter_seconds")} for row in rows]


# Formats and methods.


def test_every_prompt_method_changes_the_prompt(base: BaseModel, tasks) -> None:
    task, text = tasks[0], tasks[0].test[0].input
    alone = [{"role": "user", "content": text}]
    described = {name: make(task.descriptions[0], text) for name, make in DESCRIPTION.items()}
    shown = {name: make(task.train[:N_SHOTS], text) for name, make in SHOTS.items()}
    prompts = [tuple(base.prompt_ids(chat)) for chat in [alone, *described.values(), *shown.values()]]
    assert len(set(prompts)) == 1 + len(DESCRIPTION) + len(SHOTS)
    for chat in described.values():
        said = " ".join(turn["content"] for turn in chat)
        assert task.descriptions[0] in said and text in chat[-1]["content"]
    for chat in shown.values():
        said = " ".join(turn["content"] for turn in chat)
        assert all(shot.input in said and shot.output in said for shot in task.train[:N_SHOTS])
        assert text in chat[-1]["content"]
    # No prompt holds its own answer.
    every = [turn["content"] for chat in (*described.values(), *shown.values()) for turn in chat]
    assert not any(task.test[0].output in content for content in every)


def test_braces_in_texts_are_texts() -> None:
    for make in DESCRIPTION.values():
        said = " ".join(turn["content"] for turn in make("Write {x} as {d}.", '{"a": {0}}'))
        assert "Write {x} as {d}." in said and '{"a": {0}}' in said
    shots = [Example("{x}", "{}")]
    for make in SHOTS.values():
        assert "{x}" in " ".join(turn["content"] for turn in make(shots, "{y}"))


def test_methods_use_the_frozen_formats(tasks) -> None:
    task, text = tasks[0], "Main Menu"
    ask = Ask(task, 3, examples=task.train[:5])
    chats = {name: method.prompt(ask, text) for name, method in METHODS.items()}
    assert chats["description"] == DESCRIPTION[DESCRIPTION_FORMAT](task.descriptions[3], text)
    shots = {"icl_1", "icl_3", "icl", "icl_10"}
    assert all(chats[name] == SHOTS[SHOTS_FORMAT](task.train[:5], text) for name in shots)
    both = DESCRIBED_SHOTS[DESCRIBED_SHOTS_FORMAT](task.descriptions[3], task.train[:5], text)
    assert chats["description_icl"] == both and both[1:] == chats["icl"][1:]
    assert both[0]["content"].startswith(task.descriptions[3])
    # Beside an adapter: as it was trained.
    told = {name for name in METHODS if "_told" in name and not name.endswith("icl")}
    assert len(told) == 5
    said = [{"role": "system", "content": task.descriptions[3]}, {"role": "user", "content": text}]
    assert all(chats[name] == said for name in told)
    turns = [*chats["icl"][1:]]
    assert chats["t2l_icl"] == chats["multitask_icl"] == turns
    assert chats["t2l_told_icl"] == [said[0], *turns]
    others = set(METHODS) - {"description", "description_icl"} - shots - told
    others -= {"t2l_icl", "multitask_icl", "t2l_told_icl"}
    assert all(chats[name] == [{"role": "user", "content": text}] for name in others)


def test_t2l_answers_as_the_adapter_attached_by_hand(small: BaseModel, tasks, tmp_path: Path) -> None:
    made = Made(small)
    rows = evaluate(tasks, ["base", "t2l", "t2l_other"], small, made, tmp_path / "r", limit=2)
    by_name = {task.name: task for task in tasks}
    told = {}
    for row in rows:
        task, source = by_name[row["task"]], by_name.get(row["adapter_of"])
        weights = (
            made.spec.zeros()
            if source is None
            else made.generate([source.descriptions[row["description"]]])[0]
        )
        expected = [by_hand(small, e.input, weights, task.max_new_tokens)[:80] for e in task.test[:2]]
        assert row["first_answers"] == expected
        told[row["method"], row["task"], row["description"]] = expected
        assert (source is task) == (row["method"] == "t2l")
    for task in tasks:
        assert told["base", task.name, None] != told["t2l", task.name, 0] != told["t2l_other", task.name, 0]
        assert told["t2l", task.name, 0] != told["t2l", task.name, 3]


def test_the_control_is_never_the_same_function_and_always_the_same_task() -> None:
    def task(name: str, family: str = "", n: int = 8) -> Task:
        return Task(name, "", "eval", "exact_match", ("d",) * n, (), (Example("a", "b"),), family=family)

    suite = [
        task("sort_3"),
        task("sort_5"),
        task("sort"),
        task("add_2", "add"),
        task("plus", "add"),
        task("url"),
    ]
    for one in suite:
        other = other_task(one, suite)
        assert other.name.partition("_")[0] != one.name.partition("_")[0]
        assert not one.family or other.family != one.family
        assert other_task(one, suite[::-1]) is other
        # What was not chosen may go without a change.
        assert other_task(one, [one, other]) is other
    for alone in ([suite[0]], suite[:3], suite[3:5], [suite[0], task("short", n=3)]):
        with pytest.raises(T2LError, match="no other function"):
            other_task(alone[0], alone, 6)


# The runner.


def test_rows_are_kept_and_not_made_again(small: BaseModel, tasks, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    args = (tasks, ["base", "icl", "t2l", "t2l_other"], small, Made(small))
    first = evaluate(*args, out, limit=2)
    data = out.read_bytes()
    assert len(first) == 3 + 3 + 9 + 9 and all(row["n"] == 2 for row in first)
    assert evaluate(*args, out, limit=2) == first and out.read_bytes() == data
    # A measurement from the start gives the same rows in the same order.
    assert without_times(evaluate(*args, tmp_path / "again.jsonl", limit=2)) == without_times(first)
    # Another program's file of one line is none that was cut off.
    (tmp_path / "other.json").write_text('{"hours": "of work"}')
    with pytest.raises(T2LError, match="line 1: not a row"):
        read_rows(tmp_path / "other.json")
    # An interruption within the last line, or before its end: what is cut off is made again.
    for cut in (1, 30, len(data) - data.rindex(b"\n", 0, -1) - 2):
        out.write_bytes(data[:-cut])
        assert without_times(evaluate(*args, out, limit=2)) == without_times(first)
        assert without_times(read_rows(out)) == without_times(first)


def test_a_row_says_what_was_measured(small: BaseModel, tasks, tmp_path: Path) -> None:
    rows = evaluate(tasks, ["description", "icl", "t2l_other"], small, Made(small), tmp_path / "r", limit=1)
    for row in rows:
        assert (row["weights_id"], row["dtype"], row["limit"]) == ("random", "float32", 1)
        assert set(row["versions"]) == {"t2l", "torch", "transformers"}
        assert row["split"] == "eval" and row["benchmark"] is False
        assert row["generator_id"] == ("made" if row["method"] == "t2l_other" else None)
        assert row["says_task"] is (False if row["generator_id"] else None)
        assert row["format"] == METHODS[row["method"]].format
    formats = {row["method"]: row["format"] for row in rows}
    assert formats == {"description": DESCRIPTION_FORMAT, "icl": SHOTS_FORMAT, "t2l_other": None}


def test_another_question_is_another_row(small: BaseModel, tasks, tmp_path: Path, monkeypatch) -> None:
    out, task = tmp_path / "r", tasks[0]

    def n_after(task: Task, limit: int = 1) -> int:
        evaluate([task], ["description"], small, None, out, limit=limit)
        return len(read_rows(out))

    assert n_after(task) == 3 and n_after(task) == 3
    assert n_after(task, limit=2) == 6
    reworded = replace(task, descriptions=(*task.descriptions[:3], "Otherwise.", *task.descriptions[4:]))
    assert n_after(reworded) == 7
    assert n_after(replace(task, test=task.test[1:])) == 10
    monkeypatch.setitem(METHODS, "description", replace(METHODS["description"], format="another"))
    assert n_after(task) == 13


def test_a_task_without_examples_to_show_is_left_out_of_icl(
    small: BaseModel, tasks, tmp_path, capsys
) -> None:
    bare = replace(tasks[0], train=())
    rows = evaluate([bare, tasks[1]], ["base", "icl"], small, None, tmp_path / "r", limit=1)
    assert [(row["method"], row["task"]) for row in rows] == [
        *(("base", "kebab_case"), ("base", "min_number"), ("icl", "min_number"))
    ]
    assert "kebab_case is left out, it has no 5" in capsys.readouterr().err


def test_answers_of_closed_data_stay_out_of_results(small: BaseModel, tasks, tmp_path: Path) -> None:
    closed = replace(tasks[0], open_license=False)
    (row,) = evaluate([closed], ["base"], small, None, tmp_path / "r", limit=1)
    assert row["first_answers"] == []


def test_bad_questions_are_refused_before_anything_is_measured(small: BaseModel, tasks, tmp_path) -> None:
    out = tmp_path / "r"
    foreign = SimpleNamespace(spec=SimpleNamespace(base_model="some/other"), id="f")
    short = replace(tasks[1], descriptions=tasks[1].descriptions[:4])
    for args, named in (
        ((tasks, ["base", "magic"], small, None, out), "magic"),
        ((tasks, ["base", "t2l"], small, None, out), "checkpoint"),
        ((tasks, ["base", "t2l"], small, foreign, out), "some/other"),
        (([tasks[0], short], ["base", "description"], small, None, out), "min_number has no description 6"),
        ((tasks[:1], ["base", "t2l_other"], small, Made(small), out), "no other function than kebab_case"),
    ):
        with pytest.raises(T2LError, match=named):
            evaluate(*args, limit=1)
    with pytest.raises(T2LError, match="test examples"):
        evaluate([replace(tasks[0], test=())], ["base"], small, None, out)
    with pytest.raises(T2LError, match="limit"):
        evaluate(tasks, ["base"], small, None, out, limit=0)
    assert not out.exists()
    for line in ("{broken", "[]", '{"method": "base"}'):
        out.write_text(f"{line}\n")
        with pytest.raises(T2LError, match="line 1"):
            evaluate(tasks, ["base"], small, None, out)


# The report.


def row(method: str, task: str, score: float, number: int | None = None, **more: Any) -> dict[str, Any]:
    facts = {"weights_id": "w", "dtype": "bfloat16", "limit": 50, "generator_id": None, "n": 50}
    return {
        "method": method,
        "task": task,
        "description": number,
        **facts,
        "strict": score,
        "lenient": 1.0,
        **more,
    }


def three(method: str, task: str, *scores: float) -> list[dict[str, Any]]:
    return [row(method, task, score, number) for number, score in zip((0, 3, 6), scores, strict=True)]


def test_intervals_of_yes_and_no_are_binomial_quantiles() -> None:
    # Of ten tasks, half right: P(at most 1) = 0.011 and P(at most 2) = 0.055, so 2.5 % lie below 2 of 10.
    assert interval([0.0] * 5 + [1.0] * 5) == (0.2, 0.8)
    # Of four: P(none) = 1/16, so both ends are the extremes.
    assert interval([0.0, 0.0, 1.0, 1.0]) == (0.0, 1.0)
    assert interval([0.25] * 7) == (0.25, 0.25)


def test_intervals_of_many_tasks_are_normal() -> None:
    values = [math.sin(number) for number in range(400)]
    mean = sum(values) / 400
    error = 1.96 * math.sqrt(sum((value - mean) ** 2 for value in values) / 400 / 400)
    low, high = interval(values)
    # An end's own error is about 1.3 % of the standard error here; five of those are allowed.
    assert RESAMPLES == 10_000 and abs(low - (mean - error)) < 0.035 * error * 2
    assert abs(high - (mean + error)) < 0.035 * error * 2
    assert interval(values) == (low, high)


def test_a_score_is_a_mean_over_tasks_of_means_over_descriptions() -> None:
    rows = [
        *three("t2l", "a", 1, 0, 0.5),
        *three("t2l", "b", 0, 0, 0),
        row("base", "b", 0.25),
        row("base", "a", 0),
    ]
    assert task_scores(rows) == {
        "base": {"a": (0, 1), "b": (0.25, 1)},
        "t2l": {"a": (0.5, 1), "b": (0, 1)},
    }
    (group,) = summarize(rows)["groups"]
    base, t2l = group["methods"]
    assert (t2l["method"], t2l["strict"], t2l["lenient"]) == ("t2l", 25.0, 100.0)
    assert (t2l["strict_95"], t2l["lenient_95"]) == ([0.0, 50.0], [100.0, 100.0])
    assert (t2l["tasks"], t2l["examples"]) == (2, 100) and base["strict"] == 12.5
    assert group["tasks"] == {
        "a": {"base": [0.0, 100.0], "t2l": [50.0, 100.0]},
        "b": {"base": [25.0, 100.0], "t2l": [0.0, 100.0]},
    }


def test_differences_are_paired_over_the_tasks_of_both() -> None:
    scores = {"a": 0.1, "b": 0.5, "c": 0.9, "d": 0.3}
    rows = [
        r for task, s in scores.items() for r in (*three("t2l", task, s, s, s), row("icl", task, s - 0.1))
    ]
    (group,) = summarize([*rows, row("icl", "e", 1.0)])["groups"]
    (difference,) = group["differences"]
    # Every task differs by the same, so the difference is sure though both means are not.
    assert (difference["method"], difference["minus"], difference["tasks"]) == ("t2l", "icl", 4)
    assert difference["strict"] == 10.0 and difference["strict_95"] == [10.0, 10.0]
    assert group["methods"][1]["strict_95"][0] < 35


def test_groups_stand_apart() -> None:
    held_out = [
        row("base", "kebab_case", 1),
        row("base", "strategy_qa", 0),
        row("base", "piqa", 0, benchmark=True),
    ]
    report = summarize(held_out, [row("t2l_seen", "sum", 1, number) for number in (0, 3)])
    assert {g["group"]: [*g["tasks"]] for g in report["groups"]} == {
        "main": ["kebab_case"],
        "apart": ["strategy_qa"],
        "benchmark": ["piqa"],
        "trained": ["sum"],
    }
    assert report["settings"] == {
        "limit": 50,
        "trained_limit": 50,
        "dtype": "bfloat16",
        "weights_id": "w",
        "generator_id": None,
    }


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([], "no rows"),
        ([row("base", "a", 1), row("base", "b", 1, dtype="float32")], "dtype: bfloat16, float32"),
        ([row("icl", "a", 1), row("icl", "b", 1, format="turns")], "format: None, turns"),
        ([row("base", "a", 1), row("base", "a", 1)], "twice"),
        (three("t2l", "a", 1, 1, 1)[:2], "lacks description 6"),
        (
            [row("dnd", "a", 1, seed=0), row("dnd", "a", 1, seed=1), row("dnd", "b", 1, seed=0)],
            "lacks seed 1",
        ),
        ([row("magic", "a", 1)], "magic"),
        ([row("base", "a", 1, split="train")], "--seen"),
    ],
)
def test_what_is_not_one_measurement_is_refused(rows: list[dict[str, Any]], named: str) -> None:
    with pytest.raises(T2LError, match=named):
        summarize(rows)


def test_tables_are_markdown_and_find_their_place() -> None:
    report = summarize([*three("t2l", "a", 1, 0, 0.5), *three("t2l", "b", 0, 0, 0), row("base", "a", 0)])
    parts = tables(report)
    assert parts["methods"] == "\n".join(
        [
            "| Held-out tasks | strict | 95 % | lenient | 95 % | tasks | examples |",
            "|---|---|---|---|---|---|---|",
            "| base, input alone | 0.0 | 0 to 0 | 100.0 | 100 to 100 | 1 | 50 |",
            "| **Text-to-LoRA**, input alone | 25.0 | 0 to 50 | 100.0 | 100 to 100 | 2 | 100 |",
            "",
            "| Paired differences: t2l minus | strict | 95 % | lenient | 95 % | tasks |",
            "|---|---|---|---|---|---|",
            "| base | 50.0 | 50 to 50 | 0.0 | 0 to 0 | 1 |",
        ]
    )
    assert parts["by task"].splitlines()[2:] == ["| a | 0/100 | 50/100 |", "| b |  | 0/100 |"]
    page = "A\n<!-- methods -->\nold\n<!-- /methods -->\nB\n"
    filled = fill(page, parts)
    assert filled == f"A\n<!-- methods -->\n{parts['methods']}\n<!-- /methods -->\nB\n"
    assert fill(filled, parts) == filled
    with pytest.raises(T2LError, match="no place"):
        fill("A page.", parts)


# The choice of formats.


def test_formats_are_chosen_by_strict_then_lenient_on_evenly_spaced_tasks(small: BaseModel, tasks) -> None:
    spec = importlib.util.spec_from_file_location("choose_formats", REPO / "scripts" / "choose_formats.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    suite = {f"t{number:02}": replace(tasks[0], name=f"t{number:02}") for number in range(11)}
    suite["t03"] = replace(suite["t03"], train=())
    assert [task.name for task in script.chosen(suite, 4)] == ["t00", "t04", "t07", "t10"]
    rows = script.score(small, tasks[:1], 1)
    assert {(r["method"], r["format"]) for r in rows} == set(script.candidates())
    keys = [(r["method"], -r["strict"], -r["lenient"]) for r in rows]
    assert keys == sorted(keys)


def test_a_checkpoint_is_asked_as_it_was_trained() -> None:
    names = ("t2l", "t2l_unseen", "t2l_other", "t2l_icl", "t2l_junk", "icl", "dnd")
    told: Any = SimpleNamespace(says_task=True)
    assert [own_way(name, told) for name in names] == [
        *("t2l_told", "t2l_told_unseen", "t2l_told_other", "t2l_told_icl", "t2l_junk", "icl", "dnd")
    ]
    for plain in (None, SimpleNamespace(says_task=False)):
        assert [own_way(name, plain) for name in names] == [*names]  # type: ignore[arg-type]


def test_a_row_is_another_one_where_its_prompt_says_the_task_otherwise(tasks) -> None:
    own = tasks[0]
    ask = Ask(own, 0, "another", "What another task is.")
    reworded = replace(ask, task=replace(own, descriptions=("Otherwise.", *own.descriptions[1:])))
    assert _data_id(ask, 5, says_task=True) != _data_id(reworded, 5, says_task=True)
    assert _data_id(ask, 5, says_task=False) == _data_id(reworded, 5, says_task=False)
