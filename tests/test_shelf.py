"""The shelf: names and times beside the folders, a size limit, many hands, and what disks do to it."""

from __future__ import annotations

import gc
import json
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from t2l.adapter import Adapter
from t2l.errors import T2LError
from t2l.lora import LoRASpec
from t2l.shelf import Entry, Shelf

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (6, 5), "mlp.down_proj": (7, 6)}, rank=3, alpha=6)
FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "t2l.json"]


def adapter(text: str = "Sort the words.", seed: int = 0) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    weights = SPEC.zeros().map(lambda t: torch.randn(t.shape, generator=generator))
    return Adapter(weights, text, "a-checkpoint", "0" * 64, "hub@1")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def ids(shelf: Shelf) -> list[str]:
    return [entry.id for entry in shelf.list()]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights may be read or written in this test from here on."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr("safetensors.torch.load", refuse)
    monkeypatch.setattr("safetensors.torch.load_file", refuse)


def test_an_adapter_is_kept_under_its_id(shelf: Shelf) -> None:
    made = adapter()
    entry = shelf.add(made)
    folder = shelf.folder / made.id
    before = contents(folder)
    assert list(before) == FILES and entry.bytes == sum(map(len, before.values()))
    assert (entry.id, entry.name, entry.condition) == (made.id, "Sort the words.", "Sort the words.")
    assert (entry.base_model, entry.generator) == ("some/base", "a-checkpoint")
    assert shelf.get(made.id).weights_sha256 == made.weights_sha256
    # The same description again: what is there stays, whatever the weights given.
    assert shelf.add(adapter(seed=1)) == entry and contents(folder) == before


def test_the_list_is_newest_first_and_reads_no_weights(shelf: Shelf, unread: None) -> None:
    assert shelf.list() == () and shelf.damaged() == {}
    made = [shelf.add(adapter(f"Task {n}.")) for n in range(3)]
    assert list(shelf.list()) == made[::-1]
    shelf.add(adapter("Task 0."))
    assert list(shelf.list()) == made[::-1] == list(Shelf(shelf.folder).list())
    assert shelf.entry(made[1].id) == made[1]


def test_an_adapter_is_verified_once_and_again_when_its_files_change(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Path] = []
    load = Adapter.load
    monkeypatch.setattr(Adapter, "load", lambda folder: loads.append(folder) or load(folder))
    made = [shelf.add(adapter(f"Task {n}.")) for n in range(9)]
    for _ in range(3):
        assert shelf.get(made[0].id).condition == "Task 0."
    assert len(loads) == 1
    os.utime(shelf.folder / made[0].id / "adapter_model.safetensors", (1, 1))
    assert shelf.get(made[0].id) and len(loads) == 2


def test_adapters_in_memory_are_bounded_whoevers_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = adapter()
    monkeypatch.setattr("t2l.shelf._MOST_LOADED", 3 * 4 * SPEC.n_parameters)
    shelves = [Shelf(tmp_path / f"shelf {number}") for number in range(9)]
    read = []
    for shelf in shelves:
        shelf.add(made)
        read.append(weakref.ref(shelf.get(made.id)))
    gc.collect()
    assert [one() is not None for one in read] == [False] * 6 + [True] * 3


def test_describing_again_mends_a_damaged_adapter_and_keeps_its_name(shelf: Shelf) -> None:
    entry = shelf.add(adapter())
    folder = shelf.folder / entry.id
    named = shelf.rename(entry.id, "Mine")
    before = contents(folder)

    def same_size() -> None:
        state = load_file(folder / "adapter_model.safetensors")
        save_file(
            {k: v + 1 for k, v in state.items()}, folder / "adapter_model.safetensors", {"format": "pt"}
        )

    for damage in (
        lambda: (folder / "adapter_model.safetensors").write_bytes(b"half"),
        lambda: (folder / "t2l.json").unlink(),
        same_size,
    ):
        damage()
        with pytest.raises(T2LError, match="describe the task again"):
            shelf.get(entry.id)
        assert shelf.list() == () and list(shelf.damaged()) == [entry.id]
        assert shelf.add(adapter()) == named
        assert contents(folder) == before and shelf.list() == (named,) and shelf.damaged() == {}


