"""A failed order has given its units back: a redrive opens it with its units again, or calls it sold out."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import (
    Approved,
    Busy,
    Claimed,
    Duplicate,
    GivenUp,
    GiveUp,
    Mismatch,
    Settled,
    Settler,
    SoldOut,
    StockUnsettledError,
)
from flashpay.reservations import Reservations, endings
from flashpay.testing import FakeGateway, FakeStock, ManualClock, MemoryLedger, sample_order
from flashpay.testing import sample_reservation as reservation
from flashstock.errors import LimitReachedError

ORDER = sample_order()
OTHER_CONTENT = sample_order(quantity=3)
LEASE = timedelta(seconds=30)
OWN, OTHER = reservation("own"), reservation("other")


async def fail(settler: Settler, own: Reservation = OWN) -> None:
    assert isinstance(await settler.give_up(ORDER, reason="exhausted", reservation=own), GivenUp)


async def give_up(settler: Settler) -> GiveUp:
    return await settler.give_up(ORDER, reason="again", reservation=OWN, redriven=True)


async def buy_the_rest(stock: FakeStock) -> None:
    """Let somebody else reserve what is available."""
    available, reserved, _ = await stock.level()
    await stock.set_up("other", total=1, reserved=0)
    held = (await stock.stock.leases.read("gadget")).leases["seller"]
    await stock.stock.leases.change("gadget", "seller", held, by=available)
    assert await stock.level() == (0, reserved + available, 0)


@pytest.mark.parametrize("attempt", ["settle", "give up"])
@pytest.mark.parametrize("brought", [OWN, OTHER])
async def test_a_failed_order_whose_units_are_sold_by_now_is_sold_out(
    settler: Settler,
    memory: MemoryLedger,
    gateway: FakeGateway,
    stock: FakeStock,
    attempt: str,
    brought: Reservation,
) -> None:
    await fail(settler)
    await buy_the_rest(stock)
    ended = (
        await settler.settle(ORDER, reservation=brought, redriven=True)
        if attempt == "settle"
        else await settler.give_up(ORDER, reason="exhausted", reservation=brought, redriven=True)
    )
    entry = memory.entries[ORDER.order_id]
    assert ended == SoldOut(entry=entry)
    assert (entry.status, entry.reservation, gateway.requests) == (OrderStatus.SOLD_OUT, OWN, [])
    assert await stock.level() == ((0, 10, 0) if brought == OWN else (2, 8, 0))
    assert await settler.settle(ORDER, reservation=brought, redriven=True) == Duplicate(entry=entry)


@pytest.mark.parametrize("brought", [OWN, OTHER])
async def test_a_redriven_order_has_its_own_units_again(
    settler: Settler, stock: FakeStock, brought: Reservation
) -> None:
    await fail(settler)
    settled = await settler.settle(ORDER, reservation=brought, redriven=True)
    assert isinstance(settled, Settled)
    assert settled.entry.status is OrderStatus.COMPLETED
    assert await stock.level() == ((6, 2, 2) if brought == OWN else (8, 0, 2))


async def test_a_redriven_order_that_fails_again_returns_its_units_again(settler: Settler, stock: FakeStock) -> None:
    await fail(settler)
    given_up = await settler.give_up(ORDER, reason="again", reservation=OWN, redriven=True)
    assert isinstance(given_up, GivenUp)
    assert given_up.entry.reason == "again"
    assert await stock.level() == (8, 2, 0)


async def test_a_failed_order_without_units_of_its_own_is_opened_as_ever(
    settler: Settler, memory: MemoryLedger, stock: FakeStock
) -> None:
    await memory.fail(ORDER, reason="exhausted")
    assert isinstance(await settler.settle(ORDER, reservation=OTHER, redriven=True), Settled)
    assert await stock.level() == (8, 2, 0)


async def test_without_a_redrive_nothing_is_opened(settler: Settler, stock: FakeStock) -> None:
    await fail(settler)
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Duplicate)
    assert "reopen" not in stock.calls
    assert await stock.level() == (8, 2, 0)


async def test_only_a_failed_order_is_opened(
    settler: Settler, memory: MemoryLedger, stock: FakeStock, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE, reservation=OWN)
    clock.advance(LEASE)
    assert isinstance(await settler.settle(ORDER, reservation=OWN, redriven=True), Settled)
    assert isinstance(await settler.settle(ORDER, reservation=OWN, redriven=True), Duplicate)
    assert isinstance(await settler.settle(OTHER_CONTENT, reservation=OTHER, redriven=True), Mismatch)
    assert "reopen" not in stock.calls
    assert await stock.level() == (8, 0, 2)


async def test_an_order_is_not_charged_while_it_is_not_known_whether_it_has_its_units(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock
) -> None:
    await fail(settler)
    stock.unavailable = True
    for attempt in (settler.settle(ORDER, reservation=OWN, redriven=True), give_up(settler)):
        with pytest.raises(StockUnsettledError) as caught:
            await attempt
        assert caught.value.settled is False
        assert str(caught.value).startswith(f"{ORDER.order_id} has no units yet: ")
    assert (memory.entries[ORDER.order_id].status, gateway.requests) == (OrderStatus.PROCESSING, [])
    stock.unavailable = False
    # Not redriven: whoever takes the order over asks for its units again, and need not wait for the lease.
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Settled)
    assert await stock.level() == (6, 2, 2)


async def test_a_redrive_without_a_reservation_has_the_units_of_its_order_again(
    settler: Settler, stock: FakeStock
) -> None:
    await fail(settler)
    await settler.settle(ORDER, redriven=True)
    assert await stock.level() == (6, 2, 2)


async def test_an_ending_that_was_decided_before_the_redrive_comes_too_late(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock
) -> None:
    await fail(settler)
    late = endings(memory.entries[ORDER.order_id], OWN)
    gateway.hold()
    redrive = asyncio.create_task(settler.settle(ORDER, reservation=OWN, redriven=True))
    await gateway.until_in_flight(1)
    await stock.settle(late)
    assert await stock.level() == (6, 4, 0)
    gateway.let_go()
    await redrive
    assert await stock.level() == (6, 2, 2)


async def counts(stock: FakeStock) -> bool:
    """Whether the order counts for its customer, who may have two."""
    purchase: dict[str, Any] = {"customer_id": ORDER.customer_id, "limits": {"gadget": 2}}
    try:
        await stock.stock.limits.take({"gadget": 2}, order_id="another", **purchase)
    except LimitReachedError:
        return True
    await stock.stock.limits.release("gadget", customer_id=ORDER.customer_id, order_id="another")
    return False


@pytest.fixture
async def bought(stock: FakeStock) -> FakeStock:
    """The order counts for its customer."""
    await stock.stock.limits.take(
        {"gadget": 2}, customer_id=ORDER.customer_id, order_id=ORDER.order_id, limits={"gadget": 2}
    )
    return stock


async def test_a_redriven_order_that_is_paid_counts_for_its_customer_again(settler: Settler, bought: FakeStock) -> None:
    await fail(settler)
    assert not await counts(bought)
    assert isinstance(await settler.settle(ORDER, reservation=OWN, redriven=True), Settled)
    assert await counts(bought)


async def test_an_order_whose_late_answer_comes_after_it_was_given_up_counts_again(
    settler: Settler, memory: MemoryLedger, bought: FakeStock, clock: ManualClock
) -> None:
    stopped = await memory.claim(ORDER, owner="stopped", lease=LEASE, reservation=OWN)
    assert isinstance(stopped, Claimed)
    clock.advance(LEASE)
    await fail(settler)
    assert not await counts(bought)
    await memory.record(stopped, Approved(charge_id="ch_late"))
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Duplicate)
    assert await counts(bought)


async def test_an_ending_that_was_decided_before_the_redrive_takes_no_purchase_from_the_customer(
    settler: Settler, memory: MemoryLedger, bought: FakeStock
) -> None:
    await fail(settler)
    failed = memory.entries[ORDER.order_id]
    await settler.settle(ORDER, reservation=OWN, redriven=True)
    late = Reservations(stock=bought, limits=bought.stock.limits)
    await late.end(endings(failed, OWN), failed, settled=False)
    assert await counts(bought)
    assert await bought.level() == (6, 2, 2)


@pytest.mark.parametrize("overtaken_by", ["a late answer", "another claim"])
async def test_an_order_that_moved_on_is_not_sold_out(
    memory: MemoryLedger,
    gateway: FakeGateway,
    settler: Settler,
    stock: FakeStock,
    clock: ManualClock,
    overtaken_by: str,
) -> None:
    stopped = await memory.claim(ORDER, owner="stopped", lease=LEASE, reservation=OWN)
    assert isinstance(stopped, Claimed)
    clock.advance(LEASE)
    await fail(settler)

    async def overtake(place: str) -> None:
        if place != "sell_out.called":
            return
        if overtaken_by == "a late answer":
            await memory.record(stopped, Approved(charge_id="ch_late"))
        else:
            clock.advance(LEASE)
            await memory.claim(ORDER, owner="other", lease=LEASE)

    overtaken = MemoryLedger(clock=clock, checkpoint=overtake)
    overtaken.entries = memory.entries
    await buy_the_rest(stock)
    worker = Settler(ledger=overtaken, gateway=gateway, stock=stock, owner="worker", clock=clock)
    ended = await worker.settle(ORDER, reservation=OWN, redriven=True)
    if overtaken_by == "a late answer":
        assert isinstance(ended, Duplicate)
        assert (ended.entry.status, ended.entry.charge_id) == (OrderStatus.COMPLETED, "ch_late")
    else:
        assert ended == Busy(lease_until=clock.now + LEASE)
