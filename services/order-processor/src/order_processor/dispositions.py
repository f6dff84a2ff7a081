"""What becomes of a message, as far as its order goes."""

from dataclasses import dataclass
from typing import TypeAlias

from flashbus.dispositions import DeadLetter, HandBack
from flashpay import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """It is finished: delete it. `outcome` is a metric label; `entry` the order as it stands."""

    outcome: str
    entry: LedgerEntry
    attempt: int | None = None


Disposition: TypeAlias = Acknowledge | HandBack | DeadLetter
