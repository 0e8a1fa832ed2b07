"""The Results tab: what was measured, drawn from the rows of the results folder.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import functools
import html
import re
from typing import Any

import gradio as gr

from t2l.studio import Results, T2LError, measurements, results
from t2l.ui.common import Page, friendly

INTRODUCTION = (
    "How well adapters answer, beside every baseline that was measured: the share of answers that are "
    "exactly right, with 95 % intervals over tasks. Made by `t2l eval`, drawn from its rows."
)
NOTHING = "<p>Nothing was measured here yet: `t2l eval` writes rows, and this tab draws them.</p>"
# What the numbers of each table say.
_EXPLAINED = {
    "methods": "Percent of answers that are right. Strict: exactly; lenient: also in other case or marks. "
    "The interval is where the mean over other tasks of this kind would lie.",
    "wins": "On how many tasks more, as many, or fewer answers are right than by the other method.",
    "intervals": "The second interval also holds the chance of which examples were asked.",
    "by task": "Percent strict / lenient, the mean over descriptions.",
    "steering": "If the description steers the model, the answers to one input differ.",
}
_TITLES = {
    "methods": "Methods and paired differences",
    "wins": "Tasks won and lost",
    "intervals": "Intervals over examples too",
    "by task": "Every task",
    "steering": "One input, four descriptions",
}


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks; reads nothing before it is opened."""
    gr.Markdown(INTRODUCTION)
    status = gr.HTML("", elem_id="results-status", elem_classes="t2l-line")
    which = gr.Dropdown(
        [], label="Measurement", visible=False, interactive=True, filterable=False, elem_id="results-which"
    )
    body = gr.HTML("", elem_id="results-plots")
    shown = {}
    for name, title in _TITLES.items():
        with gr.Accordion(
            title, open=name == "methods", visible=False, elem_id=f"results-{_id(name)}"
        ) as panel:
            gr.Markdown(_EXPLAINED[name])
            shown[name] = (panel, gr.HTML(""))
    lacking = gr.HTML("", elem_id="results-missing")

    parts = [part for pair in shown.values() for part in pair]

    def show(title: str | None) -> list[Any]:
        if not title:
            return ["", *(gr.skip() for _ in parts), ""]
        found = _drawn(title)
        tables = [
            update
            for name in shown
            for update in (
                gr.Accordion(visible=name in found.tables),
                render_tables(found.tables.get(name, "")),
            )
        ]
        return [render_plots(found), *tables, render_missing(found)]

    def offer() -> tuple[Any, ...]:
        try:
            titles = list(measurements())
        except T2LError as err:
            return f"<p>✗ {html.escape(str(err))}</p>", gr.Dropdown(visible=False)
        if not titles:
            return NOTHING, gr.Dropdown(visible=False)
        return "", gr.Dropdown(titles, value=titles[0], visible=True)

    options: dict[str, Any] = {**page.private, "show_progress": "hidden"}
    tab = page.tabs.children[-1]
    assert isinstance(tab, gr.Tab)
    tab.select(offer, None, [status, which], **options).then(
        friendly(show), [which], [body, *parts, lacking], **options
    )
    which.input(friendly(show), [which], [body, *parts, lacking], **options)


@functools.lru_cache(maxsize=8)
def _drawn(title: str) -> Results:
    """Rows do not change while a page is served; drawing them takes a second."""
    return results(title)


def _id(name: str) -> str:
    return name.replace(" ", "-")


def render_plots(found: Results) -> str:
    """Every plot as a figure whose words say what it shows."""
    wide = '<svg style="width:100%;max-width:680px;height:auto" '
    return "".join(
        f'<figure style="margin:0 0 1.5rem"><h2 style="font-size:1.1rem">{html.escape(plot.title)}</h2>'
        f'<div role="img" aria-label="{html.escape(plot.told)}">{plot.svg.replace("<svg ", wide, 1)}</div>'
        f"<details><summary>In words</summary><p>{html.escape(plot.told)}</p></details></figure>"
        for plot in found.plots
    )


def render_tables(text: str) -> str:
    """Markdown tables as HTML, each in a box of its own that scrolls, by keyboard too, where it is wide."""
    out = []
    for table in filter(None, text.split("\n\n")):
        head, _, *rows = (_cells(line) for line in table.splitlines())
        top = "".join(f"<th scope=col>{cell}</th>" for cell in head)
        body = "".join(
            f"<tr><th scope=row>{first}</th>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>"
            for first, *rest in rows
        )
        out.append(
            f'<div role="region" tabindex="0" aria-label="{head[0]}" style="overflow-x:auto">'
            f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
        )
    return "".join(out)


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [html.escape(cell.strip().replace("**", "").replace("\\|", "|")) for cell in cells]


def render_missing(found: Results) -> str:
    """What was not measured, as a list."""
    if not found.missing:
        return ""
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in found.missing)
    return f"<h2>Not measured</h2><ul>{rows}</ul>"
