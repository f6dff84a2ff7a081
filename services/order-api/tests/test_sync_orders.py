import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from yarl import URL

from flashmsg import OrderStatus
from flashpay import Busy, Duplicate, Settler
from flashpay.testing import Reply
from order_api.testing import Answer, RunningApi, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}


@pytest.fixture
async def naive_shop() -> AsyncIterator[RunningApi]:
    async with running_shop(SYNC_FALLBACK="false", SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0.02") as running:
        yield running


def problem_of(answer: Answer) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status, answer.json["type"].removeprefix("urn:flash-sale:problem:")


async def test_a_sync_order_is_charged_once_and_answered_with_its_end(shop: RunningApi) -> None:
    answer = await shop.order("sync", quantity=3)
    assert answer.status == 200
    assert answer.json["status"] == "completed"
    assert (answer.json["total_minor"], answer.json["currency"]) == (750, "EUR")
    charge = shop.gateway.answers[answer.json["order_id"]]
    assert (charge.request.amount_minor, charge.request.customer_id) == (750, 1)
    assert answer.json["charge_id"]
    assert shop.topic.published == []
    assert shop.metric("orders_accepted_total", mode="sync") == 1
    assert shop.metric("orders_settled_total", status="completed") == 1


async def test_the_trace_reaches_the_charge(shop: RunningApi) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await shop.order("sync", headers={"traceparent": trace})
    (request,) = shop.gateway.requests
    assert request.traceparent is not None
    assert request.traceparent.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


async def test_a_declined_payment_is_an_order_that_ended(shop: RunningApi) -> None:
    shop.gateway.plan(Reply.DECLINE)
    answer = await shop.order("sync")
    assert (answer.status, answer.json["status"], answer.json["reason"]) == (200, "declined", "card_declined")
    assert shop.metric("orders_settled_total", status="declined") == 1


async def test_repeating_a_settled_order_answers_the_same_and_charges_nothing(shop: RunningApi) -> None:
    first = await shop.order("sync", headers=KEY)
    again = await shop.order("sync", headers=KEY)
    assert again.status == 200
    assert again.json == first.json
    assert len(shop.gateway.requests) == 1
    assert shop.metric("orders_accepted_total", mode="sync") == 1


async def test_a_key_used_for_another_content_is_refused_and_charges_nothing(shop: RunningApi) -> None:
    await shop.order("sync", headers=KEY, quantity=1)
    answer = await shop.order("sync", headers=KEY, quantity=2)
    assert problem_of(answer) == (422, "mismatch")
    assert answer.fields == ["Idempotency-Key"]
    assert len(shop.gateway.requests) == 1
    assert shop.topic.published == []


async def test_at_most_so_many_are_settled_at_once_and_the_rest_wait() -> None:
    async with running_shop(SYNC_LIMIT="3", SYNC_WAIT_SECONDS="5") as shop:
        shop.gateway.hold()
        tasks = [asyncio.create_task(shop.order("sync", customer_id=number)) for number in range(1, 10)]
        await wait_until(lambda: shop.metric("sync_orders_in_flight") == 3)
        shop.gateway.let_go()
        answers = await asyncio.gather(*tasks)
        await wait_until(lambda: shop.metric("sync_orders_in_flight") == 0)
    assert [answer.status for answer in answers] == [200] * 9
    assert shop.gateway.peak_in_flight == 3


async def test_who_finds_no_place_in_time_is_sent_away_with_nothing_done() -> None:
    async with running_shop(SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0.02") as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync", customer_id=1))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        second = await shop.order("sync", customer_id=2)
        shop.gateway.let_go()
        assert (await first).status == 200
        third = await shop.order("sync", customer_id=3)
    assert problem_of(second) == (503, "at_capacity".replace("_", "-"))
    assert int(second.headers["Retry-After"]) >= 1
    assert third.status == 200
    assert len(shop.ledger.entries) == 2
    assert shop.topic.published == []


