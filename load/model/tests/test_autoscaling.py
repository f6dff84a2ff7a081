"""The autoscaling simulation: its clock, its rules, and its agreement with the event simulation."""

import pytest

from load.model import (
    AutoscalingRun,
    Control,
    Fleet,
    Profile,
    Shop,
    Slots,
    TargetTracking,
    predict,
    replay_schedule,
    simulate_autoscaling,
)
from load.model.tests.loads import evenly

HOUR = Profile(steps=((0.0, 60.0),), seconds=3600)
FLEET = Fleet(workers_per_task=90, max_tasks=4)


def first_with(run: AutoscalingRun, tasks: int) -> float:
    return next(moment.second for moment in run.moments if moment.tasks >= tasks)


def test_tasks_arrive_after_metric_delay_datapoints_and_start_time() -> None:
    control = Control(policy=TargetTracking(backlog_per_task=900), period_seconds=60, delay_seconds=60)
    run = simulate_autoscaling(HOUR, FLEET, control)
    # datapoints of 60, 120 and 180 s are above the target, known at 240 s, served 60 s later
    assert first_with(run, 2) == 300


def test_tasks_stay_within_their_bounds() -> None:
    control = Control(policy=TargetTracking(backlog_per_task=1))
    run = simulate_autoscaling(HOUR, FLEET, control, horizon_seconds=7200)
    assert run.peak_tasks == 4
    assert {moment.tasks for moment in run.moments} <= set(range(1, 5))
    assert run.moments[-1].tasks == 1


def test_the_sale_drains_and_every_order_is_counted() -> None:
    run = simulate_autoscaling(HOUR, FLEET, Control(policy=TargetTracking(backlog_per_task=1800)))
    assert run.orders == 216_000
    assert run.drained_at is not None
    assert all(moment.accepted == moment.terminal + moment.backlog for moment in run.moments)
    assert run.moments[-1].terminal == 216_000


def test_enough_tasks_from_the_start_never_build_a_backlog() -> None:
    fleet = Fleet(workers_per_task=95, min_tasks=2, initial_tasks=2, max_tasks=4)
    run = simulate_autoscaling(HOUR, fleet, Control(policy=TargetTracking(backlog_per_task=1900)))
    assert run.worst_wait == pytest.approx(3.015)
    assert run.peak_tasks == 2


def test_a_later_metric_makes_everybody_wait_longer() -> None:
    def worst(delay: float) -> float:
        control = Control(policy=TargetTracking(backlog_per_task=900), delay_seconds=delay)
        return simulate_autoscaling(HOUR, FLEET, control).worst_wait

    assert worst(0) < worst(60) < worst(180)


def test_a_profile_changes_its_rate() -> None:
    arrivals = Profile(steps=((0.0, 1.0), (10.0, 5.0)), seconds=20).arrivals()
    assert len(arrivals) == 60
    assert sum(moment < 10 for moment in arrivals) == 10


@pytest.mark.parametrize(
    "schedule", [((0.0, 5), (20.0, 30), (50.0, 10)), ((0.0, 0), (30.0, 20)), ((0.0, 40), (30.0, 1))]
)
def test_a_schedule_by_hand_agrees_with_the_event_simulation(schedule: tuple[tuple[float, int], ...]) -> None:
    """Two independent computations of the same run: a heap of slots, and events."""
    shop = Shop(
        mode="async",
        accept_seconds=0.0,
        delivery_seconds=0.0,
        consumer=Slots(workers=0, overhead_seconds=0.1, schedule=schedule),
    )
    load = evenly(rate=7, seconds=60)
    events = predict(load, shop, replications=1)
    heap = replay_schedule(
        Profile(steps=((0.0, 7.0),), seconds=60).arrivals(),
        schedule,
        payment_seconds=3.0,
        overhead_seconds=0.1,
        horizon_seconds=len(events.backlog_curve) - 1,
    )
    differences = [
        abs(moment.backlog - backlog) for moment, (_, backlog) in zip(heap.moments, events.backlog_curve, strict=True)
    ]
    assert max(differences) <= 1
    assert heap.drained_at == pytest.approx(60 + events.drain_seconds)


def test_tasks_still_starting_are_given_up_before_running_ones() -> None:
    fleet = Fleet(workers_per_task=1, payment_seconds=1, overhead_seconds=0, max_tasks=3, task_start_seconds=600)
    # orders wait at 60 s and none at 120 s: a task is wanted, then given up while it starts
    policy = TargetTracking(backlog_per_task=10, out_datapoints=1, in_datapoints=1)
    control = Control(policy=policy, delay_seconds=0, out_cooldown_seconds=0, in_cooldown_seconds=60)
    run = simulate_autoscaling(
        Profile(steps=((0.0, 2.0), (60.0, 0.01)), seconds=200), fleet, control, horizon_seconds=900
    )
    assert max(moment.desired_tasks for moment in run.moments) > 1
    assert {moment.tasks for moment in run.moments} == {1}
    assert run.moments[-1].desired_tasks == 1


def test_target_tracking_scales_in_below_nine_tenths_of_the_target() -> None:
    policy = TargetTracking(backlog_per_task=100, in_datapoints=3)
    assert policy.desired(running=4, desired=4, values=[80.0, 80.0, 70.0]) == 3
    assert policy.desired(running=4, desired=4, values=[80.0, 80.0]) == 4
    assert policy.desired(running=4, desired=4, values=[80.0, 95.0, 70.0]) == 4
    assert policy.desired(running=4, desired=4, values=[120.0, 120.0, 150.0]) == 6


def test_task_seconds_add_up_what_ran() -> None:
    fleet = Fleet(workers_per_task=10, min_tasks=2, initial_tasks=2)
    control = Control(policy=TargetTracking(backlog_per_task=1000))
    run = simulate_autoscaling(Profile(steps=((0.0, 1.0),), seconds=60), fleet, control, horizon_seconds=100)
    assert run.task_seconds == 200
