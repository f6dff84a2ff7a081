"""A stock table in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from flashstock.stock import Stock
from flashstock.table import Check, ConditionFailedError, Delete, Item, Path, Put, Update, Where, Write

Checkpoint: TypeAlias = Callable[[str, Sequence[Write]], Awaitable[None]]
"""Called with `called` before anything is written and with `done` after it, and with the writes (none for a read).

Raising there is a fault: the request is lost, or its answer. Waiting there is a slow network.
"""


async def no_checkpoint(_place: str, _writes: Sequence[Write]) -> None:
    """Let others run, no more."""
    await asyncio.sleep(0)


class MemoryTable:
    """A `StockTable` that evaluates conditions and changes as DynamoDB does."""

    def __init__(self, *, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.checkpoint = checkpoint

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        """See `StockTable.read`."""
        await self.checkpoint("called", ())
        found = {one: deepcopy(self.items[one]) for one in ids if one in self.items}
        await self.checkpoint("done", ())
        return found

    async def write(self, write: Put | Update | Delete) -> Item:
        """See `StockTable.write`."""
        await self.transact([write])
        return deepcopy(self.items.get(write.id, {}))

    async def transact(self, writes: Sequence[Write]) -> None:
        """See `StockTable.transact`."""
        if len({write.id for write in writes}) < len(writes):
            raise ValueError("a transaction has at most one write for an item")
        await self.checkpoint("called", writes)
        failed = {n: deepcopy(self.items.get(write.id)) for n, write in enumerate(writes) if not self._allows(write)}
        if failed:
            raise ConditionFailedError(failed)
        for write in writes:
            self._apply(write)
        await self.checkpoint("done", writes)

    def _allows(self, write: Write) -> bool:
        item = self.items.get(write.id, {})
        return all(_holds(where, item) for where in write.where)

    def _apply(self, write: Write) -> None:
        match write:
            case Put():
                self.items[write.id] = deepcopy(dict(write.item))
            case Delete():
                self.items.pop(write.id, None)
            case Update():
                _change(self.items.setdefault(write.id, {"id": write.id}), write)
            case Check():
                pass


def memory_stock(*, checkpoint: Checkpoint = no_checkpoint) -> Stock:
    """An empty stock in memory."""
    return Stock(MemoryTable(checkpoint=checkpoint))


def _value(item: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401 - whatever the attribute holds
    value: Any = item
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _holds(where: Where, item: Mapping[str, Any]) -> bool:
    value = _value(item, where.path)
    if where.test == "missing" or value is None:
        return value is None and (where.test == "missing" or where.or_missing)
    if where.test == "exists":
        return True
    against: Any = where.value
    compared = {
        "=": value == against,
        "<": value < against,
        "<=": value <= against,
        ">=": value >= against,
    }
    return bool(compared[where.test])


def _change(item: dict[str, Any], update: Update) -> None:
    for path, assigned in update.assign.items():
        _parent(item, path)[path[-1]] = deepcopy(assigned)
    for path, by in update.add.items():
        parent = _parent(item, path)
        parent[path[-1]] = (parent.get(path[-1], 0) if len(path) == 1 else parent[path[-1]]) + by
    for path, members in update.include.items():
        item[path[0]] = item.get(path[0], frozenset()) | members
    for path, members in update.exclude.items():
        item[path[0]] = item.get(path[0], frozenset()) - members
        if not item[path[0]]:
            del item[path[0]]
    for path in update.remove:
        _parent(item, path).pop(path[-1], None)


def _parent(item: dict[str, Any], path: Path) -> dict[str, Any]:
    parent = item
    for part in path[:-1]:
        parent = parent[part]
    return parent
