"""What the bus asks of the processor: one message handled, and what becomes of it."""

from datetime import UTC, datetime

from flashbus import dispositions as bus
from flashbus.queue import Message
from order_processor.dispositions import Acknowledge
from order_processor.judgement import Judge
from order_processor.metrics import Metrics


class MessageHandler:
    """Has the order in a message settled, and counts the orders that came to their end."""

    def __init__(self, *, judge: Judge, metrics: Metrics) -> None:
        self._judge = judge
        self._metrics = metrics

    async def handle(self, message: Message) -> bus.Disposition:
        """The bus's `Handler`."""
        disposition = await self._judge.judge(message)
        if isinstance(disposition, Acknowledge):
            return self._acknowledged(disposition)
        return disposition

    def _acknowledged(self, done: Acknowledge) -> bus.Acknowledge:
        entry = done.entry
        fields: dict[str, object] = {"status": entry.status.value}
        if done.attempt is not None:
            age = ((entry.completed_at or datetime.now(UTC)) - entry.created_at).total_seconds()
            self._metrics.orders_settled.labels(entry.status.value).inc()
            self._metrics.order_duration.observe(max(age, 0.0))
            fields |= {"attempt": done.attempt, "charge_id": entry.charge_id, "order_seconds": round(age, 3)}
        return bus.Acknowledge(outcome=done.outcome, fields=fields)
