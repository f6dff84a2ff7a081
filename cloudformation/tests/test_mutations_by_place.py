"""Mistakes that are one other value in one place of the template: an invariant sees it, not the snapshot alone."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from cloudformation.tests import test_access_invariants as access
from cloudformation.tests import test_alarm_metric_invariants as figures
from cloudformation.tests import test_availability_invariants as availability
from cloudformation.tests import test_invariants as invariants
from cloudformation.tests import test_messaging_invariants as messaging
from cloudformation.tests import test_network_invariants as network
from cloudformation.tests import test_program_invariants as programs
from cloudformation.tests import test_scaling_invariants as scaling
from cloudformation.tests import test_service_invariants as services
from cloudformation.tests.template_reading import Document
from cloudformation.tests.test_mutations import Mutation

ABSENT = object()
_KEPT_BY_FAILED_CREATIONS = {"Fn::If": ["RetainDataOn", "Retain", "Delete"]}
_BACKLOG = "ProcessorBacklogPolicy.Properties.TargetTrackingScalingPolicyConfiguration"
_CONTAINER = "Properties.ContainerDefinitions.0"
_APPLIED_DRY = '{"containerOverrides": [{"name": "order-reconciler", "command": ["python"]}]}'


def arn(title: str) -> Document:
    return {"Fn::GetAtt": [title, "Arn"]}


def role(title: str) -> Mutation:
    return lambda template: programs.test_a_role_reaches_exactly_what_its_program_is_told_of(template, title)


def own_role(title: str) -> Mutation:
    return lambda template: programs.test_a_program_has_a_role_of_its_own(template, title)


def service(title: str) -> Mutation:
    return lambda template: programs.test_a_service_runs_its_own_image_in_its_own_place(template, title)


def place(container: Any, part: str) -> Any:  # noqa: ANN401  # any part of a template
    """A key, or an index: of a list of named things by its name."""
    if isinstance(container, dict):
        return part
    named = [number for number, each in enumerate(container) if isinstance(each, dict) and each.get("Name") == part]
    return named[0] if named else int(part)


def put(template: Document, path: str, value: object) -> None:
    """Put a value into its place, or take away what is there."""
    *way, last = path.split(".")
    found: Any = template["Resources"]
    for part in way:
        found = found[place(found, part)]
    if value is ABSENT:
        del found[place(found, last)]
    else:
        found[place(found, last)] = value


MISTAKES: list[tuple[str, object, Mutation]] = [
    # An order's way.
    (
        "Queue.Properties.RedrivePolicy.deadLetterTargetArn",
        arn("Undelivered"),
        messaging.test_an_order_that_was_received_too_often_goes_to_the_dead_letters_which_take_it,
    ),
    (
        "DeadLetters.Properties.RedriveAllowPolicy.redrivePermission",
        "denyAll",
        messaging.test_an_order_that_was_received_too_often_goes_to_the_dead_letters_which_take_it,
    ),
    (
        "Undelivered.Properties.RedriveAllowPolicy.redrivePermission",
        "allowAll",
        messaging.test_no_queue_is_the_dead_letters_of_another_by_accident,
    ),
    (
        "QueuePolicy.Properties.PolicyDocument.Statement.0.Resource.0",
        "*",
        messaging.test_the_topic_may_send_to_exactly_the_queues_that_its_subscriptions_name,
    ),
    (
        "QueuePolicy.Properties.Queues.1",
        ABSENT,
        messaging.test_the_topic_may_send_to_exactly_the_queues_that_its_subscriptions_name,
    ),
    (
        "QueueSubscription.Properties.FilterPolicy",
        {"kind": ["order"]},
        messaging.test_every_order_reaches_its_consumer_as_it_was_published,
    ),
    (
        "QueueSubscription.Properties.RawMessageDelivery",
        False,
        messaging.test_every_order_reaches_its_consumer_as_it_was_published,
    ),
    (
        "FunctionSubscription.Properties.Endpoint",
        arn("Function"),
        messaging.test_every_order_reaches_its_consumer_as_it_was_published,
    ),
    ("Queue.Properties.DelaySeconds", 900, messaging.test_an_order_can_be_received_at_once_whatever_its_size),
    (
        "FunctionQueueMapping.Properties.Enabled",
        False,
        messaging.test_the_function_takes_what_waits_in_the_queue_by_the_version_that_is_live,
    ),
    (
        "FunctionAlias.Properties.FunctionVersion",
        "$LATEST",
        messaging.test_the_function_takes_what_waits_in_the_queue_by_the_version_that_is_live,
    ),
    ("Function.Properties.Runtime", "python3.12", messaging.test_a_version_of_the_function_is_what_its_parameters_say),
    # What a program is told, and may do.
    (
        f"ProcessorTask.{_CONTAINER}.Environment.QUEUE_URL.Value",
        {"Ref": "DeadLetters"},
        programs.test_a_variable_names_what_it_says,
    ),
    (
        "Function.Properties.Environment.Variables.DEAD_LETTER_QUEUE_URL",
        {"Ref": "Queue"},
        programs.test_a_variable_names_what_it_says,
    ),
    (f"ApiTask.{_CONTAINER}.Environment.STOCK_TABLE", ABSENT, programs.test_a_program_is_told_all_that_it_needs),
    ("ApiRole.Properties.Policies.0.PolicyDocument.Statement.0.Resource", {"Ref": "AlarmTopic"}, role("ApiTask")),
    (
        "ProcessorRole.Properties.Policies.0.PolicyDocument.Statement.0.Resource",
        arn("DeadLetters"),
        role("ProcessorTask"),
    ),
    ("ProcessorTask.Properties.TaskRoleArn.Fn::If.1", arn("ApiRole"), own_role("ProcessorTask")),
    (
        "ApiRole.Properties.ManagedPolicyArns",
        [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}],
        access.test_a_role_allows_what_its_one_policy_says_and_nothing_else,
    ),
    (
        "Door",
        {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE", "TargetFunctionArn": {"Ref": "Function"}}},
        access.test_nobody_outside_the_account_is_allowed_anything,
    ),
    (
        "Key.Properties.KeyPolicy.Statement.1.Condition",
        {"StringEquals": {}},
        access.test_nobody_outside_the_account_is_allowed_anything,
    ),
    (f"ProcessorTask.{_CONTAINER}.Image.Fn::Join.1.0", {"Fn::GetAtt": ["ApiRepository", "Arn"]}, service("Processor")),
    ("GatewayDiscovery.Properties.Name", "gateway", programs.test_the_simulated_gateway_is_found_where_payments_go),
    (
        f"ProcessorTask.{_CONTAINER}.HealthCheck.Command",
        ["CMD", "true"],
        lambda template: programs.test_ecs_asks_a_program_whether_it_lives_where_it_answers(
            template, "ProcessorTask", 8081
        ),
    ),
    # What alarms and scaling read.
    (
        "QueueAgeAlarm.Properties.Dimensions.QueueName.Value",
        {"Fn::GetAtt": ["DeadLetters", "QueueName"]},
        figures.test_an_alarm_is_of_what_it_is_named_after,
    ),
    (
        "DeadLettersAlarm.Properties.MetricName",
        "NumberOfMessagesSent",
        figures.test_an_alarm_reads_what_is_published_as_it_is_to_be_read,
    ),
    (
        "Api5xxAlarm.Properties.Statistic",
        "Average",
        figures.test_an_alarm_reads_what_is_published_as_it_is_to_be_read,
    ),
    ("Api5xxAlarm.Properties.TreatMissingData", "ignore", figures.test_every_alarm_calls_somebody_at_every_breach),
    ("DeadLettersAlarm.Properties.ActionsEnabled", False, figures.test_every_alarm_calls_somebody_at_every_breach),
    (
        "ProcessorBelowDesiredAlarm.Properties.Metrics.0.Expression",
        "n - m",
        figures.test_a_formula_is_above_nothing_when_something_is_wrong,
    ),
    (
        "ReconcilerRun.Properties.MetricTransformations.0.DefaultValue",
        1,
        figures.test_a_line_of_the_log_counts_as_one_and_no_line_as_nothing,
    ),
    (
        f"{_BACKLOG}.CustomizedMetricSpecification.Metrics.1.MetricStat.Metric.Dimensions.ServiceName.Value",
        "order-api",
        scaling.test_processors_follow_what_waits_in_their_queue_and_how_many_run,
    ),
    (f"{_BACKLOG}.ScaleInCooldown", 5, scaling.test_tasks_come_fast_and_go_slowly),
    (
        "ApiRequestsPolicy.Properties.ScalingTargetId",
        {"Ref": "ProcessorScaling"},
        scaling.test_each_policy_scales_the_service_that_it_is_named_after,
    ),
    (
        "QueueAgeAlarm.Properties.AlarmActions",
        [{"Ref": "AlarmTopic"}],
        scaling.test_an_order_that_waits_too_long_brings_processors_at_once,
    ),
    # What is kept, and where it is.
    (
        "OrderIdSecret.DeletionPolicy",
        _KEPT_BY_FAILED_CREATIONS,
        availability.test_what_holds_data_outlives_the_stack_unless_its_creation_failed,
    ),
    (
        "ApiRepository.UpdateReplacePolicy",
        ABSENT,
        availability.test_what_holds_data_outlives_the_stack_unless_its_creation_failed,
    ),
    (
        "ReconcilerSchedule.Properties.Target.Input",
        _APPLIED_DRY,
        availability.test_orders_that_were_left_behind_are_looked_for_and_what_is_found_is_done,
    ),
    (
        "ApiTargets.Properties.HealthCheckIntervalSeconds",
        300,
        availability.test_a_task_that_takes_no_orders_gets_none_within_a_minute,
    ),
    (
        "OrdersTable.Properties.KeySchema.0.AttributeName",
        "id",
        invariants.test_a_table_has_the_key_that_the_code_asks_for,
    ),
    (
        "ApiGroup.Properties.SecurityGroupIngress.0.CidrIpv6",
        "::/0",
        network.test_whoever_is_outside_reaches_the_load_balancer_and_nothing_else,
    ),
    (
        "SqsEndpoint.Properties.PrivateDnsEnabled",
        False,
        network.test_an_endpoint_answers_under_the_services_own_name_in_both_zones,
    ),
    (
        "PrivateSubnet1.Properties.AvailabilityZone",
        {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
        network.test_a_zone_may_fail,
    ),
    (
        "ApiService.Properties.EnableExecuteCommand",
        True,
        services.test_nobody_gets_a_shell_in_a_task_and_every_task_is_on_the_bill_of_its_stack,
    ),
    (
        f"ReconcilerTask.{_CONTAINER}.User",
        "root",
        lambda template: services.test_containers_run_unprivileged_on_a_read_only_file_system(
            template, "ReconcilerTask"
        ),
    ),
    (
        "HttpsListener.Properties.SslPolicy",
        "ELBSecurityPolicy-2016-08",
        services.test_https_is_modern_and_http_leads_to_it,
    ),
]


@pytest.mark.parametrize(("path", "value", "invariant"), MISTAKES, ids=[path for path, _, _ in MISTAKES])
def test_an_invariant_sees_the_mistake(
    whole: Document, holds: Callable[[Mutation], None], path: str, value: object, invariant: Mutation
) -> None:
    holds(invariant)
    mutant = copy.deepcopy(whole)
    put(mutant, path, value)
    assert mutant != whole
    with pytest.raises(AssertionError):
        invariant(mutant)
