"""A limited product sold by several processes: every unit is sold and paid once, whatever declines or stops."""

import asyncio
from collections import Counter

import pytest

from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.limited_sale import PRODUCT, ApiProcess, Auditor, Sale, more_apis, open_stock
from tests.integration.shopper import Shopper, ledger_statuses, queue_depth

LEASE_SECONDS = "2"

pytestmark = [pytest.mark.embedded_aws, pytest.mark.long, pytest.mark.timeout(240)]


async def sell_out(shop_opener: OpenShop, *, units: int, buyers: int, decline_rate: float = 0) -> Counter[str]:
    """Sell all units to more buyers than there are, hold the three records against each other, and count the ends."""
    async with (
        shop_opener(
            payment_seconds=0.05,
            workers=20,
            stock={PRODUCT: units},
            gateway_environment={"DECLINE_RATE": str(decline_rate), "SEED": "7"},
            api_environment={"STOCK_LEASE_SECONDS": LEASE_SECONDS},
        ) as (shop, shopper),
        more_apis(shop, 2) as apis,
        open_stock(shop) as stock,
    ):
        sale = Sale(apis=apis, session=shopper._session)
        auditor = Auditor(counters=stock.counters)

        async with asyncio.TaskGroup() as group:
            group.create_task(auditor.watch(sale.over))
            group.create_task(until_sold_out(sale, auditor, units=units))
            for customer_id in range(1, buyers + 1):
                group.create_task(sale.buy(customer_id))
        await assert_every_unit_sold_once(shopper, sale, auditor, units=units)
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0
        statuses = await ledger_statuses(shop)
        assert set(statuses) == sale.accepted
        return Counter(statuses[order_id] for order_id in sale.accepted)


async def until_sold_out(sale: Sale, auditor: Auditor, *, units: int) -> None:
    """The sale is over when all units are sold."""

    async def sold() -> bool:
        return (await auditor.look()).sold >= units

    await wait_until(sold, seconds=120)
    sale.over.set()


async def assert_every_unit_sold_once(shopper: Shopper, sale: Sale, auditor: Auditor, *, units: int) -> None:
    ended = await shopper.settled(sale.accepted, seconds=60)
    charges = await shopper.charges()
    assert set(charges.values()) == {1}
    assert len(charges) == units
    assert ended["completed"] == units
    level = await auditor.look()
    assert (level.available, level.reserved, level.sold) == (0, 0, units)
    assert auditor.wrong == []
    assert auditor.samples > 5
    assert sale.answers["sold-out"] > 0


async def test_five_times_more_buyers_than_units(shop_opener: OpenShop) -> None:
    assert await sell_out(shop_opener, units=40, buyers=200) == {"completed": 40}


async def test_units_of_declined_payments_are_sold_to_others(shop_opener: OpenShop) -> None:
    ended = await sell_out(shop_opener, units=40, buyers=200, decline_rate=0.3)
    assert ended.keys() == {"completed", "declined"}
    assert ended["completed"] == 40


async def test_an_api_that_is_stopped_in_a_sale_leaves_every_unit_where_it_belongs(shop_opener: OpenShop) -> None:
    async with (
        shop_opener(stock={PRODUCT: 5_000}) as (shop, shopper),
        open_stock(shop) as stock,
    ):
        assert shop.processor is not None
        shop.processor.kill()  # nothing shall be sold meanwhile
        sale = Sale(apis=[ApiProcess(url=shop.api_url, process=shop.api)], session=shopper._session)

        async def shop_on(first_customer: int) -> None:
            customer_id = first_customer
            while sale.answers["no answer"] == 0:
                await sale.buy_once("async", customer_id)
                customer_id += 1_000

        async with asyncio.TaskGroup() as group:
            for number in range(1, 9):
                group.create_task(shop_on(number))
            while len(sale.accepted) < 100:  # noqa: ASYNC110 - the customers signal nothing
                await asyncio.sleep(0.01)
            stopping = group.create_task(shop.api.aclose())
        assert stopping.result() == 0
        assert await stock.sessions.list() == []
        level = await stock.counters.get(PRODUCT)
        assert level is not None
        assert (level.available, level.reserved, level.sold) == (5_000 - len(sale.accepted), len(sale.accepted), 0)
