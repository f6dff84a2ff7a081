"""A sale with a date: the template's parameters that make its tasks, its load balancer and its tables ready in time."""

from datetime import UTC, datetime, timedelta

from load.model.month import LEAD_SECONDS
from load.model.sale import PlanError, Sale
from load.model.template_parameters import (
    LEAST_API_TASKS,
    MAXIMUM_API_TASKS,
    ORDERS_PER_TASK,
    SALE_RATES,
    Parameters,
)

# The template's pattern takes no others.
_YEARS = (2000, 2099)
_FORMAT = "%Y-%m-%dT%H:%M:%S"


def prepared_api_tasks(rate: int) -> int:
    """The API tasks that the template runs in a sale of that rate."""
    return max(LEAST_API_TASKS, rate // ORDERS_PER_TASK)


def prepared_rate(sale: Sale) -> int:
    """The least of the template's rates that is enough, or its greatest."""
    return next((rate for rate in SALE_RATES if rate >= sale.rate), SALE_RATES[-1])


def scheduled_sale(sale: Sale, start: datetime) -> Parameters:
    """The parameters of a sale whose first order comes at `start`; a time without a zone is UTC.

    Raises:
        PlanError: the template's times end with the year 2099.
    """
    first = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
    try:
        last = first + timedelta(seconds=sale.burst)
        ready = first - timedelta(seconds=LEAD_SECONDS)
    except OverflowError as exc:
        raise PlanError("start", f"{start} is beyond the calendar") from exc
    if not _YEARS[0] <= ready.year <= last.year <= _YEARS[1]:
        raise PlanError("start", f"{start} is not in this century")
    rate = prepared_rate(sale)
    tasks = next(most for most in MAXIMUM_API_TASKS if most >= prepared_api_tasks(rate))
    return (
        ("SaleStart", ready.strftime(_FORMAT)),
        ("SaleEnd", last.strftime(_FORMAT)),
        ("SaleOrdersPerSecond", rate),
        ("MaximumApiTasks", tasks),
    )
