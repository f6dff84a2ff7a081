"""settle(): claim an order, charge it, record the answer. The same in every arm."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from flashmsg import Order
from flashpay.claims import AlreadyTerminal, Claimed, ContentMismatch, HeldElsewhere
from flashpay.entries import LedgerEntry
from flashpay.errors import FlashpayError, LedgerUnavailableError
from flashpay.gateway import ChargeRequest, ChargeResult, Gateway
from flashpay.ledger import Clock, Ledger, RecordedOrder, utc_now

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


Settlement: TypeAlias = Settled | Duplicate | Busy | Mismatch


class Settler:
    """Settles orders, any number at once.

    Args:
        ledger: Where claims and answers are kept.
        gateway: Who charges.
        owner: The name of this worker; every attempt adds its own random end.
        lease: How long a claim is exclusive; longer than `payment_timeout`.
        payment_timeout: The most that one charge may take.
        clock: The clock that leases are compared with.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        gateway: Gateway,
        owner: str,
        lease: timedelta = timedelta(seconds=30),
        payment_timeout: timedelta = timedelta(seconds=10),
        clock: Clock = utc_now,
    ) -> None:
        if payment_timeout <= timedelta(0):
            raise ValueError("payment_timeout must be positive")
        if lease <= payment_timeout:
            raise ValueError("lease must be longer than payment_timeout, or two owners charge at once")
        self._ledger = ledger
        self._gateway = gateway
        self._owner = owner
        self._lease = lease
        self._payment_timeout = payment_timeout
        self._clock = clock

    async def settle(self, order: Order, *, traceparent: str | None = None) -> Settlement:
        """Bring an order to a terminal status, or say why this attempt cannot.

        Raises:
            FlashpayError: Not settled; `retryable` says whether to come back. The lease is given back.
        """
        claim = await self._ledger.claim(order, owner=self._attempt_name(), lease=self._lease)
        match claim:
            case AlreadyTerminal(entry=entry):
                return Duplicate(entry=entry)
            case HeldElsewhere(lease_until=lease_until):
                return Busy(lease_until=lease_until)
            case ContentMismatch(entry=entry):
                return Mismatch(entry=entry)
            case Claimed():
                result = await self._charge(claim, traceparent)
                recorded = await self._record(claim, result)
        if not recorded.first:
            return Duplicate(entry=recorded.entry)
        return Settled(entry=recorded.entry, attempt=claim.attempt)

    def _attempt_name(self) -> str:
        # Unique per attempt, so that two deliveries of one message in the same worker exclude each other.
        return f"{self._owner}/{secrets.token_hex(6)}"

    async def _charge(self, claim: Claimed, traceparent: str | None) -> ChargeResult:
        request = ChargeRequest(
            order_id=claim.order.order_id,
            amount_minor=claim.order.total_minor,
            currency=claim.order.currency,
            customer_id=claim.order.customer_id,
            traceparent=traceparent,
        )
        try:
            return await self._gateway.charge(request, timeout=self._time_to_charge(claim))
        except (FlashpayError, asyncio.CancelledError):
            await self._give_back(claim)
            raise

    def _time_to_charge(self, claim: Claimed) -> timedelta:
        left = claim.lease_until - self._clock()
        if left <= timedelta(0):
            raise LedgerUnavailableError(
                f"the claim of {claim.order.order_id} took longer than its lease", reason="lease_expired"
            )
        return min(self._payment_timeout, left)

    async def _record(self, claim: Claimed, result: ChargeResult) -> RecordedOrder:
        recording = asyncio.create_task(self._ledger.record(claim, result), name=f"record {claim.order.order_id}")
        return await _finish(recording)

    async def _give_back(self, claim: Claimed) -> None:
        # Saves the next attempt the wait for the lease's end; should it not work, the lease ends by itself.
        releasing = asyncio.create_task(self._ledger.release(claim), name=f"release {claim.order.order_id}")
        with suppress(FlashpayError):
            await _finish(releasing)


async def _finish(write: asyncio.Task[_T]) -> _T:
    """Wait for a write to end even when cancelled meanwhile; the cancellation follows it."""
    cancellation: asyncio.CancelledError | None = None
    while not write.done():
        try:
            await asyncio.wait([write])  # unlike `await write`, leaves the write alone when cancelled
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation from (None if write.cancelled() else write.exception())
    return write.result()
