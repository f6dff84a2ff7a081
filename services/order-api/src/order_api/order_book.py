"""The ledger as requests ask it: what a client's key or an order's id stands for, within a deadline."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

import structlog

from flashmsg import Order, Reservation
from flashpay import Acceptance, Ledger, LedgerEntry, LedgerRefusedError, LedgerUnavailableError, Tombstone
from order_api.retry_after import Outage

_T = TypeVar("_T")

log = structlog.get_logger()


class OrderBookError(Exception):
    """The ledger gave no answer in time, or none to go by; what it was asked to write down may have been written."""

    retryable = True


class OrderBook:
    """Looks up and writes down orders before they are published, and asks the ledger for others.

    Args:
        ledger: Where orders are kept.
        timeout: The most that one call may take.
    """

    def __init__(self, *, ledger: Ledger, timeout: timedelta) -> None:
        self._ledger = ledger
        self._timeout_seconds = timeout.total_seconds()
        self._outage = Outage()

    @property
    def outage(self) -> timedelta:
        """How long the ledger has not answered."""
        return self._outage.lasting

    async def get(self, order_id: str) -> LedgerEntry | None:
        """Return the entry of an order, None when there is none.

        Raises:
            OrderBookError: No answer in time.
        """
        return await self._answer(self._ledger.get(order_id), self._timeout_seconds)

    async def find(self, order_id: str) -> LedgerEntry | Tombstone | None:
        """As `get`, and the tombstone of an order that was called off before it was written down."""
        return await self._answer(self._ledger.find(order_id), self._timeout_seconds)

    async def accept(self, order: Order, *, reservation: Reservation | None = None) -> Acceptance:
        """Write an order down with its units, or return what stands there already; see `Ledger.accept`.

        Raises:
            OrderBookError: No answer in time.
        """
        return await self._answer(self._ledger.accept(order, reservation=reservation), self._timeout_seconds)

    async def note(self, order: Order, *, reservation: Reservation | None = None) -> None:
        """Write down an order of which it is not known whether it was published, if that can be done soon.

        Its key was made for it a moment ago and is told to the client only now: with the order in the ledger,
        a repeat under this key meets the same content and price.
        """
        try:
            await self._answer(self._ledger.accept(order, reservation=reservation), self._timeout_seconds / 4)
        except OrderBookError as exc:
            log.warning("order_not_recorded", order_id=order.order_id, error=str(exc))

    async def answer(self, call: Awaitable[_T]) -> _T:
        """Await another call of the ledger, as one of these.

        Raises:
            OrderBookError: No answer in time.
        """
        return await self._answer(call, self._timeout_seconds)

    async def _answer(self, call: Awaitable[_T], seconds: float) -> _T:
        try:
            async with asyncio.timeout(seconds):
                answer = await call
        except (LedgerUnavailableError, TimeoutError) as exc:
            self._outage.failed()
            raise OrderBookError(f"{type(exc).__name__}: {exc}") from exc
        except LedgerRefusedError as exc:
            # The ledger is there, and cannot tell of this order.
            self._outage.ended()
            raise OrderBookError(f"{type(exc).__name__}: {exc}") from exc
        self._outage.ended()
        return answer
