"""Two steps in one: a function of this suite after another."""

import re

import generators as g
import vocabulary as v

from families import base
from families.base import Family, Rule, Source
from families.formats import SMALL, number_words
from families.knowledge import PLURAL

TWO = Family(
    "two_steps",
    "composition",
    """
{First}, then {second}.
{First} and {second}.

In this task you are presented with {given}, and your goal is to {first} and then {second}.
You are given {given}; the goal of this task is to {first} first and to {second} after that.

I want two things done at once: {first}, then {second}.
I need a tool that takes {given}, can {first}, and will {second} right away.

Input: {given}. Output: the result of two steps: {first}; {second}.
Input: {given}, e.g. {before}. Output: {after} in that case; {first}, {second}.

Two steps: {first}, {second}.
{before} would end up as {after}. And this?

Compose two operations: {first}, and subsequently {second}.
Apply in succession: (1) {first}, (2) {second}.

On a conveyor belt the first robot has to {first} and the second to {second}; what leaves the belt?
For {before} the answer was {after}, because one must {first} and {second}. Continue with this input.

Only the final result counts: {first}, {second}, and write what you get.
Do not show the step in between. {First}; afterwards {second}.
""",
)


def ROW(rng):
    return base.some_words(rng, 3, 5)


def NUMBERS(rng):
    return ", ".join(str(rng.randint(1, 30)) for _ in range(rng.randint(2, 4)))


WORDS = "several words"
MASS = """
timber cement copper silver cotton velvet leather butter honey sugar cereal garlic cheese thunder
""".split()
NOUNS = sorted({*v.NOUNS[:120], *PLURAL} - set(MASS))


