"""What the API answers with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from flashmsg import Currency, OrderId, OrderStatus, PricedLine, ProductId
from flashpay import LedgerEntry, Tombstone

MinorUnits = Annotated[int, Field(ge=0, description="Minor units of the currency, such as cents")]


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What a client needs to ask about an order, or for the very same order again."""

    order_id: str
    idempotency_key: str

    def members(self) -> dict[str, str]:
        """The members of a problem document that `UnknownOutcome` describes."""
        return {
            "order_id": self.order_id,
            "status_url": status_url(self.order_id),
            "idempotency_key": self.idempotency_key,
        }


def status_url(order_id: str) -> str:
    """Where to ask how an order goes."""
    return f"/orders/{order_id}"


class OrderAccepted(BaseModel):
    """The order is safely queued; ask `status_url` how it goes.

    A repeat under its key gets this same answer, whatever has become of the order: also of one that was cancelled
    meanwhile, or before it was taken up, and that is not queued any more. `status_url` tells.
    """

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    status: Literal["pending"] = "pending"
    status_url: str

    @staticmethod
    def json_of(order_id: str) -> bytes:
        """Describe the acceptance of an order, as JSON."""
        # An id of ours needs no escapes, and the hot path neither checks nor a serializer.
        return f'{{"order_id":"{order_id}","status":"pending","status_url":"{status_url(order_id)}"}}'.encode()


class OrderView(BaseModel):
    """An order as far as it is known; without a key of the client only id and status while it is pending."""

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
    refund_id: str | None = None
    reason: str | None = None

    @classmethod
    def pending(cls, order_id: str) -> Self:
        """Describe an order that nobody has picked up yet."""
        return cls(order_id=order_id, status=OrderStatus.PENDING)

    @classmethod
    def of(cls, entry: LedgerEntry | Tombstone) -> Self:
        """Describe what the ledger knows."""
        if isinstance(entry, Tombstone):
            return cls(order_id=entry.order_id, status=entry.status, completed_at=entry.cancelled_at)
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
            refund_id=entry.refund_id,
            reason=entry.reason,
        )


class ProductView(BaseModel):
    """A product with its price and what is left of it."""

    model_config = ConfigDict(frozen=True)

    product_id: ProductId
    name: str
    unit_price_minor: MinorUnits
    currency: Currency
    available: Annotated[
        int | None, Field(ge=0, description="Units that can be ordered; absent when the product is not limited")
    ] = None
    customer_limit: Annotated[
        int | None, Field(ge=1, description="Most units that one customer may order; absent for no limit")
    ] = None


class ProductList(BaseModel):
    """Everything that is for sale, by product id."""

    model_config = ConfigDict(frozen=True)

    products: tuple[ProductView, ...]


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


class UnknownOutcome(Problem):
    """A refusal after which there may be an order all the same: of this request, or of another one with its key.

    Send the same body again with `idempotency_key` as `Idempotency-Key`: it is the same order, charged at most once.
    Or ask `status_url`: any status but `pending` means that there is an order.
    """

    order_id: OrderId
    status_url: str
    idempotency_key: str


class HealthView(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
