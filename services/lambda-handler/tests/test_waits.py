"""The function's time: how long it pauses, when it stops trying, and that it ends in time whatever hangs."""

import asyncio
import gc
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import ChargeRequest, ChargeResult, NotCharged
from flashpay.errors import GatewayUnavailableError
from flashpay.testing import MemoryLedger, Reply, sample_order
from lambda_handler.record_outcomes import Invocation
from lambda_handler.record_settler import RecordSettler
from lambda_handler.testing import MAX_RECEIVES, Bench, FakeDeadLetters, consume, message, notification

ORDER = sample_order()


def within(seconds: float) -> Invocation:
    return Invocation(time_left=timedelta(seconds=seconds), request_id="r1")


async def test_pauses_double_up_to_five_seconds_and_are_jittered() -> None:
    bench = Bench(sleeps=False, jitter=0.5)
    bench.gateway.plan(*[Reply.FAIL] * 8)
    (outcome,) = await consume(bench, message(ORDER))
    assert outcome.outcome == "completed"
    assert bench.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5, 2.5]


async def test_what_the_gateway_asks_for_is_added_to_the_pause() -> None:
    class Asking:
        calls = 0

        async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ARG002, ASYNC109 - the protocol's
            asked = timedelta(seconds=3)
            raise GatewayUnavailableError("busy", reason="overloaded", retry_after=asked, status=503)

        async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> NotCharged:  # noqa: ARG002, ASYNC109 - as above
            return NotCharged()

    bench = Bench(sleeps=False, jitter=1.0)
    task = asyncio.create_task(bench.consumer(gateway=Asking()).consume([message(ORDER)], within(30)))
    while len(bench.pauses) < 2:  # noqa: ASYNC110 - a list has no event
        await asyncio.sleep(0)
    task.cancel()
    assert bench.pauses[:2] == [3.2, 3.4]


async def test_a_held_order_is_waited_for_until_its_lease_ends_and_no_longer() -> None:
    bench = Bench(sleeps=False)
    bench.ledger = MemoryLedger()
    await bench.ledger.claim(ORDER, owner="other", lease=timedelta(seconds=7))
    task = asyncio.create_task(consume(bench, message(ORDER)))
    while not bench.pauses:  # noqa: ASYNC110 - a list has no event
        await asyncio.sleep(0)
    task.cancel()
    assert bench.pauses[0] == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize(("left", "attempts"), [(4.0, 1), (9.5, 2)])
async def test_another_attempt_needs_the_time_of_a_whole_payment(left: float, attempts: int) -> None:
    bench = Bench(sleeps=False, jitter=1.0)
    bench.gateway.plan(Reply.FAIL)
    (outcome,) = await consume(bench, message(ORDER), within=within(left + 1), payment_timeout=5)
    assert len(bench.gateway.requests) == attempts
    assert outcome.done == (attempts > 1)


@pytest.mark.parametrize("place", ["claim.called", "record.called", "release.called", "lookup.called"])
async def test_an_invocation_ends_before_its_time_is_up_whatever_hangs(place: str) -> None:
    async def hang(where: str) -> None:
        await asyncio.sleep(15 if where == place else 0)

    bench = Bench(ledger=MemoryLedger(checkpoint=hang))
    bench.gateway._checkpoint = hang
    if place in {"release.called", "lookup.called"}:
        bench.gateway.default = Reply.HANG
    started = time.monotonic()
    (outcome,) = await consume(bench, message(ORDER), within=within(2))
    assert time.monotonic() - started < 2
    assert (outcome.done, outcome.outcome) == (False, "out_of_time")
    assert [line["outcome"] for line in bench.log] == ["out_of_time"]


async def test_a_dead_letter_that_hangs_keeps_no_invocation() -> None:
    class Hanging(FakeDeadLetters):
        async def send(self, *_: object, **__: object) -> None:
            try:
                await asyncio.sleep(15)
            except asyncio.CancelledError:
                await asyncio.sleep(15)

    bench = Bench(dead_letters=Hanging())
    bench.gateway.for_customers = {ORDER.customer_id: Reply.FAIL}
    started = time.monotonic()
    (outcome,) = await consume(bench, message(ORDER, receive_count=MAX_RECEIVES), within=within(2))
    assert time.monotonic() - started < 2
    assert not outcome.done


