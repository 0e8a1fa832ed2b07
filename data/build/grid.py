"""Some thousand functions put together from parts, to train on: `python data/build/grid.py OUT`.

A function is a point of a grid: which letter or word, between which separators, in which case, changed how
afterwards. Points that do what a held-out task does are left out, so a hypernetwork that is to make those has
to read a description's parts. Nothing of the grid is kept here: the same call writes the same bytes.
"""

import argparse
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import generators as g
import vocabulary as v
import yaml
from build import write_training_task
from families import base as b
from families import lexicon
from families.base import Pair, Rng, Rule, Source

SEED = "grid-0"  # part of the data
LICENSE = "CC0-1.0 (generated)"
TRAIN, TEST = 40, 8
DESCRIPTIONS = 8
SAME = 0.5  # of a held-out task's examples: a function that answers so many of them so is left out

# Families of so much to learn that they count as several, where tasks are drawn by families.
PARTS = {"letter": 24, "letter_of_word": 8, "pick_word": 3, "extract": 3} | dict.fromkeys(
    v.phrases(
        "join_keep | join_lower | join_upper | join_title | join_camel | join_sentence | pick_number | "
        "pick_word_changed | extract_changed | sort_words | word | count"
    ),
    2,
)


@dataclass(frozen=True)
class Function:
    """One function: what it reads, what it gives, and the words that say so."""

    family: str
    category: str
    source: Source
    rule: Rule
    cores: list[str]  # what to do, as commands in lower case
    nouns: list[str]  # what comes out
    inputs: list[str]  # what goes in
    choices: list[str] = field(default_factory=list)


def fill(templates: str, **slots: Sequence[str] | str) -> list[str]:
    """Each template, in every combination of what may stand in its slots; bars separate alternatives."""
    lists = {name: s.split("|") if isinstance(s, str) else list(s) for name, s in slots.items()}
    return [
        template.format(**dict(zip(lists, chosen, strict=True)))
        for template in v.phrases(templates)
        for chosen in itertools.product(*lists.values())
    ]


# --- descriptions ---

FRAMES = v.lines("""
{Core}.
{Core}.
{Core}
Please {core}.
Could you {core}?
In this task you are presented with {input}, and your goal is to {core}.
You are given {input}; {core}.
Your job is to {core}.
I need a model that can {core}.
I want something that will {core}.
Take {input} and {core}.
Given {input}, {core}.
{Core}, and write nothing else.
For a script of mine you have to {core}.
Input: {input}. Output: {noun}.
The input is {input} and the output is {noun}.
{Noun}.
{Noun}, please.
Return {noun}.
Give me {noun}.
Write {noun}.
Output {noun}.
Answer with {noun} only.
My program expects {noun} for {input}.
I would like {noun}.
From {input}, produce {noun}.
What is {noun}?
""")
SHOWN = v.lines("""
{Core}, as in '{x}' -> '{y}'.
Write '{x}' as '{y}' and do the same with whatever comes.
For '{x}' the answer is '{y}'.
'{x}' gives '{y}': {core}.
Return {noun}, such as '{y}' for '{x}'.
Rewrite an input like '{x}' as '{y}'.
""")


def describe(function: Function, pairs: list[Pair], rng: Rng) -> list[str]:
    """Eight descriptions, no two the same; one in six shows an example."""
    result: list[str] = []
    for _ in range(400):
        frame = rng.choice(FRAMES if rng.random() > 1 / 6 else SHOWN)
        x, y = rng.choice(pairs)
        if "{x}" in frame and len(x) + len(y) > 60:
            continue
        core, noun = rng.choice(function.cores), rng.choice(function.nouns)
        words = {"core": core, "Core": g.cap(core), "noun": noun, "Noun": g.cap(noun)}
        text = frame.format(**words, input=rng.choice(function.inputs), x=x, y=y)
        if text not in result:
            result.append(text)
        if len(result) == DESCRIPTIONS:
            return result
    raise ValueError(f"{function.family}: too few words for {DESCRIPTIONS} descriptions")


# --- parts ---

SEPARATORS = v.named("""
_: underscores | the underscore sign | underscores (_)
-: hyphens | dashes | a dash (-)
.: dots | periods | full stops | a dot (.)
/: slashes | forward slashes | a slash (/)
\\: backslashes | a backslash
+: plus signs | pluses | a plus (+)
~: tildes | a tilde (~)
:: colons | a colon
::: double colons | two colons (::)
*: asterisks | stars | a star (*)
=: equals signs | an equals sign (=)
#: hash signs | hashes | a hash (#)
%: percent signs | a percent sign (%)
&: ampersands | an ampersand (&)
@: at signs | an at sign (@)
^: carets | a caret (^)
$: dollar signs | a dollar sign ($)
!: exclamation marks | an exclamation mark
?: question marks | a question mark
,: commas without spaces | a bare comma
;: semicolons without spaces | a bare semicolon
--: double hyphens | two dashes (--)
__: double underscores | two underscores
..: double dots | two dots
->: arrows (->) | an arrow of a hyphen and a greater-than sign
>: greater-than signs | an angle bracket (>)
""") | {
    ", ": ["commas and spaces", "a comma and a space"],
    "; ": ["semicolons and spaces", "a semicolon and a space"],
    " - ": ["hyphens with spaces around them", "a spaced dash"],
    " / ": ["slashes with spaces around them", "a spaced slash"],
    " | ": ["bars with spaces around them", "a spaced vertical bar"],
    "|": ["pipes", "vertical bars", "a bar (|)"],
    " and ": ["the word and", "'and'"],
    " or ": ["the word or", "'or'"],
    " then ": ["the word then", "'then'"],
    "": ["nothing", "no separator", "no gap"],
}


def camel(text: str) -> str:
    first, *rest = text.lower().split(" ")
    return " ".join([first, *(g.cap(word) for word in rest)])


# a rule, words that say where it applies, and words that order it
CASES: dict[str, tuple[Callable[[str], str], list[str], list[str]]] = {
    "keep": (lambda t: t, [""], [""]),
    "lower": (
        str.lower,
        [" in lowercase", " in small letters", " with lowercase letters only", " all lowercase"],
        [" and make every letter small", " and lowercase it", " and turn capitals into small letters"],
    ),
    "upper": (
        str.upper,
        [" in uppercase", " in capitals", " with capital letters only", " in all caps"],
        [" and make every letter a capital", " and uppercase it", " and put it in caps"],
    ),
    "title": (
        lambda t: " ".join(g.cap(w.lower()) for w in t.split(" ")),
        [" in title case", " with every word capitalized", " with a capital at the start of each word"],
        [" and capitalize each word", " and start each word with a capital"],
    ),
    "camel": (
        camel,
        [
            " with the first word small and every other word capitalized",
            " capitalized from the second word on",
        ],
        [" and capitalize all words but the first", " and begin each word after the first with a capital"],
    ),
    "sentence": (
        lambda t: t[:1].upper() + t[1:].lower(),
        [
            " with only the first letter capitalized",
            " in sentence case",
            " with one capital at the very start",
        ],
        [" and capitalize the first letter alone", " and keep a single capital at the beginning"],
    ),
}
Place = int | str
ORDINALS: dict[Place, list[str]] = {
    0: ["first", "opening", "initial"],
    1: ["second", "2nd", "number two"],
    2: ["third", "3rd", "number three"],
    3: ["fourth", "4th", "number four"],
    4: ["fifth", "5th", "number five"],
    5: ["sixth", "6th"],
    -1: ["last", "final", "closing"],
    -2: ["second to last", "last but one", "next to last"],
    -3: ["third to last", "third from the end"],
    "middle": ["middle", "central"],
}
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"]

