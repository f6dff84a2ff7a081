"""One figure of the benchmark: what contends for it, and what it must reach."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Figures = Mapping[str, float]
Measure = Callable[[], Figures]
Contender = Callable[[], AbstractContextManager[Measure]]
Contenders = Mapping[str, Contender]
ROUND_TRIP_MS = 5.0
"""Of every call to the stub, unless a row says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured: seconds of a contender in a round, and of its warm-up, and orders of the long rows."""

    seconds: float = 3.0
    warm_up: float = 1.0
    orders: int = 200_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        title: What it is.
        contenders: Measured in turns, the baseline last; each is started for a round, and what that gives returns its
            figures, `value` among them.
        must: The bound for ours ÷ baseline, or for ours alone where there is no baseline; None for what only tells.
        at_most: Whether the bound is an upper one.
        unit: Of `value`.
        turns: How often each is measured in a round.
    """

    title: str
    contenders: Contenders
    must: float | None
    at_most: bool = False
    unit: str = "orders/s"
    turns: int = 1


def each_alone(measures: Mapping[str, Measure]) -> Contenders:
    """Contenders that are started anew for each measurement, with nothing beside."""

    def contender(measure: Measure) -> Contender:
        return lambda: nullcontext(measure)

    return {name: contender(measure) for name, measure in measures.items()}
