"""Something found in a sentence and copied."""

import re

import generators as g
import vocabulary as v

from families import base, lexicon
from families.base import Family, Rng, Words

EXTRACT = Family(
    "extract",
    "extraction",
    """
Extract {what} from the sentence.
Find {what}.
Copy {what} and nothing else.

In this task you are presented with a sentence, and your goal is to output {what} mentioned in it.
You are given a sentence; the goal of this task is to find {what} and copy it exactly.
Given a line of text, locate {what} in it and answer with that alone.

I need {what} out of every message I get.
I'm building a form that fills itself in: it should pick up {what} from my notes.
I want a model that reads a sentence and returns {what}.

Input: a sentence. Output: {what}, as it is written there.
Input: a line that contains {detail}. Output: {what} only.

What about {what}?
{Question}
The rest of the text does not interest me, only {what}.

Identify {what} in the passage and reproduce it verbatim.
Retrieve {detail} from the given text.

A busy assistant underlines {what} in every message. Write what is underlined.
{Question} Answer by copying from the text.

Look for {detail} and write it down without any other words.
Throw away everything except {what}.
""",
)

FILL = {
    "n": v.FIRST_NAMES,
    "c": v.CITIES,
    "w": v.OBJECTS,
    "a": v.OBJECT_ADJECTIVES,
    "j": v.JOBS,
}


def fill(rng: Rng, pattern: str, x: str) -> str:
    """Pattern with x, and n, c, w, a, j and k drawn."""
    parts = {key: rng.choice(pool) for key, pool in FILL.items()}
    text = pattern.format(x=x, k=rng.randint(2, 12), **parts)
    return g.cap(re.sub(r"\b([Aa]) (?=[aeio]|um|unc)", r"\1n ", text))


def two(n: int) -> str:
    return f"{n:02d}"


def a_time(rng: Rng) -> str:
    if rng.random() < 0.5:
        return f"{rng.randint(0, 23)}:{two(rng.choice([0, 15, 30, 45, rng.randint(0, 59)]))}"
    return f"{rng.randint(1, 12)}:{two(rng.choice([0, 10, 15, 20, 30, 45]))} {rng.choice(['am', 'pm'])}"


def quantity(rng: Rng) -> str:
    unit = rng.choice(["kg", "liters", "grams", "meters", "km", "pounds", "miles", "cups", "cm", "tons"])
    return f"{rng.choice([rng.randint(2, 20), rng.randint(20, 95), 5 * rng.randint(20, 90)])} {unit}"


def code(rng: Rng) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXZ") for _ in range(2))
    return f"{letters}{rng.randint(100, 9999)}"


def file_name(rng: Rng) -> str:
    stem = rng.choice(
        [base.word(rng), f"{base.word(rng)}_{base.word(rng)}", f"{base.word(rng)}{rng.randint(1, 30)}"]
    )
    return f"{stem}.{rng.choice(['pdf', 'txt', 'csv', 'jpg', 'docx', 'png', 'zip', 'mp3', 'xlsx', 'html'])}"


def iso_date(rng: Rng) -> str:
    y, m, d = g.date(rng)
    return f"{y}-{m:02d}-{d:02d}"


