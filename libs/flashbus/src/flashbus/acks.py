"""Acknowledgements: finished messages are deleted in batches, and tried again when that fails."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from flashbus.events import first_of
from flashbus.observer import Observer
from flashbus.queue import BATCH_LIMIT, LINGER, Message, Queue, QueueUnavailableError

_ATTEMPTS = 8
_RETRY_SECONDS = 0.1
_CONCURRENT_BATCHES = 4


@dataclass(slots=True, kw_only=True)
class _Ack:
    message: Message
    attempts: int = 0


class Acknowledger:
    """Deletes what is finished. A slot need not wait for it, so a batch may take its time to fill.

    An acknowledgement that fails eight times is given up: the message comes again and is found to be a
    duplicate.

    Args:
        queue: Where the messages are from.
        on_added: Called with each message before its delete is sent.
        on_done: Called with each message that is deleted or given up.
        observer: Told of retries and give-ups.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        on_added: Callable[[Message], object],
        on_done: Callable[[Message], object],
        observer: Observer,
    ) -> None:
        self._queue = queue
        self._on_added = on_added
        self._on_done = on_done
        self._observer = observer
        self._waiting: deque[_Ack] = deque()
        self._unfinished = 0
        self._some, self._full, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing = asyncio.Event()
        self._idle.set()

    def add(self, message: Message) -> None:
        """Have a message deleted; returns at once."""
        self._on_added(message)
        self._unfinished += 1
        self._idle.clear()
        self._enqueue(_Ack(message=message))

    async def close(self) -> None:
        """Wait until everything added is deleted or given up, and let `run` return."""
        self._closing.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Work until closed."""
        permits = asyncio.Semaphore(_CONCURRENT_BATCHES)
        async with asyncio.TaskGroup() as batches:
            while self._unfinished or not self._closing.is_set():
                batch = await self._next_batch()
                if batch:
                    await permits.acquire()
                    sending = batches.create_task(self._delete(batch), name="delete batch")
                    sending.add_done_callback(lambda _task: permits.release())

    async def _next_batch(self) -> list[_Ack]:
        if not self._waiting:
            self._some.clear()
            # While closing, the wake is either a retry or the end of the last batch.
            await first_of(self._some, self._idle if self._closing.is_set() else self._closing)
        if self._waiting and len(self._waiting) < BATCH_LIMIT:
            self._full.clear()
            await first_of(self._full, self._closing, seconds=LINGER.total_seconds())
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]

    async def _delete(self, batch: Sequence[_Ack]) -> None:
        failed = await self._failed_receipts([ack.message.receipt for ack in batch])
        for ack in batch:
            if ack.message.receipt in failed:
                self._again(ack)
            else:
                self._finish(ack)

    async def _failed_receipts(self, receipts: Sequence[str]) -> set[str]:
        try:
            failures = await self._queue.delete_batch(receipts)
        except QueueUnavailableError as exc:
            structlog.get_logger().warning("delete_failed", error=str(exc), messages=len(receipts))
            return set(receipts)
        return {failure.receipt for failure in failures if not failure.gone}

    def _again(self, ack: _Ack) -> None:
        ack.attempts += 1
        if ack.attempts >= _ATTEMPTS:
            self._observer.ack_given_up()
            structlog.get_logger().warning("ack_given_up", message_id=ack.message.message_id)
            self._finish(ack)
            return
        self._observer.ack_retried()
        delay = random.uniform(0, _RETRY_SECONDS * 2**ack.attempts)  # noqa: S311 - jitter, no secret
        asyncio.get_running_loop().call_later(delay, self._enqueue, ack)

    def _enqueue(self, ack: _Ack) -> None:
        self._waiting.append(ack)
        self._some.set()
        if len(self._waiting) >= BATCH_LIMIT:
            self._full.set()

    def _finish(self, ack: _Ack) -> None:
        self._on_done(ack.message)
        self._unfinished -= 1
        if not self._unfinished:
            self._idle.set()
