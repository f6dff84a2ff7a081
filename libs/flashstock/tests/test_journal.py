"""How much fits a page of the journal, and how long a page is tried."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from flashmsg import Order, PricedLine, Reservation, encode_placed
from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.journal import Journal, Ticket
from flashstock.pages import JournalEntry
from flashstock.patience import SellerPatience
from flashstock.seller import Seller
from flashstock.table import Put, Write
from flashstock.testing import FaultPlan, Sale
from flashstock.testing.memory import memory_stock

PATIENT = SellerPatience(timeout=timedelta(seconds=60))


def body(hold: Hold, bytes_of_entry: int, character: str = "x") -> str:
    """A body with which the entry of this order is so long."""
    text = character * ((bytes_of_entry - 100) // len(character.encode()))
    entry = JournalEntry(reservation=hold.reservation, body=text, attributes={}).to_text()
    return text + "x" * (bytes_of_entry - len(entry.encode()))


@pytest.mark.parametrize("character", ["x", "é"])
async def test_an_order_of_340_000_bytes_is_journaled_and_one_byte_more_is_refused(sale: Sale, character: str) -> None:
    await sale.stock.counters.set_total("cap", 2)
    async with sale.seller() as seller:
        fits, too_large = [await seller.reserve({"cap": 1}) for _ in range(2)]
        await fits.commit(body(fits, 340_000, character), {})
        with pytest.raises(StockError, match="an order of 340001 bytes is too large for the journal"):
            await too_large.commit(body(too_large, 340_001, character), {})
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
    """An order of 20 products that no other order has, with names of 64 characters, and a body without any pattern."""
    units = {f"{number * 20 + n:04}".ljust(64, "x"): 100 for n in range(20)}
    name = f"rsv_{number:024}".translate(str.maketrans("0123456789", "abcdefghij"))
    return JournalEntry(reservation=Reservation(id=name, units=units), body=noise(number, 30_000), attributes={})


def noise(seed: int, length: int) -> str:
    return "".join(map(chr, random.Random(seed).choices(range(128), k=length)))  # noqa: S311 - that it may be as bad


async def measure_pages(sizes: list[int], _place: str, writes: Sequence[Write]) -> None:
    sizes += [len(str(write.item)) for write in writes if isinstance(write, Put)]


async def test_the_largest_order_fits_an_item_without_any_pattern_in_it() -> None:
    sizes: list[int] = []
    stock = memory_stock(checkpoint=partial(measure_pages, sizes))
    await stock.counters.set_total("cap", 1)
    async with Seller(stock=stock, publish_again=never, owner="api") as seller:
        hold = await seller.reserve({"cap": 1})
        around = len(body(hold, 340_000)) - 340_000
        await hold.commit(noise(1, 340_000 + around), {})
        hold.published()
    assert 390_000 < max(sizes) < 400 * 1024


async def test_a_page_of_a_hundred_orders_is_less_than_a_quarter_of_them() -> None:
    sizes: list[int] = []
    stock = memory_stock(checkpoint=partial(measure_pages, sizes))
    await stock.counters.set_total("cap", 100)
    async with Seller(stock=stock, publish_again=never, owner="api") as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(100)]
        messages = [placed(hold.reservation, number) for number, hold in enumerate(holds)]
        await asyncio.gather(*(hold.commit(text, {}) for hold, text in zip(holds, messages, strict=True)))
        for hold in holds:
            hold.published()
    assert max(sizes) < sum(map(len, messages)) / 4


def placed(reservation: Reservation, seed: int) -> str:
    """The message of an order: nothing in its ids and its trace is like in another one's."""
    drawn = random.Random(seed)  # noqa: S311 - as above
    order = Order(
        order_id="ord_" + "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz234567", k=40)),
        customer_id=drawn.randrange(10**6),
        items=(PricedLine(product_id="cap", quantity=1, unit_price_minor=1_999),),
        currency="EUR",
        total_minor=1_999,
        created_at=datetime.fromtimestamp(1.7e9 + drawn.random(), UTC),
    )
    trace = f"00-{drawn.randbytes(16).hex()}-{drawn.randbytes(8).hex()}-01"
    return encode_placed(order, traceparent=trace, reservation=reservation)


async def never(_entry: JournalEntry) -> None:
    raise AssertionError("nothing is published again")


async def test_a_page_fits_an_item_however_many_products_its_session_has_sold() -> None:
    sizes: list[int] = []
    stock = memory_stock(checkpoint=partial(measure_pages, sizes))
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
    assert 300_000 < max(sizes) < 400 * 1024
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
    written, lost = (Ticket(entry, "", 0, since=0.0, slot=loop.create_future()) for _ in range(2))
    written.settle(3)
    lost.settle(StockUnavailableError("no answer", reason="timeout"))
    for ticket in (written, lost):
        ticket.await_anew()
        assert ticket.given_up
    assert await written.slot == 3
    with pytest.raises(StockUnavailableError, match="no answer") as caught:
        await lost.slot
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("ended", [None, TimeoutError()], ids=["cancelled", "too late"])
async def test_what_nobody_waits_for_any_more_is_not_published(sale: Sale, ended: Exception | None) -> None:
    published: list[JournalEntry] = []

    def publish(entries: Sequence[JournalEntry], results: Sequence[asyncio.Future[None]]) -> None:
        published.extend(entries)
        for result in results:
            result.set_result(None)

    entries = [
        JournalEntry(reservation=Reservation(id="rsv_" + 24 * letter, units={"cap": 1}), body="", attributes={})
        for letter in "ab"
    ]
    await sale.stock.sessions.open("s1", owner="api", slots=1)
    journal = Journal(
        pages=sale.stock.pages,
        session_id="s1",
        slots=1,
        on_closed=lambda: None,
        linger=timedelta(0),
        timeout=timedelta(seconds=60),
    )
    gone, there = (journal.append(entry, publish) for entry in entries)
    slot = gone.slot
    slot.cancel() if ended is None else slot.set_exception(ended)
    writing = asyncio.create_task(journal.run())
    await there.slot
    gone.await_anew()
    assert await gone.slot == 0
    assert (gone.published_from, there.published_from) == (None, 0)
    assert published == entries[1:]
    slot.cancelled() or slot.exception()
    journal.close()
    await writing
