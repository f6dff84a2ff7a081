"""What must hold of the alarms, whoever adds one: they can ring, they reach somebody, and deployments heed them."""

import re
from pathlib import Path

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.resources.metric_filters import ORDER_STUCK, PROCESSOR_STALLED, SESSION_RECLAIMED, SESSION_STUCK
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document, of_kind

DAY_SECONDS = 24 * 3600
# The most that a metric shows when something is wrong; a threshold at or above it never rings.
REACHABLE = {
    "ApproximateNumberOfMessagesVisible": 1,
    "ApproximateNumberOfMessagesNotVisible": 120_000,
    "AsyncEventAge": 6 * 3600 * 1000,
    "Errors": 1,
    "ChargeConflicts": 1,
    "HTTPCode_ELB_5XX_Count": 100,
    "HTTPCode_Target_5XX_Count": 100,
    "NumberOfNotificationsFailed": 1,
    "ProcessorStalled": 1,
    "StockOrdersStuck": 1,
    "StockSessionsReclaimed": 1,
    "TargetResponseTime": 14,
    "Throttles": 1,
    "UnHealthyHostCount": 1,
}
# Of formulas: tasks that do not run, requests that a table refused.
REACHABLE_BY_FORMULA = 1
WATCHED = {
    "Api5xxAlarm", "Balancer5xxAlarm", "NoHealthyHostsAlarm", "ApiBelowDesiredAlarm", "ProcessorBelowDesiredAlarm",
    "OrdersThrottledAlarm", "ProductsThrottledAlarm", "StockThrottledAlarm", "FailedDeliveriesAlarm", "QueueAgeAlarm",
    "DeadLettersAlarm", "UndeliveredAlarm", "FunctionFailuresAlarm", "ProcessorStalledAlarm", "StockReclaimedAlarm",
    "StockStuckAlarm",
}  # fmt: skip


def test_what_must_be_watched_is_watched(whole: Document) -> None:
    assert set(of_kind(whole, "AWS::CloudWatch::Alarm")) >= WATCHED


def test_every_alarm_can_ring(whole: Document) -> None:
    for title, alarm in of_kind(whole, "AWS::CloudWatch::Alarm").items():
        threshold = alarm["Threshold"]
        if isinstance(threshold, dict):
            assert whole["Parameters"][threshold["Ref"]]["MaxValue"] < DAY_SECONDS, title
        elif alarm["ComparisonOperator"] == "LessThanThreshold":
            assert threshold >= 1, title
        else:
            assert threshold < REACHABLE.get(alarm.get("MetricName", ""), REACHABLE_BY_FORMULA), title
        # The reconciler runs every quarter of an hour: three runs that did not come to their end are a reason.
        assert alarm["EvaluationPeriods"] <= (60 if title == "ReconcilerSilentAlarm" else 10), title


def test_a_shop_without_tasks_rings_although_nothing_is_measured(whole: Document) -> None:
    alarms = of_kind(whole, "AWS::CloudWatch::Alarm")
    breaching = {title for title, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {"NoHealthyHostsAlarm", "ReconcilerSilentAlarm"}
    # Before there is an image there is no task either, and nobody is to be woken.
    assert {whole["Resources"][title]["Condition"] for title in breaching} == {"HasImages"}


def test_an_alarm_rings_for_too_much_unless_it_counts_what_must_be_there(whole: Document) -> None:
    for title, alarm in of_kind(whole, "AWS::CloudWatch::Alarm").items():
        rings_for_less = title in {"NoHealthyHostsAlarm", "ReconcilerSilentAlarm"}
        direction = "LessThan" if rings_for_less else "GreaterThan"
        assert alarm["ComparisonOperator"].startswith(direction), title
        # Waits and ages by the worst of them: an average hides the order that nobody works on.
        if {"ApproximateAgeOfOldestMessage", "AsyncEventAge"} & {alarm.get("MetricName")}:
            assert alarm["Statistic"] == "Maximum", title
        if alarm.get("MetricName") == "TargetResponseTime":
            assert alarm["ExtendedStatistic"] == "p99", title


@pytest.mark.parametrize("customer_key", ["true", "false"])
def test_an_alarm_may_call_its_topic_whatever_the_key(whole: Document, customer_key: str) -> None:
    given = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    resources = Evaluation(template=whole, parameters=given | {"CustomerKey": customer_key}).resources()
    key = resources["AlarmTopic"]["Properties"].get("KmsMasterKeyId")
    assert key == ({"Fn::GetAtt": ["Key", "Arn"]} if customer_key == "true" else None)
    if customer_key == "true":
        statements = resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
        allowed = [s["Action"] for s in statements if "cloudwatch.amazonaws.com" in s["Principal"].get("Service", [])]
        assert [{"kms:Decrypt", "kms:GenerateDataKey*"} <= set(actions) for actions in allowed] == [True]


def test_deployments_end_and_roll_back_when_their_alarms_ring(whole: Document) -> None:
    expected = {"ApiService": {"Api5xxAlarm", "Balancer5xxAlarm"}, "ProcessorService": {"DeadLettersAlarm"}}
    for title, alarms in expected.items():
        watched = whole["Resources"][title]["Properties"]["DeploymentConfiguration"]["Alarms"]
        assert {name["Ref"] for name in watched["AlarmNames"]} == alarms
        assert (watched["Enable"], watched["Rollback"]) == (True, True)


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        (PROCESSOR_STALLED, "services/order-processor/src/order_processor/stall_log.py"),
        (SESSION_RECLAIMED, "libs/flashstock/src/flashstock/reclaimer.py"),
        (SESSION_STUCK, "libs/flashstock/src/flashstock/reclaimer.py"),
        (ORDER_STUCK, "libs/flashstock/src/flashstock/hold.py"),
    ],
)
def test_what_alarms_read_from_the_log_is_what_the_code_writes(whole: Document, pattern: str, source: str) -> None:
    filters = of_kind(whole, "AWS::Logs::MetricFilter").values()
    assert pattern in {each["FilterPattern"] for each in filters}
    events = re.findall(r'\$\.event = "(\w+)"', pattern)
    assert events
    for event in events:
        assert f'warning("{event}"' in Path(PROJECT / source).read_text(encoding="utf-8")


def test_every_metric_of_ours_that_an_alarm_reads_comes_from_a_filter(whole: Document) -> None:
    made = {
        transformation["MetricName"]
        for each in of_kind(whole, "AWS::Logs::MetricFilter").values()
        for transformation in each["MetricTransformations"]
    }
    of_ours = [a for a in of_kind(whole, "AWS::CloudWatch::Alarm").values() if isinstance(a.get("Namespace"), dict)]
    assert {alarm["MetricName"] for alarm in of_ours} == {
        "ChargeConflicts",
        "ProcessorStalled",
        "ReconcilerRuns",
        "StockOrdersStuck",
        "StockSessionsReclaimed",
    }
    assert {alarm["MetricName"] for alarm in of_ours} <= made
