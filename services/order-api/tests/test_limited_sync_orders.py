"""Orders of limited products that are settled in the request: their units end with them, whatever the answer."""

import asyncio

import pytest
from structlog.testing import capture_logs

from flashmsg import OrderStatus, Reservation
from flashpay.testing import Reply
from order_api.connections import open_connections
from order_api.settings import Settings
from order_api.testing import Answer, FakeStock, RunningApi, environment, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
QUIET = "3600"


def assert_unknown(answer: Answer) -> None:
    assert answer.status == 503
    assert set(answer.json) > {"order_id", "status_url", "idempotency_key"}


async def until_entry(shop: RunningApi, answer: Answer, status: OrderStatus) -> None:
    order_id = answer.json["order_id"]
    await wait_until(lambda: order_id in shop.ledger.entries and shop.ledger.entries[order_id].status is status)


async def test_a_paid_order_has_sold_its_units_and_a_declined_one_has_returned_them(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.gateway.plan(Reply.APPROVE, Reply.DECLINE)
    answers = [await limited_shop.order("sync", quantity=2), await limited_shop.order("sync", quantity=3)]
    assert [answer.json["status"] for answer in answers] == ["completed", "declined"]
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 0, 2)
    assert limited_shop.events == []
    assert "get" not in limited_shop.ledger.calls, "the journal had nothing left to do"


async def test_the_entry_of_the_order_names_its_units(limited_shop: RunningApi) -> None:
    answer = await limited_shop.order("sync", quantity=2)
    reservation = limited_shop.ledger.entries[answer.json["order_id"]].reservation
    assert reservation is not None
    assert reservation.units == {"pen": 2}
    assert "reservation" not in answer.json


