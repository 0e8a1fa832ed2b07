"""Report: rows of results files to means over tasks, their intervals, paired differences, and tables.
Knows rows alone; measures nothing."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from t2l.errors import T2LError
from t2l.eval.run import METHODS

RESAMPLES = 10_000
METRICS = ("strict", "lenient")
# Held-out tasks that have no related training task.
APART = ("conll2003_organization", "english_spanish", "strategy_qa")
GROUPS = {
    "main": "Held-out tasks",
    "apart": "Held-out tasks that have no related training task",
    "benchmark": "Public benchmarks",
    "trained": "Tasks that were trained on, test examples",
}

Row = dict[str, Any]
# method -> task -> (strict, lenient), each a mean over descriptions.
Scores = dict[str, dict[str, tuple[float, float]]]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `values`, one value a task: 10,000 resamples, seed 0.

    Equal values give an interval without width, and few values one that is too narrow.
    """
    scores = torch.tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(scores), (RESAMPLES, len(scores)), generator=generator)
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = torch.quantile(scores[drawn].mean(1), ends).tolist()
    return low, high


def task_scores(rows: Iterable[Row]) -> Scores:
    """For each method and task the means over descriptions, in the order of METHODS and of task names.

    Raises T2LError where a description is missing or there twice: a mean over others is another number.
    """
    found: dict[str, dict[str, dict[int | None, Row]]] = {}
    for row in rows:
        method, task, number = row["method"], row["task"], row.get("description")
        if method not in METHODS:
            raise T2LError(f"The method {method!r} is unknown; choose rows of {', '.join(METHODS)}.")
        mine = found.setdefault(method, {}).setdefault(task, {})
        if number in mine:
            raise T2LError(
                f"{method} on {task} with description {number} is there twice; give the files of one "
                "measurement."
            )
        mine[number] = row
    for method, tasks in found.items():
        for task, mine in tasks.items():
            if lacking := [number for number in METHODS[method].descriptions if number not in mine]:
                raise T2LError(
                    f"{method} on {task} lacks description {lacking[0]}; let `t2l eval` finish first."
                )
    return {
        method: {
            task: (
                statistics.mean(row["strict"] for row in mine.values()),
                statistics.mean(row["lenient"] for row in mine.values()),
            )
            for task, mine in sorted(found[method].items())
        }
        for method in METHODS
        if method in found
    }


def summarize(held_out: Sequence[Row], trained: Sequence[Row] = ()) -> dict[str, Any]:
    """All numbers of a report as plain JSON: settings, and for each group methods, differences and tasks.

    held_out: rows of tasks of split eval. trained: rows of tasks that were trained on. Scores are percent;
    a difference is over the tasks that both methods have. Raises T2LError for rows of several measurements,
    trained tasks among held-out ones, or no rows.
    """
    rows = [*held_out, *trained]
    if not rows:
        raise T2LError("There are no rows to report; run `t2l eval` first.")
    for row in held_out:
        if row.get("split") == "train":
            raise T2LError(f"{row['task']} is a task of split train; give its file with --seen.")
    settings = {name: _one(rows, name) for name in ("dtype", "weights_id")}
    # Two tables: each may have a limit of its own.
    parts = (("limit", held_out), ("trained_limit", trained))
    settings |= {name: _one(part, "limit") for name, part in parts if part}
    made = [row for row in rows if row.get("generator_id") is not None]
    settings["generator_id"] = _one(made, "generator_id") if made else None
    for method in dict.fromkeys(row["method"] for row in rows):
        _one([row for row in rows if row["method"] == method], "format")
    by_group: dict[str, list[Row]] = {group: [] for group in GROUPS}
    for row in held_out:
        group = "benchmark" if row.get("benchmark") else "apart" if row["task"] in APART else "main"
        by_group[group].append(row)
    by_group["trained"] = list(trained)
    groups = [{"group": group, **_summary(mine)} for group, mine in by_group.items() if mine]
    return {"settings": settings, "groups": groups}


