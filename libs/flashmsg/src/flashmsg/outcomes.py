"""The event that an order has come to its end, told to whoever subscribes."""

from typing import Annotated, Final, Self

from pydantic import Field, WithJsonSchema, model_validator

from flashmsg.events import SPEC_VERSION, CloudEvent
from flashmsg.orders import Order, UtcDatetime
from flashmsg.statuses import OrderStatus

OUTCOMES_SOURCE: Final = "/flash-sale/orders"


def outcome_type(status: OrderStatus) -> str:
    """The type of the event of an order that ended in this status."""
    return f"com.flashsale.order.{status.value}.v1"


ENDS: Final = tuple(status for status in OrderStatus if status.is_terminal)
OUTCOME_TYPES: Final = tuple(map(outcome_type, ENDS))

# What was given up may be charged all the same, by a worker that was stopped; and what is paid may be paid back.
_STAGES = {OrderStatus.FAILED: 0, OrderStatus.REFUNDED: 2}
_END = WithJsonSchema({"type": "string", "enum": [status.value for status in ENDS]})
_TYPE = WithJsonSchema({"type": "string", "enum": list(OUTCOME_TYPES)})


class EndedOrder(Order):
    """An order and how it ended.

    `attempt` counts the claims on it: where an order is told of twice, the higher one is later. At the same attempt
    `failed` comes first and `refunded` last. `ended_at` does not tell: two machines' clocks differ. `charge_id` and
    `refund_id` are the provider's names of charge and refund, if there are any; `reason` says why it is not paid.
    """

    status: Annotated[OrderStatus, _END]
    ended_at: UtcDatetime
    attempt: Annotated[int, Field(ge=0)]
    charge_id: str | None = None
    refund_id: str | None = None
    reason: str | None = None

    @property
    def sequence(self) -> tuple[int, int]:
        """Of two ends of one order, the later one has the greater."""
        return self.attempt, _STAGES.get(self.status, 1)


class OrderOutcome(CloudEvent):
    """An order has come to its end. It may be told more than once; then id and content are the same."""

    type: Annotated[str, _TYPE]
    data: EndedOrder

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if not self.data.status.is_terminal or self.type != outcome_type(self.data.status):
            raise ValueError("type and data.status differ, or it is no end")
        if self.subject != self.data.order_id:
            raise ValueError("subject and data.order_id differ")
        return self

    @classmethod
    def of(cls, ended: EndedOrder) -> Self:
        """Return the event of an ended order: the same for the same end, whoever tells of it."""
        return cls(
            specversion=SPEC_VERSION,
            id=f"{ended.order_id}.{ended.status.value}.{ended.attempt}",
            source=OUTCOMES_SOURCE,
            type=outcome_type(ended.status),
            subject=ended.order_id,
            time=ended.ended_at,
            data=ended,
        )
