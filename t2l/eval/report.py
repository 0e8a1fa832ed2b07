"""Report: rows of results files to means over tasks, their intervals, paired differences, and tables.
Knows rows alone; measures nothing."""

from __future__ import annotations

import re
import statistics
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch

from t2l.errors import T2LError
from t2l.eval.methods import METHODS, Method

RESAMPLES = 10_000
_RESAMPLES_OF_BOTH = 2_000
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
    return _ends(_resamples(len(scores)) @ scores / len(scores))


def interval_of_both(outcomes: Sequence[torch.Tensor]) -> tuple[float, float]:
    """95 % percentile bootstrap interval over tasks and over the examples within each, seed 0.

    outcomes: for every task the scores of its examples, or their differences between two methods.
    """
    times, tasks, which = _resamples_of_both(tuple(map(len, outcomes)))
    means = torch.stack([n @ scores / len(scores) for n, scores in zip(times, outcomes, strict=True)])
    return _ends(means[tasks, which].mean(1))


# A table asks for hundreds of intervals over the same few tasks.
@lru_cache(maxsize=4)
def _resamples(size: int) -> torch.Tensor:
    return _times(RESAMPLES, size, torch.Generator().manual_seed(0))


@lru_cache(maxsize=2)
def _resamples_of_both(sizes: tuple[int, ...]) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """_times of every task; which tasks are drawn (resamples, tasks), and which of a task's means."""
    generator = torch.Generator().manual_seed(0)
    times = [_times(_RESAMPLES_OF_BOTH, size, generator) for size in sizes]
    shape = (_RESAMPLES_OF_BOTH, len(sizes))
    tasks = torch.randint(len(sizes), shape, generator=generator)
    return times, tasks, torch.randint(_RESAMPLES_OF_BOTH, shape, generator=generator)


