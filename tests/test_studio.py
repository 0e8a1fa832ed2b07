"""What every door does: describe, compare, zip, doctor; with the shipped checkpoint on the embedded base."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import pytest

from t2l.engine import Decoding
from t2l.errors import T2LError
from t2l.studio import Studio, checkpoint_names, doctor, find_checkpoint

PLURAL = "Output the plural of the noun."


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(shelf=tmp_path_factory.mktemp("shelf"))


def test_the_plural_of_toaster(studio: Studio) -> None:
    made = studio.describe(PLURAL)
    *_, (base, adapted) = studio.compare("toaster", [made.adapter.weights], Decoding(24))
    assert adapted.strip() == "toasters"
    assert base.strip() != "toasters" and len(base) > len(adapted)


def test_the_same_words_give_the_same_adapter_and_the_same_bytes(studio: Studio, tmp_path: Path) -> None:
    first = studio.describe(PLURAL)
    again = studio.describe(f"  Output  the\nplural of the noun. {''}")
    other = Studio(shelf=tmp_path).describe(PLURAL)
    assert first.adapter.id == again.adapter.id == other.adapter.id
    for file in first.path.iterdir():
        assert file.read_bytes() == (other.path / file.name).read_bytes()
    assert studio.describe("Output the singular of the noun.").adapter.id != first.adapter.id


def test_a_kept_adapter_answers_as_the_fresh_one(studio: Studio) -> None:
    made = studio.describe(PLURAL)
    kept = studio.adapter(made.adapter.id)
    assert studio.zip(made.adapter.id).is_file()
    fresh, again = (
        list(studio.compare("toaster", [weights], Decoding(8)))[-1]
        for weights in (made.adapter.weights, kept.weights)
    )
    assert fresh == again


def test_the_shelf_is_listed_renamed_zipped_and_cleared(studio: Studio) -> None:
    made = studio.describe("Name the colour of the thing.")
    id = made.adapter.id
    assert studio.adapters()[0].id == id and studio.adapters()[0].bytes == made.bytes
    (made.path / ".env").write_text("not the adapter's")
    file = studio.zip(id)
    assert file.name == f"t2l-name-the-colour-of-the-thing-{id[:6]}.zip" and studio.zip(id) == file
    with zipfile.ZipFile(file) as archive:
        names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "t2l.json"]
        assert archive.namelist() == [f"{id}/{name}" for name in names]
    (made.path / ".env").unlink()
    assert studio.rename(id, "Colours").name == "Colours"
    assert studio.zip(id).name == f"t2l-colours-{id[:6]}.zip"
    studio.delete(id)
    assert id not in {entry.id for entry in studio.adapters()} and not file.exists()
    with pytest.raises(T2LError, match="no adapter"):
        studio.zip(id)


def test_an_adapter_from_a_folder_stands_beside_a_described_one(studio: Studio, tmp_path: Path) -> None:
    made = studio.describe(PLURAL)
    made.adapter.save(tmp_path / "theirs")
    (tmp_path / "theirs" / "t2l.json").unlink()
    opened = studio.adapter(studio.open_folder(tmp_path / "theirs").id)
    opened.check_fits(studio.generator.spec)
    *_, (_, described, foreign) = studio.compare(
        "toaster", [made.adapter.weights, opened.weights], Decoding(8)
    )
    assert described == foreign == "toasters"


def test_the_shelf_holds_what_the_environment_says(monkeypatch, tmp_path: Path) -> None:
    assert Studio(shelf=tmp_path).shelf.max_bytes == 2_000_000_000
    monkeypatch.setenv("T2L_SHELF_BYTES", "5000000")
    assert Studio(shelf=tmp_path).shelf.max_bytes == 5_000_000
    for given in ("2 GB", "0", "-1", "9" * 5000):
        monkeypatch.setenv("T2L_SHELF_BYTES", given)
        with pytest.raises(T2LError, match=r"T2L_SHELF_BYTES is .* whole number of bytes"):
            Studio(shelf=tmp_path)


def test_visitors_at_once_get_their_own_adapters(studio: Studio) -> None:
    descriptions = [PLURAL, "Give the capital of the country.", "Write the text in capital letters."]
    weights = {text: studio.describe(text).adapter.weights for text in descriptions}

    def ask(text: str) -> str:
        return list(studio.compare("France", [weights[text]], Decoding(8)))[-1][1]

    alone = {text: ask(text) for text in descriptions}
    together: dict[str, str] = {}

    def visit(text: str) -> None:
        together[text] = ask(text)

    visitors = [threading.Thread(target=visit, args=(text,)) for text in descriptions]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert together == alone and len(set(alone.values())) > 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("x" * 100_000, "100,000"),
        ("bell\u0007", r"U\+0007"),
        ("word " * 300, "tokens"),
    ],
)
def test_descriptions_that_cannot_serve_are_refused(studio: Studio, text: str, named: str) -> None:
    before = sorted(studio.shelf.folder.iterdir())
    with pytest.raises(T2LError, match=named):
        studio.describe(text)
    assert sorted(studio.shelf.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 100_000, "100,000"),
        ("\ud800", r"U\+D800"),
        ("a b " * 4_900, "8192"),
    ],
)
def test_prompts_that_cannot_serve_are_refused(studio: Studio, prompt: str, named: str) -> None:
    weights = studio.describe(PLURAL).adapter.weights
    with pytest.raises(T2LError, match=named):
        list(studio.compare(prompt, [weights], Decoding(2)))


@pytest.mark.parametrize("text", ["اكتب جمع الاسم.", "Write 🍞 in the plural 👩‍👩‍👧.", "名词的复数。"])
def test_other_scripts_and_emoji_are_served(studio: Studio, text: str) -> None:
    weights = studio.describe(text).adapter.weights
    *_, answers = studio.compare(text, [weights], Decoding(4))
    assert len(answers) == 2


def test_unknown_checkpoints_are_refused_with_what_there_is() -> None:
    with pytest.raises(T2LError, match="smollm2-135m-t2l-m"):
        find_checkpoint("no-such-checkpoint")
    assert "smollm2-135m-t2l-m" in checkpoint_names()


def test_doctor_tells_what_is_embedded() -> None:
    facts = doctor()
    assert facts["would_download"] == [] and len(facts["embedded"]) == 2
    assert facts["versions"]["torch"].startswith("2.") and facts["memory_gb"]["total"] > 0
