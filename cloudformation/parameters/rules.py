"""Combinations of parameters that are refused before anything is created, with a sentence that says what to do."""

from collections.abc import Mapping

from troposphere import And, Equals, Not, Or, Parameter, Template

from cloudformation.parameters.edge import EdgeParameters
from cloudformation.parameters.pipeline import BATCH_SIZE, LEAST_INVOCATIONS, NO_ARTIFACT, PipelineParameters
from cloudformation.parameters.platform import GATEWAY_CAPACITIES, WORKERS, PlatformParameters


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
    _add_capacity_rules(template, pipeline, parameters)
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


def _add_capacity_rules(template: Template, pipeline: PipelineParameters, parameters: PlatformParameters) -> None:
    def below(needed: int) -> dict[str, object]:
        too_small = [str(capacity) for capacity in GATEWAY_CAPACITIES if capacity < needed]
        return {"Fn::Contains": [too_small, parameters.gateway_capacity.ref()]}

    unfed = (
        And(Equals(parameters.workers.ref(), str(workers)), below(workers))
        for workers in WORKERS
        if workers > min(GATEWAY_CAPACITIES)
    )
    add_rule(
        template,
        "WorkersWithinGatewayCapacity",
        hold={
            "Workers exceed GatewayCapacity: choose fewer Workers, or raise the capacity to theirs.": Not(Or(*unfed))
        },
    )
    least = LEAST_INVOCATIONS * BATCH_SIZE
    add_rule(
        template,
        "FunctionWithinGatewayCapacity",
        when=Equals(pipeline.consumer.ref(), "lambda-sqs"),
        hold={
            f"Consumer lambda-sqs makes {least} payments at once or more: raise GatewayCapacity to {least}.": Not(
                below(least)
            )
        },
    )
