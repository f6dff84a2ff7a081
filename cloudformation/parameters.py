"""The template's parameters, grouped as the console shows them.

Bounds live here wherever CloudFormation can hold them alone (`AllowedValues`, `MinValue`, `AllowedPattern`), each
with a sentence that says what to do; what takes two parameters to judge is in `rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import Equals, Parameter, Template

CONSUMERS = ("ecs", "lambda", "lambda-sqs")
# An S3 name cannot be empty, not even where it is not used.
NO_ARTIFACT = "none"
# Queue visibility under a function must be six of its timeouts; CloudFormation cannot multiply, so both are listed.
FUNCTION_TIMEOUTS = (15, 30, 60, 120, 300)
MAXIMUM_CONCURRENCIES = (2, 5, 10, 20, 50, 100, 200, 500, 1000)


def add_choice(template: Template, title: str, group: str, values: Sequence[object], **properties: object) -> Parameter:
    """Add a string parameter that takes one of `values`; the first is the default unless `Default` is given."""
    allowed = [str(value) for value in values]
    choice = Parameter(title, Type="String", AllowedValues=allowed, **{"Default": allowed[0], **properties})
    template.add_parameter_to_group(template.add_parameter(choice), group)
    return choice


def add_number(template: Template, title: str, group: str, *, default: int, low: int, high: int, why: str) -> Parameter:
    """Add a whole number between `low` and `high`, refused outside with a sentence that names both."""
    number = Parameter(
        title,
        Type="Number",
        Default=default,
        MinValue=low,
        MaxValue=high,
        Description=why,
        ConstraintDescription=f"must be a whole number from {low} to {high}",
    )
    template.add_parameter_to_group(template.add_parameter(number), group)
    return number


def add_text(
    template: Template, title: str, group: str, *, pattern: str, why: str, otherwise: str, default: str = ""
) -> Parameter:
    """Add a string that may stay at its default and otherwise matches `pattern`; `otherwise` says what to give."""
    text = Parameter(
        title,
        Type="String",
        Default=default,
        AllowedPattern=pattern if default else f"^$|{pattern}",
        Description=why,
        ConstraintDescription=otherwise,
    )
    template.add_parameter_to_group(template.add_parameter(text), group)
    return text


def add_flag(template: Template, title: str, group: str, *, default: bool, why: str) -> str:
    """Add a true/false parameter and its condition of the same meaning; returns the condition's name."""
    flag = add_choice(
        template, title, group, ("true", "false"), Default="true" if default else "false", Description=why
    )
    return str(template.add_condition(f"{title}On", Equals(flag.ref(), "true")))


@dataclass(frozen=True, kw_only=True)
class PipelineParameters:
    """What the pipeline part asks for."""

    consumer: Parameter
    visibility_seconds: Parameter
    max_receives: Parameter
    payment_timeout_seconds: Parameter
    lease_seconds: Parameter
    gateway_url: Parameter
    artifact_bucket: Parameter
    artifact_key: Parameter
    architecture: Parameter
    function_memory: Parameter
    function_timeout: Parameter
    function_batch_size: Parameter
    maximum_concurrency: Parameter
    reserved_concurrency: Parameter
    snap_start_on: str
    log_retention_days: Parameter
    retain_data_on: str
    customer_key_on: str


def add_pipeline_parameters(template: Template) -> PipelineParameters:
    """Add the parameters of topic, queues, tables and function."""
    pipeline, function, keeping = "Pipeline", "Function", "Keeping"
    return PipelineParameters(
        consumer=add_choice(
            template, "Consumer", pipeline, CONSUMERS, Description="What settles orders: Fargate tasks or a function"
        ),
        visibility_seconds=add_number(
            template,
            "VisibilitySeconds",
            pipeline,
            default=60,
            low=45,
            high=43200,
            why="Queue visibility for the ecs consumer; longer than any lease",
        ),
        max_receives=add_number(
            template,
            "MaxReceives",
            pipeline,
            default=100,
            low=3,
            high=1000,
            why="Receives before a message is dead-lettered; high, so that a gateway outage is waited out",
        ),
        payment_timeout_seconds=add_number(
            template, "PaymentTimeoutSeconds", pipeline, default=10, low=1, high=14, why="Longest wait for one charge"
        ),
        lease_seconds=add_number(
            template,
            "LeaseSeconds",
            pipeline,
            default=30,
            low=15,
            high=40,
            why="How long a claim is exclusive; outlives a payment, ends before the visibility",
        ),
        gateway_url=add_text(
            template,
            "GatewayUrl",
            pipeline,
            pattern="https?://[A-Za-z0-9.:/_-]+",
            why="Payment provider's base URL",
            otherwise="must be an http or https URL without a query",
        ),
        artifact_bucket=add_text(
            template,
            "ArtifactBucket",
            function,
            pattern="[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            default=NO_ARTIFACT,
            why="Bucket of the function's zip",
            otherwise="must be the name of an S3 bucket",
        ),
        artifact_key=add_text(
            template,
            "ArtifactKey",
            function,
            pattern="[A-Za-z0-9!_.*'()/=-]{1,1024}",
            default=NO_ARTIFACT,
            why="Key of the function's zip; a new key publishes a new version",
            otherwise="must be an S3 key",
        ),
        architecture=add_choice(
            template, "Architecture", function, ("arm64", "x86_64"), Description="CPU of function and tasks"
        ),
        function_memory=add_number(
            template, "FunctionMemory", function, default=512, low=256, high=3008, why="Function memory in MB"
        ),
        function_timeout=add_choice(
            template,
            "FunctionTimeout",
            function,
            FUNCTION_TIMEOUTS,
            Default="30",
            Description="Function timeout in seconds; a function's queue hides messages for six of them",
        ),
        function_batch_size=add_number(
            template,
            "FunctionBatchSize",
            function,
            default=10,
            low=1,
            high=10,
            why="Orders per invocation, settled concurrently (lambda-sqs)",
        ),
        maximum_concurrency=add_choice(
            template,
            "MaximumConcurrency",
            function,
            MAXIMUM_CONCURRENCIES,
            Description="Invocations at once (lambda-sqs); times the batch size not above the gateway's capacity",
        ),
        reserved_concurrency=add_number(
            template,
            "ReservedConcurrency",
            function,
            default=0,
            low=0,
            high=1000,
            why="Invocations at once (lambda), 0 for the account's limit; not above the gateway's capacity",
        ),
        snap_start_on=add_flag(
            template, "SnapStart", function, default=False, why="Start function environments from a snapshot"
        ),
        log_retention_days=add_choice(
            template, "LogRetentionDays", keeping, (14, 1, 7, 30, 90, 365), Description="Days logs are kept"
        ),
        retain_data_on=add_flag(
            template, "RetainData", keeping, default=True, why="Keep the tables when the stack is deleted"
        ),
        customer_key_on=add_flag(
            template, "CustomerKey", keeping, default=False, why="Encrypt with a KMS key of the stack"
        ),
    )
