"""An order is failed only when it is certain that nobody was charged."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import (
    Approved,
    Busy,
    ChargeUnknown,
    ConflictingChargeError,
    Duplicate,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    GivenUp,
    LedgerUnavailableError,
    Mismatch,
    Settled,
    Settler,
)
from flashpay.gateway import ChargeKnown, ChargeRequest, ChargeResult
from flashpay.testing import Abandonment, FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
LEASE = timedelta(seconds=30)
REASON = "exhausted"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(on_abandon=Abandonment.LINGER)


def status_of(memory: MemoryLedger) -> OrderStatus:
    return memory.entries[ORDER.order_id].status


async def leave_unanswered(settler: Settler, gateway: FakeGateway) -> None:
    gateway.hold()
    attempt = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    gateway.let_go()


async def test_an_order_that_was_never_charged_is_failed(settler: Settler, memory: MemoryLedger) -> None:
    given_up = await settler.give_up(ORDER, reason=REASON)
    entry = memory.entries[ORDER.order_id]
    assert given_up == GivenUp(entry=entry)
    assert (entry.status, entry.reason, entry.lease_until) == (OrderStatus.FAILED, REASON, None)


async def test_a_charge_in_flight_is_never_failed_and_its_lease_is_given_back(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    await leave_unanswered(settler, gateway)
    given_up = await settler.give_up(ORDER, reason=REASON)
    assert isinstance(given_up, ChargeUnknown)
    assert isinstance(given_up.error, GatewayInFlightError)
    assert status_of(memory) is OrderStatus.PROCESSING
    gateway.finish_lingering()
    assert isinstance(await settler.settle(ORDER), Settled)


async def test_a_charge_that_was_made_after_all_is_recorded(settler: Settler, gateway: FakeGateway) -> None:
    await leave_unanswered(settler, gateway)
    gateway.finish_lingering()
    given_up = await settler.give_up(ORDER, reason=REASON)
    assert isinstance(given_up, Settled)
    assert given_up.entry.status is OrderStatus.COMPLETED
    assert gateway.charged(ORDER.order_id) == 1


@pytest.mark.parametrize("reply", [Reply.FAIL, Reply.REFUSE])
async def test_while_the_gateway_does_not_answer_nothing_is_failed(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, reply: Reply
) -> None:
    gateway.default = reply
    assert isinstance(await settler.give_up(ORDER, reason=REASON), ChargeUnknown)
    assert status_of(memory) is OrderStatus.PROCESSING


async def test_a_provider_without_lookups_leaves_it_unknown(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    gateway.lookups_known = False
    assert isinstance(await settler.give_up(ORDER, reason=REASON), ChargeUnknown)
    assert status_of(memory) is OrderStatus.PROCESSING


async def test_who_is_certain_need_not_ask(settler: Settler, memory: MemoryLedger, gateway: FakeGateway) -> None:
    gateway.default = Reply.REFUSE
    assert isinstance(await settler.give_up(ORDER, reason=REASON, uncharged=True), GivenUp)
    assert (status_of(memory), gateway.lookups) == (OrderStatus.FAILED, [])


async def test_what_the_ledger_knows_better_is_answered_like_a_settlement(
    settler: Settler, memory: MemoryLedger, clock: ManualClock
) -> None:
    held = await memory.claim(ORDER, owner="other", lease=LEASE)
    assert isinstance(await settler.give_up(ORDER, reason=REASON), Busy)
    clock.advance(LEASE)
    assert isinstance(await settler.give_up(sample_order(quantity=3), reason=REASON), Mismatch)
    recorded = await memory.record(held, Approved(charge_id="ch_1"))  # type: ignore[arg-type]  # it was free
    assert await settler.give_up(ORDER, reason=REASON) == Duplicate(entry=recorded.entry)


async def test_a_failed_order_is_given_up_again_only_by_a_redrive(settler: Settler, memory: MemoryLedger) -> None:
    await memory.fail(ORDER, reason="first")
    assert isinstance(await settler.give_up(ORDER, reason="second"), Duplicate)
    given_up = await settler.give_up(ORDER, reason="second", redriven=True)
    assert isinstance(given_up, GivenUp)
    assert given_up.entry.reason == "second"


async def test_a_claim_that_comes_between_the_lookup_and_the_failing_wins(
    gateway: FakeGateway, clock: ManualClock
) -> None:
    async def overtake(place: str) -> None:
        await asyncio.sleep(0)
        if place == "fail.called":
            clock.advance(LEASE)
            claim = await other.claim(ORDER, owner="other", lease=LEASE)
            await other.release(claim)  # type: ignore[arg-type]  # it was free

    ledger, other = MemoryLedger(clock=clock, checkpoint=overtake), MemoryLedger(clock=clock)
    other.entries = ledger.entries
    settler = Settler(ledger=ledger, gateway=gateway, owner="worker", lease=LEASE, clock=clock)
    given_up = await settler.give_up(ORDER, reason=REASON)
    assert isinstance(given_up, GivenUp)
    assert given_up.entry.status is OrderStatus.PROCESSING  # the other may have charged


async def test_a_ledger_that_is_down_is_told(settler: Settler, memory: MemoryLedger) -> None:
    memory.unavailable = True
    with pytest.raises(LedgerUnavailableError):
        await settler.give_up(ORDER, reason=REASON)


class Refusing(FakeGateway):
    """Refuses every charge as a bad request."""

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ARG002, ASYNC109 - the protocol's
        raise GatewayRefusedError(f"bad: {request.order_id}", reason="bad_request")


async def test_a_refusal_is_certain_only_where_no_earlier_attempt_may_have_been_charged(
    memory: MemoryLedger, clock: ManualClock
) -> None:
    refusing = Settler(ledger=memory, gateway=Refusing(), owner="worker", lease=LEASE, clock=clock)
    with pytest.raises(GatewayRefusedError) as first:
        await refusing.settle(ORDER)
    with pytest.raises(GatewayRefusedError) as second:
        await refusing.settle(ORDER)
    assert (first.value.uncharged, second.value.uncharged) == (True, False)


async def test_a_reused_key_is_always_certain(settler: Settler, gateway: FakeGateway) -> None:
    gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError):
        await settler.settle(ORDER)
    other = ChargeRequest(order_id=ORDER.order_id, amount_minor=1, currency="EUR", customer_id=7)
    await gateway.charge(other, timeout=LEASE)
    with pytest.raises(GatewayRefusedError) as caught:
        await settler.settle(ORDER)
    assert caught.value.uncharged


async def test_a_receipt_for_another_charge_stops_the_giving_up(memory: MemoryLedger, clock: ManualClock) -> None:
    class Confused(FakeGateway):
        async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ARG002, ASYNC109 - the protocol's
            raise ConflictingChargeError(f"not {request.order_id}", reason="answer_mismatch")

    settler = Settler(ledger=memory, gateway=Confused(), owner="worker", lease=LEASE, clock=clock)
    with pytest.raises(ConflictingChargeError):
        await settler.give_up(ORDER, reason=REASON)
    assert status_of(memory) is OrderStatus.PROCESSING
