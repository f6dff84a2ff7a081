"""The parts one by one."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashops.settings import SettingsError
from flashpay.testing import Reply
from order_processor.settings import Settings
from order_processor.testing import ProcessorHarness

REQUIRED = {
    "QUEUE_URL": "http://localhost:4566/000000000000/orders",
    "DEAD_LETTER_QUEUE_URL": "http://localhost:4566/000000000000/dead",
    "ORDERS_TABLE": "orders",
    "GATEWAY_URL": "http://localhost:8090",
}


async def test_permits_that_an_open_breaker_does_not_allow_are_given_back() -> None:
    processor = ProcessorHarness(workers=7, pollers=1)
    processor.gateway.default = Reply.REFUSE
    await processor.place(3)
    async with processor.running():
        await asyncio.sleep(600)  # open, and now and then one is allowed of those that are taken
        assert processor.metric("processor_paused") == 1
        processor.gateway.default = Reply.APPROVE
        await asyncio.sleep(30)
        assert not processor.queue.stored
        processor.gateway.hold()
        await processor.place(20)
        await asyncio.sleep(5)
        assert processor.gateway.in_flight == 7
        processor.gateway.let_go()


def test_the_defaults_are_in_order() -> None:
    settings = Settings.from_environment(REQUIRED)
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
        Settings.from_environment(REQUIRED | variables)
    assert caught.value.problems == (message,)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORKERS", "0"), ("WAIT_SECONDS", "21"), ("GATEWAY_URL", "gateway:80"), ("LEASE_SECONDS", "nan")],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        Settings.from_environment(REQUIRED | {variable: value})


@pytest.mark.parametrize(("workers", "pollers"), [(1, 1), (2, 2), (20, 2), (30, 3), (100, 4), (1000, 4)])
def test_pollers_follow_the_slots(workers: int, pollers: int) -> None:
    settings = Settings.from_environment(REQUIRED | {"WORKERS": str(workers)})
    assert settings.poller_count == pollers


async def test_one_line_of_log_per_message() -> None:
    processor = ProcessorHarness()
    processor.gateway.latency = timedelta(seconds=3)
    with capture_logs() as lines:
        (order,) = await processor.place(1)
        await processor.queue.send("poison", attributes={})
        async with processor.running():
            await processor.until(lambda: not processor.queue.stored)
    handled = {line["outcome"]: line for line in lines if line["event"] == "message_handled"}
    assert sorted(handled) == ["completed", "poison"]
    completed = handled["completed"]
    assert completed["duration_seconds"] == pytest.approx(3.0, abs=0.001)
    assert completed["charge_id"] == processor.ledger.entries[order.order_id].charge_id
    assert handled["poison"]["reason"] == "malformed"


async def test_the_time_of_an_order_counts_from_its_acceptance() -> None:
    processor = ProcessorHarness()
    processor.gateway.latency = timedelta(seconds=3)
    await processor.place(1)
    await asyncio.sleep(60)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.metric("processor_order_duration_seconds_sum") == pytest.approx(63, abs=0.01)
    assert processor.metric("processor_settle_duration_seconds_sum", outcome="completed") == pytest.approx(3, abs=0.01)
