"""Counts that others have written."""

_DIGITS = 9
MOST_COUNT = 10**_DIGITS - 1
"""More than anything is counted here; of many more digits Python reads for long, or refuses to."""


def read_count(text: str) -> int | None:
    """Return the whole number that a text is; None for any other text, and for more than `MOST_COUNT`."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None
