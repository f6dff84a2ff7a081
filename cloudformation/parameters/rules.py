"""Combinations of parameters that are refused before anything is created, with a sentence that says what to do."""

from collections.abc import Mapping, Sequence

from troposphere import And, Equals, Not, Or, Parameter, Template

from cloudformation.parameters.capacity import (
    GATEWAY_CAPACITIES,
    MAXIMUM_API_TASKS,
    SIDE_BY_SIDE,
    SYNC_PAYMENTS,
    TASKS_IN_A_DEPLOYMENT,
    WORKERS,
    Capacity,
    sync_limit,
)
from cloudformation.parameters.edge import EdgeParameters
from cloudformation.parameters.pipeline import BATCH_SIZE, LEAST_INVOCATIONS, NO_ARTIFACT, PipelineParameters
from cloudformation.parameters.platform import PlatformParameters
from cloudformation.parameters.sale import SALE_RATES, SaleParameters, sale_api_tasks


def add_rule(template: Template, name: str, *, when: object | None = None, hold: Mapping[str, object]) -> None:
    """Refuse the deployment where `when` is true and one of `hold` is not, with the sentence that is its key."""
    assertions = [{"Assert": holds, "AssertDescription": otherwise} for otherwise, holds in hold.items()]
    rule: dict[str, object] = {"Assertions": assertions}
    if when is not None:
        rule["RuleCondition"] = when
    template.add_rule(name, rule)


def _given(parameter: Parameter, *, unset: str) -> Not:
    return Not(Equals(parameter.ref(), unset))


def add_pipeline_rules(template: Template, *, parameters: PipelineParameters) -> None:
    """Refuse a function without its code."""
    sentence = (
        "Consumer lambda and lambda-sqs need the function's zip: make deploy brings it, or run make lambda, upload it, "
        "and give ArtifactBucket and ArtifactKey."
    )
    given = And(*(_given(parameter, unset=NO_ARTIFACT) for parameter in parameters.artifact))
    add_rule(
        template, "FunctionNeedsArtifact", when=Not(Equals(parameters.consumer.ref(), "ecs")), hold={sentence: given}
    )


def add_edge_rules(template: Template, *, parameters: EdgeParameters) -> None:
    """Refuse a domain without its zone, and two certificates."""
    add_rule(
        template,
        "DomainNeedsZone",
        when=_given(parameters.domain_name, unset=""),
        hold={
            "DomainName needs HostedZoneId: say which public zone its records go into.": _given(
                parameters.hosted_zone, unset=""
            ),
            "DomainName brings its own certificate: give it or CertificateArn, not both.": Equals(
                parameters.certificate_arn.ref(), ""
            ),
        },
    )


def add_platform_rules(template: Template, *, pipeline: PipelineParameters, parameters: PlatformParameters) -> None:
    """Refuse consumers that the gateway cannot feed, a gateway out of reach, and mail that cannot be sent."""
    _add_capacity_rules(template, pipeline, parameters.capacity)
    add_rule(
        template,
        "ExternalGateway",
        when=Equals(parameters.payment_gateway.ref(), "external"),
        hold={
            "PaymentGateway external needs GatewayUrl: give the provider's https URL.": _given(
                pipeline.gateway_url, unset=""
            ),
            "An external gateway cannot be reached with NatGateways 0: choose 1 or 2.": _given(
                parameters.nat_gateways, unset="0"
            ),
        },
    )
    add_rule(
        template,
        "BudgetNeedsEmail",
        when=_given(parameters.monthly_budget, unset="0"),
        hold={
            "MonthlyBudgetDollars needs AlarmEmail: say who is to be told.": _given(parameters.alarm_email, unset="")
        },
    )


def add_sale_rules(template: Template, *, sale: SaleParameters, capacity: Capacity) -> None:
    """Refuse half a sale, and one that needs more API tasks than there may be."""
    too_few = {rate: [most for most in MAXIMUM_API_TASKS if most < sale_api_tasks(rate)] for rate in SALE_RATES}
    add_rule(
        template,
        "SaleHasAnEnd",
        hold={
            "SaleStart and SaleEnd belong together: give both, or neither.": Or(
                And(*(_given(moment, unset="") for moment in (sale.start, sale.end))),
                And(*(Equals(moment.ref(), "") for moment in (sale.start, sale.end))),
            )
        },
    )
    add_rule(
        template,
        "SaleWithinApiTasks",
        when=_given(sale.start, unset=""),
        hold={
            "SaleOrdersPerSecond need more API tasks than MaximumApiTasks: one for each hundred orders a second.": Not(
                _any_pair(sale.orders_per_second, too_few, capacity.maximum_api_tasks)
            )
        },
    )


def _add_capacity_rules(template: Template, pipeline: PipelineParameters, chosen: Capacity) -> None:
    least = LEAST_INVOCATIONS * BATCH_SIZE
    add_rule(
        template,
        "WorkersWithinGatewayCapacity",
        hold={
            "Workers exceed GatewayCapacity less SyncPayments: choose fewer of either, or raise the capacity.": Not(
                _unfed(chosen, tasks=1)
            )
        },
    )
    add_rule(
        template,
        "SideBySideWithinGatewayCapacity",
        when=Equals(chosen.processor_rollout.ref(), SIDE_BY_SIDE),
        hold={
            "ProcessorRollout side-by-side needs room for two tasks in GatewayCapacity less SyncPayments: choose fewer "
            "Workers, or raise the capacity.": Not(_unfed(chosen, tasks=TASKS_IN_A_DEPLOYMENT))
        },
    )
    add_rule(
        template,
        "SyncPaymentsForEveryTask",
        hold={
            "SyncPayments are fewer than two for each of MaximumApiTasks, for a deployment doubles the tasks: "
            "raise them, choose fewer tasks, or 0 to close synchronous orders.": Not(_spread_too_thin(chosen))
        },
    )
    add_rule(
        template,
        "FunctionWithinGatewayCapacity",
        when=Equals(pipeline.consumer.ref(), "lambda-sqs"),
        hold={
            f"Consumer lambda-sqs makes {least} payments at once or more: raise GatewayCapacity to {least} "
            "and SyncPayments.": Not(_leaves_less(chosen, least))
        },
    )


def _unfed(chosen: Capacity, *, tasks: int) -> Or:
    """That the gateway cannot feed that many processor tasks."""
    workers = chosen.workers
    return Or(*(And(Equals(workers.ref(), str(each)), _leaves_less(chosen, tasks * each)) for each in WORKERS))


def _leaves_less(chosen: Capacity, least: int) -> Or:
    """That SyncPayments leave less than that of GatewayCapacity."""
    return _any_pair(
        chosen.sync_payments,
        {sync: [c for c in GATEWAY_CAPACITIES if c - sync < least] for sync in SYNC_PAYMENTS},
        chosen.gateway_capacity,
    )


def _spread_too_thin(chosen: Capacity) -> Or:
    """That there are SyncPayments, and none for some API task."""
    return _any_pair(
        chosen.sync_payments,
        {sync: [t for t in MAXIMUM_API_TASKS if not sync_limit(sync, t)] for sync in SYNC_PAYMENTS if sync},
        chosen.maximum_api_tasks,
    )


def _any_pair(one: Parameter, pairs: Mapping[int, Sequence[int]], other: Parameter) -> Or:
    """That the two are chosen as one of these pairs: a rule can only compare for equality."""
    return Or(
        *(
            And(Equals(one.ref(), str(value)), {"Fn::Contains": [[str(each) for each in others], other.ref()]})
            for value, others in pairs.items()
            if others
        )
    )
