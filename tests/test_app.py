"""The app as it is hosted: flags, refusals, health, login, log, ZeroGPU, and the files of its image."""

from __future__ import annotations

import asyncio
import fnmatch
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError
from paths import REPO

import app as hosted
from t2l import __version__
from t2l.errors import T2LError
from t2l.studio import DEFAULT_CHECKPOINT, Limits, Studio, find_checkpoint

PLURAL, BASE = "Output the plural of the noun.", "HuggingFaceTB/SmolLM2-135M-Instruct"
# What visitors say, and their keys, must be nowhere in the log.
SAID, KEY = "walrus", "a-visitors-own-key-0123456789"
LOGIN = ("me", "correct horse")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def get(address: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body; 0 where nobody listens yet."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read()
    except OSError:
        return 0, b""


@contextmanager
def running(folder: Path, *flags: str, **environment: str) -> Iterator[SimpleNamespace]:
    """An app in its own process from the moment at which it answers; ends it as `docker stop` does."""
    port, log = free_port(), folder / "app.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("T2L_LIMIT_")}
    own = {"NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "1", "T2L_SHELF": str(folder / "shelf")}
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *flags],
            cwd=REPO,
            env={**inherited, **own, "PYTHONUNBUFFERED": "1", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            first = get(f"{url}/health")
            if first[0] or process.poll() is not None:
                break
            time.sleep(0.05)
        assert first[0], log.read_text()
        yield SimpleNamespace(url=url, first=(first[0], json.loads(first[1])), log=log, process=process)
    finally:
        process.terminate()
        process.wait(30)


def until_ready(app: SimpleNamespace) -> None:
    # The first start of all converts the base.
    for _ in range(1800):
        if get(f"{app.url}/health")[0] == 200:
            return
        time.sleep(0.1)
    pytest.fail(app.log.read_text())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Behind a login and a proxy's path, with small limits; asked for an adapter before it was warm."""
    limits = {"T2L_LIMIT_PROMPT": "300", "T2L_LIMIT_NEW_TOKENS": "64", "T2L_LIMIT_ADAPTERS": "1"}
    limits |= {"T2L_LIMIT_WAITING": "2"}
    with running(
        tmp_path_factory.mktemp("app"),
        "--root-path=/t2l",
        "--dtype=float32",
        T2L_AUTH=":".join(LOGIN),
        **limits,
    ) as app:
        app.early_page = get(app.url)
        app.client = Client(app.url, auth=LOGIN, verbose=False, analytics_enabled=False)
        app.early = app.client.predict(description=f"{PLURAL} {SAID}", key=KEY, api_name="/generate_adapter")
        until_ready(app)
        yield app


def compared(app: SimpleNamespace, **values: Any) -> dict[str, Any]:
    asked = {"prompt": "hammer", "descriptions": [PLURAL], "max_new_tokens": 10, **values}
    job = app.client.submit(**asked, api_name="/compare")
    items = list(job)
    # Reading the items ends quietly at a fault; the result raises it.
    job.result()
    return items[-1]


def test_the_page_and_its_health_are_there_before_the_model(app: SimpleNamespace) -> None:
    status, told = app.first
    assert status == 503 and told["status"] == "loading" and told["version"] == __version__
    assert app.early_page[0] == 200 and b"<html" in app.early_page[1]


def test_a_request_before_the_model_is_warm_waits_for_it(app: SimpleNamespace) -> None:
    assert re.fullmatch("[0-9a-f]{16}", app.early["id"])
    assert compared(app)["adapted"] == ["hammers"]


def test_health_needs_no_login_and_stands_under_both_paths(app: SimpleNamespace) -> None:
    told = {"status": "ready", "base": BASE, "checkpoint": DEFAULT_CHECKPOINT, "version": __version__}
    for path in ("/health", "/t2l/health"):
        status, body = get(app.url + path)
        assert status == 200 and json.loads(body) == told
        assert get(app.url + path, "HEAD") == (200, b"")
    assert get(f"{app.url}/gradio_api/info")[0] == 401


def test_limits_hold_for_programs_too(app: SimpleNamespace) -> None:
    for values, named in (
        ({"prompt": SAID * 60}, "360 characters; the most is 300"),
        ({"max_new_tokens": 65}, "65 new tokens were asked for; the most is 64"),
        ({"descriptions": [PLURAL, PLURAL]}, "2 adapters were asked for; the most is 1"),
    ):
        with pytest.raises(AppError, match=named):
            compared(app, **values)


def test_more_than_may_wait_are_turned_away_and_the_others_answered(app: SimpleNamespace) -> None:
    asked = {"prompt": "Tell a story.", "descriptions": [PLURAL], "strength": 0.1, "max_new_tokens": 12}
    jobs = [app.client.submit(**asked, api_name="/compare") for _ in range(9)]
    said = []
    for job in jobs:
        try:
            said.append(job.result(timeout=120)["base"])
        except QueueError as err:
            said.append(str(err))
    turned_away = [text for text in said if "Queue is full" in text]
    assert 1 <= len(turned_away) <= 6 and len({*said} - {*turned_away}) == 1


def test_neither_what_visitors_say_nor_their_keys_are_in_the_log(app: SimpleNamespace) -> None:
    compared(app, prompt=f"A {SAID}", adapters=[app.early["id"]], descriptions=[], key=KEY)
    for wrong in (
        {"prompt": SAID * 60},
        {"descriptions": [SAID * 500]},
        {"descriptions": [f"{SAID}\u0007"]},
        {"descriptions": SAID},
        {"adapters": [SAID], "descriptions": [], "key": KEY},
        {"stop": [SAID] * 99, "key": KEY},
        {"adapters": [app.early["id"]], "descriptions": [], "key": SAID},
        {"checkpoint": SAID},
    ):
        with pytest.raises(AppError):
            compared(app, **wrong)
    body = json.dumps({"data": [{SAID: SAID}]}).encode()
    request = urllib.request.Request(f"{app.url}/gradio_api/call/{SAID}", body)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request)
    log = app.log.read_text()
    assert f"Text-to-LoRA {__version__}: {app.url}" in log and "Ready." in log
    for private in (SAID, KEY, app.early["id"], LOGIN[1], "hammer", "Traceback"):
        assert private not in log


def test_what_would_tell_of_visitors_is_off(app: SimpleNamespace) -> None:
    assert app.client.config["run_history"] is False and app.client.config["analytics_enabled"] is False
    assert app.client.config["show_error"] is False
    for path in ("/monitoring", "/gradio_api/runs"):
        assert get(app.url + path)[0] in (401, 403, 404)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_on_zerogpu_the_model_is_there_before_the_page_and_workers_answer(tmp_path: Path) -> None:
    stand_in = os.pathsep.join([str(REPO / "tests/zerogpu_stub"), os.environ.get("PYTHONPATH", "")])
    environment = {"SPACES_ZERO_GPU": "true", "PYTHONPATH": stand_in.rstrip(os.pathsep)}
    with running(tmp_path, T2L_DTYPE="float32", **environment) as app:
        status, told = app.first
        assert status == 200 and told["status"] == "ready"
        app.client = Client(app.url, verbose=False, analytics_enabled=False)
        assert compared(app)["adapted"] == ["hammers"]
        with pytest.raises(AppError, match=r"tokens, but .* reads at most"):
            compared(app, prompt="7 " * 9000)
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(30) == 0
        assert "parallelism" not in app.log.read_text() and "Traceback" not in app.log.read_text()


def test_on_zerogpu_the_type_is_chosen_and_only_decoding_is_wrapped(monkeypatch, tmp_path: Path) -> None:
    wrapped = []

    def gpu(duration: Any) -> Any:
        return lambda function: wrapped.append(function) or function

    monkeypatch.setattr(hosted, "spaces", SimpleNamespace(GPU=gpu))
    studio = hosted._studio(DEFAULT_CHECKPOINT, shelf=tmp_path)
    assert studio._dtype == "bfloat16" and wrapped == [studio._stream]
    assert hosted._studio(DEFAULT_CHECKPOINT, "float32", shelf=tmp_path)._dtype == "float32"


def test_help_lists_every_flag_variable_and_limit_with_its_default(capsys) -> None:
    with pytest.raises(SystemExit) as done:
        hosted.main(["--help"])
    told = capsys.readouterr().out
    assert done.value.code == 0
    for action in hosted._parser()._actions:
        assert action.help and action.option_strings[-1] in told
    for name in (*hosted.VARIABLES, *hosted.FLAGS, "GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME"):
        assert name in told
    assert set(hosted.LIMITS) == {field.name for field in fields(Limits)}
    for field in fields(Limits):
        assert re.search(rf"^ *{field.name.upper()} .*\(default {field.default}\)$", told, re.MULTILINE)


def test_every_variable_that_the_project_reads_is_known() -> None:
    sources = [
        REPO / "app.py",
        *REPO.glob("t2l/**/*.py"),
        *REPO.glob("scripts/*"),
        *REPO.glob("tests/**/*.py"),
    ]
    names = {
        name
        for source in sources
        if source.is_file()
        for name in re.findall(r"environ[^\n]*[\"'](T2L_[A-Z_]+)[\"']", source.read_text(encoding="utf-8"))
    }
    assert {"T2L_CACHE", "T2L_SHELF", "T2L_CHROMIUM", "T2L_TORCH_INDEX"} <= names
    assert names <= {*hosted.VARIABLES, *hosted.FLAGS, *hosted.OTHERS, "T2L_LIMIT_"}


@pytest.fixture
def refusal(monkeypatch, capsys) -> Any:
    """What the app says to flags and variables that it refuses, as one line, before it listens."""

    def ask(*flags: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert hosted.main(flags) == 2
        said = capsys.readouterr()
        assert not said.out and said.err.startswith("t2l: ") and said.err.count("\n") == 1
        assert "secret" not in said.err
        return said.err

    return ask


def test_a_port_that_gradio_itself_cannot_read_is_one_line() -> None:
    made = subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPO,
        env={**os.environ, "GRADIO_SERVER_PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 2 and made.stderr == "t2l: GRADIO_SERVER_PORT='http' is no port.\n"


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        (["--port", "0"], {}, "--port: '0' is no port from 1 to 65535"),
        ([], {"GRADIO_SERVER_PORT": "http"}, "'http' is no port"),
        (["--host", "192.0.2.1"], {}, "cannot listen at 192.0.2.1, port"),
        (["--root-path", "t2l"], {}, "'t2l' is no path such as /t2l"),
        (["--checkpoint", "none"], {}, "no checkpoint 'none'; choose smollm2-135m-dnd"),
        (["--dtype", "int8"], {}, "dtype 'int8' is unknown; choose auto, float32"),
        (["--device", "tpu"], {}, "device 'tpu' is not usable here"),
        (["--shelf", str(REPO / "app.py" / "shelf")], {}, "shelf .* cannot be made .*; choose another"),
        (["--colour"], {}, "unrecognized arguments: --colour; see --help"),
        (["--auth-file", "nowhere"], {}, "logins in nowhere cannot be read"),
        (["--auth-file", "nowhere"], {"T2L_AUTH": "me:long secret"}, "both given; choose one"),
        (["--mcp"], {"T2L_AUTH": "me:long secret"}, "MCP clients cannot sign in"),
        ([], {"T2L_AUTH": ""}, "T2L_AUTH must be USER:PASSWORD"),
        ([], {"T2L_AUTH": "secretsecret"}, "T2L_AUTH must be USER:PASSWORD"),
        ([], {"T2L_AUTH": ":secretsecret"}, "T2L_AUTH must be USER:PASSWORD"),
        ([], {"T2L_AUTH": "me:secret"}, "at least 8 characters"),
        ([], {"T2L_MCP": "yes"}, "T2L_MCP is 'yes'; give 1 or 0"),
        ([], {"T2L_LIMIT_PROMPT": "many"}, "T2L_LIMIT_PROMPT is 'many'; give a whole number"),
        ([], {"T2L_LIMIT_AT_ONCE": "0"}, "at_once must be a whole number from 1"),
        ([], {"T2L_SHELF_BYTES": "2 GB"}, "T2L_SHELF_BYTES is '2 GB'"),
        ([], {"T2L_LIMITS_PROMPT": "9"}, "T2L_LIMITS_PROMPT is no variable .*T2L_LIMIT_PROMPT"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_name(
    refusal, flags: list[str], environment: dict, named: str
) -> None:
    assert re.search(named, refusal(*flags, **environment))


def test_a_port_in_use_is_refused_at_once(refusal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen at 127.0.0.1, port {port} (" in refusal("--port", port)


def test_tools_without_their_package_are_refused(refusal, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 'pip install "gradio[mcp]"' in refusal("--mcp")


def test_a_file_holds_several_logins(tmp_path: Path, refusal) -> None:
    file = tmp_path / "logins"
    file.write_text("me: spaces count \r\n\nyou:with:colons\n")
    assert hosted._logins(str(file)) == [("me", " spaces count "), ("you", "with:colons")]
    file.write_text("\n")
    assert "must be USER:PASSWORD" in refusal("--auth-file", str(file))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A checkpoint that is found, and whose weights cannot be read."""
    folder = tmp_path / "damaged"
    shutil.copytree(find_checkpoint(DEFAULT_CHECKPOINT), folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    return folder


def test_a_load_that_fails_ends_the_process_with_the_errors_words(damaged: Path, tmp_path: Path) -> None:
    with running(tmp_path, "--checkpoint", str(damaged)) as app:
        assert app.first[0] == 503 and app.first[1]["status"] in ("loading", "failed")
        assert app.process.wait(60) == 2
    *_, last = app.log.read_text().splitlines()
    assert re.fullmatch("t2l: .*model.safetensors cannot be read .*", last)
    assert "Traceback" not in app.log.read_text() and "Ready." not in app.log.read_text()


def test_health_after_a_failed_load_says_failed_and_no_path(damaged: Path) -> None:
    studio = Studio(str(damaged), shelf=damaged.parent)
    with pytest.raises(T2LError):
        studio.load()
    assert "model.safetensors cannot be read" in studio.status
    # In a thread of its own: a browser driver in this process keeps this one's event loop.
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(asyncio.run, hosted._health(studio).endpoint(None)).result()
    told = {"status": "failed", "base": None, "checkpoint": "damaged", "version": __version__}
    assert answer.status_code == 503 and json.loads(answer.body) == told


def instructions() -> list[tuple[str, str]]:
    text = (REPO / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_what_the_image_copies_is_there_and_reaches_the_build() -> None:
    ignored = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:].rstrip("/") for line in ignored if line.startswith("!")]
    assert ignored[0] == "*", "everything else stays away, secrets among it"
    copied = [part for name, rest in instructions() if name == "COPY" for part in rest.split()[:-1]]
    sources = [part.rstrip("/") for part in copied if not part.startswith("--")]
    assert {"app.py", "t2l", "checkpoints", "results", "requirements.txt"} <= set(sources)
    for source in sources:
        assert (REPO / source).exists() and source in allowed, source
    assert all((REPO / name).exists() for name in allowed)
    assert any(fnmatch.fnmatch("t2l/__pycache__", line) for line in ignored)


def test_the_image_runs_as_nobody_special_and_tells_its_health() -> None:
    made = instructions()
    names = [name for name, _ in made]
    assert names[0] in ("ARG", "FROM") and names[-1] == "CMD"
    users = [rest for name, rest in made if name == "USER"]
    assert users and users[-1] not in ("root", "0")
    (check,) = (rest for name, rest in made if name == "HEALTHCHECK")
    assert "/health" in check and ("EXPOSE", "7860") in made
    text = (REPO / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search("TOKEN|PASSWORD|SECRET|T2L_AUTH", text)
    # The image and the virtual environment install the same torch.
    (torch,) = re.findall('^TORCH = "(.*)"$', (REPO / "scripts/setup.py").read_text(), re.MULTILINE)
    assert torch in text
