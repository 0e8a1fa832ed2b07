"""Two checkpoints as one: descriptions of either's tasks end on their side, and nothing else is joined."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_distill import TEXTS, checkpoint
from test_recon import write_task

from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L
from t2l.likeness import TaskIndex
from t2l.train.contrast import learned

LETTERS = {
    "second": ["The second letter.", "Letter number two.", "Which letter comes second?", "2nd letter"],
    "third": ["The third letter.", "Letter number three.", "Which letter comes third?", "3rd letter"],
}
MORE = ["Once more.", "Again.", "And so on.", "The like."]


@pytest.fixture
def join(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "scripts")
    import join

    # Rows of a gate's step: these few tasks need no thousands.
    monkeypatch.setattr(join, "ROWS", 256)
    return join


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for suite, tasks in (("usual", TEXTS), ("letters", LETTERS)):
        for name, texts in tasks.items():
            said = [*texts, *(f"{texts[0]} {more}" for more in MORE)]
            write_task(tmp_path / suite / name, name, said)
    index = TaskIndex.of(["upper"], [TEXTS["upper"][0]], [torch.randn(2, 384)])
    replace(checkpoint(5, ["upper"]), index=index).save(tmp_path / "general")
    checkpoint(6, ["second", "third"]).save(tmp_path / "special")
    return tmp_path


def run(join, monkeypatch, parts: Path, general: str, special: str) -> None:
    words = [parts / general, parts / special, parts / "out", "--tasks", parts / "usual"]
    words += ["--specialist-tasks", parts / "letters", "--json"]
    monkeypatch.setattr(sys, "argv", ["join.py", *map(str, words)])
    join.main()


def test_each_of_two_checkpoints_makes_the_adapters_of_its_own_tasks(
    join, monkeypatch, parts, capsys
) -> None:
    run(join, monkeypatch, parts, "general", "special")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["tasks"] == [4, 2] and set(told["right"]) == {"general", "specialist"}
    made, general, special = (Generator.load(parts / name) for name in ("out", "general", "special"))
    for texts, maker in ((TEXTS["plural"], general), (LETTERS["third"], special)):
        for text in texts[:3]:
            got, wanted = made.generate([text]), maker.generate([text])
            torch.testing.assert_close(got.B["mlp.up_proj"], wanted.B["mlp.up_proj"], rtol=0.1, atol=0.05)
    assert {"upper", "second", "third"} <= set(learned(parts / "out"))
    assert made.index is not None and set(made.index.names) == {"upper", "second", "third"}
    assert made.training["specialist"]["tasks"] == ["second", "third"]


def test_checkpoints_that_differ_in_more_than_their_training_are_not_joined(join, monkeypatch, parts) -> None:
    checkpoint(7, [], says_task=False).save(parts / "other")
    with pytest.raises(T2LError, match="differ in more than their training"):
        run(join, monkeypatch, parts, "general", "other")
    run(join, monkeypatch, parts, "general", "special")
    (parts / "out").rename(parts / "joined")
    with pytest.raises(T2LError, match="has a specialist already"):
        run(join, monkeypatch, parts, "general", "joined")


def test_a_specialist_is_exchanged_for_another(join, monkeypatch, parts) -> None:
    run(join, monkeypatch, parts, "general", "special")
    (parts / "out").rename(parts / "joined")
    for name in ("second", "third"):
        (parts / "letters" / name).rename(parts / "letters" / f"{name}_new")
        facts = parts / "letters" / f"{name}_new" / "task.yaml"
        facts.write_text(facts.read_text().replace(f'"{name}"', f'"{name}_new"'))
    checkpoint(8, ["second_new", "third_new"]).save(parts / "new")
    run(join, monkeypatch, parts, "joined", "new")
    made, new, general = (Generator.load(parts / name) for name in ("out", "new", "general"))
    text = LETTERS["third"][0]
    got, wanted = made.generate([text]), new.generate([text])
    torch.testing.assert_close(got.B["mlp.up_proj"], wanted.B["mlp.up_proj"], rtol=0.1, atol=0.05)
    assert torch.equal(
        made.network.state_dict()["heads.0.weight"], general.network.state_dict()["heads.0.weight"]
    )
    assert made.index is not None and set(made.index.names) == {"upper", "second_new", "third_new"}
    assert set(learned(parts / "out")).isdisjoint({"second", "third"})


def test_what_the_general_one_knew_itself_outlives_its_specialist(join, monkeypatch, parts) -> None:
    # "upper" is of both suites, and both learned it.
    write_task(parts / "letters" / "upper", "upper", [*TEXTS["upper"], *MORE])
    run(join, monkeypatch, parts, "general", "special")
    (parts / "out").rename(parts / "joined")
    shutil.rmtree(parts / "letters" / "upper")
    shutil.rmtree(parts / "letters" / "second")
    checkpoint(8, ["third"]).save(parts / "new")
    run(join, monkeypatch, parts, "joined", "new")
    made = Generator.load(parts / "out")
    assert set(learned(parts / "out")) == {"upper", "third"}
    assert made.index is not None and set(made.index.names) == {"upper", "third"}


def test_a_student_of_two_may_have_a_specialist_too(join, monkeypatch, parts) -> None:
    # `t2l train distill` names its second teacher there.
    given = Generator.load(parts / "general")
    replace(given, training={**given.training, "specialist": ""}, _id="").save(parts / "student")
    run(join, monkeypatch, parts, "student", "special")
    assert {"upper", "second", "third"} <= set(learned(parts / "out"))


def test_a_specialist_of_all_tasks_is_refused(join, monkeypatch, parts) -> None:
    shutil.rmtree(parts / "usual")
    shutil.copytree(parts / "letters", parts / "usual")
    with pytest.raises(T2LError, match="no task but the specialist's"):
        run(join, monkeypatch, parts, "general", "special")
    assert not (parts / "out").exists()


def test_a_gate_gives_a_small_side_the_weight_of_a_large_one_and_doubt_to_the_first(join) -> None:
    torch.manual_seed(0)
    usual, special = torch.randn(300, 8) - 1, torch.randn(6, 8) + 1
    gate = join.train_gate((usual, torch.ones(300)), (special, torch.ones(6)))
    right = [(gate(x)[:, 0] > 0).float().mean() for x in (usual, special)]
    assert right[0] < 0.05 and right[1] > 0.8
    assert gate(torch.zeros(1, 8)) < 0


def test_training_goes_on_from_the_general_one_alone(join, monkeypatch, parts) -> None:
    from t2l.train.sft import begin_from

    run(join, monkeypatch, parts, "general", "special")
    joined, general = Generator.load(parts / "out"), Generator.load(parts / "general")
    network = T2L(joined.network.config)
    begin_from(network, joined.network)
    assert torch.equal(network.heads[0].weight, general.network.state_dict()["heads.0.weight"])
