"""The function's real parts, joined: the embedded AWS, and a payment gateway over HTTP."""

import io
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flashbus.clients import aws_client
from flashpay import ANSWER_LIMIT_BYTES, DynamoLedger, HttpGateway, Settler
from flashpay.testing import sample_order
from lambda_handler.app import open_consumer
from lambda_handler.consumer import BatchConsumer
from lambda_handler.dead_letters import QueueDeadLetters
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation
from lambda_handler.records import QueueRecord
from lambda_handler.settings import Settings
from lambda_handler.testing import message
from local.emulator import RunningEmulator

ORDER = sample_order()
INVOCATION = Invocation(time_left=timedelta(seconds=30), request_id="r1")
POISON = QueueRecord(message_id="poison", receive_count=1, record={"body": "poison"})
UNCONNECTED = Settings(orders_table="orders", gateway_url="http://gateway.test", region="eu-central-1")


@pytest.fixture(autouse=True)
def aws(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS client that a test opens at the embedded AWS."""
    for name, value in embedded_aws.environment.items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True, kw_only=True)
class Stack:
    settings: Settings
    sqs: Any
    dynamodb: Any


async def approve(request: web.Request) -> web.Response:
    return web.json_response({"charge_id": "ch_1", "status": "succeeded", **await request.json()})


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    name, app = f"function-{uuid.uuid4().hex[:8]}", web.Application()
    app.router.add_post("/v1/charges", approve)
    async with aws_client("sqs") as sqs, aws_client("dynamodb") as dynamodb, TestServer(app) as server:
        await dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        settings = Settings(
            orders_table=name,
            gateway_url=str(server.make_url("")),
            region="us-east-1",
            dead_letter_queue_url=(await sqs.create_queue(QueueName=name))["QueueUrl"],
        )
        yield Stack(settings=settings, sqs=sqs, dynamodb=dynamodb)


@pytest.mark.embedded_aws
async def test_an_order_is_paid_and_recorded_and_poison_is_dead_lettered(stack: Stack) -> None:
    stream = io.StringIO()
    async with open_consumer(stack.settings, log=JsonLog(stream)) as make_consumer:
        outcomes = await make_consumer().consume([message(ORDER), POISON], INVOCATION)
    assert [(outcome.done, outcome.outcome) for outcome in outcomes] == [(True, "completed"), (True, "poison")]
    item = (await stack.dynamodb.scan(TableName=stack.settings.orders_table))["Items"][0]
    assert (item["order_id"]["S"], item["charge_id"]["S"]) == (ORDER.order_id, "ch_1")
    (dead,) = (await stack.sqs.receive_message(QueueUrl=stack.settings.dead_letter_queue_url))["Messages"]
    assert dead["Body"] == "poison"
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["record_consumed"] * 2


def settler_of(consumer: BatchConsumer) -> Settler:
    assert isinstance(consumer.record_settler.settler, Settler)
    return consumer.record_settler.settler


async def test_every_environment_is_an_owner_of_its_own() -> None:
    async with open_consumer(UNCONNECTED, log=JsonLog()) as make_consumer:
        owners = [settler_of(make_consumer())._owner for _ in range(2)]
    assert all(re.fullmatch("lambda-handler/[0-9a-f]{8}", owner) for owner in owners)
    assert owners[0] != owners[1]


async def test_without_a_queue_for_them_nothing_is_dead_lettered() -> None:
    async with open_consumer(UNCONNECTED, log=JsonLog()) as make_consumer:
        assert make_consumer().record_settler.dead_letters is None


async def test_the_times_of_the_settings_reach_who_keeps_them() -> None:
    settings = Settings(
        orders_table="orders",
        gateway_url="http://gateway.test",
        region="eu-central-1",
        payment_timeout=timedelta(seconds=4),
        lease=timedelta(seconds=9),
        max_receives=7,
    )
    async with open_consumer(settings, log=JsonLog()) as make_consumer:
        consumer = make_consumer()
        settler = settler_of(consumer)
    assert (consumer.record_settler.max_receives, consumer.record_settler.payment_timeout) == (7, timedelta(seconds=4))
    assert (settler._lease, settler._payment_timeout) == (timedelta(seconds=9), timedelta(seconds=4))


async def test_no_connection_is_used_again_that_a_freeze_may_have_killed() -> None:
    settings = Settings(
        orders_table="orders", gateway_url="http://gateway.test", region="eu-central-1", dead_letter_queue_url="q"
    )
    async with open_consumer(settings, log=JsonLog()) as make_consumer:
        consumer = make_consumer()
        settler = settler_of(consumer)
        assert isinstance(settler._ledger, DynamoLedger)
        assert isinstance(settler._charger._gateway, HttpGateway)
        assert isinstance(consumer.record_settler.dead_letters, QueueDeadLetters)
        calls: list[Any] = [settler._ledger._table._client, await consumer.record_settler.dead_letters._open_client()]
        exchange: Any = settler._charger._gateway._exchange
        limits = exchange._connections._limits
        assert (limits.keep_alive, limits.answer_bytes) == (timedelta(seconds=15), ANSWER_LIMIT_BYTES)
        for caller in (one._caller for one in calls):
            assert caller._transport._limits.keep_alive == timedelta(seconds=15)
            assert caller._signer._scope.startswith("eu-central-1/")
