"""The orders table: conditional writes, and DynamoDB's errors in our words."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from flashpay.entries import LedgerEntry, Tombstone
from flashpay.errors import FlashpayError, LedgerRefusedError, LedgerUnavailableError
from flashpay.items import EXPIRES_AT, MARKED, TOMBSTONE, Attribute, Item, from_item, to_item, to_tombstone_item
from flashstock.dynamo import garbled
from flashstock.session_error import session_error

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
}
# Others write the same item at this very moment; it is this order's trouble, not the table's.
_CONTENDED = {"TransactionConflictException", "TransactionInProgressException"}
_OURS = {"ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException"}
_SERVER_ERROR = 500

Condition: TypeAlias = Mapping[str, tuple[Attribute | None, ...]]
"""The values that each attribute may have for the write to happen; None beside others allows that there is none."""


class DynamoClient(Protocol):
    """The calls that the ledger makes of an aiobotocore DynamoDB client."""

    async def get_item(self, **arguments: object) -> Mapping[str, Any]:
        """Read one item."""
        ...

    async def put_item(self, **arguments: object) -> Mapping[str, Any]:
        """Write one item."""
        ...

    async def update_item(self, **arguments: object) -> Mapping[str, Any]:
        """Change attributes of one item."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The condition held; `entry` is what is in the table now."""

    entry: LedgerEntry | Tombstone


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The condition did not hold; `entry` is what stood in its way, None when there is no item."""

    entry: LedgerEntry | Tombstone | None


class OrdersTable:
    """One item per order, key `order_id`. Every write is conditional, so it may be repeated safely."""

    def __init__(self, *, client: DynamoClient, name: str) -> None:
        self._client = client
        self._name = name

    async def get(self, order_id: str) -> LedgerEntry | Tombstone | None:
        """Read an entry, seeing every write that was acknowledged before."""
        response = await translated(
            self._client.get_item, TableName=self._name, Key=_key(order_id), ConsistentRead=True
        )
        return from_item(response["Item"]) if "Item" in response else None

    async def insert(self, entry: LedgerEntry) -> Written | Unchanged:
        """Write the entry of an order that is not there yet."""
        return await self._insert(entry, to_item(entry))

    async def insert_tombstone(self, tombstone: Tombstone) -> Written | Unchanged:
        """Write the tombstone of an order that is not there yet."""
        return await self._insert(tombstone, to_tombstone_item(tombstone))

    async def replace_tombstone(self, entry: LedgerEntry) -> Written | Unchanged:
        """Put an entry in the place of its tombstone."""
        item = {name: value for name, value in to_item(entry).items() if name != "order_id"}
        gone = tuple(name for name in (TOMBSTONE, EXPIRES_AT) if name not in item)
        return await self.update(entry.order_id, assign=item, remove=gone, where={TOMBSTONE: (MARKED,)})

    async def _insert(self, entry: LedgerEntry | Tombstone, item: Item) -> Written | Unchanged:
        try:
            await translated(
                self._client.put_item,
                TableName=self._name,
                Item=item,
                ConditionExpression="attribute_not_exists(#order_id)",
                ExpressionAttributeNames={"#order_id": "order_id"},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except _ConditionFailedError as failed:
            return Unchanged(entry=failed.entry)
        return Written(entry=entry)

    async def update(
        self, order_id: str, *, assign: Item, where: Condition, remove: tuple[str, ...] = ()
    ) -> Written | Unchanged:
        """Change an entry if every attribute in `where` has one of the values named there; something must change."""
        try:
            response = await translated(
                self._client.update_item,
                TableName=self._name,
                Key=_key(order_id),
                **_expressions(assign, remove, where),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except _ConditionFailedError as failed:
            return Unchanged(entry=failed.entry)
        if "Attributes" not in response:
            raise LedgerUnavailableError("DynamoDB's answer has no item", reason="garbled")
        return Written(entry=from_item(response["Attributes"]))


class _ConditionFailedError(Exception):
    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write does not hold")
        self.entry = None if item is None else from_item(item)


def _key(order_id: str) -> Item:
    return {"order_id": {"S": order_id}}


def _expressions(assign: Item, remove: tuple[str, ...], where: Condition) -> dict[str, object]:
    values = {f":{name}": value for name, value in assign.items()}
    tests = []
    for name, allowed in where.items():
        wanted = {f":{name}_{index}": value for index, value in enumerate(allowed) if value is not None}
        values.update(wanted)
        among = f"#{name} IN ({', '.join(wanted)})"
        tests.append(f"({among} OR attribute_not_exists(#{name}))" if None in allowed else among)
    changes = ["SET " + ", ".join(f"#{name} = :{name}" for name in assign)] if assign else []
    if remove:
        changes.append("REMOVE " + ", ".join(f"#{name}" for name in remove))
    return {
        "UpdateExpression": " ".join(changes),
        "ConditionExpression": " AND ".join(tests),
        # Several of our names are reserved words of DynamoDB, so none is written out.
        "ExpressionAttributeNames": {f"#{name}": name for name in (*assign, *remove, *where)},
        "ExpressionAttributeValues": values,
    }


async def translated(call: Callable[..., Awaitable[Mapping[str, Any]]], **arguments: object) -> Mapping[str, Any]:
    """Make a call of DynamoDB; whatever goes wrong is a FlashpayError, but for a condition that does not hold."""
    try:
        return await call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise _ConditionFailedError(error.response.get("Item")) from error
        raise _in_our_words(error) from error
    except (ConnectTimeoutError, ReadTimeoutError, TimeoutError) as error:
        raise LedgerUnavailableError(f"DynamoDB did not answer in time: {error}", reason="timeout") from error
    except (BotoCoreError, *session_error(), OSError) as error:
        raise LedgerUnavailableError(f"DynamoDB is out of reach: {error}", reason="connection") from error
    except garbled() as error:
        raise LedgerUnavailableError(f"DynamoDB's answer is garbled: {error!r}", reason="garbled") from error


def _in_our_words(error: ClientError) -> FlashpayError:
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERROR)
    if code in _THROTTLED:
        return LedgerUnavailableError(f"DynamoDB throttles: {error}", reason="throttled")
    if code in _CONTENDED:
        return LedgerUnavailableError(f"DynamoDB has others at this item: {error}", reason="contention")
    if code in _OURS:
        return LedgerRefusedError(f"DynamoDB refuses the request: {error}", reason="bad_request")
    if status >= _SERVER_ERROR:
        return LedgerUnavailableError(f"DynamoDB failed: {error}", reason="server_error")
    # A missing table, expired credentials, a policy: the surroundings are wrong, not the order.
    return LedgerUnavailableError(f"DynamoDB is closed to us: {error}", reason="access")
