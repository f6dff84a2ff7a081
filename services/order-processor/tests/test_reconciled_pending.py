"""Orders that were accepted and never claimed are queued again, and stay what they are until then."""

from datetime import timedelta

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderPlaced, OrderStatus, Reservation, decode
from flashpay import LedgerEntry, Settler
from flashpay.testing import FakeGateway, FakeRefunds, ManualClock, MemoryLedger, refunder_of, sample_order
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Rest

AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)
ORDER = sample_order()
RESERVATION = Reservation(id="rsv_" + "a" * 20, units={"gadget": 2})


class Shop:
    """One order that was accepted a while ago, and a reconciler that has not looked yet."""

    def __init__(self) -> None:
        self.clock, self.gateway, self.queue = ManualClock(), FakeGateway(), FakeQueue()
        self.ledger = MemoryLedger(clock=self.clock)
        refunds, rest = FakeRefunds(gateway=self.gateway), Rest(after=AFTER, key_window=24 * AFTER, clock=self.clock)
        self.dry = DryReconciler(ledger=self.ledger, gateway=self.gateway, refunds=refunds, rest=rest)
        self.applying = ApplyingReconciler(
            ledger=self.ledger,
            settler=Settler(ledger=self.ledger, gateway=self.gateway, owner="r", lease=LEASE, clock=self.clock),
            refunder=refunder_of(ledger=self.ledger, refunds=refunds, clock=self.clock),
            orders=self.queue,
            dead_letters=FakeQueue(),
            rest=rest,
        )

    async def reconcile(self) -> Outcome:
        return await self.applying.reconcile(ORDER.order_id)

    @property
    def entry(self) -> LedgerEntry:
        return self.ledger.entries[ORDER.order_id]


@pytest.fixture
async def shop() -> Shop:
    shop = Shop()
    await shop.ledger.accept(ORDER, reservation=RESERVATION)
    shop.clock.advance(AFTER)
    return shop


async def test_it_is_queued_again_with_its_units(shop: Shop) -> None:
    assert await shop.reconcile() is Outcome.QUEUED
    (message,) = shop.queue.stored.values()
    assert decode(message.body) == OrderPlaced.of(ORDER, reservation=RESERVATION)


async def test_it_is_queued_once_a_rest_and_asks_the_gateway_nothing(shop: Shop) -> None:
    assert await shop.dry.reconcile(ORDER.order_id) is Outcome.QUEUED
    assert [await shop.reconcile() for _ in range(2)] == [Outcome.QUEUED, Outcome.RESTING]
    assert len(shop.queue.stored) == 1
    assert shop.gateway.lookups == []


async def test_it_can_still_be_cancelled(shop: Shop) -> None:
    await shop.reconcile()
    assert (shop.entry.status, shop.entry.attempt) == (OrderStatus.PENDING, 0)
    await shop.ledger.cancel(ORDER.order_id)
    assert shop.entry.status is OrderStatus.CANCELLED
