"""A PEFT LoRA folder, read strictly: what is not a plain LoRA on decoder layers is refused by name.
Knows PEFT's files and keys; not what an adapter is for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2l.errors import T2LError
from t2l.lora import MODULE, LoRASpec, LoRAWeights, is_base_name

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# The largest weights file that is read, and the largest of the others: a folder may come from a stranger.
MOST_WEIGHTS, MOST_TEXT = 2**31, 2**20

_KEY = re.compile(
    rf"base_model\.model\.model\.layers\.([0-9]{{1,4}})\.({MODULE})\.lora_([AB])\.(?:default\.)?weight"
)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# What says more than scaling · B A on Linear modules. PEFT's other keys steer training or storage alone.
_UNSERVED = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "layers_to_transform",
    "lora_bias",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)
# The other ways to start change the base's own weights, which no adapter file holds.
_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Whatever goes wrong in the block, with the folder's contents, is one T2LError that names the folder."""
    from safetensors import SafetensorError

    try:
        yield
    except T2LError as err:
        raise T2LError(f"{folder}: {err}") from err
    # ValueError: not UTF-8, not JSON, or a number of more digits than Python reads. The last three: sizes
    # that nobody can count, or that the file's bytes do not give.
    except (
        OSError,
        SafetensorError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
        AssertionError,
        ArithmeticError,
    ) as err:
        raise T2LError(
            f"{folder} is damaged ({str(err)[:300]}); describe the task again, or fetch the folder anew."
        ) from err


def read_peft(folder: Path) -> tuple[LoRAWeights, str]:
    """The adapter of a folder, in float32, and the sha256 of its weights file.

    Modules come in alphabetical order. Never unpickles, never follows a link out of the folder. Raises
    T2LError naming what cannot be served; call it within `reading`, which names damage.
    """
    from safetensors.torch import load

    config = read_json(folder, CONFIG)
    refuse_unserved(config)
    # Read once: what is hashed is what is used, whoever writes there meanwhile.
    data = read_bytes(folder, WEIGHTS)
    state = _plain(load(data))
    weights = LoRAWeights.from_peft(_spec(config, state), state).check_finite()
    return weights, hashlib.sha256(data).hexdigest()


def read_spec(folder: Path) -> LoRASpec:
    """The specification of a folder's adapter, from its configuration and its tensors' shapes alone.

    Modules come in alphabetical order. Raises T2LError as `read_peft`; call it within `reading`, too.
    """
    from safetensors import safe_open

    config = read_json(folder, CONFIG)
    refuse_unserved(config)
    with safe_open(_checked(folder, WEIGHTS, MOST_WEIGHTS), framework="pt") as stored:
        shapes = {key: stored.get_slice(key).get_shape() for key in stored.keys()}
    return _spec(config, _plain({key: torch.empty(shape, device="meta") for key, shape in shapes.items()}))


def peft_config(spec: LoRASpec) -> dict[str, Any]:
    """The smallest adapter_config.json that PEFT and vLLM read; keys and modules sorted.

    peft_version stays away: newer versions fill it in, and versions before it refuse unknown keys.
    """
    return {
        "base_model_name_or_path": spec.base_model,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": spec.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": spec.rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in spec.targets}),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": spec.use_rslora,
    }


def read_bytes(folder: Path, name: str, most: int = MOST_WEIGHTS) -> bytes:
    """One file of an adapter's folder.

    Raises T2LError where it is missing, over `most` bytes, or a link to outside the folder.
    """
    return _checked(folder, name, most).read_bytes()


def _checked(folder: Path, name: str, most: int) -> Path:
    file = folder / name
    if not file.is_file():
        raise T2LError(_missing(folder, name))
    real = file.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise T2LError(f"{name} is a link out of the folder; put the file itself there (cp -L).")
    if (size := real.stat().st_size) > most:
        raise T2LError(f"{name} has {size:,} bytes; the most is {most:,}. Give a smaller adapter.")
    return real


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of an adapter's folder; raises T2LError as `read_bytes`, ValueError where it is none."""
    value = json.loads(read_bytes(folder, name, MOST_TEXT).decode())
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no JSON object")
    return value


