"""Group commit: concurrent orders share a page of the journal, and each learns when it is written."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush
from typing import Any, TypeAlias

import structlog

from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.pages import JournalEntry, Pages

# A DynamoDB item holds 400 KB; what is used, the key and the names need some of it. Text has seven bits a byte at most
# when it is compressed, and base64 writes six of them as a byte.
_PAGE_BYTES = 300_000
_PAGE_ENTRIES = 250
_ENTRY_BYTES = 340_000
_ITEM_BYTES = 400_000
_PACKED = 7 / 6
# Of one product in what is used: its name of 64 characters, its units, and what JSON has around them.
_USED_BYTES = 80
# Every page has all of them. A session that has sold more ends, and the next one begins with none.
_USED_PRODUCTS = 3_000
# Enough for a page that waits for nobody more: DynamoDB counts its bytes, and a request for ten is a tenth for each.
_COMPANY = 10
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0

# Of uvloop's clock, which has whole milliseconds: when a linger ends by it, the sum of begin and linger may be later.
_LAST_BIT_SECONDS = 1e-6

Publish: TypeAlias = Callable[[Sequence[JournalEntry], Sequence[asyncio.Future[None]]], object]
"""Publishes orders, and completes the future of each with what came of that, now or later."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Ticket:
    """An order on its way into the journal.

    Attributes:
        entry: The order.
        head: What its page has before its body.
        size: Bytes of both.
        since: When it began to wait, by the loop's clock.
        slot: Becomes the slot that it is written to; TimeoutError when that takes too long.
        publish: Handed the order once that is written, while who appended it waits; `slot` is its to complete then.
        outcome: The slot, or why there is none, also when nobody waited any more.
        published_from: The slot, once the order is handed to `publish`.
        given_up: Whether who appended it has stopped waiting.
    """

    entry: JournalEntry
    head: str
    size: int
    since: float
    slot: asyncio.Future[Any]
    publish: Publish | None = None
    outcome: int | StockUnavailableError | None = None
    published_from: int | None = None
    given_up: bool = False

    def settle(self, outcome: int | StockUnavailableError) -> None:
        """Tell whoever waits, if anybody does."""
        self.outcome = outcome
        if self.slot.done():
            return
        if isinstance(outcome, int):
            self.slot.set_result(outcome)
        else:
            self.slot.set_exception(outcome.again())
            self.slot.exception()  # who waited may have gone

    def await_anew(self) -> None:
        """Have the outcome told once more, to somebody with more patience than who appended it."""
        self.given_up = True
        self.publish = None
        self.slot = asyncio.get_running_loop().create_future()
        if self.outcome is not None:
            self.settle(self.outcome)


