"""What is made of rows beside means: intervals over examples, several checkpoints, plots, the Results tab."""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import REPO
from test_eval import row, three

from t2l.attach import spec_for
from t2l.cli import main
from t2l.errors import T2LError
from t2l.eval.analysis import delta_cosines, rank_correlation, read_analysis
from t2l.eval.methods import METHODS
from t2l.eval.plots import plots
from t2l.eval.report import columns, interval, interval_of_both, missing, summarize, tables, task_scores
from t2l.studio import measurements, results
from t2l.ui.results import render_missing, render_plots, render_tables


def answers(scores: str) -> dict[str, Any]:
    """The part of a row that tells every example's outcome."""
    mean = statistics.mean(map(int, scores))
    return {"score": mean, "strict_each": scores, "lenient_each": scores, "n": len(scores), "lenient": mean}


def test_an_interval_over_tasks_and_examples_is_as_wide_as_both_spreads() -> None:
    # Tasks that all score half: over tasks there is no spread, within them that of 20 coins, 40 times.
    coins = [torch.tensor([0.0, 1.0] * 10, dtype=torch.float64)] * 40
    low, high = interval_of_both(coins)
    error = 1.96 * 0.5 / math.sqrt(20 * 40)
    assert interval([0.5] * 40) == (0.5, 0.5)
    assert low == pytest.approx(0.5 - error, abs=0.15 * error * 2)
    assert high == pytest.approx(0.5 + error, abs=0.15 * error * 2)
    # Tasks whose examples all agree have the spread over tasks alone.
    values = [math.sin(n) for n in range(60)]
    both = interval_of_both([torch.full((5,), v, dtype=torch.float64) for v in values])
    assert both == pytest.approx(interval(values), abs=0.03)


def test_equal_means_are_neither_won_nor_lost() -> None:
    rows = [row("base", task, 0.2) for task in "ab"]
    rows += three("t2l", "a", 0.1, 0.2, 0.3) + three("t2l", "b", 0.2, 0.2, 0.2)
    assert (0.1 + 0.2 + 0.3) / 3 != 0.2
    (difference,) = summarize(rows)["groups"][0]["differences"]
    assert (difference["wins"], difference["losses"]) == (0, 0)


def test_differences_are_paired_by_example_where_rows_tell_them() -> None:
    draw = random.Random(0)
    rows = []
    for task in "abcdefgh":
        base = [draw.randrange(2) for _ in range(30)]
        # The same examples right, and one more.
        ours = [1 if n == base.index(0) else v for n, v in enumerate(base)]
        rows.append(row("base", task, **answers("".join(map(str, base)))))
        for number in (0, 3, 6):
            rows.append(row("t2l", task, number=number, **answers("".join(map(str, ours)))))
    (group,) = summarize(rows)["groups"]
    (difference,) = group["differences"]
    assert (difference["wins"], difference["losses"], difference["strict"]) == (8, 0, 3.3)
    low, high = difference["strict_95_both"]
    assert 0 < low < 3.3 < high < 7
    told = group["methods"][0]["strict_95_both"]
    assert told[1] - told[0] > high - low
    parts = tables(summarize(rows))
    assert "| base | 8 | 0 | 0 | 8 |" in parts["wins"] and "t2l minus base | 3.3" in parts["intervals"]
    # Rows of an older version have no such interval, and all else.
    old = [{k: v for k, v in r.items() if not k.endswith("_each")} for r in rows]
    assert "intervals" not in tables(summarize(old)) and summarize(old)["groups"][0]["methods"][0]["strict"]


def test_a_score_is_a_mean_over_seeds_too() -> None:
    rows = [row("finetune_16", "a", score, seed=seed) for seed, score in enumerate((0.1, 0.5))]
    assert task_scores(rows) == {"finetune_16": {"a": (pytest.approx(0.3), 1.0)}}
    with pytest.raises(T2LError, match="twice"):
        summarize([*rows, rows[0]])


