"""What an adapter is: its numbers, where it changes the model, and which trained tasks it is near to.
Knows gradio and the studio, nothing else; matplotlib is loaded when a heat map is drawn."""

from __future__ import annotations

import io
import re
import threading
from html import escape
from statistics import fmean
from typing import Any

import gradio as gr

from t2l.studio import About, Likeness
from t2l.ui.common import Page, friendly
from t2l.ui.visit import own

NOTHING = '<p class="quiet">Generate an adapter, or choose one beside the base, to see what it is.</p>'
# Stands for the page's own text colour, which the figure cannot know.
_INK = "#010203"
# matplotlib's settings are one set for the whole process.
_drawing = threading.Lock()


def build(page: Page) -> None:
    """Adds the panel and its events to the surrounding Blocks; it is computed only while it is open."""
    studio = page.studio
    opened = gr.State(False)
    with gr.Accordion("What this adapter is", open=False, elem_id="about") as panel:
        which = gr.Radio([], label="Adapter", visible=False, elem_id="about-adapter")
        body = gr.HTML(NOTHING, elem_id="about-body")

    def show(key: str, id: str | None) -> str:
        if not id:
            return NOTHING
        key = own(key)
        size = sum(studio.shelf_of(key).entry(id).sizes.values())
        return render_about(studio.about(id, visitor=key), size)

    def offer(key: str, chosen: list[str], is_open: bool) -> tuple[Any, str]:
        names = {entry.id: entry.name for entry in studio.adapters(visitor=own(key))}
        ids = [id for id in chosen if id in names]
        newest = ids[-1] if ids else None
        radio = gr.Radio([(names[id], id) for id in ids], value=newest, visible=len(ids) > 1)
        return radio, show(key, newest) if is_open else NOTHING

    options = {**page.private, "show_progress": "hidden"}
    page.chosen.change(
        friendly(offer),
        [page.visitor, page.chosen, opened],
        [which, body],
        trigger_mode="multiple",
        **options,
    )
    which.input(friendly(show), [page.visitor, which], [body], **options)
    panel.expand(lambda: True, None, [opened], **options)
    panel.expand(friendly(show), [page.visitor, which], [body], **options)
    panel.collapse(lambda: False, None, [opened], **options)


def render_about(about: About, size: int) -> str:
    """The whole panel as HTML. size: bytes on the shelf."""
    facts = {
        "Made from": about.condition or "not told",
        "Checkpoint": about.generator or "not from a checkpoint of this page",
        "Base": about.base_model,
        "Rank": f"{about.rank}, scaled by {about.scaling:g}",
        "Modules": ", ".join(about.modules),
        "Layers": f"{about.n_layers}",
        "Parameters": f"{about.n_parameters:,}",
        "Size": f"{size / 1e6:.1f} MB",
        "Id": about.id,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return (
        f'<dl class="facts">{rows}</dl><p class="quiet">To each module\'s weights, in every layer, it adds '
        "the product of two thin matrices, times the scale; the rank is how thin they are, the parameters "
        f"are all their numbers.</p>{render_likeness(about.likeness)}"
        f"<h3>Where it changes the model</h3>{render_heat(about.heat)}"
    )


def render_likeness(likeness: Likeness) -> str:
    """The nearest trained tasks as bars, a warning where they are far, and what that says."""
    title = "<h3>Nearest tasks of the training</h3>"
    if not likeness.nearest:
        return f'{title}<p class="quiet">Not known for this adapter.</p>'
    bars = "".join(
        f"<li><strong>{escape(near.name)}</strong> <span>{near.similarity:.2f}</span>"
        f'<div class="bar" aria-hidden="true"><i style="width:{100 * min(max(near.similarity, 0), 1):.0f}%">'
        f"</i></div><q>{escape(near.description)}</q></li>"
        for near in likeness.nearest
    )
    warning = f'<p class="warning">{escape(likeness.warning)}</p>' if likeness.warning else ""
    note = ""
    if likeness.far is not None:
        note = (
            f'<p class="quiet">Similarity alone says little: new descriptions below {likeness.far:.2f} '
            "score less, but many above it fail too.</p>"
        )
    return f'{title}{warning}<ol class="near">{bars}</ol>{note}'


def render_heat(heat: dict[str, list[float]]) -> str:
    """A map of layers and modules, with the same in words and as a table."""
    values = [value for row in heat.values() for value in row]
    means = {module: fmean(row) for module, row in heat.items()}
    peak, module, layer = max((value, m, i) for m, row in heat.items() for i, value in enumerate(row))
    told = (
        f"Size of the change relative to the base weights, by module and layer: from {min(values):.3f} to "
        f"{peak:.3f}, the largest in layer {layer}, {module}."
    )
    rows = "".join(
        f"<tr><th scope=row>{escape(m)}</th><td>{mean:.3f}</td><td>{max(heat[m]):.3f}</td></tr>"
        for m, mean in means.items()
    )
    return (
        f'<figure class="heat"><div role="img" aria-label="{escape(told)}">{_heat_svg(heat)}</div>'
        f"<figcaption>{escape(told)}</figcaption></figure><details><summary>As a table</summary><table>"
        "<thead><tr><th scope=col>Module</th><th scope=col>Mean of layers</th><th scope=col>Largest</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></details>"
    )


def _heat_svg(heat: dict[str, list[float]]) -> str:
    """The map as inline SVG in the page's own text colour, so that it reads on light and dark."""
    import matplotlib
    from matplotlib.figure import Figure

    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    with _drawing, matplotlib.rc_context({"svg.fonttype": "none", **ink}):
        figure = Figure(figsize=(5.4, 0.9 + 0.32 * len(heat)), layout="constrained")
        axes = figure.subplots()
        mesh = axes.pcolormesh(list(heat.values()), cmap="viridis")
        layers = range(0, len(next(iter(heat.values()))), 5)
        axes.set_xticks([i + 0.5 for i in layers], [str(i) for i in layers])
        axes.set_yticks([i + 0.5 for i in range(len(heat))], [name.rpartition(".")[2] for name in heat])
        axes.set_xlabel("layer")
        axes.invert_yaxis()
        bar = figure.colorbar(mesh, aspect=8, pad=0.02)
        for part in (axes, bar.ax):
            part.tick_params(length=0)
            part.spines[:].set_visible(False)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    # Its style rule would hold for the whole page; the text before <svg> belongs to a file.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg[svg.index("<svg") :].replace(_INK, "currentColor")
