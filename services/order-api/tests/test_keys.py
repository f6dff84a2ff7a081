"""A client's key stands for one order: its content, and its price at the first acceptance."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashmsg import Order, OrderStatus
from flashpay import Claimed, LedgerEntry
from flashpay.testing import Reply
from order_api.acceptance import is_made_of
from order_api.catalogue import Product
from order_api.testing import PEN, PHONE, FakeProducts, RunningApi, order_of, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
LEASE = timedelta(seconds=30)
DEARER_PEN = replace(PEN, unit_price_minor=999)
MODES = ("async", "sync")
QUICK = "0.002"


@pytest.fixture
async def quick_shop() -> AsyncIterator[RunningApi]:
    async with running_shop(CATALOGUE_REFRESH_SECONDS=QUICK) as running:
        yield running


async def claim(shop: RunningApi, order: Order) -> Claimed:
    claimed = await shop.ledger.claim(order, owner="processor", lease=LEASE)
    assert isinstance(claimed, Claimed)
    return claimed


@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("first", MODES)
async def test_another_body_under_a_used_key_is_refused_and_does_nothing(
    shop: RunningApi, first: str, second: str
) -> None:
    taken = await shop.order(first, headers=KEY, quantity=1)
    assert taken.status in {200, 202}
    published, charged = list(shop.topic.published), list(shop.gateway.requests)
    other = await shop.order(second, headers=KEY, quantity=2)
    assert other.problem == (422, "mismatch")
    assert other.fields == ["Idempotency-Key"]
    assert (shop.topic.published, shop.gateway.requests) == (published, charged)
    # The first body is still the order.
    assert (await shop.order(first, headers=KEY, quantity=1)).json == taken.json


async def test_of_two_bodies_at_once_one_is_taken(shop: RunningApi) -> None:
    answers = await asyncio.gather(*(shop.order("async", headers=KEY, quantity=1 + n % 2) for n in range(10)))
    assert sorted(answer.status for answer in answers) == [202] * 5 + [422] * 5
    assert len({event.data.fingerprint for event in shop.events}) == 1


async def test_a_pending_order_is_published_again_at_its_first_price() -> None:
    async with running_shop(CATALOGUE_REFRESH_SECONDS=QUICK) as shop:
        first = await shop.order("async", headers=KEY)
        await shop.sell(DEARER_PEN)
        again = await shop.order("async", headers=KEY)
        other = await shop.order("async", headers={"Idempotency-Key": "basket-2"})
    assert (again.status, again.json) == (202, first.json)
    assert other.status == 202
    # An earlier message may have been lost; settling makes one order of both.
    assert [event.data.items[0].unit_price_minor for event in shop.events] == [250, 250, 999]
    assert shop.events[0].data == shop.events[1].data


@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("first", MODES)
async def test_the_same_body_gets_the_same_answer_when_its_product_is_gone(first: str, second: str) -> None:
    async with running_shop(CATALOGUE_REFRESH_SECONDS=QUICK) as shop:
        taken = await shop.order(first, headers=KEY)
        await shop.sell(PHONE)
        again = await shop.order(second, headers=KEY)
        assert again.json["order_id"] == taken.json["order_id"]
        if first == second:
            assert (again.status, again.json) == (taken.status, taken.json)
        # A key without an order, and one with another order, do not help.
        assert (await shop.order(second, headers={"Idempotency-Key": "new"})).problem == (422, "unpriceable")
        assert (await shop.order(second)).problem == (422, "unpriceable")
        assert (await shop.order(second, headers=KEY, quantity=9)).problem == (422, "mismatch")
        assert sum(charge.amount_minor for charge in shop.gateway.requests) in {0, 500}


async def test_a_sync_order_is_charged_at_the_price_of_its_async_acceptance() -> None:
    async with running_shop(CATALOGUE_REFRESH_SECONDS=QUICK) as shop:
        accepted = await shop.order("async", headers=KEY)
        await shop.sell(DEARER_PEN)
        paid = await shop.order("sync", headers=KEY)
        assert (paid.json["order_id"], paid.json["total_minor"]) == (accepted.json["order_id"], 500)
        assert [request.amount_minor for request in shop.gateway.requests] == [500]


async def test_before_the_first_catalogue_a_known_key_still_has_its_answer() -> None:
    source = FakeProducts(PEN)
    source.down = True
    async with running_shop(products=source, wait_ready=False) as shop:
        order = Order.model_validate(
            {
                "order_id": shop.ids.candidates(customer_id=1, idempotency_key=KEY["Idempotency-Key"])[0],
                "customer_id": 1,
                "items": ({"product_id": "pen", "quantity": 2, "unit_price_minor": 250},),
                "currency": "EUR",
                "total_minor": 500,
                "created_at": "2026-11-27T20:00:00Z",
            },
            strict=False,
        )
        await shop.ledger.accept(order)
        assert (await shop.order("async", headers=KEY)).status == 202
        assert (await shop.order("async", headers={"Idempotency-Key": "new"})).problem == (503, "catalogue-unavailable")
    assert [event.data for event in shop.events] == [order]


@pytest.mark.parametrize("status", [OrderStatus.COMPLETED, OrderStatus.DECLINED, OrderStatus.FAILED])
async def test_an_order_that_has_ended_is_not_published_again(shop: RunningApi, status: OrderStatus) -> None:
    first = await shop.order("async", headers=KEY)
    order = shop.events[0].data
    if status is OrderStatus.FAILED:
        await shop.ledger.fail(order, reason="exhausted")
    else:
        shop.gateway.plan(Reply.APPROVE if status is OrderStatus.COMPLETED else Reply.DECLINE)
        await shop.order("sync", headers=KEY)
    entry = shop.ledger.entries[order.order_id]
    assert entry.status is status
    again = await shop.order("async", headers=KEY)
    assert (again.status, again.json) == (202, first.json)
    assert len(shop.topic.published) == 1
    assert shop.ledger.entries[order.order_id] == entry
    assert (await shop.request("GET", again.headers["Location"])).json["status"] == status


async def test_an_order_in_progress_is_published_again(shop: RunningApi) -> None:
    await shop.order("async", headers=KEY)
    await claim(shop, shop.events[0].data)
    assert (await shop.order("async", headers=KEY)).status == 202
    assert len(shop.topic.published) == 2


async def test_an_accepted_order_is_shown_pending_with_its_price(shop: RunningApi) -> None:
    accepted = await shop.order("async", headers=KEY)
    shown = await shop.request("GET", accepted.headers["Location"])
    assert (shown.json["status"], shown.json["total_minor"]) == ("pending", 500)


async def test_without_a_key_an_order_is_one_write(shop: RunningApi) -> None:
    assert (await shop.order("async")).status == 202
    assert shop.topic.calls == [1]
    assert shop.ledger.calls == []


async def test_with_a_key_an_order_is_one_write_more(shop: RunningApi) -> None:
    assert (await shop.order("async", headers=KEY)).status == 202
    assert (shop.topic.calls, shop.ledger.calls) == ([1], ["accept"])


async def test_a_sync_order_needs_no_write_for_its_key(shop: RunningApi) -> None:
    assert (await shop.order("sync", headers=KEY)).status == 200
    assert shop.ledger.calls == ["claim", "record"]


async def test_when_the_key_cannot_be_checked_nothing_is_published(shop: RunningApi) -> None:
    shop.ledger.unavailable = True
    answer = await shop.order("async", headers=KEY)
    assert answer.problem == (503, "ledger-unavailable")
    assert "Retry-After" in answer.headers
    assert shop.topic.calls == []
    # Not even what the product of an order costs is known when the product is gone.
    assert (await shop.order("async", headers=KEY, product_id="gone")).problem == (503, "ledger-unavailable")
    assert (await shop.order("async")).status == 202


async def test_a_ledger_that_hangs_costs_no_longer_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_order: Order, **_options: object) -> Any:  # noqa: ANN401 - it never returns
        await asyncio.Event().wait()

    async with running_shop(PUBLISH_TIMEOUT_SECONDS="0.1") as shop:
        monkeypatch.setattr(shop.ledger, "accept", hang)
        started = asyncio.get_running_loop().time()
        answer = await shop.order("async", headers=KEY)
        assert asyncio.get_running_loop().time() - started < 3
    assert answer.problem == (503, "ledger-unavailable")
    assert shop.topic.calls == []


async def test_a_sync_order_whose_key_cannot_be_checked_is_not_published(shop: RunningApi) -> None:
    shop.ledger.unavailable = True
    answer = await shop.order("sync", headers=KEY)
    assert answer.problem == (503, "outcome-unknown")
    assert (shop.topic.calls, shop.gateway.requests) == ([], [])


async def test_a_late_sync_order_is_published_as_it_was_claimed() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        answer = await shop.order("sync", headers=KEY)
        other = await shop.order("async", headers=KEY, quantity=9)
        shop.gateway.let_go()
    assert answer.status == 202
    assert other.problem == (422, "mismatch")
    (event,) = shop.events
    assert event.data == shop.ledger.entries[event.id].order


@pytest.mark.parametrize("mode", MODES)
async def test_an_exchange_of_the_secret_does_not_make_two_orders_of_a_key(mode: str) -> None:
    old, new = "an-old-secret-that-has-32-bytes-or-more", "a-new-secret-that-has-32-bytes-or-more"
    async with running_shop(ORDER_ID_SECRET=old) as before:
        first = await before.order("async", headers=KEY)
    async with running_shop(ORDER_ID_SECRET=new, ORDER_ID_SECRET_PREVIOUS=old) as after:
        after.ledger.entries.update(before.ledger.entries)
        again = await after.order(mode, headers=KEY)
        assert again.json["order_id"] == first.json["order_id"]
        assert (await after.order(mode, headers=KEY, quantity=9)).problem == (422, "mismatch")
        other = await after.order(mode, headers={"Idempotency-Key": "basket-2"})
        keyless = await after.order("async")
        assert len({answer.json["order_id"] for answer in (again, other, keyless)}) == 3
        looks = after.ledger.calls.count("get") + after.ledger.calls.count("find")
        assert looks == 3  # one for each request with a key
        after.ledger.unavailable = True
        assert (await after.order(mode, headers=KEY)).problem == (503, "ledger-unavailable")


async def test_orders_are_counted_at_their_first_request(shop: RunningApi) -> None:
    for _ in range(3):
        await shop.order("async", headers=KEY)
    await shop.order("async", headers=KEY, quantity=9)
    await shop.order("async")
    await shop.order("sync", headers=KEY)
    await shop.order("sync", headers=KEY)
    await shop.order("sync", headers={"Idempotency-Key": "other"})
    counts = {
        name: [shop.metric(f"orders_{name}_total", mode=mode) for mode in MODES] for name in ("accepted", "repeated")
    }
    assert counts == {"accepted": [2, 1], "repeated": [2, 2]}


@pytest.mark.parametrize(("later", "same"), [(-1, False), (0, True), (999, True), (1_000, False)])
def test_an_entry_is_made_of_an_order_of_the_same_millisecond(later: int, *, same: bool) -> None:
    order = order_of(1)
    entry = LedgerEntry.accepted_first(order, owner="api", now=order.created_at)
    made = order.model_copy(update={"created_at": entry.created_at + timedelta(microseconds=later)})
    assert is_made_of(entry, made) is same


async def test_a_late_sync_order_is_counted_once() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        await shop.order("sync", headers=KEY)
        await shop.order("sync", headers=KEY)
        shop.gateway.let_go()
        await wait_until(lambda: shop.metric("orders_settled_total", status="completed") == 1)
        await shop.order("sync", headers=KEY)
        assert shop.metric("orders_accepted_total", mode="sync_fallback") == 1
        assert shop.metric("orders_repeated_total", mode="sync_fallback") == 1
        assert shop.metric("orders_repeated_total", mode="sync") == 1
        assert shop.metric("orders_accepted_total", mode="sync") == 0


ASKED = st.lists(
    st.tuples(st.sampled_from(MODES), st.sampled_from("ab"), st.integers(1, 3), st.sampled_from([250, 999])),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(asked=ASKED)
async def test_whatever_is_asked_a_key_has_one_content_and_one_price(
    quick_shop: RunningApi, asked: list[tuple[str, str, int, int]]
) -> None:
    seed = uuid.uuid4().hex  # one server for all examples: each has keys of its own
    first: dict[str, tuple[int, int]] = {}
    for mode, name, quantity, price in asked:
        pen = Product(product_id="pen", name="Pen", unit_price_minor=price, currency="EUR")
        await quick_shop.sell(pen)
        answer = await quick_shop.order(mode, headers={"Idempotency-Key": f"{seed}-{name}"}, quantity=quantity)
        content, _ = first.setdefault(name, (quantity, price))
        assert answer.status == (422 if quantity != content else 202 if mode == "async" else 200)
    for name, (quantity, price) in first.items():
        order_id = quick_shop.ids.candidates(customer_id=1, idempotency_key=f"{seed}-{name}")[0]
        assert quick_shop.ledger.entries[order_id].total_minor == quantity * price
        assert {event.data.total_minor for event in quick_shop.events if event.id == order_id} <= {quantity * price}
        assert quick_shop.gateway.charged(order_id) <= 1
