"""What a seller does for one order and for many, while all is well."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashmsg import MAX_LINES, MAX_QUANTITY, Reservation
from flashstock.endings import Ending, Outcome
from flashstock.errors import SoldOutError, StockError, StockUnavailableError
from flashstock.levels import StockLevel
from flashstock.observer import StockObserver
from flashstock.patience import SellerPatience
from flashstock.table import Put, Write
from flashstock.testing import FaultPlan, Sale

QUICK = SellerPatience(linger=timedelta(milliseconds=5), timeout=timedelta(seconds=1), drain=timedelta(seconds=5))


async def test_an_order_has_its_units_from_the_reservation_on(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller() as seller:
        hold = await sale.buy(seller, cap=3)
        assert hold.reservation.units == {"cap": 3}
    left = await sale.level()
    assert (left.available, left.reserved, left.sold) == (7, 3, 0)
    await sale.stock.endings.settle([Ending(reservation=hold.reservation, outcome=Outcome.SOLD)])
    assert (await sale.level()).sold == 3


async def test_all_products_of_an_order_are_reserved_or_none(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    await sale.stock.counters.set_total("shoe", 1)
    async with sale.seller() as seller:
        with pytest.raises(SoldOutError, match="not enough units of shoe are left") as caught:
            await seller.reserve({"cap": 3, "shoe": 2})
        assert caught.value.product_id == "shoe"
        await sale.buy(seller, cap=10, shoe=1)
    assert (await sale.level("cap")).reserved == 10
    assert (await sale.level("shoe")).reserved == 1


async def test_what_has_no_stock_cannot_be_reserved(sale: Sale) -> None:
    async with sale.seller() as seller:
        with pytest.raises(StockUnavailableError, match="cap has no stock") as caught:
            await seller.reserve({"cap": 1})
        assert (caught.value.reason, caught.value.certain) == ("unknown_product", True)


UNSOUND: list[dict[str, int]] = [
    {},
    {"cap": 0},
    {"cap": -1},
    {"cap": MAX_QUANTITY + 1},
    {"cap": 1, "shoe": 0},
    {f"cap-{number}": 1 for number in range(MAX_LINES + 1)},
    {'a"cap': 1},
    {"": 1},
]


@pytest.mark.parametrize("units", UNSOUND)
async def test_what_no_order_can_have_is_not_reserved(sale: Sale, units: dict[str, int]) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller() as seller:
        with pytest.raises(ValueError, match=r"units of 1 to|should match pattern"):
            await seller.reserve(units)
        await sale.buy(seller, cap=10)
    assert (await sale.level("cap")).reserved == 10


async def test_no_two_reservations_have_one_id(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1_000)
    async with sale.seller() as seller, sale.seller() as other:
        holds = [await one.reserve({"cap": 1}) for one in (seller, other) for _ in range(100)]
        ids = {hold.reservation.id for hold in holds}
        assert len(ids) == 200
        assert all(Reservation(id=one, units={"cap": 1}) for one in ids)
        for hold in holds:
            await hold.withdraw()


async def test_the_journal_is_written_before_the_commit_returns(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 3})
        await hold.commit("the body", {"type": "t"})
        (session,) = await sale.stock.sessions.list()
        assert session.owner == "seller"
        entries = [entry for page in await sale.stock.pages.read(session.id, slots=8) for entry in page.entries]
        assert [(one.reservation, one.body, one.attributes) for one in entries] == [
            (hold.reservation, "the body", {"type": "t"})
        ]
        hold.published()


async def test_buyers_at_once_get_every_unit_and_no_more(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 50)
    async with sale.seller("a") as first, sale.seller("b") as second:
        buyers = [sale.buy(seller, cap=1) for seller in (first, second) for _ in range(60)]
        answers = await asyncio.gather(*buyers, return_exceptions=True)
        # What one process holds and does not need goes back within a second, and is sold by whoever asks.
        await asyncio.sleep(3)
        for _ in range(50):
            answers += await asyncio.gather(sale.buy(first, cap=1), return_exceptions=True)
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {SoldOutError}
    assert sale.published_units()["cap"] == 50
    assert (await sale.level()).available == 0


async def test_many_orders_share_a_page_and_a_lease(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100_000)
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        sale.writes.clear()
        await asyncio.gather(*(sale.buy(seller, cap=1) for _ in range(200)))
        assert len(sale.writes) <= 4


async def test_losers_are_told_from_memory(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        answers = await asyncio.gather(*(seller.reserve({"cap": 1}) for _ in range(500)), return_exceptions=True)
        sale.writes.clear()
        answers += await asyncio.gather(*(seller.reserve({"cap": 1}) for _ in range(500)), return_exceptions=True)
        assert sale.writes == []
    assert {type(answer) for answer in answers} == {SoldOutError}


async def test_units_that_come_back_are_sold_soon(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        bought = await sale.buy(seller, cap=1)
        with pytest.raises(SoldOutError):
            await seller.reserve({"cap": 1})
        await sale.stock.endings.settle([Ending(reservation=bought.reservation, outcome=Outcome.RETURNED)])
        await asyncio.sleep(0.3)
        await sale.buy(seller, cap=1)


async def test_fewer_units_than_a_loser_wanted_are_still_sold(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 2)
    async with sale.seller() as seller:
        with pytest.raises(SoldOutError):
            await seller.reserve({"cap": 3})
        await sale.buy(seller, cap=2)


async def test_idle_units_go_back_so_that_others_can_sell_them(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100)
    async with sale.seller("a") as first, sale.seller("b") as second:
        await asyncio.gather(*(sale.buy(first, cap=1) for _ in range(20)))
        await asyncio.sleep(5)
        assert (await sale.level()).available == 80
        for _ in range(80):
            await sale.buy(second, cap=1)


async def test_units_that_nobody_wants_any_more_go_back_after_an_interval(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100)
    async with sale.seller() as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(30)]
        await asyncio.gather(*(hold.withdraw() for hold in holds))
        await asyncio.sleep(5)
        assert (await sale.level()).available == 100


async def test_a_withdrawn_reservation_costs_no_write(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        sale.writes.clear()
        await hold.withdraw()
        await (await seller.reserve({"cap": 1})).withdraw()
        assert sale.writes == []


async def test_a_withdrawn_order_gives_its_units_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        await hold.commit("body", {})
        await hold.withdraw()
        await sale.buy(seller, cap=1)
    assert sale.published_units()["cap"] == 1


async def test_the_slot_of_a_withdrawn_order_is_free_again(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller(slots=1, patience=QUICK) as seller:
        for _ in range(3):
            hold = await seller.reserve({"cap": 1})
            await hold.commit("body", {})
            await hold.withdraw()
    assert (await sale.level()).available == 1


async def test_a_doubtful_order_is_published_until_it_is_certain(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 1})
        await hold.commit("body", {})
        sale.topic_is_down = True
        hold.doubt()
        await asyncio.sleep(1)
        assert sale.published == []
        sale.topic_is_down = False
    assert sale.published == [hold.reservation]
    assert await sale.stock.sessions.list() == []


async def test_a_slot_stays_busy_until_its_orders_are_over(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller(slots=1, patience=QUICK) as seller:
        first = await seller.reserve({"cap": 1})
        await first.commit("body", {})
        second = await seller.reserve({"cap": 1})
        with pytest.raises(StockUnavailableError) as caught:
            await second.commit("body", {})
        assert (caught.value.reason, caught.value.certain) == ("too_slow", True)
        first.published()
        await sale.buy(seller, cap=1)
    assert (await sale.level()).reserved == 2


async def test_a_hold_ends_once(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        hold = await sale.buy(seller, cap=1)
        for end in (hold.published, hold.doubt):
            with pytest.raises(RuntimeError, match="the hold is over"):
                end()
        with pytest.raises(RuntimeError, match="the hold is over"):
            await hold.withdraw()


async def test_an_order_too_large_for_the_journal_is_refused_and_its_units_go_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        with pytest.raises(StockError, match="too large"):
            await hold.commit("x" * 400_000, {})
        await sale.buy(seller, cap=1)


async def test_large_orders_get_pages_of_their_own(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller() as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(3)]
        await asyncio.gather(*(hold.commit("x" * 200_000, {}) for hold in holds))
        (session,) = await sale.stock.sessions.list()
        pages = await sale.stock.pages.read(session.id, slots=8)
        assert sorted(len(page.entries) for page in pages) == [0] * 5 + [1] * 3
        assert sorted(page.used.get("cap", 0) for page in pages)[-3:] == [1, 2, 3]
        for hold in holds:
            hold.published()


class Watching(StockObserver):
    def __init__(self) -> None:
        self.levels: list[StockLevel] = []
        self.refused: list[str] = []

    def level(self, level: StockLevel) -> None:
        self.levels.append(level)

    def sold_out(self, product_id: str) -> None:
        self.refused.append(product_id)


async def test_counters_and_refusals_are_told(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    watching = Watching()
    async with sale.seller(observer=watching) as seller:
        await sale.buy(seller, cap=1)
        with pytest.raises(SoldOutError):
            await seller.reserve({"cap": 1})
    assert watching.refused == ["cap"]
    assert watching.levels[-1] == StockLevel(product_id="cap", total=1, available=0, reserved=1, sold=0)


async def test_a_page_has_a_bounded_number_of_orders(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 300)
    async with sale.seller(slots=2) as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(251)]
        await asyncio.gather(*(hold.commit("body", {}) for hold in holds))
        (session,) = await sale.stock.sessions.list()
        pages = await sale.stock.pages.read(session.id, slots=2)
        assert sorted(len(page.entries) for page in pages) == [1, 250]
        for hold in holds:
            hold.published()


class SlowPages(FaultPlan):
    """Every page takes a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == "called" and any(isinstance(write, Put) and write.id.startswith("slot#") for write in writes):
            await asyncio.sleep(self._seconds)


