"""Group commit: concurrent publishes share batches, and each caller learns of its own entry."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, inf
from types import TracebackType
from typing import Any, Self

import structlog

from flashbus.deadlines import Deadlines
from flashbus.topic import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Entry, Refusal, Topic, TopicError

# uvloop's clock has whole milliseconds: when a linger ends by it, the sum of begin and linger may be a last bit later.
_LAST_BIT_SECONDS = 1e-6
# A request whose bytes are in the socket comes to its `publish` within so many turns of the loop.
_JOINING_TURNS = 2

log = structlog.get_logger()


class PublishError(Exception):
    """The entry was not acknowledged.

    Attributes:
        reason: A bounded label: "unavailable" (no answer, an error, or too late), "refused" (the topic took the
            call but not this entry), "overloaded" (too many callers wait), "too_large", "closed".
        certain: Whether the topic is known not to have taken the entry, now or later. False: it may have.
    """

    def __init__(self, reason: str, detail: str = "", *, certain: bool) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.certain = certain
        self.retryable = reason != "too_large"


@dataclass(slots=True, eq=False)
class _Waiting:
    entry: Entry
    size_bytes: int
    due: float
    expires: float
    result: asyncio.Future[None]
    queued: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    expires: float
    result: asyncio.Task[None]


class GroupCommitPublisher:
    """Coalesces concurrent `publish` calls into batches.

    A batch leaves when it is full, or when its oldest entry has waited for `linger`, and while all
    `max_in_flight` batches are under way the next ones fill up meanwhile. A caller that gives up
    takes only its own entry with it. Used as an async context manager; leaving the block drains it.
    """

    def __init__(
        self,
        *,
        topic: Topic,
        linger: timedelta = timedelta(milliseconds=5),
        timeout: timedelta = timedelta(milliseconds=800),
        max_in_flight: int = 16,
        max_waiting: int = 2_000,
        on_batch: Callable[[int, float], object] | None = None,
    ) -> None:
        """Wire the publisher.

        Args:
            topic: Where batches go.
            linger: How long the first entry of a batch waits for company.
            timeout: The most a caller waits, from `publish` to the acknowledgement.
            max_in_flight: The most batches under way at once.
            max_waiting: The most entries not yet under way; more are refused at once.
            on_batch: Told of every batch sent: entries, seconds the call took.
        """
        self._topic = topic
        self._linger_seconds = linger.total_seconds()
        self._timeout_seconds = timeout.total_seconds()
        self._max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._deadlines = Deadlines[_Waiting](on_late=self._late)
        self._call_deadlines = Deadlines[_Call](on_late=lambda call: call.result.cancel())
        self._in_flight: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._call_seconds = 0.0
        self._failing_since: float | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def pause(self) -> timedelta:
        """How long a refused caller should stay away.

        Until what waits is sent; while calls fail, as long again as they have failed already.
        """
        calls = ceil(len(self._waiting) / MAX_BATCH_ENTRIES)
        backlog_seconds = ceil(calls / self._max_in_flight) * self._call_seconds
        now = asyncio.get_running_loop().time()
        failing_seconds = 0.0 if self._failing_since is None else now - self._failing_since
        return timedelta(seconds=max(backlog_seconds, failing_seconds))

    async def publish(self, entry: Entry) -> None:
        """Return once the topic has acknowledged this very entry.

        Raises:
            PublishError: It was not acknowledged within the timeout, or not taken at all.
        """
        loop = asyncio.get_running_loop()
        waiting = self._admit(entry, loop.create_future(), loop.time())
        self._dispatch_full()
        try:
            await waiting.result
        except asyncio.CancelledError:
            # Not under way yet: it is never sent. Under way: the batch goes on for the others.
            self._withdraw(waiting)
            _forget(waiting.result)
            raise

    def submit(self, entries: Sequence[Entry], results: Sequence[asyncio.Future[None]]) -> None:
        """Publish entries, and complete the result of each as `publish` ends.

        One whose result is cancelled may leave all the same.
        """
        now = asyncio.get_running_loop().time()
        for number, (entry, result) in enumerate(zip(entries, results, strict=True), start=1):
            try:
                self._admit(entry, result, now)
            except PublishError as error:
                _complete(result, error)
            if number % MAX_BATCH_ENTRIES == 0:
                self._dispatch_full()
        self._dispatch_full()

    async def aclose(self) -> None:
        """Take no more entries, send those that wait, and return when all have their answer."""
        self._closing = True
        self._dispatch()
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        self._deadlines.close()
        self._call_deadlines.close()

    def _admit(self, entry: Entry, result: asyncio.Future[None], now: float) -> _Waiting:
        if self._closing:
            raise PublishError("closed", certain=True)
        size_bytes = entry.size_bytes
        if size_bytes > MAX_BATCH_BYTES:
            raise PublishError("too_large", f"{size_bytes} bytes", certain=True)
        if len(self._waiting) >= self._max_waiting:
            raise PublishError("overloaded", f"{len(self._waiting)} entries wait", certain=True)
        waiting = _Waiting(entry, size_bytes, now + self._linger_seconds, now + self._timeout_seconds, result)
        self._waiting.append(waiting)
        self._waiting_bytes += size_bytes
        self._deadlines.add(waiting)
        return waiting

    def _dispatch_full(self) -> None:
        """Send full batches, if there is one; set the timer for the rest."""
        if len(self._waiting) >= MAX_BATCH_ENTRIES or self._waiting_bytes > MAX_BATCH_BYTES:
            self._dispatch()
        else:
            self._set_timer()

    def _late(self, waiting: _Waiting) -> None:
        withdrawn = self._withdraw(waiting)
        detail = "not sent in time" if withdrawn else "no acknowledgement in time"
        _complete(waiting.result, PublishError("unavailable", detail, certain=withdrawn))

    def _withdraw(self, waiting: _Waiting) -> bool:
        if not waiting.queued:
            return False
        self._waiting.remove(waiting)
        self._left(waiting)
        return True

    def _take_next(self) -> _Waiting:
        waiting = self._waiting.popleft()
        self._left(waiting)
        return waiting

    def _left(self, waiting: _Waiting) -> None:
        waiting.queued = False
        self._waiting_bytes -= waiting.size_bytes

    def _dispatch(self, *, lingered: bool = False) -> None:
        """Send full batches, and what has lingered if it is the time for that; set the timer for the rest."""
        now = asyncio.get_running_loop().time()
        self._expire(now)
        while len(self._in_flight) < self._max_in_flight:
            batch = self._next_batch(due_by=now + _LAST_BIT_SECONDS if lingered else -inf)
            if not batch:
                break
            task = asyncio.create_task(self._send(batch), name="publish-batch")
            self._call_deadlines.add(_Call(now + self._timeout_seconds, task))
            self._in_flight.add(task)
            task.add_done_callback(self._sent)
        self._set_timer()

    def _expire(self, now: float) -> None:
        # After a freeze of the process the timers of callers may come after this one: what they are about to
        # be refused for must not leave meanwhile.
        while self._waiting and self._waiting[0].expires <= now:
            _complete(self._take_next().result, PublishError("unavailable", "not sent in time", certain=True))

    def _next_batch(self, *, due_by: float) -> list[_Waiting]:
        """Take the oldest entries that fit one call, or none while they may still wait for company."""
        batch: list[_Waiting] = []
        size_bytes = 0
        for waiting in self._waiting:
            size_bytes += waiting.size_bytes
            if len(batch) == MAX_BATCH_ENTRIES or size_bytes > MAX_BATCH_BYTES:
                break
            batch.append(waiting)
        full = len(batch) == MAX_BATCH_ENTRIES or len(batch) < len(self._waiting)
        if not batch or not (full or self._closing or batch[0].due <= due_by):
            return []
        return [self._take_next() for _ in batch]

    def _set_timer(self) -> None:
        if self._timer is not None or not self._waiting or len(self._in_flight) >= self._max_in_flight:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._waiting[0].due, self._lingered, _JOINING_TURNS)

    def _lingered(self, turns: int) -> None:
        # Under load many requests are read in one turn: without these a batch would leave ahead of them.
        if turns:
            asyncio.get_running_loop().call_soon(self._lingered, turns - 1)
            return
        self._timer = None
        self._dispatch(lingered=True)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("publish_broken", exc_info=error)
        self._dispatch()

    async def _send(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            refused = await self._topic.publish_batch([waiting.entry for waiting in batch])
        except TopicError as exc:
            self._note_failure(started)
            _fail_all(batch, str(exc), certain=exc.certain)
        except BaseException:
            # No answer in time, a bug of ours, a cancelled loop: no caller may wait for an answer that never comes.
            self._note_failure(started)
            _fail_all(batch, "the publisher failed", certain=False)
            raise
        else:
            self._failing_since = None
            for index, waiting in enumerate(batch):
                refusal = refused.get(index)
                _complete(waiting.result, None if refusal is None else _refused(refusal))
        finally:
            self._call_seconds = loop.time() - started
            if self._on_batch is not None:
                self._on_batch(len(batch), self._call_seconds)

    def _note_failure(self, started: float) -> None:
        if self._failing_since is None:
            self._failing_since = started


def _forget(work: asyncio.Future[Any]) -> None:
    # Nobody asks any more: asyncio shall not report an error in it as overlooked.
    if not work.cancel() and not work.cancelled():
        work.exception()


def _refused(refusal: Refusal) -> PublishError:
    return PublishError("refused", refusal.code, certain=refusal.certain)


def _fail_all(batch: list[_Waiting], detail: str, *, certain: bool) -> None:
    for waiting in batch:
        # An exception of its own for each: raised twice, one would collect the tracebacks of all.
        _complete(waiting.result, PublishError("unavailable", detail, certain=certain))


def _complete(result: asyncio.Future[None], error: PublishError | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(None)
    else:
        result.set_exception(error)
