"""An order that is journaled and published with one wait: published after its page, and whose it is when that ends."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashmsg import Reservation
from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.hold import Hold
from flashstock.pages import JournalEntry
from flashstock.patience import SellerPatience
from flashstock.testing import FaultPlan, Sale

QUICK = SellerPatience(timeout=timedelta(seconds=1))
# Time stands still while turns are counted: a page that waited for company would wait for ever.
AT_ONCE = SellerPatience(linger=timedelta(0))
# More than an order takes from its reservation to its acknowledgement, in turns of the loop.
TURNS = 60


class LostError(Exception):
    """Nobody knows whether the topic has taken it."""


class RefusedError(Exception):
    """The topic has certainly not taken it."""


class Topic:
    """Takes what is published some turns later, and may refuse it or lose the answer."""

    def __init__(self, sale: Sale, answer: Exception | None = None) -> None:
        self.sale = sale
        self.answer = answer
        self.submitted: list[list[str]] = []

    def publish(self, entries: Sequence[JournalEntry], results: Sequence[asyncio.Future[None]]) -> None:
        assert any(name.startswith("slot#") for name in self.sale.writes), "published before it is journaled"
        self.submitted.append([entry.reservation.id for entry in entries])
        for entry, result in zip(entries, results, strict=True):
            self._after(5, entry.reservation, result)

    def _after(self, turns: int, reservation: Reservation, result: asyncio.Future[None]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._after, turns - 1, reservation, result)
            return
        if not isinstance(self.answer, RefusedError):
            self.sale.published.append(reservation)
        if result.done():
            return
        if self.answer is None:
            result.set_result(None)
        else:
            result.set_exception(self.answer)


async def order(hold: Hold, topic: Topic) -> None:
    """As a service does: whatever happens, the hold is ended."""
    try:
        await hold.commit_and_publish("body", {"type": "order"}, topic.publish)
    except RefusedError:
        await hold.withdraw()
        raise
    finally:
        if hold.is_journaled:
            hold.doubt()


async def test_it_is_published_after_its_page_and_over_when_that_is_acknowledged(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic = Topic(sale)
    async with sale.seller(slots=1) as seller:
        for _ in range(2):
            hold = await seller.reserve({"cap": 2})
            await hold.commit_and_publish("body", {}, topic.publish)
            assert hold.is_over
            assert not hold.is_journaled
    assert sale.published_units() == {"cap": 4}
    assert (await sale.level()).available == 1


async def test_the_orders_of_a_page_are_published_together_by_whoever_publishes_them(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic, other = Topic(sale), Topic(sale)
    async with sale.seller() as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(5)]
        publishers = [topic, other, topic, other, topic]
        pairs = zip(holds, publishers, strict=True)
        await asyncio.gather(*(hold.commit_and_publish("body", {}, one.publish) for hold, one in pairs))
    ids = [hold.reservation.id for hold in holds]
    assert (topic.submitted, other.submitted) == ([ids[::2]], [ids[1::2]])
    assert sale.published_units() == {"cap": 5}


async def test_who_publishes_and_breaks_takes_nothing_from_others_and_stops_no_page(sale: Sale) -> None:
    def broken(_entries: object, results: Sequence[asyncio.Future[None]]) -> None:
        results[0].set_result(None)
        raise LostError

    await sale.stock.counters.set_total("cap", 5)
    topic = Topic(sale)
    async with sale.seller() as seller:
        holds = [await seller.reserve({"cap": 1}) for _ in range(4)]
        publishers = [broken, broken, topic.publish]
        ended = await asyncio.gather(
            *(hold.commit_and_publish("body", {}, one) for hold, one in zip(holds, publishers, strict=False)),
            return_exceptions=True,
        )
        assert [type(one) for one in ended] == [type(None), LostError, type(None)]
        assert [hold.is_journaled for hold in holds] == [False, True, False, False]
        holds[1].doubt()
        await holds[3].commit_and_publish("body", {}, topic.publish)
    assert (await sale.level()).reserved == 4


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        (None, {("cancelled", 0), ("cancelled", 2), ("ended", 2)}),
        (LostError(), {("cancelled", 0), ("cancelled", 2), ("ended", 2)}),
        (RefusedError(), {("cancelled", 0), ("cancelled", 2), ("ended", 0)}),
    ],
    ids=["taken", "lost", "refused"],
)
async def test_cancelled_at_any_turn_it_is_published_or_its_units_are_for_sale(
    answer: Exception | None, ends: set[tuple[str, int]]
) -> None:
    seen = set()
    for turns in range(1, TURNS):
        sale = Sale()
        await sale.stock.counters.set_total("cap", 5)
        async with sale.seller(patience=AT_ONCE) as seller:
            hold = await seller.reserve({"cap": 2})
            ordering = asyncio.create_task(order(hold, Topic(sale, answer)))
            for _ in range(turns):
                await asyncio.sleep(0)
            ordering.cancel()
            await asyncio.wait({ordering})
            assert hold.is_over
        level = await sale.level()
        published = sale.published_units()["cap"]
        assert (level.available, level.reserved) == (5 - published, published), f"cancelled after {turns} turns"
        assert await sale.stock.sessions.list() == []
        seen.add(("cancelled" if ordering.cancelled() else "ended", published))
    assert seen == ends


class Late(FaultPlan):
    """Pages are written when they are let through."""

    def __init__(self) -> None:
        self.through = asyncio.Event()

    async def meet(self, place: str, writes: object) -> None:
        if place == "called" and "slot#" in repr(writes):
            await self.through.wait()


async def test_what_was_given_up_is_not_published_however_late_its_page_is_written(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic = Topic(sale)
    async with sale.seller(patience=QUICK) as seller:
        hold = await seller.reserve({"cap": 5})
        sale.faults = late = Late()
        with pytest.raises(StockUnavailableError) as caught:
            await order(hold, topic)
        assert (caught.value.reason, caught.value.certain) == ("too_slow", False)
        late.through.set()
        await asyncio.sleep(1)
        await sale.buy(seller, cap=5)
    assert topic.submitted == []


async def test_without_a_page_it_is_not_published_and_its_units_are_for_sale(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic = Topic(sale)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 5})
        [session] = await sale.stock.sessions.list()
        await sale.stock.pages.close(session.id, slots=session.slots)
        with pytest.raises(SessionClosedError):
            await order(hold, topic)
        assert hold.is_over
    assert topic.submitted == []


async def test_a_publish_that_does_not_begin_is_told_and_its_hold_can_be_withdrawn(sale: Sale) -> None:
    def closed(_entries: object, _results: object) -> None:
        raise RefusedError("the publisher is closed")

    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 5})
        with pytest.raises(RefusedError, match="the publisher is closed"):
            await hold.commit_and_publish("body", {}, closed)
        assert hold.is_journaled
        await hold.withdraw()
        assert hold.is_over
        await sale.buy(seller, cap=5)


async def test_one_order_too_large_for_a_page_is_told_so_and_gives_its_units_back(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic = Topic(sale)
    async with sale.seller() as seller:
        hold = await seller.reserve({"cap": 5})
        with pytest.raises(Exception, match="too large for the journal"):
            await hold.commit_and_publish("x" * 400_000, {}, topic.publish)
        assert hold.is_over
        await sale.buy(seller, cap=5)
    assert topic.submitted == []


async def test_units_that_are_not_leased_are_not_reserved_at_once(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        assert seller.reserve_at_once({"cap": 1}) is None
        first = await seller.reserve({"cap": 1})
        await first.withdraw()
        second = seller.reserve_at_once({"cap": 1})
        assert second is not None
        assert second.reservation.id != first.reservation.id
        assert second.reservation.units == {"cap": 1}
        await order(second, Topic(sale))
        with pytest.raises(ValueError, match="units of 1 to"):
            seller.reserve_at_once({"cap": 0})
    assert seller.reserve_at_once({"cap": 1}) is None
    assert sale.published_units() == {"cap": 1}


async def test_leaving_waits_for_an_order_that_was_reserved_at_once(sale: Sale) -> None:
    await sale.stock.counters.set_total("cap", 5)
    seller = await sale.seller().__aenter__()
    await (await seller.reserve({"cap": 1})).withdraw()
    hold = seller.reserve_at_once({"cap": 1})
    assert hold is not None
    leaving = asyncio.create_task(seller.__aexit__(None, None, None))
    await asyncio.sleep(1)
    assert not leaving.done()
    await order(hold, Topic(sale))
    await leaving
    assert await sale.stock.sessions.list() == []
    assert ((await sale.level()).available, (await sale.level()).reserved) == (4, 1)
