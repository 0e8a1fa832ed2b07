"""Tasks that others published: every form of upstream's files on hand-made rows, and what is refused."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from t2l.cli import main
from t2l.errors import T2LError
from t2l.tasks import read_task
from t2l.train import fetch as module
from t2l.train.fetch import FORMS, KEEP, ROWS, TABLE, build, fetch


def examples(*rows: dict) -> dict:
    return {"metadata": {}, "examples": {str(n): row for n, row in enumerate(rows, 1)}}


def pair(given: str, right: str) -> dict:
    return {"input": given, "output": right}


def built(files: list, form: str, **more: str) -> dict[str, list]:
    return build(files, {"files": ["upstream.json"], "form": form, **more})


def everything(files: list, form: str, **more: str) -> dict[str, str]:
    made = built(files, form, **more)
    return dict(made["train"] + made["test"])


def test_a_list_is_cleaned_filtered_and_divided() -> None:
    rows = [pair(" cat\u00a0 tail ", "a\tb"), pair("cat tail", "later"), pair("", "x"), pair("y", " ")]
    assert everything([rows], "list") == {"cat tail": "a b"}
    assert everything([[*rows, pair("z", "z")]], "list", conflicts="drop") == {"z": "z"}
    assert set(everything([[pair(w, w) for w in ("ab", "a", "x-y", "é2")]], "list", keep="word")) == {"ab"}
    money = [pair("Peru", "Sol (PEN)"), pair("Oz", "Emerald")]
    assert everything([money], "list", rows="currency") == {"Peru": "Sol", "Oz": "Emerald"}
    for n, test in ((10, 3), (119, 36), (120, 24), (999, 200), (1500, 200)):
        made = built([[pair(f"{i:05}", "x") for i in range(n)]], "list")
        assert (len(made["train"]), len(made["test"])) == (min(800, n - test), test)
        assert not set(made["train"]) & set(made["test"])


def test_the_sources_own_held_out_examples_stay_held_out() -> None:
    train, test = ([pair(f"{part} {i}", "x") for i in range(100)] for part in ("train", "test"))
    made = built([examples(*train, test[0]), examples(*test)], "induction")
    assert {given for given, _ in made["test"]} == {row["input"] for row in test}
    assert {given for given, _ in made["train"]} == {row["input"] for row in train}
    # Topped up to a fifth, and one pool where they are few.
    made = built([examples(*(pair(str(i), "x") for i in range(200))), examples(*test[:10])], "induction")
    assert {row["input"] for row in test[:10]} <= {given for given, _ in made["test"]}
    assert (len(made["train"]), len(made["test"])) == (168, 42)
    made = built([examples(*train[:10]), examples(*test[:10])], "induction")
    assert (len(made["train"]), len(made["test"])) == (14, 6)


def test_every_other_form_is_read() -> None:
    files = [examples(pair("cat, cup, elk", "elk, cat")), examples(pair("hat, fox", "fox"))]
    assert everything(files, "induction", rows="animals") == {"cat, cup, elk": "cat, elk", "hat, fox": "fox"}
    files = [examples({"informal": "Hi", "formal": "Good day. "}), examples(pair("Bye", "Farewell"))]
    assert everything(files, "induction", rows="reworded") == {"Hi": "Good day.", "Bye": "Farewell"}
    files = [examples({"items": ["a", "b"], "concept": "letters", "all_common_concepts": []}), examples()]
    assert everything(files, "pool", rows="concept") == {"a, b": "letters"}
    files = [examples({"cause": "Rain.", "effect": "Mud."}), examples()]
    assert everything(files, "causes", rows="cause") == {
        "Sentence 1: Rain. Sentence 2: Mud.": "Rain.",
        "Sentence 1: Mud. Sentence 2: Rain.": "Rain.",
    }
    rows = [{"question": "How\n many?", "answer": "So 1,000.\n#### 1,000"}]
    assert built([rows], "test", rows="word_problem") == {"train": [], "test": [("How many?", "1000")]}
    assert everything([[pair("a", "w " * 21), pair("b", "w")]], "list", keep="short") == {"b": "w"}
    assert everything([[pair("3 p.m.", "x"), pair("b", "w")]], "list", keep="no_pm") == {"b": "w"}


def test_the_table_names_what_is_there_to_read_and_describes_every_task_in_eight_ways() -> None:
    known = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    assert len(known["tasks"]) == 65
    assert all(len(commit) == 40 for commit in known["repositories"].values())
    for name, task in known["tasks"].items():
        assert task["repository"] in known["repositories"] and task["open_license"], name
        assert task["form"] in FORMS and task.get("rows", "plain") in ROWS and task.get("keep", "all") in KEEP
        assert len(task["files"]) == (1 if task["form"] in ("list", "test") else 2)
        assert len(set(task["descriptions"])) == 8 and all(len(d) == 64 for d in task["sha256"].values())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two tasks, and upstream's files under copies/."""
    upstream = tmp_path / "copies" / "owner" / "words" / "data"
    upstream.mkdir(parents=True)
    rows = [pair(f"word {n}", f"{n}") for n in range(20)]
    tasks = {}
    for name in ("first", "second"):
        (upstream / f"{name}.json").write_text(json.dumps(rows))
        made = built([rows], "list")
        lines = {p: "".join(json.dumps(pair(*r)) + "\n" for r in some) for p, some in made.items()}
        tasks[name] = {
            "repository": "owner/words",
            "files": [f"data/{name}.json"],
            "form": "list",
            "sha256": {part: hashlib.sha256(text.encode()).hexdigest() for part, text in lines.items()},
            **{"category": "string", "source": "owner/words", "license": "MIT", "open_license": True},
            **{"split": "train", "metric": "exact_match", "max_new_tokens": 8},
            "descriptions": [f"Way {n} to say {name}." for n in range(8)],
        }
    file = tmp_path / "sources.yaml"
    file.write_text(yaml.safe_dump({"repositories": {"owner/words": "c0ffee"}, "tasks": tasks}))
    return file


