"""The endpoints for programs: plain functions, plain JSON.
Knows gradio and the studio, nothing else."""

from __future__ import annotations

import functools
import html
import inspect
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args, get_type_hints

import gradio as gr
from gradio.events import api
from gradio.route_utils import FnIndexInferError
from gradio.routes import ORJSONResponse

from t2l.studio import (
    SESSION,
    Decoding,
    Likeness,
    Made,
    Scores,
    Studio,
    T2LError,
    Tried,
    check_examples,
    check_solved,
    tasks_said,
)
from t2l.ui.common import beating, friendly, paced

# Beyond this answers are noise, and far beyond their scores overflow.
_MOST_STRENGTH = 10
# Characters of a text that has no limit of its own; it may come back in a message.
_MOST_TEXT = 10_000

Mode = Literal["new", "update", "pr"]


class Checkpoint(TypedDict):
    name: str
    base_model: str
    variant: str
    rank: int
    modules: list[str]
    tasks: int | None
    reads: str
    default: bool


class Task(TypedDict):
    name: str
    description: str
    similarity: float


class Hint(TypedDict):
    addition: str
    before: float
    after: float
    nearest: str


class Expected(TypedDict):
    similarity: float | None
    nearest: list[Task]
    warning: str
    hints: list[Hint]


class Adapter(TypedDict):
    id: str
    name: str
    description: str
    checkpoint: str
    rank: int
    modules: list[str]
    bytes: int
    milliseconds: float
    similarity: float | None
    nearest: list[Task]
    warning: str


class Kept(TypedDict):
    id: str
    name: str
    description: str
    checkpoint: str
    bytes: int
    created: float


class Deleted(TypedDict):
    deleted: str


class Answers(TypedDict):
    base: str
    adapted: list[str]
    control: str | None
    done: bool


class Count(TypedDict):
    strict: int
    lenient: int


class Row(TypedDict):
    input: str
    expected: str
    base: str
    adapted: list[str]


class Scored(TypedDict):
    done: int
    total: int
    n: int
    base: Count
    adapted: list[Count]
    rows: list[Row]


class Wording(TypedDict):
    wording: str
    strict: int
    lenient: int
    n: int


class Better(TypedDict):
    done: int
    total: int
    ranked: list[Wording]
    base: Wording | None
    first: Wording | None
    best: Wording | None
    adapter: str | None


class OnHub(TypedDict):
    repo_id: str
    url: str
    commit: str
    pull_request_url: str | None
    private: bool


