"""A stall: something waits for long and nothing comes to its end."""

import asyncio
from datetime import timedelta

from flashbus.consumer import Consumer
from flashbus.dispositions import Acknowledge, Disposition, HandBack
from flashbus.progress import Progress
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness

LIMIT = timedelta(seconds=10)


def stalled(watched: Progress | Consumer) -> bool:
    """Asked anew: to the type checker a property does not change."""
    return watched.stalled


async def test_who_has_nothing_to_do_does_not_stall() -> None:
    progress = Progress(limit=LIMIT)
    await asyncio.sleep(1000)
    assert not stalled(progress)
    progress.taken()
    progress.left(ended=True)
    await asyncio.sleep(1000)
    assert not stalled(progress)


async def test_a_message_that_takes_longer_than_the_limit_is_a_stall_until_it_ends() -> None:
    progress = Progress(limit=LIMIT)
    progress.taken()
    await asyncio.sleep(9.9)
    assert not stalled(progress)
    await asyncio.sleep(1)
    assert stalled(progress)
    progress.left(ended=True)
    assert not stalled(progress)


async def test_the_end_of_one_message_gives_the_others_their_time() -> None:
    progress = Progress(limit=LIMIT)
    progress.taken()
    progress.taken()
    await asyncio.sleep(9)
    progress.left(ended=True)
    await asyncio.sleep(9)
    assert not stalled(progress)
    await asyncio.sleep(2)
    assert stalled(progress)


async def test_a_message_that_only_comes_again_and_again_is_a_stall() -> None:
    progress = Progress(limit=LIMIT)
    for _ in range(4):
        progress.taken()
        progress.left(ended=False)
        await asyncio.sleep(3)
    assert stalled(progress)


async def test_what_was_handed_back_and_came_no_more_is_none_and_the_next_message_has_its_whole_time() -> None:
    progress = Progress(limit=LIMIT)
    progress.taken()
    await asyncio.sleep(9)
    progress.left(ended=False)
    await asyncio.sleep(1)
    assert not stalled(progress)
    await asyncio.sleep(1)
    progress.taken()
    assert not stalled(progress)
    await asyncio.sleep(9.9)
    assert not stalled(progress)
    await asyncio.sleep(1)
    assert stalled(progress)


async def test_a_consumer_tells_of_a_stall_and_of_its_end() -> None:
    stuck = True

    async def handle(_message: Message) -> Disposition:
        return HandBack(after=timedelta(seconds=2)) if stuck else Acknowledge()

    harness = ConsumerHarness(handler=handle, stall=LIMIT)
    await harness.place(1)
    async with harness.running():
        assert not stalled(harness.consumer)
        await asyncio.sleep(15)
        assert stalled(harness.consumer)
        stuck = False
        await harness.until_empty()
        assert not stalled(harness.consumer)


async def test_work_that_is_cut_short_has_not_come_to_its_end() -> None:
    harness = ConsumerHarness(
        stall=LIMIT, latency=timedelta(hours=1), drain=timedelta(seconds=1), wait=timedelta(seconds=1)
    )
    await harness.place(1)
    async with harness.running():
        await asyncio.sleep(8)
        await harness.place(1)
        await asyncio.sleep(2)
        harness.stop.set()
    assert stalled(harness.consumer)
