"""Slots: how many messages may be worked at once."""

import asyncio

from flashbus.events import first_of


class Slots:
    """A counted set of permits, taken several at a time, before the messages they are for."""

    def __init__(self, limit: int) -> None:
        """`limit` is the most messages at once, at least 1."""
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.limit = limit
        self._free = limit
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many slots nobody has taken."""
        return self._free

    async def take(self, most: int, *, stop: asyncio.Event) -> int:
        """Wait for a free slot, then take all that are free, up to `most`; 0 when `stop` comes first."""
        while not self._free:
            if stop.is_set():
                return 0
            self._freed.clear()
            await first_of(self._freed, stop)
        if stop.is_set():
            return 0
        taken = min(most, self._free)
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
