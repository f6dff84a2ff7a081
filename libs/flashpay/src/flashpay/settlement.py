"""settle(): claim an order, charge it, record the answer. The same in every arm."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from flashmsg import Order, OrderStatus, Reservation
from flashpay.charging import Charger, Unanswered
from flashpay.claims import AlreadyTerminal, Claimed, ContentMismatch, HeldElsewhere
from flashpay.entries import LedgerEntry
from flashpay.errors import (
    FlashpayError,
    GatewayRefusedError,
    GatewayUnavailableError,
    LedgerUnavailableError,
    StockUnsettledError,
)
from flashpay.gateway import ChargeKnown, ChargeRequest, ChargeResult, Gateway, NotCharged
from flashpay.ledger import Clock, Ledger, RecordedOrder, utc_now
from flashpay.outcomes import Announcer
from flashpay.reservations import PurchaseLimits, Reservations, SoldOut, Stock, endings
from flashpay.writes import finish

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """This attempt brought the order to a terminal status."""

    entry: LedgerEntry
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The order was terminal before: acknowledge the message, nothing was done."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another attempt holds the order; come back when its lease ends."""

    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The order id is taken by an order of another content, which `entry` is. Nothing was charged."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The order was to be given up, and was certainly not charged. `entry` is what the ledger says now."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeUnknown:
    """The order cannot be given up as failed: its charge is in flight, or nobody knows. `error` says why."""

    error: GatewayUnavailableError


Settlement: TypeAlias = Settled | Duplicate | Busy | Mismatch | SoldOut
GiveUp: TypeAlias = Settlement | GivenUp | ChargeUnknown
Finding: TypeAlias = Settlement | NotCharged | ChargeUnknown


