"""One record to its outcome: settle, again while there is time, then do what the decision table says."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from weakref import WeakValueDictionary

from flashbus.dead_letters import is_redriven
from flashmsg import FlashmsgError, Order, OrderPlaced, Reservation
from flashpay import (
    Acknowledge,
    Busy,
    DeadLetter,
    Delivery,
    Disposition,
    FlashpayError,
    GatewayUnavailableError,
    GiveUp,
    GiveUpOrder,
    HandBack,
    Settlement,
    StockUnsettledError,
    decide,
    decide_given_up,
    decide_poison,
    utc_now,
)
from lambda_handler.record_outcomes import Known, RecordOutcome
from lambda_handler.records import QueueRecord, Record

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 2.0


class Settles(Protocol):
    """flashpay's Settler, as far as it is used here."""

    async def settle(
        self,
        order: Order,
        *,
        traceparent: str | None = None,
        reservation: Reservation | None = None,
        redriven: bool = False,
    ) -> Settlement:
        """Bring the order to a terminal status."""
        ...

    async def give_up(
        self,
        order: Order,
        *,
        reason: str,
        reservation: Reservation | None = None,
        redriven: bool = False,
        uncharged: bool = False,
    ) -> GiveUp:
        """Mark the order failed unless it was charged or may have been."""
        ...


class DeadLetters(Protocol):
    """Where a message goes that no retry can cure."""

    async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
        """Keep the message with the reason beside it; raises when it could not."""
        ...


