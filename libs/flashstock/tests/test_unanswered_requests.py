"""What a seller makes of a table that does not answer, or not yet."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashstock.errors import SoldOutError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.levels import product_key
from flashstock.patience import SellerPatience
from flashstock.seller import Seller
from flashstock.table import ConditionFailedError, Delete, Write
from flashstock.testing import FaultPlan, Sale

QUICK = SellerPatience(timeout=timedelta(seconds=1), drain=timedelta(seconds=20))


class Silence(FaultPlan):
    """Writes to items of one kind are given up: before or after they are written."""

    def __init__(self, kind: str, place: str) -> None:
        self._kind = kind
        self._place = place

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == self._place and any(write.id.startswith(self._kind) for write in writes):
            raise StockUnavailableError("no answer", reason="timeout")


class Standstill(FaultPlan):
    """Writes to items of one kind take until they are let go: before or after they are written."""

    def __init__(self, kind: str, place: str) -> None:
        self._kind = kind
        self._place = place
        self.met = asyncio.Event()
        self.over = asyncio.Event()

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == self._place and any(write.id.startswith(self._kind) for write in writes):
            self.met.set()
            await self.over.wait()


async def contradict(sale: Sale, *, reserved: int) -> None:
    """Have the counters say that fewer units are reserved than are."""
    level, item = await sale.level(), sale.table.items[product_key("cap")]
    item.update(reserved=reserved, available=level.total - reserved - level.sold)


async def contradicted(sale: Sale, seller: Seller) -> Hold:
    """Journal an order of five units of which the counters know four."""
    await sale.stock.counters.set_total("cap", 5)
    hold = await seller.reserve({"cap": 5})
    await hold.commit("body", {})
    await contradict(sale, reserved=4)
    return hold


async def test_an_order_that_the_counters_contradict_is_withdrawn_once_they_are_mended(sale: Sale) -> None:
    async with sale.seller(patience=QUICK) as seller:
        hold = await contradicted(sale, seller)
        with capture_logs() as lines, pytest.raises(StockUnavailableError) as caught:
            await hold.withdraw()
        assert not caught.value.certain
        assert ("order_not_withdrawn", "error") in {(line["event"], line["log_level"]) for line in lines}
        await contradict(sale, reserved=5)
        await asyncio.sleep(10)
        assert (await sale.level()).available == 5


async def test_what_cannot_be_withdrawn_is_left_to_a_reclaimer_and_not_removed(sale: Sale) -> None:
    async with sale.seller(patience=QUICK) as seller:
        hold = await contradicted(sale, seller)
        with pytest.raises(StockUnavailableError):
            await hold.withdraw()
    (session,) = await sale.stock.sessions.list()
    pages = await sale.stock.pages.read(session.id, slots=8)
    assert [entry.reservation for page in pages for entry in page.entries] == [hold.reservation]


@pytest.mark.parametrize("place", ["called", "done"])
async def test_units_on_their_way_back_are_not_sold(sale: Sale, place: str) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        await (await seller.reserve({"cap": 5})).withdraw()
        sale.faults = standstill = Standstill("product#", place)
        await standstill.met.wait()
        late = asyncio.create_task(seller.reserve({"cap": 5}))
        await asyncio.sleep(0.1)
        assert not late.done()
        standstill.over.set()
        await (await late).withdraw()
    assert (await sale.level()).available == 5


@pytest.mark.parametrize("place", ["called", "done"])
async def test_a_return_without_an_answer_is_found_out_about(sale: Sale, place: str) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        await (await seller.reserve({"cap": 5})).withdraw()
        sale.faults = Silence("product#", place)
        await asyncio.sleep(3)
        sale.faults = FaultPlan()
        await sale.buy(seller, cap=5)
    assert (await sale.level()).reserved == 5


@pytest.mark.parametrize("place", ["called", "done"])
async def test_a_lease_without_an_answer_is_found_out_about(sale: Sale, place: str) -> None:
    await sale.stock.counters.set_total("cap", 6)
    async with sale.seller() as seller:
        await sale.buy(seller, cap=1)
        sale.faults = Silence("product#", place)
        with pytest.raises(StockUnavailableError) as caught:
            await seller.reserve({"cap": 5})
        assert caught.value.certain
        sale.faults = FaultPlan()
        await sale.buy(seller, cap=5)
        with pytest.raises(SoldOutError):
            await seller.reserve({"cap": 1})
    assert (await sale.level()).reserved == 6


async def test_a_lease_that_nobody_asked_for_again_goes_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        sale.faults = Silence("product#", "done")
        with pytest.raises(StockUnavailableError):
            await seller.reserve({"cap": 5})
        sale.faults = FaultPlan()
        assert (await sale.level()).reserved == 5
        await asyncio.sleep(3)
        assert (await sale.level()).available == 5


async def test_a_return_that_is_refused_for_certain_leaves_the_units_for_sale(sale: Sale) -> None:
    class Closed(FaultPlan):
        async def meet(self, place: str, writes: Sequence[Write]) -> None:
            if place == "called" and any(write.id.startswith("product#") for write in writes):
                raise StockUnavailableError("access denied", reason="access", certain=True)

    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        await (await seller.reserve({"cap": 5})).withdraw()
        sale.faults = Closed()
        await asyncio.sleep(3.5)
        assert (await seller.reserve({"cap": 5})).reservation.units == {"cap": 5}
        sale.faults = FaultPlan()


class LateLease(FaultPlan):
    """The first lease is given up, and arrives when its session is being removed."""

    def __init__(self, sale: Sale) -> None:
        self._sale = sale
        self._lease: Sequence[Write] = ()
        self.arrived = False

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place != "called" or self.arrived:
            return
        if not self._lease and any(write.id.startswith("product#") for write in writes):
            self._lease = writes
            raise StockUnavailableError("no answer", reason="timeout")
        if any(isinstance(write, Delete) for write in writes):
            self.arrived = True
            with pytest.raises(ConditionFailedError):
                await self._sale.table.transact(self._lease)


async def test_a_lease_that_arrives_when_its_session_leaves_takes_no_units_with_it(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    sale.faults = late = LateLease(sale)
    async with sale.seller() as seller:
        with pytest.raises(StockUnavailableError):
            await seller.reserve({"cap": 5})
    assert late.arrived
    assert (await sale.level()).available == 5
    assert (await sale.stock.leases.read("cap")).leases == {}


@pytest.mark.parametrize("place", ["called", "done"])
async def test_a_page_without_an_answer_is_written_until_it_is_certain(sale: Sale, place: str) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 1})
        sale.faults = Silence("slot#", place)
        committing = asyncio.create_task(hold.commit("body", {}))
        await asyncio.sleep(0.3)
        # A page that was written is recognised at the second attempt.
        assert committing.done() is (place == "done")
        sale.faults = FaultPlan()
        await committing
        hold.published()
    assert (await sale.level()).reserved == 1


@pytest.mark.parametrize("place", ["called", "done"])
async def test_an_order_given_up_on_its_way_into_the_journal_is_withdrawn(sale: Sale, place: str) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 5})
        sale.faults = standstill = Standstill("slot#", place)
        with pytest.raises(StockUnavailableError) as caught:
            await hold.commit("body", {})
        assert (caught.value.reason, caught.value.certain) == ("too_slow", False)
        standstill.over.set()
        await asyncio.sleep(1)
        await sale.buy(seller, cap=5)
    assert await sale.stock.sessions.list() == []


async def test_a_request_that_is_cancelled_leaves_nothing_reserved(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 5})
        sale.faults = standstill = Standstill("slot#", "called")
        committing = asyncio.create_task(hold.commit("body", {}))
        await standstill.met.wait()
        committing.cancel()
        await asyncio.wait({committing})
        standstill.over.set()
        await asyncio.sleep(1)
        await sale.buy(seller, cap=5)
    level = await sale.stock.counters.get("cap")
    assert level is not None
    assert (level.available, level.reserved) == (0, 5)


async def test_a_withdrawal_without_an_answer_goes_on(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 5})
        await hold.commit("body", {})
        sale.faults = Silence("ending#", "called")
        with pytest.raises(StockUnavailableError) as caught:
            await hold.withdraw()
        assert (caught.value.reason, caught.value.certain) == ("too_slow", False)
        sale.faults = FaultPlan()
        await asyncio.sleep(5)
        await sale.buy(seller, cap=5)


async def test_a_slot_is_not_written_again_before_its_last_order_is_over(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(slots=1, patience=QUICK) as seller:
        first, second = await seller.reserve({"cap": 1}), await seller.reserve({"cap": 1})
        await asyncio.gather(first.commit("first", {}), second.commit("second", {}))
        first.published()
        third = await seller.reserve({"cap": 1})
        with pytest.raises(StockUnavailableError):
            await third.commit("third", {})
        second.published()
        await sale.buy(seller, cap=1)


async def test_a_process_starts_while_its_table_is_away_and_sells_when_it_is_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    sale.faults = Silence("session#", "called")
    async with sale.seller() as seller:
        with pytest.raises(StockUnavailableError, match="no live selling session"):
            await seller.reserve({"cap": 1})
        sale.faults = FaultPlan()
        await asyncio.sleep(5)
        await sale.buy(seller, cap=1)


async def test_leaving_gives_up_on_what_does_not_end_and_leaves_it_to_a_reclaimer(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 1})
        await hold.commit("body", {})
        sale.topic_is_down = True
        hold.doubt()
    (session,) = await sale.stock.sessions.list()
    assert session.open
    pages = await sale.stock.pages.read(session.id, slots=8)
    assert [entry.reservation for page in pages for entry in page.entries] == [hold.reservation]