# what is done to an answer: a rule, words after a command, words around a noun
Change = tuple[Rule, list[str], list[str]]
AFTER: dict[str, Change] = {
    "as_is": (lambda t: t, [""], ["{}"]),
    "upper": (
        lambda t: t.upper() if t.upper() != t else None,
        [" in capitals", " in uppercase", " in big letters"],
        ["{} in uppercase", "{} in capital letters"],
    ),
    "reversed": (
        lambda t: t[::-1] if len(t) > 1 else None,
        [" backwards", " spelled in reverse"],
        ["{} spelled backwards", "the reversal of {}"],
    ),
    "length": (
        lambda t: str(len(t)) if len(t) > 1 else None,
        [" and count its letters", " and say how long it is"],
        ["the number of letters of {}", "the length of {}"],
    ),
    "first": (
        lambda t: t[0] if len(t) > 1 else None,
        [" and keep its first letter only", " and give its initial"],
        ["the first letter of {}", "the initial of {}"],
    ),
    "end": (
        lambda t: t[-1] if len(t) > 1 else None,
        [" and keep its last letter only", " and give its final letter"],
        ["the last letter of {}", "the final letter of {}"],
    ),
    "twice": (lambda t: f"{t} {t}", [" twice", " two times in a row"], ["{}, written twice", "{} two times"]),
    "quoted": (
        lambda t: f'"{t}"',
        [" in double quotes", " between quotation marks"],
        ["{} in double quotes", "{} in quotation marks"],
    ),
    "brackets": (
        lambda t: f"[{t}]",
        [" in square brackets", " between brackets"],
        ["{} in square brackets", "{} inside [ ]"],
    ),
    "parentheses": (
        lambda t: f"({t})",
        [" in parentheses", " in round brackets"],
        ["{} in parentheses", "{} inside ( )"],
    ),
    "exclaimed": (
        lambda t: t + "!",
        [" with an exclamation mark"],
        ["{} followed by an exclamation mark", "{} with ! after it"],
    ),
    "spaced": (
        lambda t: " ".join(t) if len(t) > 1 else None,
        [" letter by letter with spaces", " spelled out"],
        ["the letters of {} with spaces between them", "{} spelled out with spaces"],
    ),
}


def changed(rule: Rule, change: Rule, nouns: list[str], wraps: list[str]) -> tuple[Rule, list[str]]:
    """A rule with a change behind it, and the words for what comes out then."""

    def both(text: str) -> str | None:
        answer = rule(text)
        return change(answer) if answer else None

    return both, [wrap.format(noun) for noun in nouns for wrap in wraps]


def after(
    kind: str, rule: Rule, cores: list[str], nouns: list[str], changes: Mapping[str, Change] | None = None
) -> tuple[Rule, list[str], list[str]]:
    """A rule and its words, with one of `changes`, by default AFTER, behind them."""
    change, tails, wraps = (changes or AFTER)[kind]
    rule, nouns = changed(rule, change, nouns, wraps)
    return rule, fill("{core}{tail}", core=cores, tail=tails), nouns


def at(items: Sequence[str], place: Place) -> str | None:
    if isinstance(place, str):
        return items[len(items) // 2] if len(items) % 2 and len(items) > 1 else None
    return items[place] if len(items) >= (place + 1 if place >= 0 else -place) else None


# --- inputs ---

POOLS = [b.ALL_WORDS, b.ALL_WORDS, v.FIRST_NAMES, v.CITIES, [w for w in v.GROCERIES if " " not in w]]
GLUES = {
    ", ": ["separated by commas", "with commas between them"],
    "; ": ["separated by semicolons", "with semicolons"],
    " | ": ["separated by bars", "with bars between them"],
    " / ": ["separated by slashes", "with slashes between them"],
    "\n": ["one a line", "each on a line of its own"],
    " ": ["separated by spaces", "with spaces between them"],
}


def phrase(rng: Rng) -> str:
    """Two to five words in any mixture of cases."""
    kind = rng.random()
    if kind < 0.4:
        text = g.identifier(rng)
    else:
        text = b.some_words(rng, 2, 5) if kind < 0.7 else g.thing(rng)
    text = text or b.some_words(rng, 2, 4)
    style = rng.random()
    if style < 0.35:
        return text.lower()
    if style < 0.6:
        return " ".join(g.cap(w) for w in text.split())
    return g.cap(text) if style < 0.85 else text.upper()


def listing(least: int, most: int, glue: str) -> Source:
    """So many words or names."""
    return lambda rng: glue.join(rng.sample(rng.choice(POOLS), rng.randint(least, most)))


def numbers(least: int, most: int, glue: str) -> Source:
    """So many different numbers."""

    def draw(rng: Rng) -> str:
        top = rng.choice([20, 99, 99, 300, 999])
        return glue.join(str(n) for n in rng.sample(range(1, top + 1), rng.randint(least, most)))

    return draw


# --- families ---


def joined(separators: Mapping[str, Sequence[str]] = SEPARATORS) -> Iterator[Function]:
    """The words of a phrase in a case, with a separator, turned round or not."""
    orders: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
        "": (lambda w: w, ""),
        "backwards": (lambda w: w[::-1], " in reverse order"),
        "sorted": (lambda w: sorted(w, key=str.lower), " in alphabetical order"),
    }
    inputs = ["a phrase of a few words", "a short phrase", "some words"]
    inputs += ["a title or a phrase", "words with spaces"]
    for (order, (turn, said)), (case, (rule, wheres, hows)), (glue, names) in itertools.product(
        orders.items(), CASES.items(), separators.items()
    ):

        def answer(text: str, turn=turn, rule=rule, glue=glue) -> str | None:
            return glue.join(rule(" ".join(turn(text.split(" ")))).split(" "))

        if order and (glue == "" or case == "camel"):
            continue
        cores, nouns = [], []
        for name in names:
            one = {"said": [said], "name": [name]}
            between = fill("join the words{said} with {name} | put {name} between the words{said}", **one)
            between += fill("connect the words{said} by {name} | link the words{said} using {name}", **one)
            if not order:
                between += fill("replace the spaces by {name} | use {name} instead of spaces", **one)
                between += fill("swap each space for {name}", **one)
            cores += fill("{core}{how}", core=between, how=hows)
            cores += fill("write the words{said}{where}, with {name} between them", **one, where=wheres)
            nouns += fill("the words{said}{where}, separated by {name}", **one, where=wheres)
            nouns += fill("the words{said}{where} with {name} for the gaps", **one, where=wheres)
        yield Function(f"join_{order or case}", "formatting", phrase, answer, cores, nouns, inputs)


MARKS = {
    ("#", ""): ["a hash sign", "#"],
    ("@", ""): ["an at sign", "@"],
    ("$", ""): ["a dollar sign", "$"],
    ("- ", ""): ["a dash and a space", "'- '"],
    ("* ", ""): ["a star and a space", "'* '"],
    ("> ", ""): ["a greater-than sign and a space", "'> '"],
    ("// ", ""): ["two slashes and a space", "'// '"],
    ("Note: ", ""): ["the word Note and a colon", "'Note: '"],
    ("my_", ""): ["my and an underscore", "'my_'"],
    ("", "!"): ["an exclamation mark", "!"],
    ("", "?"): ["a question mark", "?"],
    ("", "."): ["a period", "."],
    ("", "..."): ["three dots", "..."],
    ("", ";"): ["a semicolon", ";"],
    ("", ":"): ["a colon", ":"],
    ("", ".txt"): ["the ending .txt", ".txt"],
    ("", ".py"): ["the ending .py", ".py"],
    ("", "()"): ["an empty pair of parentheses", "()"],
    ("", "_id"): ["an underscore and id", "'_id'"],
}
WRAPS = {
    ("(", ")"): ["parentheses", "round brackets"],
    ("[", "]"): ["square brackets", "[ ]"],
    ("{", "}"): ["curly braces", "{ }"],
    ("<", ">"): ["angle brackets", "< >"],
    ('"', '"'): ["double quotes", "quotation marks"],
    ("'", "'"): ["single quotes", "apostrophes"],
    ("*", "*"): ["stars", "asterisks"],
    ("**", "**"): ["double stars", "** on both sides"],
    ("_", "_"): ["underscores", "_ on both sides"],
    ("`", "`"): ["backticks", "grave accents"],
    ("|", "|"): ["bars", "pipes"],
    ("<b>", "</b>"): ["b tags", "HTML bold tags"],
    ("<p>", "</p>"): ["p tags", "HTML paragraph tags"],
    ("<i>", "</i>"): ["i tags", "HTML italic tags"],
    ("~", "~"): ["tildes", "~ on both sides"],
}


