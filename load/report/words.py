"""Figures as text: the same words on the terminal, in Markdown and in the page."""

import math

MINUTE = 60.0
HOUR = 3600.0
NOTHING = "–"


def seconds(value: float | None) -> str:
    """A duration: `12 ms`, `3.21 s`, `2 min 5 s`, `2 h 50 min`."""
    if value is None or math.isinf(value):
        return NOTHING if value is None else "never"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:  # noqa: PLR2004  # three digits are enough
        return f"{value:.2f} s"
    if value < MINUTE:
        return f"{value:.1f} s"
    if value < HOUR:
        return f"{int(value // MINUTE)} min {int(value % MINUTE)} s"
    return f"{int(value // HOUR)} h {int(value % HOUR // MINUTE)} min"


def several(*values: float | None) -> str:
    """Durations side by side, in the unit of the largest."""
    known = [value for value in values if value is not None]
    if not known:
        return NOTHING
    if max(known) < 1:
        return " / ".join(NOTHING if value is None else f"{value * 1000:.0f}" for value in values) + " ms"
    return " / ".join(NOTHING if value is None else _digits(value) for value in values) + " s"


def _digits(value: float) -> str:
    """Three significant digits, at most two decimals."""
    if value < 10:  # noqa: PLR2004  # below ten, hundredths
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004  # below a hundred, tenths


def loss(value: float) -> str:
    """A percentage of what was lost; only nothing says 0 %."""
    return f"{math.ceil(round(value * 10, 6)) / 10:g} %"


def rate(value: float | None) -> str:
    """Orders per second."""
    return NOTHING if value is None else f"{value:.2f}/s" if value < 10 else f"{value:.1f}/s"  # noqa: PLR2004  # digits


def percent(value: float | None) -> str:
    """A percentage; only what is whole says 100 %."""
    if value is None:
        return NOTHING
    return f"{math.floor(value * 10) / 10:g} %"


def number_of(number: int, thing: str) -> str:
    """`1 worker`, `20 workers`."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def count(value: float) -> str:
    """A whole number with thin separators."""
    return f"{value:,.0f}"


UNITS = {"s": seconds, "/s": rate, "": count}
"""How a predicted figure is written, by its unit."""
