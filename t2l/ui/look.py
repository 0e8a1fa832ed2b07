"""How the page looks: its theme, its CSS and its small script.
Knows gradio alone."""

from __future__ import annotations

from gradio.themes import Base, Soft

CSS = ""
HEAD = ""


def theme() -> Base:
    """Calm and legible, light and dark."""
    return Soft()