async def test_an_order_that_was_queued_after_the_deadline_is_settled_once_whoever_is_first() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        answer = await shop.order("sync")
        (event,) = shop.events
        consumer = Settler(ledger=shop.ledger, gateway=shop.gateway, owner="processor", lease=timedelta(seconds=30))
        assert isinstance(await consumer.settle(event.data), Busy), "the request's own settlement goes on"
        shop.gateway.let_go()
        await wait_until(lambda: shop.metric("orders_settled_total", status="completed") == 1)
        assert isinstance(await consumer.settle(event.data), Duplicate)
    assert answer.status == 202
    assert len(shop.gateway.charges) == 1


async def test_after_the_deadline_the_order_is_queued_and_its_settlement_goes_on() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        answer = await shop.order("sync")
        assert (answer.status, answer.json["status"]) == (202, "pending")
        order_id = answer.json["order_id"]
        assert [event.id for event in shop.events] == [order_id]
        assert shop.metric("orders_accepted_total", mode="sync_fallback") == 1
        shop.gateway.let_go()
        await wait_until(lambda: shop.ledger.entries[order_id].status is OrderStatus.COMPLETED)
        assert (await shop.request("GET", answer.headers["Location"])).json["status"] == "completed"


@pytest.mark.parametrize("reply", [Reply.FAIL, Reply.REFUSE])
async def test_without_a_definite_answer_the_order_is_queued(shop: RunningApi, reply: Reply) -> None:
    shop.gateway.plan(reply)
    answer = await shop.order("sync")
    assert answer.status == 202
    assert [event.id for event in shop.events] == [answer.json["order_id"]]


async def test_a_lost_answer_is_looked_up_while_the_customer_waits(shop: RunningApi) -> None:
    shop.gateway.plan(Reply.LOSE)
    answer = await shop.order("sync")
    assert (answer.status, answer.json["status"]) == (200, "completed")
    assert (len(shop.gateway.charges), shop.events) == (1, [])


async def test_a_repeat_after_the_gateways_key_window_is_looked_up_before_it_is_charged() -> None:
    async with running_shop(GATEWAY_KEY_WINDOW_SECONDS="0.001") as shop:
        shop.gateway.plan(Reply.FAIL)
        assert (await shop.order("sync", headers=KEY)).status == 202
        looked_up = len(shop.gateway.lookups)
        assert (await shop.order("sync", headers=KEY)).status == 200
        assert len(shop.gateway.lookups) == looked_up + 1


async def test_a_ledger_that_is_down_queues_the_order_uncharged(shop: RunningApi) -> None:
    shop.ledger.unavailable = True
    answer = await shop.order("sync")
    assert answer.status == 202
    assert shop.gateway.requests == []
    assert len(shop.events) == 1


async def test_with_gateway_and_topic_down_the_customer_is_told_so(shop: RunningApi) -> None:
    shop.gateway.plan(Reply.FAIL)
    shop.topic.down = True
    answer = await shop.order("sync")
    assert problem_of(answer) == (503, "outcome-unknown")
    assert "Retry-After" in answer.headers


async def test_an_order_in_progress_elsewhere_is_queued(shop: RunningApi) -> None:
    shop.gateway.hold()
    first = asyncio.create_task(shop.order("sync", headers=KEY))
    await wait_until(lambda: shop.gateway.in_flight == 1)
    second = await shop.order("sync", headers=KEY)
    shop.gateway.let_go()
    assert second.status == 202
    assert (await first).json["order_id"] == second.json["order_id"]
    assert len(shop.gateway.answers) == 1


async def test_the_naive_shop_loses_late_orders(naive_shop: RunningApi) -> None:
    naive_shop.gateway.plan(Reply.FAIL)
    answer = await naive_shop.order("sync")
    assert problem_of(answer) == (503, "payment-unavailable")
    assert "Retry-After" in answer.headers
    assert naive_shop.topic.published == []


