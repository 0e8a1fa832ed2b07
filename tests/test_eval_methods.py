"""Every method does what its name says: on a tiny base, a library of five LoRAs, and adapters by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_base
import torch
from paths import REPO
from test_eval import Made, without_times

from t2l.adapter import Adapter
from t2l.attach import FreeLoRA, attached
from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.eval.arrow import routed
from t2l.eval.finetune import RECIPE, drawn, finetune, recipe_id, steps
from t2l.eval.methods import JUNK, METHODS, Ask, Sources, asks, read_multitask
from t2l.eval.run import answer, evaluate, read_rows
from t2l.lora import LoRAWeights, mix
from t2l.tasks import Example, Task, read_suite, read_task
from t2l.train.library import write_peft
from t2l.train.recon import Library
from t2l.train.sft import answer_losses, pack, tokenise


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base, a suite of five tasks with test examples, a library of three of them, one LoRA more."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_base.write_base(folder / "base")
    tiny_base.write_suite(folder / "suite")
    for name, function in tiny_base.TASKS.items():
        lines = [json.dumps({"input": w, "output": function(w)}) for w in ("abc", "hello", "zyx", "mno")]
        (folder / "suite" / name / "test.jsonl").write_text("\n".join(lines) + "\n")
        more = f"name: {name}\nmax_new_tokens: 8\ndescriptions: {[f'{how} {name}' for how in WAYS]}\n"
        (folder / "suite" / name / "task.yaml").write_text(more)
    base = BaseModel.load(str(folder / "base"), dtype="float32", device="cpu")
    spec = base.spec(tiny_base.TARGETS, 4, 8)
    for number, name in enumerate(("copy", "first", "last", "all of it")):
        generator = torch.Generator().manual_seed(number)
        weights = spec.zeros().map(lambda t, g=generator: torch.randn(t.shape, generator=g))
        write_peft(weights, folder / ("library" if number < 3 else "multitask") / name)
    return folder


def by_question(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row["task"], row["method"], row["description"] or 0))


WAYS = ("Do", "Make", "Give", "Input a word, output", "Take", "Use", "Please do", "Now")


@pytest.fixture
def sources(place: Path) -> Sources:
    base = BaseModel.load(str(place / "base"), dtype="float32", device="cpu")
    base.model.config.max_position_embeddings = 512
    return Sources(
        base,
        Made(base),  # type: ignore[arg-type]
        Library.open(place / "library"),
        read_multitask(place / "multitask" / "all of it"),
        read_suite(place / "suite"),
    )


@pytest.fixture
def suite(place: Path) -> list[Task]:
    return list(read_suite(place / "suite").values())


def measured(sources: Sources, tasks: list[Task], methods: list[str], out: Path, **more: Any) -> list[dict]:
    return evaluate(
        tasks,
        methods,
        sources.base,
        sources.generator,
        out,
        library=sources.library,
        multitask=sources.multitask,
        **{"limit": 3, **more},
    )


def own(place: Path, name: str) -> LoRAWeights:
    return Adapter.load(place / "library" / name).weights


def test_every_adapter_method_answers_with_its_own_adapter(place, sources, suite, tmp_path: Path) -> None:
    methods = ["base", "mean", "multitask", "oracle", "arrow", "t2l", "t2l_junk", "t2l_other"]

    def made(text: str) -> LoRAWeights:
        return sources.generator.generate([text])[0]

    rows = measured(sources, [suite[0], suite[-1]], methods, tmp_path / "r")
    by_name, told = {task.name: task for task in suite}, {}
    for row in rows:
        task = by_name[row["task"]]
        texts = [example.input for example in task.test[:3]]
        ids = [sources.base.prompt_ids([{"role": "user", "content": text}]) for text in texts]
        if row["method"] == "arrow":
            with routed(sources.base.model, sources.stack):
                expected = answer(sources.base, ids, None, 8)
        else:
            weights = {
                "base": lambda _: sources.stack.spec.zeros(),
                "mean": lambda _: mix(sources.stack, [1 / 3] * 3),
                "multitask": lambda _: Adapter.load(place / "multitask" / "all of it").weights,
                "oracle": lambda row: own(place, row["task"]),
                "t2l": lambda row: made(by_name[row["task"]].descriptions[row["description"]]),
                "t2l_junk": lambda row: made(JUNK[row["description"]]),
                "t2l_other": lambda row: made(by_name[row["adapter_of"]].descriptions[row["description"]]),
            }[row["method"]](row)
            expected = answer(sources.base, ids, weights, 8)
        # Data of unknown licence: the answers are in no row, but they are what is scored.
        assert row["strict_each"] == "".join(
            str(int(text.strip() == example.output))
            for text, example in zip(expected, task.test, strict=False)
        )
        told.setdefault(row["method"], {})[row["task"], row["description"]] = row
    assert set(told) == set(methods)
    # The library has no adapter of twice.
    assert {task for task, _ in told["oracle"]} == {"copy"}
    assert all(row["adapter_of"] == row["task"] for row in told["oracle"].values())
    assert all(row["adapter_of"] not in (None, row["task"]) for row in told["t2l_other"].values())
    for method, rows_of in told.items():
        for row in rows_of.values():
            library = method in ("mean", "oracle", "arrow")
            assert (row["adapters_id"] == sources.library.id) == library
            assert (row["generator_id"] == "made") == method.startswith("t2l")
            assert (row["adapter_seconds"] is None) == (method == "base")


def test_methods_in_one_batch_answer_as_alone(sources, suite, tmp_path: Path) -> None:
    opened = [replace(task, open_license=True) for task in suite[:2]]
    methods = ["base", "icl_1", "mean", "oracle", "arrow", "t2l"]
    together = measured(sources, opened, methods, tmp_path / "all")
    assert len({tuple(row["first_answers"]) for row in together}) > 8
    alone = [row for name in methods for row in measured(sources, opened, [name], tmp_path / name)]
    for mine, theirs in zip(*(by_question(without_times(rows)) for rows in (alone, together)), strict=True):
        assert mine == theirs


def test_the_nearest_description_chooses_the_adapter(sources, suite) -> None:
    by_name = {task.name: task for task in suite}
    for name in ("copy", "first", "last"):
        for ask in asks("nearest", by_name[name], suite, sources, 3, 1):
            assert isinstance(ask, Ask) and (ask.of, ask.text) == (
                name,
                by_name[name].descriptions[ask.number],
            )
            weights = METHODS["nearest"].adapter(sources, ask)
            torch.testing.assert_close(weights.to_peft(), sources.library.read([name])[0].to_peft())
    found = asks("nearest", by_name["twice"], suite, sources, 3, 1)
    assert {ask.of for ask in found} <= {"copy", "first", "last"}
    # What is nearest follows from the words alone.
    reworded = replace(by_name["twice"], descriptions=by_name["last"].descriptions)
    assert {ask.of for ask in asks("nearest", reworded, suite, sources, 3, 1)} == {"last"}


def test_examples_in_context_are_training_examples_and_never_the_query(suite) -> None:
    real = read_task(REPO / "data" / "suite" / "kebab_case")
    prompts = {}
    for name, k in {"icl_1": 1, "icl_3": 3, "icl": 5, "icl_10": 10, "description_icl": 5}.items():
        (first, *_) = asks(name, real, [real], Sources.__new__(Sources), 100, 1)
        assert first.examples == real.train[:k]
        for example in real.test[:20]:
            chat = METHODS[name].prompt(first, example.input)
            said = [turn["content"] for turn in chat]
            assert said[-1] == example.input and example.output not in " ".join(said)
            assert [t for t in said if t in {e.output for e in real.train[:k]}] == [
                e.output for e in real.train[:k]
            ]
        prompts[name] = tuple(said)
    assert len(set(prompts.values())) == len(prompts)


def test_no_test_example_is_in_a_prompt_or_a_training_set(sources, suite, tmp_path: Path) -> None:
    task = suite[0]
    both = replace(task, train=(*task.train, task.test[0]))
    for name in ("icl", "finetune_16", "finetune_full"):
        with pytest.raises(T2LError, match="'abc' in train"):
            measured(sources, [both], [name], tmp_path / "r")
    assert not (tmp_path / "r").exists()
    measured(sources, [both], ["base"], tmp_path / "r")
    # Of the shipped suite no test input is among the training inputs.
    for folder in sorted((REPO / "data" / "suite").glob("*/task.yaml"))[::40]:
        shipped = read_task(folder.parent)
        assert not {e.input for e in shipped.train} & {e.input for e in shipped.test}


def test_examples_to_tune_on_are_drawn_by_seed_and_grow() -> None:
    task = Task("t", "", "train", "exact_match", ("d",), tuple(Example(str(n), "x") for n in range(40)), ())
    assert drawn(task, 16, 0) == drawn(task, 16, 0) == drawn(task, 32, 0)[:16]
    assert drawn(task, 16, 0) != drawn(task, 16, 1) and set(drawn(task, None, 1)) == set(task.train)
    assert [steps(n) for n in (16, 80, 256, 512, 800)] == [40, 40, 128, 256, 300]


def test_fine_tuning_learns_its_examples_and_repeats(sources, suite, monkeypatch) -> None:
    monkeypatch.setitem(RECIPE, "rate", 0.1)
    monkeypatch.setitem(RECIPE, "least", 12)
    task = next(task for task in suite if task.name == "copy")
    base, spec, examples = sources.base, sources.stack.spec, task.train[:8]

    def loss(weights: LoRAWeights) -> float:
        rows = pack([[tokenise(base, example) for example in examples]]).to(base)
        with torch.no_grad(), attached(base.model, weights):
            losses, share = answer_losses(base.model, rows)
        return float((losses * share).sum())

    tuned = finetune(base, examples, spec, 0)
    start = FreeLoRA(spec, 1, 0)(torch.tensor([0]))[0]
    assert loss(tuned) < loss(start) - 0.1
    again, other = finetune(base, examples, spec, 0), finetune(base, examples, spec, 1)
    assert all(torch.equal(t, again.to_peft()[k]) for k, t in tuned.to_peft().items())
    assert not torch.equal(tuned.A["self_attn.q_proj"], other.A["self_attn.q_proj"])
    assert base.model.config._attn_implementation == "sdpa"


def test_fine_tuning_has_a_row_for_every_seed(sources, suite, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(RECIPE, "least", 2)
    rows = measured(sources, suite[:1], ["finetune_16"], tmp_path / "r", seeds=2)
    assert [(row["seed"], row["examples"], row["adapter_of"]) for row in rows] == [
        (0, 16, "copy"),
        (1, 16, "copy"),
    ]
    assert rows[0]["data"] != rows[1]["data"] and rows[0]["adapter_seconds"] > 0
    assert rows[0]["adapters_id"] == recipe_id(sources.spec)
    # The suite has 30 training examples of a task.
    assert measured(sources, suite[:1], ["finetune_32"], tmp_path / "r") == []


def test_what_a_method_lacks_is_named(place, sources, suite, tmp_path: Path, capsys) -> None:
    base, out = sources.base, tmp_path / "r"
    for method, named in (("mean", "--library"), ("multitask", "--multitask"), ("t2l", "checkpoint")):
        with pytest.raises(T2LError, match=named):
            evaluate(suite, [method], base, None, out)
    with pytest.raises(T2LError, match="choose from base, description, icl_1"):
        measured(sources, suite, ["magic"], out)
    elsewhere = BaseModel("some/other", "x", base.model, base.tokenizer)
    for more in ({"library": sources.library}, {"multitask": sources.multitask}):
        with pytest.raises(T2LError, match="the base is some/other"):
            evaluate(suite, ["base"], elsewhere, None, out, **more)
    with pytest.raises(T2LError, match="has an adapter of copy, but --tasks"):
        measured(sources, [task for task in suite if task.name == "twice"], ["nearest"], out)
    with pytest.raises(T2LError, match="holds no adapter"):
        read_multitask(place / "suite")
    with pytest.raises(T2LError, match="seeds must be at least 1"):
        measured(sources, suite, ["base"], out, seeds=0)
    assert not out.exists()
    twice = [task for task in suite if task.name == "twice"]
    assert measured(sources, twice, ["oracle"], out) == []
    assert "twice is left out, the library has no adapter" in capsys.readouterr().err


def test_a_long_prompt_shortens_no_answer_but_its_own(sources) -> None:
    sources.base.tokenizer.eos_token, sources.base.model.config.max_position_embeddings = "z", 64
    sources.base.model.generation_config.eos_token_id = []
    prompts = [[5] * 4, [6] * 62, [7] * 30]
    together = answer(sources.base, prompts, None, 16)
    assert together == [answer(sources.base, [prompt], None, 16)[0] for prompt in prompts]
    assert len(together[1]) < len(together[2])


def test_a_prompt_that_is_too_long_leaves_one_row_out(sources, suite, tmp_path: Path, capsys) -> None:
    sources.base.model.config.max_position_embeddings = 64
    rows = measured(sources, suite[:1], ["base", "icl_10"], tmp_path / "r")
    assert [row["method"] for row in rows] == ["base"]
    assert "icl_10: copy is left out. The prompt has" in capsys.readouterr().err


def test_a_base_that_takes_no_system_message_reads_the_task_before_the_first_text(
    sources, suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, methods = [], ["icl", "t2l_told", "t2l_told_icl", "description_icl"]
    ask = BaseModel.prompt_ids
    monkeypatch.setattr(BaseModel, "prompt_ids", lambda base, chat: asked.append(chat) or ask(base, chat))
    shown = [replace(task, train=task.train * 2) for task in suite[:1]]
    before = measured(sources, shown, methods, tmp_path / "before", limit=1)
    kept, template = [*asked], sources.base.tokenizer.chat_template
    sources.base.tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )
    other, asked[:] = replace(sources.base), []
    after = measured(replace(sources, base=other), shown, methods, tmp_path / "after", limit=1)
    sources.base.tokenizer.chat_template = template
    assert [r["method"] for r in after] == [r["method"] for r in before] and len(after) >= 4
    assert {r["method"] for r in after} == set(methods)
    said = [[m["content"] for m in chat if m["role"] == "system"] for chat in kept]
    assert any(said) and len(kept) == len(asked)
    for chat, (told, *rest) in zip(kept, asked, strict=True):
        assert told["role"] == "user"
        first, *others = [m for m in chat if m["role"] != "system"]
        system = [m["content"] for m in chat if m["role"] == "system"]
        assert told["content"] == "\n\n".join([*system, first["content"]]) and rest == others


def test_an_adapter_that_cannot_be_made_leaves_its_row_out(
    sources, suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    make = Made.generate

    def refuse(self, conditions: list[str]) -> LoRAWeights:
        if suite[0].name in conditions[0]:
            raise T2LError("It has 300 tokens.")
        return make(self, conditions)

    monkeypatch.setattr(Made, "generate", refuse)
    rows = measured(sources, suite[:2], ["base", "t2l"], tmp_path / "r")
    assert {(r["task"], r["method"]) for r in rows} == {
        (suite[0].name, "base"),
        (suite[1].name, "base"),
        (suite[1].name, "t2l"),
    }
    assert f"t2l: {suite[0].name} is left out. It has 300 tokens." in capsys.readouterr().err
    alone = replace(sources.library, folders={suite[0].name: sources.library.folders[suite[0].name]})
    rows = measured(replace(sources, library=alone), suite[:1], ["base", "training"], tmp_path / "alone")
    assert [r["method"] for r in rows] == ["base"]
    assert "The library holds no other task's adapter" in capsys.readouterr().err


def test_answers_that_never_end_and_empty_ones_are_scored(sources, suite, tmp_path: Path) -> None:
    # The output layer at zero: every token is as likely, so the first one, which ends the answer, is taken.
    with torch.no_grad():
        sources.base.model.lm_head.weight.zero_()
    task = replace(suite[0], open_license=True)
    (row,) = measured(sources, [task], ["base"], tmp_path / "empty")
    assert row["first_answers"] == ["", "", ""] and row["strict"] == row["lenient"] == 0
    sources.base.model.generation_config.eos_token_id = []
    sources.base.tokenizer.eos_token = "z"
    (row,) = measured(sources, [task], ["base"], tmp_path / "endless")
    assert row["n"] == 3 and row["strict"] == 0


CHILD = """
import sys
from pathlib import Path
from t2l.base import BaseModel
from t2l.cli import _sharing
from t2l.eval.run import evaluate
from t2l.tasks import read_suite
state, _ = _sharing("auto")
assert state.num_processes == 2
base = BaseModel.load(sys.argv[1] + "/base", dtype="float32", device="cpu")
base.model.config.max_position_embeddings = 512
tasks = list(read_suite(sys.argv[1] + "/suite").values())
rows = evaluate(tasks, ["base", "icl_1"], base, None, sys.argv[2], limit=3, processes=state)
assert len(rows) == 10, len(rows)
"""


def test_two_processes_share_the_tasks_and_write_one_file(place, sources, suite, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(tmp_path / "child.py"), str(place), str(tmp_path / "two")]
    settings = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=settings, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(read_rows(tmp_path / "two")) == 10
    alone = evaluate(suite, ["base", "icl_1"], sources.base, None, tmp_path / "one", limit=3)
    assert by_question(without_times(read_rows(tmp_path / "two"))) == by_question(without_times(alone))
