"""From a multi-task LoRA to a library around it, to a DnD of that, and on through the base."""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
import tiny_base
import torch
from safetensors.torch import load_file, save_file

from t2l.adapter import Adapter
from t2l.base import BaseModel
from t2l.cli import main
from t2l.dnd import DnD
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.eval.methods import METHODS, Sources, asks
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRAWeights
from t2l.tasks import read_suite
from t2l.train.contrast import learned
from t2l.train.dnd import DnDRun, train_dnd
from t2l.train.dnd_sft import DnDSFTRun, train_dnd_sft
from t2l.train.library import LibraryRun, MultitaskRun, shared_tasks, train_library, train_multitask
from t2l.train.loop import FitConfig
from t2l.train.recon import Library
from t2l.train.sft import SFTConfig, blur

FIT = {"steps": 16, "learning_rate": 0.01, "validate_every": 8, "log_every": 8}
LONG = FitConfig(**{**FIT, "steps": 60, "learning_rate": 0.02, "validate_every": 15})
ROWS = {"tasks_per_step": 4, "examples_per_task": 4}


@pytest.fixture(scope="module", autouse=True)
def _one_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("dnd", "dnd_sft"):
            patch.setattr(f"t2l.train.{module}.TextEncoder", functools.cache(TextEncoder))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dnd-sft")
    base, suite = tiny_base.write_base(folder / "base"), tiny_base.write_suite(folder / "suite")
    loras = {"base": base, "targets": tiny_base.TARGETS, "rank": 2, "alpha": 4, "dtype": "float32"}
    fitting = FitConfig(**{**FIT, "learning_rate": 0.02})
    train_multitask(MultitaskRun((suite,), **loras), SFTConfig(**ROWS), fitting, folder / "multitask")
    # As one from elsewhere, which does not tell that it has learned what is kept out below.
    (folder / "multitask/run.json").rename(folder / "told.json")
    run = LibraryRun((suite,), **loras, snapshots=3, shared_a=str(folder / "multitask/adapter"))
    train_library(run, SFTConfig(**ROWS), fitting, folder / "library")
    asked = DnDRun(
        str(folder / "library"), (suite,), prompts=4, length=8, size=6, states=2, val_tasks=("copy", "last")
    )
    train_dnd(asked, FitConfig(**FIT), folder / "dnd")
    return folder


def settings(place: Path, **changes) -> DnDSFTRun:
    given = {"init": str(place / "dnd/generator"), "tasks": (str(place / "suite"),), "dtype": "float32"}
    return DnDSFTRun(**{**given, "pool": 12, **changes})


def of_library(place: Path) -> LibraryRun:
    run = json.loads((place / "library/training/run.json").read_text())
    return LibraryRun(**{field.name: run[field.name] for field in fields(LibraryRun)})


SFT = SFTConfig(tasks_per_step=3, examples_per_task=4)


@pytest.fixture(scope="module")
def made(place: Path) -> Path:
    assert train_dnd_sft(settings(place), SFT, LONG, place / "sft") == LONG.steps
    return place / "sft"


def test_loras_of_a_library_share_the_a_that_they_begin_with(place: Path) -> None:
    start = Adapter.load(place / "multitask/adapter").weights
    own = [Adapter.load(place / "library" / name).weights for name in tiny_base.TASKS]
    for name in tiny_base.TARGETS:
        assert all(torch.equal(weights.A[name], start.A[name]) for weights in own)
        changes = [float((weights.B[name] - start.B[name]).abs().max()) for weights in own]
        assert min(changes) > 1e-3 and not torch.equal(own[0].B[name], own[1].B[name])
    network = Generator.load(place / "dnd/generator").network
    assert isinstance(network, DnD)
    # So a decoder has B alone to learn: what it says of A is a ten-thousandth.
    torch.testing.assert_close(network.mean_adapter().A, dict(start.A), atol=2e-2, rtol=2e-2)
    assert (network.get_buffer("scale") > 2e-4).float().mean() < 0.6


def test_a_start_of_another_form_is_refused(place: Path, tmp_path: Path) -> None:
    run = LibraryRun(
        (str(place / "suite"),),
        base=str(place / "base"),
        targets=tiny_base.TARGETS,
        rank=4,
        dtype="float32",
        shared_a=str(place / "multitask/adapter"),
    )
    with pytest.raises(T2LError, match="has rank 2, but 4 is expected"):
        train_library(run, SFTConfig(**ROWS), FitConfig(**FIT), tmp_path / "library")


def test_what_the_shared_a_has_learned_cannot_be_kept_out(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "multitask", tmp_path / "multitask")
    shutil.copy(place / "told.json", tmp_path / "multitask/run.json")
    shared = {"shared_a": str(tmp_path / "multitask/adapter"), "snapshots": 1}
    run = replace(of_library(place), names=("twice", "last", "first"), **shared)
    train_library(run, SFTConfig(tasks_per_step=2), FitConfig(steps=1), tmp_path / "library")
    every, several = list(tiny_base.TASKS), f"{tmp_path / 'library/first'},{tmp_path / 'library/last'}"
    assert sorted(shared_tasks(tmp_path / "library")) == sorted(shared_tasks(several)) == sorted(every)
    assert learned(tmp_path / "library/first")[0] == "first"
    assert set(learned(tmp_path / "library/first")) == set(every)
    asked = DnDRun(str(tmp_path / "library"), run.tasks, val_tasks=("twice",))
    with pytest.raises(T2LError, match="library was trained on twice, which is to be kept out"):
        train_dnd(asked, FitConfig(**FIT), tmp_path)


