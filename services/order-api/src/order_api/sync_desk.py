"""The desk where orders are settled while the customer waits: few at once, and not for ever."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from flashmsg import Order
from flashpay import Settled, Settlement, Settler

log = structlog.get_logger()


class DeskError(Exception):
    """The desk has no answer for this customer now; `retryable` is always true."""

    retryable = True


class LineFullError(DeskError):
    """No place came free in time. Nothing was done for the order."""


class LateError(DeskError):
    """The deadline passed first. The settlement goes on; its outcome will be in the ledger."""


class SyncDesk:
    """Settles at most `limit` orders at once; who finds all places taken waits in line for a while."""

    def __init__(
        self,
        *,
        settler: Settler,
        limit: int,
        wait: timedelta,
        deadline: timedelta,
        on_settled: Callable[[str], object] | None = None,
        on_change: Callable[[int], object] | None = None,
    ) -> None:
        """Wire the desk.

        Args:
            settler: Does the work.
            limit: The most orders being settled at once.
            wait: The most a customer waits for a place.
            deadline: The most a customer waits altogether.
            on_settled: Told the status of each order that came to a terminal one here.
            on_change: Told how many orders are being settled.
        """
        self._settler = settler
        self._places = asyncio.Semaphore(limit)
        self._wait_seconds = wait.total_seconds()
        self._deadline_seconds = deadline.total_seconds()
        self._on_settled = on_settled
        self._on_change = on_change
        self._tasks: set[asyncio.Task[Settlement]] = set()

    async def settle(self, order: Order, *, traceparent: str | None) -> Settlement:
        """Settle the order, and wait for it until the deadline.

        A settlement that has begun is never cut off, for its charge may have gone through already:
        when the customer stops waiting, or the deadline passes, it goes on and keeps its place.

        Raises:
            LineFullError: No place came free within the wait.
            LateError: The deadline passed.
            FlashpayError: The ledger or the gateway gave no definite answer.
        """
        deadline = asyncio.get_running_loop().time() + self._deadline_seconds
        await self._enter()
        task = asyncio.create_task(self._serve(order, traceparent), name=f"settle {order.order_id}")
        self._tasks.add(task)
        task.add_done_callback(self._leave)
        self._report()
        remaining = deadline - asyncio.get_running_loop().time()
        await asyncio.wait({task}, timeout=max(remaining, 0))
        if not task.done():
            raise LateError(f"not settled within {self._deadline_seconds:g} seconds")
        return task.result()

    async def aclose(self) -> None:
        """Wait for the settlements that are still going on; each is bounded by its own timeouts.

        A charge that was not answered in time is waited for no longer: the queue, or the client's repeat, finds out.
        """
        self._settler.lose_patience()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _enter(self) -> None:
        if self._places.locked() and not self._wait_seconds:
            raise LineFullError("all places are taken")
        try:
            async with asyncio.timeout(self._wait_seconds or None):
                await self._places.acquire()
        except TimeoutError:
            raise LineFullError(f"no place came free within {self._wait_seconds:g} seconds") from None

    async def _serve(self, order: Order, traceparent: str | None) -> Settlement:
        settlement = await self._settler.settle(order, traceparent=traceparent)
        if isinstance(settlement, Settled) and self._on_settled is not None:
            self._on_settled(settlement.entry.status.value)
        return settlement

    def _leave(self, task: asyncio.Task[Settlement]) -> None:
        self._places.release()
        self._tasks.discard(task)
        self._report()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Not the canonical line of the request, which may be long gone.
            log.warning("settlement_failed", task=task.get_name(), error=repr(error))

    def _report(self) -> None:
        if self._on_change is not None:
            self._on_change(len(self._tasks))
