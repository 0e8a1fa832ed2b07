"""What the tabs share: the studio, the visitor's key, the chosen adapters, and how an error is shown.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import functools
import html
import inspect
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from t2l.studio import Studio, T2LError

T = TypeVar("T")

# Before the id of what is being published, while its owner signs in elsewhere.
AWAY = "signing in: "
# Seconds between two states of growing answers: nobody reads faster.
_PAUSE = 0.1
# Of a visitor's adapters, and of the files made of them.
_PLACE = re.compile(r"\S*[/\\](?:visitors|t2l-files-\w+)[/\\](?:session-)?[0-9a-f]{32}")


@dataclass(frozen=True)
class Page:
    """The studio and the components that more than one tab reads.

    visitor: the key of this browser's own shelf. chosen: ids of the adapters beside the base in Compare.
    shelf_changed: counts up whenever the visitor's shelf has changed. tabs: "compare", "shelf", "gallery"
    and "publish". publishing: the id that Publish is about; it outlives the reload of a sign-in. arrived:
    True once the key has come; listen to its change, not to the key's, which may fire without one. measured:
    how an adapter did on the visitor's own examples, by its id; gone with the page.
    """

    studio: Studio
    visitor: gr.BrowserState
    chosen: gr.State
    shelf_changed: gr.State
    tabs: gr.Tabs
    publishing: gr.BrowserState
    arrived: gr.State
    measured: gr.State

    @property
    def private(self) -> dict[str, Any]:
        """Options of every event of the page: programs use the named endpoints instead."""
        return {"api_visibility": "private", "concurrency_limit": self.studio.limits.at_once}


def spoken(text: str) -> str:
    """A line of HTML that screen readers read out when it changes."""
    return f'<p role="status">{text}</p>'


def paced(growing: Iterator[list[str]]) -> Iterator[list[str]]:
    """Of growing texts the first, some ten a second, and the last."""
    texts, shown, told = None, None, 0.0
    for texts in growing:
        if shown is None or time.monotonic() - told >= _PAUSE:
            yield texts
            shown, told = texts, time.monotonic()
    if texts is not None and texts is not shown:
        yield texts


def beating(growing: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Everything new at once with True, and what stays some ten times a second with False.

    A generator can only be closed where it yields: so whoever waits for the next new one can still go.
    """
    last, told = None, 0.0
    for one in growing:
        if one is not last or time.monotonic() - told >= _PAUSE:
            yield one, one is not last
            last, told = one, time.monotonic()


def without_places(text: str) -> str:
    """A message without the folders in which a visitor's things lie: they are nobody's business."""
    return _PLACE.sub("your shelf", text)


def friendly(handler: Callable[..., Any], failed: Any = None) -> Callable[..., Any]:
    """The one place where a T2LError becomes a message on the page; it quotes users, so it is escaped.

    failed: what a handler that yields shows last where it fails: the message goes away, and what stays must
    not say that more is coming.
    """

    def toast(err: T2LError) -> gr.Error:
        return gr.Error(
            html.escape(without_places(str(err))), title="That did not work", print_exception=False
        )

    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any) -> Iterator[Any]:
            try:
                yield from handler(*args)
            except Exception as err:
                if failed is not None:
                    yield failed
                if isinstance(err, T2LError):
                    raise toast(err) from err
                raise

        return stream

    @functools.wraps(handler)
    def call(*args: Any) -> Any:
        try:
            return handler(*args)
        except T2LError as err:
            raise toast(err) from err

    return call
