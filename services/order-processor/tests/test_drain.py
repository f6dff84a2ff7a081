"""Leaving: finish what is in flight, hand back the rest, lose nothing."""

import asyncio
from datetime import timedelta

from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_processor.testing import ProcessorHarness, loop_time


async def test_a_drain_under_load_loses_nothing() -> None:
    processor = ProcessorHarness(workers=20)
    processor.queue.round_trip = timedelta(milliseconds=10)
    processor.gateway.latency = timedelta(seconds=3)
    orders = await processor.place(200)
    stop_at = loop_time() + 4.5
    async with processor.running() as consumer:
        await asyncio.sleep(4.5)
        processor.stop.set()
        await consumer
    assert loop_time() - stop_at < 3.2
    completed = {order.order_id for order in orders if processor.status(order) is OrderStatus.COMPLETED}
    assert len(completed) == 40
    assert len(processor.queue.stored) == 160
    # Whatever was not completed is there for the next processor at once.
    assert len(processor.queue.visible()) == 160
    assert not any(processor.status(order) is OrderStatus.PROCESSING for order in orders)


async def test_payments_that_outlast_the_drain_are_cut_short_and_given_back() -> None:
    processor = ProcessorHarness(drain_seconds=2.0, wait_seconds=0)
    processor.gateway.default = Reply.HANG
    (order,) = await processor.place(1)
    async with processor.running() as consumer:
        await processor.gateway.until_in_flight(1)
        started = loop_time()
        processor.stop.set()
        await consumer
    assert loop_time() - started < 3
    assert len(processor.queue.visible()) == 1
    entry = processor.ledger.entries[order.order_id]
    assert entry.lease_until is not None
    assert entry.lease_until <= processor.now()


async def test_messages_held_in_an_outage_are_handed_back_at_once() -> None:
    processor = ProcessorHarness(workers=10, wait_seconds=1)
    processor.gateway.default = Reply.FAIL
    await processor.place(40)
    async with processor.running() as consumer:
        await asyncio.sleep(60)
        started = loop_time()
        processor.stop.set()
        await consumer
    assert loop_time() - started < 2
    assert len(processor.queue.visible()) >= 40 - 5  # a few failed before the outage was known, and are away
    assert processor.metric("processor_messages_total", outcome="handed_back") == 10  # every slot's


async def test_a_queue_that_hangs_does_not_hold_up_the_end() -> None:
    processor = ProcessorHarness(wait_seconds=0, drain_seconds=2.0)
    processor.gateway.default = Reply.HANG
    (order,) = await processor.place(1)
    async with processor.running() as consumer:
        await processor.gateway.until_in_flight(1)
        processor.queue.round_trip = timedelta(hours=1)
        started = loop_time()
        processor.stop.set()
        await consumer
    assert loop_time() - started < 2 + 5 + 1  # the drain, then the time to flush
    # Nothing was charged and nothing is lost: the message comes again when its visibility ends.
    assert processor.status(order) is OrderStatus.PROCESSING
    assert len(processor.queue.stored) == 1
