"""The shelf: a folder of adapters, with an index of their names, times and sizes, kept within a limit.
Knows adapter folders; not who asks for them."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from t2l.adapter import FILES, MAX_NAME, STORY, Adapter, source_of, title
from t2l.errors import T2LError
from t2l.generator import check_text
from t2l.peft_folder import read_json, reading

INDEX = "index.json"
_ID = re.compile("[0-9a-f]{16}")
# What a killed process may leave: folders half written or half deleted, an index not yet renamed.
_LEFTOVER = re.compile(r"\.([0-9a-f]{16}|index)-.+")
_LEFTOVER_SECONDS = 3600
# Bytes of adapters kept in memory, of all shelves together: the page asks for the same few again and again.
_MOST_LOADED = 2**27
# Bytes of an adapter's folder beside its numbers and the prompts that it tells, at most.
_BESIDE = 2**18


@dataclass(frozen=True)
class Entry:
    """What the shelf tells of one adapter without reading its weights.

    created: seconds since 1970. sizes: bytes of each file of its folder.
    """

    id: str
    name: str
    condition: str
    base_model: str
    generator: str
    created: float
    sizes: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


class _Loaded:
    """The adapters in memory, by folder; those used longest ago go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._adapters: OrderedDict[Path, tuple[Any, Adapter]] = OrderedDict()
        self._bytes = 0

    def get(self, folder: Path, stamp: Any) -> Adapter | None:
        with self._lock:
            seen, adapter = self._adapters.get(folder, (None, None))
        return adapter if seen == stamp else None

    def keep(self, folder: Path, stamp: Any, adapter: Adapter) -> None:
        # Under one lock: of two threads that keep the same adapter only one is counted.
        with self._lock:
            self._drop(folder)
            self._adapters[folder] = stamp, adapter
            self._bytes += _memory(adapter)
            while self._bytes > _MOST_LOADED and len(self._adapters) > 1:
                self._bytes -= _memory(self._adapters.popitem(last=False)[1][1])

    def forget(self, folder: Path) -> None:
        with self._lock:
            self._drop(folder)

    def _drop(self, folder: Path) -> None:
        if gone := self._adapters.pop(folder, None):
            self._bytes -= _memory(gone[1])


_loaded = _Loaded()


