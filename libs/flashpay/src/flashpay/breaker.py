"""A circuit breaker around a gateway: while the provider is down, nobody waits for its timeouts."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from flashpay.errors import GatewayInFlightError, GatewayUnavailableError
from flashpay.gateway import ChargeRequest, ChargeResult, Gateway


class BreakerState(StrEnum):
    """`closed` lets everything through, `open` nothing, `half_open` one call that finds out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerGateway:
    """A gateway that fails fast after `threshold` failures in a row, until a probe succeeds.

    Only indefinite answers are failures: a decline, a refusal or a key in flight show a gateway at work.
    After `cool_down` one call is let through as the probe; the others still fail fast until it has answered.

    Args:
        inner: The gateway that is asked.
        threshold: Failures in a row that open the breaker.
        cool_down: How long it stays open before the next probe.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        inner: Gateway,
        *,
        threshold: int = 5,
        cool_down: timedelta = timedelta(seconds=5),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if threshold < 1:
            raise ValueError("threshold must be at least 1")
        if cool_down <= timedelta(0):
            raise ValueError("cool_down must be positive")
        self._inner = inner
        self._threshold = threshold
        self._cool_down = cool_down.total_seconds()
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        self._changed = asyncio.Event()

    @property
    def state(self) -> BreakerState:
        """Where the breaker stands now."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._seconds_left() > 0 else BreakerState.HALF_OPEN

    def admits(self) -> bool:
        """Whether a charge would be let through now."""
        return self.allowance(1) > 0

    def allowance(self, wanted: int) -> int:
        """How many of `wanted` charges would be let through now: all, one as the probe, or none."""
        match self.state:
            case BreakerState.CLOSED:
                return wanted
            case BreakerState.HALF_OPEN:
                return 0 if self._probing else min(wanted, 1)
            case BreakerState.OPEN:
                return 0

    async def until_admits(self, stop: asyncio.Event) -> bool:
        """Wait until a charge would be let through, or until `stop` is set.

        Returns:
            Whether a charge would be let through now; False only after `stop`.
        """
        while not self.admits() and not stop.is_set():
            # While the probe is out only its answer matters; it is bounded by its own timeout.
            await self._change_or(stop, None if self._probing else self._seconds_left())
        return self.admits()

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - the protocol's own deadline, handed through
        """Charge through the inner gateway, or fail fast.

        Raises:
            GatewayUnavailableError: From the gateway, or with reason `breaker_open` without asking it.
            GatewayRefusedError: From the gateway.
        """
        if not self.admits():
            raise GatewayUnavailableError(
                "the payment gateway is not asked while the breaker is open",
                reason="breaker_open",
                retry_after=timedelta(seconds=max(self._seconds_left(), 0.0)),
            )
        if self._open_until is not None:
            return await self._probe(request, timeout=timeout)
        return await self._counted(request, timeout=timeout)

    async def _probe(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - as above
        self._probing = True
        try:
            return await self._counted(request, timeout=timeout)
        finally:
            # Also after a cancellation, which says nothing about the gateway: the next call probes.
            self._probing = False
            self._announce()

    async def _counted(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - as above
        try:
            result = await self._inner.charge(request, timeout=timeout)
        except GatewayInFlightError:
            self._close()
            raise
        except GatewayUnavailableError:
            self._count_failure()
            raise
        except Exception:
            self._close()
            raise
        self._close()
        return result

    def _close(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._announce()

    def _count_failure(self) -> None:
        self._failures += 1
        # Calls that began before the breaker opened and fail late do not lengthen it.
        if self._probing or (self._open_until is None and self._failures >= self._threshold):
            self._open_until = self._clock() + self._cool_down
            self._announce()

    def _seconds_left(self) -> float:
        return 0.0 if self._open_until is None else self._open_until - self._clock()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change_or(self, stop: asyncio.Event, seconds: float | None) -> None:
        waits = [
            asyncio.create_task(self._changed.wait(), name="breaker changed"),
            asyncio.create_task(stop.wait(), name="breaker stop"),
        ]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
