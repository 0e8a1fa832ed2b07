"""Lists, dates, times, phone numbers, money, numerals, names and records written in another form."""

import json
import re
from collections.abc import Callable

import generators as g
import vocabulary as v

from families import base
from families.base import Family, Rng, Rule, Source, comma_list

# --- lists ---

LIST = Family(
    "list_format",
    "formatting",
    """
Write the list {how}.
Format the items {how}.

In this task you are presented with items separated by commas, and your goal is to write them {how}.
You are given a comma-separated list; the goal of this task is to set it out {how}.

I need my comma lists {how}.
I want the things I enter one after another to come back {how}.

Input: items separated by commas. Output: the same items {how}.
Input: {before}. Output: {after}. Other lists follow the same pattern.

Better {how}.
Make it look right: {how}.

Convert the enumeration so that its elements appear {how}.
Render the entries {how}.

Our newsletter prints lists {how}; prepare this one.
A program downstream accepts lists only {how}. Hand it over in that form.

Take the list apart at its commas and write the parts {how}.
Same items, same order, but {how}.
""",
)


def of_items(write: Callable[[list[str]], str]) -> Rule:
    return lambda text: write(text.split(", "))


LIST_FORMS: tuple[tuple[str, Callable[[list[str]], str], str | tuple[str, ...], bool], ...] = (
    (
        "list_numbered",
        lambda x: "\n".join(f"{i}. {e}" for i, e in enumerate(x, 1)),
        ("as a numbered list, one item a line", "numbered 1., 2., 3. on lines of their own"),
        False,
    ),
    (
        "list_stars",
        lambda x: "\n".join(f"* {e}" for e in x),
        ("as bullets with asterisks, one a line", "each on its own line after a star and a space"),
        False,
    ),
    ("list_lines", "\n".join, ("one item a line", "on separate lines, with nothing else"), False),
    (
        "list_checkboxes",
        lambda x: "\n".join(f"- [ ] {e}" for e in x),
        ("as a Markdown task list with empty boxes", "as lines that begin with - [ ]"),
        False,
    ),
    (
        "list_lettered",
        lambda x: "\n".join(f"{chr(97 + i)}) {e}" for i, e in enumerate(x)),
        ("with letters a), b), c), one item a line", "as lines labeled a), b) and so on"),
        False,
    ),
    (
        "list_with_and",
        lambda x: ", ".join(x[:-1]) + " and " + x[-1],
        (
            "with 'and' before the last item in place of the comma",
            "as a phrase: commas, and the word and at the end",
        ),
        False,
    ),
    (
        "list_with_or",
        lambda x: ", ".join(x[:-1]) + " or " + x[-1],
        (
            "with 'or' before the last item in place of the comma",
            "as a choice: commas, and the word or at the end",
        ),
        False,
    ),
    (
        "list_oxford_comma",
        lambda x: ", ".join(x[:-1]) + ", and " + x[-1],
        (
            "with an Oxford comma and 'and' before the last item",
            "as a phrase that ends in a comma, and, and the last item",
        ),
        True,
    ),
    ("list_semicolons", "; ".join, ("with semicolons instead of commas", "divided by semicolons"), False),
    (
        "list_reversed",
        lambda x: ", ".join(x[::-1]),
        ("in reverse order, still with commas", "from the last to the first, with commas"),
        False,
    ),
    (
        "list_quoted",
        lambda x: ", ".join(f'"{e}"' for e in x),
        ("with double quotes around each item, still with commas", "with every entry in quotation marks"),
        False,
    ),
    (
        "list_python",
        repr,
        ("as a Python list of strings in single quotes", "as a Python literal, ['like', 'this']"),
        False,
    ),
    (
        "list_html",
        lambda x: "".join(f"<li>{e}</li>" for e in x),
        ("as HTML list items without line breaks", "with each item between <li> and </li>"),
        False,
    ),
    (
        "list_table_row",
        lambda x: "| " + " | ".join(x) + " |",
        ("as a row of a Markdown table", "between vertical bars, as one table row"),
        False,
    ),
    (
        "list_yaml",
        lambda x: "items:\n" + "\n".join(f"  - {e}" for e in x),
        ("as YAML under the key items, indented by two spaces", "as a YAML block that starts with items:"),
        False,
    ),
    (
        "list_capitals",
        lambda x: ", ".join(e.upper() for e in x),
        ("in capitals, still with commas", "with all items in upper case"),
        False,
    ),
)
for name, write, how, held_out in LIST_FORMS:
    sample = ["tea", "rice", "soap"]
    after = write(sample).replace("\n", " (new line) ")
    LIST.add(
        name, comma_list, of_items(write), held_out=held_out, how=how, before=", ".join(sample), after=after
    )

