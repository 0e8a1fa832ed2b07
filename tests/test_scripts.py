"""The measuring scripts: what they compute beside timing."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from paths import REPO
from safetensors.torch import load_file
from test_recon import write_library

from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.presets import PRESETS, Shape
from t2l.tasks import Task
from t2l.train.recon import Library


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPO / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_noise_stays_within_half_a_step_of_the_quantised_matrices(base: BaseModel) -> None:
    measure = script("measure_quantisation")
    weight = base.model.model.layers[3].mlp.up_proj.weight
    assert measure.is_quantised(weight) and not measure.is_quantised(torch.randn(4, 64))
    assert not measure.is_quantised(torch.randn(64)) and not measure.is_quantised(torch.zeros(4, 33))
    # A block whose levels are 0, 1, ... 15 has steps of 1.
    block = torch.arange(32.0).remainder(16).view(1, 32)
    assert torch.equal(measure.steps_of(block), torch.ones(1, 32))
    other = BaseModel.load(dtype="float32")
    count, ratio = measure.add_noise(other, seed=0)
    changed = other.model.model.layers[3].mlp.up_proj.weight - weight
    assert count >= 200 and 0.01 < ratio < 0.2
    assert (changed.abs() <= measure.steps_of(weight) / 2 + 1e-7).all() and changed.any()
    norm = base.model.model.norm.weight
    assert torch.equal(other.model.model.norm.weight, norm)


@pytest.mark.parametrize("name", ["kebab_case", "second_letter", "longest_word", "extract_url"])
def test_the_phrases_of_our_own_have_right_answers(name: str) -> None:
    task = yaml.safe_load((REPO / "data" / "phrases.yaml").read_text(encoding="utf-8"))[name]
    assert len(task["phrases"]) == len(set(task["phrases"])) == len(task["examples"]) == 5
    right = {
        "kebab_case": lambda text: text.lower().replace(" ", "-"),
        "second_letter": lambda text: text[1],
        "longest_word": lambda text: max(text.split(), key=len),
        "extract_url": lambda text: next(word for word in text.split() if "://" in word).rstrip(".,"),
    }[name]
    assert all(right(example["input"]) == example["output"] for example in task["examples"])


@pytest.mark.parametrize("preset", ["mistral-7b", "gemma-2-2b"])
def test_the_measuring_of_large_bases_runs_on_a_small_one(preset: str, tmp_path: Path, monkeypatch) -> None:
    bench, out = script("bench_gpu"), tmp_path / "results" / "gpu.json"
    small = dataclasses.replace(PRESETS[preset], shape=Shape(2, 32, 48, 4, 2, 8, 64))
    monkeypatch.setitem(PRESETS, preset, small)
    options = f"--preset {preset} --device cpu --prompt 5 --tokens 3 --repeats 1 --out {out}"
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", *options.split()])
    bench.main()
    found = json.loads(out.read_text())
    assert (found["layers"], found["dtype"]) == (2, "bfloat16") and found["generation"]["cpu_ms"] > 0
    streaming = found["streaming"]
    ratio = streaming["side_by_side"]["step_ms"] / streaming["base_alone"]["step_ms"]
    assert streaming["side_by_side_over_base_alone"] == pytest.approx(ratio, rel=0.01, abs=0.001)


def test_the_table_of_compression_counts_what_it_says(tmp_path: Path) -> None:
    compress = script("compress")
    library = Library.open(write_library(tmp_path / "library", ["one", "two", "three"]))
    weights = library.read(list(library.folders))
    mean = weights.map(lambda t: t.mean(0, keepdim=True))
    for number, errors in enumerate(compress.off_the_mean(library)):
        for name, error in errors.items():
            goal = weights.B[name][number] @ weights.A[name][number]
            off = mean.B[name][0] @ mean.A[name][0] - goal
            assert float(error) == pytest.approx(float(off.norm() / goal.norm()), rel=1e-4)
    # Tasks of one category follow each other only when no other is left.
    tasks = [Task(name, name[0], "train", "", (), (), ()) for name in ("a1", "a2", "a3", "b1", "c1")]
    assert [task.name for task in compress.spread(tasks)] == ["a1", "b1", "c1", "a2", "a3"]
    network = T2L(T2LConfig(library.spec, 16, latent_size=16, head_size=8))
    Generator(network).save(tmp_path / "generator")
    assert compress.stored(tmp_path / "generator") == sum(p.numel() for p in network.parameters())
    # Tasks count the same, however many descriptions each has.
    rows = [{"task": task, "strict": score} for task, score in (("a", 0), ("a", 1), ("b", 1))]
    assert compress.mean_score(rows, "strict") == 0.75


def test_new_rows_stand_where_those_of_the_same_name_stood() -> None:
    def row(method: str, task: str, strict: float, **more: str) -> dict:
        return {"method": method, "task": task, "n": 4, "strict": strict, "lenient": strict, **more}

    old = [row("t2l", "sum", 0.1, generator="m", generator_id="1"), row("icl", "sum", 0.2)]
    old += [row("t2l", "sum", 0.3, generator="l", generator_id="2")]
    new = [row("t2l", "max", 0.5, generator="m", generator_id="3")]
    new += [row("t2l", "sum", 0.4, generator="m", generator_id="3")]
    merged, replaced = script("merge_results").merge(new, old)
    assert merged == [new[1], old[1], old[2], new[0]] and replaced == 1


def test_an_index_is_added_without_rounding_the_network(tmp_path: Path, monkeypatch, capsys) -> None:
    shipped = Generator.load(REPO / "checkpoints" / "smollm2-135m-t2l-recon")
    shipped.save(tmp_path / "made", torch.float32)
    before = load_file(tmp_path / "made" / "model.safetensors")
    arguments = [
        "index_tasks",
        str(tmp_path / "made"),
        "--tasks",
        str(REPO / "data" / "suite"),
        "--pull",
        "0",
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    script("index_tasks").main()
    after = load_file(tmp_path / "made" / "model.safetensors")
    assert {k: v.dtype for k, v in after.items()} == {k: torch.float32 for k in before}
    assert all(torch.equal(after[k], before[k]) for k in before) and "tasks: " in capsys.readouterr().out
    monkeypatch.setattr(
        sys, "argv", [arguments[0], str(REPO / "checkpoints" / "smollm2-135m-dnd"), *arguments[2:]]
    )
    with pytest.raises(T2LError, match="reads no descriptions"):
        script("index_tasks").main()
