"""Reconstruction: a hypernetwork learns a library of adapters, each from the descriptions of its task.
Knows adapters, descriptions and networks; no base model and no example is read."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.adapter import Adapter
from t2l.encoder import DEFAULT_ENCODER, TextEncoder
from t2l.errors import T2LError, check_whole
from t2l.files import complete_or_absent, sha256
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.likeness import TaskIndex
from t2l.lora import LoRASpec, LoRAWeights, stack
from t2l.peft_folder import CONFIG, WEIGHTS, reading
from t2l.tasks import Task, digest, require_descriptions, training_tasks
from t2l.train.contrast import keep_out, learned, load_encoder_adapter
from t2l.train.library import read_library, shared_tasks
from t2l.train.loop import FitConfig, fit, make_accelerator
from t2l.train.sft import VALIDATED, stack_conditions

LOSSES = ("raw", "z_score", "delta", "frobenius", "relative")
REPORT = "report"
_DELTA_SCALING = 10000.0
# Numbers of a full matrix that the exact loss holds at a time.
_BLOCK = 2**22


@dataclass(frozen=True)
class Library:
    """Adapters of tasks, which stay on disk until a step asks for them.

    folders: the PEFT folder of each task. spec: of every adapter. base_weights_id: what the library or the
    adapters' stories name, if they tell. id: hash of all files.
    """

    folders: Mapping[str, Path]
    spec: LoRASpec
    base_weights_id: str
    id: str

    @classmethod
    def open(cls, source: str | Path, names: Sequence[str] = ()) -> Library:
        """Reads every adapter once, strictly and one at a time.

        source: see `read_library`. names: only these.
        Raises T2LError naming the adapter that is missing, damaged, or of another form or base than others.
        """
        there = {member.name: member for member in read_library(source)}
        folders: dict[str, Path] = {}
        digest, first = hashlib.sha256(), None
        for name in sorted(names or there):
            if name not in there:
                raise T2LError(f"The library {source} has no adapter of {name}; train one, or leave it away.")
            folders[name] = folder = there[name].folder
            adapter = Adapter.load(folder)
            spec, weights_id = adapter.spec, adapter.base_weights_id or there[name].base_weights_id
            first = first or (name, spec, weights_id)
            try:
                first[1].require(spec)
            except T2LError as err:
                raise T2LError(f"{folder} does not fit {first[0]} of the same library: {err}") from err
            if weights_id != first[2]:
                raise T2LError(
                    f"{folder} was trained on base weights {weights_id or 'unnamed'}, "
                    f"{first[0]} on {first[2] or 'unnamed'}; train all on one base."
                )
            digest.update(f"{name} {sha256(folder / CONFIG, folder / WEIGHTS)}\n".encode())
        assert first
        return cls(folders, first[1], first[2], digest.hexdigest())

    def read(self, names: Sequence[str]) -> LoRAWeights:
        """A stack of the named tasks' adapters in float32; nothing else of the library is read."""
        return stack(self._read(self.folders[name]) for name in names)

    def _read(self, folder: Path) -> LoRAWeights:
        from safetensors import safe_open

        # Mapped into memory: only what is stacked for a step is ever copied.
        with reading(folder), safe_open(folder / WEIGHTS, framework="pt") as stored:
            keys = stored.keys()
            state = {k.replace(".default.weight", ".weight"): stored.get_tensor(k).float() for k in keys}
            return LoRAWeights.from_peft(self.spec, state)


def statistics(library: Library, names: Sequence[str]) -> tuple[LoRAWeights, LoRAWeights]:
    """Mean and unbiased standard deviation of every number over the named adapters, in float32.

    One adapter is in memory at a time, sums are float64. Raises T2LError for fewer than two adapters.
    Source: the z-scores of arXiv 2506.06105's code.
    """
    if len(names) < 2:
        raise T2LError("z_score and relative need at least two adapters to train on; choose raw or delta.")
    mean = library.spec.zeros().map(lambda t: t.double())
    squares = mean.map(torch.zeros_like)
    for count, name in enumerate(names, 1):
        adapter = library.read([name])[0]
        for side in ("A", "B"):
            for target, value in getattr(adapter, side).items():
                running = getattr(mean, side)[target]
                # Welford's update: no difference of two large sums.
                off = value.double() - running
                running += off / count
                getattr(squares, side)[target].add_(off * (value.double() - running))
    return mean.map(lambda t: t.float()), squares.map(lambda t: (t / (len(names) - 1)).sqrt().float())