@dataclass(kw_only=True)
class RecordSettler:
    """Settles an order, and carries out what becomes of its message.

    A transient failure is retried while the invocation has time for a whole payment; after that the record is
    reported and comes back with the queue's visibility or Lambda's own retry. Deliveries of one order that are here at
    once are settled in turn: the second would wait out the first one's lease, and hold its whole batch.
    """

    settler: Settles
    dead_letters: DeadLetters | None
    max_receives: int
    payment_timeout: timedelta
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = field(default=random.random)
    # A lock is kept for as long as a delivery holds it or waits for it.
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary, init=False, repr=False, compare=False
    )

    async def settle(self, record: Record, deadline: float, known: Known) -> RecordOutcome:
        """Settle one record before `deadline` (of `clock`); `known` gets what names it in the log, however this ends.

        Raises:
            Exception: A bug, or dead letters that could not be kept: the record must come back.
        """
        receives = record.receive_count if isinstance(record, QueueRecord) else None
        delivery = Delivery(receives=receives, max_receives=self.max_receives, redriven=is_redriven(record.attributes))
        try:
            placed = record.decode()
        except FlashmsgError as error:
            known.error = error
            return await self._carry_out(decide_poison(error), record, known)
        _note(placed, known)
        async with AsyncExitStack() as turn:
            ended = await self._in_turn(turn, placed, delivery, deadline, known)
            disposition = await self._decide(ended, placed, record, delivery, known)
        return await self._carry_out(disposition, record, known)

    async def _in_turn(
        self, turn: AsyncExitStack, placed: OrderPlaced, delivery: Delivery, deadline: float, known: Known
    ) -> Settlement | Exception:
        """Settle once no other delivery of the order is at it; `turn` keeps the others waiting until it is closed."""
        ended: Settlement | Exception
        try:
            # On its last receive a message must not run out of time, or SQS moves it without a reason.
            async with asyncio.timeout(self._time_to_try(deadline) if delivery.last else None):
                await turn.enter_async_context(self._turns.setdefault(placed.data.order_id, asyncio.Lock()))
                ended = await self._settle(placed, delivery, deadline, known)
        except TimeoutError:
            known.error = ended = GatewayUnavailableError("the invocation's time was up", reason="out_of_time")
        except Exception as error:  # noqa: BLE001 - one record's bug must not take its siblings down
            known.error = ended = error
        return ended

    async def _decide(
        self, ended: Settlement | Exception, placed: OrderPlaced, record: Record, delivery: Delivery, known: Known
    ) -> Disposition:
        decided = decide(ended, delivery, now=self.now())
        if not isinstance(decided, GiveUpOrder):
            return decided
        if isinstance(record, QueueRecord) and self.dead_letters is None:
            # The queue's redrive moves it, unmarked: an order failed now could never be opened again.
            return HandBack(outcome=decided.reason)
        return await self._give_up(placed, decided, delivery, known)

    async def _give_up(self, placed: OrderPlaced, why: GiveUpOrder, delivery: Delivery, known: Known) -> Disposition:
        given_up: GiveUp | Exception
        try:
            given_up = await self.settler.give_up(
                placed.data,
                reason=why.reason,
                reservation=placed.reservation,
                redriven=delivery.redriven,
                uncharged=why.uncharged,
            )
        except Exception as error:  # noqa: BLE001 - as above
            _note_end(error, known)
            given_up = error
        return decide_given_up(given_up, placed.data, why, delivery, now=self.now())

    async def _carry_out(self, disposition: Disposition, record: Record, known: Known) -> RecordOutcome:
        order_id = known.order_id
        match disposition:
            case Acknowledge(outcome=outcome, attempt=attempt):
                return RecordOutcome(done=True, outcome=outcome, order_id=order_id, attempt=attempt)
            case HandBack(outcome=outcome, reason=reason, at_least=at_least):
                outcome = reason or outcome
                why = known.error or TimeoutError(f"the order is {outcome}; free in {at_least}")
                return RecordOutcome(done=False, outcome=outcome, order_id=order_id, error=why)
            case DeadLetter(outcome=outcome, reason=reason, detail=detail):
                why = known.error or RuntimeError(f"{reason}: {detail}")
                if not isinstance(record, QueueRecord) or self.dead_letters is None:
                    # Lambda's failure destination, or the queue's redrive, keeps it.
                    return RecordOutcome(done=False, outcome=outcome, order_id=order_id, error=why)
                await self.dead_letters.send(record, reason=reason, detail=detail)
                return RecordOutcome(done=True, outcome=outcome, order_id=order_id, error=why)

    async def _settle(self, placed: OrderPlaced, delivery: Delivery, deadline: float, known: Known) -> Settlement:
        attempt = 0
        while True:
            try:
                settlement = await self.settler.settle(
                    placed.data,
                    traceparent=placed.traceparent,
                    reservation=placed.reservation,
                    redriven=delivery.redriven,
                )
            except FlashpayError as error:
                _note_end(error, known)
                pause = self._pause(attempt, error)
                if not error.retryable or not self._has_time(pause, deadline):
                    raise
            else:
                if not isinstance(settlement, Busy):
                    return settlement
                pause = max(0.0, (settlement.lease_until - self.now()).total_seconds())
                if not self._has_time(pause, deadline):
                    return settlement
            attempt += 1
            await self.sleep(pause)

    def _pause(self, attempt: int, error: FlashpayError) -> float:
        asked = error.retry_after if isinstance(error, GatewayUnavailableError) else None
        backoff = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt) * self.jitter()
        return backoff if asked is None else asked.total_seconds() + backoff

    def _has_time(self, pause: float, deadline: float) -> bool:
        return pause + self.payment_timeout.total_seconds() <= self._left(deadline)

    def _time_to_try(self, deadline: float) -> float:
        left = self._left(deadline)
        return left - min(_LAST_WORDS_SECONDS, left / 2)

    def _left(self, deadline: float) -> float:
        return deadline - self.clock()


def _note_end(error: Exception, known: Known) -> None:
    if isinstance(error, StockUnsettledError) and error.ended is not None:
        known.settled = error.ended.status.value


def _note(placed: OrderPlaced, known: Known) -> None:
    known.order_id = placed.data.order_id
    if placed.traceparent is not None:
        known.trace_id = placed.traceparent.split("-")[1]