CHOOSE = Family(
    "list_choice",
    "string",
    """
Write {what} of the list.
Give {what}.

In this task you are presented with items separated by commas, and your goal is to output {what}.
You are given a comma-separated list; the goal of this task is to repeat {what}.

I need {what} from each list I enter.
I only want {what} of my lists.

Input: items divided by commas. Output: {what}, exactly as written, with commas if there are several.
Input: a list. Output: {what}.

What I want is {what}.
{What}, please.

Return {what} of the enumeration.
Select {what} from the series of entries.

People wait in line in the order of this list. Name {what}.
A contest is over and the list shows who came in when; announce {what}.

Ignore the rest of the list and copy {what}.
Count along the commas to find {what}.
""",
)
for name, least, most, what, pick, held_out in (
    ("list_fourth", 6, 7, ("the fourth item", "item number four"), lambda x: x[3:4], False),
    ("list_first_two", 4, 6, ("the first two items", "the two items at the start"), lambda x: x[:2], False),
    ("list_last_two", 4, 6, ("the last two items", "the two items at the end"), lambda x: x[-2:], False),
    (
        "list_ends",
        4,
        6,
        ("the first and the last item", "the two outermost items"),
        lambda x: [x[0], x[-1]],
        True,
    ),
    (
        "list_all_but_first",
        4,
        6,
        ("all items but the first", "everything after the first item"),
        lambda x: x[1:],
        False,
    ),
    (
        "list_all_but_last",
        4,
        6,
        ("all items but the last", "everything before the last item"),
        lambda x: x[:-1],
        False,
    ),
    (
        "list_odd_items",
        4,
        7,
        ("the first, third, fifth item and so on", "every other item, from the first on"),
        lambda x: x[::2],
        False,
    ),
    (
        "list_inner",
        4,
        6,
        ("all items except the first and the last", "what stands between the two outer items"),
        lambda x: x[1:-1],
        True,
    ),
):

    def chosen(text: str, pick=pick) -> str | None:
        found = pick(text.split(", "))
        return ", ".join(found) if found else None

    CHOOSE.add(
        name,
        lambda rng, a=least, b=most: ", ".join(base.entries(rng, a, b)),
        chosen,
        held_out=held_out,
        what=what,
    )

# --- dates ---

DATE = Family(
    "date_format",
    "formatting",
    """
Write the date as {form}.
Convert the date to {form}.

In this task you are presented with a date, and your goal is to give {form}.
You are given a date; the goal of this task is to turn it into {form}.

I need dates as {form} for my calendar.
I want each date to become {form}.

Input: a date. Output: {form}, e.g. {example}.
Input: a day with month and year in some notation. Output: it as {form}.

{Form} will do.
Make it {form}, please.

Express the calendar date as {form}.
Reformat the given day to {form}.

Our office fills in forms that accept only {form}; what is to be entered?
A database wants {form} in this field. Enter the date.

For the fifth of March 2021 the answer would be {example}; write this date likewise.
Read day, month and year and print {form}.
""",
)
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}


def ordinal(n: int) -> str:
    suffix = "th" if n % 100 in (11, 12, 13) else ORDINALS.get(n % 10, "th")
    return f"{n}{suffix}"


def month(m: int) -> str:
    return v.MONTHS[m - 1]


DateForm = Callable[[int, int, int], str]


def ISO(y, m, d):
    return f"{y}-{m:02d}-{d:02d}"


def LONG(y, m, d):
    return f"{month(m)} {d}, {y}"


def BRITISH(y, m, d):
    return f"{d} {month(m)} {y}"


def SHORT(y, m, d):
    return f"{d} {month(m)[:3]} {y}"


