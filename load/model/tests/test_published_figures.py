"""The course's published figures, explained by the model, or shown to be impossible."""

import pytest

from load.model import (
    PUBLISHED,
    ClosedLoop,
    Prediction,
    PublishedFigure,
    Shop,
    Slots,
    deviation,
    predict,
)
from load.model.tests.loads import shoppers

NORMAL = shoppers(users=5, seconds=30, spawn=1)
FLASH = shoppers(users=20, seconds=60, spawn=10)


def published(scenario: str, name: str) -> PublishedFigure:
    (figure,) = (f for f in PUBLISHED if (f.scenario, f.name) == (scenario, name))
    return figure


def sync(workload: ClosedLoop, capacity: int) -> Prediction:
    return predict(workload, Shop(mode="sync", gateway_capacity=capacity))


def test_one_payment_at_a_time_serves_nine_orders_in_thirty_seconds() -> None:
    found = sync(NORMAL, 1)
    assert (found.accepted, found.spread["accepted"]) == (9, (9, 9))
    assert found.failed_share == 0
    assert found.accept_wait is not None
    assert found.accept_wait.mean == pytest.approx(10.5, rel=0.01)


def test_published_failures_need_charges_that_outlive_their_customers() -> None:
    """9 × 200 and 20 × 503: a 30 s budget for the whole request, and the abandoned charges still made."""
    shop = Shop(mode="sync", gateway_capacity=1, admission_timeout_seconds=0, sync_deadline_seconds=30)
    found = predict(FLASH, shop)
    assert found.answered == pytest.approx(29, abs=0.5)
    assert found.accepted == 9
    assert 0.68 <= found.failed_share <= 0.695
    assert found.accept_wait is not None
    assert found.accept_wait.p50 == pytest.approx(30, abs=0.01)
    assert found.charged_after_refusal >= 20


def test_a_line_that_frees_abandoned_places_would_have_failed_a_third() -> None:
    found = sync(FLASH, 1)
    assert found.accepted == 19
    assert found.rejected == pytest.approx(9, abs=1)
    assert found.failed_share < 0.35
    assert found.charged_after_refusal == 0


def test_capacity_five_serves_the_published_orders() -> None:
    normal, flash = sync(NORMAL, 5), sync(FLASH, 5)
    assert deviation(predicted=normal.accepted, measured=38) < 0.10
    assert normal.accept_wait is not None
    assert normal.accept_wait.mean == pytest.approx(3.07, rel=0.02)
    assert flash.accepted == 95
    assert flash.failed_share == 0
    assert flash.accept_wait is not None
    assert flash.accept_wait.p50 == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize("accept_seconds", [0.042, 0.085])
def test_async_acceptance_covers_the_published_range(accept_seconds: float) -> None:
    range_ = published("async, 20 users, 60 s", "accepted")
    found = predict(FLASH, Shop(mode="async", accept_seconds=accept_seconds, consumer=Slots(workers=100)))
    assert range_.low * 0.98 <= found.accepted <= range_.high * 1.02
    assert found.rejected == 0


@pytest.mark.parametrize(("workers", "name"), [(1, "1 worker"), (5, "5 workers"), (20, "20 workers")])
def test_published_drains_are_counted_from_the_first_order(workers: int, name: str) -> None:
    range_ = published(f"async, {name}", "drain min")
    found = predict(FLASH, Shop(mode="async", accept_seconds=0.05, consumer=Slots(workers=workers)), replications=1)
    from_first_order = (found.drain_seconds + 60) / 60
    assert range_.low * 0.95 <= from_first_order <= range_.high * 1.05


def test_a_drain_at_100_workers_cannot_take_two_minutes_after_the_load() -> None:
    found = predict(FLASH, Shop(mode="async", accept_seconds=0.05, consumer=Slots(workers=100)))
    assert found.drain_seconds < 60 < published("async, 100 workers", "drain min").low * 60
