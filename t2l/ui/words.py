"""The words of the page in other languages: what stands on it from the start is shown in the visitor's own.
Knows gradio and words.json; not what any text is about."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

LANGUAGES = ("de", "zh")
# What gradio translates of a component.
_PLACES = ("label", "info", "placeholder", "value")
# Not the 2 of t2l.
_NUMBER = re.compile(r"\b\d[\d,]*\b")
# Grows by what a page says: gradio sends it along with the page, and looks texts up in the browser.
I18N = gr.I18n(en={}, **{language: {} for language in LANGUAGES})


def translate(page: gr.Blocks) -> None:
    """Makes every text that stands on the page from the start one that follows the visitor's language."""
    for block in page.blocks.values():
        for place in _PLACES:
            text = getattr(block, place, None)
            if isinstance(text, str) and is_said(block, place) and (said := other(text)):
                I18N.translations["en"][text] = text
                for language, words in said.items():
                    I18N.translations[language][text] = words
                setattr(block, place, str(I18N(text)))


def is_said(block: Any, place: str) -> bool:
    """Whether a component's text is the page's own words: a value of a field is the visitor's."""
    shown = isinstance(block, gr.HTML | gr.Markdown | gr.Button | gr.DownloadButton | gr.UploadButton)
    return not isinstance(block, Api) and (place != "value" or shown)


def other(text: str) -> dict[str, str]:
    """A text in every other language, with its numbers; of HTML the words between its marks.

    Empty where a part of it is not known: rather English than a mixture.
    """
    parts = re.split(r"(<[^>]*>)", text)
    known = {part: _one(part) for part in parts[::2] if re.search(r"[^\W\d]", part)}
    if not known or not all(known.values()):
        return {}
    return {
        language: "".join(known[part][language] if part in known else part for part in parts)
        for language in LANGUAGES
    }


def _one(text: str) -> dict[str, str]:
    words, numbers = _words(), _NUMBER.findall(text)
    if text in words:
        return words[text]
    said = words.get(_NUMBER.sub("#", text), {})
    return {language: _filled(pattern, numbers) for language, pattern in said.items()}


def _filled(pattern: str, numbers: list[str]) -> str:
    found = iter(numbers)
    return re.sub("#", lambda _: next(found), pattern)


@functools.cache
def _words() -> dict[str, dict[str, str]]:
    return json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
