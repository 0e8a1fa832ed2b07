"""Every supported architecture as a tiny random model: adapters act, learn and travel as PEFT's own do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from t2l.adapter import Adapter
from t2l.attach import attached, spec_for
from t2l.base import BaseModel
from t2l.engine import Decoding, decode
from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights, stack
from t2l.studio import weight_norm
from t2l.train.sft import answer_losses, pack

KINDS = ["Llama", "Mistral", "Gemma2", "Qwen2", "Qwen3", "SmolLM3"]
# All seven, of which k and v are narrower, gate and up wider than their input.
TARGETS = [
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
]


def tiny(base: BaseModel, kind: str) -> BaseModel:
    """A random model of one architecture, with what sets it apart, in the embedded base's vocabulary."""
    import transformers

    own: dict[str, dict[str, Any]] = {
        "Mistral": {"sliding_window": 40},
        "Gemma2": {"sliding_window": 40, "query_pre_attn_scalar": 8},
        # Every second layer without rotary positions.
        "SmolLM3": {"no_rope_layers": [1, 0]},
    }
    settings = {
        "vocab_size": len(base.tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "attn_implementation": "eager",
        **own.get(kind, {}),
    }
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval().requires_grad_(False)
    return BaseModel(f"tiny/{kind}", "random", model, base.tokenizer)


def adapters(base: BaseModel, n: int) -> LoRAWeights:
    generator = torch.Generator().manual_seed(1)
    zeros = base.spec(TARGETS, rank=4, alpha=8).zeros(n)
    return zeros.map(lambda t: torch.randn(t.shape, generator=generator) * 0.2)


def by_peft(base: BaseModel, weights: LoRAWeights, folder: Path) -> Any:
    """PEFT's model with one adapter, read from the folder that `Adapter.save` writes."""
    from peft import PeftModel

    Adapter(weights, "Sort.", "some", "0" * 64).save(folder)
    return PeftModel.from_pretrained(copy.deepcopy(base.model), str(folder), is_trainable=True).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_attached_engine_training_and_export_equal_peft(base: BaseModel, kind: str, tmp_path: Path) -> None:
    model = tiny(base, kind)
    weights = adapters(model, 2)
    oracles = [by_peft(model, weights[index], tmp_path / str(index)) for index in range(2)]

    # Logits of a mixed batch, longer than a sliding window.
    ids = torch.randint(3, 96, (3, 50))
    rows = torch.tensor([1, 0, 1])
    with torch.no_grad():
        plain = model.model(ids).logits
        with attached(model.model, weights, rows):
            mixed = model.model(ids).logits
        for row, adapter in enumerate(rows.tolist()):
            expected = oracles[adapter](ids[row : row + 1]).logits
            torch.testing.assert_close(mixed[row], expected[0], atol=2e-4, rtol=1e-4)
            assert (expected[0] - plain[row]).abs().max() > 0.1

    # Greedy tokens: the base beside two adapters in one pass, each as its own `generate`.
    prompt = base.tokenizer("Eins zwei drei: one two three, in a winding sentence.")["input_ids"]
    columns = stack([model.spec(TARGETS, 4, 8).zeros(), weights[0], weights[1]])
    *_, texts = decode(model, [prompt] * 3, columns, Decoding(max_new_tokens=10))
    expected = []
    for each in (model.model, *oracles):
        tokens = torch.tensor([prompt])
        options = {"max_new_tokens": 10, "do_sample": False, "attention_mask": torch.ones_like(tokens)}
        made = each.generate(input_ids=tokens, **options)
        new = [token for token in made[0, len(prompt) :].tolist() if token not in model.eos_ids]
        expected.append(base.tokenizer.decode(new, skip_special_tokens=True))
    assert texts == expected and len(set(texts)) == 3

    # One training step: loss and gradients of A and B, two packed examples a row against PEFT one by one.
    examples = [[([5, 6, 7, 8], [9, 10, 2]), ([5, 6, 11, 12], [13, 2])], [([5, 14, 15], [16, 17, 2])] * 2]
    learning = weights.map(lambda t: t.clone().requires_grad_())
    with attached(model.model, learning):
        losses, share = answer_losses(model.model, pack(examples))
        (losses * share).sum().backward()
    for adapter, oracle in enumerate(oracles):
        total = torch.zeros(())
        for question, answer in examples[adapter]:
            whole = torch.tensor([question + answer])
            labels = torch.tensor([[-100] * len(question) + answer])
            total = total + oracle(whole, labels=labels).loss / 4
        total.backward()
        gradients = {name: p.grad for name, p in oracle.named_parameters() if "lora_" in name}
        assert len(gradients) == 2 * 2 * len(TARGETS)
        for name, gradient in gradients.items():
            _, layer, rest = name.rpartition("layers.")[2].partition(".")
            number, (target, side) = (
                int(name.rpartition("layers.")[2].partition(".")[0]),
                rest.split(".lora_"),
            )
            mine = (learning.A if side[0] == "A" else learning.B)[target].grad
            assert mine is not None and layer
            torch.testing.assert_close(mine[adapter, number], gradient, atol=1e-5, rtol=1e-3)


def test_phi3s_fused_projections_are_refused_by_name(base: BaseModel) -> None:
    phi = tiny(base, "Phi3")
    for target, fused in (("self_attn.q_proj", "self_attn.qkv_proj"), ("mlp.up_proj", "mlp.gate_up_proj")):
        with pytest.raises(T2LError, match=f"no module '{target}'; it has .*{fused}"):
            phi.spec([target])
        foreign = LoRASpec("tiny/Phi3", 2, {target: (32, 32)}, 4, 8)
        with pytest.raises(T2LError, match=f"no {target}.*fused projections cannot carry this adapter"):
            attached(phi.model, foreign.zeros())


def test_four_bit_linears_carry_adapters_as_peft_has_it(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="an option for GPUs, not among the requirements")
    from peft import PeftModel
    from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
    config = LlamaConfig(vocab_size=96, num_attention_heads=4, num_key_value_heads=2, **sizes)
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")

    def load() -> Any:
        kind = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        )
        return LlamaForCausalLM.from_pretrained(
            tmp_path / "base", quantization_config=kind, device_map={"": "cpu"}, dtype=torch.float32
        ).eval()

    model, ids = load(), torch.randint(0, 96, (2, 7))
    spec = spec_for(model, "some/base", ["self_attn.q_proj", "mlp.down_proj"], 4, 8)
    weights = spec.zeros(2).map(lambda t: torch.randn(t.shape) * 0.1)
    with torch.no_grad(), attached(model, weights):
        mixed = model(ids).logits
    for row in range(2):
        Adapter(weights[row], "Sort.", "some", "0" * 64).save(tmp_path / str(row))
        oracle = PeftModel.from_pretrained(load(), str(tmp_path / str(row))).eval()
        with torch.no_grad():
            expected = oracle(ids[row : row + 1]).logits[0]
        torch.testing.assert_close(mixed[row], expected, atol=1e-5, rtol=1e-4)
    # What it is stored as are codes: the strength of an adapter is told by the weights that they stand for.
    plain = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    for layer, same in zip(model.model.layers, plain.model.layers, strict=True):
        norm = float(same.mlp.down_proj.weight.detach().norm())
        assert weight_norm(layer.mlp.down_proj) == pytest.approx(norm, rel=0.05)
        assert weight_norm(same.mlp.down_proj) == pytest.approx(norm, rel=1e-6)