@dataclass(frozen=True)
class Units:
    """In which numbers the network speaks: an adapter's own, its z-scores, or those of a scaled ΔW.

    loss: one of LOSSES. scaling: what multiplies ΔW in the losses delta and frobenius, so that it is not lost
    beside 1. mean, std: of every number over the library, for z-scores.
    """

    loss: str
    scaling: float = _DELTA_SCALING
    mean: LoRAWeights | None = None
    std: LoRAWeights | None = None

    def to(self, device: torch.device) -> Units:
        """The same with its numbers on a device."""
        mean, std = (w and w.map(lambda t: t.to(device)) for w in (self.mean, self.std))
        return replace(self, mean=mean, std=std)

    def difference(self, raw: LoRAWeights, targets: LoRAWeights) -> Tensor:
        """The loss between a network's raw stack and a stack of adapters, the mean over modules; a scalar.

        raw: mean of |A - A*| and |B - B*|, averaged. z_score: the same of z-scores. delta: mean of
        |B A - s B* A*| over every number of ΔW. frobenius: mean square of that instead. relative: the mean
        over adapters of |B A - B* A*|² / |B* A*|², both over all layers.
        Source: the first three are those of arXiv 2506.06105's code; the others are ours.
        """
        if self.loss == "relative":
            return relative_loss(raw, targets)
        losses = []
        for name in targets.spec.targets:
            a, b, goal_a, goal_b = raw.A[name], raw.B[name], targets.A[name], targets.B[name]
            if self.loss == "delta":
                losses.append(delta_l1(a, b, goal_a, self.scaling * goal_b))
            elif self.loss == "frobenius":
                size = a.shape[-1] * b.shape[-2]
                losses.append(delta_squared(a, b, goal_a, self.scaling * goal_b).mean().to(a.dtype) / size)
            else:
                if self.mean and self.std:
                    goal_a = (goal_a - self.mean.A[name]) / (self.std.A[name] + 1e-10)
                    goal_b = (goal_b - self.mean.B[name]) / (self.std.B[name] + 1e-10)
                losses.append(((a - goal_a).abs().mean() + (b - goal_b).abs().mean()) / 2)
        return torch.stack(losses).mean()

    def finished(self, network: T2L) -> T2L:
        """The network that makes adapters: what the loss left out stands in its shift and scale."""
        if self.loss == "relative":
            # It speaks adapters already.
            return copy.deepcopy(network).requires_grad_(False).eval()
        elements = self.mean is not None and self.std is not None
        shift = "element" if elements else "none"
        scale = "element" if elements else "scalar" if self.loss in ("delta", "frobenius") else "none"
        # On "meta": no second copy, and no random number is drawn.
        with torch.device("meta"):
            made = T2L(replace(network.config, shift=shift, scale=scale))
        state: dict[str, Tensor] = dict(network.state_dict())
        if scale == "scalar":
            state["scale.value"] = torch.tensor(1 / math.sqrt(self.scaling))
        for kind, numbers, least in (("shift", self.mean, 0.0), ("scale", self.std, 1e-10)):
            if numbers is None:
                continue
            for m, name in enumerate(network.config.spec.targets):
                for side, tensors in (("A", numbers.A), ("B", numbers.B)):
                    state[f"{kind}.{side}{m}"] = tensors[name] + least
        device = next(network.parameters()).device
        made.load_state_dict({key: tensor.to(device) for key, tensor in state.items()}, assign=True)
        return made.requires_grad_(False).eval()


