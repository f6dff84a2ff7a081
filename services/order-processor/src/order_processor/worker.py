"""One message from its slot to its end, with one line of log."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from flashpay import Acknowledge, DeadLetter, Disposition, HandBack
from order_processor.acks import Acknowledger
from order_processor.backoff import Backoff
from order_processor.dead_letters import DeadLetters
from order_processor.judgement import Judge
from order_processor.metrics import Metrics
from order_processor.progress import Progress
from order_processor.queue import Message, QueueUnavailableError
from order_processor.visibility import VisibilityKeeper


class Worker:
    """Works one message: judges it, then acknowledges it, hands it back or buries it."""

    def __init__(
        self,
        *,
        judge: Judge,
        acks: Acknowledger,
        keeper: VisibilityKeeper,
        dead_letters: DeadLetters,
        backoff: Backoff,
        progress: Progress,
        metrics: Metrics,
    ) -> None:
        self._judge = judge
        self._acks = acks
        self._keeper = keeper
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._progress = progress
        self._metrics = metrics

    @property
    def stalled(self) -> bool:
        """Whether messages are taken and none has come to its end for long."""
        return self._progress.stalled

    async def work(self, message: Message) -> None:
        """Bring a held message to its end; when cancelled, hand it back at once."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(message_id=message.message_id, receive_count=message.receive_count)
        if message.receive_count > 1:
            self._metrics.redeliveries.inc()
        started = asyncio.get_running_loop().time()
        self._progress.taken()
        ended = False
        try:
            disposition = await self._judge.judge(message)
            if isinstance(disposition, DeadLetter) and disposition.outcome == "failed":
                # In the ledger it is, whether or not the dead letters take it at once.
                self._metrics.orders_settled.labels("failed").inc()
            disposition = await self._carry_out(message, disposition)
            ended = not isinstance(disposition, HandBack)
        except BaseException:
            # Cut short by the end of the drain, or a bug: it must not stay hidden with nobody on it.
            self._keeper.hand_back(message, after=timedelta(0))
            raise
        finally:
            self._progress.left(ended=ended)
        self._tell(disposition, asyncio.get_running_loop().time() - started)

    async def _carry_out(self, message: Message, disposition: Disposition) -> Disposition:
        match disposition:
            case Acknowledge():
                self._acks.add(message)
            case HandBack():
                return self._hand_back(message, disposition)
            case DeadLetter(reason=reason, detail=detail):
                try:
                    await self._dead_letters.bury(message, reason=reason, detail=detail)
                except QueueUnavailableError as exc:
                    again = HandBack(outcome="retry", reason=f"dead_letter_{exc.reason}", step=message.receive_count)
                    return self._hand_back(message, again)
                self._acks.add(message)
        return disposition

    def _hand_back(self, message: Message, back: HandBack) -> HandBack:
        after = self._backoff.after(back.step, at_least=back.at_least) if back.step else back.at_least
        self._keeper.hand_back(message, after=after)
        return replace(back, at_least=after)

    def _tell(self, disposition: Disposition, seconds: float) -> None:
        outcome = disposition.outcome
        self._metrics.messages.labels(outcome).inc()
        self._metrics.settle_duration.labels(outcome).observe(seconds)
        log = structlog.get_logger().bind(outcome=outcome, duration_seconds=round(seconds, 6))
        match disposition:
            case Acknowledge(entry=entry, attempt=None):
                log.info("message_handled", status=entry.status.value)
            case Acknowledge(entry=entry, attempt=attempt):
                age = ((entry.completed_at or datetime.now(UTC)) - entry.created_at).total_seconds()
                self._metrics.orders_settled.labels(entry.status.value).inc()
                self._metrics.order_duration.observe(max(age, 0.0))
                log.info(
                    "message_handled",
                    status=entry.status.value,
                    attempt=attempt,
                    charge_id=entry.charge_id,
                    order_seconds=round(age, 3),
                )
            case HandBack(at_least=after, reason=reason):
                log.info("message_handled", reason=reason, back_in_seconds=round(after.total_seconds(), 3))
            case DeadLetter(reason=reason, detail=detail):
                if outcome == "poison":
                    self._metrics.poison.labels(reason).inc()
                self._metrics.dead_letters.labels(reason).inc()
                log.warning("message_handled", reason=reason, detail=detail)
