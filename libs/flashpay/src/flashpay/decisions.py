"""What becomes of an order's message: one table for every consumer, which only carries it out.

`decide` looks at how the attempt ended, and `decide_given_up` at what the ledger and the gateway said when an order
was to be given up. Both are pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from flashmsg import FlashmsgError, Order, OrderStatus
from flashpay.entries import LedgerEntry
from flashpay.errors import ConflictingChargeError, FlashpayError, GatewayUnavailableError, StockUnsettledError
from flashpay.reservations import SoldOut
from flashpay.settlement import Busy, ChargeUnknown, Duplicate, GivenUp, GiveUp, Mismatch, Settled, Settlement

CRASHED = "crashed"
EXHAUSTED = "exhausted"
HELD = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a message. `receives` counts this one too; None where nobody counts, as from a topic."""

    receives: int | None
    max_receives: int
    redriven: bool = False

    @property
    def receives_left(self) -> int:
        """How often the message may still be delivered; 0 where nobody counts."""
        return 0 if self.receives is None else max(self.max_receives - self.receives, 0)

    @property
    def last(self) -> bool:
        """Whether the message must not be handed back any more."""
        return self.receives is not None and self.receives >= self.max_receives


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """It is finished: delete it. `outcome` is a metric label; `entry` the order as it stands."""

    outcome: str
    entry: LedgerEntry
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """It cannot be finished now: have it delivered again, not before `at_least`.

    `step` is how far to back off beyond that: as after so many attempts, 0 for not at all. `ended` is the order if
    this attempt brought it to its end all the same.
    """

    outcome: str
    reason: str | None = None
    at_least: timedelta = timedelta(0)
    step: int = 1
    ended: LedgerEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """It can never be finished, or was tried often enough: move it to the dead letters. `ended` as of `HandBack`."""

    outcome: str
    reason: str
    detail: str
    ended: LedgerEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpOrder:
    """Have the order given up (`Settler.give_up`), then ask `decide_given_up`. `reason` goes to the ledger too."""

    reason: str
    detail: str
    uncharged: bool = False


Disposition: TypeAlias = Acknowledge | HandBack | DeadLetter


def decide_poison(error: FlashmsgError) -> DeadLetter:
    """What becomes of a message that can never be decoded."""
    return DeadLetter(outcome="poison", reason=error.reason, detail=str(error))


def decide(ended: Settlement | Exception, delivery: Delivery, *, now: datetime) -> Disposition | GiveUpOrder:
    """What becomes of a message whose attempt ended like this; `now` is the clock that leases are compared with."""
    match ended:
        case ConflictingChargeError():
            # Two definite answers that differ: the order stands as it is, and a human must look.
            return DeadLetter(outcome="conflict", reason=ended.reason, detail=str(ended))
        case StockUnsettledError():
            return _unsettled_stock(ended, delivery)
        case FlashpayError(retryable=False):
            return GiveUpOrder(reason=ended.reason, detail=str(ended), uncharged=ended.uncharged)
        case Exception():
            return _after_trouble(ended, delivery)
        case _:
            return _settled(ended, delivery, now=now)


def decide_given_up(
    given_up: GiveUp | Exception, order: Order, why: GiveUpOrder, delivery: Delivery, *, now: datetime
) -> Disposition:
    """What becomes of a message whose order was to be given up for `why`, and ended like this."""
    match given_up:
        case Exception():
            return _after_giving_up_failed(given_up, why, delivery)
        case ChargeUnknown(error=error):
            return _unresolved(why, delivery, f"what became of the charge is not known: {error}", error.reason)
        case GivenUp(entry=entry):
            return _given_up(entry, order, why, delivery)
        case Duplicate(entry=entry) if entry.status is OrderStatus.FAILED:
            return DeadLetter(outcome="duplicate", reason=why.reason, detail=why.detail)
        case Busy(lease_until=lease_until) if delivery.last:
            return _kept(why, f"another attempt holds the order until {lease_until}")
        case _:
            return _final(given_up, now=now)


