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
from order_processor.reconcile.reconciler import ApplyingReconciler, Outcome, Reconciler, Rest
from order_processor.reconcile.run import AT_ONCE, Result, Run
from order_processor.reconcile.settings import Settings

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


class Hanging:
    """A `Reconciler` whose gateway answers nothing: every order costs the whole timeout of a lookup."""

    looked_into = 0

    async def reconcile(self, order_id: str) -> Outcome:  # noqa: ARG002 - the protocol's
        await asyncio.sleep(5)
        self.looked_into += 1
        return Outcome.UNKNOWN


async def left_behind(orders: int) -> AsyncIterator[str]:
    for number in range(orders):
        yield f"order {number}"


async def run_for(time: timedelta, reconciler: Reconciler, *, orders: int) -> tuple[Result, float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    run = Run(
        find=lambda: left_behind(orders),
        reconciler=reconciler,
        limit=10_000,
        stop=asyncio.Event(),
        say=lambda *_: None,
        time=time,
    )
    return await run.go(), loop.time() - began


async def test_a_run_is_over_before_the_next_one_when_the_gateway_hangs(capsys: pytest.CaptureFixture[str]) -> None:
    default, hanging = Settings.model_fields["reconcile_time"].default, Hanging()
    result, seconds = await run_for(default, hanging, orders=10_000)
    assert seconds == pytest.approx(default.total_seconds(), abs=0.1)
    assert (result.complete, result.alarming) == (False, True)
    assert result.outcomes == Counter({Outcome.UNKNOWN: hanging.looked_into})
    assert "run_cut_short" in capsys.readouterr().out


async def test_a_run_that_has_looked_into_all_when_its_time_is_over_is_complete() -> None:
    result, seconds = await run_for(timedelta(seconds=5), Hanging(), orders=AT_ONCE)
    assert result.complete
    assert seconds == pytest.approx(5, abs=0.1)


async def test_orders_that_rest_take_of_a_runs_time_too() -> None:
    class Resting:
        async def reconcile(self, order_id: str) -> Outcome:  # noqa: ARG002 - the protocol's
            await asyncio.sleep(1)
            return Outcome.RESTING

    result, seconds = await run_for(timedelta(seconds=3), Resting(), orders=100 * AT_ONCE)
    assert not result.complete
    assert seconds == pytest.approx(3, abs=0.1)
