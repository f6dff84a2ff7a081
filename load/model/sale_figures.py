"""One sale with a given number of workers: backlog, waits and what it costs. The report's page computes the same."""

from dataclasses import dataclass, replace
from decimal import Decimal

from load.model.costs import HOURS_PER_MONTH, Arm, Assumptions, monthly_cost
from load.model.formulas import settle_rate
from load.model.prices import Prices
from load.model.sale import Sale, backlog_after_last, last_wait

_MILLION = 1_000_000
_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleRates:
    """Dollars: of a processor task for an hour, of a function for a second and for a request."""

    task_hour: float
    workers_per_task: int
    function_second: float
    function_request: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleFigures:
    """Times in seconds. `last_wait` is the last customer's; `drain` counts from the sale's end to the empty backlog.

    The last two are dollars for a million such orders: of the tasks while the sale and its drain last, of functions.
    """

    orders: int
    settle_rate: float
    peak_backlog: int
    last_wait: float
    drain: float
    processor_per_million: float
    function_per_million: float


def sale_rates(prices: Prices, assumptions: Assumptions | None = None) -> SaleRates:
    """The rates behind the monthly bill, without what is free."""
    assumed = replace(assumptions or Assumptions(), free_tier=False, processor_tasks=1)
    second = replace(assumed, payment_seconds=Decimal(1), overhead_seconds=Decimal(0), cold_share=Decimal(0))
    return SaleRates(
        task_hour=float(_line("ecs", "processor tasks", 0, prices, assumed) / HOURS_PER_MONTH),
        workers_per_task=assumed.workers_per_task,
        function_second=float(_line("lambda", "function duration", _MILLION, prices, second) / _MILLION),
        function_request=float(_line("lambda", "function requests", _MILLION, prices, second) / _MILLION),
    )


def _line(arm: Arm, item: str, orders: int, prices: Prices, assumed: Assumptions) -> Decimal:
    return next(line.amount for line in monthly_cost(arm, orders, prices, assumed).lines if line.item == item)


def sale_figures(sale: Sale, workers: int, rates: SaleRates) -> SaleFigures:
    """Exact for orders that come evenly spaced and take equally long (D/D/c)."""
    waits = last_wait(sale, workers)
    drain = max(0.0, (sale.orders - 1) / sale.rate + waits - sale.burst)
    task_hours = -(-workers // rates.workers_per_task) * (sale.burst + drain) / _HOUR
    return SaleFigures(
        orders=sale.orders,
        settle_rate=settle_rate(
            workers=workers,
            payment=sale.payment,
            overhead=sale.overhead,
            gateway_capacity=sale.gateway_capacity,
        ),
        peak_backlog=backlog_after_last(sale, workers),
        last_wait=waits,
        drain=drain,
        processor_per_million=task_hours * rates.task_hour / sale.orders * _MILLION,
        function_per_million=(rates.function_second * sale.service + rates.function_request) * _MILLION,
    )
