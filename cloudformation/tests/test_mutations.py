"""A snapshot shows that the template changed, not that it is wrong: the invariants see each of these mistakes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from cloudformation.tests import test_alarm_invariants as alarms
from cloudformation.tests import test_capacity as capacity
from cloudformation.tests import test_rollout as rollout
from cloudformation.tests import test_service_invariants as services
from cloudformation.tests import test_wiring_invariants as wiring
from cloudformation.tests.template_reading import Document

Properties = dict[str, Any]
Mutation = Callable[[Document], None]


def properties(template: Document, title: str) -> Properties:
    found: Properties = template["Resources"][title]["Properties"]
    return found


def statements(template: Document, role: str) -> list[Any]:
    found: list[Any] = properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    return found


def no_endpoint_for_the_queue(template: Document) -> None:
    del template["Resources"]["SqsEndpoint"]


def metrics_for_everybody(template: Document) -> None:
    properties(template, "PublicPaths")["Conditions"][0]["PathPatternConfig"]["Values"].append("/metrics")


def everything_for_everybody(template: Document) -> None:
    forward = {"Type": "forward", "TargetGroupArn": {"Ref": "ApiTargets"}}
    properties(template, "HttpListener")["DefaultActions"][0]["Fn::If"][2] = forward


def processors_with_all_of_the_gateway(template: Document) -> None:
    target = properties(template, "ProcessorScaling")
    target["MaxCapacity"]["Fn::If"][2] = {
        "Fn::FindInMap": ["ProcessorTasks", {"Ref": "GatewayCapacity"}, {"Ref": "Workers"}]
    }


def a_version_that_takes_over_whatever_rings(template: Document) -> None:
    properties(template, "FunctionRolloutGroup")["AlarmConfiguration"]["Alarms"] = []


def a_version_that_takes_over_at_once(template: Document) -> None:
    del template["Resources"]["FunctionAlias"]["UpdatePolicy"]


def processors_side_by_side(template: Document) -> None:
    properties(template, "ProcessorService")["DeploymentConfiguration"]["MaximumPercent"] = 200


def sync_orders_without_a_bound(template: Document) -> None:
    for row in template["Mappings"]["SyncLimit"].values():
        row["10"] = "10"


def workers_beyond_the_gateway(template: Document) -> None:
    del template["Rules"]["WorkersWithinGatewayCapacity"]


def a_function_for_every_event(template: Document) -> None:
    properties(template, "Function")["ReservedConcurrentExecutions"] = 1000


def customers_led_to_operations(template: Document) -> None:
    properties(template, "ApiTargets")["Port"] = 8079


def no_grace(template: Document) -> None:
    del properties(template, "ApiService")["HealthCheckGracePeriodSeconds"]


def orders_cut_off(template: Document) -> None:
    for attribute in properties(template, "ApiTargets")["TargetGroupAttributes"]:
        if attribute["Key"] == "deregistration_delay.timeout_seconds":
            attribute["Value"] = "1"


def an_alarm_that_never_rings(template: Document) -> None:
    properties(template, "DeadLettersAlarm")["Threshold"] = 1_000_000_000


def a_key_that_keeps_alarms_silent(template: Document) -> None:
    for statement in properties(template, "Key")["KeyPolicy"]["Statement"]:
        if isinstance(statement["Principal"].get("Service"), list):
            statement["Principal"]["Service"].remove("cloudwatch.amazonaws.com")


def another_scaling_formula(template: Document) -> None:
    policy = properties(template, "ProcessorBacklogPolicy")["TargetTrackingScalingPolicyConfiguration"]
    formula = policy["CustomizedMetricSpecification"]["Metrics"][-1]["Expression"]["Fn::Sub"]
    formula[0] = "visible * ${Payment} / FILL(running, 1) * ${Workers}"


def a_secret_out_of_reach(template: Document) -> None:
    kept = [s for s in statements(template, "ExecutionRole") if "secretsmanager:GetSecretValue" not in s["Action"]]
    statements(template, "ExecutionRole")[:] = kept


def a_batch_fails_as_a_whole(template: Document) -> None:
    del properties(template, "FunctionQueueMapping")["FunctionResponseTypes"]


def failures_that_may_not_be_sent(template: Document) -> None:
    for statement in statements(template, "FunctionRole"):
        if "sqs:SendMessage" in statement.get("Action", []):
            statement["Resource"].remove({"Fn::GetAtt": ["FunctionFailures", "Arn"]})


def an_api_for_everybody(template: Document) -> None:
    (rule,) = properties(template, "ApiGroup")["SecurityGroupIngress"]
    rule["SourceSecurityGroupId"] = {"Ref": "ConsumerGroup"}


MUTATIONS: list[tuple[Mutation, Mutation]] = [
    (no_endpoint_for_the_queue, wiring.test_without_a_way_out_there_is_an_endpoint_for_all_that_tasks_call),
    (metrics_for_everybody, wiring.test_customers_reach_orders_and_nothing_of_operations),
    (everything_for_everybody, wiring.test_customers_reach_orders_and_nothing_of_operations),
    (processors_with_all_of_the_gateway, capacity.test_payments_at_once_never_exceed_what_the_gateway_takes),
    (processors_side_by_side, capacity.test_payments_at_once_never_exceed_what_the_gateway_takes),
    (sync_orders_without_a_bound, capacity.test_payments_at_once_never_exceed_what_the_gateway_takes),
    (workers_beyond_the_gateway, capacity.test_payments_at_once_never_exceed_what_the_gateway_takes),
    (a_function_for_every_event, capacity.test_payments_at_once_never_exceed_what_the_gateway_takes),
    (
        a_version_that_takes_over_whatever_rings,
        rollout.test_another_version_of_the_function_is_tried_before_it_takes_over,
    ),
    (a_version_that_takes_over_at_once, rollout.test_another_version_of_the_function_is_tried_before_it_takes_over),
    (customers_led_to_operations, wiring.test_customers_reach_orders_and_nothing_of_operations),
    (no_grace, wiring.test_a_task_has_time_to_start_before_it_is_judged),
    (orders_cut_off, wiring.test_the_load_balancer_lets_a_leaving_task_finish_its_orders),
    (an_alarm_that_never_rings, alarms.test_every_alarm_can_ring),
    (
        a_key_that_keeps_alarms_silent,
        lambda template: alarms.test_an_alarm_may_call_its_topic_whatever_the_key(template, "true"),
    ),
    (
        another_scaling_formula,
        lambda template: wiring.test_processors_are_added_by_how_long_the_backlog_waits(template, 450),
    ),
    (a_secret_out_of_reach, wiring.test_what_starts_a_task_may_fetch_its_image_and_secrets_and_write_its_log),
    (
        a_batch_fails_as_a_whole,
        wiring.test_the_function_says_which_messages_it_failed_and_may_send_what_it_fails_for_good,
    ),
    (
        failures_that_may_not_be_sent,
        wiring.test_the_function_says_which_messages_it_failed_and_may_send_what_it_fails_for_good,
    ),
    (an_api_for_everybody, services.test_only_the_load_balancer_reaches_the_api),
]


@pytest.mark.parametrize(("mutation", "invariant"), MUTATIONS, ids=[mutation.__name__ for mutation, _ in MUTATIONS])
def test_an_invariant_sees_the_mistake(whole: Document, mutation: Mutation, invariant: Mutation) -> None:
    invariant(whole)
    mutant = copy.deepcopy(whole)
    mutation(mutant)
    assert mutant != whole
    with pytest.raises(AssertionError):
        invariant(mutant)
