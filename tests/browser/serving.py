"""The app in a process of its own, with an environment that a test chooses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from paths import REPO


@contextmanager
def serving(log: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a running app. log: a file that gets all that the app says. environment: the whole."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=REPO,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        # The first start converts the base.
        for _ in range(1800):
            if "Ready." in log.read_text():
                break
            if process.poll() is not None:
                pytest.fail(f"The app ended:\n{log.read_text()}")
            time.sleep(0.1)
        else:
            pytest.fail(f"The app did not start:\n{log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def online(endpoint: str, place: Path) -> dict[str, str]:
    """An environment in which the Hub is at `endpoint`, and all that the app writes lies in `place`."""
    mine = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HF_HUB_OFFLINE")}
    return mine | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(place / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "T2L_SHELF": str(place / "shelf"),
        "GRADIO_TEMP_DIR": str(place / "gradio"),
        "TMPDIR": str(place),
    }
