"""Answers to many examples by several adapters at once, and which of several wordings serves them best.
Knows a way to ask the model, examples and metrics; not where adapters come from."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from t2l.engine import MAX_COLUMNS, Chat, Decoding
from t2l.errors import T2LError
from t2l.eval.metrics import lenient, strict
from t2l.lora import LoRAWeights
from t2l.tasks import Example

METRICS = {"strict": strict, "lenient": lenient}
# Fewer cannot be divided into examples that choose and examples that report.
LEAST_EXAMPLES = 4
Ask = Callable[[Sequence[Chat], LoRAWeights, Decoding], Iterator[list[str]]]
# (input, column) -> the chat that asks for its answer.
Asked = Callable[[str, int], Chat]


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


def score(
    ask: Ask, asked: Asked, examples: Sequence[Example], columns: LoRAWeights, tokens: int
) -> Iterator[Scores]:
    """Yields at once, after every step and every pass: each example answered by every adapter, greedily.

    After a step it is what was yielded last, the same object.

    ask: chats, the adapter of all and decoding -> growing texts. tokens: of the longest answer. A pass holds
    at most MAX_COLUMNS prompts of like length, all with one adapter, for which the model then reads what they
    begin with once; closing the iterator stops it within one step.
    """
    n, decoding = columns.n or 0, Decoding(max_new_tokens=tokens)
    answers: list[list[str | None]] = [[None] * len(examples) for _ in range(n)]
    scores = Scores(tuple(examples), tuple(map(tuple, answers)))
    yield scores
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].input))
    passes = math.ceil(len(order) / MAX_COLUMNS)
    # Parts of even length: a last pass with little in it costs nearly as much as a whole one.
    parts = [order[part * len(order) // passes : (part + 1) * len(order) // passes] for part in range(passes)]
    for part, column in itertools.product(parts, range(n)):
        chats = [asked(examples[i].input, column) for i in part]
        # The last of the growing texts are the answers. Who takes them can stop between any two.
        texts: list[str] = []
        for growing in ask(chats, columns[column], decoding):
            texts = growing
            yield scores
        for i, text in zip(part, texts, strict=True):
            answers[column][i] = text
        scores = Scores(tuple(examples), tuple(map(tuple, answers)))
        yield scores


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
