"""What Lambda hands over: the records of an SNS or of an SQS event, in one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flashbus.counts import read_count
from flashmsg import OrderPlaced, decode_lambda_sns_record, decode_lambda_sqs_record


class UnknownEventError(Exception):
    """An event that comes neither from a topic nor from a queue: a trigger of ours is wrong."""


@dataclass(frozen=True, kw_only=True)
class TopicRecord:
    """An order delivered by SNS. Lambda retries it, then sends it to the failure destination."""

    record: Mapping[str, object]

    def decode(self) -> OrderPlaced:
        """The event; raises FlashmsgError when it is poison."""
        return decode_lambda_sns_record(self.record)

    @property
    def attributes(self) -> dict[str, str]:
        """The text attributes it was published with."""
        notification = self.record.get("Sns")
        given = notification.get("MessageAttributes") if isinstance(notification, Mapping) else None
        return _texts(given, "Value")


@dataclass(frozen=True, kw_only=True)
class QueueRecord:
    """A message of the queue. It is deleted unless its id is reported as failed."""

    message_id: str
    receive_count: int
    record: Mapping[str, object]

    def decode(self) -> OrderPlaced:
        """The event; raises FlashmsgError when it is poison."""
        return decode_lambda_sqs_record(self.record)

    @property
    def body(self) -> str:
        """The message as it was received."""
        return str(self.record.get("body", ""))

    @property
    def attributes(self) -> dict[str, str]:
        """The text attributes it was sent with."""
        return _texts(self.record.get("messageAttributes"), "stringValue")


Record: TypeAlias = TopicRecord | QueueRecord


def read_records(event: object) -> Sequence[Record]:
    """The records of an event; raises UnknownEventError for a foreign one."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        raise UnknownEventError("the event has no Records: it comes neither from SNS nor from SQS")
    return [_read_record(record) for record in records]


def _read_record(record: object) -> Record:
    if isinstance(record, Mapping):
        if record.get("EventSource") == "aws:sns":
            return TopicRecord(record=record)
        message_id = record.get("messageId")
        if record.get("eventSource") == "aws:sqs" and isinstance(message_id, str):
            return QueueRecord(message_id=message_id, receive_count=_receive_count(record), record=record)
    raise UnknownEventError("a record comes neither from SNS nor from SQS")


def _receive_count(record: Mapping[str, object]) -> int:
    attributes = record.get("attributes")
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, Mapping) else None
    read = read_count(count) if isinstance(count, str) else None
    return 1 if read is None else read


def _texts(attributes: object, member: str) -> dict[str, str]:
    return {
        name: value[member]
        for name, value in (attributes if isinstance(attributes, Mapping) else {}).items()
        if isinstance(value, Mapping) and isinstance(value.get(member), str)
    }
