"""Exact percentiles: the nearest rank over every single value."""

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
