"""What a plan sets in the template: the one place that spells the template's parameter names and their values.

The template derives the rest: most tasks = GatewayCapacity ÷ Workers, since without SyncPayments all of the gateway is
the consumer's, and the backlog per task that adds tasks = AcceptableWaitSeconds ÷ PaymentSeconds × Workers. With
PreScale it keeps its most tasks running, else it begins at one.
"""

import math
from dataclasses import dataclass, replace

from load.model.sale import Sale

# The template offers these, since CloudFormation cannot divide; it takes whole seconds within these bounds.
WORKERS = (1, 5, 20, 100)
GATEWAY_CAPACITIES = (1, 5, 20, 50, 100, 200, 500)
MAXIMUM_API_TASKS = (10, 20, 50, 100)
SALE_RATES = (100, 200, 500, 1000, 2000, 5000)
ORDERS_PER_TASK = 100
LEAST_API_TASKS = 10
PAYMENT_SECONDS = (1, 14)
ACCEPTABLE_WAIT_SECONDS = (10, 3600)
PRE_SCALE = "PreScale"
FLAG = {False: "false", True: "true"}
Parameters = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSettings:
    """Parameters by name; `notes` say where the template cannot hold the plan exactly.

    max_tasks × workers_per_task slots are the most that these parameters run. begins_scaled: they all run when the sale
    begins, by PreScale or, when it is `scheduled`, by its date.
    """

    parameters: Parameters
    max_tasks: int
    workers_per_task: int
    notes: tuple[str, ...]
    begins_scaled: bool = False
    scheduled: bool = False

    @property
    def workers(self) -> int:
        """Slots with all tasks running."""
        return self.max_tasks * self.workers_per_task

    @property
    def gateway_capacity(self) -> int:
        """The GatewayCapacity among the parameters."""
        return int(dict(self.parameters)["GatewayCapacity"])

    @property
    def first_tasks(self) -> int:
        """Tasks that a sale begins with."""
        return self.max_tasks if self.begins_scaled else 1

    def overrides(self) -> list[str]:
        """`Key=Value` strings, as `aws cloudformation deploy --parameter-overrides` takes them."""
        return [f"{name}={value}" for name, value in self.parameters]


def template_settings(sale: Sale, *, workers: int) -> TemplateSettings:
    """The template's nearest settings that keep the wait and never exceed the gateway; `workers` in all."""
    notes: list[str] = []
    capacity = _capacity(sale, workers)
    # The template refuses Workers above GatewayCapacity.
    per_task = max(step for step in WORKERS if step <= min(sale.workers_per_task, capacity))
    if per_task != sale.workers_per_task:
        notes.append(f"Workers: the template takes {per_task} here, not {sale.workers_per_task}")
    max_tasks = capacity // per_task
    if max_tasks * per_task < workers:
        fed = f"{max_tasks} × {per_task}"
        notes.append(f"GatewayCapacity: the template's {capacity} feeds {fed} workers, the plan has {workers:,}")
    payment = _whole("PaymentSeconds", sale.payment, math.ceil(sale.payment), PAYMENT_SECONDS, notes)
    wait = _whole("AcceptableWaitSeconds", sale.wait, math.floor(sale.wait), ACCEPTABLE_WAIT_SECONDS, notes)
    return TemplateSettings(
        parameters=(
            ("Workers", per_task),
            ("GatewayCapacity", capacity),
            # Whoever pays while he waits takes a place from the processors.
            ("SyncPayments", 0),
            ("PaymentSeconds", payment),
            ("AcceptableWaitSeconds", wait),
        ),
        max_tasks=max_tasks,
        workers_per_task=per_task,
        notes=tuple(notes),
    )


def with_beginning(settings: TemplateSettings, *, scaled: bool, scheduled: Parameters = ()) -> TemplateSettings:
    """The same with PreScale said either way, for a stack keeps what an earlier deployment set.

    With a date the schedule starts the tasks in time, and PreScale need not run them all days.
    """
    parameters = (*settings.parameters, (PRE_SCALE, FLAG[scaled and not scheduled]), *scheduled)
    return replace(settings, parameters=parameters, begins_scaled=scaled or bool(scheduled), scheduled=bool(scheduled))


def _capacity(sale: Sale, workers: int) -> int:
    """The greatest step that the gateway really has; for an unlimited one the least step that feeds the workers."""
    if sale.gateway_capacity:
        return max((step for step in GATEWAY_CAPACITIES if step <= sale.gateway_capacity), default=1)
    return next((step for step in GATEWAY_CAPACITIES if step >= workers), GATEWAY_CAPACITIES[-1])


def _whole(name: str, value: float, rounded: int, bounds: tuple[int, int], notes: list[str]) -> int:
    """The nearest whole number that the template takes, on the safe side; a note where it is another one."""
    low, high = bounds
    kept = min(high, max(low, rounded))
    if kept != rounded:
        notes.append(f"{name}: the template takes {low} to {high}, not {value:g}")
    elif kept != value:
        notes.append(f"{name}: the template takes whole seconds, {kept} and not {value:g}")
    return kept
