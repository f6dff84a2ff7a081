"""One customer's charges never work: the others are served, with real processes on every side."""

import pytest

from local.aws import aws_client
from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.shopper import ledger_statuses, queue_depth

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]

BAD = 666


async def _dead_letters(shop: RunningShop) -> list[dict[str, str]]:
    async with aws_client("sqs", shop.emulator.environment) as sqs:
        answer = await sqs.receive_message(
            QueueUrl=shop.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
    return [
        {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        for message in answer.get("Messages", [])
    ]


async def test_charges_that_fail_for_one_customer_alone_stop_nobody_else(shop_opener: OpenShop) -> None:
    few = {"MAX_RECEIVES": "5"}
    async with shop_opener(workers=4, processor_environment=few) as (shop, shopper):
        await shopper.change_gateway(failing_customers=[BAD])
        bad = [(await shopper.order(customer_id=BAD)).body["order_id"] for _ in range(2)]
        good = await shopper.orders(20)
        assert await shopper.settled(good, seconds=30) == {"completed": 20}
        assert await shopper.settled(bad, seconds=90) == {"failed": 2}

        async def both_are_kept() -> bool:
            return await queue_depth(shop, "DeadLetterQueueUrl") == len(bad)

        await wait_until(both_are_kept)
        assert {letter["dead_letter_reason"] for letter in await _dead_letters(shop)} == {"exhausted"}
        charges = await shopper.charges()
        assert [charges[order_id] for order_id in [*good, *bad]] == [1] * 20 + [0] * 2


async def test_charges_that_hang_for_one_customer_alone_are_never_called_failed(shop_opener: OpenShop) -> None:
    few = {"MAX_RECEIVES": "5", "PATIENCE_SECONDS": "10"}
    async with shop_opener(workers=4, processor_environment=few) as (shop, shopper):
        await shopper.change_gateway(hanging_customers=[BAD])
        (bad,) = [(await shopper.order(customer_id=BAD)).body["order_id"]]
        assert await shopper.settled(await shopper.orders(20), seconds=30) == {"completed": 20}

        async def kept() -> bool:
            return await queue_depth(shop, "DeadLetterQueueUrl") == 1

        await wait_until(kept, seconds=90)
        assert (await ledger_statuses(shop))[bad] == "processing"
        (letter,) = await _dead_letters(shop)
        assert letter["dead_letter_reason"] == "exhausted"
        assert "not known" in letter["dead_letter_detail"]
