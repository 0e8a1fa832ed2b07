"""Adapters per batch row: against the recorded reference, against PEFT, and what must be refused."""

from __future__ import annotations

import pytest
import torch
from paths import FIXTURES
from reference import read_checkpoint
from safetensors.torch import load_file

from t2l.attach import FreeLoRA, attached, spec_for
from t2l.errors import T2LError
from t2l.lora import LoRAWeights
from t2l.official import official_key
from t2l.train.sft import IGNORED, Rows, answer_losses, generated_l2

TARGETS = ["self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"]


def random_stack(model, n: int, seed: int = 0) -> LoRAWeights:
    generator = torch.Generator().manual_seed(seed)
    zeros = spec_for(model, "some/base", TARGETS, rank=4, alpha=8).zeros(n)
    return zeros.map(lambda t: torch.randn(t.shape, generator=generator) * 0.1)


@pytest.fixture(scope="module")
def forward():
    """The reference's recorded SFT step: tiny base, inputs, logits, losses, gradients."""
    from transformers import AutoModelForCausalLM

    folder = FIXTURES / "sft_forward"
    model = AutoModelForCausalLM.from_pretrained(folder / "base_model", dtype=torch.float32).eval()
    model.requires_grad_(False)
    network = read_checkpoint(FIXTURES / "L_sft", head_factor=0.1)
    return (
        model,
        network,
        load_file(folder / "sft_forward.safetensors"),
        load_file(folder / "sft_grads.safetensors"),
    )


def test_logits_of_the_recorded_step_are_reproduced(forward) -> None:
    model, network, recorded, _ = forward
    args = {"input_ids": recorded["input_ids"], "attention_mask": recorded["attention_mask"]}
    with torch.no_grad():
        torch.testing.assert_close(model(**args).logits, recorded["base_logits"], atol=1e-4, rtol=0)
        with attached(model, network(recorded["task_emb"])):
            logits = model(**args).logits
    torch.testing.assert_close(logits, recorded["logits"], atol=1e-4, rtol=0)


def rows_of(recorded: dict) -> Rows:
    """The recorded padded batch in the form of a packed one: every row holds one example."""
    ids, labels, mask = recorded["input_ids"], recorded["labels"].long(), recorded["attention_mask"].bool()
    length = ids.shape[1]
    counts = (labels != IGNORED).sum(1, keepdim=True)
    weights = (labels != IGNORED) / counts / len(ids)
    seen = torch.ones(length, length, dtype=torch.bool).tril() & mask[:, None, :] | torch.eye(
        length, dtype=torch.bool
    )
    bias = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min).unsqueeze(1)
    return Rows(ids, torch.arange(length).expand(len(ids), -1), labels, weights, bias)


def test_losses_and_gradients_of_the_recorded_step_are_reproduced(forward) -> None:
    model, network, recorded, gradients = forward
    network.zero_grad()
    made = network(recorded["task_emb"])
    rows = rows_of(recorded)
    with attached(model, made):
        for smoothing in (0.0, 0.1):
            losses, share = answer_losses(model, rows, smoothing)
            assert float((losses * share).sum().detach()) == pytest.approx(
                float(recorded[f"sft_loss.equal_1.ls_{smoothing}"]), abs=1e-4
            )
            assert float(losses.mean().detach()) == pytest.approx(
                float(recorded[f"sft_loss.equal_0.ls_{smoothing}"]), abs=1e-4
            )
        l2 = 1e-3 * generated_l2(made)
        assert float(l2.detach()) == pytest.approx(float(recorded["generated_w_l2_loss"]), abs=1e-4)
        total = (losses * share).sum() + l2
        assert float(total.detach()) == pytest.approx(float(recorded["total_loss"]), abs=1e-4)
        total.backward()
    mine = dict(network.named_parameters())
    order = [name.rpartition(".")[2] for name in network.config.spec.targets]
    theirs = {ours: official_key(ours, order) for ours in mine}
    assert set(theirs.values()) == set(gradients)
    # The recorded heads were scaled before the step, so gradients are of the scaled heads.
    for ours, key in theirs.items():
        torch.testing.assert_close(mine[ours].grad, gradients[key], atol=1e-4, rtol=0)


def test_rows_of_a_mixed_batch_equal_peft_with_one_adapter_each(tiny) -> None:
    import copy

    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    weights = random_stack(tiny, 3)
    ids = torch.randint(0, 96, (5, 7))
    rows = torch.tensor([2, 0, 1, 1, 2])
    with torch.no_grad(), attached(tiny, weights, rows):
        mixed = tiny(ids).logits
    config = LoraConfig(r=4, lora_alpha=8, target_modules=[t.rpartition(".")[2] for t in TARGETS])
    for adapter in range(3):
        oracle = get_peft_model(copy.deepcopy(tiny), config)
        state = weights[adapter].to_peft()
        result = set_peft_model_state_dict(oracle, state)
        assert not result.unexpected_keys
        with torch.no_grad():
            expected = oracle(ids[rows == adapter]).logits
        torch.testing.assert_close(mixed[rows == adapter], expected, atol=1e-5, rtol=0)


