"""What becomes of an order's reserved units: decided in one function, and carried out before the message is let go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flashmsg import Order, OrderStatus, Reservation
from flashpay.entries import LedgerEntry
from flashpay.errors import StockUnsettledError
from flashpay.ledger import Ledger
from flashstock.endings import Ending, Outcome
from flashstock.errors import SoldOutError, StockError


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldOut:
    """The order had failed and was to be opened again, but its units are sold by now. Nothing was charged."""

    entry: LedgerEntry


class Stock(Protocol):
    """Limited stock, as far as it is settled with an order; see `flashstock.endings.Endings`."""

    async def settle(self, endings: Sequence[Ending], /) -> object:
        """End the reservations that have not ended; asked again, nothing changes. Raises `StockError`."""
        ...

    async def reopen(self, reservation: Reservation, /) -> None:
        """Reserve a returned reservation's units again, unless it is open or sold. Raises `SoldOutError`."""
        ...


def endings(entry: LedgerEntry, reservation: Reservation | None) -> list[Ending]:
    """The reservations that have found their end, now that the ledger says `entry` to a message with `reservation`.

    The entry's own ends with its order. Any other came with a repeat of the order, or with another order under the
    same id: what it holds is for nobody.
    """
    own = entry.reservation
    found = []
    if own is not None and entry.status.is_terminal:
        sold = entry.status is OrderStatus.COMPLETED
        found.append(Ending(reservation=own, outcome=Outcome.SOLD if sold else Outcome.RETURNED))
    if reservation is not None and (own is None or own.id != reservation.id):
        found.append(Ending(reservation=reservation, outcome=Outcome.RETURNED))
    return found


class Reservations:
    """Ends the reservations of orders, and opens those of failed ones again.

    Args:
        stock: Where they are kept; None where nothing is limited.
        ledger: Asked which reservation a failed order has.
    """

    def __init__(self, *, stock: Stock | None, ledger: Ledger) -> None:
        self._stock = stock
        self._ledger = ledger

    async def end(self, found: Sequence[Ending], entry: LedgerEntry, *, settled: bool) -> None:
        """End what has found its end with `entry`; `settled` says that this attempt brought the order to its own.

        Raises:
            StockUnsettledError: Some may not have ended. Asked again, those that have are left alone.
        """
        stock = self._known(settled=settled)
        try:
            await stock.settle(found)
        except StockError as error:
            raise StockUnsettledError(f"{entry.order_id} is {entry.status.value}: {error}", settled=settled) from error

    async def reopen(self, order: Order) -> bool | SoldOut:
        """Reserve the units of a failed order again, or call it sold out. False where there is no failed order to open.

        Raises:
            StockUnsettledError: It is not known whether the units are reserved; asked again, they are so once.
        """
        entry = await self._ledger.get(order.order_id)
        if entry is None or entry.status is not OrderStatus.FAILED or entry.fingerprint != order.fingerprint:
            return False
        try:
            if entry.reservation is not None:
                await self._known(settled=False).reopen(entry.reservation)
        except SoldOutError:
            entry = await self._ledger.sell_out(order)
            return SoldOut(entry=entry) if entry.status is OrderStatus.SOLD_OUT else False
        except StockError as error:
            raise StockUnsettledError(f"{order.order_id} is not opened again: {error}", settled=False) from error
        return True

    def _known(self, *, settled: bool) -> Stock:
        if self._stock is None:
            raise StockUnsettledError("a reservation came, and no stock table is set", settled=settled)
        return self._stock
