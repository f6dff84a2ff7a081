"""Exact percentiles: the nearest rank over every single value."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from load.model import percentile


class Percentiles(BaseModel):
    """Seconds."""

    model_config = ConfigDict(frozen=True)

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """Exact percentiles; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(
        count=len(ordered),
        mean=sum(ordered) / len(ordered),
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        max=ordered[-1],
    )


def quantiles(values: Sequence[float]) -> list[float]:
    """The least value and the 1st to the 100th percentile, as far as they are finite: the index is the percent."""
    ordered = sorted(values)
    if not ordered:
        return []
    found = [ordered[0], *(percentile(ordered, percent) for percent in range(1, 101))]
    return [value for value in found if math.isfinite(value)]
