"""Compares what the ledger holds open with what the gateway knows, and brings on what nobody works on any more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog

from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import MessageSender, QueueUnavailableError
from flashmsg import ORDER_PLACED_TYPE, OrderPlaced, OrderStatus, encode
from flashpay import (
    Announcer,
    Busy,
    ChargeRequest,
    ChargeUnknown,
    ConflictingChargeError,
    FlashpayError,
    Gateway,
    GatewayRefusedError,
    GatewayUnavailableError,
    GivenUp,
    GiveUp,
    Ledger,
    LedgerEntry,
    NotCharged,
    NotRefunded,
    Refunder,
    RefundForgottenError,
    Refunds,
    Settler,
    StockUnsettledError,
    refund_request,
    utc_now,
)

log = structlog.get_logger()

EXPIRED = "expired"
# As the API sends it: subscribers filter by it.
_TYPE = {"type": ORDER_PLACED_TYPE}
# However old an order is, after so long without a move it is looked into again.
_LONGEST_REST = timedelta(hours=1)
_LOOKUP_TIMEOUT = timedelta(seconds=2)


class Outcome(StrEnum):
    """What became of one order; every one but the last three is as it should be."""

    RESTING = "resting"  # something happened to it a little while ago, or somebody holds it
    RECORDED = "recorded"  # the gateway had an answer that the ledger had not
    QUEUED = "queued"  # it was not charged: it is queued again
    REFUNDED = "refunded"  # its refund was decided on, and not finished: it is now
    TOLD = "told"  # its end was owed to the subscribers
    GIVEN_UP = "given_up"  # not charged either, but too old for the gateway's memory: failed, and a dead letter
    UNKNOWN = "unknown"  # the gateway works on it, or does not answer
    FAILED = "failed"  # ledger, topic or queue did not do their part
    CONFLICT = "conflict"  # gateway and ledger contradict each other: a human must look


class Reconciler(Protocol):
    """Looks into one order."""

    async def reconcile(self, order_id: str) -> Outcome:
        """Do what is to be done, or say what would be."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rest:
    """When an order is looked into.

    Attributes:
        after: So long after anything happened to it, at the least.
        key_window: How long the gateway keeps a key, counted from the order's making.
        clock: The wall clock that leases are compared with.
    """

    after: timedelta
    key_window: timedelta
    clock: Callable[[], datetime] = utc_now

    def is_over(self, entry: LedgerEntry) -> bool:
        """Whether something is left to do for an order, nothing happens to it, and nothing has for long.

        The older, the longer: an order that waits in a long queue is queued once more after twice the time, not at
        every run. One that has ended, and is to be told of, waits for nothing.
        """
        now = self.clock()
        if entry.status.is_terminal:
            return entry.event_owed and now - entry.updated_at >= self.after
        rest = max(self.after, min((now - entry.created_at) / 2, _LONGEST_REST))
        held = entry.lease_until is not None and entry.lease_until > now
        return not held and now - entry.updated_at >= rest

    def is_remembered(self, entry: LedgerEntry) -> bool:
        """Whether the gateway still knows the key of an order: only then may its charge be sent again."""
        return self.clock() - entry.created_at < self.key_window

    def is_refund_remembered(self, entry: LedgerEntry) -> bool:
        """The same of its refund, whose key is as old as the decision."""
        return self.clock() - entry.updated_at < self.key_window


