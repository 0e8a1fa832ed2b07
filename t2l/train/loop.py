"""The one training loop: optimiser, schedule, log, checkpoints, resume, on accelerate.
Knows a network, a sampler and a loss; not what is learned."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.errors import T2LError, check_whole
from t2l.files import replace_file

STATE, LOG, RUN = "state.pt", "log.jsonl", "run.json"
# In place of STATE where no process holds all of it: a folder as accelerate writes it, and how far it is.
SHARDED, PROGRESS = "state", "progress.json"
_TRACKERS = ("tensorboard", "trackio", "wandb")
# What counts things: the processes' numbers add up; all others are means over processes.
_COUNTS = ("tokens", "examples")


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast to train.

    steps: optimiser steps. learning_rate: at the top of the schedule, which rises linearly over the first
    `warmup` fraction and falls to zero along a cosine. weight_decay: AdamW, on every parameter, as in the
    reference. clip: largest gradient norm. save_minutes: between two checkpoints. track: a tracker that gets
    the log's numbers too: tensorboard, trackio or wandb.
    Raises T2LError for values that cannot work.
    """

    steps: int
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    save_minutes: float = 10.0
    log_every: int = 10
    validate_every: int = 500
    track: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "validate_every"):
            check_whole(getattr(self, name), name)
        for name in ("learning_rate", "clip", "save_minutes"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise T2LError(f"{name} must be a number above 0, not {value!r}.")
        if not 0 <= self.warmup <= 1 or not 0 <= self.weight_decay < 1:
            raise T2LError("warmup must be between 0 and 1, weight_decay at least 0 and below 1.")
        if self.track and self.track not in _TRACKERS:
            raise T2LError(f"track={self.track!r} is unknown; choose {', '.join(_TRACKERS)}.")

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        warm = max(1, round(self.warmup * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def make_accelerator(
    config: FitConfig, out: str | Path, *, cpu: bool = False, mixed_precision: str = "no"
) -> Any:
    """The Accelerator of a run; raises T2LError where the tracker's package is not installed."""
    from accelerate import Accelerator

    if config.track and not importlib.util.find_spec(config.track):
        raise T2LError(
            f"track={config.track} needs the package {config.track}; install it (pip install "
            f"{config.track}), or leave track away: every number is in {LOG} as well."
        )
    return Accelerator(
        cpu=cpu,
        mixed_precision=mixed_precision,
        log_with=config.track or None,
        project_dir=str(out) if config.track else None,
    )


def defaults(settings: type) -> dict[str, Any]:
    """The fields of a settings dataclass that have a default, with it."""
    return {field.name: field.default for field in fields(settings) if field.default is not MISSING}


def fit(
    network: nn.Module,
    sample: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], dict[str, Tensor]],
    out: str | Path,
    config: FitConfig,
    *,
    run: dict[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    judge: Callable[[nn.Module, int, dict[str, float]], None] | None = None,
    export: Callable[[nn.Module, int], None] | None = None,
    memory: dict[str, Any] | None = None,
    after: Callable[[nn.Module, int], None] | None = None,
    cut: Callable[[Any, int], Sequence[Any]] | None = None,
    accumulate: int = 1,
    held: ExitStack | None = None,
    parts: Sequence[nn.Module] = (),
    workers: int = 0,
    accelerator: Any = None,
    stop_after: int | None = None,
) -> int:
    """Trains `network`, continuing where an earlier call with the same `run` stopped; returns the steps done.

    sample: step -> this process's share of the batch, a function of the step (and of `memory`) alone, so that
        a resumed run sees what an uninterrupted one sees. A batch with `tasks` is named by them in errors.
    loss: (network, batch) -> {"loss": scalar, "tokens": count, ...}; it calls the network as it is given
        (under several processes that is DDP's wrapper). "total", if it is there, is differentiated instead.
    out: folder of the checkpoint, log.jsonl and run.json. run: the settings that must not change on resume;
        known: values that count where a setting is missing in a run.json of an older version.
    judge: (network, step, what validate gave), after each validation. memory: plain JSON that judge may
        change; it is saved and restored with the state, and training ends once memory["stop"] is true.
    export: writes the network in the form that users load, at every checkpoint. after: is called after every
        step, with its number.
    cut: (batch, n) -> at most n smaller batches whose losses add up to the whole one's. accumulate: how many
        of them a step is cut into. held: what `loss` enters there is left after the backward pass.
    parts: networks within `network` that have nothing in common: each is clipped by its own norm, and the
        process trains them alone, whatever others do.
    workers: forked processes that make batches while a step is computed, for a `sample` of the step alone.
    stop_after: steps after which to stop early, as an interrupt does (for tests and for budgets).
    Ctrl-C ends the step in progress, saves, and raises KeyboardInterrupt. Raises T2LError for a diverged
    loss, too little memory, other settings than the run was begun with, or a folder that cannot be written.
    """
    from tqdm import tqdm

    accelerator = accelerator or make_accelerator(config, out)
    alone = bool(parts) or accelerator.num_processes == 1
    main = bool(parts) or accelerator.is_main_process
    sharded = not parts and is_sharded(accelerator)
    folder, memory = Path(out), {} if memory is None else memory
    settings = json.loads(json.dumps({"fit": asdict(config), **(run or {})}))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    known = {"fit": defaults(FitConfig), **(known or {})}
    resume = _resume_sharded if sharded else _resume
    done = resume(folder, settings, known, network, optimizer, memory)
    whole = copy.deepcopy(network) if sharded else network
    if main:
        _begin(folder, settings, done)
    if not parts:
        accelerator.wait_for_everyone()
        network, optimizer = accelerator.prepare(network, optimizer)
        if sharded and done:
            accelerator.load_state(str(_sharded(folder)))
    else:
        # Not DDP: no other process has these parameters.
        network = accelerator.prepare_model(network, evaluation_mode=True)
        optimizer = accelerator.prepare(optimizer)
    plain = network if sharded else accelerator.unwrap_model(network)
    if config.track:
        accelerator.init_trackers("t2l", {k: str(v) for k, v in _flat(settings).items()})

    def write(row: dict[str, Any]) -> None:
        if main:
            _append(folder, row)
        if config.track:
            accelerator.log({k: v for k, v in row.items() if k != "step"}, row["step"])

    def gathered() -> nn.Module:
        """The network with all of its weights, in the first process."""
        if not sharded:
            return plain
        state = accelerator.get_state_dict(network)
        if main:
            whole.load_state_dict({key: tensor.cpu() for key, tensor in state.items()})
        return whole

    def save(last: bool) -> None:
        try:
            if sharded:
                _save_sharded(folder, done, accelerator, memory)
            else:
                _save(folder, done, plain, optimizer, memory)
            network = gathered()
            if export and main:
                export(network, done)
        except (OSError, T2LError) as err:
            if not last:
                # The earlier checkpoint is untouched; hours of training must not end for a full disk.
                bar.write(f"Checkpoint at step {done} failed ({err}); training goes on.", file=sys.stderr)
            elif isinstance(err, T2LError):
                raise
            else:
                raise T2LError(
                    f"Step {done} cannot be saved to {folder} ({err}); free some space and run the same "
                    "command again: it continues from the last checkpoint."
                ) from err

    def judged(validate: Callable[[nn.Module], dict[str, float]]) -> dict[str, float]:
        if done == config.steps and export and main and not sharded:
            # It may take minutes: whoever ends it must not lose what training has made.
            with suppress(OSError, T2LError):
                export(plain, done)
        network.eval()
        with torch.no_grad():
            losses = validate(plain)
        if judge and losses:
            try:
                judge(gathered(), done, losses)
            except (OSError, T2LError) as err:
                bar.write(f"Step {done} could not be kept as the best one ({err}).", file=sys.stderr)
            if not alone:
                _share(memory)
        return losses

    saved_at, window = time.monotonic(), _Window()
    total = min(config.steps, stop_after or config.steps)
    shown = main and accelerator.is_local_main_process
    with (
        _batches(sample, done, total, workers) as batches,
        _interruptible() as interrupted,
        tqdm(total=config.steps, initial=done, disable=not shown, unit="step", mininterval=1.0) as bar,
    ):
        stopped = False
        while done < total and not memory.get("stop") and not stopped:
            # Everything random in a step follows from the step's number: resume needs no generator state.
            process = 0 if alone else accelerator.process_index
            world = 1 if alone else accelerator.num_processes
            torch.manual_seed(config.seed * 1_000_003 + done * world + process)
            for group in optimizer.param_groups:
                group["lr"] = config.rate(done)
            network.train()
            batch = next(batches)
            try:
                values = _passes(accelerator, network, loss, cut(batch, accumulate) if cut else [batch], held)
            except (RuntimeError, MemoryError) as err:
                if not _memory_is_short(err):
                    raise
                optimizer.zero_grad(set_to_none=True)
                raise T2LError(
                    _smaller(accelerator, network, loss, batch, done, cut, accumulate, held)
                ) from err
            norm = _clip(accelerator, network, parts, config.clip)
            # Looked at in every step: no checkpoint may hold what came after.
            if not bool(torch.isfinite(values["loss"].detach().to(norm.device) + norm)):
                raise T2LError(
                    f"The loss became {float(values['loss'])} (gradient norm {float(norm)}) in step "
                    f"{done + 1}{_named(batch)}; look at their examples, or begin again elsewhere with a "
                    f"lower learning rate than {config.learning_rate}. {folder} keeps the last checkpoint "
                    "before it."
                )
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            window.add(values, norm)
            done += 1
            bar.update()
            if after:
                try:
                    after(plain, done)
                except (OSError, T2LError) as err:
                    bar.write(
                        f"What is kept of step {done} failed ({err}); training goes on.", file=sys.stderr
                    )
            stopped = _agreed(accelerator, interrupted(), alone)
            if done % config.log_every == 0 or done == total:
                row = {"step": done, "lr": config.rate(done - 1), **window.close(accelerator, alone)}
                bar.set_postfix_str(f"loss {row['loss']:.3f}, {row['tokens_per_second']:.0f} tokens/s")
                write(row)
            if validate and (done % config.validate_every == 0 or done == config.steps):
                with window.pause():
                    row = {"step": done, **judged(validate)}
                write(row)
                if main:
                    line = "  ".join(f"{k} {v:.4g}" for k, v in row.items())
                    bar.write(line, file=sys.stderr)
            due = time.monotonic() - saved_at > config.save_minutes * 60 and done < total
            if _agreed(accelerator, due, False) if sharded else due and main:
                saved_at = time.monotonic()
                with window.pause():
                    save(last=False)
        if main or sharded:
            save(last=True)
    if config.track:
        accelerator.end_training()
    if not alone:
        accelerator.wait_for_everyone()
    if stopped and done < total:
        raise KeyboardInterrupt(f"Stopped after step {done}; run the same command again to continue.")
    return done


@contextmanager
def _batches(sample: Callable[[int], Any], first: int, total: int, workers: int) -> Iterator[Iterator[Any]]:
    """What `sample` makes of every step from `first` on: when it is asked for, or by `workers` before."""
    steps = iter(range(first, total))
    if not workers:
        yield map(sample, steps)
        return
    forked = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, forked, _begin_worker, (sample,)) as pool:
        try:
            yield _ahead(pool, steps, 2 * workers)
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(pool: ProcessPoolExecutor, steps: Iterator[int], n: int) -> Iterator[Any]:
    try:
        waiting = deque(pool.submit(_sampled, step) for step in islice(steps, n))
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(_sampled, step) for step in islice(steps, 1))
            yield batch
    except BrokenProcessPool as err:
        raise T2LError(
            "A process that makes batches was killed; run the same command again with fewer workers, or "
            "none: it continues from the last checkpoint."
        ) from err


