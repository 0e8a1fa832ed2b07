"""The Gallery tab: adapters that were published from here for the loaded base, to open and to share.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from t2l.studio import Found, T2LError
from t2l.ui.common import AWAY, Page, friendly
from t2l.ui.visit import own, signs_in_by_button, token_field, token_of

INTRODUCTION = "Adapters on the Hub that were made with this app, for the loaded base. The latest come first."
# The page's own address, as the visitor sees it.
_LINK = """(id) => id
  ? location.origin + location.pathname + "?adapter=" + encodeURIComponent(id).replace("%2F", "/")
  : "" """


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio = page.studio
    gr.Markdown(INTRODUCTION)
    status = gr.HTML("", elem_id="gallery-status", elem_classes="t2l-line")
    rows = gr.Radio(
        [], label="Adapters", visible=False, interactive=True, elem_id="gallery-rows", elem_classes="t2l-rows"
    )
    with gr.Row():
        compare = gr.Button(
            "Open in Compare", variant="primary", interactive=False, elem_id="gallery-compare", min_width=150
        )
        refresh = gr.Button("Look again", elem_id="gallery-refresh", min_width=110)
    link = gr.Textbox(
        "",
        label="Link to share",
        info="Opens this page with the adapter. A private one opens only for those who may see it.",
        interactive=False,
        max_lines=1,
        buttons=["copy"],
        elem_id="gallery-link",
    )
    with gr.Row(elem_classes="t2l-end"):
        typed_id = gr.Textbox(
            "",
            label="Any adapter on the Hub",
            placeholder="namespace/name",
            max_length=300,
            max_lines=1,
            elem_id="gallery-id",
            scale=4,
            min_width=200,
        )
        fetch = gr.Button("Open it in Compare", elem_id="gallery-open", scale=1, min_width=150)
    # Where a button signs in, that under Publish counts here too.
    with gr.Accordion(
        "Private ones", open=False, visible=not signs_in_by_button(), elem_id="gallery-private"
    ):
        with gr.Row(elem_classes="t2l-end"):
            token = token_field(
                "gallery-token", "With it your own private adapters are listed and opened too."
            )
            listing = gr.Button("List them", elem_id="gallery-list", scale=0, min_width=110)

    def look(typed: str, oauth: gr.OAuthToken | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        none = gr.Radio(visible=False, value=None)
        yield "<p>Asking the Hub …</p>", gr.skip(), gr.skip()
        try:
            found = studio.gallery(token=token_of(typed, oauth, request))
        except T2LError as err:
            # Without a network the rest of the page works as before.
            yield f"<p>✗ {html.escape(str(err))}</p>", none, gr.Button(interactive=False)
            return
        if not found:
            yield "<p>None yet: publish the first.</p>", none, gr.Button(interactive=False)
            return
        choices = [(_row(one), one.repo_id) for one in found]
        many = f"{len(found)} adapter{'s' * (len(found) != 1)}"
        yield f"<p>{many}</p>", gr.Radio(choices, value=None, visible=True), gr.Button(interactive=False)

    def open_repo(
        key: Any,
        repo_id: str | None,
        typed: str,
        changed: int,
        oauth: gr.OAuthToken | None,
        request: gr.Request,
        spare: bool = False,
    ) -> tuple[list[str], int, Any]:
        token = token_of(typed, oauth, request)
        entry = studio.pull(_id(repo_id or ""), token=token, visitor=own(key), spare=spare)
        return [entry.id], changed + 1, gr.Tabs(selected="compare")

    def follow(
        key: Any, changed: int, publishing: str, oauth: gr.OAuthToken | None, request: gr.Request
    ) -> Any:
        """Opens the adapter that the page's address names; an address takes no other adapter's room."""
        wanted = request.query_params.get("adapter")
        # Back from the Hub's sign-in the address is that of before, but the visitor was about to publish.
        if not wanted or publishing.startswith(AWAY):
            return gr.skip(), gr.skip(), gr.skip()
        return open_repo(key, wanted, "", changed, oauth, request, spare=True)

    quiet: dict[str, Any] = {**page.private, "show_progress": "hidden"}
    slow: dict[str, Any] = {**page.private, "show_progress": "minimal"}
    tab = page.tabs.children[-1]
    assert isinstance(tab, gr.Tab)
    opened = [page.chosen, page.shelf_changed, page.tabs]
    # Nothing is asked of the Hub before somebody comes here.
    gr.on(
        [tab.select, refresh.click, token.submit, listing.click],
        look,
        [token],
        [status, rows, compare],
        # A token that comes while the Hub is still asked without one counts.
        trigger_mode="always_last",
        **quiet,
    )
    rows.change(lambda id: gr.Button(interactive=bool(id)), [rows], [compare], **quiet)
    rows.change(None, [rows], [link], js=_LINK, api_visibility="private")
    compare.click(friendly(open_repo), [page.visitor, rows, token, page.shelf_changed], opened, **slow)
    inputs = [page.visitor, typed_id, token, page.shelf_changed]
    gr.on([fetch.click, typed_id.submit], friendly(open_repo), inputs, opened, **slow)
    page.arrived.change(
        friendly(follow), [page.visitor, page.shelf_changed, page.publishing], opened, **quiet
    )


def _id(text: str) -> str:
    """A repo's id as it is pasted: alone or as its address."""
    return text.strip().removeprefix("https://huggingface.co/").strip("/")


def _row(found: Found) -> str:
    seen = "private · " if found.private else ""
    return f"{found.repo_id}\n{seen}{_many(found.downloads, 'download')} · {_many(found.likes, 'like')}"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
