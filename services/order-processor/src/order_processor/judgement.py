"""From a message to what becomes of it: decode, settle, and weigh what went wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from flashbus.backoff import Backoff
from flashbus.dispositions import DeadLetter, HandBack
from flashbus.queue import Message
from flashmsg import FlashmsgError, Order, OrderPlaced, OrderStatus, decode_sqs_body
from flashops.tracing import Traceparent
from flashpay import (
    Busy,
    ConflictingChargeError,
    Duplicate,
    FlashpayError,
    GatewayUnavailableError,
    LedgerEntry,
    Mismatch,
    Settled,
    Settlement,
)
from order_processor.dispositions import Acknowledge, Disposition
from order_processor.gate import Gate, HeldBackError

_CRASHED = "crashed"


class Settles(Protocol):
    """Settles one order; see `flashpay.Settler.settle`."""

    async def settle(self, order: Order, *, traceparent: str | None = None) -> Settlement: ...


class GivesUp(Protocol):
    """Writes down that an order was given up; see `flashpay.Ledger.fail`."""

    async def fail(self, order: Order, *, reason: str) -> LedgerEntry: ...


class Judge:
    """Decides what becomes of a message; it does nothing to the message itself.

    Args:
        settler: Settles.
        ledger: Where orders are given up.
        gate: Holds a message during an outage.
        backoff: How long a message stays away after a transient failure.
        max_receives: A message delivered this often is given up when it fails once more.
        clock: The wall clock that leases are compared with.
    """

    def __init__(
        self,
        *,
        settler: Settles,
        ledger: GivesUp,
        gate: Gate,
        backoff: Backoff,
        max_receives: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._settler = settler
        self._ledger = ledger
        self._gate = gate
        self._backoff = backoff
        self._max_receives = max_receives
        self._clock = clock

    async def judge(self, message: Message) -> Disposition:
        """Settle the order in a message, as far as that is possible; raises nothing but cancellation."""
        try:
            event = decode_sqs_body(message.body)
        except FlashmsgError as exc:
            return DeadLetter(outcome="poison", reason=exc.reason, detail=str(exc))
        traceparent = _traceparent(event, message)
        structlog.contextvars.bind_contextvars(order_id=event.data.order_id, trace_id=traceparent.trace_id)
        try:
            return await self._settle(event.data, traceparent)
        except HeldBackError:
            return HandBack(outcome="handed_back", after=timedelta(0))
        except FlashpayError as exc:
            return await self._after_failure(message, event.data, exc)
        except Exception:  # noqa: BLE001 - a bug of ours must not take the message or its siblings along
            structlog.get_logger().exception("settle_crashed")
            return await self._try_again_or_give_up(message, event.data, reason=_CRASHED, outcome=_CRASHED)

    async def _settle(self, order: Order, traceparent: Traceparent) -> Disposition:
        settlement = await self._gate.run(lambda: self._settler.settle(order, traceparent=str(traceparent.child())))
        match settlement:
            case Settled(entry=entry, attempt=attempt):
                return Acknowledge(outcome=entry.status.value, entry=entry, attempt=attempt)
            case Duplicate(entry=entry):
                return Acknowledge(outcome="duplicate", entry=entry)
            case Mismatch(entry=entry):
                return Acknowledge(outcome="mismatch", entry=entry)
            case Busy(lease_until=lease_until):
                # Not all at the same moment: many deliveries of one order may wait for one lease.
                wait = max(lease_until - self._clock(), timedelta(0))
                return HandBack(outcome="busy", after=self._backoff.after(1, at_least=wait))

    async def _after_failure(self, message: Message, order: Order, error: FlashpayError) -> Disposition:
        if isinstance(error, ConflictingChargeError):
            # Two definite answers that differ: the order stands as it is, and a human must look.
            return DeadLetter(outcome="conflict", reason=error.reason, detail=str(error))
        if not error.retryable:
            return await self._give_up(message, order, reason=error.reason, detail=str(error))
        asked = error.retry_after if isinstance(error, GatewayUnavailableError) else None
        return await self._try_again_or_give_up(message, order, reason=error.reason, outcome="retry", at_least=asked)

    async def _try_again_or_give_up(
        self, message: Message, order: Order, *, reason: str, outcome: str, at_least: timedelta | None = None
    ) -> Disposition:
        if message.receive_count >= self._max_receives:
            detail = f"delivered {message.receive_count} times, last failure: {reason}"
            return await self._give_up(message, order, reason="exhausted", detail=detail)
        return HandBack(
            outcome=outcome,
            after=self._backoff.after(message.receive_count, at_least=at_least),
            reason=reason,
        )

    async def _give_up(self, message: Message, order: Order, *, reason: str, detail: str) -> Disposition:
        """Mark the order failed, unless somebody else has settled it or is about to."""
        try:
            entry = await self._ledger.fail(order, reason=reason)
        except FlashpayError as exc:
            return HandBack(outcome="retry", after=self._backoff.after(message.receive_count), reason=exc.reason)
        if entry.fingerprint != order.fingerprint:
            return Acknowledge(outcome="mismatch", entry=entry)
        if entry.status is OrderStatus.FAILED:
            return DeadLetter(outcome="failed", reason=reason, detail=detail)
        if entry.status.is_terminal:
            return Acknowledge(outcome="duplicate", entry=entry)
        return HandBack(outcome="busy", after=self._backoff.after(message.receive_count), reason=reason)


def _traceparent(event: OrderPlaced, message: Message) -> Traceparent:
    return (
        Traceparent.parse(event.traceparent)
        or Traceparent.parse(message.attributes.get("traceparent"))
        or Traceparent.new()
    )
