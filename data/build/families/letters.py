"""Letters of a word: picked, dropped, counted, replaced, joined, moved."""

import re

import generators as g
import vocabulary as v

from families import base
from families.base import Family, Kind, Rng, Rule, Source, Words

CONSONANT = "[bcdfghjklmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXYZ]"


def words_of(least: int, most: int = 12) -> Source:
    return lambda rng: base.word(rng, least, most)


def with_letter(letter: str, source: Source) -> Source:
    """Texts that contain the letter; one in ten need not."""

    def draw(rng: Rng) -> str | None:
        anything = rng.random() < 0.1
        for _ in range(60):
            text = source(rng)
            if text and (anything or letter in text):
                return text
        return None

    return draw


# --- one letter, by its place ---

PLACES: dict[int, tuple[str, Words, Words]] = {
    2: ("third", ("third", "3rd"), ("number three", "number 3")),
    3: ("fourth", ("fourth", "4th"), ("number four", "number 4")),
    4: ("fifth", ("fifth", "5th"), ("number five", "number 5")),
    -1: ("last", ("last", "final"), ("at the very end", "in last place")),
    -2: (
        "second_to_last",
        ("second-to-last", "last but one"),
        ("just before the last", "second from the end"),
    ),
    -3: (
        "third_from_end",
        ("third-to-last", "third-from-last"),
        ("third from the end", "third counted from behind"),
    ),
}
LETTER_AT = Family(
    "letter_at",
    "string",
    """
Write the {nth} letter of the word.
Give the letter {place}.
Print only the {nth} letter.

In this task you are presented with a word, and your goal is to output its {nth} letter.
You are given one word; the goal of this task is to find the letter {place}.
Given a lower-case word, answer with the {nth} character of it.

I need a model that shows me the {nth} letter of whatever word I type.
I'm solving a crossword and only care about the letter {place}.
I want just the {nth} character of each entry in my word list.

Input: one word. Output: a single lower-case letter, the {nth}.
Input: a word such as those in a dictionary. Output: the letter {place}, nothing else.
Input: letters without spaces. Output: the {nth} one of them.

Which letter stands {place}?
The {nth} one, please.
Only the {nth} sign matters.

Return the {nth} character of the given term.
Extract the symbol {place} of the string.
Report the {nth} grapheme of the supplied vocabulary item.

A code hides its message in the {nth} letter of every word; decode this one.
If each letter sat in its own box, what would be in the {nth} box?
Point at the {nth} letter with your finger and say it.

Walk through the spelling until you reach the {nth} letter and write it down.
Ignore all letters but the one {place}.
Count along the word; the answer is its {nth} letter in small print.
""",
)
for index, (label, nth, place) in PLACES.items():
    LETTER_AT.add(
        f"letter_{label}",
        words_of(max(index + 1, -index, 3) + 1),
        lambda text, i=index: text[i],
        held_out=index == 3,
        nth=nth,
        place=place,
    )

CAPITAL_AT = Family(
    "capital_letter_at",
    "string",
    """
Write the {nth} letter of the word as a capital.
Give the {nth} letter in upper case.

In this task you are presented with a word, and your goal is to output its {nth} letter, capitalized.
You are given a word in small letters; the goal of this task is to write the one {place} in upper case.

I need the {nth} letter of every word, and it has to be big.
My label printer should show the {nth} letter of each name in block print.

Input: a lower-case word. Output: one upper-case letter, the {nth}.
Input: a word. Output: the letter {place}, turned into a capital.

The {nth} one, large.
What is {place}, if you shout it?

Return the {nth} character in majuscule form and nothing more.
Extract the symbol {place} and convert it to upper case.

Stencils are cut for the {nth} letter of each word, always as a capital; which stencil is needed here?
For the scoreboard, take the {nth} letter and make it upper case.

Skip to the {nth} letter, capitalize it, and drop everything else.
One capital letter is asked for: the word's {nth}.
""",
)
for index in (2, 3, 4, -2):
    label, nth, place = PLACES[index]
    CAPITAL_AT.add(
        f"capital_{label}_letter",
        words_of(max(index + 1, -index) + 1),
        lambda text, i=index: text[i].upper(),
        held_out=index == 2,
        nth=nth,
        place=place,
    )

# --- several letters, from one end ---

