"""The one training loop: optimiser, schedule, log, checkpoints, resume, on accelerate.
Knows a network, a sampler and a loss; not what is learned."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2l.errors import T2LError

STATE, LOG, RUN = "state.pt", "log.jsonl", "run.json"


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast to train.

    steps: optimiser steps. learning_rate: at the top of the schedule, which rises linearly over the first
    `warmup` fraction and falls to zero along a cosine. weight_decay: AdamW, on every parameter, as in the
    reference. clip: largest gradient norm. save_minutes: between two checkpoints.
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

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "validate_every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise T2LError(f"{name} must be a whole number of at least 1, not {getattr(self, name)!r}.")
        for name in ("learning_rate", "clip", "save_minutes"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise T2LError(f"{name} must be a number above 0, not {value!r}.")
        if not 0 <= self.warmup <= 1 or not 0 <= self.weight_decay < 1:
            raise T2LError("warmup must be between 0 and 1, weight_decay at least 0 and below 1.")

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        warm = max(1, round(self.warmup * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def fit(
    network: nn.Module,
    sample: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], dict[str, Tensor]],
    out: str | Path,
    config: FitConfig,
    *,
    run: dict[str, Any] | None = None,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    export: Callable[[nn.Module, int], None] | None = None,
    accelerator: Any = None,
    stop_after: int | None = None,
) -> int:
    """Trains `network`, continuing where an earlier call with the same `run` stopped; returns the steps done.

    sample: step -> this process's share of the batch, a function of the step alone, so that a resumed run
        sees what an uninterrupted one sees. loss: (network, batch) -> {"loss": scalar, "tokens": count, ...};
        it calls the network as it is given (under several processes that is DDP's wrapper).
    out: folder of the checkpoint, log.jsonl and run.json. run: the settings that must not change on resume.
    export: writes the network in the form that users load, at every checkpoint.
    stop_after: steps after which to stop early, as an interrupt does (for tests and for budgets).
    Ctrl-C ends the step in progress, saves, and raises KeyboardInterrupt. Raises T2LError for a diverged
    loss, other settings than the run was begun with, or a folder that cannot be written.
    """
    from accelerate import Accelerator
    from tqdm import tqdm

    accelerator = accelerator or Accelerator()
    main = accelerator.is_main_process
    folder = Path(out)
    settings = json.loads(json.dumps({"fit": asdict(config), **(run or {})}))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    done = _resume(folder, settings, network, optimizer)
    if main:
        _begin(folder, settings, done)
    accelerator.wait_for_everyone()
    network, optimizer = accelerator.prepare(network, optimizer)
    plain = accelerator.unwrap_model(network)

    saved_at, window = time.monotonic(), _Window()
    total = min(config.steps, stop_after or config.steps)
    with (
        _interruptible() as interrupted,
        tqdm(total=config.steps, initial=done, disable=not main, unit="step", mininterval=1.0) as bar,
    ):
        while done < total and not interrupted():
            # Everything random in a step follows from the step's number: resume needs no generator state.
            torch.manual_seed(
                config.seed * 1_000_003 + done * accelerator.num_processes + accelerator.process_index
            )
            for group in optimizer.param_groups:
                group["lr"] = config.rate(done)
            network.train()
            parts = loss(network, sample(done))
            accelerator.backward(parts["loss"])
            norm = accelerator.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            window.add(parts, norm)
            done += 1
            bar.update()
            if done % config.log_every == 0 or done == total:
                row = {"step": done, "lr": config.rate(done - 1), **window.close()}
                if not math.isfinite(row["loss"]):
                    raise T2LError(
                        f"The loss became {row['loss']} before step {done}; resume from the last checkpoint "
                        f"in {folder} with a lower learning rate than {config.learning_rate}."
                    )
                bar.set_postfix_str(f"loss {row['loss']:.3f}, {row['tokens_per_second']:.0f} tokens/s")
                if main:
                    _append(folder, row)
            if validate and (done % config.validate_every == 0 or done == config.steps):
                network.eval()
                with torch.no_grad():
                    row = {"step": done, **validate(plain)}
                window = _Window()
                if main:
                    _append(folder, row)
                    bar.write("  ".join(f"{k} {v:.4g}" for k, v in row.items()), file=sys.stderr)
            if main and time.monotonic() - saved_at > config.save_minutes * 60 and done < total:
                saved_at = time.monotonic()
                try:
                    _save(folder, done, plain, optimizer)
                    if export:
                        export(plain, done)
                except OSError as err:
                    # The earlier checkpoint is untouched; hours of training must not end for a full disk.
                    bar.write(f"Checkpoint at step {done} failed ({err}); training goes on.", file=sys.stderr)
                window = _Window()
        stopped = interrupted()
    if main:
        try:
            _save(folder, done, plain, optimizer)
            if export:
                export(plain, done)
        except OSError as err:
            raise T2LError(
                f"Step {done} cannot be saved to {folder} ({err}); free some space and run the same command "
                "again: it continues from the last checkpoint."
            ) from err
    accelerator.wait_for_everyone()
    if stopped:
        raise KeyboardInterrupt(f"Stopped after step {done}; run the same command again to continue.")
    return done


class _Window:
    """Means between two log lines, kept on the device until then."""

    def __init__(self) -> None:
        self.start, self.rows = time.monotonic(), []

    def add(self, parts: dict[str, Tensor], norm: Any) -> None:
        self.rows.append({**{k: torch.as_tensor(v).detach().float() for k, v in parts.items()}, "norm": norm})

    def close(self) -> dict[str, float]:
        seconds = time.monotonic() - self.start
        means = {
            k: float(torch.stack([torch.as_tensor(r[k]).float() for r in self.rows]).mean())
            for k in self.rows[0]
        }
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
        (folder / RUN).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        # Lines after the checkpoint belong to steps that are done again.
        log = folder / LOG
        kept = [line for line in _lines(log) if json.loads(line)["step"] <= done] if done else []
        log.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    except OSError as err:
        raise T2LError(f"{folder} cannot be written ({err}); choose another --out.") from err


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _append(folder: Path, row: dict[str, Any]) -> None:
    try:
        with open(folder / LOG, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
    except OSError as err:
        print(f"The log line of step {row['step']} was lost ({err}).", file=sys.stderr)


def _resume(folder: Path, settings: dict[str, Any], network: nn.Module, optimizer: Any) -> int:
    """Loads the state if there is one; returns the steps already done."""
    file = folder / STATE
    if not file.exists():
        return 0
    try:
        begun = json.loads((folder / RUN).read_text(encoding="utf-8"))
        state = torch.load(file, map_location="cpu", weights_only=True)
        differing = sorted(k for k in {*begun, *settings} if begun.get(k) != settings.get(k))
        if differing:
            raise T2LError(
                f"{folder} holds a run with other settings ({', '.join(differing)}); choose another --out or "
                "repeat the settings in its run.json."
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])
    except T2LError:
        raise
    except Exception as err:
        raise T2LError(
            f"The checkpoint {file} is damaged ({type(err).__name__}); delete it to start again, or choose "
            "another --out."
        ) from err


def _save(folder: Path, step: int, network: nn.Module, optimizer: Any) -> None:
    inner = getattr(optimizer, "optimizer", optimizer)
    state = {"step": step, "network": network.state_dict(), "optimizer": inner.state_dict()}
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
