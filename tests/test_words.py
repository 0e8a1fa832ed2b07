"""The page in other languages: every text that stands on it has its words in each, and keeps its numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import REPO

from t2l.ui import words

# What is the same in every language.
_NAMES = {"namespace/name", "hf_..."}
# In a process of its own: a page that is built leaves sockets behind.
PAGE = """
import json
from t2l.studio import Studio
from t2l.ui import build, words
texts, asked = [], words.is_said
def seen(block, place):
    texts.append(getattr(block, place)) if asked(block, place) else None
    return asked(block, place)
words.is_said = seen
build(Studio())
import gradio as gr
with gr.Blocks() as page:
    typed, button = gr.Textbox("Compare", label="Prompt"), gr.Button("Compare")
words.translate(page)
print(json.dumps([texts, words.I18N.translations, typed.value, str(typed.label), str(button.value)]))
"""


@pytest.fixture(scope="module")
def page() -> list:
    """What stands on the page before it is translated, what gradio is told, and a small page's texts."""
    command = [sys.executable, "-W", "ignore", "-c", PAGE]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def texts(page: list) -> set[str]:
    """The texts that are words."""
    return {t for t in page[0] if re.search(r"[^\W\d_]{2,}", re.sub("<[^>]*>", "", t))} - _NAMES


def test_every_text_of_the_page_is_there_in_every_language(page: list, texts: set[str]) -> None:
    lacking = sorted(text for text in texts if set(words.other(text)) != set(words.LANGUAGES))
    assert not lacking, "put these into t2l/ui/words.json"
    for language in words.LANGUAGES:
        assert texts <= set(page[1][language])


def test_no_word_is_left_over_and_each_keeps_numbers_and_code(texts: set[str]) -> None:
    known = json.loads(Path(words.__file__).with_name("words.json").read_text(encoding="utf-8"))
    said = "\n".join(words._NUMBER.sub("#", re.sub("<[^>]*>", "\n", text)) for text in texts)
    assert not [text for text in known if words._NUMBER.sub("#", text) not in said]
    for text, translated in known.items():
        for language in words.LANGUAGES:
            other = translated[language]
            # Braces would mean something to the browser's formatter.
            assert other.strip() and not set("{}<") & set(other), text
            assert other.count("#") == text.count("#"), text
            assert set(re.findall("`.*?`", other)) == set(re.findall("`.*?`", text)), text


def test_numbers_and_marks_of_a_text_stay_where_they_are() -> None:
    assert words.other("From your shelf, at most 12.")["de"] == "Aus Ihrem Regal, höchstens 12."
    assert words.other("1 to 2,048")["zh"] == "1 到 2,048"
    assert words.other('<p role="status">Nothing asked yet.</p>')["zh"] == '<p role="status">还没有提问。</p>'
    # Rather English than a mixture.
    assert words.other("<p>Compare</p><p>Nobody has said this.</p>") == {} == words.other("12 / 2,000")


def test_what_a_visitor_may_type_is_left_alone(page: list) -> None:
    typed, *said = page[2:]
    assert typed == "Compare"
    assert [json.loads(text.removeprefix("__i18n__"))["key"] for text in said] == ["Prompt", "Compare"]
