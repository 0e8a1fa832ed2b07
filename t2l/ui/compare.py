"""The Compare tab: a description becomes an adapter; the base's and the adapted answers grow side by side.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from html import escape
from pathlib import PurePath
from typing import Any

import gradio as gr

from t2l.studio import Decoding, Entry, Hint, Likeness, Made, Studio, T2LError, read_solved, tasks_said
from t2l.ui import about, link
from t2l.ui.answers import Column, render_answers, render_empty
from t2l.ui.common import Page, friendly, paced, spoken
from t2l.ui.visit import own, token_of

# By kind: what the chip says, the description, an input for it. The default checkpoint answers all rightly.
EXAMPLES: dict[str, list[tuple[str, str, str]]] = {
    "Words": [
        ("plural", "Output the plural of the noun.", "hammer"),
        ("past tense", "Give the past tense of the verb.", "write"),
        ("opposite", "Give the opposite of the word.", "cheap"),
    ],
    "Find": [
        (
            "e-mail address",
            "Extract the e-mail address from the text.",
            "Write to Nadia at nadia.novak@example.org before noon.",
        ),
        ("price", "Extract the price from the text.", "The grey coat is on sale for $49.90 until Sunday."),
        (
            "person",
            "Extract the name of the person from the sentence.",
            "The prize went to Alan Turner for his novel.",
        ),
    ],
    "Format": [
        ("snake_case", "Write the phrase in snake_case.", "current account balance"),
        (
            "JSON array",
            "Turn the comma separated list into a JSON array.",
            "milk, brown rice, olive oil",
        ),
        ("last name first", "Write the name with the last name first.", "Anna Berg"),
    ],
    "Classify": [
        ("review", "Say whether the review is positive or negative.", "A modest masterpiece."),
        ("language", "Name the language of the sentence.", "Où est la gare ?"),
        ("formality", "Say whether the text is formal or informal.", "hey, what's up with the report?"),
    ],
    "Recall": [
        ("capital", "Give the capital of the country.", "Norway"),
        ("landmark", "Name the country of the landmark.", "Mount Fuji"),
    ],
    "Rewrite": [
        ("passive voice", "Rewrite the sentence in the passive voice.", "The cat chased the mouse."),
        ("Roman numeral", "Write the number as a Roman numeral.", "39"),
    ],
}

IDLE = "<p>While you write, this says which trained task is nearest, and what brings it nearer.</p>"
# Fewer characters are no description yet.
_LEAST_TYPED = 8
_STOPPED = """() => {
  document.querySelector("#answers .answers")?.setAttribute("aria-busy", "false");
  return '<p role="status">Stopped.</p>';
}"""


def build(page: Page) -> None:
    """Adds the tab's components and events to the surrounding Blocks."""
    studio = page.studio
    most = studio.limits
    # The description that the last adapter was made from, as a digest, and the conversations so far.
    made_from = gr.State("")
    talk = gr.State({})
    # Of a link, what follows the "#".
    part = gr.Textbox("", visible=False)
    waking = gr.Timer(0.5)
    # Screen readers hear from it that an answer was copied.
    gr.HTML('<p role="status" class="unseen"></p>', elem_id="copied")
    loading = gr.HTML("", elem_id="loading")
    with gr.Row(elem_classes="compare"):
        with gr.Column(elem_classes="describe"):
            first = "text" if "text" in studio.reads else "prompts"
            how = gr.Radio(
                [("Describe it", "text"), ("Show examples", "prompts")],
                value=first,
                label="What the adapter is made from",
                visible=len(studio.reads) > 1,
                elem_id="how",
            )
            # Nothing stands around the description where there is nothing to choose.
            with (
                gr.Column(visible=first == "text") if "prompts" in studio.reads else nullcontext() as telling
            ):
                description = gr.Textbox(
                    label="Task description",
                    placeholder="One or two sentences that say what to do with an input.",
                    lines=3,
                    max_length=most.description,
                    elem_id="description",
                )
                with gr.Row(elem_classes="under"):
                    hints = gr.HTML(IDLE, elem_id="hints")
                    counter = gr.HTML(_counter(0, most.description), elem_id="counter")
                chips = _chips()
            with gr.Column(visible=first == "prompts", elem_id="showing") as showing:
                shown = gr.Textbox(
                    label="Example prompts",
                    info="Inputs of the task without answers, one a line; some 16 are best.",
                    lines=8,
                    max_lines=16,
                    elem_id="shown",
                )
                tell = gr.Checkbox(label="Let them stand on the adapter's card", elem_id="tell")
            with gr.Row():
                generate = gr.Button("Generate adapter", variant="primary", elem_id="generate", min_width=140)
                add = gr.Button("Add beside", elem_id="add", min_width=120)
            status = gr.HTML(spoken("No adapter yet."), elem_id="status")
        with gr.Column(elem_classes="ask"):
            prompt = gr.Textbox(
                label="Prompt",
                placeholder="The input alone, such as: hammer (Enter compares)",
                lines=1,
                max_lines=8,
                max_length=most.prompt,
                elem_id="prompt",
            )
            with gr.Row():
                ask = gr.Button("Compare", variant="primary", elem_id="ask", min_width=140)
                stop = gr.Button("Stop", elem_id="stop", min_width=100)
            strength = gr.Slider(
                -1,
                2,
                value=1,
                step=0.05,
                label="Strength",
                info="Of every adapter: 0 is exactly the base, below 0 pushes the other way.",
                elem_id="strength",
            )
            with gr.Row(elem_classes="options"):
                say = gr.Checkbox(
                    label="Say the task in the prompt too, to all columns",
                    info="Adapters of a checkpoint that was trained so are told it anyway.",
                    elem_id="say",
                )
                control = gr.Checkbox(label="Control: adapter of an unrelated description", elem_id="control")
                keep = gr.Checkbox(label="Keep the conversation", elem_id="keep")
                fresh = gr.Button("New conversation", size="sm", elem_id="fresh")
            note = gr.HTML(spoken("Nothing asked yet."), elem_id="note")
            answers = gr.HTML(render_empty(), elem_id="answers")
            with gr.Accordion("Solved examples in the prompt", open=False, elem_id="solving"):
                solved = gr.Textbox(
                    label="Solved examples",
                    info="One a line: input => answer. Every column reads them before the prompt.",
                    lines=3,
                    max_lines=16,
                    elem_id="solved",
                )
            with gr.Accordion("Decoding", open=False, elem_id="decoding"):
                settings = _settings(most.new_tokens)
            with gr.Row(elem_classes="t2l-end"):
                shared = gr.Textbox(
                    "",
                    label="Link to this comparison",
                    info="Its adapters, prompt and strength: made again where it is opened.",
                    interactive=False,
                    max_lines=1,
                    buttons=["copy"],
                    elem_id="link",
                    scale=4,
                    min_width=200,
                )
                share = gr.Button("Make a link", elem_id="share", scale=0, min_width=120)
            about.build(page)
        with gr.Column(elem_classes="choose"):
            columns = gr.Dropdown(
                [],
                multiselect=True,
                max_choices=most.adapters,
                label="Adapters beside the base",
                info=f"From your shelf, at most {most.adapters}.",
                elem_id="columns",
            )
            download = gr.DownloadButton("Download zip", interactive=False, elem_id="download")
            checkpoint = gr.Dropdown(
                checkpoint_choices(studio),
                value="",
                label="Checkpoint",
                info="The hypernetwork that makes the adapter.",
                elem_id="checkpoint",
            )

    def make(key: str, text: str, name: str, prompts: list[str] | None, told: bool) -> tuple[Made, str]:
        if prompts is not None:
            readers = {c.name for c in studio.checkpoints() if c.reads == "prompts"}
            name = name if name in readers else ""
            made = studio.show(prompts, checkpoint=name, visitor=own(key), tell=told)
            return made, render_made(made, Likeness((), None))
        made = studio.describe(text, checkpoint=name, visitor=own(key))
        return made, render_made(made, studio.likeness(text, checkpoint=name))

    def only(key: str, text: str, name: str, count: int, *given: Any) -> tuple:
        prompts, told, digest = _given(text, name, *given)
        made, line = make(key, text, name, prompts, told)
        return line, [made.adapter.id], digest, count + 1

    def beside(key: str, text: str, name: str, count: int, chosen: list[str], *given: Any) -> tuple:
        check_columns([*chosen, ""], most.adapters)
        prompts, told, digest = _given(text, name, *given)
        made, line = make(key, text, name, prompts, told)
        ids = list(dict.fromkeys([*chosen, made.adapter.id]))
        return line, ids, digest, count + 1

    def ensure(
        key: str, text: str, name: str, count: int, chosen: list[str], before: str, *given: Any
    ) -> tuple:
        prompts, _, digest = _given(text, name, *given)
        said = text.strip() if prompts is None else prompts
        # A description that no adapter was made from, or one whose adapter is gone: nobody is to be answered
        # by an old one.
        changed = not chosen or (said and digest != before)
        if changed or not {entry.id for entry in studio.adapters(visitor=own(key))}.issuperset(chosen):
            return only(key, text, name, count, *given)
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()

    def answer(
        key: str,
        chosen: list[str],
        question: str,
        scale: float,
        say_task: bool,
        examples: str,
        with_control: bool,
        name: str,
        go_on: bool,
        said: dict[str, Any],
        *values: Any,
    ) -> Iterator[tuple]:
        key, decoding = own(key), read_decoding(*values)
        names = {id: label for label, id in adapter_choices(studio.adapters(visitor=key))}
        adapters = [studio.adapter(id, visitor=key) for id in check_columns(chosen, most.adapters)]
        detail, told = f"strength {scale:g}", tasks_said(adapters, say_task)
        alone, *beside_it = [", told the task" if text else "" for text in told or [""]]
        heads = [("Base", f"without an adapter{alone}")]
        heads += [(names.get(id, id), detail + how) for id, how in zip(chosen, beside_it, strict=True)]
        if with_control:
            # Of the first column's task, or of its name where nobody knows the task.
            other = studio.control(adapters[0].condition or heads[1][0], checkpoint=name)
            adapters.append(other)
            # It differs from the first column in its adapter alone.
            told += told[:1]
            heads.append(("Control", f"{detail}, made from: {other.label}"))
        ids = [adapter.id for adapter in adapters]
        earlier = said["turns"] if go_on and said.get("ids") == ids else [[] for _ in heads]
        growing = studio.compare(
            question,
            [adapter.weights for adapter in adapters],
            decoding,
            [round(scale, 2)] * len(adapters),
            [chat(turns) for turns in earlier],
            told,
            read_solved(examples or ""),
        )

        def picture(texts: Sequence[str], growing: bool) -> str:
            shown = [
                Column(title, detail, text, question if go_on else "", turns)
                for (title, detail), text, turns in zip(heads, texts, earlier, strict=True)
            ]
            return render_answers(shown, growing=growing)

        start = time.monotonic()
        texts = [""] * len(heads)
        yield picture(texts, True), spoken("Answering…"), gr.skip()
        try:
            for texts in paced(growing):
                yield picture(texts, True), gr.skip(), gr.skip()
        except Exception:
            # The message goes away; what stays must not say that an answer is coming.
            yield picture(texts, False), spoken(""), gr.skip()
            raise
        turns = [[*before, question, text] for before, text in zip(earlier, texts, strict=True)]
        kept = {"ids": ids, "turns": turns} if go_on else {}
        yield picture(texts, False), spoken(f"Done in {time.monotonic() - start:.1f} s."), kept

    def refresh(key: str, chosen: list[str]) -> tuple[Any, Any, Any]:
        """The shelf or the choice has changed, in this tab or in another one, or the page was opened."""
        entries = studio.adapters(visitor=own(key))
        ids = [id for id in chosen if id in {entry.id for entry in entries}]
        choices = gr.Dropdown(choices=adapter_choices(entries), value=ids)
        file = str(studio.zip(ids[-1], visitor=key)) if ids else None
        return choices, gr.DownloadButton(value=file, interactive=bool(ids)), _changed(ids, chosen)

    def hint(text: str, name: str) -> str:
        if len(text.strip()) < _LEAST_TYPED or not studio.ready:
            return IDLE
        # What is wrong with a text is said when it is sent, not at every key.
        with suppress(T2LError):
            return render_hints(studio.likeness(text, checkpoint=name), studio.hints(text, checkpoint=name))
        return IDLE

    def to_share(
        key: str, chosen: list[str], question: str, scale: float, say_task: bool, examples: str
    ) -> str:
        shared = link.Shared((), question, scale, say_task, examples or "")
        return link.write(studio, chosen, shared, visitor=own(key))

    def follow(
        key: str, said: str, count: int, oauth: gr.OAuthToken | None, request: gr.Request
    ) -> tuple[Any, ...]:
        """Opens the comparison that the page's address holds."""
        if not said:
            return (gr.skip(),) * 6
        found = link.read(said, most.adapters)
        ids = link.make(studio, found, token=token_of("", oauth, request), visitor=own(key))
        return ids or gr.skip(), count + 1, found.prompt, found.strength, found.told, found.solved

    def awake() -> tuple[str, gr.Timer]:
        line = "" if studio.ready else spoken("The model is loading; you can write meanwhile.")
        return line, gr.Timer(active=not studio.ready)

    options = {**page.private, "show_progress": "hidden"}
    quick = {**options, "queue": False}
    silent: dict[str, Any] = {"api_visibility": "private"}
    what = [page.visitor, description, checkpoint, page.shelf_changed]
    outputs = [status, page.chosen, made_from, page.shelf_changed]
    given = [how, shown, tell]
    generate.click(friendly(only), [*what, *given], outputs, **options)
    add.click(friendly(beside), [*what, page.chosen, *given], outputs, **options)
    asked = gr.on(
        [ask.click, prompt.submit],
        friendly(ensure),
        [*what, page.chosen, made_from, *given],
        outputs,
        **options,
    )
    answered = asked.success(
        friendly(answer),
        [
            page.visitor,
            page.chosen,
            prompt,
            strength,
            say,
            solved,
            control,
            checkpoint,
            keep,
            talk,
            *settings,
        ],
        [answers, note, talk],
        # A question while an answer grows is answered after it, or after Stop; else gradio would drop it.
        trigger_mode="always_last",
        **options,
    )
    # The first cancels on the server, which stops the model; the second tells so at once.
    stop.click(None, cancels=[asked, answered], **silent)
    stop.click(None, None, [note], js=_STOPPED, **silent)
    # What is being answered belongs to the old conversation, and would bring it back.
    fresh.click(None, cancels=[asked, answered], **silent).then(
        lambda: ({}, render_empty(), spoken("A new conversation.")), None, [talk, answers, note], **quick
    )
    # The address is the one that the visitor sees, whatever stands before this server.
    share.click(
        friendly(to_share), [page.visitor, page.chosen, prompt, strength, say, solved], [part], **options
    ).success(None, [part], [shared], js="part => location.origin + location.pathname + '#' + part", **silent)
    # What was made for another comparison is no link to this one.
    for changed in (page.chosen, prompt, strength, say, solved):
        changed.change(None, None, [shared], js="() => ''", **silent)
    page.arrived.change(
        friendly(follow),
        [page.visitor, part, page.shelf_changed],
        [page.chosen, page.shelf_changed, prompt, strength, say, solved],
        js="(key, _, count) => [key, location.hash.slice(1), count]",
        **options,
    )
    columns.input(lambda ids: ids or [], [columns], [page.chosen], **quick)
    gr.on(
        [page.arrived.change, page.chosen.change, page.shelf_changed.change],
        friendly(refresh),
        [page.visitor, page.chosen],
        [columns, download, page.chosen],
        trigger_mode="multiple",
        **options,
    )
    # Not `input`, which gradio sends for pressed keys alone: not for what is pasted, deleted or filled in.
    gr.on(
        [description.change, checkpoint.change],
        friendly(hint),
        [description, checkpoint],
        [hints],
        trigger_mode="always_last",
        **options,
    )
    count = f"text => '{_counter('%', most.description)}'.replace('%', text.length.toLocaleString('en'))"
    description.change(None, [description], [counter], js=count, **silent)
    if telling is not None:
        sides = [gr.Column(visible=True), gr.Column(visible=False)]
        how.change(lambda kind: sides if kind == "text" else sides[::-1], [how], [telling, showing], **quick)
    for chip, filled in chips:
        chip.click(None, None, [description, prompt], js=f"() => {json.dumps(filled)}", **silent)
    waking.tick(awake, None, [loading, waking], **quick)