def _times(resamples: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """How many times each of `size` values is in each resample: (resamples, size)."""
    drawn = torch.randint(size, (resamples, size), generator=generator)
    one = torch.ones(drawn.shape, dtype=torch.float64)
    return torch.zeros_like(one).scatter_add_(1, drawn, one)


def _ends(means: torch.Tensor) -> tuple[float, float]:
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def columns(rows: Sequence[Row]) -> list[str]:
    """What each row's method is called in a table: with its checkpoint's name, where there are several."""
    several = len({row["generator_id"] for row in rows if row.get("generator_id")}) > 1

    def name(row: Row) -> str:
        if not several or not row.get("generator_id"):
            return row["method"]
        return f"{row['method']}@{row.get('generator') or row['generator_id'][:8]}"

    return [name(row) for row in rows]


def method_of(column: str) -> Method:
    """The method that a column of a table shows."""
    return METHODS[column.partition("@")[0]]


def label(column: str) -> str:
    """A column in words."""
    checkpoint = column.partition("@")[2]
    return method_of(column).label + (f" ({checkpoint})" if checkpoint else "")


def by_question(rows: Iterable[Row]) -> dict[str, dict[str, dict[tuple[int | None, int | None], Row]]]:
    """Rows by column, task, and (description, seed); in the order of METHODS, of the rows, and of task names.

    Raises T2LError where a description is missing or there twice: a mean over others is another number.
    """
    rows = list(rows)
    for row in rows:
        if row["method"] not in METHODS:
            raise T2LError(f"The method {row['method']!r} is unknown; choose rows of {', '.join(METHODS)}.")
    found: dict[str, dict[str, dict[tuple[int | None, int | None], Row]]] = {}
    generators: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    for column, row in zip(columns(rows), rows, strict=True):
        if (n := counts.setdefault(row["task"], row.get("n"))) != row.get("n"):
            raise T2LError(
                f"{row['task']} was measured on {n} and on {row.get('n')} examples, which cannot be "
                "compared; remove the rows of one version of the suite."
            )
        if generators.setdefault(column, row.get("generator_id")) != row.get("generator_id"):
            raise T2LError(f"{column} has rows of two checkpoints of that name; remove those of one.")
        number, seed = row.get("description"), row.get("seed")
        mine = found.setdefault(column, {}).setdefault(row["task"], {})
        if (other := mine.get((number, seed))) is not None:
            reason = (
                "of two versions of the suite; remove the rows of one"
                if other.get("data") != row.get("data")
                else "there twice; give the files of one measurement"
            )
            raise T2LError(f"{column} on {row['task']} with description {number} is {reason}.")
        mine[number, seed] = row
    for column, tasks in found.items():
        for task, mine in tasks.items():
            there = {number for number, _ in mine}
            if lacking := [number for number in method_of(column).descriptions if number not in there]:
                raise T2LError(
                    f"{column} on {task} lacks description {lacking[0]}; let `t2l eval` finish first."
                )
        every = set().union(*tasks.values())
        for task, mine in tasks.items():
            if unlike := sorted({seed or 0 for _, seed in every - mine.keys()}):
                raise T2LError(
                    f"{column} on {task} lacks seed {unlike[0]}, which other tasks have; "
                    "let `t2l eval` finish first."
                )
    order = sorted(found, key=lambda column: list(METHODS).index(column.partition("@")[0]))
    return {column: dict(sorted(found[column].items())) for column in order}


def task_scores(rows: Iterable[Row]) -> Scores:
    """For each method and task the means over descriptions and seeds; order and errors as `by_question`."""
    return {
        column: {
            task: (
                statistics.mean(row["strict"] for row in mine.values()),
                statistics.mean(row["lenient"] for row in mine.values()),
            )
            for task, mine in tasks.items()
        }
        for column, tasks in by_question(rows).items()
    }


def outcomes(rows: Iterable[Row], metric: str) -> dict[str, dict[str, torch.Tensor]]:
    """For each method and task the scores of the examples, (n,), means over descriptions and seeds.

    Rows of older versions do not tell them; those tasks are left out.
    """
    found: dict[str, dict[str, torch.Tensor]] = {}
    for column, tasks in by_question(rows).items():
        for task, mine in tasks.items():
            each = [row.get(f"{metric}_each") for row in mine.values()]
            if all(each):
                scores = torch.tensor(
                    [[float(c) for c in text] for text in each if text], dtype=torch.float64
                )
                found.setdefault(column, {})[task] = scores.mean(0)
    return found


def summarize(held_out: Sequence[Row], trained: Sequence[Row] = ()) -> dict[str, Any]:
    """All numbers of a report as plain JSON: settings, and for each group methods, differences and tasks.

    held_out: rows of tasks of split eval. trained: rows of tasks that were trained on. Scores are percent;
    a difference is over the tasks that both methods have. Raises T2LError for rows of several measurements,
    trained tasks among held-out ones or the other way round, or no rows.
    """
    rows = [*held_out, *trained]
    if not rows:
        raise T2LError("There are no rows to report; run `t2l eval` first.")
    for row in held_out:
        if row.get("split") == "train":
            raise T2LError(f"{row['task']} is a task of split train; give its file with --seen.")
    for row in trained:
        if row.get("split") == "eval":
            raise T2LError(f"{row['task']} is a task of split eval; give its file without --seen.")
    settings = {"weights_id": _one(rows, "weights_id"), "dtype": _types(rows)}
    # Two tables: each may have a limit of its own.
    parts = (("limit", held_out), ("trained_limit", trained))
    settings |= {name: _one(part, "limit") for name, part in parts if part}
    made = [row for row in rows if row.get("generator_id") is not None]
    ids = list(dict.fromkeys(row["generator_id"] for row in made))
    settings["generator_id"] = ids if len(ids) > 1 else next(iter(ids), None)
    for method in dict.fromkeys(row["method"] for row in rows):
        for name in ("format", "adapters_id"):
            _one([row for row in rows if row["method"] == method], name)
    by_group: dict[str, list[Row]] = {group: [] for group in GROUPS}
    for row in held_out:
        group = "benchmark" if row.get("benchmark") else "apart" if row["task"] in APART else "main"
        by_group[group].append(row)
    by_group["trained"] = list(trained)
    groups = [{"group": group, **_summary(mine)} for group, mine in by_group.items() if mine]
    return {"settings": settings, "groups": groups}


def _types(rows: Sequence[Row]) -> Any:
    """The type that the base computed in; where methods were measured in several, type -> methods."""
    by_method: dict[str, list[Row]] = {}
    for column, row in zip(columns(rows), rows, strict=True):
        by_method.setdefault(column, []).append(row)
    found: dict[str, list[str]] = {}
    for column, mine in by_method.items():
        found.setdefault(_one(mine, "dtype"), []).append(column)
    return found if len(found) > 1 else next(iter(found))


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
    named = list(zip(columns(rows), rows, strict=True))
    examples = {(column, row["task"]): row["n"] for column, row in named}
    methods = [
        {
            "method": method,
            "tasks": len(tasks),
            "examples": sum(examples[method, task] for task in tasks),
            **_percent(list(tasks.values())),
        }
        for method, tasks in scores.items()
    ]
    lead = _lead(list(scores), {column for column, row in named if row.get("says_task")})
    mine, differences = scores.get(lead, {}), []
    each = {metric: outcomes(rows, metric) for metric in METRICS}
    for other, theirs in scores.items():
        both = [task for task in mine if task in theirs]
        if other != lead and both:
            values = [(mine[task][0] - theirs[task][0], mine[task][1] - theirs[task][1]) for task in both]
            row = {"method": lead, "minus": other, "tasks": len(both), **_percent(values)}
            # Equal means can differ in their last bit.
            row |= {"wins": sum(v > 1e-9 for v, _ in values), "losses": sum(v < -1e-9 for v, _ in values)}
            for metric, found in each.items():
                pairs = [(found.get(lead, {}).get(t), found.get(other, {}).get(t)) for t in both]
                by_example = [a - b for a, b in pairs if a is not None and b is not None and len(a) == len(b)]
                if len(by_example) == len(both):
                    row[f"{metric}_95_both"] = _rounded(interval_of_both(by_example))
            differences.append(row)
    for row in methods:
        for metric, found in each.items():
            told = found.get(row["method"], {})
            if len(told) == row["tasks"]:
                row[f"{metric}_95_both"] = _rounded(interval_of_both(list(told.values())))
    names = sorted({task for tasks in scores.values() for task in tasks})
    by_task = {
        task: {m: [round(100 * v, 1) for v in scores[m][task]] for m in scores if task in scores[m]}
        for task in names
    }
    return {"methods": methods, "differences": differences, "tasks": by_task}


def _lead(found: Sequence[str], says_task: Container[str]) -> str:
    """The column from whose side differences are told; "" where no adapter is of the task itself.

    Of the first checkpoint's, that which asks in its way.
    """
    leading = [column for column in found if method_of(column).leads]
    mine = [column for column in leading if column.partition("@")[2] == leading[0].partition("@")[2]]
    return min(mine, key=lambda column: method_of(column).tells != (column in says_task), default="")


def _percent(values: Sequence[tuple[float, float]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, column in zip(METRICS, zip(*values, strict=True), strict=True):
        out[name] = round(100 * statistics.mean(column), 1)
        out[f"{name}_95"] = _rounded(interval(column))
    return out


def _rounded(ends: tuple[float, float]) -> list[float]:
    return [round(100 * end, 1) for end in ends]


def missing(report: dict[str, Any]) -> list[str]:
    """What the tables lack, in sentences: methods without rows, and tasks that a method leaves out."""
    out = []
    if isinstance(types := report["settings"]["dtype"], dict):
        told = "; ".join(f"{name}: {', '.join(methods)}" for name, methods in types.items())
        out.append(f"The base computed in several types ({told}).")
    there = {row["method"].partition("@")[0] for group in report["groups"] for row in group["methods"]}
    if lacking := [name for name in METHODS if name not in there]:
        out.append(f"Not measured: {', '.join(lacking)}.")
    for group in report["groups"]:
        for row in group["methods"]:
            left = [task for task, scores in group["tasks"].items() if row["method"] not in scores]
            if left:
                named = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
                out.append(f"{GROUPS[group['group']]}: {row['method']} lacks {len(left)} tasks ({named}).")
    return out


def lines(report: dict[str, Any]) -> list[str]:
    """The methods' means as text for a terminal."""
    out = []
    for group in report["groups"]:
        out.append(GROUPS[group["group"]])
        for row in group["methods"]:
            scores = "  ".join(f"{name} {row[name]:5.1f} % ({_range(row, name)})" for name in METRICS)
            out.append(f"  {row['method']:<15} {scores}  ({row['tasks']} tasks, {row['examples']} examples)")
    return out


def tables(report: dict[str, Any]) -> dict[str, str]:
    """The report's Markdown in parts: "methods" (means and differences) and "by task"."""
    methods, by_task = [], []
    for group in report["groups"]:
        title = GROUPS[group["group"]]
        table = [[title, "strict", "95 %", "lenient", "95 %", "tasks", "examples"]]
        for row in group["methods"]:
            table.append([label(row["method"]), *_cells(row), str(row["tasks"]), str(row["examples"])])
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
    parts = {"methods": "\n\n".join(methods), "by task": "\n\n".join(by_task)}
    return {**parts, **_more(report)}


def _more(report: dict[str, Any]) -> dict[str, str]:
    """Wins and losses, intervals over examples too, and what is missing."""
    wins, both = [], []
    for group in report["groups"]:
        if group["differences"]:
            lead = group["differences"][0]["method"]
            table = [[f"{GROUPS[group['group']]}: {lead} against", "wins", "ties", "losses", "tasks"]]
            for row in group["differences"]:
                ties = row["tasks"] - row["wins"] - row["losses"]
                table.append([row["minus"], *map(str, (row["wins"], ties, row["losses"], row["tasks"]))])
            wins.append(_table(table))
        head = f"{GROUPS[group['group']]}: strict"
        table = [[head, "mean", "95 % over tasks", "over tasks and examples"]]
        named = [(row["method"], row) for row in group["methods"]]
        named += [(f"{row['method']} minus {row['minus']}", row) for row in group["differences"]]
        for name, row in named:
            if "strict_95_both" in row:
                ends = [_range(row, "strict"), _range(row, "strict", "_95_both")]
                table.append([name, f"{row['strict']:.1f}", *ends])
        if len(table) > 1:
            both.append(_table(table))
    parts = {"wins": "\n\n".join(wins), "intervals": "\n\n".join(both)}
    parts["missing"] = "\n".join(f"- {line}" for line in missing(report))
    return {name: part for name, part in parts.items() if part}


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


def _range(row: dict[str, Any], name: str, kind: str = "_95") -> str:
    low, high = (round(end) for end in row[f"{name}{kind}"])
    return f"{low} to {high}"


def _cells(row: dict[str, Any]) -> list[str]:
    return [cell for name in METRICS for cell in (f"{row[name]:.1f}", _range(row, name))]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
