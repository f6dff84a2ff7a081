"""What the bus asks of the processor: one message handled, and what becomes of it."""

from functools import cache

import structlog

from flashbus import dispositions as bus
from flashbus.backoff import Backoff
from flashbus.queue import Message
from flashmsg import OrderStatus
from flashpay import Acknowledge, DeadLetter, HandBack, LedgerEntry, utc_now
from order_processor.message_settler import MessageSettler
from order_processor.metrics import Metrics


class MessageHandler:
    """Has the order in a message settled, and counts the orders that came to their end.

    Args:
        message_settler: Says what becomes of an order's message.
        backoff: How long a message stays away that is handed back.
        metrics: Counts the orders.
    """

    def __init__(self, *, message_settler: MessageSettler, backoff: Backoff, metrics: Metrics) -> None:
        self._message_settler = message_settler
        self._backoff = backoff
        self._metrics = metrics
        self._settled = cache(metrics.orders_settled.labels)

    async def handle(self, message: Message) -> bus.Disposition:
        """The bus's `Handler`."""
        disposition = await self._message_settler.settle(message)
        match disposition:
            case Acknowledge():
                return self._acknowledged(disposition)
            case HandBack(outcome=outcome, reason=reason, at_least=at_least, step=step, ended=ended):
                self._count_early(ended)
                after = self._backoff.after(step, at_least=at_least) if step else at_least
                return bus.HandBack(outcome=outcome, after=after, reason=reason)
            case DeadLetter(outcome=outcome, reason=reason, detail=detail, ended=ended):
                self._count_early(ended)
                if outcome == "failed":
                    # In the ledger it is, whether or not the dead letters take it at once.
                    self._settled("failed").inc()
                return bus.DeadLetter(outcome=outcome, reason=reason, detail=detail)

    def _acknowledged(self, done: Acknowledge) -> bus.Acknowledge:
        entry = done.entry
        fields: dict[str, object] = {"status": entry.status.value}
        if done.attempt is not None:
            seconds = _age_seconds(entry)
            self._count(entry, seconds)
            fields |= {"attempt": done.attempt, "charge_id": entry.charge_id, "order_seconds": round(seconds, 3)}
        return bus.Acknowledge(outcome=done.outcome, fields=fields)

    def _count_early(self, ended: LedgerEntry | None) -> None:
        """Count an order that came to its end while its message did not: that goes on, as a duplicate."""
        if ended is not None:
            structlog.contextvars.bind_contextvars(settled=ended.status.value)
            self._count(ended, _age_seconds(ended))

    def _count(self, ended: LedgerEntry, age_seconds: float) -> None:
        self._settled(ended.status.value).inc()
        # One that was given up took as long as it was tried.
        if ended.status is not OrderStatus.FAILED:
            self._metrics.order_duration.observe(max(age_seconds, 0.0))


def _age_seconds(entry: LedgerEntry) -> float:
    return ((entry.completed_at or utc_now()) - entry.created_at).total_seconds()
