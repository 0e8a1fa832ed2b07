"""Words of a line: picked, dropped, filtered, counted, sorted, joined, written in another case."""

import re
from collections.abc import Callable

import generators as g

from families import base
from families.base import Family, Kind, Rng, Rule, Source, Words, long_line

WORD_AT = Family(
    "word_at",
    "string",
    """
Write the {nth} word of the sentence.
Copy only the {nth} word.

In this task you are presented with a line of text, and your goal is to output its {nth} word.
You are given several words; the goal of this task is to repeat the {nth} of them.

I need the {nth} word of each line in my file, in its original spelling.
I want a model that reads a sentence and gives me back its {nth} word.

Input: words separated by spaces. Output: the {nth} one, unchanged.
Input: a sentence or a row of words. Output: one word, namely the {nth}.

Just the {nth} one.
Which word stands in {nth} place?

Return the {nth} token of the given sequence.
Extract the term in {nth} position.

In our secret letters only the {nth} word of a line has a meaning; what is it here?
Words walk past you one after another. Name the {nth}.

Skip all words except the {nth} and write it as it is.
Split the line at its spaces and keep part number {n}.
""",
)
for index, name, nth, n, held_out in (
    (1, "second_word", ("second", "2nd"), "two", False),
    (2, "third_word", ("third", "3rd"), "three", False),
    (3, "fourth_word", ("fourth", "4th"), "four", True),
    (4, "fifth_word", ("fifth", "5th"), "five", False),
    (-2, "second_to_last_word", ("second-to-last", "last but one"), "two counted from the end", False),
    (-3, "third_to_last_word", ("third-to-last", "third from last"), "three counted from the end", False),
):
    WORD_AT.add(
        name, lambda rng: long_line(rng, 6), lambda t, i=index: t.split()[i], held_out=held_out, nth=nth, n=n
    )

WORDS_AT_EDGE = Family(
    "words_at_edge",
    "string",
    """
Write the {edge} {n} words.
Shorten the line to its {edge} {n} words.

In this task you are presented with a line of text, and your goal is to output its {edge} {n} words.
You are given a sentence; the goal of this task is to keep nothing but the {edge} {n} words.

I want previews of my notes that show the {edge} {n} words only.
I need the {edge} {n} words of a text in their order.

Input: several words. Output: the {edge} {n} of them, separated by spaces.
Input: a line. Output: a piece of {n} words from its {side}.

{N} words from the {side}.
Only the {side} of it, {n} words long.

Return the {edge} {n} tokens of the sequence.
Truncate the passage to the {n} terms at its {side}.

A banner has room for {n} words; print the {edge} ones.
The reader remembers no more than the {edge} {n} words; which are they?

Delete all words but the {edge} {n}.
Take {n} words from the {side} and leave the rest.
""",
)
for edge, side, n, words, held_out in (
    ("first", "beginning", 2, "two", False),
    ("first", "beginning", 3, "three", False),
    ("last", "end", 2, "two", False),
    ("last", "end", 3, "three", True),
):
    WORDS_AT_EDGE.add(
        f"{edge}_{words}_words",
        long_line,
        (lambda t, n=n: " ".join(t.split()[:n]))
        if edge == "first"
        else (lambda t, n=n: " ".join(t.split()[-n:])),
        held_out=held_out,
        edge=edge,
        side=side,
        n=(words, str(n)) if n != 2 else words,
    )

DROP_WORDS = Family(
    "drop_words",
    "string",
    """
Drop {what}.
Remove {what} from the line.

In this task you are presented with a line of text, and your goal is to repeat it without {what}.
You are given some words; the goal of this task is to leave out {what} and keep the others.

I need my lines with {what} cut off.
I want to read the text without {what}.

Input: words separated by spaces. Output: the same words except {what}.
Input: a line. Output: what remains after deleting {what}.

{What}: away with it.
All of it, apart from {what}.

Omit {what} of the given passage.
Return the sequence of tokens with {what} removed.

The microphone fails at {what}; what does the audience hear?
An editor strikes {what} out of every line. Show the line afterwards.

Copy the text but skip {what}; spelling and order stay the same.
Everything is kept except {what}.
""",
)
for name, what, rule, held_out in (
    ("drop_first_word", ("the first word", "the opening word"), lambda w: w[1:], False),
    ("drop_last_word", ("the last word", "the final word"), lambda w: w[:-1], False),
    ("drop_first_two_words", ("the first two words", "the two words at the start"), lambda w: w[2:], False),
    ("drop_last_two_words", ("the last two words", "the two words at the end"), lambda w: w[:-2], True),
    ("drop_second_word", ("the second word", "word number two"), lambda w: [w[0], *w[2:]], False),
    ("drop_outer_words", ("the first and the last word", "the outer two words"), lambda w: w[1:-1], False),
):
    DROP_WORDS.add(name, long_line, lambda t, r=rule: " ".join(r(t.split())), held_out=held_out, what=what)

# --- words kept or counted by a condition ---

KEEP = Family(
    "keep_words",
    "string",
    """
Keep only the words {that}.
List the words {that}.

In this task you are presented with several words, and your goal is to write down those {that}.
You are given a row of words; the goal of this task is to filter out everything but the words {that}.

I need a filter that lets through just the words {that}.
From my word lists I want only the words {that}, in the same order.

Input: words separated by spaces. Output: the ones {that}, separated by spaces.
Input: a few words. Output: all of them {that}, in their original order.

Only those {that}.
Which of them are words {that}?

Select the terms {that} and discard the remaining ones.
Retain all tokens {that}.

At the gate of a word club only words {that} get in; who gets in?
A teacher underlines the words {that}. Write the underlined words.

Cross out all words but those {that}.
Repeat the words {that}; the others are left out.
""",
)


def keep(condition: Callable[[str], object], least: int = 1) -> Rule:
    """The words that meet it, if there are some and not all do."""

    def rule(text: str) -> str | None:
        words = text.split()
        kept = [word for word in words if condition(word)]
        return " ".join(kept) if least <= len(kept) < len(words) else None

    return rule


