"""Orders of limited products through the queue: who gets the units, who is told what, and at which price in calls."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flashmsg import Reservation, encode_placed
from flashstock.table import Write
from flashstock.testing.memory import no_checkpoint
from order_api import acceptance
from order_api.testing import Answer, FakeStock, RunningApi, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
OTHER_KEY = {"Idempotency-Key": "basket-2"}
# Nothing but orders makes calls meanwhile.
QUIET = "3600"


async def order_both(
    shop: RunningApi, *, pens: int, phones: int = 1, headers: Mapping[str, str] | None = None
) -> Answer:
    items = [{"product_id": "phone-x", "quantity": phones}, {"product_id": "pen", "quantity": pens}]
    return await shop.request("POST", "/orders/async", json={"customer_id": 1, "items": items}, headers=headers)


def reservations(shop: RunningApi) -> list[Reservation]:
    """Those of the published events."""
    return [event.reservation for event in shop.events if event.reservation is not None]


async def test_an_accepted_order_has_its_units(limited_shop: RunningApi, stock: FakeStock) -> None:
    assert (await limited_shop.order("async", quantity=3)).status == 202
    (reservation,) = reservations(limited_shop)
    assert reservation.units == {"pen": 3}
    assert (await stock.figures("pen"))[1] >= 3
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (7, 3, 0)


async def test_an_order_without_limited_products_costs_no_call_and_no_read_of_the_ledger(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    calls = stock.calls
    assert (await limited_shop.order("async", product_id="phone-x")).status == 202
    assert (await limited_shop.order("sync", product_id="phone-x")).status == 200
    assert (await limited_shop.order("async", product_id="phone-x", headers=KEY)).status == 202
    assert stock.calls == calls
    assert limited_shop.ledger.calls.count("get") == 0
    assert reservations(limited_shop) == []


async def test_what_is_published_is_the_message_of_the_journal_made_once(
    limited_shop: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(*arguments: Any, **options: Any) -> str:  # noqa: ANN401 - handed through
        made.append(encode_placed(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(acceptance, "encode_placed", noted)
    assert (await limited_shop.order("async")).status == 202
    assert [entry.message for entry in limited_shop.topic.published] == made


async def test_of_a_mixed_order_only_what_is_limited_is_reserved(limited_shop: RunningApi) -> None:
    assert (await order_both(limited_shop, pens=2)).status == 202
    assert [reservation.units for reservation in reservations(limited_shop)] == [{"pen": 2}]


async def test_a_line_too_many_reserves_nothing(stock: FakeStock) -> None:
    await stock.counters.set_total("phone-x", 5)
    async with running_shop(stock=stock) as shop:
        answer = await order_both(shop, pens=11, phones=5)
        assert answer.problem == (409, "sold-out")
        assert (answer.fields, shop.events) == (["items.1.product_id"], [])
    assert await stock.figures("phone-x") == (5, 0, 0)
    assert await stock.figures("pen") == (10, 0, 0)


async def test_sold_out_names_the_product_and_is_told_from_memory(limited_shop: RunningApi, stock: FakeStock) -> None:
    assert (await limited_shop.order("async", quantity=10)).status == 202
    refused = await limited_shop.order("async", quantity=1)
    assert refused.problem == (409, "sold-out")
    assert refused.fields == ["items.0.product_id"]
    assert refused.json["errors"][0]["message"].endswith(": pen")
    assert "order_id" not in refused.json
    calls, began = stock.calls, asyncio.get_running_loop().time()
    for _ in range(20):
        assert (await limited_shop.order("async", quantity=1)).status == 409
    # What is known of a sold-out product is believed for a quarter of a second.
    periods = int((asyncio.get_running_loop().time() - began) / 0.25)
    assert stock.calls - calls <= 2 + periods, "the table is asked again now and then, and not by each of them"
    assert limited_shop.metric("stock_sold_out_total", product_id="pen") == 21
    assert limited_shop.metric("orders_rejected_total", reason="sold_out") == 21
    assert len(limited_shop.events) == 1


async def test_units_that_come_back_are_sold(limited_shop: RunningApi, stock: FakeStock) -> None:
    assert (await limited_shop.order("async", quantity=10)).status == 202
    assert (await limited_shop.order("async", quantity=1)).status == 409
    await stock.counters.add("pen", 1)
    async with asyncio.timeout(5):
        while (await limited_shop.order("async", quantity=1)).status != 202:
            pass
    assert len(limited_shop.events) == 2


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_of_many_buyers_at_once_exactly_as_many_get_a_unit_as_there_are(
    limited_shop: RunningApi, stock: FakeStock, mode: str
) -> None:
    answers = await asyncio.gather(*(limited_shop.order(mode, quantity=1, customer_id=n) for n in range(1, 51)))
    accepted = [answer for answer in answers if answer.status in {200, 202}]
    assert len(accepted) == 10
    assert {answer.status for answer in answers} <= {200, 202, 409}
    await limited_shop.runner.cleanup()
    assert (await stock.figures("pen"))[0] == 0


async def test_a_customer_gets_no_more_than_the_limit(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 3)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
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
        assert (await shop.order("async", quantity=1)).status == 202
        assert (await order_both(shop, pens=1, phones=5)).problem == (409, "limit-reached")
        assert (await shop.order("async", product_id="phone-x", quantity=5)).status == 202


async def test_a_request_over_the_limit_leaves_what_another_of_its_key_has_counted(stock: FakeStock) -> None:
    await stock.counters.set_total("phone-x", 5)
    for product in ("pen", "phone-x"):
        await stock.counters.set_customer_limit(product, 3)
    others: dict[str, Any] = {"customer_id": 1, "order_id": "given back meanwhile"}
    await stock.limits.take({"pen": 3}, limits={"pen": 3}, **others)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        called: list[str] = []
        repeats: list[int] = []

        async def repeat_after_the_refusal(_place: str, writes: Sequence[Write]) -> None:
            if any(one.startswith("limit#pen") for one in called):
                stock.table.checkpoint = no_checkpoint
                await stock.limits.release("pen", **others)
                repeats.append((await order_both(shop, pens=1, phones=2, headers=KEY)).status)
            called.extend(write.id for write in writes)

        stock.table.checkpoint = repeat_after_the_refusal
        refused = await order_both(shop, pens=1, phones=2, headers=KEY)
        # Not "limit reached": the order of its key stands.
        assert (refused.problem, repeats) == ((503, "outcome-unknown"), [202])
        assert (await shop.order("async", product_id="phone-x", quantity=2)).problem == (409, "limit-reached")
        assert (await shop.order("async", product_id="phone-x", quantity=1)).status == 202


async def test_a_repeated_key_reserves_once(limited_shop: RunningApi, stock: FakeStock) -> None:
    first = await limited_shop.order("async", headers=KEY)
    calls = stock.calls
    again = await limited_shop.order("async", headers=KEY)
    assert (first.status, again.status, again.json) == (202, 202, first.json)
    assert stock.calls == calls
    assert len({one.id for one in reservations(limited_shop)}) == 1
    assert len(limited_shop.events) == 2
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_repeat_is_not_told_sold_out_because_its_own_order_has_the_last_unit(limited_shop: RunningApi) -> None:
    assert (await limited_shop.order("async", quantity=10, headers=KEY)).status == 202
    for mode, expected in (("async", 202), ("sync", 200)):
        assert (await limited_shop.order(mode, quantity=10, headers=KEY)).status == expected
    other = await limited_shop.order("async", quantity=1, headers=OTHER_KEY)
    assert other.problem == (409, "sold-out")
    assert other.json["idempotency_key"] == "basket-2", "another request with this key may have an order"


async def test_of_two_requests_with_one_key_at_once_one_keeps_its_units(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    answers = await asyncio.gather(*(limited_shop.order("async", headers=KEY) for _ in range(5)))
    assert [answer.status for answer in answers] == [202] * 5
    assert len({answer.json["order_id"] for answer in answers}) == 1
    assert len({one.id for one in reservations(limited_shop)}) == 1
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


async def test_a_key_with_another_body_is_refused_and_reserves_nothing(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    assert (await limited_shop.order("async", headers=KEY, quantity=2)).status == 202
    for mode in ("async", "sync"):
        assert (await limited_shop.order(mode, headers=KEY, quantity=3)).problem == (422, "mismatch")
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (8, 2, 0)


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_of_two_bodies_under_one_key_only_the_order_that_stands_counts_for_its_customer(
    stock: FakeStock, mode: str
) -> None:
    limits = {"pen": 3, "phone-x": 3}
    await stock.counters.set_total("phone-x", 10)
    for product, limit in limits.items():
        await stock.counters.set_customer_limit(product, limit)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        orders = (shop.order(mode, product_id=product, quantity=3, headers=KEY) for product in limits)
        answers = dict(zip(limits, await asyncio.gather(*orders), strict=True))
        assert sorted(answer.status for answer in answers.values()) in ([200, 422], [202, 422])
        (refused,) = (product for product, answer in answers.items() if answer.status == 422)
        (taken,) = limits.keys() - {refused}
        await wait_until(lambda: stock.table.items[f"limit#{refused}#1"]["total"] == 0)
        assert stock.table.items[f"limit#{taken}#1"]["total"] == 3
        assert (await shop.order("async", product_id=refused, quantity=3)).status == 202
        assert (await shop.order("async", product_id=taken, quantity=1)).problem == (409, "limit-reached")


@pytest.mark.parametrize("quantities", [(1, 3), (3, 1)])
async def test_of_two_quantities_under_one_key_the_one_that_stands_counts(
    stock: FakeStock, quantities: tuple[int, int]
) -> None:
    await stock.counters.set_customer_limit("pen", 4)
    async with running_shop(stock=stock, STOCK_LEASE_SECONDS=QUIET) as shop:
        answers = await asyncio.gather(*(shop.order("async", headers=KEY, quantity=n) for n in quantities))
        assert sorted(answer.status for answer in answers) == [202, 422]
        (event,) = shop.events
        stands = event.data.items[0].quantity
        await wait_until(lambda: stock.table.items["limit#pen#1"]["total"] == stands)
        assert (await shop.order("async", quantity=4 - stands)).status == 202
        assert (await shop.order("async", quantity=1)).problem == (409, "limit-reached")


async def test_two_bodies_under_one_key_at_once_are_one_order(limited_shop: RunningApi, stock: FakeStock) -> None:
    answers = await asyncio.gather(*(limited_shop.order("async", headers=KEY, quantity=n) for n in (2, 3)))
    assert sorted(answer.status for answer in answers) == [202, 422]
    (event,) = limited_shop.events
    assert event.reservation is not None
    assert event.reservation.units == {"pen": event.data.items[0].quantity}
    await limited_shop.runner.cleanup()
    assert (await stock.figures("pen"))[1] == event.data.items[0].quantity
