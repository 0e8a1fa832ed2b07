"""Arithmetic with numbers and number words, properties of numbers, units and word problems."""

import itertools
import math
from collections.abc import Callable

import vocabulary as v

from families import base
from families.base import Family, Rng, Rule, Source, Words, balanced, number_list
from families.formats import WORDS_TO_NUMBER, number_words, upto

FIXED = Family(
    "fixed_operation",
    "arithmetic",
    """
{Do_n}.
Take the number and {do_it}.

In this task you are presented with a number, and your goal is to {do_it}.
You are given an integer; the goal of this task is to write {result}.

I need a calculator that does one thing: it takes my number and gives {result}.
I want {result}, whatever number I type.

Input: a number n. Output: {formula}.
Input: an integer in digits. Output: {result}, in digits.

n becomes {formula}.
{Story}

Compute {result}.
Evaluate f(n) = {formula} for the given n.

A machine prints {result} when a number is put in; what does it print?
{Story} What is the new figure?

For any n the answer is {formula}.
Apply the operation '{do_it}' once and report the value.
""",
)


def with_object(do: str, thing: str) -> str:
    return do.replace("_", thing) if "_" in do else f"{do} {thing}"


def of_number(f: Callable[[int], int | None]) -> Rule:
    def rule(text: str) -> str | None:
        result = f(int(text))
        return None if result is None else str(result)

    return rule


def ANY(rng):
    return str(base.number(rng))


FIXED_TASKS: tuple[tuple[str, Source, Callable[[int], int | None], str, str, str, str, bool], ...] = (
    (
        "add_2",
        ANY,
        lambda n: n + 2,
        "add two to",
        "the number plus two",
        "n + 2",
        "Two more visitors arrive.",
        False,
    ),
    (
        "add_3",
        ANY,
        lambda n: n + 3,
        "add three to",
        "the number plus three",
        "n + 3",
        "Three birds join the flock.",
        False,
    ),
    (
        "add_5",
        ANY,
        lambda n: n + 5,
        "add five to",
        "the number plus five",
        "n + 5",
        "Five books are added to the shelf.",
        False,
    ),
    (
        "add_7",
        ANY,
        lambda n: n + 7,
        "add seven to",
        "the number plus seven",
        "n + 7",
        "A week passes, seven days more.",
        True,
    ),
    (
        "add_10",
        ANY,
        lambda n: n + 10,
        "add ten to",
        "the number plus ten",
        "n + 10",
        "A bonus of ten points is given.",
        False,
    ),
    (
        "add_25",
        ANY,
        lambda n: n + 25,
        "add 25 to",
        "the number plus 25",
        "n + 25",
        "A fee of 25 comes on top.",
        False,
    ),
    (
        "add_100",
        ANY,
        lambda n: n + 100,
        "add one hundred to",
        "the number plus one hundred",
        "n + 100",
        "A century goes by.",
        False,
    ),
    (
        "subtract_2",
        lambda rng: str(rng.randint(3, 600)),
        lambda n: n - 2,
        "subtract two from",
        "the number minus two",
        "n - 2",
        "Two eggs are broken.",
        False,
    ),
    (
        "subtract_3",
        lambda rng: str(rng.randint(4, 600)),
        lambda n: n - 3,
        "subtract three from",
        "the number minus three",
        "n - 3",
        "Three players leave the field.",
        False,
    ),
    (
        "subtract_5",
        lambda rng: str(rng.randint(6, 600)),
        lambda n: n - 5,
        "subtract five from",
        "the number minus five",
        "n - 5",
        "Five coins roll away.",
        False,
    ),
    (
        "subtract_10",
        lambda rng: str(rng.randint(11, 900)),
        lambda n: n - 10,
        "subtract ten from",
        "the number minus ten",
        "n - 10",
        "A discount of ten is granted.",
        False,
    ),
    (
        "from_100",
        lambda rng: str(rng.randint(0, 99)),
        lambda n: 100 - n,
        "subtract _ from one hundred",
        "what is missing to one hundred",
        "100 - n",
        "A jar holds a hundred; the rest is still to be filled in.",
        False,
    ),
    (
        "times_3",
        upto(150),
        lambda n: 3 * n,
        "triple",
        "three times the number",
        "3n",
        "Three boxes hold that many each.",
        False,
    ),
    (
        "times_4",
        upto(150),
        lambda n: 4 * n,
        "multiply _ by four",
        "four times the number",
        "4n",
        "Four tables seat that many each.",
        True,
    ),
    (
        "times_5",
        upto(150),
        lambda n: 5 * n,
        "multiply _ by five",
        "five times the number",
        "5n",
        "Each hand counts five.",
        False,
    ),
    (
        "times_10",
        ANY,
        lambda n: 10 * n,
        "multiply _ by ten",
        "ten times the number",
        "10n",
        "Every coin is changed into ten.",
        False,
    ),
    (
        "times_100",
        ANY,
        lambda n: 100 * n,
        "multiply _ by one hundred",
        "a hundred times the number",
        "100n",
        "Dollars are counted as cents.",
        False,
    ),
    (
        "half",
        lambda rng: str(2 * rng.randint(1, 500)),
        lambda n: n // 2 if n % 2 == 0 else None,
        "halve",
        "half of the number",
        "n / 2",
        "Two friends share it fairly.",
        False,
    ),
    (
        "third_part",
        lambda rng: str(3 * rng.randint(1, 200)),
        lambda n: n // 3 if n % 3 == 0 else None,
        "divide _ by three",
        "a third of the number",
        "n / 3",
        "Three friends share it fairly.",
        False,
    ),
    (
        "tenth_part",
        lambda rng: str(10 * rng.randint(1, 900)),
        lambda n: n // 10 if n % 10 == 0 else None,
        "divide _ by ten",
        "a tenth of the number",
        "n / 10",
        "One in ten is picked.",
        False,
    ),
    (
        "square",
        upto(60),
        lambda n: n * n,
        "square",
        "the number times itself",
        "n * n",
        "A square room has sides of that length; tile its floor.",
        False,
    ),
    (
        "double_plus_one",
        upto(400),
        lambda n: 2 * n + 1,
        "double _ and add one to the result",
        "twice the number plus one",
        "2n + 1",
        "It is doubled, and one comes on top.",
        False,
    ),
    (
        "opposite_number",
        lambda rng: str(rng.choice([-1, 1]) * base.number(rng)),
        lambda n: -n,
        "change the sign of",
        "the number with the other sign",
        "-n",
        "Debts turn into savings and savings into debts.",
        False,
    ),
)
for name, source, f, do, result, formula, story, held_out in FIXED_TASKS:
    FIXED.add(
        name,
        source,
        of_number(f),
        held_out=held_out,
        do_it=with_object(do, "it"),
        do_n=with_object(do, "the number"),
        result=result,
        formula=formula,
        story=story,
    )

