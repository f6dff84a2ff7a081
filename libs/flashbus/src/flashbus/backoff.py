"""How long a message stays away after a transient failure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Full jitter: anything between nothing and a ceiling that doubles with every attempt.

    Attributes:
        first: The ceiling after the first attempt.
        longest: Where the ceiling stops growing.
        uniform: Picks a number between two; tests replace it.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    uniform: Callable[[float, float], float] = random.uniform

    def after(self, attempt: int, *, at_least: timedelta | None = None) -> timedelta:
        """The wait after attempt number `attempt` (from 1).

        What somebody asked for is added to it, up to `longest`: a `Retry-After` of a day would hide the message
        beyond what SQS allows, and leave the message alone long after the trouble is over.
        """
        # Beyond 2**30 the longest has long won; the power must not grow without bound.
        ceiling = min(self.first * 2 ** min(attempt - 1, 30), self.longest)
        jitter = timedelta(seconds=self.uniform(0.0, ceiling.total_seconds()))
        return jitter + min(at_least or timedelta(0), self.longest)
