"""What is watched, and the first thing to do when it rings: a command of ours in every runbook."""

from troposphere import If, NoValue, dynamodb, sqs
from troposphere import applicationautoscaling as scaling

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.alarms import Metric, Watch
from cloudformation.resources.cluster import Cluster
from cloudformation.resources.function import Function
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.metric_filters import CONFLICTS, NAMESPACE, RUNS, STALLED, STOCK_RECLAIMED, STOCK_STUCK
from cloudformation.resources.services import Services
from cloudformation.resources.tables import Tables

# SQS holds about 120,000 messages in flight for one queue; this is 80 % of it.
IN_FLIGHT_THRESHOLD = 96_000
ASYNC_AGE_MS = 300_000
API_P99_SECONDS = 1.0
API_5XX_A_MINUTE = 10
BALANCER_5XX_A_MINUTE = 10
RECONCILER_SILENT_MINUTES = 60
_VISIBLE = "ApproximateNumberOfMessagesVisible"
_REDRIVE = "make dlq ARGS='list' says why; fix the cause, then make dlq ARGS='redrive --all'"


def queue_watches(
    *, parameters: PlatformParameters, messaging: Messaging, services: Services, age_steps: scaling.ScalingPolicy
) -> list[Watch]:
    """The work queue's age and depth in flight."""
    work = messaging.queue
    return [
        Watch(
            title="QueueAge",
            what="The oldest order in the queue waits longer than AcceptableWaitSeconds",
            runbook="make status; if the gateway answers, raise Workers or GatewayCapacity with make deploy",
            metric=_of_queue(work, "ApproximateAgeOfOldestMessage"),
            threshold=parameters.acceptable_wait_seconds.ref(),
            minutes=3,
            # The same moment that calls a human calls more processors.
            actions=(If(services.processor_on, age_steps.ref(), NoValue),),
        ),
        Watch(
            title="InFlight",
            what="The queue nears the 120,000 messages that SQS keeps in flight",
            runbook="make status, and make logs for the consumer that neither acknowledges messages nor fails",
            metric=_of_queue(work, "ApproximateNumberOfMessagesNotVisible"),
            threshold=IN_FLIGHT_THRESHOLD,
        ),
    ]


def dead_letter_watches(*, messaging: Messaging) -> list[Watch]:
    """Orders that were given up, and those that the topic could not deliver; the first ends a deployment."""
    topic = {"TopicName": messaging.topic.get_att("TopicName")}
    return [
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
            runbook="make changes shows what differs from the template; then make dlq ARGS='redrive --all'",
            metric=_of_queue(messaging.subscription_dead_letters, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="FailedDeliveries",
            what="Deliveries of the topic fail",
            runbook="make status shows whether orders arrive; make changes what differs from the template",
            metric=Metric(namespace="AWS/SNS", name="NumberOfNotificationsFailed", dimensions=topic, statistic="Sum"),
            minutes=1,
        ),
    ]


def answer_watches(*, balancer: LoadBalancer) -> list[Watch]:
    """What customers are answered: the API's 5xx and the load balancer's own, which end a deployment, and how late."""
    return [
        Watch(
            title="Api5xx",
            what="The API answers requests with 5xx",
            runbook="make logs ARGS='--service order-api'; a 503 is SNS without an answer, or SYNC_LIMIT",
            metric=_of_balancer(balancer, "HTTPCode_Target_5XX_Count", "Sum", of_targets=True),
            threshold=API_5XX_A_MINUTE,
        ),
        Watch(
            title="Balancer5xx",
            what="The load balancer itself answers with 5xx: no API task took the request",
            runbook="make status; where tasks run, make logs ARGS='--service order-api'",
            metric=_of_balancer(balancer, "HTTPCode_ELB_5XX_Count", "Sum"),
            threshold=BALANCER_5XX_A_MINUTE,
        ),
        Watch(
            title="ApiP99",
            what=f"One request in a hundred takes the API longer than {API_P99_SECONDS:g} s",
            runbook="make status; compare the CPU of the tasks with the latency of SNS, then raise MaximumApiTasks",
            metric=_of_balancer(balancer, "TargetResponseTime", "p99"),
            threshold=API_P99_SECONDS,
        ),
    ]


def host_watches(*, balancer: LoadBalancer, images_on: str) -> list[Watch]:
    """The API's tasks as the load balancer sees them."""
    return [
        Watch(
            title="UnhealthyHosts",
            what="API tasks run and are not ready",
            runbook="make logs ARGS='--service order-api', and find the check of /readyz that fails",
            metric=_of_balancer(balancer, "UnHealthyHostCount", "Maximum", of_targets=True),
        ),
        Watch(
            title="NoHealthyHosts",
            what="No API task takes requests: the shop is closed",
            runbook="make status for why tasks stopped, then make logs ARGS='--service order-api'",
            metric=_of_balancer(balancer, "HealthyHostCount", "Maximum", of_targets=True),
            threshold=1,
            below=True,
            minutes=2,
            missing="breaching",
            condition=images_on,
        ),
    ]


