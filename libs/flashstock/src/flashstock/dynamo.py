"""The stock table in DynamoDB, and DynamoDB's errors in our words."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from flashstock.errors import StockUnavailableError
from flashstock.expressions import action, arguments, from_item
from flashstock.observer import StockObserver
from flashstock.session_error import session_error
from flashstock.stock import Stock
from flashstock.table import ConditionFailedError, Delete, Item, Put, Update, Write

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
# Another transaction is at one of the items; nothing was written, and it is over in milliseconds.
_CONTENDED = {"TransactionConflictException", "TransactionConflict", "TransactionInProgressException"}
_OURS = {"ValidationException", "ValidationError", "SerializationException", "IdempotentParameterMismatchException"}
_CONDITION = {"ConditionalCheckFailedException", "ConditionalCheckFailed"}
_SERVER_ERROR = 500
_READ_LIMIT = 100
_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5


class DynamoClient(Protocol):
    """The calls that the stock makes of an aiobotocore DynamoDB client."""

    async def batch_get_item(self, **arguments: object) -> Mapping[str, Any]:
        """Read up to a hundred items."""
        ...

    async def put_item(self, **arguments: object) -> Mapping[str, Any]:
        """Write one item."""
        ...

    async def update_item(self, **arguments: object) -> Mapping[str, Any]:
        """Change attributes of one item."""
        ...

    async def delete_item(self, **arguments: object) -> Mapping[str, Any]:
        """Remove one item."""
        ...

    async def transact_write_items(self, **arguments: object) -> Mapping[str, Any]:
        """Up to a hundred writes, all or none."""
        ...


def dynamo_stock(*, client: DynamoClient, table: str, observer: StockObserver | None = None) -> Stock:
    """The stock in a DynamoDB table whose key is `id`.

    Args:
        client: An aiobotocore DynamoDB client, opened and closed by the caller. Its own retries do no harm.
        table: The table's name.
        observer: Told of orders that were sold without units.
    """
    return Stock(DynamoTable(client=client, name=table), observer=observer)


class DynamoTable:
    """A `StockTable` in DynamoDB. Where others are at the same item it waits a little and tries again."""

    def __init__(self, *, client: DynamoClient, name: str, jitter: Callable[[], float] = random.random) -> None:
        self._client = client
        self._name = name
        self._jitter = jitter

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        """See `StockTable.read`. Strongly consistent, a hundred items a request."""
        found: dict[str, Item] = {}
        waiting = list(dict.fromkeys(ids))
        while waiting:
            now, waiting = waiting[:_READ_LIMIT], waiting[_READ_LIMIT:]
            keys = [{"id": {"S": one}} for one in now]
            request = {self._name: {"Keys": keys, "ConsistentRead": True}}
            answer = await self._repeated(self._client.batch_get_item, RequestItems=request)
            items = map(from_item, _present(answer, "Responses").get(self._name, ()))
            found.update({str(item["id"]): item for item in items})
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", ())
            waiting += [key["id"]["S"] for key in left]
            if left:
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
        return found

    async def write(self, write: Put | Update | Delete) -> Item:
        """See `StockTable.write`."""
        request = arguments(write, table=self._name)
        if isinstance(write, Put):
            await self._repeated(self._client.put_item, **request)
            return write.item
        if isinstance(write, Delete):
            await self._repeated(self._client.delete_item, **request)
            return {}
        answer = await self._repeated(self._client.update_item, **request, ReturnValues="ALL_NEW")
        return from_item(_present(answer, "Attributes"))

    async def transact(self, writes: Sequence[Write]) -> None:
        """See `StockTable.transact`. DynamoDB knows a repeated request by its token."""
        await self._repeated(
            self._client.transact_write_items,
            TransactItems=[{action(write): arguments(write, table=self._name)} for write in writes],
            ClientRequestToken=str(uuid4()),
        )

    async def _repeated(
        self, call: Callable[..., Awaitable[Mapping[str, Any]]], **request: object
    ) -> Mapping[str, Any]:
        for attempt in range(1, _ATTEMPTS):
            try:
                return await _translated(call, request)
            except StockUnavailableError as error:
                if error.reason not in ("contention", "throttled"):
                    raise
            ceiling = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(self._jitter() * ceiling)
        return await _translated(call, request)


def garbled() -> tuple[type[Exception], ...]:
    """What botocore makes of a 200 that is no answer of DynamoDB: a proxy's page, bytes cut or mixed up.

    Asked by an `except`, and so only once something was raised: the parsers are a sixth of a function's cold start.
    """
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - see above

    return ResponseParserError, ValueError, TypeError, AttributeError, LookupError


async def _translated(
    call: Callable[..., Awaitable[Mapping[str, Any]]], request: Mapping[str, object]
) -> Mapping[str, Any]:
    try:
        return await call(**request)
    except ClientError as error:
        raise _in_our_words(error) from error
    except (ConnectTimeoutError, ReadTimeoutError, TimeoutError) as error:
        raise StockUnavailableError(f"DynamoDB did not answer in time: {error}", reason="timeout") from error
    except (BotoCoreError, *session_error(), OSError) as error:
        raise StockUnavailableError(f"DynamoDB is out of reach: {error}", reason="connection") from error
    except garbled() as error:
        raise StockUnavailableError(f"DynamoDB's answer is garbled: {error!r}", reason="garbled") from error


def _present(answer: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - as DynamoDB has it
    if name not in answer:
        raise StockUnavailableError(f"DynamoDB's answer has no {name}", reason="garbled")
    return answer[name]


def _in_our_words(error: ClientError) -> Exception:
    response: Mapping[str, Any] = error.response
    if response["Error"]["Code"] == "TransactionCanceledException":
        return _cancelled(error, response.get("CancellationReasons", ()))
    if response["Error"]["Code"] in _CONDITION:
        return ConditionFailedError({0: _found(response)})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERROR)
    return _unavailable(error, {response["Error"]["Code"]}, status)


def _cancelled(error: ClientError, reasons: Sequence[Mapping[str, Any]]) -> Exception:
    failed = {n: _found(reason) for n, reason in enumerate(reasons) if reason["Code"] in _CONDITION}
    if failed:
        return ConditionFailedError(failed)
    return _unavailable(error, {str(reason["Code"]) for reason in reasons}, status=0)


def _found(response: Mapping[str, Any]) -> Item | None:
    return from_item(response["Item"]) if response.get("Item") else None


def _unavailable(error: ClientError, codes: set[str], status: int) -> StockUnavailableError:
    if codes & _OURS:
        return StockUnavailableError(f"DynamoDB refuses the request: {error}", reason="bad_request", certain=True)
    if codes & _CONTENDED:
        return StockUnavailableError(f"DynamoDB has others at this item: {error}", reason="contention")
    if codes & _THROTTLED:
        return StockUnavailableError(f"DynamoDB throttles: {error}", reason="throttled")
    if status >= _SERVER_ERROR:
        return StockUnavailableError(f"DynamoDB failed: {error}", reason="server_error")
    return StockUnavailableError(f"DynamoDB is closed to us: {error}", reason="access", certain=_asked_once(error))


def _asked_once(error: ClientError) -> bool:
    # Of a client that asks again, an earlier attempt may have been carried out; one that does not count may have asked.
    metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    return metadata.get("RetryAttempts") == 0
