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
        publisher.submit([Entry(str(number)) for number in range(9)], submitted)
        await publisher.publish(Entry("published"))
        await asyncio.gather(*submitted)
    assert topic.calls == [10]


async def test_full_batches_of_many_leave_at_once_and_the_rest_waits_for_company() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, linger=timedelta(minutes=5), max_waiting=10) as publisher:
        submitted = [result() for _ in range(35)]
        publisher.submit([Entry(str(number)) for number in range(35)], submitted)
        await wait_until(lambda: topic.in_flight == 3)
        topic.gate.set()
        await asyncio.gather(*submitted[:30])
        assert not any(one.done() for one in submitted[30:])
    assert topic.calls == [10, 10, 10, 5]
    assert all(one.done() for one in submitted)


async def test_a_failure_is_told_to_their_results() -> None:
    topic = FakeTopic()
    topic.down = True
    async with GroupCommitPublisher(topic=topic, linger=timedelta(0)) as publisher:
        publisher.submit([Entry("one"), Entry("two")], both := [result(), result()])
        for one in both:
            with pytest.raises(PublishError) as caught:
                await one
            assert caught.value.reason == "unavailable"


async def test_one_that_is_not_taken_takes_nothing_from_the_others() -> None:
    topic = FakeTopic()
    publisher = GroupCommitPublisher(topic=topic, linger=timedelta(0))
    entries = [Entry("one"), Entry("x" * (MAX_BATCH_BYTES + 1)), Entry("two")]
    publisher.submit(entries, results := [result() for _ in entries])
    with pytest.raises(PublishError, match="too_large") as caught:
        await results[1]
    assert caught.value.certain
    await asyncio.gather(results[0], results[2])
    assert [entry.message for entry in topic.published] == ["one", "two"]
    await publisher.aclose()


async def test_after_the_end_none_is_taken_and_each_is_told_so() -> None:
    publisher = GroupCommitPublisher(topic=FakeTopic(), linger=timedelta(0))
    await publisher.aclose()
    publisher.submit([Entry("late"), Entry("later")], both := [result(), result()])
    for one in both:
        with pytest.raises(PublishError, match="closed") as caught:
            await one
        assert caught.value.certain


async def test_one_whose_result_is_cancelled_before_is_not_told_of_anything() -> None:
    publisher = GroupCommitPublisher(topic=FakeTopic(), linger=timedelta(0))
    await publisher.aclose()
    gone = result()
    gone.cancel()
    publisher.submit([Entry("late")], [gone])
    assert gone.cancelled()


async def test_one_whose_result_is_cancelled_does_not_stop_its_batch() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, linger=timedelta(0)) as publisher:
        cancelled, other = result(), result()
        publisher.submit([Entry("cancelled"), Entry("other")], [cancelled, other])
        await wait_until(lambda: topic.in_flight == 1)
        cancelled.cancel()
        topic.gate.set()
        await other
    assert [entry.message for entry in topic.published] == ["cancelled", "other"]
