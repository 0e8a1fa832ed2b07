"""Presets: a base, the checkpoint made for it, its scalings, chat templates and memory, in one small table.
Knows numbers of configurations and names alone; loads what it names only when asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from t2l.base import DEFAULT_BASE, BaseModel, choose_device, first_of_several
from t2l.encoder import DEFAULT_ENCODER
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.official import load_generator, load_official

GTE = "Alibaba-NLP/gte-large-en-v1.5"
SCALINGS = {
    "trained": "what multiplied B·A while the checkpoint was trained: alpha/sqrt(r) for the published ones",
    "tables": "alpha/r, with which the published tables were measured, by an engine that knew nothing else",
}
TEMPLATES = {
    "stock": "the base's own, so that the adapter works in every engine as it is",
    "reference": "that of the published training, which always sends a system turn, if need be an empty one",
}
# Bytes of a number; 4bit: NF4 in blocks of 64 with a float32 maximum each, for the layers' Linears alone.
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "4bit": 0.5 + 4 / 64}
# What an engine takes beside weights and cache: the device's context, activations, logits.
_WORKING_BYTES = 2**29
# Answers side by side, and tokens of each, for which memory is asked.
ANSWERS, TOKENS = 2, 2048


@dataclass(frozen=True)
class Shape:
    """The entries of a base's config.json that its size follows from. norms: vectors of a layer."""

    n_layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool = False
    norms: int = 2

    @property
    def linear(self) -> int:
        """Numbers in the Linears of all layers."""
        attention = 2 * self.hidden * self.head_size * (self.heads + self.kv_heads)
        return self.n_layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def parameters(self) -> int:
        """All numbers of the base."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.linear + embeddings + self.hidden * (1 + self.norms * self.n_layers)

    def weight_bytes(self, dtype: str) -> int:
        """What the weights take; in 4bit all but the layers' Linears stay bfloat16."""
        rest = 2.0 if dtype == "4bit" else _BYTES[dtype]
        return round(self.linear * _BYTES[dtype] + (self.parameters - self.linear) * rest)

    def cache_bytes(self, dtype: str, answers: int = ANSWERS, tokens: int = TOKENS) -> int:
        """What keys and values of so many tokens take, for so many answers at once."""
        size = 4 if dtype == "float32" else 2
        return 2 * self.n_layers * self.kv_heads * self.head_size * answers * tokens * size


@dataclass(frozen=True)
class Preset:
    """One supported base. repo, subfolder: a Hub repository in the published format; repo "": `checkpoint` of
    the project. encoder_parameters, network_parameters: numbers of what runs on the CPU beside the base.
    template: the reference's own chat template, where its training used one. dtype: of the base.
    """

    name: str
    base_model: str
    shape: Shape
    encoder: str
    encoder_parameters: int
    network_parameters: int
    repo: str = ""
    subfolder: str = ""
    checkpoint: str = ""
    template: str = ""
    dtype: str = "bfloat16"
    gated: bool = False

    def device_bytes(self, dtype: str = "") -> int:
        """What the base takes where it runs, for two answers of 2,048 tokens; dtype "": the preset's."""
        dtype = self._memory_type(dtype)
        return self.shape.weight_bytes(dtype) + self.shape.cache_bytes(dtype) + _WORKING_BYTES

    @property
    def host_bytes(self) -> int:
        """What text encoder and hypernetwork take on the CPU: float32, and once more as packed copies."""
        return 2 * 4 * (self.encoder_parameters + self.network_parameters)

    def _memory_type(self, dtype: str) -> str:
        dtype = dtype or self.dtype
        # Which of both "auto" will choose is measured later; memory must suffice for either.
        return dtype if dtype in _BYTES else "float32"


