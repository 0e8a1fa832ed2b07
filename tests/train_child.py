"""Trains on a tiny base in a process of its own: under `accelerate launch`, or one that is killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accelerate
import torch
from tiny_base import TARGETS

import t2l.hypernet
from t2l.encoder import TextEncoder
from t2l.train import contrast, dnd, dnd_sft, loop, sft
from t2l.train.contrast import ContrastRun, train_encoder
from t2l.train.dnd import DnDRun, train_dnd
from t2l.train.dnd_sft import DnDSFTRun, train_dnd_sft
from t2l.train.library import LibraryRun, MultitaskRun, train_library, train_multitask
from t2l.train.loop import FitConfig
from t2l.train.sft import SFTConfig, SFTRun, train_sft

# Each process draws the noise of its own rows.
NOISE: dict[str, float] = {}


def train(method: str, place: Path, out: Path, steps: int = 12, **fitting) -> None:
    suite = (str(place / "suite"),)
    common = {
        "tasks": suite,
        "base": str(place / "base"),
        "targets": TARGETS,
        "rank": 4,
        "alpha": 8,
        "dtype": "float32",
    }
    rows = SFTConfig(tasks_per_step=4, examples_per_task=4)
    config = FitConfig(steps, learning_rate=0.01, log_every=2, validate_every=4, **fitting)
    if method == "library":
        train_library(LibraryRun(**common), rows, config, out)
    elif method == "multitask":
        train_multitask(MultitaskRun(**common), rows, config, out)
    elif method == "encoder":
        train_encoder(ContrastRun(suite, descriptions=2, tasks_per_step=4), config, out)
    elif method == "dnd":
        sizes = {"prompts": 4, "length": 8, "size": 6, "states": 2, "tasks_per_step": 4}
        train_dnd(DnDRun(str(library(place)), suite, **sizes, **NOISE, val_tasks=("last",)), config, out)
    elif method == "dnd_sft":
        start = str(out.with_name("dnd") / "generator")
        train_dnd_sft(DnDSFTRun(start, suite, pool=12, dtype="float32"), rows, config, out)
    else:
        small = {"latent_size": 16, "head_size": 8, "descriptions": 1}
        train_sft(SFTRun(**common, **small), rows, config, out)


def library(place: Path) -> Path:
    """A library with snapshots, made where it is not there yet."""
    out, base = place / "library", str(place / "base")
    if not (out / "library.json").is_file():
        run = LibraryRun(
            (str(place / "suite"),), base=base, targets=TARGETS, rank=2, dtype="float32", snapshots=2
        )
        fitting = FitConfig(6, learning_rate=0.01, validate_every=2)
        train_library(run, SFTConfig(tasks_per_step=5), fitting, out)
    return out


def within(step: int, act: Callable[[], Any]) -> None:
    """Lets something happen in the middle of the step that is this process's `step`th."""
    clip, calls = loop._clip, itertools.count(1)

    def counting(*args: Any) -> Any:
        if next(calls) == step:
            act()
        return clip(*args)

    loop._clip = counting


def die_soon() -> None:
    """Lets this process be killed at a random moment of the present step, or a little later."""
    threading.Timer(random.random() / 50, os.kill, (os.getpid(), signal.SIGKILL)).start()


def share_out() -> None:
    """Lets accelerate share parameters out (FSDP 2) on CPU, where it takes DDP of itself."""
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    class Accelerator(accelerate.Accelerator):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            for state in (AcceleratorState, PartialState):
                state._shared_state["distributed_type"] = DistributedType.FSDP
            AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin()

    accelerate.Accelerator = Accelerator


def in_a_fork(wanted: int, *args: Any, step: int = 0, **fitting: Any) -> None:
    """Trains in a fork and asks how it ends: 0, or the signal that kills it after `step` steps."""
    pid = os.fork()
    if not pid:
        if step:
            within(step, die_soon)
        train(*args, **fitting)
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    assert ended == wanted, f"{args} ended with {ended}"


def main() -> None:
    mode, place, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    # The network's dropout is drawn by each process for its own rows.
    t2l.hypernet._DROPOUT = 0.0
    if mode != "killed":
        # Once for all trainers; but a fork must not inherit the locks of the threads that load it.
        loaded = TextEncoder()
        for trainer in (contrast, dnd, dnd_sft, sft):
            trainer.TextEncoder = lambda *_: loaded
    if mode == "shared_out":
        share_out()
        within(6, lambda: signal.raise_signal(signal.SIGINT))
        for method in sys.argv[4:]:
            try:
                train(method, place, out / method)
            except KeyboardInterrupt:
                train(method, place, out / method)
        return
    if mode == "launched":
        NOISE.update(prompt_noise=0.0, target_noise=0.0)
        for method in sys.argv[4:]:
            train(method, place, out / method)
        return
    for method in sys.argv[4:]:
        in_a_fork(0, method, place, out / "whole" / method)
        again = (method, place, out / "killed" / method)
        # A checkpoint every few steps.
        in_a_fork(signal.SIGKILL, *again, step=random.randint(1, 8), save_minutes=5e-4)
        in_a_fork(0, *again, save_minutes=5e-4)


if __name__ == "__main__":
    main()