@pytest.mark.parametrize("name", ["  A  good\nname ", "名词的复数 👩‍👩‍👧", "x" * 80])
def test_a_name_lives_in_the_index_alone(shelf: Shelf, name: str) -> None:
    entry = shelf.add(adapter())
    before = contents(shelf.folder / entry.id)
    assert shelf.rename(entry.id, name).name == " ".join(name.split())
    assert Shelf(shelf.folder).list() == (replace(entry, name=" ".join(name.split())),)
    assert contents(shelf.folder / entry.id) == before


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("x" * 81, "81 characters; the most is 80"),
        ("a\x1b[2J", r"U\+001B"),
        ("\ud800", r"U\+D800"),
        ("a\u202eb", "do not print"),
        ("\u200b", "do not print"),
        (None, "must be text"),
    ],
)
def test_names_that_cannot_serve_are_refused(shelf: Shelf, name: Any, named: str) -> None:
    entry = shelf.add(adapter())
    with pytest.raises(T2LError, match=named):
        shelf.rename(entry.id, name)
    assert shelf.list() == (entry,)


MALFORMED = ["../x", "", "0123456789ABCDEF", "0" * 15, "0" * 17, "0" * 16 + "\n", "/", ".", None, 7]


@pytest.mark.parametrize("id", [*MALFORMED, "0" * 16], ids=repr)
def test_a_malformed_or_unknown_id_is_refused(shelf: Shelf, id: Any) -> None:
    entry = shelf.add(adapter())
    adapter().save(shelf.folder.parent / "x")
    doors: list[Callable] = [shelf.get, shelf.entry, shelf.delete, lambda id: shelf.rename(id, "name")]
    for door in doors:
        with pytest.raises(T2LError, match=r"There is no adapter .* on the shelf"):
            door(id)
    assert (shelf.folder.parent / "x" / "t2l.json").is_file() and shelf.list() == (entry,)


def test_a_deleted_adapter_is_gone_and_can_be_made_again(shelf: Shelf) -> None:
    kept, entry = shelf.add(adapter("Keep.")), shelf.add(adapter())
    shelf.get(entry.id)
    shelf.delete(entry.id)
    assert shelf.list() == (kept,) and sorted(os.listdir(shelf.folder)) == sorted([kept.id, "index.json"])
    with pytest.raises(T2LError, match="no adapter"):
        shelf.get(entry.id)
    assert shelf.add(adapter()).id == entry.id


def test_the_adapters_used_longest_ago_make_room(tmp_path: Path) -> None:
    size = Shelf(tmp_path / "measure").add(adapter("Task 0.")).bytes
    shelf = Shelf(tmp_path / "shelf", max_bytes=3 * size + 100)
    made = [shelf.add(adapter(f"Task {n}.")) for n in range(3)]
    for when, entry in enumerate(made):
        os.utime(shelf.folder / entry.id, (1000 + when, 1000 + when))
    shelf.get(made[0].id)
    shelf.add(adapter("Task 2."))
    fourth = shelf.add(adapter("Task 3."))
    assert ids(shelf) == [fourth.id, made[2].id, made[0].id]
    assert sum(entry.bytes for entry in shelf.list()) <= shelf.max_bytes
    small = Shelf(shelf.folder, max_bytes=size + 100)
    assert small.add(adapter("Task 4.")).id and len(small.list()) == 1
    with pytest.raises(T2LError, match=r"has 576 bytes, but the shelf holds 500; .*T2L_SHELF_BYTES"):
        Shelf(shelf.folder, max_bytes=500).add(adapter("Task 5."))
    assert len(small.list()) == 1


def test_a_strangers_files_survive_eviction_and_deletion(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, max_bytes=5000)
    entry = shelf.add(adapter("Task 0."))
    (tmp_path / entry.id / "thesis.txt").write_text("precious")
    with pytest.raises(T2LError, match="thesis"):
        shelf.delete(entry.id)
    for n in range(1, 5):
        shelf.add(adapter(f"Task {n}."))
    assert (tmp_path / entry.id / "thesis.txt").read_text() == "precious"


INDICES = [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"null", b'{"%s": 5}', b'{"%s": {"id": "%s"}}']
RECORD = '{"%s": {"id": "%s", "name": %s, "condition": "", "base_model": "", "generator": "", "created": %s'
INDICES += [(RECORD % ("%s", "%s", "5", "1") + ', "sizes": {}}}').encode()]
INDICES += [(RECORD % ("%s", "%s", '"x"', "NaN") + ', "sizes": {}}}').encode()]
INDICES += [(RECORD % ("%s", "%s", '"x"', "1") + ', "sizes": [1]}}').encode()]


