"""The CloudWatch dashboard: what to look at during a sale, top to bottom."""

from troposphere import GenericHelperFn, Region, Sub, Template, cloudwatch

from cloudformation.resources.cluster import Cluster
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.metric_filters import COLD_START, COMPLETED, NAMESPACE

# In a row of metrics CloudWatch reads "." as the value above it, and "..." as all of them.
Row = list[object]
Figure = tuple[str, str, list[Row]]


def add_dashboard(template: Template, *, cluster: Cluster, balancer: LoadBalancer, messaging: Messaging) -> None:
    """Add the dashboard of the monitoring figures."""
    figures = [
        *_order_figures(messaging),
        *_api_figures(balancer.balancer.get_att("LoadBalancerFullName")),
        *_task_figures(cluster.cluster.ref()),
        *_function_figures(),
    ]
    body = {"widgets": [_widget(*figure) for figure in figures]}
    template.add_resource(
        cloudwatch.Dashboard(
            "Dashboard",
            DashboardName=Sub("${AWS::StackName}-${AWS::Region}"),
            DashboardBody=GenericHelperFn({"Fn::ToJsonString": body}),
        )
    )


def _order_figures(messaging: Messaging) -> list[Figure]:
    queue = messaging.queue.get_att("QueueName")
    accepted = ["AWS/SNS", "NumberOfMessagesPublished", "TopicName", messaging.topic.get_att("TopicName")]
    visible = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]
    return [
        ("Accepted and completed", "Sum", [accepted, [NAMESPACE, COMPLETED]]),
        ("Queue depth", "Maximum", [visible, [".", "ApproximateNumberOfMessagesNotVisible", ".", "."]]),
        ("Oldest order, s", "Maximum", [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]]),
    ]


def _api_figures(balancer: object) -> list[Figure]:
    response = ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", balancer]
    requests = ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", balancer]
    return [
        ("API response, s", "p99", [response, ["...", {"stat": "p50"}]]),
        ("API requests", "Sum", [requests, [".", "HTTPCode_Target_5XX_Count", ".", "."]]),
    ]


def _task_figures(cluster: object) -> list[Figure]:
    def of_services(namespace: str, metric: str) -> list[Row]:
        row = [namespace, metric, "ClusterName", cluster, "ServiceName", "order-api"]
        return [row, [".", ".", ".", ".", ".", "order-processor"]]

    return [
        ("CPU, %", "Average", of_services("AWS/ECS", "CPUUtilization")),
    ]


def _function_figures() -> list[Figure]:
    return [
        ("Function init, s", "p95", [[NAMESPACE, COLD_START], ["...", {"stat": "SampleCount"}]]),
    ]


def _widget(title: str, statistic: str, metrics: list[Row]) -> dict[str, object]:
    properties = {"title": title, "region": Region, "period": 60, "stat": statistic, "metrics": metrics}
    return {"type": "metric", "properties": properties}
