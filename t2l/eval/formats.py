"""Prompt formats of the baselines: the candidates, and the one of each that is frozen.
Knows texts and examples; no model, no scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from t2l.engine import Chat
from t2l.tasks import Example

_ALONE = "Answer with the result alone."
_AS_BEFORE = "Answer the last input as the ones before it were answered."

DescriptionFormat = Callable[[str, str], Chat]
ShotsFormat = Callable[[Sequence[Example], str], Chat]
DescribedShotsFormat = Callable[[str, Sequence[Example], str], Chat]


def _says(user: str, system: str = "") -> DescriptionFormat:
    """A format of two templates, in which {d} is the description and {x} the input."""

    def chat(description: str, text: str) -> Chat:
        turns = [{"role": "user", "content": user.format(d=description, x=text)}]
        if system:
            turns.insert(0, {"role": "system", "content": system.format(d=description)})
        return turns

    return chat


def _turns(system: str = "", user: str = "{x}") -> ShotsFormat:
    """Every example as a question and its answer in a chat."""

    def chat(shots: Sequence[Example], text: str) -> Chat:
        turns = [{"role": "system", "content": system}] if system else []
        for shot in shots:
            turns += [{"role": "user", "content": user.format(x=shot.input)}]
            turns += [{"role": "assistant", "content": shot.output}]
        return [*turns, {"role": "user", "content": user.format(x=text)}]

    return chat


def _blocks(system: str = "") -> ShotsFormat:
    """All examples in one message, which ends where the answer is to begin."""

    def chat(shots: Sequence[Example], text: str) -> Chat:
        blocks = [f"Input: {shot.input}\nOutput: {shot.output}" for shot in shots]
        content = "\n\n".join([*blocks, f"Input: {text}\nOutput:"])
        turns = [{"role": "system", "content": system}] if system else []
        return [*turns, {"role": "user", "content": content}]

    return chat


# (description, input) -> chat. Without a system message of ours, the base's template puts its own.
DESCRIPTION: dict[str, DescriptionFormat] = {
    "before": _says("{d}\n\n{x}"),
    "before, alone": _says(f"{{d}} {_ALONE}\n\n{{x}}"),
    "labelled": _says("{d}\n\nInput: {x}\nOutput:"),
    "labelled, alone": _says(f"{{d}} {_ALONE}\n\nInput: {{x}}\nOutput:"),
    "system": _says("{x}", "{d}"),
    "system, alone": _says("{x}", f"{{d}} {_ALONE}"),
    "after": _says("{x}\n\n{d}"),
    "after, alone": _says(f"{{x}}\n\n{{d}} {_ALONE}"),
}

# (solved examples, input) -> chat.
SHOTS: dict[str, ShotsFormat] = {
    "turns": _turns(),
    "turns, system": _turns(_AS_BEFORE),
    "turns, labelled": _turns(user="Input: {x}\nOutput:"),
    "blocks": _blocks(),
    "blocks, system": _blocks(_AS_BEFORE),
}

# (description, solved examples, input) -> chat. One alone: nothing was there to choose from.
DESCRIBED_SHOTS: dict[str, DescribedShotsFormat] = {
    "system, turns": lambda description, shots, text: _turns(f"{description} {_AS_BEFORE}")(shots, text),
}
DESCRIBED_SHOTS_FORMAT = "system, turns"

# How training says the task (`BaseModel.told`), and so what adapters are asked with beside a description.
TRAINED_FORMAT = "system"
# And how its conversations show solved examples.
PLAIN_SHOTS = "turns"
# Chosen on train-split tasks by scripts/choose_formats.py, see docs/evaluation.md.
DESCRIPTION_FORMAT = "labelled, alone"
SHOTS_FORMAT = "turns, system"