def with_initial(letters: str) -> Source:
    """Words many of which start with one of the letters."""
    pool = [word for word in base.ALL_WORDS if word[0] in letters]

    def draw(rng: Rng) -> str:
        words = [*rng.sample(pool, rng.randint(1, 3)), *rng.sample(base.ALL_WORDS, rng.randint(2, 4))]
        rng.shuffle(words)
        return " ".join(dict.fromkeys(words))

    return draw


def ROW(rng):
    return base.some_words(rng, 4, 7)


for letter, held_out in (("s", False), ("b", False), ("c", True), ("p", False), ("m", False), ("t", False)):
    KEEP.add(
        f"words_starting_with_{letter}",
        with_initial(letter),
        keep(lambda w, c=letter: w[0] == c),
        held_out=held_out,
        that=(f"that start with {letter}", f"beginning with the letter {letter}"),
    )
for letter, held_out in (("e", False), ("r", False), ("y", False), ("t", False)):
    KEEP.add(
        f"words_ending_in_{letter}",
        ROW,
        keep(lambda w, c=letter: w[-1] == c),
        held_out=held_out,
        that=(f"that end in {letter}", f"whose last letter is {letter}"),
    )
KEEP.add(
    "words_with_a", ROW, keep(lambda w: "a" in w), that=("that contain the letter a", "with an a in them")
)
KEEP.add(
    "words_without_e", ROW, keep(lambda w: "e" not in w), that=("that have no e", "without the letter e")
)
KEEP.add(
    "words_longer_than_5",
    ROW,
    keep(lambda w: len(w) > 5),
    that=("that have more than five letters", "longer than 5 letters"),
)
KEEP.add(
    "words_shorter_than_5",
    ROW,
    keep(lambda w: len(w) < 5),
    held_out=True,
    that=("that have fewer than five letters", "shorter than 5 letters"),
)
KEEP.add(
    "words_of_5_letters",
    ROW,
    keep(lambda w: len(w) == 5),
    that=("of exactly five letters", "that are 5 letters long"),
)
KEEP.add(
    "words_with_vowel_first",
    with_initial("aeiou"),
    keep(lambda w: w[0] in "aeiou"),
    that=("that start with a vowel", "whose first letter is a, e, i, o or u"),
)
KEEP.add(
    "words_with_double_letter",
    ROW,
    keep(lambda w: re.search(r"(.)\1", w)),
    that=("that contain a double letter", "with the same letter twice in a row"),
)
KEEP.add(
    "capitalized_words",
    lambda rng: " ".join(g.cap(w) if rng.random() < 0.4 else w for w in ROW(rng).split()),  # type: ignore[union-attr]
    keep(lambda w: w[0].isupper()),
    that=("that begin with a capital letter", "written with an upper-case initial"),
)


def mixed_tokens(rng: Rng) -> str:
    """Words and numbers in a row."""
    words = rng.sample(base.ALL_WORDS, rng.randint(2, 4))
    words += [str(base.number(rng)) for _ in range(rng.randint(1, 3))]
    rng.shuffle(words)
    return " ".join(words)


KEEP.add("keep_numbers", mixed_tokens, keep(str.isdigit), that=("that are numbers", "written in digits"))

OMIT = Family(
    "omit_words",
    "string",
    """
Delete the words {that}.
Leave out all words {that}.

In this task you are presented with several words, and your goal is to repeat them without those {that}.
You are given some words; the goal of this task is to drop all words {that}.

I want the words {that} thrown out of my list.
I can't use words {that}, so I need the list without them.

Input: words separated by spaces. Output: all of them except the words {that}.
Input: a row of words. Output: the row after the words {that} were deleted.

No words {that}!
The words {that} have to go.

Exclude the terms {that}.
Eliminate all tokens {that}, preserving the order of the rest.

Words {that} are banned from this game; write the ones that may stay.
A censor blacks out all words {that}. What can still be read?

Copy the row, but skip the words {that}.
All words stay but those {that}.
""",
)
for name, source, condition, that, held_out in (
    ("omit_words_with_s", with_initial("s"), lambda w: w[0] == "s", "that start with s", False),
    ("omit_words_with_d", with_initial("d"), lambda w: w[0] == "d", "that start with d", True),
    ("omit_long_words", ROW, lambda w: len(w) > 6, "of more than six letters", False),
    ("omit_numbers", mixed_tokens, str.isdigit, "that are numbers", False),
    ("omit_words_with_o", ROW, lambda w: "o" in w, "that contain an o", False),
):
    OMIT.add(name, source, keep(lambda w, c=condition: not c(w)), held_out=held_out, that=that)

COUNT_WORDS = Family(
    "count_words_that",
    "string",
    """
Count the words {that}.
How many words are there {that}?

In this task you are presented with several words, and your goal is to output how many are words {that}.
You are given a row of words; the goal of this task is to count those {that}.

I need the number of words {that} in each line.
I want to know how many of my words are words {that}.

Input: words separated by spaces. Output: the number of words {that}, in digits.
Input: a row of words. Output: a numeral, the count of words {that}.

Words {that}: how many?
Give me the tally of words {that}.

Determine the quantity of terms {that}.
Compute how frequent tokens {that} are.

Words {that} cost one dollar each; how many dollars does this line cost?
A scout gets a badge for each of the words {that}; how many badges?

Raise a finger for each of the words {that} and report the number of fingers, 0 if none.
Go through the row, count only words {that}, and print the result.
""",
    held_out=True,
)
for name, source, condition, that, held_out in (
    ("count_words_with_s", with_initial("s"), lambda w: w[0] == "s", "that start with s", False),
    ("count_words_with_p", with_initial("p"), lambda w: w[0] == "p", "that start with p", True),
    ("count_long_words", ROW, lambda w: len(w) > 5, "of more than five letters", False),
    ("count_short_words", ROW, lambda w: len(w) < 5, "of fewer than five letters", False),
    ("count_words_ending_in_e", ROW, lambda w: w[-1] == "e", "that end in e", False),
    ("count_numbers", mixed_tokens, str.isdigit, "that are numbers", False),
    ("count_vowel_words", with_initial("aeiou"), lambda w: w[0] in "aeiou", "that start with a vowel", True),
):
    COUNT_WORDS.add(
        name,
        source,
        lambda t, c=condition: str(sum(map(bool, map(c, t.split())))),
        held_out=held_out,
        that=that,
    )

