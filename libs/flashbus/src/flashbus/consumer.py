"""The consumer: pollers, slots and loops from the first receive to the end of the drain."""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from flashbus.acks import Acknowledger
from flashbus.admission import Admission, AdmitAll
from flashbus.backoff import Backoff
from flashbus.dead_letters import DeadLetters
from flashbus.dispatcher import Dispatcher, WriteLine, write_line
from flashbus.dispositions import Handler
from flashbus.look_ahead import LookAhead
from flashbus.observer import Observer
from flashbus.poller import Poller, Receives
from flashbus.progress import Progress
from flashbus.queue import Message, MessageSender, Queue
from flashbus.slots import Slots
from flashbus.visibility import VisibilityHeartbeat

# For acknowledgements and hand-backs once the last message is done or cut short.
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ConsumerLimits:
    """How much is taken how often.

    Attributes:
        slots: The most messages being worked at once.
        pollers: Receives in progress at once, at most.
        wait: The longest wait of one receive, up to 20 s; the client's read timeout must be longer.
        visibility: How long a message stays hidden unless extended; a third of it is the heartbeat's rhythm.
        drain: How long what is in flight at the stop may take to finish; longer than `wait`.
        stall: After how long without any message coming to its end the consumer is `stalled`.
    """

    slots: int = 10
    pollers: int = 2
    wait: timedelta = timedelta(seconds=20)
    visibility: timedelta = timedelta(seconds=60)
    drain: timedelta = timedelta(seconds=40)
    stall: timedelta = timedelta(minutes=5)