# A forked process has what its parent had, so that neither base nor data are sent to it.
_worker_sample: list[Callable[[int], Any]] = []


def _begin_worker(sample: Callable[[int], Any]) -> None:
    _worker_sample.append(sample)
    # Ctrl-C is for the training process alone, and what that process does with a signal is not for this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The parent's threads are not here.
    torch.set_num_threads(1)


def _sampled(step: int) -> Any:
    return _worker_sample[0](step)


def best_kept(
    memory: dict[str, Any], patience: int, keep: Callable[[nn.Module, int], None]
) -> Callable[[nn.Module, int, dict[str, float]], None]:
    """A `judge` for `fit`: calls `keep` whenever the last of validate's numbers is the lowest so far.

    memory: fit's. patience: validations without a lower one that end training; 0 never does.
    """

    def judge(network: nn.Module, step: int, values: dict[str, float]) -> None:
        value = [*values.values()][-1]
        if value < memory.get("best", math.inf):
            keep(network, step)
            memory.update(best=value, best_step=step, waited=0)
        else:
            memory["waited"] = memory.get("waited", 0) + 1
            memory["stop"] = bool(patience) and memory["waited"] >= patience

    return judge


def _passes(
    accelerator: Any, network: nn.Module, loss: Any, batches: Sequence[Any], held: ExitStack | None
) -> dict[str, Tensor]:
    """Forward and backward of every batch; what the loss said, added up."""
    added: dict[str, Tensor] = {}
    for number, batch in enumerate(batches, 1):
        # Processes exchange gradients once a step, not once a pass.
        with accelerator.no_sync(network) if number < len(batches) else nullcontext(), held or nullcontext():
            with accelerator.autocast():
                values = loss(network, batch)
            accelerator.backward(values.pop("total", values["loss"]))
        for key, value in values.items():
            added[key] = added[key] + value.detach() if key in added else value.detach()
    return added


