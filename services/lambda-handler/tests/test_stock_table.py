"""The function's real parts, joined: reservations end with their orders, in the tables of the embedded AWS."""

import io
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flashbus.clients import aws_client
from flashmsg import Order, OrderPlaced, Reservation, encode
from flashpay import Approved, Claimed, DynamoLedger
from flashpay.testing import level_of, sample_order, sample_reservation, set_up_product
from flashpay.testing.provider import POOR_CUSTOMER, charge
from flashstock.dynamo import dynamo_stock
from flashstock.endings import Ending, Outcome
from flashstock.stock import Stock
from lambda_handler.app import open_consumer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation
from lambda_handler.records import QueueRecord
from lambda_handler.settings import Settings
from local.emulator import RunningEmulator

pytestmark = pytest.mark.embedded_aws

PAID, DECLINED, KILLED = (
    sample_order("paid"),
    sample_order("declined", customer_id=POOR_CUSTOMER),
    sample_order("killed"),
)
FIRST, SECOND, THIRD, FOURTH = (sample_reservation(name) for name in ("first", "second", "third", "fourth"))
INVOCATION = Invocation(time_left=timedelta(seconds=30), request_id="r1")


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Tables and provider; ten gadgets, eight of them reserved."""

    settings: Settings
    ledger: DynamoLedger
    stock: Stock
    log: io.StringIO

    async def invoke(self, *orders: tuple[Order, Reservation]) -> Sequence[str]:
        """Have the function consume a batch, and return what became of its records; all are done."""
        records = [
            QueueRecord(
                message_id=reservation.id,
                receive_count=1,
                record={"body": encode(OrderPlaced.of(order, reservation=reservation))},
            )
            for order, reservation in orders
        ]
        async with open_consumer(self.settings, log=JsonLog(self.log)) as make_consumer:
            outcomes = await make_consumer().consume(records, INVOCATION)
        assert all(outcome.done for outcome in outcomes)
        return [outcome.outcome for outcome in outcomes]


@pytest.fixture
async def shop(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    for variable, value in embedded_aws.environment.items():
        monkeypatch.setenv(variable, value)
    name, app = f"stocked-{uuid.uuid4().hex[:8]}", web.Application()
    app.router.add_post("/v1/charges", charge)
    async with aws_client("dynamodb") as dynamodb, TestServer(app) as server:
        for table, key in ((f"{name}-orders", "order_id"), (f"{name}-stock", "id")):
            await dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        settings = Settings(
            orders_table=f"{name}-orders",
            stock_table=f"{name}-stock",
            gateway_url=str(server.make_url("")),
            region="us-east-1",
        )
        stock = dynamo_stock(client=dynamodb, table=f"{name}-stock")
        await set_up_product(stock, total=10, reserved=8)
        ledger = DynamoLedger(client=dynamodb, table=settings.orders_table)
        yield Shop(settings=settings, ledger=ledger, stock=stock, log=io.StringIO())


async def test_reservations_end_with_their_orders_once_each(shop: Shop) -> None:
    assert await shop.invoke((PAID, FIRST), (DECLINED, THIRD)) == ["completed", "declined"]
    assert await level_of(shop.stock) == (4, 4, 2)
    assert await shop.invoke((PAID, FIRST), (PAID, SECOND)) == ["duplicate", "duplicate"]
    assert await level_of(shop.stock) == (6, 2, 2)


async def test_a_declined_order_counts_no_more_for_its_customer(shop: Shop) -> None:
    bought: dict[str, Any] = {"customer_id": DECLINED.customer_id, "limits": {"gadget": 2}}
    await shop.stock.limits.take({"gadget": 2}, order_id=DECLINED.order_id, **bought)
    assert await shop.invoke((DECLINED, THIRD)) == ["declined"]
    await shop.stock.limits.take({"gadget": 2}, order_id="another", **bought)


async def test_what_a_function_left_that_was_killed_after_its_record_is_ended_by_the_next_delivery(shop: Shop) -> None:
    claim = await shop.ledger.claim(KILLED, owner="killed", lease=timedelta(seconds=30), reservation=FOURTH)
    assert isinstance(claim, Claimed)
    await shop.ledger.record(claim, Approved(charge_id="ch_1"))
    assert await level_of(shop.stock) == (2, 8, 0)
    assert await shop.invoke((KILLED, FOURTH)) == ["duplicate"]
    assert await level_of(shop.stock) == (2, 6, 2)


async def test_units_that_are_paid_after_they_were_returned_and_sold_are_told_of(shop: Shop) -> None:
    await shop.stock.endings.settle([Ending(reservation=FIRST, outcome=Outcome.RETURNED)])
    await shop.stock.counters.set_total("gadget", 6)
    assert await shop.invoke((PAID, FIRST)) == ["completed"]
    assert await level_of(shop.stock) == (0, 6, 0)
    told = json.loads(shop.log.getvalue().splitlines()[0])
    assert (told["event"], told["reservation"]) == ("sold_without_units", FIRST.id)
    assert json.loads(told["units"]) == {"gadget": 2}