def build(studio: Studio) -> None:
    """Adds the endpoints to the surrounding Blocks: before its tabs, since who comes first gets a name.

    Their docstrings are what callers read; of an argument gradio shows one line.
    """

    def list_checkpoints() -> list[Checkpoint]:
        """Lists the checkpoints that make adapters, the default one first.

        tasks is how many tasks a checkpoint was trained on, null where it does not tell; reads is "text"
        where it makes adapters of a description, "prompts" where of example prompts.
        """
        return [
            {
                "name": checkpoint.name,
                "base_model": checkpoint.base_model,
                "variant": checkpoint.variant,
                "rank": checkpoint.rank,
                "modules": list(checkpoint.modules),
                "tasks": checkpoint.tasks,
                "reads": checkpoint.reads,
                "default": checkpoint.name == Path(studio.checkpoint).name,
            }
            for checkpoint in studio.checkpoints()
        ]

    def likeness(description: str, checkpoint: str = "") -> Expected:
        """Tells what to expect of a description, without making an adapter.

        Names the trained tasks nearest to it with their similarity (a cosine), warns where it is far from
        all of them, and hints at sentences that would bring it nearer.

        Args:
            description: What the task is, in a sentence or two.
            checkpoint: A name from list_checkpoints; empty for the default.
        """
        near = studio.likeness(description, checkpoint=checkpoint)
        hints = studio.hints(description, checkpoint=checkpoint)
        return {
            "similarity": _rounded(near.similarity),
            "nearest": _tasks(near),
            "warning": near.warning,
            "hints": [
                {
                    "addition": hint.addition,
                    "before": round(hint.before, 4),
                    "after": round(hint.after, 4),
                    "nearest": hint.nearest,
                }
                for hint in hints
            ],
        }

    def generate_adapter(
        request: gr.Request,
        description: str = "",
        checkpoint: str = "",
        key: str = "",
        prompts: list[str] = [],  # noqa: B006
        tell_prompts: bool = False,
    ) -> Adapter:
        """Turns a description of a task into a LoRA adapter for the base model and keeps it for the caller.

        The same description and checkpoint give the same adapter and id. nearest are the trained tasks
        that the description is nearest to; warning is a sentence where it is far from all of them.
        Example prompts may stand in place of a description.

        Args:
            description: What the task is, in a sentence or two, such as "Output the plural of the noun."
            checkpoint: A name from list_checkpoints; empty for the default.
            key: Your own secret of 16 to 200 characters to keep it under; empty for this client's session.
            prompts: Inputs of the task without answers; needs a checkpoint that reads prompts.
            tell_prompts: Whether the prompts stand in the adapter's folder and on its card.
        """
        visitor = _visitor(key, request)
        if prompts:
            if description:
                raise T2LError("Give a description or example prompts, not both.")
            made = studio.show(prompts, checkpoint=checkpoint, visitor=visitor, tell=tell_prompts)
            return _told(made, visitor, Likeness((), None))
        made = studio.describe(description, checkpoint=checkpoint, visitor=visitor)
        return _told(made, visitor, studio.likeness(description, checkpoint=checkpoint))

    def blend(request: gr.Request, first: str, second: str, share: float, key: str = "") -> Adapter:
        """Makes one adapter of two that the caller keeps: (1 - share) of the first, share of the second.

        The sum is exact: the ranks add up. A blend has no description; its name tells what it is made of.

        Args:
            first: The id of an adapter.
            second: The id of another adapter.
            share: How much of the second, from 0 to 1, in hundredths.
            key: The key under which both are kept; empty for this client's session.
        """
        visitor = _visitor(key, request)
        return _told(studio.blend(first, second, share, visitor=visitor), visitor, Likeness((), None))

    def _told(made: Made, visitor: str, likeness: Likeness) -> Adapter:
        adapter = made.adapter
        return {
            "id": adapter.id,
            "name": studio.shelf_of(visitor).entry(adapter.id).name,
            "description": adapter.condition,
            "checkpoint": adapter.generator,
            "rank": adapter.spec.rank,
            "modules": list(adapter.spec.targets),
            "bytes": made.bytes,
            "milliseconds": round(1000 * made.seconds, 1),
            "similarity": _rounded(likeness.similarity),
            "nearest": _tasks(likeness),
            "warning": likeness.warning,
        }

    def compare(
        request: gr.Request,
        prompt: str,
        descriptions: list[str] = [],  # noqa: B006 (shown to callers as it stands, and never changed)
        adapters: list[str] = [],  # noqa: B006
        strength: float = 1.0,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        stop: list[str] = [],  # noqa: B006
        control: bool = False,
        say_task: bool = False,
        solved: list[list[str]] = [],  # noqa: B006
        checkpoint: str = "",
        key: str = "",
    ) -> Iterator[Answers]:
        """Answers one prompt with the base model and with adapters side by side, as growing texts.

        adapted holds one text for each description, then one for each adapter id. Every item holds the
        whole texts so far; the last one has done = true.

        Args:
            prompt: The input alone; an adapter already knows the task.
            descriptions: Task descriptions; their adapters are made for this answer and not kept.
            adapters: Ids of adapters that the caller keeps.
            strength: How strongly the adapters act, from -10 to 10; 1 as made, 0 not at all.
            max_new_tokens: The most tokens of each answer.
            temperature: 0 always takes the likeliest token; else at least 0.01.
            top_p: Draws from the likeliest tokens that together have this probability; 1 from all.
            top_k: Draws from this many likeliest tokens; 0 from all.
            repetition_penalty: 1 changes nothing; more makes repetitions rarer.
            seed: The same seed draws the same tokens.
            stop: Texts that end an answer and are not part of it.
            control: Also answers with the adapter of a description that has nothing to do with the first.
            solved: Examples with their answers, pairs [input, answer], that all read before the prompt.
            say_task: Tells every column its task in the prompt too, the base and the control the first one's;
                adapters that were trained so are told it in any case.
            checkpoint: A name from list_checkpoints, for the descriptions; empty for the default.
            key: The key under which the adapters are kept; empty for this client's session.
        """
        most = studio.limits.adapters
        if (count := len(descriptions) + len(adapters)) > most:
            raise T2LError(f"{count} adapters were asked for; the most is {most}, and a control.")
        if not -_MOST_STRENGTH <= strength <= _MOST_STRENGTH:
            raise T2LError(
                f"strength must be a number from -{_MOST_STRENGTH} to {_MOST_STRENGTH}, not {strength}."
            )
        if control and not count:
            raise T2LError("A control stands beside an adapter; give a description or an adapter's id.")
        decoding = Decoding(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed, tuple(stop))
        texts: Sequence[str] = [""] * (1 + count + control)
        # At once: before the first item gradio cannot stop a call, whoever cancels it.
        yield _answers(texts, control, done=False)
        visitor = _visitor(key, request)
        columns = [studio.make(text, checkpoint=checkpoint) for text in descriptions]
        columns += [studio.adapter(id, visitor=visitor) for id in adapters]
        if control:
            columns.append(studio.control(columns[0].label, checkpoint=checkpoint))
        weights = [adapter.weights for adapter in columns]
        told = tasks_said(columns[:count], say_task)
        told += told[:1] * control
        growing = studio.compare(
            prompt,
            weights,
            decoding,
            [strength] * len(weights),
            told=told,
            solved=check_solved(_pairs(solved)),
        )
        for texts in paced(growing):
            yield _answers(texts, control, done=False)
        yield _answers(texts, control, done=True)

    def list_adapters(request: gr.Request, key: str = "") -> list[Kept]:
        """Lists the adapters that the caller keeps, the newest first; created is in seconds since 1970.

        Args:
            key: The key under which they are kept; empty for this client's session.
        """
        return [
            {
                "id": entry.id,
                "name": entry.name,
                "description": entry.condition,
                "checkpoint": entry.generator,
                "bytes": entry.bytes,
                "created": entry.created,
            }
            for entry in studio.adapters(visitor=_visitor(key, request))
        ]

    def delete_adapter(request: gr.Request, adapter: str, key: str = "") -> Deleted:
        """Deletes an adapter that the caller keeps.

        Args:
            adapter: Its id.
            key: The key under which it is kept; empty for this client's session.
        """
        studio.delete(adapter, visitor=_visitor(key, request))
        return {"deleted": adapter}

    def download_adapter(request: gr.Request, adapter: str, key: str = "") -> gr.FileData:
        """Gives an adapter as a zip: a folder that PEFT loads, with its weights as safetensors and a card.

        Args:
            adapter: Its id.
            key: The key under which it is kept; empty for this client's session.
        """
        file = studio.zip(adapter, visitor=_visitor(key, request))
        return gr.FileData(path=str(file), orig_name=file.name, size=file.stat().st_size)

    def push_to_hub(
        request: gr.Request,
        token: gr.OAuthToken | None,
        adapter: str,
        repo_id: str,
        private: bool = True,
        mode: Mode = "new",
        title: str = "",
        notes: str = "",
        license: str = "",
        key: str = "",
    ) -> OnHub:
        """Publishes an adapter with its model card on the Hugging Face Hub, as one commit, in your name.

        Takes your token beside the arguments: `Client(..., oauth_token=...)`, or "oauth_token" in the body
        of call/v2. It is used for this call and kept nowhere.

        Args:
            adapter: The adapter's id.
            repo_id: Where to, as "namespace/name".
            private: Whether a new repo is private; a public one is refused where this is true.
            mode: "new" repo, "update" (a new commit on an adapter of the same base), "pr" (a pull request).
            title: The title of the model card, one line; empty for one made of the description.
            notes: Plain text for the model card.
            license: The base's licence as the Hub names it, where it is not known here; else empty.
            key: The key under which the adapter is kept; empty for this client's session.
        """
        if token is None:
            # Never with the sign-in of the machine that serves the page.
            raise T2LError(
                "Publishing needs your own token of the Hub: give it as Client(..., oauth_token=...) in "
                'Python, or as "oauth_token" in the body of /gradio_api/call/v2/push_to_hub.'
            )
        visitor = _visitor(key, request)
        made = studio.publish(
            adapter,
            repo_id,
            token.token,
            visitor=visitor,
            private=private,
            mode=mode,
            title=title,
            notes=notes,
            license=license,
        )
        return {
            "repo_id": made.repo_id,
            "url": made.url,
            "commit": made.commit,
            "pull_request_url": made.pull_request_url,
            "private": made.private,
        }

    def score(
        request: gr.Request, adapters: list[str], examples: list[list[str]], key: str = ""
    ) -> Iterator[Scored]:
        """Has the base model and adapters answer your own examples, and counts what is right.

        strict counts answers that are exactly the expected text, lenient also those in other case or marks,
        on the first line, or after "the answer is". Equal examples count once; n is how many there are. Items
        come while it answers; the last one has done = total and every answer in rows.

        Args:
            adapters: Ids of adapters that the caller keeps.
            examples: Pairs of an input and the text that is right for it, at most 1,000.
            key: The key under which the adapters are kept; empty for this client's session.
        """
        growing = studio.score(adapters, check_examples(_pairs(examples)), visitor=_visitor(key, request))
        item: Scored | None = None
        for scores, new in beating(growing):
            # What stays the same is not counted anew: that is work for every example and adapter.
            if new or item is None:
                item = _scored(scores, len(adapters))
            yield item

    def better_wording(
        request: gr.Request,
        wordings: list[str],
        examples: list[list[str]],
        checkpoint: str = "",
        key: str = "",
    ) -> Iterator[Better]:
        """Finds which wording of a task makes the best adapter, by your own examples, and keeps that one.

        The first wording is tried in other styles too, and so are descriptions of near trained tasks. Half of
        the examples choose (ranked, the best first), the other half tells what the choice is worth: base,
        first and best are counted on it alone. The last item has them, and the id of the adapter.

        Args:
            wordings: 1 to 16 descriptions of one task.
            examples: Pairs of an input and the text that is right for it, 4 to 1,000.
            checkpoint: A name from list_checkpoints; empty for the default.
            key: The key under which the adapter is kept; empty for this client's session.
        """
        visitor = _visitor(key, request)
        growing = studio.better_wording(
            wordings, check_examples(_pairs(examples)), checkpoint=checkpoint, visitor=visitor
        )
        done = total = 0
        for found, _ in beating(growing):
            if isinstance(found, Scores):
                done, total = found.done, found.total
                yield {
                    "done": done,
                    "total": total,
                    "ranked": [],
                    "base": None,
                    "first": None,
                    "best": None,
                    "adapter": None,
                }
            else:
                yield {
                    "done": done,
                    "total": total,
                    "ranked": [_wording(row) for row in found.ranked],
                    "base": _wording(found.base),
                    "first": _wording(found.first),
                    "best": _wording(found.best),
                    "adapter": found.made.adapter.id,
                }

    def generate_batch(
        request: gr.Request, descriptions: list[str], checkpoint: str = "", key: str = ""
    ) -> gr.FileData:
        """Turns many descriptions into one zip: a PEFT folder for each, and manifest.json with their ids.

        They are not kept here; the ids are those that generate_adapter gives.

        Args:
            descriptions: One for each adapter; equal ones count once.
            checkpoint: A name from list_checkpoints; empty for the default.
            key: Your own secret of 16 to 200 characters; empty for this client's session.
        """
        *_, (_, file) = studio.batch(descriptions, checkpoint=checkpoint, visitor=_visitor(key, request))
        assert file is not None
        return gr.FileData(path=str(file), orig_name=file.name, size=file.stat().st_size)

    at_once = studio.limits.at_once
    for function in (
        list_checkpoints,
        likeness,
        generate_adapter,
        blend,
        list_adapters,
        delete_adapter,
        download_adapter,
        push_to_hub,
    ):
        api(_endpoint(function), api_name=function.__name__, concurrency_limit=at_once)
    # Of those who are answered at once half are programs at most: visitors of the page never wait for them.
    share = {"concurrency_limit": max(1, at_once // 2), "concurrency_id": "programs"}
    for function in (compare, score, better_wording, generate_batch):
        api(_endpoint(function), api_name=function.__name__, **share)


def _pairs(examples: list[list[str]]) -> list[tuple[str, str]]:
    for number, pair in enumerate(examples, 1):
        if len(pair) != 2:
            raise T2LError(f"Example {number} has {len(pair)} texts; give an input and what is right for it.")
    return [(given, expected) for given, expected in examples]


def _scored(scores: Scores, adapters: int) -> Scored:
    base, *adapted = (
        Count(strict=sum(scores.right(c)), lenient=sum(scores.right(c, "lenient")))
        for c in range(1 + adapters)
    )
    rows: list[Row] = []
    if scores.done == scores.total:
        for i, example in enumerate(scores.examples):
            first, *others = (column[i] or "" for column in scores.answers)
            rows.append(
                {"input": example.input, "expected": example.output, "base": first, "adapted": others}
            )
    return {
        "done": scores.done,
        "total": scores.total,
        "n": len(scores.examples),
        "base": base,
        "adapted": adapted,
        "rows": rows,
    }


def _wording(row: Tried) -> Wording:
    return {"wording": row.text, "strict": row.strict, "lenient": row.lenient, "n": row.n}


def _visitor(key: str, request: gr.Request) -> str:
    """Whose shelf a call uses: the key's; else the session's, which ends with the client.

    A call by plain HTTP is a session of its own.
    """
    if key:
        return key
    # gradio answers all MCP clients through one session: there every call is on its own.
    one_session = request.headers.get("x-gradio-user") == "mcp"
    session = None if one_session else request.session_hash
    return f"{SESSION}{session or secrets.token_urlsafe(32)}"


def _tasks(likeness: Likeness) -> list[Task]:
    return [
        {"name": near.name, "description": near.description, "similarity": round(near.similarity, 4)}
        for near in likeness.nearest
    ]


def _rounded(similarity: float | None) -> float | None:
    return None if similarity is None else round(similarity, 4)


def _answers(texts: Sequence[str], control: bool, done: bool) -> Answers:
    base, *adapted = texts
    unrelated = adapted.pop() if control else None
    return {"base": base, "adapted": adapted, "control": unrelated, "done": done}


def _endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as `gr.api` takes it: values of other types are refused, and messages are plain text."""
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    shown, check = friendly(function), friendly(functools.partial(_check, hints, tuple(signature.parameters)))
    returned = hints["return"]
    if inspect.isgeneratorfunction(function):
        # For callers the type of one item.
        (returned,) = get_args(returned)

        @functools.wraps(function)
        def endpoint(*args: Any) -> Any:
            with _plain():
                check(*args)
                yield from shown(*args)
    else:

        @functools.wraps(function)
        def endpoint(*args: Any) -> Any:
            with _plain():
                check(*args)
                return shown(*args)

    # gradio reads the type of the return from here, and no text in its place.
    endpoint.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    return endpoint


@contextmanager
def _plain() -> Iterator[None]:
    """Messages are escaped for the page; a program gets the same words as they were."""
    try:
        yield
    except gr.Error as err:
        err.message = html.unescape(err.message)
        raise


_WORDS: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list[str]: "a list of texts",
    list[list[str]]: "a list of pairs of texts",
    Mode: " or ".join(map(json.dumps, get_args(Mode))),
}


def _fits(value: Any, hint: Any) -> bool:
    if hint == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if hint == list[list[str]]:
        return isinstance(value, list) and all(_fits(item, list[str]) for item in value)
    if hint == Mode:
        return value in get_args(Mode)
    return type(value) is hint or (hint is float and type(value) is int)


def _check(hints: dict[str, Any], names: Sequence[str], *values: Any) -> None:
    """Raises T2LError where a value has not the type of its parameter: gradio lets all of JSON in."""
    for name, value in zip(names, values, strict=True):
        if (hint := hints[name]) not in _WORDS:
            continue
        if not _fits(value, hint):
            raise T2LError(f"{name} must be {_WORDS[hint]}, not {json.dumps(value)[:40]}.")
        # The other two say it themselves, with limits of their own.
        if hint is str and name not in ("description", "prompt") and len(value) > _MOST_TEXT:
            raise T2LError(f"{name} has {len(value):,} characters; the most is {_MOST_TEXT:,}.")


class Blocks(gr.Blocks):
    """Blocks that say what is wrong with a call's values, where gradio logs them and answers nothing.

    A call by plain HTTP is a session to gradio; here it takes no seat of a visitor's once it is answered.
    """

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        goes_on = False
        try:
            made = await super().process_api(*args, **kwargs)
            goes_on = made["is_generating"]
            return made
        finally:
            session = kwargs.get("session_hash")
            if session and session == kwargs.get("event_id") and not goes_on:
                self.state_holder.session_data.pop(session, None)
                self.state_holder.time_last_used.pop(session, None)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except (AttributeError, TypeError, ValueError):
            wanted, name = len(block_fn.inputs), block_fn.api_name
            fault = (
                f"{name} takes {wanted} values in their order, not {len(inputs)}"
                if len(inputs) < wanted
                else f"{name} cannot read one of the values; files are none of them"
            )
        # Out of the block: the values, which gradio's error holds, do not travel along.
        raise gr.Error(
            f"{fault}. See /gradio_api/info, or name the values at /gradio_api/call/v2/{name}.",
            title="That did not work",
            print_exception=False,
        )


async def _misnamed(request: Any, err: Exception) -> ORJSONResponse:
    """What gradio's route has against the names in a call, in place of "Internal Server Error"."""
    name = request.path_params.get("api_name")
    if name is not None and (isinstance(err, FnIndexInferError) or err.args == (f"/{name}",)):
        return ORJSONResponse({"detail": f"There is no endpoint {name[:80]!r}; see /gradio_api/info."}, 404)
    said, _, _ = str(err).partition(" Please click")
    if name is not None and said.startswith(("Parameter ", "No value provided")):
        return ORJSONResponse({"detail": f"{said.rstrip('.')[:200]}; see /gradio_api/info."}, 422)
    raise err


# For `launch`, in a page of the Blocks above.
LAUNCH: dict[str, Any] = {
    "app_kwargs": {
        "exception_handlers": {KeyError: _misnamed, TypeError: _misnamed, FnIndexInferError: _misnamed}
    }
}
