"""The command as an operator runs it: a process of its own, against the queues and the topic of the embedded AWS."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flashbus.attributes import message_attributes
from flashbus.clients import aws_client
from flashbus.dead_letters import dead_letter_attributes
from flashmsg import OrderPlaced, OrderStatus, encode
from flashpay import DynamoLedger
from flashpay.testing import sample_order
from local.emulator import RunningEmulator

pytestmark = pytest.mark.embedded_aws

_QUEUES = {
    "QUEUE_URL": "work",
    "DEAD_LETTER_QUEUE_URL": "dead",
    "SUBSCRIPTION_DEAD_LETTER_QUEUE_URL": "undelivered",
    "FUNCTION_FAILURE_QUEUE_URL": "function",
}
BODY = encode(OrderPlaced.of(sample_order("order 1")))
PARKED = dead_letter_attributes({"type": "t"}, reason="exhausted", detail="why", receives=5)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Runs the command, and looks into the queues with another client."""

    variables: Mapping[str, str]
    folder: Path
    sqs: Any

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "order_processor.dlq", *arguments,
            env={"PATH": os.environ["PATH"], **self.variables},
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str) -> tuple[int | None, str]:
        process = await self.start(*arguments)
        out, err = await process.communicate()
        return process.returncode, out.decode() + err.decode()

    async def send(self, queue: str, body: str, attributes: Mapping[str, str]) -> None:
        await self.sqs.send_message(
            QueueUrl=self.variables[queue], MessageBody=body, MessageAttributes=message_attributes(attributes)
        )

    async def messages(self, queue: str) -> list[tuple[str, dict[str, str]]]:
        """The bodies and attributes of what is visible in a queue."""
        answer = await self.sqs.receive_message(
            QueueUrl=self.variables[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        return [
            (found["Body"], {name: each["StringValue"] for name, each in found.get("MessageAttributes", {}).items()})
            for found in answer.get("Messages", [])
        ]


@pytest.fixture
async def operator(
    embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Operator]:
    for variable, value in embedded_aws.environment.items():
        monkeypatch.setenv(variable, value)
    name = f"dlq-{uuid.uuid4().hex[:8]}"
    async with aws_client("sqs") as sqs, aws_client("sns") as sns:
        urls = {
            variable: (await sqs.create_queue(QueueName=f"{name}-{queue}"))["QueueUrl"]
            for variable, queue in _QUEUES.items()
        }
        topic = (await sns.create_topic(Name=name))["TopicArn"]
        await sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}-work",
            Attributes={"RawMessageDelivery": "true"},
        )
        variables = embedded_aws.environment | urls | {"ORDERS_TOPIC_ARN": topic}
        yield Operator(variables=variables, folder=tmp_path, sqs=sqs)


async def test_dead_letters_of_every_queue_are_listed_and_redriven_each_its_own_way(operator: Operator) -> None:
    event = {"requestPayload": {"Records": [{"Sns": {"Message": BODY}}]}, "responsePayload": {"errorType": "Refused"}}
    await operator.send("DEAD_LETTER_QUEUE_URL", BODY, PARKED)
    await operator.send("SUBSCRIPTION_DEAD_LETTER_QUEUE_URL", BODY, {"ErrorCode": "AccessDenied"})
    await operator.send("FUNCTION_FAILURE_QUEUE_URL", json.dumps(event), {"type": "t"})
    status, said = await operator.run("list")
    assert status == 0, said
    for reason in ("1 exhausted (given-up)", "1 AccessDenied (undelivered)", "1 Refused (function)"):
        assert reason in said
    status, said = await operator.run("redrive", "--all", "--dry-run")
    assert (status, said.splitlines()[-1]) == (0, "dry run: 3 would be redriven")
    assert await operator.messages("QUEUE_URL") == []
    status, said = await operator.run("redrive", "--all")
    assert (status, said.splitlines()[-1]) == (0, "3 redriven, 0 failed")
    redriven = await operator.messages("QUEUE_URL")
    assert [body for body, _ in redriven] == [BODY] * 3
    assert sorted(each["dead_letter_reason"] for _, each in redriven) == ["AccessDenied", "Refused", "exhausted"]
    for queue in ("DEAD_LETTER_QUEUE_URL", "SUBSCRIPTION_DEAD_LETTER_QUEUE_URL", "FUNCTION_FAILURE_QUEUE_URL"):
        assert await operator.messages(queue) == []


