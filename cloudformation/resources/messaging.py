"""Topic, queues and the policies between them.

Every path a message can fail on ends in a queue that keeps it for 14 days: the work queue's dead letters, and what a
subscription could not deliver.
"""

from dataclasses import dataclass

from troposphere import Equals, FindInMap, If, Not, NoValue, Output, Sub, Template, sns, sqs

from cloudformation.parameters.pipeline import FUNCTION_TIMEOUTS, PipelineParameters
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.iam import allow, policy

SOURCE_RETENTION_SECONDS = 4 * 24 * 3600
DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 3600
VISIBILITY_PER_FUNCTION_TIMEOUT = 6
LONG_POLL_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """The topic that says how orders ended, as who publishes to it needs it: nothing where it is switched off."""

    arn: If
    may_publish: If


@dataclass(frozen=True, kw_only=True)
class Messaging:
    """The topic orders are published to, the queue they wait in, and where the undeliverable ones go."""

    topic: sns.Topic
    queue: sqs.Queue
    dead_letters: sqs.Queue
    subscription_dead_letters: sqs.Queue
    outcomes: Outcomes
    # The condition that a function polls the queue.
    polled_by_function: str


def add_messaging(template: Template, *, parameters: PipelineParameters, encryption: Encryption) -> Messaging:
    """Add topic, queue, both dead-letter queues and their policy; subscriptions come with the consumer."""
    topic = template.add_resource(
        sns.Topic(
            "Topic",
            TopicName=Sub("${AWS::StackName}-order-processing-events"),
            KmsMasterKeyId=encryption.topic_key,
        )
    )
    dead_letters = add_dead_letter_queue(
        template, "DeadLetters", name="order-processing-dead-letters", encryption=encryption, source=_QUEUE_NAME
    )
    polled_by_function = template.add_condition("FunctionPolls", Not(Equals(parameters.consumer.ref(), "ecs")))
    messaging = Messaging(
        topic=topic,
        queue=_add_queue(
            template,
            parameters=parameters,
            encryption=encryption,
            dead_letters=dead_letters,
            polled_by_function=polled_by_function,
        ),
        dead_letters=dead_letters,
        subscription_dead_letters=add_dead_letter_queue(
            template, "Undelivered", name="subscription-dead-letters", encryption=encryption
        ),
        outcomes=_add_outcomes(template, parameters=parameters, encryption=encryption),
        polled_by_function=polled_by_function,
    )
    _add_policy(template, messaging)
    _add_outputs(template, messaging)
    return messaging


_QUEUE_NAME = "order-processing-queue"


def add_dead_letter_queue(
    template: Template,
    title: str,
    *,
    name: str,
    encryption: Encryption,
    source: str | None = None,
) -> sqs.Queue:
    """Add a queue for the undeliverable, fed by the queue named `source` or by no queue at all; with its output."""
    # By name: an attribute of the source would close a circle, since the source names its dead-letter queue.
    source_arn = f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-{source}"
    allowed: dict[str, object] = {"redrivePermission": "denyAll"}
    if source is not None:
        allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [Sub(source_arn)]}
    return template.add_resource(
        sqs.Queue(
            title,
            QueueName=Sub(f"${{AWS::StackName}}-{name}"),
            MessageRetentionPeriod=DEAD_LETTER_RETENTION_SECONDS,
            RedriveAllowPolicy=allowed,
            KmsMasterKeyId=encryption.queue_key,
            SqsManagedSseEnabled=encryption.queue_managed,
        )
    )


def _add_queue(
    template: Template,
    *,
    parameters: PipelineParameters,
    encryption: Encryption,
    dead_letters: sqs.Queue,
    polled_by_function: str,
) -> sqs.Queue:
    template.add_mapping(
        "FunctionQueue",
        {str(seconds): {"Visibility": str(VISIBILITY_PER_FUNCTION_TIMEOUT * seconds)} for seconds in FUNCTION_TIMEOUTS},
    )
    return template.add_resource(
        sqs.Queue(
            "Queue",
            QueueName=Sub(f"${{AWS::StackName}}-{_QUEUE_NAME}"),
            VisibilityTimeout=If(
                polled_by_function,
                FindInMap("FunctionQueue", parameters.function_timeout.ref(), "Visibility"),
                parameters.visibility_seconds.ref(),
            ),
            MessageRetentionPeriod=SOURCE_RETENTION_SECONDS,
            ReceiveMessageWaitTimeSeconds=LONG_POLL_SECONDS,
            RedrivePolicy=sqs.RedrivePolicy(
                deadLetterTargetArn=dead_letters.get_att("Arn"), maxReceiveCount=parameters.max_receives.ref()
            ),
            KmsMasterKeyId=encryption.queue_key,
            SqsManagedSseEnabled=encryption.queue_managed,
        )
    )


def _add_outcomes(template: Template, *, parameters: PipelineParameters, encryption: Encryption) -> Outcomes:
    on = parameters.outcome_events_on
    topic = template.add_resource(
        sns.Topic(
            "OutcomesTopic",
            Condition=on,
            TopicName=Sub("${AWS::StackName}-order-outcomes"),
            KmsMasterKeyId=encryption.topic_key,
        )
    )
    template.add_output(
        Output("OutcomesTopicArn", Condition=on, Description="Topic that says how orders ended", Value=topic.ref())
    )
    return Outcomes(arn=If(on, topic.ref(), ""), may_publish=If(on, allow("sns:Publish", on=topic.ref()), NoValue))


def _add_policy(template: Template, messaging: Messaging) -> None:
    queues = (messaging.queue, messaging.subscription_dead_letters)
    delivery = allow(
        "sqs:SendMessage",
        on=[queue.get_att("Arn") for queue in queues],
        when={"ArnEquals": {"aws:SourceArn": messaging.topic.ref()}},
    )
    template.add_resource(
        sqs.QueuePolicy(
            "QueuePolicy",
            Queues=[queue.ref() for queue in queues],
            PolicyDocument=policy({**delivery, "Principal": {"Service": "sns.amazonaws.com"}}),
        )
    )


def _add_outputs(template: Template, messaging: Messaging) -> None:
    dead, undelivered = messaging.dead_letters, messaging.subscription_dead_letters
    for title, description, value in (
        ("DeadLetterQueueArn", "ARN of the queue of orders that were given up", dead.get_att("Arn")),
        ("TopicArn", "Topic that orders are published to", messaging.topic.ref()),
        ("QueueUrl", "URL of the queue that orders wait in", messaging.queue.ref()),
        ("QueueArn", "ARN of the queue that orders wait in", messaging.queue.get_att("Arn")),
        ("DeadLetterQueueUrl", "URL of the queue of orders that were given up", dead.ref()),
        (
            "SubscriptionDeadLetterQueueUrl",
            "URL of the queue of orders that the topic could not deliver",
            undelivered.ref(),
        ),
    ):
        template.add_output(Output(title, Description=description, Value=value))