async def test_the_naive_shop_answers_503_after_its_deadline() -> None:
    async with running_shop(SYNC_FALLBACK="false", SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        answer = await shop.order("sync")
        assert problem_of(answer) == (503, "late")
        assert shop.metric("orders_accepted_total", mode="sync") == 0
        shop.gateway.let_go()
        # Late, and what it was all the same: paid, counted as that, and found by whoever asks again.
        await wait_until(lambda: shop.metric("orders_settled_total", status="completed") == 1)
        again = await shop.order("sync", headers=answer.repeat_headers)
    assert (again.status, again.json["status"]) == (200, "completed")
    assert len(shop.gateway.charges) == 1
    assert shop.topic.published == []


async def test_the_naive_shop_answers_409_to_a_request_already_in_progress() -> None:
    async with running_shop(SYNC_FALLBACK="false") as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync", headers=KEY))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        second = await shop.order("sync", headers=KEY)
        shop.gateway.let_go()
        assert (await first).status == 200
    assert problem_of(second) == (409, "in-progress")
    assert int(second.headers["Retry-After"]) >= 1


async def test_a_customer_who_leaves_does_not_stop_the_settlement(shop: RunningApi) -> None:
    shop.gateway.hold()
    task = asyncio.create_task(shop.order("sync", headers=KEY))
    await wait_until(lambda: shop.gateway.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    shop.gateway.let_go()
    await wait_until(lambda: shop.metric("orders_settled_total", status="completed") == 1)
    assert (await shop.order("sync", headers=KEY)).json["status"] == "completed"
    assert len(shop.gateway.requests) == 1


async def test_stopping_waits_for_the_settlement_that_goes_on() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.01") as shop:
        shop.gateway.hold()
        answer = await shop.order("sync")
        asyncio.get_running_loop().call_later(0.2, shop.gateway.let_go)
        await shop.runner.cleanup()
        assert shop.ledger.entries[answer.json["order_id"]].status is OrderStatus.COMPLETED


async def test_stopping_does_not_wait_for_a_charge_that_hangs() -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.02", PAYMENT_TIMEOUT_SECONDS="0.05") as shop:
        shop.gateway.plan(Reply.HANG)
        answer = await shop.order("sync")
        await wait_until(lambda: bool(shop.gateway.lookups))
        assert shop.metric("sync_orders_in_flight") == 1  # it keeps its place, as the provider may be at it
        async with asyncio.timeout(1):
            await shop.runner.cleanup()
        assert shop.ledger.entries[answer.json["order_id"]].status is OrderStatus.PROCESSING


async def test_a_clients_repeat_of_a_failed_order_does_not_open_it_again(shop: RunningApi) -> None:
    shop.topic.down = True
    shop.gateway.plan(Reply.FAIL)
    await shop.order("sync", headers=KEY)
    (order_id, entry), *_ = shop.ledger.entries.items()
    await shop.ledger.fail(entry.order, reason="exhausted")
    requests = len(shop.gateway.requests)
    answer = await shop.order("sync", headers=KEY)
    assert (answer.status, answer.json["status"]) == (200, "failed")
    assert shop.ledger.entries[order_id].status is OrderStatus.FAILED
    assert len(shop.gateway.requests) == requests


@pytest.mark.parametrize(
    "path",
    [
        "/orders/sync",
        "/orders/%73ync",
        "/%6Frders/syn%63",
        "/orders%2Fsync",
        "//orders/sync",
        "/orders//sync",
        "/orders/sync/",
        "/orders/sync/x",
        "/orders/./sync",
        "/orders/x/../sync",
        "/orders/x/%2e%2e/sync",
        "/orders/sync;x",
        "/orders/sync?x=1",
        "/ORDERS/SYNC",
    ],
)
async def test_where_sync_orders_are_closed_no_spelling_settles_one(path: str) -> None:
    async with running_shop(SYNC_LIMIT="0") as shop:
        order = {"customer_id": 1, "items": [{"product_id": "pen", "quantity": 1}]}
        url = URL(f"http://127.0.0.1:{shop.port}{path}", encoded=True)
        async with shop.session.post(url, json=order) as response:
            assert response.status in {404, 405}
        assert shop.gateway.requests == []
        assert shop.topic.published == []
        assert (await shop.order("async")).status == 202


async def test_closed_sync_orders_are_a_problem_that_names_the_other_way() -> None:
    async with running_shop(SYNC_LIMIT="0") as shop:
        answer = await shop.order("sync")
        assert problem_of(answer) == (404, "closed")
        assert "/orders/async" in answer.json["title"]