# The reference's templates, written anew from what they give: an empty system turn where there is none, in
# Gemma's case under a role that its base never saw.
_SYSTEM = (
    "{% set start = 1 if messages[0]['role'] == 'system' else 0 %}"
    "{% set system = messages[0]['content'] if start else '' %}{{ bos_token }}"
)
_MISTRAL = (
    _SYSTEM + "{{ ' [INST] ' + system + '\\n\\n' }}{% for m in messages[start:] %}"
    "{% if m['role'] == 'user' %}{{ ('' if loop.first else ' [INST] ') + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
_LLAMA_TURN = "'<|start_header_id|>' + {} + '<|end_header_id|>\\n\\n'"
_LLAMA = (
    _SYSTEM + "{{ " + _LLAMA_TURN.format("'system'") + " + system | trim + '<|eot_id|>' }}"
    "{% for m in messages[start:] %}{{ "
    + _LLAMA_TURN.format("m['role']")
    + " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ " + _LLAMA_TURN.format("'assistant'") + " }}{% endif %}"
)
_GEMMA = (
    _SYSTEM + "{{ '<start_of_turn>system\\n' + system | trim + '<end_of_turn>\\n' }}"
    "{% for m in messages[start:] %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)

_PUBLISHED: dict[str, Any] = {
    "encoder": GTE,
    "encoder_parameters": 434_139_136,
    "repo": "SakanaAI/text-to-lora",
    "gated": True,
}
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "mistral-7b",
            "mistralai/Mistral-7B-Instruct-v0.2",
            Shape(32, 4096, 14336, 32, 8, 128, 32000),
            network_parameters=55_424_000,
            subfolder="trained_t2l/mistral_7b_t2l",
            template=_MISTRAL,
            **_PUBLISHED,
        ),
        Preset(
            "llama-3.1-8b",
            "meta-llama/Llama-3.1-8B-Instruct",
            Shape(32, 4096, 14336, 32, 8, 128, 128256),
            network_parameters=230_027_264,
            subfolder="trained_t2l/llama_8b_t2l",
            template=_LLAMA,
            **_PUBLISHED,
        ),
        Preset(
            "gemma-2-2b",
            "google/gemma-2-2b-it",
            Shape(26, 2304, 9216, 8, 4, 256, 256000, tied=True, norms=4),
            network_parameters=137_706_752,
            subfolder="trained_t2l/gemma_2b_t2l",
            template=_GEMMA,
            **_PUBLISHED,
        ),
        Preset(
            "smollm2-135m",
            DEFAULT_BASE,
            Shape(30, 576, 1536, 9, 3, 64, 49152, tied=True),
            DEFAULT_ENCODER,
            22_713_216,
            8_575_489,
            checkpoint="smollm2-135m-t2l-m",
            dtype="auto",
        ),
    )
}


