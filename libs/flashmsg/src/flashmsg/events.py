"""Events in the shape of CloudEvents 1.0, and the one that an order was placed."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from flashmsg.orders import Order, OrderId, UtcDatetime
from flashmsg.reservations import Reservation

SPEC_VERSION: Final = "1.0"
ORDER_PLACED_TYPE: Final = "com.flashsale.order.placed.v1"
ORDER_API_SOURCE: Final = "/flash-sale/order-api"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _traceparent_or_none(value: object) -> object:
    # A trace is never worth an order: what is not a traceparent is dropped, as W3C Trace Context asks.
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


class CloudEvent(BaseModel):
    """What every event about an order has.

    Readers are tolerant: fields that this version does not know are ignored at every level, so that a newer
    producer of v1 does not break an older consumer. A change that an old consumer must not ignore takes a
    new version in the type, which old consumers refuse as `UnsupportedVersionError`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    specversion: Literal["1.0"]
    id: Annotated[str, Field(pattern=r"^[!-~]{1,256}$")]
    source: Annotated[str, Field(pattern=r"^[!-~]{1,256}$")]
    type: str
    subject: OrderId
    time: UtcDatetime
    datacontenttype: Literal["application/json"] = "application/json"


class OrderPlaced(CloudEvent):
    """An order was accepted, and must come to a terminal status.

    `reservation` stands beside the order and not in it: it belongs to this one attempt, not to what the customer
    asked for, and is no part of the order's fingerprint. None when nothing in the order is limited.
    """

    id: OrderId
    type: Literal["com.flashsale.order.placed.v1"]
    traceparent: Annotated[str | None, BeforeValidator(_traceparent_or_none)] = None
    reservation: Reservation | None = None
    data: Order

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if not self.id == self.subject == self.data.order_id:
            raise ValueError("id, subject and data.order_id differ")
        return self

    @classmethod
    def of(cls, order: Order, *, traceparent: str | None = None, reservation: Reservation | None = None) -> Self:
        """Return the event of `order`; a `traceparent` that is not one is left out."""
        return cls(
            specversion=SPEC_VERSION,
            id=order.order_id,
            source=ORDER_API_SOURCE,
            type=ORDER_PLACED_TYPE,
            subject=order.order_id,
            time=order.created_at,
            traceparent=traceparent,
            reservation=reservation,
            data=order,
        )