def cased() -> Iterator[Function]:
    """A phrase in a case, with marks before, after or around it."""
    inputs = ["a phrase of a few words", "a short text", "some words", "a line of text"]
    for case, (rule, wheres, hows) in CASES.items():
        if case == "camel":
            continue
        for family, table in (("mark", MARKS), ("wrap", WRAPS)):
            for (left, right), names in table.items():

                def answer(text: str, rule=rule, left=left, right=right) -> str:
                    return f"{left}{rule(text)}{right}"

                if family == "mark":
                    side, end = ("before", "at the start") if left else ("after", "at the end")
                    cores = fill("put {n} {s} the text{how}", n=names, s=side, how=hows)
                    cores += fill("add {n} {e}{how}", n=names, e=end, how=hows)
                    nouns = fill("the text{where} with {n} {s} it", n=names, s=side, where=wheres)
                else:
                    ways = "put the text in|enclose the text in|surround the text with|wrap the text in"
                    cores = fill("{way} {n}{how}", way=ways, n=names, how=hows)
                    nouns = fill("the text{where} in {n}", n=names, where=wheres)
                    nouns += fill("the input{where} enclosed in {n}", n=names, where=wheres)
                yield Function(family, "formatting", phrase, answer, cores, nouns, inputs)


def odd_words(rng: Rng) -> str:
    """Three or five words, so that there is a middle."""
    return b.some_words(rng, 3, 3) if rng.random() < 0.5 else b.some_words(rng, 5, 5)


def placed() -> Iterator[Function]:
    """The n-th word, item or letter, changed afterwards or not."""
    for place, names in ORDINALS.items():
        for kind in AFTER:
            rule, cores, nouns = after(
                kind,
                lambda t, place=place: at(t.split(" "), place),
                fill("{verb} the {n} word", n=names, verb="give|write|copy|output"),
                fill("the {n} word | the {n} word of the line", n=names),
            )
            source = odd_words if place == "middle" else b.line
            inputs = ["a line of words", "a sentence", "some words", "a text"]
            yield Function("word", "string", source, rule, cores, nouns, inputs)
            for glue, said in GLUES.items():
                if glue in (" ", "\n") and kind != "as_is":
                    continue
                for least, most in ((2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (3, 6)):
                    count = NUMBERS[least] if least == most else "several"
                    rule, cores, nouns = after(
                        kind,
                        lambda t, place=place, glue=glue: at(t.split(glue), place),
                        fill("{verb} the {n} {x}", n=names, verb="give|pick|copy", x="item|entry|word"),
                        fill("the {n} of the {c} {x}", n=names, c=count, x="items|words|entries"),
                    )
                    inputs = fill("{c} {x} {s}", c=count, x="words|items|entries", s=said)
                    family = "item_changed" if kind != "as_is" else f"item_of_{count}"
                    source = listing(least, most, glue)
                    yield Function(family, "string", source, rule, cores, nouns, inputs)
        for kind in ("as_is", "upper", "twice", "quoted", "brackets", "parentheses", "exclaimed"):
            rule, cores, nouns = after(
                kind,
                lambda t, place=place: at(t, place),
                fill("{v} the {n} {x} of the word", n=names, v="give|write|output", x="letter|character"),
                fill("the {n} {x} of the word", n=names, x="letter|character"),
            )
            inputs = ["a word", "one word", "a single lowercase word"]
            yield Function("letter", "string", lambda rng: b.word(rng, 6, 12), rule, cores, nouns, inputs)
    for (place, names), (inner, letters), kind in itertools.product(
        ORDINALS.items(), ORDINALS.items(), ("as_is", "upper")
    ):
        if "middle" in (place, inner) or inner == 5:
            continue

        def letter(text: str, place=place, inner=inner) -> str | None:
            word = at(text.split(" "), place)
            return at(word, inner) if word else None

        rule, cores, nouns = after(
            kind,
            letter,
            fill("{verb} the {m} letter of the {n} word", n=names, m=letters, verb="give|write"),
            fill("the {m} letter of the {n} word", n=names, m=letters),
        )
        inputs = ["a line of words", "some words", "a phrase"]
        source = lambda rng: b.some_words(rng, 3, 6)  # noqa: E731
        yield Function("letter_of_word", "string", source, rule, cores, nouns, inputs)


def vowels(text: str) -> int:
    return sum(c in "aeiou" for c in text.lower())


Pick = Callable[[list[str]], str | None]
Criterion = tuple[Pick, list[str], str]  # which one, adjectives for it, words behind the noun


def single(found: list[str]) -> str | None:
    return found[0] if len(found) == 1 else None


def extreme(key: Callable[[str], int], sign: int) -> Pick:
    """The one with most, or least, of something; none where several have."""

    def pick(items: list[str]) -> str | None:
        best = max(sign * key(item) for item in items)
        return single([item for item in items if sign * key(item) == best])

    return pick


def ranked(key: Callable[[str], Any], place: int) -> Pick:
    return lambda items: at(sorted(items, key=key), place)


def only(test: Callable[[str], object]) -> Pick:
    return lambda items: single([item for item in items if test(item)])


def word_criteria() -> list[Criterion]:
    result: list[Criterion] = [
        (extreme(len, 1), ["longest", "lengthiest"], ""),
        (extreme(len, -1), ["shortest", "briefest"], ""),
        (ranked(str.lower, 0), ["alphabetically first", "first in alphabetical order"], ""),
        (ranked(str.lower, -1), ["alphabetically last", "last in alphabetical order"], ""),
        (ranked(str.lower, 1), ["alphabetically second", "second in alphabetical order"], ""),
        (ranked(str.lower, -2), ["alphabetically second to last"], ""),
        (extreme(vowels, 1), ["most vowel-rich"], "with the most vowels"),
        (extreme(vowels, -1), ["least vowel-rich"], "with the fewest vowels"),
        (only(lambda w: w[0].isupper()), ["capitalized"], "that begins with a capital"),
        (only(lambda w: len(w) > 6), ["long"], "of more than six letters"),
        (only(lambda w: len(w) < 5), ["short"], "of fewer than five letters"),
    ]
    for letter in "abcdefghilmnoprstw":
        result += [
            (only(lambda w, c=letter: w.lower().startswith(c)), [], f"that starts with {letter}"),
            (only(lambda w, c=letter: w.lower().endswith(c)), [], f"that ends with {letter}"),
            (only(lambda w, c=letter: c in w.lower()), [], f"that contains the letter {letter}"),
        ]
    return result


NUMBER_CRITERIA: list[Criterion] = [
    (extreme(int, 1), ["largest", "biggest", "highest"], ""),
    (extreme(int, -1), ["smallest", "lowest", "least"], ""),
    (ranked(int, 1), ["second smallest", "second lowest"], ""),
    (ranked(int, -2), ["second largest", "second highest"], ""),
    (only(lambda n: int(n) % 2 == 0), ["even"], ""),
    (only(lambda n: int(n) % 2), ["odd"], ""),
    (extreme(lambda n: abs(int(n) - 50), -1), [], "closest to 50"),
    (extreme(lambda n: abs(int(n) - 100), -1), [], "closest to 100"),
    (extreme(lambda n: sum(map(int, n)), 1), [], "with the largest digit sum"),
    (extreme(lambda n: sum(map(int, n)), -1), [], "with the smallest digit sum"),
    (only(lambda n: len(n) == 1), ["one-digit"], "below ten"),
    (only(lambda n: len(n) == 3), ["three-digit"], ""),
    (only(lambda n: n[-1] == "5"), [], "that ends in 5"),
    (only(lambda n: n[-1] == "0"), [], "that ends in 0"),
    (only(lambda n: int(n) > 100), [], "above 100"),
]
NUMBER_CHANGES: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "as_is": (lambda n: n, ["{}"]),
    "plus": (lambda n: str(int(n) + 1), ["{} plus one", "one more than {}"]),
    "plus_ten": (lambda n: str(int(n) + 10), ["{} plus ten", "ten more than {}"]),
    "double": (lambda n: str(int(n) * 2), ["{} doubled", "twice {}"]),
    "minus": (lambda n: str(int(n) - 1), ["{} minus one", "one less than {}"]),
    "quoted": (lambda n: f'"{n}"', ["{} in double quotes", "{} in quotation marks"]),
    "dollar": (lambda n: f"${n}", ["{} with a dollar sign before it", "{} as dollars, with $"]),
    "percent": (lambda n: f"{n}%", ["{} with a percent sign after it", "{} as a percentage"]),
}


