"""Subscribers hear how every order ended, in every arm, and whatever is killed before they are told."""

import json
import time
from collections import Counter
from typing import Any

import pytest

from local.aws import aws_client
from local.emulator import RunningEmulator
from local.shop import RunningShop
from local.waiting import wait_until
from tests.chaos.tcp_proxy import BlackHole, tcp_proxy
from tests.integration.conftest import OpenShop
from tests.integration.repair import reconcile, summary, until_reconciling_would
from tests.integration.shopper import queue_depth
from tests.integration.subscriber import subscribed

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]

DECLINED = 13


async def items(shop: RunningShop) -> list[dict[str, Any]]:
    """Every order as it is in the table."""
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        found: list[dict[str, Any]] = (await dynamodb.scan(TableName=shop.outputs["OrdersTableName"]))["Items"]
        return found


async def test_every_end_is_heard_once_and_a_filter_lets_through_what_it_names(shop_opener: OpenShop) -> None:
    only_declined = json.dumps({"status": ["declined"]})
    kept = {"ORDER_RETENTION_DAYS": "30"}
    async with (
        shop_opener(outcomes=True, api_environment=kept, processor_environment=kept) as (shop, shopper),
        subscribed(shop) as everything,
        subscribed(shop, name="declined", FilterPolicy=only_declined) as declined,
    ):
        await shopper.change_gateway(decline_rate=1)
        refused = (await shopper.order("sync", customer_id=DECLINED)).body["order_id"]
        await shopper.change_gateway(decline_rate=0)
        sync = (await shopper.order("sync", quantity=2)).body
        paid = [*await shopper.orders(10), sync["order_id"]]
        outcomes = {outcome.subject: outcome for outcome in await everything.heard(len(paid) + 1)}
        assert len(everything.outcomes) == len(outcomes)
        assert Counter(outcome.data.status.value for outcome in outcomes.values()) == {"completed": 11, "declined": 1}
        assert (outcomes[refused].data.status, outcomes[refused].data.customer_id) == ("declined", DECLINED)
        told = outcomes[sync["order_id"]].data
        assert (told.charge_id, told.total_minor) == (sync["charge_id"], 2 * 3995)
        assert [outcome.subject for outcome in await declined.heard(1)] == [refused]

        async def all_may_expire() -> bool:
            return all("unsettled" not in item and "expires_at" in item for item in await items(shop))

        await wait_until(all_may_expire)
        days = {(int(item["expires_at"]["N"]) - time.time()) / 86_400 for item in await items(shop)}
        assert min(days) == pytest.approx(30, abs=0.01)
        assert max(days) == pytest.approx(30, abs=0.01)


async def test_a_function_tells_how_its_orders_ended(shop_opener: OpenShop) -> None:
    async with shop_opener(arm="lambda-sqs", outcomes=True) as (shop, shopper), subscribed(shop) as subscriber:
        order_ids = await shopper.orders(3)
        assert {outcome.subject for outcome in await subscriber.heard(3, seconds=60)} == set(order_ids)


@pytest.mark.parametrize("killed", ["processor", "API"])
async def test_an_end_that_is_recorded_when_its_process_is_killed_is_heard_all_the_same(
    shop_opener: OpenShop, embedded_aws: RunningEmulator, killed: str
) -> None:
    async with tcp_proxy(embedded_aws.address) as to_sns:
        to_sns.fault = BlackHole()
        deaf = {"AWS_ENDPOINT_URL_SNS": to_sns.url}
        environment = {"processor_environment" if killed == "processor" else "api_environment": deaf}
        async with shop_opener(outcomes=True, **environment) as (shop, shopper), subscribed(shop) as subscriber:
            order_ids = await shopper.orders(10, "async" if killed == "processor" else "sync")
            assert await shopper.settled(order_ids) == {"completed": 10}
            (shop.processor if shop.processor is not None and killed == "processor" else shop.api).kill()

            async def nothing_is_queued() -> bool:
                return await queue_depth(shop, "QueueUrl") == 0

            await wait_until(nothing_is_queued)
            assert await subscriber.look() == []
            await until_reconciling_would(shop, told=10)
            status, said = await reconcile(shop, "--apply")
            assert (status, summary(said)["told"]) == (0, 10)
            heard = await subscriber.heard(10)
            assert sorted(outcome.id for outcome in heard) == sorted(
                f"{order_id}.completed.1" for order_id in order_ids
            )
            _, said = await reconcile(shop, "--apply")
            assert summary(said)["told"] == 0
