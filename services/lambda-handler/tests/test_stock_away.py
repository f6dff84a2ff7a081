"""An order whose units cannot be sold when it is paid: its end is told once, whatever its message meets later."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderPlaced, encode
from flashpay import Settler
from flashpay.testing import FakeStock, Reply, sample_order, sample_reservation
from lambda_handler.record_outcomes import Invocation
from lambda_handler.records import QueueRecord
from lambda_handler.testing import MAX_RECEIVES, PLENTY, Bench

ORDER = sample_order()
BODY = encode(OrderPlaced.of(ORDER, reservation=sample_reservation("own")))


class Shop(Bench):
    """A bench with stock that does not answer until the first pause."""

    def __init__(self) -> None:
        super().__init__(sleeps=False)
        self.stock = FakeStock()
        self.stock.unavailable = True

    async def deliver(self, *, receive_count: int = 1, seconds: float = 30) -> None:
        settler = Settler(ledger=self.ledger, gateway=self.gateway, stock=self.stock, owner="function")
        record = QueueRecord(message_id="m1", receive_count=receive_count, record={"body": BODY})
        within = Invocation(time_left=timedelta(seconds=seconds), request_id=PLENTY.request_id)
        await self.consumer(settler=settler).consume([record], within)

    async def sleep(self, seconds: float) -> None:
        self.stock.unavailable = False
        await asyncio.sleep(0 * seconds)

    @property
    def told(self) -> list[tuple[object, object]]:
        return [(line["outcome"], line.get("settled")) for line in self.log]


@pytest.mark.parametrize(("seconds", "outcome"), [(1.5, "stock_unavailable"), (30, "duplicate")])
async def test_an_order_that_is_paid_while_the_stock_table_is_away_is_told_by_one_line(
    seconds: float, outcome: str
) -> None:
    shop = Shop()
    await shop.stock.set_up(total=10, reserved=2)
    await shop.deliver(seconds=seconds)
    shop.stock.unavailable = False
    await shop.deliver()
    assert shop.told == [(outcome, "completed"), ("duplicate", None)]
    assert await shop.stock.level() == (8, 0, 2)


async def test_so_is_one_that_is_given_up() -> None:
    shop = Shop()
    await shop.stock.set_up(total=10, reserved=2)
    shop.gateway.for_customers = {ORDER.customer_id: Reply.FAIL}
    await shop.deliver(receive_count=MAX_RECEIVES, seconds=1.5)
    shop.stock.unavailable = False
    await shop.deliver()
    assert shop.told == [("unresolved", "failed"), ("duplicate", None)]
