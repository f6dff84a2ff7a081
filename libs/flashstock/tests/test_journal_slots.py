"""Sessions and their journal slots: what a closed one can no longer do."""

import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmsg import Reservation
from flashstock.endings import Outcome
from flashstock.errors import SessionClosedError, StockError, StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.pages import JournalEntry, Page
from flashstock.sessions import MAX_SLOTS, Session
from flashstock.stock import Stock
from flashstock.table import Write
from flashstock.testing import MemoryTable
from flashstock.testing.memory import no_checkpoint

ENTRY = JournalEntry(
    reservation=Reservation(id="rsv_" + "a" * 24, units={"cap": 2}), body='{"text": "é\\n"}', attributes={"type": "t"}
)
USED = {"cap": 2}


@pytest.fixture
async def journaling(stock: Stock) -> Stock:
    """An open session with two slots, and five caps of which it has leased three."""
    await stock.counters.set_total("cap", 5)
    await stock.sessions.open("s1", owner="api", slots=2)
    await stock.leases.change("cap", "s1", NOTHING, by=3)
    return stock


async def write(stock: Stock, sequence: int, entries: Sequence[JournalEntry] = (ENTRY,), *, slot: int = 0) -> None:
    texts = [entry.to_text() for entry in entries]
    await stock.pages.write("s1", slot, sequence=sequence, entries=texts, used=USED)


async def pages(stock: Stock) -> Mapping[int, Page]:
    return {page.sequence: page for page in await stock.pages.read("s1", slots=2)}


async def available(stock: Stock) -> int:
    found = await stock.counters.get("cap")
    assert found is not None
    assert found.total == found.available + found.reserved + found.sold
    return found.available


async def test_a_session_is_listed_from_its_opening_to_its_removal(journaling: Stock) -> None:
    opened = Session(id="s1", beats=1, owner="api", slots=2, open=True)
    assert await journaling.sessions.list() == [opened]
    await journaling.sessions.beat("s1", 7)
    assert [session.beats for session in await journaling.sessions.list()] == [7]
    await journaling.sessions.remove("s1", slots=2)
    assert await journaling.sessions.list() == []
    assert await pages(journaling) == {}


async def test_a_session_that_beats_is_not_closed(journaling: Stock) -> None:
    (seen,) = await journaling.sessions.list()
    await journaling.sessions.beat("s1", 2)
    assert not await journaling.sessions.close(seen)
    assert (await journaling.sessions.list())[0].open


async def test_a_closed_session_cannot_beat(journaling: Stock) -> None:
    (seen,) = await journaling.sessions.list()
    for _ in range(2):
        assert await journaling.sessions.close(seen)
    with pytest.raises(SessionClosedError):
        await journaling.sessions.beat("s1", 2)
    assert not (await journaling.sessions.list())[0].open


async def test_a_removed_session_cannot_beat(journaling: Stock) -> None:
    await journaling.sessions.remove("s1", slots=2)
    with pytest.raises(SessionClosedError):
        await journaling.sessions.beat("s1", 2)
    assert await journaling.sessions.list() == []


