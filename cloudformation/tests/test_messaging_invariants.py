"""What must hold of an order's way: from the topic to whoever settles it, and to where the undeliverable ones go."""

from cloudformation.delivery.artifact import LAMBDA_PYTHON
from cloudformation.resources.function import ALIAS
from cloudformation.tests.template_reading import Document, named, of_kind

# What SNS takes, and what a queue takes unless it is told to take less.
LARGEST_MESSAGE_BYTES = 262_144
DENIED = {"redrivePermission": "denyAll"}


def properties(template: Document, title: str) -> Document:
    found: Document = template["Resources"][title]["Properties"]
    return found


def test_an_order_that_was_received_too_often_goes_to_the_dead_letters_which_take_it(either: Document) -> None:
    queue, dead_letters = properties(either, "Queue"), properties(either, "DeadLetters")
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
        "maxReceiveCount": {"Ref": "MaxReceives"},
    }
    allowed = dead_letters["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    account = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
    assert allowed["sourceQueueArns"] == [{"Fn::Sub": account + queue["QueueName"]["Fn::Sub"]}]


def test_no_queue_is_the_dead_letters_of_another_by_accident(either: Document) -> None:
    for title, queue in of_kind(either, "AWS::SQS::Queue").items():
        if title not in {"Queue", "DeadLetters"}:
            assert queue["RedriveAllowPolicy"] == DENIED, title


def test_the_topic_may_send_to_exactly_the_queues_that_its_subscriptions_name(either: Document) -> None:
    subscriptions = of_kind(either, "AWS::SNS::Subscription").values()
    named_by_them = named([each["RedrivePolicy"] for each in subscriptions])
    named_by_them |= named([each["Endpoint"] for each in subscriptions if each["Protocol"] == "sqs"])
    (policy,) = of_kind(either, "AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert named(policy["Queues"]) == named(statement["Resource"]) == named_by_them
    assert statement["Action"] == ["sqs:SendMessage"]


def test_every_order_reaches_its_consumer_as_it_was_published(either: Document) -> None:
    endpoints = {"sqs": {"Fn::GetAtt": ["Queue", "Arn"]}, "lambda": {"Ref": "FunctionAlias"}}
    for title, subscription in of_kind(either, "AWS::SNS::Subscription").items():
        assert subscription["TopicArn"] == {"Ref": "Topic"}, title
        assert subscription["Endpoint"] == endpoints[subscription["Protocol"]], title
        assert "FilterPolicy" not in subscription, title
        # The processor reads the message alone, and not the topic's envelope around it.
        assert subscription.get("RawMessageDelivery", False) is (subscription["Protocol"] == "sqs"), title
        target = {"Fn::GetAtt": ["Undelivered", "Arn"]}
        assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": target}, title


def test_an_order_can_be_received_at_once_whatever_its_size(either: Document) -> None:
    queue = properties(either, "Queue")
    assert queue.get("DelaySeconds", 0) == 0
    assert queue.get("MaximumMessageSize", LARGEST_MESSAGE_BYTES) >= LARGEST_MESSAGE_BYTES
    assert queue["ReceiveMessageWaitTimeSeconds"] == 20, "a receive without waiting is paid for and brings nothing"


def test_the_function_takes_what_waits_in_the_queue_by_the_version_that_is_live(either: Document) -> None:
    mapping = properties(either, "FunctionQueueMapping")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["Queue", "Arn"]}
    assert mapping["FunctionName"] == {"Ref": "FunctionAlias"}
    assert mapping.get("Enabled", True) is True
    assert mapping.get("MaximumBatchingWindowInSeconds", 0) == 0
    assert properties(either, "TopicMayInvoke")["FunctionName"] == {"Ref": "FunctionAlias"}
    alias = properties(either, "FunctionAlias")
    assert alias["FunctionVersion"] == {"Fn::GetAtt": ["FunctionVersion", "Version"]}
    events = properties(either, "FunctionInvokeConfig")
    assert (alias["Name"], events["Qualifier"]) == (ALIAS, ALIAS)
    assert events["MaximumRetryAttempts"] == 2, "an order is tried again before it is given up"


def test_a_version_of_the_function_is_what_its_parameters_say(either: Document) -> None:
    function = properties(either, "Function")
    told = {"Timeout": "FunctionTimeout", "MemorySize": "FunctionMemory"}
    assert {name: function[name] for name in told} == {name: {"Ref": title} for name, title in told.items()}
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert function["Runtime"] == f"python{LAMBDA_PYTHON}", "its wheels and its bytecode are of one Python"
    assert function["LoggingConfig"]["LogGroup"] == {"Ref": "FunctionLogs"}
