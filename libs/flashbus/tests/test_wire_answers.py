"""What each call of the signed client says, and what it makes of an answer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError
from botocore.parsers import ResponseParserError

from flashbus.wire.json_calls import DynamoCalls, SqsCalls
from flashbus.wire.sns_calls import SnsCalls

DYNAMO = {
    "get_item": "GetItem",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
    "batch_get_item": "BatchGetItem",
    "transact_write_items": "TransactWriteItems",
    "scan": "Scan",
}
SQS = {
    "receive_message": "ReceiveMessage",
    "delete_message_batch": "DeleteMessageBatch",
    "change_message_visibility_batch": "ChangeMessageVisibilityBatch",
    "send_message": "SendMessage",
}


class Answering:
    """Stands where the caller of a service would, and gives one answer."""

    def __init__(self, answer: bytes) -> None:
        self.asked: list[tuple[str, bytes, Mapping[str, str]]] = []
        self._answer = answer

    async def call(self, operation: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        self.asked.append((operation, body, headers))
        return self._answer


@pytest.mark.parametrize(
    ("service", "target", "method", "operation"),
    [
        *((DynamoCalls, "DynamoDB_20120810", method, operation) for method, operation in DYNAMO.items()),
        *((SqsCalls, "AmazonSQS", method, operation) for method, operation in SQS.items()),
    ],
)
async def test_the_arguments_of_a_call_are_its_body_and_the_answer_is_what_it_returns(
    service: type[DynamoCalls | SqsCalls], target: str, method: str, operation: str
) -> None:
    caller: Any = Answering(b'{"b":2}')
    assert await getattr(service(caller), method)(A=1, B="é") == {"b": 2}
    assert caller.asked == [
        (
            operation,
            b'{"A":1,"B":"\\u00e9"}',
            {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"{target}.{operation}"},
        )
    ]


async def test_what_utf_8_has_no_bytes_for_is_sent_for_the_service_to_refuse() -> None:
    caller: Any = Answering(b"")
    await DynamoCalls(caller).put_item(Item={"id": {"S": "\ud800"}})
    assert json.loads(caller.asked[0][1]) == {"Item": {"id": {"S": "\ud800"}}}


async def test_an_answer_without_a_body_is_empty() -> None:
    caller: Any = Answering(b"")
    assert await DynamoCalls(caller).put_item(TableName="t") == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"<html>", "GetItem: the answer is no JSON"), (b"[]", "GetItem: the answer is no object")],
)
async def test_what_is_no_answer_is_told_with_its_call(answer: bytes, said: str) -> None:
    caller: Any = Answering(answer)
    with pytest.raises(ResponseParserError) as caught:
        await DynamoCalls(caller).get_item(TableName="t")
    assert str(caught.value) == said


async def publish(answer: bytes, *messages: str) -> Mapping[str, Any]:
    caller: Any = Answering(answer)
    entries = [{"Id": str(index), "Message": message} for index, message in enumerate(messages)]
    published = await SnsCalls(caller).publish_batch(TopicArn="arn", PublishBatchRequestEntries=entries)
    ((operation, _, headers),) = caller.asked
    assert operation == "PublishBatch"
    assert headers == {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    return published


async def test_a_batch_without_entries_is_not_asked_for() -> None:
    with pytest.raises(ParamValidationError, match="PublishBatchRequestEntries is empty"):
        await publish(b"")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"{}", "PublishBatch: the answer is no XML: "),
        (b"<html>busy</html>", "PublishBatch: the answer is a <html>"),
        (b'<r xmlns="http://sns.amazonaws.com/doc/2010-03-31/"/>', "PublishBatch: the answer is a <r>"),
    ],
)
async def test_what_is_no_answer_of_sns_is_told_as_it_came(answer: bytes, said: str) -> None:
    with pytest.raises(ResponseParserError) as caught:
        await publish(answer, "a")
    assert str(caught.value).startswith(said)


async def test_what_was_taken_and_what_failed_is_read_alike_with_and_without_failures() -> None:
    taken = b"<Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful>"
    failed = b"<Failed><member><Id>1</Id><Code>C</Code><SenderFault>true</SenderFault></member></Failed>"
    frame = b"<PublishBatchResponse><PublishBatchResult>%b</PublishBatchResult></PublishBatchResponse>"
    assert await publish(frame % taken, "a") == {"Successful": [{"Id": "0"}], "Failed": []}
    assert await publish(frame % (failed + taken), "a", "b") == {
        "Successful": [{"Id": "0"}],
        "Failed": [{"Id": "1", "Code": "C", "SenderFault": True}],
    }
