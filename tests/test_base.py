"""The base: its numbers against the GGUF package's own reading, its template, and what is refused."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from paths import FIXTURES
from safetensors.torch import load_file, save_file

from t2l import base as module
from t2l.base import (
    DEFAULT_BASE,
    BaseModel,
    choose_device,
    choose_dtype,
    converted,
    embedded_gguf,
    read_config,
)
from t2l.errors import T2LError


@pytest.fixture(scope="module")
def gguf() -> Path:
    file = embedded_gguf()
    assert file is not None, "the embedded base is not installed (requirements-embedded.txt)"
    return file


@pytest.fixture
def tiny_folder(base: BaseModel, tmp_path: Path) -> Path:
    """A base model in a local folder: the recorded 3-layer Llama with the embedded base's tokenizer."""
    folder = tmp_path / "tiny"
    base.tokenizer.save_pretrained(folder)
    for file in (FIXTURES / "sft_forward" / "base_model").iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder


def test_the_embedded_base_is_named_by_the_hash_of_its_file(base: BaseModel, gguf: Path) -> None:
    assert base.id == DEFAULT_BASE
    assert base.weights_id == f"{gguf.name}@sha256:{hashlib.sha256(gguf.read_bytes()).hexdigest()}"
    assert base.dtype == torch.float32 and base.device.type == "cpu"
    assert not base.model.training and not any(p.requires_grad for p in base.model.parameters())
    assert (base.context_length, base.eos_ids) == (8192, {2})


def test_converted_tensors_are_the_packages_own_dequantisation(base: BaseModel, gguf: Path) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    stored = {tensor.name: tensor for tensor in GGUFReader(gguf).tensors}

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(dequantize(stored[name].data, stored[name].tensor_type).copy())

    model = base.model.model
    attention, mlp = model.layers[0].self_attn, model.layers[29].mlp
    for name, weight in (
        ("blk.0.attn_v.weight", attention.v_proj.weight),
        ("blk.0.attn_output.weight", attention.o_proj.weight),
        ("blk.29.ffn_down.weight", mlp.down_proj.weight),
        ("blk.29.ffn_gate.weight", mlp.gate_proj.weight),
        ("blk.29.ffn_up.weight", mlp.up_proj.weight),
        ("blk.0.attn_norm.weight", model.layers[0].input_layernorm.weight),
        ("output_norm.weight", model.norm.weight),
        ("token_embd.weight", model.embed_tokens.weight),
        ("token_embd.weight", base.model.lm_head.weight),
    ):
        assert torch.equal(weight, read(name).view(weight.shape)), name
    # GGUF pairs the halves of every head's rotation: row (head, half, j) is stored at (head, j, half).
    for name, weight, heads in (
        ("blk.0.attn_q.weight", attention.q_proj.weight, 9),
        ("blk.0.attn_k.weight", attention.k_proj.weight, 3),
    ):
        rows = read(name).view(heads, 32, 2, 576).transpose(1, 2).reshape(weight.shape)
        assert torch.equal(weight, rows) and not torch.equal(weight, read(name)), name


def test_the_prompt_is_the_stock_template_to_the_letter(base: BaseModel) -> None:
    ids = base.prompt_ids([{"role": "user", "content": " Café 🤖\nتوت "}])
    assert base.tokenizer.decode(ids) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\n Café 🤖\nتوت <|im_end|>\n<|im_start|>assistant\n"
    )
    own = base.prompt_ids(base.told([{"role": "user", "content": "U"}], "S"))
    assert base.tokenizer.decode(own) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    )


def test_where_a_template_takes_no_system_message_the_task_stands_before_the_first_text(
    base: BaseModel,
) -> None:
    tokenizer = copy.copy(base.tokenizer)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    )
    other = replace(base, tokenizer=tokenizer)
    chat = [
        {"role": role, "content": text} for role, text in (("user", "U"), ("assistant", "A"), ("user", "V"))
    ]
    assert base.reads_system and not other.reads_system
    assert [m["content"] for m in other.told(chat, "Say it.")] == ["Say it.\n\nU", "A", "V"]
    assert base.told(chat, "Say it.") == [{"role": "system", "content": "Say it."}, *chat]
    assert other.told(chat, "") == base.told(chat, "") == chat


