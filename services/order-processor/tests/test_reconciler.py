"""Orders that nobody works on any more come to their end, and each is charged once."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from flashbus.testing import FakeQueue, loop_time
from flashmsg import ORDER_PLACED_TYPE, Order, OrderStatus, decode
from flashpay import ConflictingChargeError, LedgerEntry, Settled, Settler
from flashpay.gateway import ChargeKnown, ChargeRequest
from flashpay.testing import KEY_WINDOW, START, FakeGateway, FakeRefunds, MemoryLedger, Reply, refunder_of, sample_order
from order_processor.reconcile.reconciler import ApplyingReconciler, DryReconciler, Outcome, Reconciler, Rest
from order_processor.reconcile.run import AT_ONCE, Result, Run

AFTER = timedelta(minutes=15)
LEASE = timedelta(seconds=30)
RESTED = AFTER + timedelta(seconds=1)


def now() -> datetime:
    return START + timedelta(seconds=loop_time())


async def later(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())


@dataclass
class Shop:
    """A ledger, a gateway and the queues, and a reconciler over them; all follow the event loop's time."""

    gateway: FakeGateway = field(default_factory=FakeGateway)
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(clock=now))
    orders: FakeQueue = field(default_factory=FakeQueue)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    said: list[tuple[str, Outcome]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def settler(self) -> Settler:
        return Settler(ledger=self.ledger, gateway=self.gateway, owner="worker", lease=LEASE, clock=now)

    @property
    def rest(self) -> Rest:
        return Rest(after=AFTER, key_window=KEY_WINDOW, clock=now)

    @property
    def applying(self) -> Reconciler:
        return ApplyingReconciler(
            ledger=self.ledger,
            settler=self.settler,
            refunder=refunder_of(ledger=self.ledger, refunds=FakeRefunds(gateway=self.gateway), clock=now),
            orders=self.orders,
            dead_letters=self.dead_letters,
            rest=self.rest,
        )

    @property
    def dry(self) -> Reconciler:
        return DryReconciler(
            ledger=self.ledger, gateway=self.gateway, refunds=FakeRefunds(gateway=self.gateway), rest=self.rest
        )

    async def reconcile(self, reconciler: Reconciler | None = None, *, limit: int = 1000) -> Result:
        run = Run(
            find=lambda: self.ledger.untouched_since(now() - AFTER),
            reconciler=reconciler or self.applying,
            limit=limit,
            stop=self.stop,
            say=lambda order_id, outcome: self.said.append((order_id, outcome)),
        )
        return await run.go()

    def order(self, name: str = "order") -> Order:
        return sample_order(name, created_at=now())

    async def left_behind(self, name: str = "order", *, charged: bool = False) -> Order:
        """An order that was claimed by somebody who was killed, after the charge or before."""
        order = self.order(name)
        await self.ledger.claim(order, owner="killed", lease=LEASE)
        if charged:
            await self.gateway.charge(_request(order), timeout=LEASE)
        return order

    def status(self, order: Order) -> OrderStatus:
        return self.ledger.entries[order.order_id].status


def _request(order: Order) -> ChargeRequest:
    paid = order.model_dump(include={"order_id", "currency", "customer_id"})
    return ChargeRequest(**paid, amount_minor=order.total_minor)


@pytest.fixture
async def shop() -> Shop:
    return Shop()


async def test_a_charge_that_nobody_recorded_is_recorded(shop: Shop) -> None:
    order = await shop.left_behind(charged=True)
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.RECORDED: 1})
    assert shop.status(order) is OrderStatus.COMPLETED
    assert shop.gateway.charged(order.order_id) == 1
    assert shop.orders.stored == {}
    assert shop.said == [(order.order_id, Outcome.RECORDED)]


async def test_an_order_without_a_charge_is_queued_again_and_free(shop: Shop) -> None:
    order = await shop.left_behind()
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.QUEUED: 1})
    (message,) = shop.orders.stored.values()
    # As the API sends it, for who filters by type; and no redrive: a failed order is not opened by it.
    assert message.attributes == {"type": ORDER_PLACED_TYPE}
    placed = decode(message.body)
    assert placed.data == order
    assert isinstance(await shop.settler.settle(placed.data), Settled)


async def test_an_order_is_left_to_those_who_may_still_work_on_it(shop: Shop) -> None:
    await shop.left_behind()
    await later(AFTER - timedelta(seconds=1))
    assert (await shop.reconcile()).outcomes == Counter()
    assert shop.gateway.lookups == []


