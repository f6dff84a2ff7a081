"""When to come back: the one place that turns what is known into a `Retry-After`."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from math import ceil

LONGEST = timedelta(seconds=60)
# A longer estimate is cut here, so that there is room left to spread it.
_LONGEST_ESTIMATE_SECONDS = 40
_LEAST_SPREAD_SECONDS = 2


class RetryAfter:
    """Spreads those who were refused together, so that they do not come back together."""

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        """Take the source of numbers from 0 to below 1."""
        self._jitter = jitter

    def spread(self, estimate: timedelta) -> timedelta:
        """Return whole seconds from the estimate to half as long again, at least three choices; 1 to 60 s."""
        least = min(max(ceil(estimate.total_seconds()), 1), _LONGEST_ESTIMATE_SECONDS)
        width = max(least // 2, _LEAST_SPREAD_SECONDS)
        return timedelta(seconds=least + int(self._jitter() * (width + 1)))


class Outage:
    """How long something has failed without a success between.

    As an estimate it backs off by itself: who is refused after ten seconds of failures comes back after ten more.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock of seconds that never go back."""
        self._clock = clock
        self._since: float | None = None

    @property
    def lasting(self) -> timedelta:
        """From the first failure until now; nothing after a success."""
        return timedelta(seconds=0 if self._since is None else self._clock() - self._since)

    def failed(self) -> None:
        """Note a failure."""
        if self._since is None:
            self._since = self._clock()

    def ended(self) -> None:
        """Note a success."""
        self._since = None


class Turns:
    """Gives those who are sent away one turn after the other, so that they come back at the pace of the work.

    Without it a thousand refused at once would all be told the moment at which the next place comes free.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def next(self, *, now: float, ahead: int, seconds_each: float) -> timedelta:
        """Return how long until the next turn.

        Args:
            now: The time, in seconds that never go back.
            ahead: How many wait here already.
            seconds_each: How often a turn comes up.
        """
        turn = max(self._last, now + ahead * seconds_each) + seconds_each
        self._last = min(turn, now + LONGEST.total_seconds())
        return timedelta(seconds=self._last - now)
