"""The breaker opens, waits, probes and closes."""

import asyncio
from datetime import timedelta

import pytest

from flashpay import (
    Approved,
    BreakerGateway,
    BreakerState,
    ChargeRequest,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
)
from flashpay.testing import FakeGateway, Reply

COOL_DOWN = timedelta(seconds=5)
TIMEOUT = timedelta(seconds=10)
APPROVAL = Approved(charge_id="ch_000001")


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def charge_of(number: int, *, amount_minor: int = 100) -> ChargeRequest:
    return ChargeRequest(order_id=f"ord_{number}", amount_minor=amount_minor, currency="EUR", customer_id=1)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(gateway: FakeGateway, seconds: Seconds) -> BreakerGateway:
    return BreakerGateway(gateway, threshold=3, cool_down=COOL_DOWN, clock=seconds)


async def fail(breaker: BreakerGateway, gateway: FakeGateway, times: int) -> None:
    gateway.plan(*[Reply.FAIL] * times)
    for number in range(times):
        with pytest.raises(GatewayUnavailableError, match="500"):
            await breaker.charge(charge_of(900 + number), timeout=TIMEOUT)


async def test_a_closed_breaker_hands_everything_through(breaker: BreakerGateway, gateway: FakeGateway) -> None:
    assert await breaker.charge(charge_of(1), timeout=TIMEOUT) == APPROVAL
    assert gateway.requests == [charge_of(1)]
    assert (breaker.state, breaker.admits(), breaker.allowance(20)) == (BreakerState.CLOSED, True, 20)


async def test_failures_in_a_row_open_it(breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds) -> None:
    await fail(breaker, gateway, 2)
    assert breaker.state is BreakerState.CLOSED
    await fail(breaker, gateway, 1)
    assert (breaker.state, breaker.admits(), breaker.allowance(20)) == (BreakerState.OPEN, False, 0)
    seconds.now += 2
    asked = len(gateway.requests)
    with pytest.raises(GatewayUnavailableError) as caught:
        await breaker.charge(charge_of(1), timeout=TIMEOUT)
    assert (caught.value.reason, caught.value.retry_after) == ("breaker_open", timedelta(seconds=3))
    assert len(gateway.requests) == asked


async def test_a_success_in_between_starts_the_count_again(breaker: BreakerGateway, gateway: FakeGateway) -> None:
    await fail(breaker, gateway, 2)
    await breaker.charge(charge_of(1), timeout=TIMEOUT)
    await fail(breaker, gateway, 2)
    assert breaker.state is BreakerState.CLOSED


async def test_answers_of_a_gateway_at_work_are_no_failures(breaker: BreakerGateway, gateway: FakeGateway) -> None:
    await breaker.charge(charge_of(1), timeout=TIMEOUT)
    gateway.hold()
    held = asyncio.create_task(breaker.charge(charge_of(2), timeout=TIMEOUT))
    await gateway.until_in_flight(1)
    await fail(breaker, gateway, 2)
    with pytest.raises(GatewayInFlightError):
        await breaker.charge(charge_of(2), timeout=TIMEOUT)
    await fail(breaker, gateway, 2)
    with pytest.raises(GatewayRefusedError):
        await breaker.charge(charge_of(1, amount_minor=999), timeout=TIMEOUT)
    await fail(breaker, gateway, 2)
    assert breaker.state is BreakerState.CLOSED
    gateway.let_go()
    await held


async def test_after_the_cool_down_one_probe_closes_it(
    breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds
) -> None:
    await fail(breaker, gateway, 3)
    seconds.now += COOL_DOWN.total_seconds()
    assert (breaker.state, breaker.allowance(20)) == (BreakerState.HALF_OPEN, 1)
    gateway.hold()
    probe = asyncio.create_task(breaker.charge(charge_of(1), timeout=TIMEOUT))
    await gateway.until_in_flight(1)
    assert (breaker.state, breaker.admits()) == (BreakerState.HALF_OPEN, False)
    with pytest.raises(GatewayUnavailableError) as caught:
        await breaker.charge(charge_of(2), timeout=TIMEOUT)
    assert caught.value.reason == "breaker_open"
    gateway.let_go()
    assert await probe == APPROVAL
    assert (breaker.state, breaker.allowance(20)) == (BreakerState.CLOSED, 20)


async def test_a_failed_probe_opens_it_for_another_cool_down(
    breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds
) -> None:
    await fail(breaker, gateway, 3)
    seconds.now += COOL_DOWN.total_seconds()
    await fail(breaker, gateway, 1)
    assert breaker.state is BreakerState.OPEN
    seconds.now += COOL_DOWN.total_seconds()
    assert breaker.admits()


async def test_a_cancelled_probe_makes_way_for_the_next(
    breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds
) -> None:
    await fail(breaker, gateway, 3)
    seconds.now += COOL_DOWN.total_seconds()
    gateway.hold()
    probe = asyncio.create_task(breaker.charge(charge_of(1), timeout=TIMEOUT))
    await gateway.until_in_flight(1)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert breaker.admits()
    gateway.let_go()
    await breaker.charge(charge_of(2), timeout=TIMEOUT)
    assert breaker.state is BreakerState.CLOSED


async def test_late_failures_of_earlier_calls_do_not_lengthen_the_cool_down(
    breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds
) -> None:
    gateway.hold()
    gateway.plan(Reply.LOSE)
    late = asyncio.create_task(breaker.charge(charge_of(1), timeout=TIMEOUT))
    await gateway.until_in_flight(1)
    await fail(breaker, gateway, 3)
    seconds.now += 4
    gateway.let_go()
    with pytest.raises(GatewayUnavailableError):
        await late
    seconds.now += 1
    assert breaker.admits()


async def test_waiters_go_on_when_the_cool_down_ends(gateway: FakeGateway) -> None:
    breaker = BreakerGateway(gateway, threshold=1, cool_down=timedelta(milliseconds=20))
    await fail(breaker, gateway, 1)
    assert await breaker.until_admits(asyncio.Event())
    assert breaker.state is BreakerState.HALF_OPEN


async def test_waiters_go_on_when_the_probe_succeeds(
    breaker: BreakerGateway, gateway: FakeGateway, seconds: Seconds
) -> None:
    await fail(breaker, gateway, 3)
    seconds.now += COOL_DOWN.total_seconds()
    gateway.hold()
    probe = asyncio.create_task(breaker.charge(charge_of(1), timeout=TIMEOUT))
    await gateway.until_in_flight(1)
    waiting = asyncio.create_task(breaker.until_admits(asyncio.Event()))
    await asyncio.sleep(0)
    gateway.let_go()
    await probe
    async with asyncio.timeout(5):
        assert await waiting


async def test_waiters_leave_when_told_to_stop(breaker: BreakerGateway, gateway: FakeGateway) -> None:
    await fail(breaker, gateway, 3)
    stop = asyncio.Event()
    waiting = asyncio.create_task(breaker.until_admits(stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(5):
        assert not await waiting


@pytest.mark.parametrize(("threshold", "cool_down"), [(0, COOL_DOWN), (1, timedelta(0))])
def test_a_breaker_that_could_not_work_is_refused(gateway: FakeGateway, threshold: int, cool_down: timedelta) -> None:
    with pytest.raises(ValueError, match="must be"):
        BreakerGateway(gateway, threshold=threshold, cool_down=cool_down)
