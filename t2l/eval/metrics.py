"""Scores of one answer against the right one: strict and lenient.
Knows text alone."""

from __future__ import annotations

import re

_OPENING = re.compile(r"(so,? )?(the )?(answer|output|result)( is|:)")
# White space and the marks that end or enclose a sentence; not signs like - % $ #, which change a value.
_MARKS = r"[\s.,;:!?\"'`*()\[\]\u2018\u2019\u201c\u201d]*"


def strict(answer: str, right: str) -> bool:
    """The suite's own metric: equal after the ends are stripped of white space."""
    return answer.strip() == right.strip()


def lenient(answer: str, right: str) -> bool:
    """Strictly equal, or the right text without case, after "the answer is" or within marks.

    Of several lines the first counts, where one line is right. Marks that the right text has itself must be
    there: they are what some tasks are about.
    """
    if strict(answer, right):
        return True
    answer, right = answer.strip().lower(), right.strip().lower()
    if "\n" not in right:
        answer = answer.partition("\n")[0]
    opening = _OPENING.match(answer)
    # The right text may itself begin as an opening does.
    said = [answer, answer[opening.end() :]] if opening else [answer]
    return any(re.fullmatch(_MARKS + re.escape(right) + _MARKS, text) for text in said)
