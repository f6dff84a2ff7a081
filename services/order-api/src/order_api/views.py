"""What the API answers with."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from flashmsg import OrderId, OrderStatus, PricedLine
from flashpay import LedgerEntry

MinorUnits = Annotated[int, Field(ge=0, description="Minor units of the currency, such as cents")]


class OrderAccepted(BaseModel):
    """The order is safely queued; ask `status_url` how it goes."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    status: Literal["pending"] = "pending"
    status_url: str

    @classmethod
    def of(cls, order_id: str) -> "OrderAccepted":
        """Describe the acceptance of an order."""
        # Nothing here comes from a client, so nothing needs checking on the hot path.
        return OrderAccepted.model_construct(order_id=order_id, status="pending", status_url=f"/orders/{order_id}")


class OrderView(BaseModel):
    """An order as far as it is known; only id and status while it is pending."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    status: OrderStatus
    customer_id: int | None = None
    items: tuple[PricedLine, ...] | None = None
    currency: str | None = None
    total_minor: MinorUnits | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    charge_id: str | None = None
    reason: str | None = None

    @classmethod
    def pending(cls, order_id: str) -> Self:
        """Describe an order that nobody has picked up yet."""
        return cls(order_id=order_id, status=OrderStatus.PENDING)

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        """Describe what the ledger knows."""
        return cls(
            order_id=entry.order_id,
            status=entry.status,
            customer_id=entry.customer_id,
            items=entry.items,
            currency=entry.currency,
            total_minor=entry.total_minor,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
            completed_at=entry.completed_at,
            charge_id=entry.charge_id,
            reason=entry.reason,
        )


class FieldProblem(BaseModel):
    """One thing at fault: a field of the body (`items.0.quantity`), a header, or `body` as a whole."""

    field: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    errors: list[FieldProblem]


class HealthView(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
