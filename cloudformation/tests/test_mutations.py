"""A snapshot shows that the template changed, not that it is wrong: the invariants see each of these mistakes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from cloudformation.tests import test_access_invariants as access
from cloudformation.tests import test_alarm_invariants as alarms
from cloudformation.tests import test_availability_invariants as availability
from cloudformation.tests import test_capacity as capacity
from cloudformation.tests import test_invariants as invariants
from cloudformation.tests import test_network_invariants as network
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


def tasks_in_public(template: Document) -> None:
    placed = properties(template, "ProcessorService")["NetworkConfiguration"]["AwsvpcConfiguration"]
    placed["Subnets"] = [{"Ref": "PublicSubnet0"}, {"Ref": "PublicSubnet1"}]


def a_balancer_that_nobody_finds(template: Document) -> None:
    properties(template, "Balancer")["Scheme"] = "internal"


def a_balancer_among_the_tasks(template: Document) -> None:
    properties(template, "Balancer")["Subnets"] = [{"Ref": "PrivateSubnet0"}, {"Ref": "PrivateSubnet1"}]


def tasks_without_a_way_out(template: Document) -> None:
    del template["Resources"]["PrivateWayOut1"]


def endpoints_for_everybody(template: Document) -> None:
    properties(template, "EndpointGroup")["SecurityGroupIngress"][0]["CidrIp"] = "0.0.0.0/0"


def orders_without_dead_letters(template: Document) -> None:
    del properties(template, "Queue")["RedrivePolicy"]


def orders_in_the_clear(template: Document) -> None:
    properties(template, "Queue")["SqsManagedSseEnabled"]["Fn::If"][2] = "false"


def orders_from_everybody(template: Document) -> None:
    (statement,) = properties(template, "QueuePolicy")["PolicyDocument"]["Statement"]
    statement["Principal"] = "*"


def orders_gone_after_an_hour(template: Document) -> None:
    properties(template, "Queue")["MessageRetentionPeriod"] = 3600


def events_gone_after_a_minute(template: Document) -> None:
    properties(template, "FunctionInvokeConfig")["MaximumEventAgeInSeconds"] = 60


def visible_before_the_payment_ends(template: Document) -> None:
    template["Parameters"]["VisibilitySeconds"]["MinValue"] = 10


def a_table_that_cannot_be_restored(template: Document) -> None:
    properties(template, "OrdersTable")["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] = False


def no_task_in_a_deployment(template: Document) -> None:
    properties(template, "ApiService")["DeploymentConfiguration"]["MinimumHealthyPercent"] = 0


def two_gateways_at_once(template: Document) -> None:
    properties(template, "GatewayService")["DeploymentConfiguration"]["MaximumPercent"] = 200


def no_task_without_a_sale(template: Document) -> None:
    properties(template, "ApiScaling")["MinCapacity"] = 0


def every_processor_on_spot(template: Document) -> None:
    del properties(template, "ProcessorService")["CapacityProviderStrategy"][0]["Base"]


def a_version_that_errors_take_over(template: Document) -> None:
    alarms = properties(template, "FunctionRolloutGroup")["AlarmConfiguration"]["Alarms"]
    alarms[:] = [alarm for alarm in alarms if alarm["Name"] != {"Ref": "FunctionErrorsAlarm"}]


def an_alarm_for_what_is_well(template: Document) -> None:
    properties(template, "QueueAgeAlarm")["ComparisonOperator"] = "LessThanThreshold"


def an_alarm_for_the_average(template: Document) -> None:
    properties(template, "QueueAgeAlarm")["Statistic"] = "Average"


def a_role_for_everybody(template: Document) -> None:
    properties(template, "ApiRole")["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"AWS": "*"}


def a_function_for_every_topic(template: Document) -> None:
    del properties(template, "TopicMayInvoke")["SourceArn"]


def a_name_of_one_partition(template: Document) -> None:
    (statement, *_) = statements(template, "ApiRole")
    statement["Resource"] = "arn:aws:sns:us-east-1:000000000000:flash-order-processing-events"


def a_secret_to_guess(template: Document) -> None:
    properties(template, "OrderIdSecret")["GenerateSecretString"]["PasswordLength"] = 8


def images_that_change(template: Document) -> None:
    properties(template, "ApiRepository")["ImageTagMutability"] = "MUTABLE"


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
    (tasks_in_public, services.test_no_task_has_a_public_address),
    (a_balancer_that_nobody_finds, network.test_customers_find_the_load_balancer_where_the_internet_does),
    (a_balancer_among_the_tasks, network.test_customers_find_the_load_balancer_where_the_internet_does),
    (
        tasks_without_a_way_out,
        lambda template: network.test_tasks_get_out_by_a_nat_gateway_that_is_in_public(template, "1", {"NatGateway0"}),
    ),
    (endpoints_for_everybody, network.test_whoever_is_outside_reaches_the_load_balancer_and_nothing_else),
    (orders_without_dead_letters, invariants.test_every_queue_that_is_no_dead_letter_queue_has_one),
    (orders_in_the_clear, invariants.test_without_the_customer_key_queues_and_topics_are_encrypted_still),
    (orders_from_everybody, invariants.test_only_the_topic_may_send_to_its_queues),
    (orders_gone_after_an_hour, availability.test_an_order_waits_for_as_long_as_nobody_may_look),
    (events_gone_after_a_minute, availability.test_an_order_waits_for_as_long_as_nobody_may_look),
    (
        visible_before_the_payment_ends,
        invariants.test_payment_lease_and_visibility_follow_each_other_for_every_choice,
    ),
    (a_table_that_cannot_be_restored, invariants.test_tables_can_be_restored_and_are_kept_by_default),
    (no_task_in_a_deployment, availability.test_orders_are_taken_all_through_a_deployment),
    (two_gateways_at_once, availability.test_there_are_never_two_of_the_simulated_gateway),
    (
        no_task_without_a_sale,
        availability.test_orders_are_taken_without_a_sale_too_and_one_lost_task_is_not_the_last,
    ),
    (every_processor_on_spot, availability.test_the_first_processor_is_never_on_spot),
    (a_version_that_errors_take_over, rollout.test_another_version_of_the_function_is_tried_before_it_takes_over),
    (an_alarm_for_what_is_well, alarms.test_an_alarm_rings_for_too_much_unless_it_counts_what_must_be_there),
    (an_alarm_for_the_average, alarms.test_an_alarm_rings_for_too_much_unless_it_counts_what_must_be_there),
    (a_role_for_everybody, access.test_a_role_is_taken_by_one_service_of_aws),
    (a_function_for_every_topic, access.test_the_topic_alone_calls_the_function),
    (a_name_of_one_partition, access.test_no_name_is_of_one_partition_alone),
    (a_secret_to_guess, access.test_the_secret_of_order_ids_cannot_be_guessed),
    (images_that_change, access.test_an_image_is_scanned_and_its_tag_never_means_another),
]


@pytest.mark.parametrize(("mutation", "invariant"), MUTATIONS, ids=[mutation.__name__ for mutation, _ in MUTATIONS])
def test_an_invariant_sees_the_mistake(
    whole: Document, holds: Callable[[Mutation], None], mutation: Mutation, invariant: Mutation
) -> None:
    holds(invariant)
    mutant = copy.deepcopy(whole)
    mutation(mutant)
    assert mutant != whole
    with pytest.raises(AssertionError):
        invariant(mutant)
