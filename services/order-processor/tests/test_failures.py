"""What becomes of messages that cannot be settled, or not now."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashmsg import OrderPlaced, OrderStatus, encode
from flashpay.testing import Reply
from order_processor.testing import Rig

POISON = ['{"no": "event"}', "not json", '{"Type":"Notification","Message":"{}"}', "\u00ff", "[]"]


@pytest.mark.parametrize("body", POISON)
async def test_poison_goes_to_the_dead_letter_queue_unchanged_with_its_reason(body: str) -> None:
    rig = Rig()
    await rig.queue.send(body, attributes={"type": "who-knows"})
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    (dead,) = rig.dead.stored.values()
    assert dead.body == body
    assert dead.attributes["dead_letter_reason"] == "malformed"
    assert dead.attributes["type"] == "who-knows"
    assert all(value for value in dead.attributes.values())
    assert rig.metric("processor_poison_total", reason="malformed") == 1


async def test_poison_does_not_hold_up_orders() -> None:
    rig = Rig(workers=1)
    await rig.queue.send("poison", attributes={})
    orders = await rig.place(2)
    async with rig.running():
        await rig.until(lambda: rig.all_are(orders))
    assert not rig.queue.stored


async def test_a_message_is_not_deleted_before_the_dead_letter_queue_has_it() -> None:
    rig = Rig()
    rig.dead.unavailable = True
    await rig.queue.send("poison", attributes={})
    async with rig.running():
        await rig.until(lambda: rig.metric("processor_messages_total", outcome="retry") >= 2)
        assert list(rig.queue.stored) == ["m1"]
        rig.dead.unavailable = False
        await rig.until(lambda: not rig.queue.stored)
    assert len(rig.dead.stored) == 1


async def test_a_transient_failure_comes_back_and_completes() -> None:
    rig = Rig()
    rig.gateway.plan(Reply.FAIL, Reply.FAIL)
    orders = await rig.place(1)
    async with rig.running():
        await rig.until(lambda: rig.all_are(orders))
    assert rig.metric("processor_messages_total", outcome="retry") == 2
    assert rig.ledger.entries[orders[0].order_id].attempt == 3
    assert rig.queue.changes[0].after <= timedelta(seconds=1)


async def test_a_lost_reply_costs_no_redelivery() -> None:
    rig = Rig()
    rig.gateway.plan(Reply.LOSE)
    orders = await rig.place(1)
    async with rig.running():
        await rig.until(lambda: rig.all_are(orders))
    assert rig.metric("processor_messages_total", outcome="retry") == 0
    assert (len(rig.gateway.requests), len(rig.gateway.lookups)) == (1, 1)


async def test_a_decline_is_an_answer() -> None:
    rig = Rig()
    rig.gateway.plan(Reply.DECLINE)
    orders = await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.status(orders[0]) is OrderStatus.DECLINED
    assert rig.metric("orders_settled_total", status="declined") == 1


async def test_an_exhausted_message_fails_its_order_and_can_be_redriven() -> None:
    rig = Rig(max_receives=3)
    rig.gateway.for_customers = {1: Reply.FAIL}
    (order,) = await rig.place(1)
    body = rig.queue.stored["m1"].body
    async with rig.running():
        await rig.until(lambda: rig.dead.stored)
        assert rig.status(order) is OrderStatus.FAILED
        (dead,) = rig.dead.stored.values()
        assert dead.body == body
        assert dead.attributes["dead_letter_reason"] == "exhausted"
        assert dead.attributes["dead_letter_receives"] == "3"
        assert "server_error" in dead.attributes["dead_letter_detail"]
        await rig.until(lambda: not rig.queue.stored)

        rig.gateway.for_customers = {}
        # A client's repeat opens it no more than a message that was published twice: only a redrive does.
        await rig.queue.send(dead.body, attributes={})
        await rig.until(lambda: not rig.queue.stored)
        assert rig.status(order) is OrderStatus.FAILED
        await rig.queue.send(dead.body, attributes=dead.attributes)
        await rig.until(lambda: rig.all_are([order]))
    assert rig.metric("orders_settled_total", status="failed") == 1


async def test_a_refused_charge_fails_at_once_with_its_reason() -> None:
    rig = Rig()
    order = rig.order()
    cheaper = order.model_copy(update={"customer_id": 2})
    await rig.queue.send(encode(OrderPlaced.of(order)), attributes={})
    async with rig.running():
        await rig.until(lambda: rig.all_are([order]))
        # The gateway knows the key, our ledger lost the order: the content differs.
        del rig.ledger.entries[order.order_id]
        await rig.queue.send(encode(OrderPlaced.of(cheaper)), attributes={})
        await rig.until(lambda: rig.dead.stored)
    (dead,) = rig.dead.stored.values()
    assert dead.attributes["dead_letter_reason"] == "key_reused"
    assert rig.status(order) is OrderStatus.FAILED


async def test_a_duplicate_is_acknowledged_and_charged_once() -> None:
    rig = Rig()
    order = rig.order()
    for _ in range(2):
        await rig.queue.send(encode(OrderPlaced.of(order)), attributes={})
    rig.gateway.latency = timedelta(seconds=3)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert len(rig.gateway.requests) == 1
    # The second delivery met the first one's lease, and came back after it.
    assert rig.metric("processor_messages_total", outcome="busy") == 1
    assert rig.metric("processor_messages_total", outcome="duplicate") == 1


async def test_a_held_order_comes_back_when_its_lease_ends() -> None:
    rig = Rig()
    (order,) = await rig.place(1)
    await rig.ledger.claim(order, owner="somebody who died", lease=timedelta(seconds=30))
    async with rig.running():
        seconds = await rig.until(lambda: rig.all_are([order]))
    assert 30 <= seconds <= 32
    assert rig.metric("processor_redeliveries_total") == 1


async def test_another_content_under_the_same_id_is_counted_and_never_charged() -> None:
    rig = Rig()
    (order,) = await rig.place(1)
    other = order.model_copy(update={"customer_id": 7})
    async with rig.running():
        await rig.until(lambda: rig.all_are([order]))
        await rig.queue.send(encode(OrderPlaced.of(other)), attributes={})
        await rig.until(lambda: not rig.queue.stored)
    assert rig.metric("processor_messages_total", outcome="mismatch") == 1
    assert len(rig.gateway.requests) == 1
    assert not rig.dead.stored


@pytest.mark.parametrize("down", ["gateway", "hanging gateway", "ledger"])
async def test_an_outage_of_hours_fails_no_order(down: str) -> None:
    rig = Rig(workers=10, max_receives=4)
    orders = await rig.place(60)
    rig.ledger.unavailable = down == "ledger"
    rig.gateway.default = {"gateway": Reply.FAIL, "hanging gateway": Reply.HANG}.get(down, Reply.APPROVE)
    async with rig.running():
        await asyncio.sleep(3 * 3600)
        assert rig.metric("processor_paused") == 1
        calls = len(rig.gateway.requests) + len(rig.ledger.calls)
        assert calls < 3 * 3600  # the sick part is left in peace
        rig.ledger.unavailable, rig.gateway.default = False, Reply.APPROVE
        rig.gateway.restart()  # what hung is forgotten by the provider
        back = rig.now()
        await rig.until(lambda: rig.all_are(orders))
        assert rig.now() - back < timedelta(seconds=20)
        await rig.until(lambda: not rig.queue.stored)
        assert rig.metric("processor_paused") == 0
    assert not rig.dead.stored
    assert rig.metric("processor_messages_total", outcome="failed") == 0


async def test_an_outage_is_told_once_at_each_end() -> None:
    rig = Rig(workers=10)
    rig.gateway.default = Reply.FAIL
    orders = await rig.place(10)
    with capture_logs() as lines:
        async with rig.running():
            await asyncio.sleep(600)
            rig.gateway.default = Reply.APPROVE
            await rig.until(lambda: rig.all_are(orders))
    told = [line for line in lines if line["event"].startswith("outage_")]
    assert [line["event"] for line in told] == ["outage_started", "outage_ended"]
    assert told[0]["reason"] == "server_error"
    assert 595 < told[1]["seconds"] < 610


async def test_few_messages_also_outlive_an_outage() -> None:
    rig = Rig(workers=10, max_receives=6)
    rig.gateway.default = Reply.FAIL
    orders = await rig.place(1)
    async with rig.running():
        await asyncio.sleep(3600)
        rig.gateway.default = Reply.APPROVE
        await rig.until(lambda: rig.all_are(orders) or rig.dead.stored)
    assert rig.all_are(orders)


async def test_during_an_outage_nothing_more_is_taken_than_was_in_hand() -> None:
    rig = Rig(workers=4)
    rig.gateway.default = Reply.FAIL
    await rig.place(100)
    async with rig.running():
        await asyncio.sleep(1800)
        taken = sum(stored.receive_count > 0 for stored in rig.queue.stored.values())
    assert taken <= 4 + 5  # the slots, and those that failed before the outage was known


async def test_the_trace_goes_on_to_the_charge() -> None:
    rig = Rig()
    trace = "0af7651916cd43dd8448eb211c80319c"
    await rig.place(1, traceparent=f"00-{trace}-b7ad6b7169203331-01")
    body = encode(OrderPlaced.of(rig.order()))
    await rig.queue.send(body, attributes={"traceparent": f"00-{trace[::-1]}-b7ad6b7169203331-01"})
    await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    sent = [str(request.traceparent).split("-") for request in rig.gateway.requests]
    assert [parts[1] for parts in sent][:2] == [trace, trace[::-1]]
    assert all(len(parts[1]) == 32 and parts[2] != "b7ad6b7169203331" for parts in sent)
