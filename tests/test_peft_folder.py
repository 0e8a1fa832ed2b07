"""Adapters made elsewhere: PEFT's own files give PEFT's logits; what cannot be served is named."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from t2l.adapter import Adapter
from t2l.attach import attached
from t2l.errors import T2LError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
IDS = torch.tensor([[5, 17, 42, 7], [1, 2, 3, 90]])
Q = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"


def made_by_peft(model: Any, folder: Path, **options: Any) -> torch.Tensor:
    """An adapter of random weights as PEFT saves it; returns PEFT's logits. `model` is consumed."""
    from peft import LoraConfig, get_peft_model

    model.name_or_path = "some/tiny"
    options = {"target_modules": ["q_proj", "down_proj"], "r": 4, "lora_alpha": 6, **options}
    wrapped = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options)).eval()
    torch.manual_seed(1)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(std=0.2)
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    with torch.no_grad():
        return wrapped(IDS).logits


def change(folder: Path, **facts: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, **facts}))


def tensors(folder: Path, edit: Callable[[dict], Any]) -> None:
    state = load_file(folder / WEIGHTS)
    edit(state)
    save_file(state, folder / WEIGHTS)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of PEFT's, made once; tests change copies of it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    folder = tmp_path_factory.mktemp("peft") / "original"
    made_by_peft(LlamaForCausalLM(config), folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "theirs"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"target_modules": "all-linear", "lora_dropout": 0.3, "init_lora_weights": "gaussian"},
        {"target_modules": r".*\.self_attn\.[kv]_proj", "r": 1},
        {"target_modules": ["mlp.up_proj", "model.layers.0.self_attn.o_proj", "layers.1.self_attn.o_proj"]},
    ],
    ids=["plain", "rslora", "all-linear", "regex", "full names"],
)
def test_what_peft_saved_gives_the_logits_of_peft(tiny, tmp_path: Path, options: dict) -> None:
    import copy

    expected = made_by_peft(copy.deepcopy(tiny), tmp_path / "theirs", **options)
    opened = Adapter.load(tmp_path / "theirs")
    assert list(opened.spec.targets) == sorted(opened.spec.targets)
    assert (opened.condition, opened.generator, opened.source) == ("", "", "theirs")
    with torch.no_grad():
        plain = tiny(IDS).logits
        with attached(tiny, opened.weights):
            got = tiny(IDS).logits
    assert (expected - plain).abs().max() > 1e-3
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    # Saved here and opened again, it is the same adapter.
    opened.save(tmp_path / "ours")
    again = Adapter.load(tmp_path / "ours")
    assert (again.id, again.source, again.weights_sha256) == (opened.id, "theirs", opened.weights_sha256)


def test_names_with_default_and_half_precision_are_read_as_they_are_meant(folder: Path) -> None:
    before = Adapter.load(folder)
    state = {
        k.replace(".weight", ".default.weight"): v.half() for k, v in load_file(folder / WEIGHTS).items()
    }
    save_file(state, folder / WEIGHTS)
    after = Adapter.load(folder)
    assert after.spec == before.spec and after.id != before.id
    for name, tensor in after.weights.A.items():
        assert torch.equal(tensor, before.weights.A[name].half().float())


def test_the_id_follows_weights_and_specification_alone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "renamed")
    first = Adapter.load(folder)
    assert Adapter.load(tmp_path / "renamed").id == first.id
    change(tmp_path / "renamed", lora_alpha=7)
    assert Adapter.load(tmp_path / "renamed").id != first.id
    tensors(folder, lambda s: s[Q.format(0, "A")].mul_(2))
    assert Adapter.load(folder).id != first.id


def test_what_changes_nothing_is_no_reason_to_refuse(folder: Path) -> None:
    before = Adapter.load(folder)
    change(folder, layers_to_transform=[], rank_pattern={}, revision="main", megatron_core="x", unknown=True)
    (folder / "adapter_model.bin").write_bytes(pickle.dumps("beside safetensors it is not read"))
    (folder / "config.json").write_text("{}")
    assert Adapter.load(folder).id == before.id