class _DeltaL1(torch.autograd.Function):
    """Mean of |B A - B* A*|; its gradient is made beside it, so that no full matrix is kept."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, goal_a: Tensor, goal_b: Tensor) -> Tensor:
        (n, o, _), i = b.shape, a.shape[-1]
        matrices, rows = max(1, _BLOCK // (o * i)), min(o, max(1, _BLOCK // i))
        total = torch.zeros((), dtype=torch.float64, device=a.device)
        learning = any(ctx.needs_input_grad)
        grad_a, grad_b = torch.zeros_like(a), torch.zeros_like(b)
        for m in (slice(start, start + matrices) for start in range(0, n, matrices)):
            for row in (slice(start, start + rows) for start in range(0, o, rows)):
                off = torch.baddbmm(b[m, row] @ a[m], goal_b[m, row], goal_a[m], alpha=-1)
                total += off.abs().sum(dtype=torch.float64)
                if learning:
                    sign = off.sign_()
                    grad_b[m, row] = sign @ a[m].mT
                    grad_a[m] += b[m, row].mT @ sign
        ctx.save_for_backward(grad_a / (n * o * i), grad_b / (n * o * i))
        return (total / (n * o * i)).to(a.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_a, grad_b = ctx.saved_tensors
        return grads[0] * grad_a, grads[0] * grad_b, None, None


def delta_l1(a: Tensor, b: Tensor, goal_a: Tensor, goal_b: Tensor) -> Tensor:
    """Mean of |B A - B* A*| over stacks a (*n, L, r, i), b (*n, L, o, r), exact; a scalar.

    An absolute value has no way around the full matrices, so they are made block by block of rows, never
    more than 4 million numbers at a time, and thrown away.
    """
    flat = (tensor.reshape(-1, *tensor.shape[-2:]) for tensor in (a, b, goal_a, goal_b))
    value = _DeltaL1.apply(*flat)
    assert isinstance(value, Tensor)
    return value


def delta_squared(a: Tensor, b: Tensor, goal_a: Tensor, goal_b: Tensor) -> Tensor:
    """Squared Frobenius norms of B A - B* A*, (*n, L) in float64, by products of r by r alone."""
    a, b, goal_a, goal_b = (tensor.double() for tensor in (a, b, goal_a, goal_b))
    own, goal = delta_product(a, b, a, b), delta_product(goal_a, goal_b, goal_a, goal_b)
    return (own + goal - 2 * delta_product(a, b, goal_a, goal_b)).clamp_min(0)


def delta_product(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> Tensor:
    """Sums over all numbers of B₁A₁ times B₂A₂, (*n, L), by products of r by r alone."""
    # tr(A₁ᵀ B₁ᵀ B₂ A₂) = sum(B₁ᵀB₂ · A₁A₂ᵀ).
    return ((b1.mT @ b2) * (a1 @ a2.mT)).sum((-2, -1))


def relative_loss(made: LoRAWeights, targets: LoRAWeights) -> Tensor:
    """Mean over adapters and modules of |ΔW - ΔW*|² / |ΔW*|², both over all layers; a scalar.

    In the adapters' own type: relative to |ΔW*|² what a difference of sums loses is small.
    """
    losses = []
    for name in targets.spec.targets:
        a, b, goal_a, goal_b = made.A[name], made.B[name], targets.A[name], targets.B[name]
        own, size, shared = (
            delta_product(*pair).sum(-1)
            for pair in ((a, b, a, b), (goal_a, goal_b, goal_a, goal_b), (a, b, goal_a, goal_b))
        )
        losses.append(((own + size - 2 * shared) / size.clamp_min(1e-30)).mean())
    return torch.stack(losses).mean()


def relative_errors(made: LoRAWeights, targets: LoRAWeights) -> dict[str, Tensor]:
    """For every module |ΔW - ΔW*| / |ΔW*| over all its layers, (n,): 0 is exact, 1 is what zeros give."""
    errors = {}
    for name in targets.spec.targets:
        a, b = targets.A[name], targets.B[name]
        off = delta_squared(made.A[name], made.B[name], a, b).sum(-1)
        size = delta_squared(torch.zeros_like(a), torch.zeros_like(b), a, b).sum(-1)
        errors[name] = (off / size.clamp_min(1e-30)).sqrt()
    return errors


@dataclass(frozen=True)
class ReconRun:
    """What `train_recon` trains: the network's form, the library, and where its descriptions come from.

    library: folder with a PEFT folder for each task, named as the task, or what else `read_library` reads.
    tasks: folders of task suites.
    loss: "raw", "z_score", "delta" (exact, slow at the size of a real base), "frobenius" or "relative", see
        `Units`; with "relative" the network begins at the library's mean.
    condition: "pooled", "tokens", see `T2LConfig`, or "one_hot": it reads the task's number, no text.
    descriptions: how many of each task's descriptions are trained on. tasks_per_step: adapters of a step;
    descriptions_per_task: of each of them. delta_scaling: multiplies ΔW in the losses on ΔW.
    val_tasks: tasks whose adapters are kept out and scored.
    Raises T2LError for settings that exclude each other.
    """

    library: str
    tasks: tuple[str, ...] = ()
    loss: str = "z_score"
    variant: str = "m"
    condition: str = "pooled"
    encoder: str = DEFAULT_ENCODER
    encoder_adapter: str = ""
    latent_size: int = 128
    head_size: int = 512
    share: str = "none"
    descriptions: int = 6
    val_tasks: tuple[str, ...] = ()
    open_license: bool = False
    tasks_per_step: int = 4
    descriptions_per_task: int = 1
    delta_scaling: float = _DELTA_SCALING

    def __post_init__(self) -> None:
        for name in ("descriptions", "tasks_per_step", "descriptions_per_task"):
            check_whole(getattr(self, name), name)
        if self.loss not in LOSSES:
            raise T2LError(f"loss={self.loss!r} is unknown; choose one of {', '.join(LOSSES)}.")
        if self.condition not in ("pooled", "tokens", "one_hot"):
            raise T2LError(f"condition={self.condition!r} is unknown; choose pooled, tokens or one_hot.")
        if not math.isfinite(self.delta_scaling) or self.delta_scaling <= 0:
            raise T2LError(f"delta_scaling must be a number above 0, not {self.delta_scaling!r}.")
        on_delta = self.loss in ("delta", "frobenius")
        if not on_delta and self.delta_scaling != _DELTA_SCALING:
            # z-scores of A and B say nothing of a product's; the reference could train this and never run it.
            raise T2LError(
                f"delta_scaling={self.delta_scaling:g} scales ΔW, but loss={self.loss!r} compares A and B; "
                'leave it away, or choose loss="delta" or "frobenius".'
            )
        if self.condition == "one_hot":
            for name, value in (("encoder_adapter", self.encoder_adapter), ("val_tasks", self.val_tasks)):
                if value:
                    raise T2LError(
                        f'{name}={value!r} needs descriptions, which condition="one_hot" does not read; '
                        'leave it away, or choose condition="pooled".'
                    )
        elif not self.tasks:
            raise T2LError('tasks must name a suite with descriptions; only condition="one_hot" reads none.')
        elif self.descriptions_per_task > self.descriptions:
            raise T2LError(
                f"descriptions_per_task={self.descriptions_per_task} is more than the "
                f"descriptions={self.descriptions} that are trained on; lower it."
            )


@dataclass(frozen=True)
class Step:
    """One step's share of a process: conditions (n, ...), the stack of n adapters asked for, their tasks."""

    condition: Tensor
    targets: LoRAWeights
    tasks: tuple[str, ...] = ()


