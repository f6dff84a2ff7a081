"""DynamoDB's calls over a stock in memory: for what speaks its language and needs nothing behind it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from botocore.exceptions import ClientError

from flashstock.expressions import from_attribute, from_item, to_item
from flashstock.table import Check, ConditionFailedError, Delete, Item, Path, Put, Update, Value, Where, Write
from flashstock.testing.memory import MemoryTable

_CLAUSE = re.compile(r"\b(SET|ADD|DELETE|REMOVE) ")
_EXISTENCE = re.compile(r"attribute_(not_)?exists\((\S+)\)")
_COMPARISON = re.compile(r"(?:\(attribute_not_exists\(\S+\) (OR) )?(\S+) (=|<|<=|>=) (:v\d+)\)?")


class _Change(NamedTuple):
    path: Path
    value: Value
    is_sum: bool


class MemoryDynamo:
    """The calls of `DynamoClient` for one table. It reads expressions as `flashstock.expressions` writes them."""

    def __init__(self, table: MemoryTable) -> None:
        """Take the table that answers, whatever name the calls have for it."""
        self._table = table

    async def batch_get_item(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - an AWS client's arguments
        """Read items of one table."""
        ((name, asked),) = arguments["RequestItems"].items()
        found = await self._table.read([key["id"]["S"] for key in asked["Keys"]])
        return {"Responses": {name: [to_item(item) for item in found.values()]}}

    async def put_item(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Write one item."""
        await self._write(_put(arguments))
        return {}

    async def update_item(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Change one item, and return it as it is afterwards."""
        return {"Attributes": to_item(await self._write(_update(arguments)))}

    async def delete_item(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Remove one item."""
        await self._write(_delete(arguments))
        return {}

    async def transact_write_items(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Several writes, all or none."""
        writes = [_KINDS[kind](write) for action in arguments["TransactItems"] for kind, write in action.items()]
        try:
            await self._table.transact(writes)
        except ConditionFailedError as failed:
            reasons = [_reason(failed.items, number) for number in range(len(writes))]
            raise _refusal("TransactionCanceledException", CancellationReasons=reasons) from failed
        return {}

    async def _write(self, write: Put | Update | Delete) -> Item:
        try:
            return await self._table.write(write)
        except ConditionFailedError as failed:
            item = {} if failed.item is None else {"Item": to_item(failed.item)}
            raise _refusal("ConditionalCheckFailedException", **item) from failed


def _refusal(code: str, **said: object) -> ClientError:
    response = {"Error": {"Code": code, "Message": "refused"}, "ResponseMetadata": {"HTTPStatusCode": 400}, **said}
    return ClientError(cast("Any", response), "write")


def _reason(failed: Mapping[int, Item | None], number: int) -> Mapping[str, Any]:
    if number not in failed:
        return {"Code": "None"}
    item = failed[number]
    return {"Code": "ConditionalCheckFailed", **({} if item is None else {"Item": to_item(item)})}


def _put(arguments: Mapping[str, Any]) -> Put:
    return Put(item=from_item(arguments["Item"]), where=_conditions(arguments))


def _delete(arguments: Mapping[str, Any]) -> Delete:
    return Delete(id=arguments["Key"]["id"]["S"], where=_conditions(arguments))


def _check(arguments: Mapping[str, Any]) -> Check:
    return Check(id=arguments["Key"]["id"]["S"], where=_conditions(arguments))


def _update(arguments: Mapping[str, Any]) -> Update:
    _, *parts = _CLAUSE.split(arguments["UpdateExpression"])
    clauses = {word: text.strip().split(", ") for word, text in zip(parts[::2], parts[1::2], strict=True)}
    sets, adds, excluded = (
        [_change(arguments, text) for text in clauses.get(word, ())] for word in ("SET", "ADD", "DELETE")
    )
    counted = [*(one for one in sets if one.is_sum), *(one for one in adds if isinstance(one.value, int))]
    return Update(
        id=arguments["Key"]["id"]["S"],
        assign={one.path: one.value for one in sets if not one.is_sum},
        add={one.path: cast("int", one.value) for one in counted},
        include={one.path: one.value for one in adds if isinstance(one.value, frozenset)},
        exclude={one.path: one.value for one in excluded if isinstance(one.value, frozenset)},
        remove=[_path(arguments, text) for text in clauses.get("REMOVE", ())],
        where=_conditions(arguments),
    )


def _change(arguments: Mapping[str, Any], text: str) -> _Change:
    first, *_, last = text.split(" ")
    return _Change(_path(arguments, first), _value(arguments, last), is_sum=" + " in text)


def _conditions(arguments: Mapping[str, Any]) -> Sequence[Where]:
    expression = arguments.get("ConditionExpression")
    return [_condition(arguments, text) for text in expression.split(" AND ")] if expression else []


def _condition(arguments: Mapping[str, Any], text: str) -> Where:
    if existence := _EXISTENCE.fullmatch(text):
        return Where(_path(arguments, existence[2]), "missing" if existence[1] else "exists")
    compared = _COMPARISON.fullmatch(text)
    if compared is None:
        raise ValueError(f"no condition that is written here: {text}")
    or_missing, path, test, value = compared.groups()
    return Where(_path(arguments, path), cast("Any", test), _value(arguments, value), or_missing=bool(or_missing))


def _path(arguments: Mapping[str, Any], labels: str) -> Path:
    return tuple(arguments["ExpressionAttributeNames"][label] for label in labels.split("."))


def _value(arguments: Mapping[str, Any], label: str) -> Value:
    return from_attribute(arguments["ExpressionAttributeValues"][label])


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Write]] = {
    "Put": _put,
    "Update": _update,
    "Delete": _delete,
    "ConditionCheck": _check,
}
