"""Steps of one token: the logits of transformers' own forward, whatever architecture and adapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_engine import GREEDY, adapters, ids, last, tiny_base
from torch import Tensor

from t2l.attach import attached
from t2l.base import BaseModel
from t2l.decoder import Decoder, StepAdapters
from t2l.engine import _Row, _State, decode
from t2l.errors import T2LError
from t2l.lora import LoRAWeights, stack
from t2l.packed import pack_linears

ALL = [f"self_attn.{x}_proj" for x in "qkvo"] + [f"mlp.{x}_proj" for x in ("gate", "up", "down")]
KINDS = ["Llama", "Mistral", "Qwen2", "Qwen3"]


def whole(base: BaseModel, kind: str, **changes: Any) -> BaseModel:
    """A model without windows, large enough to be packed."""
    # transformers ignores a window of None only where none is configured at all.
    settings = {"sliding_window": None} if kind == "Mistral" else {}
    sizes = {"hidden_size": 192, "intermediate_size": 256, "head_dim": 96, "initializer_range": 0.15}
    made = tiny_base(base, kind, **settings, **sizes, **changes)
    for module in made.model.modules():
        if isinstance(module, torch.nn.Linear) and module.bias is not None:
            # Biases begin at zero, where a lost one would not be missed.
            module.bias.normal_()
    return made


def tokens_of(state: _State) -> Iterator[Tensor]:
    """The logits of a state's tokens, without the pauses between pieces of prompts."""
    return (logits for logits in state.steps() if logits is not None)


def stepped(base: BaseModel, weights: LoRAWeights | None, rows: list[int] | None, n: int) -> Tensor:
    """Logits (4, n, vocabulary) of four steps through rows of unlike lengths, each told the same tokens."""
    answers = [_Row(base, prompt, GREEDY) for prompt in ids(base)[:n]]
    state, logits = _State(base, answers, weights, rows), []
    assert state.decoder
    steps = tokens_of(state)
    for step in range(4):
        logits.append(next(steps))
        for answer in answers:
            answer.new.append(5 + step)
    return torch.stack(logits)


@torch.no_grad()
def expected(base: BaseModel, weights: LoRAWeights | None, rows: list[int] | None, n: int) -> Tensor:
    """The same from the model's own forward, row by row and without a cache."""
    found = []
    for row, prompt in enumerate(ids(base)[:n]):
        tokens = torch.tensor([[*prompt, 5, 6, 7]])
        if weights is None:
            logits = base.model(tokens).logits
        else:
            own = weights if weights.n is None else weights[rows[row] if rows else row]
            with attached(base.model, own):
                logits = base.model(tokens).logits
        found.append(logits[0, -4:])
    return torch.stack(found, 1)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_has_the_logits_of_the_model_itself(base: BaseModel, kind: str, packed: bool) -> None:
    tiny = whole(base, kind)
    wanted = expected(tiny, None, None, 4)
    if packed and not pack_linears(tiny.model):
        pytest.skip("this torch has no packed products")
    torch.testing.assert_close(stepped(tiny, None, None, 4), wanted, atol=2e-4, rtol=1e-4)
    assert float(wanted.std()) > 0.5
    decoder = Decoder.of(tiny.model)
    assert decoder and all((qkv.packed is not None) is packed for _, qkv in decoder._layers)


@pytest.mark.parametrize(
    "rows",
    [None, [0, 1, 2, 3], [3, 3, 3, 3], [0, 3, 1, 3], [0, 0, 2, 2], [1, 0, 0, 0], [0, 0, 0, 0]],
    ids=str,
)
@pytest.mark.parametrize("targets", [ALL, ALL[1:2], ["self_attn.v_proj", "mlp.up_proj"]], ids=len)
@pytest.mark.parametrize("kind", ["Llama", "Qwen3"])
def test_adapters_of_rows_are_added_as_hooks_add_them(
    base: BaseModel, kind: str, targets: list[str], rows: list[int] | None
) -> None:
    tiny = whole(base, kind, num_hidden_layers=2)
    weights = adapters(tiny, 3, 0.1, targets)
    # Number 0 changes nothing, as the base beside its adapters.
    weights = stack([tiny.spec(targets, 4, 8).zeros(), *(weights[index] for index in range(3))])
    found, wanted = stepped(tiny, weights, rows, 4), expected(tiny, weights, rows, 4)
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)
    plain = stepped(tiny, None, None, 4)
    for row, adapter in enumerate(rows or range(4)):
        if adapter:
            assert float((found[1:, row] - plain[1:, row]).abs().max()) > 0.01
        else:
            assert torch.equal(found[1:, row], plain[1:, row])


