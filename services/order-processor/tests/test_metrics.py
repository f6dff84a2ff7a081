"""What dashboards and alarms ask for by name: a metric that is renamed is a metric that is lost."""

import pytest
from prometheus_client import CollectorRegistry

from order_processor.metrics import Metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.settle_duration.labels(outcome="completed").observe(3)
    metrics.messages.labels(outcome="completed").inc()
    metrics.poison.labels(reason="malformed").inc()
    metrics.dead_letters.labels(reason="exhausted").inc()
    metrics.orders_settled.labels(status="completed").inc()
    metrics.receive_failures.labels(reason="timeout").inc()
    return registry


def test_every_metric_has_its_name_its_labels_and_a_sentence(registry: CollectorRegistry) -> None:
    shown = {
        (metric.name, metric.type, *sorted({label for sample in metric.samples for label in sample.labels}))
        for metric in registry.collect()
    }
    assert shown == {
        ("processor_slots", "gauge"),
        ("processor_slots_busy", "gauge"),
        ("processor_paused", "gauge"),
        ("processor_stalled", "gauge"),
        ("processor_settle_duration_seconds", "histogram", "le", "outcome"),
        ("processor_order_duration_seconds", "histogram", "le"),
        ("processor_messages", "counter", "outcome"),
        ("processor_redeliveries", "counter"),
        ("processor_poison", "counter", "reason"),
        ("processor_dead_letters", "counter", "reason"),
        ("orders_settled", "counter", "status"),
        ("processor_receive_failures", "counter", "reason"),
        ("processor_ack_retries", "counter"),
        ("processor_ack_given_up", "counter"),
        ("processor_visibility_lost", "counter"),
        ("processor_visibility_limit", "counter"),
    }
    assert all(metric.documentation.endswith(".") for metric in registry.collect())


@pytest.mark.parametrize("name", ["processor_settle_duration_seconds", "processor_order_duration_seconds"])
def test_durations_are_told_apart_from_a_tick_to_an_hour(registry: CollectorRegistry, name: str) -> None:
    (metric,) = (metric for metric in registry.collect() if metric.name == name)
    bounds = [sample.labels["le"] for sample in metric.samples if sample.name.endswith("_bucket")]
    expected = "0.05 0.1 0.25 0.5 1.0 2.5 5.0 10.0 20.0 30.0 60.0 120.0 300.0 600.0 1800.0 3600.0 +Inf"
    assert bounds == expected.split()
