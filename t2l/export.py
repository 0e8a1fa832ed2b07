"""What other programs read: a GGUF LoRA for llama.cpp, a merged model, and what vLLM would refuse.
Knows their formats and rules; runs none of them."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2l.adapter import Adapter, title
from t2l.attach import target_modules
from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.files import complete_file, complete_or_absent, free_megabytes
from t2l.lora import LoRASpec, LoRAWeights
from t2l.peft_folder import CONFIG, DTYPES, WEIGHTS, is_set, read_bytes, read_json

# transformers' model_type -> llama.cpp's architecture.
_ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TENSOR = "blk.{layer}.{name}.weight.lora_{side}"


def to_gguf(adapter: Adapter, file: str | Path, config: Any) -> int:
    """Writes an adapter as a GGUF LoRA, which llama.cpp takes with --lora; returns its bytes.

    config: the base's transformers configuration (`base.read_config`), whose heads say how llama.cpp orders
    the rows of q and k. The scaling is the adapter's, rank-stabilised or not. Complete or absent; same
    adapter, same bytes. Raises T2LError for an architecture or a module that has no known name there, a base
    of other sizes, a file that exists, or a disk that refuses.
    """
    gguf = _gguf()
    spec, weights = adapter.spec, adapter.weights.check_finite()
    architecture, heads = _layout(spec, config)
    tensors = {}
    for layer in range(spec.n_layers):
        for target in spec.targets:
            a, b = weights.A[target][layer], weights.B[target][layer]
            if target in heads:
                b = _interleaved(b, heads[target])
            for side, tensor in (("a", a), ("b", b)):
                name = _TENSOR.format(layer=layer, name=_NAMES[target], side=side)
                tensors[name] = tensor.detach().cpu().float().contiguous().numpy()
    with complete_file(file) as work:
        writer = gguf.GGUFWriter(work, architecture)
        try:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            # llama.cpp scales by alpha/rank and knows no rank-stabilised scaling.
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, spec.scaling * spec.rank)
            writer.add_name(title(adapter.label) or adapter.id)
            writer.add_base_model_count(1)
            writer.add_base_model_name(0, spec.base_model)
            for name, tensor in tensors.items():
                writer.add_tensor(name, tensor)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()
        # numpy's tofile, which gguf writes with, passes over a full disk in silence.
        if not _holds(work, tensors):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return work.stat().st_size


def read_gguf(file: str | Path, config: Any) -> LoRAWeights:
    """The adapter that `to_gguf` wrote for a base of this configuration, with plain scaling alpha/rank.

    Raises T2LError for a file that is none, or is for another architecture.
    """
    gguf = _gguf()
    try:
        reader = gguf.GGUFReader(str(file))
        value = {key: field.contents() for key, field in reader.fields.items()}
        # Copied: the reader maps the file into memory.
        tensors = {t.name: torch.from_numpy(t.data.copy()) for t in reader.tensors}
        kind = value[gguf.Keys.General.TYPE], value[gguf.Keys.Adapter.TYPE]
        alpha, found = value[gguf.Keys.Adapter.LORA_ALPHA], value[gguf.Keys.General.ARCHITECTURE]
        base = value["general.base_model.0.name"]
    except (OSError, ValueError, LookupError) as err:
        raise T2LError(f"{file} is no GGUF LoRA made here ({err}); export the adapter again.") from err
    if kind != ("adapter", "lora"):
        raise T2LError(f"{file} is a GGUF of type {'/'.join(kind)}; give a LoRA adapter.")
    targets = {}
    for target, name in _NAMES.items():
        pair = [tensors.get(_TENSOR.format(layer=0, name=name, side=side)) for side in "ab"]
        if pair[0] is not None and pair[1] is not None:
            targets[target] = pair[0].shape[1], pair[1].shape[0]
            rank = pair[0].shape[0]
    if not targets:
        raise T2LError(f"{file} holds no tensor of a known module in layer 0; export the adapter again.")
    spec = LoRASpec(base, config.get_text_config().num_hidden_layers, targets, rank, alpha)
    architecture, heads = _layout(spec, config)
    if architecture != found:
        raise T2LError(f"{file} is for {found} in llama.cpp, this base is {architecture}; give its own base.")
    state = {}
    for layer in range(spec.n_layers):
        for target, name in ((target, _NAMES[target]) for target in targets):
            a, b = (tensors.pop(_TENSOR.format(layer=layer, name=name, side=side), None) for side in "ab")
            if a is None or b is None:
                raise T2LError(f"{file} lacks blk.{layer}.{name}; export the adapter again.")
            state[target, layer] = a, _halved(b, heads[target]) if target in heads else b
    if tensors:
        raise T2LError(f"{file} holds {min(tensors)}, which is not known here; export the adapter again.")
    sides = (
        {
            target: torch.stack([state[target, layer][side] for layer in range(spec.n_layers)])
            for target in targets
        }
        for side in (0, 1)
    )
    return LoRAWeights(spec, *sides)


def _holds(file: Path, tensors: Mapping[str, Any]) -> bool:
    """Whether a GGUF holds these arrays, and no others."""
    try:
        found = {t.name: t.data for t in _gguf().GGUFReader(str(file)).tensors}
    except (ValueError, LookupError):
        return False
    return found.keys() == tensors.keys() and all((found[name] == t).all() for name, t in tensors.items())


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as err:
        raise T2LError("GGUF files need the package gguf; install it with: pip install gguf") from err
    return gguf


def _layout(spec: LoRASpec, config: Any) -> tuple[str, dict[str, int]]:
    """llama.cpp's architecture, and for every module whose rows it reorders the number of heads."""
    text = config.get_text_config()
    architecture = _ARCHITECTURES.get(text.model_type)
    if architecture is None:
        raise T2LError(
            f"How llama.cpp lays out {text.model_type!r} is not known here (known: "
            f"{', '.join(_ARCHITECTURES)}); export a merged model and convert it with llama.cpp's own script."
        )
    heads, kv_heads = text.num_attention_heads, text.num_key_value_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    hidden, inner, q, kv = text.hidden_size, text.intermediate_size, heads * head, kv_heads * head
    sizes = {
        "self_attn.q_proj": (hidden, q),
        "self_attn.k_proj": (hidden, kv),
        "self_attn.v_proj": (hidden, kv),
        "self_attn.o_proj": (q, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }
    if spec.n_layers != text.num_hidden_layers:
        raise T2LError(
            f"The adapter has {spec.n_layers} layers but the base has {text.num_hidden_layers}; "
            f"give the configuration of {spec.base_model}."
        )
    for target, size in spec.targets.items():
        if target not in sizes:
            raise T2LError(
                f"{target} has no name in llama.cpp here (known: {', '.join(sizes)}); merge instead."
            )
        if size != sizes[target]:
            raise T2LError(
                f"{target} of the adapter maps {size[0]} to {size[1]}, that of the base "
                f"{sizes[target][0]} to {sizes[target][1]}; give the configuration of {spec.base_model}."
            )
    # llama.cpp rotates neighbours in Llama's q and k, transformers the two halves of a head.
    rotated = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}
    return architecture, rotated if architecture == "llama" else {}