def test_a_library_does_not_go_on_with_another_shared_a(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "library", tmp_path / "library")
    run, fitting = of_library(place), FitConfig(**{**FIT, "learning_rate": 0.02})
    assert train_library(run, SFTConfig(**ROWS), fitting, tmp_path / "library") == len(tiny_base.TASKS)
    file = place / "multitask/adapter/adapter_model.safetensors"
    whole = file.read_bytes()
    save_file({key: value + 1 for key, value in load_file(file).items()}, file)
    try:
        with pytest.raises(T2LError, match=r"other settings \(shared_a_sha256 was"):
            train_library(run, SFTConfig(**ROWS), fitting, tmp_path / "library")
    finally:
        file.write_bytes(whole)


def test_what_adapters_answer_gets_better_than_the_mean_adapters_answers(made: Path) -> None:
    rows = [json.loads(line) for line in (made / "log.jsonl").read_text().splitlines()]
    found = [row for row in rows if "seen_loss" in row]
    assert list(found[-1])[-2:] == ["unseen_tasks_other_prompts_loss", "unseen_tasks_loss"]
    for row in found[:1] + found[-1:]:
        assert row["seen_loss"] < row["seen_mean_adapter_loss"]
    assert found[-1]["seen_loss"] < found[0]["seen_loss"] - 0.02
    best = min(found, key=lambda row: row["unseen_tasks_loss"])
    assert Generator.load(made / "best").training["steps_done"] == best["step"]


def test_it_reads_prompts_and_goes_on_from_the_checkpoint_that_it_was_given(place: Path, made: Path) -> None:
    start, end = (Generator.load(folder / "generator") for folder in (place / "dnd", made))
    assert end.reads == "prompts" and end.network.config == start.network.config
    assert end.training["init_id"] == start.id and end.id != start.id
    assert sorted(end.training["tasks"]) == ["first", "reverse", "twice"]
    means = [g.network.mean_adapter().B["mlp.down_proj"] for g in (start, end) if isinstance(g.network, DnD)]
    # What all tasks gain from goes into the stored mean.
    assert float((means[1] - means[0]).norm()) > 0.01 * float(means[0].norm())
    one, other = end.generate([Condition(prompts=("abc", "xyz")), Condition(prompts=("quite long words",))])
    assert not torch.equal(one.B["mlp.down_proj"], other.B["mlp.down_proj"])


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(place, made, tmp_path) -> None:
    train_dnd_sft(settings(place), SFT, LONG, tmp_path, stop_after=25)
    train_dnd_sft(settings(place), SFT, LONG, tmp_path)
    assert Generator.load(tmp_path / "generator").id == Generator.load(made / "generator").id


def test_the_command_trains_and_says_where_it_lies(place: Path, tmp_path: Path, capsys) -> None:
    words = ["train", "dnd-sft", "--init", place / "dnd/best", "--tasks", place / "suite", "--steps", 1]
    words += ["--tasks-per-step", 2, "--dtype", "float32", "--out", tmp_path / "run", "--json"]
    assert main([str(word) for word in words]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert Generator.load(told["checkpoint"]).training["method"] == "dnd_sft"


def test_what_it_cannot_go_on_with_is_refused(place: Path, tmp_path: Path) -> None:
    def refused(named: str, sft: SFTConfig = SFT, **changes) -> None:
        with pytest.raises(T2LError, match=named):
            train_dnd_sft(settings(place, **changes), sft, FitConfig(**FIT), tmp_path / "out")

    spec = Generator.load(place / "dnd/generator").spec
    Generator(T2L(T2LConfig(spec, 384, "m", 16, 8))).save(tmp_path / "described")
    refused("is no checkpoint of `t2l train dnd`", init=str(tmp_path / "described"))
    (tmp_path / "few").mkdir()
    for name in ("copy", "last", "first"):
        (tmp_path / "few" / name).symlink_to(place / "suite" / name)
    refused("lacks the task reverse of .*; add its suite", tasks=(str(tmp_path / "few"),))
    refused("described is about descriptions", SFTConfig(tasks_per_step=3, described=0.5))
    refused("pool must be a whole number from 1 to 1024, not 0", pool=0)


def test_noise_spares_padding_and_repeats_with_its_draw() -> None:
    states = torch.zeros(3, 4, 5)
    states[:, :2] = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0)) * 3
    one, again = (blur(states, states, 0.5, random.Random(1)) for _ in range(2))
    assert torch.equal(one, again) and not one[:, 2:].any()
    noise = (one - states)[:, :2]
    assert 0.3 < float(noise.std() / states[:, :2].std()) < 0.9
    # Most of it is the same for all states.
    assert torch.nn.functional.cosine_similarity(noise[0, 0], noise[2, 1], dim=0) > 0.3


def test_a_training_lora_is_one_of_another_task_and_every_seed_draws_anew(place: Path) -> None:
    base = BaseModel.load(str(place / "base"), dtype="float32", device="cpu")
    suite, library = read_suite(place / "suite"), Library.open(place / "library")
    sources = Sources(base, library=library, tasks=suite)
    drawn: list[LoRAWeights] = [
        METHODS["training"].adapter(sources, ask)
        for ask in asks("training", suite["copy"], list(suite.values()), sources, 3, seeds=9)
    ]
    found = {
        name
        for name in tiny_base.TASKS
        for weights in drawn
        if all(torch.equal(weights.B[m], library.read([name])[0].B[m]) for m in tiny_base.TARGETS)
    }
    assert len(found) > 1 and "copy" not in found