def plural(word: str) -> str:
    if word in PLURAL:
        return PLURAL[word]
    if re.search("(s|x|ch|sh)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search("[^aeiou]y$", word) else word + "s"


def words(change) -> Rule:
    return lambda text: change(text.split())


def numbers(change) -> Rule:
    def rule(text: str) -> str | None:
        found = base.integers(text)
        return str(change(found)) if found else None

    return rule


def number_line(rng: base.Rng) -> str:
    pattern = rng.choice([p for p in v.NUMBER_SENTENCES if "{m}" not in p])
    return g.cap(
        pattern.format(
            x=rng.randint(2, 300),
            n=rng.choice(v.FIRST_NAMES),
            c=rng.choice(v.CITIES),
            w=rng.choice(v.OBJECTS),
            a=rng.choice(v.OBJECT_ADJECTIVES),
        )
    )


NUMBER_LINE: Source = number_line
LINE = "a sentence with a number"


def repetitive(rng: base.Rng) -> str:
    words = base.some_words(rng, 2, 4).split()
    return " ".join([*words, rng.choice(words), rng.choice(words)])


STEPS: tuple[tuple[str, Source, Rule, str, str, str, str, bool], ...] = (
    (
        "first_word_capitals",
        base.long_line,
        words(lambda w: w[0].upper()),
        "a line",
        "take the first word",
        "write it in capitals",
        "red wine from Porto",
        False,
    ),
    (
        "last_word_capitals",
        base.long_line,
        words(lambda w: w[-1].upper()),
        "a line",
        "take the last word",
        "write it in capitals",
        "red wine from Porto",
        True,
    ),
    (
        "last_word_reversed",
        ROW,
        words(lambda w: w[-1][::-1]),
        WORDS,
        "take the last word",
        "reverse its letters",
        "red wine glass",
        False,
    ),
    (
        "first_word_reversed",
        ROW,
        words(lambda w: w[0][::-1]),
        WORDS,
        "take the first word",
        "reverse its letters",
        "red wine glass",
        False,
    ),
    (
        "second_word_doubled",
        ROW,
        words(lambda w: f"{w[1]} {w[1]}"),
        WORDS,
        "take the second word",
        "write it twice",
        "red wine glass",
        False,
    ),
    (
        "sorted_with_pipes",
        ROW,
        words(lambda w: " | ".join(sorted(w))),
        WORDS,
        "sort the words alphabetically",
        "join them with ' | '",
        "red wine glass",
        False,
    ),
    (
        "sorted_with_commas",
        ROW,
        words(lambda w: ", ".join(sorted(w))),
        WORDS,
        "sort the words alphabetically",
        "join them with commas",
        "red wine glass",
        False,
    ),
    (
        "sorted_capitals",
        ROW,
        words(lambda w: " ".join(sorted(w)).upper()),
        WORDS,
        "sort the words alphabetically",
        "write them in capitals",
        "red wine glass",
        False,
    ),
    (
        "sorted_backwards_capitals",
        ROW,
        words(lambda w: " ".join(sorted(w, reverse=True)).upper()),
        WORDS,
        "sort the words from Z to A",
        "write them in capitals",
        "red wine glass",
        False,
    ),
    (
        "reversed_order_capitals",
        ROW,
        words(lambda w: " ".join(w[::-1]).upper()),
        WORDS,
        "reverse the order of the words",
        "write them in capitals",
        "red wine glass",
        False,
    ),
    (
        "reversed_order_commas",
        ROW,
        words(lambda w: ", ".join(w[::-1])),
        WORDS,
        "reverse the order of the words",
        "put commas between them",
        "red wine glass",
        False,
    ),
    (
        "reversed_capitals",
        lambda rng: base.word(rng, 3, 6),
        lambda t: t[::-1].upper(),
        "a word",
        "reverse its letters",
        "write them in capitals",
        "wine",
        False,
    ),
    (
        "no_vowels_capitals",
        lambda rng: base.word(rng, 4),
        lambda t: re.sub("[aeiou]", "", t).upper(),
        "a word",
        "remove the vowels",
        "write the rest in capitals",
        "wine",
        False,
    ),
    (
        "no_vowels_reversed",
        lambda rng: base.word(rng, 4, 8),
        lambda t: re.sub("[aeiou]", "", t)[::-1],
        "a word",
        "remove the vowels",
        "reverse the rest",
        "window",
        False,
    ),
    (
        "initials_with_dots",
        ROW,
        words(lambda w: "".join(f"{x[0].upper()}." for x in w)),
        WORDS,
        "take the first letter of each word as a capital",
        "put a dot after each letter",
        "red wine glass",
        False,
    ),
    (
        "initials_reversed",
        ROW,
        words(lambda w: "".join(x[0] for x in w)[::-1]),
        WORDS,
        "take the first letter of each word",
        "write the letters in reverse order without spaces",
        "red wine glass",
        True,
    ),
    (
        "last_letters_capitals",
        ROW,
        words(lambda w: "".join(x[-1] for x in w).upper()),
        WORDS,
        "take the last letter of each word",
        "write the letters as one word in capitals",
        "red wine glass",
        False,
    ),
    (
        "plural_capitals",
        lambda rng: rng.choice(NOUNS),
        lambda t: plural(t).upper() if t in NOUNS else None,
        "a noun",
        "form its plural",
        "write it in capitals",
        "box",
        False,
    ),
    (
        "plural_with_three",
        lambda rng: rng.choice(NOUNS),
        lambda t: f"three {plural(t)}" if t in NOUNS else None,
        "a noun",
        "form its plural",
        "put the word three before it",
        "box",
        False,
    ),
    (
        "first_two_letters_capitals",
        lambda rng: base.word(rng, 4),
        lambda t: t[:2].upper(),
        "a word",
        "take the first two letters",
        "write them in capitals",
        "wine",
        False,
    ),
    (
        "drop_first_word_capitals",
        base.long_line,
        words(lambda w: " ".join(w[1:]).upper()),
        "a line",
        "drop the first word",
        "write the rest in capitals",
        "red wine from Porto",
        False,
    ),
    (
        "function_call",
        g.identifier,
        lambda t: (lambda w: w[0] + "".join(map(g.cap, w[1:])) + "()")(t.lower().split()),
        "a phrase",
        "convert it to camelCase",
        "add a pair of parentheses",
        "user name list",
        False,
    ),
    (
        "private_name",
        g.identifier,
        lambda t: "_" + t.lower().replace(" ", "_"),
        "a phrase",
        "convert it to snake_case",
        "put an underscore in front",
        "user name list",
        False,
    ),
    (
        "python_file",
        g.identifier,
        lambda t: t.lower().replace(" ", "_") + ".py",
        "a phrase",
        "convert it to snake_case",
        "add .py",
        "user name list",
        True,
    ),
    (
        "class_definition",
        g.identifier,
        lambda t: "class " + "".join(map(g.cap, t.lower().split())) + ":",
        "a phrase",
        "convert it to PascalCase",
        "put 'class ' before and a colon behind it",
        "user name list",
        False,
    ),
    (
        "hashtag_of_phrase",
        g.identifier,
        lambda t: "#" + "".join(map(g.cap, t.lower().split())),
        "a phrase",
        "join the words, each with a capital initial",
        "put a hash sign in front",
        "user name list",
        False,
    ),
    (
        "number_doubled",
        NUMBER_LINE,
        numbers(lambda x: 2 * x[0] if len(x) == 1 else ""),
        LINE,
        "find the number",
        "double it",
        "Bus 7 goes to Rome.",
        False,
    ),
    (
        "number_plus_ten",
        NUMBER_LINE,
        numbers(lambda x: x[0] + 10 if len(x) == 1 else ""),
        LINE,
        "find the number",
        "add ten",
        "Bus 7 goes to Rome.",
        False,
    ),
    (
        "number_in_words_found",
        NUMBER_LINE,
        numbers(lambda x: number_words(x[0]) if len(x) == 1 and x[0] < 1000 else ""),
        LINE,
        "find the number",
        "write it in words",
        "Bus 7 goes to Rome.",
        False,
    ),
    (
        "sum_doubled",
        NUMBERS,
        numbers(lambda x: 2 * sum(x)),
        "a list of numbers",
        "add the numbers up",
        "double the sum",
        "3, 4, 5",
        False,
    ),
    (
        "sum_plus_one",
        NUMBERS,
        numbers(lambda x: sum(x) + 1),
        "a list of numbers",
        "add the numbers up",
        "add one more",
        "3, 4, 5",
        True,
    ),
    (
        "sum_in_words",
        NUMBERS,
        numbers(lambda x: number_words(sum(x)) if sum(x) < 1000 else ""),
        "a list of numbers",
        "add the numbers up",
        "write the sum in words",
        "3, 4, 5",
        False,
    ),
    (
        "largest_doubled",
        NUMBERS,
        numbers(lambda x: 2 * max(x)),
        "a list of numbers",
        "find the largest number",
        "double it",
        "3, 4, 5",
        False,
    ),
    (
        "largest_plus_ten",
        NUMBERS,
        numbers(lambda x: max(x) + 10),
        "a list of numbers",
        "find the largest number",
        "add ten",
        "3, 4, 5",
        False,
    ),
    (
        "count_words_in_words",
        base.long_line,
        words(lambda w: SMALL[len(w)] if len(w) < 20 else None),
        "a line",
        "count the words",
        "write the count in words",
        "red wine from Porto",
        False,
    ),
    (
        "count_words_times_ten",
        base.long_line,
        words(lambda w: str(10 * len(w))),
        "a line",
        "count the words",
        "multiply the count by ten",
        "red wine from Porto",
        False,
    ),
    (
        "dedupe_sorted",
        repetitive,
        words(lambda w: " ".join(sorted(set(w)))),
        "words with repetitions",
        "remove the repetitions",
        "sort the words alphabetically",
        "tea rice tea",
        False,
    ),
    (
        "list_sorted_bullets",
        lambda rng: ", ".join(base.entries(rng, 3, 4)),
        lambda t: "\n".join(f"- {e}" for e in sorted(t.split(", "), key=str.casefold)),
        "a comma-separated list",
        "sort the items alphabetically",
        "write them as bullets with dashes, one a line",
        "tea, rice",
        False,
    ),
    (
        "list_sorted_with_and",
        lambda rng: ", ".join(base.entries(rng, 3, 4)),
        lambda t: (lambda e: ", ".join(e[:-1]) + " and " + e[-1] if len(e) > 1 else None)(
            sorted(t.split(", "), key=str.casefold)
        ),
        "a comma-separated list",
        "sort the items alphabetically",
        "write them with commas and 'and' before the last",
        "tea, soap, rice",
        True,
    ),
    (
        "name_initials_lower",
        base.full_name,
        lambda t: "".join(w[0] for w in t.split()).lower() if len(t.split()) == 2 else None,
        "a full name",
        "take the initials",
        "write them in small letters",
        "Anna Keller",
        False,
    ),
    (
        "surname_capitals_reversed",
        base.full_name,
        lambda t: t.split()[-1][::-1].lower() if len(t.split()) == 2 else None,
        "a full name",
        "take the surname",
        "spell it backwards in small letters",
        "Anna Berg",
        False,
    ),
    (
        "word_and_length",
        lambda rng: base.word(rng),
        lambda t: f"{t} ({len(t)})",
        "a word",
        "copy it",
        "add the number of its letters in parentheses",
        "wine",
        False,
    ),
    (
        "word_length_doubled",
        lambda rng: base.word(rng),
        lambda t: str(2 * len(t)) if t.isalpha() else None,
        "a word",
        "count its letters",
        "double the count",
        "wine",
        False,
    ),
    (
        "bold_capitals",
        base.short_text,
        lambda t: f"<b>{t.upper()}</b>",
        "a text",
        "write it in capitals",
        "put it between <b> and </b>",
        "red wine",
        False,
    ),
    (
        "quoted_question",
        lambda rng: base.plain(rng),
        lambda t: f'"{t}?"',
        "a sentence without a mark",
        "add a question mark",
        "put all of it in double quotes",
        "Anna sings",
        False,
    ),
    (
        "shift_and_capitals",
        lambda rng: base.word(rng, 2, 4),
        lambda t: "".join(chr((ord(c) - 96) % 26 + 65) for c in t),
        "a short word",
        "replace each letter by the next one in the alphabet",
        "write the result in capitals",
        "wine",
        False,
    ),
)
for name, source, rule, given, first, second, before, held_out in STEPS:
    TWO.add(
        name,
        source,
        rule,
        held_out=held_out,
        given=given,
        first=first,
        second=second,
        before=before,
        after=str(rule(before)).replace("\n", " (new line) "),
    )
