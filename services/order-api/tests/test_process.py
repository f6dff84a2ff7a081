"""The real process against the embedded AWS: it stops under load and loses no accepted order."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from flashbus.clients import aws_client
from flashmsg import decode_sqs_body
from local.emulator import RunningEmulator
from local.ports import free_port
from order_api.testing import environment

BODY = {"customer_id": 1, "items": [{"product_id": "pen", "quantity": 1}]}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A topic with a queue behind it and both tables."""

    variables: Mapping[str, str]
    sqs: Any
    queue_url: str

    async def published(self) -> set[str]:
        found: set[str] = set()
        while messages := (await self._receive()).get("Messages"):
            found |= {decode_sqs_body(message["Body"]).id for message in messages}
        return found

    async def _receive(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=600
        )
        return answer


async def create_table(dynamo: Any, name: str, key: str) -> None:  # noqa: ANN401 - botocore clients are untyped
    await dynamo.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
async def stack(aws: None, embedded_aws: RunningEmulator) -> AsyncIterator[Stack]:  # noqa: ARG001 - `aws` sets the variables
    name = f"api-{uuid.uuid4().hex[:8]}"
    async with aws_client("sns") as sns, aws_client("sqs") as sqs, aws_client("dynamodb") as dynamo:
        topic_arn = (await sns.create_topic(Name=name))["TopicArn"]
        queue_url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
        await create_table(dynamo, f"{name}-orders", "order_id")
        await create_table(dynamo, f"{name}-products", "product_id")
        pen = {"product_id": {"S": "pen"}, "name": {"S": "Pen"}, "unit_price_minor": {"N": "250"}}
        await dynamo.put_item(TableName=f"{name}-products", Item={**pen, "currency": {"S": "EUR"}})
        variables = embedded_aws.environment | environment(
            ORDERS_TOPIC_ARN=topic_arn,
            ORDERS_TABLE=f"{name}-orders",
            PRODUCTS_TABLE=f"{name}-products",
            PORT=str(free_port()),
            DRAIN_GRACE_SECONDS="0.3",
        )
        yield Stack(variables=variables, sqs=sqs, queue_url=queue_url)


async def start(variables: Mapping[str, str], log: Path) -> asyncio.subprocess.Process:
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "order_api",
            env={"PATH": os.environ["PATH"], **variables},
            stdout=output,
            stderr=output,
        )


async def until_ready(session: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while process.returncode is None:
            try:
                async with session.get("/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.02)
    pytest.fail("the process ended before it was ready")


class Shoppers:
    """Customers who order one after the other until the shop is gone."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.accepted: set[str] = set()
        self.refused: list[int] = []
        self.unready_seen = False
        self._session = session

    async def order(self) -> None:
        try:
            while True:
                async with self._session.post("/orders/async", json=BODY) as response:
                    if response.status == 202:
                        self.accepted.add((await response.json())["order_id"])
                    else:
                        self.refused.append(response.status)
        except aiohttp.ClientConnectionError:
            return

    async def watch_readiness(self) -> None:
        try:
            while not self.unready_seen:
                async with self._session.get("/readyz") as response:
                    self.unready_seen = response.status == 503
                await asyncio.sleep(0.01)
        except aiohttp.ClientConnectionError:
            return


@pytest.mark.embedded_aws
async def test_sigterm_under_load_loses_no_accepted_order(stack: Stack, tmp_path: Path) -> None:
    process = await start(stack.variables, tmp_path / "log")
    base_url = f"http://127.0.0.1:{stack.variables['PORT']}"
    try:
        async with aiohttp.ClientSession(base_url) as session:
            await until_ready(session, process)
            shoppers = Shoppers(session)
            async with asyncio.timeout(30), asyncio.TaskGroup() as customers:
                for _ in range(8):
                    customers.create_task(shoppers.order())
                customers.create_task(shoppers.watch_readiness())
                while len(shoppers.accepted) < 50:  # noqa: ASYNC110 - the customers signal nothing
                    await asyncio.sleep(0.01)
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert shoppers.refused == []
    # Readiness turned false while orders were still taken.
    assert shoppers.unready_seen
    assert shoppers.accepted <= await stack.published()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert {line["service"] for line in lines} == {"order-api"}
    assert sum(line["event"] == "http_request" and line["status"] == 202 for line in lines) >= len(shoppers.accepted)


@pytest.mark.embedded_aws
async def test_with_sns_unreachable_orders_are_refused_in_under_a_second(stack: Stack, tmp_path: Path) -> None:
    variables = {**stack.variables, "AWS_ENDPOINT_URL_SNS": f"http://127.0.0.1:{free_port()}"}
    process = await start(variables, tmp_path / "log")
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{variables['PORT']}") as session:
            await until_ready(session, process)
            loop = asyncio.get_running_loop()
            durations = []
            for _ in range(3):
                started = loop.time()
                async with session.post("/orders/async", json=BODY) as response:
                    assert response.status == 503
                    assert "Retry-After" in response.headers
                durations.append(loop.time() - started)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # The setting is the promise (`test_settings` holds it under a second); the rest is this machine's noise.
    assert max(durations) < 3
    assert await stack.published() == set()
