"""Looks for orders in the journals of all sessions: one that nobody else knows of yet may still be placed."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias

from flashstock.errors import StockUnavailableError
from flashstock.pages import JournalEntry, Page, Slot
from flashstock.stock import Stock

# A journal fills its lowest slots first. Few sessions ever have more than these full at once.
_FIRST_SLOTS = 4
# Between two reads; longer ones are followed by as long a rest. Who waits, waits for this and for two reads at most.
_REST_SECONDS = 0.02

Names: TypeAlias = Callable[[str], Iterable[str]]
"""The names that a page mentions: those of its orders, and perhaps others."""

_Seen: TypeAlias = Mapping[Slot, tuple[Page, frozenset[str]]]


class JournalSearch:
    """Finds entries by the name of their order. Everybody who waits shares one read of all journals.

    Used as an async context manager; leaving it ends a read under way.

    Args:
        stock: Whose journals they are.
        names: Finds the names of orders in a page; each page is looked at once.
        timeout: The most that one search may take.
    """

    def __init__(self, *, stock: Stock, names: Names, timeout: timedelta) -> None:
        self._stock = stock
        self._names = names
        self._timeout_seconds = timeout.total_seconds()
        self._seen: _Seen = {}
        self._reading = asyncio.Lock()
        self._rests_until = 0.0
        self._next: asyncio.Task[_Seen] | None = None
        self._tasks: set[asyncio.Task[_Seen]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def find(self, names: Collection[str]) -> Sequence[JournalEntry]:
        """The entries of these orders whose reservation has not ended, in any journal as it is from now on.

        What has left the journals before it is looked for is on the topic, or withdrawn.

        Raises:
            StockUnavailableError: They could not be read in time.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                pages = await self._read_from_now_on()
                entries = [
                    entry
                    for page, mentioned in pages.values()
                    if not mentioned.isdisjoint(names)
                    for entry in page.entries
                    if not frozenset(self._names(entry.body)).isdisjoint(names)
                ]
                ended = await self._stock.endings.ended([entry.reservation.id for entry in entries]) if entries else {}
        except TimeoutError as error:
            raise StockUnavailableError("the journals were not read in time", reason="too_slow") from error
        return [entry for entry in entries if entry.reservation.id not in ended]

    async def _read_from_now_on(self) -> _Seen:
        """What a read finds that has not begun yet: one under way may have passed what is looked for."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_soon(), name="journal search")
            self._tasks.add(self._next)
            self._next.add_done_callback(self._done)
        reading = self._next
        await asyncio.wait({reading})
        if reading.cancelled():
            raise StockUnavailableError("nobody looks any more", reason="closed")
        if isinstance(error := reading.exception(), StockUnavailableError):
            raise error.again() from error
        return reading.result()

    def _done(self, task: asyncio.Task[_Seen]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits; it may be nobody by now

    async def _read_soon(self) -> _Seen:
        loop = asyncio.get_running_loop()
        async with self._reading:
            await asyncio.sleep(self._rests_until - loop.time())
            self._next = None  # whoever comes from here on needs another one
            began_at = loop.time()
            try:
                self._seen = {slot: (page, self._mentioned(slot, page)) for slot, page in (await self._pages()).items()}
            finally:
                self._rests_until = loop.time() + max(_REST_SECONDS, loop.time() - began_at)
            return self._seen

    def _mentioned(self, slot: Slot, page: Page) -> frozenset[str]:
        before = self._seen.get(slot)
        if before is not None and before[0].sequence == page.sequence:
            return before[1]
        return frozenset(self._names(page.text))

    async def _pages(self) -> Mapping[Slot, Page]:
        """Every page there is: a slot is first written after all below it, so behind an empty one all are."""
        pages: dict[Slot, Page] = {}
        first, count = 0, _FIRST_SLOTS
        sessions = await self._stock.sessions.ids()
        while sessions:
            asked = range(first, first + count)
            found = await self._stock.pages.read_slots([(session, n) for session in sessions for n in asked])
            pages |= {slot: page for slot, page in found.items() if page.sequence}
            sessions = [session for session in sessions if (session, asked[-1]) in pages]
            first, count = first + count, 2 * count
        return pages
