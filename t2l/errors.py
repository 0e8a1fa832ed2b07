"""The one error that a user can fix.
Knows no other module; the doors turn it into a toast, an exit code or a traceback-free line."""


class T2LError(ValueError):
    """Something the caller can put right; the text names the offending value and the remedy."""
