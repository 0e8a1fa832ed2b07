"""Sentences said in another way, and things masked or replaced in them."""

import re

import generators as g
import vocabulary as v

from families import base
from families.base import Family, Rng
from families.formats import number_words
from families.knowledge import PARTICIPLE

REWRITE = Family(
    "rewrite",
    "rewriting",
    """
{Do}.
Rewrite: {do}.
{Do}; keep the rest.

In this task you are presented with a sentence, and your goal is to rewrite it: {do}.
You are given a sentence; the goal of this task is to {do}.
Given a sentence, {do} and leave everything else as it is.

I want sentences changed in one way: {wish}.
I need a rewriter for my texts; {wish}.

Input: a sentence, e.g. {before} Output: the new sentence, e.g. {after}
Input: a sentence. Output: the sentence after the change: {do}.

{vague}

Transform the utterance so that {formal}.
Reformulate the clause: {formal}.

{scene}

From "{before}" to "{after}": make the same change here.
The pattern is "{before}" becoming "{after}".
""",
)


def parts(rng: Rng) -> tuple[v.Frame, str, str]:
    """Verb, thing and place or manner, perhaps empty."""
    frame = rng.choice(v.FRAMES)
    tail = rng.choice(["", " " + rng.choice(v.PLACES), " " + rng.choice(v.MANNERS)])
    return frame, rng.choice(frame.objects), tail


def said(build):
    """A pair made by build(rng, who, frame, thing, tail)."""

    def draw(rng: Rng) -> base.Pair | None:
        frame, thing, tail = parts(rng)
        before, after = build(rng, g.person(rng), frame, thing, tail)
        return (g.cap(before), g.cap(after)) if before != after else None

    return draw


def participle(frame: v.Frame) -> str:
    return PARTICIPLE.get(frame.base, frame.past)


def plural(thing: str) -> bool:
    first = thing.split()[0]
    counted = first in ("two", "three", "six", "some", "few")
    words = thing.split(" of ")[0].split(" for ")[0].split(" to ")[0].split(" with ")[0].split()
    return counted or (
        words[-1].endswith("s") and not words[-1].endswith("ss") and first not in ("a", "an", "one")
    )


ODD = (
    "children",
    "geese",
    "basil",
    "guests",
    "bus",
    "chess",
    "class",
    "albums",
    "minutes",
    "Christmas",
    "checkers",
)


def passive_ok(thing: str) -> bool:
    return not any(word in thing for word in ODD) and thing != "the children to swim"


