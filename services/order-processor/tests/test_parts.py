"""The parts one by one."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.backoff import Backoff
from flashbus.slots import Slots
from flashops.settings import SettingsError
from flashpay import BreakerGateway, ChargeRequest, GatewayUnavailableError
from flashpay.testing import FakeGateway, Reply
from order_processor.gate import Gate
from order_processor.settings import ProcessorSettings
from order_processor.testing import Rig, loop_time

REQUIRED = {
    "QUEUE_URL": "http://localhost:4566/000000000000/orders",
    "DEAD_LETTER_QUEUE_URL": "http://localhost:4566/000000000000/dead",
    "ORDERS_TABLE": "orders",
    "GATEWAY_URL": "http://localhost:8090",
}


async def test_slots_are_taken_as_far_as_they_are_free() -> None:
    slots, stop = Slots(5), asyncio.Event()
    assert await slots.take(3, stop=stop) == 3
    assert await slots.take(10, stop=stop) == 2
    waiting = asyncio.create_task(slots.take(10, stop=stop))
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back(2)
    assert await waiting == 2


async def test_the_stop_ends_the_wait_for_a_slot() -> None:
    slots, stop = Slots(1), asyncio.Event()
    await slots.take(1, stop=stop)
    waiting = asyncio.create_task(slots.take(1, stop=stop))
    await asyncio.sleep(1)
    stop.set()
    assert await waiting == 0
    assert slots.free == 0


def test_giving_back_what_was_not_taken_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="more slots"):
        Slots(1).give_back()


async def test_the_gate_lets_one_message_find_out() -> None:
    gateway = FakeGateway(default=Reply.FAIL)
    breaker = BreakerGateway(gateway, threshold=1, cool_down=timedelta(seconds=5), clock=loop_time)
    gate = Gate(breaker=breaker, stop=asyncio.Event(), ledger_threshold=3, ledger_pause=timedelta(seconds=5))
    request = ChargeRequest(order_id="ord_a", amount_minor=1, currency="USD", customer_id=1)
    assert gate.allowance(10) == 10
    with pytest.raises(GatewayUnavailableError):
        await breaker.charge(request, timeout=timedelta(seconds=1))
    assert gate.allowance(10) == 0
    await gate.until_allowance()
    assert loop_time() == pytest.approx(5, abs=0.01)
    assert gate.allowance(10) == 1


def test_the_backoff_has_full_jitter_under_a_growing_ceiling() -> None:
    highest = Backoff(uniform=lambda _low, high: high)
    lowest = Backoff(uniform=lambda low, _high: low)
    seconds = [highest.after(attempt).total_seconds() for attempt in (1, 2, 3, 9, 10, 100, 10_000)]
    assert seconds == [1, 2, 4, 256, 300, 300, 300]
    assert lowest.after(5) == timedelta(0)
    assert lowest.after(5, at_least=timedelta(seconds=7)) == timedelta(seconds=7)
    assert lowest.after(5, at_least=timedelta(days=2)) == timedelta(minutes=5)


def test_the_defaults_are_in_order() -> None:
    settings = ProcessorSettings.from_environment(REQUIRED)
    assert (settings.workers, settings.port, settings.max_receives) == (20, 8081, 100)
    assert settings.visibility > settings.lease > settings.payment_timeout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"VISIBILITY_SECONDS": "30"},
            "VISIBILITY_SECONDS (30) must be greater than LEASE_SECONDS (30)",
        ),
        (
            {"PAYMENT_TIMEOUT_SECONDS": "30"},
            "LEASE_SECONDS (30) must be greater than PAYMENT_TIMEOUT_SECONDS (30)",
        ),
        ({"DRAIN_SECONDS": "20"}, "DRAIN_SECONDS (20) must be greater than WAIT_SECONDS (20)"),
        (
            {"MAX_RECEIVES": "5"},
            "MAX_RECEIVES (5) must be greater than BREAKER_THRESHOLD (5)",
        ),
        (
            {"DRAIN_SECONDS": "9", "WAIT_SECONDS": "1"},
            "DRAIN_SECONDS (9) must be greater than PAYMENT_TIMEOUT_SECONDS (10)",
        ),
    ],
)
def test_times_out_of_order_are_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ProcessorSettings.from_environment(REQUIRED | variables)
    assert caught.value.problems == (message,)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORKERS", "0"), ("WAIT_SECONDS", "21"), ("GATEWAY_URL", "gateway:80"), ("LEASE_SECONDS", "nan")],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        ProcessorSettings.from_environment(REQUIRED | {variable: value})


@pytest.mark.parametrize(("workers", "pollers"), [(1, 1), (2, 2), (20, 2), (30, 3), (100, 4), (1000, 4)])
def test_pollers_follow_the_slots(workers: int, pollers: int) -> None:
    settings = ProcessorSettings.from_environment(REQUIRED | {"WORKERS": str(workers)})
    assert settings.poller_count == pollers


async def test_one_line_of_log_per_message() -> None:
    rig = Rig()
    rig.gateway.latency = timedelta(seconds=3)
    with capture_logs() as lines:
        (order,) = await rig.place(1)
        await rig.queue.send("poison", attributes={})
        async with rig.running():
            await rig.until(lambda: not rig.queue.stored)
    handled = {line["outcome"]: line for line in lines if line["event"] == "message_handled"}
    assert sorted(handled) == ["completed", "poison"]
    completed = handled["completed"]
    assert completed["duration_seconds"] == pytest.approx(3.0, abs=0.001)
    assert completed["charge_id"] == rig.ledger.entries[order.order_id].charge_id
    assert handled["poison"]["reason"] == "malformed"


async def test_the_time_of_an_order_counts_from_its_acceptance() -> None:
    rig = Rig()
    rig.gateway.latency = timedelta(seconds=3)
    await rig.place(1)
    await asyncio.sleep(60)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.metric("processor_order_duration_seconds_sum") == pytest.approx(63, abs=0.01)
    assert rig.metric("processor_settle_duration_seconds_sum", outcome="completed") == pytest.approx(3, abs=0.01)
