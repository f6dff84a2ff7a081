"""What the ledger calls paid is compared with the gateway's books by a command of its own."""

from datetime import timedelta

import pytest

from flashpay import Approved, Claimed, DynamoLedger, utc_now
from flashpay.testing import sample_order
from local.aws import aws_client
from local.shop import RunningShop
from tests.integration.conftest import OpenShop
from tests.integration.repair import reconcile, summary

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(120)]


async def forge(shop: RunningShop) -> str:
    """Let the ledger say that an order is paid which the gateway has never heard of; its id."""
    order = sample_order("forged", created_at=utc_now())
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        ledger = DynamoLedger(client=dynamodb, table=shop.outputs["OrdersTableName"])
        claim = await ledger.claim(order, owner="forger", lease=timedelta(seconds=30))
        assert isinstance(claim, Claimed)
        await ledger.record(claim, Approved(charge_id="ch_forged"))
    return order.order_id


async def test_an_order_that_is_recorded_and_was_not_charged_is_named(shop_opener: OpenShop) -> None:
    async with shop_opener() as (shop, shopper):
        await shopper.settled(await shopper.orders(5))
        status, said = await reconcile(shop, "--charges")
        assert (status, summary(said)["event"], summary(said)["resting"]) == (0, "charges_compared", 5)
        forged = await forge(shop)
        status, said = await reconcile(shop, "--charges")
        assert (status, summary(said)["conflict"], summary(said)["resting"]) == (1, 1, 5)
        assert f'"order_id":"{forged}"' in said
        assert "charge_conflict" in said
