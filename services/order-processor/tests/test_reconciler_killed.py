"""A reconciler that is killed at any of its steps leaves nothing behind that the next run does not bring on."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderStatus, decode
from flashpay import Approved, Canceller, ChargeRequest, Claimed, Reservations, Settler
from flashpay.testing import (
    FakeGateway,
    FakeRefunds,
    FakeStock,
    ManualClock,
    MemoryLedger,
    cancel,
    refunder_of,
    sample_order,
    sample_reservation,
)
from order_processor.reconcile.reconciler import ApplyingReconciler, Outcome, Rest

ORDER = sample_order()
AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)
KEY_WINDOW = timedelta(hours=24)
REQUEST = ChargeRequest(
    order_id=ORDER.order_id,
    amount_minor=ORDER.total_minor,
    currency=ORDER.currency,
    customer_id=ORDER.customer_id,
)
# More than a run over one order has: with the last of them nobody is killed.
STEPS = 20
FEWEST = 7  # steps of a run: reading, and before and after claiming, looking up and recording


class KilledError(BaseException):
    """No part of the code may catch it: the process is gone."""


class Killer:
    """Lets a process take so many steps, and none after them."""

    def __init__(self) -> None:
        self.steps: int | None = None
        self.killed = False

    async def __call__(self, _step: str) -> None:
        if self.steps is not None:
            self.killed = self.steps <= 0
            self.steps -= 1
        if self.killed:
            raise KilledError


class Sender:
    """Sends to a queue, before and after which a process may be killed."""

    def __init__(self, queue: FakeQueue, killer: Killer) -> None:
        self._queue = queue
        self._killer = killer

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        await self._killer("send.called")
        await self._queue.send(body, attributes=attributes)
        await self._killer("send.done")


class Shop:
    """One order that was left behind, and a reconciler that can be killed."""

    def __init__(self) -> None:
        self.clock, self.killer = ManualClock(), Killer()
        self.ledger = MemoryLedger(clock=self.clock, checkpoint=self.killer)
        self.gateway = FakeGateway(checkpoint=self.killer)
        self.refunds = FakeRefunds(gateway=self.gateway, checkpoint=self.killer)
        self.stock = FakeStock(checkpoint=self.killer)
        self.orders, self.dead_letters = FakeQueue(), FakeQueue()
        self.reservations = Reservations(stock=self.stock, limits=self.stock.stock.limits)
        self.refunder = refunder_of(
            ledger=self.ledger, refunds=self.refunds, reservations=self.reservations, clock=self.clock
        )
        self.settler = Settler(ledger=self.ledger, gateway=self.gateway, owner="worker", lease=LEASE, clock=self.clock)

    async def reconcile(self) -> Outcome:
        reconciler = ApplyingReconciler(
            ledger=self.ledger,
            settler=self.settler,
            refunder=self.refunder,
            orders=Sender(self.orders, self.killer),
            dead_letters=Sender(self.dead_letters, self.killer),
            rest=Rest(after=AFTER, key_window=KEY_WINDOW, clock=self.clock),
        )
        return await reconciler.reconcile(ORDER.order_id)

    async def consume(self) -> None:
        """Settle what is queued, and what an operator redrives."""
        for queue, redriven in ((self.orders, False), (self.dead_letters, True)):
            for message in list(queue.stored.values()):
                await self.settler.settle(decode(message.body).data, redriven=redriven)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("charged", [True, False])
async def test_killed_anywhere_the_next_run_brings_the_order_to_one_end(*, charged: bool, old: bool) -> None:
    kills = 0
    for steps in range(STEPS):
        shop = Shop()
        await shop.ledger.claim(ORDER, owner="killed", lease=LEASE)
        if charged:
            await shop.gateway.charge(REQUEST, timeout=LEASE)
        shop.clock.advance(KEY_WINDOW if old else AFTER)
        shop.killer.steps = steps
        try:
            await shop.reconcile()
        except KilledError:
            kills += 1
        shop.killer.steps, shop.killer.killed = None, False
        shop.clock.advance(KEY_WINDOW)
        await shop.reconcile()
        assert charged or shop.orders.stored or shop.dead_letters.stored, f"killed at step {steps}"
        await shop.consume()
        assert shop.ledger.entries[ORDER.order_id].status is OrderStatus.COMPLETED, f"killed at step {steps}"
        assert shop.gateway.charged(ORDER.order_id) == 1, f"killed at step {steps}"
    assert FEWEST <= kills < STEPS, "every step of a run was one to be killed at"


async def test_an_api_that_is_killed_anywhere_in_a_refund_leaves_one_that_the_reconciler_finishes() -> None:
    kills = 0
    for steps in range(STEPS):
        shop = Shop()
        await shop.stock.set_up(total=10, reserved=2)
        claim = await shop.ledger.claim(ORDER, owner="worker", lease=LEASE, reservation=sample_reservation())
        assert isinstance(claim, Claimed)
        charge = await shop.gateway.charge(REQUEST, timeout=LEASE)
        assert isinstance(charge, Approved)
        await shop.ledger.record(claim, charge)
        api = Canceller(ledger=shop.ledger, refunder=shop.refunder, reservations=shop.reservations)
        shop.killer.steps = steps
        try:
            await cancel(api, ORDER.order_id)
        except KilledError:
            kills += 1
        shop.killer.steps, shop.killer.killed = None, False
        decided = shop.ledger.entries[ORDER.order_id].status is not OrderStatus.COMPLETED
        assert decided or shop.refunds.refunds == []
        shop.clock.advance(AFTER)
        await shop.reconcile()
        status = shop.ledger.entries[ORDER.order_id].status
        assert status is (OrderStatus.REFUNDED if decided else OrderStatus.COMPLETED), f"killed at step {steps}"
        assert shop.refunds.refunded(ORDER.order_id) == int(decided), f"killed at step {steps}"
        assert await shop.stock.level() == ((10, 0, 0) if decided else (8, 2, 0)), f"killed at step {steps}"
    assert FEWEST <= kills < STEPS
