"""LoRAs without a hypernetwork: a task learns in company what it learns alone, and every folder opens."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import tiny_base
import torch
from paths import REPO
from torch import nn

from t2l.adapter import Adapter
from t2l.attach import FreeLoRA, attached, spec_for
from t2l.base import BaseModel
from t2l.cli import main
from t2l.errors import T2LError
from t2l.tasks import read_suite
from t2l.train import library
from t2l.train.library import (
    Adapters,
    LibraryRun,
    MultitaskRun,
    read_library,
    train_library,
    train_multitask,
    write_peft,
)
from t2l.train.loop import FitConfig, fit
from t2l.train.recon import Library
from t2l.train.sft import SFTConfig

FIT = {"steps": 12, "learning_rate": 0.02, "validate_every": 4, "log_every": 2}
SFT = {"tasks_per_step": 5, "examples_per_task": 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_base.write_base(folder / "base")
    tiny_base.write_suite(folder / "suite")
    return folder


def settings(place: Path, **changes) -> dict:
    return {
        "tasks": (str(place / "suite"),),
        "base": str(place / "base"),
        "targets": tiny_base.TARGETS,
        "rank": 4,
        "alpha": 8,
        "dtype": "float32",
        **changes,
    }


def make(place: Path, out: Path, sft: dict | None = None, fitting: dict | None = None, **changes) -> dict:
    """A library's index."""
    run = LibraryRun(**settings(place, **changes))
    train_library(run, SFTConfig(**{**SFT, **(sft or {})}), FitConfig(**{**FIT, **(fitting or {})}), out)
    return json.loads((out / "library.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return Adapter.load(folder).weights.to_peft()


@pytest.fixture(scope="module")
def made(place: Path) -> tuple[Path, dict]:
    out = place / "library"
    return out, make(place, out, snapshots=3, snapshot_every=2)


def test_a_task_learns_in_company_what_it_learns_alone(place, made, tmp_path: Path) -> None:
    out, index = made
    for name in ("copy", "twice"):
        alone = make(place, tmp_path / name, names=(name,))
        row = next(row for row in index["adapters"] if row["task"] == name)
        assert alone["adapters"][0]["validation_loss"] == pytest.approx(row["validation_loss"], abs=1e-5)
        together, single = weights(out / name), weights(tmp_path / name / name)
        for key, tensor in single.items():
            torch.testing.assert_close(together[key], tensor, atol=1e-5, rtol=0)
        assert sum(float(tensor.abs().sum()) for key, tensor in single.items() if "lora_B" in key) > 0.1


def test_a_library_is_a_folder_of_peft_folders_with_an_index(place, made) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    out, index = made
    assert [row["task"] for row in index["adapters"]] == sorted(tiny_base.TASKS)
    for row in index["adapters"]:
        assert row["steps"] == 12 and row["best_step"] in (4, 8, 12) and row["validation_loss"] > 0
    base = AutoModelForCausalLM.from_pretrained(place / "base")
    ids = torch.randint(4, 30, (1, 6))
    with torch.no_grad(), attached(base, read_library(out)[0].weights()):
        ours = base(ids).logits
    with torch.no_grad():
        theirs = PeftModel.from_pretrained(base, out / "copy")(ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_the_best_state_counts_and_the_last_ones_are_snapshots(made) -> None:
    from safetensors.torch import load_file

    out, index = made
    row = index["adapters"][0]
    assert row["snapshots"] == [f"snapshots/copy/{step:08}.safetensors" for step in (8, 10, 12)]
    kept = {step: load_file(out / f"snapshots/copy/{step:08}.safetensors") for step in (8, 12)}
    assert kept[8].keys() == weights(out / "copy").keys()
    if row["best_step"] in kept:
        assert all(torch.equal(kept[row["best_step"]][k], t) for k, t in weights(out / "copy").items())
    key = next(iter(kept[8]))
    assert not torch.equal(kept[8][key], kept[12][key])


def test_a_task_that_stops_leaves_and_the_others_go_on_as_if_alone(place, tmp_path: Path) -> None:
    # At this rate the losses go up and down, so that tasks stop at different steps.
    rough = {"learning_rate": 0.3, "steps": 24, "validate_every": 2}
    index = make(place, tmp_path / "all", {"patience": 2}, rough)
    steps = {row["task"]: row["steps"] for row in index["adapters"]}
    assert min(steps.values()) < max(steps.values())
    log = (tmp_path / "all" / "training" / "copy" / "log.jsonl").read_text().splitlines()
    active = [json.loads(line)["tasks"] for line in log if "tasks" in json.loads(line)]
    assert active[0] == 5 and active[-1] < 5
    last = max(steps, key=lambda name: steps[name])
    alone = make(place, tmp_path / "one", {"patience": 2}, rough, names=(last,))["adapters"][0]
    row = next(row for row in index["adapters"] if row["task"] == last)
    assert (alone["steps"], alone["best_step"]) == (row["steps"], row["best_step"])
    assert alone["validation_loss"] == pytest.approx(row["validation_loss"], abs=1e-3)


def test_adapters_outside_a_step_are_neither_decayed_nor_moved(tiny, tmp_path: Path) -> None:
    network = Adapters(spec_for(tiny, "some/base", ["self_attn.q_proj"], 2, 4), 3)
    seen = []

    def loss(made: nn.Module, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append([p.detach().clone() for p in network.each[1].parameters()])
        return {"loss": made(numbers).A["self_attn.q_proj"].square().sum()}

    def sample(step: int) -> torch.Tensor:
        return torch.tensor([0, 2] if step in (2, 3, 4) else [0, 1, 2])

    config = FitConfig(7, learning_rate=0.1, weight_decay=0.1)
    fit(network, sample, loss, tmp_path, config, parts=list(network.each))
    moved = [any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in pairwise(seen)]
    # After step 1 it is left out three times.
    assert moved == [True, True, False, False, False, True]


def test_groups_and_accumulation_change_no_number(place, made, tmp_path: Path) -> None:
    out, _ = made
    make(place, tmp_path / "groups", {"tasks_per_step": 2})
    make(place, tmp_path / "passes", {"accumulate": 3})
    for other in ("groups", "passes"):
        for name in tiny_base.TASKS:
            expected = weights(out / name)
            for key, tensor in weights(tmp_path / other / name).items():
                torch.testing.assert_close(tensor, expected[key], atol=1e-5, rtol=0)


def test_a_library_goes_on_where_it_stopped_and_not_with_other_settings(
    place, made, tmp_path: Path, monkeypatch
) -> None:
    out, index = made
    real = library.fit

    def cut_short(*args, **options) -> int:
        real(*args, **options, stop_after=7)
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "fit", cut_short)
    with pytest.raises(KeyboardInterrupt):
        make(place, tmp_path / "cut", snapshots=3, snapshot_every=2)
    monkeypatch.setattr(library, "fit", real)
    with pytest.raises(T2LError, match=r"other settings \(rank was 4, now 8\)"):
        make(place, tmp_path / "cut", snapshots=3, snapshot_every=2, rank=8)
    resumed = make(place, tmp_path / "cut", snapshots=3, snapshot_every=2)
    assert resumed["adapters"] == index["adapters"]
    for file in sorted(out.rglob("*.safetensors")):
        assert file.read_bytes() == (tmp_path / "cut" / file.relative_to(out)).read_bytes()
    # A finished one is left as it is.
    monkeypatch.setattr(library, "fit", lambda *args, **options: 1 / 0)
    assert make(place, tmp_path / "cut", snapshots=3, snapshot_every=2)["adapters"] == index["adapters"]


def test_libraries_are_read_from_folders_lists_and_the_hub(made, tmp_path: Path, monkeypatch) -> None:
    out, _ = made
    members = read_library(out)
    assert [member.name for member in members] == sorted(tiny_base.TASKS)
    # A member given by its folder is called as in its library.
    index = json.loads((out / "library.json").read_text())
    assert [m.name for m in read_library([out / "copy"])] == ["copy"]
    shutil.copytree(out, tmp_path / "named")
    for entry in index["adapters"]:
        entry["task"] = entry["task"].replace("copy", "my.copy")
    (tmp_path / "named" / "library.json").write_text(json.dumps(index))
    assert "my.copy" in [m.name for m in read_library(tmp_path / "named")]
    assert [m.name for m in read_library([tmp_path / "named" / "copy"])] == ["my.copy"]
    shutil.copytree(out / "copy", tmp_path / "foreign" / "mine")
    assert [m.name for m in read_library(tmp_path / "foreign")] == ["mine"]

    import t2l.hub

    monkeypatch.setenv("T2L_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(t2l.hub, "pull", lambda repo, token: Adapter.load(out / "twice"))
    monkeypatch.setattr(t2l.hub, "stored_token", lambda: None)
    mixed = read_library([tmp_path / "foreign", out / "first", "some/adapter"])
    assert [m.name for m in mixed] == ["mine", "first", "some/adapter"]
    listed = Library.open(f"{tmp_path / 'foreign'},doubled=some/adapter")
    assert sorted(listed.folders) == ["doubled", "mine"]
    assert torch.equal(
        listed.read(["doubled"]).B[tiny_base.TARGETS[0]][0], mixed[2].weights().B[tiny_base.TARGETS[0]]
    )
    for member, name in zip(mixed, ("copy", "first", "twice"), strict=True):
        expected = Adapter.load(out / name).weights
        assert member.spec == expected.spec
        assert all(torch.equal(member.weights().B[k], expected.B[k]) for k in member.spec.targets)


def test_what_is_no_library_is_refused_by_name(made, tmp_path: Path) -> None:
    out, _ = made
    with pytest.raises(T2LError, match="neither a folder nor a Hub id"):
        read_library(tmp_path / "missing")
    with pytest.raises(T2LError, match="holds no PEFT folder"):
        read_library(tmp_path)
    with pytest.raises(T2LError, match="called 'copy'"):
        read_library([out, out / "copy"])
    # A list by commas may be longer than a path can be.
    with pytest.raises(T2LError, match="Two adapters"):
        read_library(",".join([str(out / "first")] * 500))
    with pytest.raises(T2LError, match="empty"):
        read_library([])
    broken = tmp_path / "broken"
    shutil.copytree(out / "copy", broken)
    (broken / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(T2LError, match="broken"):
        read_library(broken)


def test_tasks_with_names_that_are_no_folders_get_one_each(tmp_path: Path) -> None:
    tasks = list(read_suite(tiny_base.write_suite(tmp_path) and tmp_path).values())
    from dataclasses import replace

    names = ["../up", "up", "training", "ü b"]
    renamed = [replace(task, name=name) for task, name in zip(tasks, names, strict=False)]
    assert library._folders(renamed) == ["up", "up-1", "training-1", "ü_b"]


def test_empty_and_small_tasks(place, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(place / "suite" / "copy", suite / "copy")
    one = (suite / "copy" / "train.jsonl").read_text().splitlines()[0]
    (suite / "copy" / "train.jsonl").write_text(one + "\n")
    row = make(place, tmp_path / "one", tasks=(str(suite),))["adapters"][0]
    assert (row["validation_loss"], row["steps"], row["best_step"]) == (None, 12, 12)
    (suite / "copy" / "train.jsonl").rename(suite / "copy" / "test.jsonl")
    with pytest.raises(T2LError, match="copy has no training examples"):
        make(place, tmp_path / "none", tasks=(str(suite),))
    with pytest.raises(T2LError, match="no task 'other'"):
        make(place, tmp_path / "other", names=("other",))
    with pytest.raises(T2LError, match=r"no module 'self_attn.qkv_proj'"):
        make(place, tmp_path / "fused", targets=("self_attn.qkv_proj",))
    with pytest.raises(T2LError, match="snapshots must be"):
        LibraryRun(("suite",), snapshots=-1)


def test_a_full_disk_leaves_whole_adapters_alone(place, tmp_path: Path, full_disk) -> None:
    out = tmp_path / "library"
    with full_disk(3000), pytest.raises(T2LError, match="again"):
        make(place, out)
    assert not list(out.glob("*/adapter_config.json"))
    assert len(make(place, out)["adapters"]) == 5


def multitask(place: Path, out: Path, fitting: dict | None = None, **sft) -> int:
    config = SFTConfig(**{**SFT, "tasks_per_step": 4, **sft})
    run = MultitaskRun(**settings(place, val_tasks=("reverse",)))
    return train_multitask(run, config, FitConfig(**{**FIT, **(fitting or {})}), out)


def test_one_lora_for_all_tasks_lowers_their_loss(place, tmp_path: Path) -> None:
    assert multitask(place, tmp_path, {"steps": 30, "validate_every": 10}) == 30
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    seen = [row["seen_loss"] for row in log if "seen_loss" in row]
    assert seen[-1] < seen[0] and all("unseen_tasks_loss" in row for row in log if "seen_loss" in row)
    adapter, best = Adapter.load(tmp_path / "adapter"), Adapter.load(tmp_path / "best")
    assert adapter.spec.n_parameters == best.spec.n_parameters and adapter.weights.n is None


def test_the_command_line_trains_a_library(place, made, tmp_path: Path, capsys) -> None:
    _, index = made
    options = {**settings(place), **SFT, **FIT, "snapshots": 3, "snapshot_every": 2, "out": tmp_path / "lib"}
    words = ["train", "library", "--json"]
    for key, value in options.items():
        words += [f"--{key.replace('_', '-')}", ",".join(value) if isinstance(value, tuple) else str(value)]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["adapters"] == 5
    assert json.loads((tmp_path / "lib" / "library.json").read_text())["adapters"] == index["adapters"]
    assert main([*words, "--rank", "2"]) == 2
    assert "rank was 4, now 2" in capsys.readouterr().err


def test_patience_ends_training_and_keeps_the_best(place, tmp_path: Path) -> None:
    rough = {"learning_rate": 0.5, "steps": 60, "validate_every": 2}
    done = multitask(place, tmp_path, rough, patience=2)
    assert done < 60
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = {row["step"]: row["unseen_tasks_loss"] for row in log if "unseen_tasks_loss" in row}
    best = min(losses, key=lambda step: losses[step])
    assert best == done - 4
    assert torch.load(tmp_path / "state.pt", weights_only=True)["memory"]["best_step"] == best
    # Stopped is stopped: the same call again trains no further.
    assert multitask(place, tmp_path, rough, patience=2) == done


def test_write_peft_keeps_what_is_not_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    network = FreeLoRA(spec_for(BASE_SHAPES, "some/base", ["self_attn.q_proj"], 2, 4), 1)
    with pytest.raises(T2LError, match=r"letter\.txt"):
        write_peft(network(torch.tensor([0]))[0], tmp_path)


class Shapes(nn.Module):
    """A model's skeleton with one Linear."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.Module()
        layer.self_attn = nn.Module()
        layer.self_attn.q_proj = nn.Linear(8, 8)
        self.model = nn.Module()
        self.model.layers = nn.ModuleList([layer])


BASE_SHAPES = Shapes()


def test_the_base_is_read_as_any_other(place) -> None:
    base = BaseModel.load(str(place / "base"), dtype="float32", device="cpu")
    chat = [{"role": "user", "content": "ab"}]
    prompt = base.prompt_ids(chat)
    assert base.tokenizer.decode(prompt).replace(" ", "") == "<user>ab<end><assistant>"
    assert base.tokenizer.decode(base.answer_ids(chat, "ba")).replace(" ", "") == "ba<end>"


def test_a_lora_of_the_embedded_base_lowers_the_loss_of_examples_kept_out(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "snake_case").symlink_to(REPO / "data" / "suite" / "snake_case")
    rows = SFTConfig(tasks_per_step=1, examples_per_task=4, tokens_per_row=120)
    fitting = FitConfig(4, learning_rate=5e-3, validate_every=2)
    train_library(LibraryRun((str(tmp_path / "suite"),)), rows, fitting, tmp_path / "out")
    log = (tmp_path / "out/training/snake_case/log.jsonl").read_text().splitlines()
    first, last = (row["snake_case_loss"] for row in map(json.loads, log) if "snake_case_loss" in row)
    assert last < first / 2 < 0.5
