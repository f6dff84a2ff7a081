"""A queue in memory for tests and benchmarks, held to the same contract tests as the one on SQS."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from flashbus.queue import LONGEST_HIDDEN, EntryFailure, Message, QueueUnavailableError, VisibilityChange


def loop_time() -> float:
    """The clock of the running event loop, in seconds."""
    return asyncio.get_running_loop().time()


@dataclass(slots=True, kw_only=True)
class StoredMessage:
    """One message as the queue keeps it."""

    message_id: str
    body: str
    attributes: dict[str, str]
    visible_at: float
    sent_at: float = 0.0
    received_at: float = 0.0
    receive_count: int = 0
    receipt: str | None = None


def _limit(stored: StoredMessage) -> float:
    return stored.received_at + LONGEST_HIDDEN.total_seconds()


@dataclass(slots=True, kw_only=True)
class FakeQueue:
    """A `Queue` in memory that models visibility times, receive counts and long polls.

    Attributes:
        clock: Seconds; must advance with the event loop's own time.
        round_trip: How long every call takes, beside the wait of a long poll.
        unavailable: While True every call raises QueueUnavailableError and does nothing.
        refuse: Called with the name of a batch call and a receipt; True makes that entry fail.
        stored: What is not deleted, by message id.
        receives: For every receive: how many were asked for, how many were brought.
        changes: Every change of visibility that was asked for.
        deleted: The ids of deleted messages, in sequence.
    """

    clock: Callable[[], float] = loop_time
    round_trip: timedelta = timedelta(0)
    unavailable: bool = False
    refuse: Callable[[str, str], bool] = lambda _call, _receipt: False
    stored: dict[str, StoredMessage] = field(default_factory=dict)
    receives: list[tuple[int, int]] = field(default_factory=list)
    changes: list[VisibilityChange] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    delete_calls: list[int] = field(default_factory=list)
    _sent: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def visible(self) -> list[StoredMessage]:
        """The messages that a receive could bring now."""
        now = self.clock()
        return [stored for stored in self.stored.values() if stored.visible_at <= now]

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        """See `MessageSender.send`."""
        await self._travel("send")
        self._sent += 1
        message_id = f"m{self._sent}"
        now = self.clock()
        self.stored[message_id] = StoredMessage(
            message_id=message_id, body=body, attributes=dict(attributes), visible_at=now, sent_at=now
        )
        self._announce()

    async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
        """See `Queue.receive`."""
        await self._travel("receive")
        if visibility > LONGEST_HIDDEN:
            raise QueueUnavailableError("receive: InvalidParameterValue", reason="refused")
        until = self.clock() + wait.total_seconds()
        while not (found := self.visible()) and self.clock() < until:
            await self._wait_for_change(until)
        messages = [self._deliver(stored, visibility) for stored in found[:most]]
        self.receives.append((most, len(messages)))
        return messages

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        """See `Queue.delete_batch`."""
        await self._travel("delete")
        self.delete_calls.append(len(receipts))
        failures = []
        for receipt in receipts:
            if self.refuse("delete", receipt):
                failures.append(EntryFailure(receipt=receipt, code="InternalError", gone=False))
            elif (stored := self._find(receipt)) is None:
                failures.append(EntryFailure(receipt=receipt, code="ReceiptHandleIsInvalid", gone=True))
            else:
                del self.stored[stored.message_id]
                self.deleted.append(stored.message_id)
        return failures

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """See `Queue.change_visibility`."""
        await self._travel("change_visibility")
        failures = []
        for change in changes:
            self.changes.append(change)
            if self.refuse("change_visibility", change.receipt):
                failures.append(EntryFailure(receipt=change.receipt, code="InternalError", gone=False))
            elif (stored := self._find(change.receipt)) is None:
                failures.append(EntryFailure(receipt=change.receipt, code="ReceiptHandleIsInvalid", gone=True))
            elif (until := self.clock() + change.after.total_seconds()) > _limit(stored):
                failures.append(EntryFailure(receipt=change.receipt, code="InvalidParameterValue", gone=True))
            else:
                stored.visible_at = until
        self._announce()
        return failures

    async def _travel(self, call: str) -> None:
        await asyncio.sleep(self.round_trip.total_seconds())
        if self.unavailable:
            raise QueueUnavailableError(f"{call}: the queue is made unavailable by the test", reason="unreachable")

    def _deliver(self, stored: StoredMessage, visibility: timedelta) -> Message:
        stored.receive_count += 1
        stored.receipt = f"{stored.message_id}/{stored.receive_count}"
        stored.received_at = self.clock()
        stored.visible_at = stored.received_at + visibility.total_seconds()
        return Message(
            message_id=stored.message_id,
            receipt=stored.receipt,
            body=stored.body,
            receive_count=stored.receive_count,
            attributes=dict(stored.attributes),
            sent_at=datetime.fromtimestamp(stored.sent_at, UTC),
        )

    def _find(self, receipt: str) -> StoredMessage | None:
        stored = self.stored.get(receipt.partition("/")[0])
        return stored if stored is not None and stored.receipt == receipt else None

    async def _wait_for_change(self, until: float) -> None:
        soonest = min((stored.visible_at for stored in self.stored.values()), default=until)
        try:
            async with asyncio.timeout(max(min(soonest, until) - self.clock(), 0.0)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