EDGE = Family(
    "letters_at_edge",
    "string",
    """
Write the {edge} {n} letters of the word.
Keep only the {edge} {n} letters.

In this task you are presented with a word, and your goal is to output its {edge} {n} letters.
You are given a word; the goal of this task is to cut it down to the {edge} {n} characters.

I need a short code for every word: the {edge} {n} letters.
I want the {edge} {n} letters of a word and none of the others.

Input: a word. Output: its {edge} {n} letters, without spaces.
Input: one lower-case word. Output: a piece of {n} letters from the {side}.

{Letters} from the {side} will do.
The {side} of it, {n} letters long.

Return the substring formed by the {edge} {n} characters.
Truncate the term so that only its {edge} {n} signs survive.

A library marks its shelves with the {edge} {n} letters of a keyword; write the mark.
Imagine covering the word with paper so that just the {edge} {n} letters can be read.

Take {n} letters from the {side} of the word and throw the rest away.
The answer has {n} letters: those at the {side} of the word.
""",
)
for n, text in ((2, "two"), (3, "three"), (4, "four")):
    for edge, side in (("first", "beginning"), ("last", "end")):
        EDGE.add(
            f"{edge}_{text}_letters",
            words_of(n + 2),
            (lambda word, n=n: word[:n]) if edge == "first" else (lambda word, n=n: word[-n:]),
            held_out=(edge, n) == ("last", 4),
            edge=(edge, "opening" if edge == "first" else "closing"),
            n=(text, str(n)),
            letters=f"{text} letters",
            side=side,
        )

CUT = Family(
    "cut_letters",
    "string",
    """
Remove {what} from the word.
Drop {what}.

In this task you are presented with a word, and your goal is to write it without {what}.
You are given a word; the goal of this task is to delete {what} and keep the rest.

I want to see what is left of a word when {what} {is_gone}.
I need words with {what} taken away.

Input: a word. Output: the same word minus {what}.
Input: one lower-case word. Output: what remains after removing {what}.

Shorten it: {what} must go.
Cut {what}.

Strip {what} off the given term.
Return the string with {what} deleted.

The printer swallowed {what} of every word; write what came out.
A mouse nibbled {what} away. What can still be read?

Copy the word, but leave out {what}.
All letters stay in order except {what}, which {is_gone}.
""",
)
for name, what, rule, held_out in (
    ("drop_first_letter", ("its first letter", "the letter it begins with"), lambda t: t[1:], False),
    ("drop_last_letter", ("its last letter", "the final letter"), lambda t: t[:-1], False),
    ("drop_first_two_letters", ("its first two letters", "the two opening letters"), lambda t: t[2:], False),
    ("drop_last_two_letters", ("its last two letters", "the two closing letters"), lambda t: t[:-2], True),
    (
        "drop_outer_letters",
        ("both its first and its last letter", "the two outermost letters"),
        lambda t: t[1:-1],
        False,
    ),
    ("drop_second_letter", ("its second letter", "letter number two"), lambda t: t[0] + t[2:], False),
):
    is_gone = "are gone" if "two" in name or "outer" in name else "is gone"
    CUT.add(name, words_of(4), rule, held_out=held_out, what=what, is_gone=is_gone)

# --- capitals inside a word ---

RAISE = Family(
    "raise_letters",
    "string",
    """
Capitalize {what}.
Write {what} in upper case.

In this task you are presented with a word, and your goal is to repeat it with {what} in upper case.
You are given a lower-case word; the goal of this task is to turn {what} into capitals where needed.

I want the whole word back, but with {what} capitalized.
I need a quirky spelling in which {what} {be} big and the others small.

Input: a lower-case word. Output: the word with {what} as capital letters.
Input: a word. Output: the same letters, {what} in upper case, the rest untouched.

Make {what} stand out.
Shout {what} only.

Convert {what} of the given term to majuscules.
Render the string with {what} raised to upper case.

A sign painter always paints {what} large and everything else small; write the sign.
On this keyboard shift gets stuck exactly for {what}; what appears on the screen?

Keep the spelling, change the case: {what} {be} capital, the other letters are not.
Copy the word and press shift for {what}.
""",
)


def at(index: int) -> Rule:
    """The word with a capital at the place."""
    return lambda t: "".join(c.upper() if i == index % len(t) else c for i, c in enumerate(t))


def upper_match(pattern: str) -> Rule:
    return lambda t: re.sub(pattern, lambda found: found[0].upper(), t)


for name, what, rule, held_out in (
    ("raise_first_letter", ("the first letter", "the initial letter"), at(0), False),
    ("raise_third_letter", ("the third letter", "letter number three"), at(2), False),
    ("raise_last_letter", ("the last letter", "the final letter"), at(-1), True),
    (
        "raise_outer_letters",
        ("the first and the last letter", "both outer letters"),
        lambda t: t[0].upper() + t[1:-1] + t[-1].upper(),
        False,
    ),
    ("raise_vowels", ("the vowels", "every vowel"), upper_match("[aeiou]"), False),
    (
        "raise_consonants",
        ("the consonants", "every letter but a, e, i, o, u"),
        upper_match("[^aeiou]"),
        False,
    ),
    (
        "raise_alternate_letters",
        ("every other letter, starting with the first", "the letters in odd places"),
        lambda t: "".join(c if i % 2 else c.upper() for i, c in enumerate(t)),
        False,
    ),
):
    be = "are" if "letters" in name or name.endswith("s") else "is"
    RAISE.add(name, words_of(4), rule, held_out=held_out, what=what, be=be)