@pytest.mark.parametrize(
    ("age", "rest", "over"),
    [
        (15 * 60, 15 * 60, True),  # at the least a quarter of an hour
        (15 * 60, 15 * 60 - 1, False),
        (60 * 60, 30 * 60, True),  # the older the longer: half of its age
        (60 * 60, 30 * 60 - 1, False),
        (10 * 3600, 3600, True),  # and an hour at the most
        (10 * 3600, 3600 - 1, False),
    ],
)
def test_an_order_rests_half_its_age_within_bounds(age: int, rest: int, *, over: bool) -> None:
    order = sample_order(created_at=START - timedelta(seconds=age))
    entry = LedgerEntry.accepted_first(order, owner="api", now=START - timedelta(seconds=rest))
    resting = Rest(after=AFTER, key_window=KEY_WINDOW, clock=lambda: START)
    assert resting.is_over(entry) == over


@pytest.mark.parametrize(("lease", "over"), [(timedelta(0), True), (timedelta(milliseconds=1), False)])
def test_a_lease_ends_at_its_end(lease: timedelta, *, over: bool) -> None:
    made = START - timedelta(days=1)
    entry = LedgerEntry.claimed_first(
        sample_order(created_at=made), owner="worker", now=made, lease_until=START + lease
    )
    assert Rest(after=AFTER, key_window=KEY_WINDOW, clock=lambda: START).is_over(entry) == over


@pytest.mark.parametrize(("age", "remembered"), [(KEY_WINDOW - timedelta(seconds=1), True), (KEY_WINDOW, False)])
def test_a_key_is_remembered_for_less_than_the_window(age: timedelta, *, remembered: bool) -> None:
    order = sample_order(created_at=START - age)
    entry = LedgerEntry.accepted_first(order, owner="api", now=order.created_at)
    assert Rest(after=AFTER, key_window=KEY_WINDOW, clock=lambda: START).is_remembered(entry) == remembered


async def test_an_order_under_a_live_lease_is_left_alone(shop: Shop) -> None:
    order = shop.order()
    await shop.ledger.claim(order, owner="patient", lease=2 * AFTER)
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.RESTING: 1})
    assert shop.gateway.lookups == []
    assert shop.said == []


async def test_an_order_that_ended_a_moment_ago_is_left_alone(shop: Shop) -> None:
    order = shop.order()
    await shop.settler.settle(order)
    await later(RESTED)
    assert await shop.applying.reconcile(order.order_id) is Outcome.RESTING
    assert await shop.applying.reconcile("ord_" + "a" * 20) is Outcome.RESTING


async def test_the_longer_an_order_waits_the_rarer_it_is_queued_again(shop: Shop) -> None:
    await shop.left_behind()
    for _ in range(24 * 60 - 1):
        await later(timedelta(minutes=1))
        await shop.reconcile()
    # At 15, 30 and 60 minutes, at two hours, and every hour from then on.
    assert len(shop.orders.stored) == 25


async def test_a_charge_in_flight_is_left_to_its_end(shop: Shop) -> None:
    shop.gateway.hold()
    order = shop.order()
    await shop.ledger.claim(order, owner="killed", lease=LEASE)
    charging = asyncio.create_task(shop.gateway.charge(_request(order), timeout=KEY_WINDOW))
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.UNKNOWN: 1})
    assert shop.orders.stored == {}
    shop.gateway.let_go()
    await charging
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.RECORDED: 1})
    assert shop.gateway.charged(order.order_id) == 1


async def test_while_the_gateway_is_down_nothing_is_queued(shop: Shop) -> None:
    await shop.left_behind()
    shop.gateway.default = Reply.REFUSE
    await later(RESTED)
    result = await shop.reconcile()
    assert result.outcomes == Counter({Outcome.UNKNOWN: 1})
    assert not result.alarming
    assert shop.orders.stored == {}


async def test_what_the_gateway_may_have_forgotten_is_never_sent_again(shop: Shop) -> None:
    order = await shop.left_behind()
    await later(KEY_WINDOW)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.GIVEN_UP: 1})
    assert shop.orders.stored == {}
    assert shop.gateway.requests == []
    entry = shop.ledger.entries[order.order_id]
    assert (entry.status, entry.reason) == (OrderStatus.FAILED, "expired")
    (letter,) = shop.dead_letters.stored.values()
    assert decode(letter.body).data == order
    assert letter.attributes == {
        "type": ORDER_PLACED_TYPE,
        "dead_letter_reason": "expired",
        "dead_letter_detail": "not charged, and the gateway may have forgotten its key",
        "dead_letter_receives": "1",
    }


