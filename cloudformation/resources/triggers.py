"""What triggers the consumer: the topic calls the function, the queue feeds it, or the queue waits for tasks.

Whoever takes over settles what the one before left: the queue is always polled by somebody, and a function that the
topic no longer calls stays for the events that Lambda has accepted.
"""

from troposphere import GenericHelperFn, If, Not, Template, awslambda, sns

from cloudformation.parameters.pipeline import BATCH_SIZE, LEAST_INVOCATIONS
from cloudformation.resources.function import ALIAS, Function
from cloudformation.resources.messaging import Messaging

EVENT_AGE_SECONDS = 6 * 3600
EVENT_RETRIES = 2


def add_triggers(template: Template, *, messaging: Messaging, function: Function, invocations: object) -> None:
    """Add the subscription of the chosen consumer, each with a queue for what it cannot deliver.

    `invocations` is the most that may poll the queue at once: times BATCH_SIZE the gateway has to take it.
    """
    _add_topic_trigger(template, messaging=messaging, function=function)
    # Under `lambda` too, one by one: what another consumer left in the queue is settled, whoever the topic calls now.
    _add_queue_trigger(template, messaging=messaging, function=function, invocations=invocations)
    _add_queue_subscription(template, messaging=messaging, function=function)


def _add_topic_trigger(template: Template, *, messaging: Messaging, function: Function) -> None:
    on = function.from_topic
    template.add_resource(
        awslambda.Permission(
            "TopicMayInvoke",
            Condition=function.on,
            Action="lambda:InvokeFunction",
            FunctionName=function.alias.ref(),
            Principal="sns.amazonaws.com",
            SourceArn=messaging.topic.ref(),
        )
    )
    template.add_resource(
        awslambda.EventInvokeConfig(
            "FunctionInvokeConfig",
            # Also once the topic calls it no more: events that Lambda keeps are still settled, or end in this queue.
            Condition=function.on,
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


def _add_queue_trigger(template: Template, *, messaging: Messaging, function: Function, invocations: object) -> None:
    template.add_resource(
        awslambda.EventSourceMapping(
            "FunctionQueueMapping",
            Condition=messaging.polled_by_function,
            EventSourceArn=messaging.queue.get_att("Arn"),
            FunctionName=function.alias.ref(),
            BatchSize=If(function.from_topic, 1, BATCH_SIZE),
            FunctionResponseTypes=["ReportBatchItemFailures"],
            # troposphere's class of this name is that of capacity providers; a plain map passes its check.
            ScalingConfig=GenericHelperFn(
                {"MaximumConcurrency": If(function.from_topic, LEAST_INVOCATIONS, invocations)}
            ),
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
