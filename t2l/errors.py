"""The one error that a user can fix.
Knows no other module; the doors turn it into a toast, an exit code or a traceback-free line."""


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
