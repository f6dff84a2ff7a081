"""Limited stock in memory, under flashstock's own rules."""

import base64
from collections.abc import Mapping, Sequence

from flashmsg import Reservation
from flashpay.stock import OpenStock
from flashpay.testing.schedule import Checkpoint, no_checkpoint
from flashstock.endings import Ending
from flashstock.errors import StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.stock import Stock as WholeStock
from flashstock.testing import memory_stock

_SELLER = "seller"


class FakeStock:
    """A `Stock` for tests.

    Attributes:
        unavailable: While True every call raises `StockUnavailableError` and changes nothing.
        calls: What was asked, in sequence: `settle` or `reopen`.
    """

    def __init__(self, *, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.stock = memory_stock()
        self.unavailable = False
        self.calls: list[str] = []
        self._checkpoint = checkpoint

    @property
    def opened(self) -> OpenStock:
        """As a service holds it."""
        return OpenStock(endings=self, limits=self.stock.limits)

    async def set_up(self, product_id: str = "gadget", *, total: int, reserved: int) -> None:
        """Let there be a limited product, with so many of its units reserved."""
        await set_up_product(self.stock, product_id, total=total, reserved=reserved)

    async def level(self, product_id: str = "gadget") -> tuple[int, int, int]:
        """How many units are available, reserved and sold."""
        return await level_of(self.stock, product_id)

    async def settle(self, endings: Sequence[Ending], /) -> None:
        """See `Stock.settle`."""
        await self._call("settle")
        await self.stock.endings.settle(endings)
        await self._checkpoint("settle.done")

    async def reopen(self, reservation: Reservation, /, *, reopened: int) -> None:
        """See `Stock.reopen`."""
        await self._call("reopen")
        await self.stock.endings.reopen(reservation, reopened=reopened)
        await self._checkpoint("reopen.done")

    async def _call(self, method: str) -> None:
        self.calls.append(method)
        await self._checkpoint(f"{method}.called")
        if self.unavailable:
            raise StockUnavailableError("the stock is made unavailable by the test", reason="connection")


def sample_reservation(name: str = "first", units: Mapping[str, int] | None = None) -> Reservation:
    """A reservation of what `sample_order` asks for; `name` decides its id."""
    digits = base64.b32encode(name.encode()).decode("ascii").rstrip("=").lower().ljust(20, "a")
    return Reservation(id=f"rsv_{digits}", units=units or {"gadget": 2})


async def set_up_product(stock: WholeStock, product_id: str = "gadget", *, total: int, reserved: int) -> None:
    """Let there be a limited product, with so many of its units reserved."""
    if not await stock.sessions.list():
        await stock.sessions.open(_SELLER, owner="test", slots=1)
    await stock.counters.set_total(product_id, total)
    await stock.leases.change(product_id, _SELLER, NOTHING, by=reserved)


async def level_of(stock: WholeStock, product_id: str = "gadget") -> tuple[int, int, int]:
    """How many units of a product are available, reserved and sold."""
    level = await stock.counters.get(product_id)
    if level is None:
        raise LookupError(f"{product_id} is not limited")
    counters = (level.available, level.reserved, level.sold)
    if sum(counters) != level.total or min(counters) < 0:
        raise AssertionError(f"the counters contradict each other: {level}")
    return counters
