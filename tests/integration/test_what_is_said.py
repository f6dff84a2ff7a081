"""What customers are told holds: who was told "not accepted" is not charged, who repeats as told pays once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.aws import aws_client
from local.emulator import RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess
from local.shop import RunningShop
from local.waiting import wait_until
from tests.chaos.tcp_proxy import CutReply, tcp_proxy
from tests.integration.conftest import OpenShop
from tests.integration.shopper import Reply, Shopper, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(150)]

LAMP_MINOR = 3995


@asynccontextmanager
async def second_api(
    shop: RunningShop, session: aiohttp.ClientSession, folder: Path, *, failpoint: str | None = None
) -> AsyncIterator[Shopper]:
    """Another API process of the same shop, which may end at a failpoint, and a shopper who orders from it."""
    port, operations_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    process = ManagedProcess(
        name="second order API",
        argv=[sys.executable, "-m", "tests.chaos.failpoints", "order_api"] if failpoint else shop.api._argv,
        environment=shop.api._environment
        | {"PORT": str(port), "OPERATIONS_PORT": str(operations_port), "FAILPOINT": failpoint or ""},
        log_path=folder / "second-api.log",
        ready_url=f"http://127.0.0.1:{operations_port}/readyz",
    )
    async with process:
        yield Shopper(shop=replace(shop, api_url=url), session=session)


def is_unknown(reply: Reply) -> bool:
    return reply.status == 503 and "idempotency_key" in reply.body


async def test_one_key_and_two_bodies_at_two_processes_make_one_order(shop_opener: OpenShop, tmp_path: Path) -> None:
    async with shop_opener() as (shop, shopper), aiohttp.ClientSession() as session:
        assert shop.processor is not None
        shop.processor.kill()  # nothing is claimed meanwhile
        async with second_api(shop, session, tmp_path) as other:
            amounts: dict[str, int] = {}
            for number in range(10):
                asked = [(shopper, 1), (other, 2), (shopper, 2), (other, 1)]
                replies = await asyncio.gather(
                    *(place.order(key=f"basket-{number}", quantity=quantity) for place, quantity in asked)
                )
                assert sorted(reply.status for reply in replies) == [202, 202, 422, 422]
                refused = next(reply for reply in replies if reply.status == 422)
                assert refused.body["type"].endswith(":mismatch")
                taken = {quantity for (_, quantity), reply in zip(asked, replies, strict=True) if reply.status == 202}
                (order_id,) = {reply.body["order_id"] for reply in replies if reply.status == 202}
                (amounts[order_id],) = (quantity * LAMP_MINOR for quantity in taken)
        shop.processor.start()
        assert await shopper.settled(amounts) == {"completed": 10}
        assert {row["order_id"]: row["amount_minor"] for row in await shopper.charge_rows()} == amounts
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0


async def test_after_lost_answers_of_the_topic_a_repeat_as_told_pays_once(
    shop_opener: OpenShop, embedded_aws: RunningEmulator
) -> None:
    async with tcp_proxy(embedded_aws.address) as proxy:
        through = {"AWS_ENDPOINT_URL_SNS": proxy.url}
        async with shop_opener(api_environment=through) as (_, shopper):
            await proxy.suffer(CutReply())
            replies = await asyncio.gather(*(shopper.order(customer_id=number) for number in range(1, 16)))
            assert proxy.strikes
            assert all(is_unknown(reply) for reply in replies)
            assert all("not accepted" not in str(reply.body) for reply in replies)
            await proxy.suffer(None)
            again = await asyncio.gather(
                *(
                    shopper.order(customer_id=number, key=reply.body["idempotency_key"])
                    for number, reply in enumerate(replies, start=1)
                )
            )
            assert {reply.status for reply in again} == {202}
            order_ids = [reply.body["order_id"] for reply in replies]
            assert [reply.body["order_id"] for reply in again] == order_ids
            assert await shopper.settled(order_ids) == {"completed": 15}
            assert await shopper.charges() == dict.fromkeys(order_ids, 1)


async def test_after_a_freeze_everybody_was_told_the_truth(shop_opener: OpenShop) -> None:
    async with shop_opener(payment_seconds=0.05) as (shop, shopper):
        replies: dict[int, Reply] = {}

        async def order(customer_id: int) -> None:
            await asyncio.sleep(0.002 * customer_id)
            replies[customer_id] = await shopper.order(customer_id=customer_id)

        ordering = [asyncio.create_task(order(number)) for number in range(1, 201)]
        for _ in range(3):
            await asyncio.sleep(0.12)
            shop.api.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1.5)  # longer than PUBLISH_TIMEOUT_SECONDS
            shop.api.send_signal(signal.SIGCONT)
        await asyncio.gather(*ordering)
        unknown = {number: reply for number, reply in replies.items() if is_unknown(reply)}
        taken = {number: reply for number, reply in replies.items() if reply.status == 202}
        denied = {number for number in replies if number not in unknown and number not in taken}
        assert taken
        for number, reply in unknown.items():
            again = await shopper.order(customer_id=number, key=reply.body["idempotency_key"])
            assert (again.status, again.body["order_id"]) == (202, reply.body["order_id"])
        order_ids = [reply.body["order_id"] for reply in (taken | unknown).values()]
        assert await shopper.settled(order_ids) == {"completed": len(order_ids)}
        assert await queue_depth(shop, "QueueUrl") == 0
        rows = await shopper.charge_rows()
        assert sorted(row["order_id"] for row in rows) == sorted(order_ids)
        assert not denied & {row["customer_id"] for row in rows}


async def test_a_late_sync_order_without_the_topic_is_paid_once(shop_opener: OpenShop) -> None:
    alone = {"SYNC_DEADLINE_SECONDS": "0.3", "AWS_ENDPOINT_URL_SNS": f"http://127.0.0.1:{free_port()}"}
    async with shop_opener(arm="sync", payment_seconds=1, api_environment=alone) as (_, shopper):
        replies = await asyncio.gather(*(shopper.order("sync", customer_id=number) for number in range(1, 6)))
        assert all(is_unknown(reply) for reply in replies)
        order_ids = [reply.body["order_id"] for reply in replies]
        assert await shopper.settled(order_ids) == {"completed": 5}
        for number, reply in enumerate(replies, start=1):
            again = await shopper.order("sync", customer_id=number, key=reply.body["idempotency_key"])
            assert (again.status, again.body["order_id"]) == (200, reply.body["order_id"])
        assert await shopper.charges() == dict.fromkeys(order_ids, 1)


async def test_the_price_is_the_one_of_the_first_acceptance(shop_opener: OpenShop) -> None:
    refresh = {"CATALOGUE_REFRESH_SECONDS": "0.1"}
    async with shop_opener(api_environment=refresh) as (shop, shopper):
        assert shop.processor is not None
        shop.processor.kill()
        keys = [f"basket-{number}" for number in range(10)]
        first = [await shopper.order(key=key) for key in keys]
        async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
            await change_price(dynamodb, shop, 777)
            await asyncio.sleep(1)
            dearer = [await shopper.order(key=key) for key in keys]
            await dynamodb.delete_item(
                TableName=shop.outputs["ProductsTableName"], Key={"product_id": {"S": "desk-lamp"}}
            )
            await asyncio.sleep(1)
        gone = [await shopper.order(key=key) for key in keys]
        assert (await shopper.order(key="new")).status == 422
        assert [reply.body for reply in gone] == [reply.body for reply in dearer] == [reply.body for reply in first]
        shop.processor.start()
        order_ids = [reply.body["order_id"] for reply in first]
        assert await shopper.settled(order_ids) == {"completed": 10}
        amounts = [row["amount_minor"] for row in await shopper.charge_rows()]
        assert amounts == [LAMP_MINOR] * 10


async def change_price(dynamodb: Any, shop: RunningShop, price_minor: int) -> None:  # noqa: ANN401 - botocore clients are untyped
    await dynamodb.update_item(
        TableName=shop.outputs["ProductsTableName"],
        Key={"product_id": {"S": "desk-lamp"}},
        UpdateExpression="SET unit_price_minor = :price",
        ExpressionAttributeValues={":price": {"N": str(price_minor)}},
    )


# The short version, without processes, is order-api's `test_unreclaimed_orders.py`.
@pytest.mark.chaos
@pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="a second API and its death: make chaos")
async def test_a_repeat_of_an_order_that_only_the_journal_of_a_killed_api_knows_is_not_told_sold_out(
    shop_opener: OpenShop, tmp_path: Path
) -> None:
    sale = shop_opener(stock={"desk-lamp": 1}, api_environment={"STOCK_LEASE_SECONDS": "3"})
    async with sale as (shop, shopper), aiohttp.ClientSession() as session:
        async with second_api(shop, session, tmp_path, failpoint="ledger.accept.called") as doomed:
            with pytest.raises(aiohttp.ClientError):
                await doomed.order(key="basket-1")
            told = await shopper.order(key="basket-1")
            other = await shopper.order(key="basket-1", customer_id=2)
        assert is_unknown(told)
        assert int(told.headers["Retry-After"]) >= 3
        assert (other.status, other.body["type"].rpartition(":")[2]) == (409, "sold-out")

        async def accepted() -> bool:
            again = await shopper.order(key="basket-1")
            assert is_unknown(again) or again.status == 202, again
            return again.status == 202

        await wait_until(accepted, seconds=30, every=0.2)
        assert await shopper.settled([told.body["order_id"]]) == {"completed": 1}
        assert await shopper.charges() == {told.body["order_id"]: 1}
