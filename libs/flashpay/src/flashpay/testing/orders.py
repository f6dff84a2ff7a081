"""Orders and time for tests."""

import base64
from datetime import UTC, datetime, timedelta

from flashmsg import Order, PricedLine

START = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)


class ManualClock:
    """A wall clock that moves only when a test says so."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time now."""
        return self.now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


def sample_order(
    name: str = "sample",
    *,
    customer_id: int = 7,
    quantity: int = 2,
    unit_price_minor: int = 1999,
    created_at: datetime = START,
) -> Order:
    """A valid order of one line.

    `name` alone decides the order id. Another quantity or customer under the same name is another content; another
    price is the same content at another price.
    """
    order_id = "ord_" + base64.b32encode(name.encode()).decode("ascii").rstrip("=").lower().ljust(20, "a")
    line = PricedLine(product_id="gadget", quantity=quantity, unit_price_minor=unit_price_minor)
    return Order(
        order_id=order_id,
        customer_id=customer_id,
        items=(line,),
        currency="EUR",
        total_minor=line.total_minor,
        created_at=created_at,
    )
