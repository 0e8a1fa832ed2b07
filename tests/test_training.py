"""Packing, loss, the loop: equal numbers however the work is cut, and nothing lost when it stops."""

from __future__ import annotations

import json
import random
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from paths import REPO
from torch import nn

from t2l.attach import FreeLoRA, attached, spec_for
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.tasks import Task, read_suite
from t2l.train import loop
from t2l.train.contrast import ContrastRun, load_encoder_adapter, train_encoder
from t2l.train.loop import FitConfig, fit
from t2l.train.sft import (
    SFTConfig,
    SFTData,
    _begin_from,
    answer_losses,
    blur,
    pack,
    reserved,
    stack_conditions,
)

TARGETS = ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]


class TinyBase:
    """What the loss needs of a base: a model, its device and type."""

    def __init__(self, model) -> None:
        self.model, self.device, self.dtype = model, torch.device("cpu"), torch.float32


def examples() -> list[list[tuple[list[int], list[int]]]]:
    start = [5, 6, 7, 8]
    return [
        [
            ([*start, 9, 10, 2], [11, 12, 1]),
            ([*start, 13, 2], [14, 1]),
            ([*start, 9, 15, 16, 2], [17, 18, 19, 1]),
        ],
        [([*start, 20, 2], [21, 22, 1])],
    ]


