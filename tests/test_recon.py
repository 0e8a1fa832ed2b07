"""Reconstruction: the reference's losses, nothing built that need not be, and nothing lost when it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import FIXTURES, REPO
from reference import read_checkpoint
from safetensors.torch import load_file

from t2l.adapter import Adapter
from t2l.base import BaseModel
from t2l.cli import main
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec, LoRAWeights, stack
from t2l.train import recon
from t2l.train.library import write_peft
from t2l.train.loop import FitConfig
from t2l.train.recon import (
    Library,
    ReconData,
    ReconRun,
    Units,
    delta_l1,
    delta_squared,
    recon_loss,
    relative_errors,
    statistics,
    train_recon,
)

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (12, 12), "mlp.up_proj": (12, 20)}, 2, 4)


def adapter(seed: int, spec: LoRASpec = SPEC, base_weights_id: str = "b" * 64) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    weights = spec.zeros().map(lambda t: torch.randn(t.shape, generator=generator) / 10)
    return Adapter(weights, "", "one LoRA each", "g" * 64, base_weights_id)


def write_library(folder: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        adapter(seed).save(folder / name)
    return folder


# Recorded from the reference


@pytest.mark.parametrize(("name", "loss"), [("L_recon_zscore", "z_score"), ("M_recon_deltaw", "delta")])
def test_losses_and_gradients_are_those_recorded_from_the_reference(name: str, loss: str) -> None:
    recorded = load_file(FIXTURES / name / "recon_loss.safetensors")
    whole = read_checkpoint(FIXTURES / name)
    spec = whole.config.spec
    # The network speaks z-scores or scaled numbers; what makes adapters of them is in shift and scale.
    network = T2L(T2LConfig(spec, 32, whole.config.variant, 32, 48, head_bias=whole.config.head_bias)).eval()
    trained = {k: v for k, v in whole.state_dict().items() if not k.startswith(("shift.", "scale."))}
    network.load_state_dict(trained)
    mean = std = None
    if loss == "z_score":
        mean, std = (
            LoRAWeights(
                spec,
                {name: numbers.tensor(name, "A") for name in spec.targets},
                {name: numbers.tensor(name, "B") for name in spec.targets},
            )
            for numbers in (whole.shift, whole.scale)
        )
    units = Units(loss, 10_000, mean, std)
    targets = stack(
        LoRAWeights.from_peft(
            spec,
            {k.partition("target.")[2]: v for k, v in recorded.items() if k.startswith(f"{task}.target")},
        )
        for task in ("t0", "t0", "t1", "t1")
    )
    condition = torch.cat([recorded["t0.task_embs"], recorded["t1.task_embs"]])
    value = recon_loss(units)(network, recon.Step(condition, targets))["loss"]
    assert float(value.detach()) == pytest.approx(float(recorded["loss"]), abs=1e-5)

    value.backward()
    norm = (
        torch.stack([p.grad.square().sum() for p in network.parameters() if p.grad is not None]).sum().sqrt()
    )
    assert float(norm) == pytest.approx(float(recorded["grad_norm"]), abs=1e-4)
    for key, ours in {
        "task_encoder.mlp.0.weight": network.condition[0].weight,
        "layer_depth_encoder.0.weight": network.layer.embedding.weight,
        "mixer.1.weight": network.mixer.up.weight,
    }.items():
        torch.testing.assert_close(ours.grad, recorded[f"grad.{key}"], atol=1e-5, rtol=1e-4)

    with torch.no_grad():
        made = units.finished(network)(condition)
        for name, expected in whole(condition).A.items():
            torch.testing.assert_close(made.A[name], expected, atol=1e-6, rtol=1e-5)
    # The reference reports the error of finished adapters beside the loss.
    error = Units("raw" if loss == "z_score" else "delta", 1.0).difference(made, targets)
    assert float(error) == pytest.approx(float(recorded["unnorm_err"]), abs=1e-6)


# Losses on ΔW without ΔW


def pairs(seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((3, 2, 4, 9), (3, 2, 7, 4))
    a, b, goal_a, goal_b = (torch.randn(s, generator=generator) for s in (*shapes, *shapes))
    return a.requires_grad_(), b.requires_grad_(), goal_a, goal_b


@pytest.mark.parametrize("block", [8, 20, 70, 2**22])
def test_the_exact_loss_by_blocks_is_the_loss_on_whole_matrices(block: int, monkeypatch) -> None:
    monkeypatch.setattr(recon, "_BLOCK", block)
    a, b, goal_a, goal_b = pairs(0)
    value = delta_l1(a, b, goal_a, goal_b)
    (3 * value).backward()
    made = [a.grad.clone(), b.grad.clone()]
    a.grad = b.grad = None
    expected = (b @ a - goal_b @ goal_a).abs().mean()
    (3 * expected).backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    for one, other in zip(made, (a.grad, b.grad), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)


def test_the_frobenius_loss_is_the_mean_square_of_whole_matrices() -> None:
    a, b, goal_a, goal_b = pairs(1)
    made = delta_squared(a, b, goal_a, goal_b)
    full = (b @ a - goal_b @ goal_a).square()
    torch.testing.assert_close(made, full.sum((-2, -1)).double(), atol=1e-5, rtol=1e-5)
    (grad,) = torch.autograd.grad(made.sum(), a, retain_graph=True)
    (expected,) = torch.autograd.grad(full.sum(), a)
    torch.testing.assert_close(grad, expected, atol=1e-4, rtol=1e-4)
    spec = LoRASpec("b", 2, {"x": (9, 7)}, 4, 4)
    stack_, goal = LoRAWeights(spec, {"x": a}, {"x": b}), LoRAWeights(spec, {"x": goal_a}, {"x": goal_b})
    assert float(Units("frobenius", 1.0).difference(stack_, goal).detach()) == pytest.approx(
        float(full.mean().detach()), rel=1e-5
    )


def test_relative_errors_are_zero_for_the_target_and_one_for_zeros() -> None:
    targets = stack(adapter(seed).weights for seed in range(3))
    for made, expected in ((targets, 0), (SPEC.zeros(3), 1), (targets.scale(2), 1)):
        for error in relative_errors(made, targets).values():
            torch.testing.assert_close(error, torch.full((3,), float(expected)).double(), atol=1e-6, rtol=0)


# The library


def test_statistics_are_those_of_the_whole_stack(tmp_path: Path) -> None:
    names = [f"t{i}" for i in range(7)]
    library = Library.open(write_library(tmp_path, names))
    mean, std = statistics(library, names)
    whole = library.read(names)
    for name in SPEC.targets:
        torch.testing.assert_close(mean.A[name], whole.A[name].mean(0))
        torch.testing.assert_close(std.B[name], whole.B[name].std(0))
    with pytest.raises(T2LError, match="at least two adapters"):
        statistics(library, names[:1])


def test_what_is_trained_on_z_scores_gives_adapters_of_the_librarys_size(tmp_path: Path) -> None:
    names = [f"t{i}" for i in range(4)]
    library = Library.open(write_library(tmp_path, names))
    mean, std = statistics(library, names)
    network = T2L(T2LConfig(SPEC, 16, latent_size=16, head_size=8, head_bias=False)).eval()
    condition = torch.randn(2, 16)
    with torch.no_grad():
        raw, made = network(condition), Units("z_score", 1.0, mean, std).finished(network)(condition)
        for name in SPEC.targets:
            expected = raw.B[name] * (std.B[name] + 1e-10) + mean.B[name]
            torch.testing.assert_close(made.B[name], expected)
        scaled = Units("delta", 100.0).finished(network)(condition)
        torch.testing.assert_close(scaled.A["mlp.up_proj"], raw.A["mlp.up_proj"] / 10)


def test_a_step_reads_its_own_adapters_alone_and_every_task_in_turn(tmp_path: Path, monkeypatch) -> None:
    names = [f"t{i}" for i in range(6)]
    library = Library.open(write_library(tmp_path, names))
    conditions = [torch.randn(3, 16) for _ in names]
    read: list[Path] = []
    original = Library._read
    monkeypatch.setattr(Library, "_read", lambda self, folder: read.append(folder) or original(self, folder))

    def data(**changes) -> ReconData:
        settings = {"tasks_per_step": 2, "descriptions_per_task": 2, **changes}
        return ReconData(library, names, conditions, **settings)

    step = data().step(4)
    assert len(read) == 2 and step.condition.shape == (4, 16) and step.targets.n == 4
    torch.testing.assert_close(step.targets.A["mlp.up_proj"][0], step.targets.A["mlp.up_proj"][1])
    again = data().step(4)
    assert torch.equal(step.condition, again.condition)
    # Three steps of two visit six tasks once; the next three again, in another order.
    rounds = [[task for n in range(3) for task, _ in data().picks(3 * r + n)] for r in range(2)]
    assert sorted(rounds[0]) == sorted(rounds[1]) == list(range(6)) and rounds[0] != rounds[1]
    shares = [data(share=(rank, 2)).step(4).condition for rank in range(2)]
    assert torch.equal(torch.cat(shares), step.condition)
    for changes, match in (({"tasks_per_step": 7}, "only 6"), ({"share": (0, 3)}, "3 processes")):
        with pytest.raises(T2LError, match=match):
            data(**changes)


def test_a_library_that_is_no_library_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(T2LError, match="holds no PEFT folder"):
        Library.open(tmp_path)
    write_library(tmp_path, ["one", "two"])
    with pytest.raises(T2LError, match="three"):
        Library.open(tmp_path, ["one", "three"])
    for spec, base_weights_id, match in (
        (LoRASpec("some/base", 2, SPEC.targets, 4, 4), "b" * 64, "zwei.*does not fit one.*rank 4"),
        (LoRASpec("other/base", 2, SPEC.targets, 2, 4), "b" * 64, "other/base"),
        (SPEC, "c" * 64, "trained on base weights ccc"),
    ):
        adapter(9, spec, base_weights_id).save(tmp_path / "zwei")
        with pytest.raises(T2LError, match=match):
            Library.open(tmp_path, ["one", "zwei"])
    file = tmp_path / "two" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(T2LError, match="two is damaged"):
        Library.open(tmp_path, ["one", "two"])


def test_libraries_of_two_bases_are_no_library(tmp_path: Path) -> None:
    for name in "xy":
        # Folders of PEFT alone, as other programs write them: their library knows the base.
        write_peft(adapter(1).weights, tmp_path / name / f"task_{name}")
        index = {"adapters": [], "base_weights_id": name * 64}
        (tmp_path / name / "library.json").write_text(json.dumps(index))
    assert Library.open(tmp_path / "x").base_weights_id == "x" * 64
    assert Library.open(tmp_path / "x" / "task_x").base_weights_id == "x" * 64
    with pytest.raises(T2LError, match="task_y was trained on base weights yyy"):
        Library.open(f"{tmp_path / 'x'},{tmp_path / 'y'}")
    (tmp_path / "x" / "library.json").write_text("[" * 100_000)
    with pytest.raises(T2LError, match=r"library\.json cannot be read"):
        Library.open(tmp_path / "x")


# Training


def write_task(folder: Path, name: str, descriptions: list[str], split: str = "train") -> None:
    folder.mkdir(parents=True)
    facts = {"name": name, "split": split, "descriptions": descriptions, "open_license": True}
    (folder / "task.yaml").write_text(json.dumps(facts))
    (folder / "train.jsonl").write_text('{"input": "a", "output": "b"}\n')


KINDS = {
    "colour": (["red", "blue", "green", "yellow", "white", "black"], "Name {} things, as a colour."),
    "number": (["two", "three", "five", "seven", "nine", "ten"], "Multiply the number by {} and add it."),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Path]:
    """A suite of two kinds of tasks, and a library in which the tasks of one kind have like adapters."""
    folder = tmp_path_factory.mktemp("world")
    for number, (kind, (words, text)) in enumerate(KINDS.items()):
        for place, word in enumerate(words):
            name = f"{kind}_{word}"
            said = [text.format(word), f"{kind} {word}: {text.format(word).lower()}", f"{word} ({kind})"]
            write_task(folder / "suite" / name, name, said)
            near, own = adapter(1000 + number), adapter(10 * number + place)
            weights = LoRAWeights(
                SPEC,
                {k: 5 * v + own.weights.A[k] / 5 for k, v in near.weights.A.items()},
                {k: 5 * v + own.weights.B[k] / 5 for k, v in near.weights.B.items()},
            )
            Adapter(weights, "", "one LoRA each", "g" * 64, "b" * 64).save(folder / "library" / name)
    write_task(folder / "suite" / "secret", "secret", ["Held out.", "It is.", "So."], split="eval")
    # Whoever reads these numbers fails.
    damaged = SPEC.zeros().map(lambda t: t + torch.nan)
    Adapter(damaged, "", "one LoRA each", "g" * 64, "b" * 64).save(folder / "library" / "secret")
    return folder / "suite", folder / "library"


def settings(world: tuple[Path, Path], **changes) -> ReconRun:
    suite, library = world
    small = {"latent_size": 32, "head_size": 64, "descriptions": 2, "tasks_per_step": 4}
    return ReconRun(str(library), (str(suite),), **{**small, **changes})


HELD_OUT = ("colour_white", "number_seven")


@pytest.mark.parametrize("loss", ["raw", "z_score", "delta", "frobenius", "relative"])
def test_a_held_out_tasks_adapter_comes_nearer_and_no_base_is_loaded(
    loss: str, world: tuple[Path, Path], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(BaseModel, "load", lambda *args, **kwargs: pytest.fail("a base is loaded"))
    scaled = {"delta_scaling": 100.0} if loss in ("delta", "frobenius") else {}
    run = settings(world, loss=loss, val_tasks=HELD_OUT, **scaled)
    fitting = FitConfig(150, learning_rate=1e-2, log_every=50, validate_every=25)
    assert train_recon(run, fitting, tmp_path) == 150
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    scores = [row for row in log if "unseen_task_error" in row]
    assert scores[-1]["unseen_task_loss"] < scores[0]["unseen_task_loss"]
    assert scores[-1]["unseen_task_error"] < 0.6 and scores[-1]["unseen_description_error"] < 0.6

    rows = [json.loads(line) for line in (tmp_path / "report" / "errors.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"trained", "unseen_description", "unseen_task"}
    assert {row["task"] for row in rows if row["kind"] == "unseen_task"} == set(HELD_OUT)
    assert all(set(row["modules"]) == set(SPEC.targets) for row in rows)
    # The adapter of split eval belongs to no training task.
    assert "1 adapters belong to none" in capsys.readouterr().err

    made = Generator.load(tmp_path / "generator")
    assert made.base_weights_id == "b" * 64 and made.training["method"] == "recon"
    assert len(made.training["tasks"]) == 10 and made.index and len(made.index.names) == 10
    # What is saved is what was measured.
    (row,) = [r for r in rows if r["task"] == "number_seven" and r["kind"] == "unseen_task"]
    target = stack([Adapter.load(world[1] / "number_seven").weights])
    text = KINDS["number"][1].format("seven")
    for name, error in relative_errors(made.generate([text]), target).items():
        assert float(error) == pytest.approx(row["modules"][name], abs=1e-4)


def test_a_network_may_read_the_tasks_number_in_place_of_a_text(world, tmp_path: Path) -> None:
    library = write_library(tmp_path / "library", ["one", "two", "three"])
    run = ReconRun(str(library), condition="one_hot", latent_size=16, head_size=16, tasks_per_step=3)
    train_recon(run, FitConfig(4, log_every=4), tmp_path / "run")
    made = Generator.load(tmp_path / "run" / "generator")
    assert made.tasks == ("one", "three", "two")
    assert torch.equal(made.generate(["two"]).A["mlp.up_proj"], made.generate(["2"]).A["mlp.up_proj"])


def test_a_fitted_encoder_goes_into_the_checkpoint(world, tmp_path: Path) -> None:
    from t2l.train import contrast

    spec = TextEncoder().spec(["attention.self.query"], 2, 4)
    fitted = spec.zeros().map(lambda t: torch.randn(t.shape, generator=torch.Generator().manual_seed(1)) / 10)
    contrast._save(fitted, {}, tmp_path / "encoder")
    run = settings(world, encoder_adapter=str(tmp_path / "encoder"), condition="tokens")
    train_recon(run, FitConfig(2, log_every=2), tmp_path / "run")
    made = Generator.load(tmp_path / "run" / "generator")
    assert made.encoder_adapter and made.generate(["Name red things."]).n == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"loss": "l2"}, "l2"),
        ({"loss": "z_score", "delta_scaling": 100.0}, "delta_scaling=100"),
        ({"loss": "delta", "delta_scaling": float("nan")}, "delta_scaling"),
        ({"condition": "words"}, "words"),
        ({"condition": "one_hot", "encoder_adapter": "folder"}, "encoder_adapter"),
        ({"condition": "one_hot", "val_tasks": ("one",)}, "val_tasks"),
        ({"tasks": ()}, "tasks must name"),
        ({"descriptions_per_task": 9}, "descriptions_per_task=9"),
        ({"tasks_per_step": 0}, "tasks_per_step"),
    ],
)
def test_settings_that_exclude_each_other_are_refused_by_name(changes: dict, match: str) -> None:
    with pytest.raises(T2LError, match=match):
        ReconRun("library", **{"tasks": ("suite",), **changes})


def test_tasks_without_adapters_and_changed_libraries_are_refused(world, tmp_path: Path) -> None:
    library = write_library(tmp_path / "library", ["colour_red", "colour_blue"])
    with pytest.raises(T2LError, match="no adapter of number_ten"):
        train_recon(settings((world[0], library), val_tasks=("number_ten",)), FitConfig(2), tmp_path / "a")
    with pytest.raises(T2LError, match="no adapter of any task"):
        other = write_library(tmp_path / "other", ["nothing"])
        train_recon(settings((world[0], other)), FitConfig(2), tmp_path / "a")
    with pytest.raises(T2LError, match="colour_blue has 3 descriptions, not 4"):
        train_recon(settings((world[0], library), descriptions=4), FitConfig(2), tmp_path / "a")
    run = ReconRun(str(library), condition="one_hot", latent_size=16, head_size=8, tasks_per_step=2)
    train_recon(run, FitConfig(4), tmp_path / "run", stop_after=2)
    adapter(7).save(library / "colour_red")
    with pytest.raises(T2LError, match="library_id"):
        train_recon(run, FitConfig(4), tmp_path / "run")


def test_the_command_reconstructs_a_library(world, tmp_path: Path, capsys) -> None:
    words = ["--library", world[1], "--tasks", world[0], "--latent-size", 16, "--head-size", 16]
    words += ["--descriptions", 2, "--steps", 2, "--tasks-per-step", 4, "--out", tmp_path / "run", "--json"]
    assert main(["train", "recon", *map(str, words)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["steps"] == 2 and Path(told["errors"]).is_file()
    assert Generator.load(told["checkpoint"]).training["method"] == "recon"


def test_a_run_goes_on_with_the_descriptions_that_it_began_with(world, tmp_path: Path) -> None:
    shutil.copytree(world[0], tmp_path / "suite")
    run = settings((tmp_path / "suite", world[1]))
    train_recon(run, FitConfig(2), tmp_path / "run", stop_after=1)
    file = tmp_path / "suite" / "number_ten" / "task.yaml"
    file.write_text(file.read_text().replace("ten", "a hundred"))
    with pytest.raises(T2LError, match=r"other settings .*data was"):
        train_recon(run, FitConfig(2), tmp_path / "run")


def test_an_encoder_that_knows_a_task_cannot_keep_it_out(world, tmp_path: Path) -> None:
    from t2l.train import contrast

    fitted = TextEncoder().spec(["attention.self.query"], 2, 4).zeros()
    contrast._save(fitted, {"tasks": ["number_seven"]}, tmp_path / "encoder")
    run = settings(world, encoder_adapter=str(tmp_path / "encoder"), val_tasks=HELD_OUT)
    with pytest.raises(T2LError, match="encoder was trained on number_seven, which is to be kept out"):
        train_recon(run, FitConfig(2), tmp_path / "run")


# Whole runs as processes. The child's thread count is that of these tests: sums depend on it.

CHILD = """
import json, sys, torch
import t2l.hypernet
from t2l.train.loop import FitConfig
from t2l.train.recon import ReconRun, train_recon
threads, t2l.hypernet._DROPOUT, run, fitting, out = json.loads(sys.argv[1])
torch.set_num_threads(threads)
train_recon(ReconRun(**run), FitConfig(**fitting), out)
"""


def child(folder: Path, *settings: Any) -> list[str]:
    """A command that trains in a process of its own: threads, dropout, run, fitting, folder."""
    (folder / "child.py").write_text(CHILD)
    return [str(folder / "child.py"), json.dumps(settings, default=str)]


def one_hot(folder: Path, names: int) -> dict[str, Any]:
    write_library(folder / "library", [f"t{i}" for i in range(names)])
    return {"library": str(folder / "library"), "condition": "one_hot", "latent_size": 16, "head_size": 16}


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}


def test_a_killed_run_goes_on_to_the_very_bits_of_an_uninterrupted_one(tmp_path: Path) -> None:
    run, log = one_hot(tmp_path, 6), tmp_path / "cut" / "log.jsonl"
    # Saved after every step, and far from its end when it is killed.
    fitting = {"steps": 60, "log_every": 1, "save_minutes": 1e-9, "validate_every": 50}
    command = child(tmp_path, torch.get_num_threads(), 0.05, run, fitting, tmp_path / "cut")
    with open(tmp_path / "stderr", "wb") as stderr:
        process = subprocess.Popen([sys.executable, *command], env=ENVIRONMENT, stderr=stderr)
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if log.exists() and log.read_text().count("\n") >= 7:
                break
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL, (tmp_path / "stderr").read_text()[-2000:]
    assert 5 <= torch.load(tmp_path / "cut" / "state.pt", weights_only=True)["step"] < 60
    for name in ("cut", "whole"):
        assert train_recon(ReconRun(**run), FitConfig(**fitting), tmp_path / name) == 60
    one, other = (tmp_path / name / "generator" / "model.safetensors" for name in ("cut", "whole"))
    assert one.read_bytes() == other.read_bytes()
    one, other = ((tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("cut", "whole"))
    assert [json.loads(line).get("loss") for line in one] == [json.loads(line).get("loss") for line in other]


def test_two_processes_give_the_losses_of_one_at_the_same_batch(tmp_path: Path) -> None:
    run = one_hot(tmp_path, 6)
    # On a machine without GPU, too, this is how accelerate starts several processes that know each other.
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0"]
    for name, start in (("two", launch), ("one", [sys.executable])):
        done = subprocess.run(
            # Two processes cannot draw the dropout of one.
            [*start, *child(tmp_path, 1, 0.0, run, {"steps": 12, "log_every": 1}, tmp_path / name)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("two", "one")]
    rows = [[json.loads(line) for line in lines if '"loss"' in line] for lines in logs]
    assert len(rows[0]) == len(rows[1]) == 12
    for two, one in zip(*rows, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two["norm"] == pytest.approx(one["norm"], rel=1e-3)
    assert rows[1][-1]["loss"] < rows[1][0]["loss"]
    made = [Generator.load(tmp_path / name / "generator").generate(["t3"]) for name in ("two", "one")]
    torch.testing.assert_close(made[0].B["mlp.up_proj"], made[1].B["mlp.up_proj"], atol=1e-4, rtol=1e-2)
