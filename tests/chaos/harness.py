"""One run: customers come, something goes wrong, and when both are over everything must come right."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import count

from tests.chaos.customers import Customer, Customers
from tests.chaos.faults import Fault
from tests.chaos.letters import dead_lettered
from tests.chaos.stage import Stage, StagePlan, start_reconciler
from tests.chaos.verdict import ENDS, Records, Verdict
from tests.integration.limited_sale import PRODUCT
from tests.integration.shopper import TERMINAL, ledger_statuses
from tests.integration.subscriber import owed_outcomes

# The reconciler leaves an order alone for four seconds (`RECONCILE_AFTER_SECONDS`).
_TELLING_SECONDS = 20
# No customer of one case is one of another.
_numbers = count(1, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table.

    Attributes:
        name: What goes wrong.
        fault: The same, to be done.
        orders: How many customers come at least, with one order each; they come as long as the trouble lasts.
        rate: How many a second.
        sync_share: How many of them want to wait for their payment.
        cancel_share: How many cancel what was accepted.
        plan: The shop.
        ends: How an acknowledged order may end.
        dead_letters: How many messages that are no order must lie in the dead-letter queue beside the failed orders.
        reconciled: Whether a reconciler runs, as the template schedules it; without it the queue alone must do.
        patience_seconds: How long everything may take to come right.
    """

    name: str
    fault: Fault
    orders: int = 300
    rate: float = 20.0
    sync_share: float = 0.0
    cancel_share: float = 0.0
    plan: StagePlan = field(default_factory=StagePlan)
    ends: frozenset[str] = frozenset({"completed"})
    dead_letters: int = 0
    reconciled: bool = False
    patience_seconds: float = 90.0


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Runs cases in a shop, and tells what was seen."""

    stage: Stage
    seed: str

    async def run(self, case: Case) -> Verdict:
        """Run one case to its end, which is when all is at rest or its patience is."""
        struck, known = self.stage.strikes, len(self.stage.left_behind)
        customers = Customers(apis=self.stage.apis, session=self.stage.session, rng=self.stage.rng)
        first = next(_numbers)
        self.stage.customers = range(first, first + case.orders)
        async with asyncio.TaskGroup() as group:
            trouble = group.create_task(case.fault.strike(self.stage))
            coming = group.create_task(
                customers.come(
                    case.orders,
                    first=first,
                    rate=case.rate,
                    sync_share=case.sync_share,
                    cancel_share=case.cancel_share,
                    until=trouble,
                )
            )
        came = coming.result() + self.stage.left_behind[known:]
        assert not customers.bad_answers, customers.bad_answers
        recovered, seconds = await self._recovery(case, came)
        await self._told()
        records = await self._records(came)
        return Verdict(
            case=case.name,
            seed=self.seed,
            **records.counts(),
            recovered=recovered,
            recovery_seconds=round(seconds, 1),
            dead_letters=await self._dead_letters(),
            strikes=self.stage.strikes - struck,
        )

    async def _recovery(self, case: Case, came: list[Customer]) -> tuple[int, float]:
        accepted = {customer.order_id for customer in came if customer.order_id is not None}
        began = time.monotonic()
        recovered: int | None = None
        while True:
            statuses = await ledger_statuses(self.stage.shop)
            waiting = sum(statuses.get(order_id) not in TERMINAL for order_id in accepted)
            recovered = waiting if recovered is None else recovered
            unended = waiting + sum(status not in TERMINAL for status in statuses.values())
            seconds = time.monotonic() - began
            if seconds > case.patience_seconds or not (unended or await self._units_astray()):
                return recovered, seconds if recovered else 0.0
            if case.reconciled and unended:
                await self._reconcile()
            await asyncio.sleep(0.2 + len(accepted) / 5_000)

    async def _told(self) -> None:
        """Have the reconciler tell the ends that are owed, as its schedule would in a while."""
        deadline = time.monotonic() + _TELLING_SECONDS
        while time.monotonic() < deadline and await owed_outcomes(self.stage.shop):
            await asyncio.sleep(1)
            if await owed_outcomes(self.stage.shop):  # what was under way is told by whoever settled it
                await self._reconcile()

    async def _untold(self) -> int:
        """Orders whose end no subscriber has heard of."""
        heard = {(outcome.subject, outcome.data.status.value) for outcome in await self.stage.subscriber.look()}
        ended = (await ledger_statuses(self.stage.shop)).items()
        return sum(status in TERMINAL and (order_id, status) not in heard for order_id, status in ended)

    async def _dead_letters(self) -> int:
        """How many orders, and messages that are none, have dead letters; all that are failed are among them."""
        lettered = await dead_lettered(self.stage.queues)
        statuses = await ledger_statuses(self.stage.shop)
        failed = {order_id for order_id, status in statuses.items() if status == "failed"}
        assert failed <= lettered, f"failed without a dead letter: {failed - lettered}"
        return len(lettered)

    async def _units_astray(self) -> int:
        """Units of the limited product that are neither for sale nor sold to a paid order."""
        if self.stage.plan.units is None:
            return 0
        level = await self.stage.stock.counters.get(PRODUCT)
        assert level is not None
        charges, refunds = await self.stage.shopper.charges(), await self.stage.shopper.refunds()
        left_behind = {customer.order_id for customer in self.stage.left_behind}  # of another product
        paid = sum(times - refunds[order_id] for order_id, times in charges.items() if order_id not in left_behind)
        return abs(level.available + level.sold - self.stage.plan.units) + abs(level.sold - paid)

    async def _records(self, came: list[Customer]) -> Records:
        return Records(
            customers=came,
            statuses=await ledger_statuses(self.stage.shop),
            charges=await self.stage.shopper.charge_rows(),
            units_astray=await self._units_astray(),
            untold=await self._untold(),
            units=self.stage.plan.units,
        )

    async def _reconcile(self) -> None:
        reconciler = await start_reconciler(self.stage)
        _, said = await reconciler.communicate()
        assert reconciler.returncode in {0, 1}, said


def assert_kept(case: Case, verdict: Verdict) -> None:
    """Whether a run kept what is promised, and was one at all."""
    assert verdict.broken == {}, verdict
    assert verdict.acknowledged > 0, verdict
    assert {status for status in ENDS if getattr(verdict, status)} <= case.ends, verdict
    assert verdict.dead_letters == case.dead_letters + verdict.failed, "a failed order has its letter"
