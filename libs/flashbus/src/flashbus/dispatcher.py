"""One message from its slot to its end, with one line of log."""

import asyncio
from datetime import timedelta

import structlog

from flashbus.acks import Acknowledger
from flashbus.backoff import Backoff
from flashbus.dead_letters import DeadLetters
from flashbus.dispositions import Acknowledge, DeadLetter, Disposition, HandBack, Handler
from flashbus.observer import Observer
from flashbus.progress import Progress
from flashbus.queue import Message, QueueUnavailableError
from flashbus.visibility import VisibilityHeartbeat


class Dispatcher:
    """Has a message handled, then acknowledges it, hands it back or sends it to the dead-letter queue."""

    def __init__(
        self,
        *,
        handler: Handler,
        acks: Acknowledger,
        heartbeat: VisibilityHeartbeat,
        dead_letters: DeadLetters,
        backoff: Backoff,
        progress: Progress,
        observer: Observer,
    ) -> None:
        self._handler = handler
        self._acks = acks
        self._heartbeat = heartbeat
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._progress = progress
        self._observer = observer

    async def work(self, message: Message) -> Disposition:
        """Bring a held message to its end, and tell which; when cancelled, hand it back at once."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(message_id=message.message_id, receive_count=message.receive_count)
        started = asyncio.get_running_loop().time()
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
        self._tell(message, disposition, seconds=asyncio.get_running_loop().time() - started)
        return disposition

    def _tell(self, message: Message, disposition: Disposition, *, seconds: float) -> None:
        self._observer.handled(message, disposition, seconds=seconds)
        _log(disposition, seconds)

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


def _log(disposition: Disposition, seconds: float) -> None:
    log = structlog.get_logger()
    ended: dict[str, object] = {"outcome": disposition.outcome, "duration_seconds": round(seconds, 6)}
    match disposition:
        case Acknowledge(fields=fields):
            log.info("message_handled", **{**ended, **fields})
        case HandBack(after=after, reason=reason):
            log.info("message_handled", **ended, reason=reason, back_in_seconds=round(after.total_seconds(), 3))
        case DeadLetter(reason=reason, detail=detail):
            log.warning("message_handled", **ended, reason=reason, detail=detail)
