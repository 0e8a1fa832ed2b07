"""Descriptions from an endpoint: a server on loopback that speaks the protocol, and fails as servers do."""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from t2l.base import DEFAULT_BASE
from t2l.cli import main
from t2l.errors import T2LError
from t2l.tasks import Example, read_suite
from t2l.train import describe as module
from t2l.train.describe import Endpoint, describe, local, parse, prompt_for, write_descriptions

KEY = "sk-secret-0123456789"
EXAMPLES = [Example(f"word{n}", f"word{n}s") for n in range(20)]


def completion(*lines: str) -> bytes:
    message = {"role": "assistant", "content": "\n".join(lines)}
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]}).encode()


GOOD = completion("Say the plural of the word.", "2. Write more than one of it.", '- "Add an s to the end."')


class Server(ThreadingHTTPServer):
    """Answers a request with the next of `script`: (status, headers, body), or a function of the handler."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict, bytes] | Callable] = []
        self.seen: list[dict] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
        step = self.server.script.pop(0) if self.server.script else (200, {}, GOOD)
        if callable(step):
            step(self)
            self.close_connection = True
            return
        status, headers, data = step
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """The waits that this thread asked for; none is waited, but threads left by other tests sleep on."""
    waits: list[float] = []
    here, sleep = threading.current_thread(), time.sleep

    def record(seconds: float) -> None:
        if threading.current_thread() is here:
            waits.append(seconds)
        else:
            sleep(seconds)

    monkeypatch.setattr(module.time, "sleep", record)
    return waits


def endpoint(server: Server, **changes) -> Endpoint:
    return Endpoint(server.url, "some-model", "T2L_TEST_KEY", **{"timeout": 30.0, **changes})


def test_a_request_is_what_the_protocol_says(server: Server, monkeypatch) -> None:
    monkeypatch.setenv("T2L_TEST_KEY", KEY)
    made = write_descriptions(EXAMPLES, 3, endpoint(server).ask)
    assert made == ["Say the plural of the word.", "Write more than one of it.", "Add an s to the end."]
    (seen,) = server.seen
    assert seen["path"] == "/v1/chat/completions" and seen["headers"]["Authorization"] == f"Bearer {KEY}"
    assert seen["headers"]["Content-Type"] == "application/json" and seen["body"]["model"] == "some-model"
    ((message),) = seen["body"]["messages"]
    assert message["role"] == "user" and "Output: word" in message["content"]
    # A server without keys gets none.
    monkeypatch.delenv("T2L_TEST_KEY")
    endpoint(server).ask("hello", 0)
    assert "Authorization" not in server.seen[1]["headers"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_at_once_and_is_never_shown(server: Server, status, monkeypatch, slept) -> None:
    monkeypatch.setenv("T2L_TEST_KEY", KEY)
    server.script = [(status, {}, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())]
    with pytest.raises(T2LError, match=r"refuses the key .*valid key into T2L_TEST_KEY") as caught:
        endpoint(server).ask("hello", 0)
    assert KEY not in str(caught.value) and KEY not in repr(endpoint(server)) and not slept
    server.script = [(status, {}, b"")]
    monkeypatch.delenv("T2L_TEST_KEY")
    with pytest.raises(T2LError, match="T2L_TEST_KEY is not set"):
        endpoint(server).ask("hello", 0)


def test_too_many_requests_wait_as_long_as_the_server_says(server: Server, slept) -> None:
    date = email.utils.formatdate(time.time() + 110, usegmt=True)
    server.script = [
        (429, {"Retry-After": "7"}, b"{}"),
        (429, {"Retry-After": date}, b"{}"),
        (429, {"Retry-After": "soon"}, b"{}"),
        (503, {}, b"busy"),
    ]
    assert "plural" in endpoint(server).ask("hello", 0)
    assert slept[0] == 7 and 60 < slept[1] <= 110 and slept[2:] == [4, 8]
    server.script = [(429, {"Retry-After": "86400"}, b"{}")]
    with pytest.raises(T2LError, match="asks to wait 86400 s"):
        endpoint(server).ask("hello", 0)


def cut_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def cut_at_once(handler: Handler) -> None:
    pass


def silent(handler: Handler) -> None:
    """Says nothing until the test is over: whoever asks must give up."""
    handler.server.over.wait(60)


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, b"oh"),
        (502, {}, b"<html>bad gateway</html>"),
        (200, {}, b'{"choices": ['),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": {"content": null}}]}'),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 100_000),
        cut_body,
        cut_at_once,
        silent,
        no_http,
    ],
)
def test_what_may_pass_is_tried_again_and_then_named(server: Server, fault, slept) -> None:
    # Only silence is waited for; a good answer must come in time from a busy machine too.
    waits = {"timeout": 2.0} if fault is silent else {}
    server.script = [fault]
    assert "plural" in endpoint(server, tries=3, **waits).ask("hello", 0) and slept == [1]
    waits = {"timeout": 0.2} if fault is silent else {}
    server.script = [fault] * 3
    with pytest.raises(T2LError, match="no answer in 3 tries"):
        endpoint(server, tries=3, **waits).ask("hello", 0)


def test_what_will_not_pass_is_not_tried_again(server: Server, monkeypatch, slept) -> None:
    monkeypatch.setenv("T2L_TEST_KEY", KEY)
    for step, match in (
        ((404, {}, b'{"error": "no such model"}'), "status 404.*no such model.*--model"),
        ((400, {}, b"no"), "status 400"),
        ((302, {"Location": "http://127.0.0.1:9/elsewhere"}, b""), "not the address itself"),
        ((307, {"Location": "http://127.0.0.1:9/elsewhere"}, b""), "not the address itself"),
        ((200, {}, b" " * (2**20 + 2)), "more than 1,048,576 bytes"),
    ):
        server.script = [step]
        with pytest.raises(T2LError, match=match):
            endpoint(server).ask("hello", 0)
    assert len(server.seen) == 5 and not slept


def test_an_error_whose_body_never_comes_is_tried_again(server: Server, slept) -> None:
    def stalls(handler: Handler) -> None:
        handler.send_response(503)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.server.over.wait(60)

    server.script = [stalls, stalls]
    with pytest.raises(T2LError, match=r"no answer in 2 tries .status 503"):
        endpoint(server, timeout=0.2, tries=2).ask("hello", 0)


def test_a_server_that_is_not_there_is_named(slept) -> None:
    with pytest.raises(T2LError, match="no answer in 2 tries"):
        Endpoint("http://127.0.0.1:9/v1", "m", tries=2).ask("hello", 0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"url": "api.example.com/v1"}, "no address"),
        ({"url": "file:///etc/passwd"}, "no address"),
        ({"url": "https://user:pass@host/v1"}, "no address"),
        ({"url": "http://[x"}, "no address"),
        ({"url": f"http://{'a' * 64}.example/v1"}, "no address"),
        ({"model": " "}, "name of a model"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"tries": 0}, "tries"),
        ({"url": "https://host/modèle/v1"}, "beyond ASCII"),
    ],
)
def test_endpoints_that_cannot_serve_are_refused(changes: dict, match: str) -> None:
    with pytest.raises(T2LError, match=match):
        Endpoint(**{"url": "https://host/v1", "model": "m", **changes})


def test_a_key_goes_nowhere_unencrypted(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(T2LError, match="unencrypted"):
        Endpoint("http://example.com/v1", "m").ask("hello", 0)
    monkeypatch.setenv("OPENAI_API_KEY", "two\nlines")
    with pytest.raises(T2LError, match="no key has"):
        Endpoint("https://example.com/v1", "m").ask("hello", 0)


def test_answers_become_descriptions() -> None:
    answer = (
        """Sure! Here are five descriptions:

