"""The Lambda consumer, and the choice of what the topic delivers to.

`Consumer` chooses one of three: the queue for Fargate tasks, the function itself, or the queue with the function
polling it. An invocation that fails for good ends in a queue on each of the paths.
"""

from dataclasses import dataclass

from troposphere import (
    And,
    Equals,
    FindInMap,
    GenericHelperFn,
    If,
    Not,
    NoValue,
    Output,
    Sub,
    Template,
    awslambda,
    iam,
    logs,
    sns,
    sqs,
)

from cloudformation.encryption import Encryption
from cloudformation.function_network import FunctionNetwork
from cloudformation.iam import add_role, allow
from cloudformation.messaging import Messaging, add_dead_letter_queue
from cloudformation.parameters import MAXIMUM_CONCURRENCIES, PipelineParameters
from cloudformation.tables import Tables

RUNTIME = "python3.13"
HANDLER = "lambda_handler.main.handler"
ALIAS = "live"
# Settled concurrently: times MaximumConcurrency it must not exceed what the gateway takes.
BATCH_SIZE = 10
EVENT_AGE_SECONDS = 6 * 3600
EVENT_RETRIES = 2


@dataclass(frozen=True, kw_only=True)
class Function:
    """The function and what watches it; all of it exists under the condition `on`."""

    on: str
    from_topic: str
    from_queue: str
    function: awslambda.Function
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
    network: FunctionNetwork | None = None,
) -> Function:
    """Add the subscription of the chosen consumer, and the function where it is one."""
    consumer = parameters.consumer.ref()
    on = template.add_condition("HasFunction", Not(Equals(consumer, "ecs")))
    from_topic = template.add_condition("TopicFunction", Equals(consumer, "lambda"))
    failures = add_dead_letter_queue(
        template, "FunctionFailures", name="function-failures", encryption=encryption, condition=on
    )
    log_group = template.add_resource(
        logs.LogGroup(
            "FunctionLogs",
            Condition=on,
            LogGroupName=Sub("/aws/lambda/${AWS::StackName}-order-handler"),
            RetentionInDays=parameters.log_retention_days.ref(),
            KmsKeyId=encryption.key_arn,
        )
    )
    role = _add_function_role(
        template,
        on=on,
        messaging=messaging,
        tables=tables,
        failures=failures,
        log_group=log_group,
        network=network,
    )
    function = template.add_resource(
        awslambda.Function(
            "Function",
            Condition=on,
            FunctionName=Sub("${AWS::StackName}-order-handler"),
            Runtime=RUNTIME,
            Handler=HANDLER,
            Architectures=[parameters.architecture.ref()],
            MemorySize=parameters.function_memory.ref(),
            Timeout=parameters.function_timeout.ref(),
            Role=role.get_att("Arn"),
            Code=awslambda.Code(S3Bucket=parameters.artifact_bucket.ref(), S3Key=parameters.artifact_key.ref()),
            Environment=awslambda.Environment(
                Variables={
                    "ORDERS_TABLE": tables.orders.ref(),
                    "GATEWAY_URL": gateway_url,
                    "PAYMENT_TIMEOUT_SECONDS": parameters.payment_timeout_seconds.ref(),
                    "LEASE_SECONDS": parameters.lease_seconds.ref(),
                    "DEAD_LETTER_QUEUE_URL": messaging.dead_letters.ref(),
                    "MAX_RECEIVES": parameters.max_receives.ref(),
                }
            ),
            KmsKeyArn=encryption.key_arn,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=log_group.ref()),
            ReservedConcurrentExecutions=If(
                template.add_condition(
                    "HasReservedConcurrency",
                    And(Equals(consumer, "lambda"), Not(Equals(parameters.reserved_concurrency.ref(), 0))),
                ),
                parameters.reserved_concurrency.ref(),
                NoValue,
            ),
            SnapStart=If(parameters.snap_start_on, awslambda.SnapStart(ApplyOn="PublishedVersions"), NoValue),
            VpcConfig=NoValue if network is None else If(network.inside, network.config, NoValue),
        )
    )
    alias = _add_version(template, on=on, function=function, parameters=parameters)
    _add_topic_trigger(template, on=from_topic, alias=alias, messaging=messaging, failures=failures, function=function)
    _add_queue_trigger(template, alias=alias, messaging=messaging, parameters=parameters)
    _add_queue_subscription(template, from_topic=from_topic, messaging=messaging)
    template.add_output(
        Output("FunctionName", Condition=on, Description="Function that settles orders", Value=function.ref())
    )
    template.add_output(
        Output(
            "FunctionFailureQueueUrl",
            Condition=on,
            Description="Events that failed for good",
            Value=failures.ref(),
        )
    )
    return Function(
        on=on,
        from_topic=from_topic,
        from_queue=messaging.polled_by_function,
        function=function,
        failures=failures,
        log_group=log_group,
    )