async def test_ctrl_c_leaves_what_was_not_redriven_where_it_was_and_visible(operator: Operator) -> None:
    for _ in range(6):
        await operator.send("DEAD_LETTER_QUEUE_URL", BODY, PARKED)
    process = await operator.start("redrive", "--all", "--rate", "0.2")
    assert process.stdout is not None
    first = await process.stdout.readline()
    assert b"redriven" in first
    process.send_signal(signal.SIGINT)
    rest, _ = await process.communicate()
    assert process.returncode == 130
    assert rest.decode().splitlines()[-1] == "stopped; the rest is untouched"
    sent, kept = await operator.messages("QUEUE_URL"), await operator.messages("DEAD_LETTER_QUEUE_URL")
    assert (len(sent), len(kept)) == (1, 5)


async def test_what_is_discarded_is_only_in_the_audit_log(operator: Operator) -> None:
    await operator.send("DEAD_LETTER_QUEUE_URL", "{", PARKED)
    status, said = await operator.run("discard", "--reason", "exhausted", "--by", "ada", "--why", "spam")
    assert (status, said.splitlines()[-1]) == (0, "1 discarded, 0 failed")
    assert await operator.messages("DEAD_LETTER_QUEUE_URL") == []
    assert await operator.messages("QUEUE_URL") == []
    (line,) = (operator.folder / "dead-letters.jsonl").read_text().splitlines()
    assert json.loads(line)["body"] == "{"


async def test_a_discarded_order_that_nobody_else_knows_of_has_failed(operator: Operator) -> None:
    await operator.send("SUBSCRIPTION_DEAD_LETTER_QUEUE_URL", BODY, {"ErrorCode": "AccessDenied"})
    discard = ("discard", "--all", "--by", "ada", "--why", "the sale is off")
    status, said = await operator.run(*discard)
    assert (status, said.splitlines()[-1]) == (1, "0 discarded, 1 failed")
    assert "ORDERS_TABLE" in said
    async with aws_client("dynamodb") as dynamodb:
        table = await create_orders_table(dynamodb)
        knowing = replace(operator, variables={**operator.variables, "ORDERS_TABLE": table})
        status, said = await knowing.run(*discard)
        assert (status, said.splitlines()[-1]) == (0, "1 discarded, 0 failed")
        entry = await DynamoLedger(client=dynamodb, table=table).get(sample_order("order 1").order_id)
    assert entry is not None
    assert (entry.status, entry.reason) == (OrderStatus.FAILED, "discarded")
    assert await operator.messages("SUBSCRIPTION_DEAD_LETTER_QUEUE_URL") == []


async def create_orders_table(dynamodb: Any) -> str:  # noqa: ANN401 - an untyped client
    name = f"orders-{uuid.uuid4().hex[:8]}"
    await dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


async def test_a_queue_that_is_not_there_is_said_and_no_success(operator: Operator) -> None:
    absent = operator.variables["DEAD_LETTER_QUEUE_URL"] + "-absent"
    wrong = Operator(
        variables={**operator.variables, "DEAD_LETTER_QUEUE_URL": absent}, folder=operator.folder, sqs=operator.sqs
    )
    status, said = await wrong.run("list")
    assert status == 1
    assert "receive: " in said


async def test_without_any_queue_it_says_which_variables_name_one(operator: Operator) -> None:
    nowhere = Operator(
        variables={name: value for name, value in operator.variables.items() if name not in _QUEUES},
        folder=operator.folder,
        sqs=operator.sqs,
    )
    status, said = await nowhere.run("list")
    assert status == 2
    assert "DEAD_LETTER_QUEUE_URL" in said
