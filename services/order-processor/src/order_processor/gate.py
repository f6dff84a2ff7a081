"""The gate: while the gateway or the ledger is down nothing new is taken, and one message finds out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from flashbus.events import first_of
from flashpay import BreakerState, FlashpayError, LedgerUnavailableError

_T = TypeVar("_T")


class Breaker(Protocol):
    """What the gate wants to know of the gateway's circuit breaker."""

    @property
    def state(self) -> BreakerState: ...
    def admits(self) -> bool: ...
    async def until_admits(self, stop: asyncio.Event) -> bool: ...


class HeldBackError(Exception):
    """The process stops while the message waits at the gate; nothing was tried."""


class Gate:
    """Holds messages in their slots during an outage, instead of sending them round through the queue.

    Each round would add to a message's receive count: an outage of hours would then exhaust messages
    that nothing is wrong with. Held messages stay hidden, and are worked the moment the outage ends.

    Args:
        breaker: The gateway's breaker; not closed means an outage.
        stop: Ends every wait.
        ledger_threshold: Ledger failures in a row that mean an outage of the ledger.
        ledger_pause: How long to leave it alone before the next try.
    """

    def __init__(
        self, *, breaker: Breaker, stop: asyncio.Event, ledger_threshold: int, ledger_pause: timedelta
    ) -> None:
        self._breaker = breaker
        self._stop = stop
        self._ledger_threshold = ledger_threshold
        self._ledger_pause = ledger_pause.total_seconds()
        self._ledger_failures = 0
        self._ledger_retry_at = 0.0
        self._probing = False
        self._turn = asyncio.Event()
        self._outage_since: float | None = None

    @property
    def clear(self) -> bool:
        """Whether no outage is known."""
        return self._breaker.state is BreakerState.CLOSED and self._ledger_failures < self._ledger_threshold

    def allowance(self, wanted: int) -> int:
        """How many messages to take now: all that are wanted, one to find out with, or none."""
        if self.clear:
            return wanted
        return min(wanted, 1) if not self._probing and self._probe_is_due() else 0

    async def until_allowance(self) -> None:
        """Wait until `allowance` is not 0, or until the stop."""
        while not self.allowance(1) and not self._stop.is_set():
            if self._probing:
                await first_of(self._turn, self._stop)
            else:
                await self._until_probe_is_due()

    async def run(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Make an attempt, and during an outage others after it, until one has an answer.

        Raises:
            FlashpayError: The attempt failed, and not because of an outage.
            HeldBackError: The stop came during an outage.
        """
        while True:
            try:
                if self.clear:
                    return await self._counted(attempt)
                async with self._turn_to_probe():
                    return await self._counted(attempt)
            except FlashpayError as exc:
                if not exc.retryable or self.clear:
                    raise
                self._tell_outage(exc)

    @asynccontextmanager
    async def _turn_to_probe(self) -> AsyncIterator[None]:
        while self._probing and not self._stop.is_set() and not self.clear:
            await first_of(self._turn, self._stop)
        if self.clear:
            yield
            return
        if self._stop.is_set():
            raise HeldBackError
        self._probing = True
        try:
            await self._until_probe_is_due()
            if self._stop.is_set():
                raise HeldBackError
            yield
        finally:
            self._probing = False
            self._turn.set()
            self._turn = asyncio.Event()

    def _probe_is_due(self) -> bool:
        return self._seconds_to_ledger() <= 0 and (self._breaker.state is BreakerState.CLOSED or self._breaker.admits())

    async def _until_probe_is_due(self) -> None:
        while not self._probe_is_due() and not self._stop.is_set():
            if self._seconds_to_ledger() > 0:
                await first_of(self._stop, seconds=self._seconds_to_ledger())
            else:
                await self._breaker.until_admits(self._stop)

    def _seconds_to_ledger(self) -> float:
        return self._ledger_retry_at - asyncio.get_running_loop().time()

    async def _counted(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        try:
            result = await attempt()
        except LedgerUnavailableError:
            self._ledger_failures += 1
            if self._ledger_failures >= self._ledger_threshold:
                self._ledger_retry_at = asyncio.get_running_loop().time() + self._ledger_pause
            raise
        except FlashpayError:
            # The claim came through, so the ledger answers.
            self._ledger_failures = 0
            raise
        self._ledger_failures = 0
        self._tell_recovery()
        return result

    def _tell_outage(self, error: FlashpayError) -> None:
        if self._outage_since is None:
            self._outage_since = asyncio.get_running_loop().time()
            structlog.get_logger().warning("outage_started", reason=error.reason, error=str(error))

    def _tell_recovery(self) -> None:
        if self._outage_since is not None and self.clear:
            seconds = asyncio.get_running_loop().time() - self._outage_since
            self._outage_since = None
            structlog.get_logger().warning("outage_ended", seconds=round(seconds, 3))
