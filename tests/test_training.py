"""Packing, loss, the loop: equal numbers however the work is cut, and nothing lost when it stops."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_base
import torch
from paths import REPO
from torch import nn

from t2l.adapter import Adapter
from t2l.attach import FreeLoRA, attached, spec_for
from t2l.base import DEFAULT_BASE, BaseModel
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.tasks import Example, Task, read_suite
from t2l.train import int8, loop
from t2l.train.contrast import ContrastRun, learned, load_encoder_adapter, train_encoder
from t2l.train.loop import FitConfig, fit
from t2l.train.sft import (
    SFTConfig,
    SFTData,
    SFTRun,
    Step,
    Turns,
    _longest,
    answer_losses,
    begin_from,
    blur,
    checkpoint_layers,
    cut,
    entry_losses,
    first_ones,
    pack,
    prepare,
    reserved,
    sft_loss,
    stack_conditions,
    tokenise,
    train_sft,
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


def test_turns_give_the_losses_of_the_whole_conversation(tiny) -> None:
    base, separate = TinyBase(tiny), examples()[0]
    # What every prompt but the first adds.
    row = Turns([separate[0], *((prompt[4:], answer) for prompt, answer in separate[1:])])
    losses, share = answer_losses(tiny, pack([row, examples()[1]]).to(base))
    ids = [token for prompt, answer in row for token in prompt + answer]
    logits, at, expected = tiny(torch.tensor([ids])).logits[0], 0, 0.0
    for prompt, answer in row:
        at += len(prompt)
        target = torch.tensor(answer)
        expected += float(nn.functional.cross_entropy(logits[at - 1 : at - 1 + len(answer)], target)) / 3 / 2
        at += len(answer)
    of_row = sum(len(answer) for _, answer in row)
    assert float((losses * share)[:of_row].sum()) == pytest.approx(expected, abs=1e-6)
    assert float(share.sum()) == pytest.approx(1)


def test_packing_shares_the_common_start_once() -> None:
    rows = pack(examples())
    # 4 shared, then 3+3, 2+2, 4+4 of the first task's examples.
    assert rows.ids.shape == (2, 4 + 6 + 4 + 8)
    assert rows.weights.sum() == pytest.approx(1)
    assert rows.positions[0, 4] == 4 and rows.positions[0, 10] == 4


def test_validation_on_long_examples_asks_short_rows_and_gives_the_same_mean(tiny, monkeypatch) -> None:
    from t2l.train import sft

    base, network, lengths = TinyBase(tiny), free(tiny), []
    numbers = torch.arange(2).unsqueeze(1).unbind()
    long = [([3 + n, *[5 + n % 3] * 300, 2], [11, 12 + n, 1]) for n in range(7)]
    entries = [(numbers[0].squeeze(), long), (numbers[1].squeeze(), examples()[0])]
    alone = [[float(entry_losses(base, network, [(c, [one])])) for one in part] for c, part in entries]
    monkeypatch.setattr(sft, "pack", lambda rows: lengths.append(made := pack(rows)) or made)
    found = entry_losses(base, network, entries)
    for mean, each in zip(found.tolist(), alone, strict=True):
        assert mean == pytest.approx(sum(each) / len(each), abs=1e-5)
    assert lengths and max(rows.ids.shape[1] for rows in lengths) <= 1024


def free(tiny, n: int = 2) -> FreeLoRA:
    made = FreeLoRA(spec_for(tiny, "some/base", TARGETS, 4, 8), n)
    generator = torch.Generator().manual_seed(1)
    for parameter in made.B:
        nn.init.normal_(parameter, std=0.1, generator=generator)
    return made


def gradients(network: nn.Module, loss, steps: list[Step], held: ExitStack | None = None) -> tuple:
    torch.manual_seed(0)
    network.zero_grad()
    total = 0.0
    for step in steps:
        with held or ExitStack():
            value = loss(network, step)["loss"]
            value.backward()
        total += float(value.detach())
    return total, [p.grad.clone() for p in network.parameters()]


def test_a_step_in_several_passes_gives_the_loss_and_gradients_of_one(tiny) -> None:
    three = [*examples(), examples()[0][:2]]
    step = Step(pack(three), torch.arange(3), 6, ("a", "b", "c"))
    network, loss = free(tiny, 3), sft_loss(TinyBase(tiny), SFTConfig(l2=0.1))
    value, whole = gradients(network, loss, [step])
    for n in (2, 3, 8):
        pieces = cut(step, n)
        assert len(pieces) == min(n, 3) and sum(piece.examples for piece in pieces) == pytest.approx(6)
        assert sorted(name for piece in pieces for name in piece.tasks) == ["a", "b", "c"]
        added, parts = gradients(network, loss, pieces)
        assert added == pytest.approx(value, abs=1e-6)
        for one, other in zip(whole, parts, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    # No longer than its own rows need.
    assert cut(step, 3)[1].rows.ids.shape[1] == len(three[1][0][0]) + len(three[1][0][1])


def test_rows_of_one_adapter_give_the_gradients_of_copies(tiny) -> None:
    one, two = free(tiny, 1), free(tiny, 2)
    with torch.no_grad():
        for mine, theirs in zip(two.parameters(), one.parameters(), strict=True):
            mine.copy_(theirs.expand_as(mine))
    loss, rows = sft_loss(TinyBase(tiny), SFTConfig(l2=0)), pack(examples())
    value, shared = gradients(one, loss, [Step(rows, torch.zeros(2, dtype=torch.long), 4)])
    expected, apart = gradients(two, loss, [Step(rows, torch.arange(2), 4)])
    assert value == pytest.approx(expected, abs=1e-6)
    for mine, theirs in zip(shared, apart, strict=True):
        torch.testing.assert_close(mine[0], theirs.sum(0), atol=1e-6, rtol=1e-4)


def test_checkpointed_layers_give_equal_gradients_with_dropout_and_noise(tiny) -> None:
    held, step = ExitStack(), Step(pack(examples()), torch.arange(2), 4)
    config = SFTConfig(lora_dropout=0.3, neftune=5)
    value, plain = gradients(free(tiny), sft_loss(TinyBase(tiny), config, held=held), [step], held)
    assert gradients(free(tiny), sft_loss(TinyBase(tiny), SFTConfig()), [step])[0] != value
    checkpoint_layers(tiny)
    again, recomputed = gradients(free(tiny), sft_loss(TinyBase(tiny), config, held=held), [step], held)
    assert again == value
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)
    assert not tiny.model.layers[0].self_attn.training
    assert not any(layer.self_attn.q_proj._forward_hooks for layer in tiny.model.layers)


def test_noise_on_embeddings_keeps_its_bound_and_leaves_padding_alone(tiny) -> None:
    rows, seen = pack(examples()), []
    handle = tiny.model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    torch.manual_seed(0)
    answer_losses(tiny, rows)
    answer_losses(tiny, rows, neftune=5.0)
    handle.remove()
    noise, real = (seen[1] - seen[0]).abs(), rows.real()
    assert rows.real().sum(1).tolist() == [22, 9] and not noise[~real].any()
    for row in range(2):
        bound = 5 / (int(real[row].sum()) * 32) ** 0.5
        assert 0.9 * bound < float(noise[row].max()) <= bound * 1.0001


def test_dropout_of_the_adapters_input_acts_in_training_alone(tiny) -> None:
    weights, linear = free(tiny)(torch.arange(2)), tiny.model.layers[0].self_attn.q_proj
    x = torch.randn(2, 1, 32).expand(-1, 4000, -1)
    torch.manual_seed(0)
    with torch.no_grad(), attached(tiny, weights):
        expected = linear(x)
    with torch.no_grad(), attached(tiny, weights, dropout=0.5):
        assert torch.equal(linear(x), expected)
    with attached(tiny, weights, dropout=0.5):
        drawn = linear(x).detach()
    assert not torch.allclose(drawn, expected, atol=1e-2)
    # What is left is scaled up, so the mean stays; the base's own input is whole.
    torch.testing.assert_close(drawn.mean(1), expected.mean(1), atol=float(drawn.std(1).max()) / 10, rtol=0)
    with attached(tiny, weights.scale(0), dropout=0.5):
        torch.testing.assert_close(linear(x), torch.nn.functional.linear(x, linear.weight))


def test_training_begins_at_the_adapter_given_as_offset(tiny) -> None:
    offset = free(tiny, 1)(torch.tensor([0]))[0].map(torch.detach)
    config = T2LConfig(offset.spec, 16, latent_size=16, head_size=8, shift="element", scale="scalar")
    network = T2L(config).initialise("zero").eval()
    network.begin_at(offset)
    made = network(torch.randn(3, 16))
    for name in TARGETS:
        for row in range(3):
            assert torch.equal(made.A[name][row], offset.A[name])
            assert torch.equal(made.B[name][row], offset.B[name])
    with pytest.raises(T2LError, match="rank"):
        network.begin_at(LoRASpec("some/base", 2, offset.spec.targets, 2, 4).zeros())
    with pytest.raises(T2LError, match="one of them"):
        SFTRun(("suite",), init="a", offset="b")


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


def test_some_rows_say_the_task_in_the_words_that_their_adapter_is_made_from(base, tasks) -> None:
    plain, some, every = (data(base, tasks, described=share) for share in (0.0, 0.5, 1.0))
    said = {0.0: 0, 0.5: 0, 1.0: 0}
    for number in range(8):
        for made in (plain, some, every):
            rows, conditions = made.rows(number)
            for row, condition in zip(rows, conditions, strict=True):
                found = [(c == condition).all(-1).nonzero() for c in made.conditions]
                task = next(i for i, at in enumerate(found) if len(at))
                description = tasks[task].descriptions[int(found[task])]
                texts = [base.tokenizer.decode(prompt) for prompt, _ in row]
                assert len({f"system\n{description}<" in text for text in texts}) == 1
                said[made.config.described] += f"system\n{description}<" in texts[0]
    assert said[0.0] == 0 and said[1.0] == 32 and 8 <= said[0.5] <= 24
    with pytest.raises(T2LError, match="described must be a number from 0 to 1"):
        SFTConfig(described=1.5)


def test_a_row_may_be_a_conversation_about_the_same_examples(base, tasks) -> None:
    plain, every = data(base, tasks, described=0.5), data(base, tasks, described=0.5, turns=1.0)
    for number in range(4):
        for apart, joined in zip(plain.rows(number)[0], every.rows(number)[0], strict=True):
            assert isinstance(joined, Turns) and not isinstance(apart, Turns)
            assert joined[0] == apart[0]
            assert [answer for _, answer in joined] == [answer for _, answer in apart]


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
    # Another run begins there, with further wordings, and hardly moves at a rate of almost nothing.
    (tmp_path / "more.yaml").write_text("last_word: [Only the final word, Take the word at the end.]\n")
    more = {"paraphrases": str(tmp_path / "more.yaml"), "family_power": 1.0}
    further = replace(run, init=str(out / "encoder"), **more)
    train_encoder(further, FitConfig(1, learning_rate=1e-7), tmp_path / "further")
    again = TextEncoder(adapter=load_encoder_adapter(tmp_path / "further" / "encoder"))
    torch.testing.assert_close(again.encode(texts), fitted.encode(texts), atol=1e-3, rtol=0)
    # What it knows is nothing to choose by, for a run that begins there or takes it.
    assert learned(out / "encoder") == learned(tmp_path / "further" / "encoder") == sorted(names)
    with pytest.raises(T2LError, match="encoder was trained on last_word, which is to be kept out"):
        train_encoder(replace(further, val_tasks=("last_word",)), FitConfig(1), tmp_path / "other")
    with pytest.raises(T2LError, match="The adapter to begin from has the form"):
        train_encoder(replace(further, rank=2), FitConfig(1), tmp_path / "other")
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
    for changes in ({"descriptions": 1}, {"tasks_per_step": 2}, {"temperature": 0}, {"family_power": 2}):
        with pytest.raises(T2LError):
            ContrastRun(("suite",), **changes)


def test_training_begins_from_a_checkpoint_of_the_same_form(tmp_path: Path) -> None:
    spec = LoRASpec("some/base", 2, {"mlp.up_proj": (8, 8)}, 2, 2)
    torch.manual_seed(3)
    pooled = T2L(T2LConfig(spec, 16, latent_size=16, head_size=8, shift="element"))
    Generator(pooled).save(tmp_path / "start", dtype=torch.float32)
    settings = {"latent_size": 16, "head_size": 8, "shift": "element"}
    begun = T2L(T2LConfig(spec, 16, condition="tokens", **settings))
    begin_from(begun, Generator.load(tmp_path / "start").network)
    token = torch.randn(1, 1, 16)
    made, expected = begun.eval()(token), pooled.eval()(token[:, 0] / token.norm() * 4)
    # A new reader says nothing yet, so one token alone is its own mean.
    torch.testing.assert_close(made.B["mlp.up_proj"], expected.B["mlp.up_proj"])
    with pytest.raises(T2LError, match="another form"):
        begin_from(T2L(T2LConfig(spec, 16, "s", **settings)), pooled)
    # Two modules of one shape: only the order of the targets tells whose head is whose.
    both = {"mlp.up_proj": (8, 8), "self_attn.q_proj": (8, 8)}
    one, other = (replace(spec, targets=dict(order)) for order in (both.items(), reversed(both.items())))
    with pytest.raises(T2LError, match="the targets in the same order"):
        begin_from(T2L(T2LConfig(one, 16, **settings)), T2L(T2LConfig(other, 16, **settings)))
    with pytest.raises(T2LError, match="same variant, sizes, rank and alpha"):
        begin_from(T2L(T2LConfig(replace(spec, alpha=4), 16, **settings)), pooled)


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
    for task, index, _ in made._tokens:
        assert index < len(tasks[task].train) - reserved(tasks[task])


def test_an_example_that_is_too_long_is_refused_before_training_starts(base, tasks) -> None:
    long = replace(tasks[0], train=(*tasks[0].train, Example("word " * 300, "x")))
    named = f"Example {len(long.train)} of task {long.name} has .* more than max_tokens=256"
    with pytest.raises(T2LError, match=named):
        data(base, [*tasks[1:], long], max_tokens=256)
    assert not data(base, tasks, max_tokens=256)._tokens


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


def test_saving_and_validating_between_two_lines_of_the_log_change_none_of_its_means(tmp_path: Path) -> None:
    _, calm = run(tmp_path / "calm", steps=10)
    _, saved = run(tmp_path / "saved", steps=10, save_minutes=1e-9)
    assert [row["loss"] for row in saved] == [row["loss"] for row in calm]
    # Their time is not that of the steps.
    fit(
        Line(), sample, loss, tmp_path / "slow", FitConfig(10, 0.05, log_every=5, validate_every=3),
        validate=lambda network: time.sleep(0.5) or {"seen_loss": 1.0},
    )  # fmt: skip
    log = [json.loads(line) for line in (tmp_path / "slow" / "log.jsonl").read_text().splitlines()]
    trained = [row for row in log if "loss" in row]
    assert [row["loss"] for row in trained] == [row["loss"] for row in calm]
    assert len(log) > len(trained) and all(row["seconds"] < 0.5 for row in trained)


def test_a_run_whose_state_is_shared_out_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch) -> None:
    whole, _ = run(tmp_path / "whole")
    # One process alone, by the road of several that hold a part each.
    monkeypatch.setattr(loop, "is_sharded", lambda accelerator: True)
    exported = []
    network, config = Line(), FitConfig(40, learning_rate=0.05, log_every=5)

    def export(network: nn.Module, step: int) -> None:
        exported.append((step, network.weight.detach().clone()))

    fit(network, sample, loss, tmp_path / "cut", config, export=export, stop_after=17)
    assert not (tmp_path / "cut" / "state.pt").exists()
    with pytest.raises(T2LError, match=r"fit.clip was 1\.0, now 2\.0"):
        run(tmp_path / "cut", clip=2.0)
    # Of two kinds of state neither begins the other's run anew.
    monkeypatch.setattr(loop, "is_sharded", lambda accelerator: False)
    with pytest.raises(T2LError, match="holds a run whose state was shared out"):
        run(tmp_path / "cut")
    monkeypatch.setattr(loop, "is_sharded", lambda accelerator: True)
    with pytest.raises(T2LError, match="holds a run whose state was not shared out"):
        run(tmp_path / "whole")
    resumed, _ = run(tmp_path / "cut")
    assert torch.equal(whole, resumed)
    assert exported[0][0] == 17 and exported[0][1].abs().sum() > 0.1


def test_what_training_has_made_is_there_before_the_last_validation(tmp_path: Path) -> None:
    exported = []

    def killed(network: nn.Module) -> dict[str, float]:
        raise SystemExit(137)

    config = FitConfig(12, learning_rate=0.05, validate_every=100)
    with pytest.raises(SystemExit):
        fit(
            Line(),
            sample,
            loss,
            tmp_path,
            config,
            validate=killed,
            export=lambda network, step: exported.append(step),
        )
    assert exported == [12]


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


def test_changed_settings_are_listed_and_new_ones_count_as_their_default(tmp_path: Path) -> None:
    run(tmp_path, stop_after=10)
    with pytest.raises(T2LError, match=r"\(fit.clip was 1\.0, now 2\.0; fit.seed was 0, now 1\)"):
        run(tmp_path, clip=2.0, seed=1)
    # As an older version wrote it, which knew neither.
    begun = json.loads((tmp_path / "run.json").read_text())
    del begun["fit"]["track"], begun["fit"]["log_every"]
    (tmp_path / "run.json").write_text(json.dumps(begun))
    with pytest.raises(T2LError, match=r"\(fit.log_every was 10, now 5\)"):
        run(tmp_path)
    run(tmp_path, log_every=10)
    known = {"sft": {"l2": 0.1}}
    network, config = Line(), FitConfig(40, learning_rate=0.05)
    fit(network, sample, loss, tmp_path, config, run={"sft": {"l2": 0.1}}, known=known)
    with pytest.raises(T2LError, match=r"sft\.l2 was 0\.1, now 0\.2"):
        fit(network, sample, loss, tmp_path, config, run={"sft": {"l2": 0.2}}, known=known)


class Named(list):
    """A batch that knows its tasks."""

    tasks = ("copy", "twice")


def test_a_diverged_loss_names_step_and_tasks_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    def diverging(network: nn.Module, batch: Named) -> dict[str, torch.Tensor]:
        values = loss(network, batch[0])
        return values if batch[1] != 6 else {**values, "loss": values["loss"] * torch.nan}

    def named(step: int) -> Named:
        return Named([sample(step), step])

    config = FitConfig(20, save_minutes=1e-6, learning_rate=0.05)
    with pytest.raises(T2LError, match=r"nan.* in step 7, tasks copy, twice; .*lower learning rate"):
        fit(Line(), named, diverging, tmp_path, config)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 6 and torch.isfinite(state["network"]["weight"]).all()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("x: can't allocate memory: y")]
)
def test_too_little_memory_is_answered_with_the_batch_that_fits(tmp_path: Path, error: Exception) -> None:
    def greedy(network: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        if len(batch) > 2:
            raise error
        return loss(network, batch)

    def chunks(batch: torch.Tensor, n: int) -> list[torch.Tensor]:
        return list(batch.chunk(n))

    with pytest.raises(T2LError, match=r"Step 1 does not fit .* in 4 passes: give accumulate=4"):
        fit(Line(), sample, greedy, tmp_path, FitConfig(20), cut=chunks)
    with pytest.raises(T2LError, match="smaller batch"):
        fit(Line(), sample, greedy, tmp_path, FitConfig(20))
    assert fit(Line(), sample, greedy, tmp_path, FitConfig(2), cut=chunks, accumulate=4) == 2
    with pytest.raises(RuntimeError, match="another fault"):
        fit(
            Line(),
            sample,
            lambda *_: (_ for _ in ()).throw(RuntimeError("another fault")),
            tmp_path / "o",
            FitConfig(2),
        )


def test_a_tracker_that_is_not_installed_is_refused_by_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop.importlib.util, "find_spec", lambda name: None)
    for name in ("tensorboard", "trackio", "wandb"):
        with pytest.raises(T2LError, match=f"pip install {name}"):
            run(tmp_path, track=name)
    with pytest.raises(T2LError, match="choose tensorboard, trackio, wandb"):
        FitConfig(1, track="mlflow")


def test_a_base_in_four_bits_is_refused_where_it_cannot_run(monkeypatch) -> None:
    monkeypatch.setattr(loop.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(T2LError, match="pip install bitsandbytes"):
        BaseModel.load("some/base", dtype="4bit", device="cpu")
    monkeypatch.setattr(loop.importlib.util, "find_spec", lambda name: True)
    with pytest.raises(T2LError, match="4bit needs a GPU"):
        BaseModel.load("some/base", dtype="4bit", device="cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_base.write_base(folder / "base")
    tiny_base.write_suite(folder / "suite")
    return folder


def sft_on(place: Path, out: Path, fitting: dict | None = None, sft: dict | None = None, **changes) -> int:
    settings = {"base": str(place / "base"), "targets": tiny_base.TARGETS, "rank": 4, "alpha": 8}
    settings |= {"latent_size": 16, "head_size": 8, "descriptions": 1, "dtype": "float32", **changes}
    config = {"steps": 8, "learning_rate": 0.02, "log_every": 2, "validate_every": 2, **(fitting or {})}
    step = SFTConfig(**{"tasks_per_step": 4, **(sft or {})})
    settings = {"tasks": (str(place / "suite"),), **settings}
    return train_sft(SFTRun(**settings), step, FitConfig(**config), out)


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_generator_of_the_lowest_loss_is_kept_and_patience_ends_training(place, tmp_path: Path) -> None:
    rough = {"learning_rate": 2.0, "steps": 40}
    done = sft_on(place, tmp_path, rough, {"patience": 2}, val_tasks=("last",))
    losses = {row["step"]: row["unseen_tasks_loss"] for row in log_of(tmp_path) if "seen_loss" in row}
    best = min(losses, key=lambda step: losses[step])
    assert best == done - 4 < 36
    assert Generator.load(tmp_path / "best").training["steps_done"] == best
    assert Generator.load(tmp_path / "generator").training["steps_done"] == done
    assert sft_on(place, tmp_path, rough, {"patience": 2}, val_tasks=("last",)) == done


def test_sft_goes_on_from_a_run_json_of_an_older_version(place, tmp_path: Path) -> None:
    assert sft_on(place, tmp_path) == 8
    begun = json.loads((tmp_path / "run.json").read_text())
    for name in ("neftune", "lora_dropout", "accumulate", "mixed_precision", "patience"):
        del begun["sft"][name]
    del begun["offset"], begun["fit"]["track"]
    del begun["data"], begun["base_dtype"], begun["weights_id"], begun["init_id"]
    (tmp_path / "run.json").write_text(json.dumps(begun))
    assert sft_on(place, tmp_path) == 8
    with pytest.raises(T2LError, match="patience was 0, now 3"):
        sft_on(place, tmp_path, sft={"patience": 3})


def test_sft_goes_on_with_the_data_and_the_type_that_it_began_with_alone(place, tmp_path: Path) -> None:
    suite, out = tmp_path / "suite", tmp_path / "out"
    shutil.copytree(place / "suite", suite)
    changed = {"tasks": (str(suite),)}
    assert sft_on(place, out, dtype="auto", **changed) == 8
    begun = json.loads((out / "run.json").read_text())
    assert begun["dtype"] == "auto" and begun["base_dtype"] in ("float32", "bfloat16")
    # What "auto" meant is not measured again: one of the two is not what this machine would choose.
    for name in ("float32", "bfloat16"):
        (out / "run.json").write_text(json.dumps({**begun, "base_dtype": name}))
        base, _ = prepare(str(place / "base"), "auto", SFTConfig(), FitConfig(1), out)
        assert str(base.dtype) == f"torch.{name}"
    (out / "run.json").write_text(json.dumps(begun))
    file = suite / "last" / "task.yaml"
    file.write_text(file.read_text().replace("Do last.", "Quite another wording."))
    with pytest.raises(T2LError, match=r"holds a run with other settings \(data was"):
        sft_on(place, out, dtype="auto", **changed)


def test_what_is_kept_out_is_unknown_to_the_checkpoint_that_training_begins_from(place, tmp_path) -> None:
    assert sft_on(place, tmp_path / "one") == 8
    start = str(tmp_path / "one" / "generator")
    with pytest.raises(T2LError, match="was trained on last, which is to be kept out"):
        sft_on(place, tmp_path / "two", init=start, val_tasks=("last",))
    # The encoder's knowledge counts as well.
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text('{"training": {"tasks": ["last"]}}')
    with pytest.raises(T2LError, match="encoder was trained on last, which is to be kept out"):
        sft_on(place, tmp_path / "two", encoder_adapter=str(tmp_path / "encoder"), val_tasks=("last",))
    # Nor may a run that took the encoder over forget it: the checkpoint tells what both have learned.
    fitted = {"tasks": (str(place / "suite"),), "val_tasks": (), "descriptions": 2, "tasks_per_step": 4}
    train_encoder(ContrastRun(**fitted), FitConfig(1, validate_every=1), tmp_path / "fitted")
    own = {"encoder_adapter": str(tmp_path / "fitted" / "encoder"), "names": ("first", "copy")}
    sft_on(place, tmp_path / "took", sft={"tasks_per_step": 1}, **own)
    took = str(tmp_path / "took" / "generator")
    assert Generator.load(took).training["tasks"][:2] == ["first", "copy"]
    with pytest.raises(T2LError, match="was trained on last, which is to be kept out"):
        sft_on(place, tmp_path / "three", init=took, val_tasks=("last",))
    # Nor may a run in between forget it.
    everything = Generator.load(start).training["tasks"]
    some = tuple(name for name in everything if name != "last")
    assert sft_on(place, tmp_path / "two", init=start, names=some, sft={"tasks_per_step": 1}) == 8
    start = str(tmp_path / "two" / "generator")
    assert Generator.load(start).training["tasks"] == [*some, "last"]
    with pytest.raises(T2LError, match="was trained on last, which is to be kept out"):
        sft_on(place, tmp_path / "three", init=start, val_tasks=("last",))
    with pytest.raises(T2LError, match="Task empty has no training examples to be validated by"):
        first_ones(None, Task("empty", "", "train", "", ("Do it.",), (), ()))  # type: ignore[arg-type]


def test_the_last_loss_is_that_of_prompts_as_the_checkpoints_adapters_have_them(place, tmp_path) -> None:
    for share, last in ((0.3, "unseen_tasks_loss"), (0.5, "described_unseen_tasks_loss")):
        out = tmp_path / str(share)
        sft_on(place, out, {"steps": 1, "validate_every": 1}, {"described": share}, val_tasks=("last",))
        assert list(log_of(out)[-1])[-1] == last
        assert Generator.load(out / "generator").says_task is (share == 0.5)


def test_paraphrases_are_trained_on_and_the_descriptions_kept_for_scoring_never(
    place, tmp_path: Path
) -> None:
    file = tmp_path / "said.yaml"
    file.write_text(json.dumps({"last": ["Name the final letter.", "Which letter ends it?"], "other": ["x"]}))
    one = {"steps": 1, "validate_every": 1}
    for out, given in (("plain", ""), ("more", str(file))):
        sft_on(place, tmp_path / out, one, {"described": 1.0}, paraphrases=given)
    plain, more = (Generator.load(tmp_path / out / "generator") for out in ("plain", "more"))
    assert more.training["paraphrases"] == str(file) and plain.index and more.index
    # Every prompt said the task, so those of its adapters are to.
    assert plain.says_task
    same = [torch.equal(a, b) for a, b in zip(plain.index.centres, more.index.centres, strict=True)]
    assert [name for name, equal in zip(more.index.names, same, strict=True) if not equal] == ["last"]
    # The same texts are scored, whatever is trained on.
    assert "unseen_descriptions_loss" in log_of(tmp_path / "more")[-1]
    for said, wrong in (
        ({"last": ["Please last it."]}, "scored as unseen"),
        ({"other": ["x"]}, "none of the tasks"),
        ({"last": "Name it."}, "'last' has no list"),
        ({"last": [""]}, "'last' has no list"),
        ([], "holds no tasks"),
    ):
        file.write_text(json.dumps(said))
        with pytest.raises(T2LError, match=wrong):
            sft_on(place, tmp_path / "wrong", one, paraphrases=str(file))
    with pytest.raises(T2LError, match="cannot be read"):
        sft_on(place, tmp_path / "wrong", one, paraphrases=str(tmp_path / "nowhere"))


def test_sft_reads_the_named_tasks_alone(place, tmp_path: Path) -> None:
    one = {"steps": 1, "validate_every": 1}
    sft_on(place, tmp_path / "two", one, {"tasks_per_step": 2}, names=("last", "first"))
    made = Generator.load(tmp_path / "two" / "generator")
    assert made.training["tasks"] == ["last", "first"] and made.index and len(made.index.names) == 2
    for names, wrong in ((("nowhere",), "no task 'nowhere'"), (("last", "first"), "no task 'last'")):
        with pytest.raises(T2LError, match=wrong):
            sft_on(place, tmp_path / "wrong", one, names=names, val_tasks=("last",))


def test_sft_begins_at_a_multitask_lora(place, tmp_path: Path) -> None:
    from t2l.train.library import MultitaskRun, train_multitask

    settings = {"base": str(place / "base"), "targets": tiny_base.TARGETS, "rank": 4, "alpha": 8}
    run = MultitaskRun((str(place / "suite"),), **settings, dtype="float32")
    config = FitConfig(10, learning_rate=0.02, validate_every=10)
    train_multitask(run, SFTConfig(tasks_per_step=4), config, tmp_path / "mt")
    kept = log_of(tmp_path / "mt")[-1]["seen_loss"]
    slow = {"steps": 1, "learning_rate": 1e-9, "validate_every": 1}
    with pytest.raises(T2LError, match="adapter was trained on last, which is to be kept out"):
        sft_on(place, tmp_path / "kept", offset=str(tmp_path / "mt" / "adapter"), val_tasks=("last",))
    sft_on(place, tmp_path / "sft", slow, offset=str(tmp_path / "mt" / "adapter"))
    assert log_of(tmp_path / "sft")[-1]["seen_loss"] == pytest.approx(kept, abs=1e-5)
    shift = Generator.load(tmp_path / "sft" / "generator").network.shift
    expected = Adapter.load(tmp_path / "mt" / "adapter").weights
    for name in tiny_base.TARGETS:
        torch.testing.assert_close(shift.tensor(name, "B"), expected.B[name], atol=0, rtol=0.01)


def test_an_offset_that_learns_moves_and_is_part_of_the_checkpoint(place, tmp_path: Path) -> None:
    def made(name: str) -> T2L:
        network = Generator.load(tmp_path / name / "generator").network
        assert isinstance(network, T2L)
        return network

    sft_on(place, tmp_path / "stays")
    sft_on(place, tmp_path / "learns", learn_offset=True)
    begun = T2L(made("stays").config).initialise("zero", 0).shift
    for name in tiny_base.TARGETS:
        for side in "AB":
            start = begun.tensor(name, side).bfloat16()
            assert torch.equal(made("stays").shift.tensor(name, side).bfloat16(), start)
            assert (made("learns").shift.tensor(name, side) - start).abs().max() > 0.01
    # It goes on, and what it gave is what another run begins from.
    sft_on(place, tmp_path / "learns", learn_offset=True)
    slow = {"steps": 1, "learning_rate": 1e-9, "validate_every": 1}
    sft_on(place, tmp_path / "on", slow, init=str(tmp_path / "learns" / "generator"))
    ended, begins = (log_of(tmp_path / name)[-1]["seen_loss"] for name in ("learns", "on"))
    assert begins == pytest.approx(ended, abs=0.01)
    plain = T2L(T2LConfig(LoRASpec("some/base", 2, {"self_attn.q_proj": (8, 8)}, 2, 4), 16))
    with pytest.raises(T2LError, match='shift="element"'):
        plain.free_shift()


def test_batches_made_ahead_give_the_same_run(place, tmp_path: Path) -> None:
    sft_on(place, tmp_path / "one", {"steps": 4}, {"condition_noise": 0.5})
    sft_on(place, tmp_path / "two", {"steps": 4}, {"condition_noise": 0.5}, workers=2)
    # What it was begun with is no matter when it goes on.
    sft_on(place, tmp_path / "two", {"steps": 4}, {"condition_noise": 0.5}, workers=1)
    one, two = (log_of(tmp_path / name) for name in ("one", "two"))
    assert [row["loss"] for row in one if "loss" in row] == [row["loss"] for row in two if "loss" in row]
    weights = [(tmp_path / name / "generator" / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_a_run_with_batches_made_ahead_stops_and_goes_on(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole")
    network, config = Line(), FitConfig(40, learning_rate=0.05, log_every=5)

    def stop(network: nn.Module, step: int) -> None:
        if step == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="again to continue"):
        fit(network, sample, loss, tmp_path / "cut", config, after=stop, workers=2)
    resumed = Line()
    fit(resumed, sample, loss, tmp_path / "cut", config, workers=2)
    assert torch.equal(resumed.weight.detach(), whole)


def test_an_error_in_a_batch_made_ahead_is_told_as_it_is(tmp_path: Path) -> None:
    def bad(step: int) -> torch.Tensor:
        if step == 3:
            raise T2LError("Example 7 of task a is too long.")
        return sample(step)

    for workers in (0, 2):
        with pytest.raises(T2LError, match=r"^Example 7 of task a is too long\.$"):
            fit(Line(), bad, loss, tmp_path / str(workers), FitConfig(8), workers=workers)


def test_a_process_that_makes_batches_may_die(tmp_path: Path) -> None:
    def dies(step: int) -> torch.Tensor:
        if step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return sample(step)

    with pytest.raises(T2LError, match="workers"):
        fit(Line(), dies, loss, tmp_path, FitConfig(8), workers=1)


def test_mixed_precision_computes_in_bfloat16_and_learns_the_same(place, tmp_path: Path) -> None:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        sft_on(place, tmp_path / "half", sft={"mixed_precision": "bf16"})
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    sft_on(place, tmp_path / "full")
    half, full = (log_of(tmp_path / name)[-1]["seen_loss"] for name in ("half", "full"))
    assert half == pytest.approx(full, abs=0.02) and half != full
    assert Generator.load(tmp_path / "half" / "generator")


def test_what_the_default_has_learned_in_any_run_cannot_be_kept_out() -> None:
    known = set(learned(REPO / "checkpoints" / "smollm2-135m-t2l-m"))
    assert known >= read_suite(REPO / "data" / "suite", split="train").keys() and len(known) > 5000
    assert not known & {*(REPO / "data" / "kept_out.txt").read_text().split()}


def test_the_longest_description_is_that_of_most_tokens() -> None:
    base = BaseModel.load(DEFAULT_BASE, dtype="float32")
    texts = ["Write the plural of the noun that is given.", "名詞の複数形を書いてください。"]
    assert len(texts[1]) < len(texts[0]) and _longest(base, texts) == texts[1]


def gradient(base, rows: list) -> tuple[float, torch.Tensor]:
    torch.manual_seed(1)
    made = FreeLoRA(base.spec(["self_attn.q_proj", "mlp.down_proj"]), 2)
    for parameter in made.B:
        nn.init.normal_(parameter, std=0.01)
    with attached(base.model, made(torch.arange(2))):
        losses, share = answer_losses(base.model, pack(rows).to(base))
        loss = (losses * share).sum()
        loss.backward()
    return float(loss.detach()), torch.cat([parameter.grad.flatten() for parameter in made.parameters()])


exact = pytest.mark.skipif(not int8._exact(), reason="this CPU's 8-bit products overflow: it is refused")


@exact
def test_a_base_in_8_bits_gives_nearly_the_losses_and_gradients_of_float32(tmp_path: Path) -> None:
    bases = [
        prepare(DEFAULT_BASE, "float32", SFTConfig(int8=rounds), FitConfig(steps=1), tmp_path)[0]
        for rounds in (False, True)
    ]
    said = [("Paris", "France", "Name the country."), ("1, 2, 3", "3-2-1", "Turn it round, with hyphens.")]
    rows = [[tokenise(bases[0], Example(text, answer), task)] for text, answer, task in said]
    (loss, expected), (rounded_loss, rounded) = (gradient(base, rows) for base in bases)
    assert rounded_loss == pytest.approx(loss, rel=0.05) and rounded_loss != loss
    # Without moving loud channels into the weights it is below 0.93.
    assert nn.functional.cosine_similarity(expected, rounded, dim=0) > 0.96


@exact
def test_a_run_in_8_bits_learns_the_same(place, tmp_path: Path) -> None:
    sft_on(place, tmp_path / "int8", sft={"int8": True})
    sft_on(place, tmp_path / "full")
    rounded, full = (log_of(tmp_path / name)[-1]["seen_loss"] for name in ("int8", "full"))
    assert rounded == pytest.approx(full, abs=0.02) and rounded != full


def test_8_bits_are_refused_where_they_cannot_be(place, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(T2LError, match="int8 is for a float32 base on a CPU, not for bfloat16"):
        sft_on(place, tmp_path, dtype="bfloat16", sft={"int8": True})
    with pytest.raises(T2LError, match="int8 and mixed_precision"):
        SFTConfig(int8=True, mixed_precision="bf16")
    monkeypatch.setattr(int8, "_exact", lambda: False)
    with pytest.raises(T2LError, match="8-bit products overflow"):
        sft_on(place, tmp_path, sft={"int8": True})


def child(*command: str | Path, **environment: str) -> None:
    places = os.pathsep.join([str(REPO), str(REPO / "tests")])
    made = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr[-3000:]


METHODS = ("sft", "library", "multitask", "dnd")


def test_two_processes_give_the_loss_curve_of_one(place, tmp_path: Path) -> None:
    script = REPO / "tests" / "train_child.py"
    child(script, "launched", place, tmp_path / "one", *METHODS)
    # On a machine without a GPU, too, this is how accelerate starts processes that know each other.
    launch = ("-m", "accelerate.commands.launch", "--main_process_port", "0")
    two = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1")
    two += ("--mixed_precision", "no", "--dynamo_backend", "no")
    child(*launch, *two, script, "launched", place, tmp_path / "two", *METHODS)
    # FSDP as configured for GPUs; interrupted and begun again in the middle.
    config = tmp_path / "fsdp.yaml"
    config.write_text(f"{(REPO / 'configs' / 'fsdp.yaml').read_text()}use_cpu: true\n")
    child(*launch, "--config_file", config, script, "shared_out", place, tmp_path / "fsdp", "sft")
    assert (tmp_path / "fsdp/sft/state/progress.json").is_file()
    assert not (tmp_path / "fsdp/sft/state.pt").exists()
    for other, method in (("two", "sft"), ("two", "multitask"), ("two", "dnd"), ("fsdp", "sft")):
        one, two = (log_of(tmp_path / n / method) for n in ("one", other))
        for mine, theirs in zip(one, two, strict=True):
            timeless = [k for k in mine if "second" not in k]
            assert {k: mine[k] for k in timeless} == pytest.approx({k: theirs[k] for k in timeless}, abs=2e-5)
    one, two = (
        {
            r["task"]: r
            for r in json.loads((tmp_path / n / "library" / "library.json").read_text())["adapters"]
        }
        for n in ("one", "two")
    )
    assert one.keys() == two.keys() == tiny_base.TASKS.keys()
    for name, row in one.items():
        assert two[name]["validation_loss"] == pytest.approx(row["validation_loss"], abs=1e-5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_killed_run_goes_on_to_the_same_bits(place, tmp_path: Path) -> None:
    child(REPO / "tests" / "train_child.py", "killed", place, tmp_path, *METHODS, "dnd_sft", "encoder")
    files = [f for f in (tmp_path / "whole").rglob("*.safetensors")]
    # Generator and best with their indices; five adapters; adapter and best; of both DnDs; the encoder.
    assert len(files) == 4 + 5 + 2 + 2 * 2 + 1
    for file in files:
        again = tmp_path / "killed" / file.relative_to(tmp_path / "whole")
        assert file.read_bytes() == again.read_bytes(), file
    # And they had learned something for examples that are kept out.
    for method in ("sft", "multitask"):
        rows = [row for row in log_of(tmp_path / "whole" / method) if "lr" not in row]
        first, last = (sum(v for k, v in row.items() if k != "step") for row in (rows[0], rows[-1]))
        assert last < first - 0.005, method


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