async def test_on_the_last_receive_a_hanging_charge_is_dead_lettered_in_time_and_not_failed() -> None:
    bench = Bench()
    bench.gateway.default = Reply.HANG
    (outcome,) = await consume(bench, message(ORDER, receive_count=MAX_RECEIVES), within=within(4))
    assert (outcome.done, outcome.outcome) == (True, "unresolved")
    assert [reason for _, reason in bench.letters] == ["exhausted"]
    assert bench.ledger.entries[ORDER.order_id].status is OrderStatus.PROCESSING


async def test_without_a_dead_letter_queue_the_last_receive_is_reported_and_nothing_is_failed() -> None:
    # The queue's own redrive moves it without our mark: a failed order could never be opened again.
    bench = Bench(dead_letters=None)
    bench.gateway.for_customers = {ORDER.customer_id: Reply.FAIL}
    (outcome,) = await consume(bench, message(ORDER, receive_count=MAX_RECEIVES), within=within(1.5))
    assert (outcome.done, outcome.outcome) == (False, "exhausted")
    assert bench.ledger.entries[ORDER.order_id].status is OrderStatus.PROCESSING


async def test_a_failed_order_is_opened_by_a_redrive_alone() -> None:
    bench = Bench()
    await bench.ledger.fail(ORDER, reason="exhausted")
    (repeat,) = await consume(bench, message(ORDER))
    (published_again,) = await consume(bench, notification(message(ORDER).body))
    assert (repeat.done, repeat.outcome, published_again.done) == (True, "duplicate", False)
    assert bench.ledger.entries[ORDER.order_id].status is OrderStatus.FAILED
    mark = {"dead_letter_reason": {"dataType": "String", "stringValue": "exhausted"}}
    record = {**message(ORDER).record, "messageAttributes": mark}
    (outcome,) = await consume(bench, replace(message(ORDER), record=record))
    assert (outcome.done, outcome.outcome) == (True, "completed")


async def test_a_crash_on_the_last_receive_is_given_up_like_any_other_failure() -> None:
    async def crash(place: str) -> None:
        await asyncio.sleep(0)
        if place == "charge.called":
            raise RuntimeError("a bug")

    bench = Bench()
    bench.gateway._checkpoint = crash
    (early,) = await consume(bench, message(ORDER))
    entry = bench.ledger.entries[ORDER.order_id]
    bench.ledger.entries[ORDER.order_id] = replace(entry, lease_until=datetime.now(UTC))
    (last,) = await consume(bench, message(ORDER, receive_count=MAX_RECEIVES))
    assert (early.done, early.outcome) == (False, "crashed")
    assert (last.done, last.outcome, bench.letters[0][1]) == (True, "failed", "exhausted")


async def test_an_invocation_with_next_to_no_time_left_ends_in_it_too() -> None:
    async def hang(where: str) -> None:
        await asyncio.sleep(15 if where in {"claim.called", "release.called"} else 0)

    bench = Bench(ledger=MemoryLedger(checkpoint=hang))
    started = time.monotonic()
    (outcome,) = await consume(bench, message(ORDER), within=within(0.3))
    assert time.monotonic() - started < 0.3
    assert outcome.outcome == "out_of_time"


async def test_what_is_left_behind_is_forgotten_when_it_ends_and_its_error_bothers_nobody() -> None:
    go_on = asyncio.Event()

    async def slow_record(where: str) -> None:
        await asyncio.sleep(0)
        if where == "record.called":
            await go_on.wait()
            raise RuntimeError("too late")

    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    bench = Bench(ledger=MemoryLedger(checkpoint=slow_record))
    consumer = bench.consumer()
    (outcome,) = await consumer.consume([message(ORDER)], within(1.05))
    assert outcome.outcome == "out_of_time"
    assert len(consumer._left_behind) == 1
    go_on.set()
    await asyncio.sleep(0.05)
    gc.collect()
    assert (consumer._left_behind, complaints) == (set(), [])


