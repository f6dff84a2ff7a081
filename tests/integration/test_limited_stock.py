"""A limited product sold by several processes: every unit is sold and paid once, whatever declines or dies."""

import asyncio
import os
from collections.abc import Sequence

import pytest

from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.limited_sale import PRODUCT, ApiProcess, Auditor, Sale, more_apis, open_stock
from tests.integration.shopper import Shopper, ledger_statuses, queue_depth

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))  # `make chaos` kills more often
LEASE_SECONDS = "2"

pytestmark = [pytest.mark.embedded_aws, pytest.mark.long, pytest.mark.timeout(240)]


async def sell_out(shop_opener: OpenShop, *, units: int, buyers: int, decline_rate: float = 0, kills: int = 0) -> None:
    """Sell all units to more buyers than there are, and hold the three records against each other."""
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
            group.create_task(kill_on_the_way(sale, auditor, apis, units=units, kills=kills))
            for customer_id in range(1, buyers + 1):
                group.create_task(sale.buy(customer_id))
        await assert_every_unit_sold_once(shopper, sale, auditor, units=units)
        assert await queue_depth(shop, "DeadLetterQueueUrl") == 0
        statuses = await ledger_statuses(shop)
        assert set(statuses) == sale.accepted
        assert {statuses[order_id] for order_id in sale.accepted} <= {"completed", "declined"}


async def kill_on_the_way(sale: Sale, auditor: Auditor, apis: Sequence[ApiProcess], *, units: int, kills: int) -> None:
    """Kill and start a process each time that another share is sold; the sale is over when all units are."""

    async def sold(count: int) -> None:
        async def enough() -> bool:
            return (await auditor.look()).sold >= count

        await wait_until(enough, seconds=120)

    for n in range(kills):
        await sold(units * (n + 1) // (kills + 2))
        victim = apis[1 + n % 2].process
        victim.kill()
        victim.start()
        await victim.ready()
    await sold(units)
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
    await sell_out(shop_opener, units=40, buyers=200)


async def test_units_of_declined_payments_are_sold_to_others(shop_opener: OpenShop) -> None:
    await sell_out(shop_opener, units=40, buyers=200, decline_rate=0.3)


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


@pytest.mark.chaos
async def test_units_in_the_hands_of_a_killed_api_are_sold_in_the_end(shop_opener: OpenShop) -> None:
    await sell_out(shop_opener, units=50 * ROUNDS, buyers=250 * ROUNDS, decline_rate=0.2, kills=ROUNDS)