WOMEN = v.phrases(
    "my sister | the queen | our aunt | her mother | the old woman | that girl | his wife | the bride |"
    " my grandmother | the actress"
)
TIMES = v.phrases(
    "on Monday | last week | in the morning | after school | before lunch | at noon | last summer |"
    " on Friday | in May | at midnight"
)
REWRITES: tuple[tuple[str, object, str, str, str, str, str, str, str, bool], ...] = (
    (
        "present_to_past",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} {f.past} {t}{x}."),
        "put the verb into the simple past",
        "what happens now should have happened already",
        "the verb stands in the preterite",
        "Tell it as a memory.",
        "A diary written in the evening tells in the past what was going on; write the entry.",
        "Anna sells used books.",
        "Anna sold used books.",
        False,
    ),
    (
        "past_to_present",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} {f.third} {t}{x}."),
        "put the verb into the simple present",
        "what happened should happen now",
        "the preterite gives way to the present tense",
        "Tell it as if it were now.",
        "A sports reporter speaks of past events as if they were happening; speak like that.",
        "Anna sold used books.",
        "Anna sells used books.",
        False,
    ),
    (
        "present_to_future",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} will {f.base} {t}{x}."),
        "put the verb into the future with will",
        "what happens should be something to come",
        "the verb is replaced by will and the infinitive",
        "It has not happened yet.",
        "A fortune teller sees the scene in her crystal ball; how does she tell it?",
        "Anna sells used books.",
        "Anna will sell used books.",
        False,
    ),
    (
        "past_to_future",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} will {f.base} {t}{x}."),
        "change the past into the future with will",
        "memories should become plans",
        "the preterite is replaced by will and the infinitive",
        "Not yesterday, but some time to come.",
        "The reporter was too early: it has not taken place but it will. Correct the sentence.",
        "Anna sold used books.",
        "Anna will sell used books.",
        True,
    ),
    (
        "past_to_progressive",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} was {f.gerund} {t}{x}."),
        "put the verb into the past progressive",
        "the action should be going on in the past",
        "the verb appears as was plus the -ing form",
        "It was still going on.",
        "When the lights went out, what was happening? Say it with was and -ing.",
        "Anna sold used books.",
        "Anna was selling used books.",
        False,
    ),
    (
        "present_to_progressive",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} is {f.gerund} {t}{x}."),
        "put the verb into the present progressive",
        "the action should be going on at this moment",
        "the verb appears as is plus the -ing form",
        "It is going on right now.",
        "Describe the scene on the telephone while it happens, with is and -ing.",
        "Anna sells used books.",
        "Anna is selling used books.",
        False,
    ),
    (
        "past_to_used_to",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} used to {f.base} {t}{x}."),
        "say it with used to",
        "single events should become old habits",
        "the preterite is replaced by used to and the infinitive",
        "That is how it always was, back then.",
        "Grandpa tells of old times: everything is something people used to do. Tell it like him.",
        "Anna sold used books.",
        "Anna used to sell used books.",
        False,
    ),
    (
        "statement_to_question_past",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"did {w} {f.base} {t}{x}?"),
        "turn the statement into a yes-no question with Did",
        "I would like to ask whether it happened",
        "the past statement becomes an interrogative introduced by Did",
        "Did it really happen? Ask.",
        "A detective asks about every fact in the file; write the question.",
        "Anna sold used books.",
        "Did Anna sell used books?",
        False,
    ),
    (
        "statement_to_question_present",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"does {w} {f.base} {t}{x}?"),
        "turn the statement into a yes-no question with Does",
        "I would like to ask whether it is so",
        "the present statement becomes an interrogative introduced by Does",
        "Is it so? Ask.",
        "A curious child makes a question with Does out of all it hears; write the question.",
        "Anna sells used books.",
        "Does Anna sell used books?",
        False,
    ),
    (
        "statement_to_question_will",
        lambda r, w, f, t, x: (f"{w} will {f.base} {t}{x}.", f"will {w} {f.base} {t}{x}?"),
        "turn the statement about the future into a question with Will",
        "I would like to ask whether it is going to be so",
        "the future statement becomes an interrogative introduced by Will",
        "Is that going to happen? Ask.",
        "You ask the fortune teller about her prophecy; write the question.",
        "Anna will sell used books.",
        "Will Anna sell used books?",
        False,
    ),
    (
        "question_to_statement",
        lambda r, w, f, t, x: (f"did {w} {f.base} {t}{x}?", f"{w} {f.past} {t}{x}."),
        "answer the question by a full statement in the past",
        "questions should become facts",
        "the interrogative with Did becomes a declarative sentence in the preterite",
        "Yes, that is what happened; say it.",
        "The witness confirms what the judge asks, in a full sentence without yes; write it.",
        "Did Anna sell used books?",
        "Anna sold used books.",
        True,
    ),
    (
        "who_question",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"who {f.past} {t}{x}?"),
        "ask for the subject with Who",
        "the person should be what is asked for",
        "the subject is replaced by the interrogative pronoun who",
        "Ask who did it.",
        "The name was smudged in the report; ask for it.",
        "Anna sold used books.",
        "Who sold used books?",
        False,
    ),
    (
        "command_from_statement",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{f.base} {t}{x}!"),
        "turn it into a command with an exclamation mark and without the subject",
        "reports should become orders",
        "the clause appears in the imperative",
        "Order somebody to do it.",
        "The boss reads what people do and shouts it as an order; write the order.",
        "Anna sells used books.",
        "Sell used books!",
        False,
    ),
    (
        "add_please",
        lambda r, w, f, t, x: (f"{f.base} {t}{x}.", f"please {f.base} {t}{x}."),
        "make the command polite by starting with Please",
        "orders should sound friendlier by one word",
        "the imperative is introduced by the word please",
        "The magic word is missing.",
        "Grandmother accepts no order without the magic word in front; say it so that she is content.",
        "Sell the used books.",
        "Please sell the used books.",
        False,
    ),
    (
        "could_you",
        lambda r, w, f, t, x: (f"{f.base} {t}{x}.", f"could you {f.base} {t}{x}, please?"),
        "turn the command into a polite question: Could you ..., please?",
        "orders should become polite questions",
        "the imperative becomes a request with could you and please",
        "Ask nicely.",
        "You speak to the queen, who must not be ordered about; ask her politely.",
        "Sell the used books.",
        "Could you sell the used books, please?",
        False,
    ),
    (
        "dont_command",
        lambda r, w, f, t, x: (f"{f.base} {t}{x}.", f"do not {f.base} {t}{x}."),
        "forbid it with Do not",
        "orders should become bans",
        "the imperative is turned into a prohibition with do not",
        "Forbid it.",
        "A sign on the wall forbids just what the note asks for; write the sign.",
        "Sell the used books.",
        "Do not sell the used books.",
        True,
    ),
    (
        "lets",
        lambda r, w, f, t, x: (f"{f.base} {t}{x}.", f"let's {f.base} {t}{x}."),
        "turn the command into a suggestion with Let's",
        "orders should become ideas for all of us",
        "the imperative becomes an exhortation with let's",
        "We could do that together.",
        "The captain never orders; she proposes to do things together. Speak like her.",
        "Sell the used books.",
        "Let's sell the used books.",
        False,
    ),
    (
        "i_to_she",
        lambda r, w, f, t, x: (f"I {f.base} {t}{x}.", f"she {f.third} {t}{x}."),
        "say it about her: change I to she and the verb with it",
        "my own habits should be told of a woman",
        "the first person becomes the third person feminine",
        "Not me, her.",
        "An interviewer writes about the woman who said this; write it with she.",
        "I sell used books.",
        "She sells used books.",
        False,
    ),
    (
        "she_to_i",
        lambda r, w, f, t, x: (f"she {f.third} {t}{x}.", f"I {f.base} {t}{x}."),
        "say it about yourself: change she to I and the verb with it",
        "her habits should become mine",
        "the third person becomes the first",
        "Not her, me.",
        "An actress reads her role and says it in her own name; write what she says.",
        "She sells used books.",
        "I sell used books.",
        True,
    ),
    (
        "he_to_they",
        lambda r, w, f, t, x: (f"he {f.third} {t}{x}.", f"they {f.base} {t}{x}."),
        "say it of several people: change he to they and the verb with it",
        "one man should become many people",
        "the singular subject becomes plural",
        "Not just him, all of them.",
        "What one does, soon all do; write it with they.",
        "He sells used books.",
        "They sell used books.",
        False,
    ),
    (
        "we_to_he",
        lambda r, w, f, t, x: (f"we {f.base} {t}{x}.", f"he {f.third} {t}{x}."),
        "say it of one man: change we to he and the verb with it",
        "what we do should be told of a single man",
        "the first person plural becomes the third person singular masculine",
        "Not us, him.",
        "All the others have left, and he alone goes on; write the sentence about him.",
        "We sell used books.",
        "He sells used books.",
        False,
    ),
    (
        "modal_can",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} can {f.base} {t}{x}."),
        "say that the person is able to, with can",
        "facts should become abilities",
        "the verb is preceded by the modal can",
        "A matter of ability.",
        "An application lists abilities; write this one with can.",
        "Anna sells used books.",
        "Anna can sell used books.",
        False,
    ),
    (
        "modal_must",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} must {f.base} {t}{x}."),
        "say that the person has to, with must",
        "facts should become duties",
        "the verb is preceded by the modal must",
        "It is a duty.",
        "A contract lists duties; write this one with must.",
        "Anna sells used books.",
        "Anna must sell used books.",
        False,
    ),
    (
        "modal_may",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} may have {participle(f)} {t}{x}."),
        "say that it possibly happened, with may have",
        "past facts should become mere possibilities",
        "the preterite is replaced by may have and the participle",
        "It is possible but not sure.",
        "A careful historian never claims anything: everything may have happened. Write it like that.",
        "Anna sold used books.",
        "Anna may have sold used books.",
        False,
    ),
    (
        "want_to",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{w} wants to {f.base} {t}{x}."),
        "say that the person wants to do it",
        "facts should become wishes",
        "the verb is replaced by wants to and the infinitive",
        "It is only a wish.",
        "A letter to Santa tells what somebody wants to do; write that line.",
        "Anna sells used books.",
        "Anna wants to sell used books.",
        False,
    ),
    (
        "perfect",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}.", f"{w} has {participle(f)} {t}."),
        "put the verb into the present perfect",
        "what happened should have just been finished",
        "the preterite is replaced by has and the participle",
        "It is done.",
        "A list of finished work uses has with a participle; write the entry.",
        "Anna sold used books.",
        "Anna has sold used books.",
        False,
    ),
    (
        "gerund_phrase",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"{f.gerund} {t}{x}"),
        "name the activity alone, with an -ing form and no subject",
        "sentences should become names of activities",
        "the finite clause is reduced to a gerund phrase without a period",
        "What is the activity called?",
        "A hobby column lists activities such as Selling used books; write this one.",
        "Anna sells used books.",
        "Selling used books",
        False,
    ),
    (
        "reported_speech",
        lambda r, w, f, t, x: (
            f"{(n := r.choice(v.FIRST_NAMES))}: I {f.past} {t}{x}.",
            f'{n} said: "I {f.past} {t}{x}."',
        ),
        "write the line as quoted speech with said",
        "lines of a play should become sentences in a story",
        "speaker and line become a clause with said and quotation marks",
        "From the stage to the novel.",
        "A novelist turns a script into prose; write the sentence with said and quotes.",
        "Anna: I sold used books.",
        'Anna said: "I sold used books."',
        False,
    ),
    (
        "i_think",
        lambda r, w, f, t, x: (f"{w} {f.third} {t}{x}.", f"I think that {w} {f.third} {t}{x}."),
        "start with I think that",
        "facts should become my opinion",
        "the clause is embedded under I think that",
        "Just my opinion.",
        "A shy person begins every sentence with I think that; speak like that.",
        "The baker sells used books.",
        "I think that the baker sells used books.",
        False,
    ),
    (
        "tag_question",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} {f.past} {t}{x}, right?"),
        "end it with a comma, right and a question mark",
        "I would like to make sure of each fact",
        "a confirmation tag (, right?) replaces the period",
        "Make sure it is so.",
        "Somebody unsure wants a nod after each sentence; write it with right.",
        "Anna sold used books.",
        "Anna sold used books, right?",
        False,
    ),
    (
        "add_always",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"{w} always {f.past} {t}{x}."),
        "put always before the verb",
        "single events should become what happened every time",
        "the adverb always precedes the verb",
        "Every single time.",
        "A grumbler says always in each sentence, right before the verb; grumble.",
        "Anna sold used books.",
        "Anna always sold used books.",
        False,
    ),
    (
        "exclaim",
        lambda r, w, f, t, x: (f"{w} {f.past} {t}{x}.", f"wow, {w} {f.past} {t}{x}!"),
        "start with Wow and a comma and end with an exclamation mark",
        "plain news should sound amazed",
        "an interjection opens the sentence and an exclamation mark closes it",
        "Be amazed.",
        "A fan is thrilled by everything; write how the fan says this.",
        "The baker sold used books.",
        "Wow, the baker sold used books!",
        False,
    ),
    (
        "drop_place",
        lambda r, w, f, t, x: (f"{w} {f.past} {t} {r.choice(v.PLACES)}.", f"{w} {f.past} {t}."),
        "leave out the place",
        "readers must not learn where it happened",
        "the adverbial of place is omitted",
        "Never mind where.",
        "A spy reports everything but the place; write the report.",
        "Anna sold used books at the market.",
        "Anna sold used books.",
        False,
    ),
    (
        "subject_pronoun",
        lambda r, w, f, t, x: (
            f"{r.choice(WOMEN)} {f.past} {t}{x}.",
            f"she {f.past} {t}{x}.",
        ),
        "replace the woman by the pronoun she",
        "the person should not be named again",
        "the subject is pronominalized as she",
        "We know who it is; use a pronoun.",
        "The story has introduced her already; the next sentence needs just she. Write it.",
        "My sister sold used books.",
        "She sold used books.",
        False,
    ),
    (
        "time_first",
        lambda r, w, f, t, x: (
            f"{w} {f.past} {t} {(d := r.choice(TIMES))}.",
            f"{d}, {w} {f.past} {t}.",
        ),
        "move the time to the start, followed by a comma",
        "each sentence should open with the time",
        "the adverbial of time is fronted and set off by a comma",
        "First say when.",
        "A chronicle begins all its entries with the time; write this one.",
        "The baker sold used books on Monday.",
        "On Monday, the baker sold used books.",
        False,
    ),
)
for name, build, do, wish, formal, vague, scene, before, after, held_out in REWRITES:
    REWRITE.add_pairs(
        name,
        said(build),
        held_out=held_out,
        do=do,
        wish=wish,
        formal=formal,
        vague=vague,
        scene=scene,
        before=before,
        after=after,
    )

