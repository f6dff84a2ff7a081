"""What is being worked stays hidden from everybody else."""

import asyncio
from datetime import timedelta

from order_processor.testing import ProcessorHarness


async def test_a_payment_longer_than_the_visibility_is_delivered_once() -> None:
    processor = ProcessorHarness(workers=15, visibility_seconds=6, payment_timeout_seconds=28.0)
    processor.gateway.latency = timedelta(seconds=25)
    orders = await processor.place(15)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.all_are(orders)
    assert processor.metric("processor_redeliveries_total") == 0
    assert len(processor.gateway.requests) == 15


async def test_extensions_go_on_during_the_drain() -> None:
    processor = ProcessorHarness(visibility_seconds=6, payment_timeout_seconds=28.0)
    processor.gateway.latency = timedelta(seconds=25)
    orders = await processor.place(3)
    async with processor.running():
        await processor.gateway.until_in_flight(3)
        processor.stop.set()
        await asyncio.sleep(20)
        assert processor.queue.visible() == []
    assert processor.all_are(orders)
    assert processor.queue.stored == {}
