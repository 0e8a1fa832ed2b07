"""Drag-and-Drop training: prompts meet states of their own adapter, and nothing is lost when it stops."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from t2l.cli import main
from t2l.dnd import DnD, Grid, importance
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.generator import Condition, Generator
from t2l.lora import LoRASpec, LoRAWeights
from t2l.train.dnd import DnDData, DnDRun, distance, dnd_loss, read_states, train_dnd
from t2l.train.library import write_peft
from t2l.train.loop import FitConfig
from t2l.train.recon import Library

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (16, 16), "mlp.down_proj": (24, 16)}, 2, 4)
# Inputs of two kinds, two tasks of each: which kind it is decides what an adapter looks like.
KINDS = {
    "animals": ["a cat", "two dogs", "the old horse", "a small bird", "my fish", "some sheep"],
    "numbers": ["3 + 4", "17 - 9", "250", "8, 15, 16", "99 / 3", "1024"],
}
TASKS = [f"{kind}_{number}" for kind in KINDS for number in range(4)]
FIT = {"steps": 24, "learning_rate": 0.01, "validate_every": 8, "log_every": 8}
SMALL = {"prompts": 4, "length": 8, "size": 6, "states": 3, "tasks_per_step": 6}


def adapter(kind: str, number: int, step: int) -> LoRAWeights:
    """A start that all share, what its kind adds, a little of its own, and less of every step."""

    def draw(seed: str, size: float) -> LoRAWeights:
        generator = torch.Generator().manual_seed(int.from_bytes(seed.encode()[-6:]))
        return SPEC.zeros().map(lambda t: torch.randn(t.shape, generator=generator) * size)

    parts = [draw("start", 0.05), draw(f"kind {kind}", 0.05), draw(f"{kind} {number}", 0.01)]
    parts.append(draw(f"{kind}{number}{step}", 0.002))
    sides = ({k: torch.stack([getattr(p, s)[k] for p in parts]).sum(0) for k in SPEC.targets} for s in "AB")
    return LoRAWeights(SPEC, *sides)


@pytest.fixture(scope="module", autouse=True)
def _one_encoder() -> Iterator[None]:
    """Loaded once, not for every run; and so little work is done fastest by one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("t2l.train.dnd.TextEncoder", functools.cache(TextEncoder))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dnd")
    for name in TASKS:
        kind, _, number = name.partition("_")
        task = folder / "suite" / name
        task.mkdir(parents=True)
        (task / "task.yaml").write_text(f"name: {name}\ndescriptions: ['Do it.']\n", encoding="utf-8")
        texts = [f"{text} {number}{more}" for text in KINDS[kind] for more in "ab"]
        rows = [json.dumps({"input": text, "output": "x"}) for text in texts]
        (task / "train.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        write_peft(adapter(kind, int(number), 0), folder / "library" / name)
        snapshots = folder / "library" / "snapshots" / name
        snapshots.mkdir(parents=True)
        for step in (1, 2, 3, 4):
            save_file(adapter(kind, int(number), step).to_peft(), snapshots / f"{step:08}.safetensors")
    return folder


def settings(place: Path, **changes) -> DnDRun:
    given = {"library": str(place / "library"), "tasks": (str(place / "suite"),), **SMALL}
    return DnDRun(**{**given, "val_tasks": ("animals_3", "numbers_3"), **changes})


@pytest.fixture(scope="module")
def made(place: Path) -> Path:
    assert train_dnd(settings(place), FitConfig(**FIT), place / "run") == FIT["steps"]
    return place / "run"


def test_the_loss_on_tasks_that_it_never_saw_falls_below_the_mean_adapters(made: Path) -> None:
    rows = [json.loads(line) for line in (made / "log.jsonl").read_text().splitlines()]
    unseen = [row for row in rows if "unseen_tasks_loss" in row]
    assert unseen[-1]["unseen_tasks_loss"] < unseen[0]["unseen_tasks_loss"]
    best = min(unseen, key=lambda row: row["unseen_tasks_loss"])
    assert Generator.load(made / "best").training["steps_done"] == best["step"]
    assert unseen[-1]["unseen_tasks_loss"] < 0.7 * unseen[-1]["unseen_tasks_mean_adapter_loss"]


def test_the_checkpoint_makes_another_adapter_of_other_prompts(made: Path) -> None:
    generator = Generator.load(made / "generator")
    assert generator.reads == "prompts" and generator.training["method"] == "dnd"
    asked = [Condition(prompts=tuple(KINDS[kind])) for kind in KINDS]
    weights = generator.generate(asked)
    for number, kind in enumerate(KINDS):
        own, other = (distance(weights[number], adapter(k, 7, 0)) for k in (kind, *(set(KINDS) - {kind})))
        assert own < other


def test_the_report_says_what_the_adapters_are_near_to(made: Path) -> None:
    rows = [json.loads(line) for line in (made / "report/distances.jsonl").read_text().splitlines()]
    assert [row["trained"] for row in rows] == [True] * 6 + [False] * 2
    for row in rows[-2:]:
        assert row["nearest"].partition("_")[0] == row["task"].partition("_")[0]
        assert row["own"] < row["mean"] and row["spread"] < row["other"]
    one, two = adapter("animals", 0, 0), adapter("numbers", 0, 0)
    deltas = [torch.stack([w.B["mlp.down_proj"] @ w.A["mlp.down_proj"]]) for w in (one, two)]
    rest = [torch.stack([w.B["self_attn.q_proj"] @ w.A["self_attn.q_proj"]]) for w in (one, two)]
    off = ((deltas[0] - deltas[1]).square().sum() + (rest[0] - rest[1]).square().sum()).sqrt()
    size = (deltas[1].square().sum() + rest[1].square().sum()).sqrt()
    assert distance(one, two) == pytest.approx(float(off / size), rel=1e-5)


def test_training_starts_at_the_mean_adapter(place: Path, tmp_path: Path) -> None:
    train_dnd(settings(place), FitConfig(**{**FIT, "learning_rate": 1e-12}), tmp_path, stop_after=1)
    library = Library.open(place / "library", TASKS)
    trained = [name for name in TASKS if not name.endswith("_3")]
    states = [read_states(library, place / "library", name, 3).float().mean(0) for name in trained]
    network = Generator.load(tmp_path / "generator").network
    assert isinstance(network, DnD)
    mean = torch.stack(states).mean(0).nan_to_num()
    torch.testing.assert_close(network.get_buffer("shift"), mean, atol=1e-2, rtol=1e-2)


def test_states_are_evenly_chosen_and_the_last_one_is_among_them(place: Path) -> None:
    library = Library.open(place / "library", TASKS)
    grid = Grid(library.spec)
    for most, steps in ((2, (0, 1, 4)), (4, (0, 1, 2, 3, 4)), (9, (0, 1, 2, 3, 4))):
        states = read_states(library, place / "library", "numbers_1", most)
        expected = torch.stack([grid.encode(adapter("numbers", 1, step)).bfloat16() for step in steps])
        assert torch.equal(states.nan_to_num(), expected.nan_to_num())


def data(**changes) -> DnDData:
    prompts = [torch.full((count, 2, 3), float(task)) for task, count in enumerate((5, 2, 9))]
    for each in prompts:
        each[:, 0, 0] = torch.arange(len(each))
    states = [torch.full((4, 2, 3, 4), float(task)) for task in range(3)]
    given = {"count": 4, "tasks_per_step": 2, **changes}
    return DnDData(["a", "b", "c"], prompts, states, **given)


def test_every_task_is_visited_once_before_any_is_again_with_prompts_of_its_own() -> None:
    visited = [task for number in range(3) for task, *_ in data().picks(number)]
    assert sorted(visited[:3]) == sorted(visited[3:]) == [0, 1, 2]
    for number in range(6):
        for task, texts, state in data().picks(number):
            count = len(data().prompts[task])
            assert len(texts) == 4 and len(set(texts)) == min(4, count) and 0 <= state < 4
        step = data().step(number)
        # What is read and what is asked for belong to one task.
        assert torch.equal(step.condition[:, 0, 1, 0], step.targets[:, 0, 0, 0])
    assert data().picks(1) == data().picks(1) != data(seed=1).picks(1)


def test_processes_share_a_step_without_overlap() -> None:
    whole = data().step(5)
    parts = [data(share=(rank, 2)).step(5) for rank in range(2)]
    assert torch.equal(torch.cat([part.condition for part in parts]), whole.condition)
    with pytest.raises(T2LError, match="cannot be shared by 3 processes"):
        data(share=(0, 3))


def test_noise_is_added_in_training_alone() -> None:
    class Told(torch.nn.Linear):
        def forward(self, condition: torch.Tensor, *, as_tokens: bool) -> torch.Tensor:
            return condition.mean((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 2, 3, 4)

    network, step, weight = Told(1, 1), data().step(0), torch.ones(2)
    exact, noisy = (dnd_loss(weight, *noise) for noise in ((0.0, 0.0), (0.1, 0.1)))
    value = exact(network, step)["loss"]
    assert noisy(network, step)["loss"] != value
    assert noisy(network.eval(), step)["loss"] == value


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    place, made, tmp_path: Path
) -> None:
    for stop in (7, None):
        train_dnd(settings(place), FitConfig(**FIT), tmp_path, stop_after=stop)
    one, other = (load_file(folder / "generator/model.safetensors") for folder in (made, tmp_path))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_command_trains_and_says_where_it_lies(place: Path, tmp_path: Path, capsys) -> None:
    words = ["--library", place / "library", "--tasks", place / "suite", "--prompts", 2, "--length", 8]
    words += ["--stages", "3x4x5,6x4x7", "--steps", 2, "--out", tmp_path / "run", "--json"]
    assert main(["train", "dnd", *map(str, words)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    network = Generator.load(told["checkpoint"]).network
    assert isinstance(network, DnD) and network.config.features[1:3] == ((3, 4, 5), (6, 4, 7))
    assert told["steps"] == 2
    assert Path(told["distances"]).is_file()


def test_inputs_that_look_like_answers_are_prompts_as_others(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "suite", tmp_path / "suite")
    for file in (tmp_path / "suite").glob("*/train.jsonl"):
        rows = [{"input": f"def f{n}(x: int) -> int:\n  return {n}", "output": "x"} for n in range(12)]
        file.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    run = settings(place, tasks=(str(tmp_path / "suite"),))
    assert train_dnd(run, FitConfig(1), tmp_path / "run") == 1
    # What no prompt may hold is named with its task.
    rows[0]["input"] = "a\x00"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    with pytest.raises(T2LError, match=rf"The inputs of {file.parent.name} cannot be prompts: .*U\+0000"):
        train_dnd(run, FitConfig(1), tmp_path / "other")


def test_a_run_goes_on_with_the_inputs_that_it_began_with(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "suite", tmp_path / "suite")
    run = settings(place, tasks=(str(tmp_path / "suite"),))
    train_dnd(run, FitConfig(2), tmp_path / "run", stop_after=1)
    file = tmp_path / "suite" / TASKS[0] / "train.jsonl"
    file.write_text(file.read_text().replace("a cat", "a dog"))
    with pytest.raises(T2LError, match=r"other settings .*data was"):
        train_dnd(run, FitConfig(2), tmp_path / "run")


# What a library may be


@pytest.fixture
def damaged(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place / "library", tmp_path / "library")
    return tmp_path / "library"


def refused(place: Path, library: Path, named: str, **changes) -> str:
    with pytest.raises(T2LError, match=named) as caught:
        train_dnd(settings(place, library=str(library), **changes), FitConfig(**FIT), library.parent / "out")
    return str(caught.value)


def test_a_library_without_snapshots_is_refused(place: Path, damaged: Path) -> None:
    shutil.rmtree(damaged / "snapshots")
    refused(place, damaged, "has no snapshots of animals_0, at least 2 are needed; train it with --snapshots")


def test_snapshots_of_another_rank_are_refused_by_file(place: Path, damaged: Path) -> None:
    file = damaged / "snapshots/numbers_1/00000004.safetensors"
    other = LoRASpec(SPEC.base_model, 2, SPEC.targets, 4, 8)
    save_file(other.zeros().to_peft(), file)
    told = refused(place, damaged, r"has shape \(4, 24\), expected \(2, 24\)|has shape \(4, 16\)")
    assert str(file) in told


def test_nan_in_a_snapshot_is_refused_by_file(place: Path, damaged: Path) -> None:
    file = damaged / "snapshots/numbers_2/00000004.safetensors"
    state = load_file(file)
    next(iter(state.values()))[0, 0] = float("nan")
    save_file(state, file)
    assert str(file) in refused(place, damaged, "holds NaN or infinity")


def test_half_a_snapshot_is_refused_by_file(place: Path, damaged: Path) -> None:
    file = damaged / "snapshots/numbers_2/00000004.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    assert str(file) in refused(place, damaged, "is damaged")


def test_settings_and_tasks_that_cannot_work_are_refused(place: Path, tmp_path: Path) -> None:
    for changes, named in (
        ({"states": 1}, "states must be"),
        ({"pool": 10**6}, "more than the 1024 prompts"),
        ({"target_noise": float("nan")}, "target_noise must be"),
        ({"tasks_per_step": 0}, "tasks_per_step must be"),
        ({"stages": ("64x19",)}, "such as 64x19x128"),
    ):
        with pytest.raises(T2LError, match=named):
            train_dnd(settings(place, **changes), FitConfig(**FIT), tmp_path)
    few = place / "library" / "animals_0"
    refused(place, few, "has adapters of 1 tasks of split train", val_tasks=())


def test_equal_checkpoints_tell_no_importance() -> None:
    same = torch.stack([Grid(SPEC).encode(adapter("animals", 0, 0))] * 3)
    with pytest.raises(T2LError, match="All checkpoints of each task are equal"):
        importance([same])
