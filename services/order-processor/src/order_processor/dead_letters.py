"""Dead letters: what can never be finished is kept, with the reason, where an operator finds it."""

from flashmsg import dead_letter_attributes
from order_processor.queue import Message, Outlet


class DeadLetters:
    """Moves messages to the dead-letter queue so that moving them back is all a redrive takes.

    The body is untouched; the reason, what went wrong and how often the message was tried are message attributes.
    """

    def __init__(self, outlet: Outlet) -> None:
        """`outlet` sends to the dead-letter queue."""
        self._outlet = outlet

    async def bury(self, message: Message, *, reason: str, detail: str) -> None:
        """Send a copy; raises QueueUnavailableError, and then the original must not be deleted."""
        attributes = dead_letter_attributes(
            message.attributes, reason=reason, detail=detail, receives=message.receive_count
        )
        await self._outlet.send(message.body, attributes=attributes)
