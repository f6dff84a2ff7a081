"""From queue to queue: every dead letter that a selection takes, until there are enough of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flashbus.queue import Queue, QueueUnavailableError
from order_processor.dlq.letters import read_letter
from order_processor.dlq.places import QueueName
from order_processor.dlq.selection import Selection
from order_processor.dlq.visits import Visit
from order_processor.dlq.walk import Walk


@dataclass(frozen=True, kw_only=True)
class Tour:
    """One command's way through the queues.

    Attributes:
        queues: The dead-letter queues there are.
        selection: Which letters are meant.
        limit: The most letters to visit.
        now: The time that ages are counted from.
        stop: Set, the tour ends after the letter in hand; what was looked at is given back.
    """

    queues: Mapping[QueueName, Queue]
    selection: Selection
    limit: int
    now: datetime
    stop: asyncio.Event

    async def go(self, visit: Visit) -> None:
        """Visit the letters; raises QueueUnavailableError when a queue does not answer."""
        left = self.limit
        for name, queue in self.queues.items():
            if name in self.selection.queues and left and not self.stop.is_set():
                left = await self._named(name, queue, visit, left)

    async def _named(self, name: QueueName, queue: Queue, visit: Visit, left: int) -> int:
        try:
            return await self._walk(name, queue, visit, left)
        except QueueUnavailableError as exc:
            raise QueueUnavailableError(f"{name}: {exc}", reason=exc.reason) from exc

    async def _walk(self, name: QueueName, queue: Queue, visit: Visit, left: int) -> int:
        async with Walk(queue) as walk:
            async for message in walk.messages():
                if self.stop.is_set():
                    break
                letter = read_letter(name, message)
                if self.selection.takes(letter, now=self.now):
                    await visit.visit(letter, message, walk)
                    left -= 1
                if not left:
                    break
        return left
