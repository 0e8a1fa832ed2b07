"""What the Compare tab shows, as pure functions; and that its examples are true."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from t2l.engine import MAX_COLUMNS
from t2l.lora import stack
from t2l.studio import Decoding, Entry, Hint, Likeness, Near, Studio, T2LError, tasks_said
from t2l.ui import about, answers, compare, link
from t2l.ui.answers import Column, mark_differences, render_answers
from t2l.ui.common import paced, without_places

HOSTILE = "<script>alert(1)</script> & \"'"


@pytest.mark.parametrize("of", ["", "session-"])
def test_no_message_says_where_a_visitors_things_lie(of: str) -> None:
    said = f"/home/me/adapters/visitors/{of}{'0f' * 16}/abc cannot be written (disk full)"
    assert without_places(said) == "your shelf/abc cannot be written (disk full)"


def test_half_a_character_makes_no_link(tmp_path: Path) -> None:
    for shared in (
        link.Shared((), "a\ud800", 1.0, False, ""),
        link.Shared((), "a", 1.0, False, "\ud800 => b"),
    ):
        with pytest.raises(T2LError, match="half a character"):
            link.write(Studio(shelf=tmp_path), [], shared, visitor="")


def test_only_words_that_the_base_lacks_are_marked() -> None:
    assert mark_differences("the cat sat", "the dog sat") == "the <mark>dog</mark> sat"
    assert mark_differences("a b", "a x y b") == "a <mark>x y</mark> b"
    assert mark_differences("a b c", "a c") == "a c"
    assert mark_differences("", "new words\nhere") == "<mark>new words\nhere</mark>"
    assert mark_differences("one two", " one\n two ") == " one\n two "


@pytest.mark.parametrize("text", ["", " ", "a", "  a b\n\nc ", "x\ty " * 30])
@pytest.mark.parametrize("base", ["", "a", "b a", "c c c  a"])
def test_marking_keeps_every_character(base: str, text: str) -> None:
    assert re.sub("</?mark>", "", mark_differences(base, text)) == text


def test_marked_text_is_escaped() -> None:
    assert "<script" not in mark_differences("x", f"x {HOSTILE}")
    assert "<i>" not in mark_differences("<i>", "<i>")


def test_every_text_of_a_column_is_escaped() -> None:
    column = Column(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, HOSTILE))
    for growing in (True, False):
        html = render_answers([column, column], growing=growing)
        assert "<script" not in html
        ET.fromstring(html.replace("data-copy", 'data-copy=""'))


def test_answers_are_compared_only_when_they_are_complete() -> None:
    columns = [Column("Base", text="a b"), Column("same", text="a b"), Column("other", text="a c")]
    growing, done = render_answers(columns, growing=True), render_answers(columns)
    assert 'aria-busy="true"' in growing and "mark" not in growing and "Identical" not in growing
    assert 'aria-busy="false"' in done and done.count("Identical answers") == 1
    assert re.findall("<mark>(.*?)</mark>", done) == ["c"]


def test_a_conversation_stands_above_its_answer() -> None:
    html = render_answers([Column("Base", text="four", question="third", earlier=("one", "two"))])
    assert re.findall(r'class="(asked|replied|text)">(\w+)', html) == [
        ("asked", "one"),
        ("replied", "two"),
        ("asked", "third"),
        ("text", "four"),
    ]
    assert compare.chat(("one", "two")) == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
    ]


def test_settings_are_read_strictly() -> None:
    given = compare.read_decoding(16.0, 0.5, 1, 0.0, 1, 7, "\nEnd\n\n stop \n")
    assert given == Decoding(16, 0.5, 1, 0, 1, 7, ("End", " stop "))
    assert all(isinstance(value, int) for value in (given.max_new_tokens, given.top_k, given.seed))
    for place, value, told in (
        (0, None, "Max new tokens is empty"),
        (0, 1.5, "Max new tokens must be a whole number, not 1.5"),
        (0, float("inf"), "whole number"),
        (1, None, "Temperature is empty"),
        (1, 0.001, "0.001"),
        (2, 0, "top_p must be"),
        (3, -1, "top_k"),
        (4, "much", "Repetition penalty"),
        (5, -3, "seed"),
        (6, "x\n" * 10**5, "100000 stop texts were given; the most is 16"),
    ):
        values = [16, 0, 1, 0, 1, 0, ""]
        values[place] = value
        with pytest.raises(T2LError, match=re.escape(told)):
            compare.read_decoding(*values)


def test_too_many_columns_are_refused() -> None:
    assert compare.check_columns(["a", "b"], 2) == ["a", "b"]
    with pytest.raises(T2LError, match="At most 2 adapters stand beside the base, not 3"):
        compare.check_columns(["a", "b", "c"], 2)


def test_adapters_of_one_name_are_told_apart() -> None:
    entries = [Entry(id * 16, name, "", "", "", 0.0, {}) for id, name in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert compare.adapter_choices(entries) == [
        ("x (aaaaaa)", "a" * 16),
        ("y", "b" * 16),
        ("x (cccccc)", "c" * 16),
    ]


def test_the_default_checkpoint_is_offered_even_where_it_has_no_name(tmp_path: Path) -> None:
    named = compare.checkpoint_choices(Studio(shelf=tmp_path))
    assert named[0] == ("smollm2-135m-t2l-m · 5907 tasks", "") and len(named) > 1
    assert all(value for _, value in named[1:])
    assert compare.checkpoint_choices(Studio("runs/mine", shelf=tmp_path))[0] == ("mine", "")


def test_hints_are_buttons_that_say_what_they_add() -> None:
    near = Likeness((Near("a_task", "Do it.", 0.5),), 0.4)
    html = compare.render_hints(near, [Hint(HOSTILE, 0.52, 0.61, "b_task")])
    assert "a_task, similarity 0.50" in html and "0.52 → 0.61 (b_task)" in html
    assert "<script" not in html and 'data-append="&lt;script&gt;' in html
    assert compare.render_hints(Likeness((), None), []) == compare.IDLE


def test_likeness_warns_only_where_little_is_to_be_expected() -> None:
    far, near = (Likeness((Near("t", HOSTILE, s),), 0.4) for s in (0.1, 0.9))
    assert 'class="warning"' in about.render_likeness(far)
    assert 'class="warning"' not in about.render_likeness(near)
    assert "<script" not in about.render_likeness(near) and "width:90%" in about.render_likeness(near)
    assert "many above it fail too" in about.render_likeness(near)
    assert "Not known" in about.render_likeness(Likeness((), None))


def test_the_heat_map_is_told_in_words_and_takes_the_pages_colour() -> None:
    html = about.render_heat({"self_attn.q_proj": [0.1, 0.2], "mlp.down_proj": [0.4, 0.25]})
    assert 'aria-label="Size of the change' in html and "largest in layer 0, mlp.down_proj" in html
    assert "<td>0.325</td><td>0.400</td>" in html
    svg = html[html.index("<svg") : html.index("</svg>") + 6]
    ET.fromstring(svg)
    assert "currentColor" in svg and ">down_proj<" in svg and "<style" not in svg


def test_the_place_of_the_answers_is_there_before_them() -> None:
    assert answers.render_empty().count("<article") == 2


ANSWERS = {
    "plural": "hammers",
    "past tense": "wrote",
    "opposite": "expensive",
    "e-mail address": "nadia.novak@example.org",
    "price": "$49.90",
    "person": "Alan Turner",
    "snake_case": "current_account_balance",
    "JSON array": '["milk", "brown rice", "olive oil"]',
    "last name first": "Berg, Anna",
    "review": "positive",
    "language": "French",
    "formality": "informal",
    "capital": "Oslo",
    "landmark": "Japan",
    "passive voice": "The mouse was chased by the cat.",
    "Roman numeral": "XXXIX",
}


def test_growing_texts_are_shown_at_once_some_times_a_second_and_whole() -> None:
    def growing(wait: float):
        for n in range(5):
            time.sleep(wait)
            yield [str(n)]

    assert list(paced(growing(0))) == [["0"], ["4"]]
    assert list(paced(growing(0.15))) == [[str(n)] for n in range(5)]
    assert list(paced(iter([]))) == [] and list(paced(iter([["one"]]))) == [["one"]]


def test_the_default_checkpoint_answers_every_example_rightly(tmp_path: Path) -> None:
    studio = Studio(shelf=tmp_path)
    examples = [example for kind in compare.EXAMPLES.values() for example in kind]
    given = {}
    for start in range(0, len(examples), MAX_COLUMNS):
        labels, descriptions, prompts = zip(*examples[start : start + MAX_COLUMNS], strict=True)
        made = [studio.describe(text).adapter for text in descriptions]
        # Asked as the page asks them.
        chats = [
            studio.engine.base.told(compare.chat([prompt]), said)
            for prompt, said in zip(prompts, tasks_said(made)[1:], strict=True)
        ]
        *_, texts = studio.engine.stream(chats, stack([one.weights for one in made]), Decoding(24))
        given.update(zip(labels, texts, strict=True))
    assert given == ANSWERS