@pytest.mark.parametrize("index", [None, *INDICES], ids=lambda index: str(index)[:40])
def test_a_lost_or_damaged_index_is_made_again_from_the_folders(shelf: Shelf, index: bytes | None) -> None:
    entries = [shelf.add(adapter(f"Task {n}.")) for n in range(2)]
    file = shelf.folder / "index.json"
    file.unlink() if index is None else file.write_bytes(index.replace(b"%s", entries[0].id.encode()))
    assert {(e.id, e.name, e.bytes) for e in shelf.list()} == {(e.id, e.name, e.bytes) for e in entries}
    assert all(abs(e.created - entries[0].created) < 60 for e in shelf.list())
    third = shelf.add(adapter("Task 2."))
    renamed = shelf.rename(entries[0].id, "Mine")
    assert len(shelf.list()) == 3 and third in shelf.list() and renamed in shelf.list()
    assert set(json.loads(file.read_text())) >= {third.id, renamed.id}


def test_half_made_and_foreign_entries_are_skipped_and_reported(shelf: Shelf, tmp_path: Path) -> None:
    entry = shelf.add(adapter())
    folder = shelf.folder
    (folder / "notes.txt").write_text("mine")
    (folder / ("a" * 16)).mkdir()
    (folder / ("b" * 16)).write_text("a file")
    (folder / ("c" * 16)).symlink_to(tmp_path)
    adapter("Moved.").save(folder / ("d" * 16))
    (folder / ("e" * 16)).mkdir()
    for name in FILES:
        (folder / ("e" * 16) / name).mkdir()
    old = folder / f".{'f' * 16}-left"
    old.mkdir()
    os.utime(old, (1, 1))
    assert shelf.list() == (entry,)
    faults = shelf.damaged()
    assert sorted(faults) == ["a" * 16, "d" * 16, "e" * 16]
    assert "lacks README.md" in faults["a" * 16] and "names" in faults["d" * 16]
    for id in ("a" * 16, "b" * 16, "c" * 16, "d" * 16, "e" * 16):
        with pytest.raises(T2LError):
            shelf.get(id)
    shelf.delete("d" * 16)
    with pytest.raises(T2LError, match="no adapter"):
        shelf.delete("c" * 16)
    again = Shelf(folder)
    again.add(adapter("Task 1."))
    assert not old.exists() and (folder / "notes.txt").exists() and len(again.list()) == 2


def test_many_threads_leave_every_adapter_whole(shelf: Shelf) -> None:
    faults: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for turn in range(3):
                own = shelf.add(adapter(f"Task {n}-{turn}.", seed=n))
                shared = shelf.add(adapter("Shared."))
                shelf.rename(own.id, f"Name {n}-{turn}")
                assert shelf.get(own.id).condition == f"Task {n}-{turn}."
                assert shelf.get(shared.id) and own.id in ids(shelf)
                if turn:
                    shelf.delete(own.id)
        except BaseException as err:
            faults.append(err)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert {e.name for e in shelf.list()} == {"Shared.", *(f"Name {n}-0" for n in range(20))}
    assert shelf.damaged() == {} and Shelf(shelf.folder).list() == shelf.list()
    assert sorted(os.listdir(shelf.folder)) == sorted([*ids(shelf), "index.json"])


def test_an_adapter_that_is_exchanged_while_it_is_read_is_not_damaged(shelf: Shelf, monkeypatch) -> None:
    one = replace(adapter(), generator_id="", source="one")
    id = shelf.add(one).id
    load, others = Adapter.load, []

    def exchanged(folder: Path) -> Adapter:
        if not others:
            # The old folder is gone, the new one not yet there: what a reader sees in that instant.
            others.append(threading.Thread(target=shelf.add, args=[replace(one, source="two")]))
            aside = folder.rename(shelf.folder / "aside")
            try:
                return load(folder)
            finally:
                aside.rename(folder)
                others[0].start()
        return load(folder)

    # Not in memory any more.
    os.utime(shelf.folder / id / "t2l.json", (1, 1))
    monkeypatch.setattr(Adapter, "load", exchanged)
    assert shelf.get(id).source in ("one", "two")
    others[0].join()
    assert shelf.damaged() == {} and ids(shelf) == [id] and shelf.get(id).source == "two"


def test_two_processes_lose_no_adapter(shelf: Shelf) -> None:
    other = Shelf(shelf.folder)
    first = shelf.add(adapter("Task 0."))
    index = (shelf.folder / "index.json").read_bytes()
    second = other.add(adapter("Task 1."))
    # The slower one writes over what it has not seen.
    (shelf.folder / "index.json").write_bytes(index)
    assert set(ids(shelf)) == {first.id, second.id}
    other.delete(first.id)
    assert ids(shelf) == [second.id]
    with pytest.raises(T2LError, match="no adapter"):
        shelf.get(first.id)


