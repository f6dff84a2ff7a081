"""Somebody who subscribes to how orders end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from flashmsg import OrderOutcome, decode_outcome
from local.aws import aws_client
from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.shopper import TERMINAL


@dataclass(kw_only=True)
class Subscriber:
    """A queue of outcomes, and what it has brought so far."""

    sqs: Any
    queue_url: str
    outcomes: list[OrderOutcome] = field(default_factory=list)

    async def heard(self, count: int, *, seconds: float = 30) -> list[OrderOutcome]:
        """Wait until so many outcomes have come; all there are."""

        async def enough() -> bool:
            await self.look()
            return len(self.outcomes) >= count

        await wait_until(enough, seconds=seconds)
        return self.outcomes

    async def look(self) -> list[OrderOutcome]:
        """What has come by now."""
        while True:
            answer = await self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", ())
            if not messages:
                return self.outcomes
            self.outcomes += [decode_outcome(message["Body"]) for message in messages]
            entries = [{"Id": str(n), "ReceiptHandle": found["ReceiptHandle"]} for n, found in enumerate(messages)]
            await self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)


@asynccontextmanager
async def subscribed(shop: RunningShop, *, name: str = "all", **attributes: str) -> AsyncIterator[Subscriber]:
    """Subscribe a new queue to the outcomes of a shop; `attributes` are those of the subscription."""
    variables: Mapping[str, str] = shop.emulator.environment
    async with aws_client("sqs", variables) as sqs, aws_client("sns", variables) as sns:
        url = (await sqs.create_queue(QueueName=f"{shop.plan.name}-heard-{name}"))["QueueUrl"]
        queue = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        await sns.subscribe(
            TopicArn=shop.outputs["OutcomesTopicArn"],
            Protocol="sqs",
            Endpoint=queue["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true", **attributes},
        )
        yield Subscriber(sqs=sqs, queue_url=url)


async def owed_outcomes(shop: RunningShop) -> int:
    """Orders that have ended, and nobody is known to have been told."""
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        pages = dynamodb.get_paginator("scan").paginate(TableName=shop.outputs["OrdersTableName"], ConsistentRead=True)
        items = [item async for page in pages for item in page["Items"]]
    return sum("unsettled" in item and item["status"]["S"] in TERMINAL for item in items)