def picked() -> Iterator[Function]:
    """The word or number of a list that has most of something or alone has it, changed afterwards or not."""
    for thing, table, kinds in (
        ("word", word_criteria(), AFTER),
        ("number", NUMBER_CRITERIA, NUMBER_CHANGES),
    ):
        for (pick, names, tail), glue, kind in itertools.product(table, GLUES, kinds):
            if glue in ("\n", " / ") or (kind != "as_is" and glue not in (", ", " ")):
                continue
            few = ("as_is", "upper", "reversed", "length", "first", "quoted")
            if kind not in few and tail.startswith("that"):
                continue
            said = fill("{n} {x}", n=names, x=thing) + ([f"{thing} {tail}"] if tail else [])
            nouns = [f"the {s}" for s in said] + fill("the {s} of the {p}", s=said, p=[f"{thing}s", "list"])

            def found(text: str, pick=pick, glue=glue) -> str | None:
                return pick(text.split(glue))

            if thing == "word":
                cores = fill("{verb} the {s}", s=said, verb="find|pick|write|select")
                rule, cores, nouns = after(kind, found, cores, nouns)
            else:
                change, wraps = NUMBER_CHANGES[kind]
                rule, nouns = changed(found, change, nouns, wraps)
                some = nouns[: 6 * len(wraps)]
                cores = fill("{verb} {n}", n=some, verb="find|give|work out|write")
            yield Function(
                f"pick_{thing}" + ("" if kind == "as_is" else "_changed"),
                "string" if thing == "word" else "arithmetic",
                (listing if thing == "word" else numbers)(3, 6, glue),
                rule,
                cores,
                nouns,
                fill("{n} {x}s {s}", n="some|several|three to six", x=thing, s=GLUES[glue]),
            )


KINDS = {
    kind: words[0].split()
    for kind, words in v.named(
        """
color: red blue green yellow orange purple pink brown black white gray silver gold teal crimson beige
animal: tiger rabbit falcon turtle beetle spider dolphin penguin camel donkey parrot lizard hamster badger
    otter moose pigeon sparrow salmon lobster wolf bear goat horse sheep
fruit: apple mango lemon cherry banana grape peach pear plum melon fig kiwi orange apricot papaya lime
vegetable: carrot onion garlic pepper potato cabbage spinach celery leek radish turnip broccoli pumpkin beet
    lettuce
profession: teacher doctor farmer singer pilot sailor lawyer artist writer dancer tailor butcher barber
    plumber waiter banker nurse dentist baker judge
vehicle: train truck boat plane wagon sled raft bike tram car bus van ship scooter taxi ferry
garment: coat scarf glove boot shirt dress belt sock skirt vest jacket hat sweater sandal apron
instrument: guitar violin trumpet piano drum flute harp cello banjo clarinet organ trombone
piece of furniture: chair table sofa shelf drawer bench desk bed stool wardrobe couch cupboard
tool: hammer saw wrench drill shovel pliers screwdriver axe chisel rake ladder file
building: school temple museum station airport factory library theater stadium hospital palace cottage castle
    church tower
food: bread butter cheese honey sugar cereal noodle pancake pudding soup rice pasta salad pie sausage
drink: water coffee tea juice milk lemonade wine beer cocoa cider
part of the body: arm leg knee elbow nose ear chin neck shoulder finger thumb ankle wrist
country: France Spain Italy Germany Japan China Brazil Canada Egypt Kenya India Norway Sweden Mexico Peru
    Greece
city: Paris Oslo Toronto Nairobi Madrid Kyoto Lima Berlin Cairo Chicago Dublin Boston Prague Seattle Vienna
    Athens
first name: Anna Omar Lucia Peter Daniel Ruth Marcus Elena Hugo Nadia Samuel Clara Oscar Victor Hannah Diego
month: January February March April May June July August September October November December
day of the week: Monday Tuesday Wednesday Thursday Friday Saturday Sunday
number: one two three four five six seven eight nine ten eleven twelve twenty thirty
feeling: joy anger fear sadness envy pride shame hope guilt grief delight surprise
metal: iron copper silver gold tin lead zinc nickel steel bronze aluminum
sport: tennis golf rugby hockey soccer boxing rowing fencing cricket judo cycling
tree: oak pine maple birch willow cedar elm ash palm poplar spruce
verb:
adjective:
flower: rose tulip daisy lily orchid violet poppy sunflower lavender daffodil
relative: mother father sister brother aunt uncle cousin nephew niece grandmother
""".replace("verb:\n", f"verb: {' '.join(lexicon.VERBS[:120])}\n").replace(
            "adjective:\n", f"adjective: {' '.join(lexicon.ADJECTIVES[:120])}\n"
        )
    ).items()
}
SAID = v.named("""
color: color | hue | shade | name of a color
animal: animal | creature | living beast
profession: profession | job | occupation
garment: garment | piece of clothing | thing to wear
verb: verb | action word | word for something one does
adjective: adjective | describing word | word for a quality
vehicle: vehicle | means of transport
instrument: instrument | musical instrument
food: food | thing to eat
drink: drink | beverage
city: city | town
country: country | nation
feeling: feeling | emotion
number: number | number word
""")
# what held-out tasks of others ask for, in words that are not all among these
BARRED = {("color", "animal"), ("verb", "adjective")}


def article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def plural(noun: str) -> str:
    first, _, rest = noun.partition(" of ")
    forms = {"country": "countries", "city": "cities", "body": "bodies"}
    return forms.get(first, first + "s") + (f" of {rest}" if rest else "")


def odd_one(only: Sequence[str], rest: Sequence[str], count: int) -> Source:
    """So many words, one of the first and the others of the second."""

    def draw(rng: Rng) -> str:
        items = [*rng.sample(rest, count - 1), rng.choice(only)]
        rng.shuffle(items)
        return ", ".join(items)

    return draw


def categories() -> Iterator[Function]:
    """The word of one kind among words of another, and where it stands."""
    for (kind, wanted), (other, others), count in itertools.product(
        KINDS.items(), KINDS.items(), (2, 3, 4, 5, 6)
    ):
        fine, rest = set(wanted), [w for w in others if w not in wanted]
        own = [w for w in wanted if w not in others]
        if kind == other or (kind, other) in BARRED or len(rest) < count or len(own) < 5:
            continue
        source = odd_one(own, rest, count)

        def rule(text: str, fine=fine) -> str | None:
            return single([w for w in text.split(", ") if w in fine])

        def place(text: str, rule=rule) -> str | None:
            word = rule(text)
            return str(text.split(", ").index(word) + 1) if word else None

        names, foils = SAID.get(kind, [kind]), SAID.get(other, [other])
        n, many = NUMBERS[count], NUMBERS[count - 1]
        cores: list[str] = []
        nouns: list[str] = []
        inputs: list[str] = []
        for name in names:
            cores += fill("{verb} the {name}", name=[name], verb="find|pick|write|output|spot")
            cores.append(f"find the one of {n} words that is {article(name)}")
            cores.append(f"say which of the words is {article(name)}")
            nouns += [f"the {name}", f"the only {name} in the list", f"the word that is {article(name)}"]
            nouns.append(f"the one of the {n} that names {article(name)}")
            for foil in foils:
                foil_or_foils = plural(foil) if count > 2 else foil
                cores.append(f"leave out the {plural(foil)} and write the {name}")
                cores.append(f"tell the {name} from the {foil_or_foils}")
                inputs.append(f"{n} words, {many} {foil_or_foils} and one {name}")
                inputs.append(f"{article(name)} among {plural(foil)}")
        inputs = [f"{n} words", f"{n} words with commas", *inputs]
        yield Function(f"one_of_{n}", "extraction", source, rule, cores, nouns, inputs)
        if count == 4:
            cores = fill(
                "say at which place the {n} stands | count to the {n} and give its position", n=names
            )
            nouns = fill("the position of the {n} | the number of the place where the {n} stands", n=names)
            yield Function("place_of_one", "extraction", source, place, cores, nouns, inputs[1:])


