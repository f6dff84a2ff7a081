"""A dead letter as an operator sees it, whichever queue it lies in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flashbus.counts import MOST_COUNT, read_count
from flashbus.dead_letters import DEAD_LETTER_DETAIL, DEAD_LETTER_REASON, DEAD_LETTER_RECEIVES
from flashbus.queue import Message
from flashmsg import FlashmsgError, Order, decode, too_deep
from order_processor.dlq.places import QueueName

# What SNS writes beside a message that it could not deliver.
_SNS_CODE, _SNS_MESSAGE, _SNS_REQUEST = "ErrorCode", "ErrorMessage", "RequestID"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter.

    Attributes:
        queue: Where it lies.
        message_id: Its name there.
        reason: Why it is a dead letter; a label of few values.
        detail: What went wrong, for a human.
        receives: How often it was tried, where that was counted.
        sent_at: When it came into a queue, as SQS has it.
        body: What would be sent again; None when the letter holds nothing of the kind.
        attributes: What would be sent with it.
        order: The order in it, None when it cannot be decoded.
    """

    queue: QueueName
    message_id: str
    reason: str
    detail: str
    receives: int | None
    sent_at: datetime | None
    body: str | None
    attributes: Mapping[str, str]
    order: Order | None

    def age(self, now: datetime) -> timedelta | None:
        """How long ago it came into a queue."""
        return None if self.sent_at is None else now - self.sent_at


def read_letter(queue: QueueName, message: Message) -> Letter:
    """Read a message of a dead-letter queue; whatever it holds, there is a letter."""
    if queue == "function":
        return _of_function(message)
    return _of_queue(queue, message)


def _of_queue(queue: QueueName, message: Message) -> Letter:
    given = message.attributes
    body, published = _out_of_envelope(message.body)
    unmarked = _unmarked(given) | published
    return Letter(
        queue=queue,
        message_id=message.message_id,
        reason=given.get(DEAD_LETTER_REASON) or given.get(_SNS_CODE) or _unexplained(queue),
        detail=given.get(DEAD_LETTER_DETAIL) or given.get(_SNS_MESSAGE) or "",
        receives=read_count(given.get(DEAD_LETTER_RECEIVES, "")),
        sent_at=message.sent_at,
        body=body,
        attributes=unmarked,
        order=_order(body),
    )


def _of_function(message: Message) -> Letter:
    """Lambda's record of an event that its function failed for good: the whole event, and the last answer."""
    record = _object(message.body)
    answer, context = _member(record, "responsePayload"), _member(record, "requestContext")
    notification = _only_notification(_member(record, "requestPayload"))
    body = notification.get("Message")
    text = body if isinstance(body, str) else None
    return Letter(
        queue="function",
        message_id=message.message_id,
        reason=str(answer.get("errorType") or context.get("condition") or "unreadable"),
        detail=str(answer.get("errorMessage") or ""),
        receives=_count(context.get("approximateInvokeCount")),
        sent_at=message.sent_at,
        body=text,
        attributes=_published_attributes(notification),
        order=None if text is None else _order(text),
    )


def _unexplained(queue: QueueName) -> str:
    # Without our attributes SQS moved it by itself, after the last receive.
    return "moved_by_sqs" if queue == "given-up" else "undelivered"


def _unmarked(attributes: Mapping[str, str]) -> dict[str, str]:
    ours = {DEAD_LETTER_REASON, DEAD_LETTER_DETAIL, DEAD_LETTER_RECEIVES, _SNS_CODE, _SNS_MESSAGE, _SNS_REQUEST}
    return {name: value for name, value in attributes.items() if name not in ours}


def _out_of_envelope(body: str) -> tuple[str, dict[str, str]]:
    """What was published, and its attributes, when a body is SNS's envelope; else the body itself."""
    document = _object(body)
    message = document.get("Message")
    if document.get("Type") == "Notification" and isinstance(message, str):
        return message, _published_attributes(document)
    return body, {}


def _published_attributes(notification: Mapping[str, Any]) -> dict[str, str]:
    given = _member(notification, "MessageAttributes")
    values = {name: value.get("Value") for name, value in given.items() if isinstance(value, dict)}
    return _unmarked({name: value for name, value in values.items() if isinstance(value, str)})


def _only_notification(event: Mapping[str, Any]) -> Mapping[str, Any]:
    records = event.get("Records")
    # SNS invokes a function with one record; of several it could not be said which of them failed.
    if not isinstance(records, list) or len(records) != 1 or not isinstance(records[0], dict):
        return {}
    return _member(records[0], "Sns")


def _order(body: str) -> Order | None:
    try:
        return decode(body).data
    except FlashmsgError:
        return None


def _object(text: str) -> Mapping[str, Any]:
    try:
        document = {} if too_deep(text) else json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _member(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    # JSON's true is an int of Python's, too.
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_COUNT else None
