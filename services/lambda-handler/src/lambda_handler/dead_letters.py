"""The dead-letter queue, for what no retry can cure."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from flashbus.attributes import message_attributes
from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import QueueUnavailableError
from lambda_handler.records import QueueRecord


class QueueClient(Protocol):
    """The one call made of an SQS client."""

    async def send_message(self, **arguments: object) -> Mapping[str, Any]: ...


class QueueDeadLetters:
    """Sends messages to the dead-letter queue with the reason beside them, as attributes.

    Without it poison would be received `maxReceiveCount` times, a number made for outages of hours. The client is
    opened with the first message: a function that never meets poison does not pay for it.
    """

    def __init__(self, *, queue_url: str, open_client: Callable[[], Awaitable[QueueClient]]) -> None:
        self._queue_url = queue_url
        self._open_client = open_client
        self._client: QueueClient | None = None
        self._opening = asyncio.Lock()

    async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
        """Keep the message as it was received; why, what went wrong and how often it was tried are attributes.

        Raises:
            QueueUnavailableError: The answer does not say that it is kept. What the client raises comes through.
        """
        attributes = dead_letter_attributes(
            record.attributes, reason=reason, detail=detail, receives=record.receive_count
        )
        client = await self._opened()
        answer = await client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=record.body,
            MessageAttributes=message_attributes(attributes),
        )
        if not answer.get("MessageId"):  # the record is deleted next: only the letter's id says that it was taken
            raise QueueUnavailableError("send: no message id", reason="garbled")

    async def _opened(self) -> QueueClient:
        async with self._opening:  # the records of a batch come here together
            if self._client is None:
                self._client = await self._open_client()
            return self._client
