"""What must hold of the whole template, whatever anybody adds to it."""

import json
import re
from pathlib import Path

import pytest

from cloudformation.delivery.given_parameters import LONGEST_STACK_NAME
from cloudformation.parameters.pipeline import (
    FUNCTION_TIMEOUTS,
    LONGEST_ARTIFACT_KEY,
    LONGEST_GATEWAY_HOST,
    LONGEST_ROLE_NAME,
)
from cloudformation.resources.messaging import VISIBILITY_PER_FUNCTION_TIMEOUT
from cloudformation.resources.security_groups import GATEWAY_PORT
from cloudformation.resources.services import GATEWAY_NAME
from cloudformation.tests.template_reading import Document, of_kind, walk
from flashpay import enough_days
from flashpay.items import EXPIRES_AT, UNSETTLED
from flashpay.unsettled import INDEX
from order_processor.reconcile.settings import Settings


def test_every_queue_that_is_no_dead_letter_queue_has_one(either: Document) -> None:
    queues = of_kind(either, "AWS::SQS::Queue")
    targets = {
        q["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] for q in queues.values() if "RedrivePolicy" in q
    }
    final = {title for title, queue in queues.items() if queue["MessageRetentionPeriod"] == 14 * 24 * 3600}
    assert targets <= final
    assert {title for title, queue in queues.items() if "RedrivePolicy" not in queue} == final


def test_dead_letters_outlive_their_source(either: Document) -> None:
    queues = of_kind(either, "AWS::SQS::Queue")
    for title, queue in queues.items():
        if "RedrivePolicy" in queue:
            target = queues[queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]]
            assert target["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"], title


def test_every_subscription_of_the_order_topic_keeps_what_it_cannot_deliver(either: Document) -> None:
    for title, subscription in of_kind(either, "AWS::SNS::Subscription").items():
        target = subscription["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        assert either["Resources"][target]["Type"] == "AWS::SQS::Queue", title


def test_the_asynchronous_function_has_a_failure_destination(either: Document) -> None:
    (config,) = of_kind(either, "AWS::Lambda::EventInvokeConfig").values()
    target = config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    assert either["Resources"][target]["Type"] == "AWS::SQS::Queue"


def test_only_the_topic_may_send_to_its_queues(either: Document) -> None:
    (policy,) = of_kind(either, "AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}


def test_visibility_is_six_function_timeouts_where_a_function_polls(either: Document) -> None:
    table = either["Mappings"]["FunctionQueue"]
    assert VISIBILITY_PER_FUNCTION_TIMEOUT >= 6
    assert set(either["Parameters"]["FunctionTimeout"]["AllowedValues"]) == set(table)
    for timeout in FUNCTION_TIMEOUTS:
        assert int(table[str(timeout)]["Visibility"]) >= 6 * timeout
    condition, polled, otherwise = either["Resources"]["Queue"]["Properties"]["VisibilityTimeout"]["Fn::If"]
    assert condition == "FunctionPolls"
    assert polled["Fn::FindInMap"][0] == "FunctionQueue"
    assert otherwise == {"Ref": "VisibilitySeconds"}


def test_payment_lease_and_visibility_follow_each_other_for_every_choice(either: Document) -> None:
    payment, lease, visibility = (
        either["Parameters"][name] for name in ("PaymentTimeoutSeconds", "LeaseSeconds", "VisibilitySeconds")
    )
    assert payment["MaxValue"] < lease["MinValue"]
    assert lease["MaxValue"] < visibility["MinValue"]
    assert payment["MaxValue"] < min(FUNCTION_TIMEOUTS)


def test_the_description_of_a_version_is_never_too_long(either: Document) -> None:
    """It names all that changes the function, for the alias points to a version, and a version never changes."""
    text, given = either["Resources"]["FunctionVersion"]["Properties"]["Description"]["Fn::Sub"]
    named = set(re.findall(r"\$\{(\w+)\}", text)) - set(given)
    # What is given is worked out by itself: the linter tries every combination of it in every region.
    assert set(given) == {"Gateway", "RoleName"}
    widths = [LONGEST_ARTIFACT_KEY if name == "ArtifactKey" else _longest(either["Parameters"][name]) for name in named]
    inside = len(f"http://{GATEWAY_NAME}.{'s' * LONGEST_STACK_NAME}.internal:{GATEWAY_PORT}")
    widths.append(max(inside, len("https://") + LONGEST_GATEWAY_HOST))
    widths.append(LONGEST_ROLE_NAME)
    assert sum(widths) + len(widths) <= 256, "Lambda takes descriptions of 256 characters"


def _longest(parameter: Document) -> int:
    return max(len(str(value)) for value in parameter.get("AllowedValues", [parameter.get("MaxValue")]))


def test_the_key_is_kept_as_long_as_what_it_encrypts(either: Document) -> None:
    key, table = either["Resources"]["Key"], either["Resources"]["OrdersTable"]
    assert key["DeletionPolicy"] == table["DeletionPolicy"]
    assert key["UpdateReplacePolicy"] == table["UpdateReplacePolicy"]


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::DynamoDB::Table", "SSESpecification"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::Lambda::Function", "KmsKeyArn"),
    ],
)
def test_the_customer_key_encrypts_everything_when_chosen(whole: Document, kind: str, key: str) -> None:
    for title, properties in of_kind(whole, kind).items():
        condition, chosen, _ = properties[key]["Fn::If"]
        assert condition == "CustomerKeyOn", title
        assert {"Fn::GetAtt": ["Key", "Arn"]} in list(walk(chosen)), title