def task_watches(*, cluster: Cluster) -> list[Watch]:
    """Services that run fewer tasks than they should, and processors that bring nothing to its end."""

    def counted(name: str, service: str) -> Metric:
        dimensions = {"ClusterName": cluster.cluster.ref(), "ServiceName": service}
        return Metric(namespace="ECS/ContainerInsights", name=name, dimensions=dimensions)

    below = [
        Watch(
            title=f"{title}BelowDesired",
            what=f"Fewer tasks of {service} run than are wanted",
            runbook="make status shows the events of the service, which say why tasks stopped",
            metric=counted("DesiredTaskCount", service),
            less=counted("RunningTaskCount", service),
            minutes=10,
        )
        for title, service in (("Api", "order-api"), ("Processor", "order-processor"))
    ]
    stalled = Watch(
        title="ProcessorStalled",
        what="A processor takes messages and brings none to its end",
        runbook="make logs ARGS='--service order-processor'; mostly the gateway or the ledger does not answer",
        metric=_logged(STALLED),
        minutes=1,
    )
    return [*below, stalled]


def table_watches(*, tables: Tables) -> list[Watch]:
    """Tables that refuse requests, stock that a dead process had leased, and orders that keep theirs."""
    throttled = [
        _throttled(title, table)
        for title, table in (("Orders", tables.orders), ("Products", tables.products), ("Stock", tables.stock))
    ]
    reclaimed = Watch(
        title="StockReclaimed",
        what="A process that sold limited stock died, and what it had leased was reclaimed",
        runbook="make logs ARGS='--filter stock_session' names it; make status shows why its task stopped",
        metric=_logged(STOCK_RECLAIMED),
        minutes=1,
    )
    stuck = Watch(
        title="StockStuck",
        what="For ten minutes an order of limited stock, or what a dead process left, could be neither placed nor taken"
        " back: it keeps its units",
        runbook="make logs ARGS='--filter order_not' or '--filter stock_session_not' names it and says why; make"
        " status, if a table or topic is away",
        metric=_logged(STOCK_STUCK),
        minutes=10,
    )
    return [*throttled, reclaimed, stuck]


def _logged(name: str) -> Metric:
    """A count of lines of our services' logs."""
    return Metric(namespace=NAMESPACE, name=name, dimensions={}, statistic="Sum")


def _throttled(title: str, table: dynamodb.Table) -> Watch:
    def events(name: str) -> Metric:
        return Metric(namespace="AWS/DynamoDB", name=name, dimensions={"TableName": table.ref()}, statistic="Sum")

    return Watch(
        title=f"{title}Throttled",
        what=f"The table of {title.lower()} refuses requests",
        runbook="make status; on demand it grows by itself within minutes, to twice its last peak at once",
        metric=events("WriteThrottleEvents"),
        more=events("ReadThrottleEvents"),
        minutes=2,
    )


def function_watches(*, function: Function) -> list[Watch]:
    """The function's errors, which end a rollout, what it failed, its throttles, and the age of events that wait."""

    def of_function(name: str, statistic: str) -> Metric:
        dimensions = {"FunctionName": function.function.FunctionName}
        return Metric(namespace="AWS/Lambda", name=name, dimensions=dimensions, statistic=statistic)

    return [
        Watch(
            title="FunctionErrors",
            what="Invocations of the function fail",
            runbook="make logs ARGS='--service function', and look for lines with done false",
            metric=of_function("Errors", "Sum"),
        ),
        Watch(
            title="FunctionFailures",
            what="The function failed events for good",
            runbook=_REDRIVE,
            metric=_of_queue(function.failures, _VISIBLE),
            minutes=1,
        ),
        Watch(
            title="FunctionThrottles",
            what="Invocations of the function are throttled",
            runbook="make preflight compares the account's limit with ours; else make deploy with more GatewayCapacity",
            metric=of_function("Throttles", "Sum"),
        ),
        Watch(
            title="FunctionAge",
            what=f"Events wait longer than {ASYNC_AGE_MS // 60_000} minutes for the function",
            runbook="make deploy with more GatewayCapacity, as far as the gateway can follow",
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
            runbook="make logs ARGS='--filter reconciled' has its last runs; then make reconcile",
            metric=of_log(RUNS),
            # A run counts 1; a minute without one has no value.
            threshold=1,
            below=True,
            minutes=RECONCILER_SILENT_MINUTES,
            missing="breaching",
            condition=condition,
        ),
        Watch(
            title="ChargeConflict",
            what="The gateway and the ledger contradict each other about a charge or a refund",
            runbook="make logs ARGS='--filter charge_conflict' (or refund_refused); compare with the provider's books",
            metric=of_log(CONFLICTS),
            minutes=1,
        ),
    ]


def _of_queue(queue: sqs.Queue, metric: str) -> Metric:
    return Metric(namespace="AWS/SQS", name=metric, dimensions={"QueueName": queue.QueueName})


def _of_balancer(balancer: LoadBalancer, name: str, statistic: str, *, of_targets: bool = False) -> Metric:
    dimensions: dict[str, object] = {"LoadBalancer": balancer.balancer.get_att("LoadBalancerFullName")}
    if of_targets:
        dimensions["TargetGroup"] = balancer.targets.get_att("TargetGroupFullName")
    return Metric(namespace="AWS/ApplicationELB", name=name, dimensions=dimensions, statistic=statistic)
