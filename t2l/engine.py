"""Answers: one thread owns the model and decodes every row of a request in one batch.
Knows the base and adapters as values; not where adapters come from or who asks."""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from t2l.attach import attached
from t2l.base import BaseModel
from t2l.decoder import Decoder, RowAdapters, StepAdapters
from t2l.errors import T2LError, check_range
from t2l.lora import LoRAWeights
from t2l.packed import pack_linears

Chat = Sequence[dict[str, str]]
_MOST_STOPS, _LONGEST_STOP = 16, 200

# Tokens that a cache has spare room for before it must grow.
_ROOM = 128
# Reading common starts apart must leave at most this part of the tokens: it is a call of the model more.
_SPARED = 0.8
# Columns of prompts that are read in one step: a long one must not hold up who else waits for a token.
_PIECE = 256
# Rows of a request: the base beside seven adapters, or eight chats.
MAX_COLUMNS = 8
# Requests that take turns; more of them wait, since each holds a cache.
_AT_ONCE = 4
# Held by every step, and across every fork: within a step the model carries hooks and torch holds locks,
# which a child would inherit for good. The first lets a fork pass between two steps of a busy engine.
_TURN, _STEP = threading.Lock(), threading.Lock()


def _hold_steps() -> None:
    _TURN.acquire()
    _STEP.acquire()


def _let_steps_go() -> None:
    _STEP.release()
    _TURN.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork.
    os.register_at_fork(before=_hold_steps, after_in_parent=_let_steps_go, after_in_child=_let_steps_go)