def test_packed_examples_give_the_losses_and_gradients_of_separate_ones(tiny) -> None:
    base, rows = TinyBase(tiny), examples()

    def network() -> FreeLoRA:
        torch.manual_seed(1)
        made = FreeLoRA(spec_for(tiny, "some/base", TARGETS, 4, 8), 2)
        for parameter in made.B:
            nn.init.normal_(parameter, std=0.1)
        return made

    packed = network()
    with attached(tiny, packed(torch.arange(2))):
        losses, share = answer_losses(tiny, pack(rows).to(base))
        total = (losses * share).sum()
        total.backward()

    separate = network()
    expected = 0.0
    for task, row in enumerate(rows):
        for prompt, answer in row:
            with attached(tiny, separate(torch.tensor([task]))):
                logits = tiny(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
                loss = nn.functional.cross_entropy(logits, torch.tensor(answer)) / len(row) / len(rows)
                loss.backward()
            expected += float(loss.detach())
    assert float(total.detach()) == pytest.approx(expected, abs=1e-6)
    for one, other in zip(packed.parameters(), separate.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_packing_shares_the_common_start_once() -> None:
    rows = pack(examples())
    # 4 shared, then 3+3, 2+2, 4+4 of the first task's examples.
    assert rows.ids.shape == (2, 4 + 6 + 4 + 8)
    assert rows.weights.sum() == pytest.approx(1)
    assert rows.positions[0, 4] == 4 and rows.positions[0, 10] == 4


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(read_suite(REPO / "data" / "suite", split="train").values())[:6]


def data(base, tasks: list[Task], share: tuple[int, int] = (0, 1), **changes) -> SFTData:
    conditions = torch.randn(len(tasks), 3, 16, generator=torch.Generator().manual_seed(0))
    config = SFTConfig(**{"tasks_per_step": 4, "tokens_per_row": 80, **changes})
    return SFTData(base, tasks, conditions, config, share=share)


def test_a_step_follows_from_its_number_alone(base, tasks) -> None:
    for noise in (0.0, 0.3):
        one, other = (data(base, tasks, condition_noise=noise) for _ in range(2))
        other.step(2)
        first, again, next_ = one.step(5), other.step(5), other.step(6)
        assert torch.equal(first.rows.ids, again.rows.ids) and torch.equal(first.condition, again.condition)
        assert not torch.equal(first.condition, next_.condition)


def test_noise_blurs_the_condition_and_keeps_its_length(base, tasks) -> None:
    plain, blurred = data(base, tasks).step(5), data(base, tasks, condition_noise=0.3).step(5)
    assert torch.equal(plain.rows.ids, blurred.rows.ids)
    torch.testing.assert_close(plain.condition.norm(dim=-1), blurred.condition.norm(dim=-1))
    assert not torch.allclose(plain.condition, blurred.condition, atol=0.1)


def test_tokens_are_blurred_without_padding_and_the_same_for_the_same_draw() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(5, 16, generator=generator) for _ in range(2))
    one[4:] = 0
    made = [blur(one, other, 0.5, random.Random(seed)) for seed in range(40)]
    # Four tokens of one description, or nine of both, of which some are left out.
    assert {len(tokens) for tokens in made} >= {4, 9} and all(1 <= len(tokens) <= 9 for tokens in made)
    assert all(tokens.any(-1).all() for tokens in made)
    assert torch.equal(made[3], blur(one, other, 0.5, random.Random(3)))
    kept = blur(one, one, 0.0, random.Random(1))
    assert all(any(torch.equal(token, known) for known in one) for token in kept)


def test_conditions_of_any_kind_become_one_tensor() -> None:
    tokens = [torch.ones(2, 3), torch.cat([torch.ones(1, 3), torch.zeros(4, 3)])]
    assert stack_conditions(tokens).tolist() == [[[1] * 3, [1] * 3], [[1] * 3, [0] * 3]]
    assert stack_conditions([torch.ones(3), torch.zeros(3)]).shape == (2, 3)
    assert stack_conditions([torch.tensor(4), torch.tensor(2)]).tolist() == [4, 2]


def test_a_large_family_is_drawn_less_often_than_its_number_of_tasks(base, tasks) -> None:
    family = [replace(task, family="one") for task in tasks[:4]]
    made = data(base, [*family, *tasks[4:]], tasks_per_step=1)
    conditions = {float(c[d, 0]): task for task, c in enumerate(made.conditions) for d in range(3)}
    drawn = [conditions[float(made.rows(number)[1][0, 0])] for number in range(600)]
    share = sum(task < 4 for task in drawn) / len(drawn)
    # 4 tasks of weight 1/2 against 2 of weight 1.
    assert share == pytest.approx(0.5, abs=0.07)


def test_the_encoder_learns_which_descriptions_mean_one_task(tmp_path: Path) -> None:
    names = ["snake_case", "camel_case", "double_number", "extract_email", "last_word", "max_number"]
    for name in names:
        shutil.copytree(REPO / "data" / "suite" / name, tmp_path / "suite" / name)
    run = ContrastRun((str(tmp_path / "suite"),), tasks_per_step=4, rank=4, alpha=8)
    out = tmp_path / "run"
    assert train_encoder(run, FitConfig(12, learning_rate=2e-3, log_every=4, validate_every=12), out) == 12
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[2]["loss"] < log[0]["loss"] and log[-1]["seen_nearest"] > 0.5
    adapter = load_encoder_adapter(out / "encoder")
    texts = ["Convert to snake_case.", "Write with underscores."]
    plain, fitted = TextEncoder().encode(texts), TextEncoder(adapter=adapter)
    assert not torch.allclose(plain, fitted.encode(texts), atol=1e-3)
    assert fitted.id != TextEncoder().id
    # What is merged is what was trained.
    encoder = TextEncoder()
    with torch.no_grad(), encoder.attached(adapter):
        torch.testing.assert_close(encoder.encode(texts), fitted.encode(texts), atol=1e-4, rtol=0)


def test_an_encoder_adapter_that_cannot_serve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(T2LError, match="holds no encoder adapter"):
        load_encoder_adapter(tmp_path)
    other = LoRASpec("some/encoder", 6, {"output.dense": (1536, 384)}, 2, 2).zeros()
    with pytest.raises(T2LError, match="for the encoder some/encoder"):
        TextEncoder(adapter=other)
    for changes in ({"descriptions": 1}, {"tasks_per_step": 2}, {"temperature": 0}):
        with pytest.raises(T2LError):
            ContrastRun(("suite",), **changes)


def test_training_begins_from_a_checkpoint_of_the_same_form(tmp_path: Path) -> None:
    spec = LoRASpec("some/base", 2, {"mlp.up_proj": (8, 8)}, 2, 2)
    torch.manual_seed(3)
    pooled = T2L(T2LConfig(spec, 16, latent_size=16, head_size=8, shift="element"))
    Generator(pooled).save(tmp_path / "start", dtype=torch.float32)
    settings = {"latent_size": 16, "head_size": 8, "shift": "element"}
    begun = T2L(T2LConfig(spec, 16, condition="tokens", **settings))
    _begin_from(begun, str(tmp_path / "start"))
    token = torch.randn(1, 1, 16)
    made, expected = begun.eval()(token), pooled.eval()(token[:, 0] / token.norm() * 4)
    # A new reader says nothing yet, so one token alone is its own mean.
    torch.testing.assert_close(made.B["mlp.up_proj"], expected.B["mlp.up_proj"])
    with pytest.raises(T2LError, match="another form"):
        _begin_from(T2L(T2LConfig(spec, 16, "s", **settings)), str(tmp_path / "start"))


def test_two_processes_share_the_batch_of_one(base, tasks) -> None:
    whole, _ = data(base, tasks, condition_noise=0.3).rows(7)
    parts = [data(base, tasks, share=(rank, 2), condition_noise=0.3).rows(7)[0] for rank in range(2)]
    assert [whole[0], whole[2]] == parts[0] and [whole[1], whole[3]] == parts[1]
    with pytest.raises(T2LError, match="3 processes"):
        data(base, tasks, share=(0, 3))


def test_rows_keep_their_budgets_and_never_read_what_is_reserved(base, tasks) -> None:
    made = data(base, tasks, tokens_per_row=90, examples_per_task=3)
    for number in range(20):
        step = made.step(number)
        assert step.rows.ids.shape[1] <= 90 and 4 <= step.examples <= 12
    for task, index in made._tokens:
        assert index < len(tasks[task].train) - reserved(tasks[task])


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.dropout(x) * self.weight).sum(-1)