async def test_no_order_is_given_up_without_a_dead_letter(shop: Shop) -> None:
    order = await shop.left_behind()
    shop.dead_letters.unavailable = True
    await later(KEY_WINDOW)
    result = await shop.reconcile()
    assert result.outcomes == Counter({Outcome.FAILED: 1})
    assert result.alarming
    assert shop.status(order) is OrderStatus.PROCESSING


async def test_what_was_charged_is_recorded_however_old_it_is(shop: Shop) -> None:
    order = await shop.left_behind(charged=True)
    await later(3 * KEY_WINDOW)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.RECORDED: 1})
    assert shop.status(order) is OrderStatus.COMPLETED


async def test_what_could_not_be_queued_is_told_and_found_again(shop: Shop) -> None:
    await shop.left_behind()
    shop.orders.unavailable = True
    await later(RESTED)
    result = await shop.reconcile()
    assert result.outcomes == Counter({Outcome.FAILED: 1})
    assert result.alarming
    shop.orders.unavailable = False
    await later(RESTED)
    assert (await shop.reconcile()).outcomes == Counter({Outcome.QUEUED: 1})


async def test_a_ledger_that_is_down_makes_no_complete_run(shop: Shop) -> None:
    shop.ledger.unavailable = True
    result = await shop.reconcile()
    assert (result.complete, result.alarming) == (False, True)


class Contradicting(FakeGateway):
    """Has a receipt for another charge."""

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ARG002, ASYNC109 - the protocol's
        raise ConflictingChargeError("another charge", reason="answer_mismatch")


@pytest.mark.parametrize("apply", [True, False])
async def test_a_contradiction_is_left_to_a_human(*, apply: bool) -> None:
    shop = Shop(gateway=Contradicting())
    order = await shop.left_behind()
    await later(RESTED)
    result = await shop.reconcile(shop.applying if apply else shop.dry)
    assert result.outcomes == Counter({Outcome.CONFLICT: 1})
    assert result.alarming
    assert shop.status(order) is OrderStatus.PROCESSING


async def test_a_dry_run_says_what_would_be_done_and_changes_nothing(shop: Shop) -> None:
    await shop.left_behind("old")
    await later(KEY_WINDOW)
    await shop.left_behind("charged", charged=True)
    await shop.left_behind("queued")
    in_work = shop.order("in work")
    await shop.ledger.claim(in_work, owner="patient", lease=2 * AFTER)
    await later(RESTED)
    before = dict(shop.ledger.entries)
    result = await shop.reconcile(shop.dry)
    assert result.outcomes == Counter({Outcome.RECORDED: 1, Outcome.QUEUED: 1, Outcome.GIVEN_UP: 1, Outcome.RESTING: 1})
    assert shop.ledger.entries == before
    assert shop.orders.stored == shop.dead_letters.stored == {}


async def test_a_dry_run_says_what_it_does_not_know(shop: Shop) -> None:
    await shop.left_behind()
    await later(RESTED)
    shop.gateway.default = Reply.FAIL
    assert (await shop.reconcile(shop.dry)).outcomes == Counter({Outcome.UNKNOWN: 1})
    shop.ledger.unavailable = True
    assert await shop.dry.reconcile("any") is Outcome.FAILED


async def test_two_runs_at_once_charge_nobody_twice(shop: Shop) -> None:
    orders = [await shop.left_behind(f"order {number}", charged=number % 2 == 0) for number in range(25)]
    await later(RESTED)
    await asyncio.gather(shop.reconcile(), shop.reconcile())
    for message in list(shop.orders.stored.values()):
        await shop.settler.settle(decode(message.body).data)
    assert {shop.status(order) for order in orders} == {OrderStatus.COMPLETED}
    assert {shop.gateway.charged(order.order_id) for order in orders} == {1}


async def test_a_run_stops_when_told_and_at_its_limit_and_says_so(shop: Shop) -> None:
    for number in range(2 * AT_ONCE + 1):
        await shop.left_behind(f"order {number}")
    await later(RESTED)
    result = await shop.reconcile(limit=AT_ONCE)
    assert (result.outcomes.total(), result.complete) == (AT_ONCE, False)
    shop.stop.set()
    result = await shop.reconcile()
    assert (result.outcomes.total(), result.complete) == (AT_ONCE, False)


async def test_orders_that_rest_do_not_hide_the_others(shop: Shop) -> None:
    for number in range(2 * AT_ONCE):
        await shop.ledger.claim(shop.order(f"at work {number}"), owner="patient", lease=2 * AFTER)
    await shop.left_behind("left behind")
    await later(RESTED)
    result = await shop.reconcile(limit=AT_ONCE)
    assert result.outcomes == Counter({Outcome.RESTING: 2 * AT_ONCE, Outcome.QUEUED: 1})
    assert result.complete
