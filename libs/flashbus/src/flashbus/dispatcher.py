"""One message from its slot to its end, with one line of log."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeAlias

import structlog

from flashbus.acks import Acknowledger
from flashbus.backoff import Backoff
from flashbus.dead_letters import DeadLetters
from flashbus.dispositions import Acknowledge, DeadLetter, Disposition, HandBack, Handler
from flashbus.observer import Observer
from flashbus.progress import Progress
from flashbus.queue import Message, QueueUnavailableError
from flashbus.visibility import VisibilityHeartbeat

WriteLine: TypeAlias = Callable[[str, Mapping[str, object]], None]
"""Writes a line of level info of its event and its fields, which are all that there is to say."""


def write_line(event: str, fields: Mapping[str, object]) -> None:
    """Write a line as any other, through structlog as it is configured."""
    structlog.get_logger().info(event, **fields)


class Dispatcher:
    """Has a message handled, then acknowledges it, hands it back or sends it to the dead-letter queue.

    What is bound to the log's context meanwhile stays bound: every message needs a context of its own.
    `on_acknowledged` is called with the seconds of each message that was worked well.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, each named
        self,
        *,
        handler: Handler,
        acks: Acknowledger,
        heartbeat: VisibilityHeartbeat,
        dead_letters: DeadLetters,
        backoff: Backoff,
        progress: Progress,
        observer: Observer,
        on_acknowledged: Callable[[float], object],
        write_line: WriteLine = write_line,
    ) -> None:
        self._handler = handler
        self._acks = acks
        self._heartbeat = heartbeat
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._progress = progress
        self._observer = observer
        self._on_acknowledged = on_acknowledged
        self._write_line = write_line

    async def work(self, message: Message) -> None:
        """Bring a held message to its end; when cancelled, hand it back at once."""
        structlog.contextvars.bind_contextvars(message_id=message.message_id, receive_count=message.receive_count)
        now = asyncio.get_running_loop().time
        started = now()
        self._progress.taken()
        ended = False
        try:
            self._observer.received(message)
            disposition = await self._carry_out(message, await self._handle(message))
            ended = not isinstance(disposition, HandBack)
        except BaseException:
            # Cut short by the end of the drain, or a bug: it must not stay hidden with nobody on it.
            self._heartbeat.hand_back(message, after=timedelta(0))
            raise
        finally:
            self._progress.left(ended=ended)
        self._tell(message, disposition, seconds=now() - started)

    def _tell(self, message: Message, disposition: Disposition, *, seconds: float) -> None:
        self._observer.handled(message, disposition, seconds=seconds)
        if isinstance(disposition, Acknowledge):
            # Another end is no measure: poison takes no time, and what failed may have taken any.
            self._on_acknowledged(seconds)
        self._log(disposition, seconds)

    def _log(self, disposition: Disposition, seconds: float) -> None:
        ended: dict[str, object] = {"outcome": disposition.outcome, "duration_seconds": round(seconds, 6)}
        match disposition:
            case Acknowledge(fields=fields):
                ended |= fields
            case HandBack(after=after, reason=reason):
                ended |= {"reason": reason, "back_in_seconds": round(after.total_seconds(), 3)}
            case DeadLetter(reason=reason, detail=detail):
                structlog.get_logger().warning("message_handled", **ended, reason=reason, detail=detail)
                return
        # Whoever writes it may leave the context out.
        self._write_line("message_handled", structlog.contextvars.get_contextvars() | ended)

    async def _handle(self, message: Message) -> Disposition:
        try:
            return _checked(await self._handler(message))
        except Exception:  # noqa: BLE001 - a bug of the handler's is the message's trouble, not its siblings'
            structlog.get_logger().exception("handler_crashed")
            after = self._backoff.after(message.receive_count)
            return HandBack(outcome="crashed", after=after, reason="crashed")

    async def _carry_out(self, message: Message, disposition: Disposition) -> Disposition:
        match disposition:
            case Acknowledge():
                self._acks.add(message)
            case HandBack(after=after):
                self._heartbeat.hand_back(message, after=after)
            case DeadLetter(reason=reason, detail=detail):
                try:
                    await self._dead_letters.send(message, reason=reason, detail=detail)
                except QueueUnavailableError as exc:
                    after = self._backoff.after(message.receive_count)
                    self._heartbeat.hand_back(message, after=after)
                    return HandBack(outcome="retry", after=after, reason=f"dead_letter_{exc.reason}")
                self._acks.add(message)
        return disposition


def _checked(disposition: object) -> Disposition:
    # A handler that forgets to return must not leave its message hidden with nobody on it.
    if not isinstance(disposition, Disposition):
        raise TypeError(f"a handler returned {disposition!r}, which is no disposition")
    return disposition
