"""Distillation: the student comes near its teacher, begins where it began, and SFT can go on from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_recon import SPEC, write_task

from t2l.base import BaseModel
from t2l.cli import main
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRAWeights
from t2l.train.contrast import learned
from t2l.train.distill import DistillRun, train_distill
from t2l.train.loop import FitConfig
from t2l.train.recon import relative_loss

TEXTS = {
    "upper": ["Write it in capitals.", "Make every letter large.", "ALL CAPS, please."],
    "reverse": ["Turn the word around.", "Spell it backwards.", "Mirror the letters."],
    "plural": ["Give the plural.", "More than one of them.", "Name several of these."],
    "antonym": ["Say the opposite.", "What means the contrary?", "Turn the meaning round."],
}


def checkpoint(seed: int, names: list[str], *, scale: float = 0.5, says_task: bool = True) -> Generator:
    """A network whose adapters differ from text to text."""
    torch.manual_seed(seed)
    config = T2LConfig(SPEC, 384, "m", 32, 32, shift="element", scale="scalar")
    network = T2L(config).initialise("zero", seed)
    with torch.no_grad():
        for head in network.heads:
            head.weight.normal_(std=scale)
    training = {"method": "sft", "tasks": names}
    return Generator(network, base_weights_id="b" * 64, training=training, says_task=says_task)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite, and a teacher whose adapters differ from text to text."""
    folder = tmp_path_factory.mktemp("world")
    for name, texts in TEXTS.items():
        write_task(folder / "suite" / name, name, texts)
    write_task(folder / "suite" / "secret", "secret", ["Held out.", "It is.", "So."], split="eval")
    teacher = checkpoint(5, [])
    teacher.save(folder / "teacher", dtype=torch.float32)
    return folder / "suite", folder / "teacher"


def settings(world: tuple[Path, Path], **changes) -> DistillRun:
    suite, teacher = world
    small = {"latent_size": 32, "head_size": 32, "descriptions": 2, "tasks_per_step": 3}
    return DistillRun(**{"teacher": str(teacher), "tasks": (str(suite),), **small, **changes})


def test_the_loss_is_the_relative_square_of_whole_matrices() -> None:
    generator = torch.Generator().manual_seed(0)
    made, wanted = (
        LoRAWeights(
            SPEC,
            {k: torch.randn(2, *v.shape, generator=generator) for k, v in SPEC.zeros().A.items()},
            {k: torch.randn(2, *v.shape, generator=generator) for k, v in SPEC.zeros().B.items()},
        )
        for _ in range(2)
    )
    parts = []
    for name in SPEC.targets:
        whole, goal = made.B[name] @ made.A[name], wanted.B[name] @ wanted.A[name]
        parts.append((whole - goal).square().sum((1, 2, 3)) / goal.square().sum((1, 2, 3)))
    torch.testing.assert_close(relative_loss(made, wanted), torch.stack(parts).mean())
    assert float(relative_loss(wanted, wanted)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("variant", "share"), [("s", "none"), ("l", "none"), ("l", "layers")])
