"""What a process that died had reserved: its journaled orders are placed, the rest is for sale again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashpay.claims import Claimed
from flashpay.gateway import Approved, Declined
from flashstock.reclaimer import Reclaimer
from order_api.limited_sale import CUSTOMER_LIMITS
from order_api.selling import _reclaim
from order_api.testing import DeadProcess, FakeStock, RunningApi, order_of, running_shop, wait_until

LEASE_SECONDS = "0.3"


@asynccontextmanager
async def surviving(stock: FakeStock) -> AsyncIterator[RunningApi]:
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=LEASE_SECONDS) as shop:
        yield shop


async def until_reclaimed(stock: FakeStock) -> None:
    await wait_until(lambda: not any(item.get("owner") == "dead" for item in stock.table.items.values()))


async def test_journaled_orders_are_placed_and_the_rest_is_for_sale_again(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        hold = await dead.journal(order_of(1))
        await dead.reserve(5)
    async with surviving(stock) as shop:
        await until_reclaimed(stock)
        (event,) = shop.events
        assert (event.data.customer_id, event.reservation) == (1, hold.reservation)
        entry = shop.ledger.entries[event.id]
        assert (entry.status.value, entry.reservation) == ("pending", hold.reservation)
        assert shop.metric("stock_reclaimed_total", product_id="pen") >= 5
        assert shop.metric("stock_orders_republished_total") == 1
        repeat = await shop.order("async", headers={"Idempotency-Key": "basket-1"})
        assert repeat.json["order_id"] == event.id
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_whose_key_stands_with_other_units_returns_its_own(stock: FakeStock) -> None:
    async with surviving(stock) as shop:
        first = await shop.order("async", headers={"Idempotency-Key": "basket-1"})
        async with DeadProcess(stock) as dead:
            await dead.journal(order_of(1))
        await until_reclaimed(stock)
        assert [event.id for event in shop.events] == [first.json["order_id"]]
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_that_was_paid_meanwhile_is_sold_and_not_published(stock: FakeStock) -> None:
    async with surviving(stock) as shop:
        async with DeadProcess(stock) as dead:
            hold = await dead.journal(order_of(1))
            claim = await shop.ledger.claim(
                order_of(1), owner="worker", lease=timedelta(seconds=9), reservation=hold.reservation
            )
            assert isinstance(claim, Claimed)
            await shop.ledger.record(claim, Approved(charge_id="ch_1"))
        await until_reclaimed(stock)
        assert shop.events == []
    assert await stock.figures("pen") == (8, 0, 2)


async def test_an_order_that_was_declined_meanwhile_counts_for_nobody(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    order_id = order_of(1).order_id
    async with surviving(stock) as shop:
        async with DeadProcess(stock) as dead:
            hold = await dead.journal(order_of(1), limits='{"pen": 2}')
            await stock.limits.take({"pen": 2}, customer_id=1, order_id=order_id, limits={"pen": 2})
            claim = await shop.ledger.claim(
                order_of(1), owner="worker", lease=timedelta(seconds=9), reservation=hold.reservation
            )
            assert isinstance(claim, Claimed)
            await shop.ledger.record(claim, Declined(reason="no funds"))
        await until_reclaimed(stock)
        assert shop.events == []
        assert (await shop.order("async", quantity=2)).status == 202
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_that_was_never_counted_and_is_over_the_limit_is_returned(stock: FakeStock) -> None:
    await stock.limits.take({"pen": 1}, customer_id=1, order_id="ord_earlier", limits={"pen": 2})
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1), limits='{"pen": 2}')
        await dead.journal(order_of(2), limits='{"pen": 2}')
    async with surviving(stock) as shop:
        await until_reclaimed(stock)
        assert [event.data.customer_id for event in shop.events] == [2]
        assert CUSTOMER_LIMITS not in shop.topic.published[0].attributes
    assert await stock.figures("pen") == (8, 2, 0)


async def test_while_the_topic_is_down_nothing_is_given_up(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1))
    async with surviving(stock) as shop:
        shop.topic.down = True
        await wait_until(lambda: len(shop.topic.calls) >= 2)
        assert shop.events == []
        assert (await stock.figures("pen"))[1] >= 2
        shop.topic.down = False
        await until_reclaimed(stock)
        assert len(shop.events) == 1
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_that_can_never_be_placed_is_counted_and_keeps_its_own_units_alone(
    stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1))
        await dead.reserve(5)

    async def unreadable(_order_id: str) -> None:
        raise ValueError("its entry cannot be read")

    async with surviving(stock) as shop:
        monkeypatch.setattr(shop.ledger, "get", unreadable)
        await wait_until(lambda: shop.metric("stock_orders_stuck_total") >= 2)
        assert await stock.figures("pen") == (8, 2, 0)
        monkeypatch.undo()
        await until_reclaimed(stock)
        assert len(shop.events) == 1
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_reclaimer_that_crashes_goes_on_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crashing(Reclaimer):
        def __init__(self) -> None:
            pass

        async def run(self, stop: asyncio.Event) -> None:
            assert not stop.is_set()
            if slept:
                raise asyncio.CancelledError
            raise ZeroDivisionError("a bug")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    slept: list[float] = []
    monkeypatch.setattr("order_api.selling.asyncio.sleep", sleep)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await _reclaim(Crashing())
    assert slept == [1]
    assert [(line["event"], line["exc_info"]) for line in lines] == [("stock_reclaimer_crashed", True)]
