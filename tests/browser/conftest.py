"""The app as a visitor meets it: its own process, a real Chromium, a real page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
CHROMIUM = os.environ.get("T2L_CHROMIUM", "")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM:
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError("T2L_CHROMIUM is not set; in CI no browser test may be skipped.")
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="T2L_CHROMIUM is not set; run scripts/test.sh"))


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app with an empty shelf; the converted base is shared."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "T2L_SHELF": str(tmp_path_factory.mktemp("shelf")),
        "PYTHONUNBUFFERED": "1",
    }
    log = tmp_path_factory.mktemp("app") / "app.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=REPO,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        # The first start converts the base.
        for _ in range(1800):
            if "Ready." in log.read_text():
                break
            if process.poll() is not None:
                pytest.fail(f"The app ended:\n{log.read_text()}")
            time.sleep(0.1)
        else:
            pytest.fail(f"The app did not get ready:\n{log.read_text()}")
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, url: str) -> Iterator:
    """A fresh visitor on the page; ends by asserting no console error and no request to elsewhere."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    page = context.new_page()
    errors: list[str] = []
    elsewhere: list[str] = []
    # A page that is reloaded cuts its own streams, and says so.
    cut = ("AbortError", "Connection errored out")
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type == "error" and not any(word in message.text for word in cut)
            else None
        ),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((url, "data:", "blob:")) else elsewhere.append(request.url)
        ),
    )
    page.goto(url)
    page.get_by_label("Task description").wait_for(timeout=30_000)
    # Nothing is kept for a visitor whose browser has no key yet.
    page.wait_for_function("localStorage.getItem('t2l-visitor')")
    yield page
    context.close()
    assert not errors and not elsewhere
