"""The endpoints for programs, asked as programs do: a real app in its own process, gradio_client, curl."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from local_hub import LocalHub
from paths import REPO

from t2l.engine import Decoding
from t2l.errors import T2LError
from t2l.studio import DEFAULT_CHECKPOINT, Example, Limits, Studio

DOC = (REPO / "docs" / "api.md").read_text(encoding="utf-8")
PLURAL, SNAKE = "Output the plural of the noun.", "Write the phrase in snake_case."
ENDPOINTS = [
    "better_wording",
    "blend",
    "compare",
    "delete_adapter",
    "download_adapter",
    "generate_adapter",
    "generate_batch",
    "likeness",
    "list_adapters",
    "list_checkpoints",
    "push_to_hub",
    "score",
]
ALICE, BOB = "alice-0123456789abcdef", "bob-0123456789abcdefgh"
# What must be found nowhere but in an answer to who sent it.
WRITER, SERVER = (f"hf_{name}{'Zq7' * 10}" for name in ("writer", "server"))
PRIVATE = "walrus"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running app in float32 with an empty shelf, a token of its own and a Hub on the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("app")
    with LocalHub().running() as hub, open(home / "log.txt", "w") as output:
        hub.add_user(WRITER, "tester")
        hub.add_user(SERVER, "server")
        environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": SERVER,
            "NO_PROXY": "127.0.0.1",
            # As many threads as here: then sums are the same numbers.
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
            "PYTHONUNBUFFERED": "1",
            "T2L_SHELF": str(home / "shelf"),
        }
        command = [sys.executable, "app.py", "--port", str(port), "--dtype", "float32"]
        process = subprocess.Popen(
            command, cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        url, log = f"http://127.0.0.1:{port}", home / "log.txt"
        try:
            _wait(process, log, url)
            # Asked while the model is loading.
            early = post(f"{url}/gradio_api/call/v2/compare", {"prompt": "hammer", "max_new_tokens": 4})
            _wait(process, log, "Ready.")
            running = psutil.Process(process.pid)
            yield SimpleNamespace(url=url, log=log, hub=hub, process=running, early=early)
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen, log: Path, said: str) -> None:
    # The first start converts the base.
    for _ in range(1800):
        if said in log.read_text() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert said in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """What the app's studio must answer, asked alone."""
    return Studio(shelf=tmp_path_factory.mktemp("shelf"), dtype="float32")


@pytest.fixture
def visit(app: SimpleNamespace, tmp_path: Path) -> Callable[..., Client]:
    """Makes clients; each is a visitor of its own."""

    def client(**more: Any) -> Client:
        return Client(app.url, verbose=False, download_files=tmp_path, analytics_enabled=False, **more)

    return client


@pytest.fixture
def client(visit: Callable[..., Client]) -> Client:
    return visit()


def refusal(client: Client, name: str, **values: Any) -> str:
    """The message of what must fail: one line that a person can read."""
    with pytest.raises(AppError) as caught:
        client.predict(api_name=f"/{name}", **values)
    return checked(caught.value.message)


def checked(message: Any) -> str:
    assert isinstance(message, str) and 10 < len(message) < 500 and "\n" not in message
    for sign in ("Traceback", "upstream Gradio", "Internal Server Error", "&#", "&quot;", "object at 0x"):
        assert sign not in message
    return message