DATE_FORMS: tuple[tuple[str, DateForm, tuple[DateForm, ...], str | tuple[str, ...], bool], ...] = (
    (
        "date_slashes_day_first",
        lambda y, m, d: f"{d:02d}/{m:02d}/{y}",
        (ISO, LONG, BRITISH, SHORT),
        ("DD/MM/YYYY", "day/month/year in digits, two for day and month"),
        False,
    ),
    (
        "date_dots",
        lambda y, m, d: f"{d:02d}.{m:02d}.{y}",
        (ISO, LONG, BRITISH, SHORT),
        ("DD.MM.YYYY", "day, month and year in digits with dots"),
        False,
    ),
    (
        "date_year_slashes",
        lambda y, m, d: f"{y}/{m:02d}/{d:02d}",
        (ISO, LONG, BRITISH, SHORT),
        ("YYYY/MM/DD", "year/month/day with slashes"),
        True,
    ),
    (
        "date_compact",
        lambda y, m, d: f"{y}{m:02d}{d:02d}",
        (ISO, LONG, BRITISH, SHORT),
        ("YYYYMMDD", "eight digits without separators, year first"),
        False,
    ),
    (
        "date_long_american",
        LONG,
        (ISO, BRITISH, SHORT),
        ("month name, day, comma, year", "a long American date"),
        False,
    ),
    ("date_long_british", BRITISH, (ISO, LONG), ("day, month name, year", "a long British date"), False),
    (
        "date_month_year",
        lambda y, m, d: f"{month(m)} {y}",
        (ISO, LONG, BRITISH),
        ("month name and year", "its month in words with the year"),
        False,
    ),
    (
        "date_month_number",
        lambda y, m, d: str(m),
        (LONG, BRITISH, SHORT),
        ("the number of the month", "its month as a number from 1 to 12"),
        False,
    ),
    (
        "date_month_name",
        lambda y, m, d: month(m),
        (ISO, lambda y, m, d: f"{d:02d}.{m:02d}.{y}"),
        ("the month's name", "its month in words"),
        False,
    ),
    (
        "date_day",
        lambda y, m, d: str(d),
        (ISO, LONG, BRITISH, SHORT),
        ("the day of the month", "its day as a plain number"),
        False,
    ),
    (
        "date_ordinal",
        lambda y, m, d: f"the {ordinal(d)} of {month(m)}",
        (ISO, LONG, BRITISH),
        ("'the', day with ordinal ending, 'of', month", "a spoken day such as the 5th of March"),
        True,
    ),
    (
        "date_short",
        lambda y, m, d: f"{month(m)[:3]} {d}",
        (ISO, LONG, BRITISH),
        ("the first three letters of the month, then the day", "a short day like Mar 5"),
        False,
    ),
    (
        "date_year_two_digits",
        lambda y, m, d: f"'{y % 100:02d}",
        (ISO, LONG, BRITISH),
        ("an apostrophe and the last two digits of the year", "the short year with an apostrophe"),
        False,
    ),
    (
        "date_quarter",
        lambda y, m, d: f"Q{(m + 2) // 3} {y}",
        (ISO, LONG, BRITISH),
        ("the quarter and the year", "its quarter, Q1 to Q4, with the year"),
        False,
    ),
    (
        "date_season",
        lambda y, m, d: ("winter", "spring", "summer", "fall")[m % 12 // 3],
        (LONG, BRITISH, SHORT),
        ("the northern season (winter from December on)", "winter, spring, summer or fall, by whole months"),
        False,
    ),
    (
        "date_decade",
        lambda y, m, d: f"{y // 10 * 10}s",
        (ISO, LONG, BRITISH),
        ("the decade", "its decade, written with a final s"),
        False,
    ),
)
for name, form, sources, words, held_out in DATE_FORMS:

    def dated(rng: Rng, form: DateForm = form, sources: tuple[DateForm, ...] = sources) -> base.Pair:
        y, m, d = g.date(rng)
        return rng.choice(sources)(y, m, d), form(y, m, d)

    DATE.add_pairs(name, dated, held_out=held_out, form=words, example=form(2021, 3, 5))

# --- times of day ---

TIME = Family(
    "clock_time",
    "formatting",
    """
Give {what}.
Write {what}.

In this task you are presented with {given}, and your goal is to output {what}.
You are given {given}; the goal of this task is to work out {what}.

I need {what} whenever I enter {given}.
I want a clock helper that takes {given} and answers with {what}.

Input: {given}, e.g. {before}. Output: {what}, e.g. {after}.
Input: {given}. Output: {what}.

Show me {what}.
{What}, that is all.

Compute {what} from the supplied value.
Derive {what}.

The display at a station gets {given} and should show {what}; write what it shows.
From {before} we would get {after}. Now do the same here.

Take {given} and find {what}.
The answer to {before} is {after}; answer the one here by the same rule.
""",
)


def clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def minutes_of(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


def clock_12(text: str) -> str:
    hour, minute = divmod(minutes_of(text), 60)
    return f"{hour % 12 or 12}:{minute:02d} {'AM' if hour < 12 else 'PM'}"


def day_part(text: str) -> str:
    hour = minutes_of(text) // 60
    return "night" if hour < 6 else "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"


def CLOCK(rng):
    return clock(rng.randrange(1440))


def AT_HOUR(rng):
    return clock(60 * rng.randrange(24) + rng.choice([0, 15, 30, 45]))


A_TIME = "a time on the 24-hour clock"


def half_past(text: str) -> str:
    hour, minute = divmod(minutes_of(text), 60)
    this, following = hour % 12 or 12, (hour + 1) % 12 or 12
    return {
        0: f"{this} o'clock",
        15: f"quarter past {this}",
        30: f"half past {this}",
        45: f"quarter to {following}",
    }[minute]


for name, source, rule, given, what, before, held_out in (
    (
        "time_plus_hour",
        CLOCK,
        lambda t: clock(minutes_of(t) + 60),
        A_TIME,
        "the time one hour later",
        "09:20",
        False,
    ),
    (
        "time_minus_hour",
        CLOCK,
        lambda t: clock(minutes_of(t) - 60),
        A_TIME,
        "the time one hour earlier",
        "09:20",
        True,
    ),
    (
        "time_plus_two_hours",
        CLOCK,
        lambda t: clock(minutes_of(t) + 120),
        A_TIME,
        "the time two hours later",
        "09:20",
        False,
    ),
    (
        "time_plus_10_minutes",
        CLOCK,
        lambda t: clock(minutes_of(t) + 10),
        A_TIME,
        "the time ten minutes later",
        "09:20",
        False,
    ),
    (
        "time_plus_half_hour",
        CLOCK,
        lambda t: clock(minutes_of(t) + 30),
        A_TIME,
        "the time half an hour later",
        "09:20",
        False,
    ),
    (
        "time_since_midnight",
        CLOCK,
        lambda t: str(minutes_of(t)),
        A_TIME,
        "the minutes since midnight",
        "02:05",
        False,
    ),
    (
        "time_hour",
        CLOCK,
        lambda t: str(minutes_of(t) // 60),
        A_TIME,
        "the hour as a plain number",
        "09:20",
        False,
    ),
    (
        "time_minute",
        CLOCK,
        lambda t: str(minutes_of(t) % 60),
        A_TIME,
        "the minutes past the hour as a plain number",
        "09:05",
        False,
    ),
    (
        "time_in_words",
        AT_HOUR,
        half_past,
        "a time on the quarter hour",
        "the time as people say it on a 12-hour clock",
        "17:15",
        False,
    ),
    (
        "time_12h_to_24h",
        lambda rng: clock_12(clock(rng.randrange(1440))),
        lambda t: clock((minutes_of(t[:-3]) % 720) + 720 * t.endswith("PM")),
        "a time with AM or PM",
        "the 24-hour time with two digits each",
        "5:07 PM",
        False,
    ),
    (
        "time_compact",
        CLOCK,
        lambda t: t.replace(":", ""),
        A_TIME,
        "the four digits of military time",
        "09:20",
        False,
    ),
    (
        "time_with_h",
        CLOCK,
        lambda t: t.replace(":", "h"),
        A_TIME,
        "the time in French style with an h",
        "09:20",
        False,
    ),
    (
        "minutes_to_hours",
        lambda rng: f"{rng.randint(61, 600)} minutes",
        lambda t: f"{base.integers(t)[0] // 60} h {base.integers(t)[0] % 60} min",
        "a number of minutes",
        "the same in hours and minutes",
        "135 minutes",
        False,
    ),
    (
        "hours_to_minutes",
        lambda rng: f"{rng.randint(1, 9)} h {rng.randint(1, 59)} min",
        lambda t: f"{60 * base.integers(t)[0] + base.integers(t)[1]} minutes",
        "a duration in hours and minutes",
        "the same in minutes",
        "2 h 15 min",
        True,
    ),
    (
        "seconds_to_clock",
        lambda rng: f"{rng.randint(10, 999)} seconds",
        lambda t: f"{base.integers(t)[0] // 60}:{base.integers(t)[0] % 60:02d}",
        "a number of seconds",
        "the same as minutes:seconds",
        "125 seconds",
        False,
    ),
    (
        "clock_to_seconds",
        lambda rng: f"{rng.randint(0, 12)}:{rng.randint(0, 59):02d}",
        lambda t: f"{minutes_of(t)} seconds",
        "a duration as minutes:seconds",
        "the same in seconds",
        "2:05",
        False,
    ),
):
    TIME.add(name, source, rule, held_out=held_out, given=given, what=what, before=before, after=rule(before))
TIME.add(
    "time_day_part",
    base.balanced(CLOCK, day_part, ("night", "morning", "afternoon", "evening")),
    day_part,
    choice=True,
    given=A_TIME,
    what="the part of the day: night until 6, then morning, afternoon from 12, evening from 18",
    before="09:20",
    after="morning",
)
TIME.add(
    "time_am_pm",
    CLOCK,
    lambda t: "AM" if minutes_of(t) < 720 else "PM",
    choice=True,
    given=A_TIME,
    what="AM or PM, whichever half of the day it is",
    before="09:20",
    after="AM",
)

# --- phone numbers, money and numerals ---

FORM = Family(
    "number_format",
    "formatting",
    """
Write {given} as {what}.
Turn {given} into {what}.

In this task you are presented with {given}, and your goal is to write {what}.
You are given {given}; the goal of this task is to convert it to {what}.

I need {what} made from {given}.
I want {given} to be shown as {what}.

Input: {given}, such as {before}. Output: {what}, such as {after}.
Input: {given}. Output: {what}.

Same value, but {what}.
Let me have {what}.

Render the value as {what}.
Re-express {given} in the form of {what}.

Where the source says {before}, the report says {after}; write what the report says here.
A clerk copies {given} into a form that wants {what}. What does the clerk write?

{before} becomes {after}; treat the input alike.
Do not round or change anything, just write {what}.
""",
)


def phone(rng: Rng) -> str:
    # 555-01xx is reserved for fiction.
    area, last = rng.randint(201, 989), f"0{rng.randint(100, 199)}"
    return rng.choice([f"{area}555{last}", f"{area} 555 {last}", f"{area}/555/{last}", f"{area}_555_{last}"])


def phone_form(pattern: str) -> Rule:
    def rule(text: str) -> str | None:
        digits = re.sub(r"\D", "", text)
        return pattern.format(digits[:3], digits[3:6], digits[6:]) if len(digits) == 10 else None

    return rule


SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen
""".split()
SMALL += ["seventeen", "eighteen", "nineteen"]
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_words(n: int) -> str:
    """From 0 to 999, American style."""
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10] + (f"-{SMALL[n % 10]}" if n % 10 else "")
    return f"{SMALL[n // 100]} hundred" + (f" {number_words(n % 100)}" if n % 100 else "")


ORDINAL_WORDS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)


def ordinal_words(n: int) -> str:
    if n < 13:
        return ORDINAL_WORDS[n]
    if n < 20:
        return SMALL[n] + "th"
    if n % 10 == 0:
        return TENS[n // 10][:-1] + "ieth"
    return f"{TENS[n // 10]}-{ORDINAL_WORDS[n % 10]}"


ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def roman(n: int) -> str:
    text = ""
    for value, sign in ROMAN:
        text += sign * (n // value)
        n %= value
    return text


ROMANS = {roman(n): n for n in range(1, 400)}
WORDS_TO_NUMBER = {number_words(n): n for n in range(1000)}
ORDINAL_TO_NUMBER = {ordinal_words(n): n for n in range(1, 100)}


def big(rng: Rng) -> str:
    return str(
        rng.choice([rng.randint(1000, 9999), rng.randint(10000, 999999), rng.randint(1000000, 99999999)])
    )


def upto(most: int, least: int = 1) -> Source:
    return lambda rng: str(rng.randint(least, most))


def price(rng: Rng) -> str:
    whole = rng.choice([rng.randint(1, 9), rng.randint(10, 99), rng.randint(100, 999)])
    return f"{whole}.{rng.randint(0, 99):02d}"


def fraction(text: str) -> str:
    a, b = map(int, text.split("/"))
    return f"{100 * a // b}%"


def tally(n: int) -> str | None:
    return " ".join(["|||||"] * (n // 5) + ["|" * (n % 5)] * (n % 5 > 0)) if n < 100 else None


NUMBER_FORMS: tuple[tuple[str, Source, Rule, str, str, str, bool], ...] = (
    (
        "phone_dashes",
        phone,
        phone_form("{}-{}-{}"),
        "a phone number",
        "a phone number with dashes after three and six digits",
        "2125550123",
        False,
    ),
    (
        "phone_dots",
        phone,
        phone_form("{}.{}.{}"),
        "a phone number",
        "a phone number with dots after three and six digits",
        "2125550123",
        True,
    ),
    (
        "phone_parentheses",
        phone,
        phone_form("({}) {}-{}"),
        "a phone number",
        "a phone number with the area code in parentheses",
        "2125550123",
        False,
    ),
    (
        "phone_international",
        phone,
        phone_form("+1 {} {} {}"),
        "a phone number",
        "a phone number with +1 and spaces",
        "2125550123",
        False,
    ),
    (
        "phone_area_code",
        phone,
        phone_form("{}"),
        "a phone number",
        "its area code, the first three digits",
        "212/555/0123",
        False,
    ),
    (
        "phone_last_four",
        phone,
        phone_form("{2}"),
        "a phone number",
        "its last four digits",
        "212/555/0123",
        False,
    ),
    (
        "phone_masked",
        phone,
        phone_form("***-***-{2}"),
        "a phone number",
        "a masked number that shows only the last four digits",
        "2125550123",
        False,
    ),
    (
        "cents_to_dollars",
        lambda rng: f"{rng.randint(1, 9999)} cents",
        lambda t: f"${base.integers(t)[0] / 100:.2f}",
        "an amount in cents",
        "an amount in dollars with the $ sign and two decimals",
        "250 cents",
        False,
    ),
    (
        "dollars_and_cents",
        lambda rng: f"${rng.randint(2, 99)}.{rng.randint(2, 99):02d}",
        lambda t: "{} dollars and {} cents".format(*base.integers(t)),
        "a price",
        "dollars and cents in full",
        "$3.50",
        False,
    ),
    (
        "price_euro_after",
        lambda rng: f"€{price(rng)}",
        lambda t: t[1:].replace(".", ",") + " €",
        "a price in euros",
        "a German price with a decimal comma and the sign behind",
        "€3.50",
        False,
    ),
    (
        "price_usd_code",
        lambda rng: f"${price(rng)}",
        lambda t: f"{t[1:]} USD",
        "a dollar price",
        "the amount followed by the code USD",
        "$3.50",
        False,
    ),
    (
        "price_whole",
        lambda rng: f"${price(rng)}",
        lambda t: t.split(".")[0],
        "a price",
        "the price without its cents, cut off and not rounded",
        "$3.95",
        False,
    ),
    (
        "thousands_commas",
        big,
        lambda t: f"{int(t):,}",
        "a large number",
        "a number with commas between thousands",
        "1234567",
        False,
    ),
    (
        "thousands_spaces",
        big,
        lambda t: f"{int(t):,}".replace(",", " "),
        "a large number",
        "a number with spaces between thousands",
        "1234567",
        False,
    ),
    (
        "thousands_dots",
        big,
        lambda t: f"{int(t):,}".replace(",", "."),
        "a large number",
        "a number with dots between thousands",
        "1234567",
        False,
    ),
    (
        "strip_thousands",
        lambda rng: f"{int(big(rng)):,}",
        lambda t: t.replace(",", ""),
        "a number with commas",
        "plain digits without commas",
        "1,234,567",
        False,
    ),
    (
        "percent_to_decimal",
        lambda rng: f"{rng.randint(1, 99)}%",
        lambda t: f"0.{int(t[:-1]):02d}",
        "a percentage",
        "a decimal number with two places",
        "45%",
        False,
    ),
    (
        "decimal_to_percent",
        lambda rng: f"0.{rng.randint(1, 99):02d}",
        lambda t: f"{int(t[2:])}%",
        "a decimal number",
        "a percentage",
        "0.45",
        False,
    ),
    (
        "ordinal_number",
        upto(400),
        lambda t: ordinal(int(t)),
        "a number",
        "digits with an ordinal ending (st, nd, rd, th)",
        "22",
        False,
    ),
    (
        "ordinal_in_words",
        upto(99),
        lambda t: ordinal_words(int(t)),
        "a number",
        "an ordinal in words",
        "22",
        False,
    ),
    (
        "ordinal_to_digits",
        lambda rng: ordinal_words(rng.randint(1, 99)),
        lambda t: str(ORDINAL_TO_NUMBER[t]),
        "an ordinal in words",
        "a plain number in digits",
        "twenty-second",
        True,
    ),
    (
        "number_to_words",
        upto(999, 0),
        lambda t: number_words(int(t)),
        "a number",
        "American number words, without 'and'",
        "342",
        False,
    ),
    (
        "words_to_number",
        lambda rng: number_words(rng.randint(0, 999)),
        lambda t: str(WORDS_TO_NUMBER[t]),
        "a number in words",
        "a number in digits",
        "forty-two",
        False,
    ),
    (
        "number_to_roman_large",
        upto(399, 51),
        lambda t: roman(int(t)) if int(t) < 4000 else None,
        "a number over fifty",
        "a Roman numeral",
        "64",
        False,
    ),
    (
        "roman_to_number",
        lambda rng: roman(rng.randint(1, 150)),
        lambda t: str(ROMANS[t]),
        "a Roman numeral",
        "a number in digits",
        "XIV",
        False,
    ),
    ("to_binary", upto(63, 0), lambda t: f"{int(t):b}", "a number", "a binary number", "6", False),
    (
        "from_binary",
        lambda rng: f"{rng.randint(0, 127):b}",
        lambda t: str(int(t, 2)),
        "a binary number",
        "a decimal number",
        "110",
        True,
    ),
    (
        "to_hex",
        upto(255, 0),
        lambda t: f"{int(t):X}",
        "a number",
        "a hexadecimal number with capital letters",
        "26",
        False,
    ),
    (
        "pad_to_four",
        upto(999),
        lambda t: t.zfill(4),
        "a number",
        "four digits with leading zeros",
        "42",
        False,
    ),
    (
        "pad_to_three",
        upto(99),
        lambda t: f"#{t.zfill(3)}",
        "a number",
        "a hash sign and three digits with leading zeros",
        "42",
        False,
    ),
    (
        "two_decimals",
        lambda rng: str(base.number(rng)),
        lambda t: f"{t}.00",
        "a whole number",
        "a number with two decimals",
        "42",
        False,
    ),
    (
        "explicit_sign",
        lambda rng: str(rng.choice([-1, 1]) * base.number(rng)),
        lambda t: t if t[0] == "-" else "+" + t,
        "a whole number",
        "a number that always has its sign, plus or minus",
        "42",
        False,
    ),
    (
        "digits_spaced",
        lambda rng: str(rng.randint(100, 99999)),
        " ".join,
        "a number",
        "single digits with spaces between them",
        "427",
        False,
    ),
    (
        "digits_reversed",
        lambda rng: str(rng.randint(12, 99999)),
        lambda t: t[::-1] if t.isdigit() and t[-1] != "0" else None,
        "a number",
        "the same digits from right to left",
        "427",
        False,
    ),
    (
        "digits_in_words",
        lambda rng: str(rng.randint(10, 9999)),
        lambda t: " ".join(SMALL[int(c)] for c in t),
        "a number",
        "the name of each digit in turn",
        "427",
        False,
    ),
    (
        "decimal_comma",
        lambda rng: f"{rng.randint(0, 999)}.{rng.randint(1, 999)}",
        lambda t: t.replace(".", ","),
        "a decimal number",
        "a decimal number with a comma for the point",
        "3.14",
        False,
    ),
    (
        "fraction_to_percent",
        lambda rng: "{}/{}".format(
            *rng.choice([(a, b) for b in (2, 4, 5, 10, 20, 25, 50) for a in range(1, b)])
        ),
        fraction,
        "a fraction",
        "a percentage",
        "3/4",
        False,
    ),
    (
        "tally_marks",
        upto(40),
        lambda t: tally(int(t)),
        "a number",
        "tally strokes in groups of five with spaces",
        "12",
        False,
    ),
    (
        "number_in_parentheses",
        lambda rng: f"-{base.number(rng)}",
        lambda t: f"({t[1:]})",
        "a negative number",
        "an accountant's number, in parentheses without the minus",
        "-42",
        False,
    ),
)
for name, source, rule, given, what, before, held_out in NUMBER_FORMS:
    FORM.add(
        name, source, rule, held_out=held_out, given=given, what=what, before=before, after=str(rule(before))
    )

# --- names of people ---

NAME = Family(
    "person_name",
    "formatting",
    """
Write the name as {what}.
Turn the full name into {what}.

In this task you are presented with a person's first and last name, and your goal is to output {what}.
You are given a full name; the goal of this task is to make {what} of it.

I need {what} for every person on my list.
I want {what} when I enter somebody's name.

Input: first name and surname. Output: {what}.
Input: a name such as Anna Keller. Output: {what}, here {example}.

Make {what}.
{What} is enough.

Derive {what} from the given personal name.
Transform the person's name to {what}.

Anna Keller is entered as {example}; how is this person entered?
The new secretary writes everybody down as {what}. Do the same.

If it were Anna Keller, {example} would be right; follow that pattern.
Look at first and last name and print {what}.
""",
)


def name_without_s(rng: Rng) -> str | None:
    """A full name whose first name does not end in s."""
    text = base.full_name(rng)
    return None if text.split()[0].endswith("s") else text


def of_name(pattern: str) -> Rule:
    """f and l are the names, F and L their initials, in the pattern; x and y the names in small letters."""

    def rule(text: str) -> str | None:
        if len(text.split()) != 2:
            return None
        f, l = text.split()  # noqa: E741
        return pattern.format(f=f, l=l, F=f[0], L=l[0], x=f.lower(), y=l.lower(), U=l.upper(), i=f[0].lower())

    return rule


for name, pattern, what, held_out in (
    ("name_initials", "{F}{L}", "the initials without dots", False),
    ("name_initials_dots", "{F}. {L}.", "the initials with dots and a space", False),
    ("name_short_first", "{F}. {l}", "the initial of the first name with a dot, then the surname", False),
    ("name_short_last", "{f} {L}.", "the first name and the initial of the surname with a dot", False),
    ("name_citation", "{l}, {F}.", "a citation: surname, comma, initial with a dot", True),
    ("name_upper_last", "{f} {U}", "the first name and the surname in capitals", False),
    ("name_upper_last_first", "{U} {f}", "the surname in capitals and then the first name", False),
    ("name_first_only", "{f}", "the first name only", False),
    ("name_last_only", "{l}", "the surname only", False),
    (
        "name_email",
        "{x}.{y}@example.com",
        "a mail address at example.com: first.last in small letters",
        False,
    ),
    ("name_login", "{i}{y}", "a login: first initial and surname in small letters", False),
    ("name_login_underscore", "{x}_{y}", "a user name: both names in small letters with an underscore", True),
    ("name_greeting", "Dear {f},", "the greeting of a letter: Dear, first name, comma", False),
    (
        "name_badge",
        "Hello, my name is {f}!",
        "a badge text: 'Hello, my name is', first name, exclamation mark",
        False,
    ),
    ("name_possessive", "{f}'s", "the first name with an apostrophe and s", False),
    ("name_handle", "@{x}{y}", "a handle: @ and both names in small letters without a gap", False),
):
    rule = of_name(pattern)
    NAME.add(
        name,
        name_without_s if name == "name_possessive" else base.full_name,
        rule,
        held_out=held_out,
        what=what,
        example=str(rule("Anna Keller")),
    )

# --- records ---

RECORD = Family(
    "record_format",
    "formatting",
    """
Convert the {given} to {what}.
Write it as {what}.

In this task you are presented with {a_given}, and your goal is to write it as {what}.
You are given {a_given}; the goal of this task is to output {what}.

I need my data as {what}, but I only have {a_given}.
I want {what} made from {a_given}.

Input: {a_given}. Output: {what}.
Input: {before}. Output: {after}. This holds for other fields as well.

{What}, please.
Out comes {what}.

Transform the {given} into {what}.
Re-encode the supplied data as {what}.

A script reads {a_given} and prints {what}; act as the script.
The importer of our shop understands only {what}. Prepare the data for it.

Keep names, values and order; the result is {what}.
Field by field, rewrite the {given} so that you get {what}.
""",
)


def record(rng: Rng) -> dict[str, str]:
    return {key: g.value_of(rng, key) for key in rng.sample(v.KEYS, rng.randint(2, 3))}


Fields = dict[str, str]
PAIRS = ", ".join


def pairs(sign: str, separator: str) -> Callable[[Fields], str]:
    return lambda r: separator.join(f"{k}{sign}{value}" for k, value in r.items())


JSON: Callable[[Fields], str] = json.dumps
GIVEN = {
    "a JSON object": JSON,
    "a list of key=value pairs": pairs("=", ", "),
    "a list of key: value pairs": pairs(": ", ", "),
    "a YAML block": pairs(": ", "\n"),
    "a query string": lambda r: pairs("=", "&")(r).replace(" ", "+"),
}
RECORD_FORMS: tuple[tuple[str, str, Callable[[Fields], str], str, bool], ...] = (
    ("pairs_to_yaml", "a list of key=value pairs", pairs(": ", "\n"), "YAML, one 'key: value' a line", False),
    ("yaml_to_json", "a YAML block", JSON, "a JSON object with all values as strings", False),
    ("json_to_pairs", "a JSON object", pairs("=", ", "), "key=value pairs with commas", False),
    ("json_to_yaml", "a JSON object", pairs(": ", "\n"), "lines of 'key: value'", True),
    (
        "json_to_csv",
        "a JSON object",
        lambda r: ",".join(r.values()),
        "the values alone, as a CSV line",
        False,
    ),
    (
        "json_keys",
        "a JSON object",
        lambda r: ", ".join(r),
        "the keys alone, separated by a comma and a space",
        False,
    ),
    ("json_values", "a JSON object", lambda r: "\n".join(r.values()), "the values alone, one a line", False),
    (
        "pairs_to_query",
        "a list of key=value pairs",
        lambda r: "?" + pairs("=", "&")(r).replace(" ", "+"),
        "a query string: ?, &, and + for spaces",
        False,
    ),
    (
        "query_to_pairs",
        "a query string",
        pairs(": ", ", "),
        "'key: value' with commas, and spaces for +",
        False,
    ),
    (
        "pairs_to_env",
        "a list of key: value pairs",
        lambda r: "\n".join(f"{k.upper()}={x}" for k, x in r.items()),
        "environment variables, one KEY=value a line",
        False,
    ),
    (
        "pairs_to_xml",
        "a list of key: value pairs",
        lambda r: "".join(f"<{k}>{x}</{k}>" for k, x in r.items()),
        "XML elements without line breaks",
        False,
    ),
    (
        "pairs_to_toml",
        "a list of key: value pairs",
        lambda r: "\n".join(f'{k} = "{x}"' for k, x in r.items()),
        'TOML lines: key = "value"',
        False,
    ),
    (
        "pairs_to_table",
        "a list of key=value pairs",
        lambda r: "\n".join(f"| {k} | {x} |" for k, x in r.items()),
        "Markdown table rows, one for each key",
        False,
    ),
    (
        "pairs_to_arguments",
        "a list of key: value pairs",
        lambda r: " ".join(f'--{k} "{x}"' for k, x in r.items()),
        "command-line options with values in double quotes",
        False,
    ),
    ("pairs_to_dict", "a list of key: value pairs", repr, "a Python dict with single quotes", False),
    ("pairs_to_colons", "a list of key=value pairs", pairs(": ", ", "), "'key: value' with commas", False),
    (
        "pairs_swapped",
        "a list of key=value pairs",
        lambda r: ", ".join(f"{x}={k}" for k, x in r.items()),
        "value=key pairs with commas",
        False,
    ),
)
SAMPLE = {"name": "Mei", "age": "31"}
for name, given, form, what, held_out in RECORD_FORMS:

    def recorded(rng: Rng, given: str = given, form: Callable[[Fields], str] = form) -> base.Pair:
        r = record(rng)
        return GIVEN[given](r), form(r)

    RECORD.add_pairs(
        name,
        recorded,
        held_out=held_out,
        a_given=given,
        given=given.removeprefix("a "),
        what=what,
        before=GIVEN[given](SAMPLE).replace("\n", " (new line) "),
        after=form(SAMPLE).replace("\n", " (new line) "),
    )

FIELD = Family(
    "field_value",
    "extraction",
    """
Read the {key} from the {given}.
What is the {key}?

In this task you are presented with a record as {a_given}, and your goal is to output the value of {key}.
You are given {a_given}; the goal of this task is to look up {key} in it.

I need the {key} from each of my records.
I want only the {key}; the other fields don't matter.

Input: {a_given}. Output: the value that belongs to {key}.
Input: a record with several fields. Output: what stands under {key}.

{Key}?
Just the {key}.

Retrieve the entry stored under the key {key}.
Project the record onto its attribute {key}.

A form has been scanned as {a_given}; tell the clerk the {key}.
Suppose a program calls get('{key}') on this data; what is returned?

Find {key} and copy what follows it, without quotes.
All fields are ignored except {key}.
""",
)
for key, given, held_out in (
    ("city", "a JSON object", False),
    ("name", "a JSON object", False),
    ("price", "a list of key=value pairs", False),
    ("color", "a JSON object", True),
    ("status", "a list of key: value pairs", False),
    ("year", "a YAML block", False),
    ("brand", "a query string", False),
    ("size", "a JSON object", False),
):

    def looked_up(rng: Rng, key: str = key, given: str = given) -> base.Pair:
        keys = rng.sample([k for k in v.KEYS if k != key], rng.randint(1, 3))
        keys.insert(rng.randint(0, len(keys)), key)
        r = {k: g.value_of(rng, k) for k in keys}
        return GIVEN[given](r), r[key]

    FIELD.add_pairs(
        f"field_{key}",
        looked_up,
        held_out=held_out,
        key=key,
        a_given=given,
        given=given.removeprefix("a "),
    )

# --- marked-up text ---

STRIP = Family(
    "strip_markup",
    "formatting",
    """
Remove {what}.
Strip {what} from the text.

In this task you are presented with a text that contains {what}, and your goal is to write it without them.
You are given a marked-up line; the goal of this task is to delete {what} and keep all the words.

I want plain text without {what}.
I copied a text from elsewhere and need {what} gone.

Input: a text with {what}. Output: the text alone.
Input: {before}. Output: {after}. The same goes for any other text.

Plain words only, no {what}.
Clean it up: {what} disturb the reader.

Eliminate {what}, retaining the content.
Return the payload with {what} peeled off.

A screen reader stumbles over {what}; give it the words without them.
In the printed book {what} must not be seen. Write the printed line.

{before} turns into {after}; treat the line alike.
Everything remains except {what}.
""",
)
STRIPPED = (
    ("strip_parentheses", "(", ")", "the parentheses", False),
    ("strip_bold", "**", "**", "the double asterisks", False),
    ("strip_quotes", '"', '"', "the quotation marks", False),
    ("strip_brackets", "[", "]", "the square brackets", False),
    ("strip_backticks", "`", "`", "the backticks", False),
    ("strip_bold_tags", "<b>", "</b>", "the HTML tags", False),
    ("strip_underscores", "_", "_", "the underscores", False),
)
for name, left, right, what, held_out in STRIPPED:

    def marked(rng: Rng, left: str = left, right: str = right) -> base.Pair:
        text = base.plain(rng)
        words = text.split()
        a = rng.randint(0, len(words) - 1)
        b = min(len(words) - 1, a + rng.choice([0, 0, 1, 2]))
        if rng.random() < 0.2:
            a, b = 0, len(words) - 1
        words[a] = left + words[a]
        words[b] += right
        return " ".join(words), text

    STRIP.add_pairs(
        name,
        marked,
        held_out=held_out,
        what=what,
        before=f"a {left}red{right} door",
        after="a red door",
    )
