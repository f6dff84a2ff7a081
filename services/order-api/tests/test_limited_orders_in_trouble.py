"""Orders of limited products when something fails: whose the units are, and what is said."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashmsg import Reservation
from flashstock.errors import LimitReachedError
from flashstock.levels import product_key
from flashstock.patience import SellerPatience
from flashstock.table import Write
from order_api.app_keys import SALE
from order_api.testing import Answer, FakeStock, RunningApi, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
# Nothing but orders makes calls meanwhile.
QUIET = "3600"


def reservations(shop: RunningApi) -> list[Reservation]:
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


async def test_what_was_certainly_not_published_gives_its_units_and_its_count_back(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 10)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.topic.down = True
        assert_not_accepted(await shop.order("async", quantity=10))
        assert await stock.figures("pen") == (10, 0, 0)
        shop.topic.down = False
        assert (await shop.order("async", quantity=10)).status == 202
    assert len(shop.events) == 1


async def test_with_a_key_an_order_that_is_written_down_is_published_when_the_topic_is_back(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.topic.down = True
    refused = await limited_shop.order("async", headers=KEY)
    assert_unknown(refused)
    assert (await stock.figures("pen"))[1] >= 2
    limited_shop.topic.down = False
    await wait_until(lambda: limited_shop.events)
    entry = limited_shop.ledger.entries[refused.json["order_id"]]
    assert [one.id for one in reservations(limited_shop)] == [entry.reservation.id if entry.reservation else None]
    again = await limited_shop.order("async", headers=KEY)
    assert (again.status, again.json["order_id"]) == (202, refused.json["order_id"])
    assert len({one.id for one in reservations(limited_shop)}) == 1


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
async def test_an_uncertain_publish_keeps_its_units_until_it_is_certain(
    limited_shop: RunningApi, stock: FakeStock, headers: dict[str, str] | None
) -> None:
    limited_shop.topic.losing = True
    unknown = await limited_shop.order("async", headers=headers)
    assert_unknown(unknown)
    limited_shop.topic.losing = False
    published = len(limited_shop.events)
    await wait_until(lambda: len(limited_shop.events) > published)
    again = await limited_shop.order("async", headers=unknown.repeat_headers)
    assert (again.status, again.json["order_id"]) == (202, unknown.json["order_id"])
    assert len({one.id for one in reservations(limited_shop)}) == 1
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_ledger_that_goes_away_leaves_the_journal_to_place_the_order(
    limited_shop: RunningApi, stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get(_order_id: str) -> None:
        limited_shop.ledger.unavailable = True

    with monkeypatch.context() as patched:
        patched.setattr(limited_shop.ledger, "get", get)
        assert_unknown(await limited_shop.order("async", headers=KEY))
    assert limited_shop.events == []
    limited_shop.ledger.unavailable = False
    await wait_until(lambda: limited_shop.events)
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_without_an_answer_of_the_ledger_to_a_key_nothing_is_reserved(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.ledger.unavailable = True
    answer = await limited_shop.order("async", headers=KEY)
    assert answer.problem == (503, "ledger-unavailable")
    assert await stock.figures("pen") == (10, 0, 0)


async def test_while_the_stock_is_away_limited_products_are_not_sold_and_others_are(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    stock.down = True
    with capture_logs() as lines:
        for mode in ("async", "sync"):
            refused = await limited_shop.order(mode)
            assert refused.problem == (503, "stock-unavailable")
            assert_not_accepted(refused)
            assert int(refused.headers["Retry-After"]) >= 1
    assert [line["error"] for line in lines if line["event"] == "http_request"] == ["the fake stock is down"] * 2
    assert limited_shop.runner.app[SALE].outage > timedelta(0)
    assert (await limited_shop.order("async", product_id="phone-x")).status == 202
    stock.down = False
    assert (await limited_shop.order("async")).status == 202
    assert limited_shop.runner.app[SALE].outage == timedelta(0)


async def test_before_it_is_known_what_is_limited_nothing_is_sold(stock: FakeStock) -> None:
    stock.down = True
    async with running_shop(stock=stock, wait_ready=False, STOCK_REFRESH_SECONDS="0.01") as shop:
        await wait_until(lambda: shop.products.loads)
        await wait_until(lambda: shop.metric("stock_refresh_failures_total"))
        refused = await shop.order("async", product_id="phone-x")
        assert refused.problem == (503, "stock-unavailable")
        assert_not_accepted(refused)
        stock.down = False
        await wait_until(lambda: shop.metric("stock_available", product_id="pen"))
        assert (await shop.order("async", product_id="phone-x")).status == 202


@pytest.mark.parametrize("trouble", ["refusing", "losing"])
async def test_a_count_of_which_nobody_knows_leaves_the_journal_to_place_the_order(
    stock: FakeStock, trouble: str
) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        setattr(stock, trouble, "limit#")
        assert_unknown(await shop.order("async"))
        assert shop.events == []
        setattr(stock, trouble, None)
        await wait_until(lambda: shop.events)
        assert (await shop.order("async", quantity=1)).problem == (409, "limit-reached")
    assert "customer_limits" not in shop.topic.published[0].attributes
    assert await stock.figures("pen") == (8, 2, 0)


async def test_an_order_whose_count_cannot_be_taken_off_is_placed_after_all(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.topic.gate.clear()
        ordering = asyncio.create_task(shop.order("async"))
        await wait_until(lambda: shop.topic.in_flight)
        stock.refusing, shop.topic.down = "limit#", True
        shop.topic.gate.set()
        assert_unknown(await ordering)
        stock.refusing, shop.topic.down = None, False
        await wait_until(lambda: shop.events)
        assert stock.table.items["limit#pen#1"]["total"] == 2
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_withdrawn_order_counts_no_more_whenever_its_process_dies(stock: FakeStock) -> None:
    counted: list[int] = []
    meet = stock.table.checkpoint

    async def look(place: str, writes: Sequence[Write]) -> None:
        await meet(place, writes)
        if place == "done" and any(write.id.startswith("ending#") for write in writes):
            counted.append(stock.table.items["limit#pen#1"]["total"])

    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        stock.table.checkpoint, shop.topic.down = look, True
        assert_not_accepted(await shop.order("async"))
    assert counted == [0]


async def test_an_order_that_the_counters_contradict_is_of_unknown_outcome_until_they_are_mended(
    stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock.counters.set_customer_limit("pen", 10)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        seller = shop.runner.app[SALE]._seller
        assert seller is not None
        monkeypatch.setattr(seller._session, "patience", SellerPatience(timeout=timedelta(seconds=0.2)))
        shop.topic.gate.clear()
        ordering = asyncio.create_task(shop.order("async", quantity=10))
        await wait_until(lambda: shop.topic.in_flight)
        stock.table.items[product_key("pen")].update(reserved=9, available=1)
        shop.topic.down = True
        shop.topic.gate.set()
        assert_unknown(await ordering)
        assert await stock.figures("pen") == (1, 9, 0)
        # What is to be withdrawn counts no more: its customer may buy as much again.
        assert stock.table.items["limit#pen#1"]["total"] == 0
        stock.table.items[product_key("pen")].update(reserved=10, available=0)
        await wait_until(lambda: stock.table.items[product_key("pen")]["available"])
        assert await stock.figures("pen") == (10, 0, 0)
        shop.topic.down = False
        assert (await shop.order("async", quantity=10)).status == 202


async def close_the_session(stock: FakeStock) -> None:
    """Do what a reclaimer does to a process that it takes for dead."""
    (session,) = await stock.sessions.list()
    await stock.sessions.close(session)
    await stock.pages.close(session.id, slots=session.slots)


async def test_a_journal_that_was_closed_takes_no_order_and_says_so(limited_shop: RunningApi, stock: FakeStock) -> None:
    assert (await limited_shop.order("async", quantity=1)).status == 202
    await close_the_session(stock)
    refused = await limited_shop.order("async", quantity=1)
    assert refused.problem == (503, "stock-unavailable")
    assert_not_accepted(refused)
    assert len(limited_shop.events) == 1


async def test_an_order_that_the_publisher_does_not_take_gives_its_units_back(
    limited_shop: RunningApi, stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise PublishError("overloaded", certain=True)

    monkeypatch.setattr(GroupCommitPublisher, "submit", full)
    refused = await limited_shop.order("async", quantity=10)
    assert refused.problem == (503, "publish-overloaded")
    assert_not_accepted(refused)
    assert await stock.figures("pen") == (10, 0, 0)
    monkeypatch.undo()
    assert (await limited_shop.order("async", quantity=10)).status == 202


async def test_an_order_that_is_broken_off_while_it_is_published_is_published(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.topic.gate.clear()
    before = asyncio.all_tasks()
    ordering = asyncio.create_task(limited_shop.order("async"))
    await wait_until(lambda: limited_shop.topic.in_flight)
    handling = [task for task in asyncio.all_tasks() - before if "RequestHandler.start" in repr(task)]
    for task in handling:
        task.cancel()
    limited_shop.topic.gate.set()
    await asyncio.gather(ordering, return_exceptions=True)
    await wait_until(lambda: limited_shop.events)
    await limited_shop.runner.cleanup()
    assert len({one.id for one in reservations(limited_shop)}) == 1
    assert (await stock.figures("pen"))[1] == 2
    assert handling


async def test_a_page_of_which_nobody_knows_may_be_published(limited_shop: RunningApi, stock: FakeStock) -> None:
    stock.refusing = "slot#"
    assert_unknown(await limited_shop.order("async"))
    stock.refusing = None
    await limited_shop.runner.cleanup()
    assert limited_shop.events == []
    assert await stock.figures("pen") == (10, 0, 0)


async def test_an_order_over_the_limit_that_somebody_else_may_publish_is_of_unknown_outcome(
    stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(*_arguments: object, **_options: object) -> None:
        await close_the_session(stock)
        raise LimitReachedError("pen", limit=2)

    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        monkeypatch.setattr(stock.limits, "take", take)
        assert_unknown(await shop.order("async"))


async def test_an_order_that_somebody_else_may_publish_is_not_called_not_accepted(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    limited_shop.topic.gate.clear()
    ordering = asyncio.create_task(limited_shop.order("async"))
    await wait_until(lambda: limited_shop.topic.in_flight)
    await close_the_session(stock)
    limited_shop.topic.down = True
    limited_shop.topic.gate.set()
    assert_unknown(await ordering)
    assert limited_shop.ledger.entries == {}


async def test_a_lowered_limit_does_not_refuse_what_was_accepted(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 4)
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS="0.01", STOCK_LEASE_SECONDS=QUIET) as shop:
        shop.topic.losing = True
        assert_unknown(await shop.order("async", quantity=4))
        await stock.counters.set_customer_limit("pen", 1)
        shop.ledger.entries.clear()
        shop.topic.published.clear()
        shop.topic.losing = False
        await wait_until(lambda: shop.events)
    assert await stock.figures("pen") == (6, 4, 0)


async def test_a_stopped_api_leaves_no_session_and_no_idle_unit(limited_shop: RunningApi, stock: FakeStock) -> None:
    assert (await limited_shop.order("async", quantity=1)).status == 202
    await limited_shop.runner.cleanup()
    assert await stock.sessions.list() == []
    assert await stock.figures("pen") == (9, 1, 0)


async def test_a_doubt_is_published_before_the_api_has_stopped(limited_shop: RunningApi) -> None:
    limited_shop.topic.losing = True
    assert_unknown(await limited_shop.order("async"))
    limited_shop.topic.published.clear()
    limited_shop.topic.losing = False
    await limited_shop.runner.cleanup()
    assert len(reservations(limited_shop)) == 1


async def test_a_crash_in_the_middle_of_an_order_leaves_it_to_the_journal(
    limited_shop: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_arguments: object, **_options: object) -> object:
        monkeypatch.undo()
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(limited_shop.ledger, "accept", crash)
    assert (await limited_shop.order("async", headers=KEY)).problem == (500, "internal-error")
    await wait_until(lambda: limited_shop.events)
    assert len(reservations(limited_shop)) == 1