def test_rows_of_two_versions_of_the_suite_are_refused() -> None:
    with pytest.raises(T2LError, match="two versions of the suite"):
        summarize([row("base", "a", 1, data="x"), row("base", "a", 1, data="y")])
    # Of two methods, or of two descriptions, they would be paired with other examples.
    first, second, third = three("t2l", "a", 1, 1, 1)
    for rows in (
        [first, second, third, row("base", "a", 1, n=2)],
        [first, {**second, "n": 2}, third],
    ):
        with pytest.raises(T2LError, match="a was measured on 50 and on 2 examples"):
            summarize(rows)
    with pytest.raises(T2LError, match="adapters_id: l, m"):
        summarize([row("mean", "a", 1, adapters_id="l"), row("mean", "b", 1, adapters_id="m")])


def test_several_checkpoints_stand_side_by_side() -> None:
    one = [{**r, "generator_id": "1" * 64, "generator": "small"} for r in three("t2l", "a", 1, 1, 1)]
    two = [{**r, "generator_id": "2" * 64} for r in three("t2l", "a", 0, 0, 0)]
    rows = [row("base", "a", 0), *one, *two]
    assert columns(rows) == ["base", *["t2l@small"] * 3, *["t2l@22222222"] * 3]
    report = summarize(rows)
    assert report["settings"]["generator_id"] == ["1" * 64, "2" * 64]
    assert [r["method"] for r in report["groups"][0]["methods"]] == ["base", "t2l@small", "t2l@22222222"]
    assert "| **Text-to-LoRA**, input alone (small) | 100.0 |" in tables(report)["methods"]
    assert columns(rows[:4]) == ["base", "t2l", "t2l", "t2l"]
    # Of one name they would be one number.
    other = [{**r, "generator_id": "2" * 64, "generator": "small", "task": "b"} for r in two]
    with pytest.raises(T2LError, match="t2l@small has rows of two checkpoints of that name"):
        summarize([*one, *other])


def test_methods_may_be_measured_in_types_of_their_own_and_the_report_says_so() -> None:
    rows = [row("base", "a", 0), *({**r, "dtype": "float32"} for r in three("t2l", "a", 1, 1, 1))]
    report = summarize(rows)
    assert report["settings"]["dtype"] == {"bfloat16": ["base"], "float32": ["t2l"]}
    assert missing(report)[0] == "The base computed in several types (bfloat16: base; float32: t2l)."
    assert summarize(rows[1:])["settings"]["dtype"] == "float32"


def test_differences_are_told_from_the_checkpoints_own_way_of_asking() -> None:
    rows = [
        row("base", "a", 0),
        *(r for method in ("t2l", "t2l_told", "t2l_told_icl") for r in three(method, "a", 1, 1, 1)),
    ]
    plain = [{**r, "generator_id": "1" * 64} if r["method"] != "base" else r for r in rows]
    told = [{**r, "says_task": True} if r["method"] != "base" else r for r in plain]
    for those, lead in ((plain, "t2l"), (told, "t2l_told"), (rows[:1], None)):
        differences = summarize(those)["groups"][0]["differences"]
        assert {d["method"] for d in differences} == ({lead} if lead else set())
    # Of several checkpoints the first one's.
    other = [{**r, "generator_id": "2" * 64} for r in three("t2l", "a", 0, 0, 0)]
    (group,) = summarize([*told, *other])["groups"]
    assert {d["method"] for d in group["differences"]} == {"t2l_told@11111111"}


def test_trained_tasks_may_be_reported_alone_and_held_out_ones_never_pass_for_them() -> None:
    report = summarize([], [row("base", "a", 0.5, split="train")])
    assert [group["group"] for group in report["groups"]] == ["trained"]
    with pytest.raises(T2LError, match="without --seen"):
        summarize([], [row("base", "a", 0.5, split="eval")])


def test_what_is_missing_is_told() -> None:
    report = summarize([row("base", "a", 1), row("icl", "b", 1), row("base", "b", 1)])
    first, second = missing(report)
    assert first.startswith("Not measured: description, icl_1") and "finetune_full" in first
    assert second == "Held-out tasks: icl lacks 1 tasks (a)."
    everything = [row(m, "a", 1, n) for m in METHODS for n in METHODS[m].descriptions]
    assert missing(summarize(everything)) == []


