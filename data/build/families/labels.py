"""Yes or no, and labels: properties of a text, kinds of things, subjects and moods of messages."""

import re
from collections.abc import Callable

import generators as g
import vocabulary as v

from families import base
from families.base import Family, Rng, Source, balanced, yes
from families.extraction import COLORS
from families.letters import with_digits

HAS = Family(
    "text_property",
    "classification",
    """
Does the text {have}? Answer yes or no.
Say yes if the text {has}, otherwise no.

In this task you are presented with a text, and your goal is to decide with yes or no whether it {has}.
You are given a text; the goal of this task is to answer yes if it {has} and no if it does not.

I need a filter that answers yes when a text {has} and no when it does not.
I want to know of each entry, yes or no, if it {has}.

Input: a text. Output: yes or no, depending on whether it {has}.
Input: a line. Output: yes for one that {has}, else no.

Does it {have}, yes or no?
Yes, if it {has}.

Judge whether the string {has}; reply in the affirmative (yes) or the negative (no).
Test the given text: yes when it {has}, no otherwise.

A guard lets a text pass only if it {has}. Pass: yes or no?
In a game you win when your text {has}. Won? Answer yes or no.

Check whether it {has}. Yes or no, nothing else.
The reply is no unless the text {has}; then it is yes.
""",
)


def any_line(rng: Rng) -> str:
    """A few words or a sentence with its mark."""
    kind = rng.random()
    if kind < 0.4:
        return base.some_words(rng, 2, 5)
    return base.plain(rng) + rng.choice([".", ".", "?", "!", ""])


def comma_line(rng: Rng) -> str:
    text = base.plain(rng)
    if rng.random() < 0.5:
        words = text.split()
        i = rng.randint(1, len(words) - 1)
        text = " ".join([*words[:i]]) + ", " + " ".join(words[i:])
    return text + rng.choice([".", ""])


def a_word(rng: Rng) -> str:
    return base.word(rng)


PALINDROMES = """
level radar kayak civic madam refer rotor noon deed peep stats tenet solos sagas racecar eve pop mum dad bob
wow toot poop sees redder reviver rotator repaper deified minim shahs
""".split()


def palindrome(rng: Rng) -> str:
    kind = rng.random()
    if kind < 0.15:
        return rng.choice([p for p in PALINDROMES if p != "poop"])
    if kind < 0.5:
        return str(rng.randint(100, 99999))
    half = str(rng.randint(10, 999))
    return half + half[::-1][rng.randint(0, 1) :]


def named_line(rng: Rng) -> str:
    text = base.plain(rng)
    return (
        text
        if rng.random() < 0.5
        else g.cap(f"{rng.choice(v.JOBS)} {rng.choice(v.FRAMES).past} {g.thing(rng)}")
    )


def negated(rng: Rng) -> str:
    frame, who = rng.choice(v.FRAMES), g.person(rng)
    thing = rng.choice(frame.objects)
    if rng.random() < 0.5:
        how = rng.choice(
            [f"did not {frame.base}", f"never {frame.past}", f"will not {frame.base}", f"cannot {frame.base}"]
        )
    else:
        how = rng.choice(
            [f"did {frame.base}", f"often {frame.past}", f"will {frame.base}", f"can {frame.base}"]
        )
    return g.cap(f"{who} {how} {thing}.")


def colored_thing(rng: Rng) -> str:
    adjective = rng.choice(
        COLORS if rng.random() < 0.5 else ["new", "old", "heavy", "cheap", "tiny", "large"]
    )
    verb = rng.choice(["is", "stood", "was lost", "was found"])
    return f"The {adjective} {rng.choice(v.OBJECTS)} {verb} {rng.choice(v.PLACES)}"


def clock_or_not(rng: Rng) -> str:
    hour = rng.randint(0, 23) if rng.random() < 0.75 else rng.randint(24, 45)
    minute = rng.randint(0, 59) if rng.random() < 0.7 else rng.randint(60, 99)
    return f"{hour:02d}:{minute:02d}"