def test_a_zero_adapter_gives_the_base_bit_for_bit(tiny) -> None:
    ids = torch.randint(0, 96, (2, 9))
    for model in (tiny, tiny.to(torch.bfloat16)):
        with torch.no_grad():
            expected = model(ids).logits
            for zeros in (random_stack(model, 2).scale(0), random_stack(model, 1)[0].scale(0)):
                with attached(model, zeros):
                    assert torch.equal(model(ids).logits, expected)


@pytest.mark.parametrize("rows", [None, [1, 1, 0, 2, 4], [0, 2, 4]], ids=["own", "chosen", "none changes"])
def test_rows_that_change_nothing_are_left_alone_and_still_learn(tiny, rows: list[int] | None) -> None:
    weights = random_stack(tiny, 5).scale([0, 1, 0, 1, 0])
    chosen = list(range(5)) if rows is None else rows
    ids = torch.randint(0, 96, (1, 6)).expand(len(chosen), -1)
    asked = None if rows is None else torch.tensor(rows)
    with torch.no_grad():
        plain = tiny(ids).logits
        with attached(tiny, weights, asked):
            mixed = tiny(ids).logits
        for place, adapter in enumerate(chosen):
            with attached(tiny, weights[adapter]):
                alone = tiny(ids).logits[place]
            torch.testing.assert_close(mixed[place], alone, atol=1e-5, rtol=0)
            assert torch.equal(mixed[place], plain[place]) is (adapter in (0, 2, 4))
    learning = weights.map(lambda t: t.clone().requires_grad_())
    with attached(tiny, learning, asked):
        tiny(ids).logits.square().sum().backward()
    gradient = learning.B["self_attn.v_proj"].grad
    assert gradient is not None
    assert [bool(each.any()) for each in gradient] == [each in chosen for each in range(5)]


def test_nothing_is_left_behind_even_after_an_error(tiny) -> None:
    ids = torch.randint(0, 96, (2, 5))
    with torch.no_grad():
        expected = tiny(ids).logits
        with pytest.raises(RuntimeError), attached(tiny, random_stack(tiny, 2)):
            raise RuntimeError("midway")
        assert torch.equal(tiny(ids).logits, expected)
    assert not any(module._forward_hooks for module in tiny.modules())


def test_gradients_equal_with_and_without_checkpointing(tiny) -> None:
    ids = torch.randint(0, 96, (2, 6))

    def gradients() -> list[torch.Tensor]:
        network = FreeLoRA(spec_for(tiny, "some/base", TARGETS, 4, 8), 2)
        with torch.no_grad():
            for parameter in network.B:
                parameter.fill_(0.01)
        with attached(tiny, network(torch.tensor([1, 0]))):
            tiny(ids).logits.square().mean().backward()
        return [p.grad for p in network.parameters()]

    plain = gradients()
    tiny.train()
    tiny.activation_checkpointing_enable({"use_reentrant": False})
    tiny.enable_input_require_grads()
    for one, other in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)
    tiny.activation_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(T2LError, match="use_reentrant"):
        gradients()


def test_what_cannot_carry_adapters_is_refused_by_name(tiny) -> None:
    from peft import LoraConfig, get_peft_model

    weights = random_stack(tiny, 2)
    with pytest.raises(T2LError, match="adapters were given for 2"), attached(tiny, weights):
        tiny(torch.zeros(3, 4, dtype=torch.long))
    with pytest.raises(T2LError, match="from 0 to 1"):
        attached(tiny, weights, torch.tensor([0, 2]))
    with attached(tiny, weights), pytest.raises(T2LError, match="already"), attached(tiny, weights):
        pass
    with pytest.raises(T2LError, match="compiled"):
        attached(torch.compile(tiny, backend="eager"), weights)
    with pytest.raises(T2LError, match="qkv_proj"):
        spec_for(tiny, "some/base", ["self_attn.qkv_proj"])
    tiny.model.layers[1].self_attn.q_proj = torch.nn.Linear(32, 16, bias=False)
    with pytest.raises(T2LError, match="another base"):
        attached(tiny, weights)
    wrapped = get_peft_model(tiny, LoraConfig(target_modules=["v_proj"]))
    with pytest.raises(T2LError, match=r"model\.layers"):
        attached(wrapped, weights)
    with pytest.raises(T2LError, match="not a Linear"):
        spec_for(tiny, "some/base", ["self_attn.v_proj"])
