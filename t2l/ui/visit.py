"""Who visits: the key of their own shelf, and their sign-in to the Hub, which is kept nowhere.
Knows gradio and the environment; not what is done with either."""

from __future__ import annotations

import os
from typing import Any

import gradio as gr
from gradio.utils import get_space

from t2l.studio import T2LError

_HERE = ("127.0.0.1", "localhost", "::1")


def own(key: Any) -> str:
    """A visitor's key; raises T2LError without one: an empty key would mean the machine's own shelf."""
    if not isinstance(key, str) or not key:
        raise T2LError("This page has no key yet; reload it, and let it keep data in your browser.")
    return key


def signs_in_by_button() -> bool:
    """Whether visitors sign in on the Hub itself: on a Space that was given the means to ask for it."""
    return get_space() is not None and bool(os.environ.get("OAUTH_CLIENT_ID"))


def token_field(elem_id: str, why: str) -> gr.Textbox:
    """A field for a token, which is only ever an input of an event; hidden where a button does its work."""
    stored = " Empty: this machine's HF_TOKEN." if _stored_token() else ""
    return gr.Textbox(
        "",
        label="Hub token",
        type="password",
        info=f"{why} It is used for this and kept nowhere.{stored}",
        placeholder="hf_...",
        max_length=500,
        # Nothing that a browser should offer to keep.
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False),
        visible=not signs_in_by_button(),
        elem_id=elem_id,
    )


def token_of(typed: str, oauth: gr.OAuthToken | None, request: gr.Request) -> str | None:
    """The token to ask the Hub with: of the sign-in, typed, or this machine's own; None without any."""
    return (oauth.token if oauth else "") or typed.strip() or _machine_token(request)


def _stored_token() -> str | None:
    """HF_TOKEN, where its owner has said so: behind a proxy everybody may seem to sit here."""
    allowed = get_space() is None and os.environ.get("T2L_OWN_TOKEN") == "1"
    return os.environ.get("HF_TOKEN") or None if allowed else None


def _machine_token(request: gr.Request) -> str | None:
    """HF_TOKEN, for whoever sits at this very machine: no other visitor may publish in its owner's name."""
    host = (request.headers.get("host") or "").rpartition("@")[2]
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    client = request.client.host if request.client else ""
    # Behind a tunnel every visitor seems to come from here, but has asked for another name.
    return _stored_token() if client in _HERE and name.strip("[]") in _HERE else None
