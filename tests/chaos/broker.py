"""A second implementation of SNS, SQS and DynamoDB, which may be killed: what it has acknowledged is in its folder."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import aws_client
from local.emulator import PROJECT, RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess

COMMAND = PROJECT / ".venv-emulator" / "bin" / "roto-server"
# As the template keys them; the index of unsettled orders is only asked by the reconciler.
_TABLES = {"OrdersTableName": "order_id", "ProductsTableName": "product_id", "StockTableName": "id"}


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One that answers; `resources` are what a stack's outputs would be."""

    process: ManagedProcess
    running: RunningEmulator
    resources: Mapping[str, str]


@asynccontextmanager
async def open_broker(folder: Path) -> AsyncIterator[Broker]:
    """Run one that keeps everything in a folder, with what a shop needs, for the length of the block."""
    port = free_port()
    process = ManagedProcess(
        name="broker",
        argv=[str(COMMAND), "--port", str(port), "--data-dir", str(folder)],
        environment={},
        log_path=folder.with_suffix(".log"),
        ready_url=f"http://127.0.0.1:{port}/roto-api/health",
    )
    async with process:
        running = RunningEmulator(endpoint_url=f"http://127.0.0.1:{port}", log_path=process.log_path, pid=process.pid)
        yield Broker(process=process, running=running, resources=await _make_resources(running.environment))


async def _make_resources(environment: Mapping[str, str]) -> dict[str, str]:
    async with (
        aws_client("sqs", environment) as sqs,
        aws_client("sns", environment) as sns,
        aws_client("dynamodb", environment) as dynamodb,
    ):
        queues = {name: (await sqs.create_queue(QueueName=name))["QueueUrl"] for name in ("orders", "dead-letters")}
        topic = (await sns.create_topic(Name="orders"))["TopicArn"]
        await _subscribe(sns, sqs, topic, queues["orders"])
        for output, key in _TABLES.items():
            await dynamodb.create_table(
                TableName=output,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
    return {
        "TopicArn": topic,
        "QueueUrl": queues["orders"],
        "DeadLetterQueueUrl": queues["dead-letters"],
        **{output: output for output in _TABLES},
    }


async def _subscribe(sns: Any, sqs: Any, topic: str, queue_url: str) -> None:  # noqa: ANN401 - botocore clients are untyped
    answer = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn = answer["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    await sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
