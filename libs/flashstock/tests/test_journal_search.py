"""Who looks for an order in the journals: what is found there, and at which price in reads."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from flashstock.endings import Ending, Outcome
from flashstock.errors import StockUnavailableError
from flashstock.hold import Hold
from flashstock.journal_search import JournalSearch
from flashstock.seller import Seller
from flashstock.table import Write
from flashstock.testing import LEASE, Sale
from flashstock.testing.sale import FaultPlan

Kill = Callable[[Seller], Awaitable[None]]


def names(text: str) -> list[str]:
    return re.findall("order-[0-9]+", text)


class Reads(FaultPlan):
    """Counts the reads, which take a moment, or raise; the answer of the `held_back`th waits for the gate."""

    def __init__(self, *, held_back: int = 0) -> None:
        self.count = 0
        self.down = False
        self.held_back = held_back
        self.gate = asyncio.Event()

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if writes:
            return
        self.count += place == "called"
        if self.down:
            raise StockUnavailableError("the table is down", reason="connection")
        await asyncio.sleep(0.001)
        if place == "done" and self.count == self.held_back:
            await self.gate.wait()


@pytest.fixture
async def search(sale: Sale) -> AsyncIterator[JournalSearch]:
    await sale.stock.counters.set_total("cap", 1_000)
    async with JournalSearch(stock=sale.stock, names=names, timeout=timedelta(seconds=0.8)) as search:
        yield search


async def journaled(seller: Seller, number: int) -> Hold:
    hold = await seller.reserve({"cap": 1})
    await hold.commit(f'{{"order_id": "order-{number}"}}', {"type": "order"})
    return hold


async def found(search: JournalSearch, number: int) -> list[str]:
    return [entry.reservation.id for entry in await search.find([f"order-{number}"])]


async def test_an_order_that_only_a_journal_knows_is_found_and_no_other(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller() as seller, sale.seller() as another:
        hold, other = await journaled(seller, 1), await journaled(another, 2)
        assert await found(search, 1) == [hold.reservation.id]
        assert await found(search, 2) == [other.reservation.id]
        assert await found(search, 3) == []
        assert [entry.reservation for entry in await search.find(["order-9", "order-1"])] == [hold.reservation]
        for one in (hold, other):
            one.published()


async def test_an_order_is_found_in_whatever_slot_it_is(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller(slots=40) as seller:
        holds = [await journaled(seller, number) for number in range(40)]
        for number, hold in enumerate(holds):
            assert await found(search, number) == [hold.reservation.id]
            await asyncio.sleep(1)
        for hold in holds:
            hold.published()


async def test_a_quiet_journal_uses_few_slots(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller(slots=40) as seller:
        for number in range(20):
            (await journaled(seller, number)).published()
        written = [key for key, item in sale.table.items.items() if key.startswith("slot#") and item["sequence"]]
        assert [key.rpartition("#")[2] for key in written] == ["0"]
        assert await found(search, 19) != []


async def test_what_was_withdrawn_or_has_ended_is_not_found(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller() as seller:
        withdrawn, sold = await journaled(seller, 1), await journaled(seller, 2)
        assert await found(search, 1) != []
        await withdrawn.withdraw()
        await sale.stock.endings.settle([Ending(reservation=sold.reservation, outcome=Outcome.SOLD)])
        sold.published()
        assert await found(search, 1) == []
        assert await found(search, 2) == []


async def test_what_a_dead_process_had_journaled_is_found_until_it_is_reclaimed(
    sale: Sale, search: JournalSearch, kill: Kill
) -> None:
    seller = await sale.seller().__aenter__()
    hold = await journaled(seller, 1)
    await kill(seller)
    await asyncio.sleep(10 * LEASE.total_seconds())
    assert await found(search, 1) == [hold.reservation.id]
    (session,) = await sale.stock.sessions.list()
    await sale.stock.sessions.remove(session.id, slots=session.slots)
    assert await found(search, 1) == []


async def test_who_comes_while_a_read_is_under_way_waits_for_the_next_one(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        reads = sale.faults = Reads(held_back=2)
        early = asyncio.create_task(found(search, 1))
        await asyncio.sleep(0.1)
        assert reads.count == 2, "the sessions are listed; the answer with their slots is on its way"
        await hold.commit("order-1", {})
        late = asyncio.create_task(found(search, 1))
        await asyncio.sleep(0.1)
        reads.gate.set()
        assert await early == []
        assert await late == [hold.reservation.id]
        hold.published()


async def test_five_thousand_who_ask_at_once_share_one_read_and_later_ones_are_paced(
    sale: Sale, search: JournalSearch
) -> None:
    reads = sale.faults = Reads()
    async with sale.seller():
        began, before = asyncio.get_running_loop().time(), reads.count
        await asyncio.gather(*(found(search, number) for number in range(5_000)))
        assert reads.count - before == 2, "the list of sessions, and their slots"

        async def ask(number: int) -> float:
            await asyncio.sleep(number / 1_000)
            asked = asyncio.get_running_loop().time()
            await found(search, number)
            return asyncio.get_running_loop().time() - asked

        waits = await asyncio.gather(*(ask(number) for number in range(1_000)))
        passed = asyncio.get_running_loop().time() - began
    assert max(waits) < 0.05
    assert reads.count - before < 2 * passed / 0.02


async def test_journals_that_cannot_be_read_are_not_called_empty(sale: Sale, search: JournalSearch) -> None:
    reads = sale.faults = Reads()
    reads.down = True
    answers = await asyncio.gather(*(found(search, number) for number in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StockUnavailableError] * 3
    assert len({id(answer) for answer in answers}) == 3, "one each: raised twice, it would collect tracebacks"
    reads.down = False
    assert await found(search, 1) == []


async def test_journals_that_hang_are_given_up_in_time(sale: Sale, search: JournalSearch) -> None:
    sale.faults = Reads(held_back=1)
    began = asyncio.get_running_loop().time()
    with pytest.raises(StockUnavailableError) as caught:
        await found(search, 1)
    assert caught.value.reason == "too_slow"
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.8)


async def test_who_goes_away_takes_the_answer_from_nobody(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller() as seller:
        hold = await journaled(seller, 1)
        gone, stays = (asyncio.create_task(found(search, 1)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == [hold.reservation.id]
        assert gone.cancelled()
        hold.published()


async def test_a_search_that_is_left_ends_its_read(sale: Sale) -> None:
    sale.faults = Reads(held_back=1)
    async with JournalSearch(stock=sale.stock, names=names, timeout=timedelta(seconds=9)) as search:
        asking = asyncio.create_task(found(search, 1))
        await asyncio.sleep(0.1)
    with pytest.raises(StockUnavailableError) as caught:
        await asking
    assert caught.value.reason == "closed"


async def test_the_version_changes_with_the_pages_and_with_nothing_else(sale: Sale, search: JournalSearch) -> None:
    async with sale.seller() as seller, sale.seller():
        (await journaled(seller, 1)).published()
        await found(search, 1)
        before = search.version
        await asyncio.gather(*(found(search, number) for number in range(9)))
        await found(search, 1)
        assert search.version == before
        (await journaled(seller, 2)).published()
        assert search.version == before, "nobody has looked"
        await found(search, 1)
        assert search.version == before + 1
        # Whole sessions may have come and gone meanwhile.
        await asyncio.sleep(1.1)
        await found(search, 1)
        assert search.version == before + 2


async def test_a_look_costs_one_read_once_it_is_known_how_many_slots_are_in_use(
    sale: Sale, search: JournalSearch
) -> None:
    async with sale.seller(slots=40) as seller, sale.seller():
        holds = [await journaled(seller, number) for number in range(20)]
        await found(search, 99)
        reads = sale.faults = Reads()
        await found(search, 99)
        assert reads.count == 1
        holds.append(await journaled(seller, 20))
        assert await found(search, 20) == [holds[20].reservation.id]
        for hold in holds:
            hold.published()
