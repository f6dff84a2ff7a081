"""The pipeline's parameters.

Bounds live here wherever CloudFormation can hold them alone (`AllowedValues`, `MinValue`, `AllowedPattern`), each
with a sentence that says what to do; what takes two parameters to check is in `rules`.
"""

from dataclasses import dataclass

from troposphere import Equals, FindInMap, If, Not, NoValue, Parameter, Template

from cloudformation.parameters.kinds import add_choice, add_flag, add_number, add_switch, add_text

CONSUMERS = ("ecs", "lambda", "lambda-sqs")
# An S3 name cannot be empty, not even where it is not used.
NO_ARTIFACT = "none"
# Queue visibility under a function must be six of its timeouts; CloudFormation cannot multiply, so both are listed.
FUNCTION_TIMEOUTS = (15, 30, 60, 120, 300)
# Orders settled concurrently by one invocation that polls the queue.
BATCH_SIZE = 10
# Lambda takes no fewer than two.
LEAST_INVOCATIONS = 2
MAXIMUM_CONCURRENCIES = (2, 5, 10, 20, 50, 100)
# All are part of the description of the function's version, which may have 256 characters.
LONGEST_ARTIFACT_KEY = 40
LONGEST_GATEWAY_HOST = 80
LONGEST_ROLE_NAME = 64
# As the services take them: none between 0 and 30 (a test holds it).
RETENTION_DAYS = (0, 30, 90, 180, 400, 800, 3660)


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
    snap_start: Parameter
    snap_start_on: str
    log_retention_days: Parameter
    retain_data_on: str
    customer_key: Parameter
    customer_key_on: str
    deletion_protection: Parameter
    outcome_events: Parameter
    outcome_events_on: str
    order_retention_days: Parameter
    role_arn: Parameter
    own_roles_on: str

    @property
    def artifact(self) -> tuple[Parameter, Parameter]:
        """Bucket and key, without both of which there is no function."""
        return (self.artifact_bucket, self.artifact_key)


