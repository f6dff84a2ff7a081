"""The dead-letter queue, for what no retry can cure."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from flashbus.attributes import message_attributes
from flashbus.dead_letters import dead_letter_attributes
from lambda_handler.records import QueueRecord


class QueueClient(Protocol):
    """The one call made of an SQS client."""

    async def send_message(self, **arguments: object) -> object: ...


class QueueDeadLetters:
    """Sends messages to the dead-letter queue with the reason beside them, as attributes.

    Without it poison would be received `maxReceiveCount` times, a number made for outages of hours. The client is
    opened with the first message: a function that never meets poison does not pay for it.
    """

    def __init__(self, *, queue_url: str, open_client: Callable[[], Awaitable[QueueClient]]) -> None:
        self._queue_url = queue_url
        self._open_client = open_client
        self._client: QueueClient | None = None

    async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
        """Keep the message as it was received; why, what went wrong and how often it was tried are attributes."""
        if self._client is None:
            self._client = await self._open_client()
        attributes = dead_letter_attributes(
            record.attributes, reason=reason, detail=detail, receives=record.receive_count
        )
        await self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=record.body,
            MessageAttributes=message_attributes(attributes),
        )
