"""Which dead letters a command is about."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from order_processor.dlq.letters import Letter
from order_processor.dlq.places import QUEUE_NAMES, QueueName


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Every condition that is given must hold; none is given for None, or an empty set."""

    queues: tuple[QueueName, ...] = QUEUE_NAMES
    message_id: str | None = None
    order_id: str | None = None
    reasons: frozenset[str] = field(default=frozenset())
    customer_id: int | None = None
    product_id: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing but the queue is asked for."""
        return self == Selection(queues=self.queues)

    def takes(self, letter: Letter, *, now: datetime) -> bool:
        """Whether a letter is meant. What has no order, or no age, meets no condition on it."""
        return (
            letter.queue in self.queues
            and self.message_id in (None, letter.message_id)
            and (not self.reasons or letter.reason in self.reasons)
            and self._takes_order(letter)
            and self._takes_age(letter.age(now))
        )

    def _takes_order(self, letter: Letter) -> bool:
        order = letter.order
        if order is None:
            return self.order_id is None and self.customer_id is None and self.product_id is None
        return (
            self.order_id in (None, order.order_id)
            and self.customer_id in (None, order.customer_id)
            and (self.product_id is None or any(line.product_id == self.product_id for line in order.items))
        )

    def _takes_age(self, age: timedelta | None) -> bool:
        if age is None:
            return self.older_than is None and self.newer_than is None
        return (self.older_than is None or age >= self.older_than) and (
            self.newer_than is None or age < self.newer_than
        )