LANGUAGES = """
French German Italian Portuguese Dutch Polish Arabic Hindi Korean Japanese Greek Turkish Swedish Russian
Finnish Hungarian Swahili Danish Czech Thai
""".split()
COUNTRIES = """
Norway Peru Kenya Japan Italy Canada Ghana Chile Spain India Brazil Egypt France Germany Greece Iceland
Ireland Mexico Morocco Nepal Poland Portugal Sweden Thailand Turkey Vietnam Austria Belgium Cuba Denmark
Finland Hungary Jordan Malta Tunisia Uganda Kuwait Laos Panama Bolivia
""".split()
ANIMALS = """
dog cat horse cow goat sheep rabbit parrot fox squirrel hedgehog owl turtle snake pig duck swan monkey wolf
bear deer frog pigeon hamster donkey camel lizard crow goose crab
""".split()
COLORS = (
    "red blue green yellow purple orange pink brown black white gray turquoise silver golden beige".split()
)
FOODS = """
soup bread rice cheese salad pizza pasta pancakes cake porridge curry sausages dumplings noodles waffles
omelette pie stew yogurt sushi tacos sandwiches lasagna popcorn
""".split()
INSTRUMENTS = (
    "piano violin guitar flute trumpet cello drums clarinet harp saxophone accordion banjo oboe".split()
)
SPORTS = "tennis football hockey basketball volleyball golf rugby badminton cricket handball baseball".split()
CLOTHES = (
    "coat jacket scarf hat sweater dress shirt skirt vest raincoat cardigan hoodie blouse cap tie".split()
)
RELATIVES = (
    "mother father sister brother aunt uncle cousin grandmother grandfather daughter son niece nephew".split()
)
WEATHER = "rain snow fog hail wind sunshine thunder drizzle sleet".split()
PROFESSIONS = """
nurse plumber teacher lawyer baker pilot dentist farmer painter tailor electrician librarian chef journalist
carpenter photographer architect mechanic waiter gardener
""".split()
ROOMS = "kitchen bathroom bedroom attic cellar garage hallway pantry".split()
VEHICLES = "train bus bicycle taxi ferry tram van truck helicopter scooter motorcycle boat".split()
FEELINGS = "happy sad angry nervous proud tired bored jealous curious lonely excited surprised".split()
MATERIALS = "wood glass steel leather cotton plastic paper stone wool silk gold clay".split()
EXTRACTED: list[tuple[str, object, Words, Words, str, str, bool]] = [
    (
        "time",
        a_time,
        ("the time of day", "the clock time"),
        "a time of day",
        "At what time?",
        """
The train leaves at {x}.
{n} wants to meet at {x} near the {w} shop.
Dinner starts at {x} sharp in {c}.
Please be here by {x} on Monday, said {n}.
The call with {c} was moved to {x}.
At {x} the {w} fell off the wall.
{n} woke up at {x} again.
Doors open at {x}, and {k} seats are free.
The {x} bus to {c} is full.
I saw {n} at about {x} with a {a} {w}.
""",
        False,
    ),
    (
        "percent",
        lambda rng: f"{rng.randint(1, 99)}%",
        ("the percentage", "the number with the percent sign"),
        "a percentage",
        "How many percent?",
        """
Prices in {c} rose by {x}.
{n} gave a discount of {x} on the {w}.
About {x} of the {k} rooms are empty.
The battery is at {x}, {n}.
Only {x} of voters in {c} agreed.
With {x} off, the {a} {w} was a bargain.
{x} of the students passed in {c}.
Sales of the {w} fell {x} in {k} months.
The soup is {x} water.
""",
        False,
    ),
    (
        "quantity",
        quantity,
        ("the quantity with its unit", "the amount and its unit"),
        "an amount with a unit",
        "How much or how far?",
        """
{n} bought {x} at the market in {c}.
The {a} {w} weighs about {x}.
We still need {x} for the party.
It is {x} from here to the {w} shop.
Room for {x} is left in the truck to {c}.
{n} measured exactly {x}.
After {x} the road turns left.
They ordered {x} and a {w}.
""",
        False,
    ),
    (
        "weekday",
        lambda rng: rng.choice(v.DAYS),
        ("the day of the week", "the weekday"),
        "a weekday",
        "On which day?",
        """
{n} arrives in {c} on {x}.
The {w} shop is closed on {x}.
On {x} we play cards with {n}.
Is {x} a good day for the picnic?
Last {x} the {a} {w} broke.
Every {x} the market in {c} opens at dawn.
See you {x}, {n}!
The meeting was moved to {x} because of the strike.
""",
        False,
    ),
    (
        "month",
        lambda rng: rng.choice(v.MONTHS),
        ("the month", "the name of the month"),
        "a month",
        "In which month?",
        """
{n} was born in {x} in {c}.
The festival takes place every {x}.
In {x} we sold {k} pieces of the {w}.
Rent goes up in {x}, wrote {n}.
It was a cold {x} in {c}.
The {w} course begins in {x}.
By {x} the {a} {w} should be ready.
""",
        True,
    ),
    (
        "color",
        lambda rng: rng.choice(COLORS),
        ("the color", "the color word"),
        "a color",
        "Which color is it?",
        """
{n} painted the door {x}.
The {w} in the hall is {x}.
She wore a {x} coat in {c}.
My brother lost his {x} umbrella.
A {x} bird sat on the {w}.
They want {x} curtains for the office in {c}.
The walls were {x} and the floor was cold.
""",
        True,
    ),
    (
        "animal",
        lambda rng: rng.choice(ANIMALS),
        ("the animal", "the name of the animal"),
        "an animal",
        "Which animal is it?",
        """
A {x} crossed the road near {c}.
{n} has a {x} at home.
The {x} slept under the {w}.
We saw a {x} behind the church.
My neighbor feeds the {x} every morning.
The {x} knocked over the {a} {w}.
In {c} a {x} escaped from the zoo.
Why is there a {x} in the kitchen, {n}?
""",
        False,
    ),
    (
        "country",
        lambda rng: rng.choice(COUNTRIES),
        ("the country", "the name of the country"),
        "a country",
        "Which country?",
        """
{n} spent the summer in {x}.
The {w} was made in {x}.
Tea from {x} is sold here.
Her parents moved to {x} {k} years ago.
A letter from {x} arrived today.
The team from {x} won the match.
{n} plans a trip to {x} with a {a} {w}.
""",
        False,
    ),
    (
        "language",
        lambda rng: rng.choice(LANGUAGES),
        ("the language", "the name of the language"),
        "a language",
        "Which language?",
        """
{n} speaks {x} at home.
The book was translated into {x}.
We need a guide who knows {x}.
The song is sung in {x}.
{n} takes {x} lessons twice a week.
All signs at the station are in {x}.
He wrote the letter in {x}.
""",
        True,
    ),
    (
        "food",
        lambda rng: rng.choice(FOODS),
        ("the food", "the name of the dish"),
        "a food",
        "What is there to eat?",
        """
{n} made {x} for everyone.
The {x} at this place in {c} is famous.
We had {x} for lunch.
I cannot stand {x}, said {n}.
There is some {x} left in the kitchen.
The child wanted {x} again.
Nobody makes {x} like {n}.
""",
        False,
    ),
    (
        "instrument",
        lambda rng: rng.choice(INSTRUMENTS),
        ("the musical instrument", "the instrument"),
        "a musical instrument",
        "What is played?",
        """
{n} practices the {x} every night.
A {x} was stolen from the theater in {c}.
Her uncle repairs the old {x}.
The {x} is too loud for this room.
At the party {n} played the {x}.
They sold the {x} for {k} hundred dollars.
""",
        False,
    ),
    (
        "sport",
        lambda rng: rng.choice(SPORTS),
        ("the sport", "the name of the sport"),
        "a sport",
        "Which game is it about?",
        """
{n} plays {x} on weekends.
We watched {x} on television all night.
The {x} club in {c} needs members.
After school the children play {x}.
{n} hurt a knee during {x}.
Is {x} popular in {c}?
""",
        True,
    ),
    (
        "clothing",
        lambda rng: rng.choice(CLOTHES),
        ("the piece of clothing", "the garment"),
        "a garment",
        "What can be worn?",
        """
{n} forgot a {x} on the train.
The {x} on the chair belongs to {n}.
She bought a {x} in {c}.
This {x} is too small for me.
A {x} hung behind the door all winter.
Whose {x} is this, {n}?
""",
        False,
    ),
    (
        "relative",
        lambda rng: rng.choice(RELATIVES),
        ("the family member", "the word for a relative"),
        "a word for a relative",
        "Which member of the family?",
        """
My {x} lives in {c}.
{n} called her {x} last night.
The {w} belonged to his {x}.
Our {x} taught us to swim.
{n} looks just like her {x}.
The letter from my {x} came today.
""",
        False,
    ),
    (
        "profession",
        lambda rng: rng.choice(PROFESSIONS),
        ("the profession", "the job"),
        "a profession",
        "What does someone do for a living?",
        """
{n} works as a {x} in {c}.
We called the {x} because of the {w}.
Her son wants to be a {x}.
The {x} from {c} came too late.
A {x} found the {a} {w}.
After {k} years as a {x}, {n} retired.
""",
        False,
    ),
    (
        "vehicle",
        lambda rng: rng.choice(VEHICLES),
        ("the means of transport", "the vehicle"),
        "a vehicle",
        "How do they travel?",
        """
{n} took the {x} to {c}.
The {x} broke down near the bridge.
We sold the {x} last summer.
By {x} it takes {k} hours.
A {x} was parked in front of the gate.
{n} fell asleep on the {x}.
""",
        False,
    ),
    (
        "feeling",
        lambda rng: rng.choice(FEELINGS),
        ("the feeling", "the emotion word"),
        "a feeling",
        "How does the person feel?",
        """
{n} was {x} after the call from {c}.
The children looked {x} all day.
I feel {x} when I see the {w}.
Why is {n} so {x} today?
{J} seemed {x} at the meeting.
""",
        False,
    ),
    (
        "material",
        lambda rng: rng.choice(MATERIALS),
        ("the material", "the substance it is made of"),
        "a material",
        "What is it made of?",
        """
The {w} is made of {x}.
{n} bought a box of {x} in {c}.
This bag of {x} cost {k} dollars.
They used {x} for the roof.
A figure made from {x} stood on the table.
""",
        False,
    ),
    (
        "room",
        lambda rng: rng.choice(ROOMS),
        ("the room or part of the house", "the place in the house"),
        "a part of a house",
        "Where in the house?",
        """
{n} is in the {x}.
The {a} {w} stands in the {x}.
We painted the {x} last week.
There is a mouse in the {x}.
The light in the {x} does not work.
Please leave the {w} in the {x}, {n}.
""",
        False,
    ),
    (
        "quoted_text",
        lambda rng: g.cap(g.thing(rng)),
        ("the words in quotation marks", "the quoted text, without its marks"),
        "quoted words",
        "What stands between the quotes?",
        """
{n} read "{x}" in one night.
The sign in {c} says "{x}" in big letters.
"{x}" was the title of the show.
Have you seen "{x}" yet, {n}?
On the box somebody wrote "{x}" with chalk.
The song "{x}" was played {k} times.
""",
        False,
    ),
    (
        "text_in_parentheses",
        lambda rng: rng.choice([g.thing(rng), base.word(rng), str(base.number(rng)), rng.choice(v.CITIES)]),
        ("what stands in parentheses", "the part inside round brackets"),
        "something in parentheses",
        "What is in the brackets?",
        """
The {w} ({x}) was sold.
{n} called again ({x}).
We met in {c} ({x}) last week.
Bring the {a} {w} ({x}), please.
The second door ({x}) is locked.
""",
        False,
    ),
    (
        "text_in_brackets",
        lambda rng: rng.choice([g.thing(rng), base.word(rng), rng.choice(v.FIRST_NAMES)]),
        ("what stands in square brackets", "the part between [ and ]"),
        "something in square brackets",
        "What is in the brackets?",
        """
The {w} [{x}] was moved to {c}.
[{x}] {n} entered the room.
See the note [{x}] below.
{n} replied [{x}] and left.
Order {k} [{x}] is ready.
""",
        False,
    ),
    (
        "mention",
        lambda rng: (
            "@"
            + rng.choice(
                [
                    rng.choice(v.FIRST_NAMES).lower() + str(rng.randint(1, 99)),
                    base.word(rng) + "_" + base.word(rng),
                    rng.choice(v.LAST_NAMES).lower(),
                ]
            )
        ),
        ("the @ name", "the user name with its @"),
        "a name that begins with @",
        "Who is tagged?",
        """
Thanks {x} for the {w}!
{x} can you come to {c}?
Great photo by {x} today
Ask {x} about the {a} {w}
Dinner with {x} and {n} was fun
New video with {x} out now
""",
        False,
    ),
    (
        "file_name",
        file_name,
        ("the file name", "the name of the file with its ending"),
        "a file name",
        "Which file?",
        """
{n} sent me {x} yesterday.
Please open {x} and check page {k}.
I deleted {x} by mistake.
The report is in {x} on the server in {c}.
Have you read {x} yet?
Save it as {x}, said {n}.
""",
        False,
    ),
    (
        "order_code",
        code,
        ("the order code", "the code of letters and digits"),
        "a code of letters and digits",
        "Which code?",
        """
Your order {x} has been shipped to {c}.
{n} asked about order {x}.
The parcel {x} contains a {a} {w}.
Use the code {x} at the desk.
Ticket {x} was closed by {n}.
We cannot find {x} in the system.
""",
        False,
    ),
    (
        "iso_date",
        iso_date,
        ("the date", "the full date"),
        "a date",
        "On which date?",
        """
The contract with {n} ends on {x}.
On {x} the {w} shop in {c} opened.
Invoice of {x}: {k} chairs.
{n} paid on {x}.
The next check is due {x}.
Built in {c}, tested {x}.
""",
        False,
    ),
    (
        "phone_number",
        lambda rng: f"{rng.randint(201, 989)}-555-0{rng.randint(100, 199)}",
        ("the phone number", "the telephone number"),
        "a phone number",
        "Which number should be called?",
        """
Call {n} at {x} after {k}.
My new number is {x}.
For the {w} dial {x}.
{x} is the number of the office in {c}.
{n} left a message: please ring {x}.
The taxi in {c} answers at {x} day and night.
""",
        False,
    ),
    (
        "temperature",
        lambda rng: f"{rng.randint(-15, 40)}°C",
        ("the temperature", "the degrees with their sign"),
        "a temperature",
        "How warm or cold is it?",
        """
It was {x} in {c} this morning.
Heat the oven to {x}.
The lake reached {x} in summer.
At {x} the {w} stops working.
{n} likes it at {x} and no warmer.
Tomorrow up to {x}, says {n}.
""",
        False,
    ),
]

