"""Slots that come and go, serving orders first come first served, each for the same time."""

import heapq
from bisect import bisect_right
from collections.abc import Sequence


class SlotPool:
    """Exact and fast: one heap operation per order, so that an hour at 60 orders/s takes a blink.

    Orders of equal length, taken in the order of their arrival, also end in that order.
    """

    def __init__(self, arrivals: Sequence[float], *, service_seconds: float) -> None:
        self.arrivals = arrivals
        self.starts: list[float] = []
        self.ends: list[float] = []
        self._service = service_seconds
        self._free_at: list[float] = []

    def resize(self, moment: float, workers: int) -> None:
        """Add slots that are free at once, or take away the ones free soonest; work in hand is finished."""
        while len(self._free_at) < workers:
            heapq.heappush(self._free_at, moment)
        while len(self._free_at) > workers:
            heapq.heappop(self._free_at)

    def work_until(self, moment: float) -> None:
        """Begin every order that can begin before `moment` with the slots there are."""
        while self._free_at and len(self.starts) < len(self.arrivals):
            begin = max(self.arrivals[len(self.starts)], self._free_at[0])
            if begin >= moment:
                return
            heapq.heapreplace(self._free_at, begin + self._service)
            self.starts.append(begin)
            self.ends.append(begin + self._service)

    def accepted(self, moment: float) -> int:
        return bisect_right(self.arrivals, moment)

    def terminal(self, moment: float) -> int:
        return bisect_right(self.ends, moment)

    def waiting(self, moment: float) -> int:
        """Orders that no slot has taken yet."""
        return self.accepted(moment) - bisect_right(self.starts, moment)

    def waits(self) -> list[float]:
        """Seconds from arrival to the end, of the orders that have begun."""
        return [end - arrival for arrival, end in zip(self.arrivals, self.ends, strict=False)]
