"""Finishes what a dead seller left: publishes what it had journaled, and returns what it had not sold."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from flashstock.errors import StockUnavailableError
from flashstock.levels import Product
from flashstock.observer import StockObserver
from flashstock.pages import JournalEntry, Page
from flashstock.reclaimer_lock import Holder
from flashstock.selling_session import PublishAgain
from flashstock.sessions import Session
from flashstock.stock import Stock

_ROUNDS_PER_LEASE = 6
# How many sessions are reclaimed at once. Between them the lock is kept, or it would seem free.
_SESSIONS = 8
# How many orders are published at once: they share the batches of whatever publishes them.
_PUBLISHES = 100

log = structlog.get_logger()

Seen = TypeVar("Seen")


@dataclass(slots=True)
class _Sight(Generic[Seen]):
    seen: Seen
    since: float


class Reclaimer:
    """Runs beside every seller; one of them at a time is at work.

    What has not changed for a lease is dead: told by this process's own clock, never by comparing clocks. A process
    that was only slow can do no harm afterwards: its session and its journal are closed first.
    """

    def __init__(
        self,
        *,
        stock: Stock,
        publish_again: PublishAgain,
        owner: str,
        lease: timedelta = timedelta(seconds=10),
        observer: StockObserver | None = None,
    ) -> None:
        """Wire the reclaimer.

        Args:
            stock: The stock.
            publish_again: Publishes an order that a dead session had journaled.
            owner: A name of this one reclaimer and no other.
            lease: How long without a heartbeat a session is taken for alive; the sellers' own.
            observer: Told of counters and of what was reclaimed.
        """
        self._stock = stock
        self._publish_again = publish_again
        self._owner = owner
        self._lease_seconds = lease.total_seconds()
        self._observer = observer or StockObserver()
        self._holder: _Sight[Holder | None] | None = None
        self._sessions: dict[str, _Sight[Session]] = {}
        # The orders of each unfinished session that are published or have ended: no round is to publish them once more.
        self._done: dict[str, set[str]] = {}
        self._publishing = asyncio.Semaphore(_PUBLISHES)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch and reclaim until stopped."""
        while not stop.is_set():
            try:
                await self.look()
            except StockUnavailableError as error:
                log.warning("stock_not_watched", reason=error.reason)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / _ROUNDS_PER_LEASE):
                    await stop.wait()

    async def look(self) -> None:
        """One round, if the lock is ours: reclaim every session that is dead by now."""
        if not await self._hold_lock():
            self._sessions.clear()
            return
        for level in await self._stock.counters.all():
            self._observer.level(level)
        asked_at = asyncio.get_running_loop().time()
        dead = self._dead(await self._stock.sessions.list(), asked_at)
        while dead:
            now, dead = dead[:_SESSIONS], dead[_SESSIONS:]
            await asyncio.gather(*map(self._reclaim, now))
            if dead and not await self._hold_lock():
                return

    async def _hold_lock(self) -> bool:
        holder = await self._stock.lock.holder()
        now = asyncio.get_running_loop().time()
        if self._holder is None or self._holder.seen != holder:
            self._holder = _Sight(holder, now)
        ours = holder is None or holder.owner == self._owner
        if not ours and now - self._holder.since < self._lease_seconds:
            return False
        return await self._stock.lock.take(self._owner, seen=holder)

    def _dead(self, sessions: Sequence[Session], asked_at: float) -> list[Session]:
        """The sessions that had not changed for a lease; one that is closed already is another's unfinished work."""
        now = asyncio.get_running_loop().time()
        before, self._sessions = self._sessions, {}
        self._done = {session.id: self._done.get(session.id, set()) for session in sessions}
        for session in sessions:
            sight = before.get(session.id)
            self._sessions[session.id] = sight if sight and sight.seen == session else _Sight(session, now)
        return [
            sight.seen
            for sight in self._sessions.values()
            if not sight.seen.open or asked_at - sight.since >= self._lease_seconds
        ]

    async def _reclaim(self, session: Session) -> None:
        try:
            # Closed first: whatever it still tries is refused from here on.
            if not await self._stock.sessions.close(session):
                return
            await self._finish(session)
        except Exception as error:  # noqa: BLE001 - whatever it is: the session stays closed, the next round goes on
            log.warning("stock_session_not_reclaimed", session=session.id, owner=session.owner, error=repr(error))
        else:
            log.warning("stock_session_reclaimed", session=session.id, owner=session.owner)

    async def _finish(self, session: Session) -> None:
        await self._stock.pages.close(session.id, slots=session.slots)
        # No lease is new any more, and one that has changed by the time it is ended is read again.
        pages, products = await asyncio.gather(
            self._stock.pages.read(session.id, slots=session.slots), self._stock.counters.products()
        )
        unpublished = await self._publish(pages, self._done[session.id])
        # An order that cannot be published keeps its own units, and its page; what was never sold is nobody's.
        for product in products:
            await self._return_leftover(product, session, pages)
        if unpublished:
            raise RuntimeError(f"{unpublished} orders are not known to be published")
        await self._stock.sessions.remove(session.id, slots=session.slots)

    async def _publish(self, pages: Sequence[Page], done: set[str]) -> int:
        """Publish all that may not be published, and count what failed; what is published twice is one order."""
        entries = {entry.reservation.id: entry for page in pages for entry in page.entries}
        done.update(await self._stock.endings.ended([name for name in entries if name not in done]))
        left = [entry for name, entry in entries.items() if name not in done]
        return (await asyncio.gather(*(self._published(entry, done) for entry in left))).count(False)

    async def _published(self, entry: JournalEntry, done: set[str]) -> bool:
        try:
            async with self._publishing:
                await self._publish_again(entry)
        except Exception as error:  # noqa: BLE001 - one that can never be published must not keep the others from it
            self._observer.stuck()
            log.warning("order_not_published_again", reservation=entry.reservation.id, error=repr(error))
            return False
        done.add(entry.reservation.id)
        self._observer.republished()
        return True

    async def _return_leftover(self, product: Product, session: Session, pages: Sequence[Page]) -> None:
        """Make available what was leased and is in no page; a lease that moved meanwhile is looked at again."""
        product_id = product.level.product_id
        # Every page has the sum of all pages up to it.
        used = max((page.used.get(product_id, 0) for page in pages), default=0)
        while session.id in product.leases:
            lease = product.leases[session.id]
            if await self._stock.leases.end(product_id, session.id, lease, idle=lease.units - used):
                self._observer.reclaimed(product_id, lease.units - used)
                return
            product = await self._stock.leases.read(product_id)