for name, source, what, detail, question, patterns, held_out in EXTRACTED:
    sentences = v.lines(patterns.replace("{J}", "{j}"))

    def found(rng: Rng, source=source, sentences: list[str] = sentences) -> base.Pair:
        answer = source(rng)  # type: ignore[operator]
        return fill(rng, rng.choice(sentences), answer), answer

    EXTRACT.add_pairs(f"find_{name}", found, held_out=held_out, what=what, detail=detail, question=question)

PART = Family(
    "extract_part",
    "extraction",
    """
Write {what}.
Give just {what}.

In this task you are presented with {given}, and your goal is to output {what}.
You are given {given}; the goal of this task is to find {what}.

I need {what} from {given}.
I want {what} whenever I paste {given}.

Input: {given}. Output: {what}.
Input: {given}. Output: a piece of it, namely {what}.

{What}, no more.
Show me {what}.

Isolate {what}.
Retrieve {what} from the supplied text.

A clerk cuts up {given} and keeps {what}; what is kept?
What would you look at if you were only after {what}? Write it.

Leave everything out but {what}.
Search {given} and print {what}.
""",
)


def mail(rng: Rng) -> tuple[str, str]:
    first, last = rng.choice(v.FIRST_NAMES).lower(), rng.choice(v.LAST_NAMES).lower()
    user = rng.choice(
        [f"{first}.{last}", f"{first}{rng.randint(1, 99)}", last, f"{first[0]}{last}", f"{last}_{first}"]
    )
    return user, g.domain(rng)