def counts() -> Iterator[tuple[Callable[[str], int], list[str]]]:
    """What can be counted in a line of words, and how it is called."""
    for c in "abcdefghiklmnoprstuwy":
        yield (
            lambda t, c=c: t.lower().count(c),
            [f"times the letter {c} occurs", f"letters {c}", f"{c}'s"],
        )
        yield (
            lambda t, c=c: sum(w.lower().startswith(c) for w in t.split()),
            [f"words that begin with {c}", f"words starting with {c}"],
        )
        yield lambda t, c=c: sum(w.lower().endswith(c) for w in t.split()), [f"words that end in {c}"]
    for some in ("ae", "ei", "io", "ou", "st", "nr", "lm", "aei", "eio", "aou", "rst"):
        spoken = " or ".join(some)
        yield (
            lambda t, some=some: sum(c in some for c in t.lower()),
            [f"letters that are {spoken}", f"times {spoken} occurs"],
        )
    for n in (2, 3, 4, 5, 6):
        yield (
            lambda t, n=n: sum(len(w) > n for w in t.split()),
            [f"words longer than {NUMBERS[n]} letters", f"words of more than {n} letters"],
        )
        yield (
            lambda t, n=n: sum(len(w) == n for w in t.split()),
            [f"words of exactly {NUMBERS[n]} letters", f"{n}-letter words"],
        )
    yield lambda t: sum(c.isupper() for c in t), ["capital letters", "uppercase letters"]
    yield lambda t: sum(c.isalpha() and c.lower() not in "aeiou" for c in t), ["consonants"]
    yield lambda t: t.count(" "), ["spaces", "gaps between words"]
    yield lambda t: sum(c.isalpha() for c in t), ["letters", "letters of the alphabet"]


def counted() -> Iterator[Function]:
    """How many letters or words of a sort a text has."""
    for (count, names), (plus, more, and_add) in itertools.product(
        counts(), ((0, "", ""), (1, " plus one", " and add one"), (10, " plus ten", " and add ten"))
    ):
        comma = more and f",{more}"
        yield Function(
            "count_more" if plus else "count",
            "string",
            b.line,
            lambda t, count=count, plus=plus: str(count(t) + plus),
            fill("count the {n}{a}", n=names, a=[and_add])
            + fill("say how many {n} there are{c}", n=names, c=[comma]),
            fill("the number of {n}{m}", n=names, m=[more])
            + fill("how many {n} there are{c}", n=names, c=[comma]),
            ["a line of words", "a short text", "some words", "a phrase"],
        )


SIGNS = {
    "*": "a star",
    "#": "a hash sign",
    "-": "a hyphen",
    "_": "an underscore",
    "!": "an exclamation mark",
    "0": "zero",
    "1": "one",
    "3": "three",
    "@": "an at sign",
    "+": "a plus",
    ".": "a dot",
    "?": "a question mark",
    **{letter: letter for letter in "eoaxkz"},
}


def before(text: str, letter: str) -> str | None:
    return text.split(letter)[0] if letter in text[1:] and text[0] != letter else None


def letters() -> Iterator[Function]:
    """One letter replaced, removed, doubled or raised, or the text up to it."""

    def source(rng: Rng) -> str:
        return b.word(rng, 4, 12) if rng.random() < 0.4 else b.some_words(rng, 2, 4)

    def function(family: str, change: Rule, cores: str, nouns: str, **slots: str) -> Function:
        def rule(text: str) -> str | None:
            answer = change(text)
            return answer if answer != text else None

        inputs = ["a word or two", "some words", "a text", "a short phrase"]
        one = {name: [slot] for name, slot in slots.items()}
        return Function(family, "string", source, rule, fill(cores, **one), fill(nouns, **one), inputs)

    for c in "abcdefghilmnoprstuw":
        for sign, name in SIGNS.items():
            if sign != c:
                yield function(
                    "replace_letter",
                    lambda t, c=c, sign=sign: t.replace(c, sign),
                    "replace every {c} by {s} | change each {c} to {s} | write {s} for every {c} | "
                    "swap each letter {c} for {s}",
                    "the text with {s} in place of {c} | the words with every {c} turned into {s}",
                    c=c,
                    s=name,
                )
        yield function(
            "remove_letter",
            lambda t, c=c: t.replace(c, ""),
            "remove every {c} | delete the letter {c} | leave out each {c} | strip all {c}'s",
            "the text without the letter {c} | what remains without any {c}",
            c=c,
        )
        yield function(
            "double_letter",
            lambda t, c=c: t.replace(c, c * 2),
            "double every {c} | write each {c} twice",
            "the text with each {c} doubled | the words with two {c}'s for one",
            c=c,
        )
        yield function(
            "raise_letter",
            lambda t, c=c: t.replace(c, c.upper()),
            "capitalize every {c} | make each {c} a capital",
            "the text with each {c} as a capital | the words with every {c} in uppercase",
            c=c,
        )
        yield function(
            "before_letter",
            lambda t, c=c: before(t, c),
            "keep what comes before the first {c} | cut the text off at the first {c}",
            "everything before the first {c} | the part up to the first {c}, without it",
            c=c,
        )


def edges() -> Iterator[Function]:
    """The first or last so many letters, words, items or digits, kept or left out."""
    units: list[tuple[str, str, Source, list[str]]] = [
        ("letter", "", lambda rng: b.word(rng, 6, 12), ["a word", "one word"]),
        ("word", " ", b.long_line, ["a line of words", "a sentence"]),
        ("item", ", ", listing(5, 7, ", "), ["a list with commas", "items separated by commas"]),
        ("digit", "", lambda rng: str(rng.randint(10**6, 10**9)), ["a long number", "a number"]),
    ]
    for (unit, glue, source, inputs), n, side, keep, case in itertools.product(
        units, (1, 2, 3, 4), ("first", "last"), (True, False), ("keep", "upper")
    ):
        if (case == "upper" and unit == "digit") or (n == 1 and keep):
            continue
        change, wheres, hows = CASES[case]
        part = f"{side} {NUMBERS[n]} {unit}s" if n > 1 else f"{side} {unit}"
        # slice of the first n, all but them, the last n, all but those
        cut = {
            ("first", True): slice(n),
            ("first", False): slice(n, None),
            ("last", True): slice(-n, None),
            ("last", False): slice(-n),
        }[side, keep]

        def rule(text: str, glue=glue, cut=cut, change=change) -> str:
            return change(glue.join((text.split(glue) if glue else list(text))[cut]))

        verbs = "keep|give|write|copy" if keep else "remove|drop|leave out|cut off"
        nouns = (
            "the {p}{w} | only the {p}{w}"
            if keep
            else "everything but the {p}{w} | the input without its {p}{w}"
        )
        yield Function(
            f"{'keep' if keep else 'drop'}_{unit}s",
            "string",
            source,
            rule,
            fill("{verb} the {p}{how}", verb=verbs, p=part, how=hows),
            fill(nouns, p=part, w=wheres),
            inputs,
        )


