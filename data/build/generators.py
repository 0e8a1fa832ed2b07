"""One generator for each task: from a random source to an (input, output) pair, or None to draw again.

The data rests on every single draw: changing their number, their order or a word list changes the suite.
So the alternatives in a list are all drawn before one of them is chosen.
"""

import json
import random
import re
from collections.abc import Callable

import vocabulary as v

Rng = random.Random
Pair = tuple[str, str]
Generator = Callable[[Rng], Pair | None]

SEED = "steering-tasks-0"  # part of the data as well
ENOUGH = 1000
GENERATORS: dict[str, Generator] = {}


def task(generator: Generator) -> Generator:
    GENERATORS[generator.__name__] = generator
    return generator


def examples(name: str) -> list[Pair]:
    """Up to ENOUGH pairs of one task, always the same, no two inputs equal up to letter case."""
    rng = Rng(f"{SEED}:{name}")
    pairs: list[Pair] = []
    seen: set[str] = set()
    for _ in range(60 * ENOUGH):  # small tasks run dry before they have enough
        pair = GENERATORS[name](rng)
        if pair and all(pair) and pair[0].casefold() not in seen:
            seen.add(pair[0].casefold())
            pairs.append(pair)
            if len(pairs) == ENOUGH:
                break
    return pairs


# --- parts of sentences ---


def cap(text: str) -> str:
    """First letter to upper case, the rest as it is."""
    return text[0].upper() + text[1:]


def length(text: str) -> int:
    return len(text.split())


def some_words(rng: Rng, n: int) -> str:
    return " ".join(rng.sample(v.NOUNS + v.ADJECTIVES + v.VERBS, n))


def person(rng: Rng) -> str:
    return rng.choice(v.FIRST_NAMES) if rng.random() < 0.55 else rng.choice(v.JOBS)


def thing(rng: Rng) -> str:
    return f"{rng.choice(v.OBJECT_ADJECTIVES)} {rng.choice(v.OBJECTS)}"


def clause(rng: Rng, tense: str = "") -> str:
    """Lower-case first letter unless it is a name; no final punctuation."""
    tense = tense or rng.choice(["past", "past", "present", "future"])
    frame = rng.choice(v.FRAMES)
    thing_done = rng.choice(frame.objects)
    verb = {"past": frame.past, "present": frame.third, "future": "will " + frame.base}[tense]
    text = f"{person(rng)} {verb} {thing_done}"
    kind = rng.random()
    if kind < 0.22:
        text += " " + rng.choice(v.PLACES)
    elif kind < 0.62:
        text += " " + rng.choice(v.MANNERS)
    return text


def sentence(rng: Rng) -> str:
    return cap(clause(rng)) + "."


def tense_after(start: str) -> str:
    if start in ("Tomorrow", "Later"):
        return "future"
    if start in ("Sometimes", "Usually", "Every Friday", "Most days", "In spring"):
        return "present"
    return "past"


