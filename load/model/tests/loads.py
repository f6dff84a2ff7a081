"""Loads for the model's tests: customers evenly spaced or at random, shoppers who think at random."""

import math
from collections.abc import Callable
from itertools import accumulate, count, takewhile
from random import Random

from load.model import ClosedLoop, OpenLoop


def poisson(*, rate: float, seconds: float, seed: int = 1) -> OpenLoop:
    """Customers who come at random: the time between two is exponentially distributed."""
    rng = Random(seed)  # noqa: S311 - a simulation
    moments = accumulate(rng.expovariate(rate) for _ in count())
    due = tuple(takewhile(lambda moment: moment < seconds, moments))
    return OpenLoop(rate_per_second=rate, duration_seconds=seconds, poisson=True, moments=due)


def evenly(*, rate: float, seconds: float) -> OpenLoop:
    """Customers who come one after the other, always as long after the last."""
    orders = math.ceil(round(rate * seconds, 9))
    return OpenLoop(
        rate_per_second=rate, duration_seconds=seconds, moments=tuple(number / rate for number in range(orders))
    )


def shoppers(*, users: int, seconds: float, spawn: float = 10.0, before: ClosedLoop | None = None) -> ClosedLoop:
    """Shoppers whose thinking is uniformly distributed between the bounds that a loop has by itself."""

    def thinking(seed: int, user: int) -> Callable[[], float]:
        rng = Random(f"{seed}:{user}")  # noqa: S311 - a simulation
        return lambda: rng.uniform(loop.think_min_seconds, loop.think_max_seconds)

    loop = ClosedLoop(users=users, duration_seconds=seconds, spawn_per_second=spawn, before=before, thinking=thinking)
    return loop