PICK = Kind("pick_word", "string")
PICK.add(
    "alphabetically_first_word",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: min(t.split()),
    text="""
Write the word that comes first in the alphabet.
In this task you are presented with several words, and your goal is to output the one that a dictionary
    lists first.
I need the word of my list that would be on top after sorting from A to Z.
Input: words separated by spaces. Output: the alphabetically smallest one.
Nearest to A wins.
Return the earliest term by lexicographic order.
A teacher calls the roll by the alphabet; whom of these does she call first?
Compare the spelling of the words and keep the one that precedes all the others.
""",
)
PICK.add(
    "alphabetically_second_word",
    lambda rng: base.some_words(rng, 4, 5),
    lambda t: sorted(t.split())[1],
    held_out=True,
    text="""
Write the word that comes second in the alphabet.
In this task you are presented with several words, and your goal is to find the one in second place after
    sorting them from A to Z.
I need the runner-up in alphabetical order.
Input: four or five words. Output: the one with exactly one word before it in the alphabet.
Not the first in the dictionary, but the one right after it.
Return the second-smallest term in lexicographic order.
The words form a line by the alphabet; who stands directly behind the leader?
Sort the words in your head and write number two.
""",
)
PICK.add(
    "word_with_most_e",
    ROW,
    lambda t: unique_best(t.split(), lambda w: w.count("e")) if t.replace(" ", "").isalpha() else None,
    text="""
Write the word with the most letters e.
In this task you are presented with several words, and your goal is to output the one in which e occurs most
    often.
I want to find out which word of a row is richest in the letter e.
Input: words. Output: the single word with more e's than any other.
Which one is full of e?
Return the term having the maximal frequency of 'e'.
Every e is a point; which word wins?
Count the e in each word and repeat the word with the highest count.
""",
)
PICK.add(
    "repeated_word",
    lambda rng: with_repetition(rng),
    lambda t: most_frequent(t.split()),
    text="""
Write the word that occurs twice.
In this task you are presented with a row of words, and your goal is to find the one that is repeated.
I need to spot the duplicate in each of my lists.
Input: words, exactly one of them twice. Output: that word, once.
Somebody is here two times.
Identify the token with frequency two.
All guests came alone but one name was called two times; which?
Look for the word you have already seen and write it down once.
""",
)
PICK.add(
    "last_then_first_word",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: t.split()[-1] + " " + t.split()[0],
    text="""
Write the last word and then the first word.
In this task you are presented with a row of words, and your goal is to output two of them: the final one
    followed by the opening one.
I want the two outer words of each row, in reverse order.
Input: words. Output: last word, space, first word.
Both ends, the back one before the front one.
Return the terminal token followed by the initial token.
A train leaves backwards: name the car at the end, then the one that used to be at the front.
Forget the words in between and write the outermost two, right before left.
""",
)
PICK.add(
    "longest_word_length",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: str(max(map(len, t.split()))),
    text="""
How many letters does the longest word have?
In this task you are presented with several words, and your goal is to output the number of letters in the
    longest of them.
I need to know how wide a column must be so that each of the words fits in.
Input: words. Output: the length of the longest one, in digits.
The maximum width, in letters.
Compute the greatest term length in the sequence.
Boxes of a puzzle are cut to size for the longest word; how many boxes does that word need?
Count letters word by word and give the highest of the counts.
""",
)
PICK.add(
    "first_word_length",
    ROW,
    lambda t: str(len(t.split()[0])),
    text="""
How many letters does the first word have?
In this task you are presented with a row of words, and your goal is to output the number of letters in the
    first one.
I need the length of each line's opening word.
Input: words. Output: the letter count of the first word, as a number.
Only word one matters: how long is it?
Compute the character length of the initial token.
You are paid by the letter but only for the word at the start; for how many letters?
Count until the first space and write the number.
""",
)
PICK.add(
    "last_word_length",
    ROW,
    lambda t: str(len(t.split()[-1])),
    text="""
How many letters does the last word have?
In this task you are presented with a row of words, and your goal is to output the number of letters in the
    final one.
I need the length of the word each line ends with.
Input: words. Output: the letter count of the last word, as a number.
Only the end matters: how long is that word?
Compute the character length of the terminal token.
After the last space the letters are counted; how many are there?
Jump to the closing word and say how many letters it takes to spell it.
""",
)
PICK.add(
    "word_lengths",
    lambda rng: base.some_words(rng, 3, 5),
    lambda t: " ".join(str(len(w)) for w in t.split()),
    text="""
Write the length of each word.
In this task you are presented with a few words, and your goal is to replace every word by the number of its
    letters.
I want a row of numbers telling how long my words are, in order.
Input: words separated by spaces. Output: their letter counts separated by spaces.
Numbers instead of words: how long is each?
Map all terms to their character counts.
A crossword maker notes only how many boxes each word needs; write the notes.
For each word count its letters and write the figure in its place.
""",
)


def unique_best(words: list[str], key: Callable[[str], int]) -> str | None:
    *_, second, best = sorted(words, key=key)
    return best if key(best) > key(second) else None


def most_frequent(words: list[str]) -> str | None:
    return max(words, key=words.count) if len(set(words)) < len(words) else None


def with_repetition(rng: Rng) -> str:
    words = base.some_words(rng, 3, 5).split()
    words.insert(rng.randint(0, len(words)), rng.choice(words))
    return " ".join(words)


# --- order ---

SORT = Family(
    "sort_words",
    "string",
    """
Sort the words {how}.
Put the words in order, {how}.

In this task you are presented with several words, and your goal is to sort them {how}.
You are given a row of words; the goal of this task is to write them again {how}.

I need my words arranged {how}.
I want a sorter that puts words in order {how}.

Input: words separated by spaces. Output: the same words {how}.
Input: a row of words. Output: the row sorted {how}.

Line them up {how}.
The right order is {how}.

Arrange the terms {how}.
Permute the tokens so that they stand {how}.

Books with these words on their backs go on a shelf {how}; write them from left to right.
Children carry signs with these words and stand {how}. Read out the signs.

No word is added or lost; they are written {how}.
Rearrange the row {how} and print it.
""",
)


def by(key: Callable[[str], object], reverse: bool = False) -> Rule:
    """Sorted by a key that is different for every word."""

    def rule(text: str) -> str | None:
        words = text.split()
        if len(set(map(key, words))) < len(words):
            return None
        return " ".join(sorted(words, key=key, reverse=reverse))  # type: ignore[arg-type]

    return rule


