"""Settles the orders of one invocation, different ones at once, and says which of them must come back."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from flashpay import Announcer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation, Known, RecordOutcome
from lambda_handler.record_settler import RecordSettler
from lambda_handler.records import QueueRecord, Record

# Kept back at the end of an invocation: to cancel what is not done, write it down and answer.
RESERVE = timedelta(seconds=1)
# The part of it that the cancelled may use to give their leases back.
_FAREWELL_SECONDS = 0.5


@dataclass(kw_only=True)
class BatchConsumer:
    """Gives every record of an invocation to the record_settler, and ends in time whatever the record_settler is doing.

    A record that is not done in time is cancelled. What does not end by that either, such as a write on its way to
    a ledger that is slow to answer, is left behind: it goes on when the environment does, and harms nothing.
    """

    record_settler: RecordSettler
    log: JsonLog
    announcer: Announcer | None = None
    clock: Callable[[], float] = time.monotonic
    _left_behind: set[asyncio.Task[RecordOutcome]] = field(default_factory=set)

    async def consume(self, records: Sequence[Record], invocation: Invocation) -> list[RecordOutcome]:
        """Settle all records and return one outcome each, before the time of the invocation is up."""
        end = self.clock() + invocation.time_left.total_seconds()
        works = (self._work(record, invocation, end) for record in records)
        outcomes = list(await asyncio.gather(*works))
        await self._told(end)
        return outcomes

    async def _told(self, end: float) -> None:
        """Wait for what tells of the orders' ends, as long as there is time; the rest stays owed, or goes on later."""
        left = end - self.clock() - _FAREWELL_SECONDS / 2
        if self.announcer is not None and left > 0:
            await self.announcer.flush(seconds=left)

    async def _work(self, record: Record, invocation: Invocation, end: float) -> RecordOutcome:
        started, known = self.clock(), Known()
        deadline = end - RESERVE.total_seconds()
        task = asyncio.create_task(self.record_settler.settle(record, deadline, known), name="record")
        await asyncio.wait([task], timeout=max(0.0, deadline - started))
        outcome = await self._outcome(task, end, known)
        self.log.write(
            "record_consumed",
            outcome=outcome.outcome,
            done=outcome.done,
            order_id=known.order_id,
            trace_id=known.trace_id,
            settled=known.settled,
            attempt=outcome.attempt,
            error=None if outcome.error is None else repr(outcome.error),
            duration_seconds=round(self.clock() - started, 4),
            receive_count=record.receive_count if isinstance(record, QueueRecord) else None,
            request_id=invocation.request_id,
        )
        return outcome

    async def _outcome(self, task: asyncio.Task[RecordOutcome], end: float, known: Known) -> RecordOutcome:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=max(0.0, min(_FAREWELL_SECONDS, (end - self.clock()) / 2)))
        error: BaseException | None = TimeoutError("the invocation's time was up")
        late = RecordOutcome(done=False, outcome="out_of_time", order_id=known.order_id, error=error)
        if not task.done():
            self._left_behind.add(task)
            task.add_done_callback(self._forget)
            return late
        if task.cancelled():
            return late
        error = task.exception()
        if error is not None:
            # One record's bug must not take its siblings down.
            return RecordOutcome(done=False, outcome="crashed", order_id=known.order_id, error=error)
        return task.result()

    def _forget(self, task: asyncio.Task[RecordOutcome]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that nobody complains; the record was reported as failed
