"""A key whose first request died after the journal had its order: no "sold out", as the order may yet be placed."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from flashstock.pages import Slot
from order_api.app_keys import SALE
from order_api.testing import SECRET, Answer, DeadProcess, FakeStock, RunningApi, order_of, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
OTHER_KEY = {"Idempotency-Key": "basket-2"}
# Long enough that the dead are not found out by themselves; what is closed already is reclaimed within the second.
LEASE_SECONDS = "3"


@asynccontextmanager
async def surviving(stock: FakeStock, secret: str = SECRET) -> AsyncIterator[RunningApi]:
    async with running_shop(
        stock=stock, STOCK_LEASE_SECONDS=LEASE_SECONDS, ORDER_ID_SECRET=secret, ORDER_ID_SECRET_PREVIOUS=SECRET
    ) as shop:
        yield shop


async def reclaimed(stock: FakeStock) -> None:
    """Take the dead for dead, without the wait."""
    for session in await stock.sessions.list():
        if session.owner == "dead":
            await stock.sessions.close(session)
    await wait_until(lambda: not any(item.get("owner") == "dead" for item in stock.table.items.values()))


def assert_unknown(answer: Answer, order_id: str) -> None:
    assert answer.problem == (503, "outcome-unknown")
    assert (answer.json["order_id"], answer.json["idempotency_key"]) == (order_id, "basket-1")
    assert int(answer.headers["Retry-After"]) >= int(LEASE_SECONDS)


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_a_repeat_is_not_told_sold_out_while_a_journal_has_its_order(stock: FakeStock, mode: str) -> None:
    order_id = order_of(1).order_id
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with surviving(stock) as shop:
        assert_unknown(await shop.order(mode, quantity=10, headers=KEY), order_id)
        assert (await shop.order(mode, quantity=10, headers=OTHER_KEY)).problem == (409, "sold-out")
        assert (await shop.order(mode, quantity=10, customer_id=2, headers=KEY)).problem == (409, "sold-out")
        assert shop.ledger.entries == {}
        await reclaimed(stock)
        again = await shop.order(mode, quantity=10, headers=KEY)
        assert (again.status, again.json["order_id"]) == (202 if mode == "async" else 200, order_id)
        assert (await shop.order(mode, quantity=10, headers=OTHER_KEY)).problem == (409, "sold-out")
        assert {event.id for event in shop.events} == {order_id}


async def test_without_a_key_nobody_looks_into_journals(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with surviving(stock) as shop:
        assert (await shop.order("async", quantity=10)).problem == (409, "sold-out")
        began, calls = asyncio.get_running_loop().time(), stock.calls
        for _ in range(20):
            refused = await shop.order("async", quantity=10)
            assert refused.problem == (409, "sold-out")
            assert "order_id" not in refused.json
        passed = asyncio.get_running_loop().time() - began
        # The belief of a quarter of a second, and the loops of once a second.
        assert stock.calls - calls <= 12 + 20 * passed


async def test_another_body_under_the_key_is_not_told_sold_out_either(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=4))
        await dead.reserve(6)
        async with surviving(stock) as shop:
            assert_unknown(await shop.order("async", quantity=9, headers=KEY), order_of(1).order_id)
            await reclaimed(stock)
            assert (await shop.order("async", quantity=9, headers=KEY)).problem == (422, "mismatch")


async def test_a_limit_that_was_lowered_meanwhile_is_not_told_to_a_repeat(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=4), limits='{"pen": 4}')
    await stock.counters.set_customer_limit("pen", 2)
    async with surviving(stock) as shop:
        assert_unknown(await shop.order("async", quantity=4, headers=KEY), order_of(1).order_id)
        assert (await shop.order("async", quantity=4, headers=OTHER_KEY)).problem == (409, "limit-reached")
        await reclaimed(stock)
        assert (await shop.order("async", quantity=4, headers=KEY)).status == 202
    assert await stock.figures("pen") == (6, 4, 0)


async def test_what_others_have_counted_since_is_not_told_to_a_repeat(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 4)
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=2), limits='{"pen": 4}')
    async with surviving(stock) as shop:
        other = await shop.order("async", quantity=4, headers=OTHER_KEY)
        assert_unknown(await shop.order("async", quantity=2, headers=KEY), order_of(1).order_id)
        # It may be called off before the journal is reclaimed: then the first request's order is placed.
        assert (await shop.request("DELETE", f"/orders/{other.json['order_id']}")).status == 200
        await reclaimed(stock)
        assert (await shop.order("async", quantity=2, headers=KEY)).status == 202
        assert [event.data.items[0].quantity for event in shop.events if event.id == order_of(1).order_id] == [2, 2]


async def test_an_order_that_was_withdrawn_is_told_what_is_true(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await (await dead.journal(order_of(1, quantity=10))).withdraw()
    async with surviving(stock) as shop:
        assert (await shop.order("async", quantity=10, customer_id=2)).status == 202
        assert (await shop.order("async", quantity=10, headers=KEY)).problem == (409, "sold-out")


async def test_an_order_that_leaves_the_journals_meanwhile_is_found_in_the_ledger(
    stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with DeadProcess(stock) as dead:
        hold = await dead.journal(order_of(1, quantity=10))
    async with surviving(stock) as shop:
        (dead_session,) = [session for session in await stock.sessions.list() if session.owner == "dead"]
        read = stock.sessions.with_pages

        async def read_after_the_reclaim(slots: Iterable[Slot]) -> object:
            await shop.ledger.accept(order_of(1, quantity=10), reservation=hold.reservation)
            await stock.sessions.remove(dead_session.id, slots=dead_session.slots)
            return await read(slots)

        assert (await shop.order("async", quantity=10, headers=OTHER_KEY)).problem == (409, "sold-out")
        with monkeypatch.context() as patched:
            patched.setattr(stock.sessions, "with_pages", read_after_the_reclaim)
            assert_unknown(await shop.order("async", quantity=10, headers=KEY), order_of(1).order_id)
        assert (await shop.order("async", quantity=10, headers=KEY)).status == 202


async def test_while_the_journals_stay_as_they_are_a_refusal_costs_one_read_of_the_ledger(
    stock: FakeStock,
) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with surviving(stock) as shop:
        assert (await shop.order("async", quantity=10, headers=OTHER_KEY)).problem == (409, "sold-out")
        asked = shop.ledger.calls.count("get")
        for number in range(10):
            headers = {"Idempotency-Key": f"other-{number}"}
            assert (await shop.order("async", quantity=10, headers=headers)).problem == (409, "sold-out")
        assert shop.ledger.calls.count("get") - asked == 10


async def test_an_order_of_the_secret_before_is_found_too(stock: FakeStock) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with surviving(stock, secret="another-secret-of-tests-with-32-bytes-or-more") as shop:
        assert (await shop.order("async", quantity=10, headers=KEY)).problem == (503, "outcome-unknown")
        await reclaimed(stock)
        again = await shop.order("async", quantity=10, headers=KEY)
        assert (again.status, again.json["order_id"]) == (202, order_of(1).order_id)


async def test_journals_that_cannot_be_read_are_no_reason_to_say_sold_out(
    stock: FakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with DeadProcess(stock) as dead:
        await dead.journal(order_of(1, quantity=10))
    async with surviving(stock) as shop:
        assert (await shop.order("async", quantity=1)).problem == (409, "sold-out")
        sale = shop.runner.app[SALE]
        monkeypatch.setattr(sale._journals, "_timeout_seconds", 0.0)
        refused = await shop.order("async", quantity=1, headers=KEY)
        assert refused.problem == (503, "stock-unavailable")
        assert refused.json["idempotency_key"] == "basket-1"
        assert b"another one with its key may have placed the order" in refused.body