def FEW(rng):
    return base.some_words(rng, 3, 4)


for name, how, rule, held_out in (
    ("sort_reverse_alphabetical", ("from Z to A", "in reverse alphabetical order"), by(str, True), False),
    ("sort_longest_first", ("from the longest to the shortest", "by falling length"), by(len, True), False),
    (
        "sort_by_last_letter",
        ("by their last letters, from a to z", "alphabetically by the last letter"),
        by(lambda w: w[-1]),
        False,
    ),
    (
        "sort_by_second_letter",
        ("by their second letters, from a to z", "alphabetically by the second letter"),
        by(lambda w: w[1]),
        True,
    ),
    (
        "sort_by_third_letter",
        ("by their third letters, from a to z", "alphabetically by the third letter"),
        by(lambda w: w[2:3]),
        False,
    ),
    (
        "sort_by_last_letter_down",
        ("by their last letters, from z to a", "by the last letter, z first"),
        by(lambda w: w[-1], True),
        False,
    ),
):
    SORT.add(name, FEW, rule, held_out=held_out, how=how)

ARRANGE = Kind("arrange_words", "string")
ARRANGE.add(
    "swap_first_two_words",
    long_line,
    lambda t: " ".join([t.split()[1], t.split()[0], *t.split()[2:]]),
    text="""
Swap the first two words.
In this task you are presented with a line of text, and your goal is to exchange its first and second word.
I want lines whose two opening words have changed places.
Input: a line. Output: second word, first word, then the rest as before.
One and two change seats.
Transpose the initial pair of tokens.
The second runner overtakes the first; write the words in their new order.
Begin with word two, go on with word one, and continue from word three.
""",
)
ARRANGE.add(
    "swap_last_two_words",
    long_line,
    lambda t: " ".join([*t.split()[:-2], t.split()[-1], t.split()[-2]]),
    held_out=True,
    text="""
Swap the last two words.
In this task you are presented with a line of text, and your goal is to exchange its final word with the one
    before it.
I want lines whose two closing words have changed places.
Input: a line. Output: the same words, the last two in reverse order.
At the end, two change seats.
Transpose the terminal pair of tokens.
The last one in the queue passes the one ahead; write the new queue.
Keep everything as it is, only the end is written the other way round: last word first.
""",
)
ARRANGE.add(
    "first_word_to_end",
    long_line,
    lambda t: " ".join([*t.split()[1:], t.split()[0]]),
    text="""
Move the first word to the end.
In this task you are presented with a line of text, and your goal is to put its opening word behind all the
    others.
I need lines rotated by one word: what was first comes last.
Input: a line. Output: the words from the second on, then the first.
The leader goes to the rear.
Rotate the tokens left by one position.
The child at the front of the line runs to its end; write the line of words now.
Start at word two, and say word one at the very end.
""",
)
ARRANGE.add(
    "last_word_to_front",
    long_line,
    lambda t: " ".join([t.split()[-1], *t.split()[:-1]]),
    text="""
Move the last word to the front.
You are given a line of text; the goal of this task is to put its final word before all the others.
I need lines in which the closing word comes first and the rest follows unchanged.
Input: a line. Output: the last word, then the other words in their order.
The one from the rear takes the lead.
Rotate the tokens right by one position.
Whoever came last may go first next time; write down the next row.
Start with the final word, then read from the beginning up to the word before it.
""",
)
ARRANGE.add(
    "repeat_last_word",
    long_line,
    lambda t: t + " " + t.split()[-1],
    text="""
Repeat the last word.
In this task you are presented with a line of text, and your goal is to write it with the final word said
    twice.
I want an echo at the end of every line: the closing word once more.
Input: a line. Output: the line, a space, and its last word again.
It echoes at the end.
Duplicate the terminal token.
In the mountains the last word of a call comes back; write the call with its echo.
Copy the line and add its final word a second time.
""",
)
ARRANGE.add(
    "repeat_first_word",
    long_line,
    lambda t: t.split()[0] + " " + t,
    text="""
Write the first word twice.
In this task you are presented with a line of text, and your goal is to repeat its opening word at the start.
I want lines that stumble at the beginning, saying the first word two times.
Input: a line. Output: its first word, then the whole line.
It stutters at the start.
Duplicate the initial token.
The singer repeats the opening word of each verse before going on; write the verse as sung.
Say the first word, then read the entire line.
""",
)
ARRANGE.add(
    "repeat_each_word",
    lambda rng: base.some_words(rng, 2, 4) if rng.random() < 0.6 else g.thing(rng),
    lambda t: " ".join(f"{w} {w}" for w in t.split()),
    text="""
Write each word twice.
In this task you are presented with a few words, and your goal is to say every one of them two times before
    the next.
I need a text in which all the words are doubled one by one.
Input: words A B. Output: A A B B.
Everything twice, word after word.
Replicate each token in place.
My grandfather hears badly, so each word has to be said again at once; write what I say.
After every word put the same word, then go on.
""",
)
ARRANGE.add(
    "repeat_three_times",
    lambda rng: base.word(rng) if rng.random() < 0.6 else g.thing(rng),
    lambda t: f"{t} {t} {t}",
    text="""
Write the text three times.
In this task you are presented with a word or phrase, and your goal is to output it three times, separated
    by spaces.
I need every entry tripled in one line.
Input: a word or phrase X. Output: X X X.
All good things come in threes.
Triplicate the given expression.
A magic word must be said three times to work; say it.
Copy it, copy it again, and copy it once more with blanks in between.
""",
)
ARRANGE.add(
    "every_third_word",
    lambda rng: base.some_words(rng, 6, 9),
    lambda t: " ".join(t.split()[2::3]),
    text="""
Keep every third word.
In this task you are presented with a row of words, and your goal is to write words three, six and nine, as
    far as there are so many.
I need a sample of each row: each third word, starting with the third.
Input: words. Output: those whose position is divisible by three.
Two out, one in, two out, one in.
Return the tokens at positions that are multiples of three.
Pupils count off one, two, three; all words that said three step forward. Write them.
Skip two words, write one, and go on like that.
""",
)
ARRANGE.add(
    "odd_words",
    lambda rng: base.some_words(rng, 4, 8),
    lambda t: " ".join(t.split()[::2]),
    text="""
Keep the first, third, fifth word and so on.
In this task you are presented with a row of words, and your goal is to drop every second one, beginning
    with the second.
I want just the words in odd places.
Input: words. Output: words 1, 3, 5, 7, as far as they exist.
Take one, leave one, starting with take.
Return the tokens at odd positions.
Walk along the row with long strides: step on the first word, skip the next, step on the third.
All words with an even place number disappear.
""",
)
ARRANGE.add(
    "remove_articles",
    lambda rng: base.plain(rng) if rng.random() < 0.7 else f"the {g.thing(rng)}",
    lambda t: (
        " ".join(w for w in t.split() if w.lower() not in ("a", "an", "the"))
        if re.search(r"\b(a|an|the)\b", t.lower())
        else None
    ),
    text="""
Remove the articles.
In this task you are presented with a sentence, and your goal is to delete a, an and the.
I want telegram style: every article has to go.
Input: a sentence. Output: the same without the words a, an and the.
Headlines do not use these little words.
Omit all definite and indefinite articles.
A telegram costs money by the word, so the sender saves the, a and an; write it.
Take out the three shortest companions of a noun and leave all the other words.
""",
)

