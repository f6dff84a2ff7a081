"""How many workers a sale needs, and what follows from that: tasks, waits, autoscaling targets, costs."""

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from load.model.autoscaling import AutoscalingRun
from load.model.beginning import backlog_per_task, from_one_task, must_begin_scaled
from load.model.breakeven import BreakEven, break_even
from load.model.costs import ARMS, Assumptions, Cost, monthly_cost
from load.model.formulas import Formula
from load.model.poisson import poisson_margin
from load.model.prices import Prices, load_prices
from load.model.sale import PlanError, Sale, backlog_after_last, bottleneck, last_wait, workers_needed
from load.model.template_parameters import TemplateSettings, template_settings, with_pre_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer; waits and drain in seconds, backlog = accepted - terminal in orders.

    workers: slots in all (tasks × workers_per_task), tasks: to begin the sale with; workers_needed: the fewest
    that keep the wait; max_tasks, template: what the template is given, and how far it then scales;
    workers_to_keep_up: the fewest with W ÷ (d + o) ≥ λ; last_wait: the last customer's, from order to confirmation,
    for evenly spaced orders; poisson_margin: what 95 % of Poisson sales add to it at most;
    template_last_wait: the last customer's with all tasks that the template can run;
    unscaled: the same sale if autoscaling had to start the template from one task
    (None above a million orders or six hours, or when a gateway's capacity is given).
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
    max_tasks: int
    backlog_per_task_target: int
    template: TemplateSettings
    orders_per_month: int
    costs: tuple[Cost, ...]
    lambda_break_even: BreakEven
    formulas: tuple[Formula, ...]
    template_last_wait: float
    unscaled: AutoscalingRun | None

    @property
    def template_holds(self) -> bool:
        """Whether the template's most tasks keep the wait."""
        return self.template.workers >= self.workers_needed


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
    needed = workers_needed(sale)
    tasks = math.ceil(needed / workers_per_task)
    workers = tasks * workers_per_task
    settings = template_settings(sale, workers=workers)
    target = backlog_per_task(sale, workers_per_task)
    unscaled = from_one_task(sale, settings)
    settings = with_pre_scale(settings, on=must_begin_scaled(sale, needed, settings, unscaled))
    servers, service = bottleneck(sale, workers)
    month = sale.orders if orders_per_month is None else orders_per_month
    listed = prices or load_prices()
    assumed = _with_plan(assumptions or Assumptions(), sale, tasks)
    margin = poisson_margin(sale, workers)
    return Plan(
        sale=sale,
        workers_needed=needed,
        workers_to_keep_up=math.ceil(round(rate * sale.service, 9)),
        tasks=tasks,
        workers_per_task=workers_per_task,
        workers=workers,
        settle_rate=servers / service,
        peak_backlog=backlog_after_last(sale, workers),
        last_wait=last_wait(sale, workers),
        poisson_margin=margin.value,
        drain=max(0.0, (sale.orders - 1) / rate + last_wait(sale, workers) - burst),
        max_tasks=settings.max_tasks,
        backlog_per_task_target=target,
        template=settings,
        orders_per_month=month,
        costs=tuple(monthly_cost(arm, month, listed, assumed) for arm in ARMS),
        lambda_break_even=break_even("lambda", "ecs", listed, assumed),
        formulas=(*_formulas(sale, needed, target), margin),
        template_last_wait=last_wait(sale, settings.workers),
        unscaled=unscaled,
    )


def _with_plan(assumed: Assumptions, sale: Sale, tasks: int) -> Assumptions:
    return replace(
        assumed,
        processor_tasks=tasks,
        workers_per_task=sale.workers_per_task,
        payment_seconds=Decimal(str(sale.payment)),
        overhead_seconds=Decimal(str(sale.overhead)),
    )


def _formulas(sale: Sale, needed: int, target: int) -> tuple[Formula, ...]:
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
            expression=f"⌊w/d × workers per task⌋ = ⌊{sale.wait:g}/{sale.payment:g}×{sale.workers_per_task}⌋",
            value=target,
            unit="orders",
            source="AWS, scaling based on Amazon SQS: acceptable backlog = acceptable latency ÷ time per message",
        ),
    )
