"""Sells limited products: reserves units in memory, out of leases, and journals orders before their publish."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import product
from types import TracebackType
from typing import Self

import structlog

from flashmsg import MAX_LINES, MAX_QUANTITY, Reservation
from flashstock.errors import SessionClosedError, SoldOutError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.observer import StockObserver
from flashstock.patience import SellerPatience
from flashstock.selling_session import PublishAgain, SellingSession
from flashstock.sessions import MAX_SLOTS
from flashstock.stock import Stock

_BEATS_PER_LEASE = 6
_IDLE_SECONDS = 1.0
_BASE_32 = "abcdefghijklmnopqrstuvwxyz234567"
_RANDOM_CHARACTERS, _COUNTED_CHARACTERS = 16, 8

log = structlog.get_logger()


class Seller:
    """One process's sale of limited products. Used as an async context manager; leaving the block drains it."""

    def __init__(
        self,
        *,
        stock: Stock,
        publish_again: PublishAgain,
        owner: str,
        lease: timedelta = timedelta(seconds=10),
        slots: int = 32,
        patience: SellerPatience | None = None,
        observer: StockObserver | None = None,
    ) -> None:
        """Wire the seller.

        Args:
            stock: Where units come from.
            publish_again: Publishes an order of which nobody knows whether it was published.
            owner: Which process this is, for people.
            lease: How long without a heartbeat it is taken for alive; the same for every seller and reclaimer.
            slots: How many journal pages can hold orders whose publish is not certain yet.
            patience: How long it waits for what.
            observer: Told of counters and refusals.
        """
        if not 1 <= slots <= MAX_SLOTS:
            raise ValueError(f"slots must be between 1 and {MAX_SLOTS}")
        self._stock = stock
        self._publish_again = publish_again
        self._owner = owner
        self._lease = lease
        self._beat_seconds = lease.total_seconds() / _BEATS_PER_LEASE
        self._slots = slots
        self._patience = patience or SellerPatience()
        self._observer = observer or StockObserver()
        self._session: SellingSession | None = None
        self._ids = _new_ids()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        # A stock out of reach must not keep a process from what it does beside selling limited products.
        await self._beat_or_open()
        self._tasks = [
            asyncio.create_task(self._keep_session(), name="stock heartbeat"),
            asyncio.create_task(self._keep_returning(), name="idle stock"),
        ]
        for task in self._tasks:
            task.add_done_callback(_broken)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._closing = True
        try:
            if self._session is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._patience.drain.total_seconds()):
                        await self._session.idle.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._session is not None:
                await self._leave(self._session)

    async def reserve(self, units: Mapping[str, int]) -> Hold:
        """Reserve units of all these products, or of none.

        Raises:
            SoldOutError: Fewer units of a product are left.
            StockUnavailableError: This process may not sell at the moment, or cannot find out what is left. Nothing
                is reserved.
        """
        units = _sound(units)
        session = self._selling()
        session.begin()
        try:
            await self._take(session, units)
        except BaseException as error:
            session.end()
            if isinstance(error, SoldOutError):
                self._observer.sold_out(error.product_id)
            raise
        return self._held(session, units)

    def reserve_at_once(self, units: Mapping[str, int]) -> Hold | None:
        """Reserve units that are leased; None if that takes more: `reserve` does it, or knows why not."""
        session = self._session
        if self._closing or session is None or not session.is_trusted:
            return None
        units = _sound(units)
        if not session.take_at_once(units):
            return None
        session.begin()
        return self._held(session, units)

    def _held(self, session: SellingSession, units: Mapping[str, int]) -> Hold:
        return Hold(session, Reservation.of_sound_parts(id=next(self._ids), units=units))

    async def _take(self, session: SellingSession, units: Mapping[str, int]) -> None:
        taken: dict[str, int] = {}
        try:
            # In the same sequence by all, so that two orders never hold what the other one waits for.
            for product_id in sorted(units):
                await session.shelf(product_id).take(units[product_id])
                taken[product_id] = units[product_id]
            self._must_still_sell(session)
        except BaseException:
            session.untake(taken)
            raise

    def _must_still_sell(self, session: SellingSession) -> None:
        if session is not self._selling():
            raise SessionClosedError("the session was closed meanwhile", certain=True)

    def _selling(self) -> SellingSession:
        if self._closing:
            raise StockUnavailableError("the seller is closing", reason="closed", certain=True)
        if self._session is None or not self._session.is_trusted:
            raise StockUnavailableError("there is no live selling session", reason="no_session", certain=True)
        return self._session

    async def _keep_session(self) -> None:
        while True:
            session = self._session
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat_seconds):
                    if session is None or session.closed.is_set():
                        await asyncio.Event().wait()
                    else:
                        await session.closed.wait()
            await self._beat_or_open()

    async def _beat_or_open(self) -> None:
        try:
            async with asyncio.timeout(2 * self._beat_seconds):
                if self._session is not None and not self._session.closed.is_set():
                    await self._session.beat()
                elif not self._closing:
                    await self._open()
        except (StockUnavailableError, TimeoutError) as error:
            log.warning("stock_session_not_kept", owner=self._owner, error=repr(error))

    async def _open(self) -> None:
        lost, self._session = self._session, None
        if lost is not None:
            await lost.stop()
        opened_at = asyncio.get_running_loop().time()
        session_id = secrets.token_hex(8)
        await self._stock.sessions.open(session_id, owner=self._owner, slots=self._slots)
        self._session = SellingSession(
            stock=self._stock,
            session_id=session_id,
            slots=self._slots,
            publish_again=self._publish_again,
            lease=self._lease,
            patience=self._patience,
            opened_at=opened_at,
            observer=self._observer,
        )

    async def _keep_returning(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_SECONDS)
            if self._session is not None and self._session.is_trusted:
                await self._session.return_idle()

    async def _leave(self, session: SellingSession) -> None:
        # Looked at before its tasks end: what those have not finished is not over.
        finished = session.idle.is_set() and not session.closed.is_set()
        await session.stop()
        if not finished:
            log.warning("stock_session_left_to_a_reclaimer", session=session.id)
            return
        try:
            await session.remove()
        except StockUnavailableError as error:
            log.warning("stock_session_not_removed", session=session.id, reason=error.reason)


def _broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("stock_task_broken", task=task.get_name(), exc_info=error)


def _new_ids() -> Iterator[str]:
    """Ids of reservations that nobody else makes: 80 random bits of this seller's own, and its count."""
    begin = "rsv_" + "".join([secrets.choice(_BASE_32) for _ in range(_RANDOM_CHARACTERS)])
    return map(begin.__add__, map("".join, product(_BASE_32, repeat=_COUNTED_CHARACTERS)))


def _sound(units: Mapping[str, int]) -> Mapping[str, int]:
    # What a `Reservation` asks for beside the names of products, which shelves look at.
    sound = 0 < len(units) <= MAX_LINES
    for number in units.values():
        sound = sound and 0 < number <= MAX_QUANTITY
    if not sound:
        raise ValueError(f"units of 1 to {MAX_LINES} products, 1 to {MAX_QUANTITY} of each, not {dict(units)}")
    return dict(units)
