"""Functions near further held-out ones, for around.py: what stands at a place of a list, the word of a kind,
dates, counts, numbers and words in an order, neighbours in a series, links, statements.

As there: what is held out is never among them, but its like unchanged, and itself with its answer changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import generators as g
import grid
import vocabulary as v
from changes import AFTER, bare
from families import base, lexicon
from families.base import Pair, Rng, Rule, Source
from families.formats import roman
from grid import Function, fill

FEW = {
    kind: AFTER[kind] for kind in ("as_is", "upper", "quoted", "brackets", "exclaimed", "twice", "starred")
}
MARKED = {kind: AFTER[kind] for kind in AFTER if kind not in ("as_is", "upper")}

# --- lists ---

# place: nouns for what stands there, with the number of items
STANDS: dict[grid.Place, str] = {
    0: "the {x} that opens the list | the {x} before all others",
    1: "the {x} right after the first | the {x} that comes second | the {x} at place two",
    2: "the {x} that comes third | the {x} at place three | the {x} after the second one",
    3: "the {x} that comes fourth | the {x} at place four",
    -1: "the {x} that closes the list | the {x} after all others",
    -2: "the {x} right before the last | the one that is followed by the last {x}",
    "middle": "the {x} in the middle | the {x} at the center | the {x} with as many before it as behind it | "
    "the one halfway through the {c} {x}s | the {x} that others flank on both sides equally | "
    "the {x} at the heart of the list",
}


def items() -> Iterator[Function]:
    """The item at a place of a list, changed or not."""
    for place, stands in STANDS.items():
        for least, most, glue in (
            *((count, count, ", ") for count in (3, 4, 5, 6, 7)),
            (4, 6, "; "),
            (3, 7, ", "),
            (3, 7, " "),
        ):
            if place == "middle" and least < most:
                least, most = 7, 7
            if place == "middle" and least % 2 == 0:
                continue
            few = grid.NUMBERS[least] if least == most else "several"

            def placed(text: str, place=place, glue=glue, least=least, most=most) -> str | None:
                found = text.split(glue)
                return grid.at(found, place) if least <= len(found) <= most else None

            for kind in AFTER if place == "middle" and glue == ", " else FEW:
                things = "item|word|entry|element"
                nouns = fill("the {o} {x}", o=grid.ORDINALS[place], x=things)
                nouns += fill("the {o} of the {c} {x}s", o=grid.ORDINALS[place], c=few, x="item|word")
                nouns += fill("the {o} of the {c}", o=grid.ORDINALS[place], c=few)
                nouns += fill(stands, x="item|word", c=few)
                if least == most == 3 and place == "middle":
                    nouns += fill(
                        "the one between the other two | the {x} with one neighbor on each side", x="word"
                    )
                cores = fill("{v} {n}", v="give|pick|copy|write|output|repeat|select|keep|name", n=nouns)
                rule, said, made = grid.after(kind, placed, cores, nouns, AFTER)
                family = "item_middle" if place == "middle" else "item_changed"
                family = "item_bare" if kind == "as_is" else family
                inputs = fill("{c} {x} {s}", c=few, x="words|items", s=grid.GLUES[glue])
                inputs += fill("a list of {c} {x}", c=few, x="words|items")
                yield Function(family, "string", grid.listing(least, most, glue), rule, said, made, inputs)


VERBS = sorted({*grid.KINDS["verb"], *lexicon.VERBS})
QUALITIES = sorted({*grid.KINDS["adjective"], *lexicon.ADJECTIVES})
SAID = grid.SAID | {
    "verb": v.phrases(
        "verb | action word | word for something one does | word that says what one does | "
        "word that could follow 'to' | activity"
    ),
    "adjective": v.phrases(
        "adjective | describing word | word for a quality | word that says what something is like | property"
    ),
}
FOILS = {"verb": ["verb", "action word"], "adjective": ["adjective", "describing word"]}


def kinds() -> Iterator[Function]:
    """The verb, the adjective, or the word that is none, among others."""
    words = grid.KINDS | {"verb": VERBS, "adjective": QUALITIES}
    for kind, wanted in words.items():
        for other, others in words.items():
            if kind == other or not {kind, other} & {"verb", "adjective"}:
                continue
            both = {kind, other} == {"verb", "adjective"}
            fine = set(wanted)
            rest, own = [w for w in others if w not in fine], [w for w in wanted if w not in others]
            family = "kind_foil" if other in ("verb", "adjective") else f"kind_{kind}"
            for count in (3, 5, 4) if both else (3, 5):
                if len(rest) < count:
                    continue

                def rule(text: str, fine=fine) -> str | None:
                    return grid.single([w for w in text.split(", ") if w in fine])

                names, foils = SAID.get(kind, [kind]), grid.SAID.get(other, [other])
                if other in ("verb", "adjective"):
                    foils = FOILS[other]
                n, many = grid.NUMBERS[count], grid.NUMBERS[count - 1]
                nouns = fill("the {k} | the only {k} in the list", k=names)
                nouns += [f"the word that is {grid.article(k)}" for k in names]
                nouns += [f"the one of the {n} that is {grid.article(k)}" for k in names]
                nouns += [f"the {k} among the {grid.plural(f)}" for k in names for f in foils]
                cores = fill("{v} {n}", v="find|pick|write|output|spot|select|name", n=nouns)
                cores += [f"drop the {grid.plural(f)} and keep the {k}" for k in names for f in foils]
                cores += [f"leave out what is {grid.article(f)} and write the other word" for f in foils]
                cores += [f"tell the {k} from the {grid.plural(f)}" for k in names for f in foils]
                inputs = [f"{n} words separated by commas", f"{n} words"]
                inputs += [f"{n} words, {many} {grid.plural(f)} and one {k}" for k in names for f in foils]
                inputs += [f"{n} words, of which {many} are {grid.plural(f)}" for f in foils]
                source = grid.odd_one(own, rest, count)
                for change in AFTER if both else ("as_is",):
                    done, said, made = grid.after(change, rule, cores, nouns, AFTER)
                    yield Function(
                        "kind_changed" if change != "as_is" else family,
                        "extraction",
                        source,
                        done,
                        said,
                        made,
                        inputs,
                    )


# --- dates ---

PEOPLE_WRITE = {
    "mdy": "in American order | month first, as in the United States | as Americans order it",
    "dmy": "in European order | day first, as in Britain | as most of Europe orders it",
    "ymd": "year first | in the order of ISO dates | from the largest unit to the smallest",
}


def dates() -> Iterator[Function]:
    """A date as numbers, or its parts."""
    marks = {mark: grid.DATE_GLUES[mark] for mark in "/.- "}
    for function in grid.dates(marks, {"number": grid.DATE_MONTHS["number"]}):
        order = function.family.removeprefix("date_")
        nouns, cores = list(function.nouns), list(function.cores)
        shape = nouns[0].removeprefix("the date as ")
        mark = next(c for c in shape if c in marks)
        for how in v.phrases(PEOPLE_WRITE[order]) if order in PEOPLE_WRITE else []:
            nouns += [f"the date {how}, {shape}", f"the day {how} with {marks[mark]}: {shape}"]
            cores += [f"write the date {how}, {shape}", f"change the date to {shape}, {how}"]
        family = f"date_{order}" if order in PEOPLE_WRITE else "date_part"
        yield replace(function, family=family, cores=cores, nouns=nouns)


# --- counts, numbers and words in an order ---


def short(rng: Rng) -> str:
    words = rng.sample(grid.POOLS[rng.randrange(4)], rng.choice([1, 1, 2]))
    return " ".join(words)


def counts() -> Iterator[Function]:
    """How many letters of a sort a word or two have."""
    sorts: list[tuple[str, str, Callable[[str], int]]] = [
        (
            "count_other",
            "consonants | letters that are no vowels | letters other than a, e, i, o and u",
            lambda t: sum(c.isalpha() and c not in "aeiou" for c in t.lower()),
        ),
        ("count_other", "letters | characters without the spaces", lambda t: sum(c.isalpha() for c in t)),
    ]
    for some in (*"aeiotrnsl", "ae", "ei", "io", "ou", "aei", "eio", "aou", "st", "rn", "lm"):
        spoken = " or ".join(some)
        sorts.append(
            (
                "count_some",
                f"letters that are {spoken} | times {spoken} occurs | {spoken}'s",
                lambda t, some=some: sum(c in some for c in t.lower()),
            )
        )
    for family, said, count in sorts:
        yield of_count(family, count, v.phrases(said), lambda t: t, [""], ["{}"])
    vowel = v.phrases("vowels | letters a, e, i, o, u | vowel letters | letters that are vowels")
    for change in (
        (lambda t: str(int(t) + 1), [" and add one", " plus one"], ["{} plus one", "one more than {}"]),
        (lambda t: str(int(t) + 10), [" and add ten"], ["{} plus ten", "ten more than {}"]),
        (lambda t: str(int(t) * 2), [" and double the number"], ["twice {}", "{}, doubled"]),
        (
            lambda t: f"{t} vowels",
            [" and write the word vowels behind it"],
            ["{} with the word vowels after it"],
        ),
        *(MARKED[kind] for kind in MARKED if kind != "thrice"),
    ):
        yield of_count("count_vowels", grid.vowels, vowel, *change)
    for place, which in ((0, "first"), (-1, "last")):

        def of_one(text: str, place=place) -> int | None:
            return grid.vowels(text.split()[place]) if " " in text else None

        yield of_count("count_vowels", of_one, [f"vowels of the {which} word"], lambda t: t, [""], ["{}"])


def of_count(
    family: str,
    count: Callable[[str], int | None],
    names: list[str],
    change: Rule,
    tails: Sequence[str],
    wraps: Sequence[str],
) -> Function:
    nouns = [
        wrap.format(noun)
        for noun in fill("the number of {n} | how many {n} there are | the count of {n}", n=names)
        for wrap in wraps
    ]
    cores = fill("count the {n}{t} | count all {n}{t} | tell how many {n} it has{t}", n=names, t=tails)

    def rule(text: str) -> str | None:
        found = count(text)
        return None if found is None else change(str(found))

    inputs = ["a word or two", "a word", "a short text", "some words"]
    return Function(family, "string", short, rule, cores, nouns, inputs)


def ordered() -> Iterator[Function]:
    """The number or the word of a list that an order puts at an end, changed or not."""
    least = v.phrases("smallest | lowest | least | minimum")
    greatest = v.phrases("largest | highest | greatest | maximum")
    numeric: list[tuple[str, grid.Pick, list[str]]] = [
        ("least", grid.extreme(int, -1), least),
        ("greatest", grid.extreme(int, 1), greatest),
        ("second", grid.ranked(int, 1), ["second smallest", "second lowest"]),
        ("second", grid.ranked(int, -2), ["second largest", "second highest"]),
    ]
    changes = {
        k: (change, [f" and write {w.format('it')}" for w in wraps], wraps)
        for k, (change, wraps) in grid.NUMBER_CHANGES.items()
    }
    for (called, pick, names), glue, kind in (
        (row, glue, kind) for row in numeric for glue in (", ", " ") for kind in {**changes, **MARKED}
    ):
        nouns = fill("the {n} number | the {n} of the numbers | the {n} value in the list", n=names)
        if called == "least":
            nouns += ["the number that all others exceed", "the number below all others"]
        cores = fill("{v} {n}", v="find|give|write|output|name|pick", n=nouns)
        rule, said, made = grid.after(
            kind, lambda t, pick=pick, glue=glue: pick(t.split(glue)), cores, nouns, {**changes, **MARKED}
        )
        family = "number_bare" if kind == "as_is" else f"number_{called}"
        inputs = fill("{n} numbers {s}", n="some|several|a few", s=grid.GLUES[glue])
        yield Function(family, "arithmetic", grid.numbers(3, 6, glue), rule, said, made, inputs)
    places = {0: ["first"], 1: ["second"], -2: ["second to last", "last but one"], -1: ["last"]}
    for place, names in places.items():
        for count in (3, 4, 5):
            for kind in FEW:
                nouns = fill(
                    "the alphabetically {n} word | the word that comes {n} in the alphabet | "
                    "the {n} word in alphabetical order | the word that a dictionary would list {n}",
                    n=names,
                )
                cores = fill("{v} {n}", v="find|give|write|output|name|pick", n=nouns)

                def ranked(text: str, place=place) -> str | None:
                    words = text.split(", ")
                    return grid.ranked(str.lower, place)(words) if text[0].isalpha() else None

                rule, said, made = grid.after(kind, ranked, cores, nouns, AFTER)
                inputs = fill("{c} words {s}", c=grid.NUMBERS[count], s=grid.GLUES[", "])
                source = grid.listing(count, count, ", ")
                yield Function(
                    "alphabet_bare" if kind == "as_is" else "alphabet",
                    "string",
                    source,
                    rule,
                    said,
                    made,
                    inputs,
                )
    for function in grid.sorts():
        if any("length" in n for n in function.nouns):
            yield replace(function, family="sort_length")


# --- series ---

SERIES = [
    [str(n) for n in range(1, 100)],
    [roman(n) for n in range(1, 40)],
    [roman(n).lower() for n in range(1, 40)],
    v.DAYS,
    [day.lower() for day in v.DAYS],
    v.MONTHS,
    [month.lower() for month in v.MONTHS],
    [month[:3] for month in v.MONTHS],
    list("abcdefghijklmnopqrstuvwxyz"),
    list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
]
WHERE = {series[n]: (series, n) for series in SERIES for n in range(len(series))}
ROUND = (v.DAYS, [d.lower() for d in v.DAYS], v.MONTHS, [m.lower() for m in v.MONTHS])


def step(text: str, by: int) -> str | None:
    found = WHERE.get(text)
    if not found:
        return None
    series, n = found
    if series in ROUND:
        return series[(n + by) % len(series)]
    return series[n + by] if 0 <= n + by < len(series) else None


def an_item(rng: Rng) -> str:
    return rng.choice(rng.choice(SERIES))


def series() -> Iterator[Function]:
    """What stands near an item of a series: next but one, two before, the one before with a mark."""

    inputs = v.phrases(
        "an item of a series | a day, a month, a letter or a number | one element of a known sequence | "
        "a number, a Roman numeral, a letter, a weekday or a month"
    )
    said = {
        1: "the next one | the item that follows | what comes right after it | its successor",
        2: "the next but one | the item two places later | what comes two steps after it",
        3: "the item three places later | what comes three steps after it",
        -1: "the one before it | the item that precedes it | what comes right before it | its predecessor | "
        "the previous one | the preceding item",
        -2: "the item two places earlier | what comes two steps before it | the one before the one before it",
        -3: "the item three places earlier | what comes three steps before it",
    }
    for by, nouns in ((by, v.phrases(text)) for by, text in said.items()):
        for kind in AFTER if by == -1 else FEW:
            cores = fill("{v} {n}", v="give|write|name|output|tell me", n=nouns)
            rule, told, made = grid.after(kind, lambda t, by=by: step(t, by), cores, nouns, AFTER)
            family = "series_bare" if kind == "as_is" else "series_before" if by < 0 else "series_after"
            yield Function(family, "string", an_item, rule, told, made, inputs)
    for one, other in ((-1, 1), (1, -1), (-1, 0), (0, -1), (-2, -1), (-1, -2)):
        names = {-2: "the one two before", -1: "the one before", 0: "the item itself", 1: "the one after"}
        for glue, name in {", ": "a comma", " ": "a space", "-": "a hyphen"}.items():

            def both(text: str, one=one, other=other, glue=glue) -> str | None:
                first, second = step(text, one), step(text, other)
                return first + glue + second if first and second else None

            cores = fill(
                "write {a} and then {z}, with {n} between them | give {a} and {z}, separated by {n}",
                a=[names[one]],
                z=[names[other]],
                n=[name],
            )
            yield Function("series_both", "string", an_item, both, cores, bare(cores), inputs)


# --- links ---

TOPS = ["com", "org", "net", "io", "info", "edu"]


def link(rng: Rng) -> str:
    """An address of a page, in many shapes."""
    host = rng.choice(["", "", "www.", "docs.", "shop.", "blog.", f"{grid.noun(rng)}."])
    scheme = rng.choice(["https", "https", "http"])
    name = f"{grid.noun(rng)}-example" if rng.random() < 0.2 else "example"
    text = f"{scheme}://{host}{name}.{rng.choice(TOPS)}"
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
        text += "/" + rng.choice(
            [grid.noun(rng), str(rng.randint(1, 2030)), f"{grid.noun(rng)}-{grid.noun(rng)}"]
        )
    return text + (f"?id={rng.randint(1, 999)}" if rng.random() < 0.08 else "")


LINKED = v.lines("""
{} is where you can read more.
Have a look at {} when you have time.
The photos are on {} now.
Sign the form at {} by Monday.
You will find everything on {}, even the old files.
Everything moved to {} in spring.
Is {} still online?
My cousin sent me {} and I liked it.
Open {}, then choose a date.
Our menu ({}) changes every week.
More about this: {}
The address {} does not work for me.
Details: {}. Please answer soon.
Register on {} and bring a friend!
We wrote about it at {}.
""")


def linked(answers: dict[str, str]) -> Source:
    def draw(rng: Rng) -> str:
        wanted, carrier = link(rng), rng.choice([*LINKED, *grid.CARRIERS])
        other = grid.THINGS[rng.choice(["email address", "price", "time", "file name", "weekday", "year"])](
            rng
        )
        parts = [wanted, other]
        if carrier.count("{}") == 2:
            rng.shuffle(parts)
        text = carrier.format(*parts)
        answers[text] = wanted
        return text

    return draw


def links() -> Iterator[Function]:
    """The link in a text, changed; other things in texts that hold links, as they are."""
    inputs = v.phrases("a sentence | a message with a link | a text that mentions a website | a line of text")
    names = "link|URL|web address|address of the website|web link|hyperlink"
    nouns = fill("the {n} | the {n} in the text | the {n} that the message mentions", n=names)
    cores = fill("{v} the {n}", v="extract|find|copy|pull out|get|output", n=names)
    marked = {
        **{kind: AFTER[kind] for kind in MARKED if kind not in ("dotted", "exclaimed")},
        "markdown": (
            lambda t: f"[link]({t})",
            [" as a Markdown link with the text link"],
            ["{} as a Markdown link named link"],
        ),
        "href": (lambda t: f'<a href="{t}">', [" as the href of an HTML tag"], ["{} in an <a href> tag"]),
        "angles": (lambda t: f"<{t}>", [" between angle brackets"], ["{} in angle brackets"]),
        "arrow": (lambda t: f"-> {t}", [" behind an arrow"], ["{} after an arrow ->"]),
    }
    for kind in marked:
        answers: dict[str, str] = {}
        rule, said, made = grid.after(kind, answers.get, cores, nouns, marked)
        yield Function("link_changed", "extraction", linked(answers), rule, said, made, inputs)
    for function in grid.extracts():
        if function.family == "extract":
            yield replace(function, family="thing_bare")


# --- statements ---


def denied(text: str) -> str | None:
    cut = grid.at_verb(text)
    if not cut:
        return None
    head, verb, rest = cut
    if verb in ("is", "was"):
        return f"{head}{verb} not{rest}"
    past = any(frame.past == verb for frame in v.FRAMES)
    return f"{head}{'did' if past else 'does'} not {grid.VERB_FORMS[verb]}{rest}"


TENSES = ("past", "present", "future")


def timed(rng: Rng) -> str:
    """A sentence of a past, a present or a future, ended by a period."""
    who, frame = rng.choice(grid.PEOPLE), rng.choice(v.FRAMES)
    what, place = rng.choice(frame.objects), rng.choice(["", "", f" {rng.choice(v.PLACES)}"])
    past = [frame.past, f"was {frame.gerund}", f"had been {frame.gerund}"]
    now = [frame.third, f"is {frame.gerund}", frame.third]
    later = [
        f"will {frame.base}",
        f"is going to {frame.base}",
        f"will be {frame.gerund}",
        f"will {frame.base}",
    ]
    tense = rng.randrange(3)
    text = g.cap(f"{who} {rng.choice((past, now, later)[tense])} {what}{place}.")
    TENSE_OF[text] = tense
    return text


TENSE_OF: dict[str, int] = {}


def statements() -> Iterator[Function]:
    """A statement denied and changed, one with a word put in, and when it happens, said by other labels."""
    inputs = ["a statement", "a sentence", "a statement of fact"]
    nouns = v.phrases(
        "the statement negated | the sentence with not in it | the opposite claim, made with not | "
        "the statement denied | the negative form of the sentence"
    )
    cores = v.phrases(
        "negate the sentence | deny the statement with not | make the statement negative | "
        "put not into the sentence where it belongs | say that the statement does not hold, with not"
    )
    other = {
        **{kind: AFTER[kind] for kind in AFTER if kind not in ("as_is", "dotted", "thrice")},
        "no": (lambda t: f"No: {t}", [" and begin with No and a colon"], ["{} after 'No: '"]),
        "say": (
            lambda t: f"They say: {t}",
            [" after the words They say and a colon"],
            ["{} after 'They say: '"],
        ),
        "asked": (
            lambda t: t.rstrip(".") + ", right?",
            [" and end with ', right?'"],
            ["{} with ', right?' for the period"],
        ),
        "but": (lambda t: "But " + t, [" and begin with But"], ["{} with But in front"]),
    }
    for kind in other:
        rule, said, made = grid.after(kind, denied, cores, nouns, other)
        yield Function("denied", "rewriting", grid.statement, rule, said, made, inputs)
    for function in grid.inserted():
        yield replace(function, family="put_in")
    labels = v.phrases(
        "A B C | 1 2 3 | before now later | yesterday today tomorrow | was is will | P N F | old new next"
    )
    sorted_by = "is in the past tense|speaks of the past|tells what happened"
    for label in labels:
        one, two, three = label.split()
        cores = fill(
            "answer {a} if the sentence {p}, {b} if it is in the present and {c} if it is in the future | "
            "write {a} for past, {b} for present and {c} for future sentences | "
            "say {a}, {b} or {c} for a sentence about what was, is or will be",
            a=[one], b=[two], c=[three], p=sorted_by,
        )  # fmt: skip
        made = fill(
            "{a} for past tense, {b} for present tense, {c} for future tense | "
            "{a}, {b} or {c}, by whether it was, is or will be",
            a=[one], b=[two], c=[three],
        )  # fmt: skip

        def told(text: str, label=label) -> str | None:
            return label.split()[TENSE_OF[text]] if text in TENSE_OF else None

        yield Function("tense", "classification", timed, told, cores, made, inputs, label.split())
    for n, tense in enumerate(TENSES):
        for label in ("yes no", "true false", "1 0", "Y N"):
            yes, no = label.split()

            def holds(text: str, n=n, yes=yes, no=no) -> str | None:
                return (yes if TENSE_OF[text] == n else no) if text in TENSE_OF else None

            cores = fill(
                "answer {y} if the sentence is in the {t} tense, otherwise {n} | "
                "say {y} when the sentence is about the {t} and {n} when not | "
                "check whether the verb is in the {t} tense, {y} or {n}",
                y=[yes], n=[no], t=[tense],
            )  # fmt: skip
            made = fill(
                "{y} if it is {t} tense, {n} if not | {y} or {n}, whether it is about the {t}",
                y=[yes],
                n=[no],
                t=[tense],
            )
            yield Function("tense", "classification", timed, holds, cores, made, inputs, [yes, no])


def joins() -> Iterator[Function]:
    """Words joined by many signs, as they are."""
    tight = {sign: names for sign, names in grid.SEPARATORS.items() if sign not in (" - ", " / ", " | ")}
    for function in grid.joined(tight):
        if function.family in ("join_lower", "join_upper", "join_keep", "join_title"):
            yield replace(function, family="joined_by")


def held_out() -> dict[str, list[Pair]]:
    """Forty examples of each held-out function that stands in no suite here, by the name of its task."""

    def middle(text: str) -> str | None:
        return grid.at(text.split(", "), "middle")

    def last(text: str) -> str | None:
        return grid.ranked(str.lower, -1)(text.split(", "))

    def verb(text: str) -> str | None:
        return grid.single([word for word in text.split(", ") if word in VERBS])

    def before(text: str) -> str | None:
        return step(text, -1)

    def one(rng: Rng) -> str:
        return rng.choice(base.ALL_WORDS)

    lists = {count: grid.listing(count, count, ", ") for count in (3, 5)}
    verbs = {count: grid.odd_one(VERBS, [w for w in QUALITIES if w not in VERBS], count) for count in (3, 5)}
    functions: dict[str, tuple[Source, Rule]] = {
        "second_word_letter": (one, lambda t: t[1:2]),
        "capitalize_second_letter": (one, lambda t: t[1:2].upper()),
        "prev_item": (an_item, before),
        "negation": (grid.statement, denied),
    }
    for count in (3, 5):
        functions[f"choose_middle_of_{count}"] = (lists[count], middle)
        functions[f"alphabetically_last_{count}"] = (lists[count], last)
        functions[f"verb_v_adjective_{count}"] = (verbs[count], verb)
    return {
        name: grid.examples(name, Function(name, "", source, rule, [], [], []), 40)
        for name, (source, rule) in functions.items()
    }


MAKERS = (items, kinds, dates, counts, ordered, series, links, statements, joins)
PARTS = {
    "item_middle": 5,
    "item_bare": 6,
    "item_changed": 2,
    "kind_verb": 2,
    "kind_adjective": 2,
    "kind_foil": 2,
    "kind_changed": 2,
    "date_mdy": 3,
    "date_dmy": 1,
    "date_ymd": 1,
    "date_part": 1,
    "count_some": 2,
    "count_other": 1,
    "count_vowels": 3,
    "number_least": 2,
    "number_greatest": 1,
    "number_second": 1,
    "number_bare": 1,
    "alphabet": 1,
    "alphabet_bare": 1,
    "sort_length": 1,
    "series_before": 2,
    "series_after": 1,
    "series_bare": 3,
    "series_both": 1,
    "link_changed": 4,
    "thing_bare": 4,
    "denied": 3,
    "put_in": 1,
    "tense": 3,
    "joined_by": 3,
}
