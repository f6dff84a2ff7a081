"""A message that comes when the gateway may have forgotten the order's key is no second charge."""

from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import ChargeRequest, GatewayInFlightError, GatewayUnavailableError, Settled, Settler
from flashpay.testing import FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
REQUEST = ChargeRequest(
    order_id=ORDER.order_id,
    amount_minor=ORDER.total_minor,
    currency=ORDER.currency,
    customer_id=ORDER.customer_id,
)
LEASE = timedelta(seconds=30)
WINDOW = timedelta(hours=24)  # a settler's own, unless it is told another


@pytest.fixture
def settler(memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock) -> Settler:
    return Settler(ledger=memory, gateway=gateway, owner="worker", lease=LEASE, clock=clock)


async def test_what_was_charged_before_a_worker_died_is_found_and_recorded(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE)
    first = await gateway.charge(REQUEST, timeout=LEASE)
    clock.advance(WINDOW)
    gateway.forget_keys()
    settled = await settler.settle(ORDER)
    assert isinstance(settled, Settled)
    assert (settled.entry.status, settled.entry.charge_id) == (OrderStatus.COMPLETED, first.charge_id)  # type: ignore[union-attr] # approved
    assert gateway.charged(ORDER.order_id) == 1


async def test_what_was_declined_before_is_not_asked_for_again(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE)
    gateway.plan(Reply.DECLINE)
    await gateway.charge(REQUEST, timeout=LEASE)
    clock.advance(WINDOW)
    gateway.forget_keys()
    await settler.settle(ORDER)
    assert memory.entries[ORDER.order_id].status is OrderStatus.DECLINED
    assert gateway.charged(ORDER.order_id) == 0


async def test_what_was_not_charged_is_charged_after_a_look(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE)
    clock.advance(WINDOW)
    assert isinstance(await settler.settle(ORDER), Settled)
    assert (gateway.lookups, gateway.charged(ORDER.order_id)) == ([ORDER.order_id], 1)


@pytest.mark.parametrize("before", [True, False])
async def test_only_an_old_order_that_was_tried_before_costs_a_look(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock, *, before: bool
) -> None:
    if before:
        await memory.claim(ORDER, owner="died", lease=LEASE)
    clock.advance(WINDOW - timedelta(seconds=1) if before else WINDOW)
    assert isinstance(await settler.settle(ORDER), Settled)
    assert gateway.lookups == []


async def test_while_the_gateway_is_away_nothing_is_sent_and_the_breaker_hears_of_it(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    heard: list[bool] = []

    def unanswered(error: GatewayUnavailableError, *, alive: bool) -> bool:
        assert error.reason == "connection"
        heard.append(alive)
        return False

    await memory.claim(ORDER, owner="died", lease=LEASE)
    clock.advance(WINDOW)
    gateway.default = Reply.REFUSE
    with pytest.raises(GatewayUnavailableError):
        await settler.settle(ORDER, on_unanswered=unanswered)
    assert (gateway.requests, heard) == ([], [False])
    assert memory.entries[ORDER.order_id].lease_until == clock()


async def test_the_gateway_may_be_away_where_nobody_is_told_of_it(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE)
    clock.advance(WINDOW)
    gateway.default = Reply.REFUSE
    with pytest.raises(GatewayUnavailableError):  # as the function settles, which has no breaker
        await settler.settle(ORDER)
    assert gateway.requests == []


async def test_a_charge_in_flight_is_left_to_who_sent_it(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="died", lease=LEASE)
    gateway.plan(Reply.HANG)
    with pytest.raises(GatewayUnavailableError):
        await gateway.charge(REQUEST, timeout=timedelta(milliseconds=1))
    clock.advance(WINDOW)
    with pytest.raises(GatewayInFlightError):
        await settler.settle(ORDER, on_unanswered=lambda error, *, alive: pytest.fail(f"{error}, {alive}"))
    assert len(gateway.requests) == 1
