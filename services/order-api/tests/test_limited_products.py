"""A product that has stock before it is in the catalogue is never sold without limit, not even for a moment."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashstock.levels import StockLevel
from order_api.limited_products import LimitedProducts
from order_api.stock_levels import StockLevels
from order_api.testing import PEN, PHONE, FakeProducts, FakeStock, running_shop, wait_until

# Only a new product has the stock read.
QUIET = "3600"
OFTEN = "0.005"


async def test_it_is_limited_from_its_first_order_on(stock: FakeStock) -> None:
    async with running_shop(
        products=FakeProducts(PEN), stock=stock, STOCK_REFRESH_SECONDS=QUIET, CATALOGUE_REFRESH_SECONDS=OFTEN
    ) as shop:
        await stock.counters.set_total("phone-x", 1)
        await shop.sell(PEN, PHONE)
        listed = (await shop.request("GET", "/products/phone-x")).json
        answers = [await shop.order("async", product_id="phone-x", quantity=1, customer_id=n) for n in (1, 2)]
        reservations = [event.reservation for event in shop.events]
    assert listed["available"] == 1
    assert answers[0].status == 202
    assert answers[1].problem == (409, "sold-out")
    assert [one and one.units for one in reservations] == [{"phone-x": 1}]


async def test_what_is_known_has_the_stock_read_no_more_often(stock: FakeStock) -> None:
    async with running_shop(
        products=FakeProducts(PEN),
        stock=stock,
        STOCK_REFRESH_SECONDS=QUIET,
        STOCK_LEASE_SECONDS=QUIET,
        CATALOGUE_REFRESH_SECONDS=OFTEN,
    ) as shop:
        await wait_until(lambda: stock.table.items.get("reclaimer"))
        calls = stock.calls
        await shop.sell(PEN)
        assert stock.calls == calls


async def test_while_it_cannot_be_found_out_whether_it_is_limited_it_alone_is_not_for_sale(stock: FakeStock) -> None:
    async with running_shop(
        products=FakeProducts(PEN), stock=stock, STOCK_REFRESH_SECONDS=QUIET, CATALOGUE_REFRESH_SECONDS=OFTEN
    ) as shop:
        await stock.counters.set_total("phone-x", 1)
        stock.down = True
        with capture_logs() as lines:
            await shop.sell(PEN, PHONE)
        assert (await shop.order("async", product_id="phone-x")).problem == (422, "unpriceable")
        assert (await shop.request("GET", "/products/pen")).status == 200
        assert {"event": "products_held_back", "products": ["phone-x"], "log_level": "warning"} in lines
        stock.down = False
        await wait_until(lambda: shop.metric("catalogue_products") == 2)
        answer = await shop.order("async", product_id="phone-x", quantity=2)
        assert answer.problem == (409, "sold-out")


class SlowLevels:
    """Each read tells what there was when it began, and ends when it is let go."""

    def __init__(self) -> None:
        self.levels: list[StockLevel] = []
        self.gates: list[asyncio.Event] = []

    async def all(self) -> Sequence[StockLevel]:
        found, gate = list(self.levels), asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        return found


async def test_a_read_that_began_before_puts_no_older_copy_in_the_place_of_a_newer() -> None:
    source = SlowLevels()
    levels = StockLevels(source=source, refresh=timedelta(hours=1))
    before = asyncio.create_task(levels.refresh())
    await wait_until(lambda: source.gates)
    source.levels = [StockLevel(product_id="pen", total=1, available=1, reserved=0, sold=0)]
    products = asyncio.create_task(LimitedProducts(source=FakeProducts(PEN), levels=levels).load())
    for _ in range(3):
        await asyncio.sleep(0)
    for gate in reversed(source.gates):
        gate.set()
    await before
    await wait_until(lambda: len(source.gates) == 2)
    source.gates[1].set()
    assert set(await products) == {"pen"}
    assert set(levels.levels) == {"pen"}


class BrokenLevels:
    """Has an item that nobody thought of."""

    async def all(self) -> Sequence[StockLevel]:
        raise KeyError("total")


@pytest.mark.parametrize("loaded", [False, True])
async def test_a_stock_that_cannot_be_understood_keeps_no_other_price_from_being_read(
    loaded: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = StockLevels(source=BrokenLevels(), refresh=timedelta(hours=1))
    monkeypatch.setattr(StockLevels, "is_loaded", loaded)
    products = LimitedProducts(source=FakeProducts(PEN), levels=levels)
    assert set(await products.load()) == (set() if loaded else {"pen"})