def varied(rng: Rng) -> str:
    """Statement, question or command with varied first words; no final punctuation."""
    kind = rng.random()
    if kind < 0.35:
        start = rng.choice(v.STARTS)
        return f"{start} {clause(rng, tense_after(start))}"
    if kind < 0.5:
        verb, _, _, _, objects = rng.choice(v.FRAMES)
        name = rng.choice(v.FIRST_NAMES)
        return rng.choice(
            [
                f"When did {name} {verb} {rng.choice(objects)}",
                f"Why does {name} {verb} {rng.choice(objects)}",
                f"Where will {name} {verb} {rng.choice(objects)}",
                f"Did {name} {verb} {rng.choice(objects)}",
                f"Can {name} {verb} {rng.choice(objects)}",
            ]
        )
    if kind < 0.6:
        verb, _, _, _, objects = rng.choice(v.FRAMES)
        return rng.choice(
            [
                f"Please {verb} {rng.choice(objects)} {rng.choice(v.PLACES)}",
                cap(f"{verb} {rng.choice(objects)} {rng.choice(v.MANNERS)}"),
                f"Never {verb} {rng.choice(objects)} {rng.choice(v.PLACES)}",
            ]
        )
    if kind < 0.75:
        adjective, noun = rng.choice(v.OBJECT_ADJECTIVES), rng.choice(v.OBJECTS)
        article = "a" if adjective[0] not in "aeiou" else "the"
        return rng.choice(
            [
                cap(f"{adjective} {rng.choice(v.OBJECTS)} and {rng.choice(v.OBJECT_ADJECTIVES)} {noun}"),
                f"My {noun} is {adjective}",
                f"Our {adjective} {noun} was expensive",
                f"Their {noun} looked {adjective} {rng.choice(v.PLACES)}",
                f"Nobody noticed the {adjective} {noun}",
                f"Everyone loves {article} {adjective} {noun}",
                f"Three young tourists forgot their {adjective} {noun}",
                f"Both of us wanted the {adjective} {noun}",
            ]
        )
    return cap(clause(rng))


# --- strings ---


@task
def uppercase(rng: Rng) -> Pair | None:
    if rng.random() < 0.8:
        text = varied(rng) if rng.random() < 0.5 else sentence(rng)
    else:
        text = some_words(rng, rng.randint(1, 3))
    return (text, text.upper()) if length(text) <= 10 else None


@task
def lowercase(rng: Rng) -> Pair | None:
    text = varied(rng)
    if length(text) > 9:
        return None
    kind = rng.random()
    if kind < 0.4:
        text = text.upper()
    elif kind < 0.8:
        text = " ".join(map(cap, text.split()))
    return text, text.lower()


def lower_text(rng: Rng, share_of_sentences: float, fewest: int, most: int) -> str:
    """A lower-case sentence, or some unconnected words."""
    if rng.random() < share_of_sentences:
        return varied(rng).lower()
    return some_words(rng, rng.randint(fewest, most))


@task
def reverse_word_order(rng: Rng) -> Pair | None:
    text = lower_text(rng, 0.6, 3, 5)
    return (text, " ".join(reversed(text.split()))) if 3 <= length(text) <= 7 else None


@task
def first_word(rng: Rng) -> Pair:
    text = varied(rng) if rng.random() < 0.75 else some_words(rng, rng.randint(3, 7))
    return text, text.split()[0]


@task
def last_word(rng: Rng) -> Pair:
    text = varied(rng) if rng.random() < 0.75 else some_words(rng, rng.randint(3, 7))
    return text, text.split()[-1]


@task
def count_words(rng: Rng) -> Pair:
    text = some_words(rng, rng.randint(2, 8)) if rng.random() < 0.35 else varied(rng)
    return text, str(length(text))


@task
def count_vowels(rng: Rng) -> Pair:
    text = some_words(rng, rng.choice([1, 1, 2]))
    if rng.random() < 0.25:
        text = rng.choice(v.CITIES + v.LAST_NAMES)
    return text, str(sum(letter in "aeiouAEIOU" for letter in text))


@task
def remove_vowels(rng: Rng) -> Pair | None:
    text = some_words(rng, rng.choice([1, 2, 2, 3]))
    bare = re.sub("[aeiou]", "", text)
    return (text, bare) if length(bare) == length(text) else None


@task
def acronym(rng: Rng) -> Pair | None:
    name = [rng.choice(v.ORGANIZATION_1), rng.choice(v.ORGANIZATION_2)]
    if rng.random() < 0.6:
        name.append(rng.choice(v.ORGANIZATION_3))
    name.append(rng.choice(v.ORGANIZATION_4))
    if rng.random() < 0.25:
        name.insert(0, rng.choice(v.ORGANIZATION_1))
    if len(set(name)) < len(name):
        return None
    return " ".join(name), "".join(word[0] for word in name)


