"""One charge from its request to a definite answer, also when the provider's first answer is none."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from flashpay.errors import GatewayInFlightError, GatewayUnavailableError
from flashpay.gateway import Approved, ChargeKnown, ChargeRequest, ChargeResult, Declined, Gateway, NotCharged
from flashpay.ledger import Clock

_LOOKUP_TIMEOUT = timedelta(seconds=5)
_NO_ORDER = "no-order"
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0
# One charge may be quicker than another by chance; when three that began later are answered, this one hangs.
_OVERTAKEN = 3

_Found: TypeAlias = ChargeKnown | GatewayUnavailableError


class Unanswered(Protocol):
    """Told of every charge that got no definite answer, at the moment when that is known."""

    def __call__(self, error: GatewayUnavailableError, *, alive: bool) -> bool:
        """`alive`: the gateway answers the question about it. Returns whether the slot is kept in any case."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class _Hold:
    since: datetime
    overtaken: int = 0


class Charger:
    """Charges, and finds out what became of a charge whose answer did not come.

    An unanswered charge may still be worked on by the provider. Its attempt then keeps its slot and looks again,
    so that a slow provider never has more in flight than there are slots. It stops when the charge is known, when
    others overtake it (then it is this one that hangs), or after `patience` (then the provider has dropped it).

    Args:
        gateway: Who charges.
        payment_timeout: The most that one charge may take to be answered.
        patience: How long an unanswered charge keeps its slot, at most.
        clock: The clock that patience is measured by.
        sleep: Waits so many seconds between two looks.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        payment_timeout: timedelta,
        patience: timedelta,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._gateway = gateway
        self._payment_timeout = payment_timeout
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._holds: set[_Hold] = set()
        self._impatient = asyncio.Event()

    async def charge(
        self,
        request: ChargeRequest,
        *,
        timeout: timedelta,  # noqa: ASYNC109 - the gateway's own deadline
        on_unanswered: Unanswered | None = None,
    ) -> ChargeResult:
        """Charge and wait for the definite answer, beyond `timeout` if the charge may still be worked on.

        Raises:
            GatewayInFlightError: It is worked on: for another attempt, or still after all patience.
            GatewayUnavailableError: Not charged, or not known.
            FlashpayError: As `Gateway.charge`.
        """
        began = self._clock()
        try:
            result = await self._gateway.charge(request, timeout=timeout)
        except GatewayInFlightError:
            raise  # sent by another attempt, who looks for the answer
        except GatewayUnavailableError as error:
            result = await self._find_out(request, error, on_unanswered)
        for hold in self._holds:
            hold.overtaken += began >= hold.since
        return result

    async def lookup(self, request: ChargeRequest) -> ChargeKnown:
        """Ask once what became of a charge; raises as `Gateway.lookup`."""
        return await self._gateway.lookup(request, timeout=min(_LOOKUP_TIMEOUT, self._payment_timeout))

    async def earlier(self, request: ChargeRequest, on_unanswered: Unanswered | None = None) -> ChargeKnown:
        """Ask what became of an earlier charge whose key may be forgotten by now; raises as `Gateway.lookup`."""
        found = await self._look(request)
        if not isinstance(found, GatewayUnavailableError):
            return found
        if on_unanswered is not None and not isinstance(found, GatewayInFlightError):
            # Counted like a charge without an answer: after a long outage there may be no others.
            on_unanswered(found, alive=await self._is_alive(request, found))
        raise found

    def lose_patience(self) -> None:
        """Wait for no unanswered charge any more, now and from now on: the process is about to stop."""
        self._impatient.set()

    async def _find_out(
        self, request: ChargeRequest, error: GatewayUnavailableError, on_unanswered: Unanswered | None
    ) -> ChargeResult:
        found = await self._look(request)
        if isinstance(found, Approved | Declined):
            return found
        kept = on_unanswered is not None and on_unanswered(error, alive=await self._is_alive(request, found))
        # A provider that answers without knowing lookups is asked by repeating the charge: the breaker may close any
        # moment, and the slot must not be given on while the charge is worked on.
        works = isinstance(found, GatewayUnavailableError) and found.alive
        if isinstance(found, GatewayInFlightError) or (not error.answered and (works or not kept)):
            found = await self._hold(request, found)
        if isinstance(found, Approved | Declined):
            return found
        if isinstance(found, GatewayInFlightError):
            raise found from error
        error.ended = isinstance(found, NotCharged) or found.ended
        raise error

    async def _is_alive(self, request: ChargeRequest, found: _Found) -> bool:
        """Whether the gateway answers at all: about this charge, or about one that there cannot be."""
        if not isinstance(found, GatewayUnavailableError) or found.alive:
            return True
        other = await self._look(replace(request, order_id=_NO_ORDER))
        return not isinstance(other, GatewayUnavailableError) or other.alive

    async def _hold(self, request: ChargeRequest, found: _Found) -> _Found:
        hold, pause = _Hold(since=self._clock()), _FIRST_PAUSE_SECONDS
        self._holds.add(hold)
        try:
            while isinstance(found, GatewayUnavailableError) and self._waits(hold):
                await self._pause(pause, found)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                again = found.alive and not isinstance(found, GatewayInFlightError)
                found = await self._look(request, again=again)
                if again and not _in_flight(found):
                    if isinstance(found, GatewayUnavailableError):
                        found.ended = True
                    break
        finally:
            self._holds.discard(hold)
        return found

    def _waits(self, hold: _Hold) -> bool:
        patient = not self._impatient.is_set() and self._clock() - hold.since < self._patience
        return patient and hold.overtaken < _OVERTAKEN

    async def _pause(self, seconds: float, found: GatewayUnavailableError) -> None:
        asked = (found.retry_after or timedelta(0)).total_seconds()
        pause = min(max(seconds, asked), _LONGEST_PAUSE_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
        sleeping = asyncio.ensure_future(self._sleep(pause))
        stopped = asyncio.create_task(self._impatient.wait(), name="out of patience")
        try:
            await asyncio.wait([sleeping, stopped], return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                sleeping.result()
        finally:
            sleeping.cancel()
            stopped.cancel()

    async def _look(self, request: ChargeRequest, *, again: bool = False) -> _Found:
        """What is known of a charge; `again` repeats it instead, for a provider that is alive and has no lookups."""
        try:
            if again:
                return await self._gateway.charge(request, timeout=self._payment_timeout)
            return await self.lookup(request)
        except GatewayUnavailableError as error:
            return error


def _in_flight(found: _Found) -> bool:
    """Whether a repeated charge is still worked on: it says so, or gives no answer again."""
    return isinstance(found, GatewayInFlightError) or (
        isinstance(found, GatewayUnavailableError) and not found.answered
    )