async def test_a_refused_order_leaves_its_place_to_the_next(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0", STOCK_LEASE_SECONDS=QUIET) as shop:
        assert (await shop.order("sync", quantity=2)).status == 200
        assert (await shop.order("sync", quantity=1)).problem == (409, "limit-reached")
        assert (await shop.order("sync", quantity=1, customer_id=2)).status == 200


async def test_orders_being_paid_hold_no_page_that_others_need(stock: FakeStock) -> None:
    async with running_shop(stock=stock, SYNC_LIMIT="3", STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.gateway.hold()
        paying = []
        for n in range(1, 4):
            paying.append(asyncio.create_task(shop.order("sync", quantity=1, customer_id=n)))
            await wait_until(lambda: shop.gateway.in_flight == len(paying))
        for n in range(4, 7):
            assert (await shop.order("async", quantity=1, customer_id=n)).status == 202
        shop.gateway.let_go()
        assert [(await order).status for order in paying] == [200] * 3


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS account that nothing is asked of."""
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")


async def test_units_that_were_paid_for_and_are_not_there_are_told(account: None) -> None:  # noqa: ARG001 - it sets the variables
    settings = Settings.from_environment(environment(STOCK_TABLE="stock"))
    reservation = Reservation(id="rsv_" + "a" * 24, units={"pen": 2})
    async with open_connections(settings) as connections:
        assert connections.stock is not None
        with capture_logs() as lines:
            connections.stock.endings._observer.oversold(reservation)
    assert [(line["event"], line["units"]) for line in lines] == [("sold_without_units", {"pen": 2})]


async def test_without_a_stock_table_there_is_no_stock(account: None) -> None:  # noqa: ARG001 - the same
    async with open_connections(Settings.from_environment(environment())) as connections:
        assert connections.stock is None


@pytest.mark.parametrize("second", ["async", "sync"])
async def test_a_repeat_of_a_paid_order_reserves_nothing(
    limited_shop: RunningApi, stock: FakeStock, second: str
) -> None:
    first = await limited_shop.order("sync", headers=KEY)
    calls = stock.calls
    again = await limited_shop.order(second, headers=KEY)
    assert again.json["order_id"] == first.json["order_id"]
    # A duplicate has its ending settled once more; nothing else is asked.
    assert stock.calls - calls <= 2
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 0, 2)


async def test_who_finds_no_place_costs_no_write_and_holds_nothing(stock: FakeStock) -> None:
    async with running_shop(stock=stock, SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0", STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync", quantity=1))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        refused = await shop.order("sync", quantity=9)
        assert refused.problem == (503, "at-capacity")
        assert b"not accepted" in refused.body
        pages = [item["entries"] for key, item in stock.table.items.items() if key.startswith("slot#")]
        assert len(pages) - pages.count("") == 1
        shop.gateway.let_go()
        assert (await first).status == 200
        assert (await shop.order("sync", quantity=9)).status == 200
    assert await stock.figures("pen") == (0, 0, 10)


async def test_of_two_requests_with_one_key_at_once_one_keeps_its_units(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    answers = await asyncio.gather(*(limited_shop.order("sync", headers=KEY) for _ in range(4)))
    assert {answer.status for answer in answers} <= {200, 202}
    assert len({answer.json["order_id"] for answer in answers}) == 1
    assert len(limited_shop.gateway.charges) == 1
    await until_entry(limited_shop, answers[0], OrderStatus.COMPLETED)
    entry = limited_shop.ledger.entries[answers[0].json["order_id"]]
    await limited_shop.runner.cleanup()
    # What was published beside the settlement carries the order's own units, or is ended by its consumer.
    others = {event.reservation.id for event in limited_shop.events if event.reservation} - {
        entry.reservation.id if entry.reservation else ""
    }
    assert others == set()
    assert await stock.figures("pen") == (8, 0, 2)


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
async def test_a_late_order_goes_to_the_queue_with_its_units(stock: FakeStock, headers: dict[str, str] | None) -> None:
    async with running_shop(stock=stock, SYNC_DEADLINE_SECONDS="0.05", STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.gateway.hold()
        answer = await shop.order("sync", headers=headers)
        assert answer.status == 202
        (event,) = shop.events
        assert event.reservation is not None
        assert event.reservation == shop.ledger.entries[answer.json["order_id"]].reservation
        shop.gateway.let_go()
        await until_entry(shop, answer, OrderStatus.COMPLETED)
    assert await stock.figures("pen") == (8, 0, 2)


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
async def test_a_late_order_that_cannot_be_queued_keeps_its_units_until_it_is_settled(
    stock: FakeStock, headers: dict[str, str] | None
) -> None:
    async with running_shop(stock=stock, SYNC_DEADLINE_SECONDS="0.05", STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.gateway.hold()
        shop.topic.down = True
        answer = await shop.order("sync", headers=headers)
        assert answer.problem == (503, "outcome-unknown")
        assert_unknown(answer)
        assert (await stock.figures("pen"))[1] >= 2
        shop.gateway.let_go()
        await until_entry(shop, answer, OrderStatus.COMPLETED)
    assert await stock.figures("pen") == (8, 0, 2)


async def test_the_naive_shop_leaves_a_late_order_to_the_journal(stock: FakeStock) -> None:
    async with running_shop(
        stock=stock, SYNC_DEADLINE_SECONDS="0.05", SYNC_FALLBACK="false", STOCK_LEASE_SECONDS=QUIET
    ) as shop:
        shop.gateway.hold()
        answer = await shop.order("sync")
        assert answer.problem == (503, "late")
        assert_unknown(answer)
        await wait_until(lambda: shop.events)
        assert [event.id for event in shop.events] == [answer.json["order_id"]]
        shop.gateway.let_go()
        await until_entry(shop, answer, OrderStatus.COMPLETED)
    assert await stock.figures("pen") == (8, 0, 2)


async def test_a_charge_without_an_answer_goes_to_the_queue_with_its_units(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.gateway.plan(Reply.FAIL)
    assert (await limited_shop.order("sync")).status == 202
    assert [event.reservation.units for event in limited_shop.events if event.reservation] == [{"pen": 2}]
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_stock_that_goes_away_after_the_charge_sends_the_order_to_the_queue(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.gateway.hold()
    ordering = asyncio.create_task(limited_shop.order("sync"))
    await wait_until(lambda: limited_shop.gateway.in_flight == 1)
    stock.down = True
    limited_shop.gateway.let_go()
    answer = await ordering
    assert answer.status == 202
    assert [event.id for event in limited_shop.events] == [answer.json["order_id"]]
    assert limited_shop.ledger.entries[answer.json["order_id"]].status is OrderStatus.COMPLETED
    stock.down = False
