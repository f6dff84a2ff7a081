"""Group commit: concurrent orders share a page of the journal, and each learns when it is written."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush

import structlog

from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.pages import JournalEntry, Pages

# A DynamoDB item holds 400 KB; what is used, the key and the names need some of it.
_PAGE_BYTES = 300_000
_PAGE_ENTRIES = 250
_ENTRY_BYTES = 350_000
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Ticket:
    """An order on its way into the journal; `slot` becomes the slot that it is written to."""

    entry: JournalEntry
    text: str
    slot: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """Writes the pages of one session, one after the other: what it has used is then exact in each.

    A slot is written again only when every order of its last page is over: published for certain, or withdrawn.

    Args:
        pages: Where they are written.
        session_id: Whose they are.
        slots: How many pages can hold orders that are not over.
        on_closed: Called when the journal turns out to be closed.
        linger: How long the first order of a page waits for company.
    """

    def __init__(
        self, *, pages: Pages, session_id: str, slots: int, on_closed: Callable[[], object], linger: timedelta
    ) -> None:
        self._pages = pages
        self._session_id = session_id
        self._on_closed = on_closed
        self._linger_seconds = linger.total_seconds()
        self._waiting: deque[Ticket] = deque()
        # The lowest first: who looks for orders in journals need not read more than were ever full at once.
        self._free = list(range(slots))
        self._unfinished: Counter[int] = Counter()
        self._used: Counter[str] = Counter()
        self._sequence = 0
        self._wake = asyncio.Event()
        self._closed = False

    def append(self, entry: JournalEntry) -> Ticket:
        """Put an order on the next page.

        Raises:
            StockError: It is too large for a page.
            SessionClosedError: The journal is closed.
        """
        ticket = Ticket(entry, entry.to_json())
        if len(ticket.text) > _ENTRY_BYTES:
            raise StockError(f"an order of {len(ticket.text)} bytes is too large for the journal")
        if self._closed:
            raise SessionClosedError("the journal is closed", certain=True)
        self._waiting.append(ticket)
        self._wake.set()
        return ticket

    def remove(self, ticket: Ticket) -> bool:
        """Take an order back that is on no page yet; whether that is so."""
        try:
            self._waiting.remove(ticket)
        except ValueError:
            return False
        return True

    def over(self, slot: int) -> None:
        """One order of this slot needs the journal no more."""
        self._unfinished[slot] -= 1
        if self._unfinished[slot] == 0:
            heappush(self._free, slot)
            self._wake.set()

    def close(self) -> None:
        """Write no more: a reclaimer looks after what is written."""
        self._closed = True
        self._wake.set()
        while self._waiting:
            ticket = self._waiting.popleft()
            _fail(ticket, SessionClosedError("the journal is closed", certain=True))

    async def run(self) -> None:
        """Write pages until the journal is closed or this is cancelled."""
        while not self._closed:
            if not (self._waiting and self._free):
                self._wake.clear()
                await self._wake.wait()
                continue
            await asyncio.sleep(self._linger_seconds)
            if self._waiting and not self._closed:
                await self._write(self._next_page())

    def _next_page(self) -> list[Ticket]:
        page: list[Ticket] = []
        size = 0
        while self._waiting and len(page) < _PAGE_ENTRIES:
            size += len(self._waiting[0].text)
            if page and size > _PAGE_BYTES:
                break
            page.append(self._waiting.popleft())
        return page

    async def _write(self, page: list[Ticket]) -> None:
        slot = heappop(self._free)
        self._sequence += 1
        used = self._used.copy()
        for ticket in page:
            used.update(ticket.entry.reservation.units)
        try:
            await self._write_until_certain(slot, [ticket.text for ticket in page], used)
        except StockUnavailableError as error:
            self._refused(page, slot, error)
            return
        except BaseException:
            for ticket in page:
                _fail(ticket, StockUnavailableError("the journal was stopped", reason="closed"))
            raise
        self._used = used
        self._unfinished[slot] = len(page)
        for ticket in page:
            if not ticket.slot.done():
                ticket.slot.set_result(slot)

    async def _write_until_certain(self, slot: int, entries: list[str], used: Counter[str]) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._pages.write(
                    self._session_id, slot, sequence=self._sequence, entries=entries, used=used
                )
            except SessionClosedError:
                raise
            except StockUnavailableError as error:
                if error.certain:
                    raise
                log.warning("journal_page_not_written", reason=error.reason, orders=len(entries))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _refused(self, page: list[Ticket], slot: int, error: StockUnavailableError) -> None:
        for ticket in page:
            _fail(ticket, error)
        if isinstance(error, SessionClosedError):
            self._on_closed()
        else:
            heappush(self._free, slot)


def _fail(ticket: Ticket, error: StockUnavailableError) -> None:
    if not ticket.slot.done():
        ticket.slot.set_exception(error.again())
        ticket.slot.exception()  # who waited may have gone
