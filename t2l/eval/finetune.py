"""Fine-tuning as a baseline: one LoRA of a task's own, from some of its training examples.
Knows one task, the base and the loop; reads no test example."""

from __future__ import annotations

import hashlib
import json
import math
import random
import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from t2l.attach import FreeLoRA
from t2l.base import BaseModel
from t2l.lora import LoRASpec, LoRAWeights
from t2l.tasks import Example, Task
from t2l.train.loop import FitConfig, fit, make_accelerator
from t2l.train.sft import SFTConfig, Step, pack, sft_loss, tokenise

# One recipe for every task and number of examples: nothing is chosen on the tasks that are scored.
RECIPE: dict[str, Any] = {"rate": 2e-3, "examples_per_step": 8, "passes": 4, "least": 40, "most": 300}


def drawn(task: Task, n: int | None, seed: int) -> tuple[Example, ...]:
    """The first n (None: all) of a task's training examples in a seed's order: fewer are part of more."""
    order = random.Random(f"{seed}/{task.name}").sample(task.train, len(task.train))
    return tuple(order[:n])


def steps(n: int) -> int:
    """Optimiser steps for n examples: four passes over them, within bounds."""
    wanted = math.ceil(RECIPE["passes"] * n / RECIPE["examples_per_step"])
    return min(RECIPE["most"], max(RECIPE["least"], wanted))


def recipe_id(spec: LoRASpec) -> str:
    """Names the recipe and the form of the LoRA."""
    return hashlib.sha256(json.dumps([RECIPE, spec.to_json()]).encode()).hexdigest()[:16]


def finetune(
    base: BaseModel, examples: Sequence[Example], spec: LoRASpec, seed: int, *, count: int = 0
) -> LoRAWeights:
    """A LoRA trained on these examples alone, float32 on the CPU; the same seed gives the same one.

    count: steps, in place of the recipe's for so many examples.
    """
    tokens = [tokenise(base, example) for example in examples]
    number = torch.zeros(1, dtype=torch.long)

    def sample(step: int) -> Step:
        chosen = random.Random(f"{seed}/{step}").sample(tokens, min(len(tokens), RECIPE["examples_per_step"]))
        return Step(pack([chosen]), number, len(chosen))

    network = FreeLoRA(spec, 1, seed).to(base.device)
    config = FitConfig(
        count or steps(len(examples)), RECIPE["rate"], seed=seed, log_every=RECIPE["most"], save_minutes=600
    )
    attention = base.model.config._attn_implementation
    # The backward of fused attention is a slow path on a CPU.
    base.model.set_attn_implementation("eager" if base.device.type == "cpu" else attention)
    try:
        with tempfile.TemporaryDirectory(prefix="t2l-finetune-") as folder:
            alone = make_accelerator(config, folder, cpu=base.device.type == "cpu")
            loss = sft_loss(base, SFTConfig(tasks_per_step=1))
            # `parts`: of several processes each trains a task of its own.
            fit(network, sample, loss, folder, config, parts=[network], accelerator=alone)
    finally:
        base.model.set_attn_implementation(attention)
    with torch.no_grad():
        return network(number.to(base.device))[0].map(lambda t: t.detach().float().cpu())
