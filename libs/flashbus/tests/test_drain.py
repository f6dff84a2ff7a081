"""Leaving: finish what is in flight, hand back the rest, lose nothing."""

import asyncio
import random
from datetime import timedelta

import pytest

from flashbus.dispositions import Acknowledge, Disposition, HandBack
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness, loop_time

HOUR = timedelta(hours=1)


async def test_a_drain_under_load_loses_nothing() -> None:
    harness = ConsumerHarness(slots=20, latency=timedelta(seconds=3))
    bodies = await harness.place(200)
    harness.queue.round_trip = timedelta(milliseconds=10)
    stop_at = loop_time() + 4.5
    async with harness.running() as consumer:
        await asyncio.sleep(4.5)
        harness.stop.set()
        await consumer
    assert loop_time() - stop_at < 3.2
    assert len(harness.handled) == 40
    assert {stored.body for stored in harness.queue.stored.values()} == set(bodies) - set(harness.handled)
    # Whatever was not handled is there for the next consumer at once.
    assert len(harness.queue.visible()) == 160


async def test_nothing_new_is_started_after_the_stop() -> None:
    harness = ConsumerHarness(slots=5, latency=timedelta(seconds=2))
    await harness.place(20)
    async with harness.running() as consumer:
        await harness.until(lambda: harness.in_flight == 5)
        harness.stop.set()
        await consumer
    assert len(harness.handled) == 5


async def test_what_a_receive_in_progress_brings_is_handed_back_at_once() -> None:
    harness = ConsumerHarness(wait=timedelta(seconds=20))
    async with harness.running() as consumer:
        await asyncio.sleep(1)
        harness.stop.set()
        await asyncio.sleep(1)
        await harness.place(1)
        await consumer
    assert harness.handled == []
    (stored,) = harness.queue.visible()
    assert 1 <= stored.receive_count <= harness.limits.pollers  # another poll in progress may have seen it too
    assert loop_time() < 22


async def test_work_that_outlasts_the_drain_is_cut_short_and_given_back() -> None:
    harness = ConsumerHarness(latency=HOUR, drain=timedelta(seconds=2), wait=timedelta(seconds=1))
    await harness.place(1)
    async with harness.running() as consumer:
        await harness.until(lambda: harness.in_flight)
        started = loop_time()
        harness.stop.set()
        await consumer
    assert loop_time() - started < 3
    assert harness.in_flight == 0
    assert len(harness.queue.visible()) == 1


async def test_acknowledgements_are_flushed() -> None:
    harness = ConsumerHarness(slots=12, wait=timedelta(seconds=1))
    await harness.place(12)
    harness.queue.round_trip = timedelta(seconds=1)
    async with harness.running():
        await harness.until(lambda: len(harness.handled) == 12)
    assert not harness.queue.stored


async def test_a_queue_that_is_away_does_not_hold_up_the_end() -> None:
    harness = ConsumerHarness(latency=timedelta(seconds=1), wait=timedelta(seconds=1))
    await harness.place(3)
    async with harness.running() as consumer:
        await harness.until(lambda: harness.in_flight == 3)
        harness.queue.unavailable = True
        started = loop_time()
        harness.stop.set()
        await consumer
    assert loop_time() - started < 10
    assert len(harness.handled) == 3


async def test_a_queue_that_hangs_does_not_hold_up_the_end() -> None:
    harness = ConsumerHarness(latency=HOUR, wait=timedelta(seconds=1), drain=timedelta(seconds=2))
    await harness.place(1)
    async with harness.running() as consumer:
        await harness.until(lambda: harness.in_flight)
        harness.queue.round_trip = HOUR
        started = loop_time()
        harness.stop.set()
        await consumer
    assert loop_time() - started < 2 + 5 + 1  # the drain, then the time to flush
    assert len(harness.queue.stored) == 1


async def test_an_idle_consumer_leaves_when_its_polls_are_over() -> None:
    harness = ConsumerHarness(wait=timedelta(seconds=2))
    async with harness.running() as consumer:
        await asyncio.sleep(5)
        harness.stop.set()
        await consumer
    assert loop_time() <= 7


@pytest.mark.parametrize("seed", range(12))
async def test_whenever_the_stop_comes_each_delivery_is_worked_to_its_end_or_handed_back_and_every_slot_is_free(
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, no secret
    begun: list[str] = []
    ended: list[str] = []

    async def uneven(message: Message) -> Disposition:
        begun.append(message.receipt)
        await asyncio.sleep(chance.choice([0, 0.01, 0.1, 0.3]) * chance.uniform(0, 2))
        if chance.random() < 0.05:
            raise ValueError("a bug of the handler's")
        if chance.random() < 0.1:
            return HandBack(outcome="retry", after=timedelta(seconds=0.1), reason="r")
        ended.append(message.receipt)
        return Acknowledge()

    slots, pollers = chance.choice([1, 5, 10, 30]), chance.choice([1, 2, 4])
    harness = ConsumerHarness(handler=uneven, slots=slots, pollers=pollers, wait=timedelta(seconds=1))
    harness.queue.round_trip = timedelta(seconds=chance.choice([0.002, 0.02, 0.2]))
    await harness.place(150)
    async with harness.running():
        await harness.until(lambda: len(ended) > chance.uniform(0, 120))
    assert len(begun) == len(set(begun)), "no delivery is worked twice"
    assert len(harness.queue.deleted) == len(ended)
    back = [change.receipt for change in harness.queue.changes if change.after < timedelta(seconds=1)]
    assert len(back) == len(set(back))
    assert not set(back) & set(ended), "what was handed back is not worked"
    assert len(harness.queue.visible()) >= len(harness.queue.stored) - len(set(begun) - set(ended))
    assert harness.consumer._slots.free == slots
