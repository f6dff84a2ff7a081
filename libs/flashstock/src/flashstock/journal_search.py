"""Looks for orders in the journals of all sessions: one that nobody else knows of yet may still be placed."""

import asyncio
from collections import Counter
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
# Within this no session is opened, used and gone again.
_SHORTEST_SESSION_SECONDS = 1.0

Names: TypeAlias = Callable[[str], Iterable[str]]
"""The names that a page mentions: those of its orders, and perhaps others."""

_Seen: TypeAlias = Mapping[Slot, tuple[Page, frozenset[str]]]


class JournalSearch:
    """Finds entries by the name of their order. Everybody who waits shares one read of all journals.

    Used as an async context manager; leaving it ends a read under way.

    Attributes:
        version: Changes when a read finds other pages than the one before: as long as it stays, nothing has left them.

    Args:
        stock: Whose journals they are.
        names: Finds the names of orders in a page; each page is looked at once.
        timeout: The most that one search may take.
    """

    def __init__(self, *, stock: Stock, names: Names, timeout: timedelta) -> None:
        self._stock = stock
        self._names = names
        self._timeout_seconds = timeout.total_seconds()
        self.version = 0
        self._seen: _Seen = {}
        # How many slots of each session were looked at: those with a page, and the first without.
        self._slots: Mapping[str, int] = {}
        self._read_at = float("-inf")
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
                entries = self._of(names, await self._read_from_now_on())
                ended = await self._stock.endings.ended([entry.reservation.id for entry in entries]) if entries else {}
        except TimeoutError as error:
            raise StockUnavailableError("the journals were not read in time", reason="too_slow") from error
        return [entry for entry in entries if entry.reservation.id not in ended]

    def _of(self, names: Collection[str], pages: _Seen) -> list[JournalEntry]:
        return [
            entry
            for page, mentioned in pages.values()
            if not mentioned.isdisjoint(names)
            for entry in page.entries
            if not frozenset(self._names(entry.body)).isdisjoint(names)
        ]

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
                pages = await self._pages()
            finally:
                self._rests_until = loop.time() + max(_REST_SECONDS, loop.time() - began_at)
            self._note(pages, began_at=began_at)
            return self._seen

    def _note(self, pages: Mapping[Slot, Page], *, began_at: float) -> None:
        unchanged = pages == {slot: page for slot, (page, _) in self._seen.items()}
        if not unchanged or began_at - self._read_at > _SHORTEST_SESSION_SECONDS:
            self.version += 1
        self._read_at = began_at
        self._seen = {slot: (page, self._mentioned(slot, page)) for slot, page in pages.items()}

    def _mentioned(self, slot: Slot, page: Page) -> frozenset[str]:
        before = self._seen.get(slot)
        if before is not None and before[0].sequence == page.sequence:
            return before[1]
        return frozenset(self._names(page.text))

    async def _pages(self) -> Mapping[Slot, Page]:
        """Every page there is: a slot is first written after all below it, so behind an empty one all are."""
        asked = dict(self._slots)
        sessions, found = await self._stock.sessions.with_pages(_slots(asked))
        pages = _written(found)
        while more := [one for one in sessions if one not in asked or (one, asked[one] - 1) in pages]:
            wider = {one: max(_FIRST_SLOTS, 2 * asked.get(one, 0)) for one in more}
            pages |= _written(await self._stock.pages.read_slots(_slots(wider)))
            asked |= wider
        full = Counter(session for session, _ in pages)
        self._slots = {session: full[session] + 1 for session in sessions}
        return pages


def _slots(counts: Mapping[str, int]) -> list[Slot]:
    return [(session, number) for session, count in counts.items() for number in range(count)]


def _written(slots: Mapping[Slot, Page]) -> dict[Slot, Page]:
    return {slot: page for slot, page in slots.items() if page.sequence}
