"""Exports: rows are permuted as llama.cpp's base is, merging keeps the logits, lint names every fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from t2l import export
from t2l.adapter import Adapter
from t2l.attach import attached, merge, spec_for
from t2l.base import BaseModel
from t2l.cli import main
from t2l.errors import T2LError
from t2l.export import lint, read_gguf, to_gguf, to_merged
from t2l.lora import LoRASpec, LoRAWeights

ATTENTION = [f"self_attn.{name}_proj" for name in "qkvo"]
MODULES = [*ATTENTION, *(f"mlp.{name}_proj" for name in ("gate", "up", "down"))]
IDS = torch.arange(1, 13).view(1, -1)


def randomly(spec: LoRASpec, seed: int = 0) -> LoRAWeights:
    generator = torch.Generator().manual_seed(seed)
    return spec.zeros().map(lambda t: torch.randn(t.shape, generator=generator) * 0.3)


def adapter(model: Any, **changes: Any) -> Adapter:
    spec = replace(spec_for(model, "some/base", MODULES, rank=4, alpha=6), **changes)
    return Adapter(randomly(spec), "Sort the words.", "a-checkpoint", "0" * 64)


def config(kind: str, **changes: Any) -> Any:
    from transformers import AutoConfig

    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    return AutoConfig.for_model(kind, **{**sizes, **changes})


def tensors(file: Path) -> dict[str, torch.Tensor]:
    return {t.name: torch.from_numpy(t.data.copy()) for t in gguf.GGUFReader(str(file)).tensors}


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"])
def test_a_gguf_read_back_is_the_adapter(tiny, tmp_path: Path, kind: str) -> None:
    made = adapter(tiny)
    size = to_gguf(made, tmp_path / "a.gguf", config(kind))
    assert size == (tmp_path / "a.gguf").stat().st_size
    back = read_gguf(tmp_path / "a.gguf", config(kind))
    assert back.spec == made.spec
    for name in MODULES:
        assert torch.equal(back.A[name], made.weights.A[name]), name
        assert torch.equal(back.B[name], made.weights.B[name]), name
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.gguf"]


def test_a_gguf_says_what_llama_cpp_asks_for(tiny, tmp_path: Path) -> None:
    to_gguf(adapter(tiny), tmp_path / "a.gguf", tiny.config)
    reader = gguf.GGUFReader(str(tmp_path / "a.gguf"))
    said = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert said == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 6.0,
        "general.name": "Sort the words.",
        "general.base_model.count": 1,
        "general.base_model.0.name": "some/base",
    }
    names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    assert {t.name for t in reader.tensors} == {
        f"blk.{layer}.{name}.weight.lora_{side}" for layer in (0, 1) for name in names for side in "ab"
    }
    assert tensors(tmp_path / "a.gguf")["blk.1.ffn_down.weight.lora_a"].shape == (4, 48)


def in_llama_cpp(model: Any) -> dict[str, torch.Tensor]:
    """The weights as llama.cpp's converter lays them out, row by row as its rotation pairs them."""
    laid = {}
    for layer, block in enumerate(model.model.layers):
        for name, heads in (("q", 4), ("k", 2), ("v", 0)):
            rows = getattr(block.self_attn, f"{name}_proj").weight.detach().clone()
            half = len(rows) // heads // 2 if heads else 0
            order = [
                h * 2 * half + i + side * half for h in range(heads) for i in range(half) for side in (0, 1)
            ]
            laid[f"blk.{layer}.attn_{name}.weight"] = rows[order] if heads else rows
    return laid


def test_the_change_meets_the_rows_that_llama_cpp_permuted(tiny, tmp_path: Path) -> None:
    made = adapter(tiny)
    to_gguf(made, tmp_path / "a.gguf", tiny.config)
    before, found = in_llama_cpp(tiny), tensors(tmp_path / "a.gguf")
    merge(tiny, made.weights)
    for name, after in in_llama_cpp(tiny).items():
        change = 6 / 4 * found[f"{name}.lora_b"] @ found[f"{name}.lora_a"]
        assert torch.allclose(before[name] + change, after, atol=1e-6), name
    # The order matters: as it stands in PEFT, q's change would meet other rows.
    assert not torch.equal(found["blk.0.attn_q.weight.lora_b"], made.weights.B["self_attn.q_proj"][0])


def test_transformers_undoes_the_permutation(tiny, tmp_path: Path) -> None:
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    made = adapter(tiny)
    to_gguf(made, tmp_path / "a.gguf", tiny.config)
    found, processor = tensors(tmp_path / "a.gguf"), LlamaTensorProcessor()
    for name, heads, kv in (("q", 4, 4), ("k", 4, 2)):
        rows = found[f"blk.1.attn_{name}.weight.lora_b"].numpy()
        undone = torch.from_numpy(processor._reverse_permute_weights(rows, heads, kv).copy())
        assert torch.equal(undone, made.weights.B[f"self_attn.{name}_proj"][1])


