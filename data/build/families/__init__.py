"""The families of tasks, by kind. Importing this package fills base.TASKS."""

from families import (  # noqa: F401
    combined,
    extraction,
    formats,
    knowledge,
    labels,
    letters,
    numbers,
    phrases,
    rewriting,
    sequences,
    translation,
)
