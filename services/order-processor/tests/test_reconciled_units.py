"""The units of an order that has lost its message end with it: nobody but the reconciler sees to them."""

from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderStatus, decode
from flashpay import Announcer, ChargeRequest, Reservations, Retention, Settler
from flashpay.testing import (
    KEY_WINDOW,
    FakeGateway,
    FakeOutcomes,
    FakeRefunds,
    FakeStock,
    ManualClock,
    MemoryLedger,
    refunder_of,
    sample_order,
    sample_reservation,
)
from order_processor.reconcile.reconciler import ApplyingReconciler, Outcome, Rest

ORDER = sample_order()
AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)
STEPS = 30  # more than a run has


class KilledError(BaseException):
    """No part of the code may catch it: the process is gone."""


class Killer:
    """Lets a process take so many steps, and none after them; None is all."""

    def __init__(self) -> None:
        self.left: int | None = None

    async def __call__(self, _step: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError


class Shop:
    """A limited order that was claimed by somebody who was killed, and whose message is lost."""

    def __init__(self, *, announced: bool = False) -> None:
        self.clock, self.killer = ManualClock(), Killer()
        self.ledger = MemoryLedger(retention=Retention(announced=announced), clock=self.clock, checkpoint=self.killer)
        self.gateway, self.stock = FakeGateway(checkpoint=self.killer), FakeStock(checkpoint=self.killer)
        self.orders, self.dead_letters, self.outcomes = FakeQueue(), FakeQueue(), FakeOutcomes()
        self.announced = announced

    async def leave_behind(self, *, charged: bool) -> None:
        await self.stock.set_up(total=10, reserved=2)
        await self.ledger.claim(ORDER, owner="killed", lease=LEASE, reservation=sample_reservation())
        if charged:
            paid = ORDER.model_dump(include={"order_id", "currency", "customer_id"})
            await self.gateway.charge(ChargeRequest(**paid, amount_minor=ORDER.total_minor), timeout=LEASE)

    async def reconcile(self) -> Outcome:
        announcer = Announcer(ledger=self.ledger, publish=self.outcomes.publish) if self.announced else None
        refunds = FakeRefunds(gateway=self.gateway)
        reservations = Reservations(stock=self.stock, limits=self.stock.stock.limits)
        reconciler = ApplyingReconciler(
            ledger=self.ledger,
            settler=self.settler,
            refunder=refunder_of(ledger=self.ledger, refunds=refunds, reservations=reservations, clock=self.clock),
            orders=self.orders,
            dead_letters=self.dead_letters,
            rest=Rest(after=AFTER, key_window=KEY_WINDOW, clock=self.clock),
            announcer=announcer,
        )
        return await reconciler.reconcile(ORDER.order_id)

    @property
    def settler(self) -> Settler:
        return Settler(
            ledger=self.ledger,
            gateway=self.gateway,
            stock=self.stock,
            limits=self.stock.stock.limits,
            owner="reconciler",
            lease=LEASE,
            clock=self.clock,
        )

    async def consume(self) -> None:
        """Settle what is queued."""
        for message in list(self.orders.stored.values()):
            event = decode(message.body)
            await self.settler.settle(event.data, reservation=event.reservation)

    @property
    def status(self) -> OrderStatus:
        return self.ledger.entries[ORDER.order_id].status


@pytest.mark.parametrize(
    ("charged", "age", "status", "level"),
    [
        (True, AFTER, OrderStatus.COMPLETED, (8, 0, 2)),
        (True, KEY_WINDOW, OrderStatus.COMPLETED, (8, 0, 2)),
        (False, KEY_WINDOW, OrderStatus.FAILED, (10, 0, 0)),
    ],
)
async def test_units_that_cannot_end_with_their_order_end_with_a_message_of_it(
    *, charged: bool, age: timedelta, status: OrderStatus, level: tuple[int, int, int]
) -> None:
    shop = Shop()
    await shop.leave_behind(charged=charged)
    shop.clock.advance(age)
    shop.stock.unavailable = True
    assert await shop.reconcile() is Outcome.FAILED
    assert shop.status is status
    shop.stock.unavailable = False
    await shop.consume()
    assert shop.status is status
    assert await shop.stock.level() == level
    assert shop.gateway.charged(ORDER.order_id) == int(charged)


@pytest.mark.parametrize("charged", [True, False])
async def test_a_reconciler_that_is_killed_before_the_units_end_has_its_successor_end_them(*, charged: bool) -> None:
    kills = 0
    for steps in range(STEPS):
        shop = Shop(announced=True)
        await shop.leave_behind(charged=charged)
        shop.clock.advance(KEY_WINDOW)
        shop.killer.left = steps
        try:
            await shop.reconcile()
        except KilledError:
            kills += 1
        shop.killer.left = None
        for _ in range(3):
            shop.clock.advance(KEY_WINDOW)
            await shop.reconcile()
        assert shop.status is (OrderStatus.COMPLETED if charged else OrderStatus.FAILED), f"killed at step {steps}"
        assert await shop.stock.level() == ((8, 0, 2) if charged else (10, 0, 0)), f"killed at step {steps}"
        assert shop.outcomes.told.count(shop.status.value) >= 1
    assert 0 < kills < STEPS, "every step of a run was one to be killed at"