@task
def swap_first_last_word(rng: Rng) -> Pair | None:
    text = lower_text(rng, 0.6, 3, 5)
    first, *middle, last = text.split()
    return (text, " ".join([last, *middle, first])) if 3 <= length(text) <= 8 else None


@task
def every_second_word(rng: Rng) -> Pair | None:
    text = lower_text(rng, 0.5, 4, 8)
    return (text, " ".join(text.split()[1::2])) if 4 <= length(text) <= 10 else None


@task
def longest_word(rng: Rng) -> Pair | None:
    text = some_words(rng, rng.randint(3, 6))
    *_, second, longest = sorted(text.split(), key=len)
    return (text, longest) if len(longest) > len(second) else None


@task
def shortest_word(rng: Rng) -> Pair | None:
    text = some_words(rng, rng.randint(3, 6))
    shortest, second, *_ = sorted(text.split(), key=len)
    return (text, shortest) if len(shortest) < len(second) else None


@task
def sort_words_alphabetically(rng: Rng) -> Pair:
    text = some_words(rng, rng.randint(3, 5))
    return text, " ".join(sorted(text.split()))


@task
def sort_words_by_length(rng: Rng) -> Pair | None:
    text = some_words(rng, rng.randint(3, 4))
    words = sorted(text.split(), key=len)
    return (text, " ".join(words)) if len(set(map(len, words))) == len(words) else None


@task
def dedupe_words(rng: Rng) -> Pair:
    distinct = some_words(rng, rng.randint(2, 5)).split()
    words = list(distinct)
    for _ in range(rng.randint(1, 3)):
        words.insert(rng.randint(1, len(words)), rng.choice(distinct))
    return " ".join(words), " ".join(dict.fromkeys(words))


@task
def title_case(rng: Rng) -> Pair | None:
    text = lower_text(rng, 0.6, 2, 5)
    if "'" in text or "-" in text or length(text) > 9:
        return None
    return text, " ".join(map(cap, text.split()))


def identifier(rng: Rng) -> str | None:
    """Words that make a name in a program."""
    if rng.random() < 0.75:
        words = [rng.choice(v.QUALIFIERS)]
        if rng.random() < 0.45:
            words.append(rng.choice(v.QUALIFIERS))
        words.append(rng.choice(v.QUANTITIES))
        if rng.random() < 0.25:
            words.append(rng.choice(v.QUANTITIES))
    else:
        words = [rng.choice(v.ADJECTIVES), rng.choice(v.NOUNS)]
        if rng.random() < 0.4:
            words.append(rng.choice(v.NOUNS))
    if len(set(words)) < len(words):
        return None
    kind = rng.random()
    if kind < 0.6:
        return " ".join(words)
    return " ".join(map(cap, words)) if kind < 0.85 else cap(" ".join(words))


@task
def snake_case(rng: Rng) -> Pair | None:
    text = identifier(rng)
    return (text, text.lower().replace(" ", "_")) if text else None


@task
def kebab_case(rng: Rng) -> Pair | None:
    text = identifier(rng)
    return (text, text.lower().replace(" ", "-")) if text else None


@task
def camel_case(rng: Rng) -> Pair | None:
    text = identifier(rng)
    if not text:
        return None
    first, *others = text.lower().split()
    return text, first + "".join(map(cap, others))


@task
def repeat_twice(rng: Rng) -> Pair:
    kind = rng.random()
    if kind < 0.4:
        text = rng.choice(v.NOUNS + v.ADJECTIVES + v.VERBS + v.CITIES)
    elif kind < 0.8:
        text = thing(rng)
    else:
        text = f"{thing(rng)} and {rng.choice(v.OBJECTS)}"
    return text, f"{text} {text}"


# --- formatting ---


def items(rng: Rng) -> list[str]:
    kind = rng.random()
    n = rng.randint(2, 5)
    if kind < 0.4:
        return rng.sample(v.GROCERIES, n)
    if kind < 0.55:
        return rng.sample(v.CHORES, min(n, 4))
    if kind < 0.7:
        return rng.sample(v.FIRST_NAMES, n)
    return rng.sample(v.CITIES if kind < 0.82 else v.NOUNS, n)