1. Say the plural of the word.
2) **Write the plural.**
- “Turn one thing into many.”
* Too short
(3) say the plural of the word!
Bell \a in it all the same.
"""
        + "long " * 200
    )
    assert parse(answer) == [
        "Say the plural of the word.",
        "Write the plural.",
        "Turn one thing into many.",
        "say the plural of the word!",
    ]
    assert "20 different" not in prompt_for(EXAMPLES[:2], 5) and "Write 5 different" in prompt_for(
        EXAMPLES, 5
    )


def test_equal_answers_count_once_and_too_few_are_said() -> None:
    asked: list[str] = []

    def ask(prompt: str, seed: int) -> str:
        asked.append(prompt)
        return f"Say the plural of it.\nSAY THE PLURAL, of it\nNumber {seed % 2} of these."

    assert len(write_descriptions(EXAMPLES, 3, ask)) == 3 and len(asked) == 2
    assert asked[0] != asked[1]
    with pytest.raises(T2LError, match="brought 3 different descriptions, not 9"):
        write_descriptions(EXAMPLES, 9, ask)


def undescribed(folder: Path, *names: str) -> Path:
    rows = "".join(json.dumps({"input": e.input, "output": e.output}) + "\n" for e in EXAMPLES)
    (folder / "raw").mkdir(parents=True)
    for name in names:
        (folder / "raw" / f"{name}.jsonl").write_text(rows)
    arguments = ["data", "convert", str(folder / "raw"), "--out", str(folder / "suite"), "--later"]
    assert main(arguments) == 0
    return folder / "suite"


def test_the_command_fills_in_what_is_missing_and_overwrites_nothing(
    server: Server, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("T2L_TEST_KEY", KEY)
    suite = undescribed(tmp_path, "one", "two")
    command = ["train", "describe", "--tasks", str(suite), "--endpoint", server.url, "--model", "m"]
    command += ["--key-variable", "T2L_TEST_KEY", "--count", "3", "--json"]
    assert main([*command, "--names", "two"]) == 0
    first = (suite / "two" / "task.yaml").read_bytes()
    server.script = [
        (200, {}, completion("Another way to say it.", "And one more way.", "The third of all."))
    ]
    assert main(command) == 0
    tasks = read_suite(suite)
    assert tasks["one"].descriptions[0] == "Another way to say it." and len(tasks["two"].descriptions) == 3
    assert (suite / "two" / "task.yaml").read_bytes() == first and len(server.seen) == 2
    # Only training examples are shown.
    tests = {e.input for e in tasks["one"].test}
    assert not any(
        f"Input: {text}\n" in str(seen["body"]["messages"]) for seen in server.seen for text in tests
    )
    assert main([*command, "--names", "two"]) == 2 and main(command) == 2
    captured = capsys.readouterr()
    assert "never overwritten" in captured.err and KEY not in captured.err + captured.out


def test_one_training_example_is_enough_to_be_described_by(server: Server, tmp_path: Path, capsys) -> None:
    suite = undescribed(tmp_path, "one", "two")
    command = ["train", "describe", "--tasks", str(suite), "--endpoint", server.url, "--model", "m"]
    file = suite / "one" / "train.jsonl"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    assert main([*command, "--count", "3"]) == 0
    assert len(read_suite(suite)["one"].descriptions) == 3
    suite = undescribed(tmp_path / "empty", "one")
    (suite / "one" / "train.jsonl").write_text("")
    assert main([*command[:3], str(suite), *command[4:]]) == 2
    assert "one has no training examples" in capsys.readouterr().err


def test_an_interrupted_description_keeps_what_is_done(server: Server, tmp_path: Path, slept) -> None:
    suite = undescribed(tmp_path, "one", "two")
    server.script = [(200, {}, GOOD), *[(500, {}, b"")] * 5]
    with pytest.raises(T2LError, match=r"two: .*no answer in 5 tries"):
        describe([suite], 3, endpoint(server).ask)
    assert list(describe([suite], 3, endpoint(server).ask)) == ["two"]
    for changes, match in (({"names": ["three"]}, "no task 'three'"), ({"n": 0}, "count must be")):
        with pytest.raises(T2LError, match=match):
            describe([suite], **{"n": 3, "ask": endpoint(server).ask, **changes})


def test_the_local_base_can_be_asked() -> None:
    ask = local(DEFAULT_BASE, max_new_tokens=4)
    prompt = prompt_for(EXAMPLES[:2], 2)
    assert ask(prompt, 1).strip() and ask(prompt, 1) == ask(prompt, 1)
