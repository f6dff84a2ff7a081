"""How long a publisher tells those to stay away whom it cannot serve."""

import asyncio
from datetime import timedelta

import pytest

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.testing import FakeTopic, wait_until
from flashbus.topic import Entry

pytestmark = pytest.mark.real_time


def publisher(topic: FakeTopic, *, max_in_flight: int = 8) -> GroupCommitPublisher:
    return GroupCommitPublisher(
        topic=topic, linger=timedelta(0), timeout=timedelta(seconds=5), max_in_flight=max_in_flight
    )


async def test_the_pause_grows_with_the_backlog_and_its_pace() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, max_in_flight=1) as publish:
        assert publish.pause == timedelta(0)
        first = asyncio.create_task(publish.publish(Entry("first")))
        await wait_until(lambda: topic.in_flight)
        await asyncio.sleep(0.05)
        topic.gate.set()
        await first
        topic.gate.clear()
        waiting = [asyncio.create_task(publish.publish(Entry(str(number)))) for number in range(41)]
        await asyncio.sleep(0.01)
        # One call took 50 ms or a little more; 31 to 41 entries are 4 or 5 more calls, one after the other.
        assert timedelta(milliseconds=200) <= publish.pause <= timedelta(seconds=2)
        topic.gate.set()
        await asyncio.gather(*waiting)
        assert publish.pause == timedelta(0)


async def test_the_pause_grows_while_the_topic_fails_and_ends_with_it() -> None:
    topic = FakeTopic()
    topic.down = True
    async with publisher(topic) as publish:
        for _ in range(2):
            with pytest.raises(PublishError):
                await publish.publish(Entry("x"))
            await asyncio.sleep(0.05)
        assert timedelta(milliseconds=99) <= publish.pause <= timedelta(seconds=2)
        topic.down = False
        await publish.publish(Entry("x"))
        assert publish.pause == timedelta(0)
