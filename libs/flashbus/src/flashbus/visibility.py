"""The one loop that keeps messages hidden while they are worked, and shows them again when they are not."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from flashbus.events import first_of
from flashbus.observer import Observer
from flashbus.queue import BATCH_LIMIT, LONGEST_HIDDEN, Message, Queue, QueueUnavailableError, VisibilityChange

_HAND_BACK_ATTEMPTS = 3
_RETRY_SECONDS = 0.2
# A receive is known here later than the queue counts from: by its answer's way, and a rounded second.
_LIMIT_SECONDS = (LONGEST_HIDDEN - timedelta(minutes=1)).total_seconds()


@dataclass(slots=True, kw_only=True)
class _Hold:
    """A message kept hidden; times are the loop's, in seconds.

    Attributes:
        message: The one.
        due: When it is seen to next.
        hidden_until: When it would become visible by itself.
        limit: Up to when it can be hidden.
        finished: Whether the work is done and its delete on its way.
    """

    message: Message
    due: float
    hidden_until: float
    limit: float
    finished: bool = False


@dataclass(slots=True, kw_only=True)
class _HandBack:
    change: VisibilityChange
    attempts: int = 0


class VisibilityHeartbeat:
    """Extends the visibility of every held message, however long its work takes.

    All changes go through one loop, one after the other: an extension on its way can never overtake the
    hand-back of the same message. A message whose delete is on its way is left alone at first, and what the queue
    no longer knows of it is no loss.

    Args:
        queue: Where the messages are from.
        visibility: What they were received with, and are extended by; a third of it is the rhythm.
        observer: Told of the messages that were lost to another consumer.
    """

    def __init__(self, *, queue: Queue, visibility: timedelta, observer: Observer) -> None:
        self._queue = queue
        self._visibility = visibility
        self._interval = visibility.total_seconds() / 3
        self._observer = observer
        self._held: dict[str, _Hold] = {}
        self._returning: list[_HandBack] = []
        self._sleeps_until = math.inf
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()

    def hold(self, message: Message) -> None:
        """Keep a message just received hidden from now on."""
        now, hidden = self._now(), self._visibility.total_seconds()
        hold = _Hold(message=message, due=now, hidden_until=now + hidden, limit=now + _LIMIT_SECONDS)
        self._put_off(hold, now)
        self._held[message.receipt] = hold
        if hold.due < self._sleeps_until:
            self._wake.set()

    def finish(self, message: Message) -> None:
        """Know that a message is done and about to be deleted; it stays hidden if the delete takes its time."""
        hold = self._held.get(message.receipt)
        if hold is not None:
            hold.finished = True
            # An extension that was due just now would meet the delete.
            hold.due = max(hold.due, self._now() + self._interval / 4)

    def release(self, message: Message) -> None:
        """Forget a message: it is deleted, or shall come back when its time ends."""
        self._held.pop(message.receipt, None)

    def hand_back(self, message: Message, *, after: timedelta) -> None:
        """Stop holding a message and have it delivered again in `after`; returns before that is done."""
        hold = self._held.pop(message.receipt, None)
        if hold is not None:
            after = min(after, timedelta(seconds=max(0.0, hold.limit - self._now())))
        self._returning.append(_HandBack(change=VisibilityChange(receipt=message.receipt, after=after)))
        self._wake.set()

    def close(self) -> None:
        """Let `run` return once what is handed back has left."""
        self._closing.set()

    async def run(self) -> None:
        """Work until closed."""
        while self._returning or not self._closing.is_set():
            if not self._returning:
                await first_of(self._wake, self._closing, seconds=self._seconds_to_next())
            self._wake.clear()
            await self._send_hand_backs()
            await self._extend_due()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _seconds_to_next(self) -> float | None:
        self._sleeps_until = min((hold.due for hold in self._held.values()), default=math.inf)
        return None if self._sleeps_until == math.inf else max(0.0, self._sleeps_until - self._now())

    async def _send_hand_backs(self) -> None:
        returning, self._returning = self._returning, []
        failed = await self._change([back.change for back in returning])
        again = [back for back in returning if back.change.receipt in failed]
        for back in again:
            back.attempts += 1
        # One that never gets through comes back by itself when its visibility ends.
        self._returning += [back for back in again if back.attempts < _HAND_BACK_ATTEMPTS]
        if self._returning and again:
            await asyncio.sleep(_RETRY_SECONDS)

    async def _extend_due(self) -> None:
        now = self._now()
        due = [hold for hold in self._held.values() if hold.due <= now and not self._at_limit(hold, now)]
        until = {hold.message.receipt: min(now + self._visibility.total_seconds(), hold.limit) for hold in due}
        failed = await self._change(
            [VisibilityChange(receipt=receipt, after=timedelta(seconds=end - now)) for receipt, end in until.items()]
        )
        for hold in due:
            if hold.message.receipt in failed:
                # Soon again: there are two thirds of the visibility left to succeed in.
                hold.due = self._now() + self._interval / 4
            else:
                hold.hidden_until = until[hold.message.receipt]
                self._put_off(hold, now)

    def _put_off(self, hold: _Hold, now: float) -> None:
        # Hidden for as long as can be, it is seen to once more: when that ends.
        hold.due = now + self._interval if hold.hidden_until < hold.limit else hold.limit

    def _at_limit(self, hold: _Hold, now: float) -> bool:
        if now < hold.limit:
            return False
        hold.due = math.inf
        if not hold.finished:
            self._observer.visibility_limit_reached()
            structlog.get_logger().warning("visibility_limit_reached", message_id=hold.message.message_id)
        return True

    async def _change(self, changes: Sequence[VisibilityChange]) -> set[str]:
        """Send changes in batches; the receipts of those worth another try."""
        batches = [changes[start : start + BATCH_LIMIT] for start in range(0, len(changes), BATCH_LIMIT)]
        failed = await asyncio.gather(*(self._change_batch(batch) for batch in batches))
        return set().union(*failed)

    async def _change_batch(self, batch: Sequence[VisibilityChange]) -> set[str]:
        try:
            failures = await self._queue.change_visibility(batch)
        except QueueUnavailableError as exc:
            structlog.get_logger().warning("visibility_change_failed", error=str(exc), messages=len(batch))
            return {change.receipt for change in batch}
        for failure in failures:
            if not failure.gone:
                continue
            hold = self._held.pop(failure.receipt, None)
            if hold is not None and not hold.finished:
                self._observer.visibility_lost()
                structlog.get_logger().warning("visibility_lost", code=failure.code)
        return {failure.receipt for failure in failures if not failure.gone}
