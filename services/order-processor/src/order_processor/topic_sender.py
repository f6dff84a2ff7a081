"""The ways back: onto the queue that a message came off, or through the topic once more."""

from collections.abc import Mapping

from flashbus.queue import QueueUnavailableError
from flashbus.topic import Entry, Topic, TopicError


class TopicSender:
    """Publishes through a `MessageSender`'s one method.

    SQS has no redrive for what SNS or Lambda put into a queue: such a queue has no source to move messages back to.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        """Publish one message; raises QueueUnavailableError when it is not known to be taken."""
        try:
            refusals = await self._topic.publish_batch([Entry(body, attributes)])
        except TopicError as exc:
            raise QueueUnavailableError(str(exc), reason="unreachable") from exc
        for refusal in refusals.values():
            raise QueueUnavailableError(f"publish: {refusal.code}", reason="refused")
