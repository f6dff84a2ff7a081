"""The provider itself: one charge per idempotency key, whatever is asked how often."""

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from payment_gateway.behaviour import Behaviour, fate, lookup_fails
from payment_gateway.charges import Charge, ChargeRequest
from payment_gateway.errors import InjectedFailureError, KeyInFlightError, LineTooLongError
from payment_gateway.ledger import Ledger
from payment_gateway.line import Line

DECLINE_REASON = "card_declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A definite answer; `reply_lost` means that it happened but the client must not hear of it."""

    charge: Charge
    replayed: bool
    reply_lost: bool


class Provider:
    """Takes charges through the line, with the behaviour of the moment, into the ledger."""

    def __init__(self, *, ledger: Ledger, behaviour: Behaviour) -> None:
        self._ledger = ledger
        self._behaviour = behaviour
        self._open: set[str] = set()
        self._lookups: Counter[str] = Counter()
        self._stopping = asyncio.Event()
        self.line = Line(capacity=behaviour.capacity)

    @property
    def behaviour(self) -> Behaviour:
        """The behaviour of the moment."""
        return self._behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from now on; charges already at the counter keep their latency and fate."""
        self._behaviour = behaviour
        self.line.resize(behaviour.capacity)

    def stop(self) -> None:
        """Send away whoever stands in line, and the charges that hang."""
        self._stopping.set()
        self.line.close()

    def lookup(self, key: str) -> Charge | None:
        """What was answered under `key`; None when it was never charged and is not in flight.

        Raises:
            KeyInFlightError: The key is being worked on.
            InjectedFailureError: As told to by the behaviour.
            LedgerError: The ledger does not work.
        """
        if self._behaviour.failure_rate > 0:
            self._lookups[key] += 1
            if lookup_fails(self._behaviour, key=key, number=self._lookups[key]):
                raise InjectedFailureError("An injected failure; nothing was looked up")
        known = self._ledger.answer(key)
        if known is None and key in self._open:
            raise KeyInFlightError("The charge is in flight", retry_after_seconds=1)
        return known

    async def charge(self, key: str, request: ChargeRequest, *, traceparent: str | None = None) -> Answer:
        """Charge once for `key`, or repeat what was answered; a repetition takes no place and no time.

        Raises:
            KeyReusedError: The key stands for other content.
            KeyInFlightError: The key is being worked on.
            LineTooLongError: No place came free in time.
            InjectedFailureError: As told to by the behaviour.
            LedgerError: The ledger does not work. Nothing was charged in any of these cases.
        """
        attempt, known = self._ledger.attempt(key, request)
        if known is not None:
            return Answer(charge=known, replayed=True, reply_lost=False)
        if key in self._open:
            raise KeyInFlightError("A request with this idempotency key is in flight", retry_after_seconds=1)
        self._open.add(key)
        try:
            return await self._charge_once(key, request, attempt=attempt, traceparent=traceparent)
        finally:
            self._open.discard(key)

    async def _charge_once(self, key: str, request: ChargeRequest, *, attempt: int, traceparent: str | None) -> Answer:
        waited_under = self._behaviour
        if request.customer_id in waited_under.hanging_customers:
            await self._stopping.wait()
            raise LineTooLongError("The gateway is stopping")
        async with self.line.place(
            timeout_seconds=waited_under.queue_timeout_seconds,
            retry_after_seconds=max(1, math.ceil(waited_under.latency_seconds)),
        ):
            behaviour = self._behaviour
            drawn = fate(behaviour, key=key, attempt=attempt)
            started_at = datetime.now(UTC)
            await asyncio.sleep(behaviour.latency_of(request.customer_id))
            if drawn.fails or request.customer_id in behaviour.failing_customers:
                raise InjectedFailureError("An injected failure; nothing was charged")
            charge = self._ledger.record(
                key,
                request,
                declined_because=DECLINE_REASON if drawn.declined else None,
                traceparent=traceparent,
                started_at=started_at,
            )
            return Answer(charge=charge, replayed=False, reply_lost=drawn.reply_lost)
