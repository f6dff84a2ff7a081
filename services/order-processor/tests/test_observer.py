"""What the bus tells becomes a metric."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashbus.dispositions import Acknowledge, DeadLetter, Disposition, HandBack
from flashbus.queue import Message
from order_processor.metrics import Metrics
from order_processor.observer import MetricsObserver


def message(*, receives: int = 1) -> Message:
    return Message(message_id="m", receipt="r", body="", receive_count=receives)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def observer(registry: CollectorRegistry) -> MetricsObserver:
    return MetricsObserver(Metrics(registry))


def counted(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Every counter that is not 0, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in registry.collect()
        if metric.type == "counter"
        for sample in metric.samples
        if sample.value and sample.name.endswith("_total")
    }


def test_every_failure_has_its_counter(observer: MetricsObserver, registry: CollectorRegistry) -> None:
    observer.received(message(receives=1))
    observer.received(message(receives=2))
    observer.receive_failed("refused")
    observer.ack_retried()
    observer.ack_given_up()
    observer.visibility_lost()
    observer.visibility_limit_reached()
    assert counted(registry) == {
        ("processor_redeliveries_total",): 1,
        ("processor_receive_failures_total", "refused"): 1,
        ("processor_ack_retries_total",): 1,
        ("processor_ack_given_up_total",): 1,
        ("processor_visibility_lost_total",): 1,
        ("processor_visibility_limit_total",): 1,
    }


@pytest.mark.parametrize(
    ("disposition", "beside"),
    [
        (Acknowledge(outcome="completed"), {}),
        (HandBack(outcome="retry", after=timedelta(0), reason="timeout"), {}),
        (
            DeadLetter(outcome="poison", reason="malformed", detail=""),
            {("processor_dead_letters_total", "malformed"): 1, ("processor_poison_total", "malformed"): 1},
        ),
        (
            DeadLetter(outcome="failed", reason="exhausted", detail=""),
            {("processor_dead_letters_total", "exhausted"): 1},
        ),
        (
            DeadLetter(outcome="conflict", reason="conflict", detail=""),
            {("processor_dead_letters_total", "conflict"): 1},
        ),
    ],
)
def test_what_became_of_a_message_is_counted_and_timed(
    observer: MetricsObserver,
    registry: CollectorRegistry,
    disposition: Disposition,
    beside: dict[tuple[str, ...], float],
) -> None:
    observer.handled(message(), disposition, seconds=3)
    assert counted(registry) == {("processor_messages_total", disposition.outcome): 1} | beside
    labels = {"outcome": disposition.outcome}
    assert registry.get_sample_value("processor_settle_duration_seconds_sum", labels) == 3
