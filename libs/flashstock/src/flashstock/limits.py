"""How many units of a product one customer has bought, where that is limited."""

from typing import Any

from flashstock.errors import LimitReachedError
from flashstock.table import ConditionFailedError, Path, StockTable, Update, Where

_TOTAL: Path = ("total",)


class Limits:
    """Counts purchases by product and customer, each order once."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def take(self, product_id: str, *, customer_id: int, order_id: str, units: int, limit: int) -> None:
        """Count an order's units; asked again for the same order, nothing more.

        Raises:
            LimitReachedError: The customer would have more than `limit`.
        """
        counted = _order(order_id)
        if units > limit:
            raise LimitReachedError(product_id, limit=limit)
        try:
            await self._table.write(
                Update(
                    id=_key(product_id, customer_id),
                    assign={counted: units},
                    add={_TOTAL: units},
                    where=[Where(counted, "missing"), Where(_TOTAL, "<=", limit - units, or_missing=True)],
                )
            )
        except ConditionFailedError as failed:
            if failed.item is None or counted[0] not in failed.item:
                raise LimitReachedError(product_id, limit=limit) from failed

    async def release(self, product_id: str, *, customer_id: int, order_id: str) -> None:
        """Count an order no more; nothing if it does not count."""
        key, counted = _key(product_id, customer_id), _order(order_id)
        item: Any = (await self._table.read([key])).get(key, {})
        if counted[0] not in item:
            return
        units = item[counted[0]]
        try:
            await self._table.write(
                Update(id=key, add={_TOTAL: -units}, remove=[counted], where=[Where(counted, "=", units)])
            )
        except ConditionFailedError:
            return  # another call has released it


def _key(product_id: str, customer_id: int) -> str:
    return f"limit#{product_id}#{customer_id}"


def _order(order_id: str) -> Path:
    return (f"order#{order_id}",)
