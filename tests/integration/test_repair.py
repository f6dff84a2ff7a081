"""What failed for good, or was left behind by a kill, comes to its end by one command, and is charged once."""

import asyncio

import pytest

from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.repair import reconcile, run, summary, until_reconciling_would
from tests.integration.shopper import TERMINAL, ledger_statuses, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]


async def test_redriven_orders_settle_exactly_once_however_often_they_are_redriven(shop_opener: OpenShop) -> None:
    async with shop_opener(workers=4, processor_environment={"MAX_RECEIVES": "5"}) as (shop, shopper):
        await shopper.change_gateway(failing_customers=[666])
        bad = [(await shopper.order(customer_id=666)).body["order_id"] for _ in range(2)]
        # Without others that are paid it would be an outage, which gives nobody up.
        await shopper.settled(await shopper.orders(20))
        assert await shopper.settled(bad, seconds=90) == {"failed": 2}

        async def kept() -> bool:
            return await queue_depth(shop, "DeadLetterQueueUrl") == len(bad)

        await wait_until(kept)
        await shopper.change_gateway(failing_customers=[])
        status, said = await run(shop, "dlq", "list", "--stack", shop.plan.name)
        assert status == 0
        assert "2 exhausted (given-up)" in said
        redrive = ("dlq", "redrive", "--customer", "666", "--stack", shop.plan.name)
        both = await asyncio.gather(run(shop, *redrive), run(shop, *redrive))
        assert {status for status, _ in both} <= {0, 1}, both
        assert await shopper.settled(bad, seconds=60) == {"completed": 2}
        charges = await shopper.charges()
        assert [charges[order_id] for order_id in bad] == [1, 1]
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0


async def test_sync_orders_of_a_killed_api_are_found_and_each_is_charged_once(shop_opener: OpenShop) -> None:
    # Long enough for forty payments to be under way at once on a busy machine, too.
    patient = {"SYNC_LIMIT": "50", "PAYMENT_TIMEOUT_SECONDS": "6", "LEASE_SECONDS": "7"}
    async with shop_opener(payment_seconds=4, api_environment=patient) as (shop, shopper):
        sent = [asyncio.create_task(shopper.order("sync", customer_id=n + 1)) for n in range(40)]

        async def all_in_payment() -> bool:
            return list((await ledger_statuses(shop)).values()) == ["processing"] * 40

        await wait_until(all_in_payment, every=0.05)
        shop.api.kill()
        await asyncio.gather(*sent, return_exceptions=True)

        async def all_charged() -> bool:
            return sum((await shopper.charges()).values()) == 40

        await wait_until(all_charged)
        stuck = list(await ledger_statuses(shop))
        assert await queue_depth(shop, "QueueUrl") == 0
        await until_reconciling_would(shop, recorded=40)
        assert set((await ledger_statuses(shop)).values()) == {"processing"}, "dry by default"
        status, said = await reconcile(shop, "--apply")
        assert (status, summary(said)["recorded"]) == (0, 40)
        assert await shopper.settled(stuck) == {"completed": 40}
        assert sorted((await shopper.charges()).items()) == [(order_id, 1) for order_id in sorted(stuck)]


async def test_orders_that_were_neither_charged_nor_queued_are_queued_and_settled(shop_opener: OpenShop) -> None:
    async with shop_opener(payment_seconds=1, capacity=1, api_environment={"SYNC_LIMIT": "50"}) as (shop, shopper):
        sent = [asyncio.create_task(shopper.order("sync", customer_id=n + 1)) for n in range(10)]

        async def all_in_payment() -> bool:
            return len(await ledger_statuses(shop)) == 10

        await wait_until(all_in_payment, every=0.05)
        # Both at once: what waits for capacity at the provider is not charged, and nobody remembers it.
        shop.api.kill()
        shop.gateway.kill()
        await asyncio.gather(*sent, return_exceptions=True)
        shop.gateway.start()
        await shop.gateway.ready()
        stuck = [order_id for order_id, status in (await ledger_statuses(shop)).items() if status not in TERMINAL]
        assert stuck
        paid = await shopper.charges()
        uncharged = [order_id for order_id in stuck if order_id not in paid]
        assert uncharged
        await until_reconciling_would(shop, queued=len(uncharged))
        status, said = await reconcile(shop, "--apply")
        assert (status, summary(said)["queued"]) == (0, len(uncharged))
        assert await shopper.settled(stuck) == {"completed": len(stuck)}
        charges = await shopper.charges()
        assert {charges[order_id] for order_id in stuck} == {1}
