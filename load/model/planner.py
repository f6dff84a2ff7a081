"""How many workers a sale needs, and what follows from that: tasks, waits, autoscaling targets, costs."""

import math
from dataclasses import dataclass
from decimal import Decimal

from load.model.autoscaling import AutoscalingRun, Control, Fleet, Profile, TargetTracking, simulate_autoscaling
from load.model.breakeven import BreakEven, break_even
from load.model.costs import ARMS, Assumptions, Cost, monthly_cost
from load.model.formulas import Formula, evenly_spaced_wait
from load.model.prices import Prices, load_prices

PARAMETER_WORKERS = "Workers"
PARAMETER_MIN_TASKS = "ProcessorMinTasks"
PARAMETER_MAX_TASKS = "ProcessorMaxTasks"
PARAMETER_BACKLOG_TARGET = "BacklogPerTaskTarget"
"""The template's names of what a plan decides; this is the one place that spells them."""

_MOST_WORKERS = 1_000_000
_MOST_SIMULATED_ORDERS = 1_000_000
# 95 % of Poisson sales bring at most this many standard deviations more than the mean.
_NINETY_FIVE_PERCENT = 1.645


class PlanError(ValueError):
    """The request cannot be planned; `parameter` is the argument at fault."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What is to be planned for. rate: orders/s during `burst` s; wait: the longest from order to confirmation, s.

    gateway_capacity: payments the provider takes at once (0 = unlimited); overhead: a slot's time beside the payment.
    """

    rate: float
    payment: float
    wait: float
    burst: float
    overhead: float = 0.015
    workers_per_task: int = 100
    gateway_capacity: int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "payment", "wait", "burst"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PlanError(name, f"must be above 0, not {value:g}")
        if not (math.isfinite(self.overhead) and self.overhead >= 0):
            raise PlanError("overhead", f"must not be negative, not {self.overhead:g}")
        if self.workers_per_task < 1:
            raise PlanError("workers_per_task", f"must be at least 1, not {self.workers_per_task}")
        if self.gateway_capacity < 0:
            raise PlanError("gateway_capacity", f"must be 0 (unlimited) or more, not {self.gateway_capacity}")
        if self.wait < self.service:
            raise PlanError("wait", f"{self.wait:g} s is shorter than one payment, which takes {self.service:g} s")
        if self.orders < 1:
            raise PlanError("burst", "no order comes within it at this rate")

    @property
    def service(self) -> float:
        """Seconds that one order occupies a slot."""
        return self.payment + self.overhead

    @property
    def orders(self) -> int:
        """Orders of the burst, evenly spaced from its first moment."""
        return math.ceil(round(self.rate * self.burst, 9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer; waits and drain in seconds, backlog = accepted - terminal in orders.

    workers: slots in all (tasks × workers_per_task); workers_needed: the fewest that keep the wait;
    workers_to_keep_up: the fewest with W ÷ (d + o) ≥ λ; last_wait: the last customer's, from order to confirmation,
    for evenly spaced orders; poisson_margin: what 95 % of Poisson sales add to it at most;
    unscaled: the same sale if autoscaling had to start it from one task (None above a million orders).
    """

    sale: Sale
    workers_needed: int
    workers_to_keep_up: int
    tasks: int
    workers_per_task: int
    workers: int
    settle_rate: float
    peak_backlog: int
    last_wait: float
    poisson_margin: float
    drain: float
    min_tasks: int
    max_tasks: int
    backlog_per_task_target: int
    orders_per_month: int
    costs: tuple[Cost, ...]
    lambda_break_even: BreakEven
    formulas: tuple[Formula, ...]
    unscaled: AutoscalingRun | None

    def parameter_overrides(self) -> list[str]:
        """`Key=Value` for each template parameter, as `aws cloudformation deploy --parameter-overrides` takes them."""
        values = {
            PARAMETER_WORKERS: self.workers_per_task,
            PARAMETER_MIN_TASKS: self.min_tasks,
            PARAMETER_MAX_TASKS: self.max_tasks,
            PARAMETER_BACKLOG_TARGET: self.backlog_per_task_target,
        }
        return [f"{name}={value}" for name, value in values.items()]


def plan(  # noqa: PLR0913 - the options of the command, each with its default
    *,
    rate: float,
    payment: float,
    wait: float,
    burst: float,
    overhead: float = 0.015,
    workers_per_task: int = 100,
    gateway_capacity: int = 0,
    orders_per_month: int | None = None,
    prices: Prices | None = None,
    assumptions: Assumptions | None = None,
) -> Plan:
    """Plan a sale; `orders_per_month` is by default the orders of this one sale.

    Raises:
        PlanError: an argument is out of range, or the gateway's capacity is too small for the wait.
    """
    sale = Sale(
        rate=rate,
        payment=payment,
        wait=wait,
        burst=burst,
        overhead=overhead,
        workers_per_task=workers_per_task,
        gateway_capacity=gateway_capacity,
    )
    if orders_per_month is not None and orders_per_month < 0:
        raise PlanError("orders_per_month", f"must not be negative, not {orders_per_month}")
    needed = _workers_needed(sale)
    tasks = math.ceil(needed / workers_per_task)
    each = math.ceil(needed / tasks)
    workers = tasks * each
    servers, service = _bottleneck(sale, workers)
    month = sale.orders if orders_per_month is None else orders_per_month
    listed = prices or load_prices()
    assumed = _with_plan(assumptions or Assumptions(), sale, tasks, each)
    target = max(1, math.floor(round(wait / payment * each, 9)))
    return Plan(
        sale=sale,
        workers_needed=needed,
        workers_to_keep_up=math.ceil(round(rate * sale.service, 9)),
        tasks=tasks,
        workers_per_task=each,
        workers=workers,
        settle_rate=servers / service,
        peak_backlog=_backlog_after_last(sale, workers),
        last_wait=_last_wait(sale, workers),
        poisson_margin=_NINETY_FIVE_PERCENT * math.sqrt(sale.orders) * service / servers,
        drain=max(0.0, (sale.orders - 1) / rate + _last_wait(sale, workers) - burst),
        min_tasks=tasks,
        max_tasks=_max_tasks(sale, tasks, each),
        backlog_per_task_target=target,
        orders_per_month=month,
        costs=tuple(monthly_cost(arm, month, listed, assumed) for arm in ARMS),
        lambda_break_even=break_even("lambda", "ecs", listed, assumed),
        formulas=_formulas(sale, needed, each, target),
        unscaled=_unscaled(sale, each, target, _max_tasks(sale, tasks, each)),
    )


def _bottleneck(sale: Sale, workers: int) -> tuple[int, float]:
    """Servers and seconds per order of whichever is slower: the slots, or the gateway's capacity."""
    capacity = sale.gateway_capacity
    if capacity and capacity / sale.payment < workers / sale.service:
        return capacity, sale.payment
    return workers, sale.service


def _last_wait(sale: Sale, workers: int) -> float:
    servers, service = _bottleneck(sale, workers)
    queued = evenly_spaced_wait(number=sale.orders - 1, rate=sale.rate, service_seconds=service, servers=servers)
    return queued + sale.service


def _workers_needed(sale: Sale) -> int:
    """The fewest workers that keep the wait, by bisection: more workers never make anybody wait longer."""
    too_few, enough = 0, 1
    while not _keeps(sale, enough):
        if enough >= _MOST_WORKERS:
            capacity = sale.gateway_capacity
            if capacity:
                raise PlanError(
                    "gateway_capacity",
                    f"{capacity} payments at once settle {capacity / sale.payment:.3g} orders/s; "
                    f"no number of workers keeps the wait at {sale.wait:g} s",
                )
            raise PlanError("rate", f"more than {_MOST_WORKERS:,} workers would be needed")
        too_few, enough = enough, enough * 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _keeps(sale, middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _keeps(sale: Sale, workers: int) -> bool:
    return _last_wait(sale, workers) <= sale.wait + 1e-9


def _backlog_after_last(sale: Sale, workers: int) -> int:
    """Orders accepted and not terminal at the moment of the last order, counted exactly."""
    servers, service = _bottleneck(sale, workers)
    last = (sale.orders - 1) / sale.rate
    if service <= servers / sale.rate:
        return min(sale.orders, math.floor(round(service * sale.rate, 9)) + 1)
    ended = sum(
        min(
            max(0, math.floor((last - first / sale.rate) / service + 1e-9)),
            (sale.orders - 1 - first) // servers + 1,
        )
        for first in range(min(servers, sale.orders))
    )
    return sale.orders - ended


def _max_tasks(sale: Sale, tasks: int, workers_per_task: int) -> int:
    """Twice the need, for a sale twice as large; never more slots than the gateway takes at once."""
    if sale.gateway_capacity:
        return max(tasks, min(2 * tasks, sale.gateway_capacity // workers_per_task))
    return 2 * tasks


def _with_plan(assumed: Assumptions, sale: Sale, tasks: int, workers_per_task: int) -> Assumptions:
    values = {name: getattr(assumed, name) for name in Assumptions.__slots__}
    return Assumptions(
        **{
            **values,
            "processor_tasks": tasks,
            "workers_per_task": workers_per_task,
            "payment_seconds": Decimal(str(sale.payment)),
            "overhead_seconds": Decimal(str(sale.overhead)),
        }
    )


def _unscaled(sale: Sale, workers_per_task: int, target: int, max_tasks: int) -> AutoscalingRun | None:
    if sale.orders > _MOST_SIMULATED_ORDERS or sale.gateway_capacity:
        return None
    return simulate_autoscaling(
        Profile(steps=((0.0, sale.rate),), seconds=sale.burst),
        Fleet(
            workers_per_task=workers_per_task,
            payment_seconds=sale.payment,
            overhead_seconds=sale.overhead,
            max_tasks=max_tasks,
        ),
        Control(policy=TargetTracking(backlog_per_task=target)),
    )


def _formulas(sale: Sale, needed: int, workers_per_task: int, target: int) -> tuple[Formula, ...]:
    at_end = sale.burst + sale.wait - sale.service
    return (
        Formula(
            name="workers for the wait",
            expression="⌈λT(d+o)/(T+w-(d+o))⌉ = "
            f"⌈{sale.rate:g}×{sale.burst:g}×{sale.service:g}/{at_end:g}⌉, then exact",
            value=needed,
            unit="workers",
            source="the last order waits λT/μ - T + d + o ≤ w (fluid); exact count for evenly spaced orders (D/D/c)",
        ),
        Formula(
            name="workers to keep up",
            expression=f"⌈λ(d+o)⌉ = ⌈{sale.rate:g}×{sale.service:g}⌉",
            value=math.ceil(round(sale.rate * sale.service, 9)),
            unit="workers",
            source="Little 1961: orders in service = λ(d+o)",
        ),
        Formula(
            name="backlog per task target",
            expression=f"⌊w/d × workers per task⌋ = ⌊{sale.wait:g}/{sale.payment:g}×{workers_per_task}⌋",
            value=target,
            unit="orders",
            source="AWS, scaling based on Amazon SQS: acceptable backlog = acceptable latency ÷ time per message",
        ),
    )
