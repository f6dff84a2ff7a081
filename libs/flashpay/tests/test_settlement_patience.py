"""settle() and charges without an answer: how long it waits for them, and whom it tells."""

import asyncio
import re
from datetime import timedelta

import pytest

from flashpay import (
    ChargeRequest,
    Duplicate,
    GatewayInFlightError,
    GatewayUnavailableError,
    Settled,
    Settler,
)
from flashpay.charging import Charger
from flashpay.testing import FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
LEASE = timedelta(seconds=30)


async def test_the_owner_of_a_claim_names_the_worker_and_the_attempt(memory: MemoryLedger, clock: ManualClock) -> None:
    owners = []
    for number in range(2):
        failing = Settler(
            ledger=memory, gateway=FakeGateway(default=Reply.FAIL), owner="worker", lease=LEASE, clock=clock
        )
        with pytest.raises(GatewayUnavailableError):
            await failing.settle(sample_order(f"order {number}"))
        owners.append(memory.entries[sample_order(f"order {number}").order_id].owner or "")
    assert all(re.fullmatch("worker/[0-9a-f]{12}", owner) for owner in owners)
    assert len(set(owners)) == 2


@pytest.mark.parametrize(("seconds", "looks"), [(299.999, 2), (300.0, 1)])
async def test_an_unanswered_charge_is_waited_for_five_minutes(
    memory: MemoryLedger, clock: ManualClock, seconds: float, looks: int
) -> None:
    pauses: list[float] = []

    async def let_time_pass(pause: float) -> None:
        pauses.append(pause)
        clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    timeout = timedelta(milliseconds=10)
    gateway = FakeGateway(default=Reply.HANG)
    settler = Settler(
        ledger=memory, gateway=gateway, owner="worker", payment_timeout=timeout, clock=clock, sleep=let_time_pass
    )
    with pytest.raises(GatewayInFlightError):
        await settler.settle(ORDER)
    assert len(pauses) == looks


async def test_a_settler_that_lost_its_patience_waits_for_no_answer(memory: MemoryLedger, clock: ManualClock) -> None:
    gateway = FakeGateway(default=Reply.HANG)
    settler = Settler(
        ledger=memory, gateway=gateway, owner="worker", payment_timeout=timedelta(milliseconds=10), clock=clock
    )
    settler.lose_patience()
    async with asyncio.timeout(0.5):
        with pytest.raises(GatewayInFlightError):
            await settler.settle(ORDER)


async def test_who_asked_is_told_of_a_charge_without_an_answer(settler: Settler, gateway: FakeGateway) -> None:
    told: list[tuple[str, bool]] = []

    def note(error: GatewayUnavailableError, *, alive: bool) -> bool:
        told.append((error.reason, alive))
        return False

    gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError):
        await settler.settle(ORDER, on_unanswered=note)
    assert told == [("server_error", True)]


async def test_a_failed_order_is_settled_only_by_a_redrive(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    failed = await memory.fail(ORDER, reason="exhausted")
    assert await settler.settle(ORDER) == Duplicate(entry=failed)
    assert gateway.requests == []
    assert isinstance(await settler.settle(ORDER, redriven=True), Settled)


async def test_a_key_in_flight_elsewhere_is_retried_later(
    settler: Settler, gateway: FakeGateway, clock: ManualClock
) -> None:
    gateway.hold()
    first = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    clock.advance(LEASE)
    with pytest.raises(GatewayInFlightError) as caught:
        await settler.settle(ORDER)
    assert caught.value.retryable
    gateway.let_go()
    assert isinstance(await first, Settled)


async def test_losing_patience_ends_a_pause_in_the_middle(clock: ManualClock) -> None:
    pausing = asyncio.Event()
    request = ChargeRequest(order_id="ord_a", amount_minor=100, currency="EUR", customer_id=7)

    async def pause(_seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    charger = Charger(
        gateway=FakeGateway(default=Reply.HANG),
        payment_timeout=timedelta(milliseconds=10),
        patience=timedelta(seconds=300),
        clock=clock,
        sleep=pause,
    )
    charging = asyncio.create_task(charger.charge(request, timeout=timedelta(milliseconds=10)))
    await pausing.wait()
    charger.lose_patience()
    async with asyncio.timeout(0.5):
        with pytest.raises(GatewayInFlightError):
            await charging
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}  # the pause is not left to itself
