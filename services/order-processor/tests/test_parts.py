"""The parts one by one."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

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
