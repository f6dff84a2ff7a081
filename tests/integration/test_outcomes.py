"""Subscribers hear how every order ended, in every arm, and whatever is killed before they are told."""

import json
from collections import Counter

import pytest

from local.emulator import RunningEmulator
from local.waiting import wait_until
from tests.chaos.tcp_proxy import BlackHole, tcp_proxy
from tests.integration.conftest import OpenShop
from tests.integration.repair import reconcile, summary, until_reconciling_would
from tests.integration.shopper import queue_depth
from tests.integration.subscriber import subscribed

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]

DECLINED = 13


async def test_every_end_is_heard_once_and_a_filter_lets_through_what_it_names(shop_opener: OpenShop) -> None:
    only_declined = json.dumps({"status": ["declined"]})
    async with (
        shop_opener(outcomes=True) as (shop, shopper),
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
