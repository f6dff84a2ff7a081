"""What the services' event loop, whose clock has whole milliseconds, must not make of a linger."""

import asyncio

import pytest

from flashbus.publisher import GroupCommitPublisher
from flashbus.testing import FakeTopic
from flashbus.topic import Entry
from flashops import event_loop


def test_a_linger_that_ends_is_looked_at_once_and_not_until_the_next_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> list[int]:
        looks = list[int]()
        async with GroupCommitPublisher(topic=FakeTopic()) as publisher:
            dispatch = publisher._dispatch

            def counted(*, lingered: bool = False) -> None:
                looks[-1] += lingered
                dispatch(lingered=lingered)

            monkeypatch.setattr(publisher, "_dispatch", counted)
            for number in range(100):
                looks.append(0)
                await publisher.publish(Entry(str(number)))
                await asyncio.sleep(0.0013)  # to begin at another part of a millisecond
        return looks

    # Without a look at the last bit every fourth linger takes dozens.
    assert max(event_loop.run(main())) <= 2
