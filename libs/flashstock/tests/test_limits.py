import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from flashmsg import Reservation
from flashstock.endings import Ending, Outcome, ending_key
from flashstock.errors import LimitReachedError
from flashstock.leases import NOTHING
from flashstock.stock import Stock
from flashstock.table import Check, Write
from flashstock.testing import memory_stock

RESERVATION = Reservation(id="rsv_" + 24 * "a", units={"cap": 2})
Decided = Literal[Outcome.SOLD, Outcome.RETURNED, Outcome.REFUNDED]


async def take(
    stock: Stock, order: str, units: int, *, limit: int = 3, customer: int = 1, product: str = "cap"
) -> None:
    await stock.limits.take({product: units}, customer_id=customer, order_id=order, limits={product: limit})


async def test_a_customer_may_buy_up_to_the_limit(stock: Stock) -> None:
    await take(stock, "first", 2)
    await take(stock, "second", 1)
    with pytest.raises(LimitReachedError, match="one customer may buy 3 of cap") as caught:
        await take(stock, "third", 1)
    assert (caught.value.product_id, caught.value.limit) == ("cap", 3)


async def test_an_order_counts_once(stock: Stock) -> None:
    for _ in range(3):
        await take(stock, "first", 2)
    await take(stock, "second", 1)
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


async def test_an_order_that_counts_already_costs_no_further_write() -> None:
    written: list[str] = []

    async def note(place: str, writes: Sequence[Write]) -> None:
        await asyncio.sleep(0)
        written.extend(write.id for write in writes if place == "done")

    stock = memory_stock(checkpoint=note)
    for _ in range(3):
        await take(stock, "first", 2)
    assert len(written) == 1


async def test_one_order_above_the_limit_is_refused_alone(stock: Stock) -> None:
    with pytest.raises(LimitReachedError):
        await take(stock, "first", 4)
    await take(stock, "second", 3)


async def test_customers_and_products_count_apart(stock: Stock) -> None:
    await take(stock, "first", 3)
    await take(stock, "second", 3, customer=2)
    await take(stock, "third", 3, product="shoe")
    for customer, product in ((1, "cap"), (2, "cap"), (1, "shoe")):
        with pytest.raises(LimitReachedError):
            await take(stock, "fourth", 1, customer=customer, product=product)


async def take_both(stock: Stock, order: str, *, caps: int, shoes: int) -> None:
    units = {"cap": caps, "shoe": shoes, "unlimited": 9}
    await stock.limits.take(units, customer_id=1, order_id=order, limits={"cap": 3, "shoe": 3})


async def test_an_order_counts_with_all_of_its_products_or_with_none(stock: Stock) -> None:
    await take(stock, "first", 3, product="shoe")
    with pytest.raises(LimitReachedError) as caught:
        await take_both(stock, "second", caps=2, shoes=1)
    assert caught.value.product_id == "shoe"
    await take(stock, "third", 3)
    with pytest.raises(LimitReachedError):
        await take(stock, "fourth", 1)


async def test_an_order_of_several_products_counts_once_with_each(stock: Stock) -> None:
    await take(stock, "first", 1)
    for _ in range(3):
        await take_both(stock, "first", caps=1, shoes=2)
    await take_both(stock, "second", caps=2, shoes=1)
    for product in ("cap", "shoe"):
        with pytest.raises(LimitReachedError):
            await take(stock, "third", 1, product=product)


async def test_of_two_contents_of_one_order_the_greater_counts(stock: Stock) -> None:
    await take(stock, "first", 1)
    await take(stock, "second", 1)
    with pytest.raises(LimitReachedError):
        await take(stock, "first", 3)
    await take(stock, "first", 2)
    await take(stock, "first", 1)
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


async def test_a_released_order_counts_no_more(stock: Stock) -> None:
    await take(stock, "first", 2)
    await take(stock, "second", 1)
    for _ in range(2):
        await stock.limits.release("cap", customer_id=1, order_id="first")
    await take(stock, "third", 2)
    with pytest.raises(LimitReachedError):
        await take(stock, "fourth", 1)


