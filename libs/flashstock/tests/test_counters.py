import asyncio
from collections.abc import Sequence

import pytest

from flashstock.errors import StockError, StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.levels import MAX_UNITS, StockLevel
from flashstock.stock import Stock
from flashstock.table import Write
from flashstock.testing import MemoryTable


def level(total: int, *, available: int, reserved: int = 0, sold: int = 0, product: str = "cap") -> StockLevel:
    return StockLevel(product_id=product, total=total, available=available, reserved=reserved, sold=sold)


async def reserve(stock: Stock, units: int) -> None:
    await stock.sessions.open("s1", owner="test", slots=1)
    await stock.leases.change("cap", "s1", NOTHING, by=units)


async def test_a_product_is_unlimited_until_its_total_is_set(stock: Stock) -> None:
    assert await stock.counters.get("cap") is None
    assert await stock.counters.all() == []
    assert await stock.counters.set_total("cap", 5) == level(5, available=5)
    assert await stock.counters.get("cap") == level(5, available=5)


async def test_all_products_are_listed_by_name(stock: Stock) -> None:
    for product in ("shoe", "cap"):
        await stock.counters.set_total(product, 1)
    assert [one.product_id for one in await stock.counters.all()] == ["cap", "shoe"]


@pytest.mark.parametrize("total", [0, 3, 5, 90])
async def test_a_new_total_changes_what_is_available(stock: Stock, total: int) -> None:
    await stock.counters.set_total("cap", 5)
    assert await stock.counters.set_total("cap", total) == level(total, available=total)
    assert await stock.counters.get("cap") == level(total, available=total)


async def test_reserved_units_stay_within_the_total(stock: Stock) -> None:
    await stock.counters.set_total("cap", 5)
    await reserve(stock, 3)
    before = level(5, available=2, reserved=3)
    with pytest.raises(StockError, match="3 units of cap are reserved or sold: its total cannot be 2"):
        await stock.counters.set_total("cap", 2)
    assert await stock.counters.get("cap") == before
    assert await stock.counters.set_total("cap", 3) == level(3, available=0, reserved=3)


async def test_units_are_added(stock: Stock) -> None:
    await stock.counters.set_total("cap", 5)
    await reserve(stock, 3)
    assert await stock.counters.add("cap", 4) == level(9, available=6, reserved=3)


async def test_nothing_is_added_to_what_is_not_limited(stock: Stock) -> None:
    with pytest.raises(StockError, match="cap is not limited"):
        await stock.counters.add("cap", 4)
    assert await stock.counters.get("cap") is None


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (1.5, "a number of units is a whole number, not 1.5"),
        ("3", "a number of units is a whole number, not '3'"),
        (-1, "a number of units is between {least} and 1000000000, not -1"),
        (MAX_UNITS + 1, "a number of units is between {least} and 1000000000, not 1000000001"),
    ],
)
async def test_a_refused_number_is_told_with_its_bounds(stock: Stock, units: int, said: str) -> None:
    await stock.counters.set_total("cap", 5)
    for least, change in (
        (0, stock.counters.set_total),
        (1, stock.counters.add),
        (1, stock.counters.set_customer_limit),
    ):
        with pytest.raises(StockError) as caught:
            await change("cap", units)
        assert str(caught.value) == said.format(least=least)


async def test_the_least_and_the_most_units_are_taken(stock: Stock) -> None:
    assert (await stock.counters.set_total("cap", 0)).total == 0
    assert (await stock.counters.add("cap", 1)).total == 1
    assert (await stock.counters.set_customer_limit("cap", 1)).customer_limit == 1
    assert (await stock.counters.set_customer_limit("cap", MAX_UNITS)).customer_limit == MAX_UNITS
    assert (await stock.counters.set_total("cap", MAX_UNITS)).total == MAX_UNITS


@pytest.mark.parametrize("units", [-1, MAX_UNITS + 1, 1.5, True, "3", None])
async def test_what_is_no_number_of_units_is_refused(stock: Stock, units: int) -> None:
    await stock.counters.set_total("cap", 5)
    with pytest.raises(StockError, match="a number of units is"):
        await stock.counters.set_total("cap", units)
    with pytest.raises(StockError, match="a number of units is"):
        await stock.counters.add("cap", units)
    assert await stock.counters.get("cap") == level(5, available=5)


async def test_more_than_can_be_counted_is_not_added(stock: Stock) -> None:
    await stock.counters.set_total("cap", MAX_UNITS - 1)
    with pytest.raises(StockError, match=f"cap cannot have 2 units more: its total would be above {MAX_UNITS}"):
        await stock.counters.add("cap", 2)
    assert (await stock.counters.add("cap", 1)).total == MAX_UNITS


async def test_of_many_who_set_a_total_at_once_each_gets_its_own_answer(stock: Stock) -> None:
    answers = await asyncio.gather(*(stock.counters.set_total("cap", total) for total in range(4)))
    assert [answer.total for answer in answers] == [0, 1, 2, 3]
    found = await stock.counters.get("cap")
    assert found is not None
    assert found in answers


async def test_a_customer_limit_is_set_changed_and_lifted(stock: Stock) -> None:
    await stock.counters.set_total("cap", 5)
    assert (await stock.counters.set_customer_limit("cap", 2)).customer_limit == 2
    assert (await stock.counters.set_total("cap", 9)).customer_limit == 2
    found = await stock.counters.get("cap")
    assert found is not None
    assert (found.total, found.customer_limit) == (9, 2)
    assert await stock.counters.set_customer_limit("cap", None) == level(9, available=9)
    assert await stock.counters.all() == [level(9, available=9)]


@pytest.mark.parametrize("limit", [0, -1, MAX_UNITS + 1, 1.5, True])
async def test_what_is_no_limit_is_refused(stock: Stock, limit: int) -> None:
    await stock.counters.set_total("cap", 5)
    with pytest.raises(StockError, match="a number of units is"):
        await stock.counters.set_customer_limit("cap", limit)
    assert await stock.counters.get("cap") == level(5, available=5)


async def test_a_product_without_stock_has_no_customer_limit(stock: Stock) -> None:
    with pytest.raises(StockError, match="cap is not limited"):
        await stock.counters.set_customer_limit("cap", 2)
    assert await stock.counters.all() == []


async def test_units_that_are_added_are_not_called_a_failure_when_they_cannot_be_read_back() -> None:
    async def only_writes(_place: str, writes: Sequence[Write]) -> None:
        if not writes:
            raise StockUnavailableError("the table is down", reason="connection")

    table = MemoryTable()
    stock = Stock(table)
    await stock.counters.set_total("cap", 5)
    table.checkpoint = only_writes
    with pytest.raises(StockError, match="3 units of cap are added") as caught:
        await stock.counters.add("cap", 3)
    assert not isinstance(caught.value, StockUnavailableError)
    assert table.items["product#cap"]["total"] == 8
