"""What must hold for orders to be taken and kept: in a deployment, over a weekend, and while Spot takes tasks away."""

import json
from datetime import timedelta
from typing import Any

from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document, container, of_kind
from cloudformation.tests.test_service_invariants import PROCESSOR_ENVIRONMENT
from order_processor.settings import Settings as ProcessorSettings

DAY_SECONDS = 24 * 3600
HOLDING_KINDS = {
    "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::KMS::Key", "AWS::SecretsManager::Secret",
}  # fmt: skip
# From Friday's evening to Monday's, and the day to mend it.
UNATTENDED_DAYS = 4
# The longest that Lambda keeps an event which the function cannot take.
LONGEST_EVENT_AGE_SECONDS = 6 * 3600


def running(template: Document, **chosen: str) -> dict[str, Any]:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | {"ImageTag": "v1"} | chosen).resources()


def test_orders_are_taken_all_through_a_deployment(whole: Document) -> None:
    deployed = running(whole)["ApiService"]["Properties"]["DeploymentConfiguration"]
    # Without a word ECS starts the new tasks first.
    assert deployed.get("MinimumHealthyPercent", 100) >= 100
    assert deployed.get("MaximumPercent", 200) > 100


def test_there_are_never_two_of_the_simulated_gateway(whole: Document) -> None:
    """Each has charges of its own, and neither knows what the other charged."""
    deployed = running(whole)["GatewayService"]["Properties"]["DeploymentConfiguration"]
    assert (deployed["MinimumHealthyPercent"], deployed["MaximumPercent"]) == (0, 100)


def test_orders_are_taken_without_a_sale_too_and_one_lost_task_is_not_the_last(whole: Document) -> None:
    fewest = whole["Parameters"]["MinimumApiTasks"]
    assert running(whole)["ApiScaling"]["Properties"]["MinCapacity"] == str(fewest["Default"])
    assert fewest["MinValue"] >= 1
    assert fewest["Default"] >= 2


def test_the_first_processor_is_never_on_spot(whole: Document) -> None:
    strategy = running(whole, SpotPerOnDemand="10")["ProcessorService"]["Properties"]["CapacityProviderStrategy"]
    bases = {each["CapacityProvider"]: each.get("Base", 0) for each in strategy}
    assert bases["FARGATE"] >= 1
    assert bases["FARGATE_SPOT"] == 0


def test_only_processors_may_be_taken_away_by_spot(whole: Document) -> None:
    for title in ("ApiService", "GatewayService"):
        strategy = running(whole, SpotPerOnDemand="10")[title]["Properties"]["CapacityProviderStrategy"]
        assert [each["CapacityProvider"] for each in strategy] == ["FARGATE"], title


def test_a_task_that_takes_no_orders_gets_none_within_a_minute(whole: Document) -> None:
    (targets,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert targets["HealthCheckIntervalSeconds"] * targets.get("UnhealthyThresholdCount", 2) <= 60
    assert targets.get("Matcher", {"HttpCode": "200"}) == {"HttpCode": "200"}


def test_orders_that_were_left_behind_are_looked_for_and_what_is_found_is_done(whole: Document) -> None:
    runs = {
        "ReconcilerSchedule": ("rate(15 minutes)", "--apply"),
        "ComparisonSchedule": ("rate(12 hours)", "--charges"),
    }
    for title, (rate, option) in runs.items():
        schedule = whole["Resources"][title]["Properties"]
        assert (schedule["ScheduleExpression"], schedule.get("State", "ENABLED")) == (rate, "ENABLED")
        target = schedule["Target"]
        assert target["EcsParameters"]["TaskDefinitionArn"] == {"Ref": "ReconcilerTask"}
        (override,) = json.loads(target["Input"])["containerOverrides"]
        assert override["command"] == ["python", "-m", "order_processor.reconcile", option]
        assert override["name"] == container(whole, "ReconcilerTask")["Name"]
    # A run is over when the next one begins, by more than a task's start and the orders in hand take.
    told = {entry["Name"]: entry["Value"] for entry in container(whole, "ReconcilerTask")["Environment"]}
    assert timedelta(seconds=int(told["RECONCILE_TIME_SECONDS"])) <= timedelta(minutes=15) - timedelta(minutes=3)
    # Twice while the provider still knows the key of a charge: one run may fail.
    assert 2 * timedelta(hours=12) <= ProcessorSettings.from_environment(PROCESSOR_ENVIRONMENT).gateway_key_window


def test_what_holds_data_outlives_the_stack_unless_its_creation_failed(either: Document) -> None:
    kept = {title for title, resource in either["Resources"].items() if resource["Type"] in HOLDING_KINDS}
    assert {"Key", "OrdersTable"} <= kept
    for title in kept:
        resource = either["Resources"][title]
        assert resource.get("DeletionPolicy") == {"Fn::If": ["RetainDataOn", "RetainExceptOnCreate", "Delete"]}, title
        assert resource.get("UpdateReplacePolicy") == {"Fn::If": ["RetainDataOn", "Retain", "Delete"]}, title


def test_a_table_takes_what_a_sale_brings_and_does_not_stand_in_the_way_of_the_next_stack(either: Document) -> None:
    for title, table in of_kind(either, "AWS::DynamoDB::Table").items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", title
        assert "TableName" not in table, title


def test_an_order_waits_for_as_long_as_nobody_may_look(either: Document) -> None:
    for title, queue in of_kind(either, "AWS::SQS::Queue").items():
        assert queue["MessageRetentionPeriod"] >= UNATTENDED_DAYS * DAY_SECONDS, title
    (config,) = of_kind(either, "AWS::Lambda::EventInvokeConfig").values()
    assert config["MaximumEventAgeInSeconds"] == LONGEST_EVENT_AGE_SECONDS