@dataclass(frozen=True)
class Setup:
    """A preset as a person chose it: with one of SCALINGS and one of TEMPLATES.

    Raises T2LError for names that are unknown, and for a choice that the preset does not have.
    """

    preset: Preset
    scaling: str = "trained"
    template: str = "stock"

    def __post_init__(self) -> None:
        for what, value, choices in (
            ("scaling", self.scaling, SCALINGS),
            ("template", self.template, TEMPLATES),
        ):
            if value not in choices:
                raise T2LError(f"The {what} {str(value)[:40]!r} is unknown; choose {' or '.join(choices)}.")
        for what, chosen, default in (
            ("scaling", self.scaling, "trained"),
            ("template", self.template, "stock"),
        ):
            if chosen != default and not self.preset.repo:
                raise T2LError(f"The preset {self.preset.name} has the {what} {default} alone.")

    @classmethod
    def chosen(cls, name: str, scaling: str = "", template: str = "") -> Setup | None:
        """A setup by names, "" for the default; None where no preset is named.

        Raises T2LError for an unknown name, and for a scaling or a template without a preset.
        """
        if not name:
            if scaling or template:
                raise T2LError("A scaling or a chat template belongs to a preset; choose one with --preset.")
            return None
        if name not in PRESETS:
            raise T2LError(f"There is no preset {name[:40]!r}; choose {', '.join(PRESETS)}.")
        return cls(PRESETS[name], scaling or "trained", template or "stock")

    def generator(self, folder: str | Path | None = None) -> Generator:
        """Its generator with the chosen scaling: from a folder in either layout, else from the Hub.

        Raises T2LError as the loaders do, and for a checkpoint of another base.
        """
        preset = self.preset
        if folder is None and not preset.repo:
            raise T2LError(f"The preset {preset.name} needs the folder of {preset.checkpoint}.")
        made = load_generator(folder) if folder else load_official(preset.repo, subfolder=preset.subfolder)
        if made.spec.base_model != preset.base_model:
            raise T2LError(
                f"The checkpoint {folder or preset.repo} is for {made.spec.base_model}, but the preset "
                f"{preset.name} is {preset.base_model}; leave one of them out."
            )
        return made if self.scaling == "trained" else made.rescaled(use_rslora=False)

    def base(self, dtype: str = "", device: str = "auto", **options: Any) -> BaseModel:
        """Its base with the chosen template; raises T2LError where memory is short, before any of it is read.

        dtype: "" is the preset's. What stands beside it counts as loaded, see `check_memory`.
        """
        preset = self.preset
        self.check_memory(dtype, device, alone=True)
        template = preset.template if self.template == "reference" else ""
        try:
            kind = dtype or preset.dtype
            return BaseModel.load(preset.base_model, dtype=kind, device=device, template=template, **options)
        except T2LError as err:
            if not preset.gated:
                raise
            raise T2LError(
                f"{err} Access to this base is restricted: ask for it on its Hub page and log in with "
                "`hf auth login`."
            ) from err

    def check_memory(self, dtype: str = "", device: str = "auto", *, alone: bool = False) -> None:
        """Raises T2LError saying how much is needed and what would fit, where too little memory is free.

        alone: the base alone, where encoder and network are in memory already.
        """
        preset, place, free = self.preset, device_type(device), free_bytes(device)
        beside = 0 if alone or place == "cuda" else preset.host_bytes
        needed = preset.device_bytes(dtype) + beside
        if needed <= free:
            return
        kinds = ["bfloat16", "4bit"] if place == "cuda" else ["bfloat16"]
        fitting = [
            f"{other.name} in {kind} ({_gb(size)})"
            for other in PRESETS.values()
            for kind in kinds
            if (size := other.device_bytes(kind) + (0 if place == "cuda" else other.host_bytes)) <= free
        ]
        told = preset.shape.weight_bytes(preset._memory_type(dtype))
        raise T2LError(
            f"The preset {preset.name} in {dtype or preset.dtype} needs {_gb(needed)} of memory on {place} "
            f"({_gb(told)} of weights; {ANSWERS} answers of {TOKENS:,} tokens), but {_gb(free)} are free; "
            + (f"what fits: {', '.join(fitting)}." if fitting else "no preset fits; free some memory.")
        )

    def story(self) -> dict[str, str]:
        """What the adapter's own file records of it: names, and what they mean."""
        return {
            "preset": self.preset.name,
            "scaling": f"{self.scaling}: {SCALINGS[self.scaling]}",
            "chat_template": f"{self.template}: {TEMPLATES[self.template]}",
        }


def device_type(device: str) -> str:
    """Where a base would run: "cuda", "mps" or "cpu"; "split" is over several GPUs."""
    return (first_of_several() if device == "split" else choose_device(device)).type


def free_bytes(device: str) -> int:
    """Free memory where a base would run; over all GPUs for "split"."""
    import psutil

    # On ZeroGPU it is this process's memory that holds the base; the GPU's own is not to be seen from here.
    if device_type(device) != "cuda" or os.environ.get("SPACES_ZERO_GPU"):
        return psutil.virtual_memory().available
    count = torch.cuda.device_count()
    places = range(count) if device == "split" else [choose_device(device)]
    return sum(torch.cuda.mem_get_info(place)[0] for place in places)


def table() -> list[dict[str, Any]]:
    """Every preset with its memory in GB (10^9 bytes), computed from the configurations."""
    rows = []
    for preset in PRESETS.values():
        kinds = ("float32", "bfloat16", "4bit")
        weights = {f"weights_{kind}": round(preset.shape.weight_bytes(kind) / 1e9, 2) for kind in kinds}
        rows.append(
            {
                "preset": preset.name,
                "base": preset.base_model,
                "gated": preset.gated,
                "parameters": preset.shape.parameters,
                **weights,
                "cache": round(preset.shape.cache_bytes("bfloat16") / 1e9, 2),
                **{f"device_{kind}": round(preset.device_bytes(kind) / 1e9, 2) for kind in kinds},
                "host": round(preset.host_bytes / 1e9, 2),
            }
        )
    return rows


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
