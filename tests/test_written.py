"""The tasks of data/written: each of them sound, none with the examples of a held-out task."""

from pathlib import Path

import pytest

from t2l.tasks import read_paraphrases, read_suite, with_paraphrases

DATA = Path(__file__).parent.parent / "data"
TASK = "### shout\ncategory: formatting\n" + "".join(f"D: Shout it, {n}.\n" for n in range(8))
TASK += "".join(f"E: word{n} ||| WORD{n}\n" for n in range(16))


@pytest.fixture(scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA / "build")
        import written

        yield written


@pytest.fixture(scope="module")
def written(module, tmp_path_factory):
    out = tmp_path_factory.mktemp("written") / "tasks"
    assert module.build(out) == len(list(out.iterdir()))
    return read_suite(out)


def test_every_written_task_is_one_to_train_on(written):
    assert len(written) > 1700
    for name, task in written.items():
        assert task.split == "train" and len(set(task.descriptions)) == 8, name
        assert len(task.train) >= 12 and len(task.test) in (4, 8), name
        assert all(len(e.output.split()) <= 16 for e in (*task.train, *task.test)), name


def test_no_written_task_has_the_examples_of_a_held_out_one(written):
    def pairs(task):
        return {(e.input, e.output) for e in (*task.train, *task.test)}

    held_out = {name: pairs(t) for name, t in read_suite(DATA / "suite").items() if t.split == "eval"}
    for task in written.values():
        mine = pairs(task)
        # Functions of a word share an answer now and then: the first three letters, and all but the last two.
        chance = 1 if len(mine) <= 20 else 3
        assert not [name for name, its in held_out.items() if len(mine & its) > chance], task.name


def test_what_is_kept_out_of_training_is_there_and_has_no_further_wordings(written):
    kept = (DATA / "kept_out.txt").read_text(encoding="utf-8").split()
    assert len(set(kept)) == len(kept) > 200
    assert {name for name in kept if not name.startswith("grid_")} <= written.keys()
    assert not read_paraphrases(DATA / "paraphrases.yaml").keys() & set(kept)


def test_the_shipped_paraphrases_are_of_trained_tasks_and_none_is_kept_for_scoring():
    further = read_paraphrases(DATA / "paraphrases.yaml")
    named = {name: task for name, task in read_suite(DATA / "suite").items() if name in further}
    assert len(named) > 40 and {task.split for task in named.values()} == {"train"}
    for told in with_paraphrases(list(named.values()), DATA / "paraphrases.yaml", 6):
        assert len(told.descriptions) == len(set(told.descriptions)) == 6 + len(further[told.name]), told.name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("D: Shout it, 0.\n", "", "7 descriptions, not 8"),
        ("E: word0 ||| WORD0\n", "E: word0 | WORD0\n", "line 11: .* is no line of a task"),
        ("E: word0 ||| WORD0\n", "E: word1 ||| WORD1\n", "one input twice"),
        ("category: formatting\n", "", "no category"),
        ("category: formatting\n", "category: formatting\nchoices: a | b\n", "answers that are no choices"),
    ],
)
def test_a_fault_is_named_with_its_file(module, monkeypatch, tmp_path, old, new, message):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/some.txt").write_text(TASK)
    monkeypatch.setattr(module, "WRITTEN", tmp_path / "in")
    assert module.build(tmp_path / "whole") == 1
    (tmp_path / "in/some.txt").write_text(TASK.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"some.txt.*{message}"):
        module.build(tmp_path / "out")
