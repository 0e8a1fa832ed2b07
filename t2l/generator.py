"""Condition in, adapters out: a text encoder and a hypernetwork as one thing that is saved and loaded.
Knows the networks and the encoder; never a base model's weights."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.dnd import DnD, DnDConfig, draws
from t2l.encoder import DEFAULT_ENCODER, TaskTable, TextEncoder, adapter_from, adapter_state
from t2l.errors import T2LError
from t2l.files import STORED, complete_or_absent
from t2l.hypernet import T2L, T2LConfig
from t2l.likeness import INDEX, TaskIndex
from t2l.lora import LoRASpec, LoRAWeights, mix, stack
from t2l.packed import pack_linears

FORMAT_VERSION = 1
MAX_DESCRIPTION = 2000
# Of example prompts: characters of one, and how many.
MAX_EXAMPLE, MAX_EXAMPLES = 20_000, 1024
# What people write between an input and its answer.
_ANSWERS = ("\t", " -> ", " => ", "\nAnswer:", "\nOutput:", "\nA:")
# No shape in a checkpoint bounds the adapters of a network that shares its layers; this does.
MOST_PARAMETERS = 10**9
_CONFIG, _WEIGHTS, _CARD = "config.json", "model.safetensors", "README.md"
_SPECIALIST, _STEP, _GATE, _GATE_WIDTH = "specialist.", ".step", "gate.", 64


def check_length(text: str, what: str, limit: int) -> None:
    """Raises T2LError where a text has more characters than `limit`."""
    if len(text) > limit:
        raise T2LError(f"The {what} has {len(text):,} characters; the most is {limit:,}. Shorten it.")


def check_text(value: Any, what: str, limit: int) -> str:
    """The text itself; raises T2LError where it is no text, blank, over `limit` characters or unprintable."""
    if not isinstance(value, str):
        raise T2LError(f"The {what} must be text, not {type(value).__name__}.")
    check_length(value, what, limit)
    if not value.strip():
        raise T2LError(f"The {what} is empty; type some text.")
    bad = next(
        (c for c in value if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r\f\v\x85"), None
    )
    if bad is not None:
        raise T2LError(f"The {what} holds the control character U+{ord(bad):04X}; remove it.")
    return value


@dataclass(frozen=True)
class Condition:
    """What an adapter is made from: a description as text, or example prompts of the task without answers.

    A text is kept in canonical form (NFC, single spaces), so that the same words give the same adapter;
    prompts keep their lines and their order. Raises T2LError for what cannot serve.
    """

    text: str = ""
    prompts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.text, list | tuple):
            raise T2LError(
                "A list as one condition is ambiguous; pass one text, several conditions, or "
                "Condition(prompts=...) for example prompts."
            )
        if isinstance(self.prompts, str):
            raise T2LError("prompts must be a list of texts, each one example, not one text.")
        if self.prompts:
            if self.text:
                raise T2LError("Give a description or example prompts, not both.")
            object.__setattr__(self, "prompts", _check_prompts(self.prompts))
            return
        text = _canonical(self.text, "description", MAX_DESCRIPTION)
        object.__setattr__(self, "text", re.sub(r"\s+", " ", text))

    @property
    def digest(self) -> str:
        """sha256 of the prompts, which names them without telling them; "" for a description."""
        if not self.prompts:
            return ""
        return hashlib.sha256(json.dumps(self.prompts).encode()).hexdigest()


def _canonical(value: Any, what: str, limit: int) -> str:
    """A text in NFC without the spaces around it; raises T2LError as `check_text`."""
    text = unicodedata.normalize("NFC", check_text(value, what, limit)).strip()
    # Some characters become two or three.
    check_length(text, what, limit)
    return text


def _check_prompts(prompts: Sequence[Any]) -> tuple[str, ...]:
    if len(prompts) > MAX_EXAMPLES:
        raise T2LError(f"{len(prompts):,} prompts were given; the most is {MAX_EXAMPLES:,}. Take fewer.")
    kept = []
    for number, prompt in enumerate(prompts, 1):
        if isinstance(prompt, Mapping):
            raise T2LError(
                f"Prompt {number} is a record ({', '.join(map(str, prompt))[:80]}), not a text; give the "
                "inputs alone, without answers."
            )
        kept.append(_canonical(prompt, f"prompt {number}", MAX_EXAMPLE))
    return tuple(kept)


def refuse_answers(prompts: Sequence[str]) -> None:
    """Raises T2LError where what a person gave as prompts seems to be inputs with their answers.

    A guess: the inputs of a task may look so themselves.
    """
    for mark in _ANSWERS if len(prompts) > 1 else ():
        if all(prompt.partition(mark)[2].strip() for prompt in prompts):
            raise T2LError(
                f"Every prompt holds {mark!r} and something behind it, as if that were its answer; give the "
                "inputs alone: answers are not read."
            )


def read_prompts(file: str | Path) -> tuple[str, ...]:
    """The prompts of a text file, one a line, or of a .jsonl file of texts or {"input": text}.

    Raises T2LError naming file and line, also for a line that holds an answer.
    """
    file, prompts = Path(file), []
    try:
        if file.stat().st_size > MAX_EXAMPLE * MAX_EXAMPLES:
            raise T2LError(
                f"{file} is larger than {MAX_EXAMPLES:,} prompts can be; give fewer or shorter ones."
            )
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise T2LError(f"{file} cannot be read ({err}); give a text file, one prompt a line.") from err
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        value: Any = line
        if file.suffix == ".jsonl":
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as err:
                raise T2LError(f"{file}, line {number}: not JSON ({str(err)[:100]}).") from err
            if isinstance(value, dict) and set(value) == {"input"}:
                value = value["input"]
        if not isinstance(value, str):
            raise T2LError(
                f'{file}, line {number}: expected a text or {{"input": text}}, not {str(value)[:60]!r}; give '
                "the inputs alone: answers are not read."
            )
        prompts.append(value)
    if not prompts:
        raise T2LError(f"{file} holds no prompts; give at least one example input of the task.")
    return tuple(prompts)


@dataclass
class Generator:
    """A hypernetwork with the encoder that feeds it and the base that it was trained for.

    network: built by `T2LConfig` it reads descriptions, by `DnDConfig` example prompts. encoder_name: a
    TextEncoder's name, which may be that of the base; it is loaded at the first use. tasks: the names that
    stand in the place of texts, if the network reads none. encoder_adapter: a LoRA that the encoder runs
    with, if it was fitted to task descriptions.
    base_weights_id: the base weights of the training. training: facts for the card, plain JSON. index: the
    trained tasks as vectors of its encoder, where they are known. pull: how far a description's vector is
    turned to the nearest of them before the network reads it, from 0 to 1, so that new wordings of a trained
    task come nearer to those that it was trained on. says_task: whether it was trained with prompts that say
    the description too, so that those of its adapters are to say it.
    specialist: a second network of the same form, trained on other tasks, that makes the adapters of the
    conditions at which `gate`, see `new_gate`, is above zero.
    """

    network: T2L | DnD
    encoder_name: str = DEFAULT_ENCODER
    base_weights_id: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    encoder_adapter: LoRAWeights | None = None
    tasks: tuple[str, ...] = ()
    index: TaskIndex | None = None
    pull: float = 0.0
    says_task: bool = False
    specialist: T2L | None = None
    gate: nn.Sequential | None = None
    _encoder: TextEncoder | TaskTable | None = None
    _id: str = ""

    @property
    def spec(self) -> LoRASpec:
        """The specification of every adapter that it makes."""
        return self.network.config.spec

    @property
    def reads(self) -> str:
        """What it makes adapters from: "text" or "prompts"."""
        return "prompts" if isinstance(self.network, DnD) else "text"

    @property
    def encoder(self) -> TextEncoder | TaskTable:
        if self._encoder is None:
            own = self.encoder_name == self.spec.base_model
            encoder = (
                TaskTable(self.tasks)
                if self.tasks
                else TextEncoder(self.encoder_name, self.encoder_adapter, language_model=own)
            )
            if encoder.size != self.network.config.condition_size:
                raise T2LError(
                    f"The encoder {self.encoder_name} gives {encoder.size} numbers, but this checkpoint "
                    f"expects {self.network.config.condition_size}; it was trained with another encoder."
                )
            self._encoder = encoder
        return self._encoder

    @property
    def id(self) -> str:
        """sha256 over configuration and weights: names exactly what makes the adapters."""
        if not self._id:
            digest = hashlib.sha256(json.dumps(self._facts(), sort_keys=True).encode())
            for key, tensor in sorted(self._state().items()):
                digest.update(f"{key} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
            if self.pull and self.index is not None:
                digest.update(self.index.centres.float().cpu().contiguous().numpy().tobytes())
            self._id = digest.hexdigest()
        return self._id

    def special(self, condition: Tensor) -> Tensor:
        """(n, c) -> (n,) booleans: which adapters the specialist makes; none where there is no specialist."""
        if self.gate is None:
            return torch.zeros(len(condition), dtype=torch.bool, device=condition.device)
        return self.gate.to(condition.device)(condition)[:, 0] > 0

    def adapters(self, condition: Tensor) -> LoRAWeights:
        """What its networks make of conditions (n, c): a stack of n adapters."""
        chosen = self.special(condition)
        if self.specialist is None or not chosen.any():
            return self.network.eval()(condition)
        if chosen.all():
            return self.specialist.eval()(condition)
        usual, special = self.network.eval()(condition[~chosen]), self.specialist.eval()(condition[chosen])
        order = torch.cat([(~chosen).nonzero(), chosen.nonzero()]).flatten().argsort()

        def joined(side: str) -> dict[str, Tensor]:
            one, other = getattr(usual, side), getattr(special, side)
            return {name: torch.cat([one[name], other[name]])[order] for name in one}

        return LoRAWeights(self.spec, joined("A"), joined("B"))

    def said(self, text: str) -> str:
        """What the prompts of a description's adapter say of the task: the text, or "" for nothing."""
        return text if self.says_task else ""

    @torch.no_grad()
    def generate(self, conditions: Sequence[Condition | str]) -> LoRAWeights:
        """A stack with one adapter for each condition, float32 on the CPU.

        Raises T2LError for a condition that cannot serve or that this network does not read, and for NaN.
        """
        if isinstance(conditions, str | Condition) or not conditions:
            raise T2LError("generate takes a list of conditions, one for each adapter.")
        asked = [c if isinstance(c, Condition) else Condition(c) for c in conditions]
        if isinstance(self.network, DnD):
            return stack(self._from_prompts(self.network.eval(), c) for c in asked).check_finite()
        texts = [self._text(c) for c in asked]
        tokens, encoder = self.network.config.condition == "tokens", self.encoder
        if tokens and isinstance(encoder, TextEncoder):
            condition = encoder.encode_tokens(texts)
        else:
            condition = encoder.encode(texts)
        if self.pull and self.index is not None:
            condition = self.index.pulled(condition, self.pull)
        return self.adapters(condition).check_finite()

    def _text(self, condition: Condition) -> str:
        if condition.prompts:
            raise T2LError(
                f"The checkpoint {self.name or 'in use'} makes adapters from descriptions, not from example "
                "prompts; describe the task, or choose a checkpoint made by `t2l train dnd`."
            )
        return condition.text

    def _from_prompts(self, network: DnD, condition: Condition) -> LoRAWeights:
        """One adapter: the mean over as many draws as the prompts give."""
        if not condition.prompts:
            raise T2LError(
                f"The checkpoint {self.name or 'in use'} makes adapters from example prompts, not from a "
                "description; give some inputs of the task, or choose another checkpoint."
            )
        made = self.from_draws(draws(condition.prompts, network.config.prompts))
        count = made.n or 1
        return mix(made, [1 / count] * count)

    @torch.no_grad()
    def from_draws(self, groups: Sequence[Sequence[str]]) -> LoRAWeights:
        """A stack with one adapter for each group of exactly as many prompts as the network reads at once."""
        network, encoder = self.network, self.encoder
        assert isinstance(network, DnD) and isinstance(encoder, TextEncoder)
        c = network.config
        # A prompt that stands in several groups is read once.
        place = {text: number for number, text in enumerate(dict.fromkeys(t for g in groups for t in g))}
        states = encoder.prompt_states(list(place), c.length, masked=c.masked)
        # One after the other: a thousand prompts would be 64 grids at once.
        made = [network(states[[place[text] for text in group]].unsqueeze(0))[0] for group in groups]
        return stack(made)

    def rescaled(self, *, use_rslora: bool) -> Generator:
        """The same networks whose adapters are multiplied by alpha/sqrt(r), or by alpha/r; another id."""
        spec = dataclasses.replace(self.spec, use_rslora=use_rslora)

        def scaled(network: Any) -> Any:
            changed = copy.copy(network)
            changed.config = dataclasses.replace(network.config, spec=spec)
            return changed

        special = self.specialist and scaled(self.specialist)
        return dataclasses.replace(self, network=scaled(self.network), specialist=special, _id="")

    def save(self, folder: str | Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Writes config.json, model.safetensors and the index of tasks, keeping a card that is there.

        A specialist is written as its difference from the network, in 8 bits.
        The folder is complete or as it was before; one that holds anything else is refused.
        """
        from safetensors.torch import save_file

        config = {"format_version": FORMAT_VERSION, **self._facts(), "training": dict(self.training)}
        state = {
            key: tensor.detach().to("cpu", dtype).contiguous()
            for key, tensor in self._state().items()
            if not _implied(key, tensor) and not key.startswith(_SPECIALIST)
        }
        if self.specialist is not None:
            both = (self.specialist.state_dict(), self.network.state_dict())
            made = _difference(*both, dtype)
            state |= {key: tensor.cpu() for key, tensor in made.items()}
        card = Path(folder) / _CARD
        with complete_or_absent(folder, (_CONFIG, _WEIGHTS, _CARD, INDEX)) as work:
            if card.is_file():
                shutil.copyfile(card, work / _CARD)
            (work / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            save_file(state, work / _WEIGHTS, metadata={"format": "pt"})
            if self.index is not None:
                self.index.save(work / INDEX)

    def _state(self) -> dict[str, Tensor]:
        """Every tensor that makes an adapter, under its name in the file."""
        fitted = {} if self.encoder_adapter is None else adapter_state(self.encoder_adapter)
        second = {} if self.specialist is None else self.specialist.state_dict(prefix=_SPECIALIST)
        gate = {} if self.gate is None else self.gate.state_dict(prefix=_GATE)
        return {**self.network.state_dict(), **second, **gate, **fitted}

    def _facts(self) -> dict[str, Any]:
        fitted = self.encoder_adapter
        return {
            "kind": "dnd" if isinstance(self.network, DnD) else "t2l",
            "base_weights_id": self.base_weights_id,
            "encoder": self.encoder_name,
            "encoder_adapter": None if fitted is None else fitted.spec.to_json(),
            "network": self.network.config.to_json(),
            **({"tasks": list(self.tasks)} if self.tasks else {}),
            **({"pull": self.pull} if self.pull else {}),
            **({"says_task": True} if self.says_task else {}),
            **({"specialist": True} if self.specialist is not None else {}),
        }

    @classmethod
    def load(cls, folder: str | Path) -> Generator:
        """Reads what `save` wrote; raises T2LError naming file and fault, before any large allocation."""
        folder = Path(folder)
        file = folder / _CONFIG
        config = _read_config(file)
        try:
            dnd = config["kind"] == "dnd"
            settings = (DnDConfig if dnd else T2LConfig).from_json(config["network"])
            encoder, weights_id = str(config["encoder"]), str(config["base_weights_id"])
            tasks = tuple(str(name) for name in config.get("tasks", ()))
            pooled = getattr(settings, "condition", "") == "pooled"
            if tasks and (len(tasks), True) != (settings.condition_size, pooled):
                raise T2LError(f"{len(tasks)} tasks do not fit a condition of {settings.condition_size}.")
            says_task = config.get("says_task", False)
            if not isinstance(says_task, bool) or (says_task and (dnd or tasks)):
                raise T2LError(f"says_task={str(says_task)[:40]} must be true or false, and needs texts.")
            gated = config.get("specialist", False)
            if not isinstance(gated, bool) or (gated and (tasks or not pooled)):
                raise T2LError(f"specialist={str(gated)[:40]} must be true or false, and needs pooled texts.")
            if settings.spec.n_parameters > MOST_PARAMETERS:
                raise T2LError(f"adapters of more than {MOST_PARAMETERS:,} numbers are not made here.")
            # On "meta" the network costs nothing, so a hostile size meets the file's own shapes first.
            fitted = config.get("encoder_adapter")
            with torch.device("meta"):
                network = DnD(settings) if isinstance(settings, DnDConfig) else T2L(settings)
                special = T2L(settings) if gated and isinstance(settings, T2LConfig) else None
                gate = new_gate(settings.condition_size) if gated else None
                adapter = LoRASpec.from_json(fitted).zeros() if fitted else None
        except T2LError as err:
            raise T2LError(f"{file}: {err}") from err
        except KeyError as err:
            raise T2LError(f"{file} lacks {err}; download the checkpoint again.") from err
        # RuntimeError, ArithmeticError: sizes beyond what torch can count.
        except (TypeError, RuntimeError, ArithmeticError) as err:
            reason = str(err).partition("\n")[0]
            raise T2LError(f"{file} cannot be used ({reason}); download the checkpoint again.") from err
        wanted = {**network.state_dict(), **(adapter_state(adapter) if adapter else {})}
        if special is not None and gate is not None:
            wanted |= {**gate.state_dict(prefix=_GATE), **_difference(special.state_dict(), {})}
        state = _read_weights(folder / _WEIGHTS, wanted)
        own = {key: state[key] for key in network.state_dict()}
        network.load_state_dict(own, assign=True)
        if special is not None:
            # In new memory: the other network's products are packed in place.
            steps = {key: state[_SPECIALIST + key] * state[_SPECIALIST + key + _STEP] for key in own}
            special.load_state_dict({key: own[key] + steps[key] for key in own}, assign=True)
        if gate is not None:
            gate.load_state_dict({key: state[_GATE + key] for key in gate.state_dict()}, assign=True)
            gate.requires_grad_(False)
        for part in (network, special):
            if part is not None:
                part.requires_grad_(False).eval()
            if isinstance(part, T2L):
                part.freeze()
            elif part is not None:
                pack_linears(part)
        training = config.get("training")
        index = TaskIndex.load(folder / INDEX) if (folder / INDEX).is_file() else None
        pull = config.get("pull", 0.0)
        number = isinstance(pull, int | float) and 0 <= pull <= 1
        if not number or (pull and (index is None or not pooled)):
            raise T2LError(
                f"{file}: pull={str(pull)[:40]} must be a number from 0 to 1 and needs pooled conditions "
                f"beside {INDEX}; download the checkpoint again."
            )
        return cls(
            network,
            encoder,
            weights_id,
            training if isinstance(training, dict) else {},
            folder.resolve().name,
            adapter_from(adapter.spec, state) if adapter else None,
            tasks,
            index,
            float(pull),
            says_task,
            special,
            gate,
        )


def new_gate(condition_size: int) -> nn.Sequential:
    """What tells a specialist's conditions (n, c) from others: (n, 1), above zero for its own; untrained."""
    return nn.Sequential(nn.Linear(condition_size, _GATE_WIDTH), nn.SiLU(), nn.Linear(_GATE_WIDTH, 1))


def _difference(
    special: Mapping[str, Tensor], usual: Mapping[str, Tensor], dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Of every tensor its difference from the other, as that is stored: 8 bits and a step for each row."""
    made = {}
    for key, tensor in special.items():
        other = usual[key].to(dtype).float() if key in usual else 0
        off = tensor.detach().float() - other
        top = off.abs().amax(-1, keepdim=True) if off.dim() else off.abs()
        # A power of two: what is read and written again stays the same.
        step = ((top / 127).clamp_min(1e-30).log2() - 1e-3).ceil().exp2()
        made[_SPECIALIST + key] = (off / step).round().to(torch.int8).contiguous()
        made[_SPECIALIST + key + _STEP] = step.contiguous()
    return made


def _implied(key: str, tensor: Tensor) -> bool:
    """A shift that is all zero is not stored; the reference's files are mostly such zeros."""
    return key.startswith("shift.") and not bool(tensor.any())


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise T2LError(
            f"{file.parent} is no checkpoint (it has no {file.name}); give a folder made by `t2l train`."
        )
    if file.stat().st_size > 2**20:
        raise T2LError(f"{file} is larger than any configuration; download the checkpoint again.")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    # ValueError: not UTF-8, not JSON, or a number of more digits than Python reads.
    except (OSError, ValueError, RecursionError) as err:
        raise T2LError(f"{file} cannot be read ({err}); download the checkpoint again.") from err
    if not isinstance(config, dict) or config.get("kind") not in ("t2l", "dnd"):
        raise T2LError(f"{file} does not describe a network of this program (kind must be t2l or dnd).")
    if config.get("format_version") != FORMAT_VERSION:
        raise T2LError(
            f"{file} has format_version {config.get('format_version')!r}, this program reads "
            f"{FORMAT_VERSION}; update the program."
        )
    return config


def _read_weights(file: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    state = {}
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            missing = {k for k in wanted if k not in names and not k.startswith("shift.")}
            unknown = names - set(wanted)
            if missing or unknown:
                raise T2LError(
                    f"{file} does not fit its config.json: "
                    + "; ".join(f"{len(s)} {word}, first {min(s)}" for word, s in _named(missing, unknown))
                )
            for key, tensor in wanted.items():
                shape = tuple(stored.get_slice(key).get_shape()) if key in names else tuple(tensor.shape)
                if shape != tuple(tensor.shape):
                    raise T2LError(
                        f"{file}: {key} has shape {shape}, config.json says {tuple(tensor.shape)}."
                    )
                if key in names and (kind := stored.get_slice(key).get_dtype()) not in STORED:
                    raise T2LError(
                        f"{file}: {key} has numbers of type {kind}; those of {', '.join(STORED)} are read."
                    )
            for key, tensor in wanted.items():
                # Copied: within the file a tensor lies anywhere, and products of one that is not aligned in
                # memory sum in another order.
                given = stored.get_tensor(key).to(torch.float32, copy=True) if key in names else None
                state[key] = torch.zeros(tensor.shape) if given is None else given
    except (OSError, SafetensorError) as err:
        raise T2LError(
            f"{file} cannot be read ({err}); it is damaged, download the checkpoint again."
        ) from err
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise T2LError(f"{file}: {key} holds NaN or infinity; this checkpoint cannot be used.")
    return state


def _named(missing: set[str], unknown: set[str]) -> list[tuple[str, set[str]]]:
    return [(word, s) for word, s in (("missing", missing), ("unknown", unknown)) if s]
