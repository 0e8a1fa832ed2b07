"""What every door does: describe, compare, zip, doctor; with the shipped checkpoint on the embedded base."""

from __future__ import annotations

import json
import os
import shutil
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch

from t2l.adapter import Adapter, zip_folder
from t2l.cli import main
from t2l.engine import Decoding
from t2l.errors import T2LError
from t2l.lora import LoRAWeights, stack
from t2l.presets import Setup
from t2l.studio import DEFAULT_CHECKPOINT, SESSION, Limits, Studio, checkpoint_names, doctor, find_checkpoint
from t2l.tasks import Example
from t2l.ui import link
from t2l.ui.common import friendly

PLURAL = "Output the plural of the noun."
KEY = "a-visitors-own-key-of-these-tests"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(shelf=tmp_path_factory.mktemp("shelf"))


def test_the_plural_of_hammer(studio: Studio) -> None:
    made = studio.describe(PLURAL)
    *_, (base, adapted) = studio.compare("hammer", [made.adapter.weights], Decoding(24))
    assert adapted.strip() == "hammers"
    assert base.strip() != "hammers" and len(base) > len(adapted)


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
        list(studio.compare("hammer", [weights], Decoding(8)))[-1]
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


def test_many_may_ask_for_the_same_file_at_once(studio: Studio) -> None:
    id = studio.describe("Name the sound the animal makes.").adapter.id
    threads = 8
    for turn in range(10):
        studio.rename(id, f"Sounds {turn}")
        start = threading.Barrier(threads)

        def ask(start: threading.Barrier = start) -> bytes:
            start.wait()
            return studio.zip(id).read_bytes()

        with ThreadPoolExecutor(threads) as pool:
            made = [future.result() for future in [pool.submit(ask) for _ in range(threads)]]
        assert len(set(made)) == 1
        file = studio.zip(id)
        assert [other.name for other in file.parent.iterdir()] == [file.name]


def test_an_adapter_from_a_folder_stands_beside_a_described_one(studio: Studio, tmp_path: Path) -> None:
    made = studio.describe(PLURAL)
    made.adapter.save(tmp_path / "theirs")
    (tmp_path / "theirs" / "t2l.json").unlink()
    opened = studio.adapter(studio.open_folder(tmp_path / "theirs").id)
    opened.check_fits(studio.generator.spec)
    *_, (_, described, foreign) = studio.compare(
        "hammer", [made.adapter.weights, opened.weights], Decoding(8)
    )
    assert described == foreign == "hammers"


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


ALICE, BOB = "alice-0123456789abcdef", "bob-0123456789abcdefgh"


def test_every_visitor_has_a_shelf_of_their_own(studio: Studio) -> None:
    made = studio.describe(PLURAL, visitor=ALICE)
    assert [entry.id for entry in studio.adapters(visitor=ALICE)] == [made.adapter.id]
    assert studio.adapters(visitor=BOB) == ()
    for take in (studio.adapter, studio.zip, studio.delete, studio.about):
        with pytest.raises(T2LError, match="no adapter"):
            take(made.adapter.id, visitor=BOB)
    assert ALICE not in str(made.path) and studio.zip(made.adapter.id, visitor=ALICE).is_file()
    for key in ("short", "x" * 201, 7, None):
        with pytest.raises(T2LError, match="16 to 200 characters"):
            studio.adapters(visitor=key)  # type: ignore[arg-type]