class Journal:
    """Writes the pages of one session, one after the other: what it has used is then exact in each.

    A slot is written again only when every order of its last page is over: published for certain, or withdrawn.

    Args:
        pages: Where they are written.
        session_id: Whose they are.
        slots: How many pages can hold orders that are not over.
        on_closed: Called when the journal turns out to be closed.
        linger: How long the first order of a page waits for company, the page before it included; ten are enough.
        timeout: How long whoever appends an order waits for its slot.
    """

    def __init__(
        self,
        *,
        pages: Pages,
        session_id: str,
        slots: int,
        on_closed: Callable[[], object],
        linger: timedelta,
        timeout: timedelta,
    ) -> None:
        self._pages = pages
        self._session_id = session_id
        self._on_closed = on_closed
        self._linger_seconds = linger.total_seconds()
        self._timeout_seconds = timeout.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[Ticket] = deque()
        self._under_way: list[Ticket] = []
        # The lowest first: who looks for orders in journals need not read more than were ever full at once.
        self._free = list(range(slots))
        self._unfinished: Counter[int] = Counter()
        self._used: Counter[str] = Counter()
        self._sequence = 0
        self._wake = asyncio.Event()
        self._closed = False

    def append(self, entry: JournalEntry, publish: Publish | None = None) -> Ticket:
        """Put an order on the next page; `publish` as a ticket has it, called once for all orders of a page.

        Raises:
            StockError: It is too large for a page.
            SessionClosedError: The journal is closed.
        """
        head, body = entry.head(), entry.body
        ascii_only = head.isascii() and body.isascii()
        size = len(head) + len(body) if ascii_only else len(head.encode()) + len(body.encode())
        if size > _ENTRY_BYTES:
            raise StockError(f"an order of {size} bytes is too large for the journal")
        if self._closed:
            raise SessionClosedError("the journal is closed", certain=True)
        ticket = Ticket(entry, head, size, self._loop.time(), self._loop.create_future(), publish)
        self._waiting.append(ticket)
        if len(self._waiting) in (1, _COMPANY):
            self._wake.set()
        if self._timer is None:
            self._set_timer(ticket)
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
        self._unfinished[slot] = left = self._unfinished[slot] - 1
        if not left:
            heappush(self._free, slot)
            self._wake.set()

    def close(self) -> None:
        """Write no more: a reclaimer looks after what is written."""
        self._closed = True
        self._wake.set()
        while self._waiting:
            self._waiting.popleft().settle(SessionClosedError("the journal is closed", certain=True))

    async def run(self) -> None:
        """Write pages until the journal is closed or this is cancelled."""
        while not self._closed:
            if not (self._waiting and self._free):
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._linger()
            if len(self._used) > _USED_PRODUCTS:
                self._on_closed()
            if self._waiting and not self._closed:
                await self._write(self._next_page())

    async def _linger(self) -> None:
        # Who waited for the page before has lingered meanwhile. One turn of the loop is for those just being read.
        await asyncio.sleep(0)
        while self._waiting and len(self._waiting) < _COMPANY and not self._closed:
            left = self._waiting[0].since + self._linger_seconds - self._loop.time()
            if left <= _LAST_BIT_SECONDS:
                return
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()

    def _set_timer(self, oldest: Ticket) -> None:
        # One for all: each gets the same time, so they are late in the sequence they came.
        self._timer = self._loop.call_at(oldest.since + self._timeout_seconds, self._look_for_late)

    def _look_for_late(self) -> None:
        self._timer = None
        now = self._loop.time()
        for ticket in (*self._under_way, *self._waiting):
            if ticket.given_up or ticket.slot.done():
                continue
            if ticket.since + self._timeout_seconds > now:
                self._set_timer(ticket)
                break
            ticket.slot.set_exception(TimeoutError())

    def _next_page(self) -> list[Ticket]:
        page: list[Ticket] = []
        size, used = 0, len(self._used)
        while self._waiting and len(page) < _PAGE_ENTRIES:
            ticket = self._waiting[0]
            size += ticket.size
            used += len(ticket.entry.reservation.units)
            if page and (size > _PAGE_BYTES or size * _PACKED + used * _USED_BYTES > _ITEM_BYTES):
                break
            page.append(self._waiting.popleft())
        return page

    async def _write(self, page: list[Ticket]) -> None:
        slot = heappop(self._free)
        self._under_way = page
        self._sequence += 1
        used = self._used_with(page)
        try:
            await self._write_until_certain(slot, page, used)
        except StockUnavailableError as error:
            self._refused(page, slot, error)
            return
        except BaseException:
            for ticket in page:
                ticket.settle(StockUnavailableError("the journal was stopped", reason="closed"))
            raise
        finally:
            self._under_way = []
        self._used = used
        self._unfinished[slot] = len(page)
        _hand_on(page, slot)

    def _used_with(self, page: list[Ticket]) -> Counter[str]:
        used = self._used.copy()
        for ticket in page:
            for product_id, units in ticket.entry.reservation.units.items():
                used[product_id] += units
        return used

    async def _write_until_certain(self, slot: int, page: list[Ticket], used: Counter[str]) -> None:
        entries = [piece for ticket in page for piece in (ticket.head, ticket.entry.body)]
        pause = _FIRST_PAUSE_SECONDS
        in_doubt = False
        while True:
            try:
                return await self._pages.write(
                    self._session_id, slot, sequence=self._sequence, entries=entries, used=used
                )
            except SessionClosedError:
                raise
            except StockUnavailableError as error:
                # A page that is refused now may have been written before, unless it is none at all.
                if error.certain and not (in_doubt and error.reason == "access"):
                    raise
                in_doubt = in_doubt or not error.certain
                log.warning("journal_page_not_written", reason=error.reason, orders=len(page))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _refused(self, page: list[Ticket], slot: int, error: StockUnavailableError) -> None:
        for ticket in page:
            ticket.settle(error)
        if isinstance(error, SessionClosedError):
            self._on_closed()
        else:
            heappush(self._free, slot)


def _hand_on(page: list[Ticket], slot: int) -> None:
    """A page is written: publish its orders, or tell whoever waits to do that."""
    publishing: dict[Publish, list[Ticket]] = {}
    for ticket in page:
        if ticket.publish is None or ticket.slot.done():
            ticket.settle(slot)
        else:
            ticket.published_from = slot
            publishing.setdefault(ticket.publish, []).append(ticket)
    for publish, tickets in publishing.items():
        _publish(publish, tickets)


def _publish(publish: Publish, tickets: list[Ticket]) -> None:
    try:
        publish([ticket.entry for ticket in tickets], [ticket.slot for ticket in tickets])
    except Exception as error:  # noqa: BLE001 - a bug of ours: told to whoever waits, and the next page is written
        for ticket in tickets:
            if not ticket.slot.done():
                ticket.slot.set_exception(error)
