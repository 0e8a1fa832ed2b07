"""Scores of one answer against the right one: strict and lenient.
Knows text alone."""

from __future__ import annotations

import re
import string


def strict(answer: str, right: str) -> bool:
    """The suite's own metric: equal after the ends are stripped of white space."""
    return answer.strip() == right.strip()


def lenient(answer: str, right: str) -> bool:
    """Equal without case, outer punctuation and "the answer is"; in the first line, where one line is right.

    Punctuation inside stays: it is what some tasks are about.
    """
    return _plain(answer, "\n" not in right.strip()) == _plain(right, False)


def _plain(text: str, first_line: bool) -> str:
    text = text.strip().lower()
    if first_line:
        text = text.split("\n")[0]
    text = re.sub(r"^(so,? )?(the )?(answer|output|result)( is|:)\s*", "", text.strip())
    return text.strip(string.punctuation + string.whitespace)
