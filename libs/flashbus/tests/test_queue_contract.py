"""What the processor relies on in a queue; the fake and SQS must both hold to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from flashbus.clients import aws_client
from flashbus.queue import LONGEST_HIDDEN, Message, Queue, QueueUnavailableError, VisibilityChange
from flashbus.sqs import SqsQueue
from flashbus.testing import FakeQueue
from flashbus.wire.clients import sqs_client

NOW = timedelta(0)
SHORT = timedelta(seconds=1)
LONG = timedelta(seconds=60)


@pytest.fixture
async def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    for name, value in request.getfixturevalue("embedded_aws").environment.items():
        monkeypatch.setenv(name, value)
    async with aws_client("sqs", read_timeout=timedelta(seconds=20)) as client:
        yield client


@pytest.fixture(params=["aiobotocore", "signed"])
async def calls(request: pytest.FixtureRequest, aws: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - as above
    """What the queue is made of: either client."""
    if request.param == "aiobotocore":
        yield aws
        return
    async with sqs_client(read_timeout=timedelta(seconds=20)) as signed:
        yield signed


@dataclass
class Subject:
    """A queue under contract; `receipt_of_nobody` has the right shape and belongs to no message."""

    queue: Queue
    receipt_of_nobody: Callable[[], Awaitable[str]]

    async def take(self, most: int = 10, *, wait: timedelta = NOW, visibility: timedelta = LONG) -> list[Message]:
        return await self.queue.receive(most=most, wait=wait, visibility=visibility)

    async def bodies(self, *, wait: timedelta = NOW) -> list[str]:
        return sorted(message.body for message in await self.take(wait=wait))

    async def fill(self, count: int) -> None:
        for number in range(count):
            await self.queue.send(f"body {number}", attributes={})


class QueueContract:
    """Each test is given an empty queue."""

    async def test_a_message_comes_as_it_was_sent(self, subject: Subject) -> None:
        body = '{"text": "quotes \\" and \\u00e9", "n": 1}'
        await subject.queue.send(body, attributes={"traceparent": "00-a-b-01", "type": "t"})
        (message,) = await subject.take()
        assert (message.body, message.receive_count) == (body, 1)
        assert dict(message.attributes) == {"traceparent": "00-a-b-01", "type": "t"}

    async def test_a_message_says_when_it_was_sent_however_often_it_comes(self, subject: Subject) -> None:
        await subject.fill(1)
        (first,) = await subject.take(visibility=SHORT)
        (second,) = await subject.take(wait=timedelta(seconds=5))
        assert first.sent_at is not None
        assert first.sent_at.tzinfo is not None
        assert second.sent_at == first.sent_at

    async def test_no_more_come_than_are_asked_for(self, subject: Subject) -> None:
        await subject.fill(5)
        assert len(await subject.take(3)) <= 3

    async def test_what_is_received_is_hidden(self, subject: Subject) -> None:
        await subject.fill(1)
        assert await subject.bodies() == ["body 0"]
        assert await subject.bodies() == []

    async def test_what_is_not_deleted_comes_again_with_a_higher_count(self, subject: Subject) -> None:
        await subject.fill(1)
        (first,) = await subject.take(visibility=SHORT)
        (second,) = await subject.take(wait=timedelta(seconds=5))
        assert (second.message_id, second.receive_count) == (first.message_id, 2)

    async def test_what_is_deleted_does_not_come_again(self, subject: Subject) -> None:
        await subject.fill(2)
        messages = await subject.take(visibility=SHORT)
        assert await subject.queue.delete_batch([message.receipt for message in messages]) == []
        assert await subject.bodies(wait=timedelta(seconds=2)) == []

    async def test_a_visibility_of_zero_gives_back_at_once(self, subject: Subject) -> None:
        await subject.fill(1)
        (message,) = await subject.take()
        assert await subject.queue.change_visibility([VisibilityChange(receipt=message.receipt, after=NOW)]) == []
        assert await subject.bodies() == ["body 0"]

    async def test_an_extension_keeps_hidden(self, subject: Subject) -> None:
        await subject.fill(1)
        (message,) = await subject.take(visibility=SHORT)
        assert await subject.queue.change_visibility([VisibilityChange(receipt=message.receipt, after=LONG)]) == []
        assert await subject.bodies(wait=timedelta(seconds=2)) == []

    async def test_a_long_poll_is_woken_by_a_message(self, subject: Subject) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        polling = asyncio.create_task(subject.bodies(wait=timedelta(seconds=15)))
        await asyncio.sleep(0.3)
        await subject.fill(1)
        assert await polling == ["body 0"]
        assert loop.time() - started < 10

    async def test_a_batch_says_which_entry_failed(self, subject: Subject) -> None:
        nobody = await subject.receipt_of_nobody()
        await subject.fill(1)
        (message,) = await subject.take()
        changes = [VisibilityChange(receipt=receipt, after=LONG) for receipt in (nobody, message.receipt)]
        failures = await subject.queue.change_visibility(changes)
        assert [(failure.receipt, failure.gone) for failure in failures] == [(nobody, True)]

    async def test_a_batch_of_ten(self, subject: Subject) -> None:
        await subject.fill(10)
        received: list[Message] = []
        while len(received) < 10:
            received += await subject.take(wait=timedelta(seconds=1))
        assert await subject.queue.delete_batch([message.receipt for message in received]) == []


class TestFakeQueue(QueueContract):
    @pytest.fixture
    async def subject(self) -> Subject:
        async def made_up() -> str:
            return "m1/99"

        return Subject(FakeQueue(), made_up)


# What SQS documents and the emulator does not look at: no contract test can ask both.
def test_a_delivery_is_the_first_without_attributes_unless_the_queue_says_otherwise() -> None:
    message = Message(message_id="m", receipt="r", body="body")
    assert (message.receive_count, message.attributes, message.sent_at) == (1, {}, None)


async def test_the_fake_hides_nothing_for_longer_than_sqs_does_counted_from_the_receive() -> None:
    queue = FakeQueue()
    await queue.send("body", attributes={})
    with pytest.raises(QueueUnavailableError) as caught:
        await queue.receive(most=1, wait=NOW, visibility=LONGEST_HIDDEN + SHORT)
    assert caught.value.reason == "refused"
    (message,) = await queue.receive(most=1, wait=NOW, visibility=LONGEST_HIDDEN)
    await asyncio.sleep(30)
    for after, codes in ((LONGEST_HIDDEN, ["InvalidParameterValue"]), (LONGEST_HIDDEN - timedelta(seconds=31), [])):
        change = VisibilityChange(receipt=message.receipt, after=after)
        assert [failure.code for failure in await queue.change_visibility([change])] == codes


@pytest.mark.embedded_aws
class TestSqsQueue(QueueContract):
    @pytest.fixture
    async def subject(self, aws: Any, calls: Any) -> AsyncIterator[Subject]:  # noqa: ANN401 - botocore makes the methods
        url = (await aws.create_queue(QueueName=f"contract-{uuid4().hex}"))["QueueUrl"]
        queue = SqsQueue(url=url, client=calls, polling_client=calls)

        async def deleted() -> str:
            await queue.send("gone", attributes={})
            (message,) = await queue.receive(most=1, wait=NOW, visibility=LONG)
            await queue.delete_batch([message.receipt])
            return message.receipt

        yield Subject(queue, deleted)
        await aws.delete_queue(QueueUrl=url)

    async def test_a_queue_that_does_not_exist_is_unavailable(self, calls: Any) -> None:  # noqa: ANN401 - as above
        queue = SqsQueue(url="http://localhost/000000000000/absent", client=calls, polling_client=calls)
        with pytest.raises(QueueUnavailableError) as caught:
            await queue.receive(most=1, wait=NOW, visibility=LONG)
        assert caught.value.reason == "refused"


async def test_a_queue_that_cannot_be_reached_is_unavailable() -> None:
    class Unreachable:
        async def receive_message(self, **_arguments: object) -> dict[str, object]:
            raise ConnectionRefusedError

        delete_message_batch = change_message_visibility_batch = send_message = receive_message

    queue = SqsQueue(url="", client=Unreachable(), polling_client=Unreachable())
    with pytest.raises(QueueUnavailableError) as caught:
        await queue.receive(most=1, wait=NOW, visibility=LONG)
    assert caught.value.reason == "unreachable"
