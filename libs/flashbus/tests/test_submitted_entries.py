"""Entries of which somebody else's future tells what became of them."""

import asyncio
from datetime import timedelta

import pytest

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.testing import FakeTopic, wait_until
from flashbus.topic import MAX_BATCH_BYTES, Entry

pytestmark = pytest.mark.real_time


def result() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_they_share_batches_with_those_that_are_published() -> None:
    topic = FakeTopic()
    async with GroupCommitPublisher(topic=topic, linger=timedelta(minutes=5)) as publisher:
        submitted = [result() for _ in range(9)]
        for number, one in enumerate(submitted):
            publisher.submit(Entry(str(number)), one)
        await publisher.publish(Entry("published"))
        await asyncio.gather(*submitted)
    assert topic.calls == [10]


async def test_a_failure_is_told_to_their_results() -> None:
    topic = FakeTopic()
    topic.down = True
    async with GroupCommitPublisher(topic=topic, linger=timedelta(0)) as publisher:
        publisher.submit(Entry("one"), one := result())
        with pytest.raises(PublishError) as caught:
            await one
    assert caught.value.reason == "unavailable"


async def test_what_is_not_taken_is_told_at_once_and_leaves_the_result_as_it_was() -> None:
    publisher = GroupCommitPublisher(topic=FakeTopic(), linger=timedelta(0))
    with pytest.raises(PublishError, match="too_large"):
        publisher.submit(Entry("x" * (MAX_BATCH_BYTES + 1)), too_large := result())
    await publisher.aclose()
    with pytest.raises(PublishError, match="closed"):
        publisher.submit(Entry("late"), late := result())
    assert not too_large.done()
    assert not late.done()


async def test_one_whose_result_is_cancelled_does_not_stop_its_batch() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, linger=timedelta(0)) as publisher:
        publisher.submit(Entry("cancelled"), cancelled := result())
        publisher.submit(Entry("other"), other := result())
        await wait_until(lambda: topic.in_flight == 1)
        cancelled.cancel()
        topic.gate.set()
        await other
    assert [entry.message for entry in topic.published] == ["cancelled", "other"]
