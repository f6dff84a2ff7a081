"""Calling an order off: before it is paid, or by paying it back."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from flashmsg import OrderStatus
from flashpay.entries import LedgerEntry, Tombstone
from flashpay.errors import FlashpayError, RefundForgottenError, UnfinishedError, UnmetOrderError
from flashpay.gateway import NotRefunded, Refunded, RefundRequest, Refunds
from flashpay.ledger import Clock, Ledger, utc_now
from flashpay.outcomes import Announcer
from flashpay.reservations import Reservations, endings, own_ending


class Refunder:
    """Brings an order that is `refunding` to `refunded`. Any number may be at one order: the gateway pays back once.

    Args:
        ledger: Where the decision is written down, before the gateway is asked, and its answer.
        refunds: Who pays back.
        reservations: Where the units of the order are given back.
        timeout: The most that the gateway may take to answer.
        key_window: How long the gateway keeps a key. After so long a refund is only looked up, never sent again.
        clock: The clock that the window is measured by.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        refunds: Refunds,
        reservations: Reservations,
        timeout: timedelta,
        key_window: timedelta,
        clock: Clock = utc_now,
    ) -> None:
        self._ledger = ledger
        self._refunds = refunds
        self._reservations = reservations
        self._timeout = timeout
        self._key_window = key_window
        self._clock = clock

    async def finish(self, entry: LedgerEntry, *, traceparent: str | None = None) -> LedgerEntry:
        """Pay an order back, note that, give back its units, and end the order: each may be done again.

        Raises:
            FlashpayError: Not finished; `retryable` says whether to come back.
        """
        refunded = await self._refunded(refund_request(entry, traceparent), entry)
        if entry.reservation is not None:
            # The units may have to wait for longer than the gateway remembers the refund.
            await self._ledger.note_refund(entry.order_id, refunded)
            # Before the end: a refunded order is found by nobody any more.
            await self._reservations.end([own_ending(entry.reservation, entry)], entry, settled=False)
        return await self._ledger.refunded(entry.order_id, refunded)

    async def _refunded(self, request: RefundRequest, entry: LedgerEntry) -> Refunded:
        if entry.refund_id is not None:
            return Refunded(refund_id=entry.refund_id)
        # Nothing is written between decision and note, so this is the time of the decision: no refund was sent before.
        if self._clock() - entry.updated_at < self._key_window:
            return await self._refunds.refund(request, timeout=self._timeout)
        known = await self._refunds.lookup_refund(request, timeout=self._timeout)
        if isinstance(known, NotRefunded):
            raise RefundForgottenError(
                f"the gateway knows no refund of {entry.order_id}, or not any more", reason="refund_forgotten"
            )
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What became of an order that was to be cancelled: its status tells.

    `trouble` is why it is not at its end yet: a refund is finished by the next request or the reconciler, and units
    that were not given back are given back with the order's message.
    """

    entry: LedgerEntry | Tombstone
    trouble: FlashpayError | None


class Canceller:
    """Cancels orders: the ledger decides, and what is paid is paid back.

    Args:
        ledger: Decides between a cancellation and a claim.
        refunder: Pays back.
        reservations: Where the units of an order end that is not paid.
        announcer: Tells of the ends that this brings; None where nobody is told.
        forgetful: Whether ended orders expire. One without an entry may then be paid and forgotten, and to call it
            cancelled would be wrong.
        timeout: The most that all may take which follows a decision.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        refunder: Refunder,
        reservations: Reservations,
        announcer: Announcer | None = None,
        forgetful: bool = False,
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        self._ledger = ledger
        self._refunder = refunder
        self._reservations = reservations
        self._announcer = announcer
        self._forgetful = forgetful
        self._timeout_seconds = timeout.total_seconds()

    async def decide(self, order_id: str) -> LedgerEntry | Tombstone:
        """Have the ledger decide about an order; its status tells. Asked again it says the same.

        Raises:
            UnmetOrderError: Orders expire, and the ledger has none of this id.
            FlashpayError: The ledger did not decide, or that is not known.
        """
        if self._forgetful and await self._ledger.find(order_id) is None:
            raise UnmetOrderError(f"{order_id} is not in the ledger, or not any more", reason="unmet")
        return await self._ledger.cancel(order_id)

    async def finish(self, decided: LedgerEntry | Tombstone, *, traceparent: str | None = None) -> Cancellation:
        """Do what follows from a decision, as far as it goes in time; after another decision it goes on."""
        entry = decided
        trouble: FlashpayError | None = None
        try:
            if isinstance(decided, LedgerEntry):
                async with asyncio.timeout(self._timeout_seconds):
                    entry = await self._finish(decided, traceparent)
        except FlashpayError as error:
            trouble = error
        except TimeoutError:
            trouble = UnfinishedError(f"not finished within {self._timeout_seconds:g} seconds", reason="timeout")
        if trouble is None:
            # Told, it would be found by no reconciler: one whose units are not back stays owed.
            self._announce(entry)
        return Cancellation(entry=entry, trouble=trouble)

    async def _finish(self, entry: LedgerEntry, traceparent: str | None) -> LedgerEntry:
        if entry.status is OrderStatus.REFUNDING:
            return await self._refunder.finish(entry, traceparent=traceparent)
        if entry.status is OrderStatus.CANCELLED and (found := endings(entry, None)):
            await self._reservations.end(found, entry, settled=False)
        return entry

    def _announce(self, entry: LedgerEntry | Tombstone) -> None:
        # What a tombstone stands for is told by whoever brings its content.
        if self._announcer is not None and isinstance(entry, LedgerEntry):
            self._announcer.announce(entry)


def refund_request(entry: LedgerEntry, traceparent: str | None = None) -> RefundRequest:
    """The refund of a paid order."""
    if entry.charge_id is None:
        raise ValueError(f"{entry.order_id} is {entry.status.value} and was not charged")
    return RefundRequest(
        order_id=entry.order_id,
        charge_id=entry.charge_id,
        amount_minor=entry.total_minor,
        currency=entry.currency,
        customer_id=entry.customer_id,
        traceparent=traceparent,
    )
