"""Answers of DynamoDB that come in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from flashpay.table import translated


async def order_ids(call: Callable[..., Awaitable[Mapping[str, Any]]], **arguments: object) -> AsyncIterator[str]:
    """The order ids of every page of a query or scan. Raises LedgerUnavailableError."""
    start: dict[str, object] = {}
    while True:
        page = await translated(call, **arguments, **start)
        for item in page["Items"]:
            yield item["order_id"]["S"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