async def test_who_has_lingered_behind_a_page_is_on_the_next_one_at_once(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    loop = asyncio.get_running_loop()
    async with sale.seller() as seller:
        sale.faults = SlowPages(0.1)
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(sale.buy(seller, cap=1))
            await asyncio.sleep(0.05)
            group.create_task(sale.buy(seller, cap=1))
        assert loop.time() - began == pytest.approx(0.005 + 0.1 + 0.1, abs=1e-6)


async def test_ten_orders_are_company_enough_for_a_page(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 100)
    loop = asyncio.get_running_loop()
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        for count, lingered in ((9, 0.005), (10, 0.0)):
            holds = [await seller.reserve({"cap": 1}) for _ in range(count)]
            began = loop.time()
            await asyncio.gather(*(hold.commit("body", {}) for hold in holds))
            assert loop.time() - began == pytest.approx(lingered, abs=1e-6)
            for hold in holds:
                hold.published()


async def test_orders_that_gave_a_page_up_are_withdrawn_however_late_it_is_written(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 10)
    async with sale.seller(patience=QUICK) as seller:
        first, second = [await seller.reserve({"cap": 1}) for _ in range(2)]
        sale.faults = SlowPages(3.0)
        first_commit = asyncio.create_task(first.commit("first", {}))
        await asyncio.sleep(0.5)
        with pytest.raises(StockUnavailableError) as caught:
            await second.commit("second", {})
        assert (caught.value.reason, caught.value.certain) == ("too_slow", True)
        with pytest.raises(StockUnavailableError) as caught:
            await first_commit
        assert (caught.value.reason, caught.value.certain) == ("too_slow", False)
    assert (await sale.level()).available == 10
