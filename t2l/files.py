"""Saved things are complete or absent: write beside the target, then rename.
Knows paths alone."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from t2l.errors import T2LError

# Types of the numbers that a checkpoint's files may hold, in the words of safetensors.
STORED = ("F64", "F32", "F16", "BF16", "I8")


def cache_folder() -> Path:
    """Where converted and computed files are kept: $T2L_CACHE, else ~/.cache/t2l."""
    return Path(os.environ.get("T2L_CACHE") or Path.home() / ".cache" / "t2l").expanduser()


@contextmanager
def complete_or_absent(
    folder: str | Path, replaces: Collection[str] = (), *, first_wins: bool = False
) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when the block ends without an error.

    What was at `folder` stays until then. replaces: names of the only files that a folder which is there
    already may hold. first_wins: what another process put there meanwhile is as good, and stays.
    Raises T2LError where it holds anything else, before or after the block, or the disk refuses (full, no
    rights).
    """
    from safetensors import SafetensorError

    target = Path(folder)

    def held() -> set[str]:
        # Another process may take the folder away at any time, to put its own there.
        with suppress(FileNotFoundError):
            return {entry.name for entry in target.iterdir()}
        return set()

    def refuse_others() -> None:
        if other := held() - set(replaces):
            raise T2LError(f"{target} holds {min(other)!r}, which would be lost; choose another folder.")

    try:
        if target.exists():
            refuse_others()
            # A link, "." and the like: rename the folder itself.
            target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            work = Path(temporary) / "new"
            work.mkdir()
            yield work
            _open_to_all(work)
            old = Path(temporary) / "old"
            if target.exists():
                # The block may have taken minutes.
                if first_wins and held():
                    return
                refuse_others()
                with suppress(FileNotFoundError):
                    os.rename(target, old)
            try:
                os.rename(work, target)
            except OSError:
                # Where another process was first, what it wrote is as complete as this.
                if not target.exists():
                    if old.exists():
                        os.rename(old, target)
                        raise
                    # It has taken its own away again.
                    os.rename(work, target)
    # safetensors reports a full disk as an error of its own.
    except (OSError, SafetensorError) as err:
        reason = getattr(err, "strerror", None) or err
        raise T2LError(
            f"{target} cannot be written ({reason}); free some space or choose another place. "
            "Nothing that was there has changed."
        ) from err


def unreadable() -> tuple[type[Exception], ...]:
    """What transformers answers to files of a model that are missing, damaged, or hold other types."""
    from huggingface_hub.errors import StrictDataclassError

    return OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, StrictDataclassError


def read_tokenizer(kind: Any, source: str) -> Any:
    """The tokenizer of a model by Hub id or folder; kind: the class of transformers that reads it.

    Raises what `unreadable` lists: ValueError also where its file is damaged.
    """
    try:
        return kind.from_pretrained(source)
    except Exception as err:
        if type(err) is Exception:  # what the Rust library raises for a file that it cannot read
            raise ValueError(f"tokenizer.json: {err}") from err
        raise


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers loads a folder's weights from; raises T2LError where there are none."""
    # Its order: the pickled ones, which it reads as plain tensors, where there are no others.
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    raise T2LError(f"{folder} holds no weights (*.safetensors or pytorch_model*.bin); download it again.")


@contextmanager
def complete_file(file: str | Path) -> Iterator[Path]:
    """A path to write at, which becomes `file` when the block ends without an error.

    Raises T2LError where `file` exists, or the disk refuses (full, no rights).
    """
    target = Path(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            work = Path(temporary) / target.name
            refuse_existing(target)
            yield work
            # The block may have taken minutes.
            refuse_existing(target)
            os.rename(work, target)
    except OSError as err:
        reason = err.strerror or err
        raise T2LError(
            f"{target} cannot be written ({reason}); free some space or choose another place."
        ) from err


def _open_to_all(folder: Path) -> None:
    """Gives files the rights that new ones have here: safetensors makes them the owner's alone."""
    mode = folder.stat().st_mode & 0o666
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def refuse_existing(file: Path) -> None:
    """Raises T2LError where there is something already."""
    if file.exists():
        raise T2LError(f"{file} exists and would be lost; choose another name, or remove it.")


def replace_file(file: Path, data: str | bytes) -> None:
    """The text or the bytes in the file's place, at once: a process may be killed at any time."""
    # Two threads may write one file at once: each writes its own.
    work = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        if isinstance(data, bytes):
            work.write_bytes(data)
        else:
            work.write_text(data, encoding="utf-8")
        os.replace(work, file)
    finally:
        work.unlink(missing_ok=True)


def sha256(*files: Path) -> str:
    """sha256 over files, one after another; each version of them is read once in a process."""
    return _sha256(tuple((str(file), os.stat(file).st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=64)
def _sha256(versions: tuple[tuple[str, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, _ in versions:
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def free_megabytes(folder: Path) -> int:
    """Free space of the disk that `folder` is on or would be on, in MiB."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 2**20