def post(url: str, body: Any) -> tuple[int, Any]:
    """Status and answer of a request, in JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as err:
        with err:
            return err.code, json.load(err)


def last_event(app: SimpleNamespace, name: str, event: str) -> tuple[str, Any]:
    """The last thing that an endpoint says to a call: "complete" or "error", and with what."""
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/{name}/{event}") as stream:
        blocks = stream.read().decode().strip().split("\n\n")
    kind, data = blocks[-1].split("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def by_name(app: SimpleNamespace, endpoint: str, **values: Any) -> tuple[str, Any]:
    """A call over plain HTTP with its values by name."""
    status, answer = post(f"{app.url}/gradio_api/call/v2/{endpoint}", values)
    assert status == 200, answer
    return last_event(app, endpoint, answer["event_id"])


def expected(studio: Studio, prompt: str, texts: list[str], decoding: Decoding, **more: Any) -> list[str]:
    *_, last = studio.compare(prompt, [studio.make(text) for text in texts], decoding, **more)
    return last


def test_exactly_the_public_endpoints_are_listed_and_described(app) -> None:
    with urllib.request.urlopen(f"{app.url}/gradio_api/info") as answer:
        info = json.load(answer)
    assert sorted(info["named_endpoints"]) == [f"/{name}" for name in ENDPOINTS]
    assert info["unnamed_endpoints"] == {}
    for name, told in info["named_endpoints"].items():
        assert len(told["description"].split()) > 4, name
        # Every value has a type of its own, and none is a token.
        for value in told["parameters"]:
            assert value["type"] and value["parameter_name"] not in ("token", "request")
        (returned,) = told["returns"]
        assert returned["python_type"]["type"] not in ("Any", "")
    assert info["named_endpoints"]["/push_to_hub"]["oauth_token"] == "optional"
    (answers,) = info["named_endpoints"]["/compare"]["returns"]
    assert set(answers["type"]["properties"]) == {"base", "adapted", "control", "done"}
    for name in ENDPOINTS:
        assert f"`{name}(" in DOC


def test_who_asks_while_the_model_loads_gets_the_answer_then(app, studio: Studio) -> None:
    status, answer = app.early
    assert status == 200
    base = expected(studio, "hammer", [], Decoding(4))[0]
    told = {"base": base, "adapted": [], "control": None, "done": True}
    assert last_event(app, "compare", answer["event_id"]) == ("complete", [told])


def test_own_examples_are_scored_as_they_come(client: Client, studio: Studio) -> None:
    made = client.predict(description=PLURAL, api_name="/generate_adapter")
    pairs = [["hammer", "hammers"], ["city", "cities"], ["fox", "=foxes"], ["hammer", "hammers"]]
    items = list(client.submit(adapters=[made["id"]], examples=pairs, api_name="/score"))
    last = items[-1]
    # While nothing is new, what was last comes again, so that whoever waits can go.
    assert [done for done, _ in itertools.groupby(item["done"] for item in items)] == [0, 3, 6]
    assert last["total"] == 6 and last["n"] == 3
    assert items[0]["rows"] == [] and [row["input"] for row in last["rows"]] == ["hammer", "city", "fox"]
    (ours,) = (row["adapted"][0] for row in last["rows"][:1])
    assert ours.strip() == "hammers" and last["adapted"] == [{"strict": 2, "lenient": 2}]
    for examples, said in (
        ([["a"]], "Example 1 has 1 texts"),
        ([], "There are no examples"),
        ([["a", " "]], "expected text of row 1 is empty"),
        ("a,b", "a list of pairs of texts"),
        ([["a", 1]], "a list of pairs of texts"),
    ):
        assert said in refusal(client, "score", adapters=[made["id"]], examples=examples)
    assert "0000" in refusal(client, "score", adapters=["0" * 16], examples=pairs)


def test_the_better_wording_is_found_and_kept(client: Client) -> None:
    pairs = [["hammer", "hammers"], ["city", "cities"], ["apple", "apples"], ["table", "tables"]]
    words = [SNAKE, PLURAL]
    *_, last = client.submit(wordings=words, examples=pairs, api_name="/better_wording")
    assert last["best"]["wording"] == PLURAL and last["first"]["wording"] == words[0]
    assert last["best"]["n"] == 2 and last["best"]["strict"] > last["base"]["strict"]
    kept = client.predict(api_name="/list_adapters")
    assert [entry["id"] for entry in kept] == [last["adapter"]]
    assert "at least 4" in refusal(client, "better_wording", wordings=words, examples=pairs[:3])


def test_a_batch_of_descriptions_is_one_zip(client: Client, app, studio: Studio) -> None:
    file = client.predict(descriptions=[PLURAL, "Name the colour."], api_name="/generate_batch")
    with zipfile.ZipFile(file) as archive:
        told = json.loads(archive.read("manifest.json"))["adapters"]
        assert f"{told[1]['folder']}/adapter_model.safetensors" in archive.namelist()
    assert [row["id"] for row in told] == [studio.make(PLURAL).id, studio.make("Name the colour.").id]
    assert client.predict(api_name="/list_adapters") == []
    kind, told = by_name(app, "generate_batch", descriptions=["x" * 2001])
    assert kind == "error" and "description 1 has 2,001 characters" in json.dumps(told)


def test_checkpoints_are_listed_the_default_first(client: Client, studio: Studio) -> None:
    listed = client.predict(api_name="/list_checkpoints")
    assert [c["name"] for c in listed] == [c.name for c in studio.checkpoints()]
    assert [c["default"] for c in listed] == [True] + [False] * (len(listed) - 1)
    assert listed[0]["rank"] == studio.generator.spec.rank and listed[0]["modules"]


def test_a_description_becomes_the_adapter_that_the_studio_makes(client: Client, studio: Studio) -> None:
    made = client.predict(description=f"  {PLURAL}\n", api_name="/generate_adapter")
    adapter = studio.make(PLURAL)
    assert made["id"] == adapter.id and made["description"] == made["name"] == PLURAL
    assert made["checkpoint"] == studio.checkpoint and made["rank"] == adapter.spec.rank
    assert made["modules"] == list(adapter.spec.targets)
    assert made["bytes"] > 1e6 and 0 < made["milliseconds"] < 60_000
    assert made["nearest"][0]["name"] == "singular_to_plural" and made["warning"] == ""
    assert made["similarity"] == made["nearest"][0]["similarity"] > 0.5
    other = client.predict(api_name="/list_checkpoints")[1]["name"]
    again = client.predict(description=PLURAL, checkpoint=other, api_name="/generate_adapter")
    assert again["id"] != made["id"] and again["checkpoint"] == other
    # The caller's session keeps both, the newest first.
    assert [k["id"] for k in client.predict(api_name="/list_adapters")] == [again["id"], made["id"]]
    assert client.predict(adapter=again["id"], api_name="/delete_adapter") == {"deleted": again["id"]}
    assert [k["id"] for k in client.predict(api_name="/list_adapters")] == [made["id"]]


def test_likeness_tells_what_to_expect(client: Client, studio: Studio) -> None:
    for text in (PLURAL, "I like cheese."):
        told, near = client.predict(description=text, api_name="/likeness"), studio.likeness(text)
        assert [t["name"] for t in told["nearest"]] == [t.name for t in near.nearest]
        assert told["similarity"] == pytest.approx(near.similarity, abs=1e-4)
        assert bool(told["warning"]) == bool(near.warning)
        assert [h["addition"] for h in told["hints"]] == [h.addition for h in studio.hints(text)]


def test_texts_grow_to_what_the_studio_answers(client: Client, studio: Studio) -> None:
    made = client.predict(description=SNAKE, api_name="/generate_adapter")
    prompt, decoding = "current account balance", Decoding(12)
    asked = {"prompt": prompt, "descriptions": [PLURAL], "adapters": [made["id"]], "max_new_tokens": 12}
    items = list(client.submit(**asked, control=True, api_name="/compare"))
    assert len(items) > 4 and [item["done"] for item in items] == [False] * (len(items) - 1) + [True]
    columns = [[item["base"], *item["adapted"], item["control"]] for item in items]
    for before, after in itertools.pairwise(columns):
        assert all(new.startswith(old) for old, new in zip(before, after, strict=True))
    adapters = [*(studio.make(text) for text in (PLURAL, SNAKE)), studio.control(PLURAL)]
    # The control differs from the first column in its adapter alone.
    *_, last = studio.compare(prompt, adapters, decoding, told=[PLURAL, PLURAL, SNAKE, PLURAL])
    assert columns[-1] == last and len(set(last)) > 2


def test_what_is_said_about_decoding_is_done(client: Client, studio: Studio) -> None:
    asked = {"prompt": "hammer", "descriptions": [PLURAL], "max_new_tokens": 16, "strength": 0.5}
    drawn = {"temperature": 1.5, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.1, "seed": 7}
    decoding = Decoding(16, 1.5, 0.9, 50, 1.1, 7, ("e",))
    answer = client.predict(**asked, **drawn, stop=["e"], api_name="/compare")
    assert [answer["base"], *answer["adapted"]] == expected(
        studio, "hammer", [PLURAL], decoding, strengths=[0.5]
    )
    nothing = client.predict(**asked | {"strength": 0}, api_name="/compare")
    assert nothing["adapted"] == [nothing["base"]] and nothing["control"] is None
    shown = {"say_task": True, "solved": [["cat", "cats"], ["mouse", "mice"]]}
    answer = client.predict(**asked | {"strength": 1}, **shown, control=True, api_name="/compare")
    weights = [studio.make(PLURAL).weights, studio.control(PLURAL).weights]
    examples = [Example("cat", "cats"), Example("mouse", "mice")]
    *_, last = studio.compare("hammer", weights, Decoding(16), told=[PLURAL] * 3, solved=examples)
    assert [answer["base"], *answer["adapted"], answer["control"]] == last
    with pytest.raises(AppError, match="Example 1 has 1 texts"):
        client.predict(**asked, solved=[["cat"]], api_name="/compare")
    alone = client.predict(prompt="hammer", max_new_tokens=16, api_name="/compare")
    (base,) = expected(studio, "hammer", [], Decoding(16))
    assert alone == {"base": base, "adapted": [], "control": None, "done": True}


def test_a_blend_is_made_of_both_and_can_be_asked(client: Client, studio: Studio) -> None:
    one, two = (
        client.predict(description=text, key=ALICE, api_name="/generate_adapter")["id"]
        for text in (PLURAL, SNAKE)
    )
    made = client.predict(first=one, second=two, share=0.25, key=ALICE, api_name="/blend")
    assert made["rank"] == 16 and "75%" in made["name"] and "25%" in made["name"]
    assert made["description"] == made["warning"] == "" and made["similarity"] is None
    ours = [studio.describe(text).adapter.id for text in (PLURAL, SNAKE)]
    blend = studio.blend(*ours, 0.25).adapter
    assert made["id"] == blend.id
    asked = {"prompt": "hammer", "adapters": [made["id"]], "max_new_tokens": 8, "control": True}
    answer = client.predict(**asked, key=ALICE, api_name="/compare")
    *_, (base, adapted) = studio.compare("hammer", [blend.weights], Decoding(8))
    assert (answer["base"], answer["adapted"]) == (base, [adapted]) and answer["control"]


def test_a_download_is_the_adapters_folder(client: Client, studio: Studio, tmp_path: Path) -> None:
    made = client.predict(description=PLURAL, key=ALICE, api_name="/generate_adapter")
    file = Path(client.predict(adapter=made["id"], key=ALICE, api_name="/download_adapter"))
    assert tmp_path in file.parents and file.name == f"t2l-output-the-plural-of-the-noun-{made['id'][:6]}.zip"
    folder = studio.describe(PLURAL).path
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "t2l.json"]
        assert archive.namelist() == [f"{made['id']}/{name}" for name in names]
        for name in names:
            assert archive.read(f"{made['id']}/{name}") == (folder / name).read_bytes()


def test_nobody_gets_at_the_adapters_of_another(app, visit: Callable[..., Client], studio: Studio) -> None:
    alice, bob = visit(), visit()
    kept = alice.predict(description=f"Name the {PRIVATE}.", key=ALICE, api_name="/generate_adapter")["id"]
    own = alice.predict(description=f"Find the {PRIVATE}.", api_name="/generate_adapter")["id"]
    bobs = bob.predict(description=PLURAL, key=BOB, api_name="/generate_adapter")["id"]
    assert own not in {k["id"] for k in alice.predict(key=ALICE, api_name="/list_adapters")}
    assert [k["id"] for k in bob.predict(key=BOB, api_name="/list_adapters")] == [bobs]
    assert bob.predict(api_name="/list_adapters") == []
    for id in (kept, own):
        for key in (BOB, "", ALICE.upper(), ALICE + " "):
            with pytest.raises(T2LError) as words:
                studio.shelf_of(BOB).get(id)
            uses: dict[str, dict[str, Any]] = {
                "compare": {"prompt": "hammer", "adapters": [id]},
                "download_adapter": {"adapter": id},
                "delete_adapter": {"adapter": id},
                "blend": {"first": id, "second": bobs, "share": 0.5},
            }
            for name, values in uses.items():
                assert refusal(bob, name, **values, key=key) == str(words.value)
    assert kept in {k["id"] for k in alice.predict(key=ALICE, api_name="/list_adapters")}
    # A call by plain HTTP is a session of its own, and so is each call of an MCP client.
    assert by_name(app, "list_adapters") == ("complete", [[]])
    tool = visit(headers={"x-gradio-user": "mcp"})
    tool.predict(description=PLURAL, api_name="/generate_adapter")
    assert tool.predict(api_name="/list_adapters") == []


def test_ids_lead_to_no_other_place(client: Client) -> None:
    made = client.predict(description=PLURAL, key=ALICE, api_name="/generate_adapter")["id"]
    ids = ("..", "../..", f"../{made}", f"./{made}", f"{made}/", "/etc/passwd", "", "\0", f"{made}\0", "*")
    for id in ids:
        for name in ("download_adapter", "delete_adapter"):
            assert "There is no adapter" in refusal(client, name, adapter=id, key=ALICE)
    for name in ("../checkpoints/smollm2-135m-t2l-m", str(REPO / "checkpoints" / "smollm2-135m-t2l-m"), "\0"):
        message = refusal(client, "generate_adapter", description=PLURAL, checkpoint=name)
        assert "There is no checkpoint" in message and "choose smollm2-135m-dnd" in message
    assert made in {kept["id"] for kept in client.predict(key=ALICE, api_name="/list_adapters")}


def test_no_file_of_the_server_or_of_others_is_served(app, client: Client) -> None:
    made = client.predict(description=f"Count the {PRIVATE}.", key=ALICE, api_name="/generate_adapter")["id"]
    client.predict(adapter=made, key=ALICE, api_name="/download_adapter")
    shelf = [path for path in (app.log.parent / "shelf").rglob("*") if made in path.parts]
    # What a download is made of, before gradio copies it under a name that its content gives.
    zips = list(Path(tempfile.gettempdir()).glob(f"t2l-files-*/*/{made}/*.zip"))
    assert len(shelf) > 3 and zips
    places = [
        *shelf,
        *zips,
        zips[0].parent,
        app.log,
        REPO / "app.py",
        REPO,
        "/etc/passwd",
        "/proc/self/environ",
    ]
    for place in [*places, Path(tempfile.gettempdir()) / "gradio", f"{REPO}/docs/../app.py"]:
        for route in ("gradio_api/file=", "file=", "gradio_api/static/", "gradio_api/stream/"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{app.url}/{route}{urllib.parse.quote(str(place))}")
            with caught.value:
                assert caught.value.code in (401, 403, 404, 405), (route, place)


def test_publishing_takes_the_callers_token_and_no_other(app, visit: Callable[..., Client]) -> None:
    hub = app.hub
    plain, signed = visit(), visit(oauth_token=WRITER)
    id = plain.predict(description=PLURAL, key=ALICE, api_name="/generate_adapter")["id"]
    asked = {"adapter": id, "repo_id": "tester/t2l-plural", "key": ALICE}
    hub.log.clear()
    assert "your own token" in refusal(plain, "push_to_hub", **asked)
    assert not hub.log and not hub.repos
    made = signed.predict(**asked, title="Plurals", notes="Of nouns.", api_name="/push_to_hub")
    assert made["repo_id"] == "tester/t2l-plural" and made["url"] == f"{hub.url}/tester/t2l-plural"
    repo = hub.repos["tester/t2l-plural"]
    assert made["private"] is repo.private is True and made["pull_request_url"] is None
    assert made["commit"] == repo.commits[-1][0] and "# Plurals" in repo.files["README.md"].decode()
    # By curl as well: what is there already is found again.
    same = {**asked, "title": "Plurals", "notes": "Of nouns."}
    assert by_name(app, "push_to_hub", **same, oauth_token=WRITER) == ("complete", [made])
    assert "choose another name" in refusal(signed, "push_to_hub", **asked, title="Other")
    assert "may not write in server" in refusal(signed, "push_to_hub", **asked | {"repo_id": "server/t2l-x"})
    assert "no repo name" in refusal(signed, "push_to_hub", **asked | {"repo_id": "<b>'x"})
    assert "sign in again" in refusal(visit(oauth_token="hf_wrong"), "push_to_hub", **asked)
    # As the page does: for a base whose licence is not known here it is given.
    assert "is under apache-2.0, not mit" in refusal(signed, "push_to_hub", **asked | {"license": "mit"})
    assert "no adapter" in refusal(signed, "push_to_hub", **asked | {"key": f"{ALICE}0"})


GENERATE = {"description": PLURAL}
COMPARE = {"prompt": "hammer", "descriptions": [PLURAL], "max_new_tokens": 2}
PUSH = {"adapter": "0" * 16, "repo_id": "tester/x"}
BAD = [
    ("generate_adapter", GENERATE | {"description": 7}, "description must be text, not 7"),
    ("generate_adapter", GENERATE | {"description": None}, "description must be text, not null"),
    ("generate_adapter", GENERATE | {"description": [PLURAL]}, 'must be text, not \\["Output'),
    ("generate_adapter", GENERATE | {"description": " \n"}, "description is empty"),
    ("generate_adapter", GENERATE | {"description": PRIVATE * 10**6}, "6,000,000 characters; the most is"),
    ("generate_adapter", GENERATE | {"description": "word " * 300}, "tokens"),
    ("generate_adapter", GENERATE | {"description": "bell\u0007"}, r"U\+0007"),
    ("generate_adapter", {}, "description is empty"),
    ("generate_adapter", GENERATE | {"prompts": ["hammer"]}, "not both"),
    ("generate_adapter", {"prompts": ["hammer", 7]}, "prompts must be a list of texts"),
    ("generate_adapter", {"prompts": "hammer"}, "prompts must be a list of texts"),
    (
        "generate_adapter",
        {"prompts": ["hammer"], "checkpoint": DEFAULT_CHECKPOINT},
        "from descriptions, not from example prompts",
    ),
    ("generate_adapter", GENERATE | {"checkpoint": 1}, "checkpoint must be text, not 1"),
    ("generate_adapter", GENERATE | {"checkpoint": "nope"}, "no checkpoint 'nope'; choose smollm2"),
    ("generate_adapter", GENERATE | {"checkpoint": "x" * 10**6}, "1,000,000 characters"),
    ("generate_adapter", GENERATE | {"key": "short"}, "16 to 200 characters"),
    ("generate_adapter", GENERATE | {"key": {"a": 1}}, 'key must be text, not {"a": 1}'),
    ("likeness", {"description": ""}, "description is empty"),
    ("likeness", {"description": False}, "must be text, not false"),
    ("compare", COMPARE | {"prompt": ["hammer"]}, "prompt must be text, not"),
    ("compare", COMPARE | {"prompt": ""}, "prompt is empty"),
    ("compare", COMPARE | {"prompt": PRIVATE * 10**6}, "6,000,000 characters"),
    ("compare", COMPARE | {"descriptions": PLURAL}, "descriptions must be a list of texts"),
    ("compare", COMPARE | {"descriptions": [PLURAL, 5]}, "descriptions must be a list of texts"),
    ("compare", COMPARE | {"descriptions": [""]}, "description is empty"),
    ("compare", COMPARE | {"descriptions": [PLURAL] * 9}, "9 adapters were asked for; the most is 4"),
    ("compare", COMPARE | {"adapters": ["nope"]}, "no adapter 'nope'"),
    ("compare", COMPARE | {"adapters": None}, "adapters must be a list of texts, not null"),
    ("compare", COMPARE | {"strength": float("nan")}, "strength must be a number from -10 to 10, not nan"),
    ("compare", COMPARE | {"strength": 1e300}, "from -10 to 10"),
    ("compare", COMPARE | {"strength": "much"}, 'strength must be a number, not "much"'),
    ("compare", COMPARE | {"strength": True}, "strength must be a number, not true"),
    ("compare", COMPARE | {"seed": "abc"}, 'seed must be a whole number, not "abc"'),
    ("compare", COMPARE | {"seed": -1}, "seed must be a whole number from 0"),
    ("compare", COMPARE | {"max_new_tokens": 10**9}, "max_new_tokens must be a whole number from 1"),
    ("compare", COMPARE | {"max_new_tokens": 513}, "the most is 512"),
    ("compare", COMPARE | {"max_new_tokens": 12.5}, "must be a whole number, not 12.5"),
    ("compare", COMPARE | {"temperature": float("inf")}, "temperature must be a number from 0 to 10"),
    ("compare", COMPARE | {"top_p": 0}, "top_p must be"),
    ("compare", COMPARE | {"stop": "x"}, "stop must be a list of texts"),
    ("compare", COMPARE | {"stop": [""]}, "stop must be"),
    ("compare", COMPARE | {"stop": ["x"] * 10**5}, "100000 stop texts were given; the most is 16"),
    ("compare", COMPARE | {"control": "yes"}, 'control must be true or false, not "yes"'),
    ("compare", COMPARE | {"descriptions": [], "control": True}, "control stands beside"),
    ("blend", {"first": "a", "second": "b", "share": 2}, "from 0 to 1"),
    ("blend", {"first": "a", "second": "b", "share": 0.5}, "no adapter 'a'"),
    ("blend", {"first": 1, "second": 2, "share": 0.5}, "first must be text, not 1"),
    ("push_to_hub", PUSH, "your own token"),
    ("push_to_hub", PUSH | {"mode": "replace"}, 'mode must be "new" or "update" or "pr", not "replace"'),
    ("push_to_hub", PUSH | {"private": "no"}, "private must be true or false"),
    ("push_to_hub", PUSH | {"oauth_token": WRITER}, "no adapter"),
]


@pytest.mark.parametrize(("name", "values", "said"), BAD)
def test_bad_values_get_one_clear_message(app, name: str, values: dict[str, Any], said: str) -> None:
    kind, told = by_name(app, name, **values)
    assert kind == "error" and told["title"] == "That did not work"
    assert re.search(said, checked(told["error"])), told["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "takes 5 values in their order, not 0"),
        ([PRIVATE], "takes 5 values in their order, not 1"),
        (
            [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "", "", [], False],
            "files are none",
        ),
        ([{"path": PRIVATE, "meta": "x"}, "", "", [], False], "cannot read one of the values"),
        ([{"path": "/etc/passwd"}, "", "", [], False], "description must be text"),
    ],
)
def test_values_that_gradio_cannot_read_get_a_message_too(app, body: list[Any], said: str) -> None:
    status, answer = post(f"{app.url}/gradio_api/call/generate_adapter", {"data": body})
    assert status == 200
    kind, told = last_event(app, "generate_adapter", answer["event_id"])
    assert kind == "error" and said in checked(told["error"])


@pytest.mark.parametrize(
    ("place", "body", "status", "said"),
    [
        ("v2/likeness", {}, 422, "No value provided for required argument: description"),
        ("v2/generate_adapter", {"text": PRIVATE}, 422, "Parameter `text` is not a valid key-word argument"),
        ("v2/nowhere", {}, 404, "There is no endpoint 'nowhere'; see /gradio_api/info."),
        ("nowhere", {"data": []}, 404, "There is no endpoint 'nowhere'"),
    ],
)
def test_wrong_names_get_a_message_too(app, place: str, body: Any, status: int, said: str) -> None:
    code, answer = post(f"{app.url}/gradio_api/call/{place}", body)
    assert code == status and checked(answer["detail"]).startswith(said)


def test_bodies_that_are_no_call_are_refused(app) -> None:
    for body in (b"{", b"[]", b"\xff", b'{"data": "x"}'):
        assert post(f"{app.url}/gradio_api/call/generate_adapter", body)[0] in (400, 422)


def curl(*args: str) -> str:
    made = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", *args], capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_curl_makes_an_adapter_and_streams_a_comparison(app, studio: Studio) -> None:
    def call(name: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
        url = f"{app.url}/gradio_api/call"
        header = "Content-Type: application/json"
        event = json.loads(curl(f"{url}/v2/{name}", "-H", header, "-d", json.dumps(body)))["event_id"]
        blocks = curl("-N", f"{url}/{name}/{event}").strip().split("\n\n")
        lines = [block.split("\n") for block in blocks]
        return [(kind.removeprefix("event: "), json.loads(data[6:])) for kind, data in lines]

    ((kind, (made,)),) = call("generate_adapter", {"description": PLURAL, "key": ALICE})
    assert kind == "complete" and made["id"] == studio.make(PLURAL).id
    asked = {"prompt": "hammer", "adapters": [made["id"]], "max_new_tokens": 8, "key": ALICE}
    events = call("compare", asked)
    assert len(events) > 3 and {kind for kind, _ in events[:-1]} == {"generating"}
    assert events[-1][0] == "complete"
    base, adapted = expected(studio, "hammer", [PLURAL], Decoding(8))
    assert events[-1][1] == [{"base": base, "adapted": [adapted], "control": None, "done": True}]
    kind, told = call("compare", {"prompt": ""})[-1]
    assert kind == "error" and "prompt is empty" in told["error"]


# In a process of its own: gradio leaves event loops behind.
SEATS = """
import asyncio
import gradio as gr
from gradio.routes import App
from t2l.studio import Studio
from t2l.ui import build