def test_a_full_disk_costs_nothing_that_was_there(shelf: Shelf, full_disk) -> None:
    with full_disk(1000), pytest.raises(T2LError, match="free some space"):
        shelf.add(adapter())
    assert not list(shelf.folder.iterdir())
    entry = shelf.add(adapter())
    before = contents(shelf.folder / entry.id)
    with full_disk(100):
        with pytest.raises(T2LError, match=r"index\.json cannot be written.*free some space"):
            shelf.rename(entry.id, "Mine")
        with pytest.raises(T2LError, match="free some space"):
            shelf.add(adapter("Task 1."))
        assert shelf.add(adapter()) == entry and shelf.get(entry.id)
    assert shelf.list() == (entry,) and contents(shelf.folder / entry.id) == before
    with full_disk(100):
        shelf.delete(entry.id)
    assert shelf.list() == ()


def test_two_hundred_adapters_cost_one_index_each(shelf: Shelf, unread: None) -> None:
    for n in range(200):
        shelf.add(adapter(f"Task {n}."))
    assert [entry.name for entry in shelf.list()] == [f"Task {n}." for n in reversed(range(200))]
    assert (shelf.folder / "index.json").stat().st_size < 200 * 600


def test_a_folder_from_elsewhere_gets_a_place_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    made = adapter()
    made.save(tmp_path / "theirs")
    (tmp_path / "theirs" / "t2l.json").unlink()
    entry = shelf.open_folder(tmp_path / "theirs")
    assert (entry.name, entry.condition, entry.generator) == ("theirs", "", "")
    assert entry.base_model == "some/base" and shelf.open_folder(tmp_path / "theirs") == entry
    assert "folder of this name" in (shelf.folder / entry.id / "README.md").read_text()
    (shelf.folder / "index.json").unlink()
    assert shelf.entry(entry.id).name == "theirs"
    with pytest.raises(T2LError, match=r"nothing.*no folder"):
        shelf.open_folder(tmp_path / "nothing")


def test_a_folder_that_claims_a_description_never_takes_its_place(shelf: Shelf, tmp_path: Path) -> None:
    false = adapter(seed=1)
    false.save(tmp_path / "false")
    claimed = shelf.open_folder(tmp_path / "false")
    true = shelf.add(adapter())
    assert claimed.id != true.id == false.id and claimed.condition == true.condition
    assert "says that" in (shelf.folder / claimed.id / "README.md").read_text()
    assert shelf.get(true.id).weights_sha256 == adapter().weights_sha256
    # The same bytes as on the shelf are that adapter, come back.
    adapter().save(tmp_path / "true")
    assert shelf.open_folder(tmp_path / "true") == true and len(shelf.list()) == 2
    assert shelf.open_folder(shelf.folder / claimed.id) == claimed


def test_of_two_strangers_with_the_same_weights_the_one_asked_for_tells_its_story(shelf: Shelf) -> None:
    theirs = replace(adapter("Say what Mallory says."), source="mallory/copy", says_task=True)
    asked = replace(adapter(), source="alice/x")
    assert theirs.id == asked.id
    shelf.add(theirs, spare=True)
    assert shelf.add(asked).name == "Sort the words."
    kept = shelf.get(asked.id)
    assert (kept.source, kept.condition, kept.says_task) == ("alice/x", "Sort the words.", False)
    # Nobody asked for what a link opens: it changes nothing that is there, and a given name stays.
    shelf.rename(asked.id, "Mine")
    assert shelf.add(theirs, spare=True).name == "Mine" and shelf.get(asked.id).source == "alice/x"
    assert shelf.add(theirs).name == "Mine" and shelf.get(asked.id).source == "mallory/copy"
    assert len(shelf.list()) == 1


def test_what_is_to_spare_no_room_counts_what_stands_beside_the_numbers(tmp_path: Path) -> None:
    one = Shelf(tmp_path / "one").add(adapter())
    # Room for the numbers of a second one, not for its card.
    numbers = 4 * SPEC.n_parameters
    shelf = Shelf(tmp_path / "shelf", one.bytes + numbers + 1)
    first = shelf.add(adapter())
    with pytest.raises(T2LError, match="your shelf has room for"):
        shelf.add(adapter("Another."), spare=True)
    assert ids(shelf) == [first.id]


def test_an_entry_is_a_plain_value() -> None:
    entry = Entry("0" * 16, "a", "b", "c", "d", 1.0, {"x": 2, "y": 3})
    assert entry.bytes == 5
