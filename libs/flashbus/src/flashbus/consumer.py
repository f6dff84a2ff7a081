"""The consumer: pollers, slots and loops from the first receive to the end of the drain."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from flashbus.acks import Acknowledger
from flashbus.dispatcher import Worker
from flashbus.poller import Poller
from flashbus.queue import Message, Queue
from flashbus.slots import Slots
from flashbus.visibility import VisibilityKeeper
from order_processor.gate import Gate
from order_processor.metrics import Metrics

# For acknowledgements and hand-backs once the last message is done or cut short.
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much is taken how often.

    Attributes:
        workers: Slots: the most payments at once.
        pollers: Receives in progress at once, at most.
        wait: The longest wait of one receive.
        visibility: How long a message stays hidden unless extended.
        drain: How long what is in flight at the stop may take to finish.
    """

    workers: int
    pollers: int
    wait: timedelta
    visibility: timedelta
    drain: timedelta


class Consumer:
    """Works the queue until the stop, then finishes what it has taken.

    The infrastructure loops live in one task group: when one of them breaks, the process ends. Each
    message is a task of its own outside of it, and can harm neither its siblings nor the loops.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        worker: Worker,
        keeper: VisibilityKeeper,
        acks: Acknowledger,
        gate: Gate,
        pace: Pace,
        stop: asyncio.Event,
        metrics: Metrics,
    ) -> None:
        """`keeper` and `acks` are the ones that `worker` uses; this runs and closes them."""
        self._worker = worker
        self._keeper = keeper
        self._acks = acks
        self._stop = stop
        self._metrics = metrics
        self._drain = pace.drain.total_seconds()
        self._slots = Slots(pace.workers)
        self._working: set[asyncio.Task[None]] = set()
        self._pollers = [
            Poller(
                queue=queue,
                slots=self._slots,
                gate=gate,
                start=self._start,
                hand_back=lambda message: keeper.hand_back(message, after=timedelta(0)),
                stop=stop,
                wait=pace.wait,
                visibility=pace.visibility,
                metrics=metrics,
            )
            for _ in range(pace.pollers)
        ]
        metrics.slots.set(pace.workers)
        metrics.slots_busy.set_function(lambda: len(self._working))
        metrics.paused.set_function(lambda: 0 if gate.clear else 1)

    @property
    def busy(self) -> int:
        """How many messages are being worked now."""
        return len(self._working)

    @property
    def receiving(self) -> bool:
        """Whether the queue answers at least one poller."""
        return not all(poller.failing for poller in self._pollers)

    async def run(self) -> None:
        """Work until the stop and through the drain.

        Raises:
            ExceptionGroup: An infrastructure loop broke.
        """
        try:
            async with asyncio.TaskGroup() as loops:
                keeping = loops.create_task(self._keeper.run(), name="visibility loop")
                acknowledging = loops.create_task(self._acks.run(), name="ack loop")
                pollers = [
                    loops.create_task(poller.run(), name=f"poller {number}")
                    for number, poller in enumerate(self._pollers)
                ]
                loops.create_task(self._leave(pollers, acknowledging, keeping), name="drain")
        finally:
            # Nothing is left here after a drain; after a broken loop the leases must still be given back.
            await self._cut_short(list(self._working))

    def _start(self, message: Message) -> None:
        self._keeper.hold(message)
        task = asyncio.create_task(self._worker.work(message), name=f"message {message.message_id}")
        self._working.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._slots.give_back()
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.get_logger().error("message_crashed", task=task.get_name(), exc_info=error)

    async def _leave(
        self, pollers: Sequence[asyncio.Task[None]], acknowledging: asyncio.Task[None], keeping: asyncio.Task[None]
    ) -> None:
        await self._stop.wait()
        started = asyncio.get_running_loop().time()
        structlog.get_logger().info("drain_started", in_flight=self.busy)
        # A receive in progress may still bring something: it is waited for like a payment.
        _done, late = await asyncio.wait([*pollers, *self._working], timeout=self._drain)
        await self._cut_short(late)
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._acks.close()
        except TimeoutError:
            # They come again, and are found to be duplicates.
            structlog.get_logger().warning("acks_not_flushed")
            acknowledging.cancel()
        self._keeper.close()
        if (await asyncio.wait([keeping], timeout=_FLUSH_SECONDS))[1]:
            # They come again when their visibility ends.
            structlog.get_logger().warning("hand_backs_not_flushed")
            keeping.cancel()
        seconds = asyncio.get_running_loop().time() - started
        structlog.get_logger().info("drain_finished", seconds=round(seconds, 3), cut_short=len(late))

    @staticmethod
    async def _cut_short(tasks: Collection[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
