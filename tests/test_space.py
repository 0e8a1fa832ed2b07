"""Deploying the project as a Space: what is sent and what never is, against a Hub on the loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_hub import SPACE_CARD, Child, LocalHub, Repo
from paths import REPO

from t2l import space
from t2l.cli import main
from t2l.errors import T2LError
from t2l.space import FILES, FOLDERS, deploy, space_files

TOKEN, READER = (f"hf_{name}{'Xw4' * 10}" for name in ("deployer", "reader"))
NAME = "tester/t2l"
KEY = f"spaces/{NAME}"


def readme() -> str:
    """The project's README, with the sign-in that a Space needs."""
    text = (REPO / "README.md").read_text(encoding="utf-8")
    return text if "\nhf_oauth:" in text else text.replace("---\n", f"---\n{OAUTH}", 1)


OAUTH = "hf_oauth: true\nhf_oauth_scopes:\n- contribute-repos\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small checkout: some modules, a checkpoint, and what never goes along."""
    house = tmp_path / "house"
    for name in (*FILES, "t2l/__init__.py", "t2l/studio.py", "t2l/card.md", "t2l/ui/__init__.py"):
        (house / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, house / name)
    (house / "README.md").write_text(readme(), encoding="utf-8")
    for name, data in (
        ("checkpoints/tiny/config.json", b"{}"),
        ("checkpoints/tiny/model.safetensors", bytes(range(256)) * 40),
        ("checkpoints/.cache/model.safetensors", b"hidden"),
        ("results/tiny.jsonl", b"{}\n"),
        ("docs/tour.md", b"# A tour"),
        ("t2l/__pycache__/x.cpython-311.pyc", b"compiled"),
        ("t2l/x.pyc", b"compiled"),
        ("t2l/.env", b"SECRET"),
        (".env", b"SECRET"),
        ("data/suite/x/task.yaml", b"a: b"),
        ("tests/test_x.py", b"1"),
        ("notes.txt", b"mine"),
    ):
        (house / name).parent.mkdir(parents=True, exist_ok=True)
        (house / name).write_bytes(data)
    return house


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[LocalHub, Child]]:
    with LocalHub().running() as hub:
        child = Child(hub.url, tmp_path_factory.mktemp("hub") / "home", (TOKEN, READER))
        yield hub, child
        child.end()


@pytest.fixture
def hub(served) -> LocalHub:
    """The local Hub with two sign-ins, a model of the Space's name, and somebody else's Space."""
    hub, _ = served
    for state in (hub.users, hub.repos, hub.stored, hub.faults, hub.log):
        state.clear()
    hub.add_user(TOKEN, "tester", orgs={"team": "write", "readers": "read"})
    hub.add_user(READER, "tester", role="read")
    hub.add_repo(NAME, {"thesis.txt": b"precious"})
    return hub


@pytest.fixture
def child(served) -> Child:
    return served[1]


@pytest.fixture
def job(house: Path) -> dict[str, Any]:
    return {"house": str(house), "repo_id": NAME, "token": TOKEN}


def steps(hub: LocalHub) -> set[str]:
    return {step for step, _ in hub.log}


def own(repo: Repo) -> dict[str, bytes]:
    """What is in a repo but for the Hub's own file."""
    return {name: data for name, data in repo.files.items() if name != ".gitattributes"}


# What is sent.