def _clip(accelerator: Any, network: nn.Module, parts: Sequence[nn.Module], most: float) -> Tensor:
    """Scales the gradients down to norm `most`, those of each part by themselves; the (largest) norm."""
    if not parts:
        norm = torch.as_tensor(accelerator.clip_grad_norm_(network.parameters(), most))
        # Where parameters are shared out (FSDP 2), so is their norm.
        whole: Any = getattr(norm, "full_tensor", None)
        return whole() if whole else norm
    norms = [
        nn.utils.clip_grad_norm_(part.parameters(), most)
        for part in parts
        if any(p.grad is not None for p in part.parameters())
    ]
    return torch.stack(norms).max()


def _named(batch: Any) -> str:
    tasks = getattr(batch, "tasks", ())
    return f", tasks {', '.join(tasks)}" if tasks else ""


def _memory_is_short(err: BaseException) -> bool:
    return isinstance(err, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(err)


def _smaller(
    accelerator: Any,
    network: nn.Module,
    loss: Any,
    batch: Any,
    done: int,
    cut: Any,
    accumulate: int,
    held: ExitStack | None,
) -> str:
    """The words for a step that memory does not hold: into how many passes it must be cut, by trying."""
    words, pieces = f"Step {done + 1} does not fit into memory; ", accumulate
    while cut:
        pieces *= 2
        batches = cut(batch, pieces)
        if len(batches) < pieces:
            break
        try:
            with accelerator.no_sync(network), held or nullcontext():
                values = loss(network, batches[0])
                values.pop("total", values["loss"]).backward()
            return f"{words}its batch does in {pieces} passes: give accumulate={pieces}."
        except (RuntimeError, MemoryError) as err:
            if not _memory_is_short(err):
                raise
        finally:
            network.zero_grad(set_to_none=True)
    return f"{words}take a smaller batch, shorter examples, a smaller base or gradient checkpointing."


def _agreed(accelerator: Any, stop: bool, alone: bool) -> bool:
    """Whether any process was asked to stop: all must leave at the same step."""
    if alone:
        return stop
    return bool(accelerator.reduce(torch.tensor(float(stop), device=accelerator.device), "sum"))


def _share(memory: dict[str, Any]) -> None:
    """The first process's memory in every process: a last bit of difference must not part them."""
    from accelerate.utils import broadcast_object_list

    held = [memory]
    broadcast_object_list(held)
    memory.update(held[0])


class _Window:
    """Means between two log lines, kept on the device until then; of a resumed run, since it was resumed."""

    def __init__(self) -> None:
        self.start, self.rows = time.monotonic(), []

    def add(self, values: dict[str, Tensor], norm: Tensor) -> None:
        self.rows.append({k: v.detach().float() for k, v in {**values, "norm": norm}.items()})

    @contextmanager
    def pause(self) -> Iterator[None]:
        """A block whose time is not that of the steps."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.start += time.monotonic() - begun

    def close(self, accelerator: Any, alone: bool) -> dict[str, float]:
        seconds = time.monotonic() - self.start
        kept = {k: torch.stack([row[k] for row in self.rows]).mean() for k in self.rows[0]}
        if not alone:
            kept = accelerator.reduce({k: v.to(accelerator.device) for k, v in kept.items()}, "mean")
            kept |= {k: kept[k] * accelerator.num_processes for k in _COUNTS if k in kept}
        means = {k: float(v) for k, v in kept.items()}
        tokens = means.get("tokens", 0.0) * len(self.rows)
        row = {
            **means,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(tokens / max(seconds, 1e-9), 1),
        }
        self.__init__()
        return row


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C or SIGTERM into a flag, so that no step is cut in two; the second one acts."""
    caught: list[int] = []
    previous: dict[int, Any] = {}

    def handler(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handler)
    except ValueError:
        # Not the main thread: signals stay where they are.
        pass
    try:
        yield lambda: bool(caught)
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _begin(folder: Path, settings: dict[str, Any], done: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".{STATE}.*"):
            # Of a process that was killed while it wrote.
            left.unlink(missing_ok=True)
        replace_file(folder / RUN, json.dumps(settings, indent=2) + "\n")
        # Lines after the checkpoint belong to steps that are done again.
        kept = [line for line in _lines(folder / LOG) if _step(line) <= done] if done else []
        replace_file(folder / LOG, "".join(f"{line}\n" for line in kept))
    except OSError as err:
        raise T2LError(f"{folder} cannot be written ({err}); choose another --out.") from err


def _step(line: str) -> float:
    """The step of a log line; infinity for one that was cut off."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _append(folder: Path, row: dict[str, Any]) -> None:
    try:
        with open(folder / LOG, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
    except OSError as err:
        print(f"The log line of step {row['step']} was lost ({err}).", file=sys.stderr)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: {"fit": {"steps": 3}} -> {"fit.steps": 3}."""
    flat = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def refuse_changes(file: Path, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises T2LError listing how a run.json differs from `settings`; `known` fills what it lacks."""
    try:
        begun, now, filled = (
            _flat(json.loads(text))
            for text in (file.read_text(encoding="utf-8"), json.dumps(settings), json.dumps(known))
        )
    except (OSError, ValueError) as err:
        raise T2LError(f"{file} is damaged ({err}); choose another --out.") from err
    begun = {**filled, **begun}
    differing = [
        f"{key} was {json.dumps(begun.get(key))[:80]}, now {json.dumps(now.get(key))[:80]}"
        for key in sorted({*begun, *now})
        if begun.get(key) != now.get(key)
    ]
    if differing:
        raise T2LError(
            f"{file.parent} holds a run with other settings ({'; '.join(differing)}); choose another --out "
            "or repeat the settings in its run.json."
        )


def _resume(
    folder: Path,
    settings: dict[str, Any],
    known: Mapping[str, Any],
    network: nn.Module,
    optimizer: Any,
    memory: dict[str, Any],
) -> int:
    """Loads the state if there is one; returns the steps already done."""
    file = folder / STATE
    if not file.exists():
        _refuse_other(folder, _sharded(folder) / PROGRESS, "whose state was shared out (FSDP, DeepSpeed)")
        return 0
    try:
        refuse_changes(folder / RUN, settings, known)
        state = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        memory.update(state.get("memory", {}))
        return int(state["step"])
    except T2LError:
        raise
    except Exception as err:
        raise T2LError(
            f"The checkpoint {file} is damaged ({type(err).__name__}); delete it to start again, or choose "
            "another --out."
        ) from err


def _save(folder: Path, step: int, network: nn.Module, optimizer: Any, memory: dict[str, Any]) -> None:
    inner = getattr(optimizer, "optimizer", optimizer)
    state = {
        "step": step,
        "network": network.state_dict(),
        "optimizer": inner.state_dict(),
        "memory": memory,
    }
    work = folder / f".{STATE}.{os.getpid()}"
    try:
        with open(work, "wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(work, folder / STATE)
    except RuntimeError as err:
        # torch reports a failed write as RuntimeError.
        raise OSError(str(err).splitlines()[0]) from err
    finally:
        work.unlink(missing_ok=True)


def is_sharded(accelerator: Any) -> bool:
    """Whether no process holds the whole network and optimiser."""
    return accelerator.distributed_type.value in ("FSDP", "DEEPSPEED")


def _resume_sharded(
    folder: Path,
    settings: dict[str, Any],
    known: Mapping[str, Any],
    network: nn.Module,
    optimizer: Any,
    memory: dict[str, Any],
) -> int:
    """As `_resume`, but the weights follow once accelerate has shared them out."""
    file = _sharded(folder) / PROGRESS
    if not file.exists():
        _refuse_other(folder, folder / STATE, "whose state was not shared out")
        return 0
    refuse_changes(folder / RUN, settings, known)
    progress = json.loads(file.read_text(encoding="utf-8"))
    memory.update(progress["memory"])
    return int(progress["step"])


def _refuse_other(folder: Path, state: Path, kind: str) -> None:
    """Raises T2LError where a run of the other kind would be begun anew and written over."""
    if state.exists():
        raise T2LError(f"{folder} holds a run {kind}; continue it so, or choose another --out.")


def _sharded(folder: Path) -> Path:
    """Where the state lies: beside its place, if a process was killed as it moved the new one there."""
    return folder / SHARDED if (folder / SHARDED).exists() else folder / f".{SHARDED}-old"


def _save_sharded(folder: Path, step: int, accelerator: Any, memory: dict[str, Any]) -> None:
    from accelerate.utils import broadcast_object_list

    work, old = folder / f".{SHARDED}-new", folder / f".{SHARDED}-old"
    if accelerator.is_main_process:
        shutil.rmtree(work, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(work))
    accelerator.wait_for_everyone()
    failed: list[OSError | None] = [None]
    if accelerator.is_main_process:
        try:
            text = json.dumps({"step": step, "memory": memory})
            (work / PROGRESS).write_text(text, encoding="utf-8")
            shutil.rmtree(old, ignore_errors=True)
            if (folder / SHARDED).exists():
                (folder / SHARDED).rename(old)
            work.rename(folder / SHARDED)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as err:
            failed = [err]
    # All hear of it: what follows is done by every process, or by none.
    broadcast_object_list(failed)
    if failed[0] is not None:
        raise failed[0]