@dataclass(frozen=True, kw_only=True)
class ApplyingReconciler:
    """Records what the gateway knows, queues again what was not charged, finishes refunds, tells what is owed.

    Many may run at once.
    """

    ledger: Ledger
    settler: Settler
    refunder: Refunder
    orders: MessageSender
    dead_letters: MessageSender
    rest: Rest
    announcer: Announcer | None = None

    async def reconcile(self, order_id: str) -> Outcome:
        """See `Reconciler`."""
        try:
            entry = await self.ledger.get(order_id)
            if entry is None or not self.rest.is_over(entry):
                return Outcome.RESTING
            if entry.status is OrderStatus.REFUNDING:
                return await self._pay_back(entry)
            if entry.status.is_terminal:
                return await self._tell(entry)
            return await self._with_its_units(entry)
        except ConflictingChargeError as exc:
            log.error("charge_conflict", order_id=order_id, error=str(exc))  # noqa: TRY400 - no trace of ours tells more
            return Outcome.CONFLICT
        except (FlashpayError, QueueUnavailableError) as exc:
            log.warning("not_reconciled", order_id=order_id, reason=exc.reason, error=str(exc))
            return Outcome.FAILED

    async def _pay_back(self, entry: LedgerEntry) -> Outcome:
        try:
            refunded = await self.refunder.finish(entry)
        except GatewayUnavailableError:
            return Outcome.UNKNOWN
        except (GatewayRefusedError, RefundForgottenError) as exc:
            log.error("refund_refused", order_id=entry.order_id, reason=exc.reason, error=str(exc))  # noqa: TRY400 - no trace of ours tells more
            return Outcome.CONFLICT
        if self.announcer is not None:
            self.announcer.announce(refunded)
        return Outcome.REFUNDED

    async def _with_its_units(self, entry: LedgerEntry) -> Outcome:
        try:
            return await self._bring_on(entry)
        except StockUnsettledError:
            ended = await self.ledger.get(entry.order_id)
            if ended is not None and ended.status.is_terminal:
                # No run finds it any more, and its own message may be lost: another one ends its units.
                await self.orders.send(_event(ended), attributes=_TYPE)
            raise

    async def _bring_on(self, entry: LedgerEntry) -> Outcome:
        if entry.status is not OrderStatus.PENDING:
            found = await self.settler.find_out(entry.order)
            if not isinstance(found, NotCharged):
                return _outcome(found)
        # What nobody has ever claimed nobody has charged; a claim of ours would only keep it from being cancelled.
        elif not await self.ledger.touch(entry):
            return Outcome.RESTING
        if not self.rest.is_remembered(entry):
            return await self._give_up(entry)
        await self.orders.send(_event(entry), attributes=_TYPE)
        return Outcome.QUEUED

    async def _tell(self, entry: LedgerEntry) -> Outcome:
        if self.announcer is None:
            return Outcome.RESTING
        # First: who recorded its end may have been killed before the units ended, and once told it is found no more.
        await self.settler.end_units(entry)
        await self.announcer.tell(entry)
        return Outcome.TOLD

    async def _give_up(self, entry: LedgerEntry) -> Outcome:
        # The letter first: a failed order without one could not be redriven.
        detail = "not charged, and the gateway may have forgotten its key"
        attributes = dead_letter_attributes(_TYPE, reason=EXPIRED, detail=detail, receives=entry.attempt)
        await self.dead_letters.send(_event(entry), attributes=attributes)
        return _outcome(await self.settler.give_up(entry.order, reason=EXPIRED))


@dataclass(frozen=True, kw_only=True)
class DryReconciler:
    """Asks the same questions, and changes nothing."""

    ledger: Ledger
    gateway: Gateway
    refunds: Refunds
    rest: Rest

    async def reconcile(self, order_id: str) -> Outcome:
        """See `Reconciler`."""
        try:
            entry = await self.ledger.get(order_id)
            if entry is None or not self.rest.is_over(entry):
                return Outcome.RESTING
            return Outcome.TOLD if entry.status.is_terminal else await self._ask(entry)
        except ConflictingChargeError:
            return Outcome.CONFLICT
        except GatewayUnavailableError:
            return Outcome.UNKNOWN
        except FlashpayError:
            return Outcome.FAILED

    async def _ask(self, entry: LedgerEntry) -> Outcome:
        if entry.refund_id is not None:
            return Outcome.REFUNDED
        if entry.status is OrderStatus.REFUNDING:
            back = await self.refunds.lookup_refund(refund_request(entry), timeout=_LOOKUP_TIMEOUT)
            lost = isinstance(back, NotRefunded) and not self.rest.is_refund_remembered(entry)
            return Outcome.CONFLICT if lost else Outcome.REFUNDED
        if entry.status is not OrderStatus.PENDING:
            known = await self.gateway.lookup(charge_request(entry), timeout=_LOOKUP_TIMEOUT)
            if not isinstance(known, NotCharged):
                return Outcome.RECORDED
        return Outcome.QUEUED if self.rest.is_remembered(entry) else Outcome.GIVEN_UP


def _outcome(ended: GiveUp) -> Outcome:
    match ended:
        case Busy():
            return Outcome.RESTING
        case ChargeUnknown():
            return Outcome.UNKNOWN
        case GivenUp():
            return Outcome.GIVEN_UP
        case _:
            return Outcome.RECORDED


def _event(entry: LedgerEntry) -> str:
    return encode(OrderPlaced.of(entry.order, reservation=entry.reservation))


def charge_request(entry: LedgerEntry) -> ChargeRequest:
    return ChargeRequest(
        order_id=entry.order_id,
        amount_minor=entry.total_minor,
        currency=entry.currency,
        customer_id=entry.customer_id,
    )