def add_pipeline_parameters(template: Template, *, gateway_scheme: str = "https?") -> PipelineParameters:
    """Add the parameters of topic, queues, tables and function; the payment provider's URL has that scheme."""
    snap_start = add_flag(
        template, "SnapStart", default=False, why="Start environments of the function from a snapshot"
    )
    retain_data = add_flag(
        template,
        "RetainData",
        default=True,
        why="Keep tables, secret, images and the key they are encrypted with when the stack is deleted",
    )
    customer_key = add_flag(
        template,
        "CustomerKey",
        default=False,
        why="Encrypt everything with a KMS key of the stack instead of keys of AWS",
    )
    protect = add_flag(
        template,
        "DeletionProtection",
        default=False,
        why="Refuse to delete tables and load balancer, whoever asks for it",
    )
    outcome_events = add_flag(
        template, "OutcomeEvents", default=True, why="Tell a topic of its own how every order ended"
    )
    role_arn = add_text(
        template,
        "RoleArn",
        pattern=f"arn:aws[a-z-]*:iam::[0-9]{{12}}:role/[A-Za-z0-9+=,.@_-]{{1,{LONGEST_ROLE_NAME}}}",
        why="ARN of a ready role for tasks and function, in accounts where none may be made; empty to make exact ones",
        otherwise="must be the ARN of a role without a path",
    )
    return PipelineParameters(
        consumer=add_choice(
            template,
            "Consumer",
            CONSUMERS,
            Description="Who settles orders: tasks (ecs), a function called by the topic, or one polling the queue",
        ),
        visibility_seconds=add_number(
            template,
            "VisibilitySeconds",
            default=60,
            low=45,
            high=43200,
            why="Seconds that a received message stays hidden; under lambda-sqs it is six function timeouts",
        ),
        max_receives=add_number(
            template,
            "MaxReceives",
            default=100,
            low=3,
            high=1000,
            why="Receives of a message before it goes to the dead letters; high, so that an outage is waited out",
        ),
        payment_timeout_seconds=add_number(
            template,
            "PaymentTimeoutSeconds",
            default=10,
            low=1,
            high=14,
            why="Longest wait for the answer to one charge, in seconds",
        ),
        lease_seconds=add_number(
            template,
            "LeaseSeconds",
            default=30,
            low=15,
            high=40,
            why="How long a claim on an order is exclusive, in seconds",
        ),
        gateway_url=add_text(
            template,
            "GatewayUrl",
            pattern=gateway_scheme + f"://[A-Za-z0-9.:/_-]{{1,{LONGEST_GATEWAY_HOST}}}",
            why="Base URL of the external payment provider",
            otherwise="must be an https URL without a query",
        ),
        artifact_bucket=add_text(
            template,
            "ArtifactBucket",
            pattern="[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            default=NO_ARTIFACT,
            why="S3 bucket that holds the function's zip",
            otherwise="must be an S3 bucket",
        ),
        artifact_key=add_text(
            template,
            "ArtifactKey",
            pattern=f"[A-Za-z0-9!_.*'()/=-]{{1,{LONGEST_ARTIFACT_KEY}}}",
            default=NO_ARTIFACT,
            why="S3 key of the function's zip; another key publishes another version",
            otherwise=f"must be an S3 key of at most {LONGEST_ARTIFACT_KEY} characters",
        ),
        architecture=add_choice(
            template,
            "Architecture",
            ("arm64", "x86_64"),
            Description="CPU of function and tasks; images and zip must be built for it",
        ),
        function_memory=add_number(
            template,
            "FunctionMemory",
            default=512,
            low=256,
            high=3008,
            why="Memory of the function in MB, and its share of CPU with it",
        ),
        function_timeout=add_choice(
            template,
            "FunctionTimeout",
            FUNCTION_TIMEOUTS,
            Default="30",
            Description="Longest run of the function in seconds, longer than any payment",
        ),
        snap_start=snap_start,
        snap_start_on=add_switch(template, snap_start),
        log_retention_days=add_choice(
            template, "LogRetentionDays", (14, 1, 7, 30, 90, 365), Description="Days that logs are kept"
        ),
        retain_data_on=add_switch(template, retain_data),
        customer_key=customer_key,
        customer_key_on=add_switch(template, customer_key),
        deletion_protection=protect,
        outcome_events=outcome_events,
        outcome_events_on=add_switch(template, outcome_events),
        order_retention_days=add_choice(
            template,
            "OrderRetentionDays",
            RETENTION_DAYS,
            Description="Days that an order is kept after its end; 0 for ever. Its key and its status go with it",
        ),
        role_arn=role_arn,
        own_roles_on=template.add_condition("MakesRoles", Equals(role_arn.ref(), "")),
    )


def add_maximum_concurrency(template: Template) -> FindInMap:
    """Add the choice of how many invocations poll the queue at once; returns the number."""
    # Through a map of numbers: a parameter arrives as text, with which the embedded AWS cannot count.
    template.add_mapping("Concurrency", {str(number): {"Invocations": number} for number in MAXIMUM_CONCURRENCIES})
    chosen = add_choice(
        template,
        "MaximumConcurrency",
        MAXIMUM_CONCURRENCIES,
        Description="Invocations at once under lambda-sqs, of 10 payments each",
    )
    return FindInMap("Concurrency", chosen.ref(), "Invocations")


def add_reserved_concurrency(template: Template) -> If:
    """Add the choice of how many invocations the topic may cause at once; returns the number, or none for 0."""
    reserved = add_number(
        template,
        "ReservedConcurrency",
        default=0,
        low=0,
        high=1000,
        why="Invocations at once under lambda, one payment each; 0 for the limit of the account",
    )
    limited = template.add_condition("HasReservedConcurrency", Not(Equals(reserved.ref(), "0")))
    return If(limited, reserved.ref(), NoValue)
