"""Settles the orders of one invocation, all at once, and says which of them must come back."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from flashmsg import FlashmsgError, Order, OrderStatus
from flashpay import Busy, Duplicate, FlashpayError, Ledger, Mismatch, Settled, Settlement
from lambda_handler.journal import Journal
from lambda_handler.records import QueueRecord, Record

# Kept back at the end of an invocation: to cancel what is not done, write it down and answer.
RESERVE = timedelta(seconds=1)
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


class SettlesOrders(Protocol):
    """flashpay's Settler, as far as it is used here."""

    async def settle(self, order: Order, *, traceparent: str | None = None) -> Settlement:
        """Bring the order to a terminal status."""
        ...


class DeadLetters(Protocol):
    """Where a message goes that no retry can cure."""

    async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
        """Keep the message with the reason beside it; raises when it could not."""
        ...


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What one invocation knows of itself."""

    time_left: timedelta
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one record: `done` is false when it must come back, then `error` may say why."""

    done: bool
    outcome: str
    order_id: str | None = None
    attempt: int | None = None
    error: BaseException | None = None


@dataclass(kw_only=True)
class Consumer:
    """Settles records.

    A transient failure is retried while the invocation has time for a whole payment; after that the record is
    reported and comes back with the queue's visibility or Lambda's own retry.
    """

    settler: SettlesOrders
    ledger: Ledger
    journal: Journal
    dead_letters: DeadLetters | None
    max_receives: int
    payment_timeout: timedelta
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = field(default=random.random)

    async def consume(self, records: Sequence[Record], invocation: Invocation) -> list[Verdict]:
        """Settle all records at once and return one verdict each, before the time of the invocation is up."""
        deadline = self.clock() + max(0.0, (invocation.time_left - RESERVE).total_seconds())
        tasks = [
            asyncio.create_task(self._settle_and_log(record, invocation, deadline), name=f"record {number}")
            for number, record in enumerate(records)
        ]
        _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - self.clock()))
        for task in late:
            task.cancel()
        return list(await asyncio.gather(*tasks))

    async def _settle_and_log(self, record: Record, invocation: Invocation, deadline: float) -> Verdict:
        started = self.clock()
        known: dict[str, str] = {}
        try:
            verdict = await self._judge(record, deadline, known)
        except asyncio.CancelledError:
            # Only consume() cancels, when the time is up: the lease was given back on the way here.
            verdict = Verdict(done=False, outcome="out_of_time", error=TimeoutError("the invocation's time was up"))
        except Exception as error:  # noqa: BLE001 - one record's bug must not take its siblings down
            verdict = Verdict(done=False, outcome="crashed", error=error)
        self.journal.write(
            "record_consumed",
            outcome=verdict.outcome,
            done=verdict.done,
            **known,
            attempt=verdict.attempt,
            error=None if verdict.error is None else repr(verdict.error),
            duration_seconds=round(self.clock() - started, 4),
            receive_count=record.receive_count if isinstance(record, QueueRecord) else None,
            request_id=invocation.request_id,
        )
        return verdict

    async def _judge(self, record: Record, deadline: float, known: dict[str, str]) -> Verdict:
        """Settle one record; `known` gets what names it in the log, however this ends."""
        try:
            placed = record.decode()
        except FlashmsgError as error:
            return await self._give_up(record, error, reason=error.reason, outcome="poison")
        order = placed.data
        known["order_id"] = order.order_id
        if placed.traceparent is not None:
            known["trace_id"] = placed.traceparent.split("-")[1]
        try:
            settlement = await self._settle(order, placed.traceparent, deadline)
        except FlashpayError as error:
            last = isinstance(record, QueueRecord) and record.receive_count >= self.max_receives
            if not error.retryable or last:
                return await self._fail(record, order, error)
            return Verdict(done=False, outcome=error.reason, order_id=order.order_id, error=error)
        return _settled_verdict(order, settlement)

    async def _settle(self, order: Order, traceparent: str | None, deadline: float) -> Settlement:
        attempt = 0
        while True:
            try:
                settlement = await self.settler.settle(order, traceparent=traceparent)
            except FlashpayError as error:
                pause = self._pause(attempt, error)
                if not error.retryable or not self._has_time(pause, deadline):
                    raise
            else:
                if not isinstance(settlement, Busy):
                    return settlement
                pause = max(0.0, (settlement.lease_until - datetime.now(UTC)).total_seconds())
                if not self._has_time(pause, deadline):
                    return settlement
            attempt += 1
            await asyncio.sleep(pause)

    def _pause(self, attempt: int, error: FlashpayError) -> float:
        asked: timedelta | None = getattr(error, "retry_after", None)
        backoff = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt) * self.jitter()
        return backoff if asked is None else asked.total_seconds() + backoff

    def _has_time(self, pause: float, deadline: float) -> bool:
        return self.clock() + pause + self.payment_timeout.total_seconds() <= deadline

    async def _fail(self, record: Record, order: Order, error: FlashpayError) -> Verdict:
        entry = await self.ledger.fail(order, reason=error.reason)
        if error.retryable and entry.status is not OrderStatus.FAILED:
            # Another delivery of the order was quicker, or is still at it.
            settled = entry.status.is_terminal
            outcome = "duplicate" if settled else "busy"
            return Verdict(done=settled, outcome=outcome, order_id=order.order_id, error=error)
        return await self._give_up(record, error, reason=error.reason, outcome="failed", order=order)

    async def _give_up(
        self, record: Record, error: Exception, *, reason: str, outcome: str, order: Order | None = None
    ) -> Verdict:
        order_id = None if order is None else order.order_id
        if not isinstance(record, QueueRecord) or self.dead_letters is None:
            # Lambda's failure destination, or the queue's redrive, keeps it.
            return Verdict(done=False, outcome=outcome, order_id=order_id, error=error)
        await self.dead_letters.send(record, reason=reason, detail=str(error))
        return Verdict(done=True, outcome=outcome, order_id=order_id, error=error)


def _settled_verdict(order: Order, settlement: Settlement) -> Verdict:
    match settlement:
        case Settled(entry=entry, attempt=attempt):
            return Verdict(done=True, outcome=entry.status.value, order_id=order.order_id, attempt=attempt)
        case Duplicate():
            return Verdict(done=True, outcome="duplicate", order_id=order.order_id)
        case Mismatch():
            return Verdict(done=True, outcome="mismatch", order_id=order.order_id)
        case Busy(lease_until=lease_until):
            held = TimeoutError(f"another attempt holds the order until {lease_until.isoformat()}")
            return Verdict(done=False, outcome="busy", order_id=order.order_id, error=held)
