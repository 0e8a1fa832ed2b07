"""LoRAs without a hypernetwork: a library, one adapter for each of many tasks at once, or one LoRA for all.
Knows tasks, the base and the loop; not what libraries are for."""

from __future__ import annotations

import json
import math
import os
import random
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.adapter import Adapter
from t2l.attach import FreeLoRA
from t2l.base import DEFAULT_BASE
from t2l.errors import T2LError, check_whole
from t2l.files import cache_folder, complete_or_absent, replace_file
from t2l.lora import LoRASpec, LoRAWeights
from t2l.peft_folder import CONFIG, WEIGHTS, peft_config, read_spec, reading
from t2l.tasks import Task, training_tasks
from t2l.train.contrast import LIBRARY, learned, learned_by_all
from t2l.train.loop import STATE, FitConfig, best_kept, defaults, fit, refuse_changes
from t2l.train.sft import (
    VALIDATED,
    SFTConfig,
    SFTData,
    Step,
    cut,
    entry_losses,
    filled,
    first_ones,
    kept_out,
    pack,
    prepare,
    sft_loss,
    trained_on,
    validation,
)

INDEX, SNAPSHOTS, TRAINING = LIBRARY, "snapshots", "training"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class LoRARun:
    """What LoRAs are trained on which tasks.

    tasks: folders of task suites. names: only these of their tasks. open_license: only tasks whose data may
    be passed on freely.
    """

    tasks: tuple[str, ...]
    names: tuple[str, ...] = ()
    base: str = DEFAULT_BASE
    targets: tuple[str, ...] = ("self_attn.q_proj", "self_attn.v_proj")
    rank: int = 8
    alpha: float = 16
    open_license: bool = False
    dtype: str = "auto"


@dataclass(frozen=True)
class MultitaskRun(LoRARun):
    """What `train_multitask` trains.

    val_tasks: names of tasks of split train that are kept out and scored as unseen ones.
    """

    val_tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class LibraryRun(LoRARun):
    """What `train_library` trains.

    snapshots: how many states of each adapter are kept besides the best one: the last ones, `snapshot_every`
    steps apart. shared_a: folder of an adapter, such as a multi-task LoRA, that every one begins at and whose
    A it keeps: B alone is trained, so that the mean of adapters is the mean of what they do.
    Raises T2LError for values that cannot work.
    """

    snapshots: int = 0
    snapshot_every: int = 1
    shared_a: str = ""

    def __post_init__(self) -> None:
        for name, least in (("snapshots", 0), ("snapshot_every", 1)):
            check_whole(getattr(self, name), name, least)