def test_one_adapter_serves_every_row(base: BaseModel) -> None:
    tiny = whole(base, "Llama")
    weights = adapters(tiny, 1, 0.1, ALL)[0]
    assert weights.n is None
    found, wanted = stepped(tiny, weights, None, 3), expected(tiny, weights, None, 3)
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)


def test_adapters_that_do_not_fit_are_refused(base: BaseModel) -> None:
    tiny, other = whole(base, "Llama"), tiny_base(base, "Llama")
    with pytest.raises(T2LError, match="another base"):
        StepAdapters(tiny.model, adapters(other, 1, 0.1, ALL))


def test_other_architectures_and_models_that_are_listened_to_run_themselves(base: BaseModel) -> None:
    assert Decoder.of(tiny_base(base, "Gemma2").model) is None
    tiny = whole(base, "Llama")
    assert Decoder.of(tiny.model) is Decoder.of(tiny.model) is not None
    seen: list[int] = []
    layer: Any = tiny.model.model.layers[1]
    handle = layer.mlp.register_forward_hook(lambda *_: seen.append(1))
    assert Decoder.of(tiny.model) is None
    last(decode(tiny, ids(tiny)[:1], None, GREEDY))
    assert len(seen) == GREEDY.max_new_tokens
    handle.remove()
    assert Decoder.of(tiny.model)


def test_a_module_that_is_exchanged_counts(base: BaseModel) -> None:
    tiny = whole(base, "Llama")
    before = stepped(tiny, None, None, 2)
    attention: Any = tiny.model.model.layers[1].self_attn
    new = torch.nn.Linear(attention.k_proj.in_features, attention.k_proj.out_features, bias=False)
    attention.k_proj = new.requires_grad_(False)
    wanted = expected(tiny, None, None, 2)
    torch.testing.assert_close(stepped(tiny, None, None, 2), wanted, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(before, wanted, atol=1e-2)
    # What wraps a Linear, as PEFT does, is called by the model itself.
    attention.q_proj = torch.nn.Sequential(attention.q_proj)
    assert Decoder.of(tiny.model) is None


@pytest.mark.parametrize("name", ALL)
def test_a_hook_on_any_product_is_heard_and_may_change_it(base: BaseModel, name: str) -> None:
    tiny = whole(base, "Llama")
    pack_linears(tiny.model)
    before = stepped(tiny, None, None, 2)
    module = tiny.model.model.layers[2].get_submodule(name)
    handle = module.register_forward_hook(lambda _, args, output: output + 1)
    wanted = expected(tiny, None, None, 2)
    torch.testing.assert_close(stepped(tiny, None, None, 2), wanted, atol=2e-4, rtol=1e-4)
    handle.remove()
    assert torch.equal(stepped(tiny, None, None, 2), before) and not torch.allclose(before, wanted)


def test_weights_changed_after_packing_count(base: BaseModel) -> None:
    tiny = whole(base, "Llama")
    pack_linears(tiny.model)
    before = stepped(tiny, None, None, 2)
    with torch.no_grad():
        tiny.model.model.layers[1].self_attn.v_proj.weight.mul_(-2)
    wanted = expected(tiny, None, None, 2)
    torch.testing.assert_close(stepped(tiny, None, None, 2), wanted, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(before, wanted, atol=1e-2)


def test_bfloat16_steps_of_the_embedded_base_are_its_own_to_rounding(base: BaseModel) -> None:
    half = BaseModel.load(base.id, dtype="bfloat16")
    prompt = half.prompt_ids([{"role": "user", "content": "What is the capital of France?"}])
    row = _Row(half, prompt, GREEDY)
    steps = tokens_of(_State(half, [row], None, None))
    for token in (504, 2988):
        logits = next(steps)
        with torch.inference_mode():
            wanted = half.model(torch.tensor([prompt + row.new])).logits[:, -1].float()
        # A bfloat16 number has eight bits; those of other lengths of a batch differ by as much.
        torch.testing.assert_close(logits, wanted, atol=0.03 * float(wanted.abs().max()), rtol=0)
        row.new.append(token)
