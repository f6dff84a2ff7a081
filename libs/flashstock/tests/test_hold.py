"""How long an order is tried that is neither published nor withdrawn yet, and who hears of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from structlog.testing import capture_logs

from flashstock.errors import StockUnavailableError
from flashstock.observer import StockObserver
from flashstock.pages import JournalEntry
from flashstock.seller import Seller
from flashstock.table import Write
from flashstock.testing import LEASE, FaultPlan, Sale

# A tenth of a second first, then twice as long each time, and five seconds at most.
TRIED_AFTER = [0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3]


class Stuck(StockObserver):
    def __init__(self) -> None:
        self.attempts = 0

    def stuck(self) -> None:
        self.attempts += 1


class Unanswered(FaultPlan):
    """Withdrawals get no answer; remembers when they were asked for."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == "called" and any(write.id.startswith("ending#") for write in writes):
            self.asked_at.append(asyncio.get_running_loop().time())
            raise StockUnavailableError("no answer", reason="timeout")


async def test_a_doubtful_order_is_published_again_ever_more_slowly_and_each_failure_is_told(sale: Sale) -> None:
    async def publish(_entry: JournalEntry) -> None:
        tried_at.append(asyncio.get_running_loop().time())
        if len(tried_at) <= len(TRIED_AFTER):
            raise OSError("the topic is down")

    tried_at: list[float] = []
    watching = Stuck()
    await sale.stock.counters.set_total("cap", 1)
    seller = Seller(stock=sale.stock, publish_again=publish, owner="seller", lease=LEASE, observer=watching)
    with capture_logs() as lines:
        async with seller:
            hold = await seller.reserve({"cap": 1})
            await hold.commit("body", {})
            hold.doubt()
            await asyncio.sleep(20)
    first, *later = tried_at
    assert [at - first for at in later] == pytest.approx(TRIED_AFTER, abs=1e-3)
    assert watching.attempts == len(TRIED_AFTER)
    told = [line for line in lines if line["event"] == "order_not_published_again"]
    assert [line["reservation"] for line in told] == [hold.reservation.id] * len(TRIED_AFTER)
    assert "the topic is down" in told[0]["error"]


async def test_a_withdrawal_is_tried_ever_more_slowly_and_each_failure_is_told(sale: Sale) -> None:
    watching = Stuck()
    await sale.stock.counters.set_total("cap", 1)
    with capture_logs() as lines:
        async with sale.seller(observer=watching) as seller:
            hold = await seller.reserve({"cap": 1})
            await hold.commit("body", {})
            sale.faults = unanswered = Unanswered()
            began = asyncio.get_running_loop().time()
            with pytest.raises(StockUnavailableError, match="not withdrawn yet") as caught:
                await hold.withdraw()
            assert asyncio.get_running_loop().time() - began == pytest.approx(2, abs=1e-3)
            assert (caught.value.reason, caught.value.certain) == ("too_slow", False)
            await asyncio.sleep(16)
            sale.faults = FaultPlan()
            await asyncio.sleep(4)
    first, *later = unanswered.asked_at
    assert [at - first for at in later] == pytest.approx(TRIED_AFTER, abs=1e-3)
    assert watching.attempts == len(unanswered.asked_at)
    told = [(line["reservation"], line["reason"]) for line in lines if line["event"] == "order_not_withdrawn"]
    assert told == [(hold.reservation.id, "timeout")] * len(unanswered.asked_at)
    assert (await sale.level()).available == 1


async def test_who_waits_for_a_withdrawal_when_the_session_ends_hears_that_the_order_may_be_published(
    sale: Sale, kill: Callable[[Seller], Awaitable[None]]
) -> None:
    await sale.stock.counters.set_total("cap", 1)
    seller = await sale.seller().__aenter__()
    hold = await seller.reserve({"cap": 1})
    await hold.commit("body", {})
    sale.faults = Unanswered()
    withdrawing = asyncio.create_task(hold.withdraw())
    await asyncio.sleep(1)
    await kill(seller)
    with pytest.raises(StockUnavailableError, match="the order may be published") as caught:
        await withdrawing
    assert (caught.value.reason, caught.value.certain) == ("no_session", False)


async def test_a_journaled_order_is_not_committed_again(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        with pytest.raises(RuntimeError, match="the hold is reserved, not journaled"):
            hold.published()
        await hold.commit("body", {})
        with pytest.raises(RuntimeError, match="the hold is journaled, not reserved"):
            await hold.commit("body", {})
        hold.published()