def test_turns_are_the_tokens_of_one_conversation_answer_by_answer(base: BaseModel) -> None:
    pairs = [("cat", "cats"), ("mouse", "mice"), ("", "x\n y ")]
    for description in ("", "Say the plural."):
        turns = base.turns(pairs, description)
        chat = [{"role": "user", "content": "cat"}]
        assert turns[0] == (base.prompt_ids(base.told(chat, description)), base.answer_ids(chat, "cats"))
        assert [base.tokenizer.decode(answer) for _, answer in turns] == [f"{a}<|im_end|>" for _, a in pairs]
        roles = ("user", "assistant")
        every = [{"role": r, "content": c} for p in pairs for r, c in zip(roles, p, strict=True)]
        whole = base.tokenizer.apply_chat_template(base.told(every, description), tokenize=False)
        ids = [token for prompt, answer in turns for token in prompt + answer]
        assert ids == base.tokenizer(whole.rstrip("\n"), add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("answer", ["toasters", "", "two\nlines ", "🤖"])
def test_an_answer_ends_with_the_token_that_ends_it(base: BaseModel, answer: str) -> None:
    ids = base.answer_ids([{"role": "user", "content": "toaster"}], answer)
    assert base.tokenizer.decode(ids) == f"{answer}<|im_end|>"
    assert [token in base.eos_ids for token in ids] == [False] * (len(ids) - 1) + [True]


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(base: BaseModel) -> None:
    chat = [{"role": "user", "content": "word " * 8159}]
    with pytest.raises(T2LError, match=r"has 81\d\d tokens, but .* at most 8192 .*shorten") as caught:
        base.prompt_ids([{"role": "user", "content": "word " * 8165}])
    whole = base.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert len(base.prompt_ids(chat)) == len(base.tokenizer(whole)["input_ids"]) < 8192
    assert DEFAULT_BASE in str(caught.value)


@pytest.mark.parametrize("name", ["no-such/base", "../nowhere", "a/b/c", ""])
def test_an_unknown_base_is_refused_by_name(name: str) -> None:
    with pytest.raises(T2LError, match=f"'{name}' cannot be loaded.*or use {DEFAULT_BASE}"):
        BaseModel.load(name, dtype="float32", device="cpu")


def test_unknown_types_and_devices_are_refused_with_the_choices() -> None:
    with pytest.raises(T2LError, match=r"'int3' is unknown; choose auto, float32, bfloat16, float16"):
        BaseModel.load(dtype="int3", device="cpu")
    for name in ("tpu", "cuda:99", ""):
        with pytest.raises(T2LError, match=f"device '{name}' is not usable here; choose cpu or auto"):
            BaseModel.load(dtype="float32", device=name)
    assert choose_dtype("auto", choose_device("cpu")) in (torch.float32, torch.bfloat16)
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


def test_a_local_folder_is_named_by_the_hash_of_its_weights(tiny_folder: Path) -> None:
    made = BaseModel.load(str(tiny_folder), dtype="bfloat16", device="cpu")
    digest = hashlib.sha256((tiny_folder / "model.safetensors").read_bytes()).hexdigest()
    assert (made.id, made.weights_id) == (str(tiny_folder), f"local@sha256:{digest}")
    assert made.dtype == torch.bfloat16 and made.spec(["self_attn.v_proj"]).targets == {
        "self_attn.v_proj": (64, 32)
    }


def test_a_local_folder_of_pickled_weights_is_named_by_their_hash(tiny_folder: Path) -> None:
    state = load_file(tiny_folder / "model.safetensors")
    (tiny_folder / "model.safetensors").unlink()
    names = []
    for change in (0, 1):
        torch.save({k: v + change for k, v in state.items()}, tiny_folder / "pytorch_model.bin")
        names.append(BaseModel.load(str(tiny_folder), dtype="float32", device="cpu").weights_id)
    digest = hashlib.sha256((tiny_folder / "pytorch_model.bin").read_bytes()).hexdigest()
    assert names[1] == f"local@sha256:{digest}" != names[0]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"hidden_size": "big"}),
        ("config.json", {"num_attention_heads": 0}),
        ("config.json", {"rope_parameters": [1]}),
        ("config.json", []),
        ("tokenizer_config.json", []),
        ("generation_config.json", []),
    ],
)
def test_a_local_base_whose_settings_are_of_other_types_is_refused(
    tiny_folder: Path, file: str, change: dict | list
) -> None:
    path = tiny_folder / file
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **change} if isinstance(change, dict) else change))
    with pytest.raises(T2LError, match="tiny' cannot be loaded"):
        BaseModel.load(str(tiny_folder), dtype="float32", device="cpu")
    if file == "config.json":
        with suppress(T2LError):
            read_config(str(tiny_folder))


