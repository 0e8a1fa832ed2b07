"""The Publish tab: an adapter of the shelf becomes a repo on the Hub, under the visitor's own sign-in.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import html
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import gradio as gr

from t2l.studio import MAX_PROMPT, Decoding, Measured, Published, Sample, T2LError, Told
from t2l.ui.common import AWAY, Page, friendly, paced, without_places
from t2l.ui.visit import own, signs_in_by_button, token_field, token_of

CSS = """
#publish-said { min-height: 3em; }
#publish-card {
  max-height: 36em; overflow-y: auto; padding: var(--spacing-xl); overflow-wrap: anywhere;
  border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
}
#publish-card h1 { font-size: 1.35em; }
#publish-card h2 { font-size: 1.1em; }
#publish-card code, #publish-use code { white-space: pre-wrap; overflow-wrap: anywhere; }
#publish-files :is(table, tr) { width: 100%; border: 0; border-collapse: collapse; }
#publish-files td {
  padding: var(--spacing-sm) 0; border: 0; border-bottom: 1px solid var(--border-color-primary);
}
#publish-files td:last-child { text-align: right; white-space: nowrap; }
"""

EMPTY = "Nothing to publish yet: describe a task under Compare first."
MODES = [("A new repo", "new"), ("An update of a repo", "update"), ("A pull request to a repo", "pr")]
# Stands in for an owner who is not known yet.
_SOMEBODY = "you"
_SAMPLE_TOKENS = 64
# Which adapter has answered, and to which prompt: none yet.
_NOBODY = ("", "")


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio = page.studio
    by_button = signs_in_by_button()
    with gr.Row():
        with gr.Column(min_width=320):
            adapter = gr.Dropdown(
                [], label="Adapter", info=EMPTY, elem_id="publish-adapter", elem_classes="t2l-choice"
            )
            login = gr.LoginButton(elem_id="publish-login") if by_button else None
            with gr.Row(visible=not by_button, elem_classes="t2l-end"):
                token = token_field("publish-token", "One that may write, made in your settings on the Hub.")
                greeting = gr.Button("Check", elem_id="publish-check", scale=0, min_width=90)
            who = gr.HTML("", elem_id="publish-who", elem_classes="t2l-line")
            with gr.Row():
                owner = gr.Dropdown(
                    [],
                    label="Owner",
                    info="You, or an organisation.",
                    filterable=False,
                    elem_id="publish-owner",
                    min_width=130,
                )
                repo = gr.Textbox(
                    "",
                    label="Repo name",
                    info="Looked up when you leave the field. Of somebody else: owner/name.",
                    max_length=200,
                    max_lines=1,
                    elem_id="publish-repo",
                    scale=2,
                    min_width=180,
                )
            state = gr.HTML("", elem_id="publish-state", elem_classes="t2l-line")
            private = gr.Checkbox(
                True,
                label="Private",
                info="A repo that is public is then refused.",
                elem_id="publish-private",
            )
            mode = gr.Radio(MODES, value="new", label="As", elem_id="publish-mode")
            license = gr.Dropdown(
                [],
                label="Licence of the base",
                info="It is not known here: read it, and choose it.",
                visible=False,
                elem_id="publish-license",
            )
            with gr.Accordion("Words for the card", open=False, elem_id="publish-words"):
                heading = gr.Textbox(
                    "",
                    label="Title",
                    info="Empty: the description.",
                    max_length=80,
                    max_lines=1,
                    elem_id="publish-title",
                )
                notes = gr.Textbox(
                    "", label="Notes", info="Plain text.", lines=3, max_length=4000, elem_id="publish-notes"
                )
                prompt = gr.Textbox(
                    "",
                    label="A sample: its prompt",
                    info="Base and adapter answer it here; the card can show both.",
                    max_length=MAX_PROMPT,
                    elem_id="publish-prompt",
                    submit_btn="Answer",
                )
                with gr.Row():
                    base = gr.Textbox("", label="Base", lines=3, interactive=False, elem_id="publish-base")
                    adapted = gr.Textbox(
                        "", label="Adapted", lines=3, interactive=False, elem_id="publish-adapted"
                    )
                included = gr.Checkbox(False, label="Show the sample in the card", elem_id="publish-sample")
                counted = gr.Checkbox(
                    False,
                    label="Say how it did on your examples",
                    visible=False,
                    elem_id="publish-measured",
                )
            with gr.Row():
                go = gr.Button("Publish", variant="primary", elem_id="publish-go", min_width=140)
                download = gr.DownloadButton(
                    "Download zip instead", interactive=False, elem_id="publish-download", min_width=140
                )
            said = gr.HTML("", elem_id="publish-said", elem_classes="t2l-line")
        with gr.Column(min_width=320):
            files = gr.HTML("", elem_id="publish-files", elem_classes="t2l-line")
            card = gr.Markdown("", visible=False, elem_id="publish-card", latex_delimiters=[])
    use = gr.Markdown("", elem_id="publish-use", latex_delimiters=[])
    # Which adapter has answered, beside the base, and to which prompt.
    answered = gr.State(_NOBODY)

    def list_adapters(key: Any, wanted: str) -> Any:
        names = {entry.id: entry.name for entry in studio.adapters(visitor=own(key))}
        value = wanted if wanted in names else next(iter(names), None)
        return gr.Dropdown([(n, id) for id, n in names.items()], value=value, info="" if names else EMPTY)

    def begin(key: Any, id: str | None) -> list[Any]:
        """What is suggested for another adapter; what was said of the last one goes."""
        gone = ["", "", "", "", "", _NOBODY, False, "", "", ""]
        if not id:
            return ["", gr.Dropdown(visible=False), gr.DownloadButton(interactive=False), *gone]
        licenses = studio.licenses(id, visitor=own(key))
        return [
            studio.suggest_name(id, visitor=key),
            gr.Dropdown(licenses, value=None, visible=bool(licenses)),
            gr.DownloadButton(value=str(studio.zip(id, visitor=key)), interactive=True),
            *gone,
        ]

    def words(id: str | None, told: Sequence[Any]) -> Told:
        """What the visitor adds to the card."""
        licensed, title, noted, (by, question), left, right, shown, count, measured = told
        # With the prompt that was answered, whatever the field holds now, and by this adapter.
        sample = Sample(question, left, right) if shown and question and by == id else None
        return Told(
            " ".join(title.split()), noted, licensed or "", measured.get(id) if count else None, sample
        )

    def offer(id: str | None, measured: dict[str, Measured]) -> Any:
        """What the Examples tab has counted may go on the card."""
        if (of := measured.get(id or "")) is None:
            return gr.Checkbox(False, visible=False)
        told = f"{of.adapted} of {of.n} right, strictly; the base {of.base}."
        return gr.Checkbox(False, info=told, visible=True)

    def preview(key: Any, id: str | None, of: str | None, name: str, *told: Any) -> tuple[str, Any]:
        if not id:
            return "", gr.Markdown("", visible=False)
        try:
            where = _id(of or _SOMEBODY, name)
            made = studio.preview(id, where, words(id, told), visitor=own(key))
        except T2LError as err:
            # While it is being typed: said beside the card, not as the fault of an action.
            return _line("✗", str(err)), gr.Markdown("", visible=False)
        sizes = {name: len(data) for name, data in made.items()}
        rows = "".join(f"<tr><td>{html.escape(n)}</td><td>{_size(s)}</td></tr>" for n, s in sizes.items())
        total = f"{len(sizes)} files, {_size(sum(sizes.values()))}, in one commit:"
        return f"<p>{total}</p><table>{rows}</table>", gr.Markdown(_body(made), visible=True)

    def identify(
        typed: str, of: str | None, oauth: gr.OAuthToken | None, request: gr.Request
    ) -> tuple[Any, Any]:
        if not (secret := token_of(typed, oauth, request)):
            return "", gr.skip()
        try:
            me = studio.identity(secret)
        except T2LError as err:
            return _line("✗", str(err)), gr.skip()
        names = list(me.namespaces)
        choices = gr.Dropdown(names, value=of if of in names else me.name)
        if not me.may_write:
            return _line("✗", f"You are {me.name}, but this token may only read; give another."), choices
        return _line("✓", f"You are {me.name}."), choices

    def greet(
        typed: str, of: str | None, greeted: str, oauth: gr.OAuthToken | None, request: gr.Request
    ) -> tuple[Any, Any]:
        # Once a visit: the Hub does not want to be asked this often.
        return (gr.skip(), gr.skip()) if greeted.startswith("<p>✓") else identify(typed, of, oauth, request)

    def check(
        key: Any,
        id: str | None,
        of: str | None,
        name: str,
        typed: str,
        oauth: gr.OAuthToken | None,
        request: gr.Request,
    ) -> str:
        secret = token_of(typed, oauth, request)
        if not (id and of and secret):
            return ""
        try:
            found = studio.check_name(id, _id(of, name), secret, visitor=own(key))
        except T2LError as err:
            return _line("✗", str(err))
        before = {"same": "Already published here: ", "update": "Choose “An update of a repo”: "}
        return _line("✗" if found.state == "taken" else "✓", before.get(found.state, "") + found.message)

    def answer(
        key: Any, id: str | None, question: str
    ) -> Iterator[tuple[str, str, tuple[str | None, str], bool]]:
        adapter = studio.adapter(id or "", visitor=own(key))
        decoding = Decoding(min(_SAMPLE_TOKENS, studio.limits.new_tokens))
        left = right = ""
        growing = studio.compare(question, [adapter], decoding)
        for left, right in paced(growing):
            yield left, right, _NOBODY, False
        yield left, right, (id, question), True

    def come_back(wanted: str) -> tuple[Any, Any]:
        if not wanted.startswith(AWAY):
            return gr.skip(), gr.skip()
        return gr.Tabs(selected="publish"), wanted.removeprefix(AWAY)

    def publish(
        key: Any,
        id: str | None,
        of: str | None,
        name: str,
        typed: str,
        hidden: bool,
        how: str,
        oauth: gr.OAuthToken | None,
        request: gr.Request,
        *told: Any,
    ) -> Iterator[tuple[str, str]]:
        steps: list[str] = []
        visitor = own(key)
        try:
            if not (secret := token_of(typed, oauth, request)):
                way = "sign in with the button above" if by_button else "give a token above"
                raise T2LError(f"Publishing needs your sign-in to the Hub; {way}.")
            if not id:
                raise T2LError(EMPTY)
            where = _id(of or studio.identity(secret).name, name)
            more = words(id, told)
            lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            options = {"visitor": visitor, "private": hidden, "mode": how, "progress": lines.put}
            # In a thread that nobody waits for: whoever leaves the page neither cuts the upload off nor holds
            # up the server, which ends this generator in its own thread.
            alone = ThreadPoolExecutor(1)
            task = alone.submit(studio.publish, id, where, secret, **options, **vars(more))
            alone.shutdown(wait=False)
            task.add_done_callback(lambda _: lines.put(None))
            while (line := lines.get()) is not None:
                steps.append(line)
                yield _steps(steps), ""
            made = task.result()
        except T2LError as err:
            there = {entry.id for entry in studio.adapters(visitor=visitor)}
            kept = " The adapter is still on your shelf, and the zip is at hand." if id in there else ""
            yield _steps(steps) + _line("✗", f"{err}{kept}"), ""
            raise
        how_to_use = ""
        # Published it is, even where it has left the shelf meanwhile.
        with suppress(T2LError):
            how_to_use = _use(made.repo_id, _body(studio.preview(id, made.repo_id, more, visitor=visitor)))
        yield _steps(steps) + _result(made, steps), how_to_use

    quiet: dict[str, Any] = {**page.private, "show_progress": "hidden"}
    # What changes while the last change is still being shown is shown after it; else gradio would drop it.
    late: dict[str, Any] = {**quiet, "trigger_mode": "always_last"}
    tab = page.tabs.children[-1]
    assert isinstance(tab, gr.Tab)
    told = [license, heading, notes, answered, base, adapted, included, counted, page.measured]
    place = [page.visitor, adapter, owner, repo]
    # What has no other words than these: its errors are lines of the page.
    seen = (preview, [*place, *told], [files, card])
    looked = (check, [*place, token], [state])
    tab.select(friendly(list_adapters), [page.visitor, page.publishing], [adapter], **quiet)
    gr.on([adapter.change, page.measured.change], offer, [adapter, page.measured], [counted], **quiet)
    tab.select(greet, [token, owner, who], [who, owner], **quiet)
    adapter.input(lambda id: id, [adapter], [page.publishing], **quiet)
    asked = prompt.submit(
        friendly(answer), [page.visitor, adapter, prompt], [base, adapted, answered, included], **quiet
    )
    asked.then(*seen, **late)
    # What is being answered is another adapter's: it ends before the fields are emptied.
    adapter.change(None, cancels=[asked], api_visibility="private").then(
        friendly(begin),
        [page.visitor, adapter],
        [
            repo,
            license,
            download,
            heading,
            notes,
            prompt,
            base,
            adapted,
            answered,
            included,
            state,
            said,
            use,
        ],
        **quiet,
    ).then(*seen, **late).then(*looked, **late)
    gr.on([token.submit, token.blur, greeting.click], identify, [token, owner], [who, owner], **quiet)
    # One listener whose second step follows the first: a name is looked up once its preview is there.
    gr.on([repo.blur, repo.submit, owner.change], *seen, **late).then(*looked, **late)
    gr.on([heading.blur, notes.blur, license.input, included.change, counted.change], *seen, **late)
    go.click(friendly(publish), [*place, token, private, mode, *told], [said, use], **quiet)
    if login is not None:
        # Whoever leaves for the Hub's own sign-in comes back to this tab.
        away = f"id => '{AWAY}' + (id || '')"
        login.click(None, [adapter], [page.publishing], js=away, api_visibility="private")
        page.arrived.change(come_back, [page.publishing], [page.tabs, page.publishing], **quiet)


def _id(owner: str, name: str) -> str:
    """Where to: a name may bring another owner along."""
    name = name.strip()
    return name if "/" in name else f"{owner}/{name}"


def _line(mark: str, text: str) -> str:
    return f"<p>{mark} {html.escape(without_places(text))}</p>"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _steps(steps: Sequence[str]) -> str:
    return "".join(_line("·", line) for line in steps)


def _body(files: dict[str, bytes]) -> str:
    """The card without its front matter, which is for the Hub."""
    return files["README.md"].decode().split("---\n", 2)[2]


def _result(made: Published, steps: Sequence[str]) -> str:
    """Where it is now, as a link."""
    seen = "private" if made.private else "public"
    what, url = f"{made.repo_id} ({seen})", made.url
    if made.pull_request_url:
        what, url = f"the pull request to {made.repo_id}", made.pull_request_url
    done = "Published" if any(line.startswith("Uploading") for line in steps) else "It was there already"
    link = f'<a href="{html.escape(url)}" target="_blank" rel="noopener">{html.escape(what)}</a>'
    return f"<p>✓ {done}: {link}</p>"


def _use(repo_id: str, body: str) -> str:
    """How to use what was published: the card's own words, and two lines more."""
    # The last such headings are the card's; what people wrote stands before them.
    lines = body.rpartition("\n## Use it\n")[2].rpartition("\n## Limits\n")[0].strip()
    name = repo_id.rpartition("/")[2]
    return (
        f"### Use it\n\n{lines}\n\nIn one line, with transformers where PEFT is installed:\n\n"
        f'```python\nmodel = AutoModelForCausalLM.from_pretrained("{repo_id}")\n```\n\n'
        f"As a folder, with this program:\n\n```bash\nt2l pull {repo_id} --out {name}\n```\n"
    )