@task
def list_to_bullets(rng: Rng) -> Pair:
    entries = items(rng)
    return ", ".join(entries), "\n".join("- " + entry for entry in entries)


@task
def list_to_json_array(rng: Rng) -> Pair:
    entries = items(rng)
    return ", ".join(entries), json.dumps(entries)


def value_of(rng: Rng, key: str) -> str:
    match key:
        case "name":
            return rng.choice(v.FIRST_NAMES)
        case "age":
            return str(rng.randint(18, 80))
        case "city":
            return rng.choice(v.CITIES)
        case "price":
            return f"{rng.randint(1, 99)}.{rng.choice(['00', '49', '50', '95', '99'])}"
        case "weight":
            return f"{rng.randint(1, 60)} kg"
        case "year":
            return str(rng.randint(1950, 2024))
        case "title":
            return f"{cap(rng.choice(v.ADJECTIVES))} {cap(rng.choice(v.NOUNS))}"
        case "stock":
            return str(rng.randint(0, 500))
    return rng.choice(v.VALUES[key])


@task
def key_value_to_json(rng: Rng) -> Pair:
    values = {key: value_of(rng, key) for key in rng.sample(v.KEYS, rng.randint(2, 3))}
    separator = rng.choice([", ", "; "])
    equals = rng.choice([": ", "=", " = "])
    return separator.join(key + equals + value for key, value in values.items()), json.dumps(values)


def date(rng: Rng) -> tuple[int, int, int]:
    return rng.randint(1920, 2029), rng.randint(1, 12), rng.randint(1, 28)


@task
def date_to_iso(rng: Rng) -> Pair:
    year, month, day = date(rng)
    name = v.MONTHS[month - 1]
    short = name[:3]
    text = rng.choice(
        [f"{name} {day}, {year}", f"{day} {name} {year}", f"{short} {day}, {year}", f"{day} {short} {year}"]
    )
    return text, f"{year}-{month:02d}-{day:02d}"


@task
def date_to_us(rng: Rng) -> Pair:
    year, month, day = date(rng)
    name = v.MONTHS[month - 1]
    iso = f"{year}-{month:02d}-{day:02d}"
    text = rng.choice([f"{name} {day}, {year}", f"{day} {name} {year}", iso, f"{day} {name[:3]} {year}"])
    return text, f"{month:02d}/{day:02d}/{year}"


@task
def phone_to_digits(rng: Rng) -> Pair:
    # 555-01xx is reserved for fiction.
    area, last = rng.randint(201, 989), f"0{rng.randint(100, 199)}"
    text = rng.choice(
        [
            f"({area}) 555-{last}",
            f"{area}-555-{last}",
            f"{area}.555.{last}",
            f"+1 {area} 555 {last}",
            f"+1 ({area}) 555-{last}",
            f"{area} 555 {last}",
        ]
    )
    return text, re.sub(r"\D", "", text)


@task
def price_to_cents(rng: Rng) -> Pair | None:
    dollars = rng.choice([0, rng.randint(1, 9), rng.randint(10, 99), rng.randint(100, 300)])
    cents = rng.choice([rng.randint(0, 99), 99, 95, 50])
    return (f"${dollars}.{cents:02d}", str(100 * dollars + cents)) if dollars or cents else None


@task
def time_24h_to_12h(rng: Rng) -> Pair:
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    half = "AM" if hour < 12 else "PM"
    return f"{hour:02d}:{minute:02d}", f"{hour % 12 or 12}:{minute:02d} {half}"


@task
def name_last_first(rng: Rng) -> Pair:
    first, last = rng.choice(v.FIRST_NAMES), rng.choice(v.LAST_NAMES)
    if rng.random() < 0.25:
        first += " " + rng.choice([name for name in v.FIRST_NAMES if name != first])
    return f"{first} {last}", f"{last}, {first}"