# --- words joined and split ---

JOIN = Family(
    "join_words",
    "formatting",
    """
Join the words with {mark}.
Put {mark} between the words.

In this task you are presented with several words, and your goal is to connect them by {mark} instead of
    spaces.
You are given words separated by spaces; the goal of this task is to write them with {mark} in between.

I need the words of a line chained together with {mark}.
I want {mark} where my text has spaces.

Input: words separated by spaces. Output: the same words separated by {mark}.
Input: A B C. Output: {abc}.

A B becomes {ab}.
{Mark} instead of the gaps.

Concatenate the terms using {mark} as the delimiter.
Substitute {mark} for each blank.

In this file format the words of an entry are divided by {mark}; convert the entry.
A label maker has no space key, only one for {mark}; what does the label show?

Whenever there is a gap between two words, write {mark} there.
Keep the words as they are and link them by {mark}.
""",
)
for name, sign, words, held_out in (
    ("join_with_dots", ".", ("a dot", "a period"), False),
    ("join_with_slashes", "/", ("a slash", "a forward slash"), True),
    ("join_with_pipes", " | ", ("a pipe with spaces around it", "' | '"), False),
    ("join_with_semicolons", "; ", ("a semicolon and a space", "'; '"), False),
    ("join_with_plus", " + ", ("a plus sign with spaces around it", "' + '"), False),
    ("join_with_ampersand", " & ", ("an ampersand with spaces around it", "' & '"), False),
    ("join_with_arrows", " -> ", ("an arrow (->) with spaces around it", "' -> '"), False),
    ("join_with_colons", "::", ("a double colon", "two colons"), False),
    ("join_with_commas", ", ", ("a comma and a space", "', '"), False),
    ("join_with_and", " and ", ("the word and", "'and'"), False),
    ("join_with_or", " or ", ("the word or", "'or'"), False),
    ("join_with_tildes", "~", ("a tilde", "~"), False),
):
    JOIN.add(
        name,
        lambda rng: base.some_words(rng, 2, 5),
        lambda t, m=sign: m.join(t.split()),
        held_out=held_out,
        mark=words,
        ab=sign.join("AB"),
        abc=sign.join("ABC"),
    )

SPLIT = Family(
    "split_name",
    "formatting",
    """
Turn the {style} name into lower-case words.
Write the {style} identifier as normal words.

In this task you are presented with a name in {style}, and your goal is to split it into lower-case words
    with spaces.
You are given an identifier in {style}; the goal of this task is to write it as a plain phrase in small
    letters.

I need readable labels made from {style} names.
I want people to be able to read my {style} names: small words with spaces.

Input: one name in {style}. Output: its words in lower case, separated by spaces.
Input: {example}. Output: total order count. Do likewise for every such name.

Make {style} readable.
What would a human write for this {style} thing?

Decompose the {style} token into its constituent words.
Undo {style}: separate words, no capitals.

Column titles in our export use {style}; show each as ordinary lower-case words.
A screen reader should speak {style} names; give it the words.

Find the borders of the words in the {style} name and put spaces there; all letters become small.
Revert the {style} notation to words divided by blanks.
""",
)


def styled(style: Callable[[list[str]], str]) -> Source:
    def draw(rng: Rng) -> str | None:
        text = g.identifier(rng)
        return style(text.lower().split()) if text else None

    return draw


def caps(words: list[str]) -> str:
    return "".join(map(g.cap, words))


def spaced(text: str) -> str:
    return re.sub("([A-Z])", r" \1", text).strip().lower()


for name, style, example, make, rule, held_out in (
    ("split_snake_case", "snake_case", "total_order_count", "_".join, lambda t: t.replace("_", " "), False),
    (
        "split_hyphens",
        ("kebab-case", "hyphenated style"),
        "total-order-count",
        "-".join,
        lambda t: t.replace("-", " "),
        False,
    ),
    ("split_camel_case", "camelCase", "totalOrderCount", lambda w: w[0] + caps(w[1:]), spaced, False),
    (
        "split_dots",
        ("dot.case", "dotted style"),
        "total.order.count",
        ".".join,
        lambda t: t.replace(".", " "),
        False,
    ),
    (
        "split_screaming",
        ("SCREAMING_SNAKE_CASE", "CONSTANT_CASE"),
        "TOTAL_ORDER_COUNT",
        lambda w: "_".join(w).upper(),
        lambda t: t.replace("_", " ").lower(),
        False,
    ),
):
    SPLIT.add(name, styled(make), rule, held_out=held_out, style=style, example=example)

# --- case ---

CASE = Kind("case", "formatting")


def mixed_case(rng: Rng) -> str:
    text = base.plain(rng)
    kind = rng.random()
    return text.upper() if kind < 0.3 else " ".join(map(g.cap, text.split())) if kind < 0.6 else text.lower()


