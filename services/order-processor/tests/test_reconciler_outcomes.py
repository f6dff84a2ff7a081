"""Ends that were recorded, and of which nobody was told, are told by the reconciler."""

from dataclasses import replace
from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashpay import Announcer, Retention, Settler
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
