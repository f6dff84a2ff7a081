"""Cancelling against real processes: an order is called off, or charged and paid back once, and nothing in between."""

import asyncio
import random
from collections import Counter

import pytest

from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.limited_sale import PRODUCT, open_stock
from tests.integration.repair import reconcile, summary, until_reconciling_would
from tests.integration.shopper import Shopper, ledger_statuses, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]


async def cancel_until_certain(shopper: Shopper, order_id: str, *, after: float) -> str:
    """Ask for it again while the order is being paid, as a client does; the status it has then."""
    await asyncio.sleep(after)
    said = ""

    async def certain() -> bool:
        nonlocal said
        reply = await shopper.cancel(order_id)
        said = reply.body["status"] if reply.status == 200 else ""
        assert reply.status in {200, 202} or reply.body["type"].endswith(":payment-in-progress"), reply
        return reply.status == 200

    await wait_until(certain, seconds=60, every=0.2)
    return said


async def test_of_a_cancellation_and_a_charge_exactly_one_wins_and_what_is_charged_is_paid_back_once(
    shop_opener: OpenShop,
) -> None:
    async with shop_opener(workers=4) as (shop, shopper), open_stock(shop) as stock:
        await stock.counters.set_total(PRODUCT, 100)

        async def is_limited() -> bool:
            _, listed = await shopper.fetch(f"{shop.api_url}/products/{PRODUCT}")
            return "available" in listed

        await wait_until(is_limited)
        order_ids = await shopper.orders(50)
        chance = random.Random(7)  # noqa: S311 - spreads the requests
        ended = await asyncio.gather(
            *(cancel_until_certain(shopper, order_id, after=chance.uniform(0, 2)) for order_id in order_ids)
        )
        refunded = {order_id for order_id, status in zip(order_ids, ended, strict=True) if status == "refunded"}
        assert Counter(ended).keys() == {"cancelled", "refunded"}

        async def worked_off() -> bool:
            return await queue_depth(shop, "QueueUrl") == 0

        await wait_until(worked_off, seconds=60)
        assert await ledger_statuses(shop) == dict(zip(order_ids, ended, strict=True))
        assert await shopper.charges() == Counter(refunded)
        assert await shopper.refunds() == Counter(refunded)
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0

        async def all_for_sale() -> bool:
            level = await stock.counters.get(PRODUCT)
            return level is not None and level.sold == 0 and level.reserved <= 2  # idle in the API's lease

        await wait_until(all_for_sale, seconds=30)


async def test_refunds_of_a_killed_api_are_finished_by_the_reconciler_and_each_is_paid_back_once(
    shop_opener: OpenShop,
) -> None:
    async with shop_opener() as (shop, shopper):
        order_ids = await shopper.orders(20)
        await shopper.settled(order_ids)
        # One at a time, and more than the API has connections: some are asked for, others only decided on.
        await shopper.change_gateway(latency_seconds=1, capacity=1)
        asked = [asyncio.create_task(shopper.cancel(order_id)) for order_id in order_ids]

        async def all_decided() -> bool:
            return "completed" not in (await ledger_statuses(shop)).values()

        await wait_until(all_decided, every=0.05)
        shop.api.kill()
        await asyncio.gather(*asked, return_exceptions=True)
        await shopper.change_gateway(latency_seconds=0, capacity=0)
        left = Counter((await ledger_statuses(shop)).values())["refunding"]
        assert left
        await until_reconciling_would(shop, refunded=left)
        status, said = await reconcile(shop, "--apply")
        assert (status, summary(said)["refunded"]) == (0, left)
        assert await shopper.settled(order_ids) == {"refunded": 20}
        assert await shopper.charges() == await shopper.refunds() == Counter(order_ids)
