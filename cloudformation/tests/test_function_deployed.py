"""The pipeline with its real function, deployed into the embedded AWS."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import choice
from typing import Any

import pytest
from aiohttp import web

from cloudformation.build import render_template
from flashmsg import Order, OrderPlaced, PricedLine, encode
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.stack import delete_stack, deploy_stack, upload
from local.waiting import wait_until

BUCKET = "function-tests"


@dataclass(kw_only=True)
class ChargingGateway:
    """A payment provider that approves everything and remembers whom it charged."""

    url: str
    charges: list[str] = field(default_factory=list)

    async def charge(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.charges.append(request.headers["Idempotency-Key"])
        receipt = {"charge_id": f"ch_{order['order_id']}", "status": "succeeded"}
        return web.json_response(
            receipt
            | {name: order[name] for name in ("order_id", "amount_minor", "currency")}
            | {"created_at": "2026-01-01T00:00:00Z"}
        )


@pytest.fixture
async def gateway(unused_tcp_port: int) -> AsyncIterator[ChargingGateway]:
    provider = ChargingGateway(url=f"http://127.0.0.1:{unused_tcp_port}")
    app = web.Application()
    app.router.add_post("/v1/charges", provider.charge)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield provider
    await runner.cleanup()


@asynccontextmanager
async def deployed(
    aws: RunningEmulator, artifact: Path, *, consumer: str, gateway_url: str
) -> AsyncIterator[dict[str, str]]:
    name = f"fn-{consumer}"
    await upload(aws.environment, bucket=BUCKET, key=artifact.name, file=artifact)
    parameters = {
        "Consumer": consumer,
        "ArtifactBucket": BUCKET,
        "ArtifactKey": artifact.name,
        "GatewayUrl": gateway_url,
        "RetainData": "false",
    }
    template = render_template("pipeline")
    try:
        yield await deploy_stack(aws.environment, name=name, template=template, parameters=parameters)
    finally:
        await delete_stack(aws.environment, name=name)


def an_order() -> Order:
    order_id = "ord_" + "".join(choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(26))
    line = PricedLine(product_id="lamp", quantity=2, unit_price_minor=1250)
    return Order(
        order_id=order_id, customer_id=7, items=(line,), currency="EUR", total_minor=2500, created_at=datetime.now(UTC)
    )


def eventually(item: Callable[[], Awaitable[dict[str, Any]]], status: str) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return bool((await item()).get("status") == {"S": status})

    return reached


@pytest.mark.embedded_aws
@pytest.mark.parametrize("consumer", ["lambda", "lambda-sqs"])
async def test_an_order_published_to_the_topic_is_charged_once_and_completed(
    embedded_aws: RunningEmulator, local_artifact: Path, gateway: ChargingGateway, consumer: str
) -> None:
    order = an_order()
    async with deployed(embedded_aws, local_artifact, consumer=consumer, gateway_url=gateway.url) as outputs:
        async with aws_client("sns", embedded_aws.environment) as sns:
            await sns.publish(TopicArn=outputs["TopicArn"], Message=encode(OrderPlaced.of(order)))
        async with aws_client("dynamodb", embedded_aws.environment) as dynamodb:

            async def item() -> dict[str, Any]:
                key = {"order_id": {"S": order.order_id}}
                found = await dynamodb.get_item(TableName=outputs["OrdersTableName"], Key=key)
                return dict(found.get("Item", {}))

            await wait_until(eventually(item, "completed"), seconds=40)
            assert (await item())["charge_id"]["S"] == f"ch_{order.order_id}"
        assert gateway.charges == [order.order_id]
        assert 0 < await cold_start_seconds(embedded_aws, outputs["FunctionName"]) < 30


async def cold_start_seconds(aws: RunningEmulator, function: str) -> float:
    found: list[float] = []

    async def logged() -> bool:
        async with aws_client("logs", aws.environment) as logs:
            page = await logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern='"cold_start"')
        found.extend(json.loads(event["message"])["init_seconds"] for event in page["events"])
        return bool(found)

    await wait_until(logged, seconds=20)
    return found[0]


@pytest.mark.embedded_aws
async def test_poison_on_the_queue_goes_to_the_dead_letters_with_its_reason(
    embedded_aws: RunningEmulator, local_artifact: Path, gateway: ChargingGateway
) -> None:
    async with (
        deployed(embedded_aws, local_artifact, consumer="lambda-sqs", gateway_url=gateway.url) as outputs,
        aws_client("sqs", embedded_aws.environment) as sqs,
        asyncio.timeout(40),
    ):
        await sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="not an order")
        messages: list[dict[str, Any]] = []
        while not messages:
            received = await sqs.receive_message(
                QueueUrl=outputs["DeadLetterQueueUrl"], WaitTimeSeconds=5, MessageAttributeNames=["All"]
            )
            messages = received.get("Messages", [])
    assert messages[0]["Body"] == "not an order"
    assert messages[0]["MessageAttributes"]["dead_letter_reason"]["StringValue"] == "malformed"
    assert gateway.charges == []
