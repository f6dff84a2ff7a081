"""How many units a process leases at a time, and what it believes of those that it does not have."""

import asyncio
from collections.abc import Sequence

import pytest

from flashstock.errors import SoldOutError, StockUnavailableError
from flashstock.leases import LeaseChanged, Leases, TooFewLeft
from flashstock.levels import Lease, StockLevel, product_key
from flashstock.observer import StockObserver
from flashstock.patience import SellerPatience
from flashstock.seller import Seller
from flashstock.table import Update, Write
from flashstock.testing import FaultPlan, Sale


class Levels(StockObserver):
    """How many units were seen to be reserved, one after the other."""

    def __init__(self) -> None:
        self.reserved: list[int] = []

    def level(self, level: StockLevel) -> None:
        self.reserved.append(level.reserved)


class AlwaysTooLate(FaultPlan):
    """Others take so many units before each lease that one too few is left."""

    def __init__(self, sale: Sale) -> None:
        self._sale = sale
        self.asked: list[int] = []

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        for write in writes:
            if place == "called" and isinstance(write, Update) and write.id == product_key("cap"):
                self.asked.append(write.add["reserved",])
                item = self._sale.table.items[write.id]
                left = self.asked[-1] - 1
                item.update(available=left, reserved=item["total"] - left)


async def test_who_leases_the_last_unit_has_not_heard_that_none_comes_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 2)
    async with sale.seller("first") as first, sale.seller("second") as second:
        holds = [await first.reserve({"cap": 1}) for _ in range(2)]
        await asyncio.gather(*(hold.commit("body", {}) for hold in holds))
        with pytest.raises(SoldOutError):
            await second.reserve({"cap": 1})
        await asyncio.sleep(0.3)
        for hold in holds:
            await hold.withdraw()
            await sale.buy(second, cap=1)
    assert sale.published_units()["cap"] == 2


async def test_what_others_return_is_seen_a_quarter_of_a_second_after_a_refusal(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller("first") as first, sale.seller("second") as second:
        hold = await first.reserve({"cap": 1})
        await hold.commit("body", {})
        with pytest.raises(SoldOutError):
            await second.reserve({"cap": 1})
        await hold.withdraw()
        await asyncio.sleep(0.24)
        with pytest.raises(SoldOutError):
            await second.reserve({"cap": 1})
        await asyncio.sleep(0.02)
        await sale.buy(second, cap=1)


async def test_a_seller_leases_what_is_waited_for_and_half_of_its_share_at_most(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 200)
    alone, beside = Levels(), Levels()
    async with sale.seller(observer=alone) as first, sale.seller(observer=beside) as second:
        holds = await asyncio.gather(*(first.reserve({"cap": 1}) for _ in range(140)))
        assert alone.reserved == [0, 100, 150]
        holds += await asyncio.gather(*(second.reserve({"cap": 1}) for _ in range(20)))
        assert beside.reserved == [150, 162, 171]
        for hold in holds:
            await hold.withdraw()


async def test_orders_that_were_refused_for_another_product_are_no_demand(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100)
    await sale.stock.counters.set_total("hat", 0)

    async def refused(seller: Seller) -> None:
        with pytest.raises(SoldOutError, match="hat"):
            await seller.reserve({"cap": 1, "hat": 1})

    async with sale.seller("theirs") as theirs:
        for _ in range(30):
            await asyncio.gather(*(refused(theirs) for _ in range(50)))
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert (await sale.level("cap")).available == 100


async def test_a_seller_whose_every_lease_comes_too_late_says_so_after_eight(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100_000)
    async with sale.seller() as seller:
        sale.faults = late = AlwaysTooLate(sale)
        buyers = (seller.reserve({"cap": 1}) for _ in range(300))
        answers = await asyncio.gather(*buyers, return_exceptions=True)
        sale.faults = FaultPlan()
    assert late.asked == [300, 149, 74, 36, 17, 8, 3, 1]
    assert {(type(answer), str(answer)) for answer in answers} == {(StockUnavailableError, "others take cap too fast")}
    assert {(answer.reason, answer.certain) for answer in answers if isinstance(answer, StockUnavailableError)} == {
        ("contention", True)
    }


async def test_who_waits_for_units_of_a_session_that_ends_hears_it(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        shelf = seller._selling().shelf("cap")
        waiting = asyncio.create_task(shelf.take(1))
        await asyncio.sleep(0)
        await shelf.stop()
        with pytest.raises(StockUnavailableError, match="closed meanwhile") as caught:
            await waiting
        assert (caught.value.reason, caught.value.certain) == ("no_session", True)


async def test_a_shelf_whose_lease_has_changed_asks_how_and_takes_nothing_more(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sale.stock.counters.set_total("cap", 1)
    changes: list[int] = []
    ended, changed = Leases.end, Leases.change

    async def end(leases: Leases, product_id: str, session_id: str, held: Lease, *, idle: int) -> bool:
        return bool(changes) and await ended(leases, product_id, session_id, held, idle=idle)

    async def change(
        leases: Leases, product_id: str, session_id: str, held: Lease, *, by: int
    ) -> LeaseChanged | TooFewLeft:
        changes.append(by)
        return await changed(leases, product_id, session_id, held, by=by)

    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        await hold.withdraw()
        monkeypatch.setattr(Leases, "end", end)
        monkeypatch.setattr(Leases, "change", change)
    assert changes == [0]
    product = await sale.stock.counters.get("cap")
    assert product is not None
    assert (product.available, product.reserved) == (1, 0)


async def test_who_was_refused_does_not_hold_up_the_end_of_the_sale(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        with pytest.raises(SoldOutError):
            await seller.reserve({"cap": 2})
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < SellerPatience().drain.total_seconds()
