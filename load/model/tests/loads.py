"""Open loops at random, for the model's tests."""

from itertools import accumulate, count, takewhile
from random import Random

from load.model import OpenLoop


def poisson(*, rate: float, seconds: float, seed: int = 1) -> OpenLoop:
    """Customers who come at random: the time between two is exponentially distributed."""
    rng = Random(seed)  # noqa: S311 - a simulation
    moments = accumulate(rng.expovariate(rate) for _ in count())
    due = tuple(takewhile(lambda moment: moment < seconds, moments))
    return OpenLoop(rate_per_second=rate, duration_seconds=seconds, poisson=True, moments=due)
