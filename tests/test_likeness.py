"""How near a description is to what was trained: by hand-computed vectors, and in the shipped checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from paths import REPO

from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.likeness import INDEX, TaskIndex

# Those that read descriptions: prompts have no index.
CHECKPOINTS = sorted(path.parent for path in (REPO / "checkpoints").glob(f"*-t2l-*/{INDEX}"))


def small() -> TaskIndex:
    conditions = [torch.tensor([[3.0, 0, 0], [0, 5.0, 0]]), torch.tensor([[0, 0, 2.0]])]
    return TaskIndex.of(["both", "third"], ["Do both.", "Do the third."], conditions)


def test_the_nearest_task_comes_first_whatever_the_lengths() -> None:
    found = small().nearest(torch.tensor([0.0, 0.3, 0.4]), 5)
    assert [near.name for near in found] == ["third", "both"]
    assert [near.similarity for near in found] == pytest.approx([0.8, 0.6 * 0.5**0.5])
    assert found[0].description == "Do the third."


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    index = small()
    index.save(tmp_path / INDEX)
    again = TaskIndex.load(tmp_path / INDEX)
    assert (again.names, again.descriptions, again.far) == (index.names, index.descriptions, None)
    torch.testing.assert_close(again.centres, index.centres, atol=4e-3, rtol=0)


def test_a_damaged_index_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / INDEX
    small().save(file)
    whole = file.read_bytes()
    for bad in (b"", whole[:-3], whole.replace(b'third\\"', b'third\\" '), b"x" * 100):
        file.write_bytes(bad)
        with pytest.raises(T2LError, match=INDEX):
            TaskIndex.load(file)
    # As many bytes, taken for numbers of four bits.
    file.write_bytes(whole.replace(b'"BF16"', b'"F4"  ').replace(b"[2,3]", b"[8,3]"))
    with pytest.raises(T2LError, match=f"{INDEX} .*numbers of type F4"):
        TaskIndex.load(file)


def test_vectors_of_another_encoder_are_refused() -> None:
    with pytest.raises(T2LError, match="3 numbers"):
        small().nearest(torch.ones(4))


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_a_shipped_checkpoint_names_the_task_that_a_new_wording_means(folder: Path) -> None:
    generator = Generator.load(folder)
    assert generator.index is not None
    # Functions of the grid have no name that tells anything.
    named = {name for name in generator.training["tasks"] if not name.startswith("grid_")}
    assert set(generator.index.names) == named
    asked = {
        "plural": "Give the plural form of this noun.",
        "sentiment": "Is the review good or bad?",
        "capital": "Which city is the capital of this country?",
        "passive": "Rewrite the sentence in the passive voice.",
    }
    # A small checkpoint knows few tasks.
    known = [word for word in asked if any(word in name for name in generator.index.names)]
    assert len(known) >= 2
    for word in known:
        (vector,) = generator.encoder.encode([asked[word]])
        assert word in generator.index.nearest(vector)[0].name


def test_the_index_is_kept_and_changes_adapters_by_its_pull_alone(tmp_path: Path) -> None:
    generator = Generator.load(CHECKPOINTS[0])
    plain, half = replace(generator, pull=0.0, _id=""), replace(generator, pull=0.5, _id="")
    assert replace(plain, index=None, _id="").id == plain.id != half.id
    half.save(tmp_path / "copy")
    again = Generator.load(tmp_path / "copy")
    assert again.index is not None and again.index.far == generator.index.far and again.pull == 0.5
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy" / INDEX).is_file() and Generator.load(tmp_path / "copy").pull == 0.5
    text = "Give the plural form of this noun."
    vector = generator.encoder.encode([text])
    made = generator.network(generator.index.pulled(vector, 0.5))[0]
    for name in made.spec.targets:
        torch.testing.assert_close(half.generate([text])[0].B[name], made.B[name], atol=0, rtol=0)
        assert not torch.equal(plain.generate([text])[0].B[name], made.B[name])


def test_a_vector_is_turned_to_the_nearest_centre_and_keeps_its_length() -> None:
    given = torch.tensor([[0.0, 0.3, 0.4], [0.0, 0.0, 7.0]])
    for weight, expected in ((0.0, given[0]), (1.0, torch.tensor([0, 0, 0.5]))):
        turned = small().pulled(given, weight)
        torch.testing.assert_close(turned[0], expected)
        torch.testing.assert_close(turned[1], given[1])
    between = small().pulled(given, 1 / 3)[0]
    # (0, 0.6, 0.8) two thirds, (0, 0, 1) one third: (0, 0.4, 0.8667), brought back to length 0.5.
    torch.testing.assert_close(between, torch.tensor([0.0, 0.4, 2.6 / 3]) * 0.5 / (0.16 + 6.76 / 9) ** 0.5)
