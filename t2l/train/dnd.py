"""Drag-and-Drop training: prompts of a task to the states of its LoRA, from a library with snapshots.
Knows adapters, inputs of tasks and networks; no base model and no answer is read."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.dnd import DnD, DnDConfig, Grid, Stage, deviation, finish_importance, weighted_mse
from t2l.encoder import DEFAULT_ENCODER, TextEncoder
from t2l.errors import T2LError, check_whole
from t2l.files import complete_or_absent
from t2l.generator import MAX_EXAMPLES, Condition, Generator
from t2l.lora import LoRAWeights
from t2l.peft_folder import reading
from t2l.tasks import Task, digest, training_tasks
from t2l.train.contrast import keep_out
from t2l.train.library import SNAPSHOTS, read_library, shared_tasks
from t2l.train.loop import FitConfig, best_kept, defaults, fit, make_accelerator
from t2l.train.recon import Library, delta_squared
from t2l.train.sft import reserved

REPORT = "report"
_VALIDATED = 16
_DRAWS = 3


@dataclass(frozen=True)
class DnDRun:
    """What `train_dnd` trains: the network's sizes, the library, and where its prompts come from.

    library: folder that `t2l train library --snapshots N` wrote. tasks: folders of task suites, whose
    training inputs are the prompts. prompts, length, size, kernel: see `DnDConfig`; stages: its sizes
    between condition and grid, each as text such as 64x19x128. unmasked: states of padding count, as in the
    reference. states: how many snapshots of each adapter are used besides its best
    state, evenly chosen; all of them are held in memory. pool: prompts of each task that are used.
    tasks_per_step: pairs of prompts and adapter in a step. prompt_noise, target_noise: deviations of the
    noise on both, by default the reference's. val_tasks: tasks whose adapters are kept out and scored.
    Raises T2LError for values that cannot work.
    """

    library: str
    tasks: tuple[str, ...]
    encoder: str = DEFAULT_ENCODER
    prompts: int = 16
    length: int = 64
    size: int = 64
    kernel: int = 3
    stages: tuple[str, ...] = ()
    unmasked: bool = False
    states: int = 8
    pool: int = 256
    tasks_per_step: int = 8
    prompt_noise: float = 1e-4
    target_noise: float = 1e-5
    val_tasks: tuple[str, ...] = ()
    open_license: bool = False

    def __post_init__(self) -> None:
        for name, least in (("states", 2), ("pool", 1), ("tasks_per_step", 1)):
            check_whole(getattr(self, name), name, least)
        if self.pool > MAX_EXAMPLES:
            raise T2LError(f"pool={self.pool} is more than the {MAX_EXAMPLES} prompts that are read at once.")
        for name in ("prompt_noise", "target_noise"):
            if not 0 <= getattr(self, name) < 100:
                raise T2LError(f"{name} must be a number of at least 0, not {getattr(self, name)!r}.")


def read_states(library: Library, source: str | Path, name: str, most: int) -> Tensor:
    """The states of one task's adapter as tokens (n, T, H, W), bfloat16: the best one, then snapshots.

    At most `most` snapshots, evenly chosen, the last one among them. Raises T2LError where there are fewer
    than two, and naming the file that is damaged, of another rank, or holds NaN.
    """
    from safetensors import safe_open

    files = sorted((Path(source) / SNAPSHOTS / library.folders[name].name).glob("*.safetensors"))
    if len(files) < 2:
        raise T2LError(
            f"The library {source} has {len(files) or 'no'} snapshots of {name}, at least 2 are needed; "
            "train it with --snapshots 8."
        )
    chosen = files[:: -(-len(files) // most)] if most < len(files) else files
    grid, adapters = Grid(library.spec), [library.read([name])[0]]
    for file in [*chosen[:-1], files[-1]]:
        # Each is looked at alone: of two steps one may be damaged.
        with reading(file), safe_open(file, framework="pt") as stored:
            state = {key: stored.get_tensor(key).float() for key in stored.keys()}
            adapters.append(LoRAWeights.from_peft(library.spec, state).check_finite())
    # One at a time: float64 is four times what is kept. The reference keeps bfloat16, too.
    return torch.stack([grid.encode(adapter).bfloat16() for adapter in adapters])


def _digest(states: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in states:
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Step:
    """One step's share of a process: conditions (n, N, L, C), target tokens (n, T, H, W), their tasks."""

    condition: Tensor
    targets: Tensor
    tasks: tuple[str, ...] = ()


