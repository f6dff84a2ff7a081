"""Orders that settle at once share a transaction, and each learns of its own ending."""

import asyncio
from collections.abc import Sequence

import pytest

from flashmsg import Reservation
from flashstock.endings import Ending, Outcome
from flashstock.errors import StockError, StockUnavailableError
from flashstock.settlement_writer import SettlementWriter
from flashstock.table import Write
from flashstock.testing import FaultPlan, Sale


async def endings(sale: Sale, count: int) -> list[Ending]:
    await sale.stock.counters.set_total("cap", 1_000)
    async with sale.seller() as seller:
        holds = [await sale.buy(seller, cap=1) for _ in range(count)]
    return [Ending(reservation=hold.reservation, outcome=Outcome.SOLD) for hold in holds]


async def test_endings_at_once_share_transactions(sale: Sale) -> None:
    asked = await endings(sale, 200)
    sale.writes.clear()
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        outcomes = await asyncio.gather(*(writer.settle(ending) for ending in asked))
    assert outcomes == [Outcome.SOLD] * 200
    assert sale.writes.count("product#cap") <= 4
    assert (await sale.level()).sold == 200


async def test_each_learns_how_its_own_reservation_has_ended(sale: Sale) -> None:
    asked = await endings(sale, 3)
    await sale.stock.endings.settle(asked[:1])
    other = [Ending(reservation=one.reservation, outcome=Outcome.RETURNED) for one in asked]
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        outcomes = await asyncio.gather(*(writer.settle(ending) for ending in [*other[:2], asked[2]]))
        assert outcomes == [Outcome.SOLD, Outcome.RETURNED, Outcome.SOLD]
        assert await writer.settle(asked[0]) is Outcome.SOLD


async def test_an_impossible_ending_fails_alone(sale: Sale) -> None:
    asked = await endings(sale, 3)
    never = Ending(reservation=Reservation(id="rsv_" + "z" * 24, units={"cap": 90}), outcome=Outcome.SOLD)
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        outcomes = await asyncio.gather(*(writer.settle(one) for one in [*asked, never]), return_exceptions=True)
    assert outcomes[:3] == [Outcome.SOLD] * 3
    assert type(outcomes[3]) is StockError
    assert never.reservation.id in str(outcomes[3])


class Unreachable(FaultPlan):
    async def meet(self, place: str, _writes: Sequence[Write]) -> None:
        if place == "done":
            raise StockUnavailableError("no answer", reason="timeout")


async def test_after_a_lost_answer_the_ending_is_asked_again(sale: Sale) -> None:
    asked = await endings(sale, 3)
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        sale.faults = Unreachable()
        answers = await asyncio.gather(*(writer.settle(ending) for ending in asked), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StockUnavailableError}
        sale.faults = FaultPlan()
        assert await asyncio.gather(*(writer.settle(ending) for ending in asked)) == [Outcome.SOLD] * 3
    assert (await sale.level()).sold == 3


class Broken(FaultPlan):
    async def meet(self, place: str, _writes: Sequence[Write]) -> None:
        raise ZeroDivisionError(f"a bug, when {place}")


async def test_a_bug_leaves_no_ending_without_an_answer_and_the_next_one_is_written(sale: Sale) -> None:
    (asked,) = await endings(sale, 1)
    sale.faults = Broken()
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        with pytest.raises(StockUnavailableError, match="failed") as caught:
            await writer.settle(asked)
        assert caught.value.reason == "closed"
        sale.faults = FaultPlan()
        assert await writer.settle(asked) is Outcome.SOLD


async def test_a_caller_that_gives_up_leaves_the_others_alone(sale: Sale) -> None:
    asked = await endings(sale, 3)
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        tasks = [asyncio.create_task(writer.settle(ending)) for ending in asked]
        await asyncio.sleep(0)
        tasks[1].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == [Outcome.SOLD] * 2
    assert isinstance(outcomes[1], asyncio.CancelledError)


async def test_leaving_writes_what_waits_and_takes_no_more(sale: Sale) -> None:
    asked = await endings(sale, 3)
    writer = SettlementWriter(endings=sale.stock.endings)
    async with writer:
        tasks = [asyncio.create_task(writer.settle(ending)) for ending in asked]
        await asyncio.sleep(0)
    assert [await task for task in tasks] == [Outcome.SOLD] * 3
    with pytest.raises(StockUnavailableError, match="closed"):
        await writer.settle(asked[0])
