"""The reconciler as it is started: a process of its own, the tables and queues of the embedded AWS, and a gateway."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flashbus.clients import aws_client
from flashmsg import Order, OrderStatus, decode
from flashpay import DynamoLedger, utc_now
from flashpay.testing import ManualClock, level_of, sample_order, sample_reservation, set_up_product
from flashpay.unsettled import INDEX
from flashstock.dynamo import dynamo_stock
from flashstock.stock import Stock
from local.emulator import RunningEmulator

pytestmark = pytest.mark.embedded_aws

LEASE = timedelta(seconds=30)
NOW = utc_now().replace(microsecond=0)
CHARGED = sample_order("charged", created_at=NOW - timedelta(hours=2))
UNCHARGED = sample_order("uncharged", created_at=NOW - timedelta(hours=2))
FORGOTTEN = sample_order("forgotten", created_at=NOW - timedelta(days=2))
LEFT_BEHIND = (CHARGED, UNCHARGED, FORGOTTEN)


def receipt(order: Order) -> dict[str, object]:
    asked = {"order_id": order.order_id, "amount_minor": order.total_minor, "currency": order.currency}
    return asked | {"charge_id": "ch_1", "status": "succeeded", "created_at": "2026-11-27T20:00:00Z"}


async def lookup(request: web.Request) -> web.Response:
    """The gateway knows one charge."""
    key = request.match_info["key"]
    if key == CHARGED.order_id:
        return web.json_response(receipt(CHARGED))
    return web.json_response({"type": "urn:flash-sale:charge-unknown", "idempotency_key": key}, status=404)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Ledger, stock and queues, and the variables that name them; three orders that nobody works on any more."""

    variables: Mapping[str, str]
    queue_url: str
    sqs: Any
    ledger: DynamoLedger
    stock: Stock

    async def reconcile(self, *arguments: str, **variables: str) -> tuple[int | None, list[dict[str, Any]]]:
        """Run the command: its exit status, and what it logged."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "order_processor.reconcile", *arguments,
            env={"PATH": os.environ["PATH"], **self.variables, **variables},
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, [json.loads(line) for line in said.splitlines()]

    async def statuses(self) -> list[OrderStatus | None]:
        entries = [await self.ledger.get(order.order_id) for order in LEFT_BEHIND]
        return [None if entry is None else entry.status for entry in entries]

    async def bodies(self, url: str) -> list[str]:
        answer = await self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]


async def create_tables(dynamodb: Any, orders: str, stock: str) -> None:  # noqa: ANN401 - an untyped client
    await dynamodb.create_table(
        TableName=orders,
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "order_id", "AttributeType": "S"},
            {"AttributeName": "unsettled", "AttributeType": "S"},
            {"AttributeName": "updated_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "unsettled", "KeyType": "HASH"},
                    {"AttributeName": "updated_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    await dynamodb.create_table(
        TableName=stock,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
async def shop(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    for variable, value in embedded_aws.environment.items():
        monkeypatch.setenv(variable, value)
    name, app = f"reconciled-{uuid.uuid4().hex[:8]}", web.Application()
    app.router.add_get("/v1/charges/{key}", lookup)
    async with (
        aws_client("sqs") as sqs,
        aws_client("sns") as sns,
        aws_client("dynamodb") as dynamodb,
        TestServer(app) as server,
    ):
        await create_tables(dynamodb, f"{name}-orders", f"{name}-stock")
        topic = (await sns.create_topic(Name=name))["TopicArn"]
        queue_url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        await sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}",
            Attributes={"RawMessageDelivery": "true"},
        )
        variables = embedded_aws.environment | {
            "ORDERS_TABLE": f"{name}-orders",
            "STOCK_TABLE": f"{name}-stock",
            "ORDERS_TOPIC_ARN": topic,
            "DEAD_LETTER_QUEUE_URL": (await sqs.create_queue(QueueName=f"{name}-dead"))["QueueUrl"],
            "GATEWAY_URL": str(server.make_url("")),
        }
        stock = dynamo_stock(client=dynamodb, table=variables["STOCK_TABLE"])
        await set_up_product(stock, total=10, reserved=6)
        shop = Shop(
            variables=variables,
            queue_url=queue_url,
            sqs=sqs,
            ledger=DynamoLedger(client=dynamodb, table=variables["ORDERS_TABLE"]),
            stock=stock,
        )
        await leave_behind(dynamodb, variables["ORDERS_TABLE"])
        yield shop


async def leave_behind(dynamodb: Any, table: str) -> None:  # noqa: ANN401 - an untyped client
    """Have every order claimed, when it was made, by somebody who was killed."""
    for order, name in zip(LEFT_BEHIND, ("first", "second", "third"), strict=True):
        ledger = DynamoLedger(client=dynamodb, table=table, clock=ManualClock(order.created_at))
        await ledger.claim(order, owner="killed", lease=LEASE, reservation=sample_reservation(name))


async def test_without_apply_it_says_what_it_would_do_and_does_nothing(shop: Shop) -> None:
    status, said = await shop.reconcile()
    assert status == 0
    outcomes = {line["order_id"]: line["outcome"] for line in said if line["event"] == "order_reconciled"}
    assert outcomes == {CHARGED.order_id: "recorded", UNCHARGED.order_id: "queued", FORGOTTEN.order_id: "given_up"}
    assert said[-1]["event"] == "reconciled"
    assert (said[-1]["applied"], said[-1]["complete"]) == (False, True)
    assert await shop.statuses() == [OrderStatus.PROCESSING] * 3
    assert await shop.bodies(shop.queue_url) == await shop.bodies(shop.variables["DEAD_LETTER_QUEUE_URL"]) == []
    assert await level_of(shop.stock) == (4, 6, 0)


async def test_with_apply_each_order_is_brought_on_and_its_units_with_it(shop: Shop) -> None:
    status, said = await shop.reconcile("--apply")
    assert status == 0
    assert (said[-1]["applied"], said[-1]["complete"]) == (True, True)
    counted = {name: said[-1][name] for name in ("recorded", "queued", "given_up", "unknown", "failed", "conflict")}
    assert counted == {"recorded": 1, "queued": 1, "given_up": 1, "unknown": 0, "failed": 0, "conflict": 0}
    assert await shop.statuses() == [OrderStatus.COMPLETED, OrderStatus.PROCESSING, OrderStatus.FAILED]
    (queued,) = await shop.bodies(shop.queue_url)
    assert decode(queued).data == UNCHARGED
    (letter,) = await shop.bodies(shop.variables["DEAD_LETTER_QUEUE_URL"])
    assert decode(letter).data == FORGOTTEN
    assert await level_of(shop.stock) == (6, 2, 2)


async def test_a_run_that_could_not_see_everything_is_no_success(shop: Shop) -> None:
    status, said = await shop.reconcile("--apply", ORDERS_TABLE="absent")
    assert (status, said[-1]["complete"]) == (1, False)


async def test_a_word_that_it_does_not_know_changes_nothing(shop: Shop) -> None:
    status, said = await shop.reconcile("--aply")
    assert (status, said) == (2, [])
    assert await shop.statuses() == [OrderStatus.PROCESSING] * 3
