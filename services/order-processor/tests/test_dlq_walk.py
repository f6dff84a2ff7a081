"""A walk sees every dead letter once and gives back what it did not remove; what the topic refuses was not sent."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from flashbus.queue import BATCH_LIMIT, QueueUnavailableError
from flashbus.testing import FakeQueue, loop_time
from flashbus.topic import Entry, Refusal, TopicError
from order_processor.dlq.walk import HIDDEN, Walk
from order_processor.topic_sender import TopicSender


@pytest.fixture
def letters() -> FakeQueue:
    return FakeQueue()


async def fill(letters: FakeQueue, count: int) -> None:
    for number in range(count):
        await letters.send(f"body {number}", attributes={})


def untouched(queue: FakeQueue, count: int) -> bool:
    return len(queue.visible()) == len(queue.stored) == count


async def test_a_walk_longer_than_letters_stay_hidden_sees_each_once(letters: FakeQueue) -> None:
    await fill(letters, 25)
    seen = []
    async with Walk(letters) as walk:
        async for message in walk.messages():
            seen.append(message.message_id)
            if len(seen) == BATCH_LIMIT + 1:
                await asyncio.sleep(HIDDEN.total_seconds() + 1)
    assert len(seen) == len(set(seen)) == 25
    assert untouched(letters, 25)


async def test_a_walk_ends_a_second_behind_the_last_letter_and_what_it_held_when_killed_comes_back_after_five_minutes(
    letters: FakeQueue,
) -> None:
    await fill(letters, 1)
    walk, began = Walk(letters), loop_time()
    assert len([message async for message in walk.messages()]) == 1
    assert loop_time() - began == pytest.approx(1)
    await asyncio.sleep(298)
    assert letters.visible() == []
    await asyncio.sleep(2)
    assert untouched(letters, 1)


async def test_what_was_removed_is_not_given_back(letters: FakeQueue) -> None:
    await fill(letters, 2)
    calls: list[str] = []
    letters.refuse = lambda call, receipt: bool(calls.append(f"{call} {receipt}"))  # type: ignore[func-returns-value]
    async with Walk(letters) as walk:
        messages = [message async for message in walk.messages()]
        await walk.remove(messages[0])
    assert calls == [f"delete {messages[0].receipt}", f"change_visibility {messages[1].receipt}"]


async def test_a_queue_that_does_not_answer_at_the_end_gives_back_by_itself(letters: FakeQueue) -> None:
    await fill(letters, 1)
    async with Walk(letters) as walk:
        async for _message in walk.messages():
            letters.unavailable = True
            break
    await asyncio.sleep(HIDDEN.total_seconds())
    assert untouched(letters, 1)


class FailingTopic:
    """Refuses what it is told to, or does not answer at all."""

    def __init__(self, refusals: Mapping[int, Refusal] | None) -> None:
        self._refusals = refusals

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:  # noqa: ARG002 - the protocol's
        if self._refusals is None:
            raise TopicError("away", certain=False)
        return self._refusals


@pytest.mark.parametrize(
    ("refusals", "reason"), [(None, "unreachable"), ({0: Refusal("InvalidParameter", certain=True)}, "refused")]
)
async def test_what_the_topic_did_not_take_was_not_sent(refusals: Mapping[int, Refusal] | None, reason: str) -> None:
    with pytest.raises(QueueUnavailableError) as caught:
        await TopicSender(FailingTopic(refusals)).send("body", attributes={})
    assert caught.value.reason == reason
