"""5,000 buyers for 100 units, in every arm, three processes of the API, with kills and declines: `make chaos` alone."""

import asyncio
import os
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.limited_sale import PRODUCT, ApiProcess, Auditor, Sale, more_apis, open_stock
from tests.integration.shopper import Shopper, ledger_statuses

UNITS = 100
BUYERS = int(os.environ.get("SALE_BUYERS", "5000"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))
# As many as two cores answer; the units are gone in a fraction of the first second.
BUYERS_A_SECOND = 250
LEASE_SECONDS = "2"
# Orders of a killed process wait for the reclaimer; functions start cold, one after the other on two cores.
PATIENCE_SECONDS = 180.0

pytestmark = [
    pytest.mark.embedded_aws,
    pytest.mark.chaos,
    pytest.mark.timeout(300 + 120 * ROUNDS),
    pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="half a minute a round: make chaos"),
]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One sale of 100 more units to 5,000 buyers, some of whom come again."""

    shop: RunningShop
    shopper: Shopper
    apis: list[ApiProcess]
    auditor: Auditor
    mode: str
    number: int
    kill: bool

    async def run(self) -> str:
        """Sell, then hold the records against each other; says what was seen."""
        if self.number > 1:
            await self.auditor.counters.add(PRODUCT, UNITS)
        sale = Sale(apis=self.apis, session=self.shopper._session, key=f"round-{self.number}")
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self.auditor.watch(sale.over))
            if self.kill:
                group.create_task(self._kill_one())
            refused = await self._wave(sale, list(range(1, BUYERS + 1)), seconds=BUYERS / BUYERS_A_SECOND)
            first = f"{len(sale.accepted)} accepted at once, {_percentiles(sale)}"
            await self._come_again(sale, refused)
            sale.over.set()
            await watching
        await self._assert_sold_once(sale)
        return first

    async def _wave(self, sale: Sale, buyers: list[int], *, seconds: float) -> list[int]:
        """Every buyer comes once, at a time of their own; returns who was refused."""
        refused: list[int] = []

        async def come(customer_id: int) -> None:
            await asyncio.sleep(random.uniform(0, seconds))  # noqa: S311 - a load
            if await sale.buy_once(self.mode, customer_id) not in {"200", "202"}:
                refused.append(customer_id)

        async with asyncio.TaskGroup() as group:
            for customer_id in buyers:
                group.create_task(come(customer_id))
        return refused

    async def _come_again(self, sale: Sale, refused: list[int]) -> None:
        async def sold_out() -> bool:
            return (await self.auditor.look()).sold >= UNITS * self.number

        async def again() -> bool:
            if await sold_out():
                return True
            batch, refused[:] = refused[:50], refused[50:]
            # Not all they can: the function's environments are still starting, on the same cores.
            refused.extend(await self._wave(sale, batch, seconds=1))
            return await sold_out()

        await wait_until(again, seconds=PATIENCE_SECONDS, every=0.2)

    async def _kill_one(self) -> None:
        victim = random.choice(self.apis).process  # noqa: S311 - a load
        await asyncio.sleep(random.uniform(0.05, 1.0))  # noqa: S311 - a load
        victim.kill()
        victim.start()
        # When it is ready is a matter of what the others leave it.
        await wait_until(lambda: asyncio.to_thread(victim.is_ready), seconds=PATIENCE_SECONDS)

    async def _assert_sold_once(self, sale: Sale) -> None:
        await self.shopper.settled(sale.accepted, seconds=60)
        charges, level = await self.shopper.charges(), await self.auditor.look()
        assert set(charges.values()) == {1}
        assert len(charges) == level.sold == level.total == UNITS * self.number
        assert self.auditor.wrong == []
        statuses = await ledger_statuses(self.shop)
        assert {statuses[order_id] for order_id in sale.accepted} <= {"completed", "declined"}
        assert list(statuses.values()).count("completed") == UNITS * self.number


def _percentiles(sale: Sale) -> str:
    told = []
    for name, answers in (("accepted", ("200", "202")), ("sold out", ("sold-out",))):
        seconds = [one for answer in answers for one in sale.seconds[answer]]
        if len(seconds) > 1:
            cuts = statistics.quantiles(seconds, n=100)
            told.append(f"{len(seconds)} {name} p50 {cuts[49] * 1e3:.0f} ms p99 {cuts[98] * 1e3:.0f} ms")
    return ", ".join(told)


# The arms inside of the troubles: two processes of a run do not both start a hundred environments.
@pytest.mark.parametrize("arm", ["sync", "ecs", "lambda", "lambda-sqs"])
@pytest.mark.parametrize("trouble", ["none", "kill", "declines"])
async def test_every_unit_is_sold_and_paid_once(
    shop_opener: OpenShop, arm: str, trouble: str, record_property: Callable[[str, object], None]
) -> None:
    async with (
        shop_opener(
            arm=arm,
            payment_seconds=0.05,
            workers=20,
            stock={PRODUCT: UNITS},
            gateway_environment={"DECLINE_RATE": "0.3" if trouble == "declines" else "0", "SEED": str(ROUNDS)},
            api_environment={"STOCK_LEASE_SECONDS": LEASE_SECONDS, "SYNC_LIMIT": "50"},
        ) as (shop, shopper),
        more_apis(shop, 2) as apis,
        open_stock(shop) as stock,
    ):
        auditor = Auditor(counters=stock.counters)
        for number in range(1, ROUNDS + 1):
            random.seed(f"{os.environ.get('CHAOS_SEED')}/{arm}/{trouble}/{number}")
            sale = Round(
                shop=shop,
                shopper=shopper,
                apis=apis,
                auditor=auditor,
                mode="sync" if arm == "sync" else "async",
                number=number,
                kill=trouble == "kill",
            )
            seen = await sale.run()
            record_property("seen", f"{arm:<10} {trouble:<8} round {number}: {seen}")
            level = await auditor.look()
            assert (level.available, level.reserved, level.sold) == (0, 0, UNITS * number)
