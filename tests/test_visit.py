"""Who visits: no key is no key of somebody else, and the machine's own token is its owner's alone."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from t2l.studio import T2LError
from t2l.ui.visit import own, token_of


def asked(host: str = "127.0.0.1:7860", client: str = "127.0.0.1") -> gr.Request:
    scope = {"type": "http", "headers": [(b"host", host.encode())], "client": (client, 1234)}
    return gr.Request(Request(scope))  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", None, 5, ["k" * 43]])
def test_without_a_key_nothing_is_shown(key: Any) -> None:
    with pytest.raises(T2LError, match="reload it"):
        own(key)


@pytest.fixture
def stored(monkeypatch) -> None:
    for name, value in {"HF_TOKEN": "hf_machine", "T2L_OWN_TOKEN": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost", "[::1]:7860"])
def test_the_machines_token_serves_who_sits_there(stored, host: str) -> None:
    assert token_of("", None, asked(host)) == "hf_machine"
    assert token_of(" hf_mine ", None, asked(host)) == "hf_mine"
    assert token_of("", gr.OAuthToken("hf_oauth", "", 0), asked(host)) == "hf_oauth"


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("abc.gradio.live", "127.0.0.1"),
        ("192.168.1.2:7860", "192.168.1.9"),
        ("127.0.0.1:7860", "192.168.1.9"),
    ],
)
def test_the_machines_token_serves_nobody_else(stored, host: str, client: str) -> None:
    assert token_of("", None, asked(host, client)) is None


def test_the_machines_token_serves_nobody_unless_its_owner_said_so(monkeypatch) -> None:
    monkeypatch.delenv("T2L_OWN_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_machine")
    assert token_of("", None, asked()) is None


def test_on_a_space_nobody_has_the_machines_token(stored, monkeypatch) -> None:
    for name, value in {"SYSTEM": "spaces", "SPACE_ID": "you/t2l"}.items():
        monkeypatch.setenv(name, value)
    assert token_of("", None, asked()) is None