CASE.add(
    "screaming_snake_case",
    g.identifier,
    lambda t: t.upper().replace(" ", "_"),
    text="""
Convert to SCREAMING_SNAKE_CASE.
In this task you are presented with a phrase, and your goal is to write it as a constant: capitals joined by
    underscores.
I want names for constants in my Python modules made from plain words.
Input: words. Output: all letters upper case, underscores in place of spaces.
Make it look like a constant.
Render the phrase in upper case with underscore delimiters.
Like MAX_RETRY_COUNT: write these words the same way.
Capitalize every letter, then replace each blank by _.
""",
)
CASE.add(
    "pascal_case",
    g.identifier,
    lambda t: caps(t.lower().split()),
    text="""
Convert to PascalCase.
In this task you are presented with a phrase, and your goal is to join its words, each with a capital
    initial, into one name.
I need class names made out of short descriptions.
Input: words. Output: one word in which every part begins with a capital letter.
Write it the way classes are named.
Fuse the words, capitalizing each of them.
Following the pattern of TotalOrderCount, name this.
Remove the spaces; every former word starts with a big letter, the first one too.
""",
)
CASE.add(
    "train_case_capitals",
    g.identifier,
    lambda t: t.upper().replace(" ", "-"),
    held_out=True,
    text="""
Write the words in capitals, joined by hyphens.
In this task you are presented with a phrase, and your goal is to convert it to COBOL-CASE.
I maintain old COBOL programs and need names such as TOTAL-ORDER-COUNT.
Input: words. Output: upper-case letters with hyphens in place of spaces.
Big letters, little dashes.
Render the phrase in majuscules with a dash as the delimiter.
Mainframe people shout and use minus signs as glue; name it like they do.
Make all letters large and replace each blank by -.
""",
)
CASE.add(
    "header_case",
    g.identifier,
    lambda t: "-".join(map(g.cap, t.lower().split())),
    text="""
Write it in Header-Case: capital initials, joined by hyphens.
In this task you are presented with a phrase, and your goal is to format it like the name of an HTTP header.
I need header names such as Content-Type from plain words.
Input: words. Output: the words with capital initials and a hyphen between each two.
As in Content-Type.
Capitalize each constituent and hyphenate them.
A web server sends headers named in this way; turn the phrase into one.
Every word starts large, and the spaces become dashes.
""",
)
CASE.add(
    "dot_case",
    g.identifier,
    lambda t: t.lower().replace(" ", "."),
    text="""
Convert to dot.case.
In this task you are presented with a phrase, and your goal is to write it as a settings key: small letters,
    dots between the words.
I need keys like server.port.default for a properties file.
Input: words. Output: lower case, a period in place of each space.
Write it like a Java property.
Render the phrase in minuscules delimited by full stops.
The config file wants keys such as total.order.count; name this one.
Make all letters small and replace every blank by a dot.
""",
)
CASE.add(
    "path_case",
    g.identifier,
    lambda t: "/" + t.lower().replace(" ", "/"),
    text="""
Make a path: lower case, a slash before each word.
In this task you are presented with a phrase, and your goal is to write it as a web path such as
    /total/order/count.
I need routes for my site, made from menu titles.
Input: words. Output: a slash and the lower-case word, for every word in turn.
As folders inside folders.
Express the phrase as an absolute path with one segment a word.
On the server each word is a folder within the one before; write the path from the root.
Begin with /, make the letters small, and turn each blank into /.
""",
)
CASE.add(
    "flat_case",
    g.identifier,
    lambda t: t.lower().replace(" ", ""),
    held_out=True,
    text="""
Write the words in lower case without spaces.
In this task you are presented with a phrase, and your goal is to squeeze it into one lower-case word.
I need package names: all small letters, nothing between the words.
Input: words. Output: the lower-case letters with no gaps.
Small and squeezed together.
Concatenate the lower-cased terms.
Domain names have neither gaps nor capitals; make one of this phrase, without an ending.
Drop the blanks and all capitals.
""",
)
CASE.add(
    "alternating_case",
    lambda rng: base.some_words(rng, 1, 2),
    lambda t: "".join(c.upper() if i % 2 else c for i, c in enumerate(t)) if " " not in t else None,
    text="""
Capitalize every second letter, beginning with the second.
In this task you are presented with a word, and your goal is to write it in mocking case: small, big, small,
    big.
I need that sarcastic spelling from the internet: lIkE tHiS.
Input: a word. Output: letters in turn lower and upper case, the first one lower.
Small, large, small, large.
Alternate the case of the characters, starting with a minuscule.
Like wAvEs: write the word given up and down.
Letters two, four, six and so on become capitals, the others stay small.
""",
)
CASE.add(
    "invert_case",
    lambda rng: " ".join(
        w.upper() if rng.random() < 0.4 else g.cap(w) if rng.random() < 0.4 else w
        for w in base.some_words(rng, 1, 3).split()
    ),
    str.swapcase,
    text="""
Swap upper and lower case.
In this task you are presented with words in mixed case, and your goal is to make each capital small and
    each small letter a capital.
I typed with caps lock on and need the case of all letters flipped.
Input: words. Output: the same letters, every one in the other case.
Big ones small, small ones big.
Invert the letter case throughout.
A magic mirror shrinks the large and enlarges the small letters; what is seen in it?
For each letter use the form that is not there now.
""",
)
CASE.add(
    "sentence_case",
    mixed_case,
    lambda t: g.cap(t.lower()),
    text="""
Capitalize the first letter only and make all others small.
In this task you are presented with a line in any case, and your goal is to bring it to sentence case.
I want tidy lines: one capital at the start and none after it, not even in names.
Input: a line. Output: the same line, first letter upper case, all others lower case.
One capital is enough, at the beginning.
Normalize the text so that nothing but the initial character is upper-case.
Headlines are printed like simple sentences here, with no other capital than the first; set this one.
Lower everything, then raise the very first letter.
""",
)
CASE.add(
    "capitalize_last_letters",
    lambda rng: base.some_words(rng, 2, 4),
    lambda t: " ".join(w[:-1] + w[-1].upper() for w in t.split()),
    held_out=True,
    text="""
Capitalize the last letter of each word.
In this task you are presented with a few lower-case words, and your goal is to write the final letter of
    every word large.
I want words thaT looK likE thiS.
Input: words. Output: the words, each ending in a capital letter.
Big ends, small starts.
Convert the terminal character of all terms to upper case.
A careless printer sets the capital at the wrong end of each word; print the line.
Everything stays small but the closing letters of the words.
""",
)
CASE.add(
    "first_word_upper",
    lambda rng: base.long_line(rng),
    lambda t: " ".join([t.split()[0].upper(), *t.split()[1:]]),
    text="""
Write the first word in capitals.
In this task you are presented with a line of text, and your goal is to put its first word in upper case and
    copy the rest.
I like chapters to start with a word in block letters and go on normally.
Input: a line. Output: the opening word in capitals, the other words unchanged.
Shout at the start, then calm down.
Upper-case the initial token only.
In old books the word that opens a chapter is set in capitals; set this line like that.
Make all letters large up to the first space.
""",
)
CASE.add(
    "last_word_upper",
    lambda rng: base.long_line(rng),
    lambda t: " ".join([*t.split()[:-1], t.split()[-1].upper()]),
    text="""
Write the last word in capitals.
In this task you are presented with a line of text, and your goal is to put its final word in upper case and
    copy the rest.
I want the ending of each line stressed by block letters.
Input: a line. Output: the same words, the closing one in capitals.
Calm first, loud at the end.
Upper-case the terminal token only.
The speaker always shouts the word a sentence ends with; write down how it sounds.
Make all letters after the last space large.
""",
)
CASE.add(
    "second_word_upper",
    lambda rng: base.long_line(rng),
    lambda t: " ".join([t.split()[0], t.split()[1].upper(), *t.split()[2:]]),
    text="""
Write the second word in capitals.
In this task you are presented with a line of text, and your goal is to put word number two in upper case
    and copy the rest.
I want the 2nd word of each line in block letters.
Input: a line. Output: the same words, the second one in capitals.
Only number two is loud.
Upper-case the token in second position.
The singer always shouts right after the opening word, for one word; write the line.
Between the first and the second space all letters become large.
""",
)
CASE.add(
    "alternate_words_upper",
    lambda rng: base.some_words(rng, 3, 6),
    lambda t: " ".join(w if i % 2 else w.upper() for i, w in enumerate(t.split())),
    text="""
Write every other word in capitals, starting with the first.
In this task you are presented with a row of words, and your goal is to alternate between upper-case and
    lower-case words.
I want rows that go LOUD quiet LOUD quiet.
Input: words. Output: words 1, 3, 5 in capitals, the rest small.
Loud, soft, loud, soft.
Upper-case the tokens in odd positions.
Two people read in turn, and the one who begins shouts; write what is heard.
The first word is big, the second small, and so forth.
""",
)
# --- wrapping ---