MAIL_SENTENCES = [
    "Write to {x} today.",
    "{n} uses {x} at work.",
    "{x}",
    "Contact {x} about the {w}.",
    "Is {x} correct?",
]


def mail_part(part: int):
    def draw(rng: Rng) -> base.Pair:
        parts = mail(rng)
        pattern = rng.choice(MAIL_SENTENCES)
        text = "@".join(parts)
        return (text if pattern == "{x}" else fill(rng, pattern, text)), parts[part]

    return draw


PART.add_pairs(
    "mail_domain",
    mail_part(1),
    held_out=True,
    given="a text with a mail address",
    what="the domain behind the @",
)
PART.add_pairs(
    "mail_user", mail_part(0), given="a text with a mail address", what="the part of the address before the @"
)


def host(rng: Rng) -> base.Pair:
    name = g.domain(rng)
    path = rng.choice(
        [
            "",
            f"/{base.word(rng)}",
            f"/{base.word(rng)}/{base.word(rng)}",
            f"/{base.word(rng)}?id={base.number(rng)}",
        ]
    )
    return rng.choice(["https://", "http://"]) + name + path, name


def last_segment(rng: Rng) -> base.Pair:
    end = rng.choice([base.word(rng), f"{base.word(rng)}-{base.word(rng)}"])
    folders = "/".join(base.word(rng) for _ in range(rng.randint(0, 2)))
    return f"https://{g.domain(rng)}/{folders + '/' if folders else ''}{end}", end