PROPERTIES: tuple[tuple[str, Source, Callable[[str], object], str, str, bool], ...] = (
    (
        "has_digit",
        lambda rng: with_digits(rng) if rng.random() < 0.5 else base.some_words(rng, 1, 3),
        lambda t: re.search(r"\d", t),
        "contain a digit",
        "contains a digit",
        False,
    ),
    ("has_comma", comma_line, lambda t: "," in t, "contain a comma", "contains a comma", False),
    (
        "starts_with_vowel",
        a_word,
        lambda t: t[0] in "aeiou",
        "start with a vowel",
        "starts with a vowel",
        False,
    ),
    ("ends_with_vowel", a_word, lambda t: t[-1] in "aeiou", "end with a vowel", "ends with a vowel", True),
    (
        "is_palindrome",
        palindrome,
        lambda t: t == t[::-1],
        "read the same backwards",
        "reads the same backwards",
        False,
    ),
    (
        "has_double_letter",
        a_word,
        lambda t: re.search(r"([a-z])\1", t),
        "have the same letter twice in a row",
        "has the same letter twice in a row",
        False,
    ),
    ("contains_letter_e", a_word, lambda t: "e" in t, "contain the letter e", "contains the letter e", False),
    ("contains_letter_a", a_word, lambda t: "a" in t, "contain the letter a", "contains the letter a", False),
    (
        "longer_than_5_letters",
        a_word,
        lambda t: len(t) > 5,
        "have more than five letters",
        "has more than five letters",
        False,
    ),
    (
        "more_than_4_words",
        lambda rng: base.some_words(rng, 2, 7),
        lambda t: len(t.split()) > 4,
        "have more than four words",
        "has more than four words",
        False,
    ),
    (
        "same_first_last_letter",
        lambda rng: rng.choice([a_word(rng), base.word(rng) + "s" if rng.random() < 0.2 else base.word(rng)]),
        lambda t: t[0] == t[-1],
        "begin and end with the same letter",
        "begins and ends with the same letter",
        False,
    ),
    (
        "all_capitals",
        lambda rng: (lambda t: rng.choice([t.upper(), t, g.cap(t)]))(base.some_words(rng, 1, 4)),
        str.isupper,
        "consist of capital letters only",
        "consists of capital letters only",
        False,
    ),
    (
        "is_question_mark",
        any_line,
        lambda t: t.endswith("?"),
        "end with a question mark",
        "ends with a question mark",
        False,
    ),
    (
        "mentions_weekday",
        lambda rng: base.plain(rng) if rng.random() < 0.5 else f"{base.plain(rng)} on {rng.choice(v.DAYS)}",
        lambda t: any(d in t for d in v.DAYS),
        "mention a day of the week",
        "mentions a day of the week",
        False,
    ),
    (
        "mentions_first_name",
        named_line,
        lambda t: any(w.strip(".'s") in v.FIRST_NAMES or w in v.FIRST_NAMES for w in t.split()),
        "mention a person by name",
        "mentions a person by name",
        False,
    ),
    (
        "mentions_color",
        lambda rng: colored_thing(rng),
        lambda t: any(w in COLORS for w in t.split()),
        "name a color",
        "names a color",
        False,
    ),
    (
        "is_negated",
        negated,
        lambda t: re.search(r"\b(not|never|cannot)\b", t),
        "contain a negation",
        "contains a negation",
        False,
    ),
    (
        "words_sorted",
        lambda rng: (lambda w: " ".join(sorted(w) if rng.random() < 0.5 else w))(
            base.some_words(rng, 3, 4).split()
        ),
        lambda t: t.split() == sorted(t.split()),
        "list its words in alphabetical order",
        "lists its words in alphabetical order",
        False,
    ),
    (
        "has_repeated_word",
        lambda rng: (lambda w: " ".join(w if rng.random() < 0.5 else [*w, rng.choice(w)]))(
            base.some_words(rng, 3, 5).split()
        ),
        lambda t: len(set(t.split())) < len(t.split()),
        "contain the same word twice",
        "contains the same word twice",
        False,
    ),
    (
        "starts_with_the",
        base.plain,
        lambda t: t.split()[0] == "The",
        "start with the word The",
        "starts with the word The",
        False,
    ),
    (
        "parentheses_balanced",
        lambda rng: balanced_or_not(rng),
        lambda t: t.count("(") == t.count(")"),
        "have as many opening as closing parentheses",
        "has as many opening as closing parentheses",
        False,
    ),
    (
        "valid_time",
        lambda rng: clock_or_not(rng),
        lambda t: bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", t)),
        "show a time that exists on a 24-hour clock",
        "shows a time that exists on a 24-hour clock",
        False,
    ),
    (
        "valid_mail",
        lambda rng: address(rng),
        lambda t: re.fullmatch(r"[a-z]+@[a-z-]+(\.[a-z-]+)+", t),
        "have the shape of a mail address",
        "has the shape of a mail address",
        True,
    ),
)


def balanced_or_not(rng: Rng) -> str:
    a, b, c = base.some_words(rng, 3, 3).split()
    return rng.choice(
        [
            f"{a} ({b}) {c}",
            f"({a} {b}) {c}",
            f"{a} ({b} ({c}))",
            f"{a} ({b} {c}",
            f"{a} {b}) {c}",
            f"({a} ({b}) {c}",
        ]
    )


