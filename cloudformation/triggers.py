"""What sets the consumer off: the topic calls the function, the queue feeds it, or the queue waits for tasks."""

from troposphere import FindInMap, GenericHelperFn, Not, Template, awslambda, sns

from cloudformation.function import ALIAS, Function
from cloudformation.messaging import Messaging
from cloudformation.parameters import MAXIMUM_CONCURRENCIES, PipelineParameters

# Settled concurrently: times MaximumConcurrency it must not exceed what the gateway takes.
BATCH_SIZE = 10
EVENT_AGE_SECONDS = 6 * 3600
EVENT_RETRIES = 2


def add_triggers(
    template: Template, *, parameters: PipelineParameters, messaging: Messaging, function: Function
) -> None:
    """Add the subscription of the chosen consumer; each keeps what it cannot deliver."""
    _add_topic_trigger(template, messaging=messaging, function=function)
    _add_queue_trigger(template, messaging=messaging, function=function, parameters=parameters)
    _add_queue_subscription(template, messaging=messaging, function=function)


def _add_topic_trigger(template: Template, *, messaging: Messaging, function: Function) -> None:
    on = function.from_topic
    template.add_resource(
        awslambda.Permission(
            "TopicMayInvoke",
            Condition=on,
            Action="lambda:InvokeFunction",
            FunctionName=function.alias.ref(),
            Principal="sns.amazonaws.com",
            SourceArn=messaging.topic.ref(),
        )
    )
    template.add_resource(
        awslambda.EventInvokeConfig(
            "FunctionInvokeConfig",
            Condition=on,
            FunctionName=function.function.ref(),
            Qualifier=ALIAS,
            MaximumEventAgeInSeconds=EVENT_AGE_SECONDS,
            MaximumRetryAttempts=EVENT_RETRIES,
            DestinationConfig=awslambda.DestinationConfig(
                OnFailure=awslambda.OnFailure(Destination=function.failures.get_att("Arn"))
            ),
            DependsOn=function.alias.title,
        )
    )
    template.add_resource(
        sns.SubscriptionResource(
            "FunctionSubscription",
            Condition=on,
            TopicArn=messaging.topic.ref(),
            Protocol="lambda",
            Endpoint=function.alias.ref(),
            RedrivePolicy={"deadLetterTargetArn": messaging.subscription_dead_letters.get_att("Arn")},
        )
    )


def _add_queue_trigger(
    template: Template, *, messaging: Messaging, function: Function, parameters: PipelineParameters
) -> None:
    # Through a map of numbers: a parameter arrives as text, with which the embedded AWS cannot count.
    template.add_mapping("Concurrency", {str(number): {"Invocations": number} for number in MAXIMUM_CONCURRENCIES})
    concurrency = FindInMap("Concurrency", parameters.maximum_concurrency.ref(), "Invocations")
    template.add_resource(
        awslambda.EventSourceMapping(
            "FunctionQueueMapping",
            Condition=messaging.polled_by_function,
            EventSourceArn=messaging.queue.get_att("Arn"),
            FunctionName=function.alias.ref(),
            BatchSize=BATCH_SIZE,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            # troposphere's class of this name is that of capacity providers; a plain map passes its check.
            ScalingConfig=GenericHelperFn({"MaximumConcurrency": concurrency}),
        )
    )


def _add_queue_subscription(template: Template, *, messaging: Messaging, function: Function) -> None:
    template.add_resource(
        sns.SubscriptionResource(
            "QueueSubscription",
            Condition=template.add_condition("HasQueueConsumer", Not({"Condition": function.from_topic})),
            TopicArn=messaging.topic.ref(),
            Protocol="sqs",
            Endpoint=messaging.queue.get_att("Arn"),
            RawMessageDelivery=True,
            RedrivePolicy={"deadLetterTargetArn": messaging.subscription_dead_letters.get_att("Arn")},
        )
    )