def _missing(folder: Path, name: str) -> str:
    """Why a file is not there, from what is there in its place."""
    there = {file for file in ("config.json", "adapter_model.bin") if (folder / file).is_file()}
    if not folder.is_dir():
        return "it is no folder; give the folder of an adapter (unzip it first)."
    if name == CONFIG and "config.json" in there:
        return f"it is a whole model (config.json, no {CONFIG}); give the folder of a LoRA adapter."
    if name == WEIGHTS and "adapter_model.bin" in there:
        return f"adapter_model.bin is a pickle, which is never unpickled here; convert it to {WEIGHTS}."
    return f"it lacks {name}; give a folder made here or by PEFT."


def is_set(config: Mapping[str, Any], key: str) -> bool:
    """Whether a configuration says something under a key: not None, not False, not empty."""
    value = config.get(key)
    # Not `if value`: layers_to_transform may be 0, which is a layer.
    return value is not None and value is not False and value not in ("", [], {})


def refuse_unserved(config: Mapping[str, Any]) -> None:
    """Raises T2LError for a configuration that means more than a plain LoRA."""
    kind = config.get("peft_type")
    if kind is None and ("model_type" in config or "architectures" in config):
        raise T2LError(f"{CONFIG} describes a whole model; give the folder of a LoRA adapter.")
    if kind != "LORA":
        raise T2LError(f"{CONFIG} has peft_type {str(kind)[:80]!r}; only LORA is served, train one.")
    faults = [(key, config[key]) for key in _UNSERVED if is_set(config, key)]
    if config.get("bias") not in (None, "none"):
        faults.append(("bias", config["bias"]))
    if config.get("init_lora_weights") not in _STARTS:
        faults.append(("init_lora_weights", config["init_lora_weights"]))
    if not isinstance(config.get("use_rslora", False), bool):
        faults.append(("use_rslora", config["use_rslora"]))
    for key, value in faults:
        raise T2LError(
            f"{CONFIG} sets {key} to {json.dumps(value)[:80]}, which is not served here; "
            "give a plain LoRA, trained or converted without it."
        )
    for key in ("r", "lora_alpha"):
        if key not in config:
            raise T2LError(f"{CONFIG} lacks {key}; write it there.")
    base = config.get("base_model_name_or_path")
    if not is_base_name(base):
        raise T2LError(
            f"{CONFIG} has base_model_name_or_path {str(base)[:80]!r}; write the Hub id of its base there."
        )


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32 under the names that PEFT writes today; raises T2LError for any other kind."""
    plain = {}
    for key, tensor in state.items():
        if not _KEY.fullmatch(key) or tensor.dim() != 2:
            raise T2LError(
                f"{WEIGHTS} holds {key[:200]} {tuple(tensor.shape)}, which is no LoRA on a Linear of the "
                "decoder layers (model.layers.N); give an adapter of those alone."
            )
        if tensor.dtype not in DTYPES:
            raise T2LError(f"{key} is {tensor.dtype}; convert it to torch.float32.")
        name = key.replace(".default.weight", ".weight")
        if name in plain:
            raise T2LError(f"{WEIGHTS} holds {name} twice, with and without `default`; remove one.")
        plain[name] = tensor.float()
    if not plain:
        raise T2LError(f"{WEIGHTS} holds no tensors; save the adapter again.")
    return plain


def _spec(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> LoRASpec:
    """The specification that configuration and tensors give together; modules in alphabetical order."""
    n_layers, sizes = 0, {}
    named = set(modules) if isinstance(modules := config.get("target_modules"), list) else None
    # Sorted: the first layer sets the sizes that the others are held against.
    for key, tensor in sorted(state.items()):
        match = _KEY.fullmatch(key)
        assert match
        layer, target, side = match.groups()
        n_layers = max(n_layers, int(layer) + 1)
        sizes.setdefault(target, {}).setdefault(side, tensor.shape[1 if side == "A" else 0])
        # PEFT leaves out what is not named: it would serve another adapter than this program.
        parts = f"model.layers.{layer}.{target}".split(".")
        if named is not None and not any(".".join(parts[i:]) in named for i in range(len(parts))):
            raise T2LError(
                f"{WEIGHTS} changes {'.'.join(parts)}, which target_modules in {CONFIG} does not name; "
                "add it there, or remove its tensors."
            )
    for target, sides in sizes.items():
        if len(sides) != 2:
            raise T2LError(f"{target} has lora_{min(sides)} alone; the adapter is incomplete, fetch it anew.")
    targets = {target: (sizes[target]["A"], sizes[target]["B"]) for target in sorted(sizes)}
    base, rslora = config["base_model_name_or_path"], config.get("use_rslora", False)
    return LoRASpec(base, n_layers, targets, config["r"], config["lora_alpha"], rslora)
