"""Ends that were recorded, and of which nobody was told, are told by the reconciler."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderStatus
from flashpay import Announcer, Busy, Retention, Settler
from flashpay.testing import (
    FakeGateway,
    FakeOutcomes,
    FakeRefunds,
    ManualClock,
    MemoryLedger,
    refunder_of,
    sample_order,
)
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Rest

ORDER = sample_order()
AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)
STEPS = 9  # before and after the claim, the record, the publish and the note of it


class Shop:
    """An order whose worker was killed between the record and the publish, and the reconcilers."""

    def __init__(self) -> None:
        self.clock, self.gateway, self.outcomes = ManualClock(), FakeGateway(), FakeOutcomes()
        self.ledger = MemoryLedger(retention=Retention(announced=True), clock=self.clock)
        self.settler = Settler(ledger=self.ledger, gateway=self.gateway, owner="killed", lease=LEASE, clock=self.clock)
        rest = Rest(after=AFTER, key_window=timedelta(hours=24), clock=self.clock)
        refunds = FakeRefunds(gateway=self.gateway)
        self.dry = DryReconciler(ledger=self.ledger, gateway=self.gateway, refunds=refunds, rest=rest)
        self.applying = ApplyingReconciler(
            ledger=self.ledger,
            settler=self.settler,
            refunder=refunder_of(ledger=self.ledger, refunds=refunds, clock=self.clock),
            orders=FakeQueue(),
            dead_letters=FakeQueue(),
            rest=rest,
            announcer=Announcer(ledger=self.ledger, publish=self.outcomes.publish),
        )

    @property
    def refund_id(self) -> str | None:
        return self.ledger.entries[ORDER.order_id].refund_id

    async def found(self) -> list[str]:
        return [order_id async for order_id in self.ledger.untouched_since(self.clock() - AFTER / 2)]


@pytest.fixture
async def shop() -> Shop:
    shop = Shop()
    await shop.settler.settle(ORDER)
    return shop


async def test_an_end_that_was_never_told_is_found_and_told_once(shop: Shop) -> None:
    shop.clock.advance(AFTER)
    assert await shop.found() == [ORDER.order_id]
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.TOLD
    assert shop.outcomes.told == ["completed"]
    assert await shop.found() == []
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.RESTING
    assert len(shop.outcomes.published) == 1


async def test_a_dry_run_says_so_and_tells_nobody(shop: Shop) -> None:
    shop.clock.advance(AFTER)
    assert await shop.dry.reconcile(ORDER.order_id) is Outcome.TOLD
    assert shop.outcomes.published == []


async def test_who_recorded_an_end_is_given_time_to_tell_of_it(shop: Shop) -> None:
    shop.clock.advance(AFTER - timedelta(milliseconds=1))
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.RESTING
    assert shop.outcomes.published == []


async def test_an_end_that_the_topic_does_not_take_is_left_to_the_next_run(shop: Shop) -> None:
    shop.clock.advance(AFTER)
    shop.outcomes.down = True
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.FAILED
    shop.outcomes.down = False
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.TOLD


async def test_without_a_topic_what_is_owed_stays_owed(shop: Shop) -> None:
    shop.clock.advance(AFTER)
    deaf = replace(shop.applying, announcer=None)
    assert await deaf.reconcile(ORDER.order_id) is Outcome.RESTING
    assert shop.ledger.entries[ORDER.order_id].event_owed


async def test_a_refund_that_the_reconciler_finishes_is_told_at_once_in_place_of_the_payment(shop: Shop) -> None:
    entry = await shop.ledger.cancel(ORDER.order_id)
    assert entry.status is OrderStatus.REFUNDING, "it was paid"
    shop.clock.advance(AFTER)
    assert await shop.applying.reconcile(ORDER.order_id) is Outcome.REFUNDED
    assert shop.applying.announcer is not None
    await shop.applying.announcer.flush()
    ((outcome, _),) = shop.outcomes.published
    assert (outcome.data.status, outcome.data.refund_id) == ("refunded", shop.refund_id)
    assert await shop.found() == []


class KilledError(BaseException):
    """No part of the code may catch it: the process is gone."""


class Killer:
    """Lets a process take so many steps, and none after them."""

    def __init__(self, steps: int) -> None:
        self.left: int | None = steps
        self.killed = False

    async def __call__(self, _step: str) -> None:
        if self.left is not None:
            self.killed = self.killed or self.left <= 0
            self.left -= 1
        if self.killed:
            raise KilledError

    def revive(self) -> None:
        """From now on another process takes all the steps that it wants."""
        self.left, self.killed = None, False


class Worker:
    """A shop in which whoever settles and tells may be killed at any step."""

    def __init__(self, steps: int) -> None:
        self.clock, self.killer, self.outcomes = ManualClock(), Killer(steps), FakeOutcomes()
        retention = Retention(announced=True, keep=timedelta(days=30))
        self.ledger = MemoryLedger(retention=retention, clock=self.clock, checkpoint=self.killer)
        self.gateway = FakeGateway()

    async def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        await self.killer("publish.called")
        await self.outcomes.publish(body, attributes)
        await self.killer("publish.done")

    async def work(self) -> None:
        """Settle the order and tell of it."""
        announcer = Announcer(ledger=self.ledger, publish=self.publish)
        settler = Settler(ledger=self.ledger, gateway=self.gateway, owner="w", lease=LEASE, clock=self.clock)
        settled = await settler.settle(ORDER)
        entry = self.ledger.entries[ORDER.order_id]
        if not isinstance(settled, Busy) and entry.event_owed:
            await announcer.tell(entry)

    async def reconcile(self) -> Outcome:
        queue = FakeQueue()
        reconciler = ApplyingReconciler(
            ledger=self.ledger,
            settler=Settler(ledger=self.ledger, gateway=self.gateway, owner="r", lease=LEASE, clock=self.clock),
            refunder=refunder_of(ledger=self.ledger, refunds=FakeRefunds(gateway=self.gateway), clock=self.clock),
            orders=queue,
            dead_letters=queue,
            rest=Rest(after=AFTER, key_window=timedelta(hours=24), clock=self.clock),
            announcer=Announcer(ledger=self.ledger, publish=self.publish),
        )
        return await reconciler.reconcile(ORDER.order_id)


@pytest.mark.parametrize("repaired", ["redelivered", "reconciled"])
async def test_killed_at_any_step_an_order_that_ended_is_told_and_never_forgotten_before(repaired: str) -> None:
    kills = 0
    for steps in range(STEPS):
        worker = Worker(steps)
        try:
            await worker.work()
        except KilledError:
            kills += 1
        worker.killer.revive()
        entry = worker.ledger.entries.get(ORDER.order_id)
        if entry is not None:
            assert entry.expires_at is None or worker.outcomes.told, f"killed at step {steps}"
        for _ in range(3):
            worker.clock.advance(2 * AFTER)
            await (worker.work() if repaired == "redelivered" or entry is None else worker.reconcile())
        if worker.ledger.entries[ORDER.order_id].status is OrderStatus.PROCESSING:
            await worker.work()  # the reconciler has queued it again
        assert set(worker.outcomes.told) == {"completed"}, f"killed at step {steps}"
        assert len(worker.outcomes.told) <= 2, f"killed at step {steps}"
        assert worker.gateway.charged(ORDER.order_id) == 1
        ended = worker.ledger.entries[ORDER.order_id]
        assert not ended.event_owed
        assert ended.expires_at is not None
    assert kills == STEPS - 1, "at every step but the last, which nobody takes"