# --- contractions ---

CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "was not": "wasn't",
    "were not": "weren't",
    "will not": "won't",
    "cannot": "can't",
    "could not": "couldn't",
    "should not": "shouldn't",
    "would not": "wouldn't",
    "have not": "haven't",
    "has not": "hasn't",
    "I am": "I'm",
    "I have": "I've",
    "I will": "I'll",
    "they are": "they're",
    "we are": "we're",
    "you are": "you're",
    "we will": "we'll",
    "they will": "they'll",
    "she will": "she'll",
    "he will": "he'll",
}


def turned(pair: base.Pair | None) -> base.Pair | None:
    return (pair[1], pair[0]) if pair else None


def contractible(rng: Rng) -> tuple[str, str]:
    """A sentence with the long and one with the short form."""
    long = rng.choice(list(CONTRACTIONS))
    frame, thing, tail = parts(rng)
    who = rng.choice(v.FIRST_NAMES)
    they = f"{who} and {rng.choice([n for n in v.FIRST_NAMES if n != who])}"
    if long in ("do not", "have not", "are not", "were not"):
        who = they
    verb = {
        "is not": frame.gerund,
        "are not": frame.gerund,
        "was not": frame.gerund,
        "were not": frame.gerund,
        "have not": participle(frame),
        "has not": participle(frame),
        "I am": frame.gerund,
        "I have": participle(frame),
        "they are": frame.gerund,
        "we are": frame.gerund,
        "you are": frame.gerund,
    }.get(long, frame.base)
    subject = "" if long.split()[0] in ("I", "they", "we", "you", "she", "he") else f"{who} "
    text = f"{subject}{{}} {verb} {thing}{tail}."
    return g.cap(text.format(long)), g.cap(text.format(CONTRACTIONS[long]))