class DnDData:
    """Prompts and adapters; `step(n)` is a function of the number n alone.

    prompts: for every task (texts, L, C). states: for every task (snapshots, T, H, W). Every task is visited
    once before any is visited again, each time with other prompts and another state of its adapter.
    """

    def __init__(
        self,
        names: Sequence[str],
        prompts: Sequence[Tensor],
        states: Sequence[Tensor],
        *,
        count: int,
        tasks_per_step: int,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        rank, world = share
        if tasks_per_step % world:
            raise T2LError(f"tasks_per_step={tasks_per_step} cannot be shared by {world} processes.")
        self.names, self.prompts, self.states = list(names), list(prompts), list(states)
        self.count, self.tasks_per_step, self.seed = count, tasks_per_step, seed
        self.rank, self.world = rank, world

    def picks(self, number: int) -> list[tuple[int, list[int], int]]:
        """(task, its prompts, its state) of step `number`, for all processes together."""
        start, chosen = number * self.tasks_per_step, []
        for place in range(start, start + self.tasks_per_step):
            round_, position = divmod(place, len(self.names))
            order = random.Random(f"{self.seed}/{round_}").sample(range(len(self.names)), len(self.names))
            task = order[position]
            own = random.Random(f"{self.seed}/{round_}/{task}")
            some = own.sample(range(len(self.prompts[task])), min(self.count, len(self.prompts[task])))
            # Fewer are cycled, as when an adapter is made.
            texts = list(itertools.islice(itertools.cycle(some), self.count))
            chosen.append((task, texts, own.randrange(len(self.states[task]))))
        return chosen

    def step(self, number: int) -> Step:
        """What step `number` asks of this process."""
        picks = self.picks(number)[self.rank :: self.world]
        return Step(
            torch.stack([self.prompts[task][texts].float() for task, texts, _ in picks]),
            torch.stack([self.states[task][state].float() for task, _, state in picks]),
            tuple(self.names[task] for task, *_ in picks),
        )


def dnd_loss(
    weight: Tensor, prompt_noise: float = 0.0, target_noise: float = 0.0
) -> Callable[[nn.Module, Step], dict[str, Tensor]]:
    """The loss of a step: mean squares weighted by each token's importance (T,), with noise on both sides."""

    def loss(network: nn.Module, step: Step) -> dict[str, Tensor]:
        device = next(network.parameters()).device
        condition, targets = step.condition.to(device), step.targets.to(device)
        if network.training:
            condition = condition + prompt_noise * torch.randn_like(condition)
            targets = targets + target_noise * torch.randn_like(targets)
        return {"loss": weighted_mse(network(condition, as_tokens=True), targets, weight.to(device))}

    return loss


def distance(made: LoRAWeights, target: LoRAWeights) -> float:
    """|ΔW - ΔW*| / |ΔW*| over all modules of two adapters: 0 is exact, 1 is what zeros give."""
    off = size = torch.zeros((), dtype=torch.float64)
    for name in target.spec.targets:
        a, b = target.A[name], target.B[name]
        off = off + delta_squared(made.A[name], made.B[name], a, b).sum()
        size = size + delta_squared(torch.zeros_like(a), torch.zeros_like(b), a, b).sum()
    return float((off / size.clamp_min(1e-30)).sqrt())


def distances(
    generator: Generator,
    own: Mapping[str, LoRAWeights],
    prompts: Mapping[str, Sequence[Sequence[str]]],
    trained: Mapping[str, LoRAWeights],
) -> list[dict[str, Any]]:
    """What generated adapters are near to, a row for each task of `prompts`; see `distance`.

    own: the task's own LoRA. prompts: for each task at least two draws. trained: the training LoRAs.
    own, mean: of what is made of the first draw, and of the mean training LoRA, to the task's own. nearest:
    the training LoRA nearest to what is made, how near, and nearest_own: how near the own LoRA is to one.
    spread: mean distance of other draws' adapters to the first. other: of the one made of another task's
    prompts to that of its own: 0 where prompts do not matter.
    """  # fmt: skip
    network = generator.network
    assert isinstance(network, DnD)
    mean = network.mean_adapter()
    made = {name: generator.from_draws(groups) for name, groups in prompts.items()}
    rows, names = [], list(made)
    for place, name in enumerate(names):
        first = made[name][0]
        near = {other: distance(first, weights) for other, weights in trained.items()}
        nearest = min(near, key=near.__getitem__)
        others = [distance(weights, own[name]) for other, weights in trained.items() if other != name]
        drawn = [distance(made[name][i], first) for i in range(1, len(prompts[name]))]
        row = {
            "task": name,
            "trained": name in trained,
            "own": distance(first, own[name]),
            "mean": distance(mean, own[name]),
            "nearest": nearest,
            "nearest_distance": near[nearest],
            "nearest_own": min(others, default=None),
            "spread": sum(drawn) / len(drawn),
            "other": distance(made[names[place - 1]][0], first) if len(names) > 1 else None,
        }
        rows.append(row)
    return rows


def train_dnd(run: DnDRun, fitting: FitConfig, out: str | Path, *, stop_after: int | None = None) -> int:
    """Trains a DnD on a library with snapshots; returns the steps done.

    Writes `out`/generator (what `Generator.load` reads) at every checkpoint, beside the state that the same
    call continues from, `out`/best, that of the lowest validation loss (of unseen tasks, else of seen ones),
    and at the end `out`/report/distances.jsonl, see `distances`. Adapters and prompts of split eval are never
    read, nor is any answer.
    """
    accelerator = make_accelerator(fitting, out, cpu=not torch.cuda.is_available())
    share = (accelerator.process_index, accelerator.num_processes)
    tasks, held_out = _tasks(run)
    keep_out(run.val_tasks, shared_tasks(run.library), run.library)
    names, kept = [task.name for task in tasks], [task.name for task in held_out]
    library = Library.open(run.library, [*names, *kept])
    encoder = TextEncoder(run.encoder)
    config = DnDConfig(
        library.spec,
        encoder.size,
        run.prompts,
        run.length,
        run.size,
        run.kernel,
        tuple(_stage(text) for text in run.stages),
        masked=not run.unmasked,
    )

    embed = functools.partial(embedded, encoder, config)
    prompts = [embed(inputs(task)[: run.pool], task.name) for task in tasks]
    states = [read_states(library, run.library, name, run.states) for name in names]
    used = ~states[0][0].isnan()
    weight = finish_importance([deviation(s.float()) for s in states], used)
    torch.manual_seed(fitting.seed)
    network = DnD(config)
    _centre(network, states)
    data = DnDData(
        names,
        prompts,
        states,
        count=run.prompts,
        tasks_per_step=run.tasks_per_step,
        seed=fitting.seed,
        share=share,
    )
    # Prompts of trained tasks that training never draws, and tasks that it never sees.
    some = range(0, len(tasks), -(-len(tasks) // _VALIDATED))
    seen = [(tasks[n], texts, states[n][:1]) for n in some if (texts := unread(tasks[n]))]
    unseen = [(t, inputs(t), read_states(library, run.library, t.name, run.states)[:1]) for t in held_out]
    groups = {
        kind: Step(
            torch.stack(
                [cycled(embed(texts[: run.prompts], t.name), run.prompts).float() for t, texts, _ in found]
            ),
            torch.cat([target for _, _, target in found]).float(),
        )
        for kind, found in (("seen", seen), ("unseen_tasks", unseen))
        if found
    }
    loss = dnd_loss(weight, run.prompt_noise, run.target_noise)
    shift = network.get_buffer("shift").clone()
    means = {
        f"{kind}_mean_adapter_loss": float(weighted_mse(shift.expand_as(step.targets), step.targets, weight))
        for kind, step in groups.items()
    }
    folder, memory = Path(out), {}
    # Their inputs, which the library does not tell.
    drawn = {"data": digest([*tasks, *held_out]), "encoder_id": encoder.id, "states_id": _digest(states)}
    facts = {"method": "dnd", **asdict(run), "library_id": library.id, "fit": asdict(fitting), **drawn}

    def validate(plain: nn.Module) -> dict[str, float]:
        # What the mean adapter gives stands before it: below that, prompts tell something.
        found = {f"{kind}_loss": float(loss(plain, step)["loss"]) for kind, step in groups.items()}
        return {**means, **found}

    def save(plain: nn.Module, step: int, name: str) -> None:
        if accelerator.is_main_process:
            assert isinstance(plain, DnD)
            training = {**facts, "tasks": names, "steps_done": step}
            Generator(plain, run.encoder, library.base_weights_id, training).save(folder / name)

    done = fit(
        network,
        data.step,
        loss,
        folder,
        fitting,
        run=facts,
        known={**defaults(DnDRun), **drawn},
        validate=validate if groups else None,
        judge=best_kept(memory, 0, lambda plain, step: save(plain, step, "best")),
        export=lambda plain, step: save(plain, step, "generator"),
        memory=memory,
        accelerator=accelerator,
        stop_after=stop_after,
    )
    if accelerator.is_main_process and done == fitting.steps:
        made = Generator.load(folder / "generator")
        trained = {name: library.read([name])[0] for name in names}
        own = {**trained, **{name: library.read([name])[0] for name in kept}}
        asked = {task.name: _groups(task, run.prompts) for task in (*[tasks[n] for n in some], *held_out)}
        _write(distances(made, own, asked, trained), folder / REPORT)
    accelerator.wait_for_everyone()
    return done


def _stage(text: str) -> Stage:
    match = re.fullmatch("([0-9]{1,6})x([0-9]{1,6})x([0-9]{1,6})", text)
    if match is None:
        raise T2LError(f"The stage {text[:40]!r} is no N x L x C; give sizes such as 64x19x128.")
    n, length, c = map(int, match.groups())
    return n, length, c


def _write(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    with complete_or_absent(folder, ("distances.jsonl",)) as work:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (work / "distances.jsonl").write_text(text, encoding="utf-8")


@torch.no_grad()
def _centre(network: DnD, states: Sequence[Tensor]) -> None:
    """Stores the mean over tasks, and each token's deviation from it: training begins at the mean adapter."""
    each = torch.stack([state.float().mean(0) for state in states])
    mean = each.mean(0)
    network.get_buffer("shift").copy_(mean.nan_to_num())
    spread = (each - mean).square().nanmean((-2, -1)).mean(0).sqrt()
    network.get_buffer("scale").copy_(spread.clamp_min(1e-4)[:, None, None])


def embedded(encoder: TextEncoder, config: DnDConfig, texts: Sequence[str], task: str) -> Tensor:
    """The states of a task's prompts (texts, L, C) as a network reads them, float16."""
    try:
        prompts = Condition(prompts=tuple(texts)).prompts
    except T2LError as err:
        raise T2LError(f"The inputs of {task} cannot be prompts: {err}") from err
    # Half the memory; its rounding is far below the differences of prompts.
    return encoder.prompt_states(prompts, config.length, masked=config.masked).half()


def inputs(task: Task) -> list[str]:
    """The inputs that training may draw as prompts; blank ones are no prompts."""
    return [
        example.input for example in task.train[: len(task.train) - reserved(task)] if example.input.strip()
    ]


def unread(task: Task) -> list[str]:
    """The inputs that training never draws, for validation."""
    return [
        example.input for example in task.train[len(task.train) - reserved(task) :] if example.input.strip()
    ]


def cycled(states: Tensor, count: int) -> Tensor:
    """Exactly `count` states (count, L, C) of fewer or more: the first ones, again and again."""
    return states[[i % len(states) for i in range(count)]]


def _groups(task: Task, count: int) -> list[list[str]]:
    """Some draws of prompts of a task, the same ones every time."""
    texts = inputs(task)
    draw = random.Random(task.name)
    drawn = [draw.sample(texts, min(count, len(texts))) for _ in range(_DRAWS)]
    return [list(itertools.islice(itertools.cycle(group), count)) for group in drawn]


def _tasks(run: DnDRun) -> tuple[list[Task], list[Task]]:
    """The tasks to train on and those kept out, each with an adapter and at least one prompt."""
    usable, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license)
    there = {member.name for member in read_library(run.library)}
    tasks = [task for task in usable if task.name in there]
    if len(tasks) < 2:
        raise T2LError(
            f"{run.library} has adapters of {len(tasks)} tasks of split train in {', '.join(run.tasks)}, at "
            f"least 2 are needed; its folders are named {', '.join(sorted(there)[:3])}, ..."
        )
    for task in (*tasks, *held_out):
        if not inputs(task):
            raise T2LError(f"Task {task.name} has no inputs, which are its prompts; leave it out.")
    return tasks, held_out
