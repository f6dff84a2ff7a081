"""How a sale begins: whether autoscaling would be quick enough from one task."""

import math

from load.model.autoscaling import AutoscalingRun, Control, Fleet, Profile, TargetTracking, simulate_autoscaling
from load.model.sale import Sale
from load.model.template_parameters import ACCEPTABLE_WAIT_SECONDS, TemplateSettings

_MOST_SIMULATED_ORDERS = 1_000_000
# The simulation goes second by second, and what scaling does shows in the first hour.
_LONGEST_SIMULATED_SECONDS = 6 * 3600.0


def backlog_per_task(sale: Sale, workers_per_task: int) -> int:
    """The backlog per task above which tasks are added."""
    return max(1, math.floor(round(sale.wait / sale.payment * workers_per_task, 9)))


def from_one_task(sale: Sale, settings: TemplateSettings) -> AutoscalingRun | None:
    """The sale if autoscaling had to start the template from one task; None where it is not simulated."""
    if sale.orders > _MOST_SIMULATED_ORDERS or sale.burst > _LONGEST_SIMULATED_SECONDS or sale.gateway_capacity:
        return None
    # Whoever has not begun by then waits longer than the sale allows, or than the template can be told.
    longest = sale.burst + min(sale.wait, ACCEPTABLE_WAIT_SECONDS[1])
    return simulate_autoscaling(
        Profile(steps=((0.0, sale.rate),), seconds=sale.burst),
        Fleet(
            workers_per_task=settings.workers_per_task,
            payment_seconds=sale.payment,
            overhead_seconds=sale.overhead,
            max_tasks=settings.max_tasks,
        ),
        Control(policy=TargetTracking(backlog_per_task=backlog_per_task(sale, settings.workers_per_task))),
        horizon_seconds=max(2 * sale.burst, longest),
    )


def must_begin_scaled(sale: Sale, needed: int, settings: TemplateSettings, unscaled: AutoscalingRun | None) -> bool:
    """Whether a sale that begins with one task would break the wait; yes too where nobody can tell."""
    if needed <= settings.workers_per_task:
        return False
    return unscaled is None or unscaled.drained_at is None or unscaled.worst_wait > sale.wait