def folder_path(rng: Rng) -> tuple[list[str], str]:
    folders = [
        rng.choice(["home", "data", "users", "files", "backup", "docs"]),
        *base.some_words(rng, 1, 2).split(),
    ]
    return folders, file_name(rng)


def in_folder(pick):
    def draw(rng: Rng) -> base.Pair:
        folders, name = folder_path(rng)
        return "/" + "/".join([*folders, name]), pick(folders, name)

    return draw


PART.add_pairs(
    "link_host", host, given="a web address", what="its host name, without the protocol and the path"
)
PART.add_pairs("link_last_part", last_segment, given="a web address", what="the last part of its path")
PART.add_pairs(
    "path_file", in_folder(lambda f, n: n), given="a file path", what="the file name with its ending"
)
PART.add_pairs(
    "path_folder",
    in_folder(lambda f, n: f[-1]),
    held_out=False,
    given="a file path",
    what="the name of the folder the file is in",
)
PART.add_pairs(
    "path_extension",
    in_folder(lambda f, n: n.split(".")[1]),
    given="a file path",
    what="the file's extension without the dot",
)
PART.add_pairs(
    "path_stem",
    in_folder(lambda f, n: n.split(".")[0]),
    given="a file path",
    what="the file name without folders and extension",
)

NUMBERS_IN = """
Room {a} has {b} chairs.
{n} sold {a} books and {b} pens.
The {w} weighs {a} grams and costs {b} dollars.
After {a} days we had {b} guests from {c}.
Page {a} lists {b} names.
{a} of the {b} students passed.
Bus {a} leaves in {b} minutes.
They drove {a} miles and slept {b} hours.
Between {a} and {b} people came to the show in {c}.
It took {n} {a} tries and {b} phone calls.
"""


