"""Answers of DynamoDB that come in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from flashpay.errors import LedgerUnavailableError
from flashpay.table import translated


async def order_ids(call: Callable[..., Awaitable[Mapping[str, Any]]], **arguments: object) -> AsyncIterator[str]:
    """The order ids of every page of a query or scan. Raises LedgerUnavailableError."""
    start: dict[str, object] = {}
    while True:
        page = await translated(call, **arguments, **start)
        for order_id in _ids(page):
            yield order_id
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _ids(page: Mapping[str, Any]) -> list[str]:
    try:
        return [item["order_id"]["S"] for item in page["Items"]]
    except (LookupError, TypeError) as error:
        raise LedgerUnavailableError(f"DynamoDB's answer holds no orders: {error!r}", reason="garbled") from error
