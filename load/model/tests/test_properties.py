"""What must hold for any scenario."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from load.model import (
    ARMS,
    Arm,
    Assumptions,
    Control,
    Fleet,
    PlanError,
    Profile,
    Shop,
    Slots,
    TargetTracking,
    load_prices,
    monthly_cost,
    plan,
    predict,
    replay_schedule,
    simulate_autoscaling,
)
from load.model.simulation import simulate
from load.model.tests.loads import evenly, poisson, shoppers

PRICES = load_prices()
rates = st.floats(0.2, 20.0)
payments = st.floats(0.1, 5.0)
brief = settings(max_examples=30, deadline=None)


@brief
@given(rate=rates, payment=payments, workers=st.integers(1, 40), more=st.integers(1, 40))
def test_more_workers_never_drain_later(rate: float, payment: float, workers: int, more: int) -> None:
    load = evenly(rate=rate, seconds=20)

    def drain(count: int) -> float:
        shop = Shop(mode="async", payment_seconds=payment, consumer=Slots(workers=count))
        return predict(load, shop, replications=1).drain_seconds

    assert drain(workers + more) <= drain(workers) + 1e-9


@brief
@given(
    users=st.integers(1, 25),
    capacity=st.integers(0, 6),
    limit=st.integers(0, 10),
    deadline=st.floats(0.5, 20),
    seed=st.integers(0, 10_000),
)
def test_every_order_has_one_end_and_the_gateway_its_capacity(
    users: int,
    capacity: int,
    limit: int,
    deadline: float,
    seed: int,
) -> None:
    shop = Shop(
        mode="sync",
        gateway_capacity=capacity,
        sync_limit=limit,
        sync_wait_seconds=1,
        sync_deadline_seconds=deadline,
    )
    run = simulate(shoppers(users=users, seconds=15), shop, seed=seed)
    for order in run.orders:
        assert order.outcome in {"completed", "rejected"}
        assert order.settled_at is not None or order.outcome == "rejected"
    charges = sorted(order.charged_at for order in run.orders if order.charged_at is not None)
    if capacity:
        spaced = zip(charges, charges[capacity:], strict=False)
        assert all(later - earlier >= 3.0 - 1e-6 for earlier, later in spaced)


@brief
@given(rate=rates, payment=payments, workers=st.integers(0, 30), at_random=st.booleans(), seed=st.integers(0, 999))
def test_the_backlog_curve_conserves_orders(
    rate: float,
    payment: float,
    workers: int,
    at_random: bool,  # noqa: FBT001 - a case
    seed: int,
) -> None:
    even = evenly(rate=rate, seconds=20)
    load = poisson(rate=rate, seconds=20, seed=seed) if at_random else even
    shop = Shop(mode="async", payment_seconds=payment, consumer=Slots(workers=workers))
    found = predict(load, shop, replications=1)
    assert all(0 <= backlog <= found.offered for _, backlog in found.backlog_curve)
    assert max(backlog for _, backlog in found.backlog_curve) <= found.peak_backlog
    assert found.confirmed == (found.offered if workers else 0)
    busy = 20 + found.drain_seconds
    if workers and found.offered:
        assert found.confirmed <= workers * (busy / payment + 1)


@brief
@given(
    rate=rates,
    payment=payments,
    slack=st.floats(1.0, 20.0),
    burst=st.floats(5.0, 300.0),
    longer=st.floats(1.0, 5.0),
)
def test_patience_never_costs_workers_and_a_plan_keeps_its_wait(
    rate: float, payment: float, slack: float, burst: float, longer: float
) -> None:
    wait = (payment + 0.015) * slack + 0.001
    try:
        found = plan(rate=rate, payment=payment, wait=wait, burst=burst)
    except PlanError as refused:
        assert refused.parameter == "burst"  # noqa: PT017 - the only argument that may be refused here
        return
    patient = plan(rate=rate, payment=payment, wait=wait * longer, burst=burst)
    assert patient.workers_needed <= found.workers_needed <= found.workers
    assert found.last_wait <= wait + 1e-6
    run = replay_schedule(
        [number / rate for number in range(found.sale.orders)],
        [(0, found.workers_needed)],
        payment_seconds=payment,
        horizon_seconds=0,
    )
    assert run.worst_wait <= wait + 1e-6


@brief
@given(rate=st.floats(0.5, 30), target=st.floats(1, 2000), delay=st.integers(0, 180), tasks=st.integers(1, 5))
def test_autoscaling_keeps_its_bounds_and_every_order(rate: float, target: float, delay: int, tasks: int) -> None:
    run = simulate_autoscaling(
        Profile(steps=((0.0, rate),), seconds=600),
        Fleet(workers_per_task=10, max_tasks=5, initial_tasks=tasks),
        Control(policy=TargetTracking(backlog_per_task=target), delay_seconds=delay),
    )
    for moment in run.moments:
        assert 1 <= moment.tasks <= max(5, tasks)
        assert moment.accepted - moment.terminal == moment.backlog >= moment.waiting >= 0


@brief
@given(
    arm=st.sampled_from(ARMS),
    orders=st.integers(0, 10**8),
    more=st.integers(0, 10**7),
    free=st.booleans(),
    cold=st.decimals(0, 1, places=3),
)
def test_costs_grow_with_orders_and_without_the_free_tier(
    arm: Arm,
    orders: int,
    more: int,
    free: bool,  # noqa: FBT001 - a case
    cold: Decimal,
) -> None:
    assumed = Assumptions(free_tier=free, cold_share=cold)
    total = monthly_cost(arm, orders, PRICES, assumed).total
    assert monthly_cost(arm, orders + more, PRICES, assumed).total >= total
    assert monthly_cost(arm, orders, PRICES, replace(assumed, free_tier=False)).total >= total
    assert monthly_cost(arm, orders, PRICES, replace(assumed, cold_share=Decimal(1))).total >= total
