"""Leaving: finish what is in flight, hand back the rest, lose nothing."""

import asyncio
from datetime import timedelta

from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_processor.testing import Rig, loop_time


async def test_a_drain_under_load_loses_nothing() -> None:
    rig = Rig(workers=20)
    rig.queue.round_trip = timedelta(milliseconds=10)
    rig.gateway.latency = timedelta(seconds=3)
    orders = await rig.place(200)
    stop_at = loop_time() + 4.5
    async with rig.running() as consumer:
        await asyncio.sleep(4.5)
        rig.stop.set()
        await consumer
    assert loop_time() - stop_at < 3.2
    completed = {order.order_id for order in orders if rig.status(order) is OrderStatus.COMPLETED}
    assert len(completed) == 40
    assert len(rig.queue.stored) == 160
    # Whatever was not completed is there for the next processor at once.
    assert len(rig.queue.visible()) == 160
    assert not any(rig.status(order) is OrderStatus.PROCESSING for order in orders)


async def test_payments_that_outlast_the_drain_are_cut_short_and_given_back() -> None:
    rig = Rig(drain_seconds=2.0, wait_seconds=0)
    rig.gateway.default = Reply.HANG
    (order,) = await rig.place(1)
    async with rig.running() as consumer:
        await rig.gateway.until_in_flight(1)
        started = loop_time()
        rig.stop.set()
        await consumer
    assert loop_time() - started < 3
    assert len(rig.queue.visible()) == 1
    entry = rig.ledger.entries[order.order_id]
    assert entry.lease_until is not None
    assert entry.lease_until <= rig.now()


async def test_messages_held_in_an_outage_are_handed_back_at_once() -> None:
    rig = Rig(workers=10, wait_seconds=1)
    rig.gateway.default = Reply.FAIL
    await rig.place(40)
    async with rig.running() as consumer:
        await asyncio.sleep(60)
        started = loop_time()
        rig.stop.set()
        await consumer
    assert loop_time() - started < 2
    assert len(rig.queue.visible()) >= 40 - 5  # a few failed before the outage was known, and are away


async def test_a_queue_that_hangs_does_not_hold_up_the_end() -> None:
    rig = Rig(wait_seconds=0, drain_seconds=2.0)
    rig.gateway.default = Reply.HANG
    (order,) = await rig.place(1)
    async with rig.running() as consumer:
        await rig.gateway.until_in_flight(1)
        rig.queue.round_trip = timedelta(hours=1)
        started = loop_time()
        rig.stop.set()
        await consumer
    assert loop_time() - started < 2 + 5 + 1  # the drain, then the time to flush
    # Nothing was charged and nothing is lost: the message comes again when its visibility ends.
    assert rig.status(order) is OrderStatus.PROCESSING
    assert len(rig.queue.stored) == 1
