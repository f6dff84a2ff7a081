"""What is watched, and the first thing to do when it rings."""

from troposphere import If, NoValue, sqs
from troposphere import applicationautoscaling as scaling

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.alarms import Metric, Watch
from cloudformation.resources.cluster import Cluster
from cloudformation.resources.function import Function
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.metric_filters import CONFLICTS, NAMESPACE, RUNS
from cloudformation.resources.services import Services

# SQS holds about 120,000 messages in flight for one queue; this is 80 % of it.
IN_FLIGHT_THRESHOLD = 96_000
ASYNC_AGE_MS = 300_000
API_P99_SECONDS = 1.0
API_5XX_A_MINUTE = 10
RECONCILER_SILENT_MINUTES = 60
_VISIBLE = "ApproximateNumberOfMessagesVisible"
_DLQ = "python -m order_processor.dlq"
_REDRIVE = f"{_DLQ} list says why; fix the cause, then {_DLQ} redrive"


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
            what="The oldest order in the queue waits longer than AcceptableWaitSeconds",
            runbook="check that the gateway answers, then raise Workers or GatewayCapacity",
            metric=_of_queue(work, "ApproximateAgeOfOldestMessage"),
            threshold=parameters.acceptable_wait_seconds.ref(),
            minutes=3,
            # The same moment that calls a human calls more processors.
            actions=(If(services.processor_on, age_steps.ref(), NoValue),),
        ),
        Watch(
            title="InFlight",
            what="The queue nears the 120,000 messages that SQS keeps in flight",
            runbook="find the consumer that neither acknowledges messages nor fails",
            metric=_of_queue(work, "ApproximateNumberOfMessagesNotVisible"),
            threshold=IN_FLIGHT_THRESHOLD,
        ),
        Watch(
            title="DeadLetters",
            what="Orders were given up and wait among the dead letters",
            runbook=_REDRIVE,
            metric=_of_queue(messaging.dead_letters, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="Undelivered",
            what="The topic could not deliver orders to the queue or the function",
            runbook=f"compare the policies of queue and key with the template, then {_DLQ} redrive",
            metric=_of_queue(messaging.subscription_dead_letters, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="FunctionFailures",
            what="The function failed events for good",
            runbook=_REDRIVE,
            metric=_of_queue(function.failures, _VISIBLE),
            minutes=1,
        ),
    ]


def service_watches(*, balancer: LoadBalancer, cluster: Cluster) -> list[Watch]:
    """The API as the load balancer sees it, and the processor's tasks."""
    api = {"LoadBalancer": balancer.balancer.get_att("LoadBalancerFullName")}
    targets = api | {"TargetGroup": balancer.targets.get_att("TargetGroupFullName")}
    tasks = {"ClusterName": cluster.cluster.ref(), "ServiceName": "order-processor"}
    return [
        Watch(
            title="Api5xx",
            what="The API answers requests with 5xx",
            runbook="look for status 5xx in the log of the API; a 503 is SNS without an answer, or SYNC_LIMIT",
            metric=Metric(
                namespace="AWS/ApplicationELB", name="HTTPCode_Target_5XX_Count", dimensions=targets, statistic="Sum"
            ),
            threshold=API_5XX_A_MINUTE,
        ),
        Watch(
            title="ApiP99",
            what=f"One request in a hundred takes the API longer than {API_P99_SECONDS:g} s",
            runbook="compare the CPU of the tasks with the latency of SNS, then raise MaximumApiTasks",
            metric=Metric(namespace="AWS/ApplicationELB", name="TargetResponseTime", dimensions=api, statistic="p99"),
            threshold=API_P99_SECONDS,
        ),
        Watch(
            title="UnhealthyHosts",
            what="API tasks run and are not ready",
            runbook="find the check of /readyz that fails in the log of the API",
            metric=Metric(namespace="AWS/ApplicationELB", name="UnHealthyHostCount", dimensions=targets),
        ),
        Watch(
            title="ProcessorBelowDesired",
            what="Fewer processor tasks run than are wanted",
            runbook="read why tasks stopped in the events of the service order-processor",
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
            what="Invocations of the function fail",
            runbook="look for lines with done false in the log of the function",
            metric=of_function("Errors", "Sum"),
        ),
        Watch(
            title="FunctionThrottles",
            what="Invocations of the function are throttled",
            runbook="raise ReservedConcurrency, or the concurrency limit of the account",
            metric=of_function("Throttles", "Sum"),
        ),
        Watch(
            title="FunctionAge",
            what=f"Events wait longer than {ASYNC_AGE_MS // 60_000} minutes for the function",
            runbook="raise ReservedConcurrency, as far as the gateway can follow",
            metric=of_function("AsyncEventAge", "Maximum"),
            threshold=ASYNC_AGE_MS,
        ),
    ]


def reconciler_watches(*, condition: str) -> list[Watch]:
    """That the reconciler runs, and what it leaves to a human."""

    def of_log(name: str) -> Metric:
        return Metric(namespace=NAMESPACE, name=name, dimensions={})

    return [
        Watch(
            title="ReconcilerSilent",
            what=f"The reconciler has not looked through all orders for {RECONCILER_SILENT_MINUTES} minutes",
            runbook="read its last run in the log, stream order-reconciler; then python -m order_processor.reconcile",
            metric=of_log(RUNS),
            # A run counts 1: only minutes without one are above.
            threshold=1,
            minutes=RECONCILER_SILENT_MINUTES,
            silence=True,
            condition=condition,
        ),
        Watch(
            title="ChargeConflict",
            what="The gateway and the ledger contradict each other about an order",
            runbook="look for charge_conflict in the log, and compare the order with the provider's own books",
            metric=of_log(CONFLICTS),
            minutes=1,
        ),
    ]


def _of_queue(queue: sqs.Queue, metric: str) -> Metric:
    return Metric(namespace="AWS/SQS", name=metric, dimensions={"QueueName": queue.QueueName})
