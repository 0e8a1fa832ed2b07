"""Plots of rows: what each shows follows from the rows and an analysis alone; a plot without data is none.
Knows rows and matplotlib; measures nothing."""

from __future__ import annotations

import io
import re
import statistics
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from t2l.errors import T2LError
from t2l.eval.analysis import rank_correlation
from t2l.eval.report import APART, Row, columns, interval, method_of, summarize

# Stands for the page's own text colour, which a figure cannot know.
_INK = "#010203"
# matplotlib's settings are one set for the whole process.
_drawing = threading.Lock()
# One group of a report, and what `t2l analyse` wrote; None where there is none.
Group = Analysis = dict[str, Any] | None
_STYLES = ("terse", "paper", "wish", "input/output", "vague", "synonyms", "free", "free 2")


@dataclass(frozen=True)
class Plot:
    """A figure as SVG text, its title, and the same in words for who cannot see it."""

    name: str
    title: str
    told: str
    svg: str


def plots(rows: Sequence[Row], analysis: Analysis = None) -> tuple[list[Plot], list[str]]:
    """Every plot that the rows have data for, and what the others lack, in sentences.

    rows: of one split, as `summarize` takes them.
    """
    group = _group(rows)  # once: it has hundreds of intervals
    found = [
        _methods(group),
        _tasks(group),
        _similarity(rows),
        _styles(rows),
        _seconds(rows, group),
        _training_tasks(rows, group),
        _groups(analysis),
    ]
    return [f for f in found if isinstance(f, Plot)], [f for f in found if isinstance(f, str)]


def write_plots(folder: str | Path, made: Sequence[Plot], ink: str = "#222222") -> list[Path]:
    """Writes every plot as NAME.svg; returns the files."""
    place, files = Path(folder), []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for plot in made:
            files.append(place / f"{plot.name}.svg")
            files[-1].write_text(plot.svg.replace("currentColor", ink), encoding="utf-8")
    except OSError as err:
        raise T2LError(f"{folder} cannot be written ({err}); choose another --plots.") from err
    return files


def _svg(draw: Callable[[Any], None], size: tuple[float, float]) -> str:
    """A figure as inline SVG in the page's own text colour, so that it reads on light and dark."""
    import matplotlib
    from matplotlib.figure import Figure

    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with (
        _drawing,
        matplotlib.rc_context({"svg.fonttype": "none", "font.size": 9, **dict.fromkeys(names, _INK)}),
    ):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.patch.set_alpha(0)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    # Its style rule would hold for the whole page; the text before <svg> belongs to a file.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return text[text.index("<svg") :].replace(_INK, "currentColor")


def _main(rows: Sequence[Row]) -> list[Row]:
    """Held-out tasks that have relatives in training, or all rows where these are of trained tasks."""
    main = [
        r for r in rows if r.get("split") != "train" and not r.get("benchmark") and r["task"] not in APART
    ]
    return main or [row for row in rows if row.get("split") == "train"]


def _group(rows: Sequence[Row]) -> Group:
    main = _main(rows)
    if not main:
        return None
    trained = main[0].get("split") == "train"
    return summarize([], main)["groups"][0] if trained else summarize(main)["groups"][0]


def _methods(group: Group) -> Plot | str:
    if group is None:
        return "Methods: there are no rows."
    found = group["methods"]

    def draw(axes: Any) -> None:
        for place, row in enumerate(reversed(found)):
            low, high = row["strict_95"]
            own = method_of(row["method"]).leads
            axes.barh(place, row["strict"], color="#6d5bd0" if own else "#9aa4b2", height=0.7)
            axes.plot([low, high], [place, place], color=_INK, linewidth=1)
        named = [f"{row['method']} ({row['tasks']} tasks)" for row in reversed(found)]
        axes.set_yticks(range(len(found)), named)
        axes.set_xlabel("strict, % (95 % over tasks)")
        axes.set_xlim(left=0)

    told = "; ".join(f"{row['method']} {row['strict']:.1f} %" for row in found)
    return Plot("methods", "Score of each method", told, _svg(draw, (6.4, 0.9 + 0.3 * len(found))))


