"""What a handler makes of a message."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from flashbus.queue import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """It is finished: delete it.

    Attributes:
        outcome: A label of few values, for metrics and the log.
        fields: What the message's line of log shall say beside it.
    """

    outcome: str = "acknowledged"
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """It cannot be finished now: have it delivered again in `after`."""

    after: timedelta
    reason: str | None = None
    outcome: str = "handed_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """It can never be finished, or was tried often enough: move it to the dead-letter queue."""

    reason: str
    detail: str
    outcome: str = "dead_letter"


Disposition: TypeAlias = Acknowledge | HandBack | DeadLetter

# Called with each message, many at once. What it raises is logged, and the message handed back with backoff.
Handler: TypeAlias = Callable[[Message], Awaitable[Disposition]]