class ReconData:
    """Adapters and conditions; `step(n)` is a function of the number n alone.

    conditions: for every task (descriptions, c), or (descriptions, t, c) of tokens with zeros as padding.
    Every task is visited once before any is visited again.
    """

    def __init__(
        self,
        library: Library,
        names: Sequence[str],
        conditions: Sequence[Tensor],
        *,
        tasks_per_step: int,
        descriptions_per_task: int = 1,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        rank, world = share
        if tasks_per_step % world:
            raise T2LError(f"tasks_per_step={tasks_per_step} cannot be shared by {world} processes.")
        if tasks_per_step > len(names):
            raise T2LError(f"tasks_per_step={tasks_per_step}, but there are only {len(names)} tasks.")
        self.library, self.names, self.conditions = library, list(names), list(conditions)
        self.tasks_per_step, self.descriptions_per_task = tasks_per_step, descriptions_per_task
        self.seed, self.rank, self.world = seed, rank, world

    def picks(self, number: int) -> list[tuple[int, list[int]]]:
        """(task, its descriptions) of step `number`, for all processes together."""
        start = number * self.tasks_per_step
        chosen = []
        for place in range(start, start + self.tasks_per_step):
            round_, position = divmod(place, len(self.names))
            order = random.Random(f"{self.seed}/{round_}").sample(range(len(self.names)), len(self.names))
            task = order[position]
            own = random.Random(f"{self.seed}/{round_}/{task}")
            count = len(self.conditions[task])
            chosen.append((task, own.sample(range(count), min(self.descriptions_per_task, count))))
        return chosen

    def step(self, number: int) -> Step:
        """What step `number` asks of this process."""
        picks = self.picks(number)[self.rank :: self.world]
        conditions = [self.conditions[task][d] for task, texts in picks for d in texts]
        names = tuple(self.names[task] for task, _ in picks)
        targets = self.library.read(names)
        repeats = torch.tensor([len(texts) for _, texts in picks])
        if int(repeats.max()) > 1:
            targets = targets.map(lambda t: t.repeat_interleave(repeats, 0))
        return Step(stack_conditions(conditions), targets, names)


def recon_loss(units: Units) -> Callable[[nn.Module, Step], dict[str, Tensor]]:
    """The loss of a step, see `Units.difference`."""

    def loss(network: nn.Module, step: Step) -> dict[str, Tensor]:
        device = next(network.parameters()).device
        targets = step.targets.map(lambda t: t.to(device))
        return {"loss": units.difference(network(step.condition.to(device)), targets)}

    return loss


@dataclass(frozen=True)
class _Asked:
    """A task, one condition of it, and what that is called in a report."""

    name: str
    condition: Tensor
    kind: str


@torch.no_grad()
def _measure(
    network: T2L, units: Units, library: Library, asked: Sequence[_Asked], at_once: int
) -> Iterator[tuple[_Asked, float, dict[str, float]]]:
    """Loss and relative errors of a network for every condition; `at_once` adapters are in memory."""
    device = next(network.parameters()).device
    finished = units.finished(network)
    network.eval()
    for start in range(0, len(asked), at_once):
        part = asked[start : start + at_once]
        condition = stack_conditions([a.condition for a in part]).to(device)
        targets = library.read([a.name for a in part]).map(lambda t: t.to(device))
        raw, errors = network(condition), relative_errors(finished(condition), targets)
        for row, entry in enumerate(part):
            one = slice(row, row + 1)
            value = float(units.difference(raw[one], targets[one]))
            yield entry, value, {name: float(error[row]) for name, error in errors.items()}


def report(
    network: T2L,
    units: Units,
    library: Library,
    asked: Sequence[_Asked],
    folder: str | Path,
    at_once: int = 4,
) -> list[dict[str, Any]]:
    """Writes `folder`/errors.jsonl, a row for every condition, the worst first; returns its rows.

    kind: "trained", "unseen_description" or "unseen_task". error: the mean of the modules' relative errors.
    """
    rows = []
    for entry, loss, errors in _measure(network, units, library, asked, at_once):
        mean = sum(errors.values()) / len(errors)
        rows.append({"task": entry.name, "kind": entry.kind, "error": mean, "loss": loss, "modules": errors})
    rows.sort(key=lambda row: -row["error"])
    with complete_or_absent(folder, ("errors.jsonl",)) as work:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (work / "errors.jsonl").write_text(text, encoding="utf-8")
    return rows


def train_recon(run: ReconRun, fitting: FitConfig, out: str | Path, *, stop_after: int | None = None) -> int:
    """Trains a T2L to give every task's adapter from a library; returns the steps done.

    Writes `out`/generator (what `Generator.load` reads, in float32) at every checkpoint, and at the end
    `out`/report/errors.jsonl with every task's relative errors. Adapters of split eval are never read.
    """
    accelerator = make_accelerator(fitting, out, cpu=not torch.cuda.is_available())
    share = (accelerator.process_index, accelerator.num_processes)
    tasks, held_out = _tasks(run)
    shared = shared_tasks(run.library)
    keep_out(run.val_tasks, shared, run.library)
    names = [task.name for task in tasks] or sorted(member.name for member in read_library(run.library))
    library = Library.open(run.library, [*names, *(task.name for task in held_out)])
    one_hot, fitted, index, encoder_id = run.condition == "one_hot", None, None, ""
    before: list[str] = []
    if one_hot:
        conditions = list(torch.eye(len(names)).unsqueeze(1))
        trained, size = conditions, len(names)
    else:
        fitted = load_encoder_adapter(run.encoder_adapter) if run.encoder_adapter else None
        if run.encoder_adapter:
            before = learned(run.encoder_adapter)
            keep_out(run.val_tasks, before, run.encoder_adapter)
        encoder = TextEncoder(run.encoder, fitted)
        tokens, encoder_id = run.condition == "tokens", encoder.id
        conditions = [
            encoder.encode_cached([Condition(text).text for text in task.descriptions], tokens=tokens)
            for task in (*tasks, *held_out)
        ]
        trained, size = [c[: run.descriptions] for c in conditions[: len(tasks)]], encoder.size
        if not tokens:
            index = TaskIndex.of(names, [task.descriptions[0] for task in tasks], trained)
    relative = run.loss == "relative"
    config = T2LConfig(
        library.spec,
        size,
        run.variant,
        run.latent_size,
        run.head_size,
        run.share,
        # As in the reference: the mean stands in the statistics already.
        head_bias=run.loss != "z_score",
        condition="tokens" if run.condition == "tokens" else "pooled",
        shift="element" if relative else "none",
        scale="scalar" if relative else "none",
    )
    torch.manual_seed(fitting.seed)
    network = T2L(config).initialise("zero" if relative else "default", fitting.seed)
    mean, std = statistics(library, names) if run.loss in ("z_score", "relative") else (None, None)
    if relative and mean:
        network.begin_at(mean)
        mean = std = None
    units = Units(run.loss, run.delta_scaling, mean, std).to(accelerator.device)
    data = ReconData(
        library,
        names,
        trained,
        tasks_per_step=run.tasks_per_step,
        descriptions_per_task=run.descriptions_per_task,
        seed=fitting.seed,
        share=share,
    )
    asked = [_Asked(name, c[0], "trained") for name, c in zip(names, trained, strict=True)]
    for task, c in zip(tasks, conditions, strict=False):
        asked += [_Asked(task.name, d, "unseen_description") for d in c[run.descriptions :][:1]]
    for task, c in zip(held_out, conditions[len(names) :], strict=True):
        asked.append(_Asked(task.name, c[0], "unseen_task"))
    folder = Path(out)
    # Their descriptions, which the library does not tell.
    found = {"data": digest([*tasks, *held_out]), "encoder_id": encoder_id}
    facts = {"method": "recon", **asdict(run), "library_id": library.id, "fit": asdict(fitting), **found}

    def validate(plain: nn.Module) -> dict[str, float]:
        assert isinstance(plain, T2L)
        means: dict[str, float] = {}
        for kind in dict.fromkeys(a.kind for a in asked):
            every = [a for a in asked if a.kind == kind]
            # An even choice tells enough in a short time.
            some = every[:: -(-len(every) // VALIDATED)]
            rows = list(_measure(plain, units, library, some, run.tasks_per_step))
            means[f"{kind}_loss"] = sum(loss for _, loss, _ in rows) / len(rows)
            means[f"{kind}_error"] = sum(sum(e.values()) / len(e) for _, _, e in rows) / len(rows)
        return means

    def export(plain: nn.Module, step: int) -> None:
        assert isinstance(plain, T2L)
        # What its encoder and a shared A have learned from too, a later run must not take for new.
        known = list(dict.fromkeys([*names, *before, *shared]))
        training = {**facts, "tasks": known, "steps_done": step}
        generator = Generator(
            units.finished(plain),
            run.encoder,
            library.base_weights_id,
            training,
            encoder_adapter=fitted,
            tasks=tuple(names) if one_hot else (),
            index=index,
        )
        # bfloat16 would round a mean by as much as tasks differ from it.
        generator.save(folder / "generator", dtype=torch.float32)

    done = fit(
        network,
        data.step,
        recon_loss(units),
        folder,
        fitting,
        run=facts,
        known=found,
        validate=validate,
        export=export,
        accelerator=accelerator,
        stop_after=stop_after,
    )
    if accelerator.is_main_process and done == fitting.steps:
        report(network, units, library, asked, folder / REPORT, run.tasks_per_step)
    accelerator.wait_for_everyone()
    return done


def _tasks(run: ReconRun) -> tuple[list[Task], list[Task]]:
    """The tasks to train on and those kept out, each with an adapter; none where no text is read."""
    if run.condition == "one_hot" and not run.tasks:
        return [], []
    usable, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license)
    there = {member.name for member in read_library(run.library)}
    tasks = [task for task in usable if task.name in there]
    if not tasks:
        raise T2LError(
            f"{run.library} has no adapter of any task of split train in {', '.join(run.tasks)}; its folders "
            f"are named {', '.join(sorted(there)[:3])}, ..."
        )
    if left := len(there) - len(tasks) - len(held_out):
        print(f"{left} adapters belong to none of the tasks to train on; left out.", file=sys.stderr)
    if run.condition != "one_hot":
        require_descriptions((*tasks, *held_out), run.descriptions)
    return tasks, held_out
