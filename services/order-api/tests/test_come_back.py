"""What is known of when to come back is told as it is: here without what spreads those who are refused together."""

import asyncio

import pytest

from order_api.retry_after import RetryAfter
from order_api.testing import Answer, DeadProcess, FakeProducts, FakeStock, order_of, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}


@pytest.fixture(autouse=True)
def unspread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_api.app.RetryAfter", lambda: RetryAfter(jitter=lambda: 0.0))


def told(answer: Answer) -> tuple[int, int]:
    return answer.status, int(answer.headers["Retry-After"])


async def test_before_prices_are_known_a_second_is_told() -> None:
    source = FakeProducts()
    source.down = True
    async with running_shop(products=source, wait_ready=False) as shop:
        answers = [
            await shop.order("async"),
            await shop.request("GET", "/products"),
            await shop.request("GET", "/products/pen"),
        ]
    assert [told(answer) for answer in answers] == [(503, 1)] * 3


async def test_before_it_is_known_what_is_limited_a_second_is_told(stock: FakeStock) -> None:
    stock.down = True
    async with running_shop(stock=stock, wait_ready=False) as shop:
        await wait_until(lambda: shop.metric("catalogue_products") == 2)
        answers = [await shop.order("async"), await shop.request("GET", "/products")]
    assert [told(answer) for answer in answers] == [(503, 1)] * 2


async def test_while_an_order_is_paid_the_longest_that_a_payment_may_take_is_told() -> None:
    async with running_shop(PAYMENT_TIMEOUT_SECONDS="17") as shop:
        shop.gateway.hold()
        paying = asyncio.create_task(shop.order("sync", headers=KEY))
        await shop.gateway.until_in_flight(1)
        (order_id,) = shop.ledger.entries
        assert told(await shop.request("DELETE", f"/orders/{order_id}")) == (409, 17)
        shop.gateway.let_go()
        assert (await paying).status == 200


async def test_an_order_that_is_not_taken_up_is_cancelled_no_sooner_than_it_may_be_paid() -> None:
    async with running_shop(ORDER_RETENTION_DAYS="30", PAYMENT_TIMEOUT_SECONDS="17") as shop:
        order_id = (await shop.order("async")).json["order_id"]
        assert told(await shop.request("DELETE", f"/orders/{order_id}")) == (409, 17)


async def test_a_journal_that_may_have_the_order_is_reclaimed_within_a_lease(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS="23") as shop:
        assert told(await shop.order("async", quantity=10, headers=KEY)) == (503, 23)
