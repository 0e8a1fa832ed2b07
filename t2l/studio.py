"""What a person can do, for every door alike: describe, compare, keep, take along. Everything loads lazily.
Knows all floors below; not gradio, not argparse."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2l.adapter import Adapter, zip_folder
from t2l.base import DEFAULT_BASE, BaseModel, cache_folder, embedded_gguf, quiet
from t2l.engine import Decoding, Engine
from t2l.errors import T2LError
from t2l.generator import MAX_DESCRIPTION, Condition, Generator, check_text
from t2l.hub import Published, publish, pull
from t2l.lora import LoRAWeights, stack
from t2l.official import WEIGHTS as PUBLISHED
from t2l.official import load_generator
from t2l.shelf import Entry, Shelf

__all__ = ["MAX_DESCRIPTION", "MAX_PROMPT", "Made", "Studio", "T2LError"]

DEFAULT_CHECKPOINT = "smollm2-135m-t2l-m"
MAX_PROMPT = 20_000


@dataclass(frozen=True)
class Made:
    """An adapter on the shelf: its folder, its bytes, and the seconds from text to adapter."""

    adapter: Adapter
    path: Path
    bytes: int
    seconds: float


class Studio:
    """One checkpoint, its base and a shelf of adapters.

    checkpoint: a folder, or the name of one in `checkpoints/`. Nothing is loaded before it is needed; `load`
    does it at once. Methods may be called from several threads. Raises T2LError for what a user can fix.
    """

    def __init__(
        self,
        checkpoint: str = DEFAULT_CHECKPOINT,
        *,
        shelf: str | Path | None = None,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        self.checkpoint, self._dtype, self._device = checkpoint, dtype, device
        place = shelf or os.environ.get("T2L_SHELF") or cache_folder() / "adapters"
        self.shelf = Shelf(place, _shelf_bytes())
        self._zips = Path(tempfile.mkdtemp(prefix="t2l-zips-"))
        self._lock = threading.RLock()
        self._generator: Generator | None = None
        self._engine: Engine | None = None

    @property
    def generator(self) -> Generator:
        with self._lock:
            if self._generator is None:
                quiet()
                self._generator = load_generator(find_checkpoint(self.checkpoint))
            return self._generator

    @property
    def engine(self) -> Engine:
        with self._lock:
            if self._engine is None:
                name = self.generator.spec.base_model
                self._engine = Engine(BaseModel.load(name, dtype=self._dtype, device=self._device))
            return self._engine

    def load(self) -> None:
        """Loads checkpoint, encoder and base now, so that the first visitor does not wait."""
        _ = self.generator.encoder
        _ = self.engine

    def describe(self, text: str) -> Made:
        """Makes a description's adapter and puts it on the shelf; the same text gives the same adapter."""
        condition, generator = Condition(text), self.generator
        with self._lock:
            _ = generator.encoder
            start = time.perf_counter()
            # Alone, never in a batch: the bytes of what a person keeps must repeat.
            weights = generator.generate([condition])[0]
            seconds = time.perf_counter() - start
        adapter = Adapter(weights, condition.text, generator.name, generator.id, generator.base_weights_id)
        entry = self.shelf.add(adapter)
        return Made(adapter, self.shelf.folder / entry.id, entry.bytes, seconds)

    def compare(
        self,
        prompt: str,
        adapters: Sequence[LoRAWeights],
        decoding: Decoding | None = None,
        strengths: Sequence[float] | None = None,
    ) -> Iterator[list[str]]:
        """Yields [base, adapter 1, ...] as growing texts, all from one batched pass over the same prompt.

        adapters: at most seven, for the loaded base and of its generator's shapes. strengths: one number for
        each, 1 where nothing is said; 0 gives the base's own answer.
        """
        check_text(prompt, "prompt", MAX_PROMPT)
        columns = stack([self.generator.spec.zeros(), *adapters])
        if strengths is not None:
            columns = columns.scale([0.0, *strengths])
        chat = [{"role": "user", "content": prompt}]
        return self.engine.stream([chat] * (len(adapters) + 1), columns, decoding or Decoding())

    def adapter(self, id: str) -> Adapter:
        """An adapter of the shelf; raises T2LError where it is gone."""
        return self.shelf.get(id)

    def adapters(self) -> tuple[Entry, ...]:
        """What the shelf holds, newest first; reads no weights."""
        return self.shelf.list()

    def open_folder(self, folder: str | Path) -> Entry:
        """Puts a copy of an adapter's folder, made here or by PEFT, on the shelf."""
        return self.shelf.open_folder(folder)

    def publish(self, id: str, repo_id: str, token: str | None, **options: Any) -> Published:
        """Puts an adapter of the shelf on the Hub; options and errors as `t2l.hub.publish`."""
        return publish(self.adapter(id), repo_id, token, **options)

    def pull(self, repo_id: str, *, revision: str | None = None, token: str | None = None) -> Entry:
        """Puts an adapter of the Hub on the shelf; errors as `t2l.hub.pull`, and for one of another base."""
        adapter = pull(repo_id, revision=revision, token=token)
        adapter.check_fits(self.generator.spec)
        return self.shelf.add(adapter)

    def rename(self, id: str, name: str) -> Entry:
        """Gives an adapter of the shelf another name of at most 80 characters."""
        return self.shelf.rename(id, name)

    def delete(self, id: str) -> None:
        """Removes an adapter from the shelf, and the file that was made of it to download."""
        self.shelf.delete(id)
        shutil.rmtree(self._zips / id, ignore_errors=True)

    def zip(self, id: str) -> Path:
        """An adapter's folder as one file to download, in a temporary folder of this process."""
        slug = re.sub("[^a-z0-9]+", "-", self.shelf.entry(id).name.lower()).strip("-")[:40].strip("-")
        file = self._zips / id / f"t2l-{slug or 'adapter'}-{id[:6]}.zip"
        if not file.is_file():
            # Verified once: what a person takes along must be whole.
            self.shelf.get(id)
            zip_folder(self.shelf.folder / id, file)
            # The shelf is kept within a limit, and so are the files made of it.
            for made in self._zips.iterdir():
                if not (self.shelf.folder / made.name).is_dir():
                    shutil.rmtree(made, ignore_errors=True)
        return file


