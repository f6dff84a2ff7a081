"""The stock as services open it: over its table's calls, endings that come together in few of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import pytest

from flashmsg import Reservation
from flashpay import OpenStock, open_stock
from flashpay.testing import level_of, sample_reservation, set_up_product
from flashstock.endings import Ending, Outcome
from flashstock.stock import Stock
from flashstock.testing import MemoryDynamo, MemoryTable

FIRST, SECOND = sample_reservation("first"), sample_reservation("second")


@dataclass(kw_only=True)
class Shop:
    """Ten gadgets, four of them reserved, and the reservations that were sold without units."""

    opened: OpenStock
    stock: Stock
    oversold: list[Reservation] = field(default_factory=list)

    async def end(
        self, outcome: Literal[Outcome.SOLD, Outcome.RETURNED], *reservations: Reservation
    ) -> tuple[int, int, int]:
        await self.opened.endings.settle([Ending(reservation=one, outcome=outcome) for one in reservations])
        return await level_of(self.stock)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    table, oversold = MemoryTable(), list[Reservation]()
    await set_up_product(Stock(table), total=10, reserved=4)
    async with open_stock(client=MemoryDynamo(table), table="stock", on_oversold=oversold.append) as opened:
        yield Shop(opened=opened, stock=Stock(table), oversold=oversold)


async def test_every_reservation_ends_as_it_was_asked(shop: Shop) -> None:
    assert await shop.end(Outcome.SOLD, FIRST) == (6, 2, 2)
    assert await shop.end(Outcome.RETURNED, SECOND) == (8, 0, 2)


async def test_an_order_that_is_opened_again_has_its_units_again(shop: Shop) -> None:
    await shop.end(Outcome.RETURNED, FIRST, SECOND)
    await shop.opened.endings.reopen(FIRST, reopened=1)
    assert await level_of(shop.stock) == (8, 2, 0)


async def test_a_sale_without_units_is_told_of(shop: Shop) -> None:
    await shop.end(Outcome.RETURNED, FIRST)
    await shop.stock.counters.set_total("gadget", 2)
    assert shop.oversold == []
    await shop.end(Outcome.SOLD, FIRST)
    assert shop.oversold == [FIRST]
