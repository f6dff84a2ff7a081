import asyncio
import gc
import io
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flashbus.testing import VirtualTimeLoop
from flashmsg import Order, OrderPlaced, OrderStatus, encode
from flashpay import (
    ChargeRequest,
    GatewayRefusedError,
    GatewayUnavailableError,
    NotCharged,
    Settlement,
    Settler,
)
from flashpay.testing import FakeGateway, MemoryLedger, Reply
from flashpay.testing.orders import sample_order
from lambda_handler.app import build_consumer
from lambda_handler.connections import Connections
from lambda_handler.consumer import BatchConsumer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation, Known, RecordOutcome
from lambda_handler.records import QueueRecord, Record, TopicRecord
from lambda_handler.settings import Settings
from lambda_handler.testing import MAX_RECEIVES, PLENTY, Bench, consume, message, notification


async def test_all_orders_of_a_batch_are_settled_at_the_same_time() -> None:
    bench = Bench()
    bench.gateway.hold()
    orders = [sample_order(f"order {number}") for number in range(10)]
    running = asyncio.create_task(consume(bench, *(message(order) for order in orders)))
    await bench.gateway.until_in_flight(10)
    bench.gateway.let_go()
    outcomes = await running
    assert [outcome.outcome for outcome in outcomes] == ["completed"] * 10
    assert all(bench.gateway.charged(order.order_id) for order in orders)


async def test_an_order_from_the_topic_is_settled() -> None:
    bench = Bench()
    order = sample_order()
    (outcome,) = await consume(bench, notification(encode(OrderPlaced.of(order))))
    assert outcome.done
    assert bench.ledger.entries[order.order_id].status is OrderStatus.COMPLETED


async def test_a_declined_order_is_done() -> None:
    bench = Bench(gateway=FakeGateway(default=Reply.DECLINE))
    (outcome,) = await consume(bench, message(sample_order()))
    assert (outcome.done, outcome.outcome) == (True, "declined")


async def test_a_repeated_message_is_acknowledged_and_charges_once() -> None:
    bench = Bench()
    order = sample_order()
    await consume(bench, message(order))
    (outcome,) = await consume(bench, message(order))
    assert (outcome.done, outcome.outcome) == (True, "duplicate")
    assert len(bench.gateway.requests) == 1


async def test_a_transient_failure_is_retried_within_the_invocation() -> None:
    bench = Bench()
    bench.gateway.plan(Reply.FAIL, Reply.FAIL, Reply.LOSE)
    (outcome,) = await consume(bench, message(sample_order(created_at=datetime.now(UTC))))
    assert outcome.done
    assert (len(bench.gateway.requests), len(bench.gateway.lookups)) == (3, 3)
    assert len(bench.pauses) == 2


async def test_without_time_for_a_whole_payment_a_failure_is_not_retried() -> None:
    bench = Bench(gateway=FakeGateway(default=Reply.FAIL))
    short = Invocation(time_left=timedelta(seconds=5), request_id="r1")
    (outcome,) = await consume(bench, message(sample_order()), within=short, payment_timeout=6)
    assert (outcome.done, outcome.outcome) == (False, "server_error")
    assert len(bench.gateway.requests) == 1


async def test_a_retry_after_beyond_the_deadline_is_left_to_the_queue() -> None:
    class Overloaded:
        calls = 0

        async def charge(self, request: object, *, timeout: timedelta) -> object:  # noqa: ASYNC109  # the protocol's
            self.calls += 1
            wait = timedelta(minutes=5)
            raise GatewayUnavailableError(f"{request} {timeout}", reason="overloaded", retry_after=wait, status=429)

        async def lookup(self, request: object, *, timeout: timedelta) -> NotCharged:  # noqa: ARG002, ASYNC109  # as above
            return NotCharged()

    bench, gateway = Bench(), Overloaded()
    consumer = bench.consumer(gateway=gateway)  # type: ignore[arg-type]  # never returns
    (outcome,) = await consumer.consume([message(sample_order())], PLENTY)
    assert (outcome.done, outcome.outcome, gateway.calls) == (False, "overloaded", 1)


async def test_a_payment_that_outlasts_the_invocation_is_reported_and_its_lease_given_back() -> None:
    bench = Bench()
    bench.gateway.hold()
    slow = sample_order("slow")
    barely = Invocation(time_left=timedelta(seconds=1.05), request_id="r1")
    (outcome,) = await consume(bench, message(slow), within=barely, payment_timeout=10)
    assert (outcome.done, outcome.outcome) == (False, "out_of_time")
    lease_until = bench.ledger.entries[slow.order_id].lease_until
    assert lease_until is None or lease_until <= datetime.now(UTC)


async def test_one_crash_does_not_take_its_siblings_down() -> None:
    class Crashing(Settler):
        async def settle(self, order: Order, **arguments: Any) -> Settlement:  # noqa: ANN401 - handed through
            if order.order_id == victim.order_id:
                raise RuntimeError("a bug")
            return await super().settle(order, **arguments)

    bench = Bench()
    victim, sibling = sample_order("victim"), sample_order("sibling")
    consumer = bench.consumer(settler=Crashing(ledger=bench.ledger, gateway=bench.gateway, owner="function"))
    outcomes = await consumer.consume([message(victim), message(sibling)], PLENTY)
    assert [(outcome.done, outcome.outcome) for outcome in outcomes] == [(False, "crashed"), (True, "completed")]
    assert outcomes[0].attempt is None


