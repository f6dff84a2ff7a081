"""What must hold of scaling: by the right figure, of the right service, out at once and in slowly."""

from cloudformation.parameters.sale import ORDERS_PER_TASK
from cloudformation.tests.template_reading import Document, named

OF_THE_QUEUE = [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}]
OF_THE_PROCESSOR = [
    {"Name": "ClusterName", "Value": {"Ref": "Cluster"}},
    {"Name": "ServiceName", "Value": "order-processor"},
]
DRAIN_SECONDS = 120


def properties(template: Document, title: str) -> Document:
    found: Document = template["Resources"][title]["Properties"]
    return found


def tracking(template: Document, title: str) -> Document:
    found: Document = properties(template, title)["TargetTrackingScalingPolicyConfiguration"]
    return found


def test_processors_follow_what_waits_in_their_queue_and_how_many_run(whole: Document) -> None:
    *measured, waiting = tracking(whole, "ProcessorBacklogPolicy")["CustomizedMetricSpecification"]["Metrics"]
    read = [each["MetricStat"]["Metric"]["Dimensions"] for each in measured]
    assert read == [OF_THE_QUEUE, OF_THE_PROCESSOR]
    assert [each["MetricStat"]["Metric"]["Namespace"] for each in measured] == ["AWS/SQS", "ECS/ContainerInsights"]
    # Both are levels: a sum would count a message once for every time that it was looked at.
    assert [each["MetricStat"]["Stat"] for each in measured] == ["Average", "Average"]
    assert [each["ReturnData"] for each in (*measured, waiting)] == [False, False, True]
    settings = properties(whole, "Cluster")["ClusterSettings"]
    assert {"Name": "containerInsights", "Value": "enabled"} in settings, "who runs is a metric of Container Insights"


def test_the_api_follows_the_requests_that_each_of_its_tasks_gets(whole: Document) -> None:
    configuration = tracking(whole, "ApiRequestsPolicy")
    metric = configuration["PredefinedMetricSpecification"]
    assert metric["PredefinedMetricType"] == "ALBRequestCountPerTarget"
    assert named(metric["ResourceLabel"]) == {"Balancer", "ApiTargets"}
    assert configuration["TargetValue"] == 60 * ORDERS_PER_TASK, "of a minute"


def test_each_policy_scales_the_service_that_it_is_named_after(whole: Document) -> None:
    targets = {"ApiRequestsPolicy": "Api", "ProcessorBacklogPolicy": "Processor", "ProcessorAgePolicy": "Processor"}
    for title, service in targets.items():
        assert properties(whole, title)["ScalingTargetId"] == {"Ref": f"{service}Scaling"}, title
        resource = properties(whole, f"{service}Scaling")["ResourceId"]["Fn::Join"]
        assert resource == ["/", ["service", {"Ref": "Cluster"}, {"Fn::GetAtt": [f"{service}Service", "Name"]}]]


def test_tasks_come_fast_and_go_slowly(whole: Document) -> None:
    for title in ("ApiRequestsPolicy", "ProcessorBacklogPolicy"):
        configuration = tracking(whole, title)
        assert configuration["ScaleOutCooldown"] <= 60, title
        assert configuration["ScaleInCooldown"] > DRAIN_SECONDS, title
        assert configuration.get("DisableScaleIn", False) is False, title


def test_an_order_that_waits_too_long_brings_processors_at_once(whole: Document) -> None:
    actions = properties(whole, "QueueAgeAlarm")["AlarmActions"]
    assert "ProcessorAgePolicy" in named(actions)
    steps = properties(whole, "ProcessorAgePolicy")["StepScalingPolicyConfiguration"]
    assert all(step["ScalingAdjustment"] > 0 for step in steps["StepAdjustments"])
    # From the alarm's own threshold on without a gap.
    first, *further = steps["StepAdjustments"]
    assert first["MetricIntervalLowerBound"] == 0
    assert [step["MetricIntervalLowerBound"] for step in further] == [first["MetricIntervalUpperBound"]]
    assert "MetricIntervalUpperBound" not in further[-1]
