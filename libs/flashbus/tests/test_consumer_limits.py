"""How much a consumer takes and how long it waits unless told otherwise, and what it says while it leaves."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.dispositions import Acknowledge, Disposition
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness, FakeQueue, loop_time

HOUR = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Watched(FakeQueue):
    """Keeps how receives wait and hide, and how many were under way at once."""

    waits: set[tuple[timedelta, timedelta]] = field(default_factory=set)
    asking: int = 0
    most_asking: int = 0

    async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
        self.waits.add((wait, visibility))
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)
        try:
            # Not through super(): a dataclass with slots is another class than the one that was written.
            return await FakeQueue.receive(self, most=most, wait=wait, visibility=visibility)
        finally:
            self.asking -= 1


async def test_ten_slots_are_filled_by_two_receives_that_wait_twenty_seconds_and_hide_for_sixty() -> None:
    queue = Watched()
    harness = ConsumerHarness(queue=queue, latency=timedelta(seconds=2))
    await harness.place(30)
    async with harness.running():
        await harness.until_empty()
        await asyncio.sleep(60)
    assert harness.peak_in_flight == 10
    assert queue.waits == {(timedelta(seconds=20), timedelta(seconds=60))}
    assert queue.most_asking == 2


async def test_after_five_minutes_without_an_end_it_is_stalled_and_after_forty_seconds_the_drain_is_over() -> None:
    harness = ConsumerHarness(latency=HOUR)
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running() as consumer:
            await harness.until(lambda: harness.in_flight)
            stalled = []
            for pause in (299, 2):
                await asyncio.sleep(pause)
                stalled.append(harness.consumer.stalled)
            harness.stop.set()
            await consumer
    assert stalled == [False, True]
    started, finished = lines
    assert (started["event"], started["in_flight"]) == ("drain_started", 1)
    assert (finished["event"], finished["cut_short"]) == ("drain_finished", 1)
    assert finished["seconds"] == 40.0


async def test_what_cannot_be_flushed_in_five_seconds_each_is_told() -> None:
    async def one_hangs(message: Message) -> Disposition:
        await asyncio.sleep(0 if message.body == "message 0" else HOUR.total_seconds())
        return Acknowledge()

    harness = ConsumerHarness(
        slots=2, handler=one_hangs, latency=timedelta(seconds=1), drain=timedelta(seconds=2), wait=timedelta(seconds=1)
    )
    await harness.place(2)
    with capture_logs() as lines:
        async with harness.running() as consumer:
            await harness.until(lambda: harness.in_flight == 2)
            harness.queue.round_trip = HOUR
            await harness.until(lambda: harness.handled)
            began = loop_time()
            harness.stop.set()
            await consumer
    assert [line["event"] for line in lines if line["event"] != "message_handled"] == [
        "drain_started",
        "acks_not_flushed",
        "hand_backs_not_flushed",
        "drain_finished",
    ]
    assert loop_time() - began == pytest.approx(2 + 5 + 5, abs=0.1)


async def test_a_message_that_a_bug_took_down_is_told_by_its_name() -> None:
    harness = ConsumerHarness(wait=timedelta(seconds=1))
    told = harness.observer.received

    def raise_once(message: Message) -> None:
        told(message)
        if message.receive_count == 1:
            raise ZeroDivisionError("a bug")

    harness.observer.received = raise_once  # type: ignore[method-assign]
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    (crashed,) = [line for line in lines if line["event"] == "message_crashed"]
    assert (crashed["task"], crashed["log_level"]) == ("message m1", "error")
    assert isinstance(crashed["exc_info"], ZeroDivisionError)