CONTRACT = Family(
    "contraction",
    "rewriting",
    """
Write the sentence with {form}.
Use {form}.

In this task you are presented with a sentence, and your goal is to replace {other} by {form}.
You are given a sentence; the goal of this task is to write it with {form} and otherwise unchanged.

I want my texts to have {form}, never {other}.
I need a style checker that turns {other} into {form}.

Input: a sentence with {other}. Output: the same sentence with {form}, e.g. {after} for {before}.
Input: a sentence. Output: the sentence in which {before} would read {after}.

{Before} becomes {after}, and so on.
{tone}

Substitute {form} for {other}.
Normalize the verb: {form} in place of {other}.

{scene}
An editor marks every {before} and writes {after}; do what the editor does.

Look for {other}; put {form} there.
All words stay except that {other} give way to {form}.
""",
)
CONTRACT.add_pairs(
    "contract",
    contractible,
    form="a contraction with an apostrophe",
    other="the long form",
    before="do not",
    after="don't",
    tone="Make it sound like everyday talk.",
    scene="Dialog in a novel needs short forms like I'm; write the line for the novel.",
)
CONTRACT.add_pairs(
    "expand_contraction",
    lambda rng: turned(contractible(rng)),
    held_out=True,
    form="the full words instead of a contraction",
    other="short forms with an apostrophe",
    before="don't",
    after="do not",
    tone="Make it sound formal.",
    scene="Contracts avoid short forms like I'm; write the sentence for a contract.",
)