def _interleaved(rows: Tensor, heads: int) -> Tensor:
    """(o, r) with each head's two halves interleaved: row i, then row i + half, of every head."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _halved(rows: Tensor, heads: int) -> Tensor:
    """Inverse of `_interleaved`."""
    return rows.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def to_merged(adapter: Adapter, base: BaseModel, folder: str | Path) -> int:
    """Writes the base with the adapter in its weights, as a plain model folder; returns its bytes.

    Weights keep the base's type (the change is added in float32 and rounded once); tokenizer and generation
    settings come along. `base` stays as it is. Complete or absent; a folder that holds anything is refused.
    Raises T2LError where the adapter does not fit the base or the disk is too small.
    """
    spec, weights = adapter.spec, adapter.weights
    state = dict(base.model.state_dict())
    names = {id(module): name for name, module in base.model.named_modules()}
    needed = sum(t.numel() * t.element_size() for t in state.values()) // 2**20 + 64
    free = free_megabytes(Path(folder).absolute())
    if free < needed:
        raise T2LError(
            f"{folder} needs {needed} MB of disk, {free} are free; free some or choose another place."
        )
    for target, linears in target_modules(base.model, spec).items():
        for layer, module in enumerate(linears):
            old = module.weight.detach()
            a, b = (side[target][layer].to(old.device).float() for side in (weights.A, weights.B))
            state[f"{names[id(module)]}.weight"] = (old.float() + spec.scaling * b @ a).to(old.dtype)
    with complete_or_absent(folder) as work:
        base.model.save_pretrained(work, state_dict=state)
        base.tokenizer.save_pretrained(work)
        return sum(file.stat().st_size for file in work.iterdir())


# vLLM's --max-lora-rank takes these alone; without it the largest rank is 16.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_DEFAULT_RANK = 16
_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica", "lora_ga")
# What vLLM refuses, or serves wrongly without a word, and what to do about it.
_UNSERVED = {
    "alora_invocation_tokens": "train a plain LoRA",
    "alpha_pattern": "use one alpha; older versions ignore it silently",
    "layer_replication": "train on the layers as they are",
    "lora_bias": "train without it",
    "modules_to_save": "train LoRA on those modules, or merge",
    "rank_pattern": "use one rank; older versions ignore it silently",
    "target_parameters": "train LoRA on Linear modules",
    "trainable_token_indices": "train without it, or merge",
    "use_bdlora": "train a plain LoRA",
    "use_dora": "train without it, or merge",
    "use_qalora": "train a plain LoRA",
}
_KEY = re.compile(
    r"base_model\.model\.model\.layers\.[0-9]{1,4}\.([A-Za-z0-9_.]{1,200})\.lora_([AB])\.weight"
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


def lint(folder: str | Path) -> list[str]:
    """What keeps vLLM from serving a folder's adapter: one line a finding, with its remedy; none is fine.

    The rules are those of vLLM's peft_helper.py, and what it passes over in silence. Nothing is unpickled or
    run. Raises T2LError where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise T2LError(f"{folder} is no folder; give the folder of an adapter (unzip it first).")
    found = []
    config: dict[str, Any] | None = None
    try:
        config = read_json(folder, CONFIG)
    except T2LError as err:
        found.append(str(err))
    except (OSError, ValueError, RecursionError) as err:
        found.append(f"{CONFIG} cannot be read ({str(err)[:200]}); save the adapter again.")
    else:
        found += _lint_config(config)
    if config is not None and (folder / "config.json").is_file():
        found.append("config.json makes transformers take the folder for a whole model; remove it.")
    return found + list(_lint_weights(folder, config or {}))


