"""The Lambda consumer: the function, its version, and the queue that keeps what it failed for good."""

from dataclasses import dataclass

from troposphere import (
    And,
    Equals,
    If,
    Not,
    NoValue,
    Output,
    Select,
    Split,
    Sub,
    Template,
    awslambda,
    logs,
    sqs,
)

from cloudformation.parameters.kinds import both
from cloudformation.parameters.pipeline import NO_ARTIFACT, PipelineParameters
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.function_network import FunctionNetwork
from cloudformation.resources.iam import ORDERS_ACTIONS, STOCK_ACTIONS, add_role, allow
from cloudformation.resources.messaging import Messaging, add_dead_letter_queue
from cloudformation.resources.tables import Tables

RUNTIME = "python3.13"
HANDLER = "lambda_handler.main.handler"
ALIAS = "live"
FUNCTION_NAME = "${AWS::StackName}-order-handler"


@dataclass(frozen=True, kw_only=True)
class Function:
    """The function and what watches it; the function itself exists under the condition `on`."""

    on: str
    from_topic: str
    function: awslambda.Function
    alias: awslambda.Alias
    failures: sqs.Queue
    log_group: logs.LogGroup


def add_function(
    template: Template,
    *,
    parameters: PipelineParameters,
    encryption: Encryption,
    messaging: Messaging,
    tables: Tables,
    gateway_url: object,
    reserved: object,
    network: FunctionNetwork | None = None,
) -> Function:
    """Add the function, its log, role, version and failure queue; the topic causes at most `reserved` invocations."""
    from_topic = template.add_condition("TopicFunction", Equals(parameters.consumer.ref(), "lambda"))
    # Wherever its zip is given, whoever the consumer is: a function that is no longer called still has the events that
    # Lambda keeps for it, and settles them.
    on = template.add_condition("HasFunction", And(*(Not(Equals(p.ref(), NO_ARTIFACT)) for p in parameters.artifact)))
    failures = add_dead_letter_queue(template, "FunctionFailures", name="function-failures", encryption=encryption)
    log_group = _add_log_group(template, parameters=parameters, encryption=encryption)
    role = _add_function_role(template, parameters, on, messaging, tables, failures, log_group, network)
    function = template.add_resource(
        awslambda.Function(
            "Function",
            Condition=on,
            FunctionName=Sub(FUNCTION_NAME),
            Role=role,
            Environment=awslambda.Environment(Variables=_variables(parameters, messaging, tables, gateway_url)),
            KmsKeyArn=encryption.key_arn,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=log_group.ref()),
            # Under the queue MaximumConcurrency bounds the function; reserving as well would only throttle it.
            ReservedConcurrentExecutions=If(from_topic, reserved, NoValue),
            VpcConfig=NoValue if network is None else If(network.inside, network.config, NoValue),
        )
    )
    _choose(function, parameters)
    _add_outputs(template, on=on, function=function, failures=failures)
    alias = _add_version(template, parameters, on=on, function=function, gateway_url=gateway_url, network=network)
    return Function(
        on=on, from_topic=from_topic, function=function, alias=alias, failures=failures, log_group=log_group
    )


def _choose(function: awslambda.Function, parameters: PipelineParameters) -> None:
    function.Runtime, function.Handler = RUNTIME, HANDLER
    function.Code = awslambda.Code(S3Bucket=parameters.artifact_bucket.ref(), S3Key=parameters.artifact_key.ref())
    function.Architectures = [parameters.architecture.ref()]
    function.MemorySize, function.Timeout = parameters.function_memory.ref(), parameters.function_timeout.ref()
    function.SnapStart = If(parameters.snap_start_on, awslambda.SnapStart(ApplyOn="PublishedVersions"), NoValue)


