"""Backlog and tasks over a sale's hour under an autoscaling policy, or under workers set by hand."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from load.model.pool import SlotPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Orders per second: (from second, rate) steps, evenly spaced within each, until `seconds`."""

    steps: tuple[tuple[float, float], ...]
    seconds: float

    def arrivals(self) -> list[float]:
        """The moment of each order."""
        times: list[float] = []
        ends = [*(begin for begin, _ in self.steps[1:]), self.seconds]
        for (begin, rate), end in zip(self.steps, ends, strict=True):
            times.extend(begin + number / rate for number in range(math.ceil(round(rate * (end - begin), 9))))
        return times


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Tasks of `workers_per_task` slots, between `min_tasks` and `max_tasks`; a started task serves after a while."""

    workers_per_task: int
    payment_seconds: float = 3.0
    overhead_seconds: float = 0.015
    min_tasks: int = 1
    max_tasks: int = 10
    initial_tasks: int = 1
    task_start_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTracking:
    """Application Auto Scaling's target tracking on backlog per task.

    Out: `out_datapoints` in a row above the target set desired = ⌈running × value ÷ target⌉.
    In: `in_datapoints` in a row below 90 % of it set the same, never below what is needed.
    """

    backlog_per_task: float
    out_datapoints: int = 3
    in_datapoints: int = 15
    in_share: float = 0.9

    def desired(self, *, running: int, desired: int, values: Sequence[float]) -> int:
        proposal = math.ceil(running * values[-1] / self.backlog_per_task) if values else desired
        if _all_last(values, self.out_datapoints, lambda value: value > self.backlog_per_task):
            return max(desired, proposal)
        if _all_last(values, self.in_datapoints, lambda value: value < self.in_share * self.backlog_per_task):
            return min(desired, proposal)
        return desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How the policy sees and acts.

    The metric is sampled each `period_seconds` and known `delay_seconds` later: orders waiting ÷ running tasks.
    (What is being paid is in flight and not part of the queue's visible depth.)
    """

    policy: TargetTracking
    period_seconds: float = 60.0
    delay_seconds: float = 60.0
    out_cooldown_seconds: float = 60.0
    in_cooldown_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The state at `second`: backlog = accepted - terminal, waiting = not yet taken by a slot."""

    second: float
    accepted: int
    terminal: int
    backlog: int
    waiting: int
    workers: int
    tasks: int
    desired_tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalingRun:
    """One simulated hour; waits in seconds from arrival to terminal, `drained_at` None if work was left."""

    moments: tuple[Moment, ...]
    orders: int
    peak_backlog: int
    peak_at: float
    peak_tasks: int
    worst_wait: float
    mean_wait: float
    drained_at: float | None
    task_seconds: float


@dataclass(slots=True)
class _Fleet:
    """Running and starting tasks."""

    running: int
    desired: int
    starting: list[float] = field(default_factory=list)
    last_out: float = -math.inf
    last_in: float = -math.inf


def simulate_autoscaling(
    profile: Profile, fleet: Fleet, control: Control, *, horizon_seconds: float | None = None
) -> AutoscalingRun:
    """Simulate second by second until the horizon (by default the load plus as long again); deterministic."""
    horizon = horizon_seconds if horizon_seconds is not None else 2 * profile.seconds
    pool = SlotPool(profile.arrivals(), service_seconds=fleet.payment_seconds + fleet.overhead_seconds)
    state = _Fleet(running=fleet.initial_tasks, desired=fleet.initial_tasks)
    pool.resize(0.0, state.running * fleet.workers_per_task)
    values: list[tuple[float, float]] = []
    moments: list[Moment] = []
    for second in range(math.ceil(horizon) + 1):
        now = float(second)
        pool.work_until(now)
        _start_ready_tasks(state, now)
        if second and second % control.period_seconds == 0:
            values.append((now, pool.waiting(now) / max(1, state.running)))
            _decide(state, fleet, control, now, values)
        pool.resize(now, state.running * fleet.workers_per_task)
        moments.append(_moment(pool, now, state.running, state.desired, fleet.workers_per_task))
    pool.work_until(horizon)
    return _summary(pool, moments)


def replay_schedule(
    arrivals: Sequence[float],
    schedule: Sequence[tuple[float, int]],
    *,
    payment_seconds: float,
    overhead_seconds: float = 0.015,
    horizon_seconds: float,
) -> AutoscalingRun:
    """Workers set by hand: (moment, workers) pairs; `arrivals` are the moments of acceptance, measured or planned.

    In the result a task is one worker. A slot that is taken away finishes its order first.
    """
    pool = SlotPool(sorted(arrivals), service_seconds=payment_seconds + overhead_seconds)
    changes = sorted(schedule)
    workers = 0
    moments: list[Moment] = []
    for second in range(math.ceil(horizon_seconds) + 1):
        while changes and changes[0][0] <= second:
            moment, workers = changes.pop(0)
            pool.work_until(moment)
            pool.resize(moment, workers)
        pool.work_until(second)
        moments.append(_moment(pool, float(second), workers, workers, 1))
    return _summary(pool, moments)


def _start_ready_tasks(state: _Fleet, now: float) -> None:
    state.running += sum(ready <= now for ready in state.starting)
    state.starting = [ready for ready in state.starting if ready > now]


def _decide(state: _Fleet, fleet: Fleet, control: Control, now: float, values: Sequence[tuple[float, float]]) -> None:
    known = [value for moment, value in values if moment + control.delay_seconds <= now]
    wanted = control.policy.desired(running=state.running, desired=state.desired, values=known)
    wanted = min(fleet.max_tasks, max(fleet.min_tasks, wanted))
    if wanted > state.desired and now - state.last_out >= control.out_cooldown_seconds:
        state.starting.extend([now + fleet.task_start_seconds] * (wanted - state.desired))
        state.desired, state.last_out = wanted, now
    elif wanted < state.desired and now - max(state.last_in, state.last_out) >= control.in_cooldown_seconds:
        stopped = state.desired - wanted
        # Tasks still starting are given up before running ones.
        cancelled = min(stopped, len(state.starting))
        state.starting = state.starting[: len(state.starting) - cancelled]
        state.running -= stopped - cancelled
        state.desired, state.last_in = wanted, now


def _moment(pool: SlotPool, now: float, tasks: int, desired: int, workers_per_task: int) -> Moment:
    accepted, terminal = pool.accepted(now), pool.terminal(now)
    return Moment(
        second=now,
        accepted=accepted,
        terminal=terminal,
        backlog=accepted - terminal,
        waiting=pool.waiting(now),
        workers=tasks * workers_per_task,
        tasks=tasks,
        desired_tasks=desired,
    )


def _summary(pool: SlotPool, moments: Sequence[Moment]) -> AutoscalingRun:
    peak = max(moments, key=lambda moment: moment.backlog)
    waits = pool.waits()
    return AutoscalingRun(
        moments=tuple(moments),
        orders=len(pool.arrivals),
        peak_backlog=peak.backlog,
        peak_at=peak.second,
        peak_tasks=max(moment.tasks for moment in moments),
        worst_wait=max(waits, default=0.0),
        mean_wait=math.fsum(waits) / len(waits) if waits else 0.0,
        drained_at=pool.ends[-1] if pool.ends and len(pool.ends) == len(pool.arrivals) else None,
        task_seconds=math.fsum(moment.tasks for moment in moments[:-1]),
    )


def _all_last(values: Sequence[float], count: int, holds: Callable[[float], bool]) -> bool:
    return len(values) >= count and all(holds(value) for value in values[-count:])
