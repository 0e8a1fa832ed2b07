"""The Shelf tab.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

from t2l.ui.common import Page


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
