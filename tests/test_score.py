"""Own examples scored by the base and by adapters, the choice of a wording, and batches: on the real base."""

from __future__ import annotations

import json
import shutil
import tracemalloc
import zipfile
from collections import deque
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from t2l.attach import attached
from t2l.base import BaseModel
from t2l.engine import MAX_COLUMNS, Decoding
from t2l.errors import T2LError
from t2l.lora import LoRASpec, stack
from t2l.score import Scores, halves, score
from t2l.studio import DEFAULT_CHECKPOINT, Limits, Studio, Wordings, checkpoints_folder
from t2l.tasks import Example

PLURAL = "Output the plural of the noun."
NOUNS = ("hammer", "city", "fox", "apple", "table")
EXAMPLES = tuple(map(Example, NOUNS, ("hammers", "cities", "foxes", "apples", "tables")))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(shelf=tmp_path_factory.mktemp("shelf"), dtype="float32", limits=Limits(batch=3))


def test_scores_are_the_answers_that_each_example_gets_alone(studio: Studio) -> None:
    made = studio.describe(PLURAL)
    steps = list(studio.score([made.adapter.id], EXAMPLES))
    seen = list({id(scores): scores for scores in steps}.values())
    assert [s.done for s in seen] == [0, 5, 10] and seen[-1].total == 10
    # The default's adapters are told their task, and so is the base beside them.
    for column, adapters in enumerate([[], [made.adapter.weights]]):
        told = [PLURAL] * (1 + len(adapters))
        for example, answer in zip(EXAMPLES, seen[-1].answers[column], strict=True):
            *_, alone = studio.compare(example.input, adapters, Decoding(seen_tokens(studio)), told=told)
            assert answer == alone[-1]
    assert sum(seen[-1].right(1)) >= 4 and sum(seen[-1].right(0)) == 0
    # Nothing is right before it is answered.
    assert not any(Scores(EXAMPLES, ((None,) * 5,)).right(0, "lenient"))


def test_an_adapter_that_was_trained_with_the_task_in_its_prompts_has_it_said(
    studio: Studio, tmp_path: Path
) -> None:
    folders = {says: tmp_path / str(says) for says in (True, False)}
    for says, folder in folders.items():
        shutil.copytree(checkpoints_folder() / DEFAULT_CHECKPOINT, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "says_task": says}))
    telling, silent = (
        Studio(str(folder), shelf=tmp_path / "shelf" / folder.name, dtype="float32")
        for folder in folders.values()
    )
    made, plain = telling.describe(PLURAL), silent.describe(PLURAL)
    assert made.adapter.says_task and telling.adapter(made.adapter.id).says_task
    assert not plain.adapter.says_task
    (*_, scores), weights = telling.score([made.adapter.id], EXAMPLES), made.adapter.weights
    (*_, unsaid) = silent.score([plain.adapter.id], EXAMPLES)
    assert all(torch.equal(weights.B[name], plain.adapter.weights.B[name]) for name in weights.B)
    # The base is told what the adapter beside it is.
    assert scores.answers[0] != unsaid.answers[0]
    for number, example in enumerate(EXAMPLES):
        *_, alone = telling.compare(
            example.input, [weights], Decoding(seen_tokens(telling)), told=[PLURAL, PLURAL]
        )
        assert [column[number] for column in scores.answers] == alone
    *_, found = telling.better_wording([PLURAL], EXAMPLES)
    assert found.made.adapter.says_task


def seen_tokens(studio: Studio) -> int:
    encode = studio.engine.base.tokenizer
    return 8 + max(len(encode(e.output, add_special_tokens=False)["input_ids"]) for e in EXAMPLES)


def test_the_better_wording_is_chosen_on_one_half_and_told_of_on_the_other(studio: Studio) -> None:
    bad = "Write the number as a Roman numeral."
    *progress, found = studio.better_wording([bad, PLURAL], EXAMPLES, visitor="k" * 20)
    choosing, reporting = halves(EXAMPLES)
    assert not {e.input for e in choosing} & {e.input for e in reporting}
    assert isinstance(found, Wordings) and isinstance(progress[-1], Scores)
    assert found.best.text == PLURAL == found.made.adapter.condition
    assert found.first.text == bad and found.first.n == found.best.n == found.base.n == len(reporting)
    assert found.best.strict > found.first.strict and found.ranked[0].text == PLURAL
    assert {t.n for t in found.ranked} == {len(choosing)} and len(found.ranked) > 2
    # The descriptions of near trained tasks take part too.
    near = {near.description for text in (bad, PLURAL) for near in studio.likeness(text).nearest}
    assert near <= {t.text for t in found.ranked}
    assert [e.id for e in studio.adapters(visitor="k" * 20)] == [found.made.adapter.id]
    # Its own adapter is what the same words give on their own.
    assert studio.make(PLURAL).id == found.made.adapter.id


