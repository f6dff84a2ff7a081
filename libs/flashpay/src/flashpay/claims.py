"""The answers to a claim and to an acceptance, and the rules that give them: the same for every ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from flashmsg import Order, OrderStatus, Reservation
from flashpay.entries import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The order is ours until `lease_until`. `order` carries the prices of its first acceptance or claim.

    `reservation` is the order's own. Where `reopened` is not 0 the order had failed and returned it.
    """

    order: Order
    attempt: int
    owner: str
    lease_until: datetime
    reservation: Reservation | None = None
    reopened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyTerminal:
    """The order was settled before, paid back or not: the message is a duplicate."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldElsewhere:
    """Another owner works on the order; come back when its lease ends."""

    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentMismatch:
    """The ledger holds another content under this order id; nothing was changed."""

    entry: LedgerEntry


Claim: TypeAlias = Claimed | AlreadyTerminal | HeldElsewhere | ContentMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The ledger holds this order, with the prices of its first acceptance.

    `first` is True when this very call wrote it. It may be False for the first caller too, when its reply was
    lost and another attempt was quicker: nobody may conclude from False that somebody else had asked before.
    """

    entry: LedgerEntry
    first: bool


Acceptance: TypeAlias = Accepted | ContentMismatch


def evaluate_claim(entry: LedgerEntry, order: Order, *, owner: str, now: datetime, reopen: bool) -> Claim | None:
    """What an entry that is already there answers to a claim; `None` when it is free to be taken over.

    A live lease of the same owner can only be the caller's own claim whose reply was lost, since an owner
    names one attempt of one worker: it is handed out again as it stands. `reopen` frees a failed order.
    """
    if entry.fingerprint != order.fingerprint:
        return ContentMismatch(entry=entry)
    if entry.status is OrderStatus.FAILED and reopen:
        return None
    if not entry.status.awaits_payment:
        return AlreadyTerminal(entry=entry)
    if entry.lease_until is None or entry.lease_until <= now:
        return None
    if entry.owner == owner:
        return claimed(entry)
    return HeldElsewhere(lease_until=entry.lease_until)


def evaluate_acceptance(entry: LedgerEntry, order: Order, *, owner: str) -> Acceptance:
    """What an entry that is already there answers to an acceptance; `owner` names this one call.

    A pending entry of the same owner can only be the caller's own, written before its reply was lost.
    """
    if entry.fingerprint != order.fingerprint:
        return ContentMismatch(entry=entry)
    return Accepted(entry=entry, first=entry.status is OrderStatus.PENDING and entry.owner == owner)


def evaluate_cancellation(entry: LedgerEntry) -> OrderStatus | None:
    """What a cancellation makes of an entry; None where it changes nothing.

    One that nobody ever claimed cannot be charged any more. One that is being worked on may be charged at this very
    moment, and so may be one whose lease has ended: its worker may only have been stopped.
    """
    return {OrderStatus.PENDING: OrderStatus.CANCELLED, OrderStatus.COMPLETED: OrderStatus.REFUNDING}.get(entry.status)


def may_fail(entry: LedgerEntry, order: Order, *, now: datetime, attempt: int | None) -> bool:
    """Whether an order may be given up: never over a terminal status, another's live lease or another content.

    `attempt` is the one that gives up, under its own lease; whoever claimed the order after it stands in its way.
    """
    if entry.fingerprint != order.fingerprint or not entry.status.awaits_payment:
        return False
    if attempt is not None:
        return entry.attempt == attempt
    return entry.lease_until is None or entry.lease_until <= now


def claimed(entry: LedgerEntry, *, order: Order | None = None) -> Claimed:
    """The claim that an entry under lease stands for; the `order` that it was just made of is not checked again."""
    if entry.owner is None or entry.lease_until is None:
        raise ValueError(f"the entry of {entry.order_id} is not under lease")
    return Claimed(
        order=entry.order if order is None else order.model_copy(update={"created_at": entry.created_at}),
        attempt=entry.attempt,
        owner=entry.owner,
        lease_until=entry.lease_until,
        reservation=entry.reservation,
        reopened=entry.reopened,
    )