@task
def append_question_mark(rng: Rng) -> Pair | None:
    text = cap(clause(rng))
    return (text, text + "?") if length(text) <= 10 else None


@task
def wrap_in_quotes(rng: Rng) -> Pair | None:
    kind = rng.random()
    if kind < 0.5:
        text = sentence(rng)
    else:
        text = thing(rng) if kind < 0.8 else cap(f"{thing(rng)} {rng.choice(v.PLACES)}")
    return (text, f'"{text}"') if length(text) <= 9 else None


@task
def html_bold(rng: Rng) -> Pair | None:
    kind = rng.random()
    if kind < 0.4:
        text = sentence(rng)
    else:
        text = thing(rng) if kind < 0.75 else f"The {thing(rng)} {rng.choice(v.PLACES)}"
    return (text, f"<b>{text}</b>") if length(text) <= 9 else None


def domain(rng: Rng) -> str:
    """Only names that are reserved for examples."""
    if rng.random() < 0.5:
        name = rng.choice(
            [
                f"{rng.choice(v.ADJECTIVES)}{rng.choice(v.NOUNS)}",
                f"{rng.choice(v.NOUNS)}-{rng.choice(v.NOUNS)}",
                f"{rng.choice(v.ADJECTIVES)}-{rng.choice(v.NOUNS)}",
            ]
        )
        return f"{name}.{rng.choice(['example', 'example', 'test'])}"
    prefix = rng.choice(["", "shop.", "blog.", "news.", "docs.", "mail.", "team."])
    return prefix + rng.choice(["example.com", "example.org", "example.net"])


def url(rng: Rng) -> str:
    text = rng.choice(["https://", "https://", "http://", "https://www.", "www."]) + domain(rng)
    kind = rng.random()
    if kind < 0.45:
        text += f"/{rng.choice(v.NOUNS)}"
    elif kind < 0.7:
        folder = rng.choice(["blog", "docs", "items", "events", "help", "2023", "guide"])
        text += f"/{folder}/{rng.choice(v.NOUNS + v.ADJECTIVES)}"
    elif kind < 0.8:
        text += f"/{rng.choice(v.NOUNS)}?id={rng.randint(1, 999)}"
    return text


@task
def markdown_link(rng: Rng) -> Pair:
    frame = rng.choice(v.FRAMES)
    title = rng.choice(
        [
            f"{cap(rng.choice(v.OBJECT_ADJECTIVES))} {cap(rng.choice(v.OBJECTS))}",
            f"{rng.choice(v.CITIES)} {cap(rng.choice(v.TOPICS))} Guide",
            f"How to {frame.base} {rng.choice(frame.objects)}",
            f"{rng.choice(v.ORGANIZATION_1)} {rng.choice(v.ORGANIZATION_2)} {rng.choice(v.ORGANIZATION_4)}",
        ]
    )
    link = url(rng)
    if link.startswith("www."):
        link = "https://" + link
    return f"{title} {rng.choice(['|', '-', ':'])} {link}", f"[{title}]({link})"


# --- extraction ---


def within(rng: Rng, answer: str, sentences: list[str]) -> Pair:
    """A sentence that holds the answer, and the answer."""
    text = rng.choice(sentences).format(
        x=answer,
        n=rng.choice(v.FIRST_NAMES),
        c=rng.choice(v.CITIES),
        w=rng.choice(v.OBJECTS),
        j=rng.choice(v.JOBS),
        J=cap(rng.choice(v.JOBS)),
        a=rng.choice(v.OBJECT_ADJECTIVES),
        k=rng.randint(2, 12),
        m=rng.choice(v.MONTHS),
    )
    return text, answer


