"""What may be done to an answer, for around.py and nearby.py: some of the grid's changes, and more."""

import grid
import vocabulary as v

AFTER = {
    kind: grid.AFTER[kind] for kind in grid.AFTER if kind not in v.phrases("reversed|length|first|end|spaced")
}
AFTER |= {
    "dotted": (
        lambda t: t + ".",
        [" with a period behind it", " followed by a full stop"],
        ["{} followed by a period", "{} with a dot after it"],
    ),
    "starred": (
        lambda t: f"*{t}*",
        [" between two stars", " wrapped in asterisks"],
        ["{} between asterisks", "{} with a star on each side"],
    ),
    "hash": (
        lambda t: "#" + t,
        [" with a hash sign before it", " as a hashtag"],
        ["{} as a hashtag", "{} with # in front"],
    ),
    "single": (lambda t: f"'{t}'", [" in single quotes"], ["{} in single quotes", "{} between apostrophes"]),
    "result": (
        lambda t: f"Result: {t}",
        [" after the word Result and a colon"],
        ["{} after 'Result: '", "{} with 'Result: ' before it"],
    ),
    "bold": (
        lambda t: f"<b>{t}</b>",
        [" as bold HTML", " inside <b> tags"],
        ["{} in bold HTML", "{} between <b> and </b>"],
    ),
    "bullet": (
        lambda t: f"- {t}",
        [" as a bullet with a dash"],
        ["{} as a list item with a dash", "{} after a dash and a space"],
    ),
    "thrice": (
        lambda t: f"{t} {t} {t}",
        [" three times"],
        ["{} three times, with spaces", "{}, written three times"],
    ),
}


def bare(cores: list[str]) -> list[str]:
    """Commands without their verb."""
    return [core.split(" ", 1)[1] for core in cores]
