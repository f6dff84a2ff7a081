"""The flow of messages through slots."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_processor.testing import FakeQueue, Rig, loop_time


async def test_every_order_is_completed_and_its_message_deleted() -> None:
    rig = Rig()
    rig.gateway.latency = timedelta(seconds=3)
    orders = await rig.place(45)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.all_are(orders)
    assert len(rig.gateway.requests) == 45
    assert rig.metric("orders_settled_total", status="completed") == 45


async def test_never_more_payments_in_flight_than_slots() -> None:
    rig = Rig(workers=7)
    rig.gateway.latency = timedelta(seconds=1)
    orders = await rig.place(60)
    async with rig.running():
        await rig.until(lambda: rig.all_are(orders))
    assert rig.gateway.peak_in_flight == 7


@pytest.mark.parametrize(("payment", "efficiency"), [(3.0, 0.98), (0.3, 0.90)])
async def test_a_hundred_slots_are_kept_busy(payment: float, efficiency: float) -> None:
    rig = Rig(workers=100)
    rig.queue.round_trip = timedelta(milliseconds=10)
    rig.gateway.latency = timedelta(seconds=payment)
    orders = await rig.place(1500)
    async with rig.running():
        started = loop_time()
        seconds = await rig.until(lambda: rig.all_are(orders)) - started
    assert 1500 / seconds >= efficiency * 100 / payment


async def test_a_slow_message_does_not_hold_up_the_others() -> None:
    rig = Rig(workers=3)
    rig.gateway.latency = timedelta(seconds=0.1)
    rig.gateway.plan(Reply.HANG)
    orders = await rig.place(30)
    async with rig.running():
        seconds = await rig.until(lambda: sum(rig.all_are([order]) for order in orders) == 29)
        assert seconds < 3
        rig.gateway.restart()
        await rig.until(lambda: rig.all_are(orders))


async def test_a_crash_takes_no_sibling_down() -> None:
    rig = Rig(workers=5)
    orders = await rig.place(10)
    crashes = 0

    async def crash_once(place: str) -> None:
        nonlocal crashes
        await asyncio.sleep(0)
        if place == "claim.called" and not crashes:
            crashes += 1
            raise RuntimeError("a bug")

    rig.ledger._checkpoint = crash_once
    async with rig.running():
        await rig.until(lambda: rig.all_are(orders))
    assert crashes == 1
    assert rig.metric("processor_messages_total", outcome="crashed") == 1
    assert rig.metric("processor_redeliveries_total") == 1


async def test_receiving_goes_on_after_the_queue_was_away() -> None:
    rig = Rig()
    orders = await rig.place(5)
    rig.queue.unavailable = True
    async with rig.running():
        assert rig.consumer is not None
        await rig.until(lambda: not rig.consumer or not rig.consumer.receiving)
        await asyncio.sleep(600)
        rig.queue.unavailable = False
        back = loop_time()
        assert await rig.until(lambda: rig.all_are(orders)) - back < 11
        assert rig.consumer.receiving
    assert rig.metric("processor_receive_failures_total", reason="unreachable") < 600


async def test_slots_busy_are_shown() -> None:
    rig = Rig(workers=4)
    rig.gateway.hold()
    await rig.place(9)
    async with rig.running():
        await rig.gateway.until_in_flight(4)
        assert rig.metric("processor_slots_busy") == 4
        assert rig.metric("processor_slots") == 4
        rig.gateway.let_go()
        await rig.until(lambda: not rig.queue.stored)
        assert rig.metric("processor_slots_busy") == 0


async def test_a_broken_loop_ends_the_process_and_gives_the_leases_back() -> None:
    class Broken(FakeQueue):
        async def delete_batch(self, receipts: Sequence[str]) -> list[object]:  # type: ignore[override]
            raise RuntimeError(f"a bug over {len(receipts)} receipts")

    rig = Rig(workers=2)
    rig.queue = Broken()
    orders = await rig.place(2)
    rig.gateway.plan(Reply.APPROVE, Reply.HANG)
    with pytest.raises(ExceptionGroup) as caught:
        async with rig.running() as task:
            await asyncio.wait([task])
    assert caught.group_contains(RuntimeError, match="a bug over 1 receipts")
    entries = [rig.ledger.entries[order.order_id] for order in orders]
    assert [entry.status for entry in entries] == [OrderStatus.COMPLETED, OrderStatus.PROCESSING]
    assert entries[1].lease_until is not None
    assert entries[1].lease_until <= rig.now()


async def test_an_acknowledgement_that_never_works_is_given_up_and_the_duplicate_acknowledged() -> None:
    rig = Rig(visibility_seconds=40)
    rig.queue.refuse = lambda call, receipt: call == "delete" and receipt == "m1/1"
    await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.metric("processor_ack_given_up_total") == 1
    assert rig.metric("processor_messages_total", outcome="duplicate") == 1
    assert len(rig.gateway.requests) == 1