async def test_an_order_can_be_counted_down_to_what_it_has(stock: Stock) -> None:
    await take(stock, "first", 3)
    for down_to in (3, 1, 2):
        await stock.limits.release("cap", customer_id=1, order_id="first", down_to=down_to)
    await take(stock, "second", 2)
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


async def test_releasing_what_never_counted_changes_nothing(stock: Stock) -> None:
    await stock.limits.release("cap", customer_id=1, order_id="first")
    await take(stock, "first", 3)
    await stock.limits.release("cap", customer_id=1, order_id="second")
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


@pytest.fixture
async def reserved(stock: Stock) -> Stock:
    """Ten caps, of which the order has two."""
    await set_up(stock)
    return stock


async def set_up(stock: Stock) -> None:
    await stock.sessions.open("s1", owner="test", slots=1)
    await stock.counters.set_total("cap", 10)
    await stock.leases.change("cap", "s1", NOTHING, by=2)
    await take(stock, "order", 2)


async def end(stock: Stock, outcome: Decided, *, reopened: int = 0) -> None:
    await stock.endings.settle([Ending(reservation=RESERVATION, outcome=outcome, reopened=reopened)])


async def counts(stock: Stock, *, customer: int = 1) -> bool:
    """Whether the order counts for a customer, after a look at how its reservation has ended."""
    await stock.limits.follow(RESERVATION, customer_id=customer, order_id="order")
    try:
        await take(stock, "another", 2, limit=2, customer=customer)
    except LimitReachedError:
        return True
    await stock.limits.release("cap", customer_id=customer, order_id="another")
    return False


@pytest.mark.parametrize("outcome", [Outcome.RETURNED, Outcome.REFUNDED])
async def test_an_order_counts_until_its_units_are_given_back(reserved: Stock, outcome: Decided) -> None:
    assert await counts(reserved)
    await end(reserved, outcome)
    assert [await counts(reserved) for _ in range(2)] == [False, False]


async def test_an_order_that_is_sold_after_it_was_given_back_counts_again_and_once(reserved: Stock) -> None:
    await end(reserved, Outcome.RETURNED)
    assert not await counts(reserved)
    await reserved.endings.reopen(RESERVATION, reopened=1)
    await end(reserved, Outcome.SOLD, reopened=1)
    assert [await counts(reserved) for _ in range(2)] == [True, True]
    await take(reserved, "third", 1, limit=3)
    await reserved.limits.release("cap", customer_id=1, order_id="third")
    await end(reserved, Outcome.REFUNDED, reopened=1)
    assert not await counts(reserved)


async def test_who_never_had_a_limit_is_not_counted(reserved: Stock) -> None:
    await end(reserved, Outcome.SOLD)
    assert not await counts(reserved, customer=2)


async def test_a_reservation_that_moves_on_before_its_count_is_written_is_looked_at_again() -> None:
    async def reopen_and_sell(place: str, writes: Sequence[Write]) -> None:
        counting = any(isinstance(write, Check) and write.id == ending_key(RESERVATION.id) for write in writes)
        if place == "called" and counting and not moved:
            moved.append(True)
            await stock.endings.reopen(RESERVATION, reopened=1)
            await end(stock, Outcome.SOLD, reopened=1)

    moved: list[bool] = []
    stock = memory_stock(checkpoint=reopen_and_sell)
    await set_up(stock)
    await end(stock, Outcome.RETURNED)
    assert await counts(stock)
    assert moved


async def test_orders_at_once_do_not_pass_the_limit(stock: Stock) -> None:
    answers = await asyncio.gather(*(take(stock, f"order {n}", 1) for n in range(8)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == 3
    assert sum(isinstance(answer, LimitReachedError) for answer in answers) == 5