class Settler:
    """Settles orders, any number at once.

    Args:
        ledger: Where claims and answers are kept.
        gateway: Who charges.
        stock: Where reservations end, before the message may be acknowledged; None where nothing is limited.
        limits: Where an order counts for its customer, until its reservation is returned.
        announcer: Tells of the ends that this worker meets and that are owed; None where nobody is told.
        owner: The name of this worker; every attempt adds its own random end.
        lease: How long a claim is exclusive; longer than `payment_timeout`.
        payment_timeout: The most that one charge may take to be answered.
        key_window: How long the gateway keeps a key. A charge of an order older than that may have been forgotten, and
            is asked for before it is sent again.
        patience: How long an unanswered charge that may be worked on is waited for, at most.
        clock: The clock that leases are compared with.
        sleep: Waits so many seconds between two looks at an unanswered charge.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, each named
        self,
        *,
        ledger: Ledger,
        gateway: Gateway,
        stock: Stock | None = None,
        limits: PurchaseLimits | None = None,
        announcer: Announcer | None = None,
        owner: str,
        lease: timedelta = timedelta(seconds=30),
        payment_timeout: timedelta = timedelta(seconds=10),
        key_window: timedelta = timedelta(hours=24),
        patience: timedelta = timedelta(seconds=300),
        clock: Clock = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if payment_timeout <= timedelta(0):
            raise ValueError("payment_timeout must be positive")
        if lease <= payment_timeout:
            raise ValueError("lease must be longer than payment_timeout, or two owners charge at once")
        self._ledger = ledger
        self._owner = owner
        self._lease = lease
        self._payment_timeout = payment_timeout
        self._key_window = key_window
        self._clock = clock
        self._charger = Charger(
            gateway=gateway, payment_timeout=payment_timeout, patience=patience, clock=clock, sleep=sleep
        )
        self._reservations = Reservations(stock=stock, limits=limits)
        self._announcer = announcer

    async def settle(
        self,
        order: Order,
        *,
        traceparent: str | None = None,
        reservation: Reservation | None = None,
        redriven: bool = False,
        on_unanswered: Unanswered | None = None,
    ) -> Settlement:
        """Bring an order to a terminal status, and its reserved units with it, or say why this attempt cannot.

        Args:
            order: As it was accepted; the ledger's prices are the ones that are charged.
            traceparent: Sent to the gateway with the charge.
            reservation: The limited units that came with the message.
            redriven: The message comes back from the dead letters: only then is a `failed` order opened again.
            on_unanswered: Told at once when the charge gets no definite answer; the attempt may go on for long.

        Raises:
            FlashpayError: Not settled; `retryable` says whether to come back. The lease is given back.
        """
        claim = await self._claim(order, reservation, redriven=redriven)
        ended = await self._pay(claim, traceparent, on_unanswered) if isinstance(claim, Claimed) else claim
        await self._end(ended, reservation)
        return ended

    async def give_up(
        self,
        order: Order,
        *,
        reason: str,
        reservation: Reservation | None = None,
        redriven: bool = False,
        uncharged: bool = False,
    ) -> GiveUp:
        """Mark an order failed under `reason` and return its reserved units, unless it was charged or may have been.

        A charge that is found made, or declined, is recorded instead; with `uncharged` the caller is certain already.

        Raises:
            FlashpayError: The ledger did not do its part, or the receipt is for another charge.
        """
        claim = await self._claim(order, reservation, redriven=redriven)
        ended = await self._fail(claim, reason, uncharged=uncharged) if isinstance(claim, Claimed) else claim
        await self._end(ended, reservation)
        return ended

    async def find_out(self, order: Order) -> Finding:
        """Record what the gateway knows of an order, without charging. `NotCharged` leaves it to the next attempt.

        Raises:
            FlashpayError: The ledger did not do its part, or the receipt is for another charge.
        """
        claim = await self._claim(order, None, redriven=False)
        ended = await self._find_out(claim) if isinstance(claim, Claimed) else claim
        if not isinstance(ended, NotCharged):
            await self._end(ended, None)
        elif isinstance(claim, Claimed):
            await self._give_back(claim)
        return ended

    async def end_units(self, entry: LedgerEntry) -> None:
        """End the reservation of an order that has ended, for whoever ended it and did not come to this.

        Raises:
            StockUnsettledError: It may not have ended. Asked again, one that has is left alone.
        """
        await self._end_reservations(entry, None, settled=False)

    def lose_patience(self) -> None:
        """Wait for no unanswered charge any more: the process is about to stop."""
        self._charger.lose_patience()

    async def _claim(self, order: Order, reservation: Reservation | None, *, redriven: bool) -> Claimed | Settlement:
        owner = self._attempt_name()
        claim = await self._ledger.claim(
            order, owner=owner, lease=self._lease, reopen=redriven, reservation=reservation
        )
        if not isinstance(claim, Claimed):
            return _without_claim(claim)
        if await self._holding(claim, self._reservations.reopen(claim)):
            return claim
        entry = await self._ledger.sell_out(claim)
        if entry.status is OrderStatus.SOLD_OUT:
            return SoldOut(entry=entry)
        # Somebody else has claimed or ended it meanwhile.
        return (
            Busy(lease_until=entry.lease_until or claim.lease_until)
            if entry.status.awaits_payment
            else Duplicate(entry=entry)
        )

    async def _pay(self, claim: Claimed, traceparent: str | None, on_unanswered: Unanswered | None) -> Settlement:
        request = _request(claim.order, traceparent)
        result = await self._holding(claim, self._charge(claim, request, on_unanswered))
        return await self._record(claim, result)

    async def _fail(self, claim: Claimed, reason: str, *, uncharged: bool) -> GiveUp:
        known = NotCharged() if uncharged else await self._find_out(claim)
        if not isinstance(known, NotCharged):
            return known
        return GivenUp(entry=await self._ledger.fail(claim.order, reason=reason, attempt=claim.attempt))

    async def _find_out(self, claim: Claimed) -> Finding:
        try:
            known = await self._look_up(claim)
        except GatewayUnavailableError as error:
            return ChargeUnknown(error=error)
        return known if isinstance(known, NotCharged) else await self._record(claim, known)

    async def _end(self, ended: GiveUp, reservation: Reservation | None) -> None:
        if isinstance(ended, Busy | ChargeUnknown):
            return
        try:
            await self._end_reservations(ended.entry, reservation, settled=isinstance(ended, Settled))
        except StockUnsettledError as error:
            error.ended = ended.entry if _is_by_us(ended) else None
            raise
        if self._announcer is not None:
            self._announcer.announce(ended.entry)

    async def _end_reservations(self, entry: LedgerEntry, reservation: Reservation | None, *, settled: bool) -> None:
        if found := endings(entry, reservation):
            ending = self._reservations.end(found, entry, settled=settled)
            await finish(asyncio.create_task(ending, name=f"end {entry.order_id}"))

    def _attempt_name(self) -> str:
        # Unique per attempt, so that two deliveries of one message in the same worker exclude each other.
        return f"{self._owner}/{os.urandom(6).hex()}"

    async def _look_up(self, claim: Claimed) -> ChargeKnown:
        return await self._holding(claim, self._charger.lookup(_request(claim.order, None)))

    async def _charge(self, claim: Claimed, request: ChargeRequest, on_unanswered: Unanswered | None) -> ChargeResult:
        try:
            if claim.attempt > 1 and self._clock() - claim.order.created_at >= self._key_window:
                known = await self._charger.earlier(request, on_unanswered)
                if not isinstance(known, NotCharged):
                    return known
            return await self._charger.charge(request, timeout=self._time_to_charge(claim), on_unanswered=on_unanswered)
        except GatewayRefusedError as error:
            # No earlier attempt can have been charged where there was none.
            error.uncharged = error.uncharged or claim.attempt == 1
            raise

    async def _holding(self, claim: Claimed, answer: Awaitable[_T]) -> _T:
        try:
            return await answer
        except (Exception, asyncio.CancelledError):
            await self._give_back(claim)
            raise

    def _time_to_charge(self, claim: Claimed) -> timedelta:
        left = claim.lease_until - self._clock()
        if left <= timedelta(0):
            raise LedgerUnavailableError(
                f"the claim of {claim.order.order_id} took longer than its lease", reason="lease_expired"
            )
        return min(self._payment_timeout, left)

    async def _record(self, claim: Claimed, result: ChargeResult) -> Settlement:
        recording = asyncio.create_task(self._ledger.record(claim, result), name=f"record {claim.order.order_id}")
        recorded: RecordedOrder = await finish(recording)
        if not recorded.first:
            return Duplicate(entry=recorded.entry)
        return Settled(entry=recorded.entry, attempt=claim.attempt)

    async def _give_back(self, claim: Claimed) -> None:
        # Saves the next attempt the wait for the lease's end; should it not work, the lease ends by itself.
        releasing = asyncio.create_task(self._ledger.release(claim), name=f"release {claim.order.order_id}")
        with suppress(FlashpayError):
            await finish(releasing)


def _request(order: Order, traceparent: str | None) -> ChargeRequest:
    return ChargeRequest(
        order_id=order.order_id,
        amount_minor=order.total_minor,
        currency=order.currency,
        customer_id=order.customer_id,
        traceparent=traceparent,
    )


def _is_by_us(ended: GiveUp) -> bool:
    """Whether this attempt brought the order to its end."""
    given_up = isinstance(ended, GivenUp) and ended.entry.status is OrderStatus.FAILED
    return given_up or isinstance(ended, Settled | SoldOut)


def _without_claim(claim: AlreadyTerminal | HeldElsewhere | ContentMismatch) -> Settlement:
    match claim:
        case AlreadyTerminal(entry=entry):
            return Duplicate(entry=entry)
        case HeldElsewhere(lease_until=lease_until):
            return Busy(lease_until=lease_until)
        case ContentMismatch(entry=entry):
            return Mismatch(entry=entry)