def sample(step: int) -> torch.Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(step))


def loss(network: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"loss": (network(batch) - batch.sum(-1)).square().mean(), "tokens": torch.tensor(24.0)}


def run(
    folder: Path, steps: int = 40, stop_after: int | None = None, **changes
) -> tuple[torch.Tensor, list[dict]]:
    network = Line()
    config = FitConfig(steps, **{"learning_rate": 0.05, "log_every": 5, **changes})
    fit(network, sample, loss, folder, config, stop_after=stop_after)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return network.weight.detach(), log


def test_a_resumed_run_gives_the_numbers_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, log = run(tmp_path / "whole")
    run(tmp_path / "cut", stop_after=17)
    resumed, cut_log = run(tmp_path / "cut")
    assert torch.equal(whole, resumed) and whole.abs().sum() > 1
    by_step = {row["step"]: row["loss"] for row in cut_log}
    assert all(by_step[row["step"]] == row["loss"] for row in log if row["step"] > 20)
    assert len(by_step) == len(cut_log)


def test_interrupt_ends_the_step_saves_and_resumes(tmp_path: Path) -> None:
    seen = []

    def interrupting(step: int) -> torch.Tensor:
        seen.append(step)
        if len(seen) == 7:
            signal.raise_signal(signal.SIGINT)
        return sample(step)

    assert threading.current_thread() is threading.main_thread()
    network = Line()
    with pytest.raises(KeyboardInterrupt, match="again to continue"):
        fit(network, interrupting, loss, tmp_path, FitConfig(40, learning_rate=0.05, log_every=5))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 7
    resumed, _ = run(tmp_path)
    assert torch.equal(resumed, run(tmp_path / "whole")[0])


def test_a_full_disk_keeps_the_earlier_checkpoint_and_says_so(tmp_path: Path, monkeypatch) -> None:
    run(tmp_path, stop_after=10)
    before = (tmp_path / "state.pt").read_bytes()

    def full(*args, **kwargs) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop.torch, "save", full)
    with pytest.raises(T2LError, match="No space left"):
        run(tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.jsonl", "run.json", "state.pt"]


def test_a_damaged_state_and_changed_settings_are_refused(tmp_path: Path) -> None:
    run(tmp_path, stop_after=10)
    with pytest.raises(T2LError, match="other settings"):
        run(tmp_path, clip=2.0)
    state = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(state[: len(state) // 2])
    with pytest.raises(T2LError, match="damaged"):
        run(tmp_path)


def test_a_diverged_loss_stops_with_the_remedy(tmp_path: Path) -> None:
    def diverging(network: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": network(batch).sum() * torch.nan}

    with pytest.raises(T2LError, match="lower learning rate"):
        fit(Line(), sample, diverging, tmp_path, FitConfig(20))


def test_the_rate_rises_and_falls_to_zero() -> None:
    config = FitConfig(100, learning_rate=1.0, warmup=0.1)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1 and max(rates) == 1
    assert rates[9:] == sorted(rates[9:], reverse=True) and rates[-1] < 0.001


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"learning_rate": -1.0}, {"warmup": 2.0}, {"clip": float("inf")}]
)
def test_settings_that_cannot_work_are_refused(changes: dict) -> None:
    with pytest.raises(T2LError):
        FitConfig(**{"steps": 10, **changes})
