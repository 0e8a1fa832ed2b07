"""Functions around a few: `python data/build/around.py OUT --sentences SUITE --tokenizer TOKENIZER_JSON`.

Letters of a word, the longest word of a sentence, words joined by hyphens: each changed in many ways, and its
like unchanged, so that what a function is and what is done to its answer are learned apart. The bare
function itself (the second letter, the longest word, kebab case) is never among them. Uses grid.py; nothing
of it is kept here.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import generators as g
import grid
import nearby
import vocabulary as v
from changes import AFTER, bare
from families import base as b
from families.base import Rng, Rule
from grid import Function, fill

TRAIN = 2000
# How many families a kind counts as: their share of the rows, where tasks are drawn by families.
PARTS = {
    "letter_first": 1,
    "letter_second": 10,
    "letter_third": 4,
    "letter_fourth": 2,
    "letter_last": 1,
    "letter_bare": 8,
    "longest": 7,
    "other_word": 2,
    "other_word_first": 1,
    "other_word_bare": 4,
    "hyphens": 4,
    "joined": 4,
}
WORDS: list[str] = []
SENTENCES: list[str] = []
ONE = ["a word", "one word", "a single word", "some word"]
LINE = ["a sentence", "a line of words", "some words", "a short text"]
TITLE = ["a phrase of a few words", "some words", "a title or a phrase"]


def one_word(rng: Rng) -> str:
    text = rng.choice([*v.FIRST_NAMES, *v.CITIES]) if rng.random() < 0.08 else rng.choice(WORDS)
    return g.cap(text) if rng.random() < 0.12 else text


def sentence(rng: Rng) -> str:
    kind = rng.random()
    if kind < 0.55:
        return rng.choice(SENTENCES)
    return g.cap(b.plain(rng)) if kind < 0.8 else b.some_words(rng, 3, 7)


def title(rng: Rng) -> str:
    return grid.phrase(rng) if rng.random() < 0.8 else g.cap(b.some_words(rng, 2, 4))


# --- letters ---

# place, what it is called in families, words for it, and its number
PLACES = [
    (0, "first", ["first", "1st", "opening", "initial"], "one"),
    (1, "second", ["second", "2nd"], "two"),
    (2, "third", ["third", "3rd"], "three"),
    (3, "fourth", ["fourth", "4th"], "four"),
    (-1, "last", ["last", "final", "closing"], ""),
]


def letters() -> Iterator[Function]:
    """The letter at a place, changed or not."""
    for place, called, names, number in PLACES:
        nouns = fill(
            "the {o} {u} | the {o} {u} of the word | the {o} {u} of the input | the word's {o} {u}",
            o=names,
            u="letter|letter|character",
        )
        if number:
            nouns += fill(
                "letter number {x} | letter {x} of the word | the character in position {x} | "
                "the letter at place {x} | letter no. {y} of the word | the character at position {y} | "
                "the letter that comes {o} | the letter that stands {o} in the word",
                x=[number],
                y=[str(place + 1)],
                o=names[:2],
            )
        cores = fill(
            "{verb} {n}", verb="give|find|write|output|print|return|take|pick out|tell me|say", n=nouns
        )
        if number:
            cores += fill(
                "say which letter comes {o} | look up which letter is {o} | "
                "name the letter that is {o} in the word",
                o=names[:2],
            )
            nouns += fill("whatever letter stands at index {i}, counted from zero", i=[str(place)])
        if place > 0:
            cores.append(f"spell the word as far as letter {number} and write that letter")
            cores.append(f"skip {grid.NUMBERS[place]} of the word's letters and give the next one")
            nouns.append(f"the letter that has {grid.NUMBERS[place]} before it")
        for kind in AFTER:
            if kind == "as_is" and called == "second":
                continue
            family = "letter_bare" if kind == "as_is" else f"letter_{called}"
            rule, said, made = grid.after(kind, lambda t, place=place: grid.at(t, place), cores, nouns, AFTER)
            yield Function(family, "string", one_word, rule, said, made, ONE)


# --- words of a sentence ---


def runner_up(words: list[str]) -> str | None:
    one, two, *rest = sorted(words, key=len, reverse=True)
    return two if rest and len(one) > len(two) > len(rest[0]) else None


LONGEST, SHORTEST = grid.extreme(len, 1), grid.extreme(len, -1)
PICKED: dict[str, tuple[grid.Pick, str]] = {
    "longest": (
        LONGEST,
        "longest word | longest of the words | word with the most letters | lengthiest word | "
        "word with the greatest number of letters | word that has the most characters | "
        "longest word of the sentence | biggest word by length | word that takes the most space | "
        "word that beats all others in length | word that would need the widest column",
    ),
    "shortest": (
        SHORTEST,
        "shortest word | word with the fewest letters | briefest word | shortest of the words | "
        "word with the smallest number of characters",
    ),
    "runner_up": (runner_up, "second longest word | word that is second in length | next to longest word"),
    "capital": (
        lambda words: grid.single([word for word in words[1:] if word[0].isupper()]),
        "word that begins with a capital inside the sentence | capitalized word that is not the first",
    ),
    "vowels": (grid.extreme(grid.vowels, 1), "word with the most vowels | most vowel-rich word"),
    "alphabet": (
        lambda words: min(words, key=str.lower) if len({w.lower() for w in words}) == len(words) else None,
        "alphabetically first word | word that comes first in the alphabet",
    ),
}


def words() -> Iterator[Function]:
    """The word that has most of something, or stands at a place, changed or not."""
    changes = AFTER | {kind: grid.AFTER[kind] for kind in ("length", "first", "end")}
    for name, (pick, said) in PICKED.items():
        nouns = [f"the {noun}" for noun in v.phrases(said)]
        verbs = "find|give|write|output|print|return|pick out|select|copy|tell me"
        cores = fill("{verb} {n}", verb=verbs, n=nouns)
        for kind in changes:
            if name == "longest" and kind == "as_is":
                continue
            kinds = {"longest": "longest", "shortest": "other_word", "runner_up": "other_word"}
            family = "other_word_bare" if kind == "as_is" else kinds.get(name, "other_word_first")
            rule, told, made = grid.after(kind, lambda t, pick=pick: pick(t.split()), cores, nouns, changes)
            yield Function(family, "string", sentence, rule, told, made, LINE)
    for place in (0, 1, 2, 3, -1, -2):
        nouns = fill(
            "the {o} word | the {o} word of the sentence | the {o} one of the words", o=grid.ORDINALS[place]
        )
        cores = fill("{verb} {n}", verb="find|give|write|output|print|return|pick out|copy", n=nouns)
        rule = lambda t, place=place: grid.at(t.split(), place)  # noqa: E731
        yield Function("other_word_bare", "string", sentence, rule, cores, nouns, LINE)
    yield from beside()


def beside() -> Iterator[Function]:
    """The longest word and something else."""

    def of(make: Callable[[str, str, str], str | None]) -> Rule:
        def rule(text: str) -> str | None:
            one, other = LONGEST(text.split()), SHORTEST(text.split())
            return make(one, other, text.split()[0]) if one and other else None

        return rule

    longest = ["the longest word", "the word with the most letters", "the lengthiest word"]
    for glue, name in {
        " ": "a space",
        ", ": "a comma",
        " / ": "a slash",
        " > ": "a greater-than sign",
    }.items():
        for make, said in (
            (
                lambda one, other, first, glue=glue: one + glue + other,
                "write {o} and then the shortest, with {n} between them "
                "| give {o} and the shortest one, separated by {n} | output {o}, {n}, and the shortest word",
            ),
            (
                lambda one, other, first, glue=glue: other + glue + one,
                "write the shortest word and then {o}, with {n} between them "
                "| give the shortest one and {o}, separated by {n}",
            ),
            (
                lambda one, other, first, glue=glue: one + glue + first if one != first else None,
                "write {o} and then the first word, with {n} between them "
                "| give {o} and the first one, separated by {n} | output {o}, {n}, and the first word",
            ),
        ):
            cores = fill(said, o=longest, n=[name])
            yield Function("longest", "string", sentence, of(make), cores, bare(cores), LINE)
    for glue, name in {" ": "a space", ": ": "a colon", " = ": "an equals sign", ", ": "a comma"}.items():
        cores = fill(
            "write {o} and its number of letters, with {n} between them | give {o}, {n} and its length "
            "| output {o} with its letter count after {n}",
            o=longest,
            n=[name],
        )
        rule = of(lambda one, other, first, glue=glue: f"{one}{glue}{len(one)}")
        yield Function("longest", "string", sentence, rule, cores, bare(cores), LINE)


# --- hyphens ---


def capitals(text: str) -> str:
    return " ".join(g.cap(word.lower()) for word in text.split())


# a separator, a rule, and names for both
STYLES: list[tuple[str, Rule, str]] = [
    ("_", str.lower, "snake case | snake_case"),
    (".", str.lower, "dot case | dot.case"),
    ("/", str.lower, "path case | a lowercase path with slashes"),
    ("-", capitals, "train case | Title-Case with hyphens | hyphens with every word capitalized"),
    ("-", str.upper, "capitals with hyphens | COBOL case | screaming kebab case"),
    ("_", str.upper, "constant case | capitals with underscores"),
    ("+", str.lower, "small letters with plus signs | lowercase with + for spaces"),
    (
        "-",
        lambda t: t if t != t.lower() else None,
        "hyphens for spaces, with the capitals kept | dashes between the words, letters unchanged",
    ),
    ("", str.lower, "flat case | small letters without spaces"),
    ("--", str.lower, "lowercase with double hyphens"),
    (" ", lambda t: t.lower() if t != t.lower() else None, "small letters | lowercase"),
]


def hyphens() -> Iterator[Function]:
    """Kebab case with something before or behind it, and its relatives alone."""
    nouns = v.phrases(
        "the words in kebab case | the phrase in kebab-case | the words in lowercase joined by hyphens | "
        "the text in small letters with dashes for the spaces | a kebab-case identifier of it | "
        "the words with hyphens between them, all lowercase"
    )
    cores = v.phrases(
        "write the words in kebab case | turn the phrase into kebab case | "
        "lowercase the words and join them with hyphens | make it lowercase with dashes between the words | "
        "replace the spaces by hyphens and use small letters"
    )
    changes = {kind: change for kind, change in AFTER.items() if kind not in ("as_is", "upper")}
    ends = {".html": "the ending .html", ".css": "the ending .css", ".txt": "the ending .txt"}
    ends |= {
        ".md": "the ending .md",
        "-v2": "-v2 at the end",
        "-id": "-id at the end",
        "/": "a slash at the end",
    }
    for end, said in ends.items():
        tails, wraps = [f" and add {said}", f" with {said}"], ["{} with " + said, "{} plus " + said]
        changes[f"end {end}"] = (lambda t, end=end: t + end, tails, wraps)
    starts = {mark: mark for mark in ("my-", "app-", "/blog/", "data-", "x-")}
    for start, said in (
        starts | {"--": "two dashes", "/": "a slash", ".": "a dot", "@": "an at sign"}
    ).items():
        tails = [f" and put {said} in front", f" with {said} before it"]
        wraps = ["{} with " + said + " in front", "{} after " + said]
        changes[f"start {start}"] = (lambda t, start=start: start + t, tails, wraps)
    for kind in changes:
        rule, told, made = grid.after(kind, lambda t: "-".join(t.lower().split()), cores, nouns, changes)
        yield Function("hyphens", "formatting", title, rule, told, made, TITLE)
    for glue, case, said in STYLES:

        def styled(text: str, glue=glue, case=case) -> str | None:
            changed = case(text)
            return glue.join(changed.split()) if changed else None

        names = v.phrases(said)
        told = fill(
            "write the words in {n} | turn the phrase into {n} | put the input into {n} | "
            "rewrite the words as {n} | convert it to {n}",
            n=names,
        )
        made = fill("the words in {n} | the phrase in {n} | a {n} version", n=names)
        yield Function("joined", "formatting", title, styled, told, made, TITLE)


MAKERS = (letters, words, hyphens, *nearby.MAKERS)


def sentences(suites: Sequence[Path]) -> list[str]:
    """Sentences of four to ten plain words in the training inputs of the suites' training tasks."""
    found = set()
    for path in sorted(path for suite in suites for path in suite.glob("*/task.yaml")):
        facts = grid.read_facts(path)
        if facts.get("split") != "train" or facts.get("benchmark"):
            continue
        for line in (path.parent / "train.jsonl").read_text(encoding="utf-8").splitlines():
            for text in re.split(r"(?<=[.!?])\s+", json.loads(line)["input"]):
                text = text.strip().rstrip(".!?")
                parts = text.split()
                if 4 <= len(parts) <= 10 and all(re.fullmatch(r"[A-Za-z']+", word) for word in parts):
                    found.add(text)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder that the tasks are written into")
    suite = Path(__file__).parents[1] / "suite"
    parser.add_argument(
        "--sentences",
        type=Path,
        nargs="+",
        default=[suite],
        help="suites whose training inputs are drawn from",
    )
    parser.add_argument(
        "--held-out",
        type=Path,
        nargs="*",
        default=[suite],
        help="suites whose held-out functions are left out",
    )
    parser.add_argument(
        "--train", type=int, default=TRAIN, help=f"training examples of each (default {TRAIN})"
    )
    parser.add_argument("--tokenizer", type=Path, metavar="TOKENIZER_JSON", help="draw its tokens' words too")
    args = parser.parse_args()
    if args.train < 2:
        parser.error(f"--train {args.train}: a function needs at least two examples to train on")
    SENTENCES[:] = sentences(args.sentences)
    if not SENTENCES:
        parser.error("--sentences: no training input holds a sentence of four to ten words")
    own = [word for word in b.ALL_WORDS if word.isalpha()]
    WORDS[:] = sorted({*own, *(grid.vocabulary(args.tokenizer) if args.tokenizer else ())})
    grid.PARTS |= PARTS | nearby.PARTS
    written, left_out = grid.build(
        args.out, 1000, args.held_out, args.train, MAKERS, "around", nearby.held_out()
    )
    for name, twin in left_out:
        print(f"left out: {name}, which does what {twin} does")
    print(f"{sum(written.values())} functions in {len(written)} families")


if __name__ == "__main__":
    main()
