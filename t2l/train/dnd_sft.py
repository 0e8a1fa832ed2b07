"""Drag-and-Drop through the base: a task's prompts make the adapter that its examples are answered with.
Knows a trained DnD, tasks and the base; not how steps are counted or saved."""

from __future__ import annotations

import functools
import random
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from t2l.dnd import DnD
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.generator import MAX_EXAMPLES, Generator
from t2l.lora import LoRAWeights, stack
from t2l.tasks import Task, training_tasks
from t2l.train.dnd import cycled, embedded, inputs, unread
from t2l.train.loop import FitConfig, best_kept, defaults, fit
from t2l.train.sft import (
    SFTConfig,
    SFTData,
    cut,
    filled,
    first_ones,
    kept_out,
    prepare,
    sft_loss,
    trained_on,
    validation,
)

_VALIDATED = 32


@dataclass(frozen=True)
class DnDSFTRun:
    """What `train_dnd_sft` goes on with.

    init: checkpoint of `t2l train dnd`; its encoder, base and tasks are kept, and what it kept out stays kept
    out. tasks: folders of the suites that they are in. pool: prompts of each task that are used.
    Raises T2LError for values that cannot work.
    """

    init: str
    tasks: tuple[str, ...]
    pool: int = 64
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.pool, int) or not 1 <= self.pool <= MAX_EXAMPLES:
            raise T2LError(f"pool must be a whole number from 1 to {MAX_EXAMPLES}, not {self.pool!r}.")


class Draws:
    """Batches of one task's prompts as conditions (N, L, C): a number gives the same batch every time.

    states: (texts, L, C), of which `count` are drawn; fewer are cycled, as when an adapter is made.
    """

    def __init__(self, states: Tensor, count: int, name: str) -> None:
        self.states, self.count, self.name = states, count, name

    def __len__(self) -> int:
        return 2**20

    def __getitem__(self, number: int) -> Tensor:
        draw = random.Random(f"{self.name}/{number}")
        some = draw.sample(range(len(self.states)), min(self.count, len(self.states)))
        return cycled(self.states[some], self.count).float()


def train_dnd_sft(
    run: DnDSFTRun, sft: SFTConfig, fitting: FitConfig, out: str | Path, *, stop_after: int | None = None
) -> int:
    """Trains a DnD by what its adapters answer; returns the steps done.

    In every row other prompts of a task make the adapter, and examples of the task tell the loss; of prompts
    no answer is read, as ever. The stored mean, where it begins, is trained as well. Writes `out`/generator
    and `out`/best as `train_dnd` does; the same call continues. Ours: the published training compares
    weights alone. Tasks of split eval are never read.
    """
    start = Generator.load(run.init)
    if not isinstance(start.network, DnD) or "tasks" not in start.training:
        raise T2LError(f"{run.init} is no checkpoint of `t2l train dnd`; train one on a library first.")
    if sft.described:
        raise T2LError("described is about descriptions, which a DnD does not read; leave it away.")
    base, accelerator = prepare(start.spec.base_model, run.dtype, sft, fitting, out)
    if start.base_weights_id != base.weights_id:
        raise T2LError(
            f"{run.init} was trained for the weights {start.base_weights_id}, these are {base.weights_id}; "
            "choose that base."
        )
    names = set(start.training["tasks"])
    held_names = tuple(start.training.get("val_tasks", ()))
    tasks, held_out = training_tasks(run.tasks, held_names, False)
    tasks = [task for task in tasks if task.name in names]
    if lacking := sorted(names - {task.name for task in tasks}):
        raise T2LError(f"{', '.join(run.tasks)} lacks the task {lacking[0]} of {run.init}; add its suite.")
    config, encoder = start.network.config, TextEncoder(start.encoder_name)
    embed = functools.partial(embedded, encoder, config)
    # Afresh: what was loaded is laid out for reading alone.
    network = DnD(config)
    network.load_state_dict(start.network.state_dict())
    # What all tasks gain from is no matter of prompts, and convolutions say it badly.
    network.free_shift()

    def draws(task: Task, texts: list[str]) -> Draws:
        return Draws(embed(texts[: run.pool], task.name), config.prompts, task.name)

    prompts = [draws(task, inputs(task)) for task in tasks]
    share = (accelerator.process_index, accelerator.num_processes)
    data = SFTData(base, tasks, prompts, sft, seed=fitting.seed, share=share)
    some = tasks[:: -(-len(tasks) // _VALIDATED)]
    seen = [(draws(task, texts)[0], kept_out(base, task)) for task in some if (texts := unread(task))]
    own = [draws(task, inputs(task))[0] for task in held_out]
    asked = [first_ones(base, task) for task in held_out]
    # Prompts of another task that is kept out: what they lose, prompts tell.
    groups = {
        "seen": seen,
        "unseen_tasks_other_prompts": list(zip(own[1:] + own[:1], asked, strict=True)) if own[1:] else [],
        "unseen_tasks": list(zip(own, asked, strict=True)),
    }
    groups = filled(groups, sft.patience)
    validate = validation(base, groups, accelerator)
    mean = validate(_Mean(network.mean_adapter()))
    # It reads no prompts, whosever they are.
    means = {
        f"{name}_mean_adapter_loss": mean[f"{name}_loss"]
        for name in groups
        if name != "unseen_tasks_other_prompts"
    }
    folder, memory, held = Path(out), {}, ExitStack()
    facts: dict[str, Any] = {"method": "dnd_sft", **asdict(run), "sft": asdict(sft), "fit": asdict(fitting)}
    found = {**trained_on(base, [*tasks, *held_out]), "encoder_id": encoder.id}
    facts |= {"init_id": start.id, "library_id": start.training.get("library_id"), **found}

    def save(plain: nn.Module, step: int, name: str) -> None:
        if accelerator.is_main_process:
            assert isinstance(plain, DnD)
            told = {"tasks": [task.name for task in tasks], "val_tasks": list(held_names), "steps_done": step}
            made = Generator(plain, start.encoder_name, base.weights_id, {**facts, **told})
            made.save(folder / name)

    return fit(
        network,
        data.step,
        sft_loss(base, sft, held=held),
        folder,
        fitting,
        run=facts,
        known={**defaults(DnDSFTRun), "sft": defaults(SFTConfig), **found},
        validate=(lambda plain: {**means, **validate(plain)}) if groups else None,
        judge=best_kept(memory, sft.patience, lambda plain, step: save(plain, step, "best")),
        export=lambda plain, step: save(plain, step, "generator"),
        memory=memory,
        cut=cut,
        accumulate=sft.accumulate,
        held=held,
        accelerator=accelerator,
        stop_after=stop_after,
    )


class _Mean(nn.Module):
    """A network that answers every condition with one adapter."""

    def __init__(self, weights: LoRAWeights) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, condition: Tensor) -> LoRAWeights:
        place = condition.device
        return stack([self.weights] * len(condition)).map(lambda t: t.to(place))
