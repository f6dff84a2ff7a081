"""The processor's real parts, joined: reservations end with their orders, in the tables of the embedded AWS."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from flashbus.clients import aws_client
from flashmsg import Order, OrderPlaced, OrderStatus, Reservation, encode
from flashpay import Approved, Claimed, DynamoLedger
from flashpay.testing import level_of, sample_order, sample_reservation, set_up_product
from flashpay.testing.provider import POOR_CUSTOMER, charge
from flashstock.dynamo import dynamo_stock
from flashstock.stock import Stock
from local.emulator import RunningEmulator
from order_processor.app import build_consumer
from order_processor.connections import open_connections
from order_processor.settings import Settings

pytestmark = pytest.mark.embedded_aws

PAID, DECLINED, KILLED = (
    sample_order("paid"),
    sample_order("declined", customer_id=POOR_CUSTOMER),
    sample_order("killed"),
)
FIRST, SECOND, THIRD, FOURTH = (sample_reservation(name) for name in ("first", "second", "third", "fourth"))


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Queue, tables and provider; ten gadgets, eight of them reserved."""

    settings: Settings
    sqs: Any
    ledger: DynamoLedger
    stock: Stock

    async def deliver(self, order: Order, reservation: Reservation) -> None:
        body = encode(OrderPlaced.of(order, reservation=reservation))
        await self.sqs.send_message(QueueUrl=self.settings.queue_url, MessageBody=body)

    async def work_off(self) -> None:
        """Run a processor until nothing is left in the queue."""
        stop, registry = asyncio.Event(), CollectorRegistry()
        async with open_connections(self.settings) as connections:
            consumer = build_consumer(self.settings, connections=connections, registry=registry, stop=stop)
            working = asyncio.create_task(consumer.run(), name="consumer")
            async with asyncio.timeout(20):
                while await self._messages():  # noqa: ASYNC110 - the queue tells nobody
                    await asyncio.sleep(0.05)
            stop.set()
            await working

    async def _messages(self) -> int:
        counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        answer = await self.sqs.get_queue_attributes(QueueUrl=self.settings.queue_url, AttributeNames=list(counts))
        return sum(int(answer["Attributes"][count]) for count in counts)

    async def status(self, order: Order) -> OrderStatus | None:
        entry = await self.ledger.get(order.order_id)
        return None if entry is None else entry.status


@pytest.fixture
async def shop(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    for variable, value in embedded_aws.environment.items():
        monkeypatch.setenv(variable, value)
    name, app = f"stocked-{uuid.uuid4().hex[:8]}", web.Application()
    app.router.add_post("/v1/charges", charge)
    async with aws_client("sqs") as sqs, aws_client("dynamodb") as dynamodb, TestServer(app) as server:
        for table, key in ((f"{name}-orders", "order_id"), (f"{name}-stock", "id")):
            await dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        settings = Settings.from_environment(
            {
                "QUEUE_URL": (await sqs.create_queue(QueueName=name))["QueueUrl"],
                "DEAD_LETTER_QUEUE_URL": (await sqs.create_queue(QueueName=f"{name}-dead"))["QueueUrl"],
                "ORDERS_TABLE": f"{name}-orders",
                "STOCK_TABLE": f"{name}-stock",
                "GATEWAY_URL": str(server.make_url("")),
                "WORKERS": "4",
                "WAIT_SECONDS": "1",
            }
        )
        stock = dynamo_stock(client=dynamodb, table=settings.stock_table)
        await set_up_product(stock, total=10, reserved=8)
        yield Shop(
            settings=settings, sqs=sqs, ledger=DynamoLedger(client=dynamodb, table=settings.orders_table), stock=stock
        )


async def test_reservations_end_with_their_orders_once_each(shop: Shop) -> None:
    await shop.deliver(PAID, FIRST)
    await shop.deliver(DECLINED, THIRD)
    await shop.work_off()
    assert await level_of(shop.stock) == (4, 4, 2)
    await shop.deliver(PAID, FIRST)
    await shop.deliver(PAID, SECOND)
    await shop.work_off()
    assert (await shop.status(PAID), await shop.status(DECLINED)) == (OrderStatus.COMPLETED, OrderStatus.DECLINED)
    assert await level_of(shop.stock) == (6, 2, 2)


async def test_what_a_processor_left_that_was_killed_after_its_record_is_ended_by_the_next_delivery(shop: Shop) -> None:
    claim = await shop.ledger.claim(KILLED, owner="killed", lease=timedelta(seconds=30), reservation=FOURTH)
    assert isinstance(claim, Claimed)
    await shop.ledger.record(claim, Approved(charge_id="ch_1"))
    assert await level_of(shop.stock) == (2, 8, 0)
    await shop.deliver(KILLED, FOURTH)
    await shop.work_off()
    assert await level_of(shop.stock) == (2, 6, 2)
