"""One walk through a queue that must look the same afterwards, but for what was taken out of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Self

import structlog

from flashbus.queue import BATCH_LIMIT, Message, Queue, QueueUnavailableError, VisibilityChange

# SQS has no way to look without receiving: what was looked at stays hidden until the end of the walk, or, should we be
# killed, for so long.
HIDDEN = timedelta(minutes=5)
_WAIT = timedelta(seconds=1)


class Walk:
    """Receives every message of a queue once, and gives back what was not removed.

    Use it as an asynchronous context manager: leaving it gives back, however it is left.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._seen: set[str] = set()
        self._held: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._give_back()

    async def messages(self) -> AsyncIterator[Message]:
        """Every message once, until the queue brings none.

        Raises:
            QueueUnavailableError: The queue does not answer.
        """
        while page := await self._queue.receive(most=BATCH_LIMIT, wait=_WAIT, visibility=HIDDEN):
            # A walk longer than HIDDEN meets some again: of those only the last receipt counts.
            self._held |= {message.message_id: message.receipt for message in page}
            for message in page:
                if message.message_id not in self._seen:
                    self._seen.add(message.message_id)
                    yield message

    async def remove(self, message: Message) -> bool:
        """Delete a message; False when the queue did not, or says that it is another's now."""
        if await self._queue.delete_batch([self._held[message.message_id]]):
            return False
        del self._held[message.message_id]
        return True

    async def _give_back(self) -> None:
        receipts = list(self._held.values())
        try:
            for start in range(0, len(receipts), BATCH_LIMIT):
                batch = receipts[start : start + BATCH_LIMIT]
                await self._queue.change_visibility(
                    [VisibilityChange(receipt=receipt, after=timedelta(0)) for receipt in batch]
                )
        except QueueUnavailableError as exc:
            # It ends by itself: they are visible again when HIDDEN is over.
            structlog.get_logger().warning("not_given_back", messages=len(receipts), error=str(exc))