async def test_poison_from_the_queue_goes_to_the_dead_letters_with_its_reason() -> None:
    bench = Bench()
    record = QueueRecord(message_id="m1", receive_count=1, record={"body": "not an order"})
    (outcome,) = await consume(bench, record)
    assert (outcome.done, outcome.outcome, outcome.order_id) == (True, "poison", None)
    assert bench.letters == [("not an order", "malformed")]


async def test_poison_from_the_topic_is_left_to_the_failure_destination() -> None:
    bench = Bench()
    (outcome,) = await consume(bench, notification("not an order"))
    assert (outcome.done, outcome.outcome) == (False, "poison")
    assert bench.letters == []


async def test_what_the_gateway_refuses_is_dead_lettered_and_failed() -> None:
    class Refusing:
        async def charge(self, request: object, *, timeout: timedelta) -> object:  # noqa: ASYNC109  # the protocol's
            raise GatewayRefusedError(f"{request} {timeout}", reason="bad_request")

    bench, order = Bench(), sample_order()
    consumer = bench.consumer(gateway=Refusing())  # type: ignore[arg-type]  # never returns
    (outcome,) = await consumer.consume([message(order)], PLENTY)
    assert (outcome.done, outcome.outcome) == (True, "failed")
    assert [reason for _, reason in bench.letters] == ["bad_request"]
    assert bench.ledger.entries[order.order_id].status is OrderStatus.FAILED


async def test_the_last_receive_of_an_order_fails_it_where_a_human_can_see_it() -> None:
    bench, order = Bench(), sample_order()
    bench.gateway.for_customers = {order.customer_id: Reply.FAIL}
    short = Invocation(time_left=timedelta(seconds=1.5), request_id="r1")
    (before,) = await consume(bench, message(order, receive_count=MAX_RECEIVES - 1), within=short)
    (last,) = await consume(bench, message(order, receive_count=MAX_RECEIVES), within=short)
    assert (before.done, last.done, last.outcome) == (False, True, "failed")
    assert [reason for _, reason in bench.letters] == ["exhausted"]
    assert bench.ledger.entries[order.order_id].status is OrderStatus.FAILED


async def test_an_order_held_by_another_attempt_is_waited_for_or_comes_back() -> None:
    bench, order = Bench(), sample_order()
    await bench.ledger.claim(order, owner="other", lease=timedelta(seconds=60))
    (outcome,) = await consume(bench, message(order))
    assert (outcome.done, outcome.outcome) == (False, "busy")
    ending, early = sample_order("ending"), Bench()
    await early.ledger.claim(ending, owner="other", lease=timedelta(milliseconds=50))
    (outcome,) = await consume(early, message(ending))
    assert (outcome.done, outcome.outcome) == (True, "completed")


async def test_an_order_of_another_content_is_acknowledged_and_not_charged() -> None:
    bench = Bench()
    await consume(bench, message(sample_order("same", quantity=1)))
    (outcome,) = await consume(bench, message(sample_order("same", quantity=3)))
    assert (outcome.done, outcome.outcome) == (True, "mismatch")
    assert len(bench.gateway.requests) == 1