class Shelf:
    """A folder of adapters, each in a folder named by its id; safe to use from several threads.

    The folders are the truth. The index beside them holds what they must not, names and times, and spares
    reading them; where it is lost, or another process wrote it over, it is made again from the folders.
    An adapter was last used at its folder's own time. max_bytes: adapters used longest ago make room for a
    new one; None keeps all.
    """

    def __init__(self, folder: str | Path, max_bytes: int | None = None) -> None:
        self.folder, self.max_bytes = Path(folder), max_bytes
        self._lock = threading.RLock()
        self._swept = False

    def add(self, adapter: Adapter, *, spare: bool = False) -> Entry:
        """Saves an adapter; one that is there already and whole is kept, its weights unread.

        spare: no other adapter makes room for it; it is refused where it does not fit beside them.
        Raises T2LError where it is larger than the shelf, or the disk refuses; then nothing has changed.
        """
        with self._lock:
            index, folder = self._read(), self.folder / adapter.id
            with suppress(T2LError):
                kept = self._entry(adapter.id, index)
                there = self.get(adapter.id) if adapter.source and not spare else None
                if there is None or _tells_the_same(there, adapter):
                    _touch(folder)
                    return kept
                # Of two from elsewhere with the same weights the one that was asked for last tells its story.
                # What a person called it stays.
                if kept.name == _heading(there):
                    index.pop(adapter.id, None)
            size = _memory(adapter)
            told = 2 * adapter.examples.told if adapter.examples else 0
            if self.max_bytes is not None and size > self.max_bytes:
                raise T2LError(
                    f"This adapter has {size:,} bytes, but the shelf holds {self.max_bytes:,}; give it more "
                    "room (T2L_SHELF_BYTES, of a visitor's shelf T2L_LIMIT_SHELF_BYTES)."
                )
            if spare and self.max_bytes is not None:
                held = sum(self._held().values())
                if held + size + told + _BESIDE > self.max_bytes:
                    raise T2LError(
                        f"{_heading(adapter)} has {size:,} bytes, and your shelf has room "
                        f"for {max(0, self.max_bytes - held):,} more. Delete some adapters, or ask for it "
                        "yourself under Compare or in the Gallery: those used longest ago make room then."
                    )
            self._sweep()
            adapter.save(folder)
            _loaded.forget(folder)
            entry = Entry(
                adapter.id,
                _heading(adapter),
                adapter.condition,
                adapter.spec.base_model,
                adapter.generator,
                time.time(),
                _sizes(folder),
            )
            if before := index.get(adapter.id):
                # A damaged one was mended.
                entry = replace(entry, name=before.name, created=before.created)
            index[adapter.id] = entry
            if not spare:
                self._evict(index, adapter.id)
            # The adapter itself is safe, and its folder tells all of this again.
            with suppress(T2LError):
                self._write(index)
            return entry

    def open_folder(self, folder: str | Path) -> Entry:
        """Puts a copy of an adapter's folder on the shelf; raises T2LError as `Adapter.load` and `add`."""
        adapter = Adapter.load(folder)
        with suppress(T2LError):
            kept = self.get(adapter.id)
            if kept.weights_sha256 == adapter.weights_sha256:
                return self.entry(adapter.id)
        # What a folder says of itself is not proven: it must not take the place of a description's adapter.
        return self.add(replace(adapter, source=adapter.source or source_of(folder)))

    def get(self, id: str) -> Adapter:
        """The adapter of an id; raises T2LError where the id is malformed, unknown, or its folder damaged.

        It is read and verified once, and again only after its files have changed.
        """
        try:
            adapter = self._load(id)
        except T2LError:
            # It may have been exchanged just then; under the lock it is not.
            with self._lock:
                self._place(id)
                try:
                    adapter = self._load(id)
                except T2LError as err:
                    # A disk that refuses to read says nothing against the adapter.
                    if not isinstance(err.__cause__, OSError):
                        self._mark_damaged(id)
                    raise
        _touch(self.folder / id)
        # Of several shelves too the one used longest ago makes room.
        _touch(self.folder)
        return adapter

    def _load(self, id: str) -> Adapter:
        """The adapter in memory, or else read from its folder; raises T2LError as `get`."""
        folder = self._place(id)
        stamp = [(s.st_ino, s.st_size, s.st_mtime_ns) for s in _stats(folder).values()]
        if (adapter := _loaded.get(folder, stamp)) is None:
            adapter = Adapter.load(folder)
            if adapter.id != id:
                raise T2LError(f"{folder} is damaged (it holds {adapter.id}); describe the task again.")
        _loaded.keep(folder, stamp, adapter)
        return adapter

    def entry(self, id: str) -> Entry:
        """What the shelf tells of one adapter; raises T2LError as `get`, but reads no weights."""
        with self._lock:
            self._place(id)
            return self._entry(id, self._read())

    def list(self) -> tuple[Entry, ...]:
        """All adapters, newest first; reads no weights. Damaged folders are left out (see `damaged`)."""
        # Whoever looks at a shelf uses it.
        _touch(self.folder)
        return self._scan()[0]

    def damaged(self) -> dict[str, str]:
        """The ids whose folders cannot serve, and why."""
        return self._scan()[1]

    def rename(self, id: str, name: str) -> Entry:
        """Gives an adapter another name; raises T2LError for one that is blank, long or hidden."""
        clean = " ".join(check_text(name, "name", MAX_NAME).split())
        if title(clean) != clean:
            raise T2LError(f"The name {clean!r} holds characters that do not print; remove them.")
        with self._lock:
            self._place(id)
            index = self._read()
            index[id] = replace(self._entry(id, index), name=clean)
            self._write(index)
            return index[id]

    def delete(self, id: str) -> None:
        """Removes an adapter, damaged or not; raises T2LError where its folder holds anything else."""
        with self._lock:
            self._place(id)
            index = self._read()
            self._remove(id, index)
            # A record without a folder says nothing.
            with suppress(T2LError):
                self._write(index)

    def _place(self, id: str) -> Path:
        """The folder of an id; raises T2LError where there is none."""
        folder = self.folder / id if isinstance(id, str) and _ID.fullmatch(id) else None
        if folder is None or folder.is_symlink() or not folder.is_dir():
            raise T2LError(f"There is no adapter {str(id)[:40]!r} on the shelf; describe the task again.")
        return folder

    def _ids(self) -> tuple[str, ...]:
        with suppress(OSError), os.scandir(self.folder) as entries:
            return tuple(e.name for e in entries if _ID.fullmatch(e.name) and e.is_dir(follow_symlinks=False))
        return ()

    def _held(self) -> dict[str, int]:
        """What the files of every adapter take, by id."""
        return {id: sum(_sizes(self.folder / id).values()) for id in self._ids()}

    def _scan(self) -> tuple[tuple[Entry, ...], dict[str, str]]:
        """The entries, newest first, and the faults of the damaged folders by id."""
        entries, faults = [], {}
        with self._lock:
            index = self._read()
            for id in self._ids():
                try:
                    entries.append(self._entry(id, index))
                except T2LError as err:
                    # One that was deleted meanwhile, by another process, is not damaged.
                    if (self.folder / id).is_dir():
                        faults[id] = str(err)
        return tuple(sorted(entries, key=lambda e: (e.created, e.id), reverse=True)), faults

    def _entry(self, id: str, index: Mapping[str, Entry]) -> Entry:
        """An adapter's entry, from the index or else from its folder; raises T2LError where it is damaged."""
        folder = self.folder / id
        sizes, known = _sizes(folder), index.get(id)
        if missing := set(FILES) - set(sizes):
            raise T2LError(f"{folder} is damaged (it lacks {min(missing)}); describe the task again.")
        if known and known.sizes != sizes:
            raise T2LError(f"{folder} is damaged (its files have changed); describe the task again.")
        return known or _told_by(folder, sizes)

    def _read(self) -> dict[str, Entry]:
        """The index's sound records; none where it is missing or damaged."""
        with suppress(OSError, ValueError, RecursionError):
            records = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
            return dict(_sound(records)) if isinstance(records, dict) else {}
        return {}

    def _write(self, index: Mapping[str, Entry]) -> None:
        """Replaces the index at once; raises T2LError where the disk refuses, and the old one stays."""
        there = set(self._ids())
        records = {id: asdict(entry) for id, entry in sorted(index.items()) if id in there}
        work = self.folder / f".index-{secrets.token_hex(4)}"
        try:
            work.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
            work.replace(self.folder / INDEX)
        except OSError as err:
            raise T2LError(
                f"{self.folder / INDEX} cannot be written ({err.strerror}); free some space. "
                "Nothing that was there has changed."
            ) from err
        finally:
            with suppress(OSError):
                work.unlink(missing_ok=True)

    def _mark_damaged(self, id: str) -> None:
        """So that `add` mends what only its contents betray: no folder has the sizes of this record."""
        with self._lock, suppress(T2LError):
            index = self._read()
            index[id] = replace(self._entry(id, index), sizes={})
            self._write(index)

    def _evict(self, index: dict[str, Entry], keep: str) -> None:
        """Removes the adapters used longest ago, never `keep`, until the rest fits."""
        if self.max_bytes is None:
            return
        sizes = self._held()
        total = sum(sizes.values())
        for id in sorted(sizes, key=lambda id: _used(self.folder / id)):
            if total <= self.max_bytes:
                return
            if id != keep:
                # A folder that also holds a stranger's files stays.
                with suppress(T2LError):
                    self._remove(id, index)
                    total -= sizes[id]

    def _remove(self, id: str, index: dict[str, Entry]) -> None:
        folder = self.folder / id
        try:
            if other := {entry.name for entry in folder.iterdir()} - set(FILES):
                raise T2LError(f"{folder} holds {min(other)!r}, which would be lost; move it away first.")
            # Renamed first: whoever reads meanwhile sees all of it or nothing.
            gone = self.folder / f".{id}-{secrets.token_hex(4)}"
            folder.rename(gone)
        except OSError as err:
            raise T2LError(
                f"{folder} cannot be removed ({err.strerror}); check the folder's rights."
            ) from err
        shutil.rmtree(gone, ignore_errors=True)
        index.pop(id, None)
        _loaded.forget(folder)

    def _sweep(self) -> None:
        """Once in a process: removes what killed processes left behind."""
        if self._swept:
            return
        self._swept = True
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFTOVER_SECONDS
                if old and _LEFTOVER.fullmatch(entry.name):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)


