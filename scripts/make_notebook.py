"""Writes docs/tour.ipynb from docs/tour.md: the same words and lines, to run in a notebook.
A test holds both equal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"


def notebook(text: str) -> dict[str, Any]:
    """Markdown as a notebook: its Python blocks are the code cells, what stands between them the others."""
    parts = re.split(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    cells = []
    for number, part in enumerate(parts):
        if not part.strip():
            continue
        cell: dict[str, Any] = {"id": f"tour-{number}", "metadata": {}}
        cell |= {"source": part.strip().splitlines(keepends=True)}
        code = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append(cell | (code if number % 2 else {"cell_type": "markdown"}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def written(text: str) -> str:
    """The notebook's file."""
    return json.dumps(notebook(text), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    tour = (DOCS / "tour.md").read_text(encoding="utf-8")
    (DOCS / "tour.ipynb").write_text(written(tour), encoding="utf-8")