def _chips() -> list[tuple[gr.Button, list[str]]]:
    """The examples as buttons, with the description and the prompt that each one fills in."""
    chips = []
    with gr.Column(elem_id="examples"):
        gr.HTML("<h3>Try one</h3>")
        for kind, examples in EXAMPLES.items():
            with gr.Row(elem_classes="chips"):
                gr.HTML(f"<span>{kind}</span>")
                for label, *filled in examples:
                    chips.append((gr.Button(label, size="sm", elem_classes="chip"), filled))
    return chips


def _settings(most_tokens: int) -> list[Any]:
    """The components that `read_decoding` reads, in its order; what cannot work it refuses with a reason."""
    standard = Decoding()
    with gr.Row(elem_classes="settings"):
        numbers = [
            gr.Number(value, label=label, info=info, elem_id=id, min_width=150)
            for label, id, value, info in (
                ("Max new tokens", "max-new-tokens", standard.max_new_tokens, f"1 to {most_tokens:,}"),
                ("Temperature", "temperature", standard.temperature, "0 takes the likeliest word"),
                ("Top-p", "top-p", standard.top_p, "1 switches it off"),
                ("Top-k", "top-k", standard.top_k, "0 switches it off"),
                ("Repetition penalty", "repetition-penalty", standard.repetition_penalty, "1 is none"),
                ("Seed", "seed", standard.seed, "the same for every column"),
            )
        ]
    stop = gr.Textbox(
        label="Stop strings",
        info="One per line; an answer ends before the first that it would say.",
        lines=2,
        elem_id="stop-strings",
    )
    return [*numbers, stop]