@dataclass(frozen=True)
class Decoding:
    """How answers are drawn. temperature 0 is greedy; top_k 0 and top_p 1 switch those filters off.

    seed: every row draws with its own generator of this seed, so that columns differ by their adapter alone.
    stop: at most 16 strings of at most 200 characters that end an answer and are not part of it: all of them
    are looked for at every token. Raises T2LError for values that cannot work.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_new_tokens", 1, 8192),
            ("top_k", 0, 10**6),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise T2LError(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
        for name, least, most in (
            ("temperature", 0, 10),
            ("top_p", 1e-6, 1),
            ("repetition_penalty", 0.1, 10),
        ):
            check_range(getattr(self, name), name, least, most)
        if 0 < self.temperature < 0.01:
            # Scores divided by less overflow; the answer would be the greedy one anyway.
            raise T2LError(f"temperature must be 0 or at least 0.01, not {self.temperature!r}.")
        if not isinstance(self.stop, tuple) or not all(isinstance(text, str) and text for text in self.stop):
            raise T2LError("stop must be a tuple of texts that are not empty.")
        if len(self.stop) > _MOST_STOPS:
            raise T2LError(f"{len(self.stop)} stop texts were given; the most is {_MOST_STOPS}.")
        if (longest := max(map(len, self.stop), default=0)) > _LONGEST_STOP:
            raise T2LError(f"A stop text of {longest:,} characters was given; the most is {_LONGEST_STOP}.")


def decode(
    base: BaseModel,
    prompts: Sequence[Sequence[int]],
    weights: LoRAWeights | None,
    decoding: Decoding,
    rows: Sequence[int] | None = None,
) -> Generator[list[str], None, None]:
    """Yields the texts of all rows after every step, until every row has ended.

    A step is one token of every row, or a piece of long prompts, whose texts are still empty.

    prompts: token ids, one list a row. weights: a stack, of which row b uses adapter rows[b], or adapter b
    where rows is None; or a single adapter for every row, or None for the base in every row.
    What many prompts of one adapter begin with, such as a chat template or solved examples, is read once.
    In float32 the greedy tokens are those of `model.generate`.
    Hooks and inference mode live within one step: nothing is left behind where the caller stops midway.
    Raises T2LError where a prompt leaves no room for an answer.
    """
    n = len(prompts)
    adapters = len(rows) if rows is not None else weights.n if weights is not None else None
    if not n or adapters not in (None, n):
        raise T2LError(f"{n} prompts need one adapter each, not {adapters}.")
    longest, shortest = max(map(len, prompts)), min(map(len, prompts))
    if longest >= base.context_length or not shortest:
        raise T2LError(f"A prompt has {longest} tokens; {base.id} reads at most {base.context_length - 1}.")
    answers = [_Row(base, list(prompt), decoding) for prompt in prompts]
    # Cast here, once: `attached` then finds every slice in its place.
    cast = None if weights is None else weights.map(lambda t: t.to(base.device, base.dtype))
    state, left = _State(base, answers, cast, rows), decoding.max_new_tokens
    for logits in state.steps():
        if logits is not None:
            for answer, scores in zip(state.answers, logits, strict=True):
                answer.take(scores)
            left -= 1
        yield [answer.text for answer in answers]
        if logits is not None and not state.drop_ended():
            return
        if not left:
            break
    for answer in answers:
        answer.end()
    yield [answer.text for answer in answers]


class _Row:
    """One growing answer."""

    def __init__(self, base: BaseModel, prompt: list[int], decoding: Decoding) -> None:
        self.prompt, self.new, self.text, self.ended = prompt, [], "", False
        self._base, self._decoding = base, decoding
        self._generator = torch.Generator().manual_seed(decoding.seed)
        self._processors = _processors(decoding)

    def take(self, scores: Tensor) -> None:
        """Chooses the next token from scores (vocabulary,) and updates the text."""
        scores = scores.unsqueeze(0)
        if self._processors:
            ids = torch.tensor([self.prompt + self.new], device=scores.device)
            for processor in self._processors:
                scores = processor(ids, scores)
        if self._decoding.temperature:
            # Drawn on the CPU, so that a seed means the same on every device.
            odds = scores[0].softmax(-1).cpu()
            _require_number(odds[0])
            token = int(torch.multinomial(odds, 1, generator=self._generator))
        else:
            # What is no number counts as the largest.
            best, at = scores[0].max(-1)
            _require_number(best)
            token = int(at)
        if token in self._base.eos_ids:
            self.end()
            return
        self.new.append(token)
        if len(self.prompt) + len(self.new) < self._base.context_length:
            self._show(final=False)
        else:
            self.end()

    def end(self) -> None:
        """The answer is over: what was held back is shown."""
        if not self.ended:
            self.ended = True
            self._show(final=True)

    def _show(self, final: bool) -> None:
        text = self._base.tokenizer.decode(self.new, skip_special_tokens=True)
        cuts = [text.find(stop) for stop in self._decoding.stop if stop in text]
        if cuts:
            self.text, self.ended = text[: min(cuts)], True
            return
        # Half a character decodes to U+FFFD: it waits for its other bytes, as does the start of a stop.
        whole = text.rstrip("\ufffd")
        if not final:
            held = max((_overlap(whole, stop) for stop in self._decoding.stop), default=0)
            text = whole[: len(whole) - held]
        # Byte-fallback tokenizers let it take the whole characters before it along, which are shown already.
        if len(whole) >= len(self.text):
            self.text = text
        elif final:
            self.text += "\ufffd"


def _require_number(score: Tensor) -> None:
    if not bool(score.isfinite()):
        raise T2LError(
            "With this adapter the base computes no numbers any more (they overflow); lower its strength or "
            "choose another adapter."
        )


def _overlap(text: str, stop: str) -> int:
    """Length of the longest start of `stop` that `text` ends with."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _processors(decoding: Decoding) -> list[Any]:
    """transformers' logits processors, in the order that `generate` applies them."""
    from transformers import (
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    chosen: list[Any] = []
    if decoding.repetition_penalty != 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(float(decoding.repetition_penalty)))
    if decoding.temperature:
        if decoding.temperature != 1:
            chosen.append(TemperatureLogitsWarper(float(decoding.temperature)))
        if decoding.top_k:
            chosen.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1:
            chosen.append(TopPLogitsWarper(float(decoding.top_p)))
    return chosen


@functools.cache
def _roomy() -> type:
    """A cache layer that writes new keys and values into spare room instead of copying all of them each step.

    transformers' own layer keeps its meaning. Made once, at the first use: transformers loads late.
    """
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):
        room: tuple[Tensor, Tensor] | None = None

        def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> Any:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            old = self.get_seq_length()
            new = old + key_states.shape[-2]
            if self.room is None or self.room[0].shape[-2] < new:
                shape = (*key_states.shape[:-2], new + max(_ROOM, new // 2), key_states.shape[-1])
                room = (
                    key_states.new_empty(shape),
                    value_states.new_empty((*shape[:-1], value_states.shape[-1])),
                )
                if self.keys is not None and self.values is not None and old:
                    room[0][..., :old, :], room[1][..., :old, :] = self.keys, self.values
                self.room = room
            self.room[0][..., old:new, :], self.room[1][..., old:new, :] = key_states, value_states
            self.keys, self.values = self.room[0][..., :new, :], self.room[1][..., :new, :]
            return self.keys, self.values

        def batch_select_indices(self, indices: Tensor) -> None:
            super().batch_select_indices(indices)
            self.room = None

    return Roomy


def _with_room(layer: Any) -> Any:
    """The layer with spare room; sliding windows and the like are left as they are."""
    roomy = _roomy()
    return roomy() if type(layer) is roomy.__base__ else layer


def _starts(prompts: Sequence[list[int]], adapters: Sequence[int]) -> dict[int, list[int]]:
    """What all prompts of an adapter begin with, by adapter; nothing where that would spare little work."""
    together: dict[int, list[list[int]]] = {}
    for prompt, adapter in zip(prompts, adapters, strict=True):
        together.setdefault(adapter, []).append(prompt)
    starts = {adapter: _start(those) for adapter, those in together.items()}
    rest = max(len(prompt) - len(starts[adapter]) for prompt, adapter in zip(prompts, adapters, strict=True))
    parted = len(starts) * max(map(len, starts.values())) + len(prompts) * rest
    worth = all(starts.values()) and parted < _SPARED * len(prompts) * max(map(len, prompts))
    return starts if worth else {}


def _start(prompts: Sequence[list[int]]) -> list[int]:
    # The first and the last in order differ where any two do; each keeps a token of its own.
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), most)
    return first[: min(same, most)]


