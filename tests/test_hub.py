"""Publishing and pulling against a Hub on the loopback, with the real client in a process of its own.

With HF_ENDPOINT and T2L_HUB_TOKEN set, the full circle is run against that Hub as well.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from local_hub import Child, LocalHub, Repo
from paths import REPO
from safetensors.torch import load_file, save_file
from test_adapter import adapter as an_adapter
from test_adapter import contents, equal, randomly

from t2l.adapter import Adapter
from t2l.attach import attached
from t2l.base import spec_for
from t2l.errors import T2LError
from t2l.hub import publish, suggest_name
from t2l.lora import LoRASpec
from t2l.studio import Studio

# Odd enough that a search for them finds nothing else.
TOKEN, READER, STRANGER = (f"hf_{name}{'Zq7' * 10}" for name in ("writer", "reader", "stranger"))
TOKENS = (TOKEN, READER, STRANGER)
NAME = "tester/t2l-sort"
DOC = REPO / "docs" / "publishing.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[LocalHub, Child]]:
    with LocalHub().running() as hub:
        child = Child(hub.url, tmp_path_factory.mktemp("hub") / "home", TOKENS)
        yield hub, child
        child.end()


@pytest.fixture
def hub(served) -> LocalHub:
    """The local Hub, with three people and nothing of theirs but one repo."""
    hub, _ = served
    for state in (hub.users, hub.repos, hub.stored, hub.faults, hub.log):
        state.clear()
    hub.add_user(TOKEN, "tester", orgs={"team": "write", "readers": "read"})
    hub.add_user(READER, "tester", role="read")
    hub.add_user(STRANGER, "stranger")
    hub.add_repo("tester/thesis", {"thesis.txt": b"precious"})
    return hub


@pytest.fixture
def child(served) -> Child:
    return served[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "adapter"
    an_adapter().save(folder)
    return folder


@pytest.fixture(params=["local", "other"])
def place(request, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A Hub, its client, and a name for a new repo: the local Hub, or the one of the environment."""
    if request.param == "local":
        request.getfixturevalue("hub")
        child = request.getfixturevalue("child")
        yield SimpleNamespace(child=child, token=TOKEN, name=NAME)
        return
    endpoint, token = os.environ.get("HF_ENDPOINT"), os.environ.get("T2L_HUB_TOKEN")
    if not endpoint or not token:
        pytest.skip("HF_ENDPOINT and T2L_HUB_TOKEN name no other Hub")
    child = Child(endpoint, tmp_path / "home", (token,))
    name = f"{child.get('identity', token=token)['name']}/t2l-test-{secrets.token_hex(4)}"
    yield SimpleNamespace(child=child, token=token, name=name)
    child.end()


def changed(folder: Path, to: Path, **facts: Any) -> Path:
    """A copy of an adapter that differs in something."""
    replace(Adapter.load(folder), **facts).save(to)
    return to


# The full circle.


def test_what_was_published_comes_back_as_it_went(place, folder: Path, tmp_path: Path) -> None:
    made = place.child.get(
        "publish", folder=str(folder), repo_id=place.name, token=place.token, license="mit"
    )
    assert made["repo_id"] == place.name and made["url"].endswith(f"/{place.name}")
    assert (
        re.fullmatch("[0-9a-f]{40}", made["commit"]) and made["pull_request_url"] is None and made["private"]
    )
    out = tmp_path / "pulled"
    told = place.child.get("pull", repo_id=place.name, token=place.token, out=str(out))
    assert told["source"] == place.name and told["condition"] == "Sort the words."
    before, after = Adapter.load(folder), Adapter.load(out)
    assert equal(before.weights, after.weights) and before.weights_sha256 == told["sha256"]
    assert "adapter_model.safetensors" in contents(out)
    # Private: whoever is not signed in finds nothing.
    assert re.search("check the name", place.child.refusal("pull", repo_id=place.name, out="x"))


def test_publishing_again_makes_no_second_commit(place, folder: Path) -> None:
    job = {"folder": str(folder), "repo_id": place.name, "token": place.token, "license": "mit"}
    first, second = (place.child.get("publish", **job) for _ in range(2))
    assert first["commit"] == second["commit"] and first["steps"] != second["steps"]
    update = place.child.get("publish", **job, mode="update")
    assert update["commit"] == first["commit"]


def test_an_update_is_one_new_commit_and_new_refuses_it(place, folder: Path, tmp_path: Path) -> None:
    job = {"repo_id": place.name, "token": place.token, "license": "mit"}
    first = place.child.get("publish", folder=str(folder), **job)
    other = changed(folder, tmp_path / "other", weights=randomly(seed=1))
    fault = place.child.refusal("publish", folder=str(other), **job)
    assert f"exists already; choose another name, such as {place.name}-2, update it" in fault
    second = place.child.get("publish", folder=str(other), mode="update", **job)
    assert second["commit"] != first["commit"]
    for revision, source in ((None, other), (first["commit"], folder)):
        out = tmp_path / f"at-{revision}"
        place.child.get("pull", repo_id=place.name, token=place.token, revision=revision, out=str(out))
        assert Adapter.load(out).weights_sha256 == Adapter.load(source).weights_sha256


