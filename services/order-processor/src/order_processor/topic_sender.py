"""Sends through the topic: to whoever consumes orders, whether from the queue or not."""

from collections.abc import Mapping

from flashbus.queue import QueueUnavailableError
from flashbus.topic import Entry, Topic, TopicError


class TopicSender:
    """A `MessageSender` that publishes."""

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
