"""An order's reserved units end with the order: sold or returned, once, before its message is let go."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import (
    Busy,
    ChargeUnknown,
    Claimed,
    Duplicate,
    GatewayUnavailableError,
    GivenUp,
    LedgerEntry,
    Mismatch,
    Settled,
    Settler,
    StockUnsettledError,
)
from flashpay.reservations import endings
from flashpay.testing import START, FakeGateway, FakeStock, ManualClock, MemoryLedger, Reply, sample_order
from flashpay.testing import sample_reservation as reservation
from flashstock.endings import Outcome
from flashstock.errors import LimitReachedError

ORDER = sample_order()
OTHER_CONTENT = sample_order(quantity=3)
LEASE = timedelta(seconds=30)
OWN, OTHER = reservation("own"), reservation("other")
OPEN = replace(LedgerEntry.claimed_first(ORDER, owner="w", lease_until=START, now=START), reservation=OWN)
SOLD, RETURNED = Outcome.SOLD, Outcome.RETURNED


TABLE: list[tuple[OrderStatus, Reservation | None, Reservation | None, list[tuple[Reservation, Outcome]]]] = [
    (OrderStatus.COMPLETED, OWN, OWN, [(OWN, SOLD)]),
    (OrderStatus.DECLINED, OWN, OWN, [(OWN, RETURNED)]),
    (OrderStatus.FAILED, OWN, OWN, [(OWN, RETURNED)]),
    (OrderStatus.SOLD_OUT, OWN, OWN, [(OWN, RETURNED)]),
    (OrderStatus.PENDING, OWN, OWN, []),
    (OrderStatus.PROCESSING, OWN, OWN, []),
    # A message that brings none, such as one that was published before anything was limited.
    (OrderStatus.COMPLETED, OWN, None, [(OWN, SOLD)]),
    (OrderStatus.DECLINED, OWN, None, [(OWN, RETURNED)]),
    (OrderStatus.PROCESSING, OWN, None, []),
    # A second reservation for the same order, or one of an order of another content.
    (OrderStatus.COMPLETED, OWN, OTHER, [(OWN, SOLD), (OTHER, RETURNED)]),
    (OrderStatus.FAILED, OWN, OTHER, [(OWN, RETURNED), (OTHER, RETURNED)]),
    (OrderStatus.PROCESSING, OWN, OTHER, [(OTHER, RETURNED)]),
    (OrderStatus.PENDING, OWN, OTHER, [(OTHER, RETURNED)]),
    (OrderStatus.COMPLETED, None, OTHER, [(OTHER, RETURNED)]),
    (OrderStatus.PROCESSING, None, OTHER, [(OTHER, RETURNED)]),
    *((status, None, None, []) for status in OrderStatus),
]


@pytest.mark.parametrize(("status", "own", "brought", "ended"), TABLE)
def test_which_reservations_have_found_their_end(
    status: OrderStatus,
    own: Reservation | None,
    brought: Reservation | None,
    ended: list[tuple[Reservation, Outcome]],
) -> None:
    entry = replace(OPEN, status=status, reservation=own)
    assert [(ending.reservation, ending.outcome) for ending in endings(entry, brought)] == ended


@pytest.mark.parametrize(("reply", "level"), [(Reply.APPROVE, (6, 2, 2)), (Reply.DECLINE, (8, 2, 0))])
async def test_the_units_of_a_settled_order_are_sold_or_returned_once(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock, reply: Reply, level: object
) -> None:
    gateway.plan(reply)
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Settled)
    assert memory.entries[ORDER.order_id].reservation == OWN
    assert await stock.level() == level
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Duplicate)
    assert await stock.level() == level


@pytest.mark.parametrize("redriven", [False, True])
async def test_an_order_without_a_reservation_asks_for_nothing_more(
    settler: Settler, memory: MemoryLedger, stock: FakeStock, *, redriven: bool
) -> None:
    assert isinstance(await settler.settle(ORDER, redriven=redriven), Settled)
    assert isinstance(await settler.settle(ORDER, redriven=redriven), Duplicate)
    assert isinstance(await settler.give_up(sample_order("second"), reason="exhausted", redriven=redriven), GivenUp)
    assert isinstance(await settler.give_up(OTHER_CONTENT, reason="exhausted", redriven=redriven), Mismatch)
    assert stock.calls == []
    assert memory.calls == ["claim", "record", "claim", "claim", "fail", "claim"]


async def test_of_two_reservations_of_one_order_one_is_sold_and_one_returned(
    settler: Settler, stock: FakeStock
) -> None:
    await settler.settle(ORDER, reservation=OWN)
    assert isinstance(await settler.settle(ORDER, reservation=OTHER), Duplicate)
    assert await stock.level() == (8, 0, 2)


async def test_a_message_without_a_reservation_ends_the_one_of_its_order(
    settler: Settler, memory: MemoryLedger, stock: FakeStock
) -> None:
    await memory.accept(ORDER, reservation=OWN)
    await settler.settle(ORDER)
    assert await stock.level() == (6, 2, 2)


async def test_what_comes_with_another_content_is_returned(
    settler: Settler, memory: MemoryLedger, stock: FakeStock
) -> None:
    await memory.claim(ORDER, owner="other", lease=LEASE, reservation=OWN)
    assert isinstance(await settler.settle(OTHER_CONTENT, reservation=OTHER), Mismatch)
    assert await stock.level() == (8, 2, 0)


async def test_an_order_that_is_not_at_its_end_keeps_its_units(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="other", lease=LEASE, reservation=OWN)
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Busy)
    clock.advance(LEASE)
    gateway.default = Reply.FAIL
    with pytest.raises(GatewayUnavailableError):
        await settler.settle(ORDER, reservation=OWN)
    assert isinstance(await settler.give_up(ORDER, reason="exhausted", reservation=OWN), ChargeUnknown)
    assert (stock.calls, await stock.level()) == ([], (6, 4, 0))


async def test_an_order_that_is_given_up_returns_its_units(
    settler: Settler, memory: MemoryLedger, stock: FakeStock
) -> None:
    assert isinstance(await settler.give_up(ORDER, reason="exhausted", reservation=OWN), GivenUp)
    assert memory.entries[ORDER.order_id].reservation == OWN
    assert await stock.level() == (8, 2, 0)


async def test_an_order_whose_charge_is_found_when_it_is_given_up_is_sold(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock, clock: ManualClock
) -> None:
    claim = await memory.claim(ORDER, owner="died", lease=LEASE, reservation=OWN)
    assert isinstance(claim, Claimed)
    charging = Settler(ledger=MemoryLedger(clock=clock), gateway=gateway, owner="died", clock=clock)
    await charging.settle(ORDER)
    clock.advance(LEASE)
    assert isinstance(await settler.give_up(ORDER, reason="exhausted", reservation=OWN), Settled)
    assert await stock.level() == (6, 2, 2)


async def test_while_the_stock_does_not_answer_the_order_stands_and_the_next_delivery_ends_its_reservation(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock
) -> None:
    stock.unavailable = True
    for settled in (True, False):
        with pytest.raises(StockUnsettledError) as caught:
            await settler.settle(ORDER, reservation=OWN)
        assert (caught.value.retryable, caught.value.reason) == (True, "stock_unavailable")
        assert str(caught.value).startswith(f"{ORDER.order_id} is completed: ")
        assert caught.value.settled is settled
        assert caught.value.ended == (memory.entries[ORDER.order_id] if settled else None)
    with pytest.raises(StockUnsettledError) as caught:
        await settler.give_up(ORDER, reason="exhausted", reservation=OWN)
    assert caught.value.ended is None
    assert memory.entries[ORDER.order_id].status is OrderStatus.COMPLETED
    stock.unavailable = False
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Duplicate)
    assert await stock.level() == (6, 2, 2)
    assert len(gateway.requests) == 1


async def test_an_order_that_is_given_up_while_the_stock_does_not_answer_is_told_by_that_attempt_alone(
    settler: Settler, memory: MemoryLedger, stock: FakeStock
) -> None:
    stock.unavailable = True
    told = []
    for _ in range(2):
        with pytest.raises(StockUnsettledError) as caught:
            await settler.give_up(ORDER, reason="exhausted", reservation=OWN)
        assert caught.value.settled is False
        told.append(caught.value.ended)
    assert told == [memory.entries[ORDER.order_id], None]


async def test_who_dies_between_the_record_and_the_ending_leaves_it_to_the_next_delivery(
    memory: MemoryLedger, gateway: FakeGateway, settler: Settler, stock: FakeStock, clock: ManualClock
) -> None:
    class DeathError(BaseException):
        pass

    async def die(place: str) -> None:
        if place == "settle.called":
            raise DeathError

    dying = Settler(ledger=memory, gateway=gateway, stock=FakeStock(checkpoint=die), owner="dying", clock=clock)
    with pytest.raises(DeathError):
        await dying.settle(ORDER, reservation=OWN)
    assert (memory.entries[ORDER.order_id].status, await stock.level()) == (OrderStatus.COMPLETED, (6, 4, 0))
    assert isinstance(await settler.settle(ORDER, reservation=OWN), Duplicate)
    assert await stock.level() == (6, 2, 2)


async def test_a_cancelled_settle_still_ends_the_reservation(
    memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    ending, go_on = asyncio.Event(), asyncio.Event()

    async def slow_ending(place: str) -> None:
        if place == "settle.called":
            ending.set()
            await go_on.wait()

    stock = FakeStock(checkpoint=slow_ending)
    await stock.set_up(total=10, reserved=4)
    settler = Settler(ledger=memory, gateway=gateway, stock=stock, owner="worker", clock=clock)
    settling = asyncio.create_task(settler.settle(ORDER, reservation=OWN))
    await ending.wait()
    settling.cancel()
    await asyncio.sleep(0)
    assert not settling.done()
    assert f"end {ORDER.order_id}" in {task.get_name() for task in asyncio.all_tasks()}
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert await stock.level() == (6, 2, 2)


async def test_a_reservation_where_no_stock_is_known_is_not_let_go(
    memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    settler = Settler(ledger=memory, gateway=gateway, owner="worker", clock=clock)
    with pytest.raises(StockUnsettledError, match="no stock table is set"):
        await settler.settle(ORDER, reservation=OWN)
    assert memory.entries[ORDER.order_id].status is OrderStatus.COMPLETED


@pytest.mark.parametrize(
    ("reply", "brought", "counts"),
    [(Reply.APPROVE, OWN, True), (Reply.DECLINE, OWN, False), (Reply.APPROVE, OTHER, True)],
)
async def test_an_order_counts_for_its_customer_until_its_own_units_are_returned(
    settler: Settler, gateway: FakeGateway, stock: FakeStock, reply: Reply, brought: Reservation, *, counts: bool
) -> None:
    purchase: dict[str, Any] = {"customer_id": ORDER.customer_id, "limits": {"gadget": 2}}
    await stock.stock.limits.take({"gadget": 2}, order_id=ORDER.order_id, **purchase)
    gateway.plan(reply)
    await settler.settle(ORDER, reservation=OWN)
    await settler.settle(ORDER, reservation=brought)
    another = stock.stock.limits.take({"gadget": 2}, order_id="another", **purchase)
    if counts:
        with pytest.raises(LimitReachedError):
            await another
    else:
        await another