def _tasks(group: Group) -> Plot | str:
    if group is None:
        return "Methods by task: there are no rows."
    names, tasks = [row["method"] for row in group["methods"]], group["tasks"]
    shown = list(tasks)[:60]

    def draw(axes: Any) -> None:
        values = [[tasks[t][m][0] if m in tasks[t] else float("nan") for m in names] for t in shown]
        mesh = axes.pcolormesh(values, cmap="viridis", vmin=0, vmax=100)
        axes.set_xticks([i + 0.5 for i in range(len(names))], names, rotation=45, ha="right")
        axes.set_yticks([i + 0.5 for i in range(len(shown))], shown)
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.figure.colorbar(mesh, ax=axes, label="strict, %", aspect=30)

    best = {t: max(names, key=lambda m, t=t: tasks[t][m][0] if m in tasks[t] else -1) for t in shown}
    counts = {m: list(best.values()).count(m) for m in names}
    told = "Tasks on which a method is best: " + ", ".join(f"{m} {n}" for m, n in counts.items() if n)
    return Plot(
        "tasks",
        "Every method on every task",
        told,
        _svg(draw, (1.5 + 0.45 * len(names), 2 + 0.19 * len(shown))),
    )


def _similarity(rows: Sequence[Row]) -> Plot | str:
    found: dict[str, list[tuple[float, float]]] = {}
    for column, row in zip(columns(rows), rows, strict=True):
        if method_of(column).leads and row.get("similarity") is not None:
            found.setdefault(column, []).append((row["similarity"], 100 * row["strict"]))
    found = {column: points for column, points in found.items() if len(points) > 2}
    if not found:
        return "Score against similarity: no row of Text-to-LoRA tells its similarity to the training tasks."
    told = {
        column: rank_correlation(*(torch.tensor(v, dtype=torch.float64) for v in zip(*points, strict=True)))
        for column, points in found.items()
    }

    def draw(axes: Any) -> None:
        for column, points in found.items():
            axes.scatter(
                *zip(*points, strict=True), s=14, alpha=0.7, label=f"{column} (rank corr. {told[column]:.2f})"
            )
        axes.set_xlabel("cosine with the nearest training task")
        axes.set_ylabel("strict, %")
        axes.legend(frameon=False)

    words = "; ".join(
        f"{c}: rank correlation {r:.2f} over {len(found[c])} descriptions" for c, r in told.items()
    )
    return Plot("similarity", "Score against similarity to the training tasks", words, _svg(draw, (6.4, 3.4)))


def _styles(rows: Sequence[Row]) -> Plot | str:
    scores: dict[str, dict[int, list[float]]] = {}
    main = _main(rows)
    for column, row in zip(columns(main), main, strict=True):
        if column.partition("@")[0] == "t2l_styles":
            scores.setdefault(column, {}).setdefault(row["description"], []).append(100 * row["strict"])
    if not scores:
        return "By style of description: t2l_styles was not measured."
    means = {c: {d: statistics.mean(v) for d, v in by.items()} for c, by in scores.items()}

    def draw(axes: Any) -> None:
        for shift, (column, by) in enumerate(scores.items()):
            places = [d + 0.2 * shift for d in sorted(by)]
            axes.plot(places, [means[column][d] for d in sorted(by)], "o", label=column)
            for place, d in zip(places, sorted(by), strict=True):
                axes.plot([place, place], interval(by[d]), color=_INK, linewidth=1)
        axes.set_xticks(range(8), _STYLES, rotation=20)
        axes.set_ylabel("strict, %")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    told = "; ".join(
        f"{c}: " + ", ".join(f"{_STYLES[d]} {m:.1f} %" for d, m in sorted(by.items()))
        for c, by in means.items()
    )
    return Plot("styles", "Score by style of the description", told, _svg(draw, (6.4, 3.4)))