# --- letters replaced, removed, counted ---

REPLACE = Family(
    "replace_letter",
    "string",
    """
Replace every {old} with {new}.
Change each {old} to {new}.
Swap in {new} for every {old}.

In this task you are presented with a text, and your goal is to replace each {old} in it with {new}.
You are given a short text; the goal of this task is to rewrite it so that {new} stands wherever {old} stood.
This task gives you some words. Copy them, but put {new} in place of every {old}.

I need {new} everywhere my text has {old}.
My old terminal cannot show {old}, so I want {new} there.
I want a spelling in which {old} is always written {new}.

Input: words. Output: the same with {new} instead of {old}.
Input: a text, perhaps with {old} in it. Output: the text after {old} became {new}.

No more {old}: {new}.
{New} looks better than {old}.
Get rid of {old} by way of {new}.

Substitute {new} for all occurrences of {old}.
Exchange each instance of {old} for {new} in the given string.

The typist hits {new} whenever {old} is due. Show what ends up on the page.
A child always writes {new} for {old}; how does the child write this?

Find all places with {old} and write {new} there; leave the rest as it is.
Search for {old}, replace by {new}, change nothing else.
""",
)


def swap(old: str, new: str) -> Rule:
    return lambda text: text.replace(old, new)


def LINES(rng):
    return base.some_words(rng, 1, 3) if rng.random() < 0.7 else g.thing(rng)


for name, old, new, held_out in (
    ("replace_e_with_3", "e", "3", False),
    ("replace_a_with_at", "a", "@", False),
    ("replace_o_with_zero", "o", "0", True),
    ("replace_s_with_dollar", "s", "$", False),
    ("replace_i_with_exclamation", "i", "!", False),
    ("replace_t_with_plus", "t", "+", False),
    ("replace_a_with_o", "a", "o", False),
    ("replace_l_with_r", "l", "r", False),
    ("replace_e_with_ee", "e", "ee", False),
):
    new_words = {"0": ("0", "the digit zero"), "3": ("3", "the digit three")}.get(new, (f"'{new}'", new))
    old_words = (f"the letter {old}", f"'{old}'")
    REPLACE.add(
        name, with_letter(old, LINES), swap(old, new), held_out=held_out, old=old_words, new=new_words
    )
REPLACE.add(
    "vowels_to_stars", LINES, lambda t: re.sub("[aeiou]", "*", t), old="vowel", new=("an asterisk", "*")
)
REPLACE.add("consonants_to_hashes", LINES, lambda t: re.sub(CONSONANT, "#", t), old="consonant", new="#")
REPLACE.add(
    "vowels_to_i", LINES, lambda t: re.sub("[aeou]", "i", t), held_out=False, old="vowel", new="the letter i"
)

REMOVE = Family(
    "remove_letter",
    "string",
    """
Delete {what}.
Remove {what} from the text.

In this task you are presented with a text, and your goal is to repeat it without {what}.
You are given a short text; the goal of this task is to leave out {what} while copying it.

I want my text with {what} taken out.
I need a cleaner that deletes {what} and touches nothing else.

Input: a text. Output: the same text with {what} deleted.
Input: words. Output: what is left when {what} {are} gone.

Away with {what}!
It should do without {what}.

Eliminate {what} from the given string.
Return the sequence of characters purged of {what}.

The typewriter is broken and skips {what}; what does the paper show?
Write it like someone who refuses to use {what}.

Copy everything except {what}.
Only {what} {are} struck out; all the other characters stay where they are.
""",
)


def without(pattern: str) -> Rule:
    def rule(text: str) -> str | None:
        result = re.sub(pattern, "", text)
        return result if len(result.split()) == len(text.split()) else None

    return rule


for letter, held_out in (("a", False), ("e", False), ("o", True), ("r", False), ("t", False), ("s", False)):
    REMOVE.add(
        f"remove_letter_{letter}",
        with_letter(letter, LINES),
        without(letter),
        held_out=held_out,
        what=(f"every letter {letter}", f"each '{letter}'"),
        are="is",
    )


def with_digits(rng: Rng) -> str:
    """A name for a file, a plan or a login with digits in it."""
    a, b = base.word(rng), base.word(rng)
    n = rng.choice([rng.randint(2, 99), rng.randint(100, 2030)])
    return rng.choice(
        [f"{a}{n}", f"{a} {n} {b}", f"{a}{rng.randint(0, 9)}{b}{n}", f"{n} {a} {b}", f"{a}-{n}"]
    )


def with_marks(rng: Rng) -> str:
    """Words with punctuation marks between and behind them."""
    text = base.plain(rng)
    words = text.split()
    for i in rng.sample(range(len(words) - 1), 1):
        words[i] += rng.choice([",", ",", ";", ":"])
    return " ".join(words) + rng.choice([".", "!", "?", "..."])


