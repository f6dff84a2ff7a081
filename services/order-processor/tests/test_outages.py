"""A provider or a ledger that is slow or away: what is in flight stays bounded, and no receive is lost to it."""

import asyncio
import random
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_processor.testing import ProcessorHarness
from order_processor.testing.bad_orders import BAD, HOUR, seconds_to_complete

pytestmark = pytest.mark.long


async def test_a_slow_provider_never_has_more_in_flight_than_there_are_slots() -> None:
    processor = ProcessorHarness(workers=8, max_receives=6)
    processor.gateway.latency = timedelta(seconds=30)  # the payment timeout is 10 s
    orders = await processor.place(60)
    async with processor.running():
        seconds = await seconds_to_complete(processor, orders)
    assert processor.gateway.peak_at_work == 8
    assert seconds < 60 / 8 * 36
    assert (processor.metric("processor_redeliveries_total"), len(processor.gateway.requests)) == (0, 60)
    assert not processor.dead.stored


@pytest.mark.parametrize("seed", [1, 44, 97])
async def test_a_provider_without_lookups_has_no_more_in_flight_either(seed: int) -> None:
    # Of the pauses' jitter: with 1 and 44 the breaker closes while other charges are still worked on.
    random.seed(seed)
    processor = ProcessorHarness(workers=8, max_receives=6)
    processor.gateway.latency = timedelta(seconds=30)
    processor.gateway.lookups_known = False
    orders = await processor.place(60)
    async with processor.running():
        await seconds_to_complete(processor, orders)
    assert processor.gateway.peak_at_work == 8
    assert not processor.dead.stored


@pytest.mark.parametrize("lookups", [True, False])
async def test_a_provider_that_hangs_for_twelve_hours_fails_nobody(*, lookups: bool) -> None:
    processor = ProcessorHarness(workers=8, max_receives=6)
    processor.gateway.default = Reply.HANG
    processor.gateway.lookups_known = lookups
    orders = await processor.place(60)
    async with processor.running():
        await asyncio.sleep(280)
        assert processor.gateway.peak_at_work == 8
        await asyncio.sleep(12 * HOUR)
        # One more charge each time an order leaves, in case it is the orders that hang and not the provider.
        assert processor.gateway.peak_at_work <= 8 + 10
        assert not any(processor.status(order) is OrderStatus.FAILED for order in orders)
        processor.gateway.default = Reply.APPROVE
        processor.gateway.restart()
        await seconds_to_complete(processor, orders)
    assert not processor.dead.stored
    assert all(processor.gateway.charged(order.order_id) == 1 for order in orders)


@pytest.mark.parametrize("reply", [Reply.FAIL, Reply.REFUSE])
async def test_a_real_outage_costs_nobody_a_receive(reply: Reply) -> None:
    processor = ProcessorHarness(workers=8, max_receives=4)
    processor.gateway.default = reply
    orders = await processor.place(60)
    async with processor.running():
        await asyncio.sleep(60)
        before = {message_id: stored.receive_count for message_id, stored in processor.queue.stored.items()}
        await asyncio.sleep(3 * HOUR)
        assert {message_id: stored.receive_count for message_id, stored in processor.queue.stored.items()} == before
        assert max(before.values()) <= 2
        processor.gateway.default = Reply.APPROVE
        assert await seconds_to_complete(processor, orders) < 20


async def test_few_orders_and_a_real_outage_cost_no_more_than_the_receives_before_it_is_known() -> None:
    processor = ProcessorHarness(workers=8, max_receives=6)
    processor.gateway.default = Reply.REFUSE
    orders = await processor.place(2)
    async with processor.running():
        await asyncio.sleep(3 * HOUR)
        assert max(stored.receive_count for stored in processor.queue.stored.values()) <= 5
        processor.gateway.default = Reply.APPROVE
        await seconds_to_complete(processor, orders)


async def test_a_provider_that_charges_nobody_but_answers_fails_nobody_in_three_hours() -> None:
    processor = ProcessorHarness(workers=8, max_receives=4)
    processor.gateway.for_customers[BAD] = Reply.FAIL
    orders = await processor.place(60, customer_id=BAD)
    async with processor.running():
        await asyncio.sleep(3 * HOUR)
        processor.gateway.for_customers.clear()
        await seconds_to_complete(processor, orders)
    assert not processor.dead.stored


@pytest.mark.parametrize("down", ["gateway", "ledger"])
async def test_an_outage_outlives_restarts(down: str) -> None:
    processor = ProcessorHarness(workers=8, max_receives=6, wait_seconds=1)
    processor.gateway.default = Reply.REFUSE if down == "gateway" else Reply.APPROVE
    processor.ledger.unavailable = down == "ledger"
    orders = await processor.place(30)
    for _ in range(3):
        processor.stop, processor.registry = asyncio.Event(), CollectorRegistry()
        async with processor.running():
            await asyncio.sleep(HOUR)
    assert max(stored.receive_count for stored in processor.queue.stored.values()) <= 2 * 3  # two a start at most
    processor.gateway.default, processor.ledger.unavailable = Reply.APPROVE, False
    processor.stop, processor.registry = asyncio.Event(), CollectorRegistry()
    async with processor.running():
        await seconds_to_complete(processor, orders)
    assert not processor.dead.stored


async def test_a_stall_is_told_and_ends() -> None:
    processor = ProcessorHarness(workers=4)
    processor.gateway.default = Reply.FAIL
    async with processor.running():
        assert processor.consumer is not None
        await asyncio.sleep(HOUR)
        assert not processor.consumer.stalled  # nothing waits
        await processor.place(6)
        await asyncio.sleep(299)
        assert (processor.consumer.stalled, processor.metric("processor_stalled")) == (False, 0)
        await asyncio.sleep(2)
        assert (processor.consumer.stalled, processor.metric("processor_stalled")) == (True, 1)
        processor.gateway.default = Reply.APPROVE
        await asyncio.sleep(10)
        assert (processor.consumer.stalled, processor.metric("processor_stalled")) == (False, 0)


async def test_a_processor_that_has_nothing_any_more_does_not_stall() -> None:
    processor = ProcessorHarness(workers=4)
    processor.gateway.for_customers[BAD] = Reply.FAIL
    await processor.place(customer_id=BAD)
    async with processor.running():
        assert processor.consumer is not None
        await asyncio.sleep(1)
        processor.queue.stored.clear()  # another processor has taken it
        await asyncio.sleep(HOUR)
        assert not processor.consumer.stalled
