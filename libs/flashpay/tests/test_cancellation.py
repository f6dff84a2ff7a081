"""Cancelling: called off before the claim, paid back after the charge, each once, whatever fails in between."""

import asyncio

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import (
    Announcer,
    Cancellation,
    Canceller,
    GatewayRefusedError,
    GatewayUnavailableError,
    LedgerEntry,
    LedgerUnavailableError,
    RefundForgottenError,
    Reservations,
    Retention,
    Settled,
    Settler,
    StockUnsettledError,
    Tombstone,
    UnmetOrderError,
)
from flashpay.testing import (
    KEY_WINDOW,
    FakeGateway,
    FakeOutcomes,
    FakeRefunds,
    FakeStock,
    ManualClock,
    MemoryLedger,
    Reply,
    cancel,
    refunder_of,
    sample_order,
    sample_reservation,
)
from flashstock.errors import LimitReachedError

ORDER = sample_order()
RESERVATION = sample_reservation()


@pytest.fixture
def refunds(gateway: FakeGateway) -> FakeRefunds:
    return FakeRefunds(gateway=gateway)


@pytest.fixture
def canceller(memory: MemoryLedger, refunds: FakeRefunds, stock: FakeStock, clock: ManualClock) -> Canceller:
    reservations = Reservations(stock=stock, limits=stock.stock.limits)
    refunder = refunder_of(ledger=memory, refunds=refunds, reservations=reservations, clock=clock)
    return Canceller(ledger=memory, refunder=refunder, reservations=reservations)


async def bought(stock: FakeStock) -> None:
    """The order counts for its customer, two of two."""
    await stock.stock.limits.take(
        {"gadget": 2}, customer_id=ORDER.customer_id, order_id=ORDER.order_id, limits={"gadget": 2}
    )


async def still_counts(stock: FakeStock) -> bool:
    limits = stock.stock.limits
    other = sample_order("of the same customer")
    try:
        await limits.take({"gadget": 1}, customer_id=ORDER.customer_id, order_id=other.order_id, limits={"gadget": 2})
    except LimitReachedError:
        return True
    return False


async def settled(settler: Settler, reservation: Reservation | None = RESERVATION) -> OrderStatus:
    ended = await settler.settle(ORDER, reservation=reservation)
    assert ended is not None
    entry = getattr(ended, "entry", None)
    assert isinstance(entry, LedgerEntry)
    return entry.status


def status_of(cancellation: Cancellation) -> OrderStatus:
    return cancellation.entry.status


async def test_an_order_that_was_never_claimed_is_not_charged_and_its_message_returns_the_units(
    canceller: Canceller, settler: Settler, gateway: FakeGateway, stock: FakeStock
) -> None:
    await bought(stock)
    cancellation = await cancel(canceller, ORDER.order_id)
    assert isinstance(cancellation.entry, Tombstone)
    assert await stock.level() == (6, 4, 0)
    assert await settled(settler) is OrderStatus.CANCELLED
    assert gateway.requests == []
    assert await stock.level() == (8, 2, 0)
    assert not await still_counts(stock)
    assert await settled(settler) is OrderStatus.CANCELLED
    assert await stock.level() == (8, 2, 0)


async def test_an_accepted_order_returns_its_units_at_once(
    canceller: Canceller, memory: MemoryLedger, settler: Settler, gateway: FakeGateway, stock: FakeStock
) -> None:
    await bought(stock)
    await memory.accept(ORDER, reservation=RESERVATION)
    first = await cancel(canceller, ORDER.order_id)
    assert (status_of(first), first.trouble) == (OrderStatus.CANCELLED, None)
    assert await stock.level() == (8, 2, 0)
    assert not await still_counts(stock)
    assert await cancel(canceller, ORDER.order_id) == first
    assert await settled(settler) is OrderStatus.CANCELLED
    assert await stock.level() == (8, 2, 0)
    assert gateway.requests == []


async def test_without_stock_the_order_is_cancelled_all_the_same_and_its_message_returns_the_units(
    canceller: Canceller, memory: MemoryLedger, settler: Settler, stock: FakeStock
) -> None:
    await memory.accept(ORDER, reservation=RESERVATION)
    stock.unavailable = True
    cancellation = await cancel(canceller, ORDER.order_id)
    assert status_of(cancellation) is OrderStatus.CANCELLED
    assert isinstance(cancellation.trouble, StockUnsettledError)
    assert not cancellation.trouble.settled
    stock.unavailable = False
    assert await settled(settler) is OrderStatus.CANCELLED
    assert await stock.level() == (8, 2, 0)


