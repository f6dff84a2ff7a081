"""How a seller's session lives, and how it ends."""

import asyncio
import gc
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashstock.errors import StockUnavailableError
from flashstock.seller import SellerPatience
from flashstock.selling_session import SellingSession
from flashstock.testing import LEASE, Sale


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
