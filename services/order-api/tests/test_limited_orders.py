"""Orders of limited products through the queue: who gets the units, who is told what, and at which price in calls."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from flashmsg import Reservation
from order_api.testing import Answer, FakeStock, Shop, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
OTHER_KEY = {"Idempotency-Key": "basket-2"}
# Nothing but orders makes calls meanwhile.
QUIET = "3600"


@pytest.fixture
async def stock() -> FakeStock:
    """Ten pens; phones are not limited."""
    stock = FakeStock()
    await stock.counters.set_total("pen", 10)
    return stock


@pytest.fixture
async def shop(stock: FakeStock) -> AsyncIterator[Shop]:
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS=QUIET, STOCK_LEASE_SECONDS=QUIET) as running:
        await until_known(running)
        yield running


async def until_known(shop: Shop) -> None:
    await wait_until(lambda: shop.registry.get_sample_value("stock_available", {"product_id": "pen"}) is not None)


async def order_both(shop: Shop, *, pens: int, phones: int = 1) -> Answer:
    items = [{"product_id": "phone-x", "quantity": phones}, {"product_id": "pen", "quantity": pens}]
    return await shop.request("POST", "/orders/async", json={"customer_id": 1, "items": items})


def reservations(shop: Shop) -> list[Reservation]:
    """Those of the published events."""
    return [event.reservation for event in shop.events if event.reservation is not None]


def assert_not_accepted(answer: Answer) -> None:
    assert answer.status == 503
    assert b"not accepted" in answer.body
    assert "order_id" not in answer.json


def assert_unknown(answer: Answer) -> None:
    assert answer.problem == (503, "outcome-unknown")
    assert set(answer.json) > {"order_id", "status_url", "idempotency_key"}
    assert b"not accepted" not in answer.body


async def test_an_accepted_order_has_its_units(shop: Shop, stock: FakeStock) -> None:
    assert (await shop.order("async", quantity=3)).status == 202
    (reservation,) = reservations(shop)
    assert reservation.units == {"pen": 3}
    assert (await stock.figures("pen"))[1] >= 3
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (7, 3, 0)


async def test_an_order_without_limited_products_costs_no_call_and_no_read_of_the_ledger(
    shop: Shop, stock: FakeStock
) -> None:
    calls = stock.calls
    assert (await shop.order("async", product_id="phone-x")).status == 202
    assert (await shop.order("sync", product_id="phone-x")).status == 200
    assert (await shop.order("async", product_id="phone-x", headers=KEY)).status == 202
    assert stock.calls == calls
    assert shop.ledger.calls.count("get") == 0
    assert reservations(shop) == []


async def test_of_a_mixed_order_only_what_is_limited_is_reserved(shop: Shop) -> None:
    assert (await order_both(shop, pens=2)).status == 202
    assert [reservation.units for reservation in reservations(shop)] == [{"pen": 2}]


async def test_a_line_too_many_reserves_nothing(stock: FakeStock) -> None:
    await stock.counters.set_total("phone-x", 5)
    async with running_shop(stock=stock) as shop:
        await until_known(shop)
        answer = await order_both(shop, pens=11, phones=5)
        assert answer.problem == (409, "sold-out")
        assert (answer.fields, shop.events) == (["items.1.product_id"], [])
    assert await stock.figures("phone-x") == (5, 0, 0)
    assert await stock.figures("pen") == (10, 0, 0)


async def test_sold_out_names_the_product_and_is_told_from_memory(shop: Shop, stock: FakeStock) -> None:
    assert (await shop.order("async", quantity=10)).status == 202
    refused = await shop.order("async", quantity=1)
    assert refused.problem == (409, "sold-out")
    assert refused.fields == ["items.0.product_id"]
    assert refused.json["errors"][0]["message"].endswith(": pen")
    assert "order_id" not in refused.json
    calls = stock.calls
    for _ in range(20):
        assert (await shop.order("async", quantity=1)).status == 409
    assert stock.calls - calls <= 2, "the table is asked again now and then, and not by each of them"
    assert shop.metric("stock_sold_out_total", product_id="pen") == 21
    assert shop.metric("orders_rejected_total", reason="sold_out") == 21
    assert len(shop.events) == 1


async def test_units_that_come_back_are_sold(shop: Shop, stock: FakeStock) -> None:
    assert (await shop.order("async", quantity=10)).status == 202
    assert (await shop.order("async", quantity=1)).status == 409
    await stock.counters.add("pen", 1)
    async with asyncio.timeout(5):
        while (await shop.order("async", quantity=1)).status != 202:
            pass
    assert len(shop.events) == 2


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_of_many_buyers_at_once_exactly_as_many_get_a_unit_as_there_are(
    shop: Shop, stock: FakeStock, mode: str
) -> None:
    answers = await asyncio.gather(*(shop.order(mode, quantity=1, customer_id=n) for n in range(1, 51)))
    accepted = [answer for answer in answers if answer.status in {200, 202}]
    assert len(accepted) == 10
    assert {answer.status for answer in answers} <= {200, 202, 409}
    await shop.runner.cleanup()
    assert (await stock.figures("pen"))[0] == 0


async def test_a_customer_gets_no_more_than_the_limit(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 3)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        await until_known(shop)
        calls = stock.calls
        alone = await shop.order("async", quantity=4)
        assert (alone.problem, alone.fields) == ((409, "limit-reached"), ["items.0.product_id"])
        assert stock.calls == calls
        assert (await shop.order("async", quantity=2)).status == 202
        refused = await shop.order("async", quantity=2)
        assert (refused.problem, refused.fields) == ((409, "limit-reached"), ["items.0.product_id"])
        assert "at most 3" in refused.json["errors"][0]["message"]
        assert (await shop.order("sync", quantity=2)).problem == (409, "limit-reached")
        assert (await shop.order("async", quantity=1)).status == 202
        assert (await shop.order("async", quantity=3, customer_id=2)).status == 202
        assert shop.metric("orders_rejected_total", reason="limit_reached") == 3
    assert await stock.figures("pen") == (4, 6, 0)
    assert sum(units["pen"] for units in (one.units for one in reservations(shop))) == 6


async def test_a_limit_on_one_line_leaves_the_other_line_uncounted(stock: FakeStock) -> None:
    await stock.counters.set_total("phone-x", 5)
    await stock.counters.set_customer_limit("phone-x", 5)
    await stock.counters.set_customer_limit("pen", 1)
    async with running_shop(stock=stock) as shop:
        await until_known(shop)
        assert (await shop.order("async", quantity=1)).status == 202
        assert (await order_both(shop, pens=1, phones=5)).problem == (409, "limit-reached")
        assert (await shop.order("async", product_id="phone-x", quantity=5)).status == 202


async def test_a_repeated_key_reserves_once(shop: Shop, stock: FakeStock) -> None:
    first = await shop.order("async", headers=KEY)
    calls = stock.calls
    again = await shop.order("async", headers=KEY)
    assert (first.status, again.status, again.json) == (202, 202, first.json)
    assert stock.calls == calls
    assert len({one.id for one in reservations(shop)}) == 1
    assert len(shop.events) == 2
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_repeat_is_not_told_sold_out_because_its_own_order_has_the_last_unit(shop: Shop) -> None:
    assert (await shop.order("async", quantity=10, headers=KEY)).status == 202
    for mode, expected in (("async", 202), ("sync", 200)):
        assert (await shop.order(mode, quantity=10, headers=KEY)).status == expected
    other = await shop.order("async", quantity=1, headers=OTHER_KEY)
    assert other.problem == (409, "sold-out")
    assert other.json["idempotency_key"] == "basket-2", "another request with this key may have an order"


async def test_of_two_requests_with_one_key_at_once_one_keeps_its_units(shop: Shop, stock: FakeStock) -> None:
    answers = await asyncio.gather(*(shop.order("async", headers=KEY) for _ in range(5)))
    assert [answer.status for answer in answers] == [202] * 5
    assert len({answer.json["order_id"] for answer in answers}) == 1
    assert len({one.id for one in reservations(shop)}) == 1
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_key_with_another_body_is_refused_and_reserves_nothing(shop: Shop, stock: FakeStock) -> None:
    assert (await shop.order("async", headers=KEY, quantity=2)).status == 202
    for mode in ("async", "sync"):
        assert (await shop.order(mode, headers=KEY, quantity=3)).problem == (422, "mismatch")
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_two_bodies_under_one_key_at_once_are_one_order(shop: Shop, stock: FakeStock) -> None:
    answers = await asyncio.gather(*(shop.order("async", headers=KEY, quantity=n) for n in (2, 3)))
    assert sorted(answer.status for answer in answers) == [202, 422]
    (event,) = shop.events
    assert event.reservation is not None
    assert event.reservation.units == {"pen": event.data.items[0].quantity}
    await shop.runner.cleanup()
    assert (await stock.figures("pen"))[1] == event.data.items[0].quantity


async def test_what_was_certainly_not_published_gives_its_units_and_its_count_back(
    shop: Shop, stock: FakeStock
) -> None:
    await stock.counters.set_customer_limit("pen", 10)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as limited:
        await until_known(limited)
        limited.topic.down = True
        assert_not_accepted(await limited.order("async", quantity=10))
        assert await stock.figures("pen") == (10, 0, 0)
        limited.topic.down = False
        assert (await limited.order("async", quantity=10)).status == 202
    assert len(limited.events) == 1
    assert shop.events == []


async def test_with_a_key_an_order_that_is_written_down_is_published_when_the_topic_is_back(
    shop: Shop, stock: FakeStock
) -> None:
    shop.topic.down = True
    refused = await shop.order("async", headers=KEY)
    assert_unknown(refused)
    assert (await stock.figures("pen"))[1] >= 2
    shop.topic.down = False
    await wait_until(lambda: shop.events)
    entry = shop.ledger.entries[refused.json["order_id"]]
    assert [one.id for one in reservations(shop)] == [entry.reservation.id if entry.reservation else None]
    again = await shop.order("async", headers=KEY)
    assert (again.status, again.json["order_id"]) == (202, refused.json["order_id"])
    assert len({one.id for one in reservations(shop)}) == 1


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
async def test_an_uncertain_publish_keeps_its_units_until_it_is_certain(
    shop: Shop, stock: FakeStock, headers: dict[str, str] | None
) -> None:
    shop.topic.losing = True
    unknown = await shop.order("async", headers=headers)
    assert_unknown(unknown)
    shop.topic.losing = False
    published = len(shop.events)
    await wait_until(lambda: len(shop.events) > published)
    again = await shop.order("async", headers=unknown.repeat_headers)
    assert (again.status, again.json["order_id"]) == (202, unknown.json["order_id"])
    assert len({one.id for one in reservations(shop)}) == 1
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_ledger_that_goes_away_leaves_the_journal_to_place_the_order(
    shop: Shop, stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get(_order_id: str) -> None:
        shop.ledger.unavailable = True

    with monkeypatch.context() as patched:
        patched.setattr(shop.ledger, "get", get)
        assert_unknown(await shop.order("async", headers=KEY))
    assert shop.events == []
    shop.ledger.unavailable = False
    await wait_until(lambda: shop.events)
    await shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_without_an_answer_of_the_ledger_to_a_key_nothing_is_reserved(shop: Shop, stock: FakeStock) -> None:
    shop.ledger.unavailable = True
    answer = await shop.order("async", headers=KEY)
    assert answer.problem == (503, "ledger-unavailable")
    assert await stock.figures("pen") == (10, 0, 0)


async def test_while_the_stock_is_away_limited_products_are_not_sold_and_others_are(
    shop: Shop, stock: FakeStock
) -> None:
    stock.down = True
    for mode in ("async", "sync"):
        refused = await shop.order(mode)
        assert refused.problem == (503, "stock-unavailable")
        assert_not_accepted(refused)
        assert int(refused.headers["Retry-After"]) >= 1
    assert (await shop.order("async", product_id="phone-x")).status == 202
    stock.down = False
    assert (await shop.order("async")).status == 202


async def test_before_it_is_known_what_is_limited_nothing_is_sold(stock: FakeStock) -> None:
    stock.down = True
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS="0.01") as shop:
        await wait_until(lambda: shop.metric("stock_refresh_failures_total"))
        refused = await shop.order("async", product_id="phone-x")
        assert refused.problem == (503, "stock-unavailable")
        assert_not_accepted(refused)
        stock.down = False
        await until_known(shop)
        assert (await shop.order("async", product_id="phone-x")).status == 202


async def test_a_count_of_which_nobody_knows_leaves_the_journal_to_place_the_order(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        await until_known(shop)
        stock.losing = "limit#"
        assert_unknown(await shop.order("async"))
        assert shop.events == []
        stock.losing = None
        await wait_until(lambda: shop.events)
        assert (await shop.order("async", quantity=1)).problem == (409, "limit-reached")
    assert "customer_limits" not in shop.topic.published[0].attributes
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_that_somebody_else_may_publish_is_not_called_not_accepted(shop: Shop, stock: FakeStock) -> None:
    shop.topic.gate.clear()
    ordering = asyncio.create_task(shop.order("async"))
    await wait_until(lambda: shop.topic.in_flight)
    (session,) = await stock.sessions.list()
    await stock.sessions.close(session)
    await stock.pages.close(session.id, slots=session.slots)
    shop.topic.down = True
    shop.topic.gate.set()
    assert_unknown(await ordering)
    assert shop.ledger.entries == {}


async def test_a_lowered_limit_does_not_refuse_what_was_accepted(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 4)
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS="0.01", STOCK_LEASE_SECONDS=QUIET) as shop:
        await until_known(shop)
        shop.topic.losing = True
        assert_unknown(await shop.order("async", quantity=4))
        await stock.counters.set_customer_limit("pen", 1)
        shop.ledger.entries.clear()
        shop.topic.published.clear()
        shop.topic.losing = False
        await wait_until(lambda: shop.events)
    assert await stock.figures("pen") == (6, 4, 0)


async def test_a_stopped_api_leaves_no_session_and_no_idle_unit(shop: Shop, stock: FakeStock) -> None:
    assert (await shop.order("async", quantity=1)).status == 202
    await shop.runner.cleanup()
    assert await stock.sessions.list() == []
    assert await stock.figures("pen") == (9, 1, 0)


async def test_a_doubt_is_published_before_the_api_has_stopped(shop: Shop) -> None:
    shop.topic.losing = True
    assert_unknown(await shop.order("async"))
    shop.topic.published.clear()
    shop.topic.losing = False
    await shop.runner.cleanup()
    assert len(reservations(shop)) == 1


async def test_a_crash_in_the_middle_of_an_order_leaves_it_to_the_journal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_arguments: object, **_options: object) -> object:
        monkeypatch.undo()
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(shop.ledger, "accept", crash)
    assert (await shop.order("async", headers=KEY)).problem == (500, "internal-error")
    await wait_until(lambda: shop.events)
    assert len(reservations(shop)) == 1