UNSERVED = {
    "peft_type": "LOHA",
    "use_dora": True,
    "bias": "lora_only",
    "modules_to_save": ["lm_head"],
    "rank_pattern": {"q_proj": 8},
    "alpha_pattern": {"q_proj": 8},
    "layers_to_transform": 0,
    "layer_replication": [[0, 2], [1, 2]],
    "fan_in_fan_out": True,
    "lora_bias": True,
    "target_parameters": ["mlp.experts.gate_up_proj"],
    "trainable_token_indices": [1],
    "megatron_config": {"x": 1},
    "alora_invocation_tokens": [1],
    "use_qalora": True,
    "use_bdlora": {"x": 1},
    "arrow_config": {"x": 1},
    "kasa_config": {"x": 1},
    "monteclora_config": {"x": 1},
    "init_lora_weights": "pissa_niter_4",
    "use_rslora": "false",
    "base_model_name_or_path": None,
}


@pytest.mark.parametrize("key", UNSERVED)
def test_a_configuration_of_more_than_a_lora_is_refused_by_name(folder: Path, key: str) -> None:
    change(folder, **{key: UNSERVED[key]})
    with pytest.raises(T2LError) as caught:
        Adapter.load(folder)
    value = UNSERVED[key]
    assert key in str(caught.value) and str(folder) in str(caught.value)
    assert json.dumps(value) in str(caught.value) or repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [None, 0, -1, True, 1.5, "8", 10**30], ids=str)
def test_a_rank_that_no_adapter_has_is_refused(folder: Path, value: Any) -> None:
    change(folder, r=value)
    with pytest.raises(T2LError, match=r"rank must be|expected \(1"):
        Adapter.load(folder)


@pytest.mark.parametrize("value", ["16", 0, float("nan"), 10**400], ids=["text", "zero", "nan", "endless"])
def test_an_alpha_that_no_adapter_has_is_refused(folder: Path, value: Any) -> None:
    change(folder, lora_alpha=value)
    with pytest.raises(T2LError, match=r"alpha must be|damaged"):
        Adapter.load(folder)