WRAP = Family(
    "wrap_text",
    "formatting",
    """
Put {marks} around the text.
Wrap it in {marks}.

In this task you are presented with a text, and your goal is to enclose it in {marks}.
You are given a word, phrase or sentence; the goal of this task is to write it with {marks} around it.

I need all of my entries between {marks}.
I want a formatter that sets {marks} around whatever I type.

Input: a text X. Output: {x}.
Input: any text. Output: the unchanged text within {marks}, as in {x} for X.

X becomes {x}.
It belongs inside {marks}.

Surround the expression with {marks}.
Delimit the string on both sides by {marks}.

The editor uses {marks} at both ends of an entry as a signal; write the entry with them.
Imagine hands holding the text from left and right: {marks}. Write text and hands.

Nothing inside changes; {marks} open and close it.
Write the opening mark, the text and the closing mark, without extra spaces: {x}.
""",
)
for name, left, right, words, held_out in (
    ("wrap_square_brackets", "[", "]", ("square brackets", "brackets [ ]"), False),
    ("wrap_parentheses", "(", ")", ("parentheses", "round brackets"), False),
    ("wrap_curly_braces", "{", "}", ("curly braces", "curly brackets"), True),
    ("wrap_angle_brackets", "<", ">", ("angle brackets", "pointed brackets < >"), False),
    ("wrap_single_stars", "*", "*", ("asterisks", "single stars"), False),
    ("wrap_double_stars", "**", "**", ("double asterisks", "two stars on each side"), False),
    ("wrap_underscores", "_", "_", ("underscores", "single underscores"), False),
    ("wrap_backticks", "`", "`", ("backticks", "code ticks"), False),
    ("wrap_tildes", "~~", "~~", ("double tildes", "two tildes on each side"), False),
    ("wrap_single_quotes", "'", "'", ("single quotes", "single quotation marks"), False),
    ("wrap_guillemets", "«", "»", ("guillemets", "French quotation marks « »"), False),
    ("wrap_pipes", "|", "|", ("pipes", "vertical bars"), False),
    ("wrap_double_brackets", "[[", "]]", ("double square brackets", "wiki brackets [[ ]]"), False),
    (
        "wrap_equals",
        "== ",
        " ==",
        ("double equals signs with a space inside", "wiki heading marks =="),
        False,
    ),
    ("wrap_dollars", "$", "$", ("dollar signs", "LaTeX math marks ($)"), False),
):
    WRAP.add(
        name,
        base.short_text,
        lambda t, a=left, b=right: a + t + b,
        held_out=held_out,
        marks=words,
        x=f"{left}X{right}",
    )

TAG = Family(
    "wrap_in_tag",
    "formatting",
    """
Wrap the text in an HTML <{tag}> tag.
Make it HTML {what}.

In this task you are presented with a text, and your goal is to mark it up as {what} with the {tag} tag.
You are given a text; the goal of this task is to put an opening <{tag}> before it and a closing </{tag}>
    after it.

I need HTML code that shows my text as {what}.
I'm writing a web page and want this to be {what}.

Input: a text X. Output: <{tag}>X</{tag}>.
Input: plain text. Output: the text inside the element {tag}.

{What} in HTML, please.
The browser should treat it as {what}.

Enclose the string in the {tag} element.
Mark the passage up as {what} by means of the {tag} element.

On my page this is going to be {what}; write the line of HTML for it.
The tag is called {tag}; use it on the text.

Start tag <{tag}>, text, end tag </{tag}>, no spaces added.
Copy the text between <{tag}> and </{tag}>.
""",
)
for tag, what, held_out in (
    ("i", ("italic text", "text in italics"), False),
    ("u", ("underlined text", "an underlined passage"), False),
    ("p", ("a paragraph", "its own paragraph"), False),
    ("h1", ("a top-level heading", "the main heading"), False),
    ("h2", ("a second-level heading", "a subheading"), True),
    ("li", ("a list item", "an entry of a list"), False),
    ("code", ("computer code", "program code"), False),
    ("em", ("emphasized text", "text with emphasis"), False),
    ("strong", ("strongly emphasized text", "important text"), False),
    ("td", ("a table cell", "a cell of a table"), False),
    ("title", ("the page title", "the document's title"), False),
    ("mark", ("highlighted text", "a highlight"), False),
):
    TAG.add(
        f"html_{tag}",
        base.short_text,
        lambda t, tag=tag: f"<{tag}>{t}</{tag}>",
        held_out=held_out,
        tag=tag,
        what=what,
    )

