"""Series: the letters, weekdays and months some steps away, and rows of numbers to continue."""

import string

import vocabulary as v

from families import base
from families.base import Family, Rng, Rule, Source
from families.formats import number_words, ordinal_words, roman

SERIES = Family(
    "step_in_series",
    "reasoning",
    """
Write the {thing} {steps}.
Which {thing} is {steps}?

In this task you are presented with a {thing}, and your goal is to name the {thing} {steps}.
You are given a {thing}; the goal of this task is to find the one {steps}.

I need to know the {thing} {steps}.
I want to plan ahead or back: give me the {thing} {steps}.

Input: a {thing}. Output: the {thing} {steps}.
Input: {before}, for example. Output: {after}, the {thing} {steps}.

The {thing} {steps}, please.
Go to the {thing} {steps}.

Determine the {thing} that lies {steps}.
Name the element of the cycle found {steps}.

From {before} one gets to {after}; where does one get from here?
A wheel shows all of them in a circle. Turn it to the {thing} {steps} and read it.

After the last {thing} the first one follows again; write the one {steps}.
If {before} leads to {after}, this {thing} leads to ...
""",
    held_out=True,
)
LETTERS: list[str] = list(string.ascii_lowercase)
NUMBER_WORD = [number_words(n) for n in range(100)]
CYCLES: dict[str, list[str]] = {"weekday": list[str](v.DAYS), "month": list[str](v.MONTHS), "letter": LETTERS}
WHEN = {
    "weekday": (
        "On {x}",
        "last {x}",
        "every {x} morning",
        "{x} at noon",
        "{x}",
        "{x} evening",
        "{x} night",
        "next {x}",
    ),
    "month": ("{x}", "early {x}", "late {x}", "mid-{x}", "{x} 2021", "this {x}"),
}


def step(cycle: list[str], by: int) -> Rule:
    return lambda text: cycle[(cycle.index(text) + by) % len(cycle)] if text in cycle else None


def row(cycle: list[str], most: int) -> Source:
    return lambda rng: ", ".join(rng.choice(cycle) for _ in range(rng.randint(2, most)))


ROW = Family(
    "step_each_in_series",
    "reasoning",
    """
Replace each {thing} with the one {steps}.
Move every {thing}: write the one {steps}.

In this task you are presented with several {thing}s, and your goal is to replace each by the {thing} {steps}.
You are given {thing}s separated by commas; the goal of this task is to shift them all to the {thing} {steps}.

I want my whole list of {thing}s shifted: for each the one {steps}.
I need the {thing} {steps} for every entry of a list.

Input: {thing}s with commas. Output: for each of them the {thing} {steps}, with commas.
Input: {before}. Output: {after}. All lists of {thing}s are treated like that.

All of them moved: the {thing} {steps}.
{Before} makes {after}.

Map every {thing} to the element {steps}.
Translate the series so that each {thing} becomes the one {steps}.

The whole plan is moved; instead of each {thing} there is now the one {steps}. Write the new plan.
A secret note uses, for every {thing}, the {thing} {steps}; encode this list.

From {before} make {after}; the last one is followed by the first again.
Keep the order and the commas; each {thing} turns into the one {steps}.
""",
)
for thing, by, steps, held_out in (
    ("weekday", 1, "one day later", False),
    ("weekday", 2, "two days later", False),
    ("weekday", 3, "three days later", True),
    ("weekday", -2, "two days earlier", False),
    ("month", 1, "one month later", False),
    ("month", 2, "two months later", False),
    ("month", 3, "three months later", False),
    ("month", 6, "half a year later", False),
    ("month", -2, "two months earlier", False),
    ("letter", 1, "one place later in the alphabet", False),
    ("letter", 2, "two places later in the alphabet", False),
    ("letter", 3, "three places later in the alphabet", False),
    ("letter", -2, "two places earlier in the alphabet", False),
    ("letter", -3, "three places earlier in the alphabet", False),
):
    cycle = CYCLES[thing]
    rule = step(cycle, by)

    def each(text: str, rule: Rule = rule) -> str | None:
        parts = [rule(part) for part in text.split(", ")]
        return ", ".join(part for part in parts if part) if all(parts) else None

    before = ", ".join(cycle[3:5])
    label = f"{thing}s_{'plus' if by > 0 else 'minus'}_{abs(by)}"
    ROW.add(
        label,
        row(cycle, 4),
        each,
        held_out=held_out,
        thing=thing,
        steps=steps,
        before=before,
        after=str(each(before)),
    )

