"""How many units of a product one customer has bought, where that is limited."""

from collections.abc import Mapping, Sequence
from typing import Any

from flashmsg import Reservation
from flashstock.endings import Outcome, ending_key
from flashstock.errors import LimitReachedError, StockUnavailableError
from flashstock.table import Check, ConditionFailedError, Path, StockTable, Update, Where

_TOTAL: Path = ("total",)
_GIVEN_BACK = {Outcome.RETURNED, Outcome.REFUNDED}
_SOLD = {Outcome.SOLD, Outcome.SOLD_WITHOUT_UNITS}
_ROUNDS = 5


class Limits:
    """Counts purchases by product and customer, each order once."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def take(
        self, units: Mapping[str, int], *, customer_id: int, order_id: str, limits: Mapping[str, int]
    ) -> None:
        """Count an order's units of limited products, all or none; asked again for the same order, nothing more.

        None is ever taken back here: another request for the same order may stand on what it found counted.
        Where two requests want different numbers under one order, the greater counts.

        Raises:
            LimitReachedError: The customer would have more of a product than its limit.
        """
        for product_id, limit in limits.items():
            if units[product_id] > limit:
                raise LimitReachedError(product_id, limit=limit)
        counted = _order(order_id)
        found = dict.fromkeys(limits, 0)
        for _ in range(_ROUNDS):
            short = [product_id for product_id in limits if found[product_id] < units[product_id]]
            updates = [_count(_key(one, customer_id), counted, found[one], units[one], limits[one]) for one in short]
            try:
                await self._write(updates)
            except ConditionFailedError as failed:
                for n, item in failed.items.items():
                    counts: Any = 0 if item is None else item.get(counted[0], 0)
                    if counts == found[short[n]]:
                        raise LimitReachedError(short[n], limit=limits[short[n]]) from failed
                    found[short[n]] = counts
            else:
                return
        raise StockUnavailableError(f"too many others count {order_id}", reason="contention")

    async def release(self, product_id: str, *, customer_id: int, order_id: str, down_to: int = 0) -> None:
        """Count an order no more, or with so many units at most; nothing if it does not count for more."""
        key, counted = _key(product_id, customer_id), _order(order_id)
        item: Any = (await self._table.read([key])).get(key, {})
        found = item.get(counted[0], 0)
        if found <= down_to:
            return
        less = _count(key, counted, found, down_to) if down_to else _uncount(key, counted, found)
        try:
            await self._table.write(less)
        except ConditionFailedError:
            return  # another call has released it

    async def follow(self, reservation: Reservation, *, customer_id: int, order_id: str) -> None:
        """Count an order as its reservation has ended: sold, though it was returned before, or given back.

        What somebody asked for earlier may not be what came of it, so each count is in one transaction with the guard
        of the end. Nothing happens where the customer never counted, and while the reservation is open.
        """
        for product_id, units in reservation.units.items():
            for _ in range(_ROUNDS):
                if await self._followed(reservation.id, _key(product_id, customer_id), _order(order_id), units):
                    break
            else:
                raise StockUnavailableError(f"too many others are at {reservation.id}", reason="contention")

    async def _write(self, updates: Sequence[Update]) -> None:
        # One update alone costs half of what it costs in a transaction.
        if len(updates) == 1:
            await self._table.write(updates[0])
        elif updates:
            await self._table.transact(updates)

    async def _followed(self, reservation_id: str, key: str, counted: Path, units: int) -> bool:
        """Whether a customer's count goes with the guard of a reservation; False when either has just moved."""
        guard_key = ending_key(reservation_id)
        items: Any = await self._table.read([guard_key, key])
        guard, customer = items.get(guard_key), items.get(key)
        if guard is None or customer is None:
            return True
        counts, outcome = counted[0] in customer, guard["outcome"]
        if counts and outcome in _GIVEN_BACK:
            update = _uncount(key, counted, customer[counted[0]])
        elif not counts and outcome in _SOLD:
            update = _count(key, counted, 0, units)
        else:
            return True
        ended = [Where((name,), "=", guard[name]) for name in ("outcome", "reopened")]
        try:
            await self._table.transact([Check(id=guard_key, where=ended), update])
        except ConditionFailedError:
            return False
        return True


def _count(key: str, counted: Path, found: int, units: int, limit: int | None = None) -> Update:
    unmoved = Where(counted, "=", found) if found else Where(counted, "missing")
    more = units - found
    below = [] if limit is None else [Where(_TOTAL, "<=", limit - more, or_missing=True)]
    return Update(id=key, assign={counted: units}, add={_TOTAL: more}, where=[unmoved, *below])


def _uncount(key: str, counted: Path, units: int) -> Update:
    return Update(id=key, add={_TOTAL: -units}, remove=[counted], where=[Where(counted, "=", units)])


def _key(product_id: str, customer_id: int) -> str:
    return f"limit#{product_id}#{customer_id}"


def _order(order_id: str) -> Path:
    return (f"order#{order_id}",)