def read_decoding(
    tokens: Any, temperature: Any, p: Any, k: Any, penalty: Any, seed: Any, stop: str
) -> Decoding:
    """The settings of the page; raises T2LError for an empty box, for 1.5 tokens, and as Decoding does."""
    return Decoding(
        max_new_tokens=_whole("Max new tokens", tokens),
        temperature=_number("Temperature", temperature),
        top_p=_number("Top-p", p),
        top_k=_whole("Top-k", k),
        repetition_penalty=_number("Repetition penalty", penalty),
        seed=_whole("Seed", seed),
        stop=tuple(line for line in (stop or "").splitlines() if line),
    )


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise T2LError(f"{name} is empty; give a number.")
    return value


def _whole(name: str, value: Any) -> int:
    if _number(name, value) % 1:
        raise T2LError(f"{name} must be a whole number, not {value:g}.")
    return int(value)


def check_columns(ids: list[str], most: int) -> list[str]:
    """The ids; raises T2LError where they are more than stand beside the base."""
    if len(ids) > most:
        raise T2LError(f"At most {most} adapters stand beside the base, not {len(ids)}; remove one.")
    return ids


def chat(turns: Sequence[str]) -> list[dict[str, str]]:
    """Questions and answers in turn as the messages of a conversation."""
    return [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(turns)]


