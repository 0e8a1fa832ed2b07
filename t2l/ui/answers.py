"""The answers of a comparison as HTML: columns side by side, with what differs from the base marked.
Knows texts alone, no component."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape


@dataclass(frozen=True)
class Column:
    """One column. detail: a small line under the title. question: shown above the answer, "" for none.

    earlier: questions and answers before this one, in turn.
    """

    title: str
    detail: str = ""
    text: str = ""
    question: str = ""
    earlier: Sequence[str] = ()


def render_answers(columns: Sequence[Column], *, growing: bool = False) -> str:
    """All columns, the base's first. While they grow nothing is compared: words would flicker."""
    base, *others = columns
    articles = [_article(base, escape(base.text), "")]
    for column in others:
        same = not growing and column.text == base.text
        text = escape(column.text) if growing or same else mark_differences(base.text, column.text)
        articles.append(_article(column, text, "Identical answers" if same else ""))
    return f'<div class="answers" aria-busy="{str(growing).lower()}">{"".join(articles)}</div>'


def render_empty() -> str:
    """The place of the answers before the first question."""
    return (
        '<div class="answers" aria-busy="false">'
        '<article class="answer"><header><h3>Base</h3></header>'
        '<div class="said unsaid"><p>What the model says without an adapter.</p></div></article>'
        '<article class="answer"><header><h3>Adapter</h3></header>'
        '<div class="said unsaid"><p>What it says with yours. Both grow at once, from one pass.</p></div>'
        "</article></div>"
    )


def _article(column: Column, text: str, notice: str) -> str:
    """One column; `text` is HTML already."""
    title, detail = escape(column.title), escape(column.detail)
    turns = [*column.earlier, column.question] if column.question else column.earlier
    before = "".join(
        f'<p class="{"replied" if i % 2 else "asked"}">{escape(turn)}</p>' for i, turn in enumerate(turns)
    )
    return (
        f'<article class="answer" aria-label="{title}"><header><h3 title="{title}">{title}</h3>'
        '<button type="button" class="copy" data-copy>Copy</button>'
        f'<p class="detail">{detail}</p></header>'
        f'<div class="said" tabindex="0" role="group" aria-label="Answer of {title}"><div>{before}'
        f'<p class="text">{text}</p></div></div><p class="notice">{notice}</p></article>'
    )


def mark_differences(base: str, text: str) -> str:
    """`text` as HTML; words that `base` does not have in that order stand in <mark>."""
    # Words at even places, the gaps between them at odd ones.
    pieces = re.split(r"(\s+)", text)
    words = pieces[::2]
    html = ""
    for tag, _, _, start, end in SequenceMatcher(None, re.split(r"\s+", base), words, False).get_opcodes():
        if start == end:
            continue
        run = escape("".join(pieces[2 * start : 2 * end - 1]))
        html += run if tag == "equal" or not run else f"<mark>{run}</mark>"
        html += "".join(pieces[2 * end - 1 : 2 * end])
    return html
