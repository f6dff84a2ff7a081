"""Combinations of parameters that are refused before anything is created, with a sentence that says what to do."""

from troposphere import And, Equals, Not, Parameter, Template

from cloudformation.parameters import NO_ARTIFACT, PipelineParameters


def add_rule(template: Template, name: str, *, when: object | None = None, holds: object, otherwise: str) -> None:
    """Refuse the deployment with the sentence `otherwise` where `when` is true and `holds` is not."""
    rule: dict[str, object] = {"Assertions": [{"Assert": holds, "AssertDescription": otherwise}]}
    if when is not None:
        rule["RuleCondition"] = when
    template.add_rule(name, rule)


def _given(parameter: Parameter, *, unset: str) -> Not:
    return Not(Equals(parameter.ref(), unset))


def add_pipeline_rules(template: Template, *, parameters: PipelineParameters) -> None:
    """Refuse a function without its code or without a payment provider."""
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
