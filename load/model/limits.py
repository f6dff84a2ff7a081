"""What a sale may run into: the template's and AWS's limits, which of them binds, and what to do about it."""

import math
from dataclasses import dataclass

from load.model.month import BATCH_SIZE
from load.model.sale import Sale
from load.model.template_parameters import GATEWAY_CAPACITIES, MAXIMUM_API_TASKS, SALE_RATES

# AWS's own figures, as an account in us-east-1 begins; preflight asks for those of the account.
SNS_MESSAGES_PER_SECOND = 30_000  # in other regions from 300
MESSAGES_IN_FLIGHT = 120_000
INVOCATIONS = 1000  # a new account's can be 10
UNRESERVED_INVOCATIONS = 100
FARGATE_VCPUS = 6
TABLE_WRITES_PER_SECOND = 40_000
# Two private subnets /20, of which AWS keeps five addresses each.
ADDRESSES = 2 * (4096 - 5)
# A deployment runs the old API tasks and as many new ones.
_IN_A_DEPLOYMENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`needed` of what there are `available`; all of these grow in proportion to the rate."""

    name: str
    needed: float
    available: float
    remedy: str

    @property
    def binds(self) -> bool:
        return self.needed > self.available

    def rate(self, rate: float) -> float:
        """The orders/s at which it binds, when `rate` takes `needed`."""
        return rate * self.available / self.needed


def limits(
    sale: Sale, *, workers: int, tasks: int, api_tasks: int, task_vcpu: float, writes_per_order: float
) -> tuple[Limit, ...]:
    """Every limit, the one that binds at the lowest rate first; `workers` are those that the sale needs."""
    found = (
        _payments(sale, workers),
        *_api(sale, tasks, api_tasks, task_vcpu),
        *_functions(max(1, math.ceil(round(sale.rate * sale.service, 9)))),
        *_messages(sale, workers, writes_per_order),
    )
    return tuple(sorted(found, key=lambda limit: limit.rate(sale.rate)))


def _payments(sale: Sale, workers: int) -> Limit:
    most = GATEWAY_CAPACITIES[-1]
    available = min(sale.gateway_capacity or most, most)
    ask = f"ask the payment provider for {workers:,} payments at once"
    return Limit(
        name="payments at once",
        needed=workers,
        available=available,
        remedy=ask if workers <= most else f"{ask}, and a second stack with a queue of its own above {most}",
    )


def _api(sale: Sale, tasks: int, api_tasks: int, vcpu: float) -> tuple[Limit, ...]:
    vcpus = (tasks + api_tasks) * vcpu
    most = SALE_RATES[-1]
    return (
        Limit(
            name="API tasks",
            needed=api_tasks,
            available=MAXIMUM_API_TASKS[-1],
            remedy="raise ApiSize: a task of twice the size takes twice the orders",
        ),
        Limit(
            name="orders/s that a dated sale prepares for",
            needed=sale.rate,
            available=most,
            remedy=f"a second stack above {most:,} orders/s",
        ),
        Limit(
            name="vCPUs of Fargate",
            needed=vcpus,
            available=FARGATE_VCPUS,
            remedy=f"ask for quota L-3032A538 of {math.ceil(2 * vcpus):,} vCPUs: a deployment runs twice as many tasks",
        ),
        Limit(
            name="addresses of the private subnets",
            needed=_IN_A_DEPLOYMENT * (tasks + api_tasks),
            available=ADDRESSES,
            remedy="raise --workers-per-task, or give the VPC wider subnets",
        ),
    )


def _functions(payments: int) -> tuple[Limit, ...]:
    polling = math.ceil(payments / BATCH_SIZE)
    most = GATEWAY_CAPACITIES[-1] // BATCH_SIZE
    return (
        Limit(
            name="functions at once (lambda)",
            needed=payments,
            available=INVOCATIONS - UNRESERVED_INVOCATIONS,
            remedy=f"ask for quota L-B99A9384 (concurrent executions) of {payments + UNRESERVED_INVOCATIONS:,}, "
            "or choose lambda-sqs",
        ),
        Limit(
            name="functions at once (lambda-sqs)",
            needed=polling,
            available=most,
            remedy=f"raise GatewayCapacity up to {most * BATCH_SIZE}; above it a second stack with a queue of its own",
        ),
    )


def _messages(sale: Sale, workers: int, writes_per_order: float) -> tuple[Limit, ...]:
    writes = sale.rate * writes_per_order
    return (
        Limit(
            name="messages/s to the topic",
            needed=sale.rate,
            available=SNS_MESSAGES_PER_SECOND,
            remedy=f"ask for SNS' quota of published messages of {math.ceil(sale.rate):,} a second",
        ),
        Limit(
            name="messages in flight",
            needed=workers,
            available=MESSAGES_IN_FLIGHT,
            remedy=f"a second queue above {MESSAGES_IN_FLIGHT:,} workers",
        ),
        Limit(
            name="table writes/s",
            needed=writes,
            available=TABLE_WRITES_PER_SECOND,
            remedy=f"ask for DynamoDB's quota of {math.ceil(writes):,} writes a second in a table",
        ),
    )