def test_rank_stabilised_scaling_becomes_an_alpha(tiny, tmp_path: Path) -> None:
    made = adapter(tiny, use_rslora=True)
    to_gguf(made, tmp_path / "a.gguf", tiny.config)
    assert read_gguf(tmp_path / "a.gguf", tiny.config).spec.scaling == made.spec.scaling == 3.0


def test_the_same_adapter_gives_the_same_gguf(tiny, tmp_path: Path) -> None:
    for name in ("a", "b"):
        to_gguf(adapter(tiny), tmp_path / name, tiny.config)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "phi3"}, "phi3"),
        ({"num_hidden_layers": 3}, "has 2 layers but the base has 3"),
        ({"intermediate_size": 64}, r"mlp\.gate_proj .* 32 to 48, .* 32 to 64"),
        ({"num_key_value_heads": 4}, "k_proj"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(
    tiny, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    kind = change.get("model_type", "llama")
    other = config(kind, **{k: v for k, v in change.items() if k != "model_type"})
    with pytest.raises(T2LError, match=named):
        to_gguf(adapter(tiny), tmp_path / "a.gguf", other)
    assert not list(tmp_path.iterdir())


def test_a_module_without_a_name_is_refused(tiny, tmp_path: Path) -> None:
    spec = LoRASpec("some/base", 2, {"self_attn.qkv_proj": (32, 64)}, 4, 8)
    with pytest.raises(T2LError, match=r"self_attn\.qkv_proj has no name"):
        to_gguf(Adapter(randomly(spec), "x", "", ""), tmp_path / "a.gguf", tiny.config)


def test_numbers_that_are_none_and_a_missing_package_are_named(tiny, tmp_path: Path, monkeypatch) -> None:
    made = adapter(tiny)
    made.weights.B["mlp.down_proj"][1, 3] = float("inf")
    with pytest.raises(T2LError, match=r"B of mlp\.down_proj holds NaN or infinity"):
        to_gguf(made, tmp_path / "a.gguf", tiny.config)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(T2LError, match="pip install gguf"):
        to_gguf(adapter(tiny), tmp_path / "a.gguf", tiny.config)
    assert not list(tmp_path.iterdir())


def test_a_gguf_is_complete_or_absent(tiny, tmp_path: Path, full_disk: Callable) -> None:
    file = tmp_path / "new" / "a.gguf"
    whole = to_gguf(adapter(tiny), tmp_path / "whole.gguf", tiny.config)
    for size in (1_000, 5_000, whole - 1):
        with full_disk(size), pytest.raises(T2LError, match="cannot be written"):
            to_gguf(adapter(tiny), file, tiny.config)
    assert not list(file.parent.iterdir())
    file.write_text("mine")
    with pytest.raises(T2LError, match="exists"):
        to_gguf(adapter(tiny), file, tiny.config)
    assert file.read_text() == "mine" and len(list(file.parent.iterdir())) == 1


def test_what_is_no_adapter_of_the_base_is_refused(tiny, tmp_path: Path) -> None:
    to_gguf(adapter(tiny), tmp_path / "a.gguf", tiny.config)
    with pytest.raises(T2LError, match="is for llama"):
        read_gguf(tmp_path / "a.gguf", config("qwen2"))
    (tmp_path / "b.gguf").write_bytes(b"GGUF" + b"\xff" * 64)
    (tmp_path / "c.gguf").write_bytes((tmp_path / "a.gguf").read_bytes()[:3000])
    for name in ("b.gguf", "c.gguf", "none.gguf"):
        with pytest.raises(T2LError, match=name):
            read_gguf(tmp_path / name, tiny.config)


class Words:
    """A tokenizer that is saved as one file."""

    def save_pretrained(self, folder: Path) -> None:
        (Path(folder) / "tokenizer.json").write_text("{}")


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("tied", [False, True])
def test_a_merged_model_gives_the_attached_adapters_logits(tmp_path: Path, tied: bool) -> None:
    # Not at the top: transformers reads HF_HUB_OFFLINE, which conftest sets, when it is first loaded.
    from transformers import AutoModelForCausalLM, LlamaForCausalLM

    torch.manual_seed(0)
    settings = config("llama", vocab_size=96, max_position_embeddings=64, tie_word_embeddings=tied)
    model = LlamaForCausalLM(settings).eval().requires_grad_(False)
    model.generation_config.eos_token_id = [7, 9]
    made, plain = adapter(model), logits(model)
    with attached(model, made.weights):
        expected = logits(model)
    size = to_merged(made, BaseModel("some/base", "x", model, Words()), tmp_path / "merged")
    assert torch.equal(logits(model), plain), "the base stays as it is"
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert merged.dtype == torch.float32 and merged.generation_config.eos_token_id == [7, 9]
    assert torch.allclose(logits(merged), expected, atol=1e-5)
    assert not torch.allclose(plain, expected, atol=1e-2)
    there = {file.name for file in (tmp_path / "merged").iterdir()}
    assert there == {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
    assert size == sum(file.stat().st_size for file in (tmp_path / "merged").iterdir())
    assert "_name_or_path" not in (tmp_path / "merged" / "config.json").read_text()


def test_a_merged_model_keeps_its_type_and_rounds_once(tiny, tmp_path: Path) -> None:
    model = tiny.to(torch.bfloat16)
    made = adapter(model)
    to_merged(made, BaseModel("some/base", "x", model, Words()), tmp_path / "merged")
    found = load_file(tmp_path / "merged" / "model.safetensors")
    assert {t.dtype for t in found.values()} == {torch.bfloat16}
    old = model.model.layers[1].mlp.down_proj.weight.float()
    change = made.spec.scaling * made.weights.B["mlp.down_proj"][1] @ made.weights.A["mlp.down_proj"][1]
    assert torch.equal(found["model.layers.1.mlp.down_proj.weight"], (old + change).bfloat16())


def test_merging_asks_for_a_fitting_base_and_room(tiny, tmp_path: Path, monkeypatch, full_disk) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    base = BaseModel("some/base", "x", tiny, Words())
    other = LlamaForCausalLM(LlamaConfig(**{**tiny.config.to_dict(), "intermediate_size": 64}))
    with pytest.raises(T2LError, match=r"mlp\.gate_proj .* another base"):
        to_merged(adapter(tiny), BaseModel("other/base", "x", other, Words()), tmp_path / "merged")
    with full_disk(50_000), pytest.raises(T2LError, match="cannot be written"):
        to_merged(adapter(tiny), base, tmp_path / "merged")
    monkeypatch.setattr(export, "free_megabytes", lambda _: 10)
    with pytest.raises(T2LError, match="10 are free"):
        to_merged(adapter(tiny), base, tmp_path / "merged")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def folder(tiny, tmp_path: Path) -> Path:
    adapter(tiny).save(tmp_path / "adapter")
    return tmp_path / "adapter"


def rewrite(folder: Path, **changes: Any) -> None:
    file = folder / "adapter_config.json"
    settings = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({k: v for k, v in settings.items() if v != "nothing"}))


def test_lint_has_nothing_against_what_is_saved_here(folder: Path) -> None:
    assert lint(folder) == []
    # PEFT writes every key; those that say nothing are none.
    rewrite(folder, rank_pattern={}, alpha_pattern={}, modules_to_save=[], lora_bias=False, r=4)
    assert lint(folder) == []


def test_lint_names_a_configuration_nested_beyond_measure(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[" * 100_000)
    assert any("adapter_config.json cannot be read" in finding for finding in lint(folder))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"base_model_name_or_path": "/home/me/base"}, "no Hub id"),
        ({"base_model_name_or_path": "./base"}, "no Hub id"),
        ({"base_model_name_or_path": "../models/base"}, "no Hub id"),
        ({"base_model_name_or_path": "C:\\models\\base"}, "no Hub id"),
        ({"base_model_name_or_path": "nothing"}, "is None, no Hub id"),
        ({"lora_alpha": 0}, "lora_alpha is 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
        ({"lora_alpha": "16"}, "lora_alpha is '16'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"use_dora": True}, "use_dora is True"),
        ({"lora_bias": True}, "lora_bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 4}}, "alpha_pattern"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"alora_invocation_tokens": [0]}, "alora_invocation_tokens"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"use_rslora": "yes"}, "use_rslora is 'yes'"),
        ({"target_modules": "all-linear"}, "target_modules is 'all-linear'"),
        (
            {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]},
            "(and 5 more) is not in target_modules",
        ),
    ],
)
def test_lint_finds_what_the_configuration_says(folder: Path, changes: dict[str, Any], named: str) -> None:
    rewrite(folder, **changes)
    (finding,) = lint(folder)
    assert named in finding and "\n" not in finding and finding.endswith(".")


@pytest.mark.parametrize(
    ("rank", "named"),
    [(12, []), (16, []), (24, ["--max-lora-rank 32"]), (513, ["largest rank 512"]), (0, ["at least 1"])],
)
def test_lint_knows_vllms_ranks(folder: Path, tiny, rank: int, named: list[str]) -> None:
    if rank:
        adapter(tiny, rank=rank).save(folder)
        assert all(name in finding for name, finding in zip(named, lint(folder), strict=True))
    else:
        rewrite(folder, r=rank)
        assert any(named[0] in finding for finding in lint(folder))


Q = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"


def edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    change(state)
    save_file(state, folder / "adapter_model.safetensors")


def add(key: str, *shape: int) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda state: state.update({key: torch.ones(shape)})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: state.pop(Q.format("B")), "lora_A and lora_B alone"),
        (add(Q.format("A"), 5, 32), "(rank 5 and 4) is not of rank r = 4"),
        (lambda state: (add(Q.format("A"), 5, 32)(state), add(Q.format("B"), 32, 5)(state)), "(rank 5)"),
        (add(Q.format("A"), 4, 33), "other sizes"),
        (add(Q.format("A"), 4), "no matrix"),
        (lambda state: state[Q.format("A")].fill_(float("nan")), "finite"),
        (lambda state: state.update({Q.format("A"): torch.ones(4, 32, dtype=torch.int8)}), "floating-point"),
        (add("model.layers.0.self_attn.q_proj.lora_A.weight", 4, 32), "layers.N"),
        (add(Q.format("A").replace(".weight", ".default.weight"), 4, 32), "lora_A.default.weight is no LoRA"),
        (add("base_model.model.lm_head.lora_A.weight", 4, 32), "lm_head"),
        (add("base_model.model.model.layers.0.self_attn.q_proj.bias", 32), "q_proj.bias"),
        (lambda state: state.clear(), "no tensors"),
    ],
)
def test_lint_finds_what_the_tensors_say(folder: Path, change: Callable[..., Any], named: str) -> None:
    edit(folder, change)
    findings = lint(folder)
    assert named in findings[0] and "\n" not in findings[0]
    assert len(findings) == 1 or named == "no tensors"