def _variables(
    parameters: PipelineParameters, messaging: Messaging, tables: Tables, gateway_url: object
) -> dict[str, object]:
    return {
        "ORDERS_TABLE": tables.orders.ref(),
        "STOCK_TABLE": tables.stock.ref(),
        "GATEWAY_URL": gateway_url,
        "PAYMENT_TIMEOUT_SECONDS": parameters.payment_timeout_seconds.ref(),
        "LEASE_SECONDS": parameters.lease_seconds.ref(),
        "DEAD_LETTER_QUEUE_URL": messaging.dead_letters.ref(),
        "MAX_RECEIVES": parameters.max_receives.ref(),
        "OUTCOMES_TOPIC_ARN": messaging.outcomes.arn,
        "ORDER_RETENTION_DAYS": parameters.order_retention_days.ref(),
    }


def _add_outputs(template: Template, *, on: str, function: awslambda.Function, failures: sqs.Queue) -> None:
    template.add_output(
        Output(
            "FunctionName",
            Condition=on,
            Description="Function that settles orders; its log group is /aws/lambda/ and this name",
            Value=function.ref(),
        )
    )
    template.add_output(
        Output(
            "FunctionFailureQueueUrl",
            Description="URL of the queue of events that the function failed for good",
            Value=failures.ref(),
        )
    )


def _add_log_group(template: Template, *, parameters: PipelineParameters, encryption: Encryption) -> logs.LogGroup:
    return template.add_resource(
        logs.LogGroup(
            "FunctionLogs",
            LogGroupName=Sub(f"/aws/lambda/{FUNCTION_NAME}"),
            RetentionInDays=parameters.log_retention_days.ref(),
            KmsKeyId=encryption.key_arn,
        )
    )


def _add_function_role(
    template: Template,
    parameters: PipelineParameters,
    on: str,
    messaging: Messaging,
    tables: Tables,
    failures: sqs.Queue,
    log_group: logs.LogGroup,
    network: FunctionNetwork | None,
) -> If:
    statements: list[object] = [
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=log_group.get_att("Arn")),
        allow(*ORDERS_ACTIONS, on=tables.orders.get_att("Arn")),
        allow(*STOCK_ACTIONS, on=tables.stock.get_att("Arn")),
        allow("sqs:SendMessage", on=[failures.get_att("Arn"), messaging.dead_letters.get_att("Arn")]),
        messaging.outcomes.may_publish,
        # What the event source mapping does with the function's role.
        allow("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", on=messaging.queue.get_att("Arn")),
    ]
    if network is not None:
        statements.append(If(network.inside, network.statement, NoValue))
    return add_role(
        template,
        "FunctionRole",
        parameters=parameters,
        service="lambda.amazonaws.com",
        statements=statements,
        condition=both(template, "MakesFunctionRole", on, parameters.own_roles_on),
    )


def _version_parameters(parameters: PipelineParameters, network: FunctionNetwork | None) -> list[str]:
    """All that changes the function: a version is immutable, so each of them makes another, and the alias moves on."""
    chosen = [
        parameters.artifact_key,
        parameters.architecture,
        parameters.function_memory,
        parameters.function_timeout,
        parameters.payment_timeout_seconds,
        parameters.lease_seconds,
        parameters.max_receives,
        parameters.order_retention_days,
        parameters.snap_start,
        parameters.customer_key,
        parameters.outcome_events,
        *([] if network is None else [network.chosen_by]),
    ]
    return [str(parameter.title) for parameter in chosen]


def _add_version(
    template: Template,
    parameters: PipelineParameters,
    *,
    on: str,
    function: awslambda.Function,
    gateway_url: object,
    network: FunctionNetwork | None,
) -> awslambda.Alias:
    names = (*_version_parameters(parameters, network), "Gateway", "RoleName")
    role_name = If(parameters.own_roles_on, "-", Select(1, Split("/", parameters.role_arn.ref())))
    version = template.add_resource(
        awslambda.Version(
            "FunctionVersion",
            Condition=on,
            FunctionName=function.ref(),
            # The URL in use: AWS refuses a second version of a function that did not change.
            Description=Sub(" ".join(f"${{{name}}}" for name in names), Gateway=gateway_url, RoleName=role_name),
        )
    )
    return template.add_resource(
        awslambda.Alias(
            "FunctionAlias",
            Condition=on,
            Name=ALIAS,
            FunctionName=function.ref(),
            FunctionVersion=version.get_att("Version"),
        )
    )