def with_two_numbers(rng: Rng) -> str:
    a, b = rng.sample(range(2, 500 if rng.random() < 0.5 else 60), 2)
    pattern = rng.choice(v.lines(NUMBERS_IN))
    return g.cap(
        pattern.format(a=a, b=b, n=rng.choice(v.FIRST_NAMES), w=rng.choice(v.OBJECTS), c=rng.choice(v.CITIES))
    )


TWO_NUMBERS = "a sentence with two numbers"
for name, rule, what, held_out in (
    ("first_number", lambda x: str(x[0]), "the first number", False),
    ("second_number", lambda x: str(x[1]), "the second number", False),
    ("larger_number_in_text", lambda x: str(max(x)), "the larger number", False),
    (
        "both_numbers",
        lambda x: f"{x[0]}, {x[1]}",
        "both numbers, with a comma and a space between them",
        False,
    ),
    ("sum_of_numbers_in_text", lambda x: str(sum(x)), "the sum of the numbers", False),
    (
        "difference_of_numbers_in_text",
        lambda x: str(max(x) - min(x)),
        "the difference of the numbers, larger minus smaller",
        False,
    ),
):
    PART.add(
        name,
        with_two_numbers,
        lambda t, r=rule: r(base.integers(t)) if len(base.integers(t)) == 2 else None,
        held_out=held_out,
        given=TWO_NUMBERS,
        what=what,
    )


def with_names(rng: Rng) -> tuple[str, list[str]]:
    a, b = rng.sample(v.FIRST_NAMES, 2)
    frame = rng.choice(v.FRAMES)
    thing = rng.choice(frame.objects)
    text = rng.choice(
        [
            f"{a} and {b} {frame.past} {thing}.",
            f"{a} {frame.past} {thing} with {b}.",
            f"While {a} {frame.past} {thing}, {b} waited outside.",
            f"{a} told {b} about {thing}.",
            f"Yesterday {a} and {b} met at the market.",
            f"Did {a} and {b} {frame.base} {thing}?",
        ]
    )
    return text, [a, b]


