"""What a person can do, for every door alike: describe, compare, keep, take along. Everything loads lazily.
Knows all floors below; not gradio, not argparse."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import weakref
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Stream
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from t2l.adapter import STORY, Adapter, Examples, title, unzip_folder, zip_folder
from t2l.attach import target_modules, transformer_layers
from t2l.base import DEFAULT_BASE, BaseModel, cache_folder, embedded_gguf, quiet
from t2l.card import LICENSES, Measured, Sample, Told, is_hub_id, known_license
from t2l.engine import MAX_COLUMNS, Chat, Decoding, Engine
from t2l.errors import T2LError
from t2l.examples import MAX_ROWS, check_examples, check_solved, read_examples, read_solved, table
from t2l.files import complete_or_absent, replace_file
from t2l.generator import MAX_DESCRIPTION, Condition, Generator, check_length, check_text, refuse_answers
from t2l.hub import (
    Found,
    Identity,
    NameState,
    Published,
    check_name,
    identity,
    publish,
    pull,
    repo_files,
    search,
    suggest_name,
)
from t2l.likeness import Near
from t2l.lora import LoRASpec, LoRAWeights, align, concat, stack
from t2l.official import WEIGHTS as PUBLISHED
from t2l.official import load_generator
from t2l.presets import Setup
from t2l.score import Scores, Tried, Wordings, halves, score
from t2l.shelf import Entry, Shelf
from t2l.tasks import Example

if TYPE_CHECKING:
    from t2l.eval.plots import Plot

__all__ = [
    "MAX_DESCRIPTION",
    "MAX_PROMPT",
    "MAX_ROWS",
    "About",
    "Decoding",
    "Entry",
    "Example",
    "Found",
    "Hint",
    "Identity",
    "Likeness",
    "Limits",
    "Made",
    "Measured",
    "NameState",
    "Near",
    "Published",
    "Results",
    "Sample",
    "Scores",
    "Studio",
    "T2LError",
    "Told",
    "Tried",
    "Wordings",
    "check_examples",
    "check_solved",
    "is_hub_id",
    "measurements",
    "read_examples",
    "read_solved",
    "results",
    "table",
    "tasks_said",
]

DEFAULT_CHECKPOINT = "smollm2-135m-t2l-m"
MAX_PROMPT = 20_000
# A key shorter than this could be guessed.
_LEAST_KEY = 16
# What the keys of clients begin with that end, and their folders.
SESSION, _PASSING = "api-session-", "session-"
_VISITORS = "visitors"
# Among the files of all: those of the machine's own shelf.
_OWN = "own"
# What a hint tries: sentences that name the input or the form of the output.
_INPUTS = ("a word", "a sentence", "a list of words separated by commas", "a number", "a text", "a name")
_OUTPUTS = (
    "one word",
    "a number",
    "a comma-separated list",
    "JSON",
    "one of the given labels",
    "the changed text",
)
# Half a hundredth of a cosine is no advice.
_LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Limits:
    """What one visitor may ask for, in one place; `read` takes them from the environment.

    description, prompt: characters. new_tokens: of one answer. adapters: beside the base in one comparison,
    the control not counted. shelf_bytes: one visitor's adapters; those used longest ago make room.
    visitors_bytes: all visitors' adapters together; the shelves used longest ago make room. batch: the
    descriptions of one batch. scored: tokens that the answers of one measurement may have together. at_once:
    visitors who are answered at the same time. waiting: those who may wait. Raises T2LError for what cannot
    work.
    """

    description: int = MAX_DESCRIPTION
    prompt: int = MAX_PROMPT
    new_tokens: int = 512
    adapters: int = 4
    shelf_bytes: int = 200_000_000
    visitors_bytes: int = 10_000_000_000
    batch: int = 100
    scored: int = 500_000
    at_once: int = 4
    waiting: int = 64

    def __post_init__(self) -> None:
        most = {
            "description": MAX_DESCRIPTION,
            "prompt": MAX_PROMPT,
            "new_tokens": 8192,
            "adapters": MAX_COLUMNS - 2,
            "batch": 10_000,
        }
        for name in self.__dataclass_fields__:
            value, top = getattr(self, name), most.get(name, 10**17)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= top:
                raise T2LError(f"{name} must be a whole number from 1 to {top:,}, not {value!r}.")

    @classmethod
    def read(cls) -> Limits:
        """The limits with every T2L_LIMIT_<NAME> of the environment, such as T2L_LIMIT_NEW_TOKENS."""
        given = {}
        for name in cls.__dataclass_fields__:
            variable = f"T2L_LIMIT_{name.upper()}"
            if text := os.environ.get(variable):
                if not re.fullmatch("[0-9]{1,17}", text):
                    raise T2LError(f"{variable} is {text[:40]!r}; give a whole number.")
                given[name] = int(text)
        known = {f"T2L_LIMIT_{name.upper()}" for name in cls.__dataclass_fields__}
        if unknown := {name for name in os.environ if name.startswith("T2L_LIMIT_")} - known:
            raise T2LError(f"{min(unknown)} is no limit; choose {', '.join(sorted(known))}.")
        return cls(**given)


@dataclass(frozen=True)
class Made:
    """An adapter on the shelf: its folder, its bytes, and the seconds from text to adapter."""

    adapter: Adapter
    path: Path
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Likeness:
    """How near a description is to what its generator was trained on.

    nearest: trained tasks, the nearest first; none where the checkpoint has no index. far: below this
    similarity less is to be expected, None where nobody measured it.
    """

    nearest: tuple[Near, ...]
    far: float | None

    @property
    def similarity(self) -> float | None:
        return self.nearest[0].similarity if self.nearest else None

    @property
    def warning(self) -> str:
        """One plain sentence where the description is far from everything trained; else empty."""
        near = self.nearest[0] if self.nearest else None
        if near is None or self.far is None or near.similarity >= self.far:
            return ""
        return (
            f"This description is far from everything that the checkpoint was trained on (similarity "
            f"{near.similarity:.2f}; the nearest task is {near.name}). Expect less of it; other words, "
            "in English, may help."
        )


@dataclass(frozen=True)
class Hint:
    """A sentence that brings a description nearer to the trained tasks, and by how much."""

    addition: str
    before: float
    after: float
    nearest: str


@dataclass(frozen=True)
class About:
    """What an adapter is. heat: for every module, ΔW's size relative to the base weight's, layer by layer."""

    id: str
    condition: str
    generator: str
    base_model: str
    rank: int
    scaling: float
    modules: tuple[str, ...]
    n_layers: int
    n_parameters: int
    heat: dict[str, list[float]]
    likeness: Likeness


@dataclass(frozen=True)
class Checkpoint:
    """A generator that this page offers. tasks: how many it was trained on, where it tells.

    variant: of a network that reads descriptions; "dnd" of one that reads "prompts".
    """

    name: str
    base_model: str
    variant: str
    rank: int
    modules: tuple[str, ...]
    tasks: int | None
    reads: str = "text"


class Studio:
    """One base, the checkpoints made for it, and shelves of adapters.

    checkpoint: the default one, a folder or the name of one in `checkpoints/`; "" is the setup's. setup: a
    preset as chosen, which names base, checkpoint, scaling and chat template. shelf: the folder of the
    machine's own shelf; every visitor of a page has one of their own within it. gpu: what wraps the decoding,
    `spaces.GPU` on ZeroGPU: adapters cross it as CPU tensors, all else stays in this process. Nothing is
    loaded before it is needed; `load` does it at once. Methods may be called from several threads.
    visitor: the visitor's key, which only they know; "" is the machine's own shelf.
    Raises T2LError for what a user can fix.
    """

    def __init__(
        self,
        checkpoint: str = "",
        *,
        shelf: str | Path | None = None,
        dtype: str = "auto",
        device: str = "auto",
        limits: Limits | None = None,
        gpu: Callable[..., Any] | None = None,
        setup: Setup | None = None,
    ) -> None:
        self._setup, self._folder = setup, checkpoint or (setup.preset.checkpoint if setup else "")
        named = self._folder or (setup.preset.name if setup else DEFAULT_CHECKPOINT)
        self.checkpoint, self._dtype, self._device = named, dtype, device
        self.limits = limits or Limits()
        place = shelf or os.environ.get("T2L_SHELF") or cache_folder() / "adapters"
        self.shelf = Shelf(place, _shelf_bytes())
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        self._files = Path(tempfile.mkdtemp(prefix="t2l-files-"))
        # A process that ends by os._exit, as a server does, calls `close` first.
        self.close = weakref.finalize(self, _remove, self._files, os.getpid())
        self._lock = threading.RLock()
        # Of its own: who lists a shelf must not wait for an adapter in the making, or for the base.
        self._shelf_lock = threading.Lock()
        # Visitors' folders in which something is being made, and how many things.
        self._at_work: Counter[str] = Counter()
        self._generators: dict[str, Generator] = {}
        self._unfit: dict[str, str] = {}
        self._engine: Engine | None = None
        self._norms: dict[str, Tensor] = {}
        self._failure = ""
        self._elsewhere = gpu is not None
        self._answers = gpu(duration=_gpu_seconds)(self._stream) if gpu else self._stream

    @property
    def generator(self) -> Generator:
        """The default checkpoint's."""
        return self.generator_of("")

    def generator_of(self, checkpoint: str) -> Generator:
        """A checkpoint's generator, "" for the default; raises T2LError for one of another base.

        Only a name of `checkpoints/` serves here: a visitor must not name any folder of this machine.
        """
        name = checkpoint or self.checkpoint
        if name != self.checkpoint and name not in checkpoint_names():
            raise T2LError(
                f"There is no checkpoint {str(name)[:80]!r}; choose {', '.join(checkpoint_names())}."
            )
        with self._lock:
            if name in self._unfit:
                raise T2LError(self._unfit[name])
            if name not in self._generators:
                quiet()
                made = self._load(name)
                if name != self.checkpoint and made.spec.base_model != self.generator.spec.base_model:
                    # Kept: to find it out once more takes seconds in which everybody waits.
                    self._unfit[name] = (
                        f"The checkpoint {name} is for {made.spec.base_model}, but the loaded base is "
                        f"{self.generator.spec.base_model}; choose a checkpoint for that."
                    )
                    raise T2LError(self._unfit[name])
                self._generators[name] = made
            return self._generators[name]

    def _load(self, name: str) -> Generator:
        if self._setup is None or name != self.checkpoint:
            return load_generator(find_checkpoint(name))
        return self._setup.generator(find_checkpoint(self._folder) if self._folder else None)

    def _load_base(self) -> BaseModel:
        name = self.generator.spec.base_model
        if self._setup is None:
            return BaseModel.load(name, dtype=self._dtype, device=self._device)
        return self._setup.base(self._kind, self._device)

    @property
    def _kind(self) -> str:
        """The type of a preset's base; "" for its own."""
        return "" if self._dtype == "auto" else self._dtype

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints at hand for this base, the default first, those of prompts last; none is loaded."""
        default = Path(self.checkpoint).name
        found = [c for name in checkpoint_names() if (c := _read_checkpoint(name))]
        if self._setup:
            base = self._setup.preset.base_model
        else:
            own = _read_checkpoint(self.checkpoint)
            base = own.base_model if own else None
        return tuple(
            sorted(
                (c for c in found if base in (None, c.base_model)),
                key=lambda c: (c.name != default, c.reads != "text", c.name),
            )
        )

    @property
    def reads(self) -> frozenset[str]:
        """What the checkpoints at hand make adapters from: "text", "prompts"; loads none."""
        found = (_read_checkpoint(self.checkpoint), *self.checkpoints())
        return frozenset(c.reads for c in found if c) or frozenset({"text"})

    @property
    def engine(self) -> Engine:
        # Without the lock where it is there: a forked worker's copy may be held by a thread that it lacks.
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = Engine(self._load_base())
        return self._engine

    @property
    def ready(self) -> bool:
        """Whether the base and the default checkpoint are loaded."""
        return self._engine is not None and self.checkpoint in self._generators

    @property
    def status(self) -> str:
        """ "loading", "ready", or the words of the error that `load` ended with."""
        return "ready" if self.ready else self._failure or "loading"

    @property
    def base_model(self) -> str | None:
        """The base's id, None until the default checkpoint has been read; waits for nothing."""
        generator = self._generators.get(self.checkpoint)
        return generator.spec.base_model if generator else None

    def load(self) -> None:
        """Loads checkpoint, encoder and base now, so that the first visitor does not wait."""
        try:
            self.check_memory()
            # One after the other: transformers sets torch's own type while it loads, for all threads.
            with self._lock:
                _ = self.generator.encoder
                _ = self.engine
        except T2LError as err:
            self._failure = str(err)
            raise
        if self._elsewhere:
            self._look_ahead()

    def check_memory(self) -> None:
        """Raises T2LError where a preset's base, encoder and network need more memory than is free.

        For before any of them is loaded.
        """
        if self._setup and self._engine is None:
            self._setup.check_memory(self._kind, self._device)

    def _look_ahead(self) -> None:
        """Does at once what this process cannot do when only the GPU's workers have the base's numbers."""
        base = self.engine.base
        # Its first use compiles the chat template: once here, not in every worker.
        base.prompt_ids([{"role": "user", "content": "?"}])
        for name, module in transformer_layers(base.model)[0].named_modules():
            with suppress(T2LError):  # Not in every layer: no adapter has it.
                if isinstance(module, nn.Linear):
                    self._weight_norms(base.spec([name]))

    # --- from a text to an adapter ---

    def make(self, text: str, *, checkpoint: str = "") -> Adapter:
        """A description's adapter, which is on no shelf."""
        return self._make(text, checkpoint)[0]

    def describe(self, text: str, *, checkpoint: str = "", visitor: str = "", spare: bool = False) -> Made:
        """Makes a description's adapter and puts it on the shelf; the same text gives the same adapter.

        spare: as of `Shelf.add`.
        """
        adapter, seconds = self._make(text, checkpoint)
        return self._keep(adapter, visitor, seconds, spare)

    def show(
        self, prompts: Sequence[str], *, checkpoint: str = "", visitor: str = "", tell: bool = False
    ) -> Made:
        """Makes the adapter of example prompts, inputs of a task without answers, and puts it on the shelf.

        checkpoint: "" for the default, or the first one that reads prompts. tell: whether the prompts stand
        in the adapter's folder and on its card; else only their number and sha256 do.
        """
        if not prompts or isinstance(prompts, str):
            raise T2LError("No prompts were given; give a list with at least one example input of the task.")
        condition = Condition(prompts=tuple(prompts))
        for number, prompt in enumerate(condition.prompts, 1):
            check_length(prompt, f"example prompt {number}", self.limits.prompt)
        refuse_answers(condition.prompts)
        made, seconds = self._made(condition, checkpoint or self.prompt_checkpoint(), tell)
        return self._keep(made, visitor, seconds)

    def prompt_checkpoint(self) -> str:
        """The checkpoint that makes adapters from prompts, "" for the default; T2LError if there is none."""
        if self.generator.reads == "prompts":
            return ""
        found = next((c.name for c in self.checkpoints() if c.reads == "prompts"), None)
        if found is None:
            raise T2LError(
                "No checkpoint here makes adapters from example prompts; describe the task, or train one "
                "with `t2l train dnd`."
            )
        return found

    def _make(self, text: str, checkpoint: str) -> tuple[Adapter, float]:
        check_text(text, "description", self.limits.description)
        return self._made(Condition(text), checkpoint)

    def _made(self, condition: Condition, checkpoint: str, tell: bool = False) -> tuple[Adapter, float]:
        generator = self.generator_of(checkpoint)
        # Before anything is made: prompts may be too long to be told.
        examples = Examples.of(condition, tell) if condition.prompts else None
        with self._lock:
            _ = generator.encoder
            start = time.perf_counter()
            # Alone, never in a batch: the bytes of what a person keeps must repeat.
            weights = generator.generate([condition])[0]
            seconds = time.perf_counter() - start
        story = (condition.text, generator.name, generator.id, generator.base_weights_id)
        setup = {}
        if self._setup and checkpoint in ("", self.checkpoint):
            setup = self._setup.story()
            # Another checkpoint than the preset's own was chosen too.
            if self._folder != self._setup.preset.checkpoint:
                setup["checkpoint"] = generator.name
        made = Adapter(weights, *story, examples=examples, setup=setup, says_task=generator.says_task)
        return made, seconds

    def _keep(self, adapter: Adapter, visitor: str, seconds: float, spare: bool = False) -> Made:
        shelf = self.shelf_of(visitor)
        entry = shelf.add(adapter, spare=spare)
        self._make_room(visitor)
        return Made(adapter, shelf.folder / entry.id, entry.bytes, seconds)

    def control(self, text: str, *, checkpoint: str = "") -> Adapter:
        """The adapter of a description that has nothing to do with `text`: whether the description matters.

        The same text has the same control; it is on no shelf. Of a checkpoint that reads prompts it is the
        adapter of prompts which have nothing to do with each other either.
        """
        generator = self.generator_of(checkpoint)
        if generator.reads == "prompts":
            return self._made(Condition(prompts=_UNRELATED), checkpoint)[0]
        digest = int.from_bytes(hashlib.sha256(Condition(text).text.encode()).digest()[:8])
        unrelated = list(_UNRELATED)
        if generator.index is not None:
            # Of the trained tasks that half which is farther away.
            order = self._similarities(generator, [text])[0].argsort()[: -(-len(generator.index.names) // 2)]
            unrelated = [generator.index.descriptions[i] for i in sorted(order.tolist())]
        return self._made(Condition(unrelated[digest % len(unrelated)]), checkpoint)[0]

    def blend(self, first: str, second: str, share: float, *, visitor: str = "") -> Made:
        """Two adapters of the shelf as one: ΔW is (1 - share) of the first one's plus share of the second's.

        Exact: the ranks add up. share: a number from 0 to 1, in hundredths.
        """
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise T2LError(f"The share of the second adapter must be a number from 0 to 1, not {share!r}.")
        start = time.perf_counter()
        both = [self.adapter(id, visitor=visitor) for id in (first, second)]
        share = round(float(share), 2)
        # Before anything of that size is made.
        if (rank := 2 * max(a.spec.rank for a in both)) > _MOST_RANK:
            raise T2LError(f"The blend would have rank {rank}, the most is {_MOST_RANK}; blend simpler ones.")
        summed = concat(stack(align(a.weights for a in both)), [1 - share, share])
        names = [self.shelf_of(visitor).entry(id).name for id in (first, second)]
        parts = zip(names, (1 - share, share), strict=True)
        source = title(" + ".join(f"{weight:.0%} {name[:32]}" for name, weight in parts))
        return self._keep(Adapter(summed, "", "", "", source=source), visitor, time.perf_counter() - start)

    # --- what to expect of it ---

    def likeness(self, text: str, *, checkpoint: str = "") -> Likeness:
        """The trained tasks nearest to a description."""
        generator = self.generator_of(checkpoint)
        if generator.index is None:
            return Likeness((), None)
        with self._lock:
            condition = generator.encoder.encode([Condition(text).text])[0]
        return Likeness(tuple(generator.index.nearest(condition)), generator.index.far)

    def hints(self, text: str, *, checkpoint: str = "") -> tuple[Hint, ...]:
        """Sentences on the input and on the output that bring a description nearer to the trained tasks.

        At most one of each, the best of some kinds that are tried; none where nothing helps.
        """
        generator = self.generator_of(checkpoint)
        if generator.index is None or not text.strip():
            return ()
        start = Condition(text).text
        stop = "" if start[-1] in ".!?" else "."
        groups = [[f"The input is {i}." for i in _INPUTS], [f"Answer with {o} only." for o in _OUTPUTS]]
        additions = [addition for group in groups for addition in group]
        if len(start) + max(map(len, additions)) + 2 > MAX_DESCRIPTION:
            return ()
        texts = [start, *(f"{start}{stop} {addition}" for addition in additions)]
        with self._lock:
            # A tokenizer remembers how it was asked last: never while another thread is within it.
            fit = all(map(generator.encoder.fits, texts))
        if not fit:
            return ()
        found = self._similarities(generator, texts).max(1)
        before, hints, at = float(found.values[0]), [], 1
        for group in groups:
            best = at + int(found.values[at : at + len(group)].argmax())
            if float(found.values[best]) - before >= _LEAST_GAIN:
                nearest = generator.index.names[int(found.indices[best])]
                hints.append(Hint(additions[best - 1], before, float(found.values[best]), nearest))
            at += len(group)
        return tuple(hints)

    def _similarities(self, generator: Generator, texts: Sequence[str]) -> Tensor:
        assert generator.index is not None
        with self._lock:
            return generator.index.similarities(generator.encoder.encode([Condition(t).text for t in texts]))

    def about(self, id: str, *, visitor: str = "") -> About:
        """What an adapter of the shelf is, how strongly it changes which module, and what it is near to."""
        adapter = self.adapter(id, visitor=visitor)
        spec = adapter.spec
        # Of another base, made before this one was chosen, its strength would be told by the wrong weights.
        align([self.generator.spec.zeros(), adapter.weights])
        base = self._weight_norms(spec)
        heat = {name: (norm / base[name]).tolist() for name, norm in adapter.weights.delta_norms().items()}
        return About(
            adapter.id,
            adapter.label if adapter.examples else adapter.condition,
            adapter.generator,
            spec.base_model,
            spec.rank,
            spec.scaling,
            tuple(spec.targets),
            spec.n_layers,
            spec.n_parameters,
            heat,
            self._likeness_of(adapter),
        )

    def _likeness_of(self, adapter: Adapter) -> Likeness:
        """Of its description to what its very generator learned; unknown where that is not here."""
        with suppress(T2LError):
            if adapter.condition and not adapter.source:
                for name in ("", adapter.generator):
                    if self.generator_of(name).id == adapter.generator_id:
                        return self.likeness(adapter.condition, checkpoint=name)
        return Likeness((), None)

    def told_likeness(self, adapter: Adapter) -> str:
        """What a card tells of the trained tasks nearest to an adapter's description; else empty."""
        likeness = self._likeness_of(adapter)
        near = ", ".join(f"{one.name} ({one.similarity:.2f})" for one in likeness.nearest)
        line = f"The trained tasks most like its description, by cosine: {near}." if near else ""
        return f"{line} It is far from all of them: expect less." if likeness.warning else line

    def _weight_norms(self, spec: LoRASpec) -> dict[str, Tensor]:
        """Frobenius norm of every target's base weight, (L,), measured once."""
        if missing := set(spec.targets) - set(self._norms):
            for name, linears in target_modules(self.engine.base.model, spec).items():
                if name in missing:
                    norms = [weight_norm(linear) for linear in linears]
                    self._norms[name] = torch.tensor(norms, dtype=torch.float64)
        return self._norms

    # --- answers ---

    def compare(
        self,
        prompt: str,
        adapters: Sequence[Adapter | LoRAWeights],
        decoding: Decoding | None = None,
        strengths: Sequence[float] | None = None,
        history: Sequence[Chat] = (),
        told: Sequence[str] | None = None,
        solved: Sequence[Example] = (),
    ) -> Iterator[list[str]]:
        """Yields [base, adapter 1, ...] as growing texts, all from one batched pass over the same prompt.

        adapters: at most seven, for the loaded base. strengths: one number for each, 1 where nothing is said;
        0 gives the base's own answer. history: the conversation so far of every column, the base's first.
        told: for every column, the base's first, a description of the task that its prompt says as well, ""
        for none; by default to an adapter its own where it was trained so, see `tasks_said`, and to mere
        weights nothing.
        solved: examples with their answers that every column reads as turns before the conversation.
        """
        check_text(prompt, "prompt", self.limits.prompt)
        decoding = decoding or Decoding()
        if decoding.max_new_tokens > self.limits.new_tokens:
            raise T2LError(
                f"{decoding.max_new_tokens} new tokens were asked for; the most is {self.limits.new_tokens}."
            )
        weights = [one.weights if isinstance(one, Adapter) else one for one in adapters]
        if told is None:
            told = tasks_said(adapters)
        columns = stack(align([self.generator.spec.zeros(), *weights]))
        if strengths is not None:
            columns = columns.scale([0.0, *strengths])
        if history and len(history) != len(adapters) + 1:
            raise T2LError(f"{len(history)} conversations were given for {len(adapters) + 1} columns.")
        if told and len(told) != len(adapters) + 1:
            raise T2LError(f"{len(told)} descriptions were given for {len(adapters) + 1} columns.")
        message = {"role": "user", "content": prompt}
        shown: Chat = []
        for example in solved:
            check_length(example.input, "solved example", self.limits.prompt)
            shown += [{"role": "user", "content": example.input}]
            shown += [{"role": "assistant", "content": example.output}]
        chats: list[Chat] = [[*shown, *earlier, message] for earlier in history or [()] * (len(adapters) + 1)]
        if any(told):
            chats = [self.engine.base.told(*pair) for pair in zip(chats, told, strict=True)]
        return _arrived(self._answers(chats, columns, decoding))

    def _stream(
        self, chats: Sequence[Chat], columns: LoRAWeights, decoding: Decoding
    ) -> Stream[list[str] | T2LError, None, None]:
        """What runs on the GPU's side; hands an error over, since of a raised one only the class arrives."""
        try:
            yield from self.engine.stream(chats, columns, decoding)
        except T2LError as err:
            yield err

    # --- many examples, many descriptions ---

    def score(
        self, ids: Sequence[str], examples: Sequence[Example], *, visitor: str = ""
    ) -> Iterator[Scores]:
        """The base's and the adapters' answers to all examples, column 0 the base's; yields as they come.

        An answer may be some tokens longer than the longest that is right. Raises T2LError at once for what
        cannot be answered.
        """
        if not 1 <= len(ids) <= self.limits.adapters:
            raise T2LError(f"{len(ids)} adapters were chosen; choose 1 to {self.limits.adapters}.")
        adapters = [self.adapter(id, visitor=visitor) for id in ids]
        told = tasks_said(adapters)
        columns = [self.generator.spec.zeros(), *(adapter.weights for adapter in adapters)]
        return self._score(self._checked(examples, told), columns, told)

    def _checked(self, examples: Sequence[Example], told: Sequence[str]) -> tuple[Example, ...]:
        """Examples that are answered whichever of `told` their prompts say; T2LError names another."""
        base, most = self.engine.base, max(told, key=len, default="")
        checked = check_examples((e.input, e.output) for e in examples)
        for text in (example.input for example in checked):
            name = f"input that starts {text[:40]!r}"
            check_length(text, name, self.limits.prompt)
            # No token is shorter than a byte: few need be looked at. Later, all passes would be in vain.
            if len(f"{text}{most}".encode()) + _TEMPLATE > base.context_length:
                try:
                    base.prompt_ids(base.told([{"role": "user", "content": text}], most))
                except T2LError as err:
                    raise T2LError(f"The {name} cannot be answered. {err}") from err
        return checked

    def _score(
        self, examples: Sequence[Example], columns: Sequence[LoRAWeights], told: Sequence[str]
    ) -> Iterator[Scores]:
        tokens = self._answer_tokens(examples, len(columns))
        return score(
            self._ask,
            lambda text, column: self.engine.base.told([{"role": "user", "content": text}], told[column]),
            examples,
            stack(align(columns)),
            tokens,
        )

    def _answer_tokens(self, examples: Sequence[Example], columns: int) -> int:
        """Tokens that an answer to any of the examples may have; T2LError where all would be too many."""
        tokenizer = self.engine.base.tokenizer
        longest = max(len(tokenizer(e.output, add_special_tokens=False)["input_ids"]) for e in examples)
        # Room to go on behind what is right: an answer that is cut off there is not right by chance.
        tokens = min(longest + _BEYOND, self.limits.new_tokens)
        if (wanted := len(examples) * columns * tokens) > self.limits.scored:
            raise T2LError(
                f"{len(examples):,} examples, {columns} columns and answers of up to {tokens:,} tokens make "
                f"{wanted:,} tokens, the most is {self.limits.scored:,}; give fewer or shorter examples."
            )
        return tokens

    def _ask(self, chats: Sequence[Chat], columns: LoRAWeights, decoding: Decoding) -> Iterator[list[str]]:
        return _arrived(self._answers(chats, columns, decoding))

    def better_wording(
        self, wordings: Sequence[str], examples: Sequence[Example], *, checkpoint: str = "", visitor: str = ""
    ) -> Iterator[Scores | Wordings]:
        """Which of a person's wordings, or of ours for the task, answers half of the examples best.

        Ours: the first wording in other styles, and the descriptions of the trained tasks nearest to any.

        Yields Scores while it asks, then a Wordings with what the other half says of the choice; the chosen
        one's adapter is then on the shelf. All are made in one stacked pass. Raises T2LError at once for
        wordings or examples that cannot serve.
        """
        own = list(dict.fromkeys(self._wording(w, f"wording {n}") for n, w in enumerate(wordings, 1)))
        if not 1 <= len(own) <= _MOST_WORDINGS:
            raise T2LError(f"{len(own)} wordings were given; give 1 to {_MOST_WORDINGS}.")
        styled = [style.format(said=own[0].rstrip(". "), low=_low(own[0].rstrip(". "))) for style in _STYLES]
        generator = self.generator_of(checkpoint)
        known = self._known(own, generator)
        # What was put together here must fit; of a person's own wordings it is said where they do not.
        made_up = [t for t in (*styled, *known) if len(t) <= self.limits.description]
        with self._lock:
            texts = list(dict.fromkeys([*own, *filter(generator.encoder.fits, made_up)]))
        checked = self._checked(examples, texts if generator.says_task else [])
        choosing, reporting = halves(checked)
        self._answer_tokens(choosing, len(texts))
        with self._lock:
            made = generator.generate([Condition(text) for text in texts])
        return self._choose(texts, made, choosing, reporting, checkpoint, visitor)

    def _known(self, wordings: Sequence[str], generator: Generator) -> list[str]:
        """How the trained tasks nearest to some wordings were described, the nearest of each first."""
        if generator.index is None:
            return []
        with self._lock:
            conditions = generator.encoder.encode(list(wordings))
        near = [generator.index.nearest(condition, _MOST_KNOWN) for condition in conditions]
        texts = dict.fromkeys(one.description for rank in zip(*near, strict=True) for one in rank)
        return list(texts)[:_MOST_KNOWN]

    def _wording(self, text: str, what: str) -> str:
        return Condition(check_text(text, what, self.limits.description)).text

    def _choose(
        self,
        texts: Sequence[str],
        made: LoRAWeights,
        choosing: Sequence[Example],
        reporting: Sequence[Example],
        checkpoint: str,
        visitor: str,
    ) -> Iterator[Scores | Wordings]:
        told = list(map(self.generator_of(checkpoint).said, texts))
        for scores in self._score(choosing, [made[i] for i in range(len(texts))], told):
            yield scores
        # Of equal ones the first: a person's own words before ours.
        chosen = [(sum(scores.right(i)), sum(scores.right(i, "lenient"))) for i in range(len(texts))]
        order = sorted(range(len(texts)), key=lambda i: chosen[i], reverse=True)
        columns = [self.generator.spec.zeros(), made[0], made[order[0]]]
        for report in self._score(reporting, columns, [told[0], told[0], told[order[0]]]):
            yield report
        base, first, best = (
            Tried(text, sum(report.right(i)), sum(report.right(i, "lenient")), len(reporting))
            for i, text in enumerate(("", texts[0], texts[order[0]]))
        )
        ranked = tuple(Tried(texts[i], *chosen[i], len(choosing)) for i in order)
        # Made again, alone: the bytes of what a person keeps must repeat.
        kept = self.describe(texts[order[0]], checkpoint=checkpoint, visitor=visitor)
        yield Wordings(ranked, base, first, best, kept)

    def batch(
        self, descriptions: Sequence[str], *, checkpoint: str = "", visitor: str = ""
    ) -> Iterator[tuple[int, Path | None]]:
        """Yields (how many are made, None), and last the zip: a PEFT folder for each, and manifest.json.

        Made one by one, so that ids are those that each gets alone; none goes to the shelf. Raises T2LError
        at once, naming the description, for what cannot serve.
        """
        texts = list(
            dict.fromkeys(
                self._wording(d, f"description {n}") for n, d in enumerate(descriptions, 1) if d.strip()
            )
        )
        if not 1 <= len(texts) <= self.limits.batch:
            raise T2LError(
                f"{len(texts)} descriptions were given; give 1 to {self.limits.batch}, one a line."
            )
        generator = self.generator_of(checkpoint)
        if generator.reads != "text":
            raise T2LError(f"The checkpoint {generator.name} reads no descriptions; choose another one.")
        return self._batch(texts, checkpoint, visitor)

    def _batch(
        self, texts: Sequence[str], checkpoint: str, visitor: str
    ) -> Iterator[tuple[int, Path | None]]:
        digest = hashlib.sha256(json.dumps([checkpoint, *texts]).encode()).hexdigest()
        folder = self._zip_folder(self.shelf_of(visitor), "batches") / digest[:16]
        file = folder / f"t2l-batch-{len(texts)}-{digest[:6]}.zip"
        if file.is_file():
            # The same list again: the same bytes.
            yield len(texts), file
            return
        manifest = []
        with self._working(visitor), complete_or_absent(folder, first_wins=True) as work:
            with zipfile.ZipFile(work / file.name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for number, text in enumerate(texts, 1):
                    adapter = self.make(text, checkpoint=checkpoint)
                    place = f"{number:04}-{_slug(text)}-{adapter.id[:6]}"
                    with tempfile.TemporaryDirectory(prefix="t2l-batch-") as made:
                        adapter.save(Path(made) / "adapter")
                        for part in sorted((Path(made) / "adapter").iterdir()):
                            archive.write(part, f"{place}/{part.name}")
                    manifest.append({"folder": place, "id": adapter.id, "description": text})
                    yield number, None
                told = {"checkpoint": self.generator_of(checkpoint).name, "adapters": manifest}
                archive.writestr("manifest.json", json.dumps(told, indent=2, ensure_ascii=False))
        # One of each visitor: the files that are served must not grow without end. One that is being made in
        # another tab has a hidden name.
        for earlier in folder.parent.glob("[!.]*"):
            if earlier != folder:
                shutil.rmtree(earlier, ignore_errors=True)
        self._make_room(visitor)
        yield len(texts), file

    # --- the shelves ---

    def shelf_of(self, visitor: str) -> Shelf:
        """The shelf of a visitor's key, or the machine's own for ""; raises T2LError for a weak key."""
        if visitor == "":
            return self.shelf
        if not isinstance(visitor, str) or not _LEAST_KEY <= len(visitor) <= 200:
            raise T2LError(f"A key must be a text of {_LEAST_KEY} to 200 characters that nobody can guess.")
        # The key itself is written nowhere.
        name = hashlib.sha256(visitor.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        if visitor.startswith(SESSION):
            name = _PASSING + name
        with self._shelf_lock:
            if name not in self._shelves:
                place = self.shelf.folder / _VISITORS / name
                self._shelves[name] = Shelf(place, self.limits.shelf_bytes)
            self._shelves.move_to_end(name)
            while len(self._shelves) > _MOST_SHELVES:
                self._shelves.popitem(last=False)
            return self._shelves[name]

    @contextmanager
    def _working(self, visitor: str) -> Iterator[None]:
        """Within the block nobody's room is made by removing what is this visitor's."""
        name = self.shelf_of(visitor).folder.name
        with self._shelf_lock:
            self._at_work[name] += 1
        try:
            yield
        finally:
            with self._shelf_lock:
                # Without those at zero: visitors are many.
                self._at_work -= Counter([name])

    def _make_room(self, visitor: str) -> None:
        """Removes what is longest unused until the rest fits: a visitor's shelf with the files made of it.

        Never those in use. A visitor may have either of the two alone.
        """
        if visitor == "":
            return
        used = self.shelf_of(visitor).folder

        def places(name: str) -> tuple[Path, Path]:
            return used.parent / name, self._files / name

        def last_used(name: str) -> float:
            return max((place.stat().st_mtime for place in places(name) if place.is_dir()), default=0.0)

        with self._shelf_lock, suppress(OSError):
            for place in places(used.name):
                with suppress(FileNotFoundError):
                    os.utime(place)
            names = {
                folder.name
                for parent in (used.parent, self._files)
                if parent.is_dir()
                for folder in parent.iterdir()
            } - {_OWN}
            times = {name: last_used(name) for name in names}
            sizes = {name: sum(map(_bytes, places(name))) for name in names}
            total = sum(sizes.values())
            # Sessions end and nobody can come back to them: a browser's shelf outlives them.
            for name in sorted(names, key=lambda name: (not name.startswith(_PASSING), times[name])):
                if total <= self.limits.visitors_bytes:
                    return
                # What was used meanwhile is not what was used longest ago.
                if name != used.name and last_used(name) == times[name] and not self._at_work[name]:
                    self._shelves.pop(name, None)
                    for place in places(name):
                        shutil.rmtree(place, ignore_errors=True)
                    total -= sizes[name]

    def adapter(self, id: str, *, visitor: str = "") -> Adapter:
        """An adapter of the shelf; raises T2LError where it is gone."""
        return self.shelf_of(visitor).get(id)

    def adapters(self, *, visitor: str = "") -> tuple[Entry, ...]:
        """What the shelf holds, newest first; reads no weights."""
        return self.shelf_of(visitor).list()

    def open_folder(self, folder: str | Path, *, visitor: str = "") -> Entry:
        """Puts a copy of an adapter's folder, made here or by PEFT, on the shelf."""
        entry = self.shelf_of(visitor).open_folder(folder)
        self._make_room(visitor)
        return entry

    def open_zip(self, file: str | Path, *, visitor: str = "") -> Entry:
        """Puts the adapter of a zip on the shelf: one made by `zip`, or of a folder that PEFT wrote.

        Raises T2LError as `unzip_folder` and `open_folder`, and for an adapter of another base.
        """
        # No name of a stranger's file becomes a path.
        name = re.sub("[^A-Za-z0-9._ -]+", "-", Path(file).stem)[:60].strip(". -") or "adapter"
        with tempfile.TemporaryDirectory(prefix="t2l-unzip-") as temporary:
            folder = Path(temporary) / name
            try:
                unzip_folder(file, folder, self.limits.shelf_bytes)
                self._check_comparable(Adapter.load(folder))
                return self.open_folder(folder, visitor=visitor)
            except T2LError as err:
                fault = str(err).replace(str(folder), name)
        raise T2LError(fault)

    def _check_comparable(self, adapter: Adapter) -> None:
        """Raises T2LError for an adapter of another base or other sizes; rank and modules may differ.

        Columns of one pass are as wide as the widest, so a small file of endless rank would take all memory.
        """
        if (rank := adapter.spec.rank) > _MOST_RANK:
            raise T2LError(f"The adapter has rank {rank}, the most is {_MOST_RANK}; open one of lower rank.")
        align([self.generator.spec.zeros(), adapter.weights])

    def rename(self, id: str, name: str, *, visitor: str = "") -> Entry:
        """Gives an adapter of the shelf another name of at most 80 characters."""
        return self.shelf_of(visitor).rename(id, name)

    def delete(self, id: str, *, visitor: str = "") -> None:
        """Removes an adapter from the shelf, and the file that was made of it to download."""
        shelf = self.shelf_of(visitor)
        shelf.delete(id)
        shutil.rmtree(self._zip_folder(shelf, id), ignore_errors=True)

    def zip(self, id: str, *, visitor: str = "") -> Path:
        """An adapter's folder as one file to download, in a temporary folder of this process."""
        shelf = self.shelf_of(visitor)
        folder = self._zip_folder(shelf, id)
        file = folder / f"t2l-{_slug(shelf.entry(id).name)}-{id[:6]}.zip"
        if not _newer(file, shelf.folder / id / STORY):
            # Verified once: what a person takes along must be whole.
            shelf.get(id)
            zip_folder(shelf.folder / id, file)
            # Of earlier names. Not the folder: another thread may be writing this file in it.
            for old in folder.glob("*.zip"):
                if old != file:
                    old.unlink(missing_ok=True)
            # The shelf is kept within a limit, and so are the files made of it.
            for made in folder.parent.iterdir():
                if made.name not in ("batches", "files") and not (shelf.folder / made.name).is_dir():
                    shutil.rmtree(made, ignore_errors=True)
            self._make_room(visitor)
        return file

    def file(self, name: str, data: bytes, *, visitor: str = "") -> Path:
        """A file to download, in the place of the last one of that name; a visitor has one of each."""
        file = self._zip_folder(self.shelf_of(visitor), "files") / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, data)
        except OSError as err:
            raise T2LError(f"{name} cannot be written ({err}); free some space.") from err
        return file

    def _zip_folder(self, shelf: Shelf, id: str) -> Path:
        return self._files / (shelf.folder.name if shelf is not self.shelf else _OWN) / id

    # --- the Hub ---

    def publish(
        self, id: str, repo_id: str, token: str | None, *, visitor: str = "", **options: Any
    ) -> Published:
        """Puts an adapter of the shelf on the Hub; options and errors as `t2l.hub.publish`.

        What the card tells of its likeness to trained tasks comes from here, whatever is given.
        """
        adapter = self.adapter(id, visitor=visitor)
        options["likeness"] = self.told_likeness(adapter)
        return publish(adapter, repo_id, token, **options)

    def identity(self, token: str | None) -> Identity:
        """Whose sign-in a token is; asks the Hub once, errors as `t2l.hub.identity`."""
        return identity(token)

    def check_name(self, id: str, repo_id: str, token: str | None, *, visitor: str = "") -> NameState:
        """What publishing an adapter of the shelf under a name would meet; errors as `t2l.hub.check_name`."""
        return check_name(repo_id, token, self.adapter(id, visitor=visitor))

    def licenses(self, id: str, *, visitor: str = "") -> tuple[str, ...]:
        """What a person must choose from to publish an adapter; nothing where its base's licence is known."""
        return () if known_license(self.adapter(id, visitor=visitor).spec.base_model) else tuple(LICENSES)

    def suggest_name(self, id: str, *, visitor: str = "") -> str:
        """A repo name for an adapter of the shelf, without its namespace."""
        return suggest_name(self.adapter(id, visitor=visitor))

    def preview(
        self, id: str, repo_id: str, told: Told | None = None, *, visitor: str = ""
    ) -> dict[str, bytes]:
        """The files that `publish` would upload, by name, the card (README.md) among them; asks nobody."""
        adapter = self.adapter(id, visitor=visitor)
        return repo_files(adapter, repo_id, replace(told or Told(), likeness=self.told_likeness(adapter)))

    def pull(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        token: str | None = None,
        visitor: str = "",
        spare: bool = False,
    ) -> Entry:
        """Puts an adapter of the Hub on the shelf; errors as `t2l.hub.pull`, and for one of another base.

        spare: as of `Shelf.add`.
        """
        adapter = pull(repo_id, revision=revision, token=token, most=self.limits.shelf_bytes)
        self._check_comparable(adapter)
        shelf = self.shelf_of(visitor)
        entry = shelf.add(adapter, spare=spare)
        self._make_room(visitor)
        return entry

    def gallery(self, *, token: str | None = None, limit: int = 50) -> tuple[Found, ...]:
        """Adapters of the Hub with our tag, for the loaded base; private ones of the token too."""
        return search(self.generator.spec.base_model, token=token, limit=limit)


def tasks_said(adapters: Sequence[Adapter | LoRAWeights], always: bool = False) -> list[str]:
    """What the prompts of the base and of some adapters say of the task: the condition, or "" for nothing.

    An adapter that was trained so is told its condition, with `always` every one, mere weights nothing; the
    base what the first is.
    """
    told = [
        one.condition if isinstance(one, Adapter) and (always or one.says_task) else "" for one in adapters
    ]
    return [*told[:1], *told]


# Stands in where a checkpoint does not tell what it was trained on.
_UNRELATED = (
    "Name the chemical element with this atomic number.",
    "Say in which month the holiday falls.",
    "Rewrite the recipe for twice as many guests.",
    "Give the opposite compass direction.",
    "Name the instrument that is heard.",
)
# A person's wording in the styles that descriptions of training tasks have.
_STYLES = (
    "{said}.",
    "{said}. Give the result and nothing else.",
    "You are given an input; the goal of this task is to do the following: {low}.",
    "I want this done, whatever I type: {low}.",
    "Your task: {low}.",
    "Read the input, then do this: {low}. Answer with the result only.",
    "Follow this instruction: {low}.",
)
_MOST_WORDINGS = 16
# Of the trained tasks nearest to a wording, whose descriptions are tried too.
_MOST_KNOWN = 8
# Tokens behind the longest right answer.
_BEYOND = 8
_MOST_RANK = 128
_MOST_SHELVES = 256
# Tokens that a chat template adds to one message and its description, at most.
_TEMPLATE = 256


def weight_norm(linear: nn.Module) -> float:
    """Frobenius norm of a Linear's weight."""
    weight: Any = linear.weight
    if (packed := getattr(weight, "quant_state", None)) is not None:
        from bitsandbytes.functional import dequantize_4bit

        # The bytes that it is stored as are codes.
        weight = dequantize_4bit(weight.data, packed)
    return float(weight.detach().float().norm())


def _remove(folder: Path, process: int) -> None:
    # A forked worker ends long before the files that it shares.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    """What a folder's files take; those that go meanwhile take nothing."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _newer(file: Path, than: Path) -> bool:
    """Whether a file is there that is no older than another one."""
    with suppress(OSError):
        return file.stat().st_mtime_ns >= than.stat().st_mtime_ns
    return False


def _slug(text: str) -> str:
    """The words of a text as part of a file's name."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "adapter"


def _low(text: str) -> str:
    """A sentence as it goes on behind a colon."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _gpu_seconds(chats: Sequence[Chat], columns: LoRAWeights, decoding: Decoding) -> int:
    """Seconds of a GPU that a comparison may take: the quota of visitors is short, so ask for little."""
    return 8 + decoding.max_new_tokens // 15


def _arrived(answers: Stream[list[str] | T2LError, None, None]) -> Iterator[list[str]]:
    """What `_stream` hands over, on this side: texts go on, an error is raised."""
    with closing(answers):
        for texts in answers:
            if isinstance(texts, T2LError):
                raise texts
            yield texts


def _read_checkpoint(name: str) -> Checkpoint | None:
    """What a named checkpoint's configuration tells; None where it is in the published format or damaged."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError, T2LError):
        config = json.loads((find_checkpoint(name) / "config.json").read_text(encoding="utf-8"))
        network, tasks = config["network"], config.get("training", {}).get("tasks")
        spec, dnd = LoRASpec.from_json(network["spec"]), config["kind"] == "dnd"
        return Checkpoint(
            name,
            spec.base_model,
            "dnd" if dnd else str(network["variant"]),
            spec.rank,
            tuple(spec.targets),
            len(tasks) if tasks else None,
            "prompts" if dnd else "text",
        )
    return None


def _shelf_bytes() -> int:
    """How much the shelf may hold: $T2L_SHELF_BYTES, else 2 GB."""
    given = os.environ.get("T2L_SHELF_BYTES") or "2000000000"
    if not re.fullmatch("[1-9][0-9]{0,17}", given):
        raise T2LError(f"T2L_SHELF_BYTES is {given[:40]!r}; give a whole number of bytes of at least 1.")
    return int(given)


def checkpoints_folder() -> Path:
    """Where named checkpoints lie: $T2L_CHECKPOINTS, else beside this package, else where pip put them."""
    if named := os.environ.get("T2L_CHECKPOINTS"):
        return Path(named)
    beside = Path(__file__).resolve().parent.parent / "checkpoints"
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "t2l" / "checkpoints"


def checkpoint_names() -> list[str]:
    """Names of the checkpoints at hand, sorted."""
    return sorted(
        {f.parent.name for n in ("config.json", PUBLISHED) for f in checkpoints_folder().glob(f"*/{n}")}
    )


def results_folder() -> Path:
    """Where measured rows lie: $T2L_RESULTS, else `results/` beside this package."""
    return Path(os.environ.get("T2L_RESULTS") or Path(__file__).resolve().parent.parent / "results")


@dataclass(frozen=True)
class Results:
    """One measurement for the page: a title, tables as Markdown by name, plots, and what is missing."""

    title: str
    tables: dict[str, str]
    plots: tuple[Plot, ...]
    missing: tuple[str, ...]


def measurements() -> dict[str, list[dict[str, Any]]]:
    """The rows of every measurement in the results folder, by its title; of two equal rows the later one.

    Rows belong together where split, number of examples, base weights and type are the same; where a method
    was asked with several libraries, those with fewer rows stand by themselves. Raises T2LError naming a file
    that holds no rows.
    """
    from t2l.eval.run import read_rows, row_key

    rows = {row_key(row): row for file in sorted(results_folder().glob("*.jsonl")) for row in read_rows(file)}

    def kind(row: dict[str, Any]) -> tuple:
        return tuple(row.get(k) for k in ("split", "limit", "dtype", "weights_id"))

    # Rows of one method under one title must be of one library: that of most rows.
    counts = Counter((kind(row), row["method"], row.get("adapters_id")) for row in rows.values())
    most = {(key, method): library for (key, method, library), _ in reversed(counts.most_common())}
    found: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows.values():
        key, library = kind(row), row.get("adapters_id")
        other = None if library == most[key, row["method"]] else library or "unnamed"
        found.setdefault((*key, other), []).append(row)
    order = sorted(found, key=lambda key: (key[0] == "train", *map(str, key[:4]), str(key[4] or "")))
    titled: dict[str, list[dict[str, Any]]] = {}
    for key in order:
        where = "Trained tasks" if key[0] == "train" else "Held-out tasks"
        title = f"{where}, first {key[1]} examples, {key[2]}"
        title += f", another library ({str(key[4])[:8]})" if key[4] else ""
        # Another base's weights under the same words.
        titled[f"{title}, {key[3]}" if title in titled else title] = found[key]
    return titled


def results(title: str) -> Results:
    """Tables and plots of one measurement; raises T2LError for a title that is not there."""
    from t2l.eval.analysis import read_analysis
    from t2l.eval.plots import plots, steering_table
    from t2l.eval.report import missing, summarize, tables

    there = measurements()
    if title not in there:
        raise T2LError(
            f"There is no measurement {title[:80]!r}; choose {'; '.join(there) or 'none: run it'}."
        )
    rows, file = there[title], results_folder() / "analysis.json"
    analysis = read_analysis(file) if file.is_file() else None
    report = summarize([], rows) if rows[0].get("split") == "train" else summarize(rows)
    parts = tables(report)
    if analysis:
        parts["steering"] = steering_table(analysis)
    parts.pop("missing", None)
    made, lacking = plots(rows, analysis)
    return Results(title, parts, tuple(made), (*missing(report), *lacking))


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint, given as a path or as a name; raises T2LError listing what there is."""
    named = checkpoints_folder() / name
    for folder in (Path(name), named):
        if (folder / "config.json").is_file() or (folder / PUBLISHED).is_file():
            return folder
    raise T2LError(
        f"There is no checkpoint {name!r}; choose {', '.join(checkpoint_names()) or 'a folder'} "
        "or give a folder made by `t2l train`, or a published one."
    )


def doctor() -> dict[str, Any]:
    """What is installed, on what it would run, and what would be downloaded; loads no model."""
    import importlib.metadata
    import platform

    import psutil
    import torch

    from t2l.base import choose_device, choose_dtype
    from t2l.encoder import DEFAULT_ENCODER, embedded_folder

    versions = {"python": platform.python_version()}
    for package in (
        "torch",
        "transformers",
        "peft",
        "accelerate",
        "gradio",
        "huggingface_hub",
        "spaces",
        "gguf",
    ):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    device = choose_device("auto")
    embedded = {DEFAULT_BASE: embedded_gguf(), DEFAULT_ENCODER: embedded_folder(DEFAULT_ENCODER)}
    memory = psutil.virtual_memory()
    return {
        "versions": versions,
        "device": str(device),
        "dtype": str(choose_dtype("auto", device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "memory_gb": {"total": round(memory.total / 1e9, 1), "free": round(memory.available / 1e9, 1)},
        "cache": str(cache_folder()),
        "checkpoints": checkpoint_names(),
        "embedded": {name: str(path) for name, path in embedded.items() if path},
        "would_download": [name for name, path in embedded.items() if not path],
    }
