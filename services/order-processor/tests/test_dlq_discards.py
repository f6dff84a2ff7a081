"""A discarded letter may be the last trace of its order: the order ends, and nothing stays reserved for it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flashbus.queue import Queue
from flashbus.testing import FakeQueue, loop_time
from flashmsg import OrderPlaced, OrderStatus, Reservation, encode
from flashpay import Approved, Claimed, Reservations, Retention
from flashpay.testing import FakeStock, ManualClock, MemoryLedger, sample_order, sample_reservation
from order_processor.dlq.actions import Discard, DiscardPreview
from order_processor.dlq.audit_log import AuditLog, Author
from order_processor.dlq.last_traces import LastTraces
from order_processor.dlq.places import QueueName
from order_processor.dlq.selection import Selection
from order_processor.dlq.tour import Tour
from order_processor.dlq.visits import Acting

ORDER = sample_order()
OWN = sample_reservation("own")
LEASE = timedelta(seconds=30)


class Shop:
    """Ten units, two of them reserved for an order whose message could not be delivered; and an operator."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.stock, self.undelivered = ManualClock(), FakeStock(), FakeQueue()
        self.ledger = MemoryLedger(clock=self.clock, retention=Retention(announced=True))
        self.audit_log = AuditLog(path=folder / "audit.jsonl")
        self.printed: list[str] = []

    async def park(self, reservation: Reservation | None = OWN, *, units: int = 2) -> None:
        await self.stock.set_up(total=10, reserved=units)
        await self.undelivered.send(encode(OrderPlaced.of(ORDER, reservation=reservation)), attributes={})

    @property
    def last_traces(self) -> LastTraces:
        reservations = Reservations(stock=self.stock, limits=self.stock.stock.limits)
        return LastTraces(ledger=self.ledger, reservations=reservations)

    async def discard(self, *, knows_the_ledger: bool = True, dry_run: bool = False) -> None:
        now = datetime.fromtimestamp(loop_time(), UTC)
        author, stop = Author(by="ada", why="the sale is off"), asyncio.Event()
        last_traces = self.last_traces if knows_the_ledger else None
        acting = Acting(
            action=None if dry_run else Discard(audit_log=self.audit_log, author=author, last_traces=last_traces),
            doing="discarded",
            pause=timedelta(0),
            started=now,
            run="run-1",
            stop=stop,
            say=self.printed.append,
            preview=DiscardPreview(last_traces=last_traces),
        )
        queues: dict[QueueName, Queue] = {"undelivered": self.undelivered}
        await Tour(queues=queues, selection=Selection(), limit=10, now=now, stop=stop).go(acting)
        acting.end()

    def status(self) -> OrderStatus | None:
        entry = self.ledger.entries.get(ORDER.order_id)
        return None if entry is None else entry.status


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def test_an_order_that_the_ledger_has_never_met_ends_and_its_units_are_for_sale(shop: Shop) -> None:
    await shop.park()
    await shop.discard()
    entry = shop.ledger.entries[ORDER.order_id]
    assert (entry.status, entry.reason, entry.attempt) == (OrderStatus.FAILED, "discarded", 0)
    assert entry.event_owed  # the reconciler tells the subscribers
    assert await shop.stock.level() == (10, 0, 0)
    assert shop.undelivered.stored == {}


async def test_one_that_was_cancelled_before_anybody_met_it_stays_cancelled(shop: Shop) -> None:
    await shop.park()
    await shop.ledger.cancel(ORDER.order_id)
    await shop.discard()
    assert shop.status() is OrderStatus.CANCELLED
    assert await shop.stock.level() == (10, 0, 0)


@pytest.mark.parametrize("claimed", [False, True])
async def test_one_that_the_reconciler_finds_is_left_to_it(shop: Shop, *, claimed: bool) -> None:
    await shop.park()
    if claimed:
        await shop.ledger.claim(ORDER, owner="killed", lease=LEASE, reservation=OWN)
    else:
        await shop.ledger.accept(ORDER, reservation=OWN)
    before = shop.ledger.entries[ORDER.order_id]
    await shop.discard()
    assert shop.ledger.entries[ORDER.order_id] == before
    assert await shop.stock.level() == (8, 2, 0)
    assert shop.undelivered.stored == {}


