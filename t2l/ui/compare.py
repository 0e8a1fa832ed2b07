"""The Compare tab: a description becomes an adapter; base and adapted answers grow side by side.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from t2l.studio import MAX_DESCRIPTION, MAX_PROMPT, Made
from t2l.ui.common import Page, friendly

CSS = """
#base textarea, #adapted textarea { font-family: var(--font-mono); }
#status { min-height: 1.6em; }
"""

EXAMPLES = [
    ["Output the plural of the noun.", "toaster"],
    ["Write the words in snake_case.", "current account balance"],
    ["Extract the e-mail address from the text.", "Write to Nadia at nadia.novak@example.org before noon."],
    ["Turn the comma separated list into a JSON array.", "milk, brown rice, olive oil"],
    ["Say whether the review is positive or negative.", "A modest masterpiece."],
    ["Give the capital of the country.", "Norway"],
]


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio = page.studio
    with gr.Row(equal_height=True):
        description = gr.Textbox(
            label="Task description",
            info=f"One or two sentences, at most {MAX_DESCRIPTION:,} characters.",
            placeholder="Output the plural of the noun.",
            lines=2,
            max_length=MAX_DESCRIPTION,
            elem_id="description",
            scale=4,
        )
        with gr.Column(scale=1, min_width=180):
            generate = gr.Button("Generate adapter", variant="primary", elem_id="generate")
            download = gr.DownloadButton("Download zip", interactive=False, elem_id="download")
    status = gr.Markdown("No adapter yet.", elem_id="status")
    with gr.Row(equal_height=True):
        prompt = gr.Textbox(
            label="Prompt",
            info="The input alone; the adapter already knows the task.",
            placeholder="toaster",
            lines=2,
            max_length=MAX_PROMPT,
            elem_id="prompt",
            scale=4,
        )
        with gr.Column(scale=1, min_width=180):
            ask = gr.Button("Compare", variant="primary", elem_id="ask")
            stop = gr.Button("Stop", variant="stop", elem_id="stop")
    with gr.Row():
        base = gr.Textbox(label="Base", lines=8, buttons=["copy"], interactive=False, elem_id="base")
        adapted = gr.Textbox(label="Adapted", lines=8, buttons=["copy"], interactive=False, elem_id="adapted")
    note = gr.Markdown("", elem_id="note")
    gr.Examples(
        EXAMPLES, [description, prompt], label="Examples: a task and an input for it", cache_examples=False
    )

    def show(made: Made) -> tuple[str, Any]:
        adapter = made.adapter
        line = (
            f"Adapter `{adapter.id}` · {made.seconds * 1000:.0f} ms · {made.bytes / 1e6:.1f} MB · "
            f"rank {adapter.spec.rank} · checkpoint `{adapter.generator}`"
        )
        return line, gr.DownloadButton(value=str(studio.zip(adapter.id)), interactive=True)

    def make(text: str) -> tuple[str, Any]:
        return show(studio.describe(text))

    def compare(text: str, question: str) -> Iterator[tuple]:
        # Made again each time: the same words give the same adapter, and nobody is answered by an old one.
        made = studio.describe(text)
        yield *show(made), "", "", ""
        left = right = ""
        for left, right in studio.compare(question, [made.adapter.weights]):
            yield gr.skip(), gr.skip(), left, right, ""
        yield gr.skip(), gr.skip(), left, right, "Both answers are identical." if left == right else "Done."

    # Private: these return updates for this page. Programs use the Python functions and the command line.
    private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4}
    generate.click(friendly(make), [description], [status, download], **private)
    outputs = [status, download, base, adapted, note]
    asked = gr.on([ask.click, prompt.submit], friendly(compare), [description, prompt], outputs, **private)
    stop.click(None, cancels=[asked], api_visibility="private")
