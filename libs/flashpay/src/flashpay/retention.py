"""What is left to do with an order that has come to its end: to tell of it, and then to forget it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from flashpay.entries import LedgerEntry, Tombstone, whole_ms

# A message may come back for as long: four days in its queue, fourteen as a dead letter, and some until it is redriven.
# It must meet its order.
_FEWEST_DAYS = 30
# A century; of many more, the end of an order would lie beyond what a moment can hold.
_MOST_DAYS = 36_500


def enough_days(days: int) -> int:
    """The days that ended orders are kept, 0 for ever; raises ValueError for too few and for too many."""
    if 0 < days < _FEWEST_DAYS:
        raise ValueError(f"must be 0 or at least {_FEWEST_DAYS}")
    if days > _MOST_DAYS:
        raise ValueError(f"must be at most {_MOST_DAYS}")
    return days


RetentionDays = Annotated[int, Field(ge=0, le=_MOST_DAYS), AfterValidator(enough_days)]
"""A setting: the days that ended orders are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long an order stays in the ledger once it has ended.

    Attributes:
        announced: Whether its outcome is published first. Until that is certain it is owed, and the order stays.
        keep: How long it stays after that; None for ever.
    """

    announced: bool = False
    keep: timedelta | None = None

    @classmethod
    def of_settings(cls, *, outcomes_topic: str, days: int) -> "Retention":
        """What a service is told: the topic of outcomes, empty for none, and the days that orders are kept."""
        return cls(announced=bool(outcomes_topic), keep=timedelta(days=days) if days else None)

    def ended(self, entry: LedgerEntry, *, now: datetime) -> LedgerEntry:
        """The entry of an order that ends now."""
        return replace(entry, event_owed=True, expires_at=None) if self.announced else self.told(entry, now=now)

    def told(self, entry: LedgerEntry, *, now: datetime) -> LedgerEntry:
        """The entry of an ended order for which nothing is left to do."""
        return replace(entry, event_owed=False, expires_at=self.expiry(now))

    def tombstone(self, order_id: str, *, now: datetime) -> Tombstone:
        """What says that an order is cancelled which the ledger has not met: there is nothing to tell of it yet."""
        return Tombstone(order_id=order_id, cancelled_at=whole_ms(now), expires_at=self.expiry(now))

    def expiry(self, now: datetime) -> datetime | None:
        """When an order is forgotten for which nothing is left to do from `now` on."""
        return None if self.keep is None else (now + self.keep).replace(microsecond=0)


KEPT = Retention()
"""For ever, and nobody is told."""