class Adapters(nn.Module):
    """n adapters, each a FreeLoRA of its own: one that a step leaves out has no gradient there.

    So AdamW neither decays nor moves it, and its count of steps stands still. All begin at the same A, which
    is what one trained alone begins at, or at `start`, whose A they keep. `best` holds the best state of
    each, which no gradient reaches.
    """

    def __init__(self, spec: LoRASpec, n: int, seed: int = 0, start: LoRAWeights | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.each = nn.ModuleList(FreeLoRA(spec, 1, seed) for _ in range(n))
        if start is not None:
            for adapter in self.each:
                _begin_at(adapter, start)
        self.best = nn.ModuleList(FreeLoRA(spec, 1, seed).requires_grad_(False) for _ in range(n))

    def forward(self, condition: Tensor) -> LoRAWeights:
        """Numbers (n',) of the adapters wanted -> their stack."""
        first = torch.zeros(1, dtype=torch.long, device=condition.device)
        wanted = [self.each[number](first) for number in condition.tolist()]
        spec = wanted[0].spec
        return LoRAWeights(
            spec,
            {name: torch.cat([w.A[name] for w in wanted]) for name in spec.targets},
            {name: torch.cat([w.B[name] for w in wanted]) for name in spec.targets},
        )

    def keep(self, number: int) -> None:
        """Makes the present state of an adapter its best one."""
        self.best[number].load_state_dict(self.each[number].state_dict())


def train_library(run: LibraryRun, sft: SFTConfig, fitting: FitConfig, out: str | Path) -> int:
    """Trains one LoRA for each task of split train, `sft.tasks_per_step` at once; returns how many.

    Writes `out`: a PEFT folder for each task, library.json, snapshots/TASK/STEP.safetensors where they are
    wanted, and training/, whose logs tell the course and from which the same call continues. A task trains
    for `fitting.steps` steps, a row of its examples in each, or until `sft.patience` validations in a row
    brought no lower loss on the examples kept out; its best state counts. Rows share nothing but the pass
    through the base, so a task gets the numbers that it would get alone. Several processes share the tasks.
    """
    base, accelerator = prepare(run.base, run.dtype, sft, fitting, out, Path(out) / TRAINING)
    tasks = _chosen(run.tasks, run.names, (), run.open_license)[0]
    spec = base.spec(run.targets, run.rank, run.alpha)
    folder, world, process = Path(out), accelerator.num_processes, accelerator.process_index
    facts = {"method": "library", **asdict(run), "sft": asdict(sft), "fit": asdict(fitting)}
    facts |= {"processes": world, "names": [task.name for task in tasks], **trained_on(base, tasks)}
    start = None
    if run.shared_a:
        shared = Adapter.load(run.shared_a)
        spec.require(shared.spec)
        start = shared.weights
        # What it has learned every LoRA here begins with: none of it is new to them.
        facts |= {"shared_a_sha256": shared.weights_sha256, "shared_tasks": learned(run.shared_a)}
    _claim(folder, facts, accelerator)
    data = SFTData(base, tasks, [torch.zeros(1)] * len(tasks), replace(sft, tasks_per_step=1))
    places = _folders(tasks)
    for first in range(0, len(tasks), sft.tasks_per_step):
        numbers = range(first, min(first + sft.tasks_per_step, len(tasks)))[process::world]
        group = {number: places[number] for number in numbers}
        if not all(_done_file(folder, place).is_file() for place in group.values()):
            network = Adapters(spec, len(group), fitting.seed, start)
            _train_group(folder, group, data, network, run, fitting, facts, accelerator)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        rows = [json.loads(_done_file(folder, place).read_text(encoding="utf-8")) for place in places]
        index = {"format_version": FORMAT_VERSION, "base_model": spec.base_model}
        index |= {"base_weights_id": base.weights_id, "training": facts, "adapters": rows}
        _write(folder / INDEX, index)
    return len(tasks)


def _train_group(
    out: Path,
    group: Mapping[int, str],
    data: SFTData,
    network: Adapters,
    run: LibraryRun,
    fitting: FitConfig,
    facts: dict[str, Any],
    accelerator: Any,
) -> None:
    """Trains the tasks of one group (number -> folder) together and writes their folders."""
    numbers, places, base, sft = list(group), list(group.values()), data.base, data.config
    tasks = [data.tasks[number] for number in numbers]
    training, held = out / TRAINING / places[0], ExitStack()
    # None: nothing is validated, or not yet.
    memory: dict[str, Any] = {
        "best": [None] * len(tasks),
        "best_step": [0] * len(tasks),
        "waited": [0] * len(tasks),
        "steps": [None] * len(tasks),
    }
    entries = {n: (torch.tensor(n), kept_out(base, task)) for n, task in enumerate(tasks)}
    entries = {n: entry for n, entry in entries.items() if entry[1]}

    def active() -> list[int]:
        return [n for n in range(len(tasks)) if memory["steps"][n] is None]

    def sample(step: int) -> Step:
        going = active()
        names = tuple(tasks[n].name for n in going)
        draws = [random.Random(f"{fitting.seed}/{step}/{name}") for name in names]
        rows = [data.row(draw, numbers[n]) for draw, n in zip(draws, going, strict=True)]
        return Step(pack(rows), torch.tensor(going), sum(map(len, rows)), names)

    def validate(network: nn.Module) -> dict[str, float]:
        going = [n for n in active() if n in entries]
        losses = entry_losses(base, network, [entries[n] for n in going]).tolist() if going else []
        return {f"{tasks[n].name}_loss": loss for n, loss in zip(going, losses, strict=True)}

    def judge(network: nn.Module, step: int, losses: dict[str, float]) -> None:
        assert isinstance(network, Adapters)
        for n in active():
            loss = losses.get(f"{tasks[n].name}_loss")
            if loss is None:
                continue
            if loss < (math.inf if memory["best"][n] is None else memory["best"][n]):
                network.keep(n)
                memory["best"][n], memory["best_step"][n], memory["waited"][n] = loss, step, 0
                continue
            memory["waited"][n] += 1
            if sft.patience and memory["waited"][n] >= sft.patience:
                memory["steps"][n] = step
                best = f"{memory['best'][n]:.4g} at step {memory['best_step'][n]}"
                print(f"{tasks[n].name}: ends at step {step}, best loss {best}", file=sys.stderr, flush=True)
        memory["stop"] = not active()

    def loss(network: nn.Module, step: Step) -> dict[str, Tensor]:
        values = through(network, step)
        values["tasks"] = torch.tensor(float(len(step.condition)))
        return values

    through = sft_loss(base, sft, separate=True, held=held)

    def snapshot(network: nn.Module, step: int) -> None:
        assert isinstance(network, Adapters)
        for n in active() if run.snapshots and step % run.snapshot_every == 0 else ():
            _snapshot(out / SNAPSHOTS / places[n], step, _one(network.each[n]), run.snapshots)

    done = fit(
        network,
        sample,
        loss,
        training,
        fitting,
        run={**facts, "group": [task.name for task in tasks]},
        known=_known(facts),
        validate=validate,
        judge=judge,
        after=snapshot,
        memory=memory,
        cut=cut,
        accumulate=sft.accumulate,
        held=held,
        parts=list(network.each),
        accelerator=accelerator,
    )
    for n, (task, place) in enumerate(zip(tasks, places, strict=True)):
        validated = memory["best"][n] is not None
        write_peft(_one(network.best[n] if validated else network.each[n]), out / place)
        kept = sorted(file.name for file in (out / SNAPSHOTS / place).glob("*.safetensors"))
        row = {
            "task": task.name,
            "folder": place,
            "validation_loss": memory["best"][n],
            "best_step": memory["best_step"][n] if validated else done,
            "steps": memory["steps"][n] or done,
            "spec": network.spec.to_json(),
            "snapshots": [f"{SNAPSHOTS}/{place}/{name}" for name in kept],
        }
        _write(_done_file(out, place), row)
    # Its adapters are written; what is left tells how they were made.
    (training / STATE).unlink(missing_ok=True)


def _begin_at(adapter: nn.Module, start: LoRAWeights) -> None:
    """Puts an adapter's only LoRA at `start` and lets its A rest there."""
    assert isinstance(adapter, FreeLoRA)
    adapter.begin_at(start)
    adapter.A.requires_grad_(False)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run.json of an older version lacks."""
    later = ("weights_id", "base_dtype", "data", "shared_a_sha256", "shared_tasks")
    found = {key: facts[key] for key in later if key in facts}
    return {**defaults(LibraryRun), "sft": defaults(SFTConfig), "fit": defaults(FitConfig), **found}


def train_multitask(run: MultitaskRun, sft: SFTConfig, fitting: FitConfig, out: str | Path) -> int:
    """Trains one LoRA on all tasks of split train together; returns the steps done.

    Writes `out`/adapter, a PEFT folder, at every checkpoint, and `out`/best, that of the lowest validation
    loss: of unseen tasks, else of seen ones. The same call again continues.
    """
    base, accelerator = prepare(run.base, run.dtype, sft, fitting, out)
    tasks, held_out = _chosen(run.tasks, run.names, run.val_tasks, run.open_license)
    spec = base.spec(run.targets, run.rank, run.alpha)
    share = (accelerator.process_index, accelerator.num_processes)
    only = torch.zeros(1, dtype=torch.long)
    data = SFTData(base, tasks, [only] * len(tasks), sft, seed=fitting.seed, share=share)

    def said(task: Task) -> str:
        return task.descriptions[0] if sft.described else ""

    some = tasks[:: -(-len(tasks) // VALIDATED)]
    groups = {
        "seen": [(only[0], kept) for task in some if (kept := kept_out(base, task, said(task)))],
        "unseen_tasks": [(only[0], first_ones(base, task, said(task))) for task in held_out],
    }
    groups = filled(groups, sft.patience)
    memory, held, found = {}, ExitStack(), trained_on(base, [*tasks, *held_out])
    # By name too: what begins at this LoRA must not take them for new.
    found = {**found, "tasks_learned": [task.name for task in tasks]}

    def save(network: nn.Module, name: str) -> None:
        if accelerator.is_main_process:
            assert isinstance(network, FreeLoRA)
            write_peft(_one(network), Path(out) / name)

    return fit(
        FreeLoRA(spec, 1, fitting.seed),
        data.step,
        sft_loss(base, sft, held=held),
        out,
        fitting,
        run={"method": "multitask", **asdict(run), "sft": asdict(sft), **found},
        known={**defaults(MultitaskRun), "sft": defaults(SFTConfig), **found},
        validate=validation(base, groups, accelerator),
        judge=best_kept(memory, sft.patience, lambda network, _: save(network, "best")),
        export=lambda network, _: save(network, "adapter"),
        memory=memory,
        cut=cut,
        accumulate=sft.accumulate,
        held=held,
        accelerator=accelerator,
    )


def _chosen(
    folders: Sequence[str], names: Sequence[str], held_out: Sequence[str], open_license: bool
) -> tuple[list[Task], list[Task]]:
    tasks, kept = training_tasks(folders, held_out, open_license, names)
    if not tasks:
        raise T2LError("No task is left to train on; give other --tasks, or less that chooses among them.")
    return tasks, kept


def _claim(folder: Path, facts: dict[str, Any], accelerator: Any) -> None:
    """Writes the settings of a library that begins, and refuses to go on with others."""
    file = folder / TRAINING / "run.json"
    if file.is_file():
        refuse_changes(file, facts, _known(facts))
    elif (folder / INDEX).exists():
        raise T2LError(f"{folder} holds a library that was made elsewhere; choose another --out.")
    # Nobody writes before all have looked.
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _write(file, facts)


def _write(file: Path, value: Any) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space and run it again.") from err


def _done_file(out: Path, folder: str) -> Path:
    return out / TRAINING / f"{folder}.json"


def _folders(tasks: Iterable[Task]) -> list[str]:
    """A folder name for each task: its own name where that is one, and no name twice."""
    taken = {SNAPSHOTS, TRAINING, INDEX, "run"}
    made = []
    for task in tasks:
        plain = re.sub(r"[^\w-]+", "_", task.name)[:80].strip("_") or "task"
        name = next(n for i in range(len(taken) + 1) if (n := f"{plain}-{i}" if i else plain) not in taken)
        taken.add(name)
        made.append(name)
    return made


@torch.no_grad()
def _one(adapter: nn.Module) -> LoRAWeights:
    """The only adapter of a FreeLoRA, on the CPU."""
    place = next(adapter.parameters()).device
    return adapter(torch.zeros(1, dtype=torch.long, device=place))[0].map(lambda t: t.detach().float().cpu())


def write_peft(weights: LoRAWeights, folder: str | Path) -> None:
    """Writes the two files that PEFT opens; complete or as it was. Raises T2LError where the disk refuses."""
    from safetensors.torch import save_file

    with complete_or_absent(folder, (CONFIG, WEIGHTS)) as work:
        save_file(weights.to_peft(), work / WEIGHTS, metadata={"format": "pt"})
        (work / CONFIG).write_text(json.dumps(peft_config(weights.spec), indent=2) + "\n", encoding="utf-8")


def _snapshot(folder: Path, step: int, weights: LoRAWeights, most: int) -> None:
    """Writes one state under its step's number and removes those before the last `most`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    work = folder / ".writing"
    try:
        save_file(weights.to_peft(), work, metadata={"format": "pt"})
        work.replace(folder / f"{step:08}.safetensors")
    except (OSError, SafetensorError) as err:
        raise T2LError(f"{folder} cannot be written ({err}); free some space and run it again.") from err
    finally:
        work.unlink(missing_ok=True)
    files = sorted(file for file in folder.glob("*.safetensors") if int(file.stem) <= step)
    for old in files[:-most]:
        old.unlink()


@dataclass(frozen=True)
class Member:
    """One adapter of a library: its name, what it is made of, and where it lies; weights are read on call.

    base_weights_id: of the base that it was trained on, where its library says so; else "".
    """

    name: str
    spec: LoRASpec
    folder: Path
    base_weights_id: str = ""

    def weights(self) -> LoRAWeights:
        """The adapter in float32; raises T2LError as `Adapter.load`."""
        return Adapter.load(self.folder).weights


def read_library(source: str | Path | Sequence[str | Path]) -> list[Member]:
    """The adapters of a library: their names and specifications now, their weights when they are called for.

    source: a folder that `train_library` wrote, a folder of PEFT folders, one PEFT folder, a Hub id
    (namespace/name, or TASK=namespace/name, fetched as by `t2l.hub.pull`), or several of them, as a list or
    by commas. Raises T2LError for what is none of these, holds no adapter, or names two adapters alike.
    """
    members: list[Member] = []
    for item in _items(source):
        folder = Path(item)
        if (folder / CONFIG).is_file():
            told, own = _told(folder.resolve().parent), folder.resolve().name
            members.append(_member(folder, told.names.get(own, own), told))
        elif folder.is_dir():
            inside = sorted(file.parent for file in folder.glob(f"*/{CONFIG}"))
            if not inside:
                raise T2LError(f"{folder} holds no PEFT folder; give a library or a folder of adapters.")
            told = _told(folder)
            members += [_member(inner, told.names.get(inner.name, inner.name), told) for inner in inside]
        elif found := re.fullmatch(r"(?:([^=/]+)=)?([\w.-]+/[\w.-]+)", str(item)):
            members.append(_pulled(found[2], found[1]))
        else:
            raise T2LError(f"{item} is neither a folder nor a Hub id (namespace/name).")
    if not members:
        raise T2LError("A library needs at least one adapter; the list is empty.")
    names = [member.name for member in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise T2LError(f"Two adapters of this library are called {twice!r}; rename the folder of one.")
    return members


def shared_tasks(source: str | Path | Sequence[str | Path]) -> list[str]:
    """Names of the tasks that every adapter of `source`, see `read_library`, has learned with a shared A."""
    names: list[str] = []
    for item in _items(source):
        folder = Path(item).resolve()
        names += learned_by_all(folder.parent if (folder / CONFIG).is_file() else folder)
    return list(dict.fromkeys(names))


def _items(source: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    if not isinstance(source, str | Path):
        return source
    # Not Path.exists: it raises for a list that is longer than a path may be.
    return [source] if os.path.exists(source) else str(source).split(",")


def _member(folder: Path, name: str, told: _Told) -> Member:
    with reading(folder):
        return Member(name, read_spec(folder), folder, told.base_weights_id)


@dataclass(frozen=True)
class _Told:
    """What a library made here says of itself: folder -> task, and its base; another folder says nothing."""

    names: Mapping[str, str]
    base_weights_id: str


def _told(folder: Path) -> _Told:
    if not (folder / INDEX).is_file():
        return _Told({}, "")
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        names = {str(row["folder"]): str(row["task"]) for row in index["adapters"]}
        return _Told(names, str(index["base_weights_id"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise T2LError(f"{folder / INDEX} cannot be read ({err}); train or fetch the library again.") from err


def _pulled(repo: str, name: str | None) -> Member:
    """A Hub adapter, laid down in the cache, so that its weights need not stay in memory."""
    from t2l.hub import pull, stored_token

    adapter = pull(repo, token=stored_token())
    folder = cache_folder() / "library" / repo.replace("/", "--")
    write_peft(adapter.weights, folder)
    return Member(name or repo, adapter.spec, folder, adapter.base_weights_id)
