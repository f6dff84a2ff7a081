import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from flashmsg import Order, OrderPlaced, OrderStatus, encode
from flashpay import GatewayRefusedError, GatewayUnavailableError, NotCharged, Settlement, Settler
from flashpay.testing import FakeGateway, Reply
from flashpay.testing.orders import sample_order
from lambda_handler.record_outcomes import Invocation
from lambda_handler.records import QueueRecord
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
    (outcome,) = await consume(bench, message(sample_order()))
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


async def test_poison_from_the_queue_goes_to_the_dead_letters_with_its_reason() -> None:
    bench = Bench()
    record = QueueRecord(message_id="m1", receive_count=1, record={"body": "not an order"})
    (outcome,) = await consume(bench, record)
    assert (outcome.done, outcome.outcome) == (True, "poison")
    assert bench.buried == [("not an order", "malformed")]


async def test_poison_from_the_topic_is_left_to_the_failure_destination() -> None:
    bench = Bench()
    (outcome,) = await consume(bench, notification("not an order"))
    assert (outcome.done, outcome.outcome) == (False, "poison")
    assert bench.buried == []


async def test_what_the_gateway_refuses_is_dead_lettered_and_failed() -> None:
    class Refusing:
        async def charge(self, request: object, *, timeout: timedelta) -> object:  # noqa: ASYNC109  # the protocol's
            raise GatewayRefusedError(f"{request} {timeout}", reason="bad_request")

    bench, order = Bench(), sample_order()
    consumer = bench.consumer(gateway=Refusing())  # type: ignore[arg-type]  # never returns
    (outcome,) = await consumer.consume([message(order)], PLENTY)
    assert (outcome.done, outcome.outcome) == (True, "failed")
    assert [reason for _, reason in bench.buried] == ["bad_request"]
    assert bench.ledger.entries[order.order_id].status is OrderStatus.FAILED


async def test_the_last_receive_of_an_order_fails_it_where_a_human_can_see_it() -> None:
    bench, order = Bench(), sample_order()
    bench.gateway.for_customers = {order.customer_id: Reply.FAIL}
    short = Invocation(time_left=timedelta(seconds=1.5), request_id="r1")
    (before,) = await consume(bench, message(order, receive_count=MAX_RECEIVES - 1), within=short)
    (last,) = await consume(bench, message(order, receive_count=MAX_RECEIVES), within=short)
    assert (before.done, last.done, last.outcome) == (False, True, "failed")
    assert [reason for _, reason in bench.buried] == ["exhausted"]
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
