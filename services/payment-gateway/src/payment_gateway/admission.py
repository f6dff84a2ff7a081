"""The provider's admission queue: at most `capacity` charges at once, first come, first served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from payment_gateway.errors import AdmissionTimeoutError

_STOPPING = "The gateway is stopping"


class AdmissionQueue:
    """Admits up to `capacity` charges; the others wait. The capacity may change at any time; 0 is no limit.

    `in_flight` counts the admitted charges, `waiting` those that wait, and `peak_in_flight` is the most that were
    ever admitted at once since the capacity was last changed.

    Not a semaphore, whose limit is fixed once it is made.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._closed = False
        # A dict keeps the order of arrival and lets a waiter that gives up leave from the middle.
        self._waiters: dict[asyncio.Future[None], None] = {}
        self.in_flight = 0
        self.peak_in_flight = 0

    @property
    def waiting(self) -> int:
        """How many charges wait for admission."""
        return len(self._waiters)

    def resize(self, capacity: int) -> None:
        """Change the capacity; admitted charges finish, even where they exceed it now."""
        if capacity != self._capacity:
            self._capacity = capacity
            self.peak_in_flight = self.in_flight
        self._admit_waiters()

    def close(self) -> None:
        """Refuse every charge that waits, and from now on every charge that would have to."""
        self._closed = True
        for waiter in list(self._waiters):
            self._refuse(waiter, _STOPPING)

    @asynccontextmanager
    async def admitted(self, *, timeout_seconds: float, retry_after_seconds: int) -> AsyncIterator[None]:
        """Wait for capacity, and hold it while the block runs.

        Raises:
            AdmissionTimeoutError: None came free in `timeout_seconds`; it carries `retry_after_seconds`.
        """
        if self._has_capacity():  # then nobody waits: every change admits whom it can
            self._take()
        else:
            await self._wait(timeout_seconds, retry_after_seconds)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, timeout_seconds: float, retry_after_seconds: int) -> None:
        if self._closed:
            raise AdmissionTimeoutError(_STOPPING, retry_after_seconds=retry_after_seconds)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters[waiter] = None
        timer = loop.call_later(timeout_seconds, self._refuse, waiter, "No capacity came free in time")
        try:
            await waiter
        except AdmissionTimeoutError as exc:
            raise AdmissionTimeoutError(str(exc), retry_after_seconds=retry_after_seconds) from None
        except asyncio.CancelledError:
            self._waiters.pop(waiter, None)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Admitted and cancelled in the same turn of the loop: pass the capacity on, or it is lost for good.
                self._release()
            raise
        finally:
            timer.cancel()

    def _refuse(self, waiter: asyncio.Future[None], why: str) -> None:
        self._waiters.pop(waiter, None)
        if not waiter.done():
            waiter.set_exception(AdmissionTimeoutError(why))

    def _has_capacity(self) -> bool:
        return self._capacity == 0 or self.in_flight < self._capacity

    def _take(self) -> None:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def _release(self) -> None:
        self.in_flight -= 1
        self._admit_waiters()

    def _admit_waiters(self) -> None:
        while self._waiters and self._has_capacity():
            waiter = next(iter(self._waiters))
            del self._waiters[waiter]
            # Taken here, not by the waiter when it runs: a charge that arrives in between would find it free.
            if not waiter.done():
                self._take()
                waiter.set_result(None)