def _lint_config(config: Mapping[str, Any]) -> Iterator[str]:
    kind = config.get("peft_type")
    if kind != "LORA":
        yield f"peft_type is {_shown(kind)}; vLLM serves LORA alone: train one."
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not _HUB_ID.fullmatch(base):
        yield f"base_model_name_or_path is {_shown(base)}, no Hub id; write the base's id (owner/name) there."
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        yield f"r is {_shown(rank)}; it must be a whole number of at least 1: write the adapter's rank."
    elif rank > _RANKS[-1]:
        yield f"r is {rank}, over vLLM's largest rank {_RANKS[-1]}; train with a smaller one, or merge."
    elif rank > _DEFAULT_RANK:
        enough = min(allowed for allowed in _RANKS if allowed >= rank)
        yield f"r is {rank}, over vLLM's default of {_DEFAULT_RANK}; serve it with --max-lora-rank {enough}."
    number = alpha if isinstance(alpha, int | float) and not isinstance(alpha, bool) else math.nan
    # Written so that it catches NaN.
    if not 0 < number < math.inf:
        yield f"lora_alpha is {_shown(alpha)}; it must be a number above 0: write the trained one."
    if config.get("bias", "none") != "none":
        yield f"bias is {_shown(config['bias'])}; vLLM serves none: train without it, or merge."
    if config.get("init_lora_weights") not in _STARTS:
        yield (
            f"init_lora_weights is {_shown(config['init_lora_weights'])}, which changes the base; convert "
            "the adapter to a plain LoRA and write true."
        )
    if not isinstance(config.get("use_rslora", False), bool):
        yield f"use_rslora is {_shown(config['use_rslora'])}; write true or false."
    for key, remedy in _UNSERVED.items():
        if is_set(config, key):
            yield f"{key} is {_shown(config[key])}, which vLLM does not serve; {remedy}."
    targets = config.get("target_modules")
    if not isinstance(targets, list) or not targets or not all(isinstance(name, str) for name in targets):
        yield f"target_modules is {_shown(targets)}; write the list of the changed modules' names."


