"""A bulkhead for orders that are settled while the customer waits: few at once, and not for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from flashmsg import Order, Reservation
from flashpay import LedgerEntry, Settled, Settlement, Settler, StockUnsettledError
from order_api.retry_after import Outage, Turns

log = structlog.get_logger()


class LimiterError(Exception):
    """No answer for this customer now; `retryable` is always true."""

    retryable = True


class AtCapacityError(LimiterError):
    """No place came free in time. Nothing was done for the order.

    `next_turn` is how long until it would be this customer's turn, after all who wait or were sent away before.
    """

    def __init__(self, message: str, *, next_turn: timedelta) -> None:
        super().__init__(message)
        self.next_turn = next_turn


class DeadlinePassedError(LimiterError):
    """The deadline passed first. The settlement goes on; its outcome will be in the ledger."""


class SettlementLimiter:
    """Settles at most `limit` orders at once; who finds all places taken waits for one for a while."""

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
        """Wire the limiter.

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
        self._limit = limit
        self._tasks: dict[asyncio.Task[Settlement], float] = {}
        self._waiting = 0
        self._turns = Turns()
        self._mean_seconds = 0.0
        self._outage = Outage()

    @property
    def payment_time(self) -> timedelta:
        """How long one settlement takes: lately on average, and no less than the oldest one has taken so far."""
        now = asyncio.get_running_loop().time()
        oldest = next(iter(self._tasks.values()), now)
        return timedelta(seconds=max(self._mean_seconds, now - oldest))

    @property
    def outage(self) -> timedelta:
        """How long no settlement has come to an end with an answer."""
        return self._outage.lasting

    async def settle(
        self,
        order: Order,
        *,
        traceparent: str | None,
        reservation: Reservation | None = None,
        begin: Callable[[], Awaitable[object]] | None = None,
    ) -> Settlement:
        """Settle the order and its reserved units, and wait for it until the deadline.

        A settlement that has begun is never cut off, for its charge may have gone through already:
        when the customer stops waiting, or the deadline passes, it goes on and keeps its place. `begin` is called
        when a place is free and before anything is done; its errors end the matter and are the caller's.

        Raises:
            AtCapacityError: No place came free within the wait.
            DeadlinePassedError: The deadline passed.
            FlashpayError: The ledger or the gateway gave no definite answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_seconds
        await self._enter()
        await self._begun(begin)
        task = self._settling(order, traceparent, reservation)
        await asyncio.wait({task}, timeout=max(deadline - loop.time(), 0))
        if not task.done():
            raise DeadlinePassedError(f"not settled within {self._deadline_seconds:g} seconds")
        return task.result()

    async def aclose(self) -> None:
        """Wait for the settlements that are still going on; each is bounded by its own timeouts.

        A charge that was not answered in time is waited for no longer: the queue, or the client's repeat, finds out.
        """
        self._settler.lose_patience()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _enter(self) -> None:
        if await self._found_a_place():
            return
        now = asyncio.get_running_loop().time()
        each = self.payment_time.total_seconds() / self._limit
        next_turn = self._turns.next(now=now, ahead=self._waiting, seconds_each=each)
        raise AtCapacityError(f"no place came free within {self._wait_seconds:g} seconds", next_turn=next_turn)

    async def _begun(self, begin: Callable[[], Awaitable[object]] | None) -> None:
        try:
            if begin is not None:
                await begin()
        except BaseException:
            self._places.release()
            raise

    async def _found_a_place(self) -> bool:
        if self._places.locked() and not self._wait_seconds:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds or None):
                await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    def _settling(
        self, order: Order, traceparent: str | None, reservation: Reservation | None
    ) -> asyncio.Task[Settlement]:
        task = asyncio.create_task(self._serve(order, traceparent, reservation), name=f"settle {order.order_id}")
        self._tasks[task] = asyncio.get_running_loop().time()
        task.add_done_callback(self._leave)
        self._report()
        return task

    async def _serve(self, order: Order, traceparent: str | None, reservation: Reservation | None) -> Settlement:
        try:
            settlement = await self._settler.settle(order, traceparent=traceparent, reservation=reservation)
        except StockUnsettledError as error:
            self._tell(error.ended)
            raise
        if isinstance(settlement, Settled):
            self._tell(settlement.entry)
        return settlement

    def _tell(self, ended: LedgerEntry | None) -> None:
        if ended is not None and self._on_settled is not None:
            self._on_settled(ended.status.value)

    def _leave(self, task: asyncio.Task[Settlement]) -> None:
        self._places.release()
        seconds = asyncio.get_running_loop().time() - self._tasks.pop(task)
        # A moving average: the last ten or so count.
        self._mean_seconds += (seconds - self._mean_seconds) / (10 if self._mean_seconds else 1)
        self._report()
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._outage.ended()
        else:
            self._outage.failed()
            # Not the canonical line of the request, which may be long gone.
            log.warning("settlement_failed", task=task.get_name(), error=repr(error))

    def _report(self) -> None:
        if self._on_change is not None:
            self._on_change(len(self._tasks))
