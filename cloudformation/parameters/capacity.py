"""How many payments are made at once and by whom: their sum never exceeds what the gateway takes.

CloudFormation cannot calculate, so that every figure here is looked up by the choices it follows from (decision 32):
SyncPayments are the API's, and what they leave of GatewayCapacity is the consumer's, whoever that is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from troposphere import Equals, FindInMap, If, Parameter, Template

from cloudformation.parameters.kinds import add_choice
from cloudformation.parameters.pipeline import BATCH_SIZE, LEAST_INVOCATIONS

GATEWAY_CAPACITIES = (1, 5, 20, 50, 100, 200, 500)
WORKERS = (1, 5, 20, 100)
SYNC_PAYMENTS = (20, 0, 50, 100, 200)
MAXIMUM_API_TASKS = (10, 20, 50, 100)
# A deployment runs the old tasks and as many new ones: those of the API always, the processors' side by side.
TASKS_IN_A_DEPLOYMENT = 2
SIDE_BY_SIDE = "side-by-side"


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The choices, and what is looked up by them."""

    gateway_capacity: Parameter
    workers: Parameter
    sync_payments: Parameter
    maximum_api_tasks: Parameter
    processor_rollout: Parameter
    side_by_side_on: str

    @property
    def sync_limit(self) -> FindInMap:
        """Payments at once in one API task."""
        return FindInMap("SyncLimit", self.sync_payments.ref(), self.maximum_api_tasks.ref())

    @property
    def maximum_processors(self) -> If:
        """The most processor tasks, but for a deployment."""
        half, all_of_it = (
            FindInMap(name, self._share, self.workers.ref()) for name in ("ProcessorTasksSideBySide", "ProcessorTasks")
        )
        return If(self.side_by_side_on, half, all_of_it)

    @property
    def processors_in_a_deployment(self) -> tuple[If, If]:
        """The fewest and the most processor tasks in a deployment, in percent."""
        return If(self.side_by_side_on, 100, 0), If(self.side_by_side_on, 100 * TASKS_IN_A_DEPLOYMENT, 100)

    @property
    def maximum_invocations(self) -> FindInMap:
        """The most invocations that poll the queue."""
        return FindInMap("Concurrency", self._share, "Invocations")

    @property
    def reserved_invocations(self) -> FindInMap:
        """The most invocations that the topic causes, of one payment each."""
        return FindInMap("Concurrency", self._share, "Payments")

    @property
    def _share(self) -> FindInMap:
        return FindInMap("ConsumerShare", self.gateway_capacity.ref(), self.sync_payments.ref())


def consumer_share(capacity: int, sync_payments: int) -> int:
    """Payments at once that are left for the consumer; a rule refuses the pairs that leave none."""
    return max(min(GATEWAY_CAPACITIES), capacity - sync_payments)


def sync_limit(sync_payments: int, maximum_api_tasks: int) -> int:
    """Payments at once in one API task; a rule refuses the pairs that leave none of some."""
    return sync_payments // (TASKS_IN_A_DEPLOYMENT * maximum_api_tasks)


def maximum_processors(share: int, workers: int, *, side_by_side: bool = False) -> int:
    """The most processor tasks but for a deployment; a rule refuses workers above the share."""
    return max(1, share // workers // (TASKS_IN_A_DEPLOYMENT if side_by_side else 1))


def maximum_invocations(share: int) -> int:
    """The most invocations that poll the queue; a rule refuses the shares that are too small for Lambda's least."""
    return max(LEAST_INVOCATIONS, share // BATCH_SIZE)


def add_capacity(template: Template) -> Capacity:
    """Add the choices and the maps."""
    for name, table in _maps().items():
        template.add_mapping(name, table)
    rollout = add_choice(
        template,
        "ProcessorRollout",
        ("at-once", SIDE_BY_SIDE),
        Description="Replace processors all at once while orders wait, or start new ones first in room kept for them",
    )
    return Capacity(
        processor_rollout=rollout,
        side_by_side_on=template.add_condition("SideBySide", Equals(rollout.ref(), SIDE_BY_SIDE)),
        gateway_capacity=add_choice(
            template,
            "GatewayCapacity",
            GATEWAY_CAPACITIES,
            Default="100",
            Description="Payments the provider takes at once; API, processors and function together never make more",
        ),
        workers=add_choice(
            template, "Workers", WORKERS, Default="20", Description="Payments at once in one processor task"
        ),
        sync_payments=add_choice(
            template,
            "SyncPayments",
            SYNC_PAYMENTS,
            Description="Of them, payments while the customer waits, over all API tasks; 0 closes synchronous orders",
        ),
        maximum_api_tasks=add_choice(
            template, "MaximumApiTasks", MAXIMUM_API_TASKS, Description="Most API tasks, however many order"
        ),
    )


def _maps() -> dict[str, dict[str, dict[str, object]]]:
    shares = sorted({consumer_share(capacity, sync) for capacity in GATEWAY_CAPACITIES for sync in SYNC_PAYMENTS})
    return {
        # Text, since it is looked up by.
        "ConsumerShare": {
            str(capacity): {str(sync): str(consumer_share(capacity, sync)) for sync in SYNC_PAYMENTS}
            for capacity in GATEWAY_CAPACITIES
        },
        "SyncLimit": {
            str(sync): {str(tasks): str(sync_limit(sync, tasks)) for tasks in MAXIMUM_API_TASKS}
            for sync in SYNC_PAYMENTS
        },
        "ProcessorTasks": _processors(shares, side_by_side=False),
        "ProcessorTasksSideBySide": _processors(shares, side_by_side=True),
        "Concurrency": {str(share): {"Invocations": maximum_invocations(share), "Payments": share} for share in shares},
    }


def _processors(shares: Iterable[int], *, side_by_side: bool) -> dict[str, dict[str, object]]:
    return {
        str(share): {str(workers): maximum_processors(share, workers, side_by_side=side_by_side) for workers in WORKERS}
        for share in shares
    }
