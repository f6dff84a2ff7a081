"""What a customer asks for, and the order that we price and keep."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from flashmsg.sound_parts import made_of_sound_parts

MAX_SAFE_INTEGER = 2**53 - 1  # every JSON reader keeps integers exact up to here
MAX_LINES = 50
MAX_QUANTITY = 100
# The largest order, 50 lines of 100 units at this price, still has an exact total.
MAX_UNIT_PRICE_MINOR = 10**12


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # Years 1 and 9999 with an offset can lie outside what a datetime holds in UTC.
        raise ValueError("Input is out of the range of UTC") from None


OrderId = Annotated[str, Field(pattern=r"^ord_[a-z2-7]{20,80}$")]
ProductId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
CustomerId = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]


class RequestedLine(BaseModel):
    """One product and how many of it, as the client sent it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    product_id: ProductId
    quantity: Quantity


class PricedLine(BaseModel):
    """One product at the price that the catalogue had when the order was taken (minor units)."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    product_id: ProductId
    quantity: Quantity
    unit_price_minor: Annotated[int, Field(ge=0, le=MAX_UNIT_PRICE_MINOR)]

    @classmethod
    def of_sound_parts(cls, *, product_id: str, quantity: int, unit_price_minor: int) -> Self:
        """Return `PricedLine(…)` of a checked request's line and a checked price."""
        return made_of_sound_parts(cls, product_id=product_id, quantity=quantity, unit_price_minor=unit_price_minor)

    @property
    def total_minor(self) -> int:
        """The price of the whole line in minor units."""
        return self.quantity * self.unit_price_minor


_Line = TypeVar("_Line", RequestedLine, PricedLine)


def _distinct(lines: tuple[_Line, ...]) -> tuple[_Line, ...]:
    if len({line.product_id for line in lines}) == len(lines):
        return lines
    first: dict[str, int] = {}
    repeats = [index for index, line in enumerate(lines) if first.setdefault(line.product_id, index) != index]
    fault = {"error": ValueError("An earlier line has this product; send one line with the sum of the quantities")}
    # Raised inside a validator, it is merged into the error of the whole, below the place of the lines.
    raise ValidationError.from_exception_data(
        "Lines",
        [
            {"type": "value_error", "loc": (n, "product_id"), "input": lines[n].product_id, "ctx": fault}
            for n in repeats
        ],
    )


# A product stands in one line only. Merging silently would charge for something that the client did not
# write, could pass the limit of a line, and would hide a client's bug; and the stock of an order is taken
# in one DynamoDB transaction, which refuses two actions on one item.
Lines = Annotated[tuple[_Line, ...], Field(min_length=1, max_length=MAX_LINES), AfterValidator(_distinct)]


class OrderRequest(BaseModel):
    """What a client sends to place an order. Parse it with `flashmsg.parse_request`, never by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    customer_id: CustomerId
    items: Lines[RequestedLine]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of every order made of this request; see `Order.fingerprint`."""
        return _fingerprint(self.customer_id, self.items)


class Order(BaseModel):
    """An accepted order at our prices; `total_minor` is the amount charged, in minor units of `currency`."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    order_id: OrderId
    customer_id: CustomerId
    items: Lines[PricedLine]
    currency: Currency
    total_minor: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
    created_at: UtcDatetime

    @model_validator(mode="after")
    def _total_is_the_sum(self) -> Self:
        if self.total_minor != sum(line.total_minor for line in self.items):
            raise ValueError("total_minor is not the sum of the lines")
        return self

    @classmethod
    def of_sound_parts(
        cls,
        *,
        order_id: str,
        customer_id: int,
        items: tuple[PricedLine, ...],
        currency: str,
        total_minor: int,
        created_at: datetime,
    ) -> Self:
        """Return `Order(…)` of parts that are sound by themselves and fit together: it checks nothing (decision 74)."""
        return made_of_sound_parts(
            cls,
            order_id=order_id,
            customer_id=customer_id,
            items=items,
            currency=currency,
            total_minor=total_minor,
            created_at=created_at,
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what the client sent: customer, products and quantities.

        Not the prices and not the time, which are ours and differ between two attempts at the same order.
        The sequence of the lines does not count: the same basket in another sequence is the same order.
        """
        return _fingerprint(self.customer_id, self.items)


def _fingerprint(customer_id: int, items: Sequence[RequestedLine | PricedLine]) -> str:
    lines = ",".join(sorted(f"{line.product_id}:{line.quantity}" for line in items))
    return sha256(f"{customer_id}|{lines}".encode()).hexdigest()
