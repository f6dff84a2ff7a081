"""One message from its slot to its end, with one line of log."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from flashbus.acks import Acknowledger
from flashbus.backoff import Backoff
from flashbus.dead_letters import DeadLetters
from flashbus.queue import Message, QueueUnavailableError
from flashbus.visibility import VisibilityKeeper
from order_processor.dispositions import Acknowledge, DeadLetter, Disposition, HandBack
from order_processor.judgement import Judge
from order_processor.metrics import Metrics


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
        metrics: Metrics,
    ) -> None:
        self._judge = judge
        self._acks = acks
        self._keeper = keeper
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._metrics = metrics

    async def work(self, message: Message) -> None:
        """Bring a held message to its end; when cancelled, hand it back at once."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(message_id=message.message_id, receive_count=message.receive_count)
        if message.receive_count > 1:
            self._metrics.redeliveries.inc()
        started = asyncio.get_running_loop().time()
        try:
            disposition = await self._carry_out(message, await self._judge.judge(message))
        except BaseException:
            # Cut short by the end of the drain, or a bug: it must not stay hidden with nobody on it.
            self._keeper.hand_back(message, after=timedelta(0))
            raise
        self._tell(disposition, asyncio.get_running_loop().time() - started)

    async def _carry_out(self, message: Message, disposition: Disposition) -> Disposition:
        match disposition:
            case Acknowledge():
                self._acks.add(message)
            case HandBack(after=after):
                self._keeper.hand_back(message, after=after)
            case DeadLetter(reason=reason, detail=detail):
                try:
                    await self._dead_letters.bury(message, reason=reason, detail=detail)
                except QueueUnavailableError as exc:
                    after = self._backoff.after(message.receive_count)
                    self._keeper.hand_back(message, after=after)
                    return HandBack(outcome="retry", after=after, reason=f"dead_letter_{exc.reason}")
                self._acks.add(message)
        return disposition

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
            case HandBack(after=after, reason=reason):
                log.info("message_handled", reason=reason, back_in_seconds=round(after.total_seconds(), 3))
            case DeadLetter(reason=reason, detail=detail):
                if outcome == "poison":
                    self._metrics.poison.labels(reason).inc()
                elif outcome == "failed":
                    self._metrics.orders_settled.labels("failed").inc()
                self._metrics.dead_letters.labels(reason).inc()
                log.warning("message_handled", reason=reason, detail=detail)