@pytest.fixture
def server(table: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server of the copies at the address of a commit; the paths that it was asked for."""
    asked: list[str] = []

    class Files(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.path = self.path.replace("/c0ffee/", "/")
            super().do_GET()

        def log_message(self, *_: object) -> None: ...

    serve = functools.partial(Files, directory=str(table.parent / "copies"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        port = running.server_address[1]
        monkeypatch.setattr(module, "ADDRESS", f"http://127.0.0.1:{port}/{{repository}}/{{commit}}/{{path}}")
        yield asked
        running.shutdown()
        thread.join()


def test_tasks_are_fetched_once_from_the_address_of_their_commit(server, table, tmp_path: Path) -> None:
    out = tmp_path / "suite"
    assert dict(fetch(out, table=table)) == {"first": "made", "second": "made"}
    assert server == ["/owner/words/c0ffee/data/first.json", "/owner/words/c0ffee/data/second.json"]
    task = read_task(out / "first")
    assert task.open_license and (len(task.train), len(task.test)) == (14, 6) and len(task.descriptions) == 8
    (out / "second" / "test.jsonl").unlink()
    assert dict(fetch(out, table=table)) == {"first": "there", "second": "made"} and len(server) == 3


def test_what_is_not_what_was_measured_is_not_written(server, table, tmp_path: Path, monkeypatch) -> None:
    file, out = tmp_path / "copies/owner/words/data/first.json", tmp_path / "suite"
    monkeypatch.setattr(module, "MOST_BYTES", 2000)
    for content, said in (
        (json.dumps([pair("a", "b")]), "came out otherwise than it was measured"),
        (json.dumps({"rows": []}), "has another form than list"),
        (json.dumps([[1, 2]]), "has another form than list"),
        ("<html>", "is not JSON"),
        ("[" * 1500, "is not JSON"),
        ("x" * 2001, "more than 2,000 bytes"),
        (None, "status 404"),
    ):
        file.unlink() if content is None else file.write_text(content)
        told = dict(fetch(out, table=table))
        assert said in told["first"] and told["second"] in ("made", "there") and not (out / "first").exists()
    assert "No such file" in dict(fetch(out, ["first"], copies=tmp_path / "copies", table=table))["first"]
    monkeypatch.setattr(module, "ADDRESS", "http://127.0.0.1:9/{repository}{commit}{path}")
    assert "check the network" in dict(fetch(out, ["first"], table=table))["first"]


def test_the_command_line_says_what_became_of_each_and_goes_on_later(tmp_path: Path, capsys) -> None:
    command = ["data", "fetch", "--out", str(tmp_path / "o"), "--copies", str(tmp_path)]
    assert main([*command, "--names", "capitalize"]) == 2
    told = capsys.readouterr()
    assert "capitalize: " in told.out and "1 of 1 tasks could not be made" in told.err
    with pytest.raises(T2LError, match="'nothing' is not among those to fetch; choose from active_to"):
        list(fetch(tmp_path, ["nothing"]))
    (tmp_path / "table.yaml").write_text("- 3")
    with pytest.raises(T2LError, match="cannot be read"):
        list(fetch(tmp_path, table=tmp_path / "table.yaml"))