async def test_the_units_of_a_paid_order_are_sold_when_its_letter_goes(shop: Shop) -> None:
    await shop.park()
    claim = await shop.ledger.claim(ORDER, owner="killed before the units", lease=LEASE, reservation=OWN)
    assert isinstance(claim, Claimed)
    await shop.ledger.record(claim, Approved(charge_id="ch_1"))
    await shop.discard()
    assert (shop.status(), await shop.stock.level()) == (OrderStatus.COMPLETED, (8, 0, 2))


async def test_the_units_of_a_repeat_are_returned_and_its_order_goes_on(shop: Shop) -> None:
    await shop.park(sample_reservation("repeat"), units=4)
    await shop.ledger.accept(ORDER, reservation=OWN)
    await shop.discard()
    assert (shop.status(), await shop.stock.level()) == (OrderStatus.PENDING, (8, 2, 0))


@pytest.mark.parametrize("away", ["ledger", "stock"])
async def test_a_letter_stays_until_its_order_has_ended(shop: Shop, away: str) -> None:
    await shop.park()
    (shop.ledger if away == "ledger" else shop.stock).unavailable = True
    await shop.discard()
    assert len(shop.undelivered.visible()) == 1
    assert "not discarded: its order has not ended" in shop.printed[0]
    shop.ledger.unavailable = shop.stock.unavailable = False
    await shop.discard()
    assert (shop.status(), await shop.stock.level()) == (OrderStatus.FAILED, (10, 0, 0))
    assert shop.undelivered.stored == {}


async def test_without_the_ledger_an_order_is_not_thrown_away(shop: Shop) -> None:
    await shop.park()
    await shop.discard(knows_the_ledger=False)
    assert len(shop.undelivered.visible()) == 1
    assert "ORDERS_TABLE" in shop.printed[0]
    assert not shop.audit_log.path.exists()


async def test_what_is_no_order_needs_no_ledger(shop: Shop) -> None:
    await shop.undelivered.send("{", attributes={})
    await shop.discard(knows_the_ledger=False)
    assert shop.undelivered.stored == {}
    (line,) = shop.audit_log.path.read_text().splitlines()
    assert json.loads(line)["body"] == "{"


@pytest.mark.parametrize(("reservation", "units"), [(None, ""), (OWN, ", and its units would be for sale again")])
async def test_a_dry_run_says_that_an_order_would_end_with_its_letter(
    shop: Shop, reservation: Reservation | None, units: str
) -> None:
    await shop.park(reservation)
    await shop.discard(dry_run=True)
    _, said, summary = shop.printed
    assert said.endswith(f": its order, which the ledger has never met, would end failed{units}")
    assert summary == "dry run: 1 would be discarded"
    assert (shop.status(), await shop.stock.level()) == (None, (8, 2, 0))
    assert len(shop.undelivered.visible()) == 1
    assert not shop.audit_log.path.exists()


async def test_a_dry_run_says_no_more_of_an_order_that_the_ledger_knows_nor_of_what_is_no_order(shop: Shop) -> None:
    await shop.park()
    await shop.undelivered.send("{", attributes={})
    await shop.ledger.accept(ORDER, reservation=OWN)
    await shop.discard(dry_run=True)
    assert len(shop.printed) == 3
    assert shop.printed[-1] == "dry run: 2 would be discarded"
    assert shop.status() is OrderStatus.PENDING


@pytest.mark.parametrize("away", [True, False])
async def test_a_dry_run_says_which_letters_would_stay(shop: Shop, *, away: bool) -> None:
    await shop.park()
    shop.ledger.unavailable = away
    await shop.discard(dry_run=True, knows_the_ledger=away)
    assert "would not be discarded: " in shop.printed[1]
    assert ("the ledger does not say" if away else "ORDERS_TABLE") in shop.printed[1]
    assert shop.printed[-1] == "dry run: 0 would be discarded, 1 would not"