IN_WORDS = Family(
    "word_arithmetic",
    "arithmetic",
    """
{Do} the number word and answer in words.
{Do} it, in words.

In this task you are presented with a number in words, and your goal is to {do} it and write the result in
    words.
You are given a number spelled out; the goal of this task is to say {result}, spelled out too.

I want to calculate without digits: give me {result} in letters.
I need {result}, written the way one speaks.

Input: a number word. Output: {result} as a number word.
Input: words such as {before}. Output: words such as {after}.

{Result}, spelled out.
{Before} makes {after}.

Verbalize {result}.
Operate on the numeral expressed in words: {do} it.

At an auction all figures are spoken, never written; call out {result}.
When the teacher says {before}, the class answers {after}. What does it answer now?

No digits anywhere; the answer is {result}.
Understand the word as a number, {do} it, and turn the result into a word again.
""",
    held_out=True,
)
for name, f, least, most, do, result, held_out in (
    ("words_plus_2", lambda n: n + 2, 0, 97, "add two to", "two more than the number", False),
    ("words_plus_5", lambda n: n + 5, 0, 94, "add five to", "five more than the number", True),
    ("words_plus_10", lambda n: n + 10, 0, 150, "add ten to", "ten more than the number", False),
    ("words_minus_2", lambda n: n - 2, 2, 99, "take two from", "two less than the number", False),
    ("words_double", lambda n: 2 * n, 1, 99, "double", "twice the number", False),
    ("words_half", lambda n: n // 2 if n % 2 == 0 else None, 2, 198, "halve", "half of the number", True),
):

    def calculated(text: str, f=f) -> str | None:
        result = f(WORDS_TO_NUMBER[text]) if text in WORDS_TO_NUMBER else None
        return None if result is None else number_words(result)

    IN_WORDS.add(
        name,
        lambda rng, a=least, b=most: number_words(rng.randint(a, b)),
        calculated,
        held_out=held_out,
        do=do,
        result=result,
        before="forty",
        after=str(calculated("forty")),
    )

NEARBY = Family(
    "nearby_number",
    "arithmetic",
    """
Write {what}.
Find {what}.

In this task you are presented with a number, and your goal is to output {what}.
You are given an integer; the goal of this task is to determine {what}.

I need {what} for each number on my list.
I want a helper that turns a number into {what}.

Input: an integer. Output: {what}, in digits.
Input: {before}, for instance. Output: {after}. In general: {what}.

{What}, please.
From {before} to {after}: the same step here.

Determine {what}.
Map the integer to {what}.

The display of a till shows {what} and never the exact figure; what does it show?
For {before} the answer is {after}; what is it for this number?

Look at the number and decide on {what}.
Always reply with {what}.
""",
)
NEARBY_TASKS: tuple[tuple[str, Source, Callable[[int], int], str, int, bool], ...] = (
    ("next_odd", ANY, lambda n: n + 1 + n % 2, "the next odd number above it", 14, False),
    ("next_even", ANY, lambda n: n + 2 - n % 2, "the next even number above it", 14, False),
    (
        "previous_odd",
        lambda rng: str(rng.randint(4, 900)),
        lambda n: n - 1 - n % 2,
        "the nearest odd number below it",
        14,
        False,
    ),
    (
        "round_to_10",
        lambda rng: str(base.number(rng)),
        lambda n: (n + 5) // 10 * 10,
        "the nearest multiple of ten, with a final 5 going up",
        47,
        False,
    ),
    (
        "round_down_to_10",
        ANY,
        lambda n: n // 10 * 10,
        "the number with its last digit set to zero",
        47,
        False,
    ),
    (
        "round_to_100",
        lambda rng: str(rng.randint(1, 9999)),
        lambda n: (n + 50) // 100 * 100,
        "the nearest multiple of one hundred, with 50 going up",
        470,
        True,
    ),
    (
        "round_down_to_100",
        lambda rng: str(rng.randint(100, 9999)),
        lambda n: n // 100 * 100,
        "the number rounded down to full hundreds",
        470,
        False,
    ),
    ("next_multiple_of_5", ANY, lambda n: n // 5 * 5 + 5, "the next multiple of five above it", 47, False),
    (
        "next_multiple_of_100",
        lambda rng: str(rng.randint(1, 3000)),
        lambda n: n // 100 * 100 + 100,
        "the next multiple of one hundred above it",
        470,
        False,
    ),
    (
        "next_square",
        lambda rng: str(rng.randint(1, 400)),
        lambda n: (math.isqrt(n) + 1) ** 2,
        "the next square number above it",
        14,
        False,
    ),
    (
        "remainder_by_10",
        lambda rng: str(rng.randint(10, 9999)),
        lambda n: n % 10,
        "its last digit",
        47,
        False,
    ),
    (
        "remainder_by_3",
        lambda rng: str(rng.randint(1, 300)),
        lambda n: n % 3,
        "the remainder when it is divided by three",
        47,
        False,
    ),
    ("remainder_by_5", ANY, lambda n: n % 5, "the remainder when it is divided by five", 47, False),
    (
        "first_digit",
        lambda rng: str(rng.randint(10, 9999)),
        lambda n: int(str(n)[0]),
        "its first digit",
        47,
        False,
    ),
    (
        "digit_sum",
        lambda rng: str(rng.randint(10, 9999)),
        lambda n: sum(map(int, str(n))),
        "the sum of its digits",
        47,
        False,
    ),
    (
        "digit_product",
        lambda rng: str(rng.randint(11, 999)).replace("0", "2"),
        lambda n: math.prod(map(int, str(n))),
        "the product of its digits",
        47,
        True,
    ),
    (
        "largest_digit",
        lambda rng: str(rng.randint(10, 99999)),
        lambda n: int(max(str(n))),
        "its largest digit",
        47,
        False,
    ),
    (
        "number_of_digits",
        lambda rng: str(rng.randint(1, 10 ** rng.randint(1, 9))),
        lambda n: len(str(n)),
        "the number of its digits",
        470,
        False,
    ),
    (
        "tens_digit",
        lambda rng: str(rng.randint(100, 9999)),
        lambda n: n // 10 % 10,
        "its tens digit, the last but one",
        470,
        False,
    ),
)
for name, source, f, what, before, held_out in NEARBY_TASKS:
    NEARBY.add(
        name, source, of_number(f), held_out=held_out, what=what, before=str(before), after=str(f(before))
    )

STATISTIC = Family(
    "number_list",
    "arithmetic",
    """
Write {what}.
Give {what} of the list.

In this task you are presented with a list of numbers, and your goal is to output {what}.
You are given numbers separated by commas; the goal of this task is to determine {what}.

I need {what} for the figures I enter.
I want to know {what} of each of my lists.

Input: integers divided by commas. Output: {what}.
Input: a list like {before}. Output: {what}, for that list {after}.

What I need is {what}.
{What}, nothing more.

Determine {what} from the given series.
Compute {what} over the enumerated integers.

These are the points of some players; the host reads out {what}.
For {before} one writes {after}; do the same with this list.

Look through all the numbers and report {what}.
The answer is {what}.
""",
)
SAMPLE = "4, 9, 2, 7, 6"


def of_list(f: Callable[[list[int]], object]) -> Rule:
    def rule(text: str) -> str | None:
        numbers = base.integers(text)
        result = f(numbers) if len(numbers) > 2 else None
        return (
            None
            if result is None
            else ", ".join(map(str, result))
            if isinstance(result, list)
            else str(result)
        )

    return rule


def odd_length(rng: Rng) -> str:
    return number_list(rng, *rng.choice([(3, 3), (5, 5)]))


LIST_TASKS: tuple[tuple[str, Source, Callable[[list[int]], object], Words, bool], ...] = (
    (
        "second_largest",
        number_list,
        lambda x: sorted(x)[-2],
        ("the second-largest number", "the number only one other exceeds"),
        False,
    ),
    (
        "second_smallest",
        number_list,
        lambda x: sorted(x)[1],
        ("the second-smallest number", "the number only one other falls below"),
        False,
    ),
    (
        "median_number",
        odd_length,
        lambda x: sorted(x)[len(x) // 2],
        ("the median", "the number in the middle after sorting"),
        False,
    ),
    (
        "range_of_numbers",
        number_list,
        lambda x: max(x) - min(x),
        ("the largest number minus the smallest", "the range of the numbers"),
        False,
    ),
    (
        "numbers_ascending",
        number_list,
        sorted,
        ("the numbers from small to large, with commas", "the list in ascending order"),
        False,
    ),
    (
        "numbers_descending",
        number_list,
        lambda x: sorted(x)[::-1],
        ("the numbers from large to small, with commas", "the list in descending order"),
        True,
    ),
    (
        "even_numbers",
        number_list,
        lambda x: [n for n in x if n % 2 == 0] or None,
        ("the even numbers, with commas", "all numbers divisible by two"),
        False,
    ),
    (
        "odd_numbers",
        number_list,
        lambda x: [n for n in x if n % 2] or None,
        ("the odd numbers, with commas", "all numbers not divisible by two"),
        False,
    ),
    (
        "numbers_above_50",
        lambda rng: ", ".join(str(rng.randint(1, 99)) for _ in range(rng.randint(3, 6))),
        lambda x: [n for n in x if n > 50] or None,
        ("the numbers above 50, with commas", "all numbers greater than fifty"),
        False,
    ),
    (
        "numbers_below_20",
        lambda rng: ", ".join(str(rng.randint(1, 45)) for _ in range(rng.randint(3, 6))),
        lambda x: [n for n in x if n < 20] or None,
        ("the numbers below 20, with commas", "all numbers less than twenty"),
        False,
    ),
    (
        "two_digit_numbers",
        lambda rng: ", ".join(str(base.number(rng)) for _ in range(rng.randint(3, 6))),
        lambda x: [n for n in x if 9 < n < 100] or None,
        ("the two-digit numbers, with commas", "all numbers from 10 to 99"),
        False,
    ),
    (
        "count_even_numbers",
        number_list,
        lambda x: sum(n % 2 == 0 for n in x),
        ("how many numbers are even", "the count of even numbers"),
        False,
    ),
    (
        "count_above_50",
        lambda rng: ", ".join(str(rng.randint(1, 99)) for _ in range(rng.randint(3, 6))),
        lambda x: sum(n > 50 for n in x),
        ("how many numbers are above 50", "the count of numbers over fifty"),
        False,
    ),
    (
        "first_plus_last",
        number_list,
        lambda x: x[0] + x[-1],
        ("the first number plus the last number", "the sum of the two outer numbers"),
        False,
    ),
    (
        "sum_of_list",
        lambda rng: ", ".join(str(rng.randint(1, 9)) for _ in range(rng.randint(4, 5))),
        sum,
        ("the sum of all numbers", "the total"),
        False,
    ),
    (
        "largest_even",
        number_list,
        lambda x: max((n for n in x if n % 2 == 0), default=None),
        ("the largest even number", "the highest number divisible by two"),
        False,
    ),
    (
        "largest_position",
        number_list,
        lambda x: x.index(max(x)) + 1,
        (
            "the position of the largest number, counted from 1",
            "the place in the list at which the largest number stands",
        ),
        False,
    ),
    (
        "each_plus_one",
        number_list,
        lambda x: [n + 1 for n in x],
        ("every number increased by one, with commas", "the list with one added to each number"),
        False,
    ),
    (
        "each_doubled",
        number_list,
        lambda x: [2 * n for n in x],
        ("every number doubled, with commas", "the list with each number times two"),
        True,
    ),
    (
        "differences",
        lambda rng: ", ".join(map(str, sorted(rng.sample(range(1, 60), rng.randint(3, 5))))),
        lambda x: [b - a for a, b in itertools.pairwise(x)] if x == sorted(x) else None,
        ("the differences between neighbors, with commas", "how much each number exceeds the one before"),
        False,
    ),
    (
        "mean_of_three",
        lambda rng: mean_source(rng),
        lambda x: sum(x) // 3 if len(x) == 3 and sum(x) % 3 == 0 else None,
        ("the average of the three numbers", "the arithmetic mean"),
        False,
    ),
)


def mean_source(rng: Rng) -> str:
    numbers = [rng.randint(1, 30) for _ in range(2)]
    numbers.append(rng.randint(1, 10) * 3 + (-sum(numbers)) % 3)
    rng.shuffle(numbers)
    return ", ".join(map(str, numbers))


for name, source, f, what, held_out in LIST_TASKS:
    rule = of_list(f)
    sample = "4, 9, 2" if name == "mean_of_three" else "3, 8, 9" if name == "differences" else SAMPLE
    if name in ("numbers_above_50", "count_above_50"):
        sample = "61, 20, 58, 7"
    if name == "two_digit_numbers":
        sample = "61, 205, 58, 7"
    STATISTIC.add(name, source, rule, held_out=held_out, what=what, before=sample, after=str(rule(sample)))

EXPRESSION = Family(
    "expression",
    "arithmetic",
    """
Calculate {what}.
Solve it: {what}.

In this task you are presented with {given}, and your goal is to compute {what}.
You are given {given}; the goal of this task is to work out {what}.

I need the result of {given}.
I want a calculator for {given} that shows {what}.

Input: {given}, e.g. {before}. Output: {what}, e.g. {after}.
Input: {given}. Output: {what}.

{Before}? That makes {after}. And this?
What does it come to?

Evaluate {given}.
Determine the numerical value: {what}.

On the blackboard one can read {given}; write {what} next to it.
A pupil hands in {given}. What is the right answer ({what})?

Reply with {what} only.
Like {before} giving {after}: work out this one.
""",
)


def two_numbers(pattern: str, a: tuple[int, int], b: tuple[int, int], ordered: bool = False) -> Source:
    def draw(rng: Rng) -> str:
        x, y = rng.randint(*a), rng.randint(*b)
        return pattern.format(*sorted((x, y), reverse=True) if ordered else (x, y))

    return draw


def with_numbers(f: Callable[..., int], shape: str) -> Rule:
    """f of the numbers, where the text has the shape: its digits replaced by n."""

    def rule(text: str) -> str | None:
        numbers = base.integers(text.replace("-", " - "))
        stripped = "".join("" if c.isdigit() else c for c in text)
        return str(f(*numbers)) if stripped == shape else None

    return rule


EXPRESSIONS: tuple[tuple[str, Source, Rule, str, str, str, bool], ...] = (
    (
        "evaluate_sum",
        two_numbers("{} + {}", (1, 99), (1, 99)),
        with_numbers(lambda a, b: a + b, " + "),
        "a sum with a plus sign",
        "the sum",
        "12 + 30",
        False,
    ),
    (
        "evaluate_difference",
        two_numbers("{} - {}", (1, 99), (1, 99), True),
        with_numbers(lambda a, b: a - b, " - "),
        "a subtraction with a minus sign",
        "the difference",
        "30 - 12",
        False,
    ),
    (
        "evaluate_product",
        two_numbers("{} * {}", (2, 12), (2, 12)),
        with_numbers(lambda a, b: a * b, " * "),
        "a multiplication with an asterisk",
        "the product",
        "4 * 7",
        False,
    ),
    (
        "evaluate_two_steps",
        lambda rng: f"{rng.randint(1, 30)} + {rng.randint(2, 30)} - {rng.randint(1, 20)}",
        with_numbers(lambda a, b, c: a + b - c, " +  - "),
        "a sum followed by a subtraction",
        "the result",
        "8 + 5 - 3",
        False,
    ),
    (
        "evaluate_product_plus",
        lambda rng: f"{rng.randint(2, 9)} * {rng.randint(2, 9)} + {rng.randint(1, 20)}",
        with_numbers(lambda a, b, c: a * b + c, " *  + "),
        "a product with a number added to it",
        "the result",
        "3 * 4 + 2",
        False,
    ),
    (
        "evaluate_word_sum",
        lambda rng: f"{number_words(rng.randint(1, 30))} plus {number_words(rng.randint(1, 30))}",
        lambda t: str(sum(WORDS_TO_NUMBER[p] for p in t.split(" plus "))) if " plus " in t else None,
        "a sum in words",
        "the sum in digits",
        "two plus five",
        False,
    ),
    (
        "evaluate_word_minus",
        lambda rng: "{} minus {}".format(
            *map(number_words, sorted((rng.randint(1, 40), rng.randint(1, 40)), reverse=True))
        ),
        lambda t: (
            number_words(WORDS_TO_NUMBER[t.split(" minus ")[0]] - WORDS_TO_NUMBER[t.split(" minus ")[1]])
            if " minus " in t
            else None
        ),
        "a subtraction in words",
        "the difference in words",
        "nine minus five",
        False,
    ),
    (
        "missing_summand",
        lambda rng: (lambda a, b: f"{a} + ? = {a + b}")(rng.randint(1, 60), rng.randint(1, 40)),
        with_numbers(lambda a, c: c - a, " + ? = "),
        "an addition with a gap shown by a question mark",
        "the missing number",
        "4 + ? = 9",
        False,
    ),
    (
        "missing_factor",
        lambda rng: (lambda a, b: f"{a} * ? = {a * b}")(rng.randint(2, 12), rng.randint(2, 12)),
        with_numbers(lambda a, c: c // a, " * ? = "),
        "a multiplication with a gap shown by a question mark",
        "the missing factor",
        "4 * ? = 20",
        False,
    ),
    (
        "count_between",
        lambda rng: "{} and {}".format(*sorted(rng.sample(range(1, 80), 2))),
        with_numbers(lambda a, b: b - a - 1, " and "),
        "two numbers joined by and",
        "how many whole numbers lie strictly between them",
        "3 and 7",
        False,
    ),
    (
        "second_minus_first",
        lambda rng: f"{rng.randint(1, 50)}, {rng.randint(1, 50)}",
        lambda t: (lambda x: str(x[1] - x[0]) if len(x) == 2 else None)(base.integers(t)),
        "two numbers with a comma",
        "the second minus the first, with its sign if negative",
        "5, 12",
        False,
    ),
    (
        "larger_minus_one",
        lambda rng: "{}, {}".format(*rng.sample(range(2, 99), 2)),
        lambda t: (lambda x: str(max(x) - 1) if len(x) == 2 else None)(base.integers(t)),
        "two numbers with a comma",
        "one less than the larger number",
        "5, 12",
        False,
    ),
)
for name, source, rule, given, what, before, held_out in EXPRESSIONS:
    EXPRESSION.add(
        name, source, rule, held_out=held_out, given=given, what=what, before=before, after=str(rule(before))
    )

PROPERTY = Family(
    "number_property",
    "classification",
    """
Is the number {what}? Answer yes or no.
Say yes if it is {what}, otherwise no.

In this task you are presented with a number, and your goal is to decide with yes or no whether it is {what}.
You are given an integer; the goal of this task is to answer yes if it is {what} and no if it is not.

I need to know, yes or no, whether my numbers are {what}.
I want a test that says yes to every number that is {what} and no to the others.

Input: an integer. Output: yes or no, depending on whether it is {what}.
Input: a number. Output: yes for one that is {what}, else no.

{What}, yes or no?
Yes if {what}.

Judge if the integer is {what}; reply in the affirmative (yes) or the negative (no).
Test the predicate '{what}' on the given value and print yes or no.

At this door only numbers that are {what} may enter. Yes or no for this one?
A child learns which numbers are {what} and asks about this one; answer yes or no.

Check the number: {what} means yes, anything else no.
Write yes or no; yes stands for {what}.
""",
)


def when(condition: Callable[[int], object]) -> Rule:
    return lambda text: "yes" if condition(int(text)) else "no"


def mostly_small(rng: Rng) -> str:
    return str(rng.choice([rng.randint(1, 99), rng.randint(1, 99), rng.randint(100, 400)]))


# numbers that come near to the property
PROPERTY_SOURCES: dict[str, Source] = {
    "square_number": lambda rng: str(rng.choice([rng.randint(1, 30) ** 2, rng.randint(2, 400)])),
    "divisible_by_10": lambda rng: str(
        rng.choice([rng.randint(1, 400), 5 * rng.randint(1, 80), 10 * rng.randint(1, 40)])
    ),
    "greater_than_50": upto(200),
    "greater_than_100": upto(200),
}


def prime(n: int) -> bool:
    return 1 < n < 10**6 and all(n % d for d in range(2, math.isqrt(n) + 1))


for name, condition, what, held_out in (
    ("divisible_by_3", lambda n: n % 3 == 0, ("divisible by three", "a multiple of 3"), False),
    ("divisible_by_4", lambda n: n % 4 == 0, ("divisible by four", "a multiple of 4"), True),
    ("divisible_by_5", lambda n: n % 5 == 0, ("divisible by five", "a multiple of 5"), False),
    ("divisible_by_10", lambda n: n % 10 == 0, ("divisible by ten", "a multiple of 10"), False),
    ("prime_number", prime, ("prime", "a prime number"), False),
    ("greater_than_100", lambda n: n > 100, ("greater than one hundred", "above 100"), False),
    ("greater_than_50", lambda n: n > 50, ("greater than fifty", "above 50"), False),
    (
        "square_number",
        lambda n: math.isqrt(n) ** 2 == n,
        ("a square number", "the square of a whole number"),
        False,
    ),
    (
        "two_digit_number",
        lambda n: 9 < n < 100,
        ("written with two digits", "between 10 and 99"),
        False,
    ),
    (
        "digits_alike",
        lambda n: n > 9 and len(set(str(n))) < len(str(n)),
        ("written with some digit more than once", "made of digits that are not all different"),
        False,
    ),
    ("digit_7", lambda n: "7" in str(n), ("written with a 7 in it", "spelled with the digit seven"), False),
):
    rule = when(condition)
    source = PROPERTY_SOURCES.get(name, mostly_small)
    PROPERTY.add(name, balanced(source, rule), rule, held_out=held_out, choice=True, what=what)

COMPARE = Family(
    "number_compare",
    "classification",
    """
{Question} Answer {labels}.
Decide: {question}

In this task you are presented with {given}, and your goal is to answer with {labels}: {question}
You are given {given}; the goal of this task is to find out: {question} Write {labels}.

I need a quick answer, {labels}, when I enter {given}: {question}
I want to compare things. {Question} Reply {labels}.

Input: {given}. Output: {labels}, the answer to: {question}
Input: {given}. Output: one of the labels {labels}. {Question}

{Labels}? {Question}
Tell me: {question}

Determine the relation and respond with {labels}: {question}
Assess {given} and emit {labels} ({question}).

A referee gets {given} and has to decide: {question} Say {labels}.
In a quiz the host reads out {given}. {Question} Press the button {labels}.

Compare, then write {labels}. {Question}
Only {labels} may be answered. {Question}
""",
)


def pair_of_numbers(rng: Rng) -> str:
    largest = rng.choice([20, 99, 999])
    a = rng.randint(1, largest)
    b = a if rng.random() < 0.1 else rng.randint(1, largest)
    return f"{a}, {b}"


def two_words(rng: Rng) -> str:
    return ", ".join(base.some_words(rng, 2, 2).split())


def on_pair(f: Callable[[str, str], str | None]) -> Rule:
    def rule(text: str) -> str | None:
        parts = text.split(", ")
        return f(*parts) if len(parts) == 2 else None

    return rule


def on_numbers(f: Callable[[int, int], str | None]) -> Rule:
    return on_pair(lambda a, b: f(int(a), int(b)) if a.isdigit() and b.isdigit() else None)


def a_price(rng: Rng) -> str:
    return f"${rng.randint(1, 40)}.{rng.randint(0, 99):02d}"


MONTH_PLACE: dict[str, int] = {name: place for place, name in enumerate(v.MONTHS)}


def month_order(a: str, b: str) -> str | None:
    if not {a, b} <= MONTH_PLACE.keys():
        return None
    return "before" if MONTH_PLACE[a] < MONTH_PLACE[b] else "after"


COMPARISONS: tuple[tuple[str, Source, Rule, tuple[str, ...], str, str, str, bool], ...] = (
    (
        "first_larger",
        pair_of_numbers,
        on_numbers(lambda a, b: "yes" if a > b else "no"),
        ("yes", "no"),
        "two numbers",
        "yes or no",
        "is the first larger than the second?",
        False,
    ),
    (
        "sum_even",
        pair_of_numbers,
        on_numbers(lambda a, b: "no" if (a + b) % 2 else "yes"),
        ("yes", "no"),
        "two numbers",
        "yes or no",
        "is their sum even?",
        False,
    ),
    (
        "sum_above_100",
        lambda rng: f"{rng.randint(1, 99)}, {rng.randint(1, 99)}",
        on_numbers(lambda a, b: "yes" if a + b > 100 else "no"),
        ("yes", "no"),
        "two numbers",
        "yes or no",
        "is their sum greater than one hundred?",
        True,
    ),
    (
        "second_multiple",
        lambda rng: (lambda a, b: f"{a}, {a * b + rng.choice([0, 0, 1])}")(
            rng.randint(2, 12), rng.randint(2, 9)
        ),
        on_numbers(lambda a, b: "no" if b % a else "yes"),
        ("yes", "no"),
        "two numbers",
        "yes or no",
        "can the second be divided by the first without a remainder?",
        False,
    ),
    (
        "larger_place",
        pair_of_numbers,
        on_numbers(lambda a, b: None if a == b else "first" if a > b else "second"),
        ("first", "second"),
        "two numbers",
        "first or second",
        "which of the two is larger?",
        False,
    ),
    (
        "cheaper_place",
        lambda rng: f"{a_price(rng)}, {a_price(rng)}",
        on_pair(lambda a, b: None if a == b else "first" if float(a[1:]) < float(b[1:]) else "second"),
        ("first", "second"),
        "two prices",
        "first or second",
        "which of the two is cheaper?",
        False,
    ),
    (
        "longer_word_place",
        two_words,
        on_pair(lambda a, b: "equal" if len(a) == len(b) else "first" if len(a) > len(b) else "second"),
        ("first", "second", "equal"),
        "two words",
        "first, second or equal",
        "which word has more letters?",
        False,
    ),
    (
        "same_length",
        two_words,
        on_pair(lambda a, b: "yes" if len(a) == len(b) else "no"),
        ("yes", "no"),
        "two words",
        "yes or no",
        "do they have the same number of letters?",
        False,
    ),
    (
        "same_first_letter",
        two_words,
        on_pair(lambda a, b: "yes" if a[0] == b[0] else "no"),
        ("yes", "no"),
        "two words",
        "yes or no",
        "do they start with the same letter?",
        False,
    ),
    (
        "same_last_letter",
        two_words,
        on_pair(lambda a, b: "yes" if a[-1] == b[-1] else "no"),
        ("yes", "no"),
        "two words",
        "yes or no",
        "do they end in the same letter?",
        True,
    ),
    (
        "alphabetical_order",
        two_words,
        on_pair(lambda a, b: "yes" if a < b else "no"),
        ("yes", "no"),
        "two words",
        "yes or no",
        "are they in alphabetical order?",
        False,
    ),
    (
        "later_year",
        lambda rng: "{}, {}".format(*rng.sample(range(1800, 2025), 2)),
        on_numbers(lambda a, b: "earlier" if a < b else "later"),
        ("earlier", "later"),
        "two years",
        "earlier or later",
        "is the first year earlier or later than the second?",
        False,
    ),
    (
        "later_month",
        lambda rng: ", ".join(rng.sample(v.MONTHS, 2)),
        on_pair(lambda a, b: month_order(a, b)),
        ("before", "after"),
        "two months",
        "before or after",
        "does the first come before or after the second within a year?",
        False,
    ),
    (
        "parity_alike",
        pair_of_numbers,
        on_numbers(
            lambda a, b: "both even" if a % 2 == b % 2 == 0 else "both odd" if a % 2 and b % 2 else "mixed"
        ),
        ("both even", "both odd", "mixed"),
        "two numbers",
        "both even, both odd or mixed",
        "are they even or odd?",
        False,
    ),
)
for name, source, rule, choices, given, labels, question, held_out in COMPARISONS:
    COMPARE.add(
        name,
        balanced(source, rule, choices),
        rule,
        held_out=held_out,
        choice=True,
        given=given,
        labels=labels,
        question=question,
    )

# --- units ---

UNIT = Family(
    "unit",
    "arithmetic",
    """
Convert {a} to {b}.
How many {b} is that?

In this task you are presented with a value in {a}, and your goal is to convert it to {b}.
You are given a measure in {a}; the goal of this task is to express it in {b}.

I need my values in {b}, but all I have is {a}.
I want a converter from {a} to {b}.

Input: a value in {a}. Output: the same in {b}, number and unit.
Input: {before}, say. Output: {after}. Always from {a} to {b}.

The same thing in {b}.
{Before} makes {after}, so ...

Transform the measurement from {a} into {b}.
Re-express the quantity using {b} as the unit.

A foreign colleague understands only {b}; translate this value from {a}.
The label gives {a}, the form asks for {b}. Fill in the form.

Switch from {a} to {b}; {before} would be {after}.
Keep the amount, change the unit to {b}.
""",
)


def convert(numerator: int, denominator: int, before: str, after: str, largest: int) -> tuple[Source, Rule]:
    """Whole numbers only; the units as they are written."""

    def source(rng: Rng) -> str:
        n = rng.choice([rng.randint(1, 12), rng.randint(1, largest), rng.randint(1, largest)])
        return f"{n * denominator} {before}"

    def rule(text: str) -> str | None:
        n, _, unit = text.partition(" ")
        if unit != before or not n.isdigit() or int(n) * numerator % denominator:
            return None
        return f"{int(n) * numerator // denominator} {after}"

    return source, rule


for name, factor, short, long, largest, held_out in (
    ("km_to_m", (1000, 1), ("km", "m"), ("kilometers", "meters"), 300, False),
    ("m_to_km", (1, 1000), ("m", "km"), ("meters", "kilometers"), 300, False),
    ("m_to_cm", (100, 1), ("m", "cm"), ("meters", "centimeters"), 300, False),
    ("cm_to_mm", (10, 1), ("cm", "mm"), ("centimeters", "millimeters"), 300, False),
    ("cm_to_m", (1, 100), ("cm", "m"), ("centimeters", "meters"), 300, False),
    ("kg_to_g", (1000, 1), ("kg", "g"), ("kilograms", "grams"), 300, False),
    ("g_to_mg", (1000, 1), ("g", "mg"), ("grams", "milligrams"), 300, True),
    ("t_to_kg", (1000, 1), ("t", "kg"), ("tons", "kilograms"), 300, False),
    ("l_to_ml", (1000, 1), ("l", "ml"), ("liters", "milliliters"), 300, False),
    ("h_to_min", (60, 1), ("h", "min"), ("hours", "minutes"), 120, False),
    ("min_to_s", (60, 1), ("min", "s"), ("minutes", "seconds"), 120, False),
    ("min_to_h", (1, 60), ("min", "h"), ("minutes", "hours"), 120, False),
    ("days_to_hours", (24, 1), ("days", "hours"), ("days", "hours"), 100, False),
    ("weeks_to_days", (7, 1), ("weeks", "days"), ("weeks", "days"), 200, False),
    ("years_to_months", (12, 1), ("years", "months"), ("years", "months"), 120, True),
    ("months_to_years", (1, 12), ("months", "years"), ("months", "years"), 120, False),
    ("dozens_to_pieces", (12, 1), ("dozen eggs", "eggs"), ("dozens", "single eggs"), 120, False),
    ("feet_to_inches", (12, 1), ("ft", "in"), ("feet", "inches"), 120, False),
    ("yards_to_feet", (3, 1), ("yd", "ft"), ("yards", "feet"), 300, False),
    ("pounds_to_ounces", (16, 1), ("lb", "oz"), ("pounds", "ounces"), 120, False),
    ("gallons_to_quarts", (4, 1), ("gal", "qt"), ("gallons", "quarts"), 300, False),
    ("decades_to_years", (10, 1), ("decades", "years"), ("decades", "years"), 150, False),
    ("kb_to_bytes", (1024, 1), ("KiB", "bytes"), ("kibibytes of 1024 bytes", "bytes"), 60, False),
    ("dollars_to_quarters", (4, 1), ("dollars", "quarters"), ("dollars", "quarter coins"), 200, False),
):
    source, rule = convert(*factor, *short, largest)
    before = f"{3 * factor[1]} {short[0]}"
    UNIT.add(
        name, source, rule, held_out=held_out, a=long[0], b=long[1], before=before, after=str(rule(before))
    )
UNIT.add(
    "celsius_to_fahrenheit",
    lambda rng: f"{5 * rng.randint(-12, 60)}°C",
    lambda t: f"{int(t[:-2]) * 9 // 5 + 32}°F" if t.endswith("°C") and int(t[:-2]) % 5 == 0 else None,
    a="degrees Celsius",
    b="degrees Fahrenheit",
    before="20°C",
    after="68°F",
)
UNIT.add(
    "fahrenheit_to_celsius",
    lambda rng: f"{9 * rng.randint(-12, 60) + 32}°F",
    lambda t: (
        f"{(int(t[:-2]) - 32) * 5 // 9}°C" if t.endswith("°F") and (int(t[:-2]) - 32) % 9 == 0 else None
    ),
    held_out=False,
    a="degrees Fahrenheit",
    b="degrees Celsius",
    before="68°F",
    after="20°C",
)

# --- word problems ---

STORY = Family(
    "word_problem",
    "reasoning",
    """
Solve the problem: {what}.
Write {what}.

In this task you are presented with a short story with numbers, and your goal is to work out {what}.
You are given a little story; the goal of this task is to answer with {what}.

I need help with my children's homework; for every story I want {what}.
I want {what} as a plain number, not a sentence.

Input: a story with numbers. Output: {what}, in digits.
Input: two or three facts. Output: one number, {what}.

So {question}
{Question}

Derive {what} from the facts narrated.
Compute {what} implied by the description.

After reading the story the teacher asks: {question} Give the number.
A friend tells you this and asks: {question}

Read the facts, calculate, and print only {what}.
The story does not say it, but one can find it out: {question}
""",
)
STUFF = """
apples books stamps marbles pencils cookies shells coins stickers postcards balloons cards eggs flowers
tickets plums candles
""".split()


def told(rng: Rng, patterns: list[str], **numbers: int) -> str:
    a, b = rng.sample(v.FIRST_NAMES, 2)
    return rng.choice(patterns).format(n=a, m=b, s=rng.choice(STUFF), **numbers)


def gain(rng: Rng) -> base.Pair:
    x, y = rng.randint(2, 60), rng.randint(2, 40)
    patterns = [
        "{n} has {x} {s} and gets {y} more.",
        "{n} finds {x} {s}. Then {m} brings {y} more.",
        "There are {x} {s} in a box. {n} puts {y} more in.",
        "{n} owned {x} {s} and bought another {y}.",
    ]
    return told(rng, patterns, x=x, y=y), str(x + y)


def loss(rng: Rng) -> base.Pair:
    y = rng.randint(2, 40)
    x = y + rng.randint(1, 40)
    patterns = [
        "{n} has {x} {s} and gives {y} to {m}.",
        "There were {x} {s} in the basket. {n} took {y}.",
        "{n} had {x} {s} but lost {y}.",
        "Of {x} {s}, {n} sold {y}.",
    ]
    return told(rng, patterns, x=x, y=y), str(x - y)


def equal_groups(rng: Rng) -> base.Pair:
    x, y = rng.randint(2, 12), rng.randint(2, 12)
    patterns = [
        "{n} fills {x} bags with {y} {s} each.",
        "On each of {x} shelves there are {y} {s}.",
        "{x} children bring {y} {s} each.",
        "{n} buys {x} boxes. Every box holds {y} {s}.",
    ]
    return told(rng, patterns, x=x, y=y), str(x * y)


def sharing(rng: Rng) -> base.Pair:
    x, y = rng.randint(2, 10), rng.randint(2, 12)
    patterns = [
        "{t} {s} are shared fairly among {x} children.",
        "{n} packs {t} {s} into {x} equal boxes.",
        "{n} and {m} divide {t} {s} evenly between {x} tables.",
        "{x} friends split {t} {s} equally.",
    ]
    return told(rng, patterns, x=x, y=y, t=x * y), str(y)


def cost(rng: Rng) -> base.Pair:
    x, y = rng.randint(2, 12), rng.randint(2, 15)
    patterns = [
        "{n} buys {x} {s} at {y} dollars each.",
        "One of the {s} costs {y} dollars. {n} wants {x} of them.",
        "{x} {s} were sold for {y} dollars apiece.",
    ]
    return told(rng, patterns, x=x, y=y), str(x * y)


def change(rng: Rng) -> base.Pair:
    paid = rng.choice([10, 20, 50, 100])
    x = rng.randint(1, paid - 1)
    patterns = [
        "{n} pays {x} dollars for {s} with a {p} dollar bill.",
        "The {s} cost {x} dollars. {n} hands over {p} dollars.",
        "With {p} dollars in the pocket, {n} spends {x} on {s}.",
    ]
    return told(rng, patterns, x=x, p=paid), str(paid - x)


def age(rng: Rng) -> base.Pair:
    x, y = rng.randint(3, 60), rng.randint(2, 25)
    patterns = [
        "{n} is {x} years old. {m} is {y} years older.",
        "{m} was born {y} years before {n}, who is {x}.",
        "{n} is {x}, and {m} is older by {y} years.",
    ]
    return told(rng, patterns, x=x, y=y), str(x + y)


def distance(rng: Rng) -> base.Pair:
    x, y = 10 * rng.randint(1, 12), rng.randint(2, 9)
    patterns = [
        "{n} drives {y} hours at {x} km an hour.",
        "A train goes {x} km an hour for {y} hours.",
        "At a speed of {x} km an hour, {n} is on the road for {y} hours.",
    ]
    return told(rng, patterns, x=x, y=y), str(x * y)


def legs(rng: Rng) -> base.Pair:
    kinds = {
        "dogs": 4,
        "cats": 4,
        "hens": 2,
        "cows": 4,
        "ducks": 2,
        "ants": 6,
        "spiders": 8,
        "goats": 4,
        "geese": 2,
    }
    a, b = rng.sample(sorted(kinds), 2)
    x, y = rng.randint(2, 9), rng.randint(2, 9)
    return f"{x} {a} and {y} {b} are in the yard.", str(x * kinds[a] + y * kinds[b])


for name, draw, what, question, held_out in (
    ("story_total", gain, "how many things there are in the end", "how many are there now?", False),
    ("story_left", loss, "how many things are left", "how many are left?", False),
    (
        "story_groups",
        equal_groups,
        "how many things there are in all",
        "how many are there altogether?",
        False,
    ),
    ("story_share", sharing, "how many things each part gets", "how many does each one get?", True),
    ("story_cost", cost, "the total price in dollars", "how many dollars does it come to?", False),
    ("story_change", change, "the money that remains in dollars", "how many dollars are left over?", False),
    ("story_age", age, "the age of the older person", "how old is the older one?", False),
    ("story_distance", distance, "the distance in kilometers", "how many kilometers is it?", False),
    ("story_legs", legs, "the number of legs", "how many legs is that?", False),
):
    STORY.add_pairs(name, draw, held_out=held_out, what=what, question=question)