def test_without_the_customer_key_queues_and_topics_are_encrypted_still(whole: Document) -> None:
    for queue in of_kind(whole, "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"]["Fn::If"][2] == "true"
    topics = of_kind(whole, "AWS::SNS::Topic")
    for title in ("Topic", "OutcomesTopic"):
        assert topics[title]["KmsMasterKeyId"]["Fn::If"][2] == "alias/aws/sns"


def test_every_log_group_forgets(either: Document) -> None:
    for group in of_kind(either, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_tables_can_be_restored_and_are_kept_by_default(either: Document) -> None:
    for title in ("OrdersTable", "ProductsTable", "StockTable"):
        table = either["Resources"][title]
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["UpdateReplacePolicy"] == {"Fn::If": ["RetainDataOn", "Retain", "Delete"]}
        assert table["DeletionPolicy"] == {"Fn::If": ["RetainDataOn", "RetainExceptOnCreate", "Delete"]}
    assert either["Parameters"]["RetainData"]["Default"] == "true"


def test_every_alarm_says_what_to_do_and_calls_the_topic(whole: Document) -> None:
    for title, alarm in of_kind(whole, "AWS::CloudWatch::Alarm").items():
        assert re.fullmatch(r".+\. Runbook: .+\.", alarm["AlarmDescription"]), title
        assert alarm["AlarmActions"][0] == {"Ref": "AlarmTopic"}, title


def test_every_dead_letter_queue_has_an_alarm(whole: Document) -> None:
    watched = {json.dumps(alarm.get("Dimensions")) for alarm in of_kind(whole, "AWS::CloudWatch::Alarm").values()}
    for title, queue in of_kind(whole, "AWS::SQS::Queue").items():
        assert any(json.dumps(queue["QueueName"]) in dimensions for dimensions in watched), title


def test_every_parameter_is_used(either: Document) -> None:
    body = {key: value for key, value in either.items() if key != "Parameters"}
    used = {value["Ref"] for value in walk(body) if isinstance(value, dict) and "Ref" in value}
    texts = [value["Fn::Sub"] for value in walk(body) if isinstance(value, dict) and "Fn::Sub" in value]
    used |= {name for text in texts for name in re.findall(r"\$\{(\w+)\}", str(text))}
    unused = set(either["Parameters"]) - used
    # GatewayUrl is for the function alone, and for nobody where tasks of another stack consume.
    assert unused == set()


def test_every_parameter_and_output_is_documented(either: Document) -> None:
    for name, parameter in either["Parameters"].items():
        assert parameter["Description"], name
    for name, output in either["Outputs"].items():
        assert output["Description"], name


def test_log_filters_match_what_the_services_write(whole: Document) -> None:
    project = Path(__file__).resolve().parents[2]
    source = project / "services"
    # The bus writes the line of a message, and the processor's handler binds what it says of an order.
    written = (
        project / "libs/flashbus/src/flashbus/dispatcher.py",
        source / "order-processor/src/order_processor/handler.py",
    )
    processor = "".join(path.read_text(encoding="utf-8") for path in written)
    function = (source / "lambda-handler/src/lambda_handler/consumer.py").read_text(encoding="utf-8")
    start = (source / "lambda-handler/src/lambda_handler/function.py").read_text(encoding="utf-8")
    patterns = {t: f["FilterPattern"] for t, f in of_kind(whole, "AWS::Logs::MetricFilter").items()}
    for title, code in (("ProcessorCompleted", processor), ("FunctionCompleted", function), ("FunctionStarts", start)):
        (event,) = re.findall(r'\$\.event = "(\w+)"', patterns[title])
        assert set(re.findall(r"\$\.(\w+)", patterns[title])) <= {"event", "outcome", "settled"}
        assert "outcome" not in patterns[title] or '"completed"' in patterns[title]
        assert "outcome" not in patterns[title] or ("outcome=" in code and "settled=" in code)
        assert f'"{event}"' in code, title


def test_the_reconciler_writes_what_its_metrics_are_made_of(whole: Document) -> None:
    reconcile = Path(__file__).resolve().parents[2] / "services/order-processor/src/order_processor/reconcile"
    code = (reconcile / "__main__.py").read_text() + (reconcile / "reconciler.py").read_text()
    filters = of_kind(whole, "AWS::Logs::MetricFilter")
    for title in ("ReconcilerRun", "ReconcilerConflict"):
        event, *fields = re.findall(r'\$\.event = "(\w+)"|\$\.(\w+) IS', filters[title]["FilterPattern"])
        assert f'"{event[0]}"' in code, title
        assert all(f"{field}=" in code for _, field in fields), title


def test_the_schedule_runs_the_command_that_there_is(whole: Document) -> None:
    (container,) = whole["Resources"]["ReconcilerTask"]["Properties"]["ContainerDefinitions"]
    assert container["Command"] == ["python", "-m", "order_processor.reconcile", "--apply"]
    given = {entry["Name"] for entry in container["Environment"]}
    assert {name for name in given if not name.startswith("AWS_")} <= set(Settings.variables({}).values())
    required = {Settings.variables({})[name] for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= given
    assert "HealthCheck" not in container


def test_the_index_of_unsettled_orders_is_the_one_that_the_ledger_writes_and_reads(either: Document) -> None:
    (index,) = either["Resources"]["OrdersTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == [UNSETTLED, "updated_at"]
    # What it holds besides is paid for with every write of an order.
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_a_table_has_the_key_that_the_code_asks_for(either: Document) -> None:
    keys = {"OrdersTable": "order_id", "ProductsTable": "product_id", "StockTable": "id"}
    for title, key in keys.items():
        schema = either["Resources"][title]["Properties"]["KeySchema"]
        assert schema == [{"AttributeName": key, "KeyType": "HASH"}], title


def test_orders_expire_by_the_attribute_that_the_ledger_writes(either: Document) -> None:
    expiry = either["Resources"]["OrdersTable"]["Properties"]["TimeToLiveSpecification"]
    assert expiry == {"AttributeName": EXPIRES_AT, "Enabled": True}
    for table in ("ProductsTable", "StockTable"):
        assert "TimeToLiveSpecification" not in either["Resources"][table]["Properties"], "guards are for ever"


def test_the_services_take_every_retention_that_may_be_chosen(either: Document) -> None:
    days = [int(value) for value in either["Parameters"]["OrderRetentionDays"]["AllowedValues"]]
    assert days[0] == 0, "kept for ever unless somebody says otherwise"
    assert [enough_days(value) for value in days] == days


def test_an_image_with_a_tag_never_expires(whole: Document) -> None:
    """Whether tasks run it, or a rollback would, ECR does not know."""
    for title, repository in of_kind(whole, "AWS::ECR::Repository").items():
        rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert {rule["selection"]["tagStatus"] for rule in rules} == {"untagged"}, title


def test_repositories_with_images_do_not_stand_in_the_way_of_a_deletion(whole: Document) -> None:
    for title in of_kind(whole, "AWS::ECR::Repository"):
        repository = whole["Resources"][title]
        assert repository["Properties"]["EmptyOnDelete"] is True
        assert repository["DeletionPolicy"] == {"Fn::If": ["RetainDataOn", "RetainExceptOnCreate", "Delete"]}
