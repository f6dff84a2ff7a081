"""What the gateway knows is recorded, and nothing is charged for it."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import (
    Busy,
    ChargeUnknown,
    Claimed,
    Duplicate,
    GatewayUnavailableError,
    LedgerUnavailableError,
    NotCharged,
    Settled,
    Settler,
)
from flashpay.testing import Abandonment, FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
LEASE = timedelta(seconds=30)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(on_abandon=Abandonment.LINGER)


async def killed_before_the_answer(settler: Settler, gateway: FakeGateway, clock: ManualClock) -> None:
    """An attempt that ends in the middle, and gives nothing back."""
    gateway.hold()
    attempt = asyncio.create_task(settler.settle(ORDER))
    await gateway.until_in_flight(1)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    gateway.let_go()
    clock.advance(LEASE)


async def test_a_charge_that_nobody_recorded_is_recorded(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await killed_before_the_answer(settler, gateway, clock)
    gateway.finish_lingering()
    found = await settler.find_out(ORDER)
    assert isinstance(found, Settled)
    assert memory.entries[ORDER.order_id].status is OrderStatus.COMPLETED
    assert gateway.charged(ORDER.order_id) == 1


async def test_an_order_without_a_charge_stays_as_free_as_it_was(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway
) -> None:
    await memory.accept(ORDER)
    assert await settler.find_out(ORDER) == NotCharged()
    assert gateway.requests == []
    assert isinstance(await memory.claim(ORDER, owner="another", lease=LEASE), Claimed)


async def test_a_charge_in_flight_is_left_to_its_end(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await killed_before_the_answer(settler, gateway, clock)
    assert isinstance(await settler.find_out(ORDER), ChargeUnknown)
    assert memory.entries[ORDER.order_id].status is OrderStatus.PROCESSING
    assert isinstance(await memory.claim(ORDER, owner="another", lease=LEASE), Claimed)


async def test_while_the_gateway_does_not_answer_nothing_is_known(settler: Settler, gateway: FakeGateway) -> None:
    gateway.default = Reply.FAIL
    found = await settler.find_out(ORDER)
    assert isinstance(found, ChargeUnknown)
    assert isinstance(found.error, GatewayUnavailableError)


async def test_an_order_in_work_or_at_its_end_is_left_alone(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    await memory.claim(ORDER, owner="another", lease=LEASE)
    assert isinstance(await settler.find_out(ORDER), Busy)
    clock.advance(LEASE)
    await settler.settle(ORDER)
    assert isinstance(await settler.find_out(ORDER), Duplicate)
    assert gateway.lookups == []


async def test_a_failed_order_is_not_opened_again(settler: Settler, memory: MemoryLedger, gateway: FakeGateway) -> None:
    failed = await memory.fail(ORDER, reason="exhausted")
    assert await settler.find_out(ORDER) == Duplicate(entry=failed)
    assert gateway.lookups == []


async def test_a_ledger_that_is_down_is_told(settler: Settler, memory: MemoryLedger) -> None:
    memory.unavailable = True
    with pytest.raises(LedgerUnavailableError):
        await settler.find_out(ORDER)
