"""What a customer is told when it is not known whether there is an order, and what a repeat as told comes to."""

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence

import pytest
from aiohttp import web

from flashbus.topic import Entry, Refusal, TopicError
from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_api import acceptance
from order_api.app_keys import PUBLISHER
from order_api.testing import Answer, RunningApi, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}
MODES = ("async", "sync")


def assert_says_that_it_is_unknown(answer: Answer, *, status: int = 503, key: str | None = None) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json) > {"order_id", "status_url", "idempotency_key"}
    assert answer.json["status_url"] == f"/orders/{answer.json['order_id']}"
    assert key is None or answer.json["idempotency_key"] == key
    assert b"not accepted" not in answer.body
    assert b"nothing was" not in answer.body


def assert_says_that_it_was_not_accepted(answer: Answer) -> None:
    assert answer.status == 503
    assert b"not accepted" in answer.body
    assert not {"order_id", "status_url", "idempotency_key"} & set(answer.json)
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
@pytest.mark.parametrize("mode", MODES)
async def test_after_a_lost_answer_a_repeat_as_told_is_the_same_order(
    shop: RunningApi, mode: str, headers: dict[str, str] | None
) -> None:
    shop.topic.losing = True
    unknown = await shop.order("async", headers=headers)
    assert unknown.problem == (503, "outcome-unknown")
    assert_says_that_it_is_unknown(unknown, key=None if headers is None else headers["Idempotency-Key"])
    assert 1 <= int(unknown.headers["Retry-After"]) <= 60
    assert shop.metric("orders_rejected_total", reason="outcome_unknown") == 1
    shop.topic.losing = False
    again = await shop.order(mode, headers=unknown.repeat_headers)
    assert again.status == (202 if mode == "async" else 200)
    assert again.json["order_id"] == unknown.json["order_id"]
    assert {event.id for event in shop.events} == {unknown.json["order_id"]}
    assert len({event.data.items for event in shop.events}) == 1


async def test_a_key_that_was_made_stands_for_content_and_price_at_once() -> None:
    async with running_shop(CATALOGUE_REFRESH_SECONDS="0.002") as shop:
        shop.topic.losing = True
        unknown = await shop.order("async", quantity=2)
        shop.topic.losing = False
        await shop.sell()
        assert (await shop.order("async", headers=unknown.repeat_headers, quantity=3)).problem == (422, "mismatch")
        assert (await shop.order("async", headers=unknown.repeat_headers, quantity=2)).status == 202
    assert shop.events[0].data.items == shop.events[1].data.items


async def test_made_keys_are_of_one_order_each(shop: RunningApi) -> None:
    shop.topic.losing = True
    answers = [await shop.order("async") for _ in range(3)]
    assert len({answer.json["idempotency_key"] for answer in answers}) == 3
    assert len({answer.json["order_id"] for answer in answers}) == 3
    assert all(shop.ids.owns(answer.json["order_id"]) for answer in answers)


async def test_a_ledger_that_is_down_too_does_not_change_what_is_said(shop: RunningApi) -> None:
    shop.topic.losing = True
    shop.ledger.unavailable = True
    unknown = await shop.order("async")
    assert_says_that_it_is_unknown(unknown)
    shop.ledger.unavailable = shop.topic.losing = False
    assert (await shop.order("async", headers=unknown.repeat_headers)).json["order_id"] == unknown.json["order_id"]


async def test_a_hanging_topic_leaves_the_outcome_unknown(shop: RunningApi) -> None:
    shop.topic.gate.clear()
    assert_says_that_it_is_unknown(await shop.order("async"))


async def test_what_certainly_did_not_leave_was_not_accepted(shop: RunningApi) -> None:
    shop.topic.down = True
    assert_says_that_it_was_not_accepted(await shop.order("async"))
    shop.topic.down = False
    shop.topic.refuse["pen"] = "InvalidParameter"
    refused = await shop.order("async")
    assert refused.problem == (503, "publish-refused")
    assert_says_that_it_was_not_accepted(refused)
    assert shop.events == []


async def test_of_an_order_with_a_key_nothing_is_said_that_another_request_may_belie(shop: RunningApi) -> None:
    assert (await shop.order("async", headers=KEY)).status == 202
    shop.topic.down = True
    refused = await shop.order("async", headers=KEY)
    assert refused.problem == (503, "publish-unavailable")
    assert_says_that_it_is_unknown(refused, key="basket-1")
    shop.ledger.unavailable = True
    unchecked = await shop.order("async", headers=KEY)
    assert_says_that_it_is_unknown(unchecked, key="basket-1")


