"""How much fits a page of the journal, and how long a page is tried."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashmsg import Reservation
from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.journal import Journal, Ticket
from flashstock.pages import JournalEntry
from flashstock.seller import SellerPatience
from flashstock.table import Put, Write
from flashstock.testing import FaultPlan, Sale
from flashstock.testing.memory import memory_stock

PATIENT = SellerPatience(timeout=timedelta(seconds=60))


def body(hold: Hold, bytes_of_entry: int) -> str:
    """A body with which the entry of this order is so long."""
    around = JournalEntry(reservation=hold.reservation, body="", attributes={}).to_json()
    return "x" * (bytes_of_entry - len(around))


async def test_an_order_of_350_000_bytes_is_journaled_and_one_byte_more_is_refused(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 2)
    async with sale.seller() as seller:
        fits, too_large = [await seller.reserve({"cap": 1}) for _ in range(2)]
        await fits.commit(body(fits, 350_000), {})
        with pytest.raises(StockError, match="an order of 350001 bytes is too large for the journal"):
            await too_large.commit(body(too_large, 350_001), {})
        fits.published()
    assert (await sale.level()).available == 1


@pytest.mark.parametrize(("second", "orders"), [(150_000, [2, 0]), (150_001, [1, 1])])
async def test_orders_share_a_page_of_300_000_bytes(sale: Sale, second: int, orders: list[int]) -> None:
    await sale.stock.counters.set_total("cap", 2)
    async with sale.seller(slots=2) as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(2)]
        sizes = zip(holds, (150_000, second), strict=True)
        await asyncio.gather(*(hold.commit(body(hold, size), {}) for hold, size in sizes))
        (session,) = await sale.stock.sessions.list()
        pages = await sale.stock.pages.read(session.id, slots=2)
        assert [len(page.entries) for page in pages] == orders
        for hold in holds:
            hold.published()


def of_many_products(number: int) -> JournalEntry:
    """An order of 20 products that no other order has, with names of 64 characters."""
    units = {f"{number * 20 + n:04}".ljust(64, "x"): 100 for n in range(20)}
    name = f"rsv_{number:024}".translate(str.maketrans("0123456789", "abcdefghij"))
    return JournalEntry(reservation=Reservation(id=name, units=units), body="y" * 30_000, attributes={})


async def test_a_page_fits_an_item_however_many_products_its_session_has_sold() -> None:
    largest = 0

    async def measure(_place: str, writes: Sequence[Write]) -> None:
        nonlocal largest
        sizes = [len(str(write.item)) for write in writes if isinstance(write, Put)]
        largest = max(largest, *sizes, 0)

    stock = memory_stock(checkpoint=measure)
    await stock.sessions.open("s1", owner="api", slots=40)
    journal = Journal(
        pages=stock.pages,
        session_id="s1",
        slots=40,
        on_closed=lambda: journal.close(),  # noqa: PLW0108 - it is being made
        linger=timedelta(0),
        timeout=timedelta(seconds=60),
    )
    running = asyncio.create_task(journal.run())
    tickets = [journal.append(of_many_products(number)) for number in range(200)]
    await asyncio.wait([ticket.slot for ticket in tickets])
    journal.close()
    await running
    assert 300_000 < largest < 400 * 1024
    written = [ticket for ticket in tickets if isinstance(ticket.outcome, int)]
    assert 150 < len(written) < 170, "a session ends soon after 3,000 products"
    refused = [ticket.outcome for ticket in tickets[len(written) :]]
    assert all(isinstance(outcome, SessionClosedError) and outcome.certain for outcome in refused)


class Unanswered(FaultPlan):
    """Pages are not written; remembers when they were asked for."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if place == "called" and any(write.id.startswith("slot#") for write in writes):
            self.asked_at.append(asyncio.get_running_loop().time())
            raise StockUnavailableError("no answer", reason="timeout")


async def test_a_page_without_an_answer_is_tried_ever_more_slowly_up_to_once_a_second(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller(patience=PATIENT) as seller:
        hold = await seller.reserve({"cap": 1})
        sale.faults = unanswered = Unanswered()
        committing = asyncio.create_task(hold.commit("body", {}))
        await asyncio.sleep(4)
        sale.faults = FaultPlan()
        await committing
        hold.published()
    first, *later = unanswered.asked_at
    assert [at - first for at in later] == pytest.approx([0.05, 0.15, 0.35, 0.75, 1.55, 2.55, 3.55], abs=1e-3)


class LostThenRefused(FaultPlan):
    """Carries the first page out without an answer, and then is closed to us until it is opened again."""

    def __init__(self) -> None:
        self.refused = 0

    async def meet(self, place: str, writes: Sequence[Write]) -> None:
        if not any(write.id.startswith("slot#") for write in writes):
            return
        if self.refused:
            self.refused += 1
            raise StockUnavailableError("access denied", reason="access", certain=True)
        if place == "done":
            self.refused = 1
            raise StockUnavailableError("no answer", reason="timeout")


async def test_a_page_that_may_be_written_is_not_given_up_because_a_later_attempt_is_refused(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    async with sale.seller(patience=PATIENT) as seller:
        hold = await seller.reserve({"cap": 1})
        sale.faults = faults = LostThenRefused()
        committing = asyncio.create_task(hold.commit("body", {}))
        await asyncio.sleep(4)
        assert faults.refused > 3
        assert not committing.done()
        sale.faults = FaultPlan()
        await committing
        hold.published()


async def test_by_default_an_order_waits_two_seconds_for_its_page(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 1)
    loop = asyncio.get_running_loop()
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 1})
        sale.faults = Unanswered()
        began = loop.time()
        with pytest.raises(StockUnavailableError, match="not journaled in time"):
            await hold.commit("body", {})
        assert loop.time() - began == pytest.approx(2, abs=1e-3)
        sale.faults = FaultPlan()


async def test_who_comes_back_to_an_order_hears_what_became_of_it_meanwhile() -> None:
    loop = asyncio.get_running_loop()
    entry = JournalEntry(reservation=Reservation(id="rsv_" + 24 * "a", units={"cap": 1}), body="", attributes={})
    written, lost = (Ticket(entry, "", since=0.0, slot=loop.create_future()) for _ in range(2))
    written.settle(3)
    lost.settle(StockUnavailableError("no answer", reason="timeout"))
    for ticket in (written, lost):
        ticket.await_anew()
        assert ticket.given_up
    assert await written.slot == 3
    with pytest.raises(StockUnavailableError, match="no answer") as caught:
        await lost.slot
    assert caught.value.reason == "timeout"
