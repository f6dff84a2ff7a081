"""The consumer that courses teach: receive ten, work on all of them, delete each. The control of the chaos runs.

It has no claim, and asks the provider for a new charge at every attempt. It takes a processor's place and variables.
"""

import asyncio
import os
import uuid
from typing import Any

import aiohttp
from aiohttp import web

from flashbus.wire.clients import dynamo_client, sqs_client
from flashmsg import Order, decode_sqs_body


async def pay(session: aiohttp.ClientSession, order: Order) -> bool:
    """Charge an order, whatever was charged before."""
    charge = {
        "order_id": order.order_id,
        "amount_minor": order.total_minor,
        "currency": order.currency,
        "customer_id": order.customer_id,
    }
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    async with session.post(f"{os.environ['GATEWAY_URL']}/v1/charges", json=charge, headers=headers) as answer:
        return answer.status == 200


async def work(message: dict[str, Any], *, sqs: Any, dynamodb: Any, session: aiohttp.ClientSession) -> None:  # noqa: ANN401 - botocore clients are untyped
    """Pay, write it down, delete the message."""
    order = decode_sqs_body(message["Body"]).data
    if not await pay(session, order):
        return
    await dynamodb.put_item(
        TableName=os.environ["ORDERS_TABLE"],
        Item={"order_id": {"S": order.order_id}, "status": {"S": "completed"}},
    )
    await sqs.delete_message(QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=message["ReceiptHandle"])


async def run() -> None:
    """Work for ever."""
    app = web.Application()
    app.router.add_get("/readyz", lambda _request: _ready())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    visibility = int(os.environ["VISIBILITY_SECONDS"])
    async with (
        sqs_client() as sqs,
        dynamo_client() as dynamodb,
        aiohttp.ClientSession() as session,
    ):
        while True:
            received = await sqs.receive_message(
                QueueUrl=os.environ["QUEUE_URL"],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                VisibilityTimeout=visibility,
            )
            working = [work(m, sqs=sqs, dynamodb=dynamodb, session=session) for m in received.get("Messages", [])]
            await asyncio.gather(*working, return_exceptions=True)


async def _ready() -> web.Response:
    return web.Response()


if __name__ == "__main__":
    asyncio.run(run())
