"""One order to test with, and its event."""

from datetime import UTC, datetime

import pytest

from flashmsg import Order, OrderPlaced, PricedLine

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def order() -> Order:
    return Order(
        order_id="ord_k3v7q2m5x4n6p5r2abcdefghij",
        customer_id=42,
        items=(
            PricedLine(product_id="sneaker-42", quantity=2, unit_price_minor=12_900),
            PricedLine(product_id="cap", quantity=1, unit_price_minor=2_500),
        ),
        currency="USD",
        total_minor=28_300,
        created_at=datetime(2026, 11, 22, 21, 0, tzinfo=UTC),
    )


@pytest.fixture
def event(order: Order) -> OrderPlaced:
    return OrderPlaced.of(order, traceparent=TRACEPARENT)
