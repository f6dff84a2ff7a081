"""Exact percentiles of a list of waiting times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds; percentiles by nearest rank: the smallest value that at least p % do not exceed."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Waits | None":
        """None when nobody waited."""
        if not seconds:
            return None
        ranked = sorted(seconds)
        return cls(
            mean=fmean(ranked),
            p50=percentile(ranked, 50),
            p95=percentile(ranked, 95),
            p99=percentile(ranked, 99),
            max=ranked[-1],
        )

    @classmethod
    def mean_of(cls, runs: "Sequence[Waits | None]") -> "Waits | None":
        """The mean of each figure over the runs in which somebody waited."""
        waits = [run for run in runs if run is not None]
        if not waits:
            return None
        return cls(
            mean=fmean(w.mean for w in waits),
            p50=fmean(w.p50 for w in waits),
            p95=fmean(w.p95 for w in waits),
            p99=fmean(w.p99 for w in waits),
            max=fmean(w.max for w in waits),
        )


def percentile(ranked: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of an ascending, non-empty sequence."""
    return ranked[max(1, math.ceil(len(ranked) * percent / 100)) - 1]
