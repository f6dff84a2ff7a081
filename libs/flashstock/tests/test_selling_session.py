"""How a seller's session lives, and how it ends."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import pytest
from structlog.testing import capture_logs

from flashstock.errors import StockUnavailableError
from flashstock.patience import SellerPatience
from flashstock.reclaimer import Reclaimer
from flashstock.seller import Seller
from flashstock.selling_session import SellingSession
from flashstock.stock import Stock
from flashstock.table import StockTable, Write
from flashstock.testing import LEASE, FaultPlan, Sale


async def test_a_session_shows_six_times_a_lease_that_it_lives(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        (before,) = await sale.stock.sessions.list()
        await asyncio.sleep(2 * LEASE.total_seconds())
        (after,) = await sale.stock.sessions.list()
    assert after.beats - before.beats == 12


async def test_a_task_that_breaks_is_told_and_no_other(sale: Sale, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_session: SellingSession) -> None:
        raise ZeroDivisionError("a bug")

    await sale.stock.counters.set_total("cap", 1)
    told: list[list[str]] = []
    for _ in range(2):
        with capture_logs() as lines:
            async with sale.seller() as seller:
                await sale.buy(seller, cap=1) if not told else None
                await asyncio.sleep(3)
        told.append([line["event"] for line in lines if line["log_level"] == "error"])
        monkeypatch.setattr(SellingSession, "return_idle", broken)
    assert told == [[], ["stock_task_broken"]]


async def test_a_product_that_is_first_sold_while_idle_units_go_back_does_not_end_the_returning(sale: Sale) -> None:
    class SlowTable(FaultPlan):
        async def meet(self, _place: str, _writes: Sequence[Write]) -> None:
            await asyncio.sleep(0.4)

    await sale.stock.counters.set_total("cap", 100)
    await sale.stock.counters.set_total("hat", 100)
    async with sale.seller() as seller:
        await (await seller.reserve({"cap": 30})).withdraw()
        await asyncio.sleep(2.9)
        quick, sale.faults = sale.faults, SlowTable()
        await asyncio.sleep(0.2)  # the caps are on their way back
        await (await seller.reserve({"hat": 20})).withdraw()
        sale.faults = quick
        await (await seller.reserve({"cap": 30})).withdraw()
        await asyncio.sleep(5)
        assert [(await sale.level(one)).available for one in ("cap", "hat")] == [100, 100]


async def test_leaving_returns_what_is_idle_and_removes_the_session(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100)
    async with sale.seller() as seller:
        holds = await asyncio.gather(*(seller.reserve({"cap": 1}) for _ in range(30)))
        await asyncio.gather(*(hold.withdraw() for hold in holds))
        await asyncio.gather(*(sale.buy(seller, cap=1) for _ in range(20)))
        assert (await sale.level()).reserved > 20
    assert (await sale.level()).available == 80
    assert await sale.stock.sessions.list() == []
    assert not [key for key in sale.table.items if key.startswith(("slot#", "session#"))]
    assert (await sale.stock.leases.read("cap")).leases == {}


async def test_leaving_waits_for_orders_under_way_and_takes_no_more(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    seller = sale.seller()
    await seller.__aenter__()
    hold = await seller.reserve({"cap": 1})
    leaving = asyncio.create_task(seller.__aexit__(None, None, None))
    await asyncio.sleep(1)
    assert not leaving.done()
    with pytest.raises(StockUnavailableError) as caught:
        await seller.reserve({"cap": 1})
    assert caught.value.reason == "closed"
    await hold.commit("body", {})
    hold.published()
    await leaving
    assert (await sale.level()).available == 4


@pytest.mark.parametrize("slots", [0, 91])
def test_slots_have_bounds(sale: Sale, slots: int) -> None:
    with pytest.raises(ValueError, match="slots must be between"):
        sale.seller(slots=slots)


async def test_a_seller_that_sold_nothing_leaves_at_once(sale: Sale) -> None:
    started = asyncio.get_running_loop().time()
    async with sale.seller(patience=SellerPatience(drain=timedelta(seconds=5))):
        pass
    assert asyncio.get_running_loop().time() - started < 1
    assert await sale.stock.sessions.list() == []


async def test_what_goes_wrong_in_the_background_is_told_by_itself_alone(sale: Sale) -> None:
    async def failing() -> None:
        raise StockUnavailableError("away", reason="connection")

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        assert seller._session is not None
        seller._session.background(failing(), name="failing")
        await asyncio.sleep(1)
        gc.collect()
    assert complaints == []


class Freezable(StockTable, Protocol):
    """What the `process` fixture gives: a table that stands still for as long as its process does."""

    def freeze(self) -> None: ...


async def test_a_silent_session_sells_for_six_tenths_of_a_lease(
    sale: Sale, process: Freezable, kill: Callable[[Seller], Awaitable[None]]
) -> None:
    await sale.stock.counters.set_total("cap", 1)
    seller = Seller(stock=Stock(process), publish_again=sale.publish, owner="silent", lease=LEASE)
    await seller.__aenter__()
    opened = asyncio.get_running_loop().time()
    await (await seller.reserve({"cap": 1})).withdraw()
    process.freeze()
    for part in (0.5, 0.59):
        await asyncio.sleep(opened + part * LEASE.total_seconds() - asyncio.get_running_loop().time())
        await (await seller.reserve({"cap": 1})).withdraw()
    await asyncio.sleep(0.02 * LEASE.total_seconds())
    with pytest.raises(StockUnavailableError, match="no live selling session") as caught:
        await seller.reserve({"cap": 1})
    assert (caught.value.reason, caught.value.certain) == ("no_session", True)
    await kill(seller)


async def test_sellers_and_reclaimers_take_ten_silent_seconds_for_death_unless_told_otherwise(
    sale: Sale, kill: Callable[[Seller], Awaitable[None]]
) -> None:
    seller = await Seller(stock=sale.stock, publish_again=sale.publish, owner="mortal").__aenter__()
    await asyncio.sleep(9.9)
    (session,) = await sale.stock.sessions.list()
    assert (session.owner, session.slots, session.beats) == ("mortal", 32, 6)
    await kill(seller)
    reclaimer = Reclaimer(stock=sale.stock, publish_again=sale.publish, owner="reclaimer")
    left = []
    for pause in (0, 9.9, 0.2):
        await asyncio.sleep(pause)
        await reclaimer.look()
        left.append(len(await sale.stock.sessions.list()))
    assert left == [1, 1, 0]


class Silent(FaultPlan):
    """Writes of sessions fail."""

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == "called" and any(write.id.startswith("session#") for write in writes):
            raise StockUnavailableError("no answer", reason="timeout")


async def test_a_session_that_cannot_be_kept_or_removed_is_told_with_its_owner(sale: Sale) -> None:
    with capture_logs() as lines:
        async with sale.seller("api-1"):
            (session,) = await sale.stock.sessions.list()
            sale.faults = Silent()
            await asyncio.sleep(0.3 * LEASE.total_seconds())
    kept, removed = lines
    assert (kept["event"], kept["owner"]) == ("stock_session_not_kept", "api-1")
    assert "no answer" in kept["error"]
    assert (removed["event"], removed["session"], removed["reason"]) == (
        "stock_session_not_removed",
        session.id,
        "timeout",
    )


async def test_leaving_waits_ten_seconds_by_default_and_tells_what_it_leaves_to_a_reclaimer(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    loop = asyncio.get_running_loop()
    with capture_logs() as lines:
        async with sale.seller() as seller:
            await seller.reserve({"cap": 1})
            (session,) = await sale.stock.sessions.list()
            began = loop.time()
    assert loop.time() - began == pytest.approx(10, abs=1e-3)
    assert [(line["event"], line["session"]) for line in lines] == [("stock_session_left_to_a_reclaimer", session.id)]


async def test_a_lost_session_is_followed_by_a_new_one_at_once(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        (lost,) = await sale.stock.sessions.list()
        assert await sale.stock.sessions.close(lost)
        with pytest.raises(StockUnavailableError, match="the session is closed"):
            await seller.reserve({"cap": 1})
        await asyncio.sleep(0.001)
        await sale.buy(seller, cap=1)
        assert [session.id == lost.id for session in await sale.stock.sessions.list() if session.open] == [False]


async def test_a_stock_that_does_not_answer_holds_nobody_up_for_longer_than_two_beats(sale: Sale) -> None:
    class Standstill(FaultPlan):
        async def meet(self, _place: str, _writes: Sequence[Write]) -> None:
            await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    sale.faults = Standstill()
    with capture_logs() as lines:
        began = loop.time()
        async with sale.seller():
            opened_after = loop.time() - began
            sale.faults = FaultPlan()
    assert opened_after == pytest.approx(2 * LEASE.total_seconds() / 6, abs=1e-3)
    assert [(line["event"], line["error"]) for line in lines] == [("stock_session_not_kept", "TimeoutError()")]


async def test_a_session_that_is_closed_sells_no_more_whatever_its_last_beat_hears(sale: Sale) -> None:
    class Slow(FaultPlan):
        async def meet(self, place: str, writes: Sequence[Write]) -> None:
            if place == "done" and any(write.id.startswith("session#") for write in writes):
                beaten.set()
                await answered.wait()

    beaten, answered = asyncio.Event(), asyncio.Event()
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        await (await seller.reserve({"cap": 5})).withdraw()
        session = seller._session
        assert session is not None
        sale.faults = Slow()
        beating = asyncio.create_task(session.beat())
        await beaten.wait()
        session.close()
        assert not session.is_trusted
        answered.set()
        await beating
        assert not session.is_trusted
        assert seller.reserve_at_once({"cap": 1}) is None
        with pytest.raises(StockUnavailableError) as caught:
            await seller.reserve({"cap": 1})
        assert caught.value.reason == "no_session"
