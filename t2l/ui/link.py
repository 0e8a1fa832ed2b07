"""A link to a comparison: what its adapters are made from, the prompt and the strength, after the "#".
Knows the studio and no component; browsers send nothing after the "#", so no server's log has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from t2l.studio import Studio, T2LError, is_hub_id

# What messengers and mail programs still pass on whole.
MOST_CHARACTERS = 8_000
_DESCRIBED, _PUBLISHED = "description", "adapter"


@dataclass(frozen=True)
class Shared:
    """What a link says: (kind, value, checkpoint) of every adapter, in the order of the columns.

    told: whether the prompt says the task too. solved: examples that stand in it, as they are typed.
    """

    adapters: tuple[tuple[str, str, str], ...] = ()
    prompt: str = ""
    strength: float = 1.0
    told: bool = False
    solved: str = ""


def write(studio: Studio, ids: Sequence[str], shared: Shared, *, visitor: str) -> str:
    """The part of a link after the "#": `shared` with the adapters `ids`.

    Raises T2LError for an adapter that a link cannot make again.
    """
    pairs, checkpoint = [], ""
    for id in ids:
        adapter = studio.adapter(id, visitor=visitor)
        if is_hub_id(adapter.source):
            pairs.append((_PUBLISHED, adapter.source))
            continue
        name = next((c for c in _names(studio) if studio.generator_of(c).id == adapter.generator_id), None)
        if adapter.source or name is None or not adapter.condition:
            raise T2LError(
                f"A link cannot make {adapter.source or adapter.condition or id!r} again: no checkpoint here "
                "made it of a description. Publish it, and open it from the Gallery."
            )
        if name != checkpoint:
            pairs.append(("checkpoint", name))
            checkpoint = name
        pairs.append((_DESCRIBED, adapter.condition))
    pairs += [("prompt", shared.prompt), ("strength", f"{shared.strength:g}")]
    pairs += [("told", "1")] if shared.told else []
    pairs += [("solved", shared.solved)] if shared.solved.strip() else []
    try:
        link = urlencode(pairs)
    except UnicodeEncodeError as err:
        raise T2LError(f"The prompt holds half a character ({err.object[err.start]!a}); delete it.") from err
    if len(link) > MOST_CHARACTERS:
        raise T2LError(
            f"The link would have {len(link):,} characters, the most is {MOST_CHARACTERS:,}; take a shorter "
            "prompt."
        )
    return link


def read(text: str, most_adapters: int) -> Shared:
    """What `write` wrote, or somebody by hand; raises T2LError for what is no such link."""
    if len(text) > MOST_CHARACTERS:
        raise T2LError(f"The link has {len(text):,} characters, the most is {MOST_CHARACTERS:,}.")
    adapters, checkpoint, prompt, strength, told, solved = [], "", "", 1.0, False, ""
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key == "checkpoint":
            checkpoint = value
        elif key in (_DESCRIBED, _PUBLISHED):
            adapters.append((key, value, checkpoint))
        elif key == "prompt":
            prompt = value
        elif key == "strength":
            strength = _strength(value)
        elif key == "told":
            told = value == "1"
        elif key == "solved":
            solved = value
        else:
            raise T2LError(f"The link says {key[:40]!r}, which this page does not know; ask for a new one.")
    if len(adapters) > most_adapters:
        raise T2LError(
            f"The link names {len(adapters)} adapters; at most {most_adapters} stand side by side."
        )
    return Shared(tuple(adapters), prompt, strength, told, solved)


def make(studio: Studio, shared: Shared, *, token: str | None, visitor: str) -> list[str]:
    """Puts the adapters of a link on the visitor's shelf; returns their ids.

    Nobody asked for it but the link: its adapters take no other one's room.
    """
    ids = []
    for kind, value, checkpoint in shared.adapters:
        if kind == _PUBLISHED:
            ids.append(studio.pull(value, token=token, visitor=visitor, spare=True).id)
        else:
            made = studio.describe(value, checkpoint=checkpoint, visitor=visitor, spare=True)
            ids.append(made.adapter.id)
    return list(dict.fromkeys(ids))


def _names(studio: Studio) -> list[str]:
    """Of the checkpoints, "" for the default."""
    return ["", *(c.name for c in studio.checkpoints())]


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 2:
        raise T2LError(f"The link's strength is {text[:40]!r}; it must be a number from -1 to 2.")
    return value