# --- passive ---


def passive(rng: Rng) -> base.Pair | None:
    frame, thing, _ = parts(rng)
    if not passive_ok(thing):
        return None
    who = g.person(rng)
    be = "were" if plural(thing) else "was"
    return g.cap(f"{who} {frame.past} {thing}."), g.cap(f"{thing} {be} {participle(frame)} by {who}.")


VOICE = Family(
    "voice",
    "rewriting",
    """
Put the sentence into the {voice}.
Rewrite it in the {voice}.

In this task you are presented with a sentence in the {other}, and your goal is to rewrite it in the {voice}.
You are given a sentence; the goal of this task is to change it from the {other} to the {voice}.

I want all of my sentences in the {voice}.
I need {other} sentences turned round into the {voice}.

Input: a sentence in the {other}. Output: the same fact in the {voice}.
Input: {before} Output: {after} Other sentences are changed likewise.

Say the same thing {how}.
The {voice}, please.

Transform the clause from the {other} into the {voice}.
Interchange agent and patient so that the {voice} results.

A style guide demands the {voice}; bring the sentence in line with it.
In grammar class this sentence must be turned into the {voice}; write it.

{before} would turn into {after} Do the same.
The meaning stays, the sentence starts {how}.
""",
    held_out=True,
)
VOICE.add_pairs(
    "to_passive",
    passive,
    voice="passive voice",
    other="active voice",
    how="from the side of the thing",
    before="Anna painted the chair.",
    after="The chair was painted by Anna.",
)
VOICE.add_pairs(
    "to_active",
    lambda rng: turned(passive(rng)),
    held_out=True,
    voice="active voice",
    other="passive voice",
    how="with the one who acts",
    before="The chair was painted by Anna.",
    after="Anna painted the chair.",
)