async def test_a_paid_order_is_paid_back_once_and_its_units_are_for_sale_again(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, stock: FakeStock
) -> None:
    await bought(stock)
    assert await settled(settler) is OrderStatus.COMPLETED
    first = await cancel(canceller, ORDER.order_id)
    assert isinstance(first.entry, LedgerEntry)
    assert (first.entry.status, first.entry.refund_id) == (OrderStatus.REFUNDED, "re_000001")
    assert await cancel(canceller, ORDER.order_id) == first
    assert refunds.refunded(ORDER.order_id) == 1
    assert refunds.refunds[0].request.amount_minor == ORDER.total_minor
    assert await stock.level() == (8, 2, 0)
    assert not await still_counts(stock)


async def test_the_message_of_a_paid_back_order_is_acknowledged_and_changes_nothing(
    canceller: Canceller, settler: Settler, gateway: FakeGateway, stock: FakeStock
) -> None:
    await settled(settler)
    await cancel(canceller, ORDER.order_id)
    for reservation in (RESERVATION, sample_reservation("second")):
        assert await settled(settler, reservation) is OrderStatus.REFUNDED
    assert gateway.charged(ORDER.order_id) == 1
    assert await stock.level() == (10, 0, 0)


async def test_an_order_that_is_being_paid_is_left_alone(
    canceller: Canceller, settler: Settler, gateway: FakeGateway, refunds: FakeRefunds
) -> None:
    gateway.hold()
    paying = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.PROCESSING
    gateway.let_go()
    assert isinstance(await paying, Settled)
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDED
    assert (gateway.charged(ORDER.order_id), refunds.refunded(ORDER.order_id)) == (1, 1)


@pytest.mark.parametrize("reply", [Reply.LOSE, Reply.FAIL, Reply.REFUSE])
async def test_a_refund_without_an_answer_is_resumed_under_the_same_key(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, stock: FakeStock, reply: Reply
) -> None:
    await settled(settler)
    refunds.default = reply
    cancellation = await cancel(canceller, ORDER.order_id)
    assert status_of(cancellation) is OrderStatus.REFUNDING
    assert isinstance(cancellation.trouble, GatewayUnavailableError)
    assert await stock.level() == (6, 2, 2)
    refunds.default = Reply.APPROVE
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDED
    assert {request.key for request in refunds.requests} == {f"refund-{ORDER.order_id}"}
    assert refunds.refunded(ORDER.order_id) == 1
    assert await stock.level() == (8, 2, 0)


async def test_a_refund_whose_units_cannot_be_given_back_is_not_finished(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, stock: FakeStock
) -> None:
    await settled(settler)
    stock.unavailable = True
    cancellation = await cancel(canceller, ORDER.order_id)
    assert status_of(cancellation) is OrderStatus.REFUNDING
    assert isinstance(cancellation.trouble, StockUnsettledError)
    assert not cancellation.trouble.settled
    stock.unavailable = False
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDED
    assert refunds.refunded(ORDER.order_id) == 1
    assert await stock.level() == (8, 2, 0)


async def test_a_refund_whose_units_wait_for_longer_than_the_gateway_remembers_is_not_asked_for_again(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, stock: FakeStock, clock: ManualClock
) -> None:
    await settled(settler)
    stock.unavailable = True
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDING
    stock.unavailable = False
    refunds.answers.clear()
    clock.advance(KEY_WINDOW * 2)
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDED
    assert len(refunds.requests) == refunds.refunded(ORDER.order_id) == 1
    assert await stock.level() == (8, 2, 0)


async def test_after_the_key_window_a_refund_is_only_looked_up(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, clock: ManualClock
) -> None:
    await settled(settler)
    refunds.default = Reply.LOSE
    await cancel(canceller, ORDER.order_id)
    refunds.default = Reply.APPROVE
    clock.advance(KEY_WINDOW)
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.REFUNDED
    assert len(refunds.requests) == refunds.refunded(ORDER.order_id) == 1


async def test_a_refund_that_the_gateway_has_forgotten_is_not_sent_again(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, clock: ManualClock
) -> None:
    await settled(settler)
    refunds.default = Reply.LOSE
    await cancel(canceller, ORDER.order_id)
    refunds.default = Reply.APPROVE
    refunds.answers.clear()
    clock.advance(KEY_WINDOW)
    cancellation = await cancel(canceller, ORDER.order_id)
    assert status_of(cancellation) is OrderStatus.REFUNDING
    assert isinstance(cancellation.trouble, RefundForgottenError)
    assert (cancellation.trouble.retryable, cancellation.trouble.reason) == (False, "refund_forgotten")
    assert ORDER.order_id in str(cancellation.trouble)
    assert refunds.refunded(ORDER.order_id) == 1


