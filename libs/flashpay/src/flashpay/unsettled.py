"""The orders that something is left to do for, found through an index that holds no others."""

import random
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from flashpay.items import SHARDS, UNSETTLED, moment, text
from flashpay.paging import order_ids

INDEX = "unsettled"


class UnsettledOrders(Protocol):
    """Finds orders that nothing has happened to for a while."""

    def untouched_since(self, moment: datetime, /) -> AsyncIterator[str]:
        """The ids of orders last written before `moment` that are not terminal, or whose outcome is owed.

        An order may be among them that has moved on a moment ago. Raises LedgerUnavailableError.
        """
        ...


class QueryClient(Protocol):
    """The one call made of an aiobotocore DynamoDB client."""

    async def query(self, **arguments: object) -> Mapping[str, Any]: ...


class DynamoUnsettled:
    """`UnsettledOrders` of the orders table, by its index: what a run costs grows with what it finds."""

    def __init__(self, *, client: QueryClient, table: str) -> None:
        self._client = client
        self._table = table

    async def untouched_since(self, since: datetime, /) -> AsyncIterator[str]:
        """See `UnsettledOrders.untouched_since`; oldest first in each part of the index."""
        # Each time in another sequence: orders that always fail must not use up every run before the last parts.
        for shard in random.sample(SHARDS, len(SHARDS)):
            found = order_ids(
                self._client.query,
                TableName=self._table,
                IndexName=INDEX,
                KeyConditionExpression="#shard = :shard AND #updated_at < :since",
                ExpressionAttributeNames={"#shard": UNSETTLED, "#updated_at": "updated_at"},
                ExpressionAttributeValues={":shard": text(shard), ":since": moment(since)},
            )
            async for order_id in found:
                yield order_id