def of_names(pick):
    def draw(rng: Rng) -> base.Pair:
        text, names = with_names(rng)
        return text, pick(names)

    return draw


TWO_NAMES = "a sentence about two people"
PART.add_pairs(
    "first_person", of_names(lambda x: x[0]), given=TWO_NAMES, what="the name that is mentioned first"
)
PART.add_pairs(
    "second_person",
    of_names(lambda x: x[1]),
    held_out=True,
    given=TWO_NAMES,
    what="the name that is mentioned second",
)
PART.add_pairs(
    "both_persons", of_names(" and ".join), given=TWO_NAMES, what="both names, with the word and between them"
)


def with_tags(sign: str):
    def draw(rng: Rng) -> tuple[str, list[str]]:
        tags = [sign + base.word(rng) for _ in range(rng.randint(1, 4))]
        words = [*base.plain(rng).split()]
        place = rng.randint(1, len(words))
        if rng.random() < 0.6:
            return " ".join([*words, *tags]), tags
        return " ".join([*words[:place], tags[0], *words[place:], *tags[1:]]), tags

    return draw


HASHTAGS, MENTIONS = with_tags("#"), with_tags("@")


def tags(draw, write):
    def pair(rng: Rng) -> base.Pair:
        text, found = draw(rng)
        return text, write(found)

    return pair


POST = "a post with hashtags"
PART.add_pairs(
    "count_hashtags", tags(HASHTAGS, lambda x: str(len(x))), given=POST, what="the number of hashtags"
)
PART.add_pairs(
    "last_hashtag", tags(HASHTAGS, lambda x: x[-1]), given=POST, what="the last hashtag, with its sign"
)
PART.add_pairs(
    "hashtag_words",
    tags(HASHTAGS, lambda x: " ".join(t[1:] for t in x)),
    given=POST,
    what="all hashtags without their signs, separated by spaces",
)
PART.add_pairs(
    "count_mentions",
    tags(MENTIONS, lambda x: str(len(x))),
    held_out=False,
    given="a post that tags people with @",
    what="the number of people tagged",
)


def with_capitals(rng: Rng) -> str:
    words = base.plain(rng).lower().split()
    i = rng.randrange(len(words))
    if len(words[i]) < 3:
        return with_capitals(rng)
    words[i] = words[i].upper()
    return g.cap(" ".join(words))


PART.add(
    "shouted_word",
    with_capitals,
    lambda t: next((w for w in t.split() if w.isupper() and len(w) > 2), None),
    given="a line with one word in capitals",
    what="the word in capitals",
)


def with_clause(rng: Rng) -> str:
    return f"{base.plain(rng)}{rng.choice([', ', ', ', '; ', ': '])}{base.plain(rng).lower()}"


def after_comma(rng: Rng) -> str:
    return f"{base.plain(rng)}, {rng.choice(['but', 'and', 'so', 'because'])} {g.clause(rng, 'past')}."


PART.add(
    "before_comma",
    after_comma,
    lambda t: t.split(",")[0] if t.count(",") == 1 else None,
    given="a sentence with one comma",
    what="everything before the comma",
)
PART.add(
    "after_comma",
    after_comma,
    lambda t: t.split(", ")[1] if t.count(",") == 1 else None,
    given="a sentence with one comma",
    what="everything after the comma, with the period",
)


def labeled(rng: Rng) -> str:
    label = rng.choice(
        ["Name", "Topic", "Warning", "Answer", "Place", "Task", "Reason", "Step", "Author", "Goal"]
    )
    return (
        f"{label}: {rng.choice([g.thing(rng), base.full_name(rng), rng.choice(v.CITIES), base.plain(rng)])}"
    )


PART.add(
    "after_colon",
    labeled,
    lambda t: t.split(": ")[1],
    given="a label, a colon and a text",
    what="the text after the colon",
)
PART.add(
    "before_colon",
    labeled,
    lambda t: t.split(": ")[0],
    given="a label, a colon and a text",
    what="the label before the colon",
)


