"""The simulated time: events in order, ties broken by who was scheduled first."""

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Clock:
    """A deterministic event list; `now` is in seconds since the phase began, below 0 before it."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        self._scheduled = 0
        self._events: list[tuple[float, int, Action]] = []

    def at(self, moment: float, action: Action) -> None:
        """Run `action` at `moment`; a moment in the past means now."""
        self._scheduled += 1
        heapq.heappush(self._events, (max(moment, self.now), self._scheduled, action))

    def after(self, delay: float, action: Action) -> None:
        self.at(self.now + delay, action)

    def run(self) -> None:
        """Run until nothing is left to happen."""
        while self._events:
            self.now, _, action = heapq.heappop(self._events)
            action()