REMOVE.add(
    "remove_consonants",
    lambda rng: base.word(rng, 4),
    lambda t: re.sub(CONSONANT, "", t),
    what=("all consonants", "every letter that is not a, e, i, o or u"),
    are="are",
)
REMOVE.add(
    "remove_spaces",
    lambda rng: base.some_words(rng, 2, 4) if rng.random() < 0.5 else base.plain(rng),
    lambda t: t.replace(" ", ""),
    what=("all spaces", "the blanks between the words"),
    are="are",
)
REMOVE.add(
    "remove_digits",
    with_digits,
    lambda t: " ".join(re.sub("[0-9]", "", t).split()),
    held_out=False,
    what=("all digits", "the digits 0 to 9"),
    are="are",
)
REMOVE.add(
    "remove_punctuation",
    with_marks,
    lambda t: re.sub("[.,;:!?]", "", t),
    what=("all punctuation marks", "commas, periods and the like"),
    are="are",
)

COUNT = Family(
    "count_letter",
    "string",
    """
Count {what}.
How many {things} are there?

In this task you are presented with a text, and your goal is to output the number of {things} in it.
You are given a word or two; the goal of this task is to count {what}.

I need to know how many {things} my text has.
I want a counter for {what} and for nothing else.

Input: a text. Output: the number of {things} in digits.
Input: words. Output: a numeral saying how often {what} occur.

How often do {what} turn up?
Are there many {things}? Give the number.

Determine the frequency of {what} in the given string.
Compute the quantity of {things} in the expression.

In a board game you score one point for each of {what} in the text; write the score.
A stamp maker is paid for {what} only; for how many will the text be billed?

Go through the text, add one for each of {what}, and give the total.
Tally {what}; if there are none, answer 0.
""",
)


def frequency(pattern: str) -> Rule:
    return lambda text: str(len(re.findall(pattern, text)))


def SHORT(rng):
    return base.some_words(rng, 1, 3)


for letter, held_out in (("a", False), ("e", True), ("l", False), ("o", False), ("s", False), ("t", False)):
    COUNT.add(
        f"count_letter_{letter}",
        with_letter(letter, SHORT),
        frequency(letter),
        held_out=held_out,
        what=(f"the letters {letter}", f"the '{letter}' characters"),
        things=(f"letters {letter}", f"'{letter}' characters"),
    )
COUNT.add(
    "count_consonants",
    lambda rng: base.word(rng),
    frequency(CONSONANT),
    what=("the consonants", "the letters other than a, e, i, o, u"),
    things="consonants",
)
COUNT.add(
    "count_letters",
    lambda rng: base.some_words(rng, 1, 2),
    frequency("[a-z]"),
    what=("the letters, without spaces,", "the letters from a to z, each time they occur,"),
    things="letters",
)
COUNT.add(
    "count_capitals",
    lambda rng: " ".join(g.cap(w) if rng.random() < 0.5 else w for w in base.long_line(rng).lower().split()),
    frequency("[A-Z]"),
    what=("the capital letters", "the upper-case letters"),
    things=("capital letters", "upper-case letters"),
)
COUNT.add(
    "count_digits",
    with_digits,
    frequency("[0-9]"),
    held_out=False,
    what=("the digits", "the figures from 0 to 9"),
    things="digits",
)

# --- letters doubled, joined, moved ---

DOUBLE = Family(
    "double_letters",
    "string",
    """
Write {what} {times}.
Copy the word with {what} written {times}.

In this task you are presented with a word, and your goal is to write {what} {times} in a row.
You are given a word; the goal of this task is to repeat {what} so that it stands there {times}.

I want stretched words in which {what} appears {times}.
I need my word spelled with {what} {times}.

Input: a word. Output: the word, {what} written {times} in a row.
Input: lower-case letters. Output: the same spelling with {what} {times}.

Let {what} echo, {times} in all.
{What}, but {times}.

Reproduce the term, {what} occurring {times} consecutively.
Replicate {what} in place, {times} altogether.

A sticky key prints {what} {times}; what appears when someone types this word?
A stutterer in a comic says {what} {times}; write the speech bubble.

Leave the other letters alone; {what} must be typed {times}.
The spelling stays the same apart from {what}, which comes {times}.
""",
)
for name, what, times, rule, held_out in (
    (
        "double_every_letter",
        ("every letter", "each single letter"),
        "twice",
        lambda t: re.sub("(.)", r"\1\1", t),
        False,
    ),
    (
        "double_vowels",
        ("every vowel", "each of a, e, i, o, u"),
        "twice",
        lambda t: re.sub("([aeiou])", r"\1\1", t),
        False,
    ),
    (
        "double_consonants",
        ("every consonant", "each letter except a, e, i, o, u"),
        "twice",
        lambda t: re.sub("([^aeiou])", r"\1\1", t),
        True,
    ),
    ("double_first_letter", ("the first letter", "the initial"), "twice", lambda t: t[0] + t, False),
    ("double_last_letter", ("the last letter", "the final letter"), "twice", lambda t: t + t[-1], False),
    (
        "triple_last_letter",
        ("the last letter", "the closing letter"),
        "three times",
        lambda t: t + 2 * t[-1],
        False,
    ),
    (
        "triple_first_letter",
        ("the first letter", "the opening letter"),
        "three times",
        lambda t: 2 * t[0] + t,
        False,
    ),
):
    DOUBLE.add(name, words_of(3, 9), rule, held_out=held_out, what=what, times=times)

