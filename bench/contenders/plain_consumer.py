"""The baseline of row 8: slots, and for each message the same calls as ours, by aiobotocore, written straight down."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import aiohttp
from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashmsg import decode_sqs_body


async def _settle(sqs: Any, table: Any, http: aiohttp.ClientSession, message: dict[str, Any]) -> None:  # noqa: ANN401 - untyped clients
    order = decode_sqs_body(message["Body"]).data
    name, key = os.environ["ORDERS_TABLE"], {"order_id": {"S": order.order_id}}
    await table.put_item(
        TableName=name,
        Item={**key, "status": {"S": "processing"}, "order": {"S": order.model_dump_json()}},
        ConditionExpression="attribute_not_exists(order_id)",
    )
    body = {"order_id": order.order_id, "amount_minor": order.total_minor, "currency": order.currency}
    headers = {"Idempotency-Key": order.order_id}
    async with http.post(f"{os.environ['GATEWAY_URL']}/v1/charges", json=body, headers=headers) as response:
        charge = await response.json()
    await table.update_item(
        TableName=name,
        Key=key,
        UpdateExpression="SET #status = :status, #charge_id = :charge_id",
        ConditionExpression="#status = :before",
        ExpressionAttributeNames={"#status": "status", "#charge_id": "charge_id"},
        ExpressionAttributeValues={
            ":status": {"S": "completed"},
            ":charge_id": {"S": charge["charge_id"]},
            ":before": {"S": "processing"},
        },
        ReturnValues="ALL_NEW",
    )
    await sqs.delete_message(QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=message["ReceiptHandle"])


async def _main() -> None:
    slots, session = asyncio.Semaphore(int(os.environ["WORKERS"])), get_session()
    async with (
        aws_client("sqs", session=session, read_timeout=timedelta(seconds=25), max_pool_connections=200) as sqs,
        aws_client("dynamodb", session=session, max_pool_connections=200) as table,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as group,
    ):

        async def work(message: dict[str, Any]) -> None:
            try:
                await _settle(sqs, table, http, message)
            finally:
                slots.release()

        async def poll() -> None:
            while True:
                answer = await sqs.receive_message(
                    QueueUrl=os.environ["QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=20
                )
                for message in answer.get("Messages", []):
                    await slots.acquire()
                    group.create_task(work(message))

        for _ in range(4):
            group.create_task(poll())


if __name__ == "__main__":
    asyncio.run(_main())
