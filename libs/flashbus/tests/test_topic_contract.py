"""The fake topic and SNS keep the same promises to the publisher."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from flashbus.clients import aws_client
from flashbus.sns import SnsTopic
from flashbus.testing import FakeTopic
from flashbus.topic import Entry, Topic, TopicError
from flashbus.wire.clients import sns_client

pytestmark = pytest.mark.real_time

# Reads back what a topic delivered: body and attributes.
Delivered = Callable[[int], Awaitable[Sequence[tuple[str, dict[str, str]]]]]


class SubscribedTopic:
    """A real topic with a queue behind it, which shows what was delivered."""

    def __init__(self, *, sns: Any, sqs: Any, topic_arn: str, queue_url: str) -> None:  # noqa: ANN401 - botocore clients are untyped
        self.topic = SnsTopic(client=sns, topic_arn=topic_arn)
        self._sqs = sqs
        self._queue_url = queue_url

    async def delivered(self, count: int) -> Sequence[tuple[str, dict[str, str]]]:
        found: list[tuple[str, dict[str, str]]] = []
        while len(found) < count:
            answer = await self._sqs.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=600
            )
            for message in answer.get("Messages", ()):
                envelope = json.loads(message["Body"])
                attributes = envelope.get("MessageAttributes", {})
                found.append((envelope["Message"], {name: value["Value"] for name, value in attributes.items()}))
        return found


@pytest.fixture(
    params=[
        "fake",
        pytest.param("sns", marks=pytest.mark.embedded_aws),
        pytest.param("signed sns", marks=pytest.mark.embedded_aws),
    ]
)
async def topic(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Topic, Delivered]]:
    if request.param == "fake":
        fake = FakeTopic()

        async def delivered(_count: int) -> Sequence[tuple[str, dict[str, str]]]:
            return [(entry.message, dict(entry.attributes)) for entry in fake.published]

        yield fake, delivered
        return
    request.getfixturevalue("aws")
    name = f"orders-{uuid.uuid4().hex[:8]}"
    async with aws_client("sns") as sns, aws_client("sqs") as sqs:
        topic_arn = (await sns.create_topic(Name=name))["TopicArn"]
        queue_url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
        async with sns_client() as signed:
            client = signed if request.param == "signed sns" else sns
            subscribed = SubscribedTopic(sns=client, sqs=sqs, topic_arn=topic_arn, queue_url=queue_url)
            yield subscribed.topic, subscribed.delivered


async def test_ten_entries_go_in_one_call_with_their_attributes(topic: tuple[Topic, Delivered]) -> None:
    publish, delivered = topic
    entries = [Entry(f'{{"n":{n}}}', {"type": "placed", "traceparent": f"trace-{n}"}) for n in range(10)]
    assert await publish.publish_batch(entries) == {}
    arrived = sorted(await delivered(10), key=lambda pair: pair[0])
    assert arrived == [(entry.message, dict(entry.attributes)) for entry in entries]


async def test_a_single_entry_without_attributes_is_delivered(topic: tuple[Topic, Delivered]) -> None:
    publish, delivered = topic
    assert await publish.publish_batch([Entry("alone")]) == {}
    assert list(await delivered(1)) == [("alone", {})]


async def test_eleven_entries_are_an_error_and_none_is_taken(topic: tuple[Topic, Delivered]) -> None:
    publish, delivered = topic
    with pytest.raises(TopicError) as caught:
        await publish.publish_batch([Entry(str(n)) for n in range(11)])
    assert caught.value.certain
    assert await publish.publish_batch([Entry("after")]) == {}
    assert [message for message, _ in await delivered(1)] == ["after"]


async def test_no_entries_are_an_error(topic: tuple[Topic, Delivered]) -> None:
    with pytest.raises(TopicError) as caught:
        await topic[0].publish_batch([])
    assert caught.value.certain


@pytest.mark.embedded_aws
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("signed", [False, True])
async def test_a_topic_that_does_not_exist_is_a_topic_error(signed: bool) -> None:  # noqa: FBT001 - which client
    async with sns_client(max_attempts=1) if signed else aws_client("sns", max_attempts=1) as sns:
        gone = SnsTopic(client=sns, topic_arn="arn:aws:sns:us-east-1:000000000000:gone")
        with pytest.raises(TopicError, match="NotFound") as caught:
            await gone.publish_batch([Entry("x")])
    assert caught.value.certain