@task
def extract_email(rng: Rng) -> Pair:
    first, last = rng.choice(v.FIRST_NAMES).lower(), rng.choice(v.LAST_NAMES).lower()
    user = rng.choice(
        [
            f"{first}.{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{first[0]}{last}",
            f"{last}_{first}",
            rng.choice(["info", "support", "orders", "jobs", "press", "booking", "sales"]),
            f"{first}-{last}",
        ]
    )
    return within(rng, f"{user}@{domain(rng)}", v.EMAIL_SENTENCES)


@task
def extract_url(rng: Rng) -> Pair:
    return within(rng, url(rng), v.URL_SENTENCES)


@task
def extract_year(rng: Rng) -> Pair:
    return within(rng, str(rng.randint(1800, 2024)), v.YEAR_SENTENCES)


@task
def extract_person_name(rng: Rng) -> Pair:
    return within(rng, f"{rng.choice(v.FIRST_NAMES)} {rng.choice(v.LAST_NAMES)}", v.NAME_SENTENCES)


@task
def extract_city(rng: Rng) -> Pair | None:
    text, city = within(rng, rng.choice(v.CITIES), v.CITY_SENTENCES)
    others = [other for other in v.CITIES if other != city and re.search(rf"\b{other}\b", text)]
    return (text, city) if text.count(city) == 1 and not others else None


@task
def extract_price(rng: Rng) -> Pair:
    kind = rng.random()
    price = str(rng.choice([rng.randint(1, 9), rng.randint(10, 99), rng.randint(100, 999)]))
    if kind < 0.6:
        price += "." + rng.choice(["50", "99", "95", "25", "00", "75", "49"])
    return within(rng, rng.choice(["$", "$", "€", "£"]) + price, v.PRICE_SENTENCES)


@task
def extract_hashtag(rng: Rng) -> Pair:
    tag = rng.choice(
        [
            rng.choice(v.NOUNS),
            rng.choice(v.ADJECTIVES) + rng.choice(v.NOUNS),
            rng.choice(v.NOUNS) + "life",
            rng.choice(v.NOUNS) + "lover",
            cap(rng.choice(v.ADJECTIVES)) + cap(rng.choice(v.NOUNS)),
            rng.choice(v.CITIES) + str(rng.randint(2018, 2025)),
            rng.choice(v.NOUNS) + "time",
        ]
    )
    return within(rng, "#" + tag, v.HASHTAG_SENTENCES)


@task
def extract_number(rng: Rng) -> Pair:
    number = rng.choice([rng.randint(2, 20), rng.randint(21, 99), rng.randint(100, 999)])
    return within(rng, str(number), v.NUMBER_SENTENCES)


# --- arithmetic ---


def listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


@task
def sum_three_numbers(rng: Rng) -> Pair:
    largest = rng.choice([9, 30, 50])
    numbers = [rng.randint(1, largest) for _ in range(3)]
    return listed(numbers), str(sum(numbers))


@task
def absolute_difference(rng: Rng) -> Pair:
    largest = rng.choice([20, 50, 99])
    a, b = rng.randint(0, largest), rng.randint(0, largest)
    return f"{a}, {b}", str(abs(a - b))


@task
def product(rng: Rng) -> Pair:
    a, b = rng.randint(1, 20), rng.randint(1, 20)
    return f"{a} {b}", str(a * b)


def distinct_numbers(rng: Rng) -> list[int]:
    largest = rng.choice([20, 99, 99, 999])
    n = rng.randint(3, 6)
    return rng.sample(range(largest + 1), n)


@task
def max_number(rng: Rng) -> Pair:
    numbers = distinct_numbers(rng)
    return listed(numbers), str(max(numbers))


@task
def min_number(rng: Rng) -> Pair:
    numbers = distinct_numbers(rng)
    return listed(numbers), str(min(numbers))


