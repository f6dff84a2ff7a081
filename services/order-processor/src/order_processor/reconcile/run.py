"""One run over orders that must be looked into."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from flashpay import FlashpayError
from order_processor.reconcile.reconciler import Outcome, Reconciler

log = structlog.get_logger()

# Looked into at once: a lookup and a few writes each.
AT_ONCE = 10


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run came to."""

    outcomes: Counter[Outcome]
    complete: bool

    @property
    def alarming(self) -> bool:
        """Whether it did not do all that it should have, or found what a human must look at."""
        return bool(self.outcomes[Outcome.CONFLICT] or self.outcomes[Outcome.FAILED]) or not self.complete


@dataclass(frozen=True, kw_only=True)
class Run:
    """Looks into orders, a few at a time.

    Attributes:
        find: Finds them.
        reconciler: Looks into one.
        limit: The most orders that one run does something about.
        stop: Set, the run ends with the orders in hand.
        time: The most that it takes, but for the orders in hand; None for as long as it needs.
        say: Told of each order that was not left as it was.
    """

    find: Callable[[], AsyncIterator[str]]
    reconciler: Reconciler
    limit: int
    stop: asyncio.Event
    say: Callable[[str, Outcome], object]
    time: timedelta | None = None

    async def go(self) -> Result:
        """Run once; what the ledger did not tell shows in the result."""
        outcomes: Counter[Outcome] = Counter()
        until = None if self.time is None else _now() + self.time.total_seconds()
        try:
            async for order_ids in self._chunks():
                if until is not None and _now() >= until:
                    log.warning("run_cut_short", reason="time", orders=outcomes.total())
                    return Result(outcomes=outcomes, complete=False)
                outcomes.update(await self._look_into_all(order_ids))
                # Those that rest do not count: of a long queue they would hide all that come after them.
                if self.stop.is_set() or outcomes.total() - outcomes[Outcome.RESTING] >= self.limit:
                    return Result(outcomes=outcomes, complete=False)
        except FlashpayError as exc:
            log.warning("orders_not_found", reason=exc.reason, error=str(exc))
            return Result(outcomes=outcomes, complete=False)
        return Result(outcomes=outcomes, complete=True)

    async def _look_into_all(self, order_ids: list[str]) -> list[Outcome]:
        found = await asyncio.gather(*map(self._look_into, order_ids))
        for order_id, outcome in zip(order_ids, found, strict=True):
            if outcome is not Outcome.RESTING:
                self.say(order_id, outcome)
        return found

    async def _look_into(self, order_id: str) -> Outcome:
        try:
            return await self.reconciler.reconcile(order_id)
        except Exception:  # an entry that nobody foresaw must not hide all the others, at every run
            log.exception("reconcile_crashed", order_id=order_id)
            return Outcome.FAILED

    async def _chunks(self) -> AsyncIterator[list[str]]:
        chunk: list[str] = []
        async for order_id in self.find():
            chunk.append(order_id)
            if len(chunk) == AT_ONCE:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


def _now() -> float:
    return asyncio.get_running_loop().time()
