"""What dies, what is down, what is stopped: nothing accepted is lost, nobody is charged twice."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from local.emulator import emulator
from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.shopper import Shopper, ledger_statuses, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]


async def _assert_all_completed_once(shop: RunningShop, shopper: Shopper, order_ids: list[str]) -> None:
    assert await shopper.settled(order_ids, seconds=90) == {"completed": len(order_ids)}
    charges = await shopper.charges()
    assert {order_id: charges[order_id] for order_id in order_ids} == dict.fromkeys(order_ids, 1)
    assert await queue_depth(shop, "DeadLetterQueueUrl") == 0


async def _someone_is_paying(shopper: Shopper, shop: RunningShop, order_ids: list[str]) -> None:
    async def paying() -> bool:
        statuses = await ledger_statuses(shop)
        return any(statuses.get(order_id) == "processing" for order_id in order_ids)

    await wait_until(paying)
    assert len(await shopper.charges()) < len(order_ids)


async def test_without_an_answer_of_the_topic_the_client_is_told_so_and_when_to_retry(
    shop_opener: OpenShop, tmp_path: Path
) -> None:
    async with emulator(tmp_path / "aws") as own, shop_opener(emulator=own) as (shop, shopper):
        assert (await shopper.order()).status == 202
        loop = asyncio.get_running_loop()
        try:
            os.kill(own.pid, signal.SIGSTOP)
            began = loop.time()
            replies = await asyncio.gather(*(shopper.order() for _ in range(15)))
            waited = loop.time() - began
        finally:
            os.kill(own.pid, signal.SIGCONT)
        assert {reply.status for reply in replies} == {503}
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)
        # the calls may still arrive: nobody may say that the orders were not taken
        assert all(reply.body["type"].endswith(":outcome-unknown") for reply in replies)
        # the promise is under 1 s (PUBLISH_TIMEOUT_SECONDS 0.8); the rest is this machine's noise
        assert waited < 3
        assert (await shopper.order()).status == 202
        assert shop.api.returncode is None


async def test_sigterm_under_load_loses_no_accepted_order(shop_opener: OpenShop) -> None:
    async with shop_opener(workers=8, payment_seconds=0.5) as (shop, shopper):
        assert shop.processor is not None
        order_ids = await shopper.orders(30)
        await _someone_is_paying(shopper, shop, order_ids)
        late = [asyncio.create_task(shopper.order()) for _ in range(20)]
        await asyncio.sleep(0)  # the requests are on their way
        assert await shop.processor.aclose() == 0
        replies = await asyncio.gather(*late)
        assert await shop.api.aclose() == 0
        order_ids += [reply.body["order_id"] for reply in replies if reply.status == 202]
        # what the processor held is finished or handed back: nothing is in the middle
        assert "processing" not in (await ledger_statuses(shop)).values()
        shop.processor.start()
        await shop.processor.ready()
        await _assert_all_completed_once(shop, shopper, order_ids)


async def test_requests_in_flight_are_answered_when_the_api_is_stopped(shop_opener: OpenShop) -> None:
    async with shop_opener(arm="sync", payment_seconds=1) as (shop, shopper):
        asked = [asyncio.create_task(shopper.order("sync", customer_id=n + 1)) for n in range(5)]

        async def taken() -> bool:
            return len(await ledger_statuses(shop)) == len(asked)

        await wait_until(taken)
        assert await shop.api.aclose() == 0
        replies = await asyncio.gather(*asked)
        assert [(reply.status, reply.body["status"]) for reply in replies] == [(200, "completed")] * len(asked)


async def test_a_second_signal_ends_the_processor_at_once(shop_opener: OpenShop) -> None:
    async with shop_opener(
        workers=2,
        payment_seconds=30,
        processor_environment={
            "PAYMENT_TIMEOUT_SECONDS": "40",
            "LEASE_SECONDS": "50",
            "VISIBILITY_SECONDS": "60",
            "DRAIN_SECONDS": "60",
        },
    ) as (shop, shopper):
        processor = shop.processor
        assert processor is not None
        order_ids = await shopper.orders(2)
        await _someone_is_paying(shopper, shop, order_ids)
        processor.send_signal(signal.SIGTERM)

        async def draining() -> bool:
            return "drain_started" in await asyncio.to_thread(processor.log_tail)

        await wait_until(draining)
        processor.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(processor.wait, 5) == 128 + signal.SIGTERM
        shop.gateway.kill()  # it would finish its charge of 30 s first
