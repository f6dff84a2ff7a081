"""What SNS is asked for, and how long the second attempt waits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from flashbus.sns import SnsTopic
from flashbus.topic import Entry, TopicError

LOST = ConnectionClosedError(endpoint_url="http://sns")


class ScriptedSns:
    """Raises one error after the other, then takes whatever comes; keeps what it was asked for."""

    def __init__(self, *errors: Exception) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self._errors = list(errors)

    async def publish_batch(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - an AWS client's arguments
        self.asked.append(arguments)
        if self._errors:
            raise self._errors.pop(0)
        return {"Successful": [{"Id": one["Id"]} for one in arguments["PublishBatchRequestEntries"]]}


async def test_a_batch_is_asked_for_with_the_place_of_each_entry_as_its_id() -> None:
    client = ScriptedSns(LOST)
    entries = [Entry("a", {"type": "t"}), Entry("b")]
    assert await SnsTopic(client=client, topic_arn="arn").publish_batch(entries) == {}
    assert (
        client.asked
        == [
            {
                "TopicArn": "arn",
                "PublishBatchRequestEntries": [
                    {
                        "Id": "0",
                        "Message": "a",
                        "MessageAttributes": {"type": {"DataType": "String", "StringValue": "t"}},
                    },
                    {"Id": "1", "Message": "b", "MessageAttributes": {}},
                ],
            }
        ]
        * 2
    )


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.0), (0.5, 0.05), (1.0, 0.1)])
async def test_the_second_attempt_waits_a_tenth_of_a_second_at_most(jitter: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    topic = SnsTopic(client=ScriptedSns(LOST), topic_arn="arn", jitter=lambda: jitter)
    assert await topic.publish_batch([Entry("a")]) == {}
    assert loop.time() - began == pytest.approx(seconds, abs=1e-6)


async def test_a_failure_is_told_by_its_kind_and_its_words() -> None:
    response: Any = {
        "Error": {"Code": "NotFound", "Message": "no topic"},
        "ResponseMetadata": {"HTTPStatusCode": 404},
    }
    denied = ClientError(response, "Publish")
    with pytest.raises(TopicError) as caught:
        await SnsTopic(client=ScriptedSns(denied), topic_arn="arn").publish_batch([Entry("a")])
    assert str(caught.value) == f"ClientError: {denied}"
    assert "no topic" in str(caught.value)
