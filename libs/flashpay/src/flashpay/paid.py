"""The orders that the ledger says are paid, found by reading the whole table: to compare books, not for every run."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

from flashmsg import OrderStatus
from flashpay.items import moment, text
from flashpay.paging import order_ids


class PaidOrders(Protocol):
    """Finds the orders that were recorded as paid."""

    def paid_since(self, moment: datetime, /) -> AsyncIterator[str]:
        """The ids of orders that are `completed`, and were since `moment`. Raises LedgerUnavailableError."""
        ...


class ScanClient(Protocol):
    """The one call made of an aiobotocore DynamoDB client."""

    async def scan(self, **arguments: object) -> dict[str, Any]: ...


class DynamoPaid:
    """`PaidOrders` of the orders table. A run costs half a read unit for every 4 KB that there are."""

    def __init__(self, *, client: ScanClient, table: str) -> None:
        self._client = client
        self._table = table

    async def paid_since(self, since: datetime, /) -> AsyncIterator[str]:
        """See `PaidOrders.paid_since`; in no order."""
        found = order_ids(
            self._client.scan,
            TableName=self._table,
            FilterExpression="#status = :completed AND #completed_at >= :since",
            ProjectionExpression="#order_id",
            ExpressionAttributeNames={"#status": "status", "#completed_at": "completed_at", "#order_id": "order_id"},
            ExpressionAttributeValues={":completed": text(OrderStatus.COMPLETED), ":since": moment(since)},
        )
        async for order_id in found:
            yield order_id