# --- things replaced in a sentence ---

MASK = Family(
    "replace_in_sentence",
    "rewriting",
    """
Replace {old} with {new}.
Change {old} to {new}.

In this task you are presented with a sentence, and your goal is to repeat it with {old} replaced by {new}.
You are given a sentence; the goal of this task is to write {new} in place of {old}.

I want {old} in my texts turned into {new}.
I need an editor that finds {old} and puts {new} there.

Input: a sentence. Output: the same sentence with {new} for {old}.
Input: a line with {old}. Output: the line after {old} became {new}.

{New} instead of {old}.
I'd rather see {new} there.

Substitute {new} for {old} in the passage.
Edit the text: {old} must appear as {new}.

A program checks each message and swaps {old} for {new}; what does it send on?
For the published version {old} has to give way to {new}. Write that version.

Copy everything except {old}, where {new} is written.
Find {old}; write {new} instead and leave the rest.
""",
)


def numbered(rng: Rng) -> str:
    n = rng.randint(2, 12) if rng.random() < 0.6 else rng.randint(13, 90)
    pattern = rng.choice(v.NUMBER_SENTENCES)
    while "{m}" in pattern or "Page" in pattern or pattern.startswith("{x}"):
        pattern = rng.choice(v.NUMBER_SENTENCES)
    return g.cap(
        pattern.format(
            x=n,
            n=rng.choice(v.FIRST_NAMES),
            c=rng.choice(v.CITIES),
            w=rng.choice(v.OBJECTS),
            a=rng.choice(v.OBJECT_ADJECTIVES),
            k=3,
            j="the baker",
            J="The baker",
        )
    )


def one_number(change):
    return lambda t: (
        re.sub(r"\d+", lambda m: change(int(m[0])), t) if len(re.findall(r"\d+", t)) == 1 else None
    )


MASK.add(
    "number_to_word_in_text",
    numbered,
    one_number(number_words),
    old="the number in digits",
    new="the number in words",
)
MASK.add(
    "double_number_in_text",
    numbered,
    one_number(lambda n: str(2 * n)),
    held_out=False,
    old="the number",
    new="twice the number",
)
MASK.add(
    "mask_number_in_text",
    numbered,
    one_number(lambda n: "[NUMBER]"),
    old="the number",
    new="the tag [NUMBER]",
)
MASK.add(
    "increase_number_in_text",
    numbered,
    one_number(lambda n: str(n + 1)),
    old="the number",
    new="the number plus one",
)
MASK.add("digits_to_hashes", numbered, lambda t: re.sub(r"\d", "#", t), old="each digit", new="a hash sign")


