"""Writes descriptions of tasks from their examples, by any OpenAI-compatible endpoint or by the local base.
Knows HTTP, prompts and task folders; not what descriptions are for."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import json
import os
import random
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from t2l.errors import T2LError, check_range, check_whole
from t2l.files import replace_file
from t2l.generator import check_text
from t2l.tasks import Example, read_part
from t2l.train.data import normalise

# What an encoder reads with room to spare; longer lines are no single description.
MOST_CHARACTERS = 600
_MOST_ANSWER = 2**20
_MOST_WAIT = 120.0
_SHOWN = 8
_EXAMPLE_CHARACTERS = 500

Ask = Callable[[str, int], str]


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server, asked at `url`/chat/completions.

    url: such as https://api.openai.com/v1. key_variable: name of the environment variable with the key; the
    key itself is read for each request and stored nowhere. timeout: seconds until a server that says nothing
    is given up. tries: how often one request is sent at most.
    Raises T2LError for an address that cannot serve.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 60.0
    tries: int = 5

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            # As it is looked up: no part of a name may be empty, or longer than 63 letters.
            host = (parts.hostname or "").encode("idna")
        except ValueError:
            host = b""
        if not host or parts.scheme not in ("http", "https") or parts.username or parts.query:
            raise T2LError(f"endpoint={self.url!r} is no address of a server; give one like https://host/v1.")
        if not self.model.strip():
            raise T2LError("The endpoint needs the name of a model (--model).")
        if not parts.path.isascii():
            raise T2LError(f"endpoint={self.url!r} has a path beyond ASCII; quote it (%C3%A8).")
        check_range(self.timeout, "timeout", 0.001, 86_400)
        check_whole(self.tries, "tries")

    def ask(self, prompt: str, seed: int) -> str:
        """The model's answer to one message; waits where the server asks for it, and tries again.

        Raises T2LError for a key that is refused, a request that is, or a server that gives no answer.
        """
        body = json.dumps(
            {"model": self.model, "messages": [{"role": "user", "content": prompt}], "temperature": 1.0}
        ).encode()
        fault = ""
        for number in range(self.tries):
            try:
                return self._once(body)
            except _Again as again:
                fault = str(again)
                if number + 1 < self.tries:
                    time.sleep(min(2.0**number, 30.0) if again.wait is None else again.wait)
        raise T2LError(
            f"{self.url} gave no answer in {self.tries} tries ({fault}); run the same command again later: "
            "tasks that have descriptions are not asked for again."
        )

    def _once(self, body: bytes) -> str:
        key = os.environ.get(self.key_variable, "").strip()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", body, method="POST")
        request.add_header("Content-Type", "application/json")
        if key:
            self._guard(key)
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with _opener().open(request, timeout=self.timeout) as response:
                data = response.read(_MOST_ANSWER + 1)
        except urllib.error.HTTPError as err:
            with err:
                self._refused(err, key)
        # Not reached, cut off, or silent for too long; URLError is an OSError.
        except (OSError, http.client.HTTPException) as err:
            raise _Again(_clean(f"{type(err).__name__}: {err}", key)) from None
        if len(data) > _MOST_ANSWER:
            raise T2LError(f"{self.url} answered with more than {_MOST_ANSWER:,} bytes; use another model.")
        try:
            text = json.loads(data)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise _Again("its answer is no chat completion") from None
        if not isinstance(text, str) or not text.strip():
            raise _Again("its answer is empty")
        return text

    def _refused(self, err: urllib.error.HTTPError, key: str) -> None:
        """Raises what an error status means: another try, or an end that names the remedy."""
        try:
            body = err.read(2000)
        except (OSError, http.client.HTTPException):
            # The status says enough, even if the rest never comes.
            body = b""
        said = _clean(body.decode("utf-8", "replace"), key)
        words = f"status {err.code}" + (f": {' '.join(said.split())[:200]}" if said.strip() else "")
        if err.code == 429 or err.code >= 500:
            wait = _retry_after(err.headers.get("Retry-After"))
            if wait is not None and wait > _MOST_WAIT:
                raise T2LError(f"{self.url} asks to wait {wait:.0f} s ({words}); run it again after that.")
            raise _Again(words, wait)
        if err.code in (401, 403):
            remedy = f"put a valid key into {self.key_variable}" if key else f"{self.key_variable} is not set"
            raise T2LError(f"{self.url} refuses the key ({words}); {remedy}.")
        if 300 <= err.code < 400:
            # Followed, the key would go to wherever it points.
            raise T2LError(f"{self.url} is not the address itself ({words}); give the one that it points to.")
        raise T2LError(f"{self.url} refuses the request ({words}); check the address and --model.")

    def _guard(self, key: str) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if not key.isascii() or not key.isprintable():
            raise T2LError(f"{self.key_variable} holds characters that no key has; set it again.")
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise T2LError(
                f"{self.url} would carry the key of {self.key_variable} unencrypted; give an https address, "
                "or unset the variable for a server without keys."
            )


class _Again(Exception):
    """What may pass if the request is sent again; wait: seconds that the server asks for."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would send the key along."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)


