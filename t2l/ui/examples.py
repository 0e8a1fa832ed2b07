"""The Examples tab: a person's own examples decide between base and adapters, and between wordings.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from t2l.studio import (
    MAX_ROWS,
    Example,
    Measured,
    Scores,
    T2LError,
    Tried,
    Wordings,
    check_examples,
    read_examples,
    table,
)
from t2l.ui.common import Page, beating, friendly, spoken
from t2l.ui.visit import own

CSS = """
:is(#examples-result, #examples-chosen) table {
  width: 100%; border: 0 !important; border-collapse: collapse; font-size: .9rem;
}
:is(#examples-result, #examples-chosen) tr { border: 0; }
:is(#examples-result, #examples-chosen) :is(th, td) {
  border: 0; border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; min-width: 6.5rem;
}
#examples-result .t2l-scroll { max-height: 26rem; overflow: auto; }
#examples-said { min-height: 3rem; }
:is(#examples-said, #examples-chosen, #examples-made) progress { width: 100%; accent-color: var(--accent); }
"""

INTRODUCTION = (
    "Does it work on *your* inputs? Give some with what is right for them; the base and the adapters answer "
    "all of them, and the right answers are counted. The files are read and forgotten."
)
# A task of the default checkpoint, to begin with.
_BEGIN = [["hammer", "hammers"], ["city", "cities"], ["fox", "foxes"], ["apple", "apples"]]
_EXPLAINED = (
    "Strict: exactly the expected text. Lenient: also in other case or marks, on the first line, or after "
    "“the answer is”."
)
_TYPES = [".csv", ".tsv", ".txt", ".json", ".jsonl"]
_SHOWN = 200


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio = page.studio
    gr.Markdown(INTRODUCTION)
    with gr.Row():
        with gr.Column(min_width=320):
            pairs = gr.Dataframe(
                _BEGIN,
                headers=["input", "expected"],
                datatype="str",
                type="array",
                column_count=2,
                column_limits=(2, 2),
                row_limits=(1, MAX_ROWS),
                interactive=True,
                wrap=True,
                max_height=320,
                label=f"Your examples, at most {MAX_ROWS:,}",
                elem_id="examples-pairs",
            )
            upload = gr.UploadButton(
                "Open a CSV or JSON file", file_types=_TYPES, size="sm", elem_id="examples-upload"
            )
            adapters = gr.Dropdown(
                [],
                multiselect=True,
                max_choices=studio.limits.adapters,
                label="Adapters",
                info="From your shelf; describe a task under Compare first.",
                elem_id="examples-adapters",
            )
            with gr.Row():
                go = gr.Button("Answer all", variant="primary", elem_id="examples-go", min_width=140)
                stop = gr.Button("Stop", elem_id="examples-stop", min_width=100)
        with gr.Column(min_width=320):
            said = gr.HTML(spoken("Nothing answered yet."), elem_id="examples-said")
            result = gr.HTML("", elem_id="examples-result", elem_classes="t2l-line")
            download = gr.DownloadButton(
                "Download all answers as CSV", interactive=False, size="sm", elem_id="examples-download"
            )
    with gr.Accordion("Find a better wording", open=False, elem_id="examples-wording"):
        gr.Markdown(
            "Each wording becomes an adapter, and so do the first one in other styles and the descriptions "
            "of the nearest trained tasks. Half of the examples choose, the other half says what the choice "
            "is worth. It then stands on your shelf."
        )
        wordings = gr.Textbox(
            "",
            label="Wordings of one task, one per line",
            lines=3,
            max_length=16 * studio.limits.description,
            elem_id="examples-wordings",
        )
        with gr.Row():
            choose = gr.Button("Find the better one", variant="primary", elem_id="examples-choose")
            halt = gr.Button("Stop", elem_id="examples-halt", min_width=100)
        chosen_said = gr.HTML("", elem_id="examples-chosen", elem_classes="t2l-line")
    with gr.Accordion("Many adapters at once", open=False, elem_id="examples-batch"):
        many = gr.Textbox(
            "",
            label=f"Descriptions, one per line, at most {studio.limits.batch:,}",
            lines=3,
            elem_id="examples-many",
        )
        with gr.Row():
            lines = gr.UploadButton("Open a text file", file_types=[".txt"], elem_id="examples-lines")
            make = gr.Button("Make them", variant="primary", elem_id="examples-make")
            end = gr.Button("Stop", elem_id="examples-end", min_width=100)
            zipped = gr.DownloadButton("Download zip", interactive=False, elem_id="examples-zip")
        made_said = gr.HTML("", elem_id="examples-made", elem_classes="t2l-line")

    # What the two ways of counting have counted last.
    counted, compared = gr.State({}), gr.State({})

    def offer(key: Any, ids: list[str]) -> Any:
        entries = studio.adapters(visitor=key) if key else ()
        kept = [id for id in ids or [] if id in {entry.id for entry in entries}]
        value = kept or [entry.id for entry in entries[:1]]
        return gr.Dropdown([(entry.name, entry.id) for entry in entries], value=value)

    def read(file: str) -> tuple[list[list[str]], str]:
        examples = read_examples(Path(file).read_bytes())
        return [[e.input, e.output] for e in examples], spoken(f"{len(examples)} examples read.")

    def answer(key: Any, ids: list[str], cells: Any) -> Iterator[tuple]:
        examples = _examples(cells)
        names = {entry.id: entry.name for entry in studio.adapters(visitor=own(key))}
        heads = ["Base", *(names.get(id, id) for id in ids)]
        waiting = gr.DownloadButton(interactive=False)
        scores = Scores((), ())
        for scores, new in beating(studio.score(ids, examples, visitor=own(key))):
            if new:
                yield _progress(scores.done, scores.total), render_scores(scores, heads), waiting, gr.skip()
            else:
                yield (gr.skip(),) * 4
        base = sum(scores.right(0))
        measured = {
            id: Measured(len(examples), base, sum(scores.right(column))) for column, id in enumerate(ids, 1)
        }
        answers = studio.file("answers.csv", render_table(scores, heads), visitor=own(key))
        file = gr.DownloadButton(value=str(answers), interactive=True)
        line = spoken(f"{len(examples)} examples answered by each.")
        yield line, render_scores(scores, heads), file, measured

    def find(key: Any, text: str, cells: Any) -> Iterator[tuple]:
        own_words = [line for line in text.splitlines() if line.strip()]
        for found, new in beating(studio.better_wording(own_words, _examples(cells), visitor=own(key))):
            if not new:
                yield gr.skip(), gr.skip()
            elif isinstance(found, Scores):
                yield _progress(found.done, found.total), gr.skip()
            else:
                of = Measured(found.best.n, found.base.strict, found.best.strict)
                yield render_wordings(found), {found.made.adapter.id: of}

    def several(key: Any, text: str) -> Iterator[tuple]:
        wanted = text.splitlines()
        total = len({line.strip() for line in wanted} - {""})
        for done, file in studio.batch(wanted, visitor=own(key)):
            if file is None:
                yield _progress(done, total), gr.DownloadButton(interactive=False)
            else:
                yield spoken(f"{done} adapters made."), gr.DownloadButton(value=str(file), interactive=True)

    def read_lines(file: str) -> str:
        if os.path.getsize(file) > studio.limits.batch * 4 * studio.limits.description:
            raise T2LError(f"The file is larger than {studio.limits.batch:,} descriptions; give fewer.")
        try:
            return Path(file).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as err:
            raise T2LError(f"The file is not UTF-8 text (byte {err.start:,}); save it so.") from err

    quiet: dict[str, Any] = {**page.private, "show_progress": "hidden"}
    # Long work of all kinds together leaves room for those who only compare.
    long = {**quiet, "concurrency_limit": max(1, studio.limits.at_once // 2), "concurrency_id": "long"}
    silent: dict[str, Any] = {"api_visibility": "private"}
    tab = page.tabs.children[-1]
    assert isinstance(tab, gr.Tab)
    gr.on(
        [page.arrived.change, page.shelf_changed.change, tab.select],
        friendly(offer),
        [page.visitor, adapters],
        [adapters],
        trigger_mode="multiple",
        **quiet,
    )
    upload.upload(friendly(read), [upload], [pairs, said], **quiet)
    asked = go.click(
        friendly(answer, failed=("", gr.skip(), gr.skip(), gr.skip())),
        [page.visitor, adapters, pairs],
        [said, result, download, counted],
        **long,
    )
    # Read when it is joined, not when the counting began: meanwhile others may have been counted.
    join: dict[str, Any] = {"fn": lambda new, all: {**all, **new}, "outputs": [page.measured], **quiet}
    asked.success(inputs=[counted, page.measured], **join)
    stop.click(None, cancels=[asked], **silent)
    stop.click(None, None, [said], js=f"() => '{spoken('Stopped.')}'", **silent)
    searched = choose.click(
        friendly(find, failed=("", gr.skip())),
        [page.visitor, wordings, pairs],
        [chosen_said, compared],
        **long,
    )
    searched.success(inputs=[compared, page.measured], **join)
    searched.success(lambda count: count + 1, [page.shelf_changed], [page.shelf_changed], **quiet)
    halt.click(None, cancels=[searched], **silent)
    halt.click(None, None, [chosen_said], js=f"() => '{spoken('Stopped.')}'", **silent)
    lines.upload(friendly(read_lines), [lines], [many], **quiet)
    making = make.click(
        friendly(several, failed=("", gr.skip())), [page.visitor, many], [made_said, zipped], **long
    )
    end.click(None, cancels=[making], **silent)
    end.click(None, None, [made_said], js=f"() => '{spoken('Stopped.')}'", **silent)


def _examples(cells: Sequence[Sequence[Any]]) -> tuple[Example, ...]:
    return check_examples((row[0], row[1]) for row in cells)


def render_table(scores: Scores, heads: Sequence[str]) -> bytes:
    """All answers as a file that a spreadsheet opens."""
    head = ["input", "expected"]
    for name in heads:
        head += [name, f"{name}: strict", f"{name}: lenient"]
    rights = [(scores.right(c), scores.right(c, "lenient")) for c in range(len(heads))]
    rows = []
    for i, example in enumerate(scores.examples):
        row: list[Any] = [example.input, example.output]
        for column, (strict, lenient) in enumerate(rights):
            row += [scores.answers[column][i], int(strict[i]), int(lenient[i])]
        rows.append(row)
    return table([head, *rows])


def render_scores(scores: Scores, heads: Sequence[str]) -> str:
    """How many are right by base and adapters, then every answer so far, the first of very many."""
    n = len(scores.examples)
    lines = "".join(
        f"<tr><th scope='row'>{escape(head)}</th><td>{_share(sum(scores.right(c)), n)}</td>"
        f"<td>{_share(sum(scores.right(c, 'lenient')), n)}</td></tr>"
        for c, head in enumerate(heads)
    )
    counts = f"<table><tr><th></th><th>strict</th><th>lenient</th></tr>{lines}</table><p>{_EXPLAINED}</p>"
    rights = [scores.right(c, "lenient") for c in range(len(heads))]
    rows = "".join(
        f"<tr><td>{escape(example.input)}</td><td>{escape(example.output)}</td>"
        + "".join(_cell(scores.answers[c][i], rights[c][i]) for c in range(len(heads)))
        + "</tr>"
        for i, example in enumerate(scores.examples[:_SHOWN])
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in ("input", "expected", *heads))
    more = f"<p>The first {_SHOWN} of {n:,}; the CSV has all.</p>" if n > _SHOWN else ""
    # Scrolls by keyboard too.
    scrolls = "<div class='t2l-scroll' tabindex='0' role='region' aria-label='Every answer'>"
    return f"{counts}{scrolls}<table><tr>{head}</tr>{rows}</table></div>{more}"


def _cell(answer: str | None, right: bool) -> str:
    if answer is None:
        return "<td>…</td>"
    shown = answer if len(answer) <= 200 else f"{answer[:199]}…"
    return f"<td>{'✓' if right else '✗'} {escape(shown)}</td>"


def render_wordings(found: Wordings) -> str:
    """The choice with what it is worth, and all that were tried."""
    told = [
        ("The chosen wording", found.best),
        ("The first wording", found.first),
        ("The base, without an adapter", found.base),
    ]
    honest = "".join(
        f"<tr><th scope='row'>{name}</th><td>{_share(row.strict, row.n)}</td>"
        f"<td>{_share(row.lenient, row.n)}</td></tr>"
        for name, row in told
    )
    tried = "".join(f"<li>{_tried(row)}</li>" for row in found.ranked)
    return (
        f"{spoken(f'Chosen, and on your shelf: {escape(found.best.text)}')}"
        f"<p>On {found.best.n} examples that did not choose:</p>"
        f"<table><tr><th></th><th>strict</th><th>lenient</th></tr>{honest}</table>"
        f"<p>On the {found.ranked[0].n} that chose, strict:</p><ol>{tried}</ol>"
    )


def _tried(row: Tried) -> str:
    return f"{row.strict} of {row.n}: {escape(row.text)}"


def _share(right: int, n: int) -> str:
    return f"{right} of {n} ({right / n:.0%})" if n else "0 of 0"


def _progress(done: int, total: int) -> str:
    return (
        f'<p role="status">{done:,} of {total:,}</p>'
        f'<progress value="{done}" max="{max(total, 1)}" aria-label="Answers so far"></progress>'
    )
