"""A second implementation of SNS and SQS, which may be killed: what it has acknowledged is in its folder."""

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


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One that answers; `resources` stand in for a stack's."""

    process: ManagedProcess
    running: RunningEmulator
    resources: Mapping[str, str]


@asynccontextmanager
async def open_broker(folder: Path) -> AsyncIterator[Broker]:
    """Run one that keeps everything in a folder, with a shop's topic and queues, for the length of the block."""
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
    async with aws_client("sqs", environment) as sqs, aws_client("sns", environment) as sns:
        queues = {name: (await sqs.create_queue(QueueName=name))["QueueUrl"] for name in ("orders", "dead-letters")}
        topic = (await sns.create_topic(Name="orders"))["TopicArn"]
        await _subscribe(sns, sqs, topic, queues["orders"])
    return {"TopicArn": topic, "QueueUrl": queues["orders"], "DeadLetterQueueUrl": queues["dead-letters"]}


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