def every_row() -> list[dict[str, Any]]:
    draw, rows = random.Random(0), []
    for checkpoint, size in (("small", 100), ("wide", 800)):
        facts = {"generator_id": checkpoint, "generator": checkpoint, "trained_tasks": size}
        for task in "abcde":
            for method in ("t2l", "t2l_styles"):
                for number in METHODS[method].descriptions:
                    near, seconds = draw.random(), {"adapter_seconds": 0.02}
                    rows.append(
                        row(method, task, near, number, similarity=near, **facts, **seconds, split="eval")
                    )
    rows += [row("base", task, 0, split="eval") for task in "abcde"]
    rows += [row("finetune_16", task, 0.5, seed=0, adapter_seconds=30.0, split="eval") for task in "abcde"]
    return rows


ANALYSIS = {
    "grouping": [
        {
            "adapters": "generated by small",
            "tasks": 3,
            "rank_correlation": 0.5,
            "descriptions": [0.1, 0.2, 0.3],
            "deltas": [0.1, 0.3, 0.2],
        }
    ],
    "steer": [
        {
            "checkpoint": "small",
            "input": "a|b",
            "answers": [{"description": "", "answer": "x"}, {"description": "Do.", "answer": "<b>y</b>"}],
        }
    ],
}


def test_every_plot_shows_what_the_rows_say() -> None:
    made, lacking = plots(every_row(), ANALYSIS)
    told = {plot.name: plot.told for plot in made}
    assert lacking == []
    assert list(told) == [
        *("methods", "tasks", "similarity", "styles", "seconds", "training_tasks", "groups"),
    ]
    # The score was made equal to the similarity.
    assert "t2l@small: rank correlation 1.00 over 15 descriptions" in told["similarity"]
    assert "finetune_16: 50.0 % after 30 s" in told["seconds"] and "after 0.02 s" in told["seconds"]
    assert (
        "t2l@small: 100 tasks" in told["training_tasks"] and "t2l@wide: 800 tasks" in told["training_tasks"]
    )
    rows = [r for r in every_row() if r["method"] == "t2l_styles" and r["generator"] == "small"]
    terse = statistics.mean(100 * r["strict"] for r in rows if r["description"] == 0)
    assert f"t2l_styles@small: terse {terse:.1f} %" in told["styles"]
    for plot in made:
        ET.fromstring(plot.svg)
        assert "#010203" not in plot.svg and "currentColor" in plot.svg
    axis = next(plot.svg for plot in made if plot.name == "methods")
    assert "finetune_16 (5 tasks)" in re.sub("<!--.*?-->", "", axis)


def test_plots_without_data_are_named_and_not_drawn() -> None:
    made, lacking = plots([row("base", "a", 0.5)])
    assert [plot.name for plot in made] == ["methods", "tasks"] and len(lacking) == 5
    assert "`t2l analyse`" in lacking[-1] and all(line.endswith(".") for line in lacking)
    assert plots([])[0] == []


def test_cosines_of_adapters_are_those_of_their_full_matrices(tiny) -> None:
    generator = torch.Generator().manual_seed(0)
    spec = spec_for(tiny, "tiny/Llama", ["self_attn.q_proj", "mlp.down_proj"], 3, 6)
    adapters = spec.zeros(4).map(lambda t: torch.randn(t.shape, generator=generator))
    full = torch.cat(
        [(adapters.B[n].double() @ adapters.A[n].double()).flatten(1) for n in spec.targets], dim=1
    )
    expected = torch.nn.functional.normalize(full, dim=1)
    torch.testing.assert_close(delta_cosines(adapters), expected @ expected.T)


def test_rank_correlation_is_spearmans() -> None:
    up = torch.tensor([1.0, 2.0, 3.0, 10.0], dtype=torch.float64)
    assert rank_correlation(up, up.exp()) == pytest.approx(1) and rank_correlation(up, -up) == pytest.approx(
        -1
    )
    # By hand: ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    tied = torch.tensor([1.0, 2.0, 2.0, 5.0], dtype=torch.float64)
    assert rank_correlation(up, tied) == pytest.approx(4.5 / math.sqrt(5 * 4.5))
    assert rank_correlation(up, torch.ones(4, dtype=torch.float64)) == 0