def test_the_project_itself_is_a_space_that_runs(tmp_path: Path) -> None:
    house = tmp_path / "house"
    for name in FOLDERS:
        shutil.copytree(REPO / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(REPO / name, house / name)
    (house / "README.md").write_text(readme(), encoding="utf-8")
    files = space_files(house)
    inside = {p.relative_to(REPO).as_posix() for p in (REPO / "t2l").rglob("*.*") if p.suffix != ".pyc"}
    checkpoints = {p.relative_to(REPO).as_posix() for p in (REPO / "checkpoints").glob("*/*.*")}
    rows = {p.relative_to(REPO).as_posix() for p in (REPO / "results").iterdir()}
    documents = {p.relative_to(REPO).as_posix() for p in (REPO / "docs").rglob("*.*")}
    assert set(files) == {*FILES, *inside, *checkpoints, *rows, *documents} and "t2l/card.md" in inside
    linked = set(re.findall(r"\]\((?!\w+:|#)([^)#]+)", (REPO / "README.md").read_text(encoding="utf-8")))
    assert len(linked) > 20 and linked <= set(files)
    assert len(checkpoints) >= 6 and sum(map(len, files.values())) < 100_000_000
    for name, data in files.items():
        assert name == "README.md" or data == (REPO / name).read_bytes()
        place = tmp_path / "space" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    code = (
        "import app, t2l, os; assert t2l.__file__.startswith(os.getcwd())\n"
        "studio, page = app.create(); assert len(page.blocks) > 10\n"
        "from t2l.studio import measurements; assert measurements()\n"
        "print(studio.describe('Output the plural of the noun.').adapter.id)"
    )
    environment = {**os.environ, "T2L_SHELF": str(tmp_path / "shelf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=(tmp_path / "space").resolve(),
        env={k: v for k, v in environment.items() if k not in ("PYTHONPATH", "T2L_CHECKPOINTS")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and re.fullmatch("[0-9a-f]{16}", done.stdout.strip()), done.stderr[-2000:]


def test_hidden_files_caches_and_the_rest_of_the_project_stay_away(house: Path) -> None:
    files = space_files(house)
    for name, data in files.items():
        assert data == (house / name).read_bytes()
        assert not re.search(r"(^|/)[._]{1,2}(env|cache|pycache)|\.pyc$|^(data|tests)/|notes", name), name
    assert list(files) == sorted(files) and {*FILES, "checkpoints/tiny/model.safetensors"} <= set(files)


def test_a_dry_run_lists_sizes_and_asks_nobody(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(space, "HOUSE", house)
    assert main(["space", NAME, "--dry-run", "--json"]) == 0
    *lines, total, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    sizes = {name: len(data) for name, data in space_files(house).items()}
    assert result == {"repo": NAME, "files": sizes, "bytes": sum(sizes.values())}
    assert [line.split() for line in lines] == [[f"{size:,}", name] for name, size in sizes.items()]
    assert total.split() == [f"{sum(sizes.values()):,}", "bytes", "in", str(len(sizes)), "files"]
    assert main(["space", "two words", "--dry-run"]) == 2
    assert "for example two-words/text-to-lora." in capsys.readouterr().err


def line(old: str, new: str) -> Callable[[Path], None]:
    """A change of the README's front matter."""

    def change(house: Path) -> None:
        text = (house / "README.md").read_text(encoding="utf-8")
        assert len(re.findall(f"^{old}$", text, re.MULTILINE)) == 1
        (house / "README.md").write_text(re.sub(f"^{old}$", new, text, flags=re.MULTILINE), encoding="utf-8")

    return change


def written(name: str, text: str) -> Callable[[Path], None]:
    def write(house: Path) -> None:
        (house / name).parent.mkdir(parents=True, exist_ok=True)
        (house / name).write_text(text, encoding="utf-8")

    return write


def linked(name: str, to: str) -> Callable[[Path], None]:
    def link(house: Path) -> None:
        if (house / name).is_dir():
            shutil.rmtree(house / name)
        (house / name).unlink(missing_ok=True)
        (house / name).symlink_to(to)

    return link


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another sdk": (line("sdk: gradio", "sdk: docker"), "sdk says 'docker'; write gradio"),
    "no sdk": (line("sdk: gradio", "sdks: gradio"), "sdk is missing; write gradio"),
    "another gradio": (line("sdk_version: .*", "sdk_version: 5.0.0"), "sdk_version says '5.0.0'; write 6"),
    "gradio unpinned": (written("requirements.txt", "gradio>=6\n"), "requirements.txt pins no gradio"),
    "another app": (line("app_file: app.py", "app_file: main.py"), "app_file says 'main.py'; write app.py"),
    "no title": (line("title: .*", "name: x"), "title is missing; write the name of the Space"),
    "no emoji": (line("emoji: .*", "emoji:"), "emoji says 'None'; write an emoji"),
    "a colour": (line("colorFrom: .*", "colorFrom: mauve"), "colorFrom says 'mauve'; write one of red, "),
    "colours": (line("colorTo: .*", "colorTo: [red]"), "colorTo says"),
    "too long": (
        line("short_description: .*", f"short_description: {'x' * 61}"),
        "write at most 60 characters",
    ),
    "no sign-in": (line("hf_oauth: true", "hf_oauth: false"), "hf_oauth says 'False'; write true"),
    "another scope": (line("- contribute-repos", "- email"), "write a list with contribute-repos"),
    "no front matter": (written("README.md", "# Text-to-LoRA\n"), "no front matter"),
    "no YAML": (line("sdk: gradio", "sdk: [gradio"), "is no YAML .*; mend it"),
    "no app": (lambda house: (house / "app.py").unlink(), r"is none \(it lacks app.py\); clone"),
    "no licence": (lambda house: (house / "LICENSE").unlink(), "lacks LICENSE"),
    "an app of nothing": (written("app.py", "print(1)\n"), "app.py imports nothing of t2l"),
    "no checkpoint": (lambda house: shutil.rmtree(house / "checkpoints/tiny"), "holds no checkpoint"),
    "no checkpoints": (lambda house: shutil.rmtree(house / "checkpoints"), "cannot be read"),
    "a stray file": (written("checkpoints/tiny/optimiser.bin", "x"), "optimiser.bin is no file that a Space"),
    "a link out": (linked("t2l/x.py", "/etc/hostname"), "t2l/x.py is a link"),
    "a linked folder": (linked("checkpoints/tiny", "/etc"), "checkpoints/tiny is a link"),
    "a linked house": (linked("checkpoints", "/etc"), "checkpoints is a link"),
    "a linked licence": (linked("LICENSE", "NOTICE"), "LICENSE is a link"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_here_is_said_before_anybody_is_asked(house: Path, name: str) -> None:
    change, named = REFUSED[name]
    change(house)
    with pytest.raises(T2LError, match=named) as caught:
        # Without a sign-in: that would be the next thing to be said.
        deploy(NAME, None, house=house)
    assert "\n" not in str(caught.value)


def test_a_package_without_a_checkout_and_too_many_bytes_are_refused(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(house / "t2l", house / "site-packages" / "t2l")
    with pytest.raises(T2LError, match=r"made from a checkout .*site-packages is none \(it lacks app.py\)"):
        space_files(house / "site-packages")
    monkeypatch.setattr(space, "MOST_BYTES", 20_000)
    with pytest.raises(
        T2LError, match=r"would have [\d,]+ bytes; the most is 20,000. The largest file is t2l"
    ):
        space_files(house)


# What is on the Hub then.


def test_a_space_is_one_commit_of_these_very_bytes(
    hub: LocalHub, child: Child, house: Path, job: dict[str, Any]
) -> None:
    made = child.get("deploy", **job, hardware="zero-a10g")
    repo = hub.repos[KEY]
    assert len(repo.commits) == 2 and own(repo) == space_files(house)
    assert repo.private and made["private"] and made["changed"]
    assert (made["repo_id"], made["url"]) == (NAME, f"{hub.url}/spaces/{NAME}")
    assert made["commit"] == repo.commits[-1][0]
    asked = {"name": "t2l", "organization": "tester", "visibility": "private"}
    assert repo.asked == {**asked, "type": "space", "sdk": "gradio", "hardware": "zero-a10g"}
    assert made["steps"] == ["Checking your sign-in", f"Creating {NAME}", made["steps"][2]]
    log = [step for step, _ in hub.log]
    assert all(log.count(step) == 1 for step in ("whoami", "create", "card", "commit"))
    # A model of the same name is another repo.
    assert len(hub.repos[NAME].commits) == 1


def test_what_is_there_already_makes_no_commit_and_a_change_makes_one(
    hub: LocalHub, child: Child, house: Path, job: dict[str, Any]
) -> None:
    first = child.get("deploy", **job)
    hub.log.clear()
    again = child.get("deploy", **job, hardware="cpu-basic")
    assert (again["commit"], again["changed"]) == (first["commit"], False)
    assert "All files are there already" in again["steps"] and "keeps the hardware" in again["steps"][1]
    assert steps(hub) == {"whoami", "look", "tree", "resolve"} and len(hub.repos[KEY].commits) == 2
    # Somebody added a file on the Hub, and one of ours is gone here: both stay there.
    hub.repos[KEY].files["extra.md"] = b"theirs"
    (house / "t2l" / "card.md").unlink()
    for name in ("app.py", "checkpoints/tiny/model.safetensors"):
        with open(house / name, "ab") as file:
            file.write(b"\n# more\n")
    changed = child.get("deploy", **job)
    repo = hub.repos[KEY]
    assert changed["changed"] and len(repo.commits) == 3
    assert own(repo) == {**own(repo), **space_files(house)}
    assert repo.files["extra.md"] == b"theirs" and "t2l/card.md" in repo.files
    assert [step for step, _ in hub.log].count("put") == 1 and "Uploading 0.0 MB" in changed["steps"]


def test_public_private_and_organisations(hub: LocalHub, child: Child, job: dict[str, Any]) -> None:
    job["repo_id"] = "team/app"
    assert not child.get("deploy", **job, private=False)["private"]
    fault = child.refusal("deploy", **job)
    assert "team/app is public, but private was asked for; nothing was uploaded. Deploy it as public" in fault
    hub.faults["create"] = "public"
    assert "but private was asked for" in child.refusal("deploy", **{**job, "repo_id": NAME})
    assert len(hub.repos[KEY].commits) == 1


def test_a_space_as_the_hub_makes_it_is_used(hub: LocalHub, child: Child, house: Path, job: Any) -> None:
    for files in (None, {}):
        hub.add_repo(KEY, files, private=True)
        made = child.get("deploy", **job)
        assert "create" not in steps(hub) and own(hub.repos[KEY]) == space_files(house) and made["changed"]


FOREIGN: dict[str, dict[str, bytes]] = {
    "another app": {"README.md": SPACE_CARD.encode(), "app.py": b"import gradio\n"},
    "a text of its own": {"README.md": b"---\nsdk: gradio\n---\n# My Space\n"},
    "a docker Space": {
        "README.md": b"---\nsdk: docker\n---\n",
        "app.py": b"from t2l.studio import Studio\n",
        "t2l/studio.py": b"",
    },
    "a namesake": {"README.md": SPACE_CARD.encode(), "app.py": b"import t2l\n"},
    "no front matter": {"app.py": b"import t2l\n", "t2l/studio.py": b""},
    "static": {"index.html": b"<html>"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_space_of_something_else_is_never_written(
    hub: LocalHub, child: Child, job: dict[str, Any], name: str
) -> None:
    repo = hub.add_repo(KEY, FOREIGN[name], private=True)
    before = dict(repo.files)
    assert f"{NAME} is a Space of something else; choose another name" in child.refusal("deploy", **job)
    assert repo.files == before and len(repo.commits) == 1 and "commit" not in steps(hub)


def test_a_huge_file_of_another_space_is_not_read(hub: LocalHub, child: Child, job: dict[str, Any]) -> None:
    repo = hub.add_repo(KEY, {"README.md": SPACE_CARD.encode(), "app.py": b"import t2l\n"}, private=True)
    repo.told_sizes = {"README.md": 10**12, "app.py": 10**12}
    assert "is a Space of something else" in child.refusal("deploy", **job) and "resolve" not in steps(hub)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"token": READER}, "may only read"),
        ({"token": None}, "needs a sign-in"),
        ({"token": "hf_expired"}, "does not accept your sign-in"),
        ({"token": "hf_é"}, "no token has"),
        (
            {"repo_id": "stranger/x"},
            r"may not write in stranger; choose tester or team\.$",
        ),
        ({"repo_id": "readers/x"}, "may not write in readers"),
        ({"repo_id": "tester/two words"}, "is no repo name"),
    ],
)
def test_who_may_not_deploys_nothing(
    hub: LocalHub, child: Child, job: dict[str, Any], change: dict[str, Any], named: str
) -> None:
    assert re.search(named, child.refusal("deploy", **{**job, **change}))
    assert set(hub.repos) == {NAME} and steps(hub) <= {"whoami"}


# Faults.

KINDS: dict[int | str, str] = {
    403: "does not allow",
    500: "a fault of its own .500",
    "cut before": "cannot be reached, or its answer was cut off",
    "cut after": "cannot be reached, or its answer was cut off",
    "echo": "The Hub refuses",
}
STEPS = ["whoami", "look", "create", "tree", "card", "preupload", "batch", "put", "verify", "commit"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_leaves_no_half_of_a_space(
    hub: LocalHub, child: Child, house: Path, job: dict[str, Any], step: str, kind: int | str
) -> None:
    hub.faults[step] = kind
    answer = child.ask("deploy", **job)
    hub.faults.clear()
    repo = hub.repos.get(KEY)
    if "error" in answer:
        message = answer["error"]
        assert re.search(KINDS[kind], message) and "\n" not in message, message
        left = "deploy again to use it" if repo else "Nothing on the Hub has changed"
        assert left in message and (repo is None or len(repo.commits) == 1), message
    else:
        # The answer alone was lost, and what was done is found.
        assert kind == "cut after" and repo and own(repo) == space_files(house)
    child.get("deploy", **job)
    assert len(hub.repos[KEY].commits) == 2 and own(hub.repos[KEY]) == space_files(house)


@pytest.mark.parametrize("step", ["tree", "resolve", "put", "commit"])
def test_a_fault_of_an_update_leaves_the_space_as_it_was(
    hub: LocalHub, child: Child, house: Path, job: dict[str, Any], step: str
) -> None:
    child.get("deploy", **job)
    before = hub.repos[KEY].commits[-1]
    (house / "checkpoints/tiny/model.safetensors").write_bytes(b"others")
    for kind in (412, 500, "cut before"):
        hub.faults[step] = kind
        fault = child.refusal("deploy", **job)
        assert "Nothing on the Hub has changed" in fault and hub.repos[KEY].commits[-1] is before, fault
    hub.faults[step] = 413
    assert "too large" in (fault := child.refusal("deploy", **job)) and "remove a checkpoint" in fault
    hub.faults.clear()
    assert child.get("deploy", **job)["changed"]


def test_an_upload_that_nobody_can_confirm_is_found_later(
    hub: LocalHub, child: Child, job: dict[str, Any]
) -> None:
    hub.faults["commit"] = "last words"
    assert "is not known: deploy again, and it is found if it did" in child.refusal("deploy", **job)
    hub.faults.clear()
    made = child.get("deploy", **job)
    assert not made["changed"] and len(hub.repos[KEY].commits) == 2


def test_what_the_hub_wants_paid_is_told_in_its_words(
    hub: LocalHub, child: Child, job: dict[str, Any]
) -> None:
    hub.faults["create"] = 402
    fault = child.refusal("deploy", **job)
    assert f"The Hub refuses creating {NAME} (as the test asked)" in fault and "Nothing on the Hub" in fault


# The door, and what is left when all of these have run.


def test_the_command_line_deploys_and_says_where(hub: LocalHub, child: Child, house: Path) -> None:
    args = ["space", NAME, "--hardware", "zero-a10g", "--json"]
    alone = child.get("run", args=args, house=str(house))
    assert alone["status"] == 2 and "set HF_TOKEN" in alone["err"] and hub.log == []
    made = child.get("run", args=args, token=TOKEN, house=str(house))
    shown, last = made["out"].splitlines()
    commit = hub.repos[KEY].commits[-1][0]
    assert made["status"] == 0 and shown == f"{hub.url}/spaces/{NAME} (private, commit {commit})"
    assert json.loads(last)["url"] == f"{hub.url}/spaces/{NAME}" and "Creating" in made["err"]
    again = child.get("run", args=["space", NAME], token=TOKEN, house=str(house))
    assert again["out"].endswith(f"commit {commit}, already there)\n")
    public = child.get("run", args=["space", "tester/open", "--public"], token=TOKEN, house=str(house))
    assert public["status"] == 0 and not hub.repos["spaces/tester/open"].private


def test_no_token_is_in_any_file_or_log(child: Child) -> None:
    files = [path for path in child.home.rglob("*") if path.is_file()]
    assert child.home / "log.txt" in files and not list(child.home.glob("t2l-*"))
    assert not [path for path in files if any(t.encode() in path.read_bytes() for t in (TOKEN, READER))]
