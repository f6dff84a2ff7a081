"""The flow of messages through slots."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashmsg import Order, OrderStatus
from flashpay import ChargeRequest
from flashpay.testing import Reply
from order_processor.testing import FakeQueue, ProcessorHarness, loop_time


def charge_of(order: Order) -> ChargeRequest:
    return ChargeRequest(
        order_id=order.order_id,
        amount_minor=order.total_minor,
        currency=order.currency,
        customer_id=order.customer_id,
    )


async def test_every_order_is_completed_and_its_message_deleted() -> None:
    processor = ProcessorHarness()
    processor.gateway.latency = timedelta(seconds=3)
    orders = await processor.place(45)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.all_are(orders)
    assert len(processor.gateway.requests) == 45
    assert processor.metric("orders_settled_total", status="completed") == 45


async def test_never_more_payments_in_flight_than_slots() -> None:
    processor = ProcessorHarness(workers=7)
    processor.gateway.latency = timedelta(seconds=1)
    orders = await processor.place(60)
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
    assert processor.gateway.peak_in_flight == 7


@pytest.mark.long
@pytest.mark.parametrize(("payment", "efficiency"), [(3.0, 0.98), (0.3, 0.90)])
async def test_a_hundred_slots_are_kept_busy(payment: float, efficiency: float) -> None:
    processor = ProcessorHarness(workers=100)
    processor.queue.round_trip = timedelta(milliseconds=10)
    processor.gateway.latency = timedelta(seconds=payment)
    orders = await processor.place(1500)
    async with processor.running():
        started = loop_time()
        seconds = await processor.until(lambda: processor.all_are(orders)) - started
    assert 1500 / seconds >= efficiency * 100 / payment


async def test_a_slow_message_does_not_hold_up_the_others() -> None:
    processor = ProcessorHarness(workers=3)
    processor.gateway.latency = timedelta(seconds=0.1)
    processor.gateway.plan(Reply.HANG)
    orders = await processor.place(30)
    async with processor.running():
        seconds = await processor.until(lambda: sum(processor.all_are([order]) for order in orders) == 29)
        assert seconds < 3
        processor.gateway.restart()
        await processor.until(lambda: processor.all_are(orders))


async def test_a_crash_takes_no_sibling_down() -> None:
    processor = ProcessorHarness(workers=5)
    orders = await processor.place(10)
    crashes = 0

    async def crash_once(place: str) -> None:
        nonlocal crashes
        await asyncio.sleep(0)
        if place == "claim.called" and not crashes:
            crashes += 1
            raise RuntimeError("a bug")

    processor.ledger._checkpoint = crash_once
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
    assert crashes == 1
    assert processor.metric("processor_messages_total", outcome="crashed") == 1
    assert processor.metric("processor_redeliveries_total") == 1


async def test_receiving_goes_on_after_the_queue_was_away() -> None:
    processor = ProcessorHarness()
    orders = await processor.place(5)
    processor.queue.unavailable = True
    async with processor.running():
        assert processor.consumer is not None
        await processor.until(lambda: not processor.consumer or not processor.consumer.receiving)
        await asyncio.sleep(600)
        processor.queue.unavailable = False
        back = loop_time()
        assert await processor.until(lambda: processor.all_are(orders)) - back < 11
        assert processor.consumer.receiving
    assert processor.metric("processor_receive_failures_total", reason="unreachable") < 600


async def test_slots_busy_are_shown() -> None:
    processor = ProcessorHarness(workers=4)
    processor.gateway.hold()
    await processor.place(9)
    async with processor.running():
        await processor.gateway.until_in_flight(4)
        assert processor.metric("processor_slots_busy") == 4
        assert processor.metric("processor_slots") == 4
        processor.gateway.let_go()
        await processor.until(lambda: not processor.queue.stored)
        assert processor.metric("processor_slots_busy") == 0


async def test_a_broken_loop_ends_the_process_and_gives_the_leases_back() -> None:
    class Broken(FakeQueue):
        async def delete_batch(self, receipts: Sequence[str]) -> list[object]:  # type: ignore[override]
            raise RuntimeError(f"a bug over {len(receipts)} receipts")

    processor = ProcessorHarness(workers=2)
    processor.queue = Broken()
    orders = await processor.place(2)
    processor.gateway.plan(Reply.APPROVE, Reply.HANG)
    with pytest.raises(ExceptionGroup) as caught:
        async with processor.running() as task:
            await asyncio.wait([task])
    assert caught.group_contains(RuntimeError, match="a bug over 1 receipts")
    entries = [processor.ledger.entries[order.order_id] for order in orders]
    assert [entry.status for entry in entries] == [OrderStatus.COMPLETED, OrderStatus.PROCESSING]
    assert entries[1].lease_until is not None
    assert entries[1].lease_until <= processor.now()


async def test_an_acknowledgement_that_never_works_is_given_up_and_the_duplicate_acknowledged() -> None:
    processor = ProcessorHarness(visibility_seconds=40)
    processor.queue.refuse = lambda call, receipt: call == "delete" and receipt == "m1/1"
    await processor.place(1)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.metric("processor_ack_given_up_total") == 1
    assert processor.metric("processor_messages_total", outcome="duplicate") == 1
    assert len(processor.gateway.requests) == 1


async def test_a_message_that_outlives_the_gateways_key_is_looked_up_and_not_charged_again() -> None:
    processor = ProcessorHarness(gateway_key_window_seconds=60)
    (order,) = await processor.place()
    await processor.ledger.claim(order, owner="died", lease=timedelta(seconds=1))
    await processor.gateway.charge(charge_of(order), timeout=timedelta(seconds=1))
    processor.gateway.forget_keys()
    await asyncio.sleep(60)
    async with processor.running():
        await processor.until(lambda: processor.all_are([order]))
    assert processor.gateway.charged(order.order_id) == 1
