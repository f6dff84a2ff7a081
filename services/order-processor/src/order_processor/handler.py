"""What the bus asks of the processor: one message handled, and what becomes of it."""

from functools import cache

from flashbus import dispositions as bus
from flashbus.backoff import Backoff
from flashbus.queue import Message
from flashpay import Acknowledge, DeadLetter, HandBack, utc_now
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
            case HandBack(outcome=outcome, reason=reason, at_least=at_least, step=step):
                after = self._backoff.after(step, at_least=at_least) if step else at_least
                return bus.HandBack(outcome=outcome, after=after, reason=reason)
            case DeadLetter(outcome=outcome, reason=reason, detail=detail):
                if outcome == "failed":
                    # In the ledger it is, whether or not the dead letters take it at once.
                    self._settled("failed").inc()
                return bus.DeadLetter(outcome=outcome, reason=reason, detail=detail)

    def _acknowledged(self, done: Acknowledge) -> bus.Acknowledge:
        entry = done.entry
        fields: dict[str, object] = {"status": entry.status.value}
        if done.attempt is not None:
            age = ((entry.completed_at or utc_now()) - entry.created_at).total_seconds()
            self._settled(entry.status.value).inc()
            self._metrics.order_duration.observe(max(age, 0.0))
            fields |= {"attempt": done.attempt, "charge_id": entry.charge_id, "order_seconds": round(age, 3)}
        return bus.Acknowledge(outcome=done.outcome, fields=fields)
