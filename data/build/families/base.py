"""What a family of tasks is, how its descriptions are put together, and inputs that many families share."""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import generators as g
import vocabulary as v

from families import lexicon

Rng = random.Random
Pair = tuple[str, str]
Source = Callable[[Rng], str | None]
Rule = Callable[[str], str | None]
Draw = Callable[[Rng], Pair | None]
Words = str | tuple[str, ...]

SEED = "task-families-0"  # part of the data
ENOUGH = 150
SLOTS = 8


@dataclass(frozen=True)
class Task:
    """One function: its facts, its descriptions and how to draw an example."""

    name: str
    family: str
    category: str
    split: str
    choice: bool
    descriptions: list[str]
    draw: Draw
    rule: Rule | None  # the function itself, where it can be applied to any text


TASKS: dict[str, Task] = {}


def paragraphs(text: str) -> list[list[str]]:
    """Paragraphs of lines; an indented line continues the one before."""
    return [v.lines(paragraph) for paragraph in re.split(r"\n\s*\n", text.strip())]


class Family:
    """Tasks that differ in a parameter only.

    The templates are eight paragraphs, one for each description of the suite's order; the lines of a
    paragraph are alternatives. Which one a task gets, and which word for its parameter, rests on its place
    in the family, so neighbors read differently. A family can be held out as a whole.
    """

    def __init__(self, name: str, category: str, templates: str, *, held_out: bool = False):
        self.name, self.category, self.held_out = name, category, held_out
        self.slots = paragraphs(templates)
        self.members = 0
        self.used: set[str] = set()
        if len(self.slots) != SLOTS:
            raise ValueError(f"{name}: {len(self.slots)} paragraphs of templates")

    def describe(self, task: str, words: Mapping[str, Words]) -> list[str]:
        result = []
        for slot, alternatives in enumerate(self.slots):
            turn, place = divmod(self.members, len(alternatives))
            order = list(alternatives)
            Rng(f"{self.name}:{slot}:{turn}").shuffle(order)
            rng = Rng(f"{task}:{slot}")
            chosen = {k: w if isinstance(w, str) else rng.choice(w) for k, w in words.items()}
            chosen |= {g.cap(k): g.cap(w) for k, w in chosen.items() if w}
            texts = [line.format(**chosen) for line in order[place:] + order[:place]]
            result.append(next((text for text in texts if text.casefold() not in self.used), ""))
        if not all(result):
            raise ValueError(f"{task}: a description would serve another task, too: {result}")
        self.used.update(text.casefold() for text in result)
        return result

    def add(
        self,
        name: str,
        source: Source,
        rule: Rule,
        *,
        held_out: bool = False,
        choice: bool = False,
        **words: Words,
    ) -> None:
        """A task whose inputs come from a source and whose outputs are computed."""

        def draw(rng: Rng) -> Pair | None:
            text = source(rng)
            output = rule(text) if text else None
            return (text, output) if text and output else None

        self.register(name, draw, rule, held_out, choice, words)

    def add_pairs(
        self, name: str, draw: Draw, *, held_out: bool = False, choice: bool = False, **words: Words
    ) -> None:
        """A task whose inputs and outputs are made together."""
        self.register(name, draw, None, held_out, choice, words)

    def add_table(
        self,
        name: str,
        table: Mapping[str, str],
        *,
        held_out: bool = False,
        choice: bool = False,
        **words: Words,
    ) -> None:
        """A task that is a table."""
        keys = list(table)
        self.add(name, lambda rng: rng.choice(keys), table.get, held_out=held_out, choice=choice, **words)

    def register(
        self,
        name: str,
        draw: Draw,
        rule: Rule | None,
        held_out: bool,
        choice: bool,
        words: Mapping[str, Words],
    ) -> None:
        if name in TASKS:
            raise ValueError(f"two tasks are called {name}")
        split = "eval" if held_out or self.held_out else "train"
        descriptions = self.describe(name, words)
        self.members += 1
        TASKS[name] = Task(name, self.name, self.category, split, choice, descriptions, draw, rule)


class Kind(Family):
    """Functions of one kind that have their descriptions each: eight lines, given with the task."""

    def __init__(self, name: str, category: str):
        super().__init__(name, category, "\n\n".join(f"{{d{i}}}" for i in range(SLOTS)))

    def describe(self, task: str, words: Mapping[str, Words]) -> list[str]:
        text = words["text"]
        result = v.lines(text) if isinstance(text, str) else []
        if len(result) != SLOTS:
            raise ValueError(f"{task}: {len(result)} descriptions")
        return result