def _one(rows: Sequence[Row], name: str) -> Any:
    values = list(dict.fromkeys(row.get(name) for row in rows))
    if len(values) > 1:
        raise T2LError(
            f"The rows are of several measurements ({name}: {', '.join(map(str, values))}); remove those "
            "that are out of date, or measure into a new file."
        )
    return values[0]


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    scores = task_scores(rows)
    examples = {(row["method"], row["task"]): row["n"] for row in rows}
    methods = [
        {
            "method": method,
            "tasks": len(tasks),
            "examples": sum(examples[method, task] for task in tasks),
            **_percent(list(tasks.values())),
        }
        for method, tasks in scores.items()
    ]
    # Differences are told from the side of the first method that answers with a task's own adapter.
    lead = next((method for method in scores if METHODS[method].adapter == "own"), "")
    mine, differences = scores.get(lead, {}), []
    for other, theirs in scores.items():
        both = [task for task in mine if task in theirs]
        if other != lead and both:
            values = [(mine[task][0] - theirs[task][0], mine[task][1] - theirs[task][1]) for task in both]
            differences.append({"method": lead, "minus": other, "tasks": len(both), **_percent(values)})
    names = sorted({task for tasks in scores.values() for task in tasks})
    by_task = {
        task: {m: [round(100 * v, 1) for v in scores[m][task]] for m in scores if task in scores[m]}
        for task in names
    }
    return {"methods": methods, "differences": differences, "tasks": by_task}


def _percent(values: Sequence[tuple[float, float]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, column in zip(METRICS, zip(*values, strict=True), strict=True):
        out[name] = round(100 * statistics.mean(column), 1)
        out[f"{name}_95"] = [round(100 * end, 1) for end in interval(column)]
    return out


def lines(report: dict[str, Any]) -> list[str]:
    """The methods' means as text for a terminal."""
    out = []
    for group in report["groups"]:
        out.append(GROUPS[group["group"]])
        for row in group["methods"]:
            scores = "  ".join(f"{name} {row[name]:5.1f} % ({_range(row, name)})" for name in METRICS)
            out.append(f"  {row['method']:<12} {scores}  ({row['tasks']} tasks, {row['examples']} examples)")
    return out


def tables(report: dict[str, Any]) -> dict[str, str]:
    """The report's Markdown in parts: "methods" (means and differences) and "by task"."""
    methods, by_task = [], []
    for group in report["groups"]:
        title = GROUPS[group["group"]]
        table = [[title, "strict", "95 %", "lenient", "95 %", "tasks", "examples"]]
        for row in group["methods"]:
            label = METHODS[row["method"]].label
            table.append([label, *_cells(row), str(row["tasks"]), str(row["examples"])])
        methods.append(_table(table))
        # Of the few tasks apart, differences would say nothing.
        if group["differences"] and group["group"] != "apart":
            lead = group["differences"][0]["method"]
            table = [[f"Paired differences: {lead} minus", "strict", "95 %", "lenient", "95 %", "tasks"]]
            table += [[row["minus"], *_cells(row), str(row["tasks"])] for row in group["differences"]]
            methods.append(_table(table))
        names = [row["method"] for row in group["methods"]]
        table = [[f"{title}: strict/lenient", *names]]
        for task, scores in group["tasks"].items():
            cells = ["/".join(f"{v:.0f}" for v in scores[name]) if name in scores else "" for name in names]
            table.append([task, *cells])
        by_task.append(_table(table))
    return {"methods": "\n\n".join(methods), "by task": "\n\n".join(by_task)}


def fill(text: str, parts: dict[str, str]) -> str:
    """`text` with every part put between its marks, `<!-- methods -->` and `<!-- /methods -->`.

    Raises T2LError where the text has no such marks at all.
    """
    count = 0
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, n = re.subn(pattern, lambda m, part=part: f"{m[1]}{part}\n{m[2]}", text, flags=re.DOTALL)
        count += n
    if not count:
        marks = " or ".join(f"<!-- {name} --> ... <!-- /{name} -->" for name in parts)
        raise T2LError(f"There is no place for the tables; mark one with {marks}.")
    return text


def _range(row: dict[str, Any], name: str) -> str:
    low, high = (round(end) for end in row[f"{name}_95"])
    return f"{low} to {high}"


def _cells(row: dict[str, Any]) -> list[str]:
    return [cell for name in METRICS for cell in (f"{row[name]:.1f}", _range(row, name))]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
