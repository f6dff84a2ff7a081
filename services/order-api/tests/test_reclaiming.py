"""What a process that died had reserved: its journaled orders are placed, the rest is for sale again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Self

from flashmsg import Order, OrderPlaced, PricedLine, encode
from flashpay.claims import Claimed
from flashpay.gateway import Approved, Declined
from flashstock.hold import Hold
from flashstock.pages import JournalEntry
from flashstock.seller import Seller
from order_api.limited_sale import CUSTOMER_LIMITS
from order_api.order_ids import OrderIds
from order_api.testing import SECRET, FakeStock, RunningApi, running_shop, wait_until

LEASE_SECONDS = "0.3"
IDS = OrderIds(secret=SECRET.encode())


def order_of(customer_id: int, *, quantity: int = 2) -> Order:
    return Order(
        order_id=IDS.candidates(customer_id=customer_id, idempotency_key="basket-1")[0],
        customer_id=customer_id,
        items=(PricedLine(product_id="pen", quantity=quantity, unit_price_minor=250),),
        currency="EUR",
        total_minor=250 * quantity,
        created_at=datetime.now(UTC),
    )


class DeadProcess:
    """Sells like a process of the API until it dies; it never says that it has gone."""

    def __init__(self, stock: FakeStock) -> None:
        self._stock = stock
        self._seller: Seller | None = None

    async def __aenter__(self) -> Self:
        self._seller = Seller(
            stock=self._stock, publish_again=self._never, owner="dead", lease=timedelta(seconds=3600), slots=4
        )
        await self._seller.__aenter__()
        return self

    async def __aexit__(self, *_arguments: object) -> None:
        # Nothing of it runs on, and nothing is written any more: session, leases and pages stay in the table.
        assert self._seller is not None
        assert self._seller._session is not None
        for task in self._seller._tasks:
            task.cancel()
        await self._seller._session.stop()

    async def journal(self, order: Order, *, limits: str | None = None) -> Hold:
        assert self._seller is not None
        hold = await self._seller.reserve({"pen": order.items[0].quantity})
        event = OrderPlaced.of(order, reservation=hold.reservation)
        await hold.commit(encode(event), {"type": event.type} | ({CUSTOMER_LIMITS: limits} if limits else {}))
        return hold

    async def reserve(self, units: int) -> Hold:
        assert self._seller is not None
        return await self._seller.reserve({"pen": units})

    async def _never(self, _entry: JournalEntry) -> None:
        raise AssertionError("it is dead")


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