def examples(name: str) -> list[Pair]:
    """Up to ENOUGH pairs of one task, always the same, no two inputs equal up to letter case."""
    rng = Rng(f"{SEED}:{name}")
    pairs: list[Pair] = []
    seen: set[str] = set()
    for _ in range(20 * ENOUGH):  # small tasks run dry before they have enough
        pair = TASKS[name].draw(rng)
        if pair and all(pair) and pair[0].casefold() not in seen:
            seen.add(pair[0].casefold())
            pairs.append(pair)
            if len(pairs) == ENOUGH:
                break
    return pairs


def split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Train and test, 80/20; a test of at least eight."""
    pairs = sorted(pairs)
    Rng(0).shuffle(pairs)
    n_test = max(8, round(0.2 * len(pairs)))
    return pairs[n_test:], pairs[:n_test]


# --- inputs ---

ALL_WORDS = sorted({*v.NOUNS, *v.ADJECTIVES, *v.VERBS, *lexicon.NOUNS, *lexicon.ADJECTIVES, *lexicon.VERBS})


def learn_words(words: Iterable[str]) -> None:
    """More words for whatever draws from ALL_WORDS; every draw comes out otherwise then."""
    ALL_WORDS[:] = sorted({*ALL_WORDS, *words})


def word(rng: Rng, least: int = 3, most: int = 12) -> str:
    """One lower-case word of so many letters."""
    while True:
        text = rng.choice(ALL_WORDS)
        if least <= len(text) <= most:
            return text


def some_words(rng: Rng, least: int, most: int) -> str:
    """Different unconnected lower-case words."""
    return " ".join(rng.sample(ALL_WORDS, rng.randint(least, most)))


def plain(rng: Rng) -> str:
    """A sentence without final punctuation or apostrophes, of at most nine words."""
    while True:
        text = g.varied(rng)
        if "'" not in text and len(text.split()) <= 9:
            return text


def line(rng: Rng) -> str:
    """A sentence without final punctuation, a phrase or unconnected words."""
    kind = rng.random()
    if kind < 0.5:
        return plain(rng)
    return g.thing(rng) if kind < 0.6 else some_words(rng, 2, 6)


def long_line(rng: Rng, least: int = 5) -> str:
    """At least so many words, at most nine."""
    while True:
        text = plain(rng) if rng.random() < 0.6 else some_words(rng, least, least + 3)
        if least <= len(text.split()) <= 9:
            return text


def short_text(rng: Rng) -> str:
    """A sentence with its period, a phrase or a title."""
    kind = rng.random()
    if kind < 0.4:
        return plain(rng) + "."
    if kind < 0.6:
        return g.thing(rng)
    return g.cap(f"{g.thing(rng)} {rng.choice(v.PLACES)}") if kind < 0.8 else some_words(rng, 1, 3)


def full_name(rng: Rng) -> str:
    return f"{rng.choice(v.FIRST_NAMES)} {rng.choice(v.LAST_NAMES)}"


def entries(rng: Rng, least: int = 3, most: int = 5) -> list[str]:
    """Different items of one kind: errands, food, names, cities or words."""
    pool = rng.choice([v.GROCERIES, v.FIRST_NAMES, v.CITIES, v.NOUNS, lexicon.NOUNS, v.OBJECTS])
    return rng.sample(pool, rng.randint(least, most))


def comma_list(rng: Rng) -> str:
    return ", ".join(entries(rng))


def number(rng: Rng) -> int:
    """Mostly two and three digits."""
    return rng.choice([rng.randint(1, 20), rng.randint(10, 99), rng.randint(100, 999)])


def number_list(rng: Rng, least: int = 3, most: int = 6) -> str:
    largest = rng.choice([20, 99, 99, 300])
    return ", ".join(str(n) for n in rng.sample(range(1, largest + 1), rng.randint(least, most)))


def integers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"-?\d+", text)]


def balanced(source: Source, rule: Rule, labels: tuple[str, ...] = ("yes", "no")) -> Source:
    """The same inputs, drawn so that each label is about as frequent as the others."""

    def draw(rng: Rng) -> str | None:
        label = rng.choice(labels)
        for _ in range(60):
            text = source(rng)
            if text and rule(text) == label:
                return text
        return None

    return draw


def yes(condition: Callable[[str], object]) -> Rule:
    return lambda text: "yes" if condition(text) else "no"