for thing, by, steps, held_out in (
    ("weekday", 4, "four days later", True),
    ("weekday", 5, "five days later", False),
    ("month", 4, "four months later", False),
    ("month", -3, "three months earlier", False),
    ("month", 5, "five months later", True),
):
    cycle, patterns = CYCLES[thing], WHEN[thing]

    def dated(
        rng: Rng, cycle: list[str] = cycle, by: int = by, patterns: tuple[str, ...] = patterns
    ) -> base.Pair:
        i = rng.randrange(len(cycle))
        return rng.choice(patterns).format(x=cycle[i]), cycle[(i + by) % len(cycle)]

    label = f"{thing}_{'plus' if by > 0 else 'minus'}_{abs(by)}"
    SERIES.add_pairs(
        label, dated, held_out=held_out, thing=thing, steps=steps, before=cycle[0], after=cycle[by]
    )

NEXT = Family(
    "continue_row",
    "reasoning",
    """
Continue the row by one {thing}: {rule}.
Write the next {thing} ({rule}).

In this task you are presented with the beginning of a row, and your goal is to give the next {thing}: {rule}.
You are given some members of a series; the goal of this task is to write the {thing} that follows ({rule}).

I need the next {thing} of rows in which {rule}.
I want a solver for puzzles of this kind: {rule}.

Input: a row in which {rule}. Output: the next {thing}.
Input: members of a series, such as {before}. Output: the one that follows, here {after}.

What comes next? ({Rule}.)
And then? As ever, {rule}.

Extrapolate the progression by one member; {rule}.
Infer the successor of the last member, given that {rule}.

In an intelligence test one sees {before} and answers {after}; answer this item, too.
A row of beads goes on and on; {rule}. Which {thing} is on the next bead?

Find the pattern ({rule}) and write one more {thing}.
Only the {thing} after the last one is asked for; {rule}.
""",
)


def arithmetic(rng: Rng, sign: int = 1) -> base.Pair:
    d, n = rng.randint(2, 12), rng.randint(3, 5)
    start = rng.randint(1, 40) if sign > 0 else rng.randint(d * n, d * n + 60)
    x = [start + sign * d * i for i in range(n + 1)]
    return ", ".join(map(str, x[:-1])), str(x[-1])


def geometric(rng: Rng, factor: int) -> base.Pair:
    start, n = rng.randint(1, 70), rng.randint(3, 4)
    x = [start * factor**i for i in range(n + 1)]
    return ", ".join(map(str, x[:-1])), str(x[-1])


def fibonacci(rng: Rng) -> base.Pair:
    x = [rng.randint(1, 15), rng.randint(1, 15)]
    for _ in range(rng.randint(2, 4)):
        x.append(x[-1] + x[-2])
    return ", ".join(map(str, x[:-1])), str(x[-1])


def growing(rng: Rng) -> base.Pair:
    d, n = rng.randint(1, 6), rng.randint(4, 5)
    x = [rng.randint(1, 30)]
    for i in range(n):
        x.append(x[-1] + d + i)
    return ", ".join(map(str, x[:-1])), str(x[-1])


def letters_row(rng: Rng) -> base.Pair:
    d, n = rng.randint(1, 4), rng.randint(3, 4)
    start = rng.randint(0, 25 - d * n)
    x = [LETTERS[start + d * i] for i in range(n + 1)]
    if rng.random() < 0.5:
        x = [c.upper() for c in x]
    return " ".join(x[:-1]), x[-1]


def cycle_row(rng: Rng) -> base.Pair:
    words = base.some_words(rng, 2, 3).split()
    n = rng.randint(len(words) + 1, 2 * len(words) + 1)
    x = [words[i % len(words)] for i in range(n + 1)]
    return " ".join(x[:-1]), x[-1]