def two_sentences(rng: Rng) -> str:
    return f"{base.plain(rng)}{rng.choice(['.', '.', '!', '?'])} {g.sentence(rng)}"


def sentences_of(text: str) -> list[str]:
    return re.findall(r"[^.!?]+[.!?]", text)


PART.add(
    "first_sentence",
    two_sentences,
    lambda t: sentences_of(t)[0].strip() if len(sentences_of(t)) == 2 else None,
    given="two sentences",
    what="the first sentence",
)
PART.add(
    "second_sentence",
    two_sentences,
    lambda t: sentences_of(t)[1].strip() if len(sentences_of(t)) == 2 else None,
    held_out=False,
    given="two sentences",
    what="the second sentence",
)

FILTER = Family(
    "filter_category",
    "extraction",
    """
List only the {what}.
Keep the {what}.

In this task you are presented with a list of mixed words, and your goal is to write down the {what} in it.
You are given words separated by commas; the goal of this task is to keep just the {what}.

I need the {what} picked out of mixed lists.
I want a model that sorts out everything but the {what}.

Input: words with commas between them. Output: the {what}, comma-separated, in their order.
Input: a mixed list. Output: only its {what}, divided by commas.

Just the {what}.
Which of these are {what}?

Filter the enumeration, retaining solely the {what}.
Return the subset of entries that denote {what}.

A shelf is meant for {what} alone; which of these things may be put on it?
Children shout whenever one of the {what} is named. At which words do they shout?

Strike out whatever does not belong to the {what}.
Repeat all {what}, leave out the rest.
""",
)
CATEGORIES = {
    "fruits": "apple pear banana mango grape lemon plum peach melon kiwi papaya cherry apricot "
    "fig lime".split(),
    "vegetables": "carrot onion spinach leek cabbage broccoli radish turnip celery pumpkin "
    "beetroot potato".split(),
    "vehicles": VEHICLES,
    "clothes": CLOTHES,
    "musical instruments": INSTRUMENTS,
    "tools": "hammer saw drill wrench screwdriver pliers chisel shovel rake axe file spanner".split(),
    "countries": COUNTRIES,
    "cities": ["Paris", "London", "Rome", *v.CITIES[:30]],
    "first names": v.FIRST_NAMES[:50],
    "colors": [c for c in COLORS if c not in ("orange", "golden", "silver")],
    "body parts": "arm leg nose ear knee elbow shoulder finger toe neck chin stomach ankle hip thumb".split(),
    "furniture": "sofa table wardrobe armchair bookcase bed dresser desk stool cupboard bench cradle".split(),
    "drinks": "coffee tea juice milk water lemonade cocoa beer wine cider smoothie".split(),
    "professions": PROFESSIONS,
    "weekdays": v.DAYS,
    "adjectives": [
        a
        for a in lexicon.ADJECTIVES
        if a not in "green grey purple red white violet open clean clear dull firm free fine mad".split()
    ],
    "birds": "eagle sparrow owl parrot pigeon swan crow robin heron penguin falcon ostrich".split(),
}
for what, held_out in (
    ("fruits", False),
    ("vegetables", False),
    ("vehicles", False),
    ("clothes", False),
    ("musical instruments", False),
    ("tools", False),
    ("countries", False),
    ("cities", False),
    ("first names", False),
    ("colors", True),
    ("body parts", False),
    ("furniture", True),
    ("drinks", False),
    ("professions", False),
    ("weekdays", False),
    ("adjectives", False),
    ("birds", False),
):

    def filtered(rng: Rng, what: str = what) -> base.Pair | None:
        right = rng.sample(CATEGORIES[what], rng.randint(1, 3))
        near = {"adjectives": "colors", "colors": "adjectives"}.get(what)
        others = [
            w for name, pool in CATEGORIES.items() if name not in (what, near) for w in rng.sample(pool, 3)
        ]
        words = right + rng.sample([w for w in others if w not in CATEGORIES[what]], rng.randint(2, 3))
        rng.shuffle(words)
        if len(set(words)) < len(words):
            return None
        return ", ".join(words), ", ".join(w for w in words if w in right)

    FILTER.add_pairs("keep_" + what.replace(" ", "_"), filtered, held_out=held_out, what=what)
