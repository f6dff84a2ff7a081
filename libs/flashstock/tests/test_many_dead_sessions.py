"""Many sessions of dead processes at once, as after a rolling kill: how long it takes, and that each is by itself."""

import asyncio
from collections.abc import Sequence

from flashmsg import Reservation
from flashstock.errors import StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.pages import JournalEntry
from flashstock.reclaimer import Reclaimer
from flashstock.reclaimer_lock import Holder
from flashstock.table import Write
from flashstock.testing import LEASE, Sale
from flashstock.testing.sale import FaultPlan


class Latency(FaultPlan):
    """Every request takes a moment."""

    async def meet(self, place: str, _writes: Sequence[Write]) -> None:
        await asyncio.sleep(0.01 if place == "called" else 0)


async def left_closed(sale: Sale, count: int) -> None:
    """Sessions of dead processes, of which another reclaimer has closed the doors and no more."""
    await sale.stock.counters.set_total("cap", 1_000)
    for number in range(count):
        name = f"dead-{number:02}"
        await sale.stock.sessions.open(name, owner="dead", slots=26)
        await sale.stock.leases.change("cap", name, NOTHING, by=5)
        entry = JournalEntry(reservation=reservation(f"rsv_{number:02}"), body="body", attributes={})
        await sale.stock.pages.write(name, 0, sequence=1, entries=[entry.to_text()], used={"cap": 2})
    for session in await sale.stock.sessions.list():
        await sale.stock.sessions.close(session)


def reservation(name: str) -> Reservation:
    return Reservation(id=name.translate(str.maketrans("0123456789", "abcdefghij")).ljust(28, "a"), units={"cap": 2})


async def seconds_of_a_round(sale: Sale) -> float:
    began = asyncio.get_running_loop().time()
    await Reclaimer(stock=sale.stock, publish_again=sale.publish, owner="reclaimer", lease=LEASE).look()
    return asyncio.get_running_loop().time() - began


async def test_many_dead_sessions_are_reclaimed_at_once_and_the_lock_is_kept_meanwhile(sale: Sale) -> None:
    await left_closed(sale, 1)
    sale.faults = Latency()
    one = await seconds_of_a_round(sale)
    assert one < 0.15, "not a round trip a slot"
    await left_closed(sale, 40)
    beats = (await sale.stock.lock.holder() or Holder(owner="", beats=0)).beats
    assert await seconds_of_a_round(sale) < 8 * one
    assert await sale.stock.sessions.list() == []
    assert (await sale.level()).available == 1_000 - 41 * 2
    assert (await sale.stock.lock.holder() or Holder(owner="", beats=0)).beats >= beats + 5


async def test_a_session_whose_page_cannot_be_read_keeps_no_other_from_being_reclaimed(sale: Sale) -> None:
    await left_closed(sale, 20)
    sale.table.items["slot#dead-03#0"]["entries"] = "no JSON"
    await Reclaimer(stock=sale.stock, publish_again=sale.publish, owner="reclaimer", lease=LEASE).look()
    assert [session.id for session in await sale.stock.sessions.list()] == ["dead-03"]
    assert len(sale.published) == 19


async def test_a_session_that_cannot_be_closed_now_keeps_no_other_from_being_reclaimed(sale: Sale) -> None:
    class OneThrottled(FaultPlan):
        async def meet(self, _place: str, writes: Sequence[Write]) -> None:
            if any(write.id == "session#dead-01" for write in writes):
                raise StockUnavailableError("others are at it", reason="contention")

    await left_closed(sale, 4)
    sale.faults = OneThrottled()
    await Reclaimer(stock=sale.stock, publish_again=sale.publish, owner="reclaimer", lease=LEASE).look()
    assert [session.id for session in await sale.stock.sessions.list()] == ["dead-01"]


async def test_who_loses_the_lock_in_a_long_round_leaves_the_rest_to_the_next(sale: Sale) -> None:
    async def publish(_entry: JournalEntry) -> None:
        sale.table.items["reclaimer"].update(owner="another", beats=1_000)

    await left_closed(sale, 20)
    await Reclaimer(stock=sale.stock, publish_again=publish, owner="slow", lease=LEASE).look()
    assert len(await sale.stock.sessions.list()) == 12
