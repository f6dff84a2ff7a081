"""What a poller asks the queue for, and how long it pauses when the queue is away."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.queue import Message
from flashbus.testing import ConsumerHarness, FakeQueue, loop_time


async def test_its_pauses_grow_to_ten_seconds_and_begin_anew_after_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr("flashbus.poller.random.uniform", longest)
    harness = ConsumerHarness(pollers=1, wait=timedelta(seconds=1))
    harness.queue.unavailable = True
    with capture_logs() as lines:
        async with harness.running():
            await harness.until(lambda: len(bounds) == 8)
            harness.queue.unavailable = False
            await asyncio.sleep(15)
            harness.queue.unavailable = True
            await harness.until(lambda: len(bounds) == 9)
    assert bounds == [(0.1, 0.2 * 2**number) for number in range(1, 6)] + [(0.1, 10)] * 3 + [(0.1, 0.4)]
    failures = [line["failures"] for line in lines if line["event"] == "receive_failed"]
    assert failures == [1, 2, 3, 4, 5, 6, 7, 8, 1]


async def test_a_stop_ends_the_pause_after_a_failed_receive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashbus.poller.random.uniform", lambda _low, high: high)
    harness = ConsumerHarness(pollers=1)
    harness.queue.unavailable = True
    async with harness.running() as consumer:
        await harness.until(lambda: harness.observer.told["receive_failed"] == 8)
        harness.stop.set()
        stopped = loop_time()
        await consumer
    assert loop_time() - stopped < 1


async def test_a_receive_waits_and_hides_as_long_as_it_was_told() -> None:
    asked: list[tuple[timedelta, timedelta]] = []

    class Watched(FakeQueue):
        async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
            asked.append((wait, visibility))
            return await super().receive(most=most, wait=wait, visibility=visibility)

    wait, visibility = timedelta(seconds=7), timedelta(seconds=41)
    harness = ConsumerHarness(queue=Watched(), pollers=1, wait=wait, visibility=visibility)
    async with harness.running():
        await asyncio.sleep(1)
    assert asked == [(wait, visibility)]


async def test_one_failure_is_no_outage_and_an_answer_ends_one() -> None:
    harness = ConsumerHarness(pollers=1, wait=timedelta(seconds=1))
    async with harness.running():
        harness.queue.unavailable = True
        await harness.until(lambda: harness.observer.told["receive_failed"] == 1)
        told_after_one = harness.consumer.receiving
        await harness.until(lambda: harness.observer.told["receive_failed"] == 2)
        assert (told_after_one, harness.consumer.receiving) == (True, False)
        harness.queue.unavailable = False
        await harness.until(lambda: harness.consumer.receiving)


async def test_a_failure_of_every_poller_is_one_of_each() -> None:
    harness = ConsumerHarness(slots=30, pollers=3, wait=timedelta(seconds=1))
    harness.queue.unavailable = True
    async with harness.running():
        await harness.until(lambda: harness.observer.told["receive_failed"] == 3)
        told_after_one_each = harness.consumer.receiving
        await harness.until(lambda: harness.observer.told["receive_failed"] == 4)
        assert (told_after_one_each, harness.consumer.receiving) == (True, False)


async def test_what_it_took_and_did_not_need_is_free_again() -> None:
    harness = ConsumerHarness(slots=10, pollers=1, wait=timedelta(seconds=1), latency=timedelta(seconds=1))
    async with harness.running():
        for _ in range(5):
            await harness.place(3)
            await harness.until_empty()
        harness.queue.unavailable = True
        await harness.until(lambda: harness.observer.told["receive_failed"] == 3)
        harness.queue.unavailable = False
        await harness.place(10)
        await harness.until(lambda: harness.in_flight == 10)
    assert len(harness.handled) == 25
