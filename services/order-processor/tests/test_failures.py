"""What becomes of messages that cannot be settled, or not now."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashmsg import OrderPlaced, OrderStatus, encode
from flashpay.testing import Reply
from order_processor.testing import ProcessorHarness

POISON = ['{"no": "event"}', "not json", '{"Type":"Notification","Message":"{}"}', "\u00ff", "[]"]


@pytest.mark.parametrize("body", POISON)
async def test_poison_goes_to_the_dead_letter_queue_unchanged_with_its_reason(body: str) -> None:
    processor = ProcessorHarness()
    await processor.queue.send(body, attributes={"type": "who-knows"})
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    (dead,) = processor.dead.stored.values()
    assert dead.body == body
    assert dead.attributes["dead_letter_reason"] == "malformed"
    assert dead.attributes["type"] == "who-knows"
    assert all(value for value in dead.attributes.values())
    assert processor.metric("processor_poison_total", reason="malformed") == 1


async def test_poison_does_not_hold_up_orders() -> None:
    processor = ProcessorHarness(workers=1)
    await processor.queue.send("poison", attributes={})
    orders = await processor.place(2)
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
    assert not processor.queue.stored


async def test_a_message_is_not_deleted_before_the_dead_letter_queue_has_it() -> None:
    processor = ProcessorHarness()
    processor.dead.unavailable = True
    await processor.queue.send("poison", attributes={})
    async with processor.running():
        await processor.until(lambda: processor.metric("processor_messages_total", outcome="retry") >= 2)
        assert list(processor.queue.stored) == ["m1"]
        processor.dead.unavailable = False
        await processor.until(lambda: not processor.queue.stored)
    assert len(processor.dead.stored) == 1


async def test_a_transient_failure_comes_back_and_completes() -> None:
    processor = ProcessorHarness()
    processor.gateway.plan(Reply.FAIL, Reply.FAIL)
    orders = await processor.place(1)
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
    assert processor.metric("processor_messages_total", outcome="retry") == 2
    assert processor.ledger.entries[orders[0].order_id].attempt == 3
    assert processor.queue.changes[0].after <= timedelta(seconds=1)


async def test_a_lost_reply_costs_no_redelivery() -> None:
    processor = ProcessorHarness()
    processor.gateway.plan(Reply.LOSE)
    orders = await processor.place(1)
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
    assert processor.metric("processor_messages_total", outcome="retry") == 0
    assert (len(processor.gateway.requests), len(processor.gateway.lookups)) == (1, 1)


async def test_a_decline_is_an_answer() -> None:
    processor = ProcessorHarness()
    processor.gateway.plan(Reply.DECLINE)
    orders = await processor.place(1)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.status(orders[0]) is OrderStatus.DECLINED
    assert processor.metric("orders_settled_total", status="declined") == 1


async def test_an_exhausted_message_fails_its_order_and_can_be_redriven() -> None:
    processor = ProcessorHarness(max_receives=3)
    processor.gateway.for_customers = {1: Reply.FAIL}
    (order,) = await processor.place(1)
    body = processor.queue.stored["m1"].body
    async with processor.running():
        await processor.until(lambda: processor.dead.stored)
        assert processor.status(order) is OrderStatus.FAILED
        (dead,) = processor.dead.stored.values()
        assert dead.body == body
        assert dead.attributes["dead_letter_reason"] == "exhausted"
        assert dead.attributes["dead_letter_receives"] == "3"
        assert "server_error" in dead.attributes["dead_letter_detail"]
        await processor.until(lambda: not processor.queue.stored)

        processor.gateway.for_customers = {}
        # A client's repeat opens it no more than a message that was published twice: only a redrive does.
        await processor.queue.send(dead.body, attributes={})
        await processor.until(lambda: not processor.queue.stored)
        assert processor.status(order) is OrderStatus.FAILED
        await processor.queue.send(dead.body, attributes=dead.attributes)
        await processor.until(lambda: processor.all_are([order]))
    assert processor.metric("orders_settled_total", status="failed") == 1


async def test_a_refused_charge_fails_at_once_with_its_reason() -> None:
    processor = ProcessorHarness()
    order = processor.order()
    cheaper = order.model_copy(update={"customer_id": 2})
    await processor.queue.send(encode(OrderPlaced.of(order)), attributes={})
    async with processor.running():
        await processor.until(lambda: processor.all_are([order]))
        # The gateway knows the key, our ledger lost the order: the content differs.
        del processor.ledger.entries[order.order_id]
        await processor.queue.send(encode(OrderPlaced.of(cheaper)), attributes={})
        await processor.until(lambda: processor.dead.stored)
    (dead,) = processor.dead.stored.values()
    assert dead.attributes["dead_letter_reason"] == "key_reused"
    assert processor.status(order) is OrderStatus.FAILED


async def test_a_duplicate_is_acknowledged_and_charged_once() -> None:
    processor = ProcessorHarness()
    order = processor.order()
    for _ in range(2):
        await processor.queue.send(encode(OrderPlaced.of(order)), attributes={})
    processor.gateway.latency = timedelta(seconds=3)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert len(processor.gateway.requests) == 1
    # The second delivery met the first one's lease, and came back after it.
    assert processor.metric("processor_messages_total", outcome="busy") == 1
    assert processor.metric("processor_messages_total", outcome="duplicate") == 1


async def test_a_held_order_comes_back_when_its_lease_ends() -> None:
    processor = ProcessorHarness()
    (order,) = await processor.place(1)
    await processor.ledger.claim(order, owner="somebody who died", lease=timedelta(seconds=30))
    async with processor.running():
        seconds = await processor.until(lambda: processor.all_are([order]))
    assert 30 <= seconds <= 32
    assert processor.metric("processor_redeliveries_total") == 1


async def test_another_content_under_the_same_id_is_counted_and_never_charged() -> None:
    processor = ProcessorHarness()
    (order,) = await processor.place(1)
    other = order.model_copy(update={"customer_id": 7})
    async with processor.running():
        await processor.until(lambda: processor.all_are([order]))
        await processor.queue.send(encode(OrderPlaced.of(other)), attributes={})
        await processor.until(lambda: not processor.queue.stored)
    assert processor.metric("processor_messages_total", outcome="mismatch") == 1
    assert len(processor.gateway.requests) == 1
    assert not processor.dead.stored


@pytest.mark.parametrize("down", ["gateway", "hanging gateway", "ledger"])
async def test_an_outage_of_hours_fails_no_order(down: str) -> None:
    processor = ProcessorHarness(workers=10, max_receives=4)
    orders = await processor.place(60)
    processor.ledger.unavailable = down == "ledger"
    processor.gateway.default = {"gateway": Reply.FAIL, "hanging gateway": Reply.HANG}.get(down, Reply.APPROVE)
    async with processor.running():
        await asyncio.sleep(3 * 3600)
        assert processor.metric("processor_paused") == 1
        calls = len(processor.gateway.requests) + len(processor.ledger.calls)
        assert calls < 3 * 3600  # the sick part is left in peace
        processor.ledger.unavailable, processor.gateway.default = False, Reply.APPROVE
        processor.gateway.restart()  # what hung is forgotten by the provider
        back = processor.now()
        await processor.until(lambda: processor.all_are(orders))
        assert processor.now() - back < timedelta(seconds=20)
        await processor.until(lambda: not processor.queue.stored)
        assert processor.metric("processor_paused") == 0
    assert not processor.dead.stored
    assert processor.metric("processor_messages_total", outcome="failed") == 0


async def test_an_outage_is_told_once_at_each_end() -> None:
    processor = ProcessorHarness(workers=10)
    processor.gateway.default = Reply.FAIL
    orders = await processor.place(10)
    with capture_logs() as lines:
        async with processor.running():
            await asyncio.sleep(600)
            processor.gateway.default = Reply.APPROVE
            await processor.until(lambda: processor.all_are(orders))
    told = [line for line in lines if line["event"].startswith("outage_")]
    assert [line["event"] for line in told] == ["outage_started", "outage_ended"]
    assert told[0]["reason"] == "server_error"
    assert 595 < told[1]["seconds"] < 610


async def test_few_messages_also_outlive_an_outage() -> None:
    processor = ProcessorHarness(workers=10, max_receives=6)
    processor.gateway.default = Reply.FAIL
    orders = await processor.place(1)
    async with processor.running():
        await asyncio.sleep(3600)
        processor.gateway.default = Reply.APPROVE
        await processor.until(lambda: processor.all_are(orders) or processor.dead.stored)
    assert processor.all_are(orders)


async def test_during_an_outage_nothing_more_is_taken_than_was_in_hand() -> None:
    processor = ProcessorHarness(workers=4)
    processor.gateway.default = Reply.FAIL
    await processor.place(100)
    async with processor.running():
        await asyncio.sleep(1800)
        taken = sum(stored.receive_count > 0 for stored in processor.queue.stored.values())
    assert taken <= 4 + 5  # the slots, and those that failed before the outage was known


async def test_the_trace_goes_on_to_the_charge() -> None:
    processor = ProcessorHarness()
    trace = "0af7651916cd43dd8448eb211c80319c"
    await processor.place(1, traceparent=f"00-{trace}-b7ad6b7169203331-01")
    body = encode(OrderPlaced.of(processor.order()))
    await processor.queue.send(body, attributes={"traceparent": f"00-{trace[::-1]}-b7ad6b7169203331-01"})
    await processor.place(1)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    sent = [str(request.traceparent).split("-") for request in processor.gateway.requests]
    assert [parts[1] for parts in sent][:2] == [trace, trace[::-1]]
    assert all(len(parts[1]) == 32 and parts[2] != "b7ad6b7169203331" for parts in sent)
