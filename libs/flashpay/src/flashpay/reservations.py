"""What becomes of an order's reserved units: decided in one function, and carried out before the message is let go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flashmsg import OrderStatus, Reservation
from flashpay.claims import Claimed
from flashpay.entries import LedgerEntry
from flashpay.errors import StockUnsettledError
from flashstock.endings import Ending, Outcome
from flashstock.errors import SoldOutError, StockError


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldOut:
    """The order had failed and was opened again, but others have its units by now. Nothing was charged."""

    entry: LedgerEntry


class Stock(Protocol):
    """Limited stock, as far as it is settled with an order; see `flashstock.endings.Endings`."""

    async def settle(self, endings: Sequence[Ending], /) -> object:
        """End the reservations that have not ended; asked again, nothing changes. Raises `StockError`."""
        ...

    async def reopen(self, reservation: Reservation, /, *, reopened: int) -> None:
        """Reserve a returned reservation's units again, once for each `reopened`. Raises `SoldOutError`."""
        ...


class PurchaseLimits(Protocol):
    """What each customer has bought, as far as it is settled with an order; see `flashstock.limits.Limits`."""

    async def follow(self, reservation: Reservation, /, *, customer_id: int, order_id: str) -> None:
        """Count an order, or no more, as its reservation has really ended. Raises `StockError`."""
        ...


def endings(entry: LedgerEntry, reservation: Reservation | None) -> list[Ending]:
    """The reservations that have found their end, now that the ledger says `entry` to a message with `reservation`.

    The entry's own ends with its order. Any other came with a repeat of the order, or with another order under the
    same id: what it holds is for nobody.
    """
    own = entry.reservation
    found = []
    if own is not None and entry.status.is_terminal:
        found.append(own_ending(own, entry))
    if reservation is not None and (own is None or own.id != reservation.id):
        found.append(Ending(reservation=reservation, outcome=Outcome.RETURNED))
    return found


def own_ending(own: Reservation, entry: LedgerEntry) -> Ending:
    """How an order's own reservation ends with it."""
    if entry.status is OrderStatus.COMPLETED:
        return Ending(reservation=own, outcome=Outcome.SOLD, reopened=entry.reopened)
    if entry.status in {OrderStatus.REFUNDING, OrderStatus.REFUNDED}:
        return Ending(reservation=own, outcome=Outcome.REFUNDED, reopened=entry.reopened)
    return Ending(reservation=own, outcome=Outcome.RETURNED, reopened=entry.reopened)


class Reservations:
    """Ends the reservations of orders, and opens those of redriven ones again. Without `stock` nothing is limited.

    An entry counts how often it was reopened, and an ending names the count that it was decided at. So nothing that
    was decided before a redrive, and arrives late, returns the units of an order that is being charged.
    """

    def __init__(self, *, stock: Stock | None, limits: PurchaseLimits | None) -> None:
        self._stock = stock
        self._limits = limits

    async def end(self, found: Sequence[Ending], entry: LedgerEntry, *, settled: bool) -> None:
        """End what has found its end with `entry`; `settled` says that this attempt brought the order to its own.

        Raises:
            StockUnsettledError: Some may not have ended. Asked again, those that have are left alone.
        """
        stock = self._known(settled=settled)
        try:
            await stock.settle(found)
            await self._count(found, entry)
        except StockError as error:
            raise StockUnsettledError(f"{entry.order_id} is {entry.status.value}: {error}", settled=settled) from error

    async def reopen(self, claimed: Claimed) -> bool:
        """Reserve the units of a reopened order again, before it is charged; whether it has them.

        Every attempt asks: the one that reopened the order may have died since.

        Raises:
            StockUnsettledError: It is not known whether the units are reserved.
        """
        if not claimed.reopened or claimed.reservation is None:
            return True
        try:
            await self._known(settled=False).reopen(claimed.reservation, reopened=claimed.reopened)
        except SoldOutError:
            return False
        except StockError as error:
            raise StockUnsettledError(f"{claimed.order.order_id} has no units yet: {error}", settled=False) from error
        return True

    async def _count(self, found: Sequence[Ending], entry: LedgerEntry) -> None:
        """What an order did not come to buy counts no more for its customer; a second reservation never counted."""
        own = [ending for ending in found if ending.reservation == entry.reservation]
        if self._limits is None or not own:
            return
        # Only an order that was claimed again, or opened again, may be sold after it was given up: it counts again.
        if own[0].outcome is not Outcome.SOLD or entry.attempt > 1 or entry.reopened:
            await self._limits.follow(own[0].reservation, customer_id=entry.customer_id, order_id=entry.order_id)

    def _known(self, *, settled: bool) -> Stock:
        if self._stock is None:
            raise StockUnsettledError("a reservation came, and no stock table is set", settled=settled)
        return self._stock
