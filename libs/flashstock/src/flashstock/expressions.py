"""Writes to the stock table as DynamoDB spells them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from flashstock.table import Check, Delete, Item, Path, Put, Update, Value, Where, Write

Arguments: TypeAlias = dict[str, Any]


def to_attribute(value: Value) -> Mapping[str, Any]:
    """A value in DynamoDB's typed JSON."""
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case frozenset():
            return {"SS": sorted(value)}
        case _:
            return {"M": to_item(value)}


def to_item(item: Item) -> Mapping[str, Any]:
    """An item in DynamoDB's typed JSON."""
    return {name: to_attribute(value) for name, value in item.items()}


def from_attribute(attribute: Mapping[str, Any]) -> Value:
    """A value out of DynamoDB's typed JSON."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "SS":
            return frozenset(value)
        case "M":
            return from_item(value)
        case _:
            plain: str | bool = value
            return plain


def from_item(item: Mapping[str, Any]) -> Item:
    """An item out of DynamoDB's typed JSON."""
    return {name: from_attribute(attribute) for name, attribute in item.items()}


def arguments(write: Write, *, table: str) -> Arguments:
    """The request of one write, the same alone and within a transaction."""
    names = _Names()
    clauses = _changes(write, names) if isinstance(write, Update) else {}
    request: Arguments = {"TableName": table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **clauses}
    if isinstance(write, Put):
        request["Item"] = to_item(write.item)
    else:
        request["Key"] = {"id": {"S": write.id}}
    if write.where:
        request["ConditionExpression"] = " AND ".join(_condition(where, names) for where in write.where)
    if names.paths:
        request["ExpressionAttributeNames"] = names.paths
    if names.values:
        request["ExpressionAttributeValues"] = names.values
    return request


def action(write: Write) -> str:
    """What a transaction calls this kind of write."""
    return {Put: "Put", Update: "Update", Delete: "Delete", Check: "ConditionCheck"}[type(write)]


class _Names:
    """Placeholders: product and session ids are no names that an expression could spell out."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self._known: dict[str, str] = {}

    def path(self, path: Path) -> str:
        return ".".join(self._name(part) for part in path)

    def value(self, value: Value) -> str:
        label = f":v{len(self.values)}"
        self.values[label] = to_attribute(value)
        return label

    def _name(self, part: str) -> str:
        label = self._known.setdefault(part, f"#n{len(self._known)}")
        self.paths[label] = part
        return label


def _changes(write: Update, names: _Names) -> Arguments:
    sets = [f"{names.path(path)} = {names.value(value)}" for path, value in write.assign.items()]
    # ADD knows attributes at the top only, but counts a missing one as 0.
    inner = {path: by for path, by in write.add.items() if len(path) > 1}
    sets += [f"{names.path(path)} = {names.path(path)} + {names.value(by)}" for path, by in inner.items()]
    grown: Iterable[tuple[Path, Value]] = [(path, by) for path, by in write.add.items() if path not in inner]
    clauses = {
        "SET": sets,
        "ADD": [f"{names.path(path)} {names.value(value)}" for path, value in (*grown, *write.include.items())],
        "DELETE": [f"{names.path(path)} {names.value(value)}" for path, value in write.exclude.items()],
        "REMOVE": [names.path(path) for path in write.remove],
    }
    return {"UpdateExpression": " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses.items() if parts)}


def _condition(where: Where, names: _Names) -> str:
    path = names.path(where.path)
    if where.test == "exists":
        return f"attribute_exists({path})"
    if where.test == "missing":
        return f"attribute_not_exists({path})"
    assert where.value is not None  # noqa: S101 - every comparison has a value
    compared = f"{path} {where.test} {names.value(where.value)}"
    return f"(attribute_not_exists({path}) OR {compared})" if where.or_missing else compared