def test_the_command_writes_plots_and_tables(tmp_path: Path, capsys) -> None:
    file, analysis = tmp_path / "rows.jsonl", tmp_path / "analysis.json"
    file.write_text("".join(json.dumps(r) + "\n" for r in every_row()))
    analysis.write_text(json.dumps(ANALYSIS))
    command = ["report", str(file), "--plots", str(tmp_path / "plots"), "--analysis", str(analysis)]
    assert main([*command, "--markdown", "--json"]) == 0
    out = capsys.readouterr().out
    assert len(list((tmp_path / "plots").glob("*.svg"))) == 7
    assert "| small: a\\|b | answer |" in out and json.loads(out.splitlines()[-1])["lacking"] == []
    analysis.write_text("[]")
    assert main(command) == 2 and "t2l analyse" in capsys.readouterr().err
    with pytest.raises(T2LError, match="t2l analyse"):
        read_analysis(tmp_path / "none.json")


# The Results tab.


def test_the_tab_shows_every_measurement_of_the_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("T2L_RESULTS", str(tmp_path))
    assert measurements() == {}
    with pytest.raises(T2LError, match="There is no measurement"):
        results("any")
    trained = [row("t2l_seen", "sum", 1, n, split="train", limit=25) for n in (0, 3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in [*every_row(), *trained]))
    # The same question again, measured later.
    again = row("base", "a", 1, split="eval")
    (tmp_path / "b.jsonl").write_text(json.dumps(again) + "\n")
    (tmp_path / "analysis.json").write_text(json.dumps(ANALYSIS))
    titles = list(measurements())
    assert titles == [
        "Held-out tasks, first 50 examples, bfloat16",
        "Trained tasks, first 25 examples, bfloat16",
    ]
    held, seen = map(results, titles)
    assert "| base, input alone | 20.0 |" in held.tables["methods"] and len(held.plots) == 7
    assert "trained descriptions | 100.0 |" in seen.tables["methods"]
    html = render_plots(held)
    assert html.count('role="img" aria-label="') == 7 and html.count("<figure") == 7
    steering = render_tables(held.tables["steering"])
    ET.fromstring(f"<p>{steering.replace('scope=col', '').replace('scope=row', '')}</p>")
    assert "a|b" in steering and "&lt;b&gt;y" in steering and 'tabindex="0"' in steering
    assert "**" not in render_tables(held.tables["methods"])
    assert render_missing(seen).count("<li>") == len(seen.missing) > 3


def test_rows_of_a_second_library_stand_by_themselves(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("T2L_RESULTS", str(tmp_path))
    kept = {"split": "train", "limit": 9, "dtype": "bfloat16", "weights_id": "w", "n": 9, "lenient": 1.0}
    rows = [
        {**kept, "method": method, "task": task, "strict": score, "adapters_id": library}
        for method, task, score, library in (
            ("base", "a", 0.0, None),
            ("oracle", "a", 0.5, "1" * 64),
            ("oracle", "b", 0.7, "1" * 64),
            ("oracle", "a", 1.0, "2" * 64),
        )
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    titles = list(measurements())
    first = "Trained tasks, first 9 examples, bfloat16"
    assert titles == [first, f"{first}, another library (22222222)"]
    assert [len(measurements()[title]) for title in titles] == [3, 1]
    assert "task itself | 60.0 |" in results(titles[0]).tables["methods"]
    assert "task itself | 100.0 |" in results(titles[1]).tables["methods"]


def test_the_shipped_results_are_shown() -> None:
    assert "Held-out tasks, first 100 examples, bfloat16" in measurements()
    for title in measurements():
        found = results(title)
        assert found.tables["methods"] and {plot.name for plot in found.plots} >= {"methods", "tasks"}
    assert (REPO / "results").is_dir()
