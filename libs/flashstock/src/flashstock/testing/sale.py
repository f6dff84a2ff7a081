"""A sale in memory: its table, its topic, and what must always hold of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from flashmsg import Reservation
from flashstock.hold import Hold
from flashstock.levels import StockLevel
from flashstock.observer import StockObserver
from flashstock.pages import JournalEntry
from flashstock.patience import SellerPatience
from flashstock.seller import Seller
from flashstock.stock import Stock
from flashstock.table import Write
from flashstock.testing.memory import MemoryTable

LEASE = timedelta(seconds=6)


class Sale:
    """A stock in memory whose counters are checked after every write.

    Attributes:
        published: The reservations on the topic, as often as they were published.
        topic_is_down: Whether a publish fails.
        faults: Raises or waits, like a table's checkpoint.
    """

    def __init__(self) -> None:
        self.table = MemoryTable(checkpoint=self._checkpoint)
        self.stock = Stock(self.table)
        self.published: list[Reservation] = []
        self.writes: list[str] = []
        self.topic_is_down = False
        self.faults = FaultPlan()

    def seller(
        self,
        owner: str = "seller",
        *,
        slots: int = 8,
        patience: SellerPatience | None = None,
        observer: StockObserver | None = None,
    ) -> Seller:
        """A seller of this sale."""
        return Seller(
            stock=self.stock,
            publish_again=self.publish,
            owner=owner,
            lease=LEASE,
            slots=slots,
            patience=patience or SellerPatience(),
            observer=observer,
        )

    async def publish(self, entry: JournalEntry) -> None:
        """Publish an order; raises while the topic is down."""
        await asyncio.sleep(0)
        if self.topic_is_down:
            raise OSError("the topic is down")
        self.published.append(entry.reservation)

    async def buy(self, seller: Seller, **units: int) -> Hold:
        """One order from its reservation to its publish."""
        hold = await seller.reserve(units)
        await hold.commit(f"order of {hold.reservation.id}", {"type": "order"})
        self.published.append(hold.reservation)
        hold.published()
        return hold

    async def level(self, product_id: str = "cap") -> StockLevel:
        """The counters of a product."""
        found = await self.stock.counters.get(product_id)
        if found is None:
            raise LookupError(product_id)
        return found

    def published_units(self) -> Counter[str]:
        """Units of every product in published orders, each reservation counted once."""
        units: Counter[str] = Counter()
        for reservation in {one.id: one for one in self.published}.values():
            units.update(reservation.units)
        return units

    async def _checkpoint(self, place: str, writes: Sequence[Write]) -> None:
        if place == "done":
            self.writes += [write.id for write in writes]
            self._check_counters()
        await self.faults.meet(place, writes)

    def _check_counters(self) -> None:
        for key, item in self.table.items.items():
            if not key.startswith("product#"):
                continue
            counters = [item[name] for name in ("available", "reserved", "sold")]
            if min(counters) < 0 or sum(counters) != item["total"]:
                raise AssertionError(f"{key} does not add up: {item}")


class FaultPlan:
    """No faults; override `meet`."""

    async def meet(self, _place: str, _writes: Sequence[Write]) -> None:
        """Let others run, no more."""
        await asyncio.sleep(0)
