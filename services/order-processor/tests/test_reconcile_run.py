"""A run of the reconciler looks into all orders whatever one of them is, and says why it found none."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashpay import FlashpayError, LedgerRefusedError, LedgerUnavailableError, Settler
from flashpay.testing import (
    KEY_WINDOW,
    FakeGateway,
    FakeRefunds,
    ManualClock,
    MemoryLedger,
    refunder_of,
    sample_order,
)
from order_processor.reconcile.reconciler import ApplyingReconciler, Outcome, Rest
from order_processor.reconcile.run import AT_ONCE, Result, Run

AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)


class Shop:
    """Orders whose workers were killed, and a reconciler."""

    def __init__(self) -> None:
        self.clock, self.gateway = ManualClock(), FakeGateway()
        self.ledger = MemoryLedger(clock=self.clock)
        self.said: list[tuple[str, Outcome]] = []
        refunds = FakeRefunds(gateway=self.gateway)
        self.reconciler = ApplyingReconciler(
            ledger=self.ledger,
            settler=Settler(ledger=self.ledger, gateway=self.gateway, owner="r", lease=LEASE, clock=self.clock),
            refunder=refunder_of(ledger=self.ledger, refunds=refunds, clock=self.clock),
            orders=FakeQueue(),
            dead_letters=FakeQueue(),
            rest=Rest(after=AFTER, key_window=KEY_WINDOW, clock=self.clock),
        )

    async def run(self, found: AsyncIterator[str]) -> Result:
        run = Run(
            find=lambda: found,
            reconciler=self.reconciler,
            limit=1000,
            stop=asyncio.Event(),
            say=lambda order_id, outcome: self.said.append((order_id, outcome)),
        )
        return await run.go()


async def test_an_entry_that_is_no_order_fails_alone() -> None:
    shop = Shop()
    orders = [sample_order(f"order {number}") for number in range(AT_ONCE + 1)]
    for order in orders:
        await shop.ledger.claim(order, owner="killed", lease=LEASE)
    broken = shop.ledger.entries[orders[0].order_id]
    # As nobody of ours writes it: its total is not the sum of its lines.
    shop.ledger.entries[broken.order_id] = replace(broken, total_minor=1)
    shop.clock.advance(AFTER)
    result = await shop.run(shop.ledger.untouched_since(shop.clock()))
    assert result.outcomes == Counter({Outcome.FAILED: 1, Outcome.QUEUED: AT_ONCE})
    assert (result.complete, result.alarming) == (True, True)
    assert (broken.order_id, Outcome.FAILED) in shop.said


@pytest.mark.parametrize("error", [LedgerUnavailableError, LedgerRefusedError])
async def test_a_run_that_finds_no_orders_says_why(
    error: type[FlashpayError], capsys: pytest.CaptureFixture[str]
) -> None:
    async def no_index() -> AsyncIterator[str]:
        yield "found"
        raise error("the table has no such index", reason="bad_request")

    result = await Shop().run(no_index())
    assert (result.complete, result.alarming) == (False, True)
    assert "no such index" in capsys.readouterr().out
