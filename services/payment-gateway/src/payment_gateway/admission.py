"""The line before the counter: at most `capacity` charges at once, first come, first served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from payment_gateway.errors import LineTooLongError


class Line:
    """Places at the counter and those who wait for one. The capacity may change at any time; 0 is no limit.

    `in_flight` counts the places taken, `waiting` those in line, and `peak_in_flight` is the most places ever
    taken at once since the capacity was last changed.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._closed = False
        # A dict keeps the order and lets one who gives up leave from the middle.
        self._waiters: dict[asyncio.Future[None], None] = {}
        self.in_flight = 0
        self.peak_in_flight = 0

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._waiters)

    def resize(self, capacity: int) -> None:
        """Change the capacity; those at the counter finish, even where they are too many now."""
        if capacity != self._capacity:
            self._capacity = capacity
            self.peak_in_flight = self.in_flight
        self._admit()

    def close(self) -> None:
        """Send everybody in line away, and whoever comes later and would have to wait."""
        self._closed = True
        for waiter in list(self._waiters):
            self._send_away(waiter, "The gateway is stopping")

    @asynccontextmanager
    async def place(self, *, timeout_seconds: float, retry_after_seconds: int) -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Raises:
            LineTooLongError: None came free in `timeout_seconds`; it carries `retry_after_seconds`.
        """
        await self._enter(timeout_seconds, retry_after_seconds)
        try:
            yield
        finally:
            self.in_flight -= 1
            self._admit()

    async def _enter(self, timeout_seconds: float, retry_after_seconds: int) -> None:
        if self._has_room():  # then nobody waits: every change admits whom it can
            self._take()
            return
        if self._closed:
            raise LineTooLongError("The gateway is stopping", retry_after_seconds=retry_after_seconds)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters[waiter] = None
        timer = loop.call_later(timeout_seconds, self._send_away, waiter, "The line is too long")
        try:
            await waiter
        except LineTooLongError as exc:
            raise LineTooLongError(str(exc), retry_after_seconds=retry_after_seconds) from None
        except asyncio.CancelledError:
            self._waiters.pop(waiter, None)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # The place was given in the same turn of the loop: hand it on, or it is lost for good.
                self.in_flight -= 1
                self._admit()
            raise
        finally:
            timer.cancel()

    def _send_away(self, waiter: asyncio.Future[None], why: str) -> None:
        self._waiters.pop(waiter, None)
        if not waiter.done():
            waiter.set_exception(LineTooLongError(why))

    def _has_room(self) -> bool:
        return self._capacity == 0 or self.in_flight < self._capacity

    def _take(self) -> None:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def _admit(self) -> None:
        while self._waiters and self._has_room():
            waiter = next(iter(self._waiters))
            del self._waiters[waiter]
            if not waiter.done():
                self._take()
                waiter.set_result(None)