def address(rng: Rng) -> str:
    user, host = base.word(rng), g.domain(rng)
    return rng.choice(
        [
            f"{user}@{host}",
            f"{user}@{host}",
            f"{user}.{host}",
            f"{user}@{base.word(rng)}",
            f"@{host}",
            f"{user}@@{host}",
        ]
    )


for name, source, condition, have, has, held_out in PROPERTIES:
    rule = yes(condition)
    HAS.add(name, balanced(source, rule), rule, held_out=held_out, choice=True, have=have, has=has)

# --- kinds of things, from tables ---

KIND = Family(
    "kind_of_thing",
    "classification",
    """
Is it {labels}?
Label the word: {labels}.

In this task you are presented with a word, and your goal is to say whether it is {labels}.
You are given {a_thing}; the goal of this task is to classify it as {labels}.

I need to sort words into {groups}: each is {labels}.
I want a model that tells me of every {thing} if it is {labels}.

Input: {a_thing}. Output: one label, {labels}.
Input: a word. Output: {labels}, whichever fits.

What sort of {thing} is this: {labels}?
{Labels}?

Assign the {thing} to one of the classes {labels}.
Categorize the given term as {labels}.

Cards with words are laid in {groups}, one for each label ({labels}). Where does this {thing} go?
In a guessing game the first question is always: {labels}? Answer it.

Choose the label that fits the {thing} from {labels}.
Reply with a single label: {labels}.
""",
)
NUMBER_NAMES = ("no", "one", "two", "three", "four", "five")
KINDS: tuple[tuple[str, str, dict[str, str], bool], ...] = (
    (
        "fruit_or_vegetable",
        "edible plant",
        {
            "fruit": "apple pear banana mango grape orange plum peach melon kiwi papaya cherry apricot "
            "fig pineapple strawberry raspberry blueberry lemon lime grapefruit nectarine pomegranate "
            "lychee guava",
            "vegetable": "carrot onion spinach leek cabbage broccoli radish turnip celery asparagus "
            "beetroot potato lettuce cauliflower kale artichoke parsnip garlic shallot fennel chard yam "
            "zucchini kohlrabi",
        },
        False,
    ),
    (
        "animal_class",
        "animal",
        {
            "bird": "eagle sparrow owl parrot pigeon swan crow robin heron penguin falcon ostrich stork "
            "gull finch woodpecker",
            "fish": "salmon trout tuna herring shark cod carp eel sardine pike mackerel perch catfish "
            "halibut anchovy haddock",
            "mammal": "dog horse whale bear tiger rabbit elephant cow bat mouse dolphin monkey sheep wolf "
            "deer hedgehog",
            "insect": "ant bee butterfly beetle mosquito wasp fly moth dragonfly grasshopper ladybug "
            "cricket flea termite hornet cockroach",
        },
        False,
    ),
    (
        "place_kind",
        "place name",
        {
            "city": "Paris|Tokyo|Chicago|Madrid|Nairobi|Sydney|Toronto|Vienna|Lima|Cairo|Oslo|Bangkok|"
            "Dublin|Prague|Berlin|Seoul",
            "country": "France|Brazil|Kenya|Norway|India|Canada|Peru|Egypt|Poland|Chile|Vietnam|Greece|"
            "Ghana|Nepal|Sweden|Cuba",
            "river": "Danube|Amazon|Nile|Rhine|Thames|Mississippi|Ganges|Volga|Seine|Yangtze|Mekong|Elbe|"
            "Tiber|Colorado River|Zambezi|Euphrates",
            "mountain": "Mount Everest|Matterhorn|Kilimanjaro|Mont Blanc|Mount Fuji|K2|Zugspitze|Denali|"
            "Ben Nevis|Mount Etna|Aconcagua|Annapurna|Elbrus|Mount Olympus|Eiger|Lhotse",
        },
        False,
    ),
    (
        "tool_or_instrument",
        "object",
        {
            "tool": "hammer saw drill wrench screwdriver chisel shovel rake axe pliers spanner crowbar "
            "sickle trowel hoe",
            "musical instrument": "piano|violin|guitar|flute|trumpet|cello|drum|clarinet|harp|saxophone|"
            "accordion|banjo|oboe|tuba|trombone",
            "furniture": "sofa table wardrobe armchair bookcase bed dresser desk stool cupboard bench "
            "bunk nightstand sideboard couch",
            "toy": "doll|teddy bear|kite|yo-yo|puzzle|marble|spinning top|rocking horse|toy car|jump rope|"
            "building blocks|dollhouse|jack-in-the-box|rattle|balloon",
        },
        False,
    ),
    (
        "part_of_speech",
        "word",
        {
            "noun": "table river garden teacher window bottle kitchen mountain letter forest winter "
            "pencil island doctor camera village",
            "verb": "bring explain write sing carry forget build decide listen arrive grow teach destroy "
            "lose believe choose",
            "adjective": "happy tall beautiful heavy wooden hungry expensive lazy narrow honest famous "
            "bitter lonely tiny brave ancient",
        },
        True,
    ),
    (
        "indoor_or_outdoor",
        "thing or place",
        {
            "indoors": "sofa|bathtub|chandelier|wardrobe|dishwasher|bookshelf|mattress|carpet|fridge|"
            "toaster|bedside lamp|kitchen sink|shower|wallpaper|office chair|cupboard",
            "outdoors": "haystack|lighthouse|picnic meadow|campfire|garden gnome|traffic light|bus stop|"
            "beach umbrella|ski slope|scarecrow|fire hydrant|plowed field|waterfall|flagpole|drawbridge|"
            "barn roof",
        },
        False,
    ),
    (
        "living_or_not",
        "thing",
        {
            "living": "dog oak rose tiger mushroom baby ant whale cactus eagle tulip frog salmon moss "
            "horse spider sunflower lizard",
            "not living": "stone car table cloud hammer river spoon computer brick lamp shoe mirror coin "
            "bottle chair paper bell bridge",
        },
        False,
    ),
    (
        "season_of_thing",
        "thing",
        {
            "winter": "snowman|ski lift|mittens|ice skates|sled|frost|snowball|icicle|fur boots|snowplow|"
            "hot chocolate|Christmas tree|ice hockey|frozen lake|wool scarf|blizzard|snowflake",
            "summer": "sunscreen|beach towel|bikini|sandcastle|heat wave|sunburn|ice cream cone|swimming "
            "pool|flip-flops|sunglasses|barbecue|sun hat|ice lolly|beach ball|sunflower|air conditioner|"
            "water slide",
        },
        False,
    ),
    (
        "clothing_place",
        "piece of clothing",
        {
            "head": "hat|cap|beanie|helmet|headband|bonnet|turban|beret|hood|crown|sombrero|earmuffs",
            "feet": "socks|boots|sandals|slippers|sneakers|high heels|clogs|flip-flops|skates|moccasins|"
            "rubber boots|ballet shoes",
            "hands": "gloves|mittens|ring|boxing gloves|oven mitt|wristwatch|bracelet|handcuffs|thimble|"
            "signet ring|muff|goalkeeper gloves",
            "legs": "jeans|trousers|shorts|leggings|tights|skirt|knee pads|sweatpants|kilt|shin guards|"
            "stockings|overalls",
        },
        False,
    ),
    (
        "sweet_or_salty",
        "food",
        {
            "sweet": "chocolate|honey|candy|apple pie|jam|ice cream|cookie|maple syrup|cupcake|caramel|"
            "marshmallow|doughnut|sugar|pudding|brownie|nougat",
            "salty": "potato chips|pretzel|bacon|salted peanuts|soy sauce|ham|olives|anchovies|french "
            "fries|salami|feta cheese|popcorn with salt|smoked salmon|crackers|beef jerky|pickles",
        },
        False,
    ),
    (
        "land_air_water",
        "vehicle",
        {
            "land": "car|bus|bicycle|train|truck|tractor|motorcycle|tram|taxi|van|bulldozer|sled|scooter|"
            "ambulance",
            "air": "airplane|helicopter|hot air balloon|glider|jet|drone|zeppelin|paraglider|hang glider|"
            "seaplane in flight|airliner|biplane|fighter jet|airship",
            "water": "boat|ship|submarine|ferry|canoe|kayak|sailboat|yacht|raft|gondola|tugboat|rowboat|"
            "speedboat|ocean liner",
        },
        False,
    ),
    (
        "male_or_female",
        "word for a person or animal",
        {
            "male": "king father uncle bull rooster nephew grandfather prince actor waiter stallion "
            "husband son brother monk duke wizard groom ram gander",
            "female": "queen mother aunt cow hen niece grandmother princess actress waitress mare wife "
            "daughter sister nun duchess witch bride ewe goose",
        },
        True,
    ),
    (
        "singular_or_plural",
        "noun",
        {
            "singular": "tree mouse child foot story knife goose box leaf man city tooth potato wolf bus "
            "key ox woman berry glass",
            "plural": "trees mice children feet stories knives geese boxes leaves men cities teeth "
            "potatoes wolves buses keys oxen women berries glasses",
        },
        False,
    ),
    (
        "continent_of_country",
        "country",
        {
            "Africa": "Kenya|Ghana|Egypt|Morocco|Nigeria|Ethiopia|Uganda|Senegal|Tunisia|Zambia|Mali|"
            "Angola|Algeria|Rwanda|Tanzania",
            "Asia": "Japan|India|China|Vietnam|Thailand|Nepal|Mongolia|Iran|Iraq|Pakistan|Malaysia|Laos|"
            "Jordan|Cambodia|South Korea",
            "Europe": "France|Norway|Poland|Italy|Spain|Greece|Ireland|Hungary|Austria|Belgium|Portugal|"
            "Finland|Denmark|Croatia|Iceland",
            "America": "Peru|Chile|Brazil|Canada|Mexico|Cuba|Bolivia|Ecuador|Uruguay|Paraguay|Colombia|"
            "Venezuela|Argentina|Panama|Guatemala",
        },
        False,
    ),
    (
        "hot_or_cold",
        "thing",
        {
            "hot": "fire|lava|steam|boiling water|oven|desert at noon|candle flame|sauna|fresh toast|"
            "campfire|radiator|stove|iron in use|hot tea|volcano|sun",
            "cold": "ice|snow|freezer|glacier|icicle|frost|ice cream|polar night|iced tea|snowball|"
            "blizzard|iceberg|fridge|North Pole|hailstone|Antarctica",
        },
        False,
    ),
    (
        "shape_of_thing",
        "thing",
        {
            "round": "ball|coin|wheel|orange|marble|globe|button|bubble|pearl|plate|full moon|ring|"
            "bicycle tire|pancake|clock face|pea",
            "square or angular": "box|brick|book|envelope|dice|door|window pane|chessboard|postcard|bar "
            "of chocolate|picture frame|suitcase|television screen|ruler|cube of sugar|pyramid",
        },
        False,
    ),
    (
        "bigger_than_person",
        "thing or animal",
        {
            "bigger": "elephant|house|airplane|bus|whale|mountain|bridge|truck|giraffe|church|ship|"
            "lighthouse|castle|stadium|train|windmill|oak tree|rhinoceros",
            "smaller": "mouse|coin|apple|pencil|key|ant|cup|spoon|cherry|button|egg|stamp|ring|frog|"
            "candle|shoe|needle|walnut",
        },
        False,
    ),
)


