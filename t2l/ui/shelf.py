"""The Shelf tab: the visitor's own adapters, to compare, rename, blend, take along, publish or delete.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import html
import time
from typing import Any

import gradio as gr

from t2l.studio import Entry, T2LError
from t2l.ui.common import Page, friendly
from t2l.ui.visit import own

# For this tab and those after it. Choices as a list of rows: the name, and below it what is known.
CSS = """
.t2l-rows .wrap { display: flex; flex-direction: column; gap: 8px; }
.t2l-rows .wrap label { align-items: flex-start; width: 100%; white-space: normal; }
.t2l-rows .wrap label > span {
  display: block; min-width: 0; white-space: pre-line; overflow-wrap: anywhere;
  color: var(--body-text-color-subdued); font-weight: 400; line-height: 1.45;
}
.t2l-rows .wrap label > span::first-line { color: var(--body-text-color); font-weight: 600; }
.t2l-rows .wrap label > input { margin-top: 4px; }
.row.t2l-end { align-items: flex-end; }
.t2l-line .html-container { padding: 0; }
.t2l-line { min-height: 1.6em; overflow-wrap: anywhere; }
.t2l-choice input { text-overflow: ellipsis; padding-right: 2em; }
"""

EMPTY = "Nothing here yet. Describe a task under Compare: its adapter is kept here, for your next visit too."
_MOST_DESCRIPTION = 160


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio, limit = page.studio, page.studio.limits.shelf_bytes
    usage = gr.Markdown(EMPTY, elem_id="shelf-usage")
    rows = gr.CheckboxGroup(
        [], label="Adapters", visible=False, elem_id="shelf-rows", elem_classes="t2l-rows", interactive=True
    )
    with gr.Row(visible=False) as actions:
        compare = gr.Button("Open in Compare", variant="primary", elem_id="shelf-compare", min_width=150)
        publish = gr.Button("Publish…", elem_id="shelf-publish", min_width=110)
        download = gr.DownloadButton("Download zip", elem_id="shelf-download", min_width=130)
        delete = gr.Button("Delete…", variant="stop", elem_id="shelf-delete", min_width=110)
    with gr.Group(visible=False) as confirmation:
        question = gr.HTML("", elem_id="shelf-question")
        with gr.Row():
            sure = gr.Button("Delete for good", variant="stop", elem_id="shelf-delete-sure", min_width=130)
            keep = gr.Button("Keep", elem_id="shelf-keep", min_width=100)
    with gr.Row(visible=False, elem_classes="t2l-end") as renaming:
        name = gr.Textbox(
            "", label="Name", max_length=80, max_lines=1, elem_id="shelf-name", scale=4, min_width=200
        )
        rename = gr.Button("Rename", elem_id="shelf-rename", scale=1, min_width=110)
    with gr.Accordion("Blend two adapters", open=False, visible=False, elem_id="shelf-blend") as blending:
        with gr.Row():
            first = gr.Dropdown(
                [], label="First", elem_id="shelf-first", elem_classes="t2l-choice", min_width=200
            )
            second = gr.Dropdown(
                [], label="Second", elem_id="shelf-second", elem_classes="t2l-choice", min_width=200
            )
        share = gr.Slider(0, 1, 0.5, step=0.01, label="Share of the second", elem_id="shelf-share")
        with gr.Row():
            at_once = gr.Checkbox(False, label="Open the blend in Compare", elem_id="shelf-blend-open")
            blend = gr.Button("Blend", variant="primary", elem_id="shelf-blend-make", min_width=110)
    with gr.Accordion("Open an adapter made elsewhere", open=False, elem_id="shelf-elsewhere"):
        gr.Markdown(
            "A zip that was downloaded here, or of a folder that PEFT saved: `adapter_config.json` and "
            "`adapter_model.safetensors`, a LoRA for the loaded base."
        )
        upload = gr.UploadButton("Open a zip", file_types=[".zip"], elem_id="shelf-upload")

    shown = [
        usage,
        rows,
        actions,
        compare,
        publish,
        download,
        delete,
        confirmation,
        renaming,
        name,
        blending,
        first,
        second,
    ]

    def show(key: Any, ids: list[str], one: str | None, other: str | None, tick: bool = False) -> list[Any]:
        """Every part of the tab as the shelf and the selection are now. tick: the selection is made here."""
        # Before the visit's first event there is no key, and nothing to show.
        entries = studio.adapters(visitor=key) if key else ()
        names = {entry.id: entry.name for entry in entries}
        given, ids = ids, [id for id in ids if id in names]
        # Only where it must be: what is ticked while this is on its way stays ticked, and is shown next.
        ticked: dict[str, Any] = {"value": ids} if tick or ids != given else {}
        single = ids[0] if len(ids) == 1 else None
        total = sum(entry.bytes for entry in entries)
        used = (
            f"{_count(len(entries))}, {total / 1e6:.1f} of {limit / 1e6:.0f} MB. Those used longest ago make "
            "room for new ones. Only this browser sees them."
        )
        choices = [(name, id) for id, name in names.items()]
        one = one if one in names else next(iter(names), None)
        other = other if other in names else next((id for id in names if id != one), None)
        single_only: dict[str, Any] = {"interactive": single is not None}
        zipped = str(studio.zip(single, visitor=key)) if single else None
        return [
            used if entries else EMPTY,
            gr.CheckboxGroup([(_row(e), e.id) for e in entries], visible=bool(entries), **ticked),
            gr.Row(visible=bool(entries)),
            gr.Button(interactive=bool(ids)),
            gr.Button(**single_only),
            gr.DownloadButton(value=zipped, **single_only),
            gr.Button(interactive=bool(ids)),
            gr.Group(visible=False),
            gr.Row(visible=single is not None),
            names[single] if single else "",
            gr.Accordion(visible=len(entries) > 1),
            gr.Dropdown(choices, value=one),
            gr.Dropdown(choices, value=other),
        ]

    def open_in_compare(ids: list[str]) -> tuple[list[str], Any]:
        if len(ids) > studio.limits.adapters:
            raise T2LError(
                f"{len(ids)} adapters are selected; Compare shows {studio.limits.adapters} at most. "
                "Select fewer."
            )
        return ids, gr.Tabs(selected="compare")

    def one(ids: list[str]) -> str:
        # The buttons are for one, but a tick may come before they know of it.
        if len(ids) != 1:
            raise T2LError(f"{len(ids)} adapters are selected; select one.")
        return ids[0]

    def open_in_publish(ids: list[str]) -> tuple[str, Any]:
        return one(ids), gr.Tabs(selected="publish")

    def ask(key: Any, ids: list[str]) -> tuple[Any, str]:
        names = {entry.id: entry.name for entry in studio.adapters(visitor=own(key))}
        what = f"“{names.get(ids[0], ids[0])}”" if len(ids) == 1 else f"{len(ids)} adapters"
        return gr.Group(visible=True), f"<p>Delete {html.escape(what)}? This cannot be undone.</p>"

    def remove(key: Any, ids: list[str], chosen: list[str], changed: int) -> tuple[list[str], list[str], int]:
        # What another tab has deleted meanwhile is gone, as it should be.
        there = {entry.id for entry in studio.adapters(visitor=own(key))}
        for id in ids:
            if id in there:
                studio.delete(id, visitor=key)
        return [], [id for id in chosen if id not in ids], changed + 1

    def give_name(key: Any, ids: list[str], text: str, changed: int) -> int:
        studio.rename(one(ids), text, visitor=own(key))
        return changed + 1

    def mix(
        key: Any, one: str | None, other: str | None, part: float, opens: bool, changed: int
    ) -> list[Any]:
        made = studio.blend(one or "", other or "", part, visitor=own(key)).adapter.id
        opened = [[made], gr.Tabs(selected="compare")] if opens else [gr.skip(), gr.skip()]
        return [*show(key, [made], one, other, True), changed + 1, *opened]

    def take(key: Any, file: str, one: str | None, other: str | None, changed: int) -> list[Any]:
        entry = studio.open_zip(file, visitor=own(key))
        return [*show(key, [entry.id], one, other, True), changed + 1]

    quiet: dict[str, Any] = {**page.private, "show_progress": "hidden"}
    tab = page.tabs.children[-1]
    assert isinstance(tab, gr.Tab)
    # The key comes back from the browser at every load; with it the adapters of earlier visits.
    triggers = [page.arrived.change, page.shelf_changed.change, tab.select, rows.input]
    selected = [page.visitor, rows, first, second]
    gr.on(triggers, friendly(show), selected, shown, **quiet)
    compare.click(friendly(open_in_compare), [rows], [page.chosen, page.tabs], **quiet)
    publish.click(friendly(open_in_publish), [rows], [page.publishing, page.tabs], **quiet)
    delete.click(friendly(ask), [page.visitor, rows], [confirmation, question], **quiet)
    keep.click(lambda: gr.Group(visible=False), None, [confirmation], **quiet)
    inputs = [page.visitor, rows, page.chosen, page.shelf_changed]
    sure.click(friendly(remove), inputs, [rows, page.chosen, page.shelf_changed], **quiet)
    inputs = [page.visitor, rows, name, page.shelf_changed]
    gr.on([rename.click, name.submit], friendly(give_name), inputs, [page.shelf_changed], **quiet)
    inputs = [page.visitor, first, second, share, at_once, page.shelf_changed]
    blend.click(friendly(mix), inputs, [*shown, page.shelf_changed, page.chosen, page.tabs], **quiet)
    # One at a time: a stranger's zip may take much memory to read.
    alone = {**page.private, "concurrency_limit": 1}
    inputs = [page.visitor, upload, first, second, page.shelf_changed]
    upload.upload(friendly(take), inputs, [*shown, page.shelf_changed], **alone)


def _row(entry: Entry) -> str:
    """An adapter in two or three lines."""
    told = " ".join(entry.condition.split())
    if told.startswith(entry.name):
        told = f"…{rest}" if (rest := told[len(entry.name) :]) else ""
    if len(told) > _MOST_DESCRIPTION:
        told = told[: _MOST_DESCRIPTION - 1].rstrip() + "…"
    made = entry.generator or "made elsewhere"
    facts = f"{made} · {entry.bytes / 1e6:.1f} MB · {_ago(time.time() - entry.created)}"
    return "\n".join([entry.name, *([told] if told else []), facts])


def _ago(seconds: float) -> str:
    """How long ago something was, in one unit."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if (count := int(seconds // size)) >= 1:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def _count(number: int) -> str:
    return f"{number} adapter{'s' * (number != 1)}"
