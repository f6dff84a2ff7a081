"""Slots: how many messages may be worked at once."""

import asyncio
from collections.abc import Callable

from flashbus.events import first_of


class Slots:
    """A counted set of permits, taken several at a time, before the messages they are for."""

    def __init__(self, limit: int, *, ahead: Callable[[], int] = lambda: 0) -> None:
        """Have `limit` permits, at least 1, and as many beyond them as `ahead` says whenever some are taken."""
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.limit = limit
        self._free = limit
        self._ahead = ahead
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many slots nobody has taken; fewer than none while some are taken ahead."""
        return self._free

    async def take(self, most: int, *, stop: asyncio.Event) -> int:
        """Wait for a free slot, then take all that are free, up to `most`; 0 when `stop` comes first."""
        while self._free + self._ahead() <= 0:
            if stop.is_set():
                return 0
            self._freed.clear()
            await first_of(self._freed, stop)
        if stop.is_set():
            return 0
        taken = min(most, self._free + self._ahead())
        self._free -= taken
        return taken

    def give_back(self, count: int = 1) -> None:
        """Free `count` slots.

        Raises:
            RuntimeError: More are given back than were taken.
        """
        if self._free + count > self.limit:
            raise RuntimeError("more slots are given back than were taken")
        if count:
            self._free += count
            self._freed.set()
