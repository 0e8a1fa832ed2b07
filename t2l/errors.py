"""The one error that a user can fix.
Knows no other module; the doors turn it into a toast, an exit code or a traceback-free line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


class T2LError(ValueError):
    """Something the caller can put right; the text names the offending value and the remedy."""


def check_whole(value: object, name: str, least: int = 1) -> int:
    """The value, a whole number of at least `least`; raises T2LError naming it where it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise T2LError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return value


def check_range(value: object, name: str, low: float, high: float) -> None:
    """Raises T2LError where the value is no number from `low` to `high`, NaN among others."""
    if not isinstance(value, int | float) or not low <= value <= high:
        raise T2LError(f"{name} must be a number from {low} to {high}, not {value!r}.")


def run_script(main: Callable[[], None]) -> None:
    """A script's `main`; what a user can put right ends it with status 1 and one line, its name first."""
    try:
        main()
    except T2LError as err:
        sys.exit(f"{Path(sys.argv[0]).stem}: {err}")