def _after_giving_up_failed(error: Exception, why: GiveUpOrder, delivery: Delivery) -> Disposition:
    match error:
        case ConflictingChargeError():
            return DeadLetter(outcome="conflict", reason=error.reason, detail=str(error))
        case StockUnsettledError():
            return _unsettled_stock(error, delivery)
        case FlashpayError():
            return _unresolved(why, delivery, f"the ledger was not told: {error}", error.reason)
        case _:
            return _unresolved(why, delivery, f"giving it up crashed: {error!r}", CRASHED)


def _unsettled_stock(error: StockUnsettledError, delivery: Delivery) -> HandBack | DeadLetter:
    """The order stands as it should, and is not given up for its units: a later delivery, or a redrive, ends them."""
    if delivery.last:
        return DeadLetter(outcome="unresolved", reason=error.reason, detail=str(error), ended=error.ended)
    return HandBack(outcome="retry", reason=error.reason, step=delivery.receives or 1, ended=error.ended)


def _settled(settlement: Settlement, delivery: Delivery, *, now: datetime) -> Disposition | GiveUpOrder:
    match settlement:
        case Duplicate(entry=entry) if entry.status is OrderStatus.FAILED and delivery.receives != 1:
            # Perhaps the order's own message, whose dead letter could not be kept the last time.
            detail = "the order is failed, its first dead letter may be lost"
            return DeadLetter(outcome="duplicate", reason=entry.reason or EXHAUSTED, detail=detail)
        case Busy() if delivery.last:
            # Handed back once more it would be moved by SQS itself, without a reason.
            return GiveUpOrder(reason=EXHAUSTED, detail=_exhausted(delivery, HELD))
        case _:
            return _final(settlement, now=now)


def _final(settlement: Settlement, *, now: datetime) -> Disposition:
    match settlement:
        case Settled(entry=entry, attempt=attempt):
            return Acknowledge(outcome=entry.status.value, entry=entry, attempt=attempt)
        case Duplicate(entry=entry):
            return Acknowledge(outcome="duplicate", entry=entry)
        case Mismatch(entry=entry):
            return Acknowledge(outcome="mismatch", entry=entry)
        case SoldOut(entry=entry):
            return Acknowledge(outcome="sold_out", entry=entry, attempt=entry.attempt)
        case Busy(lease_until=lease_until):
            return HandBack(outcome=HELD, reason=HELD, at_least=max(lease_until - now, timedelta(0)))


def _after_trouble(error: Exception, delivery: Delivery) -> HandBack | GiveUpOrder:
    reason = error.reason if isinstance(error, FlashpayError) else CRASHED
    if delivery.last:
        return GiveUpOrder(reason=EXHAUSTED, detail=_exhausted(delivery, reason))
    asked = error.retry_after if isinstance(error, GatewayUnavailableError) else None
    return HandBack(
        outcome="retry" if isinstance(error, FlashpayError) else CRASHED,
        reason=reason,
        at_least=asked or timedelta(0),
        step=delivery.receives or 1,
    )


def _given_up(entry: LedgerEntry, order: Order, why: GiveUpOrder, delivery: Delivery) -> Disposition:
    """What the entry says after the ledger was told to fail the order: it may know better."""
    if entry.fingerprint != order.fingerprint:
        return Acknowledge(outcome="mismatch", entry=entry)
    if entry.status is OrderStatus.FAILED:
        return DeadLetter(outcome="failed", reason=why.reason, detail=why.detail)
    if entry.status.awaits_payment:
        return _unresolved(why, delivery, "another attempt took the order", HELD)
    return Acknowledge(outcome="duplicate", entry=entry)


def _unresolved(why: GiveUpOrder, delivery: Delivery, trouble: str, reason: str) -> HandBack | DeadLetter:
    if delivery.last:
        return _kept(why, trouble)
    return HandBack(outcome="retry", reason=reason, step=delivery.receives or 1)


def _kept(why: GiveUpOrder, trouble: str) -> DeadLetter:
    """The order is not failed. Its message must not be handed back, so the dead letters keep it."""
    return DeadLetter(outcome="unresolved", reason=why.reason, detail=f"{why.detail}; {trouble}")


def _exhausted(delivery: Delivery, reason: str) -> str:
    return f"delivered {delivery.receives} times, last failure: {reason}"
