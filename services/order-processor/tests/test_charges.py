"""Orders that are recorded as paid are compared with the gateway's books; what contradicts itself alarms."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flashmsg import Order
from flashpay import Approved, Claimed, ConflictingChargeError, Settler
from flashpay.testing import FakeGateway, ManualClock, MemoryLedger, Reply, sample_order
from order_processor.reconcile.charges import ChargeComparison
from order_processor.reconcile.metrics_file import write_metrics
from order_processor.reconcile.reconciler import Outcome, Rest
from order_processor.reconcile.run import Result, Run

LEASE = timedelta(seconds=30)
KEY_WINDOW = timedelta(hours=24)


class Shop:
    """A ledger and a gateway that may contradict each other."""

    def __init__(self) -> None:
        self.clock, self.gateway = ManualClock(), FakeGateway()
        self.ledger = MemoryLedger(clock=self.clock)
        self.said: list[tuple[str, Outcome]] = []

    async def pay(self, name: str) -> Order:
        settler = Settler(ledger=self.ledger, gateway=self.gateway, owner="worker", lease=LEASE, clock=self.clock)
        await settler.settle(sample_order(name))
        return sample_order(name)

    async def forge(self, name: str, charge_id: str = "ch_forged") -> Order:
        """Let the ledger say that an order is paid."""
        claim = await self.ledger.claim(sample_order(name), owner="forger", lease=LEASE)
        assert isinstance(claim, Claimed)
        await self.ledger.record(claim, Approved(charge_id=charge_id))
        return sample_order(name)

    async def compare(self) -> Result:
        rest = Rest(after=timedelta(minutes=15), key_window=KEY_WINDOW, clock=self.clock)
        return await Run(
            find=lambda: self.ledger.paid_since(self.clock() - KEY_WINDOW),
            reconciler=ChargeComparison(ledger=self.ledger, gateway=self.gateway, rest=rest),
            limit=1000,
            stop=asyncio.Event(),
            say=lambda order_id, outcome: self.said.append((order_id, outcome)),
        ).go()


@pytest.fixture
async def shop() -> Shop:
    return Shop()


async def test_books_that_agree_are_said_nothing_of(shop: Shop) -> None:
    for n in range(12):
        await shop.pay(f"order {n}")
    result = await shop.compare()
    assert (result.outcomes, result.alarming) == ({Outcome.RESTING: 12}, False)
    assert shop.said == []


async def test_an_order_that_is_recorded_as_paid_and_was_not_charged_alarms(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop.pay("paid")
    forged = await shop.forge("forged")
    result = await shop.compare()
    assert (result.outcomes[Outcome.CONFLICT], result.alarming) == (1, True)
    assert shop.said == [(forged.order_id, Outcome.CONFLICT)]
    assert "charge_conflict" in capsys.readouterr().out
    assert shop.ledger.entries[forged.order_id].charge_id == "ch_forged", "a human must look"


@pytest.mark.parametrize("reply", [Reply.APPROVE, Reply.DECLINE])
async def test_an_order_that_the_gateway_knows_otherwise_alarms(shop: Shop, reply: Reply) -> None:
    shop.gateway.plan(reply)
    order = await shop.pay("order")
    del shop.ledger.entries[order.order_id]
    await shop.forge("order")
    assert (await shop.compare()).outcomes == {Outcome.CONFLICT: 1}


async def test_a_receipt_for_another_charge_alarms_and_says_so(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.pay("paid")

    async def another(place: str) -> None:
        if place == "lookup.called":
            raise ConflictingChargeError("the receipt is for another charge", reason="answer_mismatch")

    shop.gateway._checkpoint = another
    result = await shop.compare()
    assert (result.outcomes, result.alarming) == ({Outcome.CONFLICT: 1}, True)
    assert "the receipt is for another charge" in capsys.readouterr().out


async def test_what_the_gateway_may_have_forgotten_is_not_held_against_it(shop: Shop) -> None:
    await shop.forge("forged")
    shop.clock.advance(KEY_WINDOW)
    assert (await shop.compare()).outcomes == {Outcome.RESTING: 1}


async def test_a_gateway_that_does_not_answer_is_no_conflict(shop: Shop) -> None:
    await shop.pay("order")
    shop.gateway.default = Reply.FAIL
    result = await shop.compare()
    assert (result.outcomes, result.alarming) == ({Outcome.UNKNOWN: 1}, False)


async def test_a_run_leaves_its_metrics_in_a_file(shop: Shop, tmp_path: Path) -> None:
    await shop.forge("forged")
    path = tmp_path / "reconciler.prom"
    for _ in range(2):
        write_metrics(path, await shop.compare(), seconds=1.5)
    samples = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert samples["reconciler_last_run_orders", "conflict"] == 1
    assert samples["reconciler_last_run_orders", "told"] == 0
    assert samples["reconciler_last_run_complete", None] == 1
    assert samples["reconciler_last_run_duration_seconds", None] == 1.5
    assert samples["reconciler_last_run_timestamp_seconds", None] > 1.7e9
