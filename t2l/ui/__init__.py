"""The page: one file a tab; `build` puts them together.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import gradio as gr
from gradio.themes import Soft

from t2l.studio import Studio
from t2l.ui import compare

# Run history would keep every visitor's prompts; monitoring and the API page show more than a visitor needs.
LAUNCH = {
    "theme": Soft(),
    "css": compare.CSS,
    "footer_links": ["settings"],
    "run_history": False,
    "ssr_mode": False,
    "enable_monitoring": False,
    "max_file_size": "1mb",
}


def build(studio: Studio) -> gr.Blocks:
    """The whole page over one studio; loads nothing."""
    with gr.Blocks(title="Text-to-LoRA", analytics_enabled=False) as page:
        gr.Markdown(
            "# Text-to-LoRA\n"
            "Say what a task is. A hypernetwork turns the sentence into a LoRA adapter in one forward pass; "
            "then ask the base model and the adapted one the same thing."
        )
        with gr.Tabs(), gr.Tab("Compare"):
            compare.build(studio)
    return page