async def test_a_page_is_read_as_it_was_written(journaling: Stock) -> None:
    await write(journaling, 1)
    page = (await pages(journaling))[1]
    assert (page.sequence, page.entries, page.used) == (1, [ENTRY], USED)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ENTRIES = st.builds(
    JournalEntry,
    reservation=st.builds(
        Reservation,
        id=st.from_regex(r"rsv_[a-z2-7]{24}", fullmatch=True),
        units=st.dictionaries(st.sampled_from(["cap", "a-shoe", "x" * 64]), st.integers(1, 9), min_size=1),
    ),
    body=TEXTS | st.sampled_from(['{"a":"b"}', "[]\n[1]", '["rsv_aaaaaaaaaaaaaaaaaaaaaaaa",{"cap":1},{},0]\n']),
    attributes=st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@given(st.lists(ENTRIES, max_size=4))
async def test_whatever_is_on_a_page_is_read_as_it_was_written(entries: list[JournalEntry]) -> None:
    stock = Stock(MemoryTable(checkpoint=no_checkpoint))
    await stock.sessions.open("s1", owner="api", slots=1)
    await stock.pages.write("s1", 0, sequence=1, entries=[entry.to_text() for entry in entries], used=USED)
    (page,) = await stock.pages.read("s1", slots=1)
    assert page.entries == entries
    assert page.text == "".join(entry.to_text() for entry in entries)


@pytest.mark.parametrize("text", [ENTRY.to_text()[:-1], ENTRY.to_text()[:30], "[]\n", "7\n", '["rsv",{},{},0]\n'])
def test_a_page_whose_orders_are_none_is_not_read(text: str) -> None:
    packed = b64encode(zlib.compress(text.encode())).decode()
    with pytest.raises(StockUnavailableError, match="a page of a journal is garbled"):
        _ = Page(sequence=1, packed=packed, used={}).entries


@pytest.mark.parametrize("damage", [lambda packed: packed[:-8], lambda _packed: "no base64: é", lambda _packed: "AAAA"])
def test_a_page_that_is_damaged_is_not_read(damage: Callable[[str], str]) -> None:
    packed = b64encode(zlib.compress(ENTRY.to_text().encode())).decode()
    with pytest.raises(StockUnavailableError, match="a page of a journal is garbled"):
        _ = Page(sequence=1, packed=damage(packed), used={}).text


async def test_a_late_page_does_not_replace_a_later_one(journaling: Stock) -> None:
    await write(journaling, 2)
    with pytest.raises(SessionClosedError):
        await write(journaling, 1, [])
    assert (await pages(journaling))[2].entries == [ENTRY]


async def test_nothing_is_written_to_a_closed_slot(journaling: Stock) -> None:
    await write(journaling, 1)
    await journaling.pages.close("s1", slots=2)
    for slot in (0, 1):
        with pytest.raises(SessionClosedError) as caught:
            await write(journaling, 2, slot=slot)
        assert caught.value.certain
    assert (await pages(journaling))[1].entries == [ENTRY]


async def test_nothing_is_written_to_a_removed_slot(journaling: Stock) -> None:
    await journaling.sessions.remove("s1", slots=2)
    await journaling.pages.close("s1", slots=2)
    with pytest.raises(SessionClosedError) as caught:
        await write(journaling, 1)
    assert not caught.value.certain
    assert await pages(journaling) == {}


async def test_a_page_that_was_there_before_the_slot_was_closed_counts_as_written(journaling: Stock) -> None:
    await write(journaling, 1)
    await journaling.pages.close("s1", slots=2)
    before = await pages(journaling)
    await write(journaling, 1)
    assert await pages(journaling) == before


async def test_a_withdrawn_order_gives_its_units_back_once(journaling: Stock) -> None:
    await write(journaling, 1)
    for _ in range(2):
        await journaling.withdrawals.withdraw(ENTRY.reservation, session_id="s1", slot=0)
        assert await available(journaling) == 4
    assert await journaling.endings.ended([ENTRY.reservation.id]) == {ENTRY.reservation.id: Outcome.RETURNED}


async def test_more_than_is_reserved_is_not_withdrawn(journaling: Stock) -> None:
    await write(journaling, 1)
    greater = Reservation(id="rsv_" + "b" * 24, units={"cap": 4})
    with pytest.raises(StockError, match=f"fewer units are reserved than {greater.id} holds") as caught:
        await journaling.withdrawals.withdraw(greater, session_id="s1", slot=0)
    assert not caught.value.retryable
    assert await available(journaling) == 2
    assert await journaling.endings.ended([greater.id]) == {}


@pytest.mark.parametrize("removed", [True, False])
async def test_nothing_is_withdrawn_from_a_slot_that_is_closed_or_removed(journaling: Stock, *, removed: bool) -> None:
    await write(journaling, 1)
    if removed:
        await journaling.sessions.remove("s1", slots=2)
    else:
        await journaling.pages.close("s1", slots=2)
    with pytest.raises(SessionClosedError) as caught:
        await journaling.withdrawals.withdraw(ENTRY.reservation, session_id="s1", slot=0)
    assert not caught.value.certain
    assert await available(journaling) == 2
    assert await journaling.endings.ended([ENTRY.reservation.id]) == {}


async def test_nobody_can_tell_who_ended_an_order_whose_slot_is_closed(journaling: Stock) -> None:
    await write(journaling, 1)
    await journaling.withdrawals.withdraw(ENTRY.reservation, session_id="s1", slot=0)
    await journaling.pages.close("s1", slots=2)
    with pytest.raises(SessionClosedError) as caught:
        await journaling.withdrawals.withdraw(ENTRY.reservation, session_id="s1", slot=0)
    assert not caught.value.certain
    assert await available(journaling) == 4


async def test_a_session_of_full_pages_is_removed_in_transactions_that_dynamodb_takes() -> None:
    table = MemoryTable()
    stock = Stock(table)
    await stock.sessions.open("s1", owner="api", slots=MAX_SLOTS)
    for slot in range(MAX_SLOTS):
        await stock.pages.write("s1", slot, sequence=slot + 1, entries=["x" * 390_000], used=USED)
    largest = 0

    async def measure(_place: str, writes: Sequence[Write]) -> None:
        nonlocal largest
        largest = max(largest, sum(len(str(table.items.get(write.id))) for write in writes))

    table.checkpoint = measure
    await stock.pages.close("s1", slots=MAX_SLOTS)
    await stock.sessions.remove("s1", slots=MAX_SLOTS)
    assert largest < 4_000_000
    assert set(table.items) == {"sessions"}


async def test_a_removal_that_ends_in_the_middle_leaves_a_session_that_can_be_closed_and_removed() -> None:
    table = MemoryTable()
    stock = Stock(table)
    await stock.sessions.open("s1", owner="api", slots=25)

    async def third_is_lost(_place: str, writes: Sequence[Write]) -> None:
        if any(write.id == "slot#s1#0" for write in writes):
            raise StockUnavailableError("no answer", reason="timeout")

    table.checkpoint = third_is_lost
    with pytest.raises(StockUnavailableError):
        await stock.sessions.remove("s1", slots=25)
    table.checkpoint = no_checkpoint
    (left,) = await stock.sessions.list()
    assert await stock.sessions.close(left)
    await stock.pages.close("s1", slots=25)
    for slot in range(25):
        with pytest.raises(SessionClosedError):
            await stock.pages.write("s1", slot, sequence=1, entries=[], used={})
    await stock.sessions.remove("s1", slots=25)
    assert await stock.sessions.list() == []
