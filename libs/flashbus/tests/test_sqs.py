"""What SQS is asked for, and what its refusals mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from flashbus.queue import EntryFailure, Message, QueueUnavailableError, VisibilityChange
from flashbus.sqs import SqsQueue

URL = "http://localhost/queue"


class ScriptedSqs:
    """Gives every call the same answer, or raises it, and keeps what it was asked for."""

    def __init__(self, answer: dict[str, Any] | Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []
        self._answer = answer

    async def _call(self, name: str, arguments: dict[str, object]) -> dict[str, Any]:
        self.asked.append((name, arguments))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer or {}

    async def receive_message(self, **arguments: object) -> dict[str, Any]:
        return await self._call("receive", arguments)

    async def delete_message_batch(self, **arguments: object) -> dict[str, Any]:
        return await self._call("delete", arguments)

    async def change_message_visibility_batch(self, **arguments: object) -> dict[str, Any]:
        return await self._call("change", arguments)

    async def send_message(self, **arguments: object) -> dict[str, Any]:
        return await self._call("send", arguments)


async def receive(queue: SqsQueue) -> list[Message]:
    return await queue.receive(most=7, wait=timedelta(seconds=19.2), visibility=timedelta(seconds=60))


async def test_a_receive_asks_the_polling_client_for_whole_seconds_rounded_up_and_for_all_that_a_message_says() -> None:
    client, polling = ScriptedSqs(), ScriptedSqs()
    assert await receive(SqsQueue(url=URL, client=client, polling_client=polling)) == []
    assert (client.asked, polling.asked) == (
        [],
        [
            (
                "receive",
                {
                    "QueueUrl": URL,
                    "MaxNumberOfMessages": 7,
                    "WaitTimeSeconds": 20,
                    "VisibilityTimeout": 60,
                    "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
                    "MessageAttributeNames": ["All"],
                },
            )
        ],
    )


async def test_one_client_does_for_everything() -> None:
    client = ScriptedSqs({"MessageId": "m"})
    queue = SqsQueue(url=URL, client=client)
    await receive(queue)
    await queue.delete_batch(["a", "b"])
    await queue.change_visibility([VisibilityChange(receipt="a", after=timedelta(seconds=0.1))])
    await queue.send("body", attributes={"type": "t"})
    asked = dict(client.asked)
    assert asked["delete"] == {
        "QueueUrl": URL,
        "Entries": [{"Id": "0", "ReceiptHandle": "a"}, {"Id": "1", "ReceiptHandle": "b"}],
    }
    assert asked["change"] == {
        "QueueUrl": URL,
        "Entries": [{"Id": "0", "ReceiptHandle": "a", "VisibilityTimeout": 1}],
    }
    assert asked["send"] == {
        "QueueUrl": URL,
        "MessageBody": "body",
        "MessageAttributes": {"type": {"DataType": "String", "StringValue": "t"}},
    }
    assert list(asked) == ["receive", "delete", "change", "send"]


async def test_a_message_is_read_with_all_that_it_says() -> None:
    raw = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "b",
        "MessageAttributes": {"type": {"DataType": "String", "StringValue": "t"}, "n": {"BinaryValue": b"x"}},
        "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1500"},
    }
    bare = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b"}
    assert await receive(SqsQueue(url=URL, client=ScriptedSqs({"Messages": [raw, bare]}))) == [
        Message(
            message_id="m",
            receipt="r",
            body="b",
            receive_count=3,
            attributes={"type": "t"},
            sent_at=datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        ),
        Message(message_id="m", receipt="r", body="b", receive_count=1, attributes={}, sent_at=None),
    ]


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("ReceiptHandleIsInvalid", True),
        ("MessageNotInflight", True),
        ("InvalidParameterValue", True),
        ("AWS.SimpleQueueService.MessageNotInflight", True),
        ("InternalError", False),
        ("ServiceUnavailable", False),
    ],
)
async def test_a_delivery_that_is_no_longer_ours_is_told_from_one_worth_another_try(code: str, *, gone: bool) -> None:
    queue = SqsQueue(url=URL, client=ScriptedSqs({"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": code}]}))
    assert await queue.delete_batch(["a", "b"]) == [EntryFailure(receipt="b", code=code, gone=gone)]


REFUSED = ClientError({"Error": {"Code": "OverLimit"}}, "ReceiveMessage")
ERRORS: list[tuple[Exception, str, str]] = [
    (REFUSED, "receive: OverLimit", "refused"),
    (ClientError({}, "ReceiveMessage"), "receive: unknown", "refused"),
    (BotoCoreError(), "receive: BotoCoreError: An unspecified error occurred", "unreachable"),
    (ConnectionResetError(), "receive: ConnectionResetError", "unreachable"),
    (ValueError("no JSON"), "receive: ValueError: no JSON", "garbled"),
]


@pytest.mark.parametrize(("error", "said", "reason"), ERRORS)
async def test_what_went_wrong_is_told_with_the_call_and_a_reason_of_few_values(
    error: Exception, said: str, reason: str
) -> None:
    with pytest.raises(QueueUnavailableError) as caught:
        await receive(SqsQueue(url=URL, client=ScriptedSqs(error)))
    assert (str(caught.value), caught.value.reason) == (said, reason)


async def test_each_call_is_named_in_its_error() -> None:
    queue = SqsQueue(url=URL, client=ScriptedSqs(REFUSED))
    for name, call in (
        ("delete", queue.delete_batch(["a"])),
        ("change_visibility", queue.change_visibility([VisibilityChange(receipt="a", after=timedelta(0))])),
        ("send", queue.send("body", attributes={})),
    ):
        with pytest.raises(QueueUnavailableError) as caught:
            await call
        assert str(caught.value) == f"{name}: OverLimit"


async def test_a_send_without_an_id_is_not_known_to_be_stored() -> None:
    for answer in ({}, {"MessageId": ""}):
        with pytest.raises(QueueUnavailableError) as caught:
            await SqsQueue(url=URL, client=ScriptedSqs(answer)).send("body", attributes={})
        assert caught.value.reason == "garbled"