def sorts() -> Iterator[Function]:
    """A list in an order, with separators of its own."""
    orders: list[tuple[str, Callable[[str], Any], bool, list[str]]] = [
        ("word", str.lower, False, ["in alphabetical order", "from A to Z"]),
        ("word", str.lower, True, ["in reverse alphabetical order", "from Z to A"]),
        ("word", len, False, ["from shortest to longest", "by increasing length"]),
        ("word", len, True, ["from longest to shortest", "by decreasing length"]),
        ("word", lambda w: w[-1], False, ["by their last letters", "in order of the final letter"]),
        ("number", int, False, ["in ascending order", "from smallest to largest"]),
        ("number", int, True, ["in descending order", "from largest to smallest"]),
    ]
    glues = {
        ", ": "with commas",
        "; ": "with semicolons",
        " ": "with spaces",
        " | ": "with bars",
        "\n": "one a line",
        " > ": "with greater-than signs",
        " < ": "with less-than signs",
        "-": "with hyphens",
        "/": "with slashes",
        " and ": "with the word and",
    }
    for (thing, key, down, names), (into, said), glue in itertools.product(
        orders, glues.items(), (", ", " ")
    ):

        def rule(text: str, key=key, down=down, into=into, glue=glue) -> str | None:
            items = text.split(glue)
            if len({key(i) for i in items}) < len(items):
                return None  # the order would be open
            return into.join(sorted(items, key=key, reverse=down))

        slots = {"x": [thing], "n": names, "said": [said]}
        yield Function(
            f"sort_{thing}s",
            "string",
            (listing if thing == "word" else numbers)(3, 5, glue),
            rule,
            fill("{verb} the {x}s {n}, {said}", verb="sort|arrange|put|write", **slots),
            fill("the {x}s {n}, {said} | the same {x}s {n} {said}", **slots),
            fill("some {x}s {s}", x=thing, s=GLUES[glue]),
        )


def written_date(rng: Rng) -> str:
    year, month, day = g.date(rng)
    name = v.MONTHS[month - 1]
    return rng.choice(
        [
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{name[:3]} {day}, {year}",
            f"{day} {name[:3]} {year}",
        ]
    )


