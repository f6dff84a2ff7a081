"""What is being worked stays hidden from everybody else."""

import asyncio
from datetime import timedelta

from order_processor.testing import Rig


async def test_a_payment_longer_than_the_visibility_is_delivered_once() -> None:
    rig = Rig(workers=15, visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    orders = await rig.place(15)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.all_are(orders)
    assert rig.metric("processor_redeliveries_total") == 0
    assert len(rig.gateway.requests) == 15


async def test_extensions_go_on_during_the_drain() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    orders = await rig.place(3)
    async with rig.running():
        await rig.gateway.until_in_flight(3)
        rig.stop.set()
        await asyncio.sleep(20)
        assert rig.queue.visible() == []
    assert rig.all_are(orders)
    assert rig.queue.stored == {}
