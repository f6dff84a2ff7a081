"""Combinations of parameters that are refused before anything is created, with a sentence that says what to do."""

from troposphere import And, Equals, Not, Or, Parameter, Template

from cloudformation.parameters import NO_ARTIFACT, PipelineParameters
from cloudformation.platform_parameters import GATEWAY_CAPACITIES, WORKERS, PlatformParameters


def add_rule(template: Template, name: str, *, when: object | None = None, holds: object, otherwise: str) -> None:
    """Refuse the deployment with the sentence `otherwise` where `when` is true and `holds` is not."""
    rule: dict[str, object] = {"Assertions": [{"Assert": holds, "AssertDescription": otherwise}]}
    if when is not None:
        rule["RuleCondition"] = when
    template.add_rule(name, rule)


def _given(parameter: Parameter, *, unset: str) -> Not:
    return Not(Equals(parameter.ref(), unset))


def add_pipeline_rules(template: Template, *, parameters: PipelineParameters) -> None:
    """Refuse a function without its code."""
    add_rule(
        template,
        "FunctionNeedsArtifact",
        when=Not(Equals(parameters.consumer.ref(), "ecs")),
        holds=And(
            _given(parameters.artifact_bucket, unset=NO_ARTIFACT), _given(parameters.artifact_key, unset=NO_ARTIFACT)
        ),
        otherwise="Consumer lambda and lambda-sqs need the function's zip: run make lambda, upload it, and give "
        "ArtifactBucket and ArtifactKey.",
    )


def add_platform_rules(template: Template, *, pipeline: PipelineParameters, parameters: PlatformParameters) -> None:
    """Refuse workers that the gateway cannot feed, a gateway out of reach, and mail that cannot be sent."""
    _add_capacity_rule(template, parameters)
    external = Equals(parameters.payment_gateway.ref(), "external")
    add_rule(
        template,
        "ExternalGatewayNeedsUrl",
        when=external,
        holds=_given(pipeline.gateway_url, unset=""),
        otherwise="PaymentGateway external needs GatewayUrl: give the provider's https URL.",
    )
    add_rule(
        template,
        "ExternalGatewayNeedsNat",
        when=external,
        holds=Not(Equals(parameters.nat_gateways.ref(), "0")),
        otherwise="An external gateway cannot be reached with NatGateways 0: choose 1 or 2.",
    )
    add_rule(
        template,
        "AlarmsNeedCustomerKey",
        when=_given(parameters.alarm_email, unset=""),
        holds=Equals(pipeline.customer_key.ref(), "true"),
        otherwise="AlarmEmail needs CustomerKey true: CloudWatch cannot publish to a topic under AWS's own key.",
    )
    add_rule(
        template,
        "BudgetNeedsEmail",
        when=Not(Equals(parameters.monthly_budget.ref(), "0")),
        holds=_given(parameters.alarm_email, unset=""),
        otherwise="MonthlyBudgetDollars needs AlarmEmail: say who is to be told.",
    )


def _add_capacity_rule(template: Template, parameters: PlatformParameters) -> None:
    def fed(workers: int) -> And:
        enough = [str(capacity) for capacity in GATEWAY_CAPACITIES if capacity >= workers]
        return And(
            Equals(parameters.workers.ref(), str(workers)),
            {"Fn::Contains": [enough, parameters.gateway_capacity.ref()]},
        )

    add_rule(
        template,
        "WorkersWithinGatewayCapacity",
        holds=Or(*(fed(workers) for workers in WORKERS)),
        otherwise="Workers exceed GatewayCapacity: choose fewer Workers, or raise the capacity to theirs.",
    )