def letter_number(rng: Rng) -> base.Pair:
    i, n = rng.randint(0, 22), rng.randint(1, 40)
    k = rng.randint(2, 3)
    x = [f"{LETTERS[i + j].upper()}{n + j}" for j in range(k + 1)]
    return ", ".join(x[:-1]), x[-1]


def word_row(rng: Rng) -> base.Pair:
    d, n = rng.randint(1, 5), rng.randint(0, 60)
    x = [NUMBER_WORD[n + d * j] for j in range(4)]
    return ", ".join(x[:3]), x[3]


def ordinal_row(rng: Rng) -> base.Pair:
    n, k = rng.randint(1, 90), rng.randint(2, 4)
    x = [ordinal_words(n + j) for j in range(k + 1)]
    return ", ".join(x[:-1]), x[-1]


def roman_row(rng: Rng) -> base.Pair:
    n, d, k = rng.randint(1, 60), rng.randint(1, 2), rng.randint(2, 4)
    x = [roman(n + d * j) for j in range(k + 1)]
    return ", ".join(x[:-1]), x[-1]


def gap(rng: Rng) -> base.Pair:
    d, n, start = rng.randint(1, 10), rng.randint(4, 5), rng.randint(1, 40)
    x = [str(start + d * i) for i in range(n)]
    i = rng.randint(1, n - 2)
    answer, x[i] = x[i], "?"
    return ", ".join(x), answer


for name, draw, thing, rule, before, after, held_out in (
    (
        "row_up",
        arithmetic,
        "number",
        "every number exceeds the one before by the same amount",
        "3, 5, 7",
        "9",
        False,
    ),
    (
        "row_down",
        lambda rng: arithmetic(rng, -1),
        "number",
        "the numbers fall by the same amount each time",
        "9, 7, 5",
        "3",
        True,
    ),
    (
        "row_doubling",
        lambda rng: geometric(rng, 2),
        "number",
        "every number is twice the one before",
        "3, 6, 12",
        "24",
        False,
    ),
    (
        "row_tripling",
        lambda rng: geometric(rng, 3),
        "number",
        "every number is three times the one before",
        "2, 6, 18",
        "54",
        False,
    ),
    (
        "row_fibonacci",
        fibonacci,
        "number",
        "every number is the sum of the two before it",
        "2, 3, 5",
        "8",
        False,
    ),
    ("row_growing", growing, "number", "the steps grow by one each time", "1, 2, 4, 7", "11", False),
    ("row_letters", letters_row, "letter", "the letters go forward by equal steps", "A C E", "G", False),
    ("row_cycle", cycle_row, "word", "the same words come again and again", "red blue red", "blue", False),
    (
        "row_letter_number",
        letter_number,
        "member",
        "letter and number both go up by one",
        "B4, C5",
        "D6",
        False,
    ),
    (
        "row_number_words",
        word_row,
        "number word",
        "the numbers, in words, rise by equal steps",
        "two, four, six",
        "eight",
        False,
    ),
    (
        "row_ordinals",
        ordinal_row,
        "ordinal",
        "the ordinals are counted up in words",
        "first, second",
        "third",
        False,
    ),
    ("row_roman", roman_row, "Roman numeral", "the Roman numerals rise by equal steps", "IV, V", "VI", False),
):
    NEXT.add_pairs(name, draw, held_out=held_out, thing=thing, rule=rule, before=before, after=after)

GAP = Family(
    "fill_gap",
    "reasoning",
    """
Write the number that belongs in place of the question mark.

In this task you are presented with a row of numbers with one gap, and your goal is to find the missing
    number.

I want a solver for number puzzles in which one member of an evenly rising row was replaced by a question
    mark.

Input: a row of numbers with equal steps and one ?. Output: the number the ? stands for.

What has gone missing there?

Determine the absent member of the arithmetic progression.

A house number fell off the wall; the others on this street rise evenly. Which number was it?

Find the step between neighbors and fill the hole.
""",
    held_out=True,
)
GAP.add_pairs("missing_number", gap)
