"""What is being worked stays hidden from everybody else."""

import asyncio
import itertools
from datetime import timedelta

from flashbus.testing import ConsumerHarness, loop_time

SHORT = timedelta(seconds=6)
LONG_WORK = timedelta(seconds=25)


async def test_work_longer_than_the_visibility_is_delivered_once() -> None:
    harness = ConsumerHarness(slots=15, visibility=SHORT, latency=LONG_WORK)
    await harness.place(15)
    async with harness.running():
        await harness.until_empty()
    assert len(harness.handled) == 15
    assert harness.observer.told == {"received": 15, "redelivered": 0}


async def test_short_work_costs_no_extension() -> None:
    harness = ConsumerHarness(latency=timedelta(seconds=3))
    await harness.place(40)
    async with harness.running():
        await harness.until_empty()
    assert harness.queue.changes == []


async def test_an_extension_that_fails_is_tried_again_in_time() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK)
    tries = 0

    def refuse_every_other(call: str, _receipt: str) -> bool:
        nonlocal tries
        tries += call == "change_visibility"
        return call == "change_visibility" and tries % 2 == 1

    harness.queue.refuse = refuse_every_other
    await harness.place(1)
    async with harness.running():
        await harness.until_empty()
    assert tries > 4
    assert harness.handled == ["message 0"]


async def test_extensions_go_on_during_the_drain() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK)
    await harness.place(3)
    async with harness.running():
        await harness.until(lambda: harness.in_flight == 3)
        harness.stop.set()
        await asyncio.sleep(20)
        assert harness.queue.visible() == []
    assert len(harness.handled) == 3
    assert harness.queue.stored == {}


async def test_a_message_lost_to_another_consumer_is_told_and_no_longer_extended() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK, slots=1)
    await harness.place(1)
    async with harness.running():
        await harness.until(lambda: harness.in_flight)
        harness.queue.stored["m1"].receipt = "m1/elsewhere"
        await harness.until(lambda: harness.observer.told["visibility_lost"] == 1)
        seen = len(harness.queue.changes)
        await asyncio.sleep(10)
        assert len(harness.queue.changes) == seen
    assert harness.observer.told["visibility_lost"] == 1


async def test_a_hand_back_that_fails_is_tried_again_after_a_pause() -> None:
    harness = ConsumerHarness(latency=timedelta(hours=1), wait=timedelta(seconds=1), drain=timedelta(seconds=2))
    await harness.place(1)
    refused: list[float] = []

    def refuse_twice(_call: str, _receipt: str) -> bool:
        refused.append(loop_time())
        return len(refused) <= 2

    async with harness.running():
        await harness.until(lambda: harness.in_flight)
        harness.queue.refuse = refuse_twice
        harness.stop.set()
    assert len(refused) == 3
    assert all(later - sooner >= 0.2 for sooner, later in itertools.pairwise(refused))
    assert len(harness.queue.visible()) == 1
