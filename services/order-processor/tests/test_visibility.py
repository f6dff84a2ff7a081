"""What is being worked stays hidden from everybody else."""

import asyncio
from datetime import timedelta

from order_processor.testing import Rig, loop_time


async def test_a_payment_longer_than_the_visibility_is_delivered_once() -> None:
    rig = Rig(workers=15, visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    orders = await rig.place(15)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.all_are(orders)
    assert rig.metric("processor_redeliveries_total") == 0
    assert len(rig.gateway.requests) == 15


async def test_a_short_payment_costs_no_extension() -> None:
    rig = Rig()
    rig.gateway.latency = timedelta(seconds=3)
    await rig.place(40)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.queue.changes == []


async def test_an_extension_that_fails_is_tried_again_in_time() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    tries = 0

    def refuse_every_other(call: str, _receipt: str) -> bool:
        nonlocal tries
        tries += call == "change_visibility"
        return call == "change_visibility" and tries % 2 == 1

    rig.queue.refuse = refuse_every_other
    await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert tries > 4
    assert rig.metric("processor_redeliveries_total") == 0


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


async def test_a_message_lost_to_another_consumer_is_counted_and_no_longer_extended() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0, workers=1)
    rig.gateway.latency = timedelta(seconds=25)
    await rig.place(1)
    async with rig.running():
        await rig.gateway.until_in_flight(1)
        rig.queue.stored["m1"].receipt = "m1/elsewhere"
        await rig.until(lambda: rig.metric("processor_visibility_lost_total") == 1)
        seen = len(rig.queue.changes)
        await asyncio.sleep(10)
        assert len(rig.queue.changes) == seen


async def test_a_hand_back_that_fails_is_tried_again() -> None:
    rig = Rig()
    rig.gateway.hold()
    await rig.place(1)
    refused: list[str] = []

    def refuse_twice(call: str, _receipt: str) -> bool:
        refused.append(call)
        return len(refused) <= 2

    rig.settings = rig.settings.model_copy(update={"drain_seconds": 2.0})
    async with rig.running():
        await rig.gateway.until_in_flight(1)
        rig.queue.refuse = refuse_twice
        rig.stop.set()
    assert refused == ["change_visibility"] * 3
    assert len(rig.queue.visible()) == 1
    assert loop_time() < 5
