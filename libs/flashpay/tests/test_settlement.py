"""settle(): one claim, one charge, one record, whatever happens in between."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import Order, OrderStatus
from flashpay import (
    Approved,
    Busy,
    ChargeRequest,
    ChargeResult,
    Claimed,
    ConflictingChargeError,
    Duplicate,
    GatewayRefusedError,
    GatewayUnavailableError,
    LedgerUnavailableError,
    Mismatch,
    RecordedOrder,
    Settled,
    Settler,
)
from flashpay.testing import START, FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
LEASE = timedelta(seconds=30)


def status_of(memory: MemoryLedger, order: Order = ORDER) -> OrderStatus:
    return memory.entries[order.order_id].status


async def test_an_order_is_claimed_charged_and_recorded(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    settlement = await settler.settle(ORDER, traceparent="00-trace")
    entry = memory.entries[ORDER.order_id]
    assert settlement == Settled(entry=entry, attempt=1)
    assert (entry.status, entry.charge_id) == (OrderStatus.COMPLETED, "ch_000001")
    assert gateway.requests == [
        ChargeRequest(order_id=ORDER.order_id, amount_minor=3998, currency="EUR", customer_id=7, traceparent="00-trace")
    ]


async def test_a_decline_is_terminal(settler: Settler, gateway: FakeGateway) -> None:
    gateway.plan(Reply.DECLINE)
    settlement = await settler.settle(ORDER)
    assert isinstance(settlement, Settled)
    assert (settlement.entry.status, settlement.entry.reason) == (OrderStatus.DECLINED, "card_declined")
    assert not gateway.charged(ORDER.order_id)


async def test_a_settled_order_is_a_duplicate_and_not_charged(settler: Settler, gateway: FakeGateway) -> None:
    first = await settler.settle(ORDER)
    assert isinstance(first, Settled)
    assert await settler.settle(ORDER) == Duplicate(entry=first.entry)
    assert len(gateway.requests) == 1


async def test_two_deliveries_in_one_worker_exclude_each_other(settler: Settler, gateway: FakeGateway) -> None:
    gateway.hold()
    first = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    assert await settler.settle(ORDER) == Busy(lease_until=START + LEASE)
    gateway.let_go()
    assert isinstance(await first, Settled)
    assert len(gateway.requests) == 1


async def test_another_content_is_a_mismatch_and_not_charged(settler: Settler, gateway: FakeGateway) -> None:
    first = await settler.settle(ORDER)
    assert isinstance(first, Settled)
    assert await settler.settle(sample_order(quantity=3)) == Mismatch(entry=first.entry)
    assert len(gateway.requests) == 1


async def test_a_later_price_does_not_change_the_amount(settler: Settler, gateway: FakeGateway) -> None:
    gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError):
        await settler.settle(ORDER)
    await settler.settle(sample_order(unit_price_minor=1))
    assert [request.amount_minor for request in gateway.requests] == [3998, 3998]


async def test_an_indefinite_answer_is_never_a_decline_and_the_next_attempt_need_not_wait(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError) as caught:
        await settler.settle(ORDER)
    assert caught.value.retryable
    assert status_of(memory) is OrderStatus.PROCESSING
    settlement = await settler.settle(ORDER)
    assert isinstance(settlement, Settled)
    assert (settlement.attempt, settlement.entry.charge_id) == (2, "ch_000001")


async def test_a_lost_reply_is_looked_up_at_once(settler: Settler, gateway: FakeGateway) -> None:
    gateway.plan(Reply.LOSE)
    settlement = await settler.settle(ORDER)
    assert isinstance(settlement, Settled)
    assert (settlement.attempt, settlement.entry.charge_id) == (1, "ch_000001")
    assert len(gateway.requests) == 1


async def test_a_refusal_is_not_retryable_and_not_recorded(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    await gateway.charge(
        ChargeRequest(order_id=ORDER.order_id, amount_minor=1, currency="EUR", customer_id=7), timeout=LEASE
    )
    with pytest.raises(GatewayRefusedError) as caught:
        await settler.settle(ORDER)
    assert not caught.value.retryable
    assert status_of(memory) is OrderStatus.PROCESSING
    assert (await memory.fail(ORDER, reason="refused")).status is OrderStatus.FAILED


async def test_the_charge_ends_before_the_lease(memory: MemoryLedger, clock: ManualClock) -> None:
    timeouts: list[timedelta] = []

    class NotingGateway(FakeGateway):
        async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - the protocol's own
            timeouts.append(timeout)
            return Approved(charge_id=f"ch_{request.order_id}")

    async def slow_claim(place: str) -> None:
        if place == "claim.done":
            clock.advance(timedelta(seconds=26))

    ledger = MemoryLedger(clock=clock, checkpoint=slow_claim)
    await Settler(ledger=memory, gateway=NotingGateway(), owner="worker", clock=clock).settle(ORDER)
    await Settler(ledger=ledger, gateway=NotingGateway(), owner="worker", clock=clock).settle(ORDER)
    assert timeouts == [timedelta(seconds=10), timedelta(seconds=4)]


async def test_a_claim_slower_than_its_lease_is_not_charged(gateway: FakeGateway, clock: ManualClock) -> None:
    async def slow_claim(place: str) -> None:
        if place == "claim.done":
            clock.advance(LEASE)

    ledger = MemoryLedger(clock=clock, checkpoint=slow_claim)
    with pytest.raises(LedgerUnavailableError) as caught:
        await Settler(ledger=ledger, gateway=gateway, owner="worker", lease=LEASE, clock=clock).settle(ORDER)
    assert (caught.value.reason, caught.value.retryable) == ("lease_expired", True)
    assert gateway.requests == []


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_settle_still_records_the_answer(
    gateway: FakeGateway, clock: ManualClock, times: int
) -> None:
    recording, go_on = asyncio.Event(), asyncio.Event()

    async def slow_record(place: str) -> None:
        if place == "record.called":
            recording.set()
            await go_on.wait()

    ledger = MemoryLedger(clock=clock, checkpoint=slow_record)
    settling = asyncio.create_task(Settler(ledger=ledger, gateway=gateway, owner="worker", clock=clock).settle(ORDER))
    await recording.wait()
    for _ in range(times):
        settling.cancel()
        await asyncio.sleep(0)
    assert not settling.done()
    assert f"record {ORDER.order_id}" in {task.get_name() for task in asyncio.all_tasks()}
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert status_of(ledger) is OrderStatus.COMPLETED


@pytest.mark.parametrize("fails", [True, False])
async def test_a_cancellation_says_how_the_write_failed_that_it_waited_for(
    gateway: FakeGateway, clock: ManualClock, *, fails: bool
) -> None:
    recording, go_on = asyncio.Event(), asyncio.Event()

    async def slow_record(place: str) -> None:
        if place == "record.called":
            recording.set()
            await go_on.wait()
            if fails:
                raise failure

    failure = LedgerUnavailableError("no", reason="throttled")
    ledger = MemoryLedger(clock=clock, checkpoint=slow_record)
    settling = asyncio.create_task(Settler(ledger=ledger, gateway=gateway, owner="worker", clock=clock).settle(ORDER))
    await recording.wait()
    settling.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await settling
    assert caught.value.__cause__ is (failure if fails else None)


async def test_a_write_that_is_cancelled_itself_ends_the_settlement(gateway: FakeGateway, clock: ManualClock) -> None:
    async def cancelled_record(place: str) -> None:
        if place == "record.called":
            raise asyncio.CancelledError

    ledger = MemoryLedger(clock=clock, checkpoint=cancelled_record)
    with pytest.raises(asyncio.CancelledError):
        await Settler(ledger=ledger, gateway=gateway, owner="worker", clock=clock).settle(ORDER)


async def test_a_cancellation_while_charging_gives_the_lease_back(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    gateway.hold()
    settling = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    gateway.let_go()
    settlement = await settler.settle(ORDER)
    assert isinstance(settlement, Settled)
    assert settlement.entry.charge_id == "ch_000001"
    assert memory.calls[:3] == ["claim", "release", "claim"]


async def test_a_record_that_fails_leaves_the_order_to_the_next_attempt(
    gateway: FakeGateway, clock: ManualClock
) -> None:
    async def failing_record(place: str) -> None:
        if place == "record.called":
            raise LedgerUnavailableError("no", reason="throttled")

    entries = MemoryLedger(clock=clock)
    broken = MemoryLedger(clock=clock, checkpoint=failing_record)
    broken.entries = entries.entries
    with pytest.raises(LedgerUnavailableError):
        await Settler(ledger=broken, gateway=gateway, owner="first", lease=LEASE, clock=clock).settle(ORDER)
    clock.advance(LEASE)
    settlement = await Settler(ledger=entries, gateway=gateway, owner="second", clock=clock).settle(ORDER)
    assert isinstance(settlement, Settled)
    assert settlement.entry.charge_id == "ch_000001"


async def test_a_cancelled_settle_still_gives_the_lease_back(gateway: FakeGateway, clock: ManualClock) -> None:
    releasing, go_on = asyncio.Event(), asyncio.Event()

    async def slow_release(place: str) -> None:
        if place == "release.called":
            releasing.set()
            await go_on.wait()

    gateway.plan(Reply.FAIL)
    ledger = MemoryLedger(clock=clock, checkpoint=slow_release)
    settling = asyncio.create_task(Settler(ledger=ledger, gateway=gateway, owner="worker", clock=clock).settle(ORDER))
    await releasing.wait()
    settling.cancel()
    await asyncio.sleep(0)
    assert f"release {ORDER.order_id}" in {task.get_name() for task in asyncio.all_tasks()}
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert ledger.entries[ORDER.order_id].lease_until == START


async def test_a_release_that_fails_does_not_hide_why(gateway: FakeGateway, clock: ManualClock) -> None:
    async def failing_release(place: str) -> None:
        if place == "release.called":
            raise LedgerUnavailableError("no", reason="throttled")

    gateway.plan(Reply.FAIL)
    ledger = MemoryLedger(clock=clock, checkpoint=failing_release)
    with pytest.raises(GatewayUnavailableError):
        await Settler(ledger=ledger, gateway=gateway, owner="worker", clock=clock).settle(ORDER)


async def test_the_second_to_record_the_same_charge_is_a_duplicate(gateway: FakeGateway, clock: ManualClock) -> None:
    class OvertakenLedger(MemoryLedger):
        async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
            clock.advance(LEASE)
            other = await self.claim(ORDER, owner="other", lease=LEASE)
            assert isinstance(other, Claimed)
            await super().record(other, result)
            return await super().record(claimed, result)

    ledger = OvertakenLedger(clock=clock)
    settlement = await Settler(ledger=ledger, gateway=gateway, owner="slow", lease=LEASE, clock=clock).settle(ORDER)
    assert settlement == Duplicate(entry=ledger.entries[ORDER.order_id])


async def test_two_different_charges_are_never_hidden(gateway: FakeGateway, clock: ManualClock) -> None:
    class ForgedLedger(MemoryLedger):
        async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
            await super().record(claimed, Approved(charge_id="ch_forged"))
            return await super().record(claimed, result)

    with pytest.raises(ConflictingChargeError):
        await Settler(ledger=ForgedLedger(clock=clock), gateway=gateway, owner="worker", clock=clock).settle(ORDER)


async def test_an_unavailable_ledger_means_no_charge(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    memory.unavailable = True
    with pytest.raises(LedgerUnavailableError):
        await settler.settle(ORDER)
    assert gateway.requests == []


@pytest.mark.parametrize(("lease", "timeout"), [(10, 10), (5, 10), (10, 0)])
def test_a_lease_that_the_payment_outlives_is_refused(
    memory: MemoryLedger, gateway: FakeGateway, lease: int, timeout: int
) -> None:
    with pytest.raises(ValueError, match=r"lease|payment_timeout"):
        Settler(
            ledger=memory,
            gateway=gateway,
            owner="worker",
            lease=timedelta(seconds=lease),
            payment_timeout=timedelta(seconds=timeout),
        )