demo = build(Studio())
seats = App.create_app(demo).state_holder
(listing,) = (fn for fn in demo.fns.values() if fn.api_name == "list_checkpoints")
# Gradio takes the name of a call by plain HTTP for the name of a session; a page's has one of its own.
for session in ("page", "call"):
    asked = {"state": seats[session], "session_hash": session, "event_id": "call"}
    made = asyncio.run(demo.process_api(block_fn=listing, inputs=[], request=gr.Request(), **asked))
    assert made["data"][0][0]["default"]
print(sorted(seats.session_data))
"""


def test_a_call_by_plain_http_takes_no_seat_of_a_visitors() -> None:
    made = subprocess.run([sys.executable, "-c", SEATS], cwd=REPO, capture_output=True, text=True)
    assert made.stdout == "['page']\n", made.stderr


def test_twenty_at_once_get_what_each_gets_alone(visit: Callable[..., Client], studio: Studio) -> None:
    tasks = [
        "Output the plural of the noun.",
        "Write the phrase in snake_case.",
        "Give the capital of the country.",
        "Write the text in capital letters.",
        "Say whether the review is positive or negative.",
    ]
    words = ["hammer", "green apple", "Norway", "a fine day"]
    asked = [(f"{task} Mind case {n}.", f"{word} {n}") for n, word in enumerate(words) for task in tasks]
    alone = [expected(studio, prompt, [text], Decoding(6)) for text, prompt in asked]
    together: list[Any] = [None] * len(asked)

    def ask(n: int) -> None:
        text, prompt = asked[n]
        client = visit()
        # One half by description, the other by the id of an adapter that their session keeps.
        values: dict[str, Any] = {"descriptions": [text]}
        if n % 2:
            made = client.predict(description=text, api_name="/generate_adapter")
            values = {"adapters": [made["id"]]}
        answer = client.predict(prompt=prompt, max_new_tokens=6, **values, api_name="/compare")
        together[n] = [answer["base"], *answer["adapted"]]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone and len({tuple(texts) for texts in alone}) > 10 and len(alone) == 20


def test_whoever_leaves_frees_the_model(app, visit: Callable[..., Client], studio: Studio) -> None:
    def idle() -> bool:
        """Whether the app does nothing: decoding keeps both cores busy, or what others leave of them."""
        before = sum(app.process.cpu_times()[:2])
        time.sleep(1)
        return sum(app.process.cpu_times()[:2]) - before < 0.15

    def becomes_idle() -> bool:
        return any(idle() for _ in range(20))

    # A minute and more for all of it, if nobody stopped it.
    long = {"prompt": "Write a long story about a dragon.", "descriptions": [PLURAL] * 3, "strength": 0.1}
    long |= {"max_new_tokens": 512, "temperature": 1.0, "repetition_penalty": 1.2}
    assert becomes_idle()
    clients = [visit() for _ in range(3)]
    jobs = [client.submit(**long, seed=seed, api_name="/compare") for seed, client in enumerate(clients)]
    assert next(iter(jobs[0]))["base"] is not None
    assert not idle()
    for job in jobs:
        job.cancel()
    answer = clients[0].submit(**COMPARE, api_name="/compare").result(timeout=30)
    assert [answer["base"], *answer["adapted"]] == expected(studio, "hammer", [PLURAL], Decoding(2))
    assert becomes_idle()
    # Who reads no further is gone as well.
    _, event = post(f"{app.url}/gradio_api/call/v2/compare", long)
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/compare/{event['event_id']}") as stream:
        assert stream.readline()
    assert becomes_idle()


def test_the_documentation_runs(app, tmp_path: Path) -> None:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "HF_TOKEN": WRITER}
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    assert {language for language, _ in blocks} == {"python", "bash"}
    for language, code in blocks:
        command = {"python": [sys.executable, "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}[language]
        code = code.replace("http://127.0.0.1:7860", app.url)
        done = subprocess.run([*command, code], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (code, done.stdout, done.stderr)
        assert "hammers" in done.stdout


def test_the_log_holds_nobodys_words(app) -> None:
    log = app.log.read_text()
    for word in (PRIVATE, "hammer", "plural", WRITER, SERVER, ALICE, BOB, "Traceback"):
        assert word not in log
    assert app.process.is_running()


def test_nobody_can_watch_who_comes(app: SimpleNamespace) -> None:
    # No login stands before it here.
    for path in ("monitoring", "monitoring/summary"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{app.url}/{path}")
        with caught.value:
            assert caught.value.code in (403, 404), path


def test_limits_are_those_of_the_page() -> None:
    limits, words = Limits(), " ".join(DOC.split())
    for said in (
        f"A description has at most {limits.description:,} characters, a prompt {limits.prompt:,}",
        f"an answer {limits.new_tokens} new tokens, a comparison {limits.adapters} adapters",
        f"a batch {limits.batch} descriptions",
        f"up to {limits.waiting} calls wait",
        f"(2 and {limits.at_once})",
    ):
        assert said in words
