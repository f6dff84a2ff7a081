"""What must hold of the whole template, whatever anybody adds to it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.parameters.pipeline import FUNCTION_TIMEOUTS, LONGEST_ARTIFACT_KEY, LONGEST_GATEWAY_HOST
from cloudformation.parameters.platform import GATEWAY_CAPACITIES, WORKERS
from cloudformation.resources import services
from cloudformation.resources.messaging import VISIBILITY_PER_FUNCTION_TIMEOUT
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, API_PORT
from order_api.settings import Settings as ApiSettings
from order_processor.settings import ProcessorSettings

Document = dict[str, Any]
SERVICES = PROJECT / "services"
API_ENVIRONMENT = {
    "ORDERS_TOPIC_ARN": "arn:aws:sns:eu-central-1:1:t",
    "ORDERS_TABLE": "o",
    "PRODUCTS_TABLE": "p",
    "ORDER_ID_SECRET": "x" * 64,
    "GATEWAY_URL": "http://gateway.test",
}
PROCESSOR_ENVIRONMENT = {
    "QUEUE_URL": "http://q.test/q",
    "DEAD_LETTER_QUEUE_URL": "http://q.test/d",
    "ORDERS_TABLE": "o",
    "GATEWAY_URL": "http://gateway.test",
}


def of_kind(template: Document, kind: str) -> dict[str, Document]:
    found = {t: r["Properties"] for t, r in template["Resources"].items() if r["Type"] == kind}
    assert found, f"no {kind} in the template"
    return found


def walk(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def container(template: Document, title: str) -> Document:
    (only,) = of_kind(template, "AWS::ECS::TaskDefinition")[title]["ContainerDefinitions"]
    found: Document = only
    return found


@pytest.fixture(params=["pipeline", "whole"])
def either(request: pytest.FixtureRequest) -> Document:
    template: Document = request.getfixturevalue(request.param)
    return template


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
    assert condition == "QueueFunction"
    assert polled["Fn::FindInMap"][0] == "FunctionQueue"
    assert otherwise == {"Ref": "VisibilitySeconds"}


def test_payment_lease_and_visibility_follow_each_other_for_every_choice(either: Document) -> None:
    payment, lease, visibility = (
        either["Parameters"][name] for name in ("PaymentTimeoutSeconds", "LeaseSeconds", "VisibilitySeconds")
    )
    assert payment["MaxValue"] < lease["MinValue"]
    assert lease["MaxValue"] < visibility["MinValue"]
    assert payment["MaxValue"] < min(FUNCTION_TIMEOUTS)


def test_tasks_times_workers_never_exceed_the_gateways_capacity(whole: Document) -> None:
    table = whole["Mappings"]["ProcessorTasks"]
    for capacity in GATEWAY_CAPACITIES:
        for workers in (workers for workers in WORKERS if workers <= capacity):
            assert table[str(capacity)][str(workers)] * workers <= capacity
    target = whole["Resources"]["ProcessorScaling"]["Properties"]
    assert target["MaxCapacity"]["Fn::FindInMap"][0] == "ProcessorTasks"
    # A sale can be met with all of them; otherwise one.
    assert target["MinCapacity"] == {"Fn::If": ["PreScaleOn", target["MaxCapacity"], 1]}
    assert whole["Parameters"]["PreScale"]["Default"] == "false"
    # Not even while one version replaces another.
    deployment = whole["Resources"]["ProcessorService"]["Properties"]["DeploymentConfiguration"]
    assert deployment["MaximumPercent"] == 100


def test_invocations_times_batch_never_exceed_the_gateways_capacity(whole: Document) -> None:
    mapping = whole["Resources"]["FunctionQueueMapping"]["Properties"]
    limit = mapping["ScalingConfig"]["MaximumConcurrency"]["Fn::FindInMap"]
    assert limit == ["Concurrency", {"Ref": "GatewayCapacity"}, "Invocations"]
    (rule,) = whole["Rules"]["FunctionWithinGatewayCapacity"]["Assertions"]
    refused, _ = rule["Assert"]["Fn::Not"][0]["Fn::Contains"]
    for capacity, row in whole["Mappings"]["Concurrency"].items():
        assert capacity in refused or row["Invocations"] * mapping["BatchSize"] <= int(capacity)
        assert row["Invocations"] >= 2, "Lambda takes no fewer"


def test_every_change_of_the_function_makes_a_new_version(either: Document) -> None:
    """The alias points to a version, and a version never changes."""
    described = either["Resources"]["FunctionVersion"]["Properties"]["Description"]["Fn::Sub"]
    named = set(re.findall(r"\$\{(\w+)\}", described))
    function = either["Resources"]["Function"]["Properties"]
    conditions = {"CustomerKeyOn": "CustomerKey", "SnapStartOn": "SnapStart", "Simulated": "PaymentGateway"}
    seen = {value["Ref"] for value in walk(function) if isinstance(value, dict) and "Ref" in value}
    seen |= {conditions.get(v["Fn::If"][0], "") for v in walk(function) if isinstance(v, dict) and "Fn::If" in v}
    changing = seen & set(either["Parameters"]) - {"ArtifactBucket", "ReservedConcurrency"}
    assert changing == named
    longest = {"ArtifactKey": LONGEST_ARTIFACT_KEY, "GatewayUrl": len("https://") + LONGEST_GATEWAY_HOST}
    widths = [longest.get(name) or _longest(either["Parameters"][name]) for name in named]
    assert sum(widths) + len(widths) <= 256, "Lambda takes descriptions of 256 characters"


def _longest(parameter: Document) -> int:
    return max(len(str(value)) for value in parameter.get("AllowedValues", [parameter.get("MaxValue")]))


def test_the_key_is_kept_as_long_as_what_it_encrypts(either: Document) -> None:
    key, table = either["Resources"]["Key"], either["Resources"]["OrdersTable"]
    assert key["DeletionPolicy"] == table["DeletionPolicy"]
    assert key["UpdateReplacePolicy"] == table["UpdateReplacePolicy"]


def test_the_api_waits_for_the_listener_that_leads_to_it(whole: Document) -> None:
    waits_for = whole["Resources"][whole["Resources"]["ApiService"]["DependsOn"][0]]["Properties"]
    condition, https, http = waits_for["ListenerArn"]["Fn::If"]
    assert (condition, https, http) == ("HasCertificate", {"Ref": "HttpsListener"}, {"Ref": "HttpListener"})


def test_the_gateway_may_write_where_its_image_keeps_the_charge_store(whole: Document) -> None:
    (mount,) = container(whole, "GatewayTask")["MountPoints"]
    image = SERVICES.joinpath("payment-gateway", "Dockerfile").read_text(encoding="utf-8")
    assert f"VOLUME {mount['ContainerPath']}\n" in image
    assert f"CHARGE_STORE_PATH={mount['ContainerPath']}/" in image


def test_a_task_is_stopped_only_after_it_could_drain(whole: Document) -> None:
    processor = ProcessorSettings.from_environment(PROCESSOR_ENVIRONMENT)
    longest = whole["Parameters"]["PaymentTimeoutSeconds"]["MaxValue"]
    assert container(whole, "ProcessorTask")["StopTimeout"] > processor.drain_seconds > longest
    api = ApiSettings.from_environment(API_ENVIRONMENT | {"PAYMENT_TIMEOUT_SECONDS": str(longest)})
    drain = services.API_DRAIN_GRACE_SECONDS + api.shutdown_timeout.total_seconds()
    assert container(whole, "ApiTask")["StopTimeout"] > drain


def test_the_services_know_every_variable_they_are_given(whole: Document) -> None:
    for title, settings in (("ApiTask", ApiSettings), ("ProcessorTask", ProcessorSettings)):
        entries = container(whole, title)["Environment"] + container(whole, title).get("Secrets", [])
        given = {entry["Name"] for entry in entries} - {"AWS_REGION"}
        assert given <= {name.upper() for name in settings.model_fields}, title


def test_order_ids_of_another_version_of_the_secret_are_recognised(whole: Document) -> None:
    given = {entry["Name"]: entry["ValueFrom"] for entry in container(whole, "ApiTask")["Secrets"]}
    assert given == {
        "ORDER_ID_SECRET": {"Ref": "OrderIdSecret"},
        "ORDER_ID_SECRET_PREVIOUS": {"Fn::Sub": "${OrderIdSecret}::${PreviousOrderIdSecret}:"},
    }
    # The one version that always exists: a task whose secret cannot be fetched does not start.
    assert whole["Parameters"]["PreviousOrderIdSecret"]["Default"] == "AWSCURRENT"


@pytest.mark.parametrize("title", ["ApiTask", "ProcessorTask", "GatewayTask"])
def test_containers_run_unprivileged_on_a_read_only_file_system(whole: Document, title: str) -> None:
    only = container(whole, title)
    assert only["ReadonlyRootFilesystem"] is True
    assert only["User"].split(":")[0] not in {"", "0", "root"}
    assert "Privileged" not in only


def test_no_task_has_a_public_address(whole: Document) -> None:
    private = {"PrivateSubnet0", "PrivateSubnet1"}
    for service in of_kind(whole, "AWS::ECS::Service").values():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        assert {subnet["Ref"] for subnet in network["Subnets"]} == private


def test_a_failed_deployment_rolls_back(whole: Document) -> None:
    for service in of_kind(whole, "AWS::ECS::Service").values():
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_only_the_load_balancer_reaches_the_api(whole: Document) -> None:
    groups = of_kind(whole, "AWS::EC2::SecurityGroup")
    (rule,) = groups["ApiGroup"]["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] == {"Ref": "BalancerGroup"}
    assert set(range(rule["FromPort"], rule["ToPort"] + 1)) == {API_PORT, API_OPERATIONS_PORT}
    assert "SecurityGroupIngress" not in groups["ConsumerGroup"]
    assert {rule["SourceSecurityGroupId"]["Ref"] for rule in groups["GatewayGroup"]["SecurityGroupIngress"]} == {
        "ApiGroup",
        "ConsumerGroup",
    }


def test_https_is_modern_and_http_leads_to_it(whole: Document) -> None:
    listeners = of_kind(whole, "AWS::ElasticLoadBalancingV2::Listener")
    assert re.match(r"ELBSecurityPolicy-TLS13-1-[23]", listeners["HttpsListener"]["SslPolicy"])
    (action,) = listeners["HttpListener"]["DefaultActions"]
    condition, redirect, _ = action["Fn::If"]
    assert (condition, redirect["RedirectConfig"]["Protocol"]) == ("HasCertificate", "HTTPS")


def test_the_load_balancer_refuses_ambiguous_requests(whole: Document) -> None:
    (balancer,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {entry["Key"]: entry["Value"] for entry in balancer["LoadBalancerAttributes"]}
    assert attributes["routing.http.desync_mitigation_mode"] == "strictest"
    (targets,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert (targets["HealthCheckPath"], targets["HealthCheckPort"]) == ("/readyz", str(API_OPERATIONS_PORT))
    assert any(entry["Key"].startswith("deregistration_delay") for entry in targets["TargetGroupAttributes"])


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::DynamoDB::Table", "SSESpecification"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::ECR::Repository", "EncryptionConfiguration"),
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
    for topic in of_kind(whole, "AWS::SNS::Topic").values():
        assert topic["KmsMasterKeyId"]["Fn::If"][2] == "alias/aws/sns"


def test_every_log_group_forgets(either: Document) -> None:
    for group in of_kind(either, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_tables_can_be_restored_and_are_kept_by_default(either: Document) -> None:
    for title in ("OrdersTable", "ProductsTable"):
        table = either["Resources"][title]
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert (
            table["DeletionPolicy"] == table["UpdateReplacePolicy"] == {"Fn::If": ["RetainDataOn", "Retain", "Delete"]}
        )
    assert either["Parameters"]["RetainData"]["Default"] == "true"


def test_every_alarm_says_what_to_do_and_calls_the_topic(whole: Document) -> None:
    for title, alarm in of_kind(whole, "AWS::CloudWatch::Alarm").items():
        assert re.fullmatch(r".+\. Runbook: .+\.", alarm["AlarmDescription"]), title
        assert alarm["AlarmActions"][0] == {"Ref": "AlarmTopic"}, title
        assert alarm["TreatMissingData"] == "notBreaching", title


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


def test_services_appear_only_with_an_image(whole: Document) -> None:
    for title in of_kind(whole, "AWS::ECS::Service"):
        assert whole["Resources"][title]["Condition"] in {"HasImages", "RunsProcessor", "RunsGateway"}
    for condition in ("RunsProcessor", "RunsGateway"):
        assert {"Condition": "HasImages"} in whole["Conditions"][condition]["Fn::And"]
    assert whole["Parameters"]["ImageTag"]["Default"] == ""


def test_log_filters_match_what_the_services_write(whole: Document) -> None:
    project = Path(__file__).resolve().parents[2]
    source = project / "services"
    processor = (project / "libs/flashbus/src/flashbus/dispatcher.py").read_text(encoding="utf-8")
    function = (source / "lambda-handler/src/lambda_handler/consumer.py").read_text(encoding="utf-8")
    start = (source / "lambda-handler/src/lambda_handler/function.py").read_text(encoding="utf-8")
    patterns = {t: f["FilterPattern"] for t, f in of_kind(whole, "AWS::Logs::MetricFilter").items()}
    for title, code in (("ProcessorCompleted", processor), ("FunctionCompleted", function), ("FunctionStarts", start)):
        (event,) = re.findall(r'\$\.event = "(\w+)"', patterns[title])
        assert set(re.findall(r"\$\.(\w+)", patterns[title])) <= {"event", "outcome"}
        assert "outcome" not in patterns[title] or ("outcome=" in code and '"completed"' in patterns[title])
        assert f'"{event}"' in code, title
