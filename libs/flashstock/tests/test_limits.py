import asyncio

import pytest

from flashstock.errors import LimitReachedError
from flashstock.stock import Stock


async def take(
    stock: Stock, order: str, units: int, *, limit: int = 3, customer: int = 1, product: str = "cap"
) -> None:
    await stock.limits.take(product, customer_id=customer, order_id=order, units=units, limit=limit)


async def test_a_customer_may_buy_up_to_the_limit(stock: Stock) -> None:
    await take(stock, "first", 2)
    await take(stock, "second", 1)
    with pytest.raises(LimitReachedError) as caught:
        await take(stock, "third", 1)
    assert (caught.value.product_id, caught.value.limit) == ("cap", 3)


async def test_an_order_counts_once(stock: Stock) -> None:
    for _ in range(3):
        await take(stock, "first", 2)
    await take(stock, "second", 1)
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


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


async def test_a_released_order_counts_no_more(stock: Stock) -> None:
    await take(stock, "first", 2)
    await take(stock, "second", 1)
    for _ in range(2):
        await stock.limits.release("cap", customer_id=1, order_id="first")
    await take(stock, "third", 2)
    with pytest.raises(LimitReachedError):
        await take(stock, "fourth", 1)


async def test_releasing_what_never_counted_changes_nothing(stock: Stock) -> None:
    await stock.limits.release("cap", customer_id=1, order_id="first")
    await take(stock, "first", 3)
    await stock.limits.release("cap", customer_id=1, order_id="second")
    with pytest.raises(LimitReachedError):
        await take(stock, "third", 1)


async def test_orders_at_once_do_not_pass_the_limit(stock: Stock) -> None:
    answers = await asyncio.gather(*(take(stock, f"order {n}", 1) for n in range(8)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == 3
    assert sum(isinstance(answer, LimitReachedError) for answer in answers) == 5
