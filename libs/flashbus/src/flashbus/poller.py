"""Pollers: a permit first, then the message."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from flashbus.admission import Admission
from flashbus.events import first_of
from flashbus.look_ahead import LookAhead
from flashbus.observer import Observer
from flashbus.queue import BATCH_LIMIT, Message, Queue, QueueUnavailableError
from flashbus.slots import Slots

_LONGEST_PAUSE_SECONDS = 10.0


class Receives:
    """How the receives of all pollers go: one that waits for a slot knows nothing of the queue."""

    def __init__(self) -> None:
        self._failures: Counter[object] = Counter()

    @property
    def failing(self) -> bool:
        """Whether the queue is away: a single failure happens, and one blip may meet every poller once."""
        return any(failures > 1 for failures in self._failures.values())

    def failed(self, poller: object) -> int:
        """Count a failed receive; how many of this poller's have failed since one of any poller's was answered."""
        self._failures[poller] += 1
        return self._failures[poller]

    def answered(self) -> None:
        """Know that the queue is there."""
        self._failures.clear()


class Poller:
    """Takes free slots, receives at most as many messages, and starts each in its slot.

    What a receive brings after the stop is handed back at once. A receive in progress is not cancelled by
    the stop: a message on its way in would stay hidden from everybody until its visibility ends.

    Args:
        queue: Where messages come from.
        slots: Permits; a started message takes its permit along.
        admission: Says how many to take now.
        receives: Shared by all pollers of a queue.
        look_ahead: Told how long receives take.
        start: Called with each message to be worked.
        hand_back: Called with each message that came too late.
        stop: Ends polling.
        wait: The longest wait of one receive.
        visibility: How long what is received stays hidden.
        observer: Told of failures.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, each named
        self,
        *,
        queue: Queue,
        slots: Slots,
        admission: Admission,
        receives: Receives,
        look_ahead: LookAhead,
        start: Callable[[Message], object],
        hand_back: Callable[[Message], object],
        stop: asyncio.Event,
        wait: timedelta,
        visibility: timedelta,
        observer: Observer,
    ) -> None:
        self._queue = queue
        self._slots = slots
        self._admission = admission
        self._receives = receives
        self._look_ahead = look_ahead
        self._start = start
        self._hand_back = hand_back
        self._stop = stop
        self._wait = wait
        self._visibility = visibility
        self._observer = observer

    async def run(self) -> None:
        """Poll until the stop."""
        while not self._stop.is_set():
            taken = await self._slots.take(BATCH_LIMIT, stop=self._stop)
            allowed = self._admission.allowance(taken)
            self._slots.give_back(taken - allowed)
            if allowed:
                await self._fill(allowed)
            elif taken:
                await self._admission.until_allowance()

    async def _fill(self, permits: int) -> None:
        started = 0
        try:
            for message in await self._receive(permits):
                if self._stop.is_set():
                    self._hand_back(message)
                else:
                    self._start(message)
                    started += 1
        finally:
            self._slots.give_back(permits - started)

    async def _receive(self, most: int) -> Sequence[Message]:
        started = asyncio.get_running_loop().time()
        try:
            messages = await self._queue.receive(most=most, wait=self._wait, visibility=self._visibility)
        except QueueUnavailableError as exc:
            failures = self._receives.failed(self)
            self._observer.receive_failed(exc.reason)
            structlog.get_logger().warning("receive_failed", error=str(exc), failures=failures)
            longest = min(0.2 * 2 ** min(failures, 10), _LONGEST_PAUSE_SECONDS)
            await first_of(self._stop, seconds=random.uniform(0.1, longest))  # noqa: S311 - jitter, no secret
            return []
        self._receives.answered()
        seconds = asyncio.get_running_loop().time() - started
        self._look_ahead.received(seconds, at_once=len(messages) == most)
        return messages