SPELL = Family(
    "spell_with_separator",
    "string",
    """
Put {mark} between the letters.
Spell the word with {mark} between every two letters.

In this task you are presented with a word, and your goal is to write its letters separated by {mark}.
You are given a word; the goal of this task is to insert {mark} between neighboring letters.

I want words spelled out letter by letter with {mark} in between.
I need every letter of my word set apart by {mark}.

Input: a word. Output: its letters divided by {mark}, without spaces.
Input: one lower-case word. Output: letter, {mark}, letter and so on to the last letter.

Take it apart with {mark}.
A little {mark} after each letter but the last.

Delimit the characters of the term by {mark}.
Interleave the letters with {mark}.

To show how a name is spelled, a clerk types {mark} after every letter except the final one; type it.
Cut the word into single letters and glue them with {mark}.

Letters stay in order; the gaps between them are filled with {mark}.
First letter, {mark}, second letter, {mark}, and so on: write the whole word that way.
""",
)
for name, mark, words, held_out in (
    ("spell_with_hyphens", "-", ("a hyphen", "a dash (-)"), False),
    ("spell_with_dots", ".", ("a dot", "a period"), True),
    ("spell_with_commas", ",", ("a comma", "a comma (,)"), False),
    ("spell_with_slashes", "/", ("a slash", "a forward slash (/)"), False),
    ("spell_with_plus", "+", ("a plus sign", "+"), False),
    ("spell_with_stars", "*", ("an asterisk", "a star (*)"), False),
):
    SPELL.add(name, words_of(3, 8), lambda t, m=mark: m.join(t), held_out=held_out, mark=words)

AFFIX = Family(
    "add_affix",
    "string",
    """
Put {affix} {where} the word.
Attach {affix} {where} it.

In this task you are presented with a word, and your goal is to add {affix} directly {where} it.
You are given a word; the goal of this task is to write it with {affix} {where} it, without a space.

I want {affix} stuck on {where} every word I enter.
I need new names: my word with {affix} {where} it.

Input: a word X. Output: {pattern}.
Input: a word. Output: that word with {affix} attached {where} it; X gives {pattern}.

X becomes {pattern}.
Add the usual {affix} {where} it.

Concatenate {affix} and the term so that {affix} comes {where} the term.
Extend the string by {affix}, placed {where} it.

In our club every nickname is made like this: take the word and put {affix} {where} it.
A naming rule asks for {affix} {where} each entry. Apply it.

Leave the word as it is and write {affix} immediately {where} it.
Turn X into {pattern}, whatever X is.
""",
)
for name, before, after, held_out in (
    ("prefix_super", "super", "", False),
    ("prefix_mini", "mini-", "", False),
    ("prefix_re", "re", "", False),
    ("prefix_my", "my_", "", False),
    ("prefix_at", "@", "", False),
    ("prefix_hash", "#", "", False),
    ("prefix_dollar", "$", "", False),
    ("suffix_like", "", "-like", False),
    ("suffix_ish", "", "ish", False),
    ("suffix_ville", "", "ville", False),
    ("suffix_id", "", "_id", False),
    ("suffix_txt", "", ".txt", True),
    ("suffix_jpg", "", ".jpg", False),
    ("suffix_call", "", "()", False),
):
    AFFIX.add(
        name,
        words_of(3),
        lambda t, b=before, a=after: b + t + a,
        held_out=held_out,
        affix=(f"'{before or after}'", before or after),
        where=("before", "in front of") if before else ("after", "behind"),
        pattern=f"{before}X{after}",
    )

