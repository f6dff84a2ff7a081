"""What becomes of what a dead seller left, and what a seller that was only slow can still do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

import pytest
from structlog.testing import capture_logs

from flashstock.endings import Ending, Outcome
from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.levels import StockLevel
from flashstock.observer import StockObserver
from flashstock.pages import JournalEntry
from flashstock.patience import SellerPatience
from flashstock.reclaimer import Reclaimer
from flashstock.seller import Seller
from flashstock.stock import Stock
from flashstock.table import StockTable, Write
from flashstock.testing import LEASE, FaultPlan, Sale

Kill = Callable[[Seller], Awaitable[None]]
SOON = 3 * LEASE.total_seconds()


class Freezable(StockTable, Protocol):
    """What the `process` fixture gives: a table that stands still for as long as its process does."""

    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Watching(StockObserver):
    def __init__(self) -> None:
        self.units = 0
        self.orders = 0
        self.levels = 0

    def level(self, level: StockLevel) -> None:
        assert level.product_id == "cap"
        self.levels += 1

    def reclaimed(self, product_id: str, units: int) -> None:
        assert product_id == "cap"
        self.units += units

    def republished(self) -> None:
        self.orders += 1


def reclaimer(sale: Sale, owner: str = "reclaimer", observer: StockObserver | None = None) -> Reclaimer:
    return Reclaimer(stock=sale.stock, publish_again=sale.publish, owner=owner, lease=LEASE, observer=observer)


@asynccontextmanager
async def reclaiming(sale: Sale, observer: StockObserver | None = None) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(reclaimer(sale, observer=observer).run(stop))
    yield
    stop.set()
    await task


async def opened(sale: Sale, stock: Stock | None = None) -> Seller:
    """A seller that nobody closes."""
    await sale.stock.counters.set_total("cap", 100)
    seller = Seller(
        stock=stock or sale.stock,
        publish_again=sale.publish,
        owner="mortal",
        lease=LEASE,
        slots=4,
        patience=SellerPatience(timeout=timedelta(seconds=60)),
    )
    return await seller.__aenter__()


async def test_a_living_session_is_left_alone(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with reclaiming(sale), sale.seller() as seller:
        await asyncio.sleep(10 * SOON)
        await sale.buy(seller, cap=1)
        assert len(await sale.stock.sessions.list()) == 1


async def test_units_that_a_dead_process_had_in_memory_are_available_again(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    watching = Watching()
    for _ in range(3):
        await sale.buy(seller, cap=2)
    await seller.reserve({"cap": 10})
    await kill(seller)
    async with reclaiming(sale, watching):
        await asyncio.sleep(SOON)
    left = await sale.level()
    assert (left.available, left.reserved) == (94, 6)
    assert watching.units == 10
    assert not [key for key in sale.table.items if key.startswith(("slot#", "session#"))]
    assert (await sale.stock.leases.read("cap")).leases == {}


async def test_an_order_that_was_journaled_is_published_by_another_process(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    watching = Watching()
    hold = await seller.reserve({"cap": 2})
    await hold.commit("body", {})
    await kill(seller)
    async with reclaiming(sale, watching):
        await asyncio.sleep(SOON)
    assert sale.published == [hold.reservation]
    assert watching.orders == 1
    assert (await sale.level()).reserved == 2


async def test_a_hundred_orders_are_published_at_once(sale: Sale, kill: Kill) -> None:
    under_way, peak = 0, 0

    async def publish(entry: JournalEntry) -> None:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        await sale.publish(entry)
        under_way -= 1

    seller = await opened(sale)
    await sale.stock.counters.set_total("cap", 120)
    holds = [await seller.reserve({"cap": 1}) for _ in range(120)]
    await asyncio.gather(*(hold.commit("body", {}) for hold in holds))
    await kill(seller)
    watching = Reclaimer(stock=sale.stock, publish_again=publish, owner="reclaimer", lease=LEASE)
    await watching.look()
    await asyncio.sleep(SOON)
    await watching.look()
    assert (len(sale.published), peak) == (120, 100)


async def test_an_order_that_can_never_be_published_keeps_no_other_from_it(sale: Sale, kill: Kill) -> None:
    async def publish(entry: JournalEntry) -> None:
        if entry.reservation == never.reservation:
            raise StockError("its entry in the ledger cannot be read")
        await sale.publish(entry)

    seller = await opened(sale)
    never, other = await seller.reserve({"cap": 2}), await seller.reserve({"cap": 3})
    await seller.reserve({"cap": 10})
    await asyncio.gather(*(hold.commit("body", {}) for hold in (never, other)))
    await kill(seller)
    stop = asyncio.Event()
    reclaiming = Reclaimer(stock=sale.stock, publish_again=publish, owner="reclaimer", lease=LEASE).run(stop)
    task = asyncio.create_task(reclaiming)
    await asyncio.sleep(SOON)
    stop.set()
    await task
    assert sale.published == [other.reservation], "once, in however many rounds"
    assert len(await sale.stock.sessions.list()) == 1, "what is not published stays where it is found"
    left = await sale.level()
    assert (left.available, left.reserved) == (95, 5), "what was never sold is for sale again"
    assert (await sale.stock.leases.read("cap")).leases == {}


async def test_what_has_ended_is_not_published_again(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    sold = await sale.buy(seller, cap=2)
    await sale.stock.endings.settle([Ending(reservation=sold.reservation, outcome=Outcome.SOLD)])
    withdrawn = await seller.reserve({"cap": 3})
    await withdrawn.commit("body", {})
    await withdrawn.withdraw()
    await kill(seller)
    sale.published.clear()
    async with reclaiming(sale):
        await asyncio.sleep(SOON)
    assert sale.published == []
    left = await sale.level()
    assert (left.available, left.reserved, left.sold) == (98, 0, 2)


async def test_while_the_topic_is_down_nothing_is_returned(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    hold = await seller.reserve({"cap": 2})
    await hold.commit("body", {})
    await kill(seller)
    sale.topic_is_down = True
    async with reclaiming(sale):
        await asyncio.sleep(SOON)
        assert len(await sale.stock.sessions.list()) == 1
        sale.topic_is_down = False
        await asyncio.sleep(SOON)
    assert sale.published == [hold.reservation]
    assert await sale.stock.sessions.list() == []


async def test_of_several_reclaimers_one_is_at_work_and_another_follows_it(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    await kill(seller)
    stops = [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(reclaimer(sale, f"number {n}").run(stop)) for n, stop in enumerate(stops)]
    await asyncio.sleep(LEASE.total_seconds() / 2)
    holder = await sale.stock.lock.holder()
    assert holder is not None
    first = int(holder.owner.removeprefix("number "))
    stops[first].set()
    await tasks[first]
    await asyncio.sleep(2 * SOON)
    holder = await sale.stock.lock.holder()
    assert holder is not None
    assert holder.owner != f"number {first}"
    assert await sale.stock.sessions.list() == []
    for stop in stops:
        stop.set()
    await asyncio.gather(*tasks)


async def test_two_reclaimers_at_once_do_no_harm(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    for _ in range(3):
        await sale.buy(seller, cap=2)
    hold = await seller.reserve({"cap": 1})
    await hold.commit("body", {})
    await kill(seller)
    pair = [reclaimer(sale, "same name"), reclaimer(sale, "same name")]
    for one in pair:
        await one.look()
    await asyncio.sleep(SOON)
    for _ in range(3):
        await asyncio.gather(*(one.look() for one in pair))
    left = await sale.level()
    assert (left.available, left.reserved) == (93, 7)
    assert await sale.stock.sessions.list() == []


@pytest.mark.parametrize("finished", [True, False])
async def test_a_process_that_stood_still_neither_journals_nor_withdraws_nor_leases(
    sale: Sale, process: Freezable, *, finished: bool
) -> None:
    seller = await opened(sale, Stock(process))
    journaled, uncommitted = await seller.reserve({"cap": 1}), await seller.reserve({"cap": 2})
    await journaled.commit("body", {})
    process.freeze()
    leasing = asyncio.create_task(seller.reserve({"cap": 90}))
    committing = asyncio.create_task(uncommitted.commit("body", {}))
    sale.topic_is_down = not finished
    async with reclaiming(sale):
        await asyncio.sleep(SOON)
        process.thaw()
        with pytest.raises(StockUnavailableError):
            await leasing
        with pytest.raises(SessionClosedError) as caught:
            await committing
        # Once the slot is removed, nobody can look any more.
        assert caught.value.certain is not finished
        with pytest.raises(SessionClosedError):
            await journaled.withdraw()
        sale.topic_is_down = False
        await asyncio.sleep(SOON)
        await seller.__aexit__(None, None, None)
    assert sale.published == [journaled.reservation]
    left = await sale.level()
    assert (left.available, left.reserved) == (99, 1)


async def test_a_lease_under_way_when_its_process_died_is_not_lost(sale: Sale, process: Freezable, kill: Kill) -> None:
    seller = await opened(sale, Stock(process))
    await sale.buy(seller, cap=1)
    late = asyncio.create_task(seller.reserve({"cap": 50}))
    await asyncio.sleep(0)
    process.freeze()
    await kill(seller)
    late.cancel()
    async with reclaiming(sale):
        await asyncio.sleep(SOON)
    assert ((await sale.level()).available, (await sale.level()).reserved) == (99, 1)


async def test_a_process_that_lost_its_session_sells_under_a_new_one(sale: Sale, process: Freezable) -> None:
    seller = await opened(sale, Stock(process))
    await sale.buy(seller, cap=1)
    process.freeze()
    async with reclaiming(sale):
        await asyncio.sleep(SOON)
        with pytest.raises(StockUnavailableError):
            await seller.reserve({"cap": 1})
        process.thaw()
        await asyncio.sleep(SOON)
        await sale.buy(seller, cap=1)
        await seller.__aexit__(None, None, None)
    left = await sale.level()
    assert (left.available, left.reserved) == (98, 2)


async def test_a_session_that_cannot_beat_stops_selling_before_it_can_be_taken_for_dead(
    sale: Sale, process: Freezable
) -> None:
    seller = await opened(sale, Stock(process))
    await (await seller.reserve({"cap": 1})).withdraw()
    process.freeze()
    await asyncio.sleep(0.9 * LEASE.total_seconds())
    with pytest.raises(StockUnavailableError) as caught:
        await seller.reserve({"cap": 1})
    assert (caught.value.reason, caught.value.certain) == ("no_session", True)
    process.thaw()
    await asyncio.sleep(LEASE.total_seconds())
    await sale.buy(seller, cap=1)
    await seller.__aexit__(None, None, None)


async def test_what_a_reclaimer_does_and_cannot_do_is_told(sale: Sale, kill: Kill) -> None:
    seller = await opened(sale)
    hold = await seller.reserve({"cap": 2})
    await hold.commit("body", {})
    await kill(seller)
    (session,) = await sale.stock.sessions.list()
    sale.topic_is_down = True
    with capture_logs() as lines:
        async with reclaiming(sale):
            await asyncio.sleep(LEASE.total_seconds() + 0.5)
            sale.topic_is_down = False
            await asyncio.sleep(1)
    order, *sessions = lines
    assert (order["event"], order["reservation"]) == ("order_not_published_again", hold.reservation.id)
    assert [(line["event"], line["session"], line["owner"]) for line in sessions] == [
        ("stock_session_not_reclaimed", session.id, "mortal"),
        ("stock_session_reclaimed", session.id, "mortal"),
    ]
    assert "1 orders are not known to be published" in sessions[0]["error"]


async def test_a_table_that_is_away_is_looked_at_six_times_a_lease_until_it_is_back(sale: Sale) -> None:
    class Away(FaultPlan):
        async def meet(self, _place: str, _writes: Sequence[Write]) -> None:
            raise StockUnavailableError("no answer", reason="timeout")

    watching = Watching()
    await sale.stock.counters.set_total("cap", 5)
    sale.faults = Away()
    with capture_logs() as lines:
        async with reclaiming(sale, watching):
            await asyncio.sleep(0.99 * LEASE.total_seconds())
            assert [(line["event"], line["reason"]) for line in lines] == [("stock_not_watched", "timeout")] * 6
            assert watching.levels == 0
            sale.faults = FaultPlan()
            await asyncio.sleep(LEASE.total_seconds())
    assert (len(lines), watching.levels) == (6, 6)