async def test_every_record_leaves_one_line_that_names_order_trace_and_outcome() -> None:
    bench, order = Bench(), sample_order()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = encode(OrderPlaced.of(order, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01"))
    await consume(bench, QueueRecord(message_id="m1", receive_count=1, record={"body": body}))
    (line,) = bench.log
    assert line["event"] == "record_consumed"
    assert (line["order_id"], line["outcome"], line["request_id"]) == (order.order_id, "completed", "r1")
    assert line["trace_id"] == trace_id


async def test_a_record_out_of_time_is_named_in_its_line_too() -> None:
    bench, order = Bench(), sample_order()
    bench.gateway.default = Reply.HANG
    hurried = Invocation(time_left=timedelta(seconds=1.05), request_id="r1")
    (outcome,) = await bench.consumer().consume([message(order)], hurried)
    (line,) = bench.log
    assert (outcome.outcome, line["outcome"], line["order_id"]) == ("out_of_time", "out_of_time", order.order_id)
    assert (outcome.order_id, outcome.attempt) == (order.order_id, None)


@dataclass
class ScriptedSettler:
    """Does `work` for each record, and notes by when it should be done."""

    work: Callable[[], Awaitable[RecordOutcome]]
    deadlines: list[float] = field(default_factory=list)

    async def settle(self, record: Record, deadline: float, known: Known) -> RecordOutcome:
        assert isinstance(record, QueueRecord | TopicRecord)
        known.order_id, known.trace_id = "ord_a", "4bf9"
        self.deadlines.append(deadline)
        return await self.work()


def consumer_of(
    record_settler: ScriptedSettler, stream: io.StringIO, clock: Callable[[], float] = time.monotonic
) -> BatchConsumer:
    return BatchConsumer(record_settler=record_settler, log=JsonLog(stream), clock=clock)  # type: ignore[arg-type]  # as far as it is used


async def test_a_line_tells_all_that_is_known_of_a_record() -> None:
    now = [100.0]

    async def work() -> RecordOutcome:
        await asyncio.sleep(0)
        now[0] += 1.23456
        return RecordOutcome(done=False, outcome="crashed", order_id="ord_a", attempt=2, error=ValueError("a bug"))

    stream, record_settler = io.StringIO(), ScriptedSettler(work)
    consumer = consumer_of(record_settler, stream, clock=lambda: now[0])
    for record in (message(sample_order(), receive_count=3), notification("x")):
        await consumer.consume([record], PLENTY)
    line = {
        "event": "record_consumed",
        "outcome": "crashed",
        "done": False,
        "order_id": "ord_a",
        "trace_id": "4bf9",
        "attempt": 2,
        "error": "ValueError('a bug')",
        "duration_seconds": 1.2346,
        "request_id": "r1",
    }
    assert [json.loads(text) for text in stream.getvalue().splitlines()] == [line | {"receive_count": 3}, line]


@pytest.mark.parametrize(("left", "deadline"), [(30.0, 129.0), (1.0, 100.0), (0.2, 99.2)])
async def test_the_last_second_of_an_invocation_is_kept_back(left: float, deadline: float) -> None:
    async def work() -> RecordOutcome:
        await asyncio.sleep(0)
        return RecordOutcome(done=True, outcome="completed")

    record_settler = ScriptedSettler(work)
    within = Invocation(time_left=timedelta(seconds=left), request_id="r1")
    await consumer_of(record_settler, io.StringIO(), clock=lambda: 100.0).consume([message(sample_order())], within)
    assert record_settler.deadlines == [deadline]


@pytest.mark.parametrize(("left", "answered"), [(30.0, 29.5), (0.6, 0.3)])
def test_the_cancelled_have_half_a_second_to_end_or_half_of_what_is_left(left: float, answered: float) -> None:
    async def answered_after() -> float:
        go_on, clock = asyncio.Event(), asyncio.get_running_loop().time

        async def work() -> RecordOutcome:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await go_on.wait()
            return RecordOutcome(done=True, outcome="completed")

        consumer = consumer_of(ScriptedSettler(work), io.StringIO(), clock=clock)
        within, began = Invocation(time_left=timedelta(seconds=left), request_id="r1"), clock()
        await consumer.consume([message(sample_order())], within)
        seconds = clock() - began
        go_on.set()
        return seconds

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(answered_after()) == pytest.approx(answered, abs=1e-3)


@pytest.mark.parametrize("end", [RuntimeError("a bug"), asyncio.CancelledError(), None], ids=repr)
async def test_who_is_left_behind_may_end_in_any_way_and_is_kept_until_then(end: BaseException | None) -> None:
    go_on, complaints = asyncio.Event(), []

    async def work() -> RecordOutcome:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await go_on.wait()
        if end is not None:
            raise end
        return RecordOutcome(done=True, outcome="completed")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    consumer = consumer_of(ScriptedSettler(work), io.StringIO())
    within = Invocation(time_left=timedelta(seconds=1.02), request_id="r1")
    (outcome,) = await consumer.consume([message(sample_order())], within)
    assert (outcome.done, outcome.outcome, str(outcome.error)) == (False, "out_of_time", "the invocation's time was up")
    assert [task.get_name() for task in consumer._left_behind] == ["record"]
    go_on.set()
    while consumer._left_behind:  # noqa: ASYNC110 - a set has no event
        await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


async def test_a_crash_is_told_with_its_error() -> None:
    async def work() -> RecordOutcome:
        await asyncio.sleep(0)
        raise bug

    bug = RuntimeError("a bug")
    (outcome,) = await consumer_of(ScriptedSettler(work), io.StringIO()).consume([message(sample_order())], PLENTY)
    assert outcome == RecordOutcome(done=False, outcome="crashed", order_id="ord_a", error=bug)


async def test_a_message_that_outlives_the_gateways_key_is_looked_up_and_not_charged_again() -> None:
    ledger, gateway = MemoryLedger(), FakeGateway()
    order = sample_order(created_at=datetime.now(UTC) - timedelta(hours=1))
    settings = Settings(
        orders_table="orders",
        gateway_url="http://gateway.test",
        region="us-east-1",
        gateway_key_window=timedelta(hours=1),
    )
    await ledger.claim(order, owner="died", lease=timedelta(0))
    charge = ChargeRequest(
        order_id=order.order_id,
        amount_minor=order.total_minor,
        currency=order.currency,
        customer_id=order.customer_id,
    )
    await gateway.charge(charge, timeout=timedelta(seconds=1))
    gateway.forget_keys()
    consumer = build_consumer(
        settings,
        connections=Connections(ledger=ledger, gateway=gateway, dead_letters=None),
        log=JsonLog(io.StringIO()),
    )
    (outcome,) = await consumer.consume([message(order)], PLENTY)
    assert (outcome.done, gateway.charged(order.order_id)) == (True, 1)
