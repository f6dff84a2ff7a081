"""Messages are taken ahead as far as one round trip and the linger are long, and no further."""

import asyncio
import random
from datetime import timedelta

import pytest

from flashbus.dispositions import Acknowledge, DeadLetter, Disposition
from flashbus.look_ahead import LookAhead
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness, FakeQueue, loop_time

ROUND_TRIP = timedelta(milliseconds=10)


def look_ahead(*, slots: int, receive: float, work: float) -> int:
    looking = LookAhead(slots)
    looking.received(receive, at_once=True)
    for _ in range(slots):
        looking.worked(work)
    return looking.messages


@pytest.mark.parametrize(
    ("slots", "receive", "work", "messages"),
    [
        (1000, 0.01, 0.1, 110),
        (100, 0.01, 0.1, 20),
        (20, 0.005, 0.1, 11),
        (5, 0.005, 0.1, 2),
        (1, 0.01, 0.1, 0),
        (1000, 0.01, 3.0, 0),
        (10, 0.01, 0.001, 10),
    ],
)
def test_it_is_rate_times_round_trip_and_linger(slots: int, receive: float, work: float, messages: int) -> None:
    assert look_ahead(slots=slots, receive=receive, work=work) == messages


def test_nothing_is_taken_ahead_before_both_times_are_known() -> None:
    looking = LookAhead(100)
    for _ in range(100):
        looking.worked(0.1)
    assert looking.messages == 0
    looking.received(20.0, at_once=False)
    assert looking.messages == 0
    looking.received(0.01, at_once=True)
    assert looking.messages == 20


def test_a_few_quick_ends_are_no_measure() -> None:
    looking = LookAhead(100)
    looking.received(0.01, at_once=True)
    for _ in range(99):
        looking.worked(0.1)
    assert (looking.messages, looking.company) == (0, 0)


def test_work_that_becomes_long_ends_it() -> None:
    looking = LookAhead(2)
    looking.received(0.1, at_once=True)
    for _ in range(10):
        looking.worked(0.1)
    assert looking.messages == 2
    for _ in range(3):
        looking.worked(3.0)
    assert (looking.messages, looking.company) == (0, 0)


@pytest.mark.parametrize(
    ("slots", "work", "company"),
    [(1000, 0.1, 10), (20, 0.1, 10), (20, 0.5, 2), (5, 0.1, 2), (1, 0.1, 0), (100, 0.9, 5), (100, 1, 0), (5, 0.001, 5)],
)
def test_a_receive_waits_for_as_many_as_become_free_within_the_linger(slots: int, work: float, company: int) -> None:
    looking = LookAhead(slots)
    for _ in range(slots):
        looking.worked(work)
    assert looking.company == company


def test_the_newest_time_counts_for_a_fifth() -> None:
    looking = LookAhead(1000)
    for seconds in (0.1,) * 1000:
        looking.worked(seconds)
    for seconds in (0.01, 0.06):
        looking.received(seconds, at_once=True)
    assert looking.messages == 1000 * 0.02 / 0.1 + 10
    looking.worked(0.6)
    assert looking.messages == 1000 * 0.02 / 0.2 + 10


class Watched(FakeQueue):
    """Counts what it gave out."""

    taken = 0

    async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
        messages = await super().receive(most=most, wait=wait, visibility=visibility)
        Watched.taken += len(messages)
        return messages


def hidden(harness: ConsumerHarness) -> list[str]:
    """What nobody can receive now."""
    return [message.body for message in harness.queue.stored.values() if message.visible_at > loop_time()]


@pytest.mark.parametrize("slots", [20, 100])
async def test_slots_stay_busy_through_the_round_trip(slots: int) -> None:
    harness = ConsumerHarness(slots=slots, pollers=4, latency=timedelta(seconds=0.1))
    await harness.place(slots * 60)
    harness.queue.round_trip = ROUND_TRIP
    async with harness.running():
        await harness.until(lambda: len(harness.handled) > slots * 5)
        done, started = len(harness.handled), loop_time()
        seconds = await harness.until(lambda: len(harness.handled) > slots * 55) - started
        rate = (len(harness.handled) - done) / seconds
    assert harness.peak_in_flight == slots
    assert rate >= 0.98 * slots / 0.1


@pytest.mark.parametrize(("slots", "brought"), [(20, 9), (100, 9), (5, 2)])
async def test_slots_that_become_free_one_by_one_share_their_calls_and_stay_busy(slots: int, brought: float) -> None:
    chance = random.Random(slots)  # noqa: S311 - a repeatable load, no secret

    async def uneven(_message: Message) -> Disposition:
        await asyncio.sleep(chance.uniform(0.05, 0.15))
        return Acknowledge()

    harness = ConsumerHarness(slots=slots, pollers=4, handler=uneven)
    await harness.place(slots * 30)
    harness.queue.round_trip = ROUND_TRIP / 2
    async with harness.running():
        await harness.until(lambda: len(harness.handled) > slots * 5)
        started, worked, receives = loop_time(), sum(harness.observer.seconds), len(harness.queue.receives)
        seconds = await harness.until(lambda: len(harness.handled) > slots * 25) - started
        busy = sum(harness.observer.seconds) - worked
        later = harness.queue.receives[receives:]
        deletes = harness.queue.delete_calls
    assert sum(count for _, count in later) / len(later) >= brought
    assert sum(deletes) / len(deletes) >= brought
    assert busy >= 0.99 * slots * seconds


@pytest.mark.parametrize(("latency", "ahead"), [(0.1, 20), (3.0, 0)])
async def test_no_more_are_taken_than_a_round_trip_and_the_linger_work_off(latency: float, ahead: int) -> None:
    queue = Watched(round_trip=ROUND_TRIP)
    harness = ConsumerHarness(slots=100, pollers=4, queue=queue, latency=timedelta(seconds=latency))
    await harness.place(2000)
    most, Watched.taken = 0, 0
    async with harness.running():
        while len(harness.handled) < 1500:
            await asyncio.sleep(0.001)
            most = max(most, Watched.taken - len(harness.handled))
    assert 100 <= most <= 100 + ahead + 1


async def test_what_waits_for_a_slot_at_the_stop_goes_back_at_once() -> None:
    harness = ConsumerHarness(slots=10, pollers=4, latency=timedelta(seconds=0.1))
    harness.queue.round_trip = timedelta(milliseconds=50)
    await harness.place(200)
    async with harness.running():
        await harness.until(lambda: len(harness.handled) > 50)
        harness.latency = timedelta(seconds=5)
        await asyncio.sleep(0.1)  # what began before has ended
        await harness.until(lambda: harness.in_flight == 10 and harness.consumer.ahead > 0)
        ahead = harness.consumer.ahead
        assert len(hidden(harness)) >= 10 + ahead
        harness.stop.set()
        await asyncio.sleep(1)
        assert len(hidden(harness)) == 10
    assert not hidden(harness)
    assert harness.peak_in_flight == 10


async def test_poison_is_no_measure_of_work() -> None:
    async def poison(_message: Message) -> Disposition:
        return DeadLetter(outcome="poison", reason="poison", detail="")

    harness = ConsumerHarness(slots=3, handler=poison)
    harness.queue.round_trip = ROUND_TRIP
    await harness.place(30)
    async with harness.running():
        await harness.until_empty()
        assert harness.consumer._look_ahead.messages == 0