ORDER = Kind("letter_order", "string")
ORDER.add(
    "reverse_letters",
    words_of(3, 6),
    lambda t: t[::-1] if t != t[::-1] else None,
    text="""
Spell the word backwards.
In this task you are presented with a short word, and your goal is to write its letters in reverse order.
I want to see my words as they look in a mirror, last letter first.
Input: a word. Output: the same letters from the last to the first.
Read it from right to left.
Invert the character sequence of the term.
A secret club writes every word back to front; write this one as they would.
Start with the final letter and end with the initial one.
""",
)
ORDER.add(
    "reverse_each_word",
    lambda rng: base.some_words(rng, 2, 3) if rng.random() < 0.6 else g.thing(rng),
    lambda t: " ".join(w[::-1] for w in t.split()),
    text="""
Reverse the letters of each word but keep the words in order.
You are given a few words; the goal of this task is to spell every one of them backwards without changing
    their order.
I want a phrase in which each word is mirrored and stays in its place.
Input: several words. Output: the words in the same order, each spelled from its last letter to its first.
Every word turns around on the spot.
Apply character reversal separately to all the terms of the phrase.
The words sit in their seats, but each has swapped its head with its tail; write the row.
Word by word, write the letters back to front.
""",
)
ORDER.add(
    "swap_outer_letters",
    words_of(4, 9),
    lambda t: t[-1] + t[1:-1] + t[0] if t[0] != t[-1] else None,
    text="""
Swap the first and the last letter of the word.
In this task you are presented with a word, and your goal is to exchange its first letter with its last one.
I want words in which the two outer letters have traded places.
Input: a word. Output: last letter, unchanged middle, first letter.
Head and tail change seats.
Interchange the initial and the final character of the term.
Two letters at the ends of a row of children swap places; how does the row read now?
Everything between the first and last letter stays; these two are exchanged.
""",
)
ORDER.add(
    "swap_first_two_letters",
    words_of(3, 9),
    lambda t: t[1] + t[0] + t[2:] if t[0] != t[1] else None,
    text="""
Swap the first two letters.
In this task you are presented with a word, and your goal is to write it with its first and second letter
    exchanged.
I need typical typos: the two opening letters typed in the wrong order.
Input: a word. Output: second letter, first letter, then the rest as before.
The start got mixed up: letters one and two.
Transpose the initial pair of characters of the term.
A hasty typist always hits letter two before letter one; show the result.
Begin with the second letter, continue with the first, and go on normally from the third.
""",
)
ORDER.add(
    "first_letter_to_end",
    words_of(3, 9),
    lambda t: t[1:] + t[0],
    text="""
Move the first letter to the end.
In this task you are presented with a word, and your goal is to take its first letter away and put it behind
    the last one.
I want each word rotated so that its initial becomes its ending.
Input: a word. Output: the word from its second letter on, followed by its first letter.
The leader goes to the back of the line.
Perform a left rotation of the characters by one place.
The letters walk in a row and the foremost runs to the rear; write the new row.
Start reading at letter two and finish with letter one.
""",
)
ORDER.add(
    "last_letter_to_front",
    words_of(3, 9),
    lambda t: t[-1] + t[:-1],
    text="""
Move the last letter to the front.
You are given a word; the goal of this task is to put its final letter before all the others.
I want words in which the ending letter has jumped to the start.
Input: a word. Output: its last letter followed by the remaining letters in order.
The one at the back comes forward.
Perform a right rotation of the characters by one place.
The last child in the queue is called to the head of it; write the queue.
Take the closing letter off and place it before the opening one.
""",
)
ORDER.add(
    "pig_latin",
    words_of(3, 8),
    lambda t: t[1:] + t[0] + "ay",
    text="""
Move the first letter to the end and add ay.
In this task you are presented with a word, and your goal is to say it in a simple pig Latin: first letter
    to the end, then 'ay'.
I want to talk in the children's language where river is iverray.
Input: a word. Output: the word without its first letter, then that letter, then ay.
Speak like kids who do not want to be understood: ...ay!
Transfer the initial character to the final position and append the syllable 'ay'.
Our playground code moves the opening letter to the back and ends every word in ay; encode this one.
Cut off letter one, glue it behind the word, glue ay behind that.
""",
)
ORDER.add(
    "sort_letters",
    words_of(3, 6),
    lambda t: "".join(sorted(t)) if list(t) != sorted(t) else None,
    text="""
Put the letters of the word in alphabetical order.
In this task you are presented with a word, and your goal is to sort its letters from a to z.
I need the sorted letters of a word so that I can find anagrams.
Input: a word. Output: all of its letters in alphabetical order, without spaces.
Tidy up the letters from a to z.
Arrange the characters of the term in ascending order.
The letters line up by their place in the alphabet; write down the line.
Nothing is added or lost, but the letter nearest to a comes first and the one nearest to z last.
""",
)
ORDER.add(
    "distinct_letters",
    words_of(4, 9),
    lambda t: "".join(dict.fromkeys(t)) if len(set(t)) < len(t) else None,
    text="""
Write each letter of the word only once.
You are given a word; the goal of this task is to drop every letter that has occurred before.
I want words without repeated letters: keep the first time a letter shows up, delete the later ones.
Input: a word. Output: its different letters in the order in which they first appear.
No letter may come twice.
Deduplicate the characters of the term while preserving their order.
A stamp set has just one stamp of each letter, and none can be used again; what gets printed?
Go letter by letter and skip those already written.
""",
)
ORDER.add(
    "mirror_word",
    words_of(3, 5),
    lambda t: t + t[::-1],
    held_out=True,
    text="""
Write the word and then its reverse, without a space.
In this task you are presented with a short word, and your goal is to turn it into a palindrome by adding
    its reversal.
I want long palindromes made of a word and its mirror image.
Input: a word. Output: the word directly followed by its letters in reverse.
There and back again.
Concatenate the term with its own inversion.
The word stands at the edge of a lake; write it together with its reflection on the right.
Spell it forwards, then, without a gap, backwards.
""",
)
ORDER.add(
    "drop_every_second_letter",
    words_of(5, 10),
    lambda t: t[::2],
    text="""
Keep the first, third, fifth letter and so on.
In this task you are presented with a word, and your goal is to delete every second letter of it.
I want a quick way to shorten words: every other letter is thrown out, beginning with letter two.
Input: a word. Output: the letters in odd places, without gaps.
Keep one, skip one, keep one.
Retain the characters at odd positions only.
Step on every second stone, starting on the first; which letters do you step on?
Letters two, four, six and eight fall away.
""",
)
ORDER.add(
    "middle_letter",
    lambda rng: base.word(rng, 3, 9),
    lambda t: t[len(t) // 2] if len(t) % 2 else None,
    text="""
Write the letter in the middle of the word.
In this task you are presented with a word of odd length, and your goal is to find its central letter.
I need the letter that has as many letters before it as after it.
Input: a word with an odd number of letters. Output: the one in the center.
What is at its heart?
Return the median character of the string.
If the word were a seesaw, on which letter would it balance?
Strike out letters from both ends at the same time until one is left.
""",
)
ORDER.add(
    "dashed_gap",
    words_of(4, 9),
    lambda t: t[0] + "_" * (len(t) - 2) + t[-1],
    text="""
Replace all letters but the first and the last with underscores.
In this task you are presented with a word, and your goal is to hide its inner letters, one underscore for
    each.
I'm making a guessing game that shows only how a word begins and ends.
Input: a word. Output: first letter, one _ per hidden letter, last letter.
Leave the two ends, blank out the rest.
Mask the interior characters of the term by underscores.
Hangman begins: the outer letters are given, and each of the others is a little line.
The number of signs stays the same, but between the ends there are just underscores.
""",
)

ALPHABET = Kind("alphabet", "string")


def shift(by: int) -> Rule:
    return lambda text: re.sub("[a-z]", lambda c: chr((ord(c[0]) - 97 + by) % 26 + 97), text)


ALPHABET.add(
    "shift_letters_1",
    words_of(2, 5),
    shift(1),
    text="""
Replace each letter with the next one in the alphabet.
In this task you are presented with a word, and your goal is to move all its letters one step forward in the
    alphabet.
I want to encode short words: a becomes b, b becomes c, and z becomes a.
Input: a word. Output: a word of the same length in which every letter is the successor of the original
    letter.
One further for everyone.
Apply a Caesar cipher with a shift of plus one.
Spies write the letter that follows instead of the right one. Write this word as a spy.
Letter by letter, go one forward in the ABC.
""",
)
ALPHABET.add(
    "shift_letters_back_1",
    words_of(2, 5),
    shift(-1),
    held_out=True,
    text="""
Replace each letter with the one before it in the alphabet.
In this task you are presented with a word, and your goal is to move all its letters one step back in the
    alphabet.
I want a cipher in which b becomes a, c becomes b, and a becomes z.
Input: a word. Output: the predecessors of all its letters, in order.
Everyone takes one step back.
Apply a Caesar cipher with a shift of minus one.
The code machine is set to -1; what does it print for this word?
Instead of every letter put down its left neighbor in the ABC.
""",
)
ALPHABET.add(
    "shift_letters_2",
    words_of(2, 4),
    shift(2),
    text="""
Move every letter two places forward in the alphabet.
In this task you are presented with a short word, and your goal is to replace each letter by the one two
    steps later.
I want a Caesar code with key 2: a turns into c, y into a.
Input: a word. Output: the word with all letters shifted by two.
Two further for each of them.
Encipher the term by advancing its letters twice.
The alphabet wheel was turned by two notches; what is written for this word?
Skip one letter of the ABC for each letter and take the next.
""",
)
ALPHABET.add(
    "letter_positions",
    words_of(2, 5),
    lambda t: " ".join(str(ord(c) - 96) for c in t),
    text="""
Write each letter as its number in the alphabet.
In this task you are presented with a short word, and your goal is to give the position of each of its
    letters in the alphabet.
I want words turned into numbers: a is 1, b is 2, and z is 26.
Input: a word. Output: one number for each letter, separated by spaces.
Letters into numbers, a = 1.
Encode the characters by their ordinal in the Latin alphabet.
The safe takes numbers only: what do you dial for this word if a counts 1 and z counts 26?
For every letter tell the how-manyeth of the ABC it is.
""",
)
ALPHABET.add(
    "positions_to_letters",
    lambda rng: " ".join(str(ord(c) - 96) for c in base.word(rng, 2, 5)),
    lambda t: "".join(chr(int(n) + 96) for n in t.split()),
    text="""
Turn the numbers into letters (1 is a, 26 is z).
In this task you are presented with numbers from 1 to 26, and your goal is to write the word they spell.
I get notes in which every letter is replaced by its place in the alphabet, and I need them decoded.
Input: numbers separated by spaces. Output: the word whose letters have these positions in the alphabet.
Which word hides in the figures?
Decode the ordinals into a lower-case term.
The safe shows 3 1 20 for cat; read what it shows now.
For every number write the letter of the ABC in that place, without gaps.
""",
)
ALPHABET.add(
    "initial_position",
    words_of(3),
    lambda t: str(ord(t[0]) - 96),
    text="""
Give the position in the alphabet of the word's first letter.
In this task you are presented with a word, and your goal is to look at its initial and say which place it
    has in the alphabet, as a number.
I sort folders by number: everything beginning with a goes to 1, with b to 2, up to 26.
Input: a word. Output: a number from 1 to 26, the place of its first letter in the alphabet.
With which letter of the ABC does it start? The number, please.
Return the ordinal of the initial character.
A hotel has 26 rooms, room 1 for words in a, room 26 for words in z; where does this word sleep?
Only the opening letter counts: turn it into its number.
""",
)
ALPHABET.add(
    "latest_letter",
    words_of(4, 9),
    lambda t: max(t),
    text="""
Write the letter of the word that comes last in the alphabet.
In this task you are presented with a word, and your goal is to find the one of its letters that is nearest
    to z.
I need to know how far a word reaches in the alphabet, as a letter.
Input: a word. Output: its letter with the highest place in the alphabet.
The most z-like of its letters.
Return the maximal character of the string.
The letters are ranked a to z; which of those in the word ranks last?
Compare all the letters and keep the latest one.
""",
)
ALPHABET.add(
    "earliest_letter",
    words_of(4, 9),
    lambda t: min(t),
    text="""
Write the letter of the word that comes first in the alphabet.
You are given a word; the goal of this task is to find the one of its letters that is nearest to a.
I want the smallest letter of every word, a being the smallest of all.
Input: a word. Output: its letter with the lowest place in the alphabet.
Which of its letters is closest to a?
Return the minimal character of the string.
Letters leave the room in alphabetical order; which letter of this word goes first?
Look through the word for an a; if there is none, for a b, and so on; write what you find first.
""",
)
ALPHABET.add(
    "tail_letters_of_words",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: "".join(w[-1] for w in t.split()),
    text="""
Write the last letters of the words as one word.
In this task you are presented with several words, and your goal is to join the final letter of each of them.
I need the string that the word endings make when read one after the other.
Input: words separated by spaces. Output: their last letters in order, without spaces.
Only the endings count.
Concatenate the terminal characters of all terms.
A message is hidden at the end of each word; put it together.
One letter for every word: the one it closes with.
""",
)
ALPHABET.add(
    "initials_of_words",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: " ".join(w[0] for w in t.split()),
    text="""
Write the first letter of each word, separated by spaces.
In this task you are presented with several words, and your goal is to list their initial letters with
    blanks between them.
I want to learn texts by heart from the first letters only.
Input: words. Output: the small first letters in order, one blank between two.
Just how each one starts.
Reduce every term to its opening character, keeping them apart by spaces.
On the prompter an actor sees a single letter for each word, the one it begins with; write the prompt.
Keep one letter at the start of every word and drop all the others, but not the spaces.
""",
)
CITY_CODES = Kind("place_codes", "string")
CITY_CODES.add(
    "city_code",
    lambda rng: rng.choice([*v.CITIES, *v.LAST_NAMES]),
    lambda t: t[:3].upper(),
    text="""
Make a code from the first three letters, in capitals.
In this task you are presented with the name of a city or a family, and your goal is to write its first
    three letters in upper case.
I need luggage tags: three capital letters that begin the name.
Input: a name. Output: its first three letters, all capitals.
Abbreviate it the way airports might.
Return the upper-cased prefix of length three.
A scoreboard has room for three capitals per team; show the team from this place.
Cut the name after the third letter and write what is left in block letters.
""",
)
CITY_CODES.add(
    "city_ends_code",
    lambda rng: rng.choice([*v.CITIES, *v.LAST_NAMES]),
    lambda t: (t[0] + t[-1]).upper(),
    text="""
Write the first and last letter of the name in capitals.
In this task you are presented with a name, and your goal is to make a two-letter code of its first and its
    last letter.
I need short codes for places and families: initial plus final letter, in upper case.
Input: a name. Output: two capital letters, the outer ones of the name.
Two letters, one from each end.
Return the upper-cased initial and terminal characters joined.
License plates of this country show how a town's name starts and ends; write the two letters.
Remove everything between the outermost letters and capitalize both.
""",
)
