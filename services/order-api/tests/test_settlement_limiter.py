"""What the bulkhead counts of the orders that are settled behind it."""

from datetime import timedelta

import pytest

from flashpay import Settler, StockUnsettledError
from flashpay.testing import FakeGateway, FakeStock, MemoryLedger, sample_order, sample_reservation
from order_api.settlement_limiter import SettlementLimiter


async def test_an_order_that_is_settled_while_the_stock_does_not_answer_is_counted_once() -> None:
    counted: list[str] = []
    stock = FakeStock()
    stock.unavailable = True
    limiter = SettlementLimiter(
        settler=Settler(ledger=MemoryLedger(), gateway=FakeGateway(), stock=stock, owner="api"),
        limit=1,
        wait=timedelta(0),
        deadline=timedelta(seconds=5),
        on_settled=counted.append,
    )
    for _ in range(2):
        with pytest.raises(StockUnsettledError):
            await limiter.settle(sample_order(), traceparent=None, reservation=sample_reservation("own"))
    assert counted == ["completed"]
