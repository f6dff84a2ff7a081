"""Slots: how many messages may be worked at once."""

import asyncio

from flashbus.events import first_of
from flashbus.look_ahead import LookAhead


class Slots:
    """A counted set of permits, taken several at a time, before the messages they are for."""

    def __init__(self, limit: int, *, look_ahead: LookAhead | None = None) -> None:
        """Have `limit` permits, at least 1, and as many beyond them as `look_ahead` says whenever some are taken."""
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.limit = limit
        self._free = limit
        self._look_ahead = look_ahead or LookAhead(limit)
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many slots nobody has taken; fewer than none while some are taken ahead."""
        return self._free

    async def take(self, most: int, *, stop: asyncio.Event) -> int:
        """Wait until a receive is worth its while, then take all that are free, up to `most`; 0 when `stop` is first.

        It is for an empty slot at once; while what is taken already keeps all slots busy, for some together.
        """
        async with self._turn:
            while not self._is_worth_a_receive() and not stop.is_set():
                self._freed.clear()
                await first_of(self._freed, stop)
            if stop.is_set():
                return 0
            taken = min(most, self._free + self._look_ahead.messages)
            self._free -= taken
            return taken

    def give_back(self, count: int = 1) -> None:
        """Free `count` slots.

        Raises:
            RuntimeError: More are given back than were taken.
        """
        if self._free + count > self.limit:
            raise RuntimeError("more slots are given back than were taken")
        self._free += count
        if self._is_worth_a_receive():
            self._freed.set()

    def _is_worth_a_receive(self) -> bool:
        return self._free > 0 or self._free + self._look_ahead.messages >= max(1, self._look_ahead.company)