def with_name(rng: Rng) -> str:
    frame, thing, tail = parts(rng)
    return f"{rng.choice(v.FIRST_NAMES)} {rng.choice([frame.past, frame.third])} {thing}{tail}."


def first_name(new: str):
    return lambda t: " ".join([new, *t.split()[1:]]) if t.split()[0] in v.FIRST_NAMES else None


MASK.add("mask_name_in_text", with_name, first_name("[NAME]"), old="the person's name", new="the tag [NAME]")
MASK.add("name_to_someone", with_name, first_name("Someone"), old="the person's name", new="the word Someone")
MASK.add(
    "name_to_he", with_name, first_name("He"), held_out=False, old="the person's name", new="the pronoun He"
)


def with_city(rng: Rng) -> str:
    pattern = rng.choice([p for p in v.CITY_SENTENCES if "{J}" not in p])
    return pattern.format(
        x=rng.choice(v.CITIES), n=rng.choice(v.FIRST_NAMES), w=rng.choice(v.OBJECTS), m=rng.choice(v.MONTHS)
    )


def city(new: str):
    names = "|".join(v.CITIES)
    return lambda t: (
        re.sub(rf"\b({names})\b", new, t) if len(re.findall(rf"\b(?:{names})\b", t)) == 1 else None
    )


MASK.add(
    "mask_city_in_text",
    with_city,
    city("[CITY]"),
    held_out=True,
    old="the name of the city",
    new="the tag [CITY]",
)
MASK.add("city_to_paris", with_city, city("Paris"), old="the name of the city", new="Paris")


def with_day(rng: Rng) -> str:
    frame, thing, _ = parts(rng)
    return g.cap(
        f"{g.person(rng)} {frame.past} {thing} {rng.choice(['on', 'last', 'every'])} {rng.choice(v.DAYS)}."
    )


def day(new):
    names = "|".join(v.DAYS)
    return lambda t: re.sub(rf"\b({names})\b", lambda m: new(m[0]), t) if re.search(names, t) else None


MASK.add(
    "shorten_weekday_in_text",
    with_day,
    day(lambda d: d[:3]),
    old="the day of the week",
    new="its first three letters",
)
MASK.add(
    "next_weekday_in_text",
    with_day,
    day(lambda d: v.DAYS[(v.DAYS.index(d) + 1) % 7]),
    old="the day of the week",
    new="the day after it",
)


def with_and(rng: Rng) -> str:
    a, b = rng.sample(v.OBJECTS, 2)
    verb = rng.choice(["sold", "found", "lost", "bought", "moved"])
    one, other = (rng.choice(["the", "one", "that"]) for _ in range(2))
    return g.cap(f"{g.person(rng)} {verb} {one} {a} and {other} {b}.")


MASK.add(
    "and_to_ampersand",
    with_and,
    lambda t: t.replace(" and ", " & ") if " and " in t else None,
    old="the word and",
    new="an ampersand (&)",
)
MASK.add(
    "and_to_or",
    with_and,
    lambda t: t.replace(" and ", " or ") if " and " in t else None,
    held_out=False,
    old="the word and",
    new="the word or",
)


def with_the(rng: Rng) -> str:
    a, b = rng.sample(v.OBJECTS, 2)
    return f"The {a} near the {b} {rng.choice(['is', 'was', 'looks'])} {rng.choice(v.OBJECT_ADJECTIVES)}."


MASK.add(
    "the_to_this",
    with_the,
    lambda t: re.sub("the ", "this ", re.sub("^The ", "This ", t)),
    old="each the",
    new="this",
)
MASK.add(
    "period_to_exclamation",
    lambda rng: base.plain(rng) + ".",
    lambda t: t[:-1] + "!" if t.endswith(".") else None,
    old="the period",
    new="an exclamation mark",
)
