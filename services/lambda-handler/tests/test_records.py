"""What Lambda hands over, read into records; whatever it looks like, only a foreign event is refused."""

from collections.abc import Mapping

import pytest

from flashmsg import MalformedMessageError, OrderPlaced, encode
from flashpay.testing import sample_order
from lambda_handler.records import QueueRecord, TopicRecord, UnknownEventError, read_records

PLACED = OrderPlaced.of(sample_order())
FOREIGN = "a record comes neither from SNS nor from SQS"


def queue_event(**changes: object) -> dict[str, object]:
    record = {
        "messageId": "m1",
        "eventSource": "aws:sqs",
        "body": encode(PLACED),
        "attributes": {"ApproximateReceiveCount": "3"},
        "messageAttributes": {"traceparent": {"dataType": "String", "stringValue": "t"}},
    }
    return {"Records": [record | changes]}


def topic_event(**changes: object) -> dict[str, object]:
    notification = {"Message": encode(PLACED), "MessageAttributes": {"traceparent": {"Type": "String", "Value": "t"}}}
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification | changes}]}


def queue_record(**changes: object) -> QueueRecord:
    (record,) = read_records(queue_event(**changes))
    assert isinstance(record, QueueRecord)
    return record


def topic_record(**changes: object) -> TopicRecord:
    (record,) = read_records(topic_event(**changes))
    assert isinstance(record, TopicRecord)
    return record


def test_a_message_of_the_queue_is_read_whole() -> None:
    record = queue_record()
    assert (record.message_id, record.receive_count) == ("m1", 3)
    assert (record.body, record.attributes) == (encode(PLACED), {"traceparent": "t"})
    assert record.decode() == PLACED


def test_an_order_of_the_topic_is_read_whole() -> None:
    record = topic_record()
    assert record.attributes == {"traceparent": "t"}
    assert record.decode() == PLACED


@pytest.mark.parametrize(
    "attributes", [None, "3", {}, {"ApproximateReceiveCount": 3}, {"ApproximateReceiveCount": "three"},
                   {"ApproximateReceiveCount": "-1"}, {"ApproximateReceiveCount": ""},
                   {"ApproximateReceiveCount": "9" * 5_000}]
)  # fmt: skip
def test_a_message_that_nobody_counted_was_received_once(attributes: object) -> None:
    assert queue_record(attributes=attributes).receive_count == 1


@pytest.mark.parametrize(
    "attributes", [None, [], "x", {"a": None}, {"a": "text"}, {"a": {"binaryValue": "x"}}, {"a": {"stringValue": 1}}]
)
def test_an_attribute_that_is_no_text_is_none(attributes: object) -> None:
    assert queue_record(messageAttributes=attributes).attributes == {}
    given = {"kept": {"dataType": "String", "stringValue": "yes"}}
    others = attributes if isinstance(attributes, dict) else {}
    assert queue_record(messageAttributes=given | others).attributes == {"kept": "yes"}


@pytest.mark.parametrize("attributes", [None, [], {"a": {"Value": 1}}, {"a": {"stringValue": "of a queue"}}])
def test_an_attribute_of_the_topic_that_is_no_text_is_none(attributes: object) -> None:
    assert topic_record(MessageAttributes=attributes).attributes == {}


@pytest.mark.parametrize("record", [{"EventSource": "aws:sns"}, {"EventSource": "aws:sns", "Sns": "text"}])
def test_a_notification_without_a_content_is_poison(record: Mapping[str, object]) -> None:
    (read,) = read_records({"Records": [record]})
    assert read.attributes == {}
    with pytest.raises(MalformedMessageError):
        read.decode()


def test_a_message_without_a_body_is_poison_and_has_an_empty_one() -> None:
    (record,) = read_records({"Records": [{"messageId": "m1", "eventSource": "aws:sqs"}]})
    assert isinstance(record, QueueRecord)
    assert record.body == ""
    with pytest.raises(MalformedMessageError):
        record.decode()


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (None, "the event has no Records: it comes neither from SNS nor from SQS"),
        ([], "the event has no Records: it comes neither from SNS nor from SQS"),
        ({"Records": {}}, "the event has no Records: it comes neither from SNS nor from SQS"),
        ({"Records": ["x"]}, FOREIGN),
        ({"Records": [{"EventSource": "aws:s3"}]}, FOREIGN),
        ({"Records": [{"eventSource": "aws:s3", "messageId": "m1"}]}, FOREIGN),
        ({"Records": [{"eventSource": "aws:sqs", "messageId": 1}]}, FOREIGN),
        ({"Records": [{"messageId": "m1"}]}, FOREIGN),
        ({"Records": [*queue_event()["Records"], {}]}, FOREIGN),  # type: ignore[misc]  # a list
    ],
)
def test_a_foreign_event_is_refused_in_a_sentence(event: object, sentence: str) -> None:
    with pytest.raises(UnknownEventError) as caught:
        read_records(event)
    assert str(caught.value) == sentence


def test_records_keep_their_sequence() -> None:
    both = [*queue_event()["Records"], *topic_event()["Records"]]  # type: ignore[misc]  # lists
    assert [type(record) for record in read_records({"Records": both})] == [QueueRecord, TopicRecord]
    assert read_records({"Records": []}) == []
