"""A function tells how orders ended before it answers: frozen, it could not."""

import asyncio
from datetime import timedelta

import pytest

from flashpay import Announcer, Retention
from flashpay.testing import FakeOutcomes, MemoryLedger
from flashpay.testing.orders import sample_order
from lambda_handler.record_outcomes import Invocation
from lambda_handler.testing import Bench, consume, message

ORDERS = [sample_order(f"order {number}") for number in range(3)]


@pytest.fixture
async def outcomes() -> FakeOutcomes:
    return FakeOutcomes()


@pytest.fixture
async def bench(outcomes: FakeOutcomes) -> Bench:
    ledger = MemoryLedger(retention=Retention(announced=True))
    return Bench(ledger=ledger, announcer=Announcer(ledger=ledger, publish=outcomes.publish))


async def test_all_ends_of_a_batch_are_told_when_it_is_answered(bench: Bench, outcomes: FakeOutcomes) -> None:
    await consume(bench, *(message(order) for order in ORDERS))
    assert outcomes.told == ["completed"] * 3
    assert not any(entry.event_owed for entry in bench.ledger.entries.values())


async def test_the_answer_waits_for_a_topic_that_takes_its_time(bench: Bench, outcomes: FakeOutcomes) -> None:
    outcomes.gate.clear()
    asyncio.get_running_loop().call_later(0.05, outcomes.gate.set)
    await consume(bench, message(ORDERS[0]))
    assert outcomes.told == ["completed"]
    assert not bench.ledger.entries[ORDERS[0].order_id].event_owed


async def test_a_batch_is_done_whether_or_not_anybody_can_be_told(bench: Bench, outcomes: FakeOutcomes) -> None:
    outcomes.down = True
    answers = await consume(bench, *(message(order) for order in ORDERS))
    assert [answer.done for answer in answers] == [True] * 3
    assert all(entry.event_owed for entry in bench.ledger.entries.values())


async def test_the_answer_is_in_time_however_slow_the_topic_is(bench: Bench, outcomes: FakeOutcomes) -> None:
    outcomes.gate.clear()
    within = Invocation(time_left=timedelta(seconds=1.3), request_id="r")
    async with asyncio.timeout(1.3):
        (answer,) = await consume(bench, message(ORDERS[0]), within=within, payment_timeout=0.1)
    assert answer.done
    outcomes.gate.set()
    (again,) = await consume(bench, message(ORDERS[0]))
    assert (again.outcome, outcomes.told) == ("duplicate", ["completed"])