def checkpoint_choices(studio: Studio) -> list[tuple[str, str]]:
    """What the page shows and means; "" is the default, which may be a folder of any name."""
    default = PurePath(studio.checkpoint).name
    choices = {default: (default, "")}
    for found in studio.checkpoints():
        label = found.name if found.tasks is None else f"{found.name} · {found.tasks} tasks"
        choices[found.name] = (label, "" if found.name == default else found.name)
    return list(choices.values())


def adapter_choices(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Names and ids; where two adapters have one name, the id tells them apart."""
    names = [entry.name for entry in entries]
    return [
        (entry.name if names.count(entry.name) == 1 else f"{entry.name} ({entry.id[:6]})", entry.id)
        for entry in entries
    ]


def render_made(made: Made, likeness: Likeness) -> str:
    """What was made, and a warning where less is to be expected of it."""
    adapter = made.adapter
    warning = f'<p class="warning">{escape(likeness.warning)}</p>' if likeness.warning else ""
    return (
        f'<p role="status">Adapter <code>{adapter.id}</code>: <b>{made.seconds * 1000:.0f} ms</b> · '
        f"{made.bytes / 1e6:.1f} MB · rank {adapter.spec.rank} · {escape(adapter.generator)}</p>"
        '<p class="quiet">The time that encoder and network took; the adapter\'s size; how many directions '
        f"it changes in a module; the checkpoint that made it.</p>{warning}"
    )


def render_hints(likeness: Likeness, hints: Sequence[Hint]) -> str:
    """The nearest trained task of what is typed, and buttons with what brings it nearer."""
    if not likeness.nearest:
        return IDLE
    near = likeness.nearest[0]
    buttons = "".join(
        f'<p>Adding <button type="button" data-append="{escape(hint.addition)}">{escape(hint.addition)}'
        f"</button> brings it nearer: {hint.before:.2f} → {hint.after:.2f} ({escape(hint.nearest)})</p>"
        for hint in hints
    )
    far = "" if likeness.far is None else f", and below {likeness.far:.2f} less is to be expected"
    return (
        f"<p>Nearest trained task: {escape(near.name)}, similarity {near.similarity:.2f}</p>"
        f'<p class="quiet">1 means the same words{far}; much of what is near fails too.</p>{buttons}'
    )


def _counter(typed: int | str, most: int) -> str:
    return f"<p>{typed} / {most:,}</p>"


def _given(
    text: str, checkpoint: str, how: str, shown: str, told: bool
) -> tuple[list[str] | None, bool, str]:
    """The prompts, None where a description is meant; whether they may be told; a digest of what is given."""
    if how == "text":
        return None, False, _digest(text, checkpoint)
    prompts = [line for line in (shown or "").splitlines() if line.strip()]
    return prompts, told, _digest(json.dumps([prompts, told]), checkpoint)


def _digest(text: str, checkpoint: str) -> str:
    return hashlib.sha256(json.dumps([text.strip(), checkpoint]).encode()).hexdigest()


def _changed(new: list[str], old: list[str]) -> Any:
    return gr.skip() if new == old else new