def any_of(labels: list[str]) -> str:
    return ", ".join(labels[:-1]) + " or " + labels[-1]


for name, thing, groups, held_out in KINDS:
    table = {
        member: label
        for label, members in groups.items()
        for member in (members.split("|") if "|" in members else members.split())
    }
    KIND.add_table(
        name,
        table,
        held_out=held_out,
        choice=True,
        thing=thing,
        a_thing=f"an {thing}" if thing[0] in "aeiou" else f"a {thing}",
        labels=any_of(list(groups)),
        groups=f"{NUMBER_NAMES[len(groups)]} groups",
    )

# --- messages from patterns ---

MESSAGE = Family(
    "message_label",
    "classification",
    """
Classify the message: {labels}.
Label the text as {labels}.

In this task you are presented with a short text, and your goal is to decide about its {aspect}: {labels}.
You are given a message; the goal of this task is to determine its {aspect} and answer {labels}.

I need incoming messages sorted by {aspect}: {labels}.
I want a model that reads a sentence and tells me its {aspect}, that is {labels}.

Input: a sentence. Output: one of these labels: {labels}.
Input: a short text. Output: its {aspect}, {labels}.

{Labels}?
What would you say: {labels}?

Determine the {aspect} of the utterance; choose among {labels}.
Assign the passage a single class ({labels}) by its {aspect}.

An assistant puts a colored sticker on each letter, one color for each {aspect}: {labels}. Which is it here?
{Scene}

Judge by the {aspect} alone and write {labels}.
Only one label is right: {labels}.
""",
)
SLOTS = {
    "n": v.FIRST_NAMES,
    "c": v.CITIES,
    "w": v.OBJECTS,
    "d": v.DAYS,
    "m": v.MONTHS,
}