class Consumer:
    """Works the queue until the stop, then finishes what it has taken.

    The infrastructure loops live in one task group: when one of them breaks, the process ends. Each
    message is a task of its own outside of it, and can harm neither its siblings nor the loops.

    Args:
        queue: Where messages come from.
        dead_letters: Where those go that the handler gives up.
        handler: Says what becomes of a message; called for as many at once as there are slots.
        stop: Set, it ends polling and begins the drain.
        limits: How much is taken how often.
        admission: Asked before every receive how many to take; all, by default.
        observer: Told of everything that is worth a metric.
        backoff: How long a message stays away whose handler crashed, or that the dead-letter queue did not take.
        write_line: Writes the line of every message that is finished or handed back; structlog, by default.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, each named
        self,
        *,
        queue: Queue,
        dead_letters: MessageSender,
        handler: Handler,
        stop: asyncio.Event,
        limits: ConsumerLimits | None = None,
        admission: Admission | None = None,
        observer: Observer | None = None,
        backoff: Backoff | None = None,
        write_line: WriteLine = write_line,
    ) -> None:
        limits, observer = limits or ConsumerLimits(), observer or Observer()
        self._admission = admission or AdmitAll()
        self._heartbeat = VisibilityHeartbeat(queue=queue, visibility=limits.visibility, observer=observer)
        self._acks = Acknowledger(
            queue=queue, on_added=self._heartbeat.finish, on_done=self._heartbeat.release, observer=observer
        )
        self._progress = Progress(limit=limits.stall)
        self._look_ahead = LookAhead(limits.slots)
        self._dispatcher = Dispatcher(
            handler=handler,
            acks=self._acks,
            heartbeat=self._heartbeat,
            dead_letters=DeadLetters(dead_letters),
            backoff=backoff or Backoff(),
            progress=self._progress,
            observer=observer,
            on_acknowledged=self._look_ahead.worked,
            write_line=write_line,
        )
        self._stop = stop
        self._drain = limits.drain.total_seconds()
        self._slots = Slots(limits.slots, look_ahead=self._look_ahead)
        self._receives = Receives()
        self._ahead: deque[Message] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._surroundings = Context()
        self._pollers = [self._poller(queue, limits, observer) for _ in range(limits.pollers)]

    def _poller(self, queue: Queue, limits: ConsumerLimits, observer: Observer) -> Poller:
        return Poller(
            queue=queue,
            slots=self._slots,
            admission=self._admission,
            receives=self._receives,
            look_ahead=self._look_ahead,
            start=self._start,
            hand_back=lambda message: self._heartbeat.hand_back(message, after=timedelta(0)),
            stop=self._stop,
            wait=limits.wait,
            visibility=limits.visibility,
            observer=observer,
        )

    @property
    def busy(self) -> int:
        """How many messages are being worked now."""
        return len(self._working)

    @property
    def ahead(self) -> int:
        """How many messages wait for a slot."""
        return len(self._ahead)

    @property
    def receiving(self) -> bool:
        """Whether the queue answers."""
        return not self._receives.failing

    @property
    def stalled(self) -> bool:
        """Whether messages are taken and none has come to its end for long."""
        return self._progress.stalled

    async def run(self) -> None:
        """Work until the stop and through the drain.

        Raises:
            ExceptionGroup: An infrastructure loop broke.
        """
        self._surroundings = copy_context()
        self._surroundings.run(structlog.contextvars.clear_contextvars)  # once, and not for every message
        try:
            async with asyncio.TaskGroup() as loops:
                keeping = loops.create_task(self._heartbeat.run(), name="visibility loop")
                acknowledging = loops.create_task(self._acks.run(), name="ack loop")
                pollers = [
                    loops.create_task(poller.run(), name=f"poller {number}")
                    for number, poller in enumerate(self._pollers)
                ]
                loops.create_task(self._leave(pollers, acknowledging, keeping), name="drain")
        finally:
            self._admission.stop()
            # Nothing is left here after a drain. After a broken loop handlers must not go on, and what they held comes
            # back when its visibility ends: at once, it would lose a receive with every restart of what breaks again.
            self._hand_back_ahead()
            await self._cut_short(list(self._working))

    def _start(self, message: Message) -> None:
        self._heartbeat.hold(message)
        if self.busy < self._slots.limit:
            self._begin(message)
        else:
            self._ahead.append(message)

    def _begin(self, message: Message) -> None:
        name, context = f"message {message.message_id}", self._surroundings.copy()
        task = asyncio.create_task(self._dispatcher.work(message), name=name, context=context)
        self._working.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._slots.give_back()
        if self._ahead and not self._stop.is_set():
            self._begin(self._ahead.popleft())
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.get_logger().error("message_crashed", task=task.get_name(), exc_info=error)

    def _hand_back_ahead(self) -> None:
        while self._ahead:
            self._heartbeat.hand_back(self._ahead.popleft(), after=timedelta(0))
            self._slots.give_back()

    async def _leave(
        self, pollers: Sequence[asyncio.Task[None]], acknowledging: asyncio.Task[None], keeping: asyncio.Task[None]
    ) -> None:
        await self._stop.wait()
        self._admission.stop()
        started = asyncio.get_running_loop().time()
        structlog.get_logger().info("drain_started", in_flight=len(self._working))
        self._hand_back_ahead()
        # A receive in progress may still bring something: it is waited for like a message.
        _done, late = await asyncio.wait([*pollers, *self._working], timeout=self._drain)
        await self._cut_short(late)
        await self._flush(acknowledging, keeping)
        seconds = asyncio.get_running_loop().time() - started
        structlog.get_logger().info("drain_finished", seconds=round(seconds, 3), cut_short=len(late))

    async def _flush(self, acknowledging: asyncio.Task[None], keeping: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._acks.close()
        except TimeoutError:
            # They come again: a handler must be idempotent, as SQS delivers twice at times anyway.
            structlog.get_logger().warning("acks_not_flushed")
            acknowledging.cancel()
        self._heartbeat.close()
        if (await asyncio.wait([keeping], timeout=_FLUSH_SECONDS))[1]:
            # They come again when their visibility ends.
            structlog.get_logger().warning("hand_backs_not_flushed")
            keeping.cancel()

    @staticmethod
    async def _cut_short(tasks: Collection[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