def read_date(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a text of written_date."""
    if match := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text):
        year, month, day = map(int, match.groups())
        return year, month, day
    words = text.replace(",", "").split()
    months = [m[:3] for m in v.MONTHS]
    if len(words) != 3 or not words[2].isdigit():
        return None
    name, number = (words[0], words[1]) if words[0][0].isalpha() else (words[1], words[0])
    return (int(words[2]), months.index(name[:3]) + 1, int(number)) if name[:3] in months else None


DATE_GLUES = {
    "/": "slashes",
    ".": "dots",
    "-": "hyphens",
    " ": "spaces",
    "": "nothing between them",
    "_": "underscores",
    ":": "colons",
}
DATE_MONTHS = {
    "number": "the month as a number",
    "name": "the month's name",
    "abbreviation": "the month in three letters",
}


def dates(
    glues: Mapping[str, str] = DATE_GLUES, months: Mapping[str, str] = DATE_MONTHS
) -> Iterator[Function]:
    """A date in another notation: which parts, in which order, how written."""
    orders = {
        "dmy": "day, month, year",
        "mdy": "month, day, year",
        "ymd": "year, month, day",
        "ydm": "year, day, month",
        "my": "month and year",
        "ym": "year and month",
        "dm": "day and month",
        "md": "month and day",
    }
    for (order, said), (glue, between), (style, styled), padded, short in itertools.product(
        orders.items(), glues.items(), months.items(), (True, False), (True, False)
    ):
        if style != "number" and glue not in (" ", "-", "/"):
            continue
        if (glue == "" and not padded) or (short and "y" not in order):
            continue

        def rule(text: str, order=order, glue=glue, style=style, padded=padded, short=short) -> str | None:
            found = read_date(text)
            if not found:
                return None
            year, month, day = found
            name = v.MONTHS[month - 1]
            two = "02d" if padded else "d"
            parts = {
                "y": f"{year % 100:02d}" if short else str(year),
                "m": {"number": f"{month:{two}}", "name": name, "abbreviation": name[:3]}[style],
                "d": f"{day:{two}}",
            }
            return glue.join(parts[part] for part in order)

        shapes = {
            "y": "YY" if short else "YYYY",
            "m": {"number": "MM" if padded else "M", "name": "month name", "abbreviation": "Mon"}[style],
            "d": "DD" if padded else "D",
        }
        details = [f"with {between}"] if glue else [between]
        if "y" in order:
            details.append("a two-digit year" if short else "the full year")
        details.append(styled)
        if "d" in order or style == "number":
            zeros = "two digits each" if style == "number" else "leading zeros"
            details.append(zeros if padded else "no leading zeros")
        words = {"shape": [glue.join(shapes[p] for p in order)], "said": [said], "long": [", ".join(details)]}
        yield Function(
            f"date_{order}",
            "formatting",
            written_date,
            rule,
            fill(
                "write the date as {shape} | convert the date to {shape} | give {said} of the date {long} | "
                "reformat the date as {said} {long} | rewrite the date with {said} in this order, {long}",
                **words,
            ),
            fill(
                "the date as {shape} | {said} {long} | the date in the form {shape} | "
                "{said}, {long}, of the date",
                **words,
            ),
            ["a date", "a calendar date", "a date such as 5 March 2021 or 2021-03-05"],
        )


def noun(rng: Rng) -> str:
    return rng.choice(lexicon.NOUNS)


# how a thing of each sort is drawn
THINGS: dict[str, Callable[[Rng], str]] = {
    "email address": lambda r: (
        f"{r.choice(v.FIRST_NAMES).lower()}.{noun(r)}@example.{r.choice(['com', 'org', 'net'])}"
    ),
    "hashtag": lambda r: f"#{noun(r)}{r.choice(['', noun(r)])}",
    "user name with an at sign": lambda r: f"@{noun(r)}_{r.randint(1, 99)}",
    "phone number": lambda r: f"555-01{r.randint(10, 99)}",
    "time": lambda r: f"{r.randint(0, 23)}:{r.randint(0, 59):02d}",
    "date": lambda r: f"{r.randint(2000, 2029)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}",
    "price": lambda r: f"${r.randint(1, 99)}.{r.choice(['00', '50', '99', '95'])}",
    "percentage": lambda r: f"{r.randint(1, 99)}%",
    "order number": lambda r: f"{r.choice('ABCDEFGH')}{r.choice('KLMNPQ')}-{r.randint(100, 9999)}",
    "file name": lambda r: f"{noun(r)}_{noun(r)}.{r.choice(['txt', 'pdf', 'csv', 'png', 'py', 'zip'])}",
    "file path": lambda r: f"/{noun(r)}/{noun(r)}/{noun(r)}.{r.choice(['txt', 'log', 'conf'])}",
    "version number": lambda r: f"v{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 20)}",
    "quoted text": lambda r: f'"{noun(r)} {noun(r)}"',
    "text in parentheses": lambda r: f"({noun(r)} {noun(r)})",
    "text in square brackets": lambda r: f"[{noun(r)} {noun(r)}]",
    "word in capitals": lambda r: noun(r).upper(),
    "hexadecimal color": lambda r: "#" + "".join(r.choice("0123456789abcdef") for _ in range(6)),
    "temperature": lambda r: f"{r.randint(-20, 45)}°C",
    "IP address": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "flight number": lambda r: f"{r.choice(['XY', 'QZ', 'ZX'])}{r.randint(100, 999)}",
    "name of a person": b.full_name,
    "weekday": lambda r: r.choice(v.DAYS),
    "year": lambda r: str(r.randint(1900, 2030)),
    "weight": lambda r: f"{r.randint(1, 200)} kg",
}
ALSO = {
    "email address": "mail address | e-mail",
    "hashtag": "tag with its hash sign",
    "user name with an at sign": "mention",
    "phone number": "telephone number",
    "time": "time of day",
    "date": "calendar date",
    "price": "amount of money",
    "percentage": "percent value",
    "order number": "order code",
    "file name": "name of the file",
    "file path": "path",
    "version number": "version",
    "quoted text": "part in quotation marks",
    "text in parentheses": "part in round brackets",
    "text in square brackets": "part in square brackets",
    "word in capitals": "uppercase word",
    "hexadecimal color": "color code",
    "temperature": "degrees",
    "IP address": "IP number",
    "flight number": "flight code",
    "name of a person": "person's name | full name",
    "weekday": "day of the week",
    "year": "year number",
    "weight": "weight in kilograms",
}
# so common that one drawn beside it could be taken for it
ALONE = ("quoted text", "word in capitals", "hexadecimal color", "year", "date", "hashtag")
CARRIERS = v.lines("""
Please look at {} before {}.
We got {} and also {} this morning.
The note says {} next to {}.
Write {} on the form, then {}.
They asked about {}, not about {}.
After {} came {}, I think.
In the report I read {} and {}.
Use {} for now; {} is no longer needed.
Somebody left {} here together with {}.
Was it {} or {} that you meant?
See {} for details.
Don't forget {} tomorrow.
I found {} in the old letter.
My notes mention {} only once.
Could you check {} for me?
This is about {}, as you know.
""")


def web_address(rng: Rng) -> str:
    return f"https://{noun(rng)}.example.{rng.choice(['com', 'org', 'net'])}/{noun(rng)}"


def mention(kind: str, answers: dict[str, str]) -> Source:
    """A sentence with a thing of a kind, mostly beside another; what is to be found goes into answers."""
    others: Mapping[str, Callable[[Rng], str]] = {**THINGS, "web address": web_address}

    def draw(rng: Rng) -> str:
        wanted, carrier = THINGS[kind](rng), rng.choice(CARRIERS)
        foil = others[rng.sample([k for k in others if k != kind], 1)[0]](rng)
        if kind in ALONE:
            foil = f"the {noun(rng)}"
        parts = [wanted, foil]
        if carrier.count("{}") == 2:
            rng.shuffle(parts)
        text = g.cap(carrier.format(*parts))
        answers[text] = wanted
        return text

    return draw


def extracts() -> Iterator[Function]:
    """One sort of thing out of a sentence that may hold others; links are there and never asked for."""
    for kind, also in ALSO.items():
        names = [kind, *v.phrases(also)]
        for change in AFTER:
            answers: dict[str, str] = {}
            rule, cores, nouns = after(
                change,
                answers.get,
                fill("{verb} the {n}", n=names, verb="extract|find|copy|pull out|get"),
                fill("the {n} | the {n} mentioned in the text", n=names),
            )
            yield Function(
                "extract" if change == "as_is" else "extract_changed",
                "extraction",
                mention(kind, answers),
                rule,
                cores,
                nouns,
                ["a sentence", "a message", f"a sentence with {article(kind)}", "a text"],
            )


LABELS = (
    "yes no|true false|1 0|A B|Y N|pass fail|good bad|+ -|left right|on off|accept reject|high low|"
    "red blue|in out|up down|one two"
)
LABELED = (
    "color",
    "animal",
    "fruit",
    "profession",
    "vehicle",
    "garment",
    "verb",
    "adjective",
    "city",
    "food",
)


@dataclass(frozen=True)
class Test:
    """Something that holds of a text or not, and the words for that."""

    family: str
    thing: str
    source: Callable[[Rng], str]
    holds: Callable[[str], bool]
    condition: str  # it has ...
    first: str  # the thing has ...
    second: str  # the thing has not ...


def tests() -> Iterator[Test]:
    def word(rng: Rng) -> str:
        return b.word(rng, 3, 10)

    def number(rng: Rng) -> str:
        return str(b.number(rng))

    def loud_or_not(rng: Rng) -> str:
        return b.line(rng).upper() if rng.random() < 0.5 else b.line(rng).lower()

    for c in "aeiorst":
        yield Test(
            "label_word",
            "word",
            word,
            lambda t, c=c: c in t,
            f"it contains the letter {c}",
            f"has the letter {c}",
            f"lacks {c}",
        )
        some, short = ("a letter from a to m", "a to m") if c == "a" else (c, c)
        yield Test(
            "label_word",
            "word",
            word,
            lambda t, c=c: t[0] < "n" if c == "a" else t[0] == c,
            f"it starts with {some}",
            f"begins with {short}",
            "does not",
        )
    for n in (4, 5, 6):
        more = f"it has more than {NUMBERS[n]} letters"
        yield Test(
            "label_word",
            "word",
            word,
            lambda t, n=n: len(t) > n,
            more,
            f"is longer than {n} letters",
            "is shorter",
        )
    for n in (10, 50, 100):
        yield Test(
            "label_number",
            "number",
            number,
            lambda t, n=n: int(t) > n,
            f"it is greater than {n}",
            f"is above {n}",
            f"is {n} or less",
        )
    for n, condition, first, second in (
        (2, "it is even", "is even", "is odd"),
        (5, "it can be divided by five", "is a multiple of 5", "is not"),
    ):
        yield Test("label_number", "number", number, lambda t, n=n: int(t) % n == 0, condition, first, second)
    four = "it has more than four words"
    yield Test(
        "label_text",
        "text",
        b.line,
        lambda t: len(t.split()) > 4,
        four,
        "is longer than four words",
        "is shorter",
    )
    yield Test(
        "label_text", "text", loud_or_not, str.isupper, "it is in capitals", "is uppercase", "is lowercase"
    )
    yield Test(
        "label_text",
        "text",
        lambda rng: b.line(rng) + rng.choice("?."),
        lambda t: t.endswith("?"),
        "it ends with a question mark",
        "is a question",
        "is none",
    )
    for one, two in itertools.permutations(LABELED, 2):
        yield Test(
            "label_kind",
            "word",
            lambda rng, one=one, two=two: rng.choice(KINDS[rng.choice([one, two])]),
            lambda t, fine=frozenset(KINDS[one]): t in fine,
            f"it is {article(one)}",
            f"is {article(one)}",
            f"is {article(two)}",
        )


def labels() -> Iterator[Function]:
    """Whether something holds, said by one of two labels that the description names."""
    for test, pair in itertools.product(tests(), LABELS.split("|")):
        yes, no = pair.split()
        words = {
            "yes": [yes],
            "no": [no],
            "it": [test.condition],
            "x": [test.thing],
            "is": [test.first],
            "not": [test.second],
        }
        yield Function(
            test.family,
            "classification",
            test.source,
            lambda t, holds=test.holds, yes=yes, no=no: yes if holds(t) else no,
            fill(
                "answer {yes} if {it}, otherwise {no} | write {yes} when {it} and {no} when not | "
                "say {yes} if the {x} {is} and {no} if it {not} | "
                "sort the {x} into {yes} ({is}) and {no} ({not})",
                **words,
            ),
            fill("{yes} if the {x} {is}, {no} if it {not} | {yes} or {no}, whether {it}", **words),
            fill("a {x} | one {x}", x=test.thing),
            sorted([yes, no]),
        )


VERB_FORMS = {frame.third: frame.base for frame in v.FRAMES} | {frame.past: frame.base for frame in v.FRAMES}
PEOPLE = [
    *v.FIRST_NAMES[:40],
    *v.phrases(
        "The baker | My sister | The old man | Our teacher | The cat | A student | The museum | This book"
    ),
]


def statement(rng: Rng) -> str:
    """A sentence whose verb is a form of be, or one of the frames'."""
    who, place = rng.choice(PEOPLE), rng.choice(v.PLACES)
    quality, frame = rng.choice(v.ADJECTIVES + lexicon.ADJECTIVES), rng.choice(v.FRAMES)
    return g.cap(
        rng.choice(
            [
                f"{who} is {quality}.",
                f"{who} is {place}.",
                f"{who} is {quality} {place}.",
                f"{who} was {quality}.",
                f"{who} {frame.third} {rng.choice(frame.objects)}.",
                f"{who} {frame.past} {rng.choice(frame.objects)}.",
            ]
        )
    )


def at_verb(text: str) -> tuple[str, str, str] | None:
    """What stands before the verb, the verb, and what stands behind it."""
    for match in re.finditer(r"\w+", text):
        if match[0] in ("is", "was") or match[0] in VERB_FORMS:
            return text[: match.start()], match[0], text[match.end() :]
    return None


def inserted() -> Iterator[Function]:
    """A statement with an adverb or a modal verb put in."""
    inputs = ["a statement", "a sentence", "a statement of fact"]
    for adverb in "always never often still probably hardly really also sometimes now only certainly".split():

        def with_adverb(text: str, adverb=adverb) -> str | None:
            cut = at_verb(text)
            if not cut:
                return None
            head, verb, tail = cut
            be = verb in ("is", "was")
            return f"{head}{verb} {adverb}{tail}" if be else f"{head}{adverb} {verb}{tail}"

        yield Function(
            "insert_adverb",
            "rewriting",
            statement,
            with_adverb,
            fill(
                "insert {a} into the sentence | add the word {a} at the verb | "
                "put {a} in the right place of the statement",
                a=adverb,
            ),
            fill("the sentence with {a} in it | the statement with the word {a} beside its verb", a=adverb),
            inputs,
        )
    for modal in v.phrases(
        "can | could | may | might | must | should | will | would | used to | wants to | has to"
    ):

        def with_modal(text: str, modal=modal) -> str | None:
            cut = at_verb(text)
            if not cut:
                return None
            head, verb, tail = cut
            return f"{head}{modal} {VERB_FORMS.get(verb, 'be')}{tail}"

        yield Function(
            "insert_modal",
            "rewriting",
            statement,
            with_modal,
            fill(
                "rewrite the sentence with {m} | put {m} before the verb, which takes its base form | "
                "use {m} in the statement",
                m=modal,
            ),
            fill(
                "the sentence with {m} before its verb | the statement with {m} and the verb's base form",
                m=modal,
            ),
            inputs,
        )


def arithmetic() -> Iterator[Function]:
    """A number plus, minus or times another."""
    for n in range(1, 31):
        for sign, rule, cores in (
            (
                "plus",
                lambda t, n=n: str(int(t) + n),
                "add {n} | increase the number by {n} | work out the number plus {n}",
            ),
            (
                "minus",
                lambda t, n=n: str(int(t) - n),
                "subtract {n} | take {n} away | decrease the number by {n}",
            ),
            ("times", lambda t, n=n: str(int(t) * n), "multiply by {n} | work out {n} times the number"),
        ):
            if sign == "times" and n > 10:
                continue
            yield Function(
                f"number_{sign}",
                "arithmetic",
                lambda rng: str(rng.randint(1, 99)),
                rule,
                fill(cores, n=str(n)),
                fill("the number {s} {n} | the result of the number {s} {n}", s=sign, n=str(n)),
                ["a number", "an integer", "one number"],
            )


FAMILIES = [
    joined,
    cased,
    placed,
    picked,
    categories,
    counted,
    letters,
    edges,
    sorts,
    dates,
    extracts,
    labels,
    inserted,
    arithmetic,
]


# --- writing ---


def examples(name: str, function: Function, count: int = TRAIN + TEST) -> list[Pair]:
    """Up to `count` pairs, always the same, no input twice."""
    rng = Rng(f"{SEED}:{name}")
    pairs: dict[str, str] = {}
    for _ in range(12 * count):
        text = function.source(rng)
        answer = function.rule(text) if text else None
        if text and answer and text not in pairs:
            pairs[text] = answer
            if len(pairs) == count:
                break
    return list(pairs.items())


def vocabulary(tokenizer: Path) -> list[str]:
    """What a byte-level BPE's tokenizer.json holds as one token behind a space: lower-case words, mostly."""
    tokens = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    return [token[1:] for token in tokens if re.fullmatch("\u0120[a-z]{3,12}", token)]


def read_facts(path: Path) -> dict[str, Any]:
    """A task.yaml."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many times as fast, where it is there
    return yaml.load(path.read_text(encoding="utf-8"), loader)


def held_out(suites: Iterable[Path]) -> dict[str, list[list[Pair]]]:
    """Forty examples of each task of split eval, in their variants."""
    result = {}
    for path in sorted(path for suite in suites for path in suite.glob("*/task.yaml")):
        facts = read_facts(path)
        if facts.get("split") == "eval" and not facts.get("benchmark"):
            files = [path.parent / name for name in ("train.jsonl", "test.jsonl")]
            lines = [t for f in files if f.is_file() for t in f.read_text(encoding="utf-8").splitlines()][:40]
            if not lines:
                raise SystemExit(f"{path.parent} has no example that tells what it does; add train.jsonl.")
            rows = map(json.loads, lines)
            result[facts["name"]] = list(variants([(row["input"], row["output"]) for row in rows]))
    return result


def variants(pairs: list[Pair]) -> Iterator[list[Pair]]:
    """The same examples as they are, and with other separators between items."""
    yield pairs
    own = next((glue for glue in (", ", " ") if all(glue in x for x, _ in pairs)), None)
    for glue in GLUES:
        if own and glue != own:
            yield [(x.replace(own, glue), y.replace(own, glue)) for x, y in pairs]


def does(function: Function, forms: list[list[Pair]]) -> bool:
    """Whether a function gives most of a task's answers in one of the variants of its examples."""

    def answer(text: str) -> str | None:
        try:
            return function.rule(text)
        except (ValueError, IndexError, TypeError):
            return None  # not an input of its kind

    def most(rows: list[Pair]) -> bool:
        spare = len(rows) * (1 - SAME)
        for x, y in rows:
            spare -= answer(x) != y
            if spare < 0:
                return False
        return True

    return any(map(most, forms))


def build(
    out: Path,
    per_family: int,
    suites: list[Path],
    train: int = TRAIN,
    makers: Iterable[Callable[[], Iterator[Function]]] | None = None,
    prefix: str = "grid",
    barred: Mapping[str, list[Pair]] | None = None,
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Write at most so many functions of each family, none that does what a held-out task of the suites does.

    train: examples to train on of each. makers: what gives the functions, by default the grid's own; prefix:
    what their names begin with.
    Returns how many of each family there are, and those left out with the task that each of them does.
    """
    known = {name: list(variants(pairs)) for name, pairs in (barred or {}).items()} | held_out(suites)
    left_out: list[tuple[str, str]] = []
    written: dict[str, int] = {}
    for make in makers or FAMILIES:
        groups: dict[str, list[tuple[str, Function]]] = {}
        for function in make():
            members = groups.setdefault(function.family, [])
            members.append((f"{prefix}_{function.family}_{len(members)}", function))
        for family, members in groups.items():
            Rng(f"{SEED}:{family}").shuffle(members)
            for name, function in members:
                if written.get(family, 0) == per_family:
                    break
                pairs = examples(name, function, train + TEST)
                if len(pairs) < min(train, TRAIN) // 2 + TEST or len({y for _, y in pairs}) < 2:
                    continue
                if twin := next((task for task, forms in known.items() if does(function, forms)), None):
                    left_out.append((name, twin))
                    continue
                write(out / name, function, pairs)
                written[family] = written.get(family, 0) + 1
    return written, left_out


def write(folder: Path, function: Function, pairs: list[Pair]) -> None:
    said = describe(function, pairs[TEST:], Rng(f"{SEED}:{folder.name}:words"))
    folder.mkdir(parents=True)  # never over what is there
    facts = {
        "category": function.category,
        "source": "programmatic",
        "license": LICENSE,
        "max_new_tokens": 32,
    }
    family = folder.name.rpartition("_")[0]
    if function.family in PARTS:
        family += f"_{int(folder.name.rpartition('_')[2]) % PARTS[function.family]}"
    write_training_task(folder, facts, function.choices, family, said, pairs[TEST:], pairs[:TEST])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder that the tasks are written into")
    parser.add_argument(
        "--per-family", type=int, default=100, help="most functions of a family (default 100)"
    )
    parser.add_argument(
        "--held-out",
        type=Path,
        nargs="*",
        default=[Path(__file__).parents[1] / "suite"],
        help="suites whose held-out functions are left out (default: the suite beside this folder)",
    )
    parser.add_argument(
        "--train", type=int, default=TRAIN, help=f"examples to train on of a function (default {TRAIN})"
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="TOKENIZER_JSON",
        help="draw from the words among its tokens too, so that their spelling can be learned",
    )
    args = parser.parse_args()
    if args.train < 2:
        parser.error(f"--train {args.train}: a function needs at least two examples to train on")
    if args.tokenizer:
        b.learn_words(vocabulary(args.tokenizer))
    written, left_out = build(args.out, args.per_family, args.held_out, args.train)
    for name, twin in left_out:
        print(f"left out: {name}, which does what {twin} does")
    for family, count in written.items():
        print(f"{count:4d} {family}")
    print(f"{sum(written.values())} functions in {len(written)} families")


if __name__ == "__main__":
    main()
