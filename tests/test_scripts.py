"""The measuring scripts: what they compute beside timing."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
import torch
import yaml
from paths import REPO

from t2l.base import BaseModel


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