async def test_a_dead_letter_that_could_not_be_sent_brings_the_message_back() -> None:
    class Down(FakeDeadLetters):
        async def send(self, *_: object, **__: object) -> None:
            raise OSError("the queue is away")

    bench = Bench(dead_letters=Down())
    (outcome,) = await consume(bench, replace(message(ORDER), record={"body": "poison"}))
    assert (outcome.done, outcome.outcome) == (False, "crashed")
    assert isinstance(outcome.error, OSError)


async def test_a_dead_letter_on_the_last_receive_says_what_failed() -> None:
    bench = Bench()
    bench.gateway.for_customers = {ORDER.customer_id: Reply.FAIL}
    (outcome,) = await consume(bench, message(ORDER, receive_count=MAX_RECEIVES), within=within(1.5))
    assert isinstance(outcome.error, GatewayUnavailableError)
    assert str(bench.log[0]["error"]).startswith("GatewayUnavailableError")


@pytest.mark.parametrize(("left", "to_try"), [(3, 1.5), (4, 2), (10, 8)])
def test_the_last_receive_keeps_two_seconds_back_or_half_of_what_is_left(left: float, to_try: float) -> None:
    settler = RecordSettler(
        settler=Bench().settler(),
        dead_letters=None,
        max_receives=MAX_RECEIVES,
        payment_timeout=timedelta(seconds=1),
        clock=lambda: 100.0,
    )
    assert settler._time_to_try(100.0 + left) == to_try


async def test_the_duration_of_a_record_is_logged_to_the_tenth_of_a_millisecond() -> None:
    bench = Bench()
    moments = iter([0.0, 1.0])
    consumer = replace(bench.consumer(), clock=lambda: next(moments, 2.23456))
    await consumer.consume([message(ORDER)], within(30))
    assert [line["duration_seconds"] for line in bench.log] == [1.2346]


async def test_a_second_delivery_in_a_batch_waits_for_the_first_and_not_for_its_lease() -> None:
    bench = Bench(sleeps=False)
    other = sample_order("other")
    bench.gateway.hold()
    batch = [message(ORDER), replace(message(ORDER), message_id="again"), message(other)]
    running = asyncio.create_task(consume(bench, *batch))
    await bench.gateway.until_in_flight(2)  # the two orders at once
    bench.gateway.let_go()
    outcomes = await running
    assert [outcome.outcome for outcome in outcomes] == ["completed", "duplicate", "completed"]
    assert (len(bench.gateway.requests), bench.pauses) == (2, [])


async def test_a_second_delivery_goes_on_where_the_first_had_to_give_up() -> None:
    bench = Bench(sleeps=False)
    bench.gateway.for_customers = {ORDER.customer_id: Reply.FAIL}
    batch = [message(ORDER, receive_count=MAX_RECEIVES), replace(message(ORDER), message_id="again")]
    outcomes = await consume(bench, *batch, within=within(1.5))
    assert [(outcome.done, outcome.outcome) for outcome in outcomes] == [(True, "failed"), (True, "duplicate")]
    assert ([reason for _, reason in bench.letters], bench.pauses) == (["exhausted"], [])


async def test_a_delivery_that_never_gets_its_turn_is_reported_in_time() -> None:
    bench = Bench()
    bench.gateway.default = Reply.HANG
    started = time.monotonic()
    batch = [message(ORDER), replace(message(ORDER), message_id="again")]
    outcomes = await consume(bench, *batch, within=within(1.5), payment_timeout=10)
    assert time.monotonic() - started < 1.5
    assert [(outcome.done, outcome.outcome) for outcome in outcomes] == [(False, "out_of_time")] * 2
    assert [line["order_id"] for line in bench.log] == [ORDER.order_id] * 2


async def test_on_its_last_receive_a_delivery_without_a_turn_is_dead_lettered_with_its_reason() -> None:
    bench = Bench()
    bench.gateway.default = Reply.HANG
    last = replace(message(ORDER, receive_count=MAX_RECEIVES), message_id="last")
    outcomes = await consume(bench, message(ORDER), last, within=within(3), payment_timeout=10)
    assert [(outcome.done, outcome.outcome) for outcome in outcomes] == [(False, "out_of_time"), (True, "unresolved")]
    assert [reason for _, reason in bench.letters] == ["exhausted"]