def test_a_student_comes_near_its_teacher_and_no_base_is_loaded(
    variant: str, share: str, world: tuple[Path, Path], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(BaseModel, "load", lambda *args, **kwargs: pytest.fail("a base is loaded"))
    run = settings(world, variant=variant, share=share, val_tasks=("antonym",))
    fitting = FitConfig(120, learning_rate=1e-2, log_every=40, validate_every=40)
    assert train_distill(run, fitting, tmp_path) == 120
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    first, *_, last = (row for row in log if "seen_error" in row)
    assert last["seen_error"] < first["seen_error"]
    # A layer's adapters are not those of another: shared ones can only be their mean.
    assert last["seen_error"] < (1.0 if share == "layers" else 0.6)
    assert {"unseen_descriptions_error", "unseen_tasks_error"} <= last.keys()

    made, teacher = (Generator.load(folder) for folder in (tmp_path / "generator", world[1]))
    assert made.base_weights_id == "b" * 64 and made.spec == teacher.spec and made.says_task
    assert made.training["method"] == "distill" and made.training["teacher_id"] == teacher.id
    assert made.training["tasks"] == ["plural", "reverse", "upper"]
    wanted = teacher.generate([TEXTS["upper"][0]])
    assert float(relative_loss(made.generate([TEXTS["upper"][0]]), wanted)) < 1
    # The start of the teacher's training is the student's: no other numbers are stored.
    assert torch.equal(made.network.shift.tensor("mlp.up_proj", "B"), torch.zeros(2, 20, 2))


def test_a_student_that_stops_goes_on_to_the_same_numbers(world, tmp_path: Path) -> None:
    fitting = FitConfig(6, log_every=2)
    train_distill(settings(world), fitting, tmp_path / "whole")
    train_distill(settings(world), fitting, tmp_path / "parts", stop_after=3)
    train_distill(settings(world), fitting, tmp_path / "parts")
    whole, parts = (Generator.load(tmp_path / name / "generator") for name in ("whole", "parts"))
    assert whole.id == parts.id


def test_the_command_distills_and_a_student_knows_what_its_teacher_knew(
    world, tmp_path: Path, capsys
) -> None:
    suite, teacher = world
    known = Generator.load(teacher)
    known.training = {"method": "sft", "tasks": ["other", "upper"]}
    known.save(tmp_path / "teacher")
    words = ["--teacher", tmp_path / "teacher", "--tasks", suite, "--latent-size", 16, "--head-size", 16]
    words += ["--descriptions", 2, "--steps", 1, "--tasks-per-step", 3, "--out", tmp_path / "run", "--json"]
    assert main(["train", "distill", *map(str, words)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    # Of both: none of them may be kept out in what goes on from it.
    assert sorted(learned(told["checkpoint"])) == sorted([*TEXTS, "other"])


def test_a_teacher_that_reads_no_single_embedding_is_refused(world, tmp_path: Path) -> None:
    config = T2LConfig(SPEC, 384, "m", 32, 32, condition="tokens")
    Generator(T2L(config)).save(tmp_path / "tokens")
    Generator(T2L(T2LConfig(SPEC, 2, "m", 32, 32)), tasks=("a", "b")).save(tmp_path / "numbers")
    for name in ("tokens", "numbers"):
        with pytest.raises(T2LError, match="does not read descriptions as one embedding each"):
            train_distill(settings(world, teacher=str(tmp_path / name)), FitConfig(1), tmp_path / "run")
    with pytest.raises(T2LError, match=r"tasks_per_step=9 .* at most 4"):
        train_distill(settings(world, tasks_per_step=9), FitConfig(1), tmp_path / "run")
    with pytest.raises(T2LError, match="3 descriptions, not 4"):
        train_distill(settings(world, descriptions=4), FitConfig(1), tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "match"), [({"descriptions": 0}, "descriptions"), ({"condition_noise": -1}, "from 0 to 10")]
)
def test_settings_that_cannot_work_are_refused(changes: dict, match: str) -> None:
    with pytest.raises(T2LError, match=match):
        DistillRun("teacher", ("suite",), **changes)


@pytest.fixture(scope="module")
def two(world: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A specialist's checkpoint and its suite, as settings of a run."""
    folder = tmp_path_factory.mktemp("two")
    for name, texts in {"hyphens": ["Put hyphens between."], "first": ["The first letter."]}.items():
        write_task(folder / "special" / name, name, [*texts, f"{name}, I say.", f"Now {name}."])
    # A task of both suites is the specialist's.
    write_task(folder / "special" / "upper", "upper", TEXTS["upper"])
    checkpoint(6, ["known to it"]).save(folder / "specialist", dtype=torch.float32)
    return {"specialist": str(folder / "specialist"), "specialist_tasks": (str(folder / "special"),)}


def test_a_student_of_two_teachers_makes_what_each_makes_of_its_own_tasks(world, two, tmp_path: Path) -> None:
    more = {"tasks_per_step": 4, "condition_noise": 0.0, "specialist_share": 0.5, "learn_offset": True}
    run = settings(world, variant="m", init=str(world[1]), **more, **two)
    train_distill(run, FitConfig(120, learning_rate=1e-2, validate_every=100), tmp_path)
    made, teacher, special = (
        Generator.load(folder) for folder in (tmp_path / "generator", world[1], two["specialist"])
    )

    def errors(other: Generator, text: str) -> list[float]:
        return [
            float(relative_loss(of.generate([text]), other.generate([text])))
            for of in (made, teacher, special)
        ]

    ours, _, foreign = errors(teacher, TEXTS["plural"][0])
    assert ours < 0.2 * foreign
    for text in ("Put hyphens between.", TEXTS["upper"][0]):
        ours, before, _ = errors(special, text)
        assert ours < 0.2 * before
    assert made.training["tasks"][:3] == ["antonym", "plural", "reverse"]
    assert {"first", "hyphens", "upper", "known to it"} <= set(learned(tmp_path / "generator"))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert any("specialist_seen_error" in row for row in log)


def test_a_task_that_is_kept_out_is_kept_out_of_both_suites(world, two, tmp_path: Path) -> None:
    run = settings(world, val_tasks=("upper",), tasks_per_step=4, specialist_share=0.5, **two)
    train_distill(run, FitConfig(1), tmp_path)
    made = Generator.load(tmp_path / "generator")
    assert "upper" not in made.training["tasks"] and "hyphens" in made.training["tasks"]
    assert made.index is not None and "upper" not in made.index.names


def test_a_student_that_begins_at_its_teacher_is_it_before_the_first_step(world, tmp_path: Path) -> None:
    run = settings(world, variant="m", init=str(world[1]))
    train_distill(run, FitConfig(1, learning_rate=1e-30), tmp_path)
    text = TEXTS["reverse"][1]
    made, teacher = (Generator.load(folder).generate([text]) for folder in (tmp_path / "generator", world[1]))
    # bfloat16 of the file.
    assert float(relative_loss(made, teacher)) < 1e-4


def test_teachers_that_cannot_teach_together_are_refused(world, two, tmp_path: Path) -> None:
    checkpoint(7, [], says_task=False).save(tmp_path / "other")
    other = two | {"specialist": str(tmp_path / "other")}
    with pytest.raises(T2LError, match=r"other has another base, .* or prompts than the teacher"):
        train_distill(settings(world, **other), FitConfig(1), tmp_path)
    with pytest.raises(T2LError, match="another form"):
        train_distill(settings(world, variant="l", init=str(world[1])), FitConfig(1), tmp_path)
    for share in (0.0, 1.0):
        with pytest.raises(T2LError, match=r"asks a teacher for [03] adapters"):
            train_distill(settings(world, **two, specialist_share=share), FitConfig(1), tmp_path)
    with pytest.raises(T2LError, match="belong together"):
        settings(world, specialist=two["specialist"])
