"""A consumer between two queues in memory, with a handler that takes its time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from flashbus.admission import Admission
from flashbus.backoff import Backoff
from flashbus.consumer import Consumer, ConsumerLimits
from flashbus.dispositions import Acknowledge, Disposition, Handler
from flashbus.observer import Observer
from flashbus.queue import Message
from flashbus.testing.queue import FakeQueue, loop_time


class CountingObserver(Observer):
    """Keeps what it is told.

    Attributes:
        told: How often each thing was told, by the method's name; failed receives by their reason too.
        outcomes: How many messages came to each outcome.
        seconds: How long each message took, in sequence.
    """

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float] = []

    def received(self, message: Message) -> None:
        """See `Observer.received`; a redelivery is counted by that name too."""
        self.told["received"] += 1
        self.told["redelivered"] += message.receive_count > 1

    def handled(self, message: Message, disposition: Disposition, *, seconds: float) -> None:  # noqa: ARG002 - the base's
        """See `Observer.handled`."""
        self.outcomes[disposition.outcome] += 1
        self.seconds.append(seconds)

    def receive_failed(self, reason: str) -> None:
        """See `Observer.receive_failed`."""
        self.told["receive_failed"] += 1
        self.told[f"receive_failed {reason}"] += 1

    def ack_retried(self) -> None:
        """See `Observer.ack_retried`."""
        self.told["ack_retried"] += 1

    def ack_given_up(self) -> None:
        """See `Observer.ack_given_up`."""
        self.told["ack_given_up"] += 1

    def visibility_lost(self) -> None:
        """See `Observer.visibility_lost`."""
        self.told["visibility_lost"] += 1

    def visibility_limit_reached(self) -> None:
        """See `Observer.visibility_limit_reached`."""
        self.told["visibility_limit_reached"] += 1


class ConsumerHarness:
    """A consumer that a test can watch; all runs on the event loop's clock.

    Attributes:
        queue: Where messages are put.
        dead: The dead-letter queue.
        stop: Set, it begins the drain.
        observer: What the consumer told.
        latency: How long every message takes.
        handler: What becomes of a message after that; everything is acknowledged unless a test says otherwise.
        handled: The bodies of messages whose handling ended, in sequence.
        in_flight: How many messages are being handled now; `peak_in_flight` the most at once.
    """

    def __init__(
        self,
        *,
        handler: Handler | None = None,
        latency: timedelta = timedelta(0),
        queue: FakeQueue | None = None,
        admission: Admission | None = None,
        **limits: Any,  # noqa: ANN401 - the fields of ConsumerLimits
    ) -> None:
        """`limits` are the fields of `ConsumerLimits`."""
        self.limits = ConsumerLimits(**limits)
        self.queue, self.dead = queue or FakeQueue(), FakeQueue()
        self.stop = asyncio.Event()
        self.observer = CountingObserver()
        self.latency = latency
        self.handler = handler or _acknowledge
        self.handled: list[str] = []
        self.in_flight = self.peak_in_flight = 0
        self.consumer = Consumer(
            queue=self.queue,
            dead_letters=self.dead,
            handler=self._handle,
            stop=self.stop,
            limits=self.limits,
            admission=admission,
            observer=self.observer,
            backoff=Backoff(),
        )

    async def place(self, count: int = 1) -> list[str]:
        """Put so many messages on the queue; their bodies."""
        bodies = [f"message {number}" for number in range(count)]
        for body in bodies:
            await self.queue.send(body, attributes={})
        return bodies

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the consumer; the block's end stops it and waits for the drain."""
        task = asyncio.create_task(self.consumer.run(), name="consumer")
        try:
            yield task
        finally:
            self.stop.set()
            await asyncio.wait([task])
        task.result()

    async def until(self, predicate: Callable[[], object], *, longest: timedelta = timedelta(minutes=5)) -> float:
        """Wait until `predicate` holds; the loop's time it then is. Raises TimeoutError after `longest`."""
        async with asyncio.timeout(longest.total_seconds()):
            while not predicate():  # noqa: ASYNC110 - any predicate; in virtual time a look costs no waiting
                await asyncio.sleep(0.005)
        return loop_time()

    async def until_empty(self) -> float:
        """Wait until every message is deleted."""
        return await self.until(lambda: not self.queue.stored)

    async def _handle(self, message: Message) -> Disposition:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency.total_seconds())
            disposition = await self.handler(message)
            self.handled.append(message.body)
        finally:
            self.in_flight -= 1
        return disposition


async def _acknowledge(_message: Message) -> Disposition:
    return Acknowledge()
