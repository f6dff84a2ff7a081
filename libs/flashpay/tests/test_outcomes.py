"""Every end is told at least once, after it is recorded, and no order waits for its telling."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from flashmsg import decode_outcome
from flashpay import Announcer, Canceller, LedgerEntry, OutcomeOwedError, Reservations, Retention, Settled, Settler
from flashpay.testing import (
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

ORDER = sample_order()
LEASE = timedelta(seconds=30)


@dataclass
class Shop:
    """What settles, and the topic that it tells of ends."""

    ledger: MemoryLedger
    clock: ManualClock
    gateway: FakeGateway = field(default_factory=FakeGateway)
    topic: FakeOutcomes = field(default_factory=FakeOutcomes)
    told: list[tuple[str, Exception | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.announcer = Announcer(
            ledger=self.ledger,
            publish=self.publish,
            on_told=lambda order_id, why: self.told.append((order_id, why)),
        )

    async def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        assert decode_outcome(body).data.status is self.entry.status, "never before it is recorded"
        await self.topic.publish(body, attributes)

    @property
    def entry(self) -> LedgerEntry:
        return self.ledger.entries[ORDER.order_id]

    @property
    def told_of(self) -> list[str]:
        return [outcome.id.removeprefix(f"{ORDER.order_id}.") for outcome, _ in self.topic.published]

    @property
    def canceller(self) -> Canceller:
        refunds = FakeRefunds(gateway=self.gateway)
        return Canceller(
            ledger=self.ledger,
            refunder=refunder_of(ledger=self.ledger, refunds=refunds, clock=self.clock),
            reservations=Reservations(stock=None, limits=None),
            announcer=self.announcer,
        )

    def settler(self, stock: FakeStock | None = None) -> Settler:
        return Settler(
            ledger=self.ledger,
            gateway=self.gateway,
            stock=stock,
            announcer=self.announcer,
            owner="worker",
            lease=LEASE,
            clock=self.clock,
        )


@pytest.fixture
async def shop(clock: ManualClock) -> Shop:
    return Shop(ledger=MemoryLedger(retention=Retention(announced=True), clock=clock), clock=clock)


async def test_a_paid_order_is_told_with_all_that_a_subscriber_asks_for(shop: Shop) -> None:
    assert isinstance(await shop.settler().settle(ORDER), Settled)
    await shop.announcer.flush()
    ((outcome, attributes),) = shop.topic.published
    assert outcome.type == "com.flashsale.order.completed.v1"
    assert attributes == {"type": outcome.type, "status": "completed", "customer_id": "7"}
    assert (outcome.data.charge_id, outcome.data.ended_at) == (shop.entry.charge_id, shop.entry.completed_at)
    assert outcome.data.items == ORDER.items
    assert shop.told == [(ORDER.order_id, None)]
    assert not shop.entry.event_owed


async def declined(shop: Shop) -> object:
    shop.gateway.plan(Reply.DECLINE)
    return await shop.settler().settle(ORDER)


async def given_up(shop: Shop) -> object:
    return await shop.settler().give_up(ORDER, reason="exhausted", uncharged=True)


@pytest.mark.parametrize(
    ("end", "told", "reason"), [(declined, "declined.1", "card_declined"), (given_up, "failed.1", "exhausted")]
)
async def test_other_ends_are_told_too_and_why(
    shop: Shop, end: Callable[[Shop], Awaitable[object]], told: str, reason: str
) -> None:
    await end(shop)
    await shop.announcer.flush()
    assert shop.told_of == [told]
    assert shop.topic.published[0][0].data.reason == reason


async def test_an_order_does_not_wait_for_its_telling(shop: Shop) -> None:
    shop.topic.gate.clear()
    assert isinstance(await shop.settler().settle(ORDER), Settled)
    assert shop.topic.published == []
    shop.topic.gate.set()
    await shop.announcer.flush()
    assert shop.told_of == ["completed.1"]


async def test_what_the_topic_did_not_take_stays_owed_and_is_told_by_the_next_delivery(shop: Shop) -> None:
    shop.topic.down = True
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    assert shop.entry.event_owed
    ((order_id, why),) = shop.told
    assert (order_id, type(why)) == (ORDER.order_id, OutcomeOwedError)
    assert isinstance(why, OutcomeOwedError)
    assert (why.retryable, why.reason) == (True, "unpublished")
    assert str(why).startswith(f"{ORDER.order_id}.completed.1 is not published: the topic")
    shop.topic.down = False
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    assert shop.told_of == ["completed.1"]
    assert not shop.entry.event_owed


async def test_an_order_that_is_told_is_not_told_again_by_later_deliveries(shop: Shop) -> None:
    for _ in range(3):
        await shop.settler().settle(ORDER)
        await shop.announcer.flush()
    assert shop.told_of == ["completed.1"]


async def test_deliveries_at_once_of_one_end_tell_of_it_once(shop: Shop) -> None:
    shop.topic.gate.clear()
    for _ in range(3):
        await shop.settler().settle(ORDER)
    shop.topic.gate.set()
    await shop.announcer.flush()
    assert shop.told_of == ["completed.1"]


async def test_what_was_published_and_could_not_be_noted_is_told_once_more_as_the_same_event(shop: Shop) -> None:
    await shop.settler().settle(ORDER)
    shop.ledger.unavailable = True
    await shop.announcer.flush()
    assert shop.entry.event_owed
    shop.ledger.unavailable = False
    await shop.announcer.tell(shop.entry)
    first, second = (outcome for outcome, _ in shop.topic.published)
    assert first == second


async def test_an_order_that_failed_and_is_paid_after_its_redrive_is_told_twice_in_order(shop: Shop) -> None:
    await given_up(shop)
    await shop.announcer.flush()
    await shop.settler().settle(ORDER, redriven=True)
    await shop.announcer.flush()
    assert shop.told_of == ["failed.1", "completed.2"]


async def test_a_redriven_order_whose_units_others_have_is_told_as_sold_out(shop: Shop, stock: FakeStock) -> None:
    reservation = sample_reservation()
    settler = shop.settler(stock)
    shop.topic.down = True
    await settler.give_up(ORDER, reason="exhausted", reservation=reservation, uncharged=True)
    await shop.announcer.flush()
    shop.topic.down = False
    held = (await stock.stock.leases.read("gadget")).leases["seller"]
    await stock.stock.leases.change("gadget", "seller", held, by=(await stock.level())[0])
    await settler.settle(ORDER, redriven=True, reservation=reservation)
    await shop.announcer.flush()
    assert shop.told_of == ["sold_out.2"], "the failure was overtaken before it was told"


async def test_a_refund_is_told_after_the_payment_with_its_own_name(shop: Shop) -> None:
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    await cancel(shop.canceller, ORDER.order_id)
    await shop.announcer.flush()
    assert shop.told_of == ["completed.1", "refunded.1"]
    refund = shop.topic.published[-1][0].data
    assert (refund.refund_id, refund.charge_id) == (shop.entry.refund_id, shop.entry.charge_id)
    assert refund.refund_id


async def test_a_refund_that_overtakes_the_telling_of_the_payment_is_told_alone(shop: Shop) -> None:
    shop.topic.down = True
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    shop.topic.down = False
    await cancel(shop.canceller, ORDER.order_id)
    await shop.announcer.flush()
    assert shop.told_of == ["refunded.1"]


async def test_an_order_that_is_cancelled_while_it_waits_is_told_once(shop: Shop) -> None:
    await shop.ledger.accept(ORDER)
    await cancel(shop.canceller, ORDER.order_id)
    await shop.announcer.flush()
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    assert shop.told_of == ["cancelled.0"]


async def test_an_order_that_is_cancelled_before_the_ledger_met_it_is_told_by_who_brings_it(shop: Shop) -> None:
    await cancel(shop.canceller, ORDER.order_id)
    await shop.announcer.flush()
    assert shop.topic.published == []
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    assert shop.told_of == ["cancelled.0"]
    assert shop.topic.published[0][0].data.items == ORDER.items


async def test_where_nobody_is_told_nothing_is_owed(clock: ManualClock) -> None:
    shop = Shop(ledger=MemoryLedger(clock=clock), clock=clock)
    await shop.settler().settle(ORDER)
    await shop.announcer.flush()
    assert shop.topic.published == []
    assert shop.told == []


async def test_who_waits_for_what_is_under_way_waits_no_longer_than_it_says(shop: Shop) -> None:
    shop.topic.gate.clear()
    await shop.settler().settle(ORDER)
    async with asyncio.timeout(5):
        await shop.announcer.flush(seconds=0.001)
    assert shop.told_of == []
    shop.topic.gate.set()  # what was not waited for goes on
    await shop.announcer.flush()
    assert shop.told_of == ["completed.1"]


async def test_leaving_the_block_waits_for_what_is_under_way(shop: Shop) -> None:
    shop.topic.gate.clear()
    async with shop.announcer:
        await shop.settler().settle(ORDER)
        asyncio.get_running_loop().call_soon(shop.topic.gate.set)
    assert shop.told_of == ["completed.1"]