def _shelf_bytes() -> int:
    """How much the shelf may hold: $T2L_SHELF_BYTES, else 2 GB."""
    given = os.environ.get("T2L_SHELF_BYTES") or "2000000000"
    if not re.fullmatch("[1-9][0-9]{0,17}", given):
        raise T2LError(f"T2L_SHELF_BYTES is {given[:40]!r}; give a whole number of bytes of at least 1.")
    return int(given)


def checkpoints_folder() -> Path:
    """Where named checkpoints lie: $T2L_CHECKPOINTS, else beside this package, else where pip put them."""
    if named := os.environ.get("T2L_CHECKPOINTS"):
        return Path(named)
    beside = Path(__file__).resolve().parent.parent / "checkpoints"
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "t2l" / "checkpoints"


def checkpoint_names() -> list[str]:
    """Names of the checkpoints at hand, sorted."""
    return sorted(
        {f.parent.name for n in ("config.json", PUBLISHED) for f in checkpoints_folder().glob(f"*/{n}")}
    )


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint, given as a path or as a name; raises T2LError listing what there is."""
    named = checkpoints_folder() / name
    for folder in (Path(name), named):
        if (folder / "config.json").is_file() or (folder / PUBLISHED).is_file():
            return folder
    raise T2LError(
        f"There is no checkpoint {name!r}; choose {', '.join(checkpoint_names()) or 'a folder'} "
        "or give a folder made by `t2l train`, or a published one."
    )


def doctor() -> dict[str, Any]:
    """What is installed, on what it would run, and what would be downloaded; loads no model."""
    import importlib.metadata
    import platform

    import psutil
    import torch

    from t2l.base import choose_device, choose_dtype
    from t2l.encoder import DEFAULT_ENCODER, embedded_folder

    versions = {"python": platform.python_version()}
    for package in (
        "torch",
        "transformers",
        "peft",
        "accelerate",
        "gradio",
        "huggingface_hub",
        "spaces",
        "gguf",
    ):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    device = choose_device("auto")
    embedded = {DEFAULT_BASE: embedded_gguf(), DEFAULT_ENCODER: embedded_folder(DEFAULT_ENCODER)}
    memory = psutil.virtual_memory()
    return {
        "versions": versions,
        "device": str(device),
        "dtype": str(choose_dtype("auto", device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "memory_gb": {"total": round(memory.total / 1e9, 1), "free": round(memory.available / 1e9, 1)},
        "cache": str(cache_folder()),
        "checkpoints": checkpoint_names(),
        "embedded": {name: str(path) for name, path in embedded.items() if path},
        "would_download": [name for name, path in embedded.items() if not path],
    }
