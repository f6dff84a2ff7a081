"""What must hold of what alarms read: of the right thing, under the name that AWS publishes, minute by minute."""

from collections.abc import Iterator
from typing import Any

from cloudformation.tests.template_reading import Document, of_kind

# By namespace what AWS publishes, and how it is read: counts as sums, levels and ages by their worst.
PUBLISHED = {
    "AWS/ApplicationELB": {
        "HTTPCode_ELB_5XX_Count": "Sum", "HTTPCode_Target_5XX_Count": "Sum", "HealthyHostCount": "Maximum",
        "TargetResponseTime": "p99", "UnHealthyHostCount": "Maximum",
    },
    "AWS/DynamoDB": {"ReadThrottleEvents": "Sum", "WriteThrottleEvents": "Sum"},
    "AWS/Lambda": {"AsyncEventAge": "Maximum", "Errors": "Sum", "Throttles": "Sum"},
    "AWS/SNS": {"NumberOfNotificationsFailed": "Sum"},
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage": "Maximum", "ApproximateNumberOfMessagesNotVisible": "Maximum",
        "ApproximateNumberOfMessagesVisible": "Maximum",
    },
    "ECS/ContainerInsights": {"DesiredTaskCount": "Maximum", "RunningTaskCount": "Maximum"},
}  # fmt: skip
# A line is a 1 of ours: that there was one is said by the sum and by the maximum.
OF_OURS = {"Sum", "Maximum"}
QUEUES = {
    "DeadLettersAlarm": "DeadLetters", "FunctionFailuresAlarm": "FunctionFailures", "InFlightAlarm": "Queue",
    "QueueAgeAlarm": "Queue", "UndeliveredAlarm": "Undelivered",
}  # fmt: skip
TABLES = {"OrdersThrottledAlarm": "OrdersTable", "ProductsThrottledAlarm": "ProductsTable"}
TABLES |= {"StockThrottledAlarm": "StockTable"}
SERVICES = {"ApiBelowDesiredAlarm": "order-api", "ProcessorBelowDesiredAlarm": "order-processor"}


def alarms(template: Document) -> dict[str, Document]:
    return of_kind(template, "AWS::CloudWatch::Alarm")


def read(alarm: Document) -> Iterator[tuple[Any, str, str, Any, int]]:
    """Namespace, name, statistic, dimensions by name, and period of every metric of an alarm."""
    if "Metrics" not in alarm:
        statistic = str(alarm.get("Statistic", alarm.get("ExtendedStatistic")))
        yield alarm["Namespace"], alarm["MetricName"], statistic, of(alarm), alarm["Period"]
    for query in alarm.get("Metrics", []):
        if "MetricStat" in query:
            metric, how = query["MetricStat"]["Metric"], query["MetricStat"]
            yield metric["Namespace"], metric["MetricName"], how["Stat"], of(metric), how["Period"]


def of(metric: Document) -> dict[str, Any]:
    return {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}


def test_an_alarm_reads_what_is_published_as_it_is_to_be_read(whole: Document) -> None:
    for title, alarm in alarms(whole).items():
        for namespace, name, statistic, dimensions, period in read(alarm):
            if namespace == {"Ref": "AWS::StackName"}:
                assert (statistic in OF_OURS, dimensions) == (True, {}), title
            else:
                assert PUBLISHED[namespace].get(name) == statistic, title
            assert period == 60, title


def test_an_alarm_is_of_what_it_is_named_after(whole: Document) -> None:
    found = {title: [dimensions for _, _, _, dimensions, _ in read(alarm)] for title, alarm in alarms(whole).items()}
    for title, queue in QUEUES.items():
        assert found[title] == [{"QueueName": whole["Resources"][queue]["Properties"]["QueueName"]}], title
    for title, table in TABLES.items():
        assert found[title] == [{"TableName": {"Ref": table}}] * 2, title
    for title, service in SERVICES.items():
        assert found[title] == [{"ClusterName": {"Ref": "Cluster"}, "ServiceName": service}] * 2, title
    for title in ("FunctionAgeAlarm", "FunctionErrorsAlarm", "FunctionThrottlesAlarm"):
        name = whole["Resources"]["Function"]["Properties"]["FunctionName"]
        assert found[title] == [{"FunctionName": name}], title
    assert found["FailedDeliveriesAlarm"] == [{"TopicName": {"Fn::GetAtt": ["Topic", "TopicName"]}}]
    balancer = {"LoadBalancer": {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}}
    targets = balancer | {"TargetGroup": {"Fn::GetAtt": ["ApiTargets", "TargetGroupFullName"]}}
    assert found["Balancer5xxAlarm"] == found["ApiP99Alarm"] == [balancer]
    for title in ("Api5xxAlarm", "NoHealthyHostsAlarm", "UnhealthyHostsAlarm"):
        assert found[title] == [targets], title


def test_a_formula_is_above_nothing_when_something_is_wrong(whole: Document) -> None:
    for title in SERVICES:
        result, desired, running = alarms(whole)[title]["Metrics"]
        assert result["Expression"] == f"{desired['Id']} - {running['Id']}", title
        names = [query["MetricStat"]["Metric"]["MetricName"] for query in (desired, running)]
        assert names == ["DesiredTaskCount", "RunningTaskCount"], title
    for title in TABLES:
        result, one, other = alarms(whole)[title]["Metrics"]
        # One of the two has nothing to say for most of the time, and without FILL there is no sum then.
        assert result["Expression"] == f"FILL({one['Id']}, 0) + FILL({other['Id']}, 0)", title


def test_every_alarm_calls_somebody_at_every_breach(whole: Document) -> None:
    for title, alarm in alarms(whole).items():
        assert alarm.get("ActionsEnabled", True) is True, title
        assert alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == alarm["EvaluationPeriods"], title
        # Said, and not left to CloudWatch, for which what is missing is neither well nor wrong.
        assert alarm.get("TreatMissingData") in {"breaching", "notBreaching"}, title


def test_a_line_of_the_log_counts_as_one_and_no_line_as_nothing(whole: Document) -> None:
    for title, each in of_kind(whole, "AWS::Logs::MetricFilter").items():
        (transformation,) = each["MetricTransformations"]
        # But for what the function's start took, which is a figure of its line.
        assert transformation["MetricValue"] == ("$.init_seconds" if title == "FunctionStarts" else "1"), title
        assert "DefaultValue" not in transformation, title
        assert transformation["MetricNamespace"] == {"Ref": "AWS::StackName"}, title
        logs = "FunctionLogs" if title.startswith("Function") else "ServiceLogs"
        assert each["LogGroupName"] == {"Ref": logs}, title


def test_the_budget_is_told_of_before_it_is_spent(whole: Document) -> None:
    (budget,) = of_kind(whole, "AWS::Budgets::Budget").values()
    (told,) = budget["NotificationsWithSubscribers"]
    assert told["Notification"]["NotificationType"] == "FORECASTED"
    assert told["Notification"]["Threshold"] <= 100, "in percent of it"
    assert told["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": {"Ref": "AlarmEmail"}}]
