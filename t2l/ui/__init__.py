"""The page: one file a tab; `build` puts them together.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr

from t2l.studio import Studio
from t2l.ui import api, compare, examples, gallery, look, publish, results, shelf, words
from t2l.ui.common import Page

# Run history would keep every visitor's prompts; monitoring shows more than a visitor needs.
LAUNCH: dict[str, Any] = {
    "theme": look.theme(),
    "css": "".join([look.CSS, shelf.CSS, publish.CSS, examples.CSS]),
    "head": look.HEAD,
    "footer_links": ["api", "settings"],
    "run_history": False,
    "ssr_mode": False,
    "i18n": words.I18N,
    "enable_monitoring": False,
    # Each takes a megabyte; of more visits the one without news for longest finds the page as at first.
    "state_session_capacity": 128,
    # A zip of an adapter, such as rank 16 on all modules of the embedded base.
    "max_file_size": "32mb",
    **api.LAUNCH,
}

# Whoever has no key yet gets one that nobody can guess: 32 random bytes.
_KEY = """key => typeof key === "string" && key.length >= 43 ? key
  : Array.from(crypto.getRandomValues(new Uint8Array(32)), b => b.toString(16).padStart(2, "0")).join("")"""

INTRODUCTION = """# Text-to-LoRA
Say what a task is. A hypernetwork turns the sentence into a LoRA adapter in one forward pass; then ask the
base model and the adapted one the same thing.
"""

# Shown until it is put away, in this browser: look.HEAD.
FIRST = """<section aria-label="First steps"><h2>Here for the first time?</h2><ol>
<li>Choose an example below, or say in a sentence what to do with an input. English works best.</li>
<li>Generate adapter, write an input under Prompt, then Compare: both answers grow side by side.</li>
<li>Not sure that it works? Under Examples your own inputs are answered and counted.</li>
<li>What you make stands on your Shelf; from there it is a zip, or a repo under Publish.</li>
</ol><button type="button" data-met>Got it</button></section>"""


def build(studio: Studio) -> gr.Blocks:
    """The whole page over one studio; loads nothing."""
    # Files that came and went through the page, copies of ours among them, go after some hours.
    with api.Blocks(title="Text-to-LoRA", analytics_enabled=False, delete_cache=(1800, 6 * 3600)) as page:
        # First: a handler of the page with the same name would take an endpoint's.
        api.build(studio)
        # A secret that stays the same: a restart of the server must lose nobody's shelf. The key is random.
        visitor = gr.BrowserState("", storage_key="t2l-visitor", secret="t2l")
        gr.Markdown(INTRODUCTION)
        gr.HTML(FIRST, elem_id="first", padding=False)
        publishing = gr.BrowserState("", storage_key="t2l-publishing", secret="t2l")
        # Before the tabs: anything but a tab among them mixes up their row.
        chosen, shelf_changed, arrived, measured = gr.State([]), gr.State(0), gr.State(False), gr.State({})
        with gr.Tabs(selected="compare") as tabs:
            shared = Page(studio, visitor, chosen, shelf_changed, tabs, publishing, arrived, measured)
            for tab in (compare, examples, shelf, gallery, publish, results):
                with gr.Tab(tab.__name__.rpartition(".")[2].capitalize(), id=tab.__name__.rpartition(".")[2]):
                    tab.build(shared)
        # The first event of a visit, in the browser: a server that is still loading would be waited for.
        page.load(None, [visitor], [visitor], js=_KEY, api_visibility="private")
        # "multiple": two listeners of one change that put off their runs would set each other off for ever.
        visitor.change(
            lambda key: bool(key), [visitor], [arrived], trigger_mode="multiple", api_visibility="private"
        )
        words.translate(page)
    return page
