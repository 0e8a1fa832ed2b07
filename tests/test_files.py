"""Saved folders are whole or not there, whatever stops the writer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from t2l import files
from t2l.errors import T2LError
from t2l.files import cache_folder, complete_file, complete_or_absent, free_megabytes

# What the folders of these tests may hold when they are replaced.
NAMES = {"a", "b", "old"}


def write(folder: Path, text: str) -> None:
    with complete_or_absent(folder, NAMES) as work:
        (work / "a").write_text(text)


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    with complete_or_absent(folder, NAMES) as work:
        (work / "old").write_text("old")
        assert not folder.exists()
    write(folder, "new")
    assert [file.name for file in folder.iterdir()] == ["a"]
    assert [file.name for file in folder.parent.iterdir()] == ["folder"]


def test_weights_may_be_read_by_all_who_may_read_the_rest(tmp_path: Path) -> None:
    with complete_or_absent(tmp_path / "folder") as work:
        save_file({"a": torch.zeros(2)}, work / "b")
        (work / "deep").mkdir()
        (work / "deep" / "a").write_text("text")
    plain = tmp_path / "plain"
    plain.write_text("")
    modes = {(tmp_path / "folder" / name).stat().st_mode for name in ("b", "deep/a")}
    assert modes == {plain.stat().st_mode}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_what_was_there_and_nothing_else(tmp_path: Path, error) -> None:
    for _ in range(2):
        with pytest.raises(error), complete_or_absent(tmp_path / "folder", NAMES) as work:
            (work / "a").write_text("half")
            raise error
        assert [file.name for file in tmp_path.iterdir()] in ([], ["folder"])
        write(tmp_path / "folder", "whole")
    assert (tmp_path / "folder" / "a").read_text() == "whole"


@pytest.mark.parametrize("writer", ["python", "safetensors"])
def test_a_full_disk_is_an_error_that_keeps_what_was_there(tmp_path: Path, full_disk, writer: str) -> None:
    write(tmp_path / "folder", "old")
    with (
        full_disk(100),
        pytest.raises(T2LError, match="free some space"),
        complete_or_absent(tmp_path / "folder", NAMES) as work,
    ):
        if writer == "python":
            (work / "a").write_text("a" * 1000)
        else:
            save_file({"a": torch.zeros(1000)}, work / "b")
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_failed_exchange_puts_the_old_folder_back(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "folder", "old")
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", failing)
    with pytest.raises(T2LError, match="Permission denied"):
        write(tmp_path / "folder", "new")
    assert (tmp_path / "folder" / "a").read_text() == "old"


def test_two_writers_of_one_folder_both_succeed(tmp_path: Path, monkeypatch) -> None:
    rename = os.rename

    def overtaken(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            # In the last moment another process puts its own folder there.
            target.mkdir()
            (target / "a").write_text("other")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", overtaken)
    write(tmp_path / "folder", "mine")
    assert (tmp_path / "folder" / "a").read_text() == "other"
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_of_three_writers_none_fails_where_another_takes_the_folder_away(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "folder", "old")
    rename, gone = os.rename, []

    def overtaken(source: Path, target: Path) -> None:
        if Path(source) == tmp_path / "folder" and not gone:
            # In the last moment another process renames it, to put its own there.
            gone.append(shutil.rmtree(source))
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", overtaken)
    write(tmp_path / "folder", "mine")
    assert gone and (tmp_path / "folder" / "a").read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(T2LError, match="file/folder cannot be written"):
        write(tmp_path / "file" / "folder", "new")


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("T2L_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("T2L_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "t2l"
    assert free_megabytes(tmp_path / "not" / "yet") > 0


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    with pytest.raises(T2LError, match=r"thesis\.txt"):
        write(folder, "new")
    assert [file.name for file in folder.iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("text")
    with pytest.raises(T2LError, match="file"):
        write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "text"


def test_what_appears_while_a_folder_is_written_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(T2LError, match=r"thesis\.txt"), complete_or_absent(folder, NAMES) as work:
            (work / "a").write_text("new")
            folder.mkdir(exist_ok=True)
            (folder / "thesis.txt").write_text("years")
        assert [file.name for file in folder.iterdir()] == ["thesis.txt"]
    with pytest.raises(T2LError, match="exists"), complete_file(tmp_path / "file") as work:
        work.write_text("new")
        (tmp_path / "file").write_text("years")
    assert (tmp_path / "file").read_text() == "years"


def test_where_another_process_may_be_first_its_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with complete_or_absent(folder, first_wins=True) as work:
        (work / "a").write_text("mine")
        with complete_or_absent(folder, first_wins=True) as other:
            (other / "a").write_text("other")
        there = folder.stat().st_ino
    # Not even for a moment was it away.
    assert (folder / "a").read_text() == "other" and folder.stat().st_ino == there
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