def test_a_damaged_local_base_is_refused_by_name(tiny_folder: Path) -> None:
    def refused(reason: str) -> None:
        with pytest.raises(T2LError, match=f"tiny' cannot be loaded.*{reason}"):
            BaseModel.load(str(tiny_folder), dtype="float32", device="cpu")

    weights, config = tiny_folder / "model.safetensors", tiny_folder / "config.json"
    data, settings = weights.read_bytes(), config.read_text()
    weights.write_bytes(data[: len(data) // 2])
    refused("incomplete")
    state = load_file(FIXTURES / "sft_forward" / "base_model" / "model.safetensors")
    del state["model.norm.weight"]
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(T2LError, match=r"tiny lack model\.norm\.weight; download"):
        BaseModel.load(str(tiny_folder), dtype="float32", device="cpu")
    weights.write_bytes(data)
    config.write_text(json.dumps({**json.loads(settings), "hidden_size": 32}))
    refused("")
    config.write_text("{")
    refused("config")
    config.write_text(settings)
    tokenizer = tiny_folder / "tokenizer.json"
    whole = tokenizer.read_bytes()
    tokenizer.write_text('{"added_tokens": []}')
    refused("tokenizer.json: Model missing")
    tokenizer.write_bytes(whole)
    (tiny_folder / "chat_template.jinja").unlink()
    with pytest.raises(T2LError, match=r"tiny has no chat template; choose an instruction-tuned base"):
        BaseModel.load(str(tiny_folder), dtype="float32", device="cpu")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("T2L_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_conversion_leaves_nothing_and_can_be_repeated(
    cache: Path, tmp_path: Path, monkeypatch, error
) -> None:
    file, lines, runs = tmp_path / "some.gguf", [], []
    file.write_bytes(b"gguf")

    def convert(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("half")
        runs.append(gguf)
        if len(runs) == 1:
            raise error

    monkeypatch.setattr(module, "_convert", convert)
    with pytest.raises(error):
        converted(file, lines.append)
    assert not list((cache / "base").iterdir())
    folder = converted(file, lines.append)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert converted(file, lines.append) == folder and runs == [file, file]
    assert [line.split()[0] for line in lines] == ["First", "First", "Converted."]
    file.write_bytes(b"another")
    assert converted(file, lines.append) != folder


TOGETHER = """
import sys
from pathlib import Path
import torch
import t2l.base

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
t2l.base._convert(Path(sys.argv[1]), Path(sys.argv[2]) / str(rank))
"""


def test_each_of_two_processes_that_train_together_converts(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TOGETHER)
    for rank in "01":
        (tmp_path / rank).mkdir()
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    made = subprocess.run(
        [sys.executable, *launch, tmp_path / "script.py", gguf, tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    # What one process alone made.
    whole = converted(gguf, lambda line: None)
    known = load_file(whole / "model.safetensors")
    for rank in "01":
        folder = tmp_path / rank
        assert {file.name for file in folder.iterdir()} == {file.name for file in whole.iterdir()}
        for name in ("config.json", "generation_config.json", "tokenizer.json"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
        tensors = load_file(folder / "model.safetensors")
        assert tensors.keys() == known.keys() and all(torch.equal(tensors[k], known[k]) for k in known)


def test_too_little_disk_is_refused_before_the_conversion(cache: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "some.gguf").write_bytes(b"gguf")
    monkeypatch.setattr(module, "free_megabytes", lambda folder: 699)
    with pytest.raises(T2LError, match=r"cache.*needs 700 MB of free disk; free some, or set T2L_CACHE"):
        converted(tmp_path / "some.gguf", lambda line: None)
    assert not cache.exists()
