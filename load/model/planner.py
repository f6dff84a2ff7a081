"""How many workers a sale needs, and what follows from that: tasks, waits, limits, costs."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from load.model.autoscaling import AutoscalingRun
from load.model.beginning import backlog_per_task, from_one_task, must_begin_scaled
from load.model.costs import Assumptions
from load.model.formulas import Formula
from load.model.intake import ORDERS_PER_VCPU, api_tasks_needed
from load.model.limits import Limit, limits
from load.model.month import Month, MonthCost
from load.model.poisson import poisson_margin
from load.model.prices import Prices, load_prices
from load.model.reconciliation import Reading, break_even_readings, worker_readings, workers_to_keep_up
from load.model.sale import PlanError, Sale, backlog_after_last, bottleneck, last_wait, workers_needed
from load.model.scheduled_sale import prepared_api_tasks, prepared_rate, scheduled_sale
from load.model.template_parameters import TemplateSettings, template_settings, with_beginning

# The names by which a formula is found.
WORKERS_FOR_THE_WAIT = "workers for the wait"
WORKERS_TO_KEEP_UP = "workers to keep up"
BACKLOG_PER_TASK = "backlog per task target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer; waits and drain in seconds, backlog = accepted - terminal in orders.

    workers: slots in all (tasks × workers_per_task), tasks: to begin the sale with; workers_needed: the fewest
    that keep the wait; api_tasks: that take the orders; template: what it is given, and how far it then scales;
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
    api_tasks: int
    workers: int
    settle_rate: float
    peak_backlog: int
    last_wait: float
    poisson_margin: float
    drain: float
    backlog_per_task_target: int
    template: TemplateSettings
    month: Month
    costs: tuple[MonthCost, ...]
    limits: tuple[Limit, ...]
    worker_readings: tuple[Reading, ...]
    break_evens: tuple[Reading, ...]
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
    orders_per_vcpu: float = ORDERS_PER_VCPU,
    start: datetime | None = None,
    prices: Prices | None = None,
    assumptions: Assumptions | None = None,
) -> Plan:
    """Plan a sale; `orders_per_month` holds the sale's own, and is by default only these.

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
    orders = sale.orders if orders_per_month is None else orders_per_month
    if orders < sale.orders:
        raise PlanError("orders_per_month", f"the sale alone has {sale.orders:,}, more than {orders:,}")
    ordinary = _ordinary(sale, assumptions or Assumptions())
    api_tasks = api_tasks_needed(rate, vcpu=float(ordinary.task_vcpu), orders_per_vcpu=orders_per_vcpu)
    return _planned(sale, orders, api_tasks, start, ordinary, prices or load_prices())


def _ordinary(sale: Sale, assumed: Assumptions) -> Assumptions:
    """What the days beside the sale take."""
    return replace(
        assumed,
        workers_per_task=sale.workers_per_task,
        payment_seconds=Decimal(str(sale.payment)),
        overhead_seconds=Decimal(str(sale.overhead)),
    )


def _planned(
    sale: Sale, orders: int, api_tasks: int, start: datetime | None, ordinary: Assumptions, prices: Prices
) -> Plan:
    needed = workers_needed(sale)
    tasks = math.ceil(needed / sale.workers_per_task)
    workers = tasks * sale.workers_per_task
    template, unscaled = _template(sale, needed, workers, start)
    servers, service = bottleneck(sale, workers)
    last = last_wait(sale, workers)
    margin = poisson_margin(sale, workers)
    month = _month(sale, orders, tasks, api_tasks if start is None else max(api_tasks, _prepared(sale)), last, ordinary)
    return Plan(
        sale=sale,
        workers_needed=needed,
        workers_to_keep_up=workers_to_keep_up(sale.rate, sale.service),
        tasks=tasks,
        api_tasks=api_tasks,
        workers=workers,
        settle_rate=servers / service,
        peak_backlog=backlog_after_last(sale, workers),
        last_wait=last,
        poisson_margin=margin.value,
        drain=month.drain,
        backlog_per_task_target=backlog_per_task(sale, sale.workers_per_task),
        template=template,
        month=month,
        costs=month.costs(prices),
        limits=_limits(sale, needed, month),
        worker_readings=worker_readings(sale, needed=needed, workers=workers),
        break_evens=break_even_readings(prices, ordinary),
        formulas=(*_formulas(sale, needed), margin),
        template_last_wait=last_wait(sale, template.workers),
        unscaled=unscaled,
    )


def _prepared(sale: Sale) -> int:
    return prepared_api_tasks(prepared_rate(sale))


def _month(sale: Sale, orders: int, tasks: int, api_tasks: int, last: float, ordinary: Assumptions) -> Month:
    return Month(
        sale=sale,
        orders=orders,
        tasks=tasks,
        api_tasks=max(api_tasks, ordinary.api_tasks),
        drain=max(0.0, (sale.orders - 1) / sale.rate + last - sale.burst),
        places=sale.gateway_capacity or tasks * sale.workers_per_task,
        ordinary=ordinary,
    )


def _template(
    sale: Sale, needed: int, workers: int, start: datetime | None
) -> tuple[TemplateSettings, AutoscalingRun | None]:
    settings = template_settings(sale, workers=workers)
    unscaled = from_one_task(sale, settings)
    scaled = must_begin_scaled(sale, needed, settings, unscaled)
    return with_beginning(settings, scaled=scaled, scheduled=scheduled_sale(sale, start) if start else ()), unscaled


def _limits(sale: Sale, needed: int, month: Month) -> tuple[Limit, ...]:
    return limits(
        sale,
        workers=needed,
        tasks=month.tasks,
        api_tasks=month.api_tasks,
        task_vcpu=float(month.ordinary.task_vcpu),
        writes_per_order=float(month.ordinary.writes_per_order),
    )


def _formulas(sale: Sale, needed: int) -> tuple[Formula, ...]:
    at_end = sale.burst + sale.wait - sale.service
    return (
        Formula(
            name=WORKERS_FOR_THE_WAIT,
            expression="⌈λT(d+o)/(T+w-(d+o))⌉ = "
            f"⌈{sale.rate:.10g}×{sale.burst:.10g}×{sale.service:.10g}/{at_end:.10g}⌉, then exact",
            value=needed,
            unit="workers",
            source="the last order waits λT/μ - T + d + o ≤ w (fluid); exact count for evenly spaced orders (D/D/c)",
        ),
        Formula(
            name=WORKERS_TO_KEEP_UP,
            expression=f"⌈λ(d+o)⌉ = ⌈{sale.rate:.10g}×{sale.service:.10g}⌉",
            value=workers_to_keep_up(sale.rate, sale.service),
            unit="workers",
            source="Little 1961: orders in service = λ(d+o)",
        ),
        Formula(
            name=BACKLOG_PER_TASK,
            expression=f"⌊w/d × workers per task⌋ = ⌊{sale.wait:g}/{sale.payment:g}×{sale.workers_per_task}⌋",
            value=backlog_per_task(sale, sale.workers_per_task),
            unit="orders",
            source="AWS, scaling based on Amazon SQS: acceptable backlog = acceptable latency ÷ time per message",
        ),
    )
