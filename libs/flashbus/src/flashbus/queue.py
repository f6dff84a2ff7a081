"""The queue as a consumer sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

# What one receive brings, and one batch of deletes or visibility changes takes, at most.
BATCH_LIMIT = 10
# How long such a call may wait for company: those that it takes along with the first one.
LINGER = timedelta(milliseconds=50)
# How long SQS can hide a delivery, counted from the receive, extensions included.
LONGEST_HIDDEN = timedelta(hours=12)


class QueueUnavailableError(Exception):
    """The queue did not do what it was asked, or its answer was lost; asking again may help.

    `reason` is a label of few values, fit for a metric.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery of a message.

    Attributes:
        message_id: The same in every delivery.
        receipt: Names this delivery; what deletes it or changes its visibility.
        body: As it was sent.
        receive_count: How often it was delivered so far, this time included; approximate.
        attributes: The text attributes it was sent with.
        sent_at: When it was put into the queue; a queue that moves a message to its dead letters keeps this.
    """

    message_id: str
    receipt: str
    body: str
    receive_count: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibilityChange:
    """Hide a delivery for `after` from now on; zero gives it back at once.

    Refused where it would be hidden for more than `LONGEST_HIDDEN` from its receive on.
    """

    receipt: str
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFailure:
    """One entry of a batch that was not done. `gone` when the delivery no longer is ours: do not try again."""

    receipt: str
    code: str
    gone: bool


class MessageSender(Protocol):
    """Sends messages to a queue."""

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        """Send one message; raises QueueUnavailableError when it is not known to be stored."""
        ...


class Queue(MessageSender, Protocol):
    """A queue that hides what it delivers until it is deleted or its visibility time ends.

    Every method may raise `QueueUnavailableError`.
    """

    async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
        """Take up to `most` (1 to 10) messages, waiting up to `wait` for the first one."""
        ...

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        """Delete up to 10 deliveries; returns those that were not."""
        ...

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """Change up to 10 deliveries; returns those that were not."""
        ...
