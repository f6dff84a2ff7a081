"""One life of a seller: what it has leased, what it has journaled, and whether it still may sell."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from itertools import islice
from math import inf
from typing import Any, Final, TypeAlias

import structlog
from pydantic import TypeAdapter

from flashmsg import ProductId
from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.journal import Journal
from flashstock.observer import StockObserver
from flashstock.pages import JournalEntry
from flashstock.patience import SellerPatience
from flashstock.shelf import Shelf
from flashstock.stock import Stock

PublishAgain: TypeAlias = Callable[[JournalEntry], Awaitable[None]]
"""Publishes an order of the journal; returns only when the topic has certainly taken it, raises otherwise."""

# Of the time after which others may take this session for dead, the part in which it still sells.
_TRUSTED = 0.6

_PRODUCT_ID: Final = TypeAdapter[str](ProductId)

log = structlog.get_logger()


class SellingSession:
    """A session that is open as far as this process knows.

    Args:
        stock: The stock.
        session_id: Its name.
        slots: Its journal slots.
        publish_again: Publishes an order of which nobody knows whether it was published.
        lease: How long without a heartbeat it is taken for alive.
        patience: How long its orders wait for what.
        opened_at: When it was about to be opened, by the loop's clock.
        observer: Told of the counters.
    """

    def __init__(
        self,
        *,
        stock: Stock,
        session_id: str,
        slots: int,
        publish_again: PublishAgain,
        lease: timedelta,
        patience: SellerPatience,
        opened_at: float,
        observer: StockObserver,
    ) -> None:
        self.id = session_id
        self.stock = stock
        self.publish_again = publish_again
        self.patience = patience
        self.closed = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.journal = Journal(
            pages=stock.pages,
            session_id=session_id,
            slots=slots,
            on_closed=self.close,
            linger=patience.linger,
            timeout=patience.timeout,
        )
        self._slots = slots
        self.observer = observer
        self._trusted_seconds = _TRUSTED * lease.total_seconds()
        self._shelves: dict[str, Shelf] = {}
        self._time = asyncio.get_running_loop().time
        self._beats = 1
        self._trusted_until = opened_at + self._trusted_seconds
        self._orders = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer = asyncio.create_task(self.journal.run(), name=f"journal {session_id}")

    @property
    def is_trusted(self) -> bool:
        """Whether no reclaimer can have taken it for dead yet, as far as its own clock tells."""
        return self._time() < self._trusted_until

    def begin(self) -> None:
        """An order is about to take units; until it says `end`, the session is not idle."""
        if not self._orders:
            self.idle.clear()
        self._orders += 1

    def end(self) -> None:
        """An order is over, as far as its request knows."""
        self._orders -= 1
        if not self._orders:
            self._look_whether_idle()

    def shelf(self, product_id: str) -> Shelf:
        """What it has of a product.

        Raises:
            ValidationError: Nothing that is called so can be ordered.
        """
        if (shelf := self._shelves.get(product_id)) is None:
            # Once a product, and so in no reservation any more.
            _PRODUCT_ID.validate_python(product_id)
            shelf = self._shelves[product_id] = Shelf(
                leases=self.stock.leases,
                product_id=product_id,
                session_id=self.id,
                on_closed=self.close,
                observer=self.observer,
            )
        return shelf

    def take_at_once(self, units: Mapping[str, int]) -> bool:
        """Take units of all these products, or of none, if they are leased; whether they were."""
        for already, (product_id, number) in enumerate(units.items()):
            if not self.shelf(product_id).take_at_once(number):
                self.untake(dict(islice(units.items(), already)))
                return False
        return True

    def untake(self, units: Mapping[str, int]) -> None:
        """Put units back that an order took which is refused; see `Shelf.untake`."""
        for product_id, number in units.items():
            self.shelf(product_id).untake(number)

    def close(self) -> None:
        """Know that a reclaimer has taken over: sell and journal no more."""
        if not self.closed.is_set():
            log.warning("stock_session_lost", session=self.id)
            self.closed.set()
            self._trusted_until = -inf
            self.journal.close()

    async def beat(self) -> None:
        """Show that it lives."""
        asked_at = self._time()
        self._beats += 1
        try:
            await self.stock.sessions.beat(self.id, self._beats)
        except SessionClosedError:
            self.close()
            raise
        if not self.closed.is_set():
            self._trusted_until = asked_at + self._trusted_seconds

    async def return_idle(self) -> None:
        """Let others have what will hardly be sold here."""
        # A copy: another product may be sold for the first time while one goes back.
        for product_id, shelf in list(self._shelves.items()):
            try:
                await shelf.return_idle()
            except StockUnavailableError as error:
                log.warning("idle_stock_not_returned", product=product_id, reason=error.reason)

    def background(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Do something that its caller may not live to see."""
        task = asyncio.create_task(work, name=name)
        self.idle.clear()
        self._tasks.add(task)
        task.add_done_callback(self._background_done)
        return task

    async def remove(self) -> None:
        """Give back everything and leave nothing in the table. Only when it is idle."""
        for shelf in self._shelves.values():
            await shelf.end_doubt()
        # Closed first: a first lease that is still on its way would enter its product once the lease is ended.
        await self.stock.sessions.leave(self.id)
        for shelf in self._shelves.values():
            await shelf.close()
        await self.stock.sessions.remove(self.id, slots=self._slots)

    async def stop(self) -> None:
        """End its tasks, whatever they are at: what they leave undone is a reclaimer's."""
        tasks = [self._writer, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(shelf.stop() for shelf in self._shelves.values()), return_exceptions=True)

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits; it may be nobody by now
        self._look_whether_idle()

    def _look_whether_idle(self) -> None:
        if self._orders == 0 and not self._tasks:
            self.idle.set()
