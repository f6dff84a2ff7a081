"""A failed order has given its units back: a redrive opens it with its units again, or calls it sold out."""

from datetime import timedelta

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import (
    Approved,
    Claimed,
    Duplicate,
    GivenUp,
    LedgerEntry,
    LedgerUnavailableError,
    Mismatch,
    Settled,
    Settler,
    SoldOut,
    StockUnsettledError,
)
from flashpay.testing import FakeGateway, FakeStock, ManualClock, MemoryLedger, sample_order
from flashpay.testing import sample_reservation as reservation

ORDER = sample_order()
OTHER_CONTENT = sample_order(quantity=3)
LEASE = timedelta(seconds=30)
OWN, OTHER = reservation("own"), reservation("other")


async def fail(settler: Settler, own: Reservation = OWN) -> None:
    assert isinstance(await settler.give_up(ORDER, reason="exhausted", reservation=own), GivenUp)


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


async def test_an_order_is_not_opened_while_it_is_not_known_whether_it_has_its_units(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock
) -> None:
    await fail(settler)
    stock.unavailable = True
    with pytest.raises(StockUnsettledError) as caught:
        await settler.settle(ORDER, reservation=OWN, redriven=True)
    assert not caught.value.settled
    assert (memory.entries[ORDER.order_id].status, gateway.requests) == (OrderStatus.FAILED, [])
    stock.unavailable = False
    assert isinstance(await settler.settle(ORDER, reservation=OWN, redriven=True), Settled)
    assert await stock.level() == (6, 2, 2)


async def test_an_order_that_fails_behind_a_redrive_is_not_opened_without_its_units(
    gateway: FakeGateway, stock: FakeStock, clock: ManualClock
) -> None:
    async def fail_it(place: str) -> None:
        if place == "get.done":
            await Settler(ledger=other, gateway=gateway, stock=stock, owner="other", clock=clock).give_up(
                ORDER, reason="exhausted", reservation=OWN
            )

    class SlowReads(MemoryLedger):
        async def get(self, order_id: str) -> LedgerEntry | None:
            entry = await super().get(order_id)
            await fail_it("get.done")
            return entry

    ledger, other = SlowReads(clock=clock), MemoryLedger(clock=clock)
    other.entries = ledger.entries
    settler = Settler(ledger=ledger, gateway=gateway, stock=stock, owner="worker", clock=clock)
    redriven = await settler.settle(ORDER, reservation=OWN, redriven=True)
    assert isinstance(redriven, Duplicate)
    assert redriven.entry.status is OrderStatus.FAILED
    assert await stock.level() == (8, 2, 0)


async def test_a_redrive_that_opened_but_did_not_claim_leaves_the_units_to_the_next(
    memory: MemoryLedger, settler: Settler, gateway: FakeGateway, stock: FakeStock, clock: ManualClock
) -> None:
    async def lose_the_claim(place: str) -> None:
        if place == "claim.called":
            raise LedgerUnavailableError("lost", reason="connection")

    await fail(settler)
    losing = MemoryLedger(clock=clock, checkpoint=lose_the_claim)
    losing.entries = memory.entries
    with pytest.raises(LedgerUnavailableError):
        await Settler(ledger=losing, gateway=gateway, stock=stock, owner="losing", clock=clock).settle(
            ORDER, reservation=OWN, redriven=True
        )
    assert await stock.level() == (6, 4, 0)
    assert isinstance(await settler.settle(ORDER, reservation=OWN, redriven=True), Settled)
    assert await stock.level() == (6, 2, 2)


async def test_a_completed_order_that_overtook_the_sale_is_not_sold_out(
    memory: MemoryLedger, gateway: FakeGateway, settler: Settler, stock: FakeStock, clock: ManualClock
) -> None:
    claim = await memory.claim(ORDER, owner="stopped", lease=LEASE, reservation=OWN)
    assert isinstance(claim, Claimed)
    clock.advance(LEASE)
    await fail(settler)

    async def record_late(place: str) -> None:
        if place == "sell_out.called":
            await memory.record(claim, Approved(charge_id="ch_late"))

    overtaken = MemoryLedger(clock=clock, checkpoint=record_late)
    overtaken.entries = memory.entries
    await buy_the_rest(stock)
    worker = Settler(ledger=overtaken, gateway=gateway, stock=stock, owner="worker", clock=clock)
    ended = await worker.settle(ORDER, reservation=OWN, redriven=True)
    assert isinstance(ended, Duplicate)
    assert (ended.entry.status, ended.entry.charge_id) == (OrderStatus.COMPLETED, "ch_late")
