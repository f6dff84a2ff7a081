"""Group commit: concurrent publishes share batches, and each caller learns of its own entry."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

# The limits of one SNS PublishBatch.
MAX_BATCH_ENTRIES = 10
MAX_BATCH_BYTES = 256 * 1024
_STRING_TYPE_BYTES = len("String")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: its body and its attributes, all of type String."""

    message: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What counts against the limit of a batch: the body, and name, type and value of attributes."""
        attributes = sum(
            len(name.encode()) + _STRING_TYPE_BYTES + len(value.encode()) for name, value in self.attributes.items()
        )
        return len(self.message.encode()) + attributes


class PublishError(Exception):
    """The entry was not acknowledged.

    `reason` is a bounded label: "unavailable" (no answer, an error, or too late), "refused" (the topic
    took the call but not this entry), "overloaded" (too many callers wait), "too_large", "closed".
    After "unavailable" the entry may still have arrived: a repetition needs consumers that are idempotent.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retryable = reason != "too_large"


class TopicError(Exception):
    """The whole call failed: nothing in it is known to have been taken."""


class Topic(Protocol):
    """Where batches go; SNS in production."""

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, str]:
        """Publish at most ten entries in one call.

        Returns:
            The entries that were NOT taken, by index, with the topic's error code.

        Raises:
            TopicError: The call as a whole failed.
        """


@dataclass(slots=True, eq=False)
class _Waiting:
    entry: Entry
    size_bytes: int
    due: float
    result: asyncio.Future[None]


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
        self._in_flight: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def publish(self, entry: Entry) -> None:
        """Return once the topic has acknowledged this very entry.

        Raises:
            PublishError: It was not acknowledged within the timeout, or not taken at all.
        """
        waiting = self._admit(entry)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await waiting.result
        except TimeoutError:
            raise PublishError("unavailable", "no acknowledgement in time") from None
        finally:
            if waiting.result.cancelled():
                self._withdraw(waiting)

    async def aclose(self) -> None:
        """Take no more entries, send those that wait, and return when all have their answer."""
        self._closing = True
        self._dispatch()
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    def _admit(self, entry: Entry) -> _Waiting:
        if self._closing:
            raise PublishError("closed")
        size_bytes = entry.size_bytes
        if size_bytes > MAX_BATCH_BYTES:
            raise PublishError("too_large", f"{size_bytes} bytes")
        if len(self._waiting) >= self._max_waiting:
            raise PublishError("overloaded", f"{len(self._waiting)} entries wait")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entry, size_bytes, loop.time() + self._linger_seconds, loop.create_future())
        self._waiting.append(waiting)
        self._dispatch()
        return waiting

    def _withdraw(self, waiting: _Waiting) -> None:
        # Not under way yet: it is never sent. Under way: the batch goes on for the others.
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiting)

    def _dispatch(self) -> None:
        """Send whatever may go now, and set the timer for what may go later."""
        now = asyncio.get_running_loop().time()
        while len(self._in_flight) < self._max_in_flight:
            batch = self._next_batch(now)
            if not batch:
                break
            task = asyncio.create_task(self._send(batch), name="publish-batch")
            self._in_flight.add(task)
            task.add_done_callback(self._sent)
        self._set_timer()

    def _next_batch(self, now: float) -> list[_Waiting]:
        """Take the oldest entries that fit one call, or none while they may still wait for company."""
        batch: list[_Waiting] = []
        size_bytes = 0
        for waiting in self._waiting:
            size_bytes += waiting.size_bytes
            if len(batch) == MAX_BATCH_ENTRIES or size_bytes > MAX_BATCH_BYTES:
                break
            batch.append(waiting)
        full = len(batch) == MAX_BATCH_ENTRIES or len(batch) < len(self._waiting)
        if not batch or not (full or self._closing or batch[0].due <= now):
            return []
        for _ in batch:
            self._waiting.popleft()
        return batch

    def _set_timer(self) -> None:
        if self._timer is not None or not self._waiting or len(self._in_flight) >= self._max_in_flight:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._waiting[0].due, self._lingered)

    def _lingered(self) -> None:
        self._timer = None
        self._dispatch()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("publish_broken", exc_info=error)
        self._dispatch()

    async def _send(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                refused = await self._topic.publish_batch([waiting.entry for waiting in batch])
        except (TopicError, TimeoutError) as exc:
            _settle_all(batch, PublishError("unavailable", str(exc)))
        except BaseException:
            # A bug of ours or a cancelled loop: no caller may wait for an answer that never comes.
            _settle_all(batch, PublishError("unavailable", "the publisher failed"))
            raise
        else:
            for index, waiting in enumerate(batch):
                code = refused.get(index)
                _settle(waiting, None if code is None else PublishError("refused", code))
        finally:
            if self._on_batch is not None:
                self._on_batch(len(batch), loop.time() - started)


def _settle_all(batch: list[_Waiting], error: PublishError) -> None:
    for waiting in batch:
        _settle(waiting, PublishError(error.reason, str(error)))


def _settle(waiting: _Waiting, error: PublishError | None) -> None:
    if waiting.result.done():
        return
    if error is None:
        waiting.result.set_result(None)
    else:
        waiting.result.set_exception(error)