def _lint_weights(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = load(read_bytes(folder, WEIGHTS))
    except T2LError as err:
        yield str(err)
        return
    # The last three: sizes that nobody can count, or that the file's bytes do not give.
    except (OSError, SafetensorError, ValueError, LookupError, RuntimeError, ArithmeticError) as err:
        yield f"{WEIGHTS} cannot be read ({str(err)[:200]}); save the adapter again."
        return
    if not state:
        yield f"{WEIGHTS} holds no tensors; save the adapter again."
    sides: dict[str, dict[str, Tensor]] = {}
    foreign, shapeless, odd = [], {}, []
    for key, tensor in sorted(state.items()):
        match = _KEY.fullmatch(key)
        if match is None:
            foreign.append(key)
        elif tensor.dim() != 2 or not tensor.numel():
            shapeless[key.rpartition(".lora_")[0]] = f"{key} {tuple(tensor.shape)}"
        else:
            sides.setdefault(key.rpartition(".lora_")[0], {})[match[2]] = tensor
            # Of float8 torch cannot tell what is finite.
            if tensor.dtype not in DTYPES or not torch.isfinite(tensor).all():
                odd.append(key)
    if foreign:
        yield (
            f"{_first(foreign)} is no LoRA of base_model.model.model.layers.N, which vLLM refuses or passes "
            "over in silence; rename it, or train on the decoder layers alone."
        )
    if shapeless:
        yield f"{_first([*shapeless.values()])} is no matrix; save the adapter again."
    if odd:
        yield f"{_first(odd)} holds other than finite floating-point numbers; train the adapter again."
    alone = [path for path, pair in sides.items() if len(pair) != 2 and path not in shapeless]
    if alone:
        yield f"{_first(alone)} has one of lora_A and lora_B alone; save the adapter again."
    pairs = {path: pair for path, pair in sides.items() if len(pair) == 2}
    yield from _lint_shapes(pairs, config)
    yield from _lint_names(pairs, config)


def _lint_shapes(pairs: Mapping[str, Mapping[str, Tensor]], config: Mapping[str, Any]) -> Iterator[str]:
    rank = config.get("r")
    ranks = {path: (pair["A"].shape[0], pair["B"].shape[1]) for path, pair in pairs.items()}
    first: dict[str, tuple[int, int]] = {}
    ranked, sized = [], []
    for path, pair in pairs.items():
        a, b = ranks[path]
        if a != b or (isinstance(rank, int) and a != rank):
            ranked.append(f"{path} (rank {a if a == b else f'{a} and {b}'})")
        target = path.partition(".layers.")[2].partition(".")[2]
        size = pair["A"].shape[1], pair["B"].shape[0]
        if first.setdefault(target, size) != size:
            sized.append(
                f"{path} ({size[0]} to {size[1]}, elsewhere {first[target][0]} to {first[target][1]})"
            )
    if ranked:
        yield f"{_first(ranked)} is not of rank r = {_shown(rank)}; use one rank for all modules."
    if sized:
        yield f"{_first(sized)} has other sizes than in other layers; train on layers of one size, or merge."


def _lint_names(pairs: Mapping[str, Mapping[str, Tensor]], config: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(
        {path for path in pairs if path.partition(".layers.")[2].partition(".")[2] not in _NAMES}
    )
    if unknown:
        known = ", ".join(name.rpartition(".")[2] for name in _NAMES)
        yield f"{_first(unknown)} is none of {known}, which vLLM has in Llama-like bases; merge instead."
    named = config.get("target_modules")
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return
    # PEFT's rule: a whole path, or its end after a dot.
    ends = {
        path: {".".join(parts[i:]) for i in range(len(parts))} for path in pairs if (parts := path.split("."))
    }
    unnamed = [path for path, there in ends.items() if not there & {*named}]
    if unnamed:
        yield f"{_first(unnamed)} is not in target_modules, so that PEFT leaves it out; add its module there."
    empty = sorted({*named} - set().union(*ends.values()))
    if empty:
        yield f"target_modules names {_first(empty)}, of which there is no tensor; remove it there."


def _first(names: list[str]) -> str:
    """The first of the names that share a fault, and how many more do."""
    return names[0][:200] + (f" (and {len(names) - 1} more)" if len(names) > 1 else "")


def _shown(value: Any) -> str:
    return repr(value)[:80]