def test_a_batch_is_a_zip_of_peft_folders_with_the_ids_of_each_alone(studio: Studio, tmp_path: Path) -> None:
    texts = [PLURAL, "  ", "../../etc <b>hostile</b>", PLURAL]
    *counts, (_, file) = studio.batch(texts, visitor="k" * 20)
    assert counts == [(1, None), (2, None)] and file is not None
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())["adapters"]
    assert [row["description"] for row in told] == [PLURAL, "../../etc <b>hostile</b>"]
    for row in told:
        assert studio.make(row["description"]).id == row["id"]
        weights = studio.make(row["description"]).weights
        model = PeftModel.from_pretrained(
            BaseModel.load(dtype="float32").model, str(tmp_path / row["folder"])
        )
        ids = torch.tensor([studio.engine.base.prompt_ids([{"role": "user", "content": "hammer"}])])
        with torch.no_grad(), attached(studio.engine.base.model, weights):
            expected = studio.engine.base.model(ids).logits
        with torch.no_grad():
            torch.testing.assert_close(model(ids).logits, expected, atol=1e-3, rtol=1e-4)
    assert not studio.adapters(visitor="another-key-of-a-batch")
    # The next batch takes the place of this one; a zip of the shelf leaves it alone.
    *_, (_, other) = studio.batch([PLURAL], visitor="k" * 20)
    studio.zip(studio.describe(PLURAL, visitor="k" * 20).adapter.id, visitor="k" * 20)
    assert other is not None and other.is_file() and not file.exists()


def test_who_waits_for_answers_can_go_between_any_two_steps() -> None:
    columns = stack([LoRASpec("base", 1, {"self_attn.q_proj": (4, 4)}, 1, 1.0).zeros()])
    steps = []

    def ask(chats, adapters, decoding):
        for step in range(100):
            steps.append(step)
            yield ["answer"] * len(chats)

    growing = score(ask, lambda text, column: [], [Example("a", "b")], columns, 8)
    for wanted in (0, 1, 2, 3):
        scores = next(growing)
        assert len(steps) == wanted and scores.done == 0
    growing.close()
    assert len(steps) == 3


def test_a_thousand_rows_are_asked_a_pass_at_a_time_and_take_little_memory() -> None:
    examples = [Example(f"{n} {'word ' * (n % 60)}", f"{n}") for n in range(1000)]
    columns = stack([LoRASpec("base", 1, {"self_attn.q_proj": (4, 4)}, 1, 1.0).zeros()] * 3)
    passes = []

    def echo(chats, adapters, decoding):
        passes.append(len(chats))
        assert adapters.n is None and decoding.max_new_tokens == 8
        yield [chat[0]["content"].split()[0] for chat in chats]

    def asked(text, column):
        assert column in range(3)
        return [{"role": "user", "content": text}]

    tracemalloc.start()
    try:
        (scores,) = deque(score(echo, asked, examples, columns, 8), maxlen=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(scores.right(2)) and scores.done == 3000 and passes == [MAX_COLUMNS] * 375
    # A few lists of a thousand answers: nothing is kept of a pass but its texts.
    assert peak < 3e6


def test_what_cannot_be_scored_is_refused_at_once(studio: Studio) -> None:
    id = studio.describe(PLURAL).adapter.id
    # More tokens than the base reads, fewer characters than a prompt may have.
    LONG = Example("a b " * 4900, "x")
    brief = Studio(shelf=studio.shelf.folder, limits=Limits(prompt=3))
    small = Studio(shelf=studio.shelf.folder, limits=Limits(scored=10))
    for other in (brief, small):
        other._generators, other._engine = studio._generators, studio._engine
    for call, said in (
        (lambda: studio.score([], EXAMPLES), "0 adapters were chosen"),
        (lambda: studio.score([id] * 9, EXAMPLES), "9 adapters"),
        (lambda: studio.score(["0" * 16], EXAMPLES), "0000"),
        (lambda: studio.score([id], []), "no examples"),
        (
            lambda: studio.score([id], [*EXAMPLES, LONG]),
            "input that starts 'a b a b .* cannot be answered. The prompt has",
        ),
        (
            lambda: studio.better_wording([PLURAL], [*EXAMPLES, LONG]),
            "input that starts 'a b a b .* cannot be answered",
        ),
        (lambda: brief.score([id], EXAMPLES), "input that starts .* the most is 3"),
        (lambda: brief.better_wording([PLURAL], EXAMPLES), "input that starts .* the most is 3"),
        (lambda: small.score([id], EXAMPLES), "2 columns and answers of up to .* the most is 10"),
        (lambda: small.better_wording([PLURAL], EXAMPLES), "make .* tokens, the most is 10"),
        (lambda: brief.show(["a cat"]), "example prompt 1 has 5 characters; the most is 3"),
        (lambda: studio.better_wording([PLURAL], EXAMPLES[:3]), "at least 4"),
        (lambda: studio.better_wording([], EXAMPLES), "0 wordings"),
        (lambda: studio.better_wording([" "], EXAMPLES), "wording 1 is empty"),
        (lambda: studio.batch([]), "0 descriptions"),
        (lambda: studio.batch([f"Task {n}." for n in range(4)]), "4 descriptions were given; give 1 to 3"),
        (lambda: studio.batch([PLURAL, "x" * 2001]), "description 2 has 2,001 characters"),
    ):
        with pytest.raises(T2LError, match=said):
            call()