EMBEDDING = "base_model.model.model.embed_tokens.lora_embedding_A"
TENSORS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "embedding": (lambda s: s.update({EMBEDDING: torch.zeros(4, 96)}), f"holds {EMBEDDING}"),
    "head": (lambda s: s.update({"base_model.model.lm_head.lora_A.weight": torch.zeros(4, 32)}), "lm_head"),
    "prefix": (lambda s: s.update({"model.layers.0.x.lora_A.weight": torch.zeros(4, 32)}), "no LoRA on"),
    "convolution": (lambda s: s.update({Q.format(0, "A"): torch.zeros(4, 32, 1, 1)}), r"\(4, 32, 1, 1\)"),
    "layer missing": (lambda s: [s.pop(Q.format(0, x)) for x in "AB"], "lacks .*layers.0.self_attn.q_proj"),
    "a far layer": (lambda s: s.update({Q.format(9999, "A"): s[Q.format(0, "A")].clone()}), "lacks"),
    "no B": (lambda s: [s.pop(Q.format(x, "B")) for x in (0, 1)], "q_proj has lora_A alone"),
    "rank": (
        lambda s: s.update({Q.format(1, "B"): torch.zeros(32, 5)}),
        r"shape \(32, 5\), expected \(32, 4\)",
    ),
    "NaN": (lambda s: s[Q.format(1, "A")].fill_(float("nan")), "A of self_attn.q_proj holds NaN"),
    "overflow": (
        lambda s: s.update({Q.format(1, "A"): torch.full((4, 32), 1e300, dtype=torch.float64)}),
        "infinity",
    ),
    "integers": (lambda s: s.update({Q.format(1, "A"): torch.zeros(4, 32, dtype=torch.int8)}), "torch.int8"),
    "twice": (
        lambda s: s.update({Q.format(0, "A").replace(".weight", ".default.weight"): torch.zeros(4, 32)}),
        "twice",
    ),
    "unnamed": (
        lambda s: s.update({Q.format(0, "A").replace("q_proj", "v_proj"): torch.zeros(4, 32)}),
        "v_proj, which target_modules",
    ),
    "nothing": (lambda s: s.clear(), "no tensors"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_no_plain_lora_are_refused_by_name(folder: Path, name: str) -> None:
    edit, named = TENSORS[name]
    tensors(folder, edit)
    with pytest.raises(T2LError, match=f"theirs.*{named}"):
        Adapter.load(folder)


def header(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


HOSTILE = {
    "endless header": (2**63 - 1).to_bytes(8, "little") + b"{}",
    "endless shape": header(
        b'{"x":{"dtype":"F32","shape":[1099511627776,1048576],"data_offsets":[0,4]}}', b"0000"
    ),
    "beyond the end": header(b'{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', b"0000"),
    "empty but vast": header(b'{"x":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}'),
    "unknown type": header(b'{"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', b"0000"),
    "a page": b"<html>404</html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_are_refused(folder: Path, name: str) -> None:
    (folder / WEIGHTS).write_bytes(HOSTILE[name])
    with pytest.raises(T2LError, match=r"theirs.*(damaged|no LoRA)"):
        Adapter.load(folder)


def test_half_a_file_is_refused(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    for length in (4, 100, len(data) // 2, len(data) - 1):
        (folder / WEIGHTS).write_bytes(data[:length])
        with pytest.raises(T2LError, match=r"theirs is damaged.*fetch the folder anew"):
            Adapter.load(folder)


def test_a_pickle_is_never_unpickled(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(T2LError, match="damaged"):
        Adapter.load(folder)
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(T2LError, match="pickle, which is never unpickled here; convert it"):
        Adapter.load(folder)
    assert not (tmp_path / "sprung").exists()


def test_a_file_beyond_the_limit_is_refused_unread(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 2**31 + 1)
    with pytest.raises(T2LError, match="2,147,483,649 bytes; the most is 2,147,483,648"):
        Adapter.load(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "t2l.json"])
def test_links_out_of_the_folder_are_never_followed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).touch()
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(T2LError, match=f"{name} is a link out of the folder"):
        Adapter.load(folder)
    # A link within the folder, as some tools make, leads nowhere else.
    (folder / name).unlink()
    (tmp_path / "outside").rename(folder / "inside")
    (folder / name).symlink_to("inside")
    if name != "t2l.json":
        assert Adapter.load(folder).source == "theirs"


def test_a_link_to_itself_and_a_pipe_are_no_files(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(WEIGHTS)
    with pytest.raises(T2LError, match="lacks adapter_model"):
        Adapter.load(folder)
    (folder / CONFIG).unlink()
    os.mkfifo(folder / CONFIG)
    with pytest.raises(T2LError, match="lacks adapter_config"):
        Adapter.load(folder)


def test_a_whole_model_and_what_is_no_folder_are_named_as_such(folder: Path, tmp_path: Path) -> None:
    (folder / CONFIG).write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    with pytest.raises(T2LError, match="whole model"):
        Adapter.load(folder)
    (folder / CONFIG).rename(folder / "config.json")
    with pytest.raises(T2LError, match="whole model"):
        Adapter.load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(T2LError, match=r"lacks adapter_config\.json; give a folder made here or by PEFT"):
        Adapter.load(folder)
    (tmp_path / "one.zip").write_bytes(b"PK")
    for path in (tmp_path / "one.zip", tmp_path / "nothing"):
        with pytest.raises(T2LError, match="no folder"):
            Adapter.load(path)
