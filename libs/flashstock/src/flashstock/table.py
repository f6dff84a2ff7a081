"""The stock table: conditional writes, alone or several in one transaction.

The protocol of the stock is written once against this; DynamoDB and the fake in memory differ below it only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

Value: TypeAlias = str | int | bool | frozenset[str] | Mapping[str, "Value"]
Item: TypeAlias = Mapping[str, Value]
Path: TypeAlias = tuple[str, ...]
"""An attribute, or one inside of maps: `("leases", "s1", "units")`."""

MAX_WRITES = 100
"""The most writes in one transaction."""


@dataclass(frozen=True, slots=True)
class Where:
    """What must hold of an item for a write to happen; a missing item has no attributes."""

    path: Path
    test: Literal["exists", "missing", "=", "<", "<=", ">="]
    value: Value | None = None
    or_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a whole item."""

    item: Item
    where: Sequence[Where] = ()

    @property
    def id(self) -> str:
        """The key of the item."""
        return str(self.item["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change attributes of an item.

    Attributes:
        id: The item's key; an item that is not there is created.
        assign: New values.
        add: What numbers grow by. A missing attribute at the top counts as 0; within a map it must be there.
        include: Members that sets gain.
        exclude: Members that sets lose.
        remove: Attributes that go.
        where: What must hold.
    """

    id: str
    assign: Mapping[Path, Value] = field(default_factory=dict)
    add: Mapping[Path, int] = field(default_factory=dict)
    include: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    exclude: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    remove: Sequence[Path] = ()
    where: Sequence[Where] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove an item; nothing if it is not there."""

    id: str
    where: Sequence[Where] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Change nothing, but let the transaction happen only if this holds."""

    id: str
    where: Sequence[Where]


Write: TypeAlias = Put | Update | Delete | Check


class ConditionFailedError(Exception):
    """Conditions did not hold, and nothing was written.

    `items` has, by the index of each write whose condition failed, what is in the table: None for no item.
    """

    def __init__(self, items: Mapping[int, Item | None]) -> None:
        super().__init__(f"the conditions of writes {sorted(items)} do not hold")
        self.items = items

    @property
    def item(self) -> Item | None:
        """What stood in the way of the only write."""
        return self.items[0]


class StockTable(Protocol):
    """Items by their key `id`. Every method may raise `StockUnavailableError`: what it wrote is then unknown."""

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        """Those of the items that exist, each as last written."""
        ...

    async def write(self, write: Put | Update | Delete) -> Item:
        """One write; the item as it is afterwards, of an update, else what was asked to be written.

        A lost answer may have the same write tried twice.

        Raises:
            ConditionFailedError: Its condition does not hold.
        """
        ...

    async def transact(self, writes: Sequence[Write]) -> None:
        """All of the writes or none, and once only, whatever answers are lost; at most one for an item.

        Raises:
            ConditionFailedError: Conditions do not hold.
        """
        ...
