"""Trains on a tiny base in a process of its own: under `accelerate launch`, or one that is killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from tiny_base import TARGETS

import t2l.hypernet
from t2l.train import loop
from t2l.train.library import LibraryRun, MultitaskRun, train_library, train_multitask
from t2l.train.loop import FitConfig
from t2l.train.sft import SFTConfig, SFTRun, train_sft


def train(method: str, place: Path, out: Path, steps: int = 12, **fitting) -> None:
    common = {
        "tasks": (str(place / "suite"),),
        "base": str(place / "base"),
        "targets": TARGETS,
        "rank": 4,
        "alpha": 8,
        "dtype": "float32",
    }
    sft = SFTConfig(tasks_per_step=4, examples_per_task=4)
    config = FitConfig(steps, learning_rate=0.01, log_every=2, validate_every=4, **fitting)
    if method == "library":
        train_library(LibraryRun(**common), sft, config, out)
    elif method == "multitask":
        train_multitask(MultitaskRun(**common), sft, config, out)
    else:
        small = {"latent_size": 16, "head_size": 8, "descriptions": 1}
        train_sft(SFTRun(**common, **small), sft, config, out)


def kill_soon_after(step: int) -> None:
    """Lets this process be killed at a random moment of the step after `step`, or a little later."""
    clip, calls = loop._clip, itertools.count(1)

    def counting(*args: Any) -> Any:
        if next(calls) == step:
            threading.Timer(random.random() / 50, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return clip(*args)

    loop._clip = counting


def in_a_fork(wanted: int, *args: Any, step: int = 0, **fitting: Any) -> None:
    """Trains in a fork and asks how it ends: 0, or the signal that kills it after `step` steps."""
    pid = os.fork()
    if not pid:
        if step:
            kill_soon_after(step)
        train(*args, **fitting)
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    assert ended == wanted, f"{args} ended with {ended}"


def main() -> None:
    mode, place, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    # The network's dropout is drawn by each process for its own rows.
    t2l.hypernet._DROPOUT = 0.0
    if mode == "launched":
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