def fill(rng: Rng, pattern: str) -> str:
    parts = {key: rng.choice(pool) for key, pool in SLOTS.items()}
    return g.cap(pattern.format(k=rng.randint(2, 30), **parts))


MESSAGES: tuple[tuple[str, str, str, dict[str, str], bool], ...] = (
    (
        "topic_daily",
        "topic",
        "A newspaper has a page for each topic; where does this line go?",
        {
            "weather": "It will rain all day in {c} on {d}.|Strong winds are expected near {c}.|{d} will "
            "be sunny with {k} degrees.|Fog covered {c} until noon.|A storm brought {k} cm of snow to "
            "{c}.|Clouds will clear by {d}.|The heat in {c} reached a record in {m}.|Expect hail and "
            "thunder on {d}.",
            "sports": "{n} scored twice in the final in {c}.|The team from {c} won its {k}th match.|The "
            "coach praised {n} after the race.|{n} will miss the tournament with a knee injury.|Fans "
            "cheered when the goalkeeper of {c} saved a penalty.|The marathon in {c} starts on {d}.|{n} "
            "broke the swimming record in {m}.|The referee stopped the game after {k} minutes.",
            "food": "Add {k} grams of butter and stir the sauce.|The new bakery in {c} sells warm bread.|"
            "{n} baked a cake with cherries.|Boil the pasta for {k} minutes.|The soup needs more salt, "
            "said {n}.|A chef from {c} opened a noodle bar.|Peel the potatoes and slice the onions.|"
            "Breakfast in {c} means eggs and strong coffee.",
            "travel": "Our flight to {c} was delayed by {k} hours.|{n} booked a hotel near the beach in "
            "{c}.|The train to {c} departs on {d}.|Remember your passport for the trip in {m}.|We rented "
            "a car and drove to {c}.|The ferry takes tourists around the island.|{n} packed a suitcase "
            "for {c}.|The tour of the old town lasts {k} hours.",
        },
        False,
    ),
    (
        "topic_office",
        "topic",
        "A town hall has one office for each topic; to whom is this letter passed?",
        {
            "money": "The bank charged {n} a fee of {k} dollars.|Interest rates rose in {m}.|{n} paid "
            "back the loan on {d}.|The tax office in {c} sent a bill.|Our savings account earns little.|"
            "{n} checked the budget for {m}.|The invoice of {k} dollars is overdue.|Shares of the company "
            "fell on {d}.",
            "health": "{n} has had a fever since {d}.|The doctor in {c} prescribed pills.|Take the "
            "medicine {k} times a week.|A sore throat kept {n} in bed.|The clinic offers free blood tests "
            "in {m}.|{n} broke an arm and needs a cast.|The dentist found a cavity.|The vaccine protects "
            "against flu.",
            "school": "The exam in math is on {d}.|{n} forgot the homework again.|The teacher gave us {k} "
            "pages to read.|Pupils in {c} wear uniforms.|The class will visit a museum in {m}.|{n} got "
            "the best grade in the spelling test.|Lessons start again in {m}.|The principal spoke to the "
            "parents on {d}.",
            "traffic": "A truck blocked the road to {c}.|The bridge is closed for cars until {m}.|There "
            "is a jam of {k} km before {c}.|{n} got a parking ticket on {d}.|The traffic light near the "
            "station is broken.|A cyclist was hit at the crossing.|Speed limits on the ring road of {c} "
            "change.|The bus lane opens in {m}.",
        },
        False,
    ),
    (
        "support_ticket",
        "kind of problem",
        "A help desk has a team for each kind; which team gets this ticket?",
        {
            "delivery": "My parcel with the {w} has not arrived.|When will the {w} be shipped to {c}?|The "
            "courier left my order at the wrong door.|Tracking says the box is still in {c}.|I ordered "
            "{k} days ago and got nothing.|The package was sent to my old home in {c}.",
            "payment": "I was charged twice for the {w}.|My credit card was declined on {d}.|Please send "
            "me an invoice for {k} dollars.|The refund is not on my account yet.|Can I pay for the {w} in "
            "installments?|The total on my bill is wrong by {k} dollars.",
            "login": "I forgot my password.|My account is locked since {d}.|The code for signing in never "
            "comes.|I cannot log in from {c}.|How do I change my user name?|It says my password is wrong, "
            "but it is not.",
            "defect": "The {w} broke after {k} days.|My {w} makes a strange noise.|The {w} does not turn "
            "on anymore.|One part of the {w} is cracked.|The {w} stopped working on {d}.|The {w} has a "
            "scratch and leaks.",
        },
        True,
    ),
    (
        "intent",
        "intention",
        "A chat robot picks one of its replies by intention; which one is it?",
        {
            "greeting": "Hi there, {n}!|Good morning from {c}!|Hello everyone, nice to see you.|Hey {n}, "
            "how are you today?|Good evening, {n}.|Welcome back, {n}!|Hi, it is {n} from {c}.|Hello {n}, "
            "long time no see!",
            "thanks": "Thank you so much for the {w}.|Thanks for coming on {d}, {n}.|I really appreciate "
            "your help, {n}.|Many thanks for the lift to {c}.|That was kind of you, {n}, thanks.|We are "
            "grateful for your gift, the {w}.|Thanks a lot, {n}!|I can't thank you enough for {d}.",
            "complaint": "The {w} is broken and nobody cares.|I waited {k} hours and was not served.|This "
            "is the worst service in {c}.|Your {w} stopped working after a day.|The room was dirty and "
            "loud.|I am very unhappy with the {w}.|Nobody answered my {k} calls.|The soup was cold, and "
            "the waiter was rude.",
            "request": "Could you send me the {w} by {d}?|Please call {n} on {d}.|Can you book a table "
            "for {k}?|Would you bring the {w} to {c}?|Please close the window, {n}.|May I borrow your "
            "{w}?|Can someone pick me up in {c}?|Please reserve {k} seats for {d}.",
        },
        False,
    ),
    (
        "emotion",
        "emotion",
        "An actor must show the emotion in the line; which one?",
        {
            "joy": "I got the job in {c}, what a wonderful day!|We won, I could dance all night!|{n} said "
            "yes, I am over the moon!|Finally holidays, life is beautiful!|My baby laughed for the first "
            "time, I'm so happy.|What a lovely surprise, {n}!|I can't stop smiling since {d}.",
            "sadness": "I miss {n} so much.|My dog died on {d}, and the house is empty.|I cried all night "
            "after the call from {c}.|Nobody came to my party.|We said goodbye to {n}, and my heart is "
            "heavy.|I feel so lonely in {c}.|Grandma will never come back.",
            "anger": "How dare {n} read my letters!|I am furious about the {w}!|Stop lying to me, {n}!|"
            "This is an outrage, give me my money back!|I hate it when {n} is late again!|Who broke my "
            "{w}? I'm boiling!|Enough! I won't take this any longer!",
            "fear": "Someone is outside my window, please help.|I'm scared of flying to {c}.|What if the "
            "{w} explodes?|My hands shake when I think of {d}.|I heard steps in the cellar and hid.|I'm "
            "terrified of the operation in {m}.|Don't leave me alone in the dark, {n}.",
        },
        False,
    ),
    (
        "polite_or_rude",
        "tone",
        "A manners school marks each sentence by its tone; how is this one marked?",
        {
            "polite": "Could you please pass me the {w}?|Would you mind waiting until {d}, {n}?|Excuse "
            "me, is this seat free?|I would be glad if you came on {d}.|Thank you kindly, {n}.|May I ask "
            "you to close the door, please?|Please take your time with the {w}.|I'm sorry to bother you, "
            "{n}.",
            "rude": "Give me the {w}, now!|Shut up, {n}!|Get out of my way!|What do you want again, {n}?|"
            "Your {w} is ugly, like you.|Move, you idiot!|Nobody asked you, {n}.|Do it yourself, I don't "
            "care.",
        },
        False,
    ),
    (
        "fact_or_opinion",
        "character",
        "An editor separates news from comments; what is this?",
        {
            "fact": "The bridge in {c} was built in 19{q}.|{c} is a city.|A week has seven days.|{n} was "
            "born in {m}.|The {w} weighs {k} kilograms.|Water boils at 100 degrees Celsius at sea level.|"
            "The shop in {c} opens at {k} past nine.|The train left on {d}.|There are {k} chairs in the "
            "room.",
            "opinion": "{c} is the most beautiful city of all.|I think the {w} is ugly.|{d} is the best "
            "day of the week.|In my view {n} should win.|Nobody should have to work in {m}.|The {w} looks "
            "much too expensive to me.|{n} sings better than anyone else.|Soup tastes awful in {m}.",
        },
        True,
    ),
    (
        "active_or_passive",
        "grammatical voice",
        "A grammar teacher asks for the voice; what is it?",
        {
            "active": "{n} painted the {w}.|The cook tasted the soup.|{n} wrote a letter to {c}.|The "
            "children broke the {w}.|My uncle sold the {w} on {d}.|The storm destroyed the roof.|{n} will "
            "open the door.|The dog found the {w}.",
            "passive": "The {w} was painted by {n}.|The soup was tasted by the cook.|A letter was written "
            "to {c}.|The {w} was broken by the children.|The {w} was sold on {d}.|The roof was destroyed "
            "by the storm.|The door will be opened by {n}.|The {w} was found by the dog.",
        },
        True,
    ),
    (
        "grammatical_person",
        "grammatical person",
        "A language course asks: who is it about?",
        {
            "first": "I bought a {w} on {d}.|We live in {c}.|I am waiting for {n}.|We sold the {w}.|I "
            "will call you in {m}.|We have {k} chairs.|I lost my {w} in {c}.",
            "second": "You bought a {w} on {d}.|You live in {c}.|You are waiting for {n}.|You sold the "
            "{w}.|You will call me in {m}.|You have {k} chairs.|You lost your {w} in {c}.",
            "third": "She bought a {w} on {d}.|They live in {c}.|He is waiting for {n}.|{n} sold the {w}.|"
            "She will call you in {m}.|They have {k} chairs.|He lost his {w} in {c}.",
        },
        False,
    ),
    (
        "certain_or_not",
        "degree of certainty",
        "A judge listens for doubt; what is heard here?",
        {
            "certain": "I know that {n} has the {w}.|The {w} is definitely in {c}.|{n} will surely come "
            "on {d}.|There is no doubt that it was {n}.|We are certain about {d}.|Without question this "
            "is my {w}.|I am sure the shop opens in {m}.",
            "uncertain": "Maybe {n} has the {w}.|The {w} might be in {c}.|Perhaps {n} will come on {d}.|I "
            "am not sure if it was {n}.|It could be {d}, I guess.|Possibly this is my {w}.|I wonder if "
            "the shop opens in {m}.",
        },
        False,
    ),
    (
        "urgent_or_not",
        "urgency",
        "A night nurse reads the notes and sorts them by urgency; how is this one sorted?",
        {
            "urgent": "Call an ambulance at once!|We need the {w} within the hour, {n}.|Please answer "
            "immediately, it is an emergency.|The kitchen is on fire, come quickly!|Water is pouring "
            "through the roof right now.|{n} needs help, hurry!|Reply before noon or we lose the house in "
            "{c}.",
            "not urgent": "Whenever you have time, look at the {w}.|No rush, {n}, next month is fine.|Let "
            "us talk about the {w} some day in {m}.|You can send it whenever it suits you.|The report can "
            "wait until {m}.|If you are in {c} one day, drop by.|Take your time with the {w}, {n}.",
        },
        False,
    ),
    (
        "place_of_speech",
        "scene",
        "A film has four sets; on which one is this line spoken?",
        {
            "restaurant": "Could we see the menu, please?|The bill for table {k}, please.|Is the soup "
            "made with meat?|We have a reservation for {n}.|Waiter, there is a fly in my soup.|I would "
            "like the fish with rice.",
            "hotel": "I have booked a double room for {k} nights.|At what time must we check out?|The key "
            "of room {k}, please.|Could you bring fresh towels to our room?|Is breakfast included in the "
            "room price?|The shower in room {k} does not work.",
            "station": "A ticket to {c}, please.|From which platform does the train to {c} leave?|Is this "
            "seat in the carriage reserved?|The train from {c} is {k} minutes late.|When is the last "
            "train to {c}?|Do I have to change trains in {c}?",
            "hospital": "The doctor will see you in {k} minutes, {n}.|Does it hurt when I press here?|"
            "Your blood pressure is too high, {n}.|The nurse will change your bandage.|You have to stay "
            "in bed until {d}.|The operation takes {k} minutes.",
        },
        False,
    ),
    (
        "sentence_time_of_day",
        "time of day",
        "A photographer sets the light by the time of day; which is it?",
        {
            "morning": "{n} ate breakfast and read the paper.|The rooster woke us at sunrise.|I brushed "
            "my teeth and made the first coffee.|The alarm clock rang, and {n} got up.|The sun rose over "
            "{c}.|Good start into the day, {n}!",
            "night": "{n} looked at the stars over {c}.|The moon shone on the {w}.|At midnight {n} was "
            "still awake.|Everyone in the house was asleep in bed.|The owl called in the dark.|Sleep "
            "well, {n}!",
        },
        False,
    ),
    (
        "number_of_subject",
        "grammatical number",
        "A grammar sheet has two columns; in which one does this sentence go?",
        {
            "one": "The dog sleeps under the {w}.|{n} visits {c} every year.|A bird sings on the roof.|My "
            "sister has a {w}.|The child is hungry.|The shop opens on {d}.|A man waits at the door.",
            "many": "The dogs sleep under the {w}.|{n} and her sister visit {c} every year.|Birds sing on "
            "the roof.|My sisters have a {w}.|The children are hungry.|The shops open on {d}.|Two men "
            "wait at the door.",
        },
        False,
    ),
)


def messages(groups: dict[str, list[str]]) -> base.Draw:
    def draw(rng: Rng) -> base.Pair:
        label = rng.choice(list(groups))
        return fill(rng, rng.choice(groups[label]).replace("{q}", str(rng.randint(10, 99)))), label

    return draw


for name, aspect, scene, groups, held_out in MESSAGES:
    patterns = {label: text.split("|") for label, text in groups.items()}
    MESSAGE.add_pairs(
        name,
        messages(patterns),
        held_out=held_out,
        choice=True,
        aspect=aspect,
        scene=scene,
        labels=any_of(list(groups)),
    )
