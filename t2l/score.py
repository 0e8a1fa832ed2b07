"""Answers to many examples by several adapters at once, and which of several wordings serves them best.
Knows a way to ask the model, examples and metrics; not where adapters come from."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from t2l.engine import MAX_COLUMNS, Chat, Decoding
from t2l.errors import T2LError
from t2l.eval.metrics import lenient, strict
from t2l.lora import LoRAWeights
from t2l.tasks import Example

METRICS = {"strict": strict, "lenient": lenient}
# Fewer cannot be divided into examples that choose and examples that report.
LEAST_EXAMPLES = 4
Ask = Callable[[Sequence[Chat], LoRAWeights, Decoding], Iterator[list[str]]]


@dataclass(frozen=True)
class Scores:
    """The answers so far: answers[column][example], None where it is still to come."""

    examples: tuple[Example, ...]
    answers: tuple[tuple[str | None, ...], ...]

    @property
    def total(self) -> int:
        return len(self.examples) * len(self.answers)

    @property
    def done(self) -> int:
        return sum(answer is not None for column in self.answers for answer in column)

    def right(self, column: int, metric: str = "strict") -> tuple[bool, ...]:
        """Whether each example was answered rightly, by a metric of METRICS; None is not."""
        judge = METRICS[metric]
        return tuple(
            answer is not None and judge(answer, example.output)
            for answer, example in zip(self.answers[column], self.examples, strict=True)
        )


@dataclass(frozen=True)
class Tried:
    """How many of n examples the adapter of a wording answered rightly, "" being the base alone."""

    text: str
    strict: int
    lenient: int
    n: int


@dataclass(frozen=True)
class Wordings:
    """What became of several wordings.

    ranked: all of them on the examples that chose, best first. base, first, best: on the other examples, the
    base alone, the wording that was given first and the chosen one; only these numbers are honest. made: the
    chosen one's adapter, as it was kept.
    """

    ranked: tuple[Tried, ...]
    base: Tried
    first: Tried
    best: Tried
    made: Any


def score(ask: Ask, examples: Sequence[Example], columns: LoRAWeights, tokens: int) -> Iterator[Scores]:
    """Yields at once and after every pass: each example answered by every adapter of the stack, greedily.

    ask: chats, the adapter of each and decoding -> growing texts. tokens: of the longest answer. A pass holds
    MAX_COLUMNS answers, of prompts of like length; closing the iterator stops the model within one step.
    """
    n, decoding = columns.n or 0, Decoding(max_new_tokens=tokens)
    answers: list[list[str | None]] = [[None] * len(examples) for _ in range(n)]
    yield Scores(tuple(examples), tuple(map(tuple, answers)))
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].input))
    pairs = [(column, i) for i in order for column in range(n)]
    for start in range(0, len(pairs), MAX_COLUMNS):
        group = pairs[start : start + MAX_COLUMNS]
        chats = [[{"role": "user", "content": examples[i].input}] for _, i in group]
        growing = ask(chats, columns[torch.tensor([column for column, _ in group])], decoding)
        # The last of the growing texts are the answers.
        (texts,) = deque(growing, maxlen=1)
        for (column, i), text in zip(group, texts, strict=True):
            answers[column][i] = text
        yield Scores(tuple(examples), tuple(map(tuple, answers)))


def halves(examples: Sequence[Example]) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The examples that choose and those that report: drawn by their inputs, so the same ones every time.

    Raises T2LError where they are too few.
    """
    if len(examples) < LEAST_EXAMPLES:
        raise T2LError(
            f"{len(examples)} examples are too few to choose a wording and to measure it on others; give at "
            f"least {LEAST_EXAMPLES}, better 20."
        )
    drawn = sorted(examples, key=lambda e: hashlib.sha256(e.input.encode("utf-8", "replace")).digest())
    return tuple(drawn[::2]), tuple(drawn[1::2])