def test_the_shelves_used_longest_ago_make_room(studio: Studio, tmp_path: Path) -> None:
    size = studio.describe(PLURAL).bytes
    small = Studio(shelf=tmp_path, limits=Limits(visitors_bytes=2 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    keys = [f"visitor-{number:016}" for number in range(3)]
    for number, key in enumerate(keys):
        folder = small.describe(PLURAL, visitor=key).path.parent
        os.utime(folder, (number + 1, number + 1))
    small.describe("Give the capital of the country.", visitor=keys[2])
    assert [len(small.adapters(visitor=key)) for key in keys] == [0, 0, 2]


def test_a_shelf_that_is_used_is_not_the_first_to_make_room(studio: Studio, tmp_path: Path) -> None:
    size = studio.describe(PLURAL).bytes
    # Two shelves and a file to download of each, which count too.
    small = Studio(shelf=tmp_path, limits=Limits(visitors_bytes=4 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    keys = [f"visitor-{number:016}" for number in range(3)]
    for number, key in enumerate(keys[:2]):
        made = small.describe(PLURAL, visitor=key)
        small.zip(made.adapter.id, visitor=key)
        os.utime(made.path.parent, (number + 1, number + 1))
    # The older one answers again.
    small.adapter(made.adapter.id, visitor=keys[0])
    small.describe(PLURAL, visitor=keys[2])
    assert [len(small.adapters(visitor=key)) for key in keys] == [1, 0, 1]
    # What was made to download goes with its shelf, and all of it with the studio.
    assert len(list(small._files.glob("*/*/*.zip"))) == 1
    small.close()
    assert not small._files.exists()


def test_shelves_of_sessions_make_room_before_those_of_browsers(studio: Studio, tmp_path: Path) -> None:
    size = studio.describe(PLURAL).bytes
    small = Studio(shelf=tmp_path, limits=Limits(visitors_bytes=2 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    keys = ["visitor-of-a-browser", *(f"{SESSION}number-{n}" for n in range(3))]
    for number, key in enumerate(keys):
        folder = small.describe(PLURAL, visitor=key).path.parent
        os.utime(folder, (number + 1, number + 1))
    assert [len(small.adapters(visitor=key)) for key in keys] == [1, 0, 0, 1]


def test_a_shelf_is_listed_while_an_adapter_is_made(studio: Studio) -> None:
    with studio._lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(studio.adapters, visitor=KEY).result(timeout=10) is not None


def test_files_of_visitors_without_a_shelf_make_room_too(studio: Studio, tmp_path: Path) -> None:
    *_, (_, file) = studio.batch([PLURAL])
    assert file
    size = file.stat().st_size
    small = Studio(shelf=tmp_path, limits=Limits(visitors_bytes=2 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    for number in range(5):
        *_, (_, file) = small.batch([PLURAL], visitor=f"visitor-{number:016}")
        assert file and file.is_file()
    assert len(list(small._files.glob("*/batches/*/*.zip"))) == 2


def test_a_batch_that_is_being_made_makes_no_room(studio: Studio, tmp_path: Path) -> None:
    size = studio.describe(PLURAL).bytes
    small = Studio(shelf=tmp_path, limits=Limits(visitors_bytes=2 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    growing = small.batch([PLURAL, "Sort the words.", "Name the capital."], visitor=f"{SESSION}number-1")
    assert next(growing) == (1, None)
    small.describe(PLURAL, visitor=BOB)
    small.describe("Say the opposite.", visitor=BOB)
    *_, (count, file) = growing
    assert count == 3 and file and file.is_file()
    # Afterwards it is as any other.
    assert not small._at_work
    small.describe("Count the letters.", visitor=BOB)
    assert not file.exists()


def test_a_zip_tells_what_the_shelf_tells(studio: Studio) -> None:
    one = Adapter(studio.generator.spec.zeros(), "", "", "", source="alice/lora")
    id = studio.shelf.add(one).id
    studio.rename(id, "mine")

    def source() -> str:
        with zipfile.ZipFile(studio.zip(id)) as archive:
            return json.loads(archive.read(f"{id}/t2l.json"))["source"]

    assert source() == "alice/lora"
    studio.shelf.add(replace(one, source="bob/lora"))
    assert studio.adapter(id).source == source() == "bob/lora"
    studio.delete(id)


def test_no_two_threads_are_within_the_encoders_tokenizer(studio: Studio, monkeypatch) -> None:
    encoder, held = studio.generator.encoder, []
    asked = encoder._tokenizer

    class Watched:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            held.append(studio._lock._is_owned())
            return asked(*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            return getattr(asked, name)

    monkeypatch.setattr(encoder, "_tokenizer", Watched())
    studio.hints("Give the plural of the noun")
    studio.likeness("Give the plural of the noun")
    studio.better_wording(["Give the plural."], [Example(n, f"{n}s") for n in ("cat", "dog", "cow", "hen")])
    assert len(held) > 4 and all(held)


def test_what_a_link_opens_takes_no_room_of_what_is_there(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = studio.describe(PLURAL).bytes
    small = Studio(shelf=tmp_path, limits=Limits(shelf_bytes=2 * size + size // 2))
    small._generators, small._engine = studio._generators, studio._engine
    kept = {small.describe(text, visitor=KEY).adapter.id for text in (PLURAL, "Say the opposite.")}
    published = replace(studio.make("Write the word backwards."), source="somebody/large")
    monkeypatch.setattr("t2l.studio.pull", lambda *args, **options: published)
    found = link.read("adapter=somebody/large", 4)
    described = link.read("description=Count+the+words.", 4)
    for unasked in (found, described):
        with pytest.raises(T2LError, match=r"your shelf has room for .* ask for it yourself"):
            link.make(small, unasked, token=None, visitor=KEY)
    assert {entry.id for entry in small.adapters(visitor=KEY)} == kept
    # Who asks for it has it.
    small.pull("somebody/large", visitor=KEY)
    assert published.id in {entry.id for entry in small.adapters(visitor=KEY)}


def test_a_visitor_is_told_no_place_of_the_server(studio: Studio, full_disk) -> None:
    def describe() -> None:
        studio.describe("Name the largest of the numbers.", visitor=KEY)

    with full_disk(1000), pytest.raises(gr.Error) as caught:
        friendly(describe)()
    assert str(studio.shelf.folder) not in caught.value.message and "your shelf/" in caught.value.message
    shelf = studio.shelf_of(KEY)
    made = studio.describe(PLURAL, visitor=KEY).adapter.id
    (shelf.folder / made / "adapter_model.safetensors").unlink()
    with pytest.raises(gr.Error, match=f"your shelf/{made} is damaged"):
        friendly(lambda: shelf.entry(made))()
    studio.delete(made, visitor=KEY)


def test_an_adapter_of_endless_rank_is_refused_before_columns_of_its_width(
    studio: Studio, tmp_path: Path
) -> None:
    spec = replace(studio.generator.spec, targets={"self_attn.k_proj": (576, 192)}, rank=129)
    Adapter(spec.zeros(), "Sort.", "made", "0" * 64).save(tmp_path / "wide")
    file = zip_folder(tmp_path / "wide", tmp_path / "wide.zip")
    with pytest.raises(T2LError, match="rank 129, the most is 128"):
        studio.open_zip(file)


def test_two_batches_of_one_visitor_leave_each_other_alone(studio: Studio) -> None:
    one, two = studio.batch([PLURAL, "Write the word backwards."]), studio.batch(["Say the opposite."])
    next(one)
    (*_, (_, second)), (*_, (_, first)) = two, one
    assert first and first.is_file() and second and not second.exists()


def test_the_same_batch_in_two_tabs_is_one_file(studio: Studio) -> None:
    texts = ["Spell it.", "Name the colour."]
    one, two = studio.batch(texts), studio.batch(texts)
    next(one)
    (*_, (_, second)), (*_, (_, first)) = two, one
    assert first == second and first and first.is_file()


def test_the_same_batch_again_is_the_same_file(studio: Studio) -> None:
    *_, (_, file) = studio.batch([PLURAL, "Say the opposite."])
    assert file
    data = file.read_bytes()
    assert list(studio.batch([PLURAL, "", "Say the opposite."])) == [(2, file)] and file.read_bytes() == data


def test_a_file_to_download_is_whole_or_one_error(studio: Studio, full_disk) -> None:
    file = studio.file("answers.csv", b"a" * 2000)
    with full_disk(1000), pytest.raises(T2LError, match=r"answers\.csv cannot be written .*free some space"):
        studio.file("answers.csv", b"b" * 2000)
    assert file.read_bytes() == b"a" * 2000 and [f.name for f in file.parent.iterdir()] == ["answers.csv"]


def test_checkpoints_of_another_base_are_not_offered(tmp_path: Path) -> None:
    elsewhere = Studio(shelf=tmp_path, setup=Setup.chosen("gemma-2-2b"))
    assert elsewhere.checkpoints() == () and elsewhere.reads == {"text"}
    shutil.copytree(find_checkpoint(DEFAULT_CHECKPOINT), tmp_path / "mine")
    names = [c.name for c in Studio(str(tmp_path / "mine"), shelf=tmp_path / "shelf").checkpoints()]
    assert DEFAULT_CHECKPOINT in names and "mine" not in names


def test_a_blend_is_exactly_the_weighted_sum(studio: Studio) -> None:
    one, two = (studio.describe(text).adapter for text in (PLURAL, "Write the words in snake_case."))
    made = studio.blend(one.id, two.id, 0.3)
    assert made.adapter.spec.rank == 16 and studio.adapter(made.adapter.id).id == made.adapter.id
    name = "mlp.down_proj"

    def delta(weights: LoRAWeights) -> torch.Tensor:
        return weights.spec.scaling * weights.B[name][3] @ weights.A[name][3]

    expected = 0.7 * delta(one.weights) + 0.3 * delta(two.weights)
    torch.testing.assert_close(delta(made.adapter.weights), expected)
    entry = studio.shelf.entry(made.adapter.id)
    assert "70%" in entry.name and "30%" in entry.name
    # Ranks differ, yet all stand in one pass; a blend that is all of one is that one.
    whole = studio.blend(one.id, two.id, 0)
    columns = [one.weights, whole.adapter.weights, made.adapter.weights]
    *_, (_, plain, same, _) = studio.compare("hammer", columns, Decoding(8))
    assert plain == same == "hammers"
    for share in (-0.1, 1.1, True, "half", float("nan")):
        with pytest.raises(T2LError, match="from 0 to 1"):
            studio.blend(one.id, two.id, share)  # type: ignore[arg-type]


def test_blends_of_blends_end_at_a_rank_that_engines_serve(studio: Studio) -> None:
    id = studio.describe(PLURAL).adapter.id
    for _ in range(4):
        id = studio.blend(id, id, 0.5).adapter.id
    assert studio.adapter(id).spec.rank == 128
    with pytest.raises(T2LError, match="rank 256, the most is 128"):
        studio.blend(id, id, 0.5)


def test_the_control_has_nothing_to_do_with_the_description(studio: Studio) -> None:
    control = studio.control(PLURAL)
    assert control.condition == studio.control(f" {PLURAL}").condition != PLURAL
    index = studio.generator.index
    assert index is not None and control.condition in index.descriptions
    assert control.id not in {entry.id for entry in studio.adapters(visitor=ALICE)}
    near = studio.likeness(PLURAL).nearest
    assert control.condition not in {task.description for task in near}
    assert len({studio.control(f"Task number {n}.").condition for n in range(12)}) > 3


def test_likeness_names_the_nearest_task_and_warns_of_what_is_far(studio: Studio) -> None:
    near = studio.likeness(PLURAL)
    assert near.nearest[0].name == "singular_to_plural" and near.warning == ""
    assert [task.similarity for task in near.nearest] == sorted(
        (task.similarity for task in near.nearest), reverse=True
    )
    far = studio.likeness("I like cheese.")
    assert far.similarity is not None and far.far is not None and far.similarity < far.far
    assert f"{far.similarity:.2f}" in far.warning and far.nearest[0].name in far.warning


def test_every_door_to_the_hub_tells_how_near_the_task_is(studio: Studio, tmp_path: Path, capsys) -> None:
    made = studio.describe(PLURAL)
    near = studio.likeness(PLURAL).nearest[0]
    told = f"by cosine: singular\\_to\\_plural ({near.similarity:.2f})"
    assert told in studio.preview(made.adapter.id, "you/x")["README.md"].decode()
    made.adapter.save(tmp_path / "made")
    assert (
        main(["push", str(tmp_path / "made"), "you/x", "--dry-run"]) == 0 and told in capsys.readouterr().out
    )
    # Nobody knows it of another generator of that name, nor of what was opened from elsewhere.
    for facts in ({"generator_id": "0" * 64}, {"source": "you/x"}):
        assert studio.told_likeness(replace(made.adapter, **facts)) == ""
    assert "far from all of them: expect less" in studio.told_likeness(studio.make("I like cheese."))


def test_hints_are_computed_from_what_they_would_bring(studio: Studio) -> None:
    hints = studio.hints("Which one costs more")
    for hint in hints:
        after = studio.likeness(f"Which one costs more. {hint.addition}").nearest[0]
        assert hint.after == pytest.approx(after.similarity, abs=1e-4) and hint.nearest == after.name
        assert hint.after > hint.before + 0.01
    texts = ["Which one costs more", "Change the letters", "Give the answer", "Extract it", "Sort", PLURAL]
    found = [studio.hints(text) for text in texts]
    assert any(found) and len({hints for hints in found}) > 2
    assert studio.hints("") == studio.hints("   ") == studio.hints("x" * 1990) == ()


def test_a_description_that_fits_alone_gets_no_hints_and_may_be_worded_better(studio: Studio) -> None:
    long = "word " * 253
    assert studio.describe(long).adapter.condition
    assert studio.hints(long) == ()
    # At once it is refused for what it says, not for what was put around it.
    studio.better_wording([long], [Example(str(n), str(n)) for n in range(4)]).close()
    with pytest.raises(T2LError, match="starts 'word word"):
        studio.better_wording(["word " * 300], [Example(str(n), str(n)) for n in range(4)])


def test_about_refuses_an_adapter_of_another_base(studio: Studio) -> None:
    spec = studio.generator.spec
    studio.about(studio.describe(PLURAL).adapter.id)
    other = Adapter(replace(spec, base_model="other/base").zeros(), "Sort.", "other", "0" * 64)
    entry = studio.shelf.add(other)
    with pytest.raises(T2LError, match="other/base"):
        studio.about(entry.id)
    studio.delete(entry.id)


def test_about_tells_what_an_adapter_is(studio: Studio) -> None:
    made = studio.describe(PLURAL)
    about = studio.about(made.adapter.id)
    assert (about.rank, about.n_layers, about.generator) == (8, 30, studio.checkpoint)
    assert set(about.heat) == set(about.modules) and all(len(row) == 30 for row in about.heat.values())
    # One cell by hand.
    linear = studio.engine.base.model.model.layers[5].self_attn.v_proj
    name = "self_attn.v_proj"
    weights = made.adapter.weights
    delta = weights.spec.scaling * weights.B[name][5] @ weights.A[name][5]
    expected = float(delta.norm() / linear.weight.float().norm())
    assert about.heat[name][5] == pytest.approx(expected, rel=1e-4)
    assert about.likeness.nearest[0].name == "singular_to_plural"


def test_another_checkpoint_of_the_same_base_serves_beside_the_default(studio: Studio) -> None:
    names = [checkpoint.name for checkpoint in studio.checkpoints()]
    assert names[0] == studio.checkpoint and len(names) > 1
    one, two = (studio.describe(PLURAL, checkpoint=name).adapter for name in names[:2])
    assert one.id != two.id and two.generator == names[1]
    with pytest.raises(T2LError, match="no checkpoint"):
        studio.describe(PLURAL, checkpoint="../elsewhere")


def test_a_conversation_goes_on_in_every_column(studio: Studio) -> None:
    weights = studio.describe(PLURAL).adapter.weights
    first = list(studio.compare("river", [weights], Decoding(6)))[-1]
    history = [
        [{"role": "user", "content": "river"}, {"role": "assistant", "content": text}] for text in first
    ]
    alone = list(studio.compare("child", [weights], Decoding(6)))[-1]
    after = list(studio.compare("child", [weights], Decoding(6), history=history))[-1]
    chat = [*history[0], {"role": "user", "content": "child"}]
    zeros = stack([studio.generator.spec.zeros()])
    assert after[0] == list(studio.engine.stream([chat], zeros, Decoding(6)))[-1][0] != alone[0]
    with pytest.raises(T2LError, match="1 conversations were given for 2 columns"):
        studio.compare("child", [weights], history=history[:1])


def test_every_column_may_be_told_its_task(studio: Studio) -> None:
    weights = studio.describe(PLURAL).adapter.weights
    *_, told = studio.compare("child", [weights], Decoding(6), told=["", PLURAL])
    chat = [{"role": "system", "content": PLURAL}, {"role": "user", "content": "child"}]
    zeros = studio.generator.spec.zeros()
    *_, expected = studio.engine.stream([chat[1:], chat], stack([zeros, weights]), Decoding(6))
    assert told == expected
    with pytest.raises(T2LError, match="1 descriptions were given for 2 columns"):
        studio.compare("child", [weights], told=[PLURAL])


def test_an_adapter_is_told_its_task_where_its_checkpoint_asks_for_it(studio: Studio) -> None:
    adapter, prompt = studio.describe("Give the opposite of the word.").adapter, "expensive"

    def ask(*adapters: Any, **told: Any) -> list[str]:
        return list(studio.compare(prompt, adapters, Decoding(12), **told))[-1]

    says, plain = (replace(adapter, says_task=said) for said in (True, False))
    said, unsaid = ask(adapter.weights, told=[adapter.condition] * 2), ask(adapter.weights, told=["", ""])
    assert said[0] != unsaid[0]
    assert ask(says) == said and ask(plain) == ask(adapter.weights) == unsaid
    # Beside others each has its own, the base what the first has.
    assert ask(says, plain) == [*said, unsaid[1]] and ask(plain, says) == [*unsaid, said[1]]


def test_limits_come_from_the_environment_and_hold(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2L_LIMIT_NEW_TOKENS", "9")
    monkeypatch.setenv("T2L_LIMIT_DESCRIPTION", "10")
    strict = Studio(shelf=studio.shelf.folder, limits=Limits.read())
    with pytest.raises(T2LError, match="most is 10"):
        strict.describe(PLURAL)
    # The control's text is ours: no limit of a visitor's holds for it.
    assert strict.control("Sort it.").condition
    with pytest.raises(T2LError, match="10 new tokens were asked for; the most is 9"):
        strict.compare("hammer", [], Decoding(10))
    for value in ("many", "-1", "0", "1e3", "9" * 18):
        monkeypatch.setenv("T2L_LIMIT_NEW_TOKENS", value)
        with pytest.raises(T2LError, match=r"(?i)new_tokens"):
            Limits.read()
    monkeypatch.delenv("T2L_LIMIT_NEW_TOKENS")
    monkeypatch.setenv("T2L_LIMIT_TOKENS", "9")
    with pytest.raises(T2LError, match="T2L_LIMIT_TOKENS is no limit; choose T2L_LIMIT_ADAPTERS"):
        Limits.read()
