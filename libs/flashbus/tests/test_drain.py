"""Leaving: finish what is in flight, hand back the rest, lose nothing."""

import asyncio
from datetime import timedelta

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