def _sound(records: Mapping[str, Any]) -> Iterator[tuple[str, Entry]]:
    """The records that say what an entry must say."""
    for id, record in records.items():
        with suppress(TypeError, AttributeError, OverflowError):
            entry = Entry(**record)
            texts = (entry.name, entry.condition, entry.base_model, entry.generator)
            numbers = (entry.created, *entry.sizes.values())
            if (
                entry.id == id
                and all(isinstance(text, str) for text in texts)
                and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
            ):
                yield id, entry


def _told_by(folder: Path, sizes: Mapping[str, int]) -> Entry:
    """The entry of a folder that the index does not know; raises T2LError where it is damaged."""
    with reading(folder):
        story = read_json(folder, STORY)
        if story["id"] != folder.name:
            raise ValueError(f"{STORY} names {str(story['id'])[:40]}")
        texts = (story["condition"]["text"], story["base_model"], story["generator"], story["source"])
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{STORY} holds other things than texts")
        condition, base, generator, source = texts
        created = (folder / STORY).stat().st_mtime
        name = title(condition or source) or folder.name
        return Entry(folder.name, name, condition, base, generator, created, sizes)


def _heading(adapter: Adapter) -> str:
    return title(adapter.label) or adapter.id


def _tells_the_same(one: Adapter, other: Adapter) -> bool:
    """Whether two adapters of the same weights tell the same story."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("condition", "generator", "generator_id", "source", "examples", "setup", "says_task")
    )


def _memory(adapter: Adapter) -> int:
    """Bytes of an adapter, whose numbers are float32."""
    return 4 * adapter.spec.n_parameters


def _stats(folder: Path) -> dict[str, os.stat_result]:
    """Of an adapter's files, those that are there."""
    stats = {}
    for name in FILES:
        with suppress(OSError):
            stats[name] = os.lstat(folder / name)
    return stats


def _sizes(folder: Path) -> dict[str, int]:
    return {name: stat.st_size for name, stat in _stats(folder).items()}


def _touch(folder: Path) -> None:
    # On a shelf that may only be read, nothing is evicted either.
    with suppress(OSError):
        os.utime(folder)


def _used(folder: Path) -> float:
    """When an adapter was last added or used."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0