def test_lint_wants_names_that_vllm_has(folder: Path) -> None:
    rewrite(folder, target_modules=["q_proj", "o_proj", "wide_proj"])

    def rename(state: dict[str, torch.Tensor]) -> None:
        for key in list(state):
            tensor = state.pop(key)
            if ".q_proj." in key or ".o_proj." in key:
                state[key.replace(".o_proj.", ".wide_proj.")] = tensor

    edit(folder, rename)
    unknown, empty = lint(folder)
    assert "self_attn.wide_proj (and 1 more) is none of q_proj, k_proj" in unknown
    assert "names o_proj" in empty


def test_lint_finds_what_is_missing_or_damaged(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (finding,) = lint(folder)
    assert "config.json" in finding and "remove it" in finding
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("[")
    (finding,) = lint(folder)
    assert "cannot be read" in finding
    data = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(data[:100])
    assert len(lint(folder)) == 2
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    assert "pickle" in lint(folder)[1]
    with pytest.raises(T2LError, match="no folder"):
        lint(folder / "none")


def test_lint_ends_with_one_where_it_finds_something(folder: Path, capsys) -> None:
    assert main(["lint", str(folder)]) == 0
    assert "nothing that vLLM would refuse" in capsys.readouterr().out
    rewrite(folder, use_dora=True, bias="all")
    assert main(["lint", str(folder), "--json"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["findings"] == lines[:-1] and len(lines) == 3
    assert main(["lint", str(folder / "none")]) == 2


def test_the_command_exports_both_kinds(tiny, folder: Path, tmp_path: Path, capsys) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    tokenizer.chat_template = "{{ messages[0].content }}"
    tiny.to(torch.bfloat16).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    export = ["export", str(folder), "--base", str(tmp_path / "base"), "--json"]
    assert main([*export, "--to", "gguf", "--out", str(tmp_path / "a.gguf")]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == {
        "path": str(tmp_path / "a.gguf"),
        "to": "gguf",
        "bytes": (tmp_path / "a.gguf").stat().st_size,
    }
    assert main([*export, "--to", "merged", "--out", str(tmp_path / "merged")]) == 0
    merged = BaseModel.load(str(tmp_path / "merged"), dtype="float32", device="cpu")
    assert merged.model.config.dtype == torch.float32 and merged.tokenizer.chat_template
    stored = load_file(tmp_path / "merged" / "model.safetensors")
    assert {t.dtype for t in stored.values()} == {torch.bfloat16}
    assert str(tmp_path) not in (tmp_path / "merged" / "config.json").read_text()
    # Nothing that exists is lost, and what is no base is named.
    assert main([*export, "--to", "gguf", "--out", str(tmp_path / "a.gguf")]) == 2
    assert main([*export, "--to", "merged", "--out", str(tmp_path / "merged")]) == 2
    capsys.readouterr()
    assert main(["export", str(folder), "--to", "gguf", "--out", str(tmp_path / "b.gguf")]) == 2
    assert "'some/base' cannot be read" in capsys.readouterr().err