def _clean(text: str, key: str) -> str:
    """A text of a server or a library, without the key if it repeats it."""
    return text.replace(key, "***") if key else text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None where there is none that makes sense."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def local(base: str, dtype: str = "auto", max_new_tokens: int = 400) -> Ask:
    """The local base as the one that is asked; small ones write poor descriptions, so read them."""
    from t2l.base import BaseModel
    from t2l.engine import Decoding, decode

    model = BaseModel.load(base, dtype=dtype)

    def ask(prompt: str, seed: int) -> str:
        ids = model.prompt_ids([{"role": "user", "content": prompt}])
        decoding = Decoding(max_new_tokens, temperature=0.8, top_p=0.95, repetition_penalty=1.1, seed=seed)
        *_, (text,) = decode(model, [ids], None, decoding)
        return text

    return ask


def prompt_for(examples: Sequence[Example], n: int) -> str:
    """The message that asks for n descriptions of what turns these inputs into these outputs."""
    shown = "\n\n".join(
        f"Input: {e.input[:_EXAMPLE_CHARACTERS]}\nOutput: {e.output[:_EXAMPLE_CHARACTERS]}" for e in examples
    )
    return (
        f"Here are examples of one task.\n\n{shown}\n\nWrite {n} different descriptions of this task, one a "
        "line, without numbers. Each must say in one or two sentences what to do with any input, so that "
        "somebody who sees the input alone can give the output. Vary words, length and tone; do not repeat "
        "the examples."
    )


def parse(answer: str) -> list[str]:
    """The descriptions in an answer: lines without numbers, bullets and quotes, as far as they can serve."""
    made = []
    for line in answer.splitlines():
        text = re.sub(r"^\s*(?:[-*\u2022\u2013]+|\(?[0-9]{1,3}[.):])\s+", "", line).strip()
        text = re.sub(r"^\*\*(.*)\*\*$", r"\1", text)
        text = re.sub(r"""^["'\u2018\u201c](.*)["'\u2019\u201d]$""", r"\1", text).strip()
        # "Here are five descriptions:", and what is no sentence.
        if text.endswith(":") or len(text.split()) < 3:
            continue
        try:
            made.append(check_text(text, "description", MOST_CHARACTERS))
        except T2LError:
            continue
    return made


def write_descriptions(examples: Sequence[Example], n: int, ask: Ask, seed: int = 0) -> list[str]:
    """n descriptions of one task, all different beyond case and punctuation.

    Every request shows other examples. Raises T2LError where answers bring too few.
    """
    made: dict[str, str] = {}
    requests = 3 + n // 4
    for number in range(requests):
        draw = random.Random(f"{seed}/{number}")
        shown = draw.sample(list(examples), min(_SHOWN, len(examples)))
        for text in parse(ask(prompt_for(shown, n), seed + number)):
            made.setdefault(normalise(text), text)
        if len(made) >= n:
            return list(made.values())[:n]
    raise T2LError(
        f"{requests} requests brought {len(made)} different descriptions, not {n}; ask for fewer (--count), "
        "or use a larger model."
    )


def describe(
    folders: Sequence[str | Path], n: int, ask: Ask, *, names: Sequence[str] = (), seed: int = 0
) -> dict[str, list[str]]:
    """Writes n descriptions into every task.yaml that has none, from training examples; returns them by task.

    Descriptions that are there are never changed. A task is written as soon as it is described, so that the
    same call goes on after an interruption. Raises T2LError where no task lacks descriptions, a named one has
    some, or as `write_descriptions`.
    """
    check_whole(n, "count")
    files = [file for folder in folders for file in sorted(Path(folder).glob("*/task.yaml"))]
    facts = {file: _facts(file) for file in files}
    named = {str(f.get("name", file.parent.name)): file for file, f in facts.items()}
    for name in names:
        if name not in named:
            raise T2LError(f"There is no task {name!r} in {', '.join(map(str, folders))}.")
        if facts[named[name]].get("descriptions"):
            raise T2LError(f"{named[name]} has descriptions, which are never overwritten; remove them first.")
    chosen = {
        k: v for k, v in named.items() if not facts[v].get("descriptions") and (not names or k in names)
    }
    if not chosen:
        raise T2LError(
            f"All {len(named)} tasks in {', '.join(map(str, folders))} have descriptions, which are never "
            "overwritten; nothing is left to describe."
        )
    # Read before anything is asked: a fault in the last task must not cost the requests of the others.
    examples = {name: read_part(file.parent / "train.jsonl") for name, file in chosen.items()}
    if empty := [name for name, some in examples.items() if not some]:
        raise T2LError(
            f"{empty[0]} has no training examples to be described by; add some to its train.jsonl."
        )
    made = {}
    for name, file in chosen.items():
        try:
            made[name] = write_descriptions(examples[name], n, ask, seed)
        except T2LError as err:
            raise T2LError(f"{name}: {err}") from err
        text = yaml.safe_dump(
            {**facts[file], "descriptions": made[name]}, sort_keys=False, allow_unicode=True, width=110
        )
        try:
            replace_file(file, text)
        except OSError as err:
            raise T2LError(f"{file} cannot be written ({err}); free some space and run it again.") from err
        print(f"{name}: {len(made[name])} descriptions", file=sys.stderr, flush=True)
    return made


def _facts(file: Path) -> dict[str, Any]:
    try:
        facts = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        raise T2LError(f"{file} cannot be read: {err}") from err
    if not isinstance(facts, dict):
        raise T2LError(f"{file} must be a mapping with a name.")
    return facts
