"""What becomes of a message."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from flashpay import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """It is finished: delete it. `outcome` is a metric label; `entry` the order as it stands."""

    outcome: str
    entry: LedgerEntry
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """It cannot be finished now: have it delivered again in `after`."""

    outcome: str
    after: timedelta
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """It can never be finished, or was tried often enough: move it to the dead-letter queue."""

    outcome: str
    reason: str
    detail: str


Disposition: TypeAlias = Acknowledge | HandBack | DeadLetter