@task
def even_or_odd(rng: Rng) -> Pair:
    number = rng.choice([rng.randint(0, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
    return str(number), "odd" if number % 2 else "even"


@task
def double_number(rng: Rng) -> Pair:
    number = rng.choice([rng.randint(0, 99), rng.randint(100, 499), rng.randint(500, 1500)])
    return str(number), str(2 * number)


@task
def next_multiple_of_ten(rng: Rng) -> Pair:
    number = rng.choice([rng.randint(0, 99), rng.randint(100, 999), rng.randint(1000, 2500)])
    return str(number), str((number // 10 + 1) * 10)


@task
def count_items(rng: Rng) -> Pair:
    n = rng.randint(1, 9)
    return ", ".join(rng.sample(v.NOUNS + v.CITIES + v.GROCERIES, n)), str(n)


@task
def compare_numbers(rng: Rng) -> Pair:
    largest = rng.choice([20, 99, 999])
    a = rng.randint(0, largest)
    b = a if rng.random() < 0.3 else rng.randint(0, largest)
    return f"{a}, {b}", "equal" if a == b else "greater" if a > b else "less"


@task
def roman_numeral(rng: Rng) -> Pair:
    number = rest = rng.randint(1, 50)
    roman = ""
    for value, sign in ((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        roman += sign * (rest // value)
        rest %= value
    return str(number), roman


# --- classification ---


@task
def sentence_type(rng: Rng) -> Pair:
    verb, third, past, _, objects = rng.choice(v.FRAMES)
    what = rng.choice(objects)
    who = person(rng)
    label = rng.choice(["statement", "question", "command"])
    what += rng.choice(["", " " + rng.choice(v.PLACES), " " + rng.choice(v.MANNERS)])
    if label == "statement":
        text = rng.choice(
            [
                f"{who} {past} {what}",
                f"{who} {third} {what}",
                f"{who} will {verb} {what}",
                f"{who} wants to {verb} {what}",
                f"{who} never {past} {what}",
            ]
        )
        end = "."
    elif label == "question":
        text = rng.choice(
            [
                f"did {who} {verb} {what}",
                f"why did {who} {verb} {what}",
                f"who {past} {what}",
                f"when will {who} {verb} {what}",
                f"can {who} {verb} {what}",
                f"how often does {who} {verb} {what}",
                f"should we {verb} {what}",
            ]
        )
        end = "?"
    else:
        text = rng.choice(
            [
                f"{verb} {what}",
                f"please {verb} {what}",
                f"do not {verb} {what}",
                f"remember to {verb} {what}",
                f"help {who} {verb} {what}",
                f"never {verb} {what}",
                f"{verb} {what} right now",
            ]
        )
        end = rng.choice([".", ".", "!"])
    return cap(text) + (end if rng.random() < 0.4 else ""), label


@task
def language_id(rng: Rng) -> Pair:
    language = rng.choice(list(v.SUBJECTS))
    who, does, when = (rng.choice(part[language]) for part in (v.SUBJECTS, v.PREDICATES, v.ADVERBIALS))
    return cap(f"{who} {does} {when}." if rng.random() < 0.7 else f"{who} {does}."), language


def product_review(rng: Rng, adjectives: list[str], remarks: list[tuple[str, str]]) -> Pair:
    """Two sentences: a judgement and a remark."""
    product = rng.choice(v.PRODUCTS)
    plural = product in v.PLURAL_PRODUCTS
    this, be, was, it = ("These", "are", "were", "they are") if plural else ("This", "is", "was", "it is")
    remark = rng.choice(remarks)[plural]
    judgement = rng.choice(
        [
            f"{this} {product} {be} {rng.choice(adjectives)}",
            f"The {product} I ordered {was} {rng.choice(adjectives)}",
            f"{cap(rng.choice(adjectives))} {product}",
            f"Got the {product} for my "
            f"{rng.choice(['sister', 'office', 'birthday', 'trip', 'son', 'kitchen'])} "
            f"and {it} {rng.choice(adjectives)}",
        ]
    )
    return judgement, remark


def venue_review(rng: Rng, adjectives: list[str], remarks: list[str]) -> Pair:
    """Two sentences: a judgement and a remark."""
    venue = rng.choice(v.VENUES)
    remark = rng.choice(remarks)
    judgement = rng.choice(
        [
            f"The {venue} in {rng.choice(v.CITIES)} was {rng.choice(adjectives)}",
            f"We visited this {venue} last {rng.choice(v.MONTHS)} and it was {rng.choice(adjectives)}",
            f"{cap(rng.choice(adjectives))} {venue}",
        ]
    )
    return judgement, remark


@task
def review_sentiment(rng: Rng) -> Pair:
    label = rng.choice(["positive", "negative"])
    good = label == "positive"
    if rng.random() < 0.65:
        adjectives, remarks = (v.PRAISE, v.PRODUCT_PRAISE) if good else (v.BLAME, v.PRODUCT_BLAME)
        judgement, remark = product_review(rng, adjectives, remarks)
    else:
        adjectives, remarks = (v.PRAISE, v.STAFF_PRAISE) if good else (v.VENUE_BLAME, v.STAFF_BLAME)
        judgement, remark = venue_review(rng, adjectives, remarks)
    kind = rng.random()
    if kind < 0.7:
        return f"{judgement}. {remark}.", label
    return f"{remark}. {judgement}." if kind < 0.85 else f"{judgement}.", label


@task
def object_category(rng: Rng) -> Pair:
    category = rng.choice(list(v.CATEGORIES))
    noun = rng.choice(v.CATEGORIES[category])
    if rng.random() < 0.4:
        return noun, category
    return f"{rng.choice(v.CATEGORY_ADJECTIVES[category])} {noun}", category


@task
def formality(rng: Rng) -> Pair:
    formal, informal = rng.choice(list(zip(v.FORMAL, v.INFORMAL, strict=True)))
    label = rng.choice(["formal", "informal"])
    text = (formal if label == "formal" else informal).format(
        w=rng.choice(v.TOPICS),
        c=rng.choice(v.CITIES),
        d=rng.choice(v.DAYS),
        n=rng.choice(v.FIRST_NAMES).lower() if rng.random() < 0.4 else rng.choice(v.FIRST_NAMES),
        l=(rng.choice(["Dr. ", "Ms. ", "Professor "]) if "Dear" in formal else "") + rng.choice(v.LAST_NAMES),
    )
    return cap(text) if label == "formal" or rng.random() < 0.3 else text, label


@task
def tense_classification(rng: Rng) -> Pair:
    frame = rng.choice(v.FRAMES)
    base, third, past, gerund, objects = frame
    who = person(rng)
    what = rng.choice(objects)
    label = rng.choice(["past", "present", "future"])
    verbs = {
        "past": rng.choice([past, past, f"was {gerund}", f"used to {base}"]),
        "present": rng.choice([third, third, f"is {gerund}", f"often {third}"]),
        "future": rng.choice([f"will {base}", f"will {base}", f"is going to {base}", f"will soon {base}"]),
    }
    place = rng.choice(["", " " + rng.choice(v.PLACES)])
    return cap(f"{who} {verbs[label]} {what}{place}."), label


SPAM_NUMBERS = [5, 7, 10, 12, 15, 20, 24, 30, 48, 50, 70, 90]


@task
def spam_detection(rng: Rng) -> Pair:
    label = rng.choice(["spam", "ham"])
    text = rng.choice(v.SPAM if label == "spam" else v.HAM).format(
        w=rng.choice(v.OBJECTS),
        l=rng.choice(v.LAST_NAMES),
        p=rng.choice([product for product in v.PRODUCTS if product not in v.PLURAL_PRODUCTS]),
        c=rng.choice(v.CITIES),
        d=rng.choice(v.DAYS),
        n=rng.choice(v.FIRST_NAMES),
        k=rng.randint(2, 12) if label == "ham" else rng.choice(SPAM_NUMBERS),
        b=rng.randint(2, 99) * 100 + rng.choice([0, 50, 0]),
    )
    return text, label