def _add_function_role(
    template: Template,
    *,
    on: str,
    messaging: Messaging,
    tables: Tables,
    failures: sqs.Queue,
    log_group: logs.LogGroup,
    network: FunctionNetwork | None,
) -> iam.Role:
    statements: list[object] = [
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=log_group.get_att("Arn")),
        allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=tables.orders.get_att("Arn")),
        allow("sqs:SendMessage", on=[failures.get_att("Arn"), messaging.dead_letters.get_att("Arn")]),
        # What the event source mapping does with the function's role.
        allow("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", on=messaging.queue.get_att("Arn")),
    ]
    if network is not None:
        statements.append(If(network.inside, network.statement, NoValue))
    return add_role(template, "FunctionRole", service="lambda.amazonaws.com", statements=statements, condition=on)


def _add_version(
    template: Template, *, on: str, function: awslambda.Function, parameters: PipelineParameters
) -> awslambda.Alias:
    version = template.add_resource(
        awslambda.Version(
            "FunctionVersion",
            Condition=on,
            FunctionName=function.ref(),
            # A version is immutable: another artifact key replaces it, and the alias moves on.
            Description=parameters.artifact_key.ref(),
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


def _add_topic_trigger(
    template: Template,
    *,
    on: str,
    alias: awslambda.Alias,
    messaging: Messaging,
    failures: sqs.Queue,
    function: awslambda.Function,
) -> None:
    template.add_resource(
        awslambda.Permission(
            "TopicMayInvoke",
            Condition=on,
            Action="lambda:InvokeFunction",
            FunctionName=alias.ref(),
            Principal="sns.amazonaws.com",
            SourceArn=messaging.topic.ref(),
        )
    )
    template.add_resource(
        awslambda.EventInvokeConfig(
            "FunctionInvokeConfig",
            Condition=on,
            FunctionName=function.ref(),
            Qualifier=ALIAS,
            MaximumEventAgeInSeconds=EVENT_AGE_SECONDS,
            MaximumRetryAttempts=EVENT_RETRIES,
            DestinationConfig=awslambda.DestinationConfig(
                OnFailure=awslambda.OnFailure(Destination=failures.get_att("Arn"))
            ),
            DependsOn=alias.title,
        )
    )
    template.add_resource(
        sns.SubscriptionResource(
            "FunctionSubscription",
            Condition=on,
            TopicArn=messaging.topic.ref(),
            Protocol="lambda",
            Endpoint=alias.ref(),
            RedrivePolicy={"deadLetterTargetArn": messaging.subscription_dead_letters.get_att("Arn")},
        )
    )


def _add_queue_trigger(
    template: Template, *, alias: awslambda.Alias, messaging: Messaging, parameters: PipelineParameters
) -> None:
    # Through a map of numbers: a parameter arrives as text, with which the embedded AWS cannot count.
    template.add_mapping("Concurrency", {str(number): {"Invocations": number} for number in MAXIMUM_CONCURRENCIES})
    concurrency = FindInMap("Concurrency", parameters.maximum_concurrency.ref(), "Invocations")
    template.add_resource(
        awslambda.EventSourceMapping(
            "FunctionQueueMapping",
            Condition=messaging.polled_by_function,
            EventSourceArn=messaging.queue.get_att("Arn"),
            FunctionName=alias.ref(),
            BatchSize=BATCH_SIZE,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            # troposphere's class of this name is that of capacity providers; a plain map passes its check.
            ScalingConfig=GenericHelperFn({"MaximumConcurrency": concurrency}),
        )
    )


def _add_queue_subscription(template: Template, *, from_topic: str, messaging: Messaging) -> None:
    template.add_resource(
        sns.SubscriptionResource(
            "QueueSubscription",
            Condition=template.add_condition("HasQueueConsumer", Not({"Condition": from_topic})),
            TopicArn=messaging.topic.ref(),
            Protocol="sqs",
            Endpoint=messaging.queue.get_att("Arn"),
            RawMessageDelivery=True,
            RedrivePolicy={"deadLetterTargetArn": messaging.subscription_dead_letters.get_att("Arn")},
        )
    )