async def test_a_refund_that_is_refused_stays_open_for_a_human(
    canceller: Canceller, settler: Settler, gateway: FakeGateway
) -> None:
    await settled(settler)
    gateway.charges.clear()  # the provider has lost its charge
    cancellation = await cancel(canceller, ORDER.order_id)
    assert status_of(cancellation) is OrderStatus.REFUNDING
    assert isinstance(cancellation.trouble, GatewayRefusedError)


async def test_a_ledger_that_does_not_answer_has_decided_nothing_that_is_known(
    canceller: Canceller, memory: MemoryLedger, settler: Settler, refunds: FakeRefunds
) -> None:
    await settled(settler)
    memory.unavailable = True
    with pytest.raises(LedgerUnavailableError):
        await cancel(canceller, ORDER.order_id)
    assert refunds.requests == []


async def test_many_cancellations_at_once_pay_back_once(
    canceller: Canceller, settler: Settler, refunds: FakeRefunds, stock: FakeStock
) -> None:
    await settled(settler)
    cancellations = await asyncio.gather(*(cancel(canceller, ORDER.order_id) for _ in range(10)))
    assert {status_of(one) for one in cancellations} == {OrderStatus.REFUNDED}
    assert refunds.refunded(ORDER.order_id) == 1
    assert await stock.level() == (8, 2, 0)


async def test_a_redriven_message_of_a_cancelled_order_charges_nothing(
    canceller: Canceller, settler: Settler, gateway: FakeGateway
) -> None:
    await cancel(canceller, ORDER.order_id)
    await settler.settle(ORDER, reservation=RESERVATION, redriven=True)
    assert gateway.requests == []


async def test_ends_that_a_cancellation_brings_are_told_and_a_tombstone_only_by_who_brings_its_content(
    gateway: FakeGateway, refunds: FakeRefunds, clock: ManualClock
) -> None:
    ledger, outcomes = MemoryLedger(retention=Retention(announced=True), clock=clock), FakeOutcomes()
    nothing_limited = Reservations(stock=None, limits=None)
    refunder = refunder_of(ledger=ledger, refunds=refunds, clock=clock)
    async with Announcer(ledger=ledger, publish=outcomes.publish) as announcer:
        canceller = Canceller(ledger=ledger, refunder=refunder, reservations=nothing_limited, announcer=announcer)
        settler = Settler(ledger=ledger, gateway=gateway, announcer=announcer, owner="worker", clock=clock)
        await cancel(canceller, ORDER.order_id)
        await announcer.flush()
        assert outcomes.told == []
        await settler.settle(ORDER)
        await announcer.flush()
        assert outcomes.told == ["cancelled"]
        paid = sample_order("paid")
        await settler.settle(paid)
        await announcer.flush()
        await cancel(canceller, paid.order_id)
        await announcer.flush()
        assert outcomes.told == ["cancelled", "completed", "refunded"]


async def test_a_cancellation_whose_units_are_not_back_is_owed_until_they_are(
    refunds: FakeRefunds, stock: FakeStock, clock: ManualClock
) -> None:
    ledger, outcomes = MemoryLedger(retention=Retention(announced=True), clock=clock), FakeOutcomes()
    reservations = Reservations(stock=stock, limits=stock.stock.limits)
    refunder = refunder_of(ledger=ledger, refunds=refunds, reservations=reservations, clock=clock)
    await ledger.accept(ORDER, reservation=RESERVATION)
    async with Announcer(ledger=ledger, publish=outcomes.publish) as announcer:
        canceller = Canceller(ledger=ledger, refunder=refunder, reservations=reservations, announcer=announcer)
        stock.unavailable = True
        assert isinstance((await cancel(canceller, ORDER.order_id)).trouble, StockUnsettledError)
        await announcer.flush()
        assert ledger.entries[ORDER.order_id].event_owed, "told, it would be found by nobody"
        stock.unavailable = False
        assert (await cancel(canceller, ORDER.order_id)).trouble is None
        await announcer.flush()
    assert outcomes.told == ["cancelled"]
    assert not ledger.entries[ORDER.order_id].event_owed


async def test_where_orders_expire_one_without_an_entry_is_not_called_cancelled(
    memory: MemoryLedger, refunds: FakeRefunds, clock: ManualClock
) -> None:
    refunder = refunder_of(ledger=memory, refunds=refunds, clock=clock)
    nothing_limited = Reservations(stock=None, limits=None)
    canceller = Canceller(ledger=memory, refunder=refunder, reservations=nothing_limited, forgetful=True)
    with pytest.raises(UnmetOrderError, match=f"{ORDER.order_id} is not in the ledger") as caught:
        await cancel(canceller, ORDER.order_id)
    assert (caught.value.reason, caught.value.retryable) == ("unmet", True)
    assert await memory.find(ORDER.order_id) is None
    await memory.accept(ORDER)
    assert status_of(await cancel(canceller, ORDER.order_id)) is OrderStatus.CANCELLED