async def test_whoever_finds_no_place_is_told_what_is_certain() -> None:
    async with running_shop(SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0") as shop:
        assert (await shop.order("async", headers=KEY)).status == 202
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync", customer_id=9))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        keyless, keyed = await shop.order("sync"), await shop.order("sync", headers=KEY)
        shop.gateway.let_go()
        await first
    assert_says_that_it_was_not_accepted(keyless)
    # With the key an order was accepted before.
    assert_says_that_it_is_unknown(keyed, key="basket-1")
    assert (keyless.problem, keyed.problem) == ((503, "at-capacity"), (503, "at-capacity"))


@pytest.mark.parametrize("headers", [None, KEY], ids=["no key", "key"])
async def test_a_late_sync_order_with_the_topic_down_may_still_be_charged(headers: dict[str, str] | None) -> None:
    async with running_shop(SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.hold()
        shop.topic.down = True
        unknown = await shop.order("sync", headers=headers)
        assert unknown.problem == (503, "outcome-unknown")
        assert_says_that_it_is_unknown(unknown)
        shop.gateway.let_go()
        order_id = unknown.json["order_id"]
        await wait_until(lambda: shop.gateway.charged(order_id) == 1)
        await wait_until(lambda: shop.ledger.entries[order_id].status is OrderStatus.COMPLETED)
        again = await shop.order("sync", headers=unknown.repeat_headers)
        assert (again.status, again.json["order_id"], again.json["status"]) == (200, order_id, "completed")
        assert len(shop.gateway.charges) == 1


@pytest.mark.parametrize("reply", [Reply.FAIL, Reply.REFUSE])
async def test_a_payment_without_an_answer_and_no_topic_is_unknown(shop: RunningApi, reply: Reply) -> None:
    shop.gateway.plan(reply)
    shop.topic.down = True
    unknown = await shop.order("sync")
    assert_says_that_it_is_unknown(unknown)
    again = await shop.order("sync", headers=unknown.repeat_headers)
    assert (again.status, len(shop.gateway.charges)) == (200, 1)


async def test_the_naive_shop_says_what_to_repeat_with() -> None:
    async with running_shop(SYNC_FALLBACK="false", SYNC_DEADLINE_SECONDS="0.05") as shop:
        shop.gateway.plan(Reply.FAIL)
        unanswered = await shop.order("sync", customer_id=1)
        shop.gateway.hold()
        late = await shop.order("sync", customer_id=2)
        shop.gateway.let_go()
        assert (unanswered.problem, late.problem) == ((503, "payment-unavailable"), (503, "late"))
        for customer_id, unknown in enumerate((unanswered, late), start=1):
            assert_says_that_it_is_unknown(unknown)
            order_id = unknown.json["order_id"]
            if unknown is late:
                await wait_until(functools.partial(shop.gateway.charged, order_id))
            again = await repeated_until_answered(shop, unknown, customer_id=customer_id)
            assert (again.json["order_id"], again.json["status"]) == (order_id, "completed")
        assert len(shop.gateway.charges) == 2


async def repeated_until_answered(shop: RunningApi, unknown: Answer, *, customer_id: int) -> Answer:
    while True:
        again = await shop.order("sync", headers=unknown.repeat_headers, customer_id=customer_id)
        if again.status == 200:
            return again
        assert again.status == 409
        assert again.json["order_id"] == unknown.json["order_id"]
        await asyncio.sleep(0.01)


async def test_a_provider_that_refuses_us_leaves_the_outcome_unknown() -> None:
    async with running_shop(SYNC_FALLBACK="false") as shop:
        first = await shop.order("sync", headers=KEY)
        # The provider knows this key with another content: our bug, and the customer was charged before.
        del shop.ledger.entries[first.json["order_id"]]
        refused = await shop.order("sync", headers=KEY, quantity=9)
    assert refused.problem == (502, "payment-refused")
    assert_says_that_it_is_unknown(refused, status=502, key="basket-1")


async def test_our_own_bug_after_the_publish_does_not_deny_the_order(
    shop: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_request: web.Request, _order_id: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(acceptance, "acceptance_response", broken)
    crashed = await shop.order("async")
    assert crashed.problem == (500, "internal-error")
    assert_says_that_it_is_unknown(crashed, status=500)
    monkeypatch.undo()
    again = await shop.order("async", headers=crashed.repeat_headers)
    assert [event.id for event in shop.events] == [again.json["order_id"]] * 2


class CrashingTopic:
    async def publish_batch(self, _entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        raise ZeroDivisionError


class HalfAnsweringTopic:
    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        return {index: Refusal("InternalError", certain=False) for index in range(len(entries))}


class TimingOutTopic:
    async def publish_batch(self, _entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        raise TopicError("ReadTimeoutError", certain=False)


@pytest.mark.parametrize("topic", [CrashingTopic, HalfAnsweringTopic, TimingOutTopic])
async def test_every_uncertain_failure_of_the_topic_is_told_as_such(
    shop: RunningApi, monkeypatch: pytest.MonkeyPatch, topic: Callable[[], object]
) -> None:
    monkeypatch.setattr(shop.topic, "publish_batch", topic().publish_batch)  # type: ignore[attr-defined] # one of the three above
    assert_says_that_it_is_unknown(await shop.order("async"))


async def test_the_publisher_that_is_closed_took_nothing() -> None:
    async with running_shop() as shop:
        await shop.runner.app[PUBLISHER].aclose()
        closed = await shop.order("async")
    assert closed.problem == (503, "publish-closed")
    assert_says_that_it_was_not_accepted(closed)


async def test_an_order_that_cannot_be_looked_up_is_not_called_safe(shop: RunningApi) -> None:
    accepted = await shop.order("async", headers=KEY)
    shop.ledger.unavailable = True
    answer = await shop.request("GET", accepted.headers["Location"])
    assert b"safe" not in answer.body