class _State:
    """The batch of rows that still run: their cache, mask and adapters."""

    def __init__(
        self, base: BaseModel, answers: list[_Row], weights: LoRAWeights | None, rows: Sequence[int] | None
    ) -> None:
        from transformers import DynamicCache

        self.base, self.answers, self.weights = base, list(answers), weights
        self.cache = DynamicCache(config=base.model.config)
        self.cache.layers = [_with_room(layer) for layer in self.cache.layers]
        self.padded = False
        # Without a mask transformers leaves grouped heads to torch, which on a CPU takes two to seven times
        # as long for one bfloat16 token as when they are packed. Beside a mask transformers packs them: this
        # one hides nothing, at any length. Layers with a window keep their own masks.
        whole = all(type(layer) is _roomy() for layer in self.cache.layers)
        half = base.device.type == "cpu" and base.dtype != torch.float32
        self.unmasked = torch.zeros(1, 1, 1, 1, dtype=base.dtype) if whole and half else None

        prompts = [answer.prompt for answer in answers]
        adapters = list(range(len(prompts)) if rows is None else rows)
        one = weights is None or weights.n is None
        # Takes the steps of one token; a window would need masks of its own.
        self.decoder = Decoder.of(base.model) if whole else None
        self.stack = StepAdapters(base.model, weights) if self.decoder and weights is not None else None
        self.owners = [0] * len(prompts) if one else adapters
        # Padding between start and rest would take room in a window; and so would pieces.
        self.starts = _starts(prompts, self.owners) if whole else {}
        self.piece = _PIECE if whole else max(map(len, prompts))
        self.mask = torch.zeros(len(self.starts) or len(prompts), 0, dtype=torch.long, device=base.device)
        self.adapters = adapters

    def _attach(self) -> None:
        """The rows changed: what adds their adapters is made anew, when it is needed."""
        self.attachment: Any = None
        self.adding: RowAdapters | None = None

    def _attached(self) -> Any:
        if self.weights is None:
            return nullcontext()
        if self.attachment is None:
            rows = None if self.weights.n is None else torch.tensor(self.adapters)
            self.attachment = attached(self.base.model, self.weights, rows)
        return self.attachment

    def steps(self) -> Iterator[Tensor | None]:
        """float32 logits (rows, vocabulary) after each row's last token; None after a piece of prompts."""
        adapters = self.adapters
        rest = [answer.prompt for answer in self.answers]
        if self.starts:
            self.adapters = list(self.starts)
            self._attach()
            for _ in self._read(list(self.starts.values())):
                yield None
            self._select([self.adapters.index(owner) for owner in self.owners])
            rest = [p[len(self.starts[owner]) :] for p, owner in zip(rest, self.owners, strict=True)]
        self.adapters = adapters
        self._attach()
        while True:
            yield from self._read(rest)
            rest = [answer.new[-1:] for answer in self.answers]

    def _read(self, rows: Sequence[Sequence[int]]) -> Iterator[Tensor | None]:
        """Appends tokens to every row of the cache, a piece at a time; the last one's logits, see `steps`."""
        longest = max(map(len, rows))
        # Left padding puts every row's last token in one column; what stands there is hidden.
        gaps = [longest - len(row) for row in rows]
        ids = torch.tensor([[0] * gap + list(row) for gap, row in zip(gaps, rows, strict=True)])
        new = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in gaps], device=self.base.device)
        self.padded = self.padded or any(gaps)
        for start in range(0, longest, self.piece):
            end = start + self.piece
            logits = self._append(ids[:, start:end], new[:, start:end])
            yield None if end < longest else logits[:, -1].float()

    @torch.inference_mode()
    def _append(self, ids: Tensor, new: Tensor) -> Tensor:
        """Reads ids (rows, t), `new` being 0 for padding; logits (rows, 1, vocabulary) of the last column."""
        longest = ids.shape[1]
        first = not self.mask.shape[1]
        self.mask = torch.cat([self.mask, new], dim=1)
        positions = (self.mask.cumsum(1) - 1).clamp_min(0)[:, -longest:]
        if self.decoder and longest == 1 and not first:
            away: Tensor | None = None
            if self.padded:
                gone = self.mask[:, None, None] == 0
                away = torch.zeros(gone.shape, dtype=self.base.dtype).masked_fill_(gone, -torch.inf)
            if self.stack and not self.adding:
                self.adding = self.stack.of(self.adapters)
            return self.decoder(ids, positions, self.cache.layers, away, self.adding)
        # Without padding the model's own causal mask is enough, and quicker.
        mask: Tensor | None = self.mask
        if not self.padded and (first or longest == 1):
            mask = None if first else self.unmasked
        with self._attached():
            return self.base.model(
                input_ids=ids.to(self.base.device),
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits

    def _select(self, rows: Sequence[int]) -> None:
        index = torch.tensor(rows, device=self.base.device)
        with torch.inference_mode():
            self.cache.batch_select_indices(index)
            self.mask = self.mask[index]

    def drop_ended(self) -> bool:
        """Takes ended rows out of the batch; returns whether any row is left."""
        keep = [index for index, answer in enumerate(self.answers) if not answer.ended]
        if keep and len(keep) < len(self.answers):
            self._select(keep)
            self.answers = [self.answers[i] for i in keep]
            self.adapters = [self.adapters[i] for i in keep]
            self._attach()
        return bool(keep)


@dataclass
class _Request:
    prompts: list[list[int]]
    weights: LoRAWeights
    decoding: Decoding
    texts: queue.SimpleQueue[list[str] | BaseException | None] = field(default_factory=queue.SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Engine:
    """Owns a base model: requests reach its thread by a queue and get their texts back by a queue.

    Each request's rows are one batch; requests take turns step by step, so that nobody waits for another's
    whole answer and every answer is what it would be alone. A fork waits for the end of a step; in the child
    the thread is begun anew. On a CPU the base multiplies from packed weights, see `t2l.packed`.
    """

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        pack_linears(base.model)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(self._requests,), name="t2l-engine", daemon=True).start()

    def stream(self, chats: Sequence[Chat], weights: LoRAWeights, decoding: Decoding) -> Iterator[list[str]]:
        """Yields the growing texts of all rows; row b answers chats[b] with adapter b of the stack.

        Closing the iterator stops the model within one step. Raises T2LError for what cannot be answered.
        """
        if not 1 <= len(chats) <= MAX_COLUMNS:
            raise T2LError(f"{len(chats)} columns were asked for; one pass serves 1 to {MAX_COLUMNS}.")
        if self._pid != os.getpid():
            # GNU's OpenMP hangs where a forked child asks for threads of a pool that its parent had.
            torch.set_num_threads(1)
            self._begin()
        request = _Request([self.base.prompt_ids(chat) for chat in chats], weights.check_finite(), decoding)
        self._requests.put(request)
        try:
            while (item := request.texts.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            request.cancelled.set()

    def _work(self, requests: queue.SimpleQueue[_Request]) -> None:
        running: list[tuple[_Request, Generator[list[str], None, None]]] = []
        while True:
            # With nothing to do it waits here; while answers grow it only looks whether somebody has come.
            while len(running) < _AT_ONCE and (not running or not requests.empty()):
                request = requests.get()
                decoding = decode(self.base, request.prompts, request.weights, request.decoding)
                running.append((request, decoding))
                # Else the last one's cache and adapters would stay until the next one comes.
                del request, decoding
            with _TURN:
                pass
            with _STEP:
                running = [(request, texts) for request, texts in running if _advance(request, texts)]


def _advance(request: _Request, texts: Generator[list[str], None, None]) -> bool:
    """One step of a request; returns whether there is another."""
    if not request.cancelled.is_set():
        try:
            request.texts.put(next(texts))
            return True
        except StopIteration:
            pass
        except BaseException as err:  # The thread must outlive every request; the caller gets the error.
            request.texts.put(err)
    texts.close()
    request.texts.put(None)
    return False
