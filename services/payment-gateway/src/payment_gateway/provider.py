"""The provider itself: one charge per idempotency key, however often it is requested."""

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from payment_gateway.admission import AdmissionQueue
from payment_gateway.behaviour import Behaviour, injected_faults, lookup_fails
from payment_gateway.charge_store import ChargeStore
from payment_gateway.charges import Charge, ChargeRequest, RefundRequest
from payment_gateway.errors import AdmissionTimeoutError, ChargeUnknownError, InjectedFailureError, KeyInFlightError

DECLINE_REASON = "card_declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAnswer:
    """A definite answer; `reply_lost` means that it happened but the client must not hear of it."""

    charge: Charge
    replayed: bool
    reply_lost: bool


class Provider:
    """Admits charges, applies the current behaviour to them, and records their answers in the charge store."""

    def __init__(self, *, store: ChargeStore, behaviour: Behaviour) -> None:
        self._store = store
        self._behaviour = behaviour
        # Keys without an answer yet. The process has the store to itself, so memory is enough.
        self._in_flight: set[str] = set()
        self._lookups: Counter[str] = Counter()
        self._stopping = asyncio.Event()
        self.admission = AdmissionQueue(capacity=behaviour.capacity)

    @property
    def behaviour(self) -> Behaviour:
        """The current behaviour."""
        return self._behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """Replace the behaviour; charges already admitted keep their latency and their injected faults."""
        self._behaviour = behaviour
        self.admission.resize(behaviour.capacity)

    def stop(self) -> None:
        """Refuse the charges that wait for admission, and end those that hang."""
        self._stopping.set()
        self.admission.close()

    def lookup(self, key: str) -> Charge | None:
        """What was answered under `key`; None when it was never charged and is not in flight.

        Raises:
            KeyInFlightError: The key is being worked on.
            InjectedFailureError: The behaviour injects one.
            ChargeStoreError: The charge store cannot be read or written.
        """
        if self._behaviour.failure_rate > 0:
            self._lookups[key] += 1
            if lookup_fails(self._behaviour, key=key, number=self._lookups[key]):
                raise InjectedFailureError("An injected failure; nothing was looked up")
        known = self._store.answer(key)
        if known is None and key in self._in_flight:
            raise KeyInFlightError("The charge is in flight", retry_after_seconds=1)
        return known

    async def charge(self, key: str, request: ChargeRequest, *, traceparent: str | None = None) -> ChargeAnswer:
        """Charge once for `key`, or repeat what was answered; a repeated key takes neither capacity nor time.

        Raises:
            KeyReusedError: The key was used for a charge with other content.
            KeyInFlightError: The key is being worked on.
            AdmissionTimeoutError: No capacity came free in time.
            InjectedFailureError: The behaviour injects one.
            ChargeStoreError: The charge store cannot be read or written. Nothing was charged in any of these cases.
        """
        if self._behaviour.key_seconds:
            self._store.forget(key, before=datetime.now(UTC) - timedelta(seconds=self._behaviour.key_seconds))
        attempt, known = self._store.attempt(key, request)
        if known is not None:
            return ChargeAnswer(charge=known, replayed=True, reply_lost=False)
        if key in self._in_flight:
            raise KeyInFlightError("A request with this idempotency key is in flight", retry_after_seconds=1)
        self._in_flight.add(key)
        try:
            return await self._charge_once(key, request, attempt=attempt, traceparent=traceparent)
        finally:
            self._in_flight.discard(key)

    async def refund(self, key: str, request: RefundRequest, *, traceparent: str | None = None) -> ChargeAnswer:
        """Pay a charge back once for `key`, as slowly and with the same faults as a charge, but for declines.

        Another key pays once more: this provider trusts its merchant, so that its store shows what a merchant did.

        Raises:
            ChargeUnknownError: There is no such charge of this order and amount.
            ProviderError: As `charge`.
        """
        if not self._store.charged(request):
            raise ChargeUnknownError("There is no charge of this id, order, customer and amount")
        return await self.charge(key, request, traceparent=traceparent)

    async def _charge_once(
        self, key: str, request: ChargeRequest, *, attempt: int, traceparent: str | None
    ) -> ChargeAnswer:
        waited_under = self._behaviour
        if request.customer_id in waited_under.hanging_customers:
            await self._stopping.wait()
            raise AdmissionTimeoutError("The gateway is stopping")
        async with self.admission.admitted(
            timeout_seconds=waited_under.queue_timeout_seconds,
            retry_after_seconds=max(1, math.ceil(waited_under.latency_seconds)),
        ):
            return await self._process(key, request, attempt=attempt, traceparent=traceparent)

    async def _process(
        self, key: str, request: ChargeRequest, *, attempt: int, traceparent: str | None
    ) -> ChargeAnswer:
        # Read anew, and once: the behaviour may have changed during the wait, and may change during the sleep.
        behaviour = self._behaviour
        faults = injected_faults(behaviour, key=key, attempt=attempt)
        started_at = datetime.now(UTC)
        await asyncio.sleep(behaviour.latency_of(request.customer_id))
        if faults.fails or request.customer_id in behaviour.failing_customers:
            raise InjectedFailureError("An injected failure; nothing was charged")
        charge = self._store.record(
            key,
            request,
            declined_because=DECLINE_REASON if faults.declined and not isinstance(request, RefundRequest) else None,
            traceparent=traceparent,
            started_at=started_at,
        )
        return ChargeAnswer(charge=charge, replayed=False, reply_lost=faults.reply_lost)