def _seconds(rows: Sequence[Row], group: Group) -> Plot | str:
    main, spent = _main(rows), {}
    for column, row in zip(columns(main), main, strict=True):
        # What a method spends on a task before its first answer.
        if row.get("adapter_seconds") is not None and method_of(column).whose is not None:
            spent.setdefault(column, []).append(row["adapter_seconds"])
    if not spent or group is None:
        return "Score against seconds: no row tells how long its adapter took."
    scores = {row["method"]: row["strict"] for row in group["methods"]}
    points = {c: (max(statistics.mean(v), 1e-3), scores[c]) for c, v in spent.items()}

    def draw(axes: Any) -> None:
        for column, point in points.items():
            axes.scatter(*point, s=22)
            axes.annotate(column, point, xytext=(4, 4), textcoords="offset points", fontsize=8)
        for column in ("base", "icl"):
            if column in scores:
                axes.axhline(scores[column], color=_INK, linewidth=0.8, linestyle=":")
                axes.annotate(
                    column, (1, scores[column]), xycoords=("axes fraction", "data"), ha="right", fontsize=8
                )
        axes.set_xscale("log")
        axes.set_xlabel("seconds from task to adapter")
        axes.set_ylabel("strict, %")

    told = "; ".join(f"{c}: {score:.1f} % after {s:.3g} s" for c, (s, score) in points.items())
    return Plot("seconds", "Score against the seconds that an adapter takes", told, _svg(draw, (6.4, 3.6)))


def _training_tasks(rows: Sequence[Row], group: Group) -> Plot | str:
    main = _main(rows)
    sizes = {
        column: row["trained_tasks"]
        for column, row in zip(columns(main), main, strict=True)
        if method_of(column).leads and row.get("trained_tasks")
    }
    if group is None or len(set(sizes.values())) < 2:
        return "Score against the number of training tasks: two checkpoints of different size are needed."
    scores = {row["method"]: row for row in group["methods"] if row["method"] in sizes}

    def draw(axes: Any) -> None:
        for column, row in scores.items():
            axes.plot([sizes[column]] * 2, row["strict_95"], color=_INK, linewidth=1)
            axes.scatter(sizes[column], row["strict"], s=24, label=column)
        axes.set_xscale("log")
        axes.set_xlabel("tasks that the checkpoint was trained on")
        axes.set_ylabel("strict, %")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    told = "; ".join(f"{c}: {sizes[c]} tasks, {row['strict']:.1f} %" for c, row in scores.items())
    return Plot("training_tasks", "Score against the number of training tasks", told, _svg(draw, (6.4, 3.2)))


def _groups(analysis: Analysis) -> Plot | str:
    found = (analysis or {}).get("grouping", [])
    if not found:
        return "Whether like descriptions get like adapters: there is no analysis (`t2l analyse`)."

    def draw(axes: Any) -> None:
        for one in found:
            name = f"{one['adapters']} (rank corr. {one['rank_correlation']:.2f})"
            axes.scatter(one["descriptions"], one["deltas"], s=3, alpha=0.3, label=name, rasterized=True)
        axes.set_xlabel("cosine of two tasks' descriptions")
        axes.set_ylabel("cosine of their adapters' ΔW")
        axes.legend(frameon=False, markerscale=4)

    told = "; ".join(
        f"{one['adapters']}: rank correlation {one['rank_correlation']:.2f} over {one['tasks']} tasks' pairs"
        for one in found
    )
    return Plot("groups", "Whether like descriptions get like adapters", told, _svg(draw, (6.4, 3.8)))


def steering_table(analysis: dict[str, Any]) -> str:
    """The steered answers as Markdown: one input, every description, its answer."""
    parts = []
    for one in analysis["steer"]:
        table = [f"| {one['checkpoint']}: {_cell(one['input'])} | answer |", "|---|---|"]
        table += [
            f"| {_cell(row['description']) or 'base alone'} | {_cell(row['answer'])} |"
            for row in one["answers"]
        ]
        parts.append("\n".join(table))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
