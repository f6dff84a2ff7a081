"""What is watched, and the first thing to do when it rings."""

from troposphere import If, NoValue, sqs
from troposphere import applicationautoscaling as scaling

from cloudformation.alarms import Metric, Watch
from cloudformation.balancer import Balancer
from cloudformation.cluster import Cluster
from cloudformation.function import Function
from cloudformation.messaging import Messaging
from cloudformation.platform_parameters import PlatformParameters
from cloudformation.services import Services

# SQS holds about 120,000 messages in flight for one queue; this is 80 % of it.
IN_FLIGHT_THRESHOLD = 96_000
ASYNC_AGE_MS = 300_000
API_P99_SECONDS = 1.0
API_5XX_A_MINUTE = 10
_VISIBLE = "ApproximateNumberOfMessagesVisible"
_REDRIVE = "read dead_letter_reason, fix the cause, redrive"


def queue_watches(
    *,
    parameters: PlatformParameters,
    messaging: Messaging,
    function: Function,
    services: Services,
    age_steps: scaling.ScalingPolicy,
) -> list[Watch]:
    """The work queue's age and depth in flight, and every queue that should be empty."""
    work = messaging.queue
    return [
        Watch(
            title="QueueAge",
            what="Orders wait too long",
            runbook="check the gateway, then raise Workers or GatewayCapacity",
            metric=_of_queue(work, "ApproximateAgeOfOldestMessage"),
            threshold=parameters.acceptable_wait_seconds.ref(),
            minutes=3,
            # The same moment that calls a human calls more processors.
            actions=(If(services.processor_on, age_steps.ref(), NoValue),),
        ),
        Watch(
            title="InFlight",
            what="SQS nears its limit in flight",
            runbook="find the consumer that neither acknowledges nor fails",
            metric=_of_queue(work, "ApproximateNumberOfMessagesNotVisible"),
            threshold=IN_FLIGHT_THRESHOLD,
        ),
        Watch(
            title="DeadLetters",
            what="Orders were given up",
            runbook=_REDRIVE,
            metric=_of_queue(messaging.dead_letters, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="Undelivered",
            what="The topic could not deliver",
            runbook="compare queue and key policy with the template, publish again",
            metric=_of_queue(messaging.subscription_dead_letters, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="FunctionFailures",
            what="Events failed for good",
            runbook="read responsePayload, fix the cause, publish requestPayload again",
            metric=_of_queue(function.failures, _VISIBLE),
            minutes=1,
        ),
    ]


def service_watches(*, balancer: Balancer, cluster: Cluster) -> list[Watch]:
    """The API as the load balancer sees it, and the processor's tasks."""
    api = {"LoadBalancer": balancer.balancer.get_att("LoadBalancerFullName")}
    targets = api | {"TargetGroup": balancer.targets.get_att("TargetGroupFullName")}
    tasks = {"ClusterName": cluster.cluster.ref(), "ServiceName": "order-processor"}
    return [
        Watch(
            title="Api5xx",
            what="The API fails requests",
            runbook="look for status 5xx in the log; 503 is SNS or SYNC_LIMIT",
            metric=Metric(
                namespace="AWS/ApplicationELB", name="HTTPCode_Target_5XX_Count", dimensions=targets, statistic="Sum"
            ),
            threshold=API_5XX_A_MINUTE,
        ),
        Watch(
            title="ApiP99",
            what=f"The API's p99 is over {API_P99_SECONDS:g} s",
            runbook="compare CPU and SNS latency; raise MaximumApiTasks",
            metric=Metric(namespace="AWS/ApplicationELB", name="TargetResponseTime", dimensions=api, statistic="p99"),
            threshold=API_P99_SECONDS,
        ),
        Watch(
            title="UnhealthyHosts",
            what="API tasks are not ready",
            runbook="find the failed check in the log of /readyz",
            metric=Metric(namespace="AWS/ApplicationELB", name="UnHealthyHostCount", dimensions=targets),
        ),
        Watch(
            title="ProcessorBelowDesired",
            what="Processor tasks are missing",
            runbook="read why tasks stopped in the service's events",
            metric=Metric(namespace="ECS/ContainerInsights", name="DesiredTaskCount", dimensions=tasks),
            minus=Metric(namespace="ECS/ContainerInsights", name="RunningTaskCount", dimensions=tasks),
            minutes=10,
        ),
    ]


def function_watches(*, function: Function) -> list[Watch]:
    """The function's errors, throttles, and the age of events that wait for it."""

    def of_function(name: str, statistic: str) -> Metric:
        dimensions = {"FunctionName": function.function.FunctionName}
        return Metric(namespace="AWS/Lambda", name=name, dimensions=dimensions, statistic=statistic)

    return [
        Watch(
            title="FunctionErrors",
            what="Invocations fail",
            runbook="look for done false in the log",
            metric=of_function("Errors", "Sum"),
        ),
        Watch(
            title="FunctionThrottles",
            what="Invocations are throttled",
            runbook="raise ReservedConcurrency or the account's limit",
            metric=of_function("Throttles", "Sum"),
        ),
        Watch(
            title="FunctionAge",
            what="Events wait too long",
            runbook="raise ReservedConcurrency",
            metric=of_function("AsyncEventAge", "Maximum"),
            threshold=ASYNC_AGE_MS,
        ),
    ]


def _of_queue(queue: sqs.Queue, metric: str) -> Metric:
    return Metric(namespace="AWS/SQS", name=metric, dimensions={"QueueName": queue.QueueName})
