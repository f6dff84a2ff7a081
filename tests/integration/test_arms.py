"""The arms end to end: from a shopper's HTTP request to a recorded charge."""

import asyncio

import pytest

from tests.integration.conftest import OpenShop
from tests.integration.shopper import TRACE_ID, TRACEPARENT, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(120)]


async def test_an_order_taken_onto_the_queue_is_paid_by_the_processor(shop_opener: OpenShop) -> None:
    async with shop_opener(arm="ecs") as (shop, shopper):
        reply = await shopper.order(quantity=3)
        assert reply.status == 202
        assert reply.body["status"] == "pending"
        assert reply.headers["Location"] == f"/orders/{reply.body['order_id']}"
        order_ids = [reply.body["order_id"], *await shopper.orders(40)]
        assert await shopper.settled(order_ids) == {"completed": 41}
        paid = await shopper.status(order_ids[0])
        assert paid["status"] == "completed"
        assert paid["total_minor"] == 3 * 3995
        assert paid["charge_id"]
        assert await shopper.charges() == dict.fromkeys(order_ids, 1)
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0


async def test_a_sync_order_is_answered_with_its_end(shop_opener: OpenShop) -> None:
    async with shop_opener(arm="sync") as (_, shopper):
        reply = await shopper.order("sync", traceparent=TRACEPARENT)
        assert (reply.status, reply.body["status"]) == (200, "completed")
        assert await shopper.charges() == {reply.body["order_id"]: 1}
        assert [TRACE_ID in charge["traceparent"] for charge in await shopper.charge_rows()] == [True]
        await shopper.change_gateway(decline_rate=1)
        declined = await shopper.order("sync")
        assert (declined.status, declined.body["status"]) == (200, "declined")
        assert declined.body["order_id"] not in await shopper.charges()


async def test_a_sync_order_that_takes_too_long_falls_back_to_the_queue(shop_opener: OpenShop) -> None:
    slow = {"SYNC_DEADLINE_SECONDS": "0.5"}
    async with shop_opener(arm="sync", payment_seconds=1.5, api_environment=slow) as (_, shopper):
        reply = await shopper.order("sync")
        assert reply.status == 202
        assert await shopper.settled([reply.body["order_id"]]) == {"completed": 1}
        assert await shopper.charges() == {reply.body["order_id"]: 1}


@pytest.mark.parametrize("arm", ["lambda", "lambda-sqs"])
async def test_a_function_pays_for_the_orders_it_is_sent(shop_opener: OpenShop, arm: str) -> None:
    async with shop_opener(arm=arm) as (_, shopper):
        traced = (await shopper.order(traceparent=TRACEPARENT)).body["order_id"]
        order_ids = [traced, *await shopper.orders(2)]
        assert await shopper.settled(order_ids, seconds=60) == {"completed": 3}
        assert await shopper.charges() == dict.fromkeys(order_ids, 1)
        rows = await shopper.charge_rows()
        assert [charge["order_id"] for charge in rows if TRACE_ID in charge["traceparent"]] == [traced]


async def test_a_client_that_retries_with_its_key_pays_once(shop_opener: OpenShop) -> None:
    async with shop_opener() as (shop, shopper):
        replies = await asyncio.gather(*(shopper.order(key="checkout-7") for _ in range(8)))
        order_ids = {reply.body["order_id"] for reply in replies}
        assert len(order_ids) == 1
        assert await shopper.settled(order_ids) == {"completed": 1}
        assert sum((await shopper.charges()).values()) == 1
        other = await shopper.order("sync", key="checkout-7", quantity=2)
        assert other.status == 422
        assert sum((await shopper.charges()).values()) == 1
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0


async def test_an_unknown_order_is_pending_and_a_made_up_one_is_not_found(shop_opener: OpenShop) -> None:
    async with shop_opener() as (shop, shopper):
        assert shop.processor is not None
        shop.processor.kill()  # so that nobody picks the order up meanwhile
        (order_id,) = await shopper.orders(1)
        assert (await shopper.status(order_id))["status"] == "pending"
        made_up = order_id[:-1] + ("a" if order_id[-1] != "a" else "b")
        assert (await shopper.status(made_up))["status"] == 404
        shop.processor.start()
        assert await shopper.settled([order_id]) == {"completed": 1}
