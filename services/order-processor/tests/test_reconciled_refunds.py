"""A refund that was decided on and not finished is finished by the reconciler: once, or by a human."""

from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderStatus
from flashpay import Canceller, Reservations, Settler
from flashpay.testing import (
    FakeGateway,
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
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Rest

AFTER = timedelta(minutes=15)
KEY_WINDOW = timedelta(hours=24)
LEASE = timedelta(seconds=30)
ORDER = sample_order()


class Shop:
    """One paid order, and a reconciler."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryLedger(clock=self.clock)
        self.gateway = FakeGateway()
        self.refunds = FakeRefunds(gateway=self.gateway)
        self.queue, self.dead_letters = FakeQueue(), FakeQueue()
        self.stock = FakeStock()
        self.settler = Settler(
            ledger=self.ledger, gateway=self.gateway, stock=self.stock, owner="worker", lease=LEASE, clock=self.clock
        )
        self.reservations = Reservations(stock=self.stock, limits=None)
        self.refunder = refunder_of(
            ledger=self.ledger, refunds=self.refunds, reservations=self.reservations, clock=self.clock
        )

    def status(self) -> OrderStatus:
        return self.ledger.entries[ORDER.order_id].status

    async def left_behind(self, reply: Reply) -> None:
        """The refund was asked for, with this reply, and then the API was killed."""
        await self.settler.settle(ORDER)
        self.refunds.default = reply
        await self.cancel()
        self.refunds.default = Reply.APPROVE

    async def cancel(self) -> None:
        """As the API does, but for the end."""
        api = Canceller(ledger=self.ledger, refunder=self.refunder, reservations=self.reservations)
        await cancel(api, ORDER.order_id)
        assert self.status() is OrderStatus.REFUNDING

    async def reconcile(self, *, apply: bool = True) -> Outcome:
        rest = Rest(after=AFTER, key_window=KEY_WINDOW, clock=self.clock)
        dry = DryReconciler(ledger=self.ledger, gateway=self.gateway, refunds=self.refunds, rest=rest)
        applying = ApplyingReconciler(
            ledger=self.ledger,
            settler=self.settler,
            refunder=self.refunder,
            orders=self.queue,
            dead_letters=self.dead_letters,
            rest=rest,
        )
        return await (applying if apply else dry).reconcile(ORDER.order_id)


@pytest.fixture
async def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("reply", [Reply.LOSE, Reply.FAIL])
async def test_a_refund_that_was_decided_on_is_finished_once(shop: Shop, reply: Reply) -> None:
    await shop.left_behind(reply)
    assert await shop.reconcile() is Outcome.RESTING
    shop.clock.advance(AFTER)
    assert await shop.reconcile(apply=False) is Outcome.REFUNDED
    assert shop.status() is OrderStatus.REFUNDING
    assert await shop.reconcile() is Outcome.REFUNDED
    assert shop.status() is OrderStatus.REFUNDED
    assert shop.refunds.refunded(ORDER.order_id) == 1
    assert (shop.queue.stored, shop.dead_letters.stored) == ({}, {})
    assert await shop.reconcile() is Outcome.RESTING


async def test_after_the_key_window_a_refund_is_looked_up_and_recorded(shop: Shop) -> None:
    await shop.left_behind(Reply.LOSE)
    shop.clock.advance(KEY_WINDOW)
    for apply in (False, True):
        assert await shop.reconcile(apply=apply) is Outcome.REFUNDED
    assert shop.status() is OrderStatus.REFUNDED
    assert len(shop.refunds.requests) == shop.refunds.refunded(ORDER.order_id) == 1


async def test_a_refund_that_the_gateway_has_forgotten_is_for_a_human_and_never_sent_again(shop: Shop) -> None:
    await shop.left_behind(Reply.LOSE)
    shop.refunds.answers.clear()
    shop.clock.advance(KEY_WINDOW)
    for apply in (False, True):
        assert await shop.reconcile(apply=apply) is Outcome.CONFLICT
    assert shop.status() is OrderStatus.REFUNDING
    assert shop.refunds.refunded(ORDER.order_id) == 1


async def test_a_refund_that_was_noted_ends_when_its_units_can_be_given_back_and_nobody_is_asked_again(
    shop: Shop,
) -> None:
    await shop.stock.set_up(total=10, reserved=2)
    await shop.settler.settle(ORDER, reservation=sample_reservation())
    shop.stock.unavailable = True
    await shop.cancel()
    shop.refunds.default = Reply.REFUSE
    for _ in range(2):
        shop.clock.advance(KEY_WINDOW)
        assert await shop.reconcile() is Outcome.FAILED
    shop.stock.unavailable = False
    for apply in (False, True):
        assert await shop.reconcile(apply=apply) is Outcome.REFUNDED
    assert shop.status() is OrderStatus.REFUNDED
    assert len(shop.refunds.requests) == shop.refunds.refunded(ORDER.order_id) == 1
    assert await shop.stock.level() == (10, 0, 0)


async def test_a_refund_that_the_gateway_refuses_is_for_a_human(shop: Shop) -> None:
    await shop.left_behind(Reply.FAIL)
    shop.gateway.charges.clear()  # the provider has lost its charge
    shop.clock.advance(AFTER)
    assert await shop.reconcile() is Outcome.CONFLICT
    assert shop.status() is OrderStatus.REFUNDING


async def test_a_gateway_that_does_not_answer_leaves_a_refund_to_the_next_run(shop: Shop) -> None:
    await shop.left_behind(Reply.FAIL)
    shop.refunds.default = Reply.REFUSE
    shop.clock.advance(AFTER)
    for apply in (False, True):
        assert await shop.reconcile(apply=apply) is Outcome.UNKNOWN
    assert shop.status() is OrderStatus.REFUNDING


async def test_a_ledger_that_does_not_answer_leaves_a_refund_to_the_next_run(shop: Shop) -> None:
    await shop.left_behind(Reply.FAIL)
    shop.clock.advance(AFTER)
    shop.ledger.unavailable = True
    assert await shop.reconcile() is Outcome.FAILED