MARK_WORD = Family(
    "mark_word",
    "formatting",
    """
Put {marks} around {what}.
Set {what} in {marks}.

In this task you are presented with a line of text, and your goal is to copy it with {what} in {marks}.
You are given several words; the goal of this task is to put {what} between {marks} and leave the rest alone.

I want {what} to stand out by {marks}.
I need lines in which {what} is enclosed in {marks}.

Input: a line. Output: the line with {marks} around {what}.
Input: A B C. Output: {abc}.

A B C becomes {abc}.
{What} deserves {marks}.

Delimit {what} by {marks}, retaining all the others as they are.
Apply {marks} to {what} exclusively.

The teacher marks {what} of each line with {marks}; show the marked line.
In this notation {marks} point to {what}; write the line in it.

Find {what}; write {marks} directly before and after it.
Copy the line, only {what} gets {marks}.
""",
    held_out=True,
)


def mark(index: int | None, left: str, right: str) -> Rule:
    """Marks around the word in this place, or around all."""

    def rule(text: str) -> str:
        words = text.split()
        chosen = range(len(words)) if index is None else [index % len(words)]
        return " ".join(left + w + right if i in chosen else w for i, w in enumerate(words))

    return rule


MARKED: tuple[tuple[str, int | None, str, str, Words, Words, bool], ...] = (
    ("bracket_first_word", 0, "[", "]", ("the first word", "the opening word"), "square brackets", False),
    ("bracket_last_word", -1, "[", "]", ("the last word", "the final word"), "square brackets", True),
    ("bracket_each_word", None, "[", "]", "each word", "square brackets", False),
    (
        "quote_last_word",
        -1,
        '"',
        '"',
        ("the last word", "the final word"),
        ("double quotes", "quotation marks"),
        False,
    ),
    (
        "quote_first_word",
        0,
        '"',
        '"',
        ("the first word", "the opening word"),
        ("double quotes", "quotation marks"),
        False,
    ),
    ("star_second_word", 1, "*", "*", ("the second word", "word number two"), ("asterisks", "stars"), False),
    ("star_last_word", -1, "*", "*", ("the last word", "the closing word"), ("asterisks", "stars"), True),
    ("parenthesize_last_word", -1, "(", ")", ("the last word", "the word at the end"), "parentheses", False),
    ("quote_each_word", None, "'", "'", ("each word", "every single word"), "single quotes", False),
    (
        "bold_first_word",
        0,
        "**",
        "**",
        ("the first word", "the word at the start"),
        ("double asterisks", "Markdown bold marks (**)"),
        False,
    ),
)
for name, index, left, right, what, words, held_out in MARKED:
    rule = mark(index, left, right)
    MARK_WORD.add(
        name,
        lambda rng: base.some_words(rng, 3, 5) if rng.random() < 0.4 else base.long_line(rng),
        rule,
        held_out=held_out,
        what=what,
        marks=words,
        abc=str(rule("A B C")),
    )

AROUND = Family(
    "add_around_line",
    "formatting",
    """
Add {what} {where} of the line.
Write the line with {what} {where}.

In this task you are presented with a line, and your goal is to copy it and add {what} {where}.
You are given a text; the goal of this task is to write it with {what} {where}.

I want {what} {where} of all my messages.
I need each of my lines to carry {what} {where}.

Input: a text X. Output: {x}.
Input: a line. Output: the same with {what} {where}.

{X}, for any X.
Don't forget {what} {where}.

Extend the string by {what} {where}.
Affix {what} {where} of the unchanged passage.

Our house style demands {what} {where}; apply it.
The program that reads these lines expects {what} {where}. Prepare the line.

From X make {x}.
Copy all words and put {what} {where}.
""",
)
for name, before, after, what, held_out in (
    ("add_period", "", ".", ("a period", "a full stop"), False),
    ("add_three_exclamations", "", "!!!", ("three exclamation marks", "'!!!'"), False),
    ("add_ellipsis", "", "...", ("three dots", "an ellipsis (...)"), False),
    ("add_todo", "TODO: ", "", ("'TODO: '", "the label TODO with a colon and a space"), False),
    ("add_note", "Note: ", "", ("'Note: '", "the label Note with a colon and a space"), True),
    ("add_comment_sign", "# ", "", ("a hash and a space", "a Python comment sign"), False),
    ("add_slashes_comment", "// ", "", ("two slashes and a space", "a C++ comment sign"), False),
    ("add_blockquote", "> ", "", ("a > and a space", "a Markdown quote sign"), False),
    ("add_checkbox", "- [ ] ", "", ("an empty Markdown checkbox (- [ ])", "'- [ ] '"), False),
    ("add_dollar_prompt", "$ ", "", ("a dollar sign and a space", "a shell prompt ($ )"), False),
    ("add_thanks", "", ", thanks", ("a comma and the word thanks", "', thanks'"), False),
    ("add_hello", "Hello, ", "", ("'Hello, '", "the greeting Hello and a comma"), False),
    ("add_semicolon", "", ";", ("a semicolon", "';'"), False),
    (
        "add_h2_marks",
        "## ",
        "",
        ("two hashes and a space", "a second-level Markdown heading sign (##)"),
        False,
    ),
):
    AROUND.add(
        name,
        lambda rng: base.plain(rng) if rng.random() < 0.6 else g.thing(rng),
        lambda t, b=before, a=after: b + t + a,
        held_out=held_out,
        what=what,
        where="at the start" if before else "at the end",
        x=f"{before}X{after}",
    )