def test_a_name_is_looked_up_before_and_after_it_is_used(place, folder: Path, tmp_path: Path) -> None:
    job = {"repo_id": place.name, "token": place.token}
    assert place.name.startswith(place.child.get("identity", token=place.token)["namespaces"][0] + "/")
    assert place.child.get("check_name", folder=str(folder), **job)["state"] == "free"
    place.child.get("publish", folder=str(folder), license="mit", **job)
    assert place.child.get("check_name", folder=str(folder), **job)["state"] == "same"
    other = changed(folder, tmp_path / "other", weights=randomly(seed=1))
    assert place.child.get("check_name", folder=str(other), **job)["state"] == "update"
    for changes, said in (
        ({"token": None}, "needs a sign-in"),
        ({"token": "hf_wrong"}, "does not accept your sign-in"),
        ({"repo_id": "a-namespace-of-nobody-here/x"}, "may not write in"),
    ):
        fault = place.child.refusal("publish", **{"folder": str(folder), "license": "mit", **job, **changes})
        assert said in fault


def test_a_published_card_runs_as_it_stands(hub: LocalHub, child: Child, tiny, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    base = tmp_path / "base"
    tiny.save_pretrained(base)
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", "Your", "input"])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="</s>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    tokenizer.save_pretrained(base)
    hub.add_repo("tester/tiny", contents(base))
    spec = spec_for(tiny, "tester/tiny", ["self_attn.q_proj", "mlp.down_proj"], rank=4, alpha=8)
    made = an_adapter(weights=randomly(spec, size=0.3))
    made.save(tmp_path / "made")
    child.get(
        "publish", folder=str(tmp_path / "made"), repo_id=NAME, token=TOKEN, license="mit", private=False
    )
    card = hub.repos[NAME].files["README.md"].decode()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    child.get("snippet", code=code, logits=str(tmp_path / "logits"))
    ids = torch.arange(1, 9)[None]
    with attached(tiny, made.weights):
        expected = tiny(ids).logits
    got = load_file(tmp_path / "logits")["logits"]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert (expected - tiny(ids).logits).abs().max() > 1e-2


# What is on the Hub.


def test_a_repo_is_one_commit_of_five_facts(hub: LocalHub, child: Child, folder: Path) -> None:
    made = child.get("publish", folder=str(folder), repo_id=NAME, token=TOKEN, license="mit")
    repo = hub.repos[NAME]
    assert repo.private and [len(files) for _, files in repo.commits] == [1, 5]
    files, before = repo.files, contents(folder)
    assert {n: files[n] for n in before if n != "README.md"} == {
        n: before[n] for n in before if n != "README.md"
    }
    assert made["steps"] == ["Checking your sign-in", f"Creating {NAME}", "Uploading 0.0 MB"]
    steps = [step for step, _ in hub.log]
    assert all(steps.count(step) == 1 for step in ("whoami", "create", "card", "put", "commit")) and (
        steps[0] == "whoami"
    )


def test_public_and_organisations(hub: LocalHub, child: Child, folder: Path) -> None:
    made = child.get(
        "publish", folder=str(folder), repo_id="team/sorter", token=TOKEN, license="mit", private=False
    )
    assert not made["private"] and not hub.repos["team/sorter"].private


def test_a_pull_request_needs_no_rights_and_is_made_once(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path
) -> None:
    job = {"repo_id": NAME, "license": "mit", "private": False}
    child.get("publish", folder=str(folder), token=TOKEN, **job)
    other = str(changed(folder, tmp_path / "other", weights=randomly(seed=1)))
    job |= {"folder": other, "token": STRANGER, "mode": "pr"}
    first, second = (child.get("publish", **job) for _ in range(2))
    assert first["pull_request_url"] == second["pull_request_url"] == f"{hub.url}/{NAME}/discussions/1"
    assert first["commit"] == second["commit"]
    assert len(hub.repos[NAME].requests) == 1 and len(hub.repos[NAME].commits) == 2
    out = tmp_path / "proposed"
    child.get("pull", repo_id=NAME, revision="refs/pr/1", out=str(out))
    assert Adapter.load(out).weights_sha256 == Adapter.load(other).weights_sha256


def test_search_lists_adapters_made_here_for_one_base(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path
) -> None:
    job = {"token": TOKEN, "license": "mit"}
    child.get("publish", folder=str(folder), repo_id="tester/private", **job)
    child.get("publish", folder=str(folder), repo_id="tester/public", private=False, **job)
    spec = LoRASpec("another/base", 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    an_adapter(weights=randomly(spec)).save(tmp_path / "b")
    child.get("publish", folder=str(tmp_path / "b"), repo_id="tester/b", private=False, **job)
    found = child.get("search", base_model="some/base")
    assert found == [{"repo_id": "tester/public", "private": False, "downloads": 0, "likes": 0}]
    mine = child.get("search", base_model="some/base", token=TOKEN)
    assert [(one["repo_id"], one["private"]) for one in mine] == [
        ("tester/private", True),
        ("tester/public", False),
    ]
    assert child.get("search", base_model="some/base", token=TOKEN, limit=1) == mine[:1]


def test_a_sign_in_tells_whose_it_is_by_one_question(hub: LocalHub, child: Child) -> None:
    mine = {"name": "tester", "namespaces": ["tester", "team"], "may_write": True}
    assert child.get("identity", token=TOKEN) == mine and [step for step, _ in hub.log] == ["whoami"]
    assert child.get("identity", token=READER) == {
        "name": "tester",
        "namespaces": ["tester"],
        "may_write": False,
    }
    assert "needs a sign-in" in child.refusal("identity", token=None)
    assert "does not accept your sign-in" in child.refusal("identity", token="hf_expired")


# What is under a name, before anything is published.


def test_a_name_is_free_empty_the_same_an_update_or_taken(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path
) -> None:
    def state(name: str, folder: Path = folder) -> dict[str, str]:
        return child.get("check_name", folder=str(folder), repo_id=name, token=TOKEN)

    free = {"state": "free", "message": f"{NAME} is free.", "suggestion": ""}
    assert state(NAME) == free
    hub.add_repo("tester/new")
    assert state("tester/new")["state"] == "empty"
    child.get("publish", folder=str(folder), repo_id=NAME, token=TOKEN, license="mit", notes="A note.")
    # The card differs; the weights tell.
    assert hub.repos[NAME].files["README.md"] != (folder / "README.md").read_bytes()
    assert state(NAME)["state"] == "same"
    assert state(NAME, changed(folder, tmp_path / "other", weights=randomly(seed=1)))["state"] == "update"
    # As a Hub without large-file storage tells: git's own hash.
    hub.add_repo("tester/plain", contents(folder)).large_files = False
    assert state("tester/plain")["state"] == "same"
    spec = LoRASpec("another/base", 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    an_adapter(weights=randomly(spec)).save(tmp_path / "b")
    taken = state(NAME, tmp_path / "b")
    assert (taken["state"], taken["suggestion"]) == ("taken", f"{NAME}-2")
    assert "adapter of some/base" in taken["message"] and f"such as {NAME}-2." in taken["message"]
    hub.add_repo("tester/thesis-2")
    taken = state("tester/thesis")
    assert taken["suggestion"] == "tester/thesis-3" and "is no adapter" in taken["message"]
    hub.add_repo("tester/deep", {".gitattributes": b"", "onnx/model.onnx": b"x"})
    assert state("tester/deep")["state"] == "taken"
    for config in (b"not JSON", b"[]", b"[" * 100_000):
        hub.add_repo("tester/odd", {"adapter_config.json": config})
        assert "is damaged" in state("tester/odd")["message"]
    assert {step for step, _ in hub.log} >= {"whoami", "look", "tree", "resolve"}


@pytest.mark.parametrize(
    ("job", "named"),
    [
        ({"repo_id": "two words"}, "is no repo name"),
        ({"repo_id": "stranger/x"}, "may not write in stranger; choose tester or team"),
        ({"token": READER}, "may only read"),
        ({"token": None}, "needs a sign-in"),
        ({"token": "hf_expired"}, "does not accept your sign-in"),
    ],
)
def test_a_name_that_nobody_may_use_is_an_error_and_not_a_state(
    hub: LocalHub, child: Child, folder: Path, job: dict[str, Any], named: str
) -> None:
    whole = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, **job}
    assert re.search(named, child.refusal("check_name", **whole)) and set(hub.repos) == {"tester/thesis"}


def test_looking_at_a_name_changes_nothing_and_names_what_fails(
    hub: LocalHub, child: Child, folder: Path
) -> None:
    hub.add_repo(NAME, contents(folder))
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN}
    assert child.get("check_name", **job)["state"] == "same"
    assert {step for step, _ in hub.log} <= {"whoami", "look", "tree", "resolve"}
    for step in ("whoami", "look", "tree", "resolve"):
        for kind in (500, "cut before", "echo"):
            hub.faults[step] = kind
            assert re.search("fault of its own|cannot be reached|refuses", child.refusal("check_name", **job))
            hub.faults.clear()
    assert len(hub.repos[NAME].commits) == 1


# Licences that want their text to come along.

LLAMA, TERMS = "meta-llama/Llama-3.1-8B-Instruct", b"LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n\xc2\xa9\n"


@pytest.fixture
def llama(tmp_path: Path) -> dict[str, Any]:
    spec = LoRASpec(LLAMA, 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    an_adapter(weights=randomly(spec)).save(tmp_path / "llama")
    return {"folder": str(tmp_path / "llama"), "repo_id": "tester/Llama-sort", "token": TOKEN}


@pytest.mark.parametrize("name", ["LICENSE", "LICENSE.txt"])
def test_the_text_of_a_licence_comes_along_from_the_base(
    hub: LocalHub, child: Child, llama: dict[str, Any], name: str
) -> None:
    texts = {name: TERMS, "USE_POLICY.md": b"# Policy\n"}
    hub.add_repo(LLAMA, {**texts, "config.json": b"{}"}).accepted = {"tester"}
    made = child.get("publish", **llama)
    assert made["steps"][1] == f"Fetching the licence of {LLAMA}"
    files = hub.repos["tester/Llama-sort"].files
    assert {n: files[n] for n in texts} == texts and b"Llama 3.1" in files["NOTICE"]
    assert "config.json" not in files and b"Built with Llama" in files["README.md"]
    assert child.get("publish", **llama)["commit"] == made["commit"]
    assert child.get("check_name", **llama)["state"] == "same"


def test_without_the_text_of_the_licence_nothing_is_published(
    hub: LocalHub, child: Child, llama: dict[str, Any]
) -> None:
    assert f"finds no {LLAMA}" in child.refusal("publish", **llama)
    repo = hub.add_repo(LLAMA, {"LICENSE": TERMS})
    repo.accepted = {"somebody"}
    fault = child.refusal("publish", **llama)
    assert (
        f"only to those who accepted its licence (reading LICENSE of {LLAMA}): accept it on {hub.url}/"
        in fault
    )
    repo.accepted = None
    repo.told_sizes["LICENSE"] = 10**9
    assert f"LICENSE of {LLAMA} has 1,000,000,000 bytes" in child.refusal("publish", **llama)
    hub.add_repo(LLAMA, {"USE_POLICY.md": b"# Policy\n"})
    assert "wants its text to come along, but that repo has none" in child.refusal("publish", **llama)
    hub.add_repo(LLAMA, {"LICENSE": TERMS})
    for step, kind in (("resolve", 500), ("resolve", "cut before"), ("resolve", 403)):
        hub.faults[step] = kind
        fault = child.refusal("publish", **llama)
        assert re.search(KINDS[kind], fault) and "Nothing on the Hub has changed" in fault
        hub.faults.clear()
    assert set(hub.repos) == {LLAMA, "tester/thesis"}
    assert {step for step, _ in hub.log} <= {"whoami", "look", "tree", "resolve"}


def test_the_notice_of_gemma_names_its_terms_and_restrictions(
    hub: LocalHub, child: Child, tmp_path: Path
) -> None:
    spec = LoRASpec("google/gemma-2-2b-it", 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    an_adapter(weights=randomly(spec)).save(tmp_path / "gemma")
    child.get("publish", folder=str(tmp_path / "gemma"), repo_id=NAME, token=TOKEN)
    notice = hub.repos[NAME].files["NOTICE"].decode()
    assert notice.startswith(
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms\n"
    )
    assert "use restrictions in section 3.2" in notice


def test_the_card_tells_how_near_the_task_is_to_trained_ones(
    hub: LocalHub, child: Child, folder: Path
) -> None:
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit"}
    child.get("publish", **job, likeness="The nearest trained task is `sort_words`.")
    card = hub.repos[NAME].files["README.md"].decode()
    assert "\n- The nearest trained task is \\`sort\\_words\\`.\n" in card.partition("## Limits")[2]


# Every fault at every step.

KINDS: dict[int | str, str] = {
    401: "sign in again",
    403: "does not allow",
    404: "check the name",
    409: "by someone else",
    412: "by someone else",
    413: "too large",
    429: "wait 7 seconds",
    500: "a fault of its own .500",
    502: "a fault of its own .502",
    "not JSON": "cannot be read|cannot be reached|refuses",
    "cut before": "cannot be reached, or its answer was cut off",
    "cut after": "cannot be reached, or its answer was cut off",
    "slow": "-",
    "stalled": "cannot be reached, or its answer was cut off",
    "wrong checksum": "checksum does not match",
}
STEPS = ["whoami", "look", "create", "tree", "card", "preupload", "batch", "put", "verify", "commit"]
CASES = [
    (step, kind)
    for step in STEPS
    for kind in KINDS
    # The client asks six times in the other steps, and each time waits as long.
    if not (kind == "stalled" and step not in ("whoami", "create", "commit"))
    if not (kind == "wrong checksum" and step != "put")
    # Of these two answers the client reads the status alone.
    if not (kind == "not JSON" and step in ("put", "verify"))
]
SEEN: dict[tuple[str, str], tuple[str, str]] = {}


def state_of(repo: Repo | None) -> str:
    if repo is None:
        return "no repo"
    return {1: "an empty repo", 2: "the adapter, once"}[len(repo.commits)]


@pytest.mark.parametrize(("step", "kind"), CASES, ids=[f"{step}-{kind}" for step, kind in CASES])
def test_a_fault_loses_and_doubles_nothing(
    hub: LocalHub, child: Child, folder: Path, step: str, kind: int | str
) -> None:
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit"}
    hub.faults[step] = kind
    answer = child.ask("publish", patience=0.8 if kind == "stalled" else 30, **job)
    hub.faults.clear()
    state = state_of(hub.repos.get(NAME))
    if "error" in answer:
        message = answer["error"]
        assert re.search(KINDS[kind], message) and "\n" not in message, message
        assert state != "the adapter, once"
        left = {"no repo": "Nothing on the Hub has changed", "an empty repo": "was created and stays"}[state]
        assert left in message, message
    else:
        message = "Success."
        assert state == "the adapter, once" and hub.repos[NAME].private
        # It goes on where the answer alone was lost, and where the client asks again.
        assert kind in ("slow", "cut after", "stalled"), answer
        assert answer["result"]["commit"] == hub.repos[NAME].commits[-1][0]
    SEEN[step, str(kind)] = (message, state)
    again = child.get("publish", **job)
    repo = hub.repos[NAME]
    assert state_of(repo) == "the adapter, once" and again["commit"] == repo.commits[-1][0]
    assert {name: repo.files[name] for name in contents(folder) if name != "README.md"} == {
        name: data for name, data in contents(folder).items() if name != "README.md"
    }
    assert set(hub.repos) == {NAME, "tester/thesis"}
    assert hub.repos["tester/thesis"].files["thesis.txt"] == b"precious"


@pytest.mark.parametrize("mode", ["update", "pr"])
@pytest.mark.parametrize("kind", [403, 412, 500, "cut before", "cut after", "stalled"])
@pytest.mark.parametrize("step", ["put", "commit"])
def test_a_fault_leaves_an_adapter_that_was_there(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path, step: str, kind: int | str, mode: str
) -> None:
    if (step, kind) == ("put", "stalled"):
        kind = 413
    job = {"repo_id": NAME, "token": TOKEN, "license": "mit"}
    child.get("publish", folder=str(folder), **job)
    first = hub.repos[NAME].commits[-1]
    other = changed(folder, tmp_path / "other", weights=randomly(seed=1))
    job |= {"folder": str(other), "mode": mode}
    hub.faults[step] = kind
    answer = child.ask("publish", patience=0.8 if kind == "stalled" else 30, **job)
    hub.faults.clear()
    repo = hub.repos[NAME]
    assert first in repo.commits
    arrived = (repo.requests if mode == "pr" else repo.commits[2:]) != []
    assert arrived is ("error" not in answer), answer
    if not arrived:
        assert re.search(KINDS[kind], answer["error"]) and "Nothing on the Hub has changed" in answer["error"]
    again = child.get("publish", **job)
    assert (len(repo.requests), len(repo.commits)) == ((1, 2) if mode == "pr" else (0, 3))
    newest = repo.requests[-1][2] if mode == "pr" else repo.commits[-1]
    assert again["commit"] == newest[0] and newest[1]["t2l.json"] == (other / "t2l.json").read_bytes()


def test_an_upload_that_nobody_can_confirm_is_told_so_and_found_later(
    hub: LocalHub, child: Child, folder: Path
) -> None:
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit"}
    hub.faults["commit"] = "last words"
    fault = child.refusal("publish", **job)
    assert "Whether the upload arrived is not known: publish again" in fault and "Nothing" not in fault
    hub.faults.clear()
    assert child.get("publish", **job)["commit"] == hub.repos[NAME].commits[-1][0]
    assert state_of(hub.repos[NAME]) == "the adapter, once"


def test_a_server_that_repeats_the_token_does_not_make_it_seen(
    hub: LocalHub, child: Child, folder: Path
) -> None:
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit"}
    for step in ("whoami", "look", "create", "commit"):
        hub.faults[step] = "echo"
        assert "The Hub refuses" in child.refusal("publish", **job)
        hub.faults.clear()


def test_nothing_is_uploaded_where_private_became_public(hub: LocalHub, child: Child, folder: Path) -> None:
    job = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit"}
    hub.faults["create"] = "public"
    fault = child.refusal("publish", **job)
    assert "is public, but private was asked for; nothing was uploaded" in fault
    assert "put" not in [step for step, _ in hub.log] and state_of(hub.repos[NAME]) == "an empty repo"
    assert not child.get("publish", **job, private=False)["private"]


# Bad input.


@pytest.mark.parametrize(
    "name",
    [
        "",
        "t2l",
        "a/b/c",
        "tester/two words",
        "tester/..",
        "tester/.x",
        "tester/x-",
        "tester/a--b",
        "tester/a.git",
        f"tester/{'x' * 200}",
        "tester/café",
        "tester/a\nb",
        "/x",
        "tester/",
        "../../x",
        "tester/x?y#z",
    ],
)
def test_a_name_that_cannot_be_is_refused_before_any_request(
    hub, child: Child, folder: Path, name: str
) -> None:
    fault = child.refusal("publish", folder=str(folder), repo_id=name, token=TOKEN, license="mit")
    assert re.search(r"is no repo name; give namespace/name .* for example [\w-]+/[\w-]+\.$", fault)
    assert "is no repo name" in child.refusal("pull", repo_id=name, out="x") and hub.log == []


@pytest.mark.parametrize(
    ("job", "named"),
    [
        ({"token": "hf_expired"}, "does not accept your sign-in"),
        ({"token": READER}, "may only read"),
        ({"token": None}, "needs a sign-in"),
        ({"token": "hf_é"}, "no token has"),
        ({"token": "hf_a\nb"}, "no token has"),
        ({"repo_id": "stranger/x"}, "tester.* may not write in stranger; choose tester or team"),
        ({"repo_id": "readers/x"}, "may not write in readers"),
        ({"repo_id": "tester/thesis"}, "tester/thesis exists already.* tester/thesis-2"),
        ({"repo_id": "tester/thesis", "mode": "update", "private": False}, "is no adapter"),
        ({"repo_id": "tester/none", "mode": "update"}, "There is no tester/none"),
        ({"repo_id": "stranger/none", "mode": "pr"}, "There is no stranger/none"),
        ({"mode": "overwrite"}, "choose new, update, pr"),
        ({"license": ""}, "licence of the base some/base is not known"),
        ({"license": "beerware"}, "'beerware' is unknown"),
        ({"title": "two\nlines"}, "one line"),
        ({"notes": "x" * 5000}, "5,000 characters"),
    ],
)
def test_what_cannot_be_published_is_one_error_and_no_change(
    hub: LocalHub, child: Child, folder: Path, job: dict[str, Any], named: str
) -> None:
    whole = {"folder": str(folder), "repo_id": NAME, "token": TOKEN, "license": "mit", **job}
    assert re.search(named, child.refusal("publish", **whole))
    assert set(hub.repos) == {"tester/thesis"} and len(hub.repos["tester/thesis"].commits) == 1


def test_another_base_is_never_updated(hub: LocalHub, child: Child, folder: Path, tmp_path: Path) -> None:
    job = {"repo_id": NAME, "token": TOKEN, "license": "mit"}
    child.get("publish", folder=str(folder), **job)
    spec = LoRASpec("another/base", 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    an_adapter(weights=randomly(spec)).save(tmp_path / "b")
    fault = child.refusal("publish", folder=str(tmp_path / "b"), mode="update", **job)
    assert "LORA adapter of some/base, but this is a LORA adapter of another/base" in fault
    assert state_of(hub.repos[NAME]) == "the adapter, once"


@pytest.mark.parametrize("base", ["/home/me/model", "model", "../model", "a/b/c", 'a"/b'])
def test_a_base_that_is_no_hub_id_is_not_published(base: str) -> None:
    made = an_adapter(weights=randomly(LoRASpec(base, 2, {"self_attn.q_proj": (6, 5)}, 3, 6)))
    with pytest.raises(T2LError, match="no id on the Hub"):
        publish(made, NAME, TOKEN, license="mit")


def test_names_follow_the_licence_of_the_base() -> None:
    assert suggest_name(an_adapter()) == f"t2l-sort-the-words-{an_adapter().id[:6]}"
    assert re.fullmatch("t2l-adapter-[0-9a-f]{6}", suggest_name(an_adapter(condition="اكتب")))
    assert len(suggest_name(an_adapter(condition="long " * 100))) < 60
    spec = LoRASpec("meta-llama/Llama-3.1-8B-Instruct", 2, {"self_attn.q_proj": (6, 5)}, 3, 6)
    made = an_adapter(weights=randomly(spec))
    assert suggest_name(made).startswith("Llama-t2l-sort-the-words-")
    with pytest.raises(T2LError, match="'Llama-'; publish as tester/Llama-t2l-sort"):
        publish(made, NAME, TOKEN)


def config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        facts = json.loads((folder / "adapter_config.json").read_text())
        change(facts)
        (folder / "adapter_config.json").write_text(json.dumps(facts))

    return damage


def wrong_shapes(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    state = {
        k: torch.zeros(2, 2) if k.endswith("layers.0.mlp.down_proj.lora_A.weight") else t
        for k, t in state.items()
    }
    save_file(state, folder / "adapter_model.safetensors")


def instead(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: (folder / old).rename(folder / new) and None


PULLED = {
    "a pickle": (instead("adapter_model.safetensors", "adapter_model.bin"), "as a pickle .adapter_model.bin"),
    "a whole model": (instead("adapter_config.json", "config.json"), "is a whole model"),
    "no weights": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "is no LoRA adapter"),
    "DoRA": (config(lambda facts: facts.update(use_dora=True)), "sets use_dora"),
    "another kind": (config(lambda facts: facts.update(peft_type="IA3")), "only LORA"),
    "another base": (
        config(lambda facts: facts.update(base_model_name_or_path="x/y")),
        "differ in base_model",
    ),
    "wrong shapes": (wrong_shapes, "shape|sizes|damaged"),
}


@pytest.mark.parametrize("name", PULLED)
def test_a_repo_that_cannot_serve_is_refused_by_name(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path, name: str
) -> None:
    damage, named = PULLED[name]
    made = changed(folder, tmp_path / "made")
    damage(made)
    hub.add_repo(NAME, contents(made))
    fault = child.refusal("pull", repo_id=NAME, out=str(tmp_path / "out"))
    assert NAME in fault and re.search(named, fault) and str(child.home) not in fault
    assert not (tmp_path / "out").exists() and not list(child.home.glob("t2l-*"))


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "t2l.json"])
def test_a_huge_file_is_refused_before_it_is_downloaded(
    hub: LocalHub, child: Child, folder: Path, name: str
) -> None:
    hub.add_repo(NAME, contents(folder)).told_sizes[name] = 10**12
    assert f"{name} of {NAME} has 1,000,000,000,000 bytes" in child.refusal("pull", repo_id=NAME, out="x")
    assert "resolve" not in [step for step, _ in hub.log]


def test_a_repos_own_file_names_reach_no_disk(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path
) -> None:
    tricks = {"../../evil": b"1", "/etc/evil": b"2", "a/adapter_config.json": b"3", "evil.py": b"4"}
    hub.add_repo(NAME, {**contents(folder), **tricks})
    child.get("pull", repo_id=NAME, out=str(tmp_path / "deep" / "out"))
    assert not [path for path in [*tmp_path.rglob("*"), *child.home.rglob("*")] if "evil" in path.name]
    asked = {path.rpartition("/")[2] for step, path in hub.log if step == "resolve"}
    assert asked == {"adapter_config.json", "adapter_model.safetensors", "t2l.json"}


@pytest.mark.parametrize("step", ["look", "tree", "resolve"])
@pytest.mark.parametrize(
    "kind", [401, 403, 404, 429, 500, "cut before", "cut after", "not JSON", "wrong checksum"]
)
def test_a_pull_that_fails_leaves_no_file(
    hub: LocalHub, child: Child, folder: Path, tmp_path: Path, step: str, kind: int | str
) -> None:
    hub.add_repo(NAME, contents(folder))
    hub.faults[step] = kind
    answer = child.ask("pull", repo_id=NAME, token=TOKEN, out=str(tmp_path / "out"))
    harmless = kind == "wrong checksum" and step != "resolve"
    assert ("error" in answer) is not harmless, answer
    if not harmless:
        wanted = (
            "damaged|not the file" if kind == "wrong checksum" else f"{KINDS[kind]}|damaged|X-Repo-Commit"
        )
        assert re.search(wanted, answer["error"]) and "\n" not in answer["error"], answer["error"]
        assert not (tmp_path / "out").exists() and not list(child.home.glob("t2l-*"))
        hub.faults.clear()
        child.get("pull", repo_id=NAME, out=str(tmp_path / "out"))
    assert Adapter.load(tmp_path / "out").weights_sha256 == Adapter.load(folder).weights_sha256


def test_a_private_or_missing_repo_is_told_alike(hub: LocalHub, child: Child, folder: Path) -> None:
    child.get("publish", folder=str(folder), repo_id=NAME, token=TOKEN, license="mit")
    for job in ({"repo_id": NAME, "token": STRANGER}, {"repo_id": "tester/none", "token": TOKEN}):
        assert f"finds no {job['repo_id']}" in child.refusal("pull", out="x", **job)
    assert "check the name" in child.refusal("pull", repo_id=NAME, token=TOKEN, revision="no-such", out="x")


# The doors.


def test_the_command_line_pushes_and_pulls(hub: LocalHub, child: Child, folder: Path, tmp_path: Path) -> None:
    push = ["push", str(folder), NAME, "--license", "mit", "--json"]
    dry = child.get("run", args=[*push, "--dry-run"])
    assert dry["status"] == 0 and hub.log == [] and "# Sort the words" in dry["out"]
    assert set(json.loads(dry["out"].splitlines()[-1])["files"]) == set(contents(folder))
    alone = child.get("run", args=push)
    assert alone["status"] == 2 and "set HF_TOKEN" in alone["err"] and hub.log == []
    made = child.get("run", args=push, token=TOKEN)
    assert made["status"] == 0, made
    assert json.loads(made["out"].splitlines()[-1])["url"] == f"{hub.url}/{NAME}" and hub.repos[NAME].private
    again = child.get("run", args=[*push, "--public", "--mode", "update", "--title", "Sorter"], token=TOKEN)
    assert again["status"] == 0 and len(hub.repos[NAME].commits) == 3
    out = tmp_path / "out"
    pulled = child.get("run", args=["pull", NAME, "--out", str(out), "--json"], token=TOKEN)
    assert pulled["status"] == 0 and Adapter.load(out).source == NAME
    assert json.loads(pulled["out"].splitlines()[-1])["base_model"] == "some/base"


def test_the_studio_keeps_what_fits_its_base(monkeypatch, tmp_path: Path) -> None:
    import t2l.studio

    made = an_adapter(source="you/sorter")
    seen = []
    monkeypatch.setattr(t2l.studio, "pull", lambda repo_id, **options: made)
    monkeypatch.setattr(t2l.studio, "publish", lambda *args, **options: seen.append((args, options)))
    generator = SimpleNamespace(spec=made.spec)
    monkeypatch.setattr(t2l.studio, "load_generator", lambda folder: generator)
    studio = Studio(shelf=tmp_path)
    entry = studio.pull("you/sorter")
    studio.publish(entry.id, NAME, TOKEN, mode="pr")
    ((adapter, name, token), options) = seen[0]
    assert (adapter.id, name, token, options) == (made.id, NAME, TOKEN, {"mode": "pr", "likeness": ""})
    generator.spec = replace(made.spec, base_model="other/base")
    with pytest.raises(T2LError, match="choose that base"):
        studio.pull("you/sorter")


# What is left when all of these have run.

WORDS = {"cut before": "cut off before it was done", "cut after": "cut off after it was done"}
INTRO = """# Publishing: what can go wrong, and what then

`t2l push` publishes an adapter as one commit: sign-in, look, create, upload, commit. Nothing on the Hub is
ever deleted. Whatever fails, publishing again is safe: an empty repo that was left is used, and a commit
whose answer was lost is found and not made twice.

The table is written by `tests/test_hub.py` (`T2L_WRITE_DOCS=1`), which causes each fault on a local Hub,
checks message and state, and then publishes again: that worked in every row, with one commit and the same
files. The steps are requests: `whoami`, `look` (the repo), `create`, `tree` (its files), `card` (the check of
its YAML), `preupload`, `batch`, `put` and `verify` (the weights), `commit`.

With `HF_ENDPOINT` and `T2L_HUB_TOKEN` (a token that may write) set, the same file also runs its full circle
against that Hub; the private repos `t2l-test-...` that it makes there stay. Otherwise those tests skip.
"""


def test_the_table_of_faults_is_the_published_one() -> None:
    if len(SEEN) != len(CASES):
        pytest.skip("the table needs all of its cases")
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for step, kind in CASES:
        message, state = SEEN[step, str(kind)]
        kinds.setdefault((step, message, state), []).append(WORDS.get(str(kind), str(kind)))
    # Steps that end alike share a row.
    rows: dict[tuple[str, str, str], list[str]] = {}
    for (step, message, state), faults in kinds.items():
        rows.setdefault((", ".join(faults), message, state), []).append(step)
    lines = ["| Step | Fault | What the person reads | On the Hub then |", "| --- | --- | --- | --- |"]
    lines += [f"| {', '.join(steps)} | {' | '.join(row)} |" for row, steps in rows.items()]
    text = f"{INTRO}\n" + "\n".join(lines) + "\n"
    if os.environ.get("T2L_WRITE_DOCS"):
        DOC.write_text(text, encoding="utf-8")
    assert DOC.is_file() and DOC.read_text(encoding="utf-8") == text, (
        "run: T2L_WRITE_DOCS=1 pytest tests/test_hub.py"
    )


def test_no_token_is_in_any_file_or_log(child: Child) -> None:
    files = [path for path in child.home.rglob("*") if path.is_file()]
    assert child.home / "log.txt" in files
    for path in files:
        data = path.read_bytes()
        assert not [token for token in TOKENS if token.encode() in data], path
