"""A stock in memory for tests of the API."""

from collections.abc import Sequence

from flashstock.errors import StockUnavailableError
from flashstock.stock import Stock
from flashstock.table import Write
from flashstock.testing import MemoryTable


class FakeStock(Stock):
    """A stock in memory.

    Attributes:
        table: Its items.
        calls: How many requests there were.
        down: While set, every request is refused, and nothing is written.
        refusing: Requests that write an item whose key starts with this are refused, and nothing is written.
        losing: Requests that write an item whose key starts with this are carried out and lose their answer.
    """

    def __init__(self) -> None:
        self.table = MemoryTable(checkpoint=self._meet)
        super().__init__(self.table)
        self.calls = 0
        self.down = False
        self.refusing: str | None = None
        self.losing: str | None = None

    async def _meet(self, place: str, writes: Sequence[Write]) -> None:
        self.calls += place == "called"
        if self.down or _touches(writes, self.refusing):
            raise StockUnavailableError("the fake stock is down", reason="connection")
        if place == "done" and _touches(writes, self.losing):
            raise StockUnavailableError("the fake stock lost its answer", reason="timeout")

    async def figures(self, product_id: str) -> tuple[int, int, int]:
        """Units available, reserved and sold."""
        level = await self.counters.get(product_id)
        if level is None:
            raise LookupError(product_id)
        return level.available, level.reserved, level.sold


def _touches(writes: Sequence[Write], prefix: str | None) -> bool:
    return prefix is not None and any(write.id.startswith(prefix) for write in writes)
