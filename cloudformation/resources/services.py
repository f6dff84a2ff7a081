"""The three Fargate services: intake, settling, and by parameter the simulated payment provider."""

from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import And, Equals, If, Region, Sub, Template, cloudwatch, ecs

from cloudformation.parameters.kinds import both
from cloudformation.resources.cluster import NAMESPACE
from cloudformation.resources.iam import ORDERS_ACTIONS, STOCK_ACTIONS, allow
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.security_groups import API_PORT, GATEWAY_PORT, PROCESSOR_PORT, SecurityGroups
from cloudformation.resources.tables import Tables
from cloudformation.resources.tasks import Platform, Workload, add_service

# Above the processor's drain and the API's longest order (tests hold both); 120 s is Fargate's most.
PROCESSOR_STOP_SECONDS = 120
API_STOP_SECONDS = 60
GATEWAY_STOP_SECONDS = 60
# For as long the API still takes requests after SIGTERM: until the load balancer has heard of it.
API_DRAIN_GRACE_SECONDS = 10
GATEWAY_NAME = "payment-gateway"
# As in the image's CHARGE_STORE_PATH and VOLUME: the one place it may write to, gone with the task.
GATEWAY_DATA = "/data"
QUEUE_ACTIONS = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage")


@dataclass(frozen=True, kw_only=True)
class Services:
    """The running services and the conditions they exist under."""

    api: ecs.Service
    processor: ecs.Service
    gateway: ecs.Service
    api_on: str
    processor_on: str


@dataclass(frozen=True, kw_only=True)
class DeploymentAlarms:
    """What ends a deployment and rolls it back, beside tasks that do not start."""

    api: tuple[cloudwatch.Alarm, ...]
    processor: tuple[cloudwatch.Alarm, ...]


def payment_gateway_url(platform: Platform) -> object:
    """Where payments go: the simulated provider's name in the VPC, or the external one."""
    inside = Sub(f"http://{GATEWAY_NAME}.{NAMESPACE}:{GATEWAY_PORT}")
    return If(platform.parameters.simulated_on, inside, platform.pipeline.gateway_url.ref())


def add_services(
    template: Template,
    *,
    platform: Platform,
    security_groups: SecurityGroups,
    balancer: LoadBalancer,
    messaging: Messaging,
    tables: Tables,
    gateway_url: object,
    alarms: DeploymentAlarms,
) -> Services:
    """Add the services; each appears when an image tag is given, and the processor when it is the consumer."""
    images_on = platform.parameters.images_on
    processor_on = template.add_condition(
        "RunsProcessor", And({"Condition": images_on}, Equals(platform.pipeline.consumer.ref(), "ecs"))
    )
    gateway_on = both(template, "RunsGateway", images_on, platform.parameters.simulated_on)
    timing = {
        "AWS_REGION": Region,
        "GATEWAY_URL": gateway_url,
        "ORDERS_TABLE": tables.orders.ref(),
        "STOCK_TABLE": tables.stock.ref(),
        "PAYMENT_TIMEOUT_SECONDS": platform.pipeline.payment_timeout_seconds.ref(),
        "LEASE_SECONDS": platform.pipeline.lease_seconds.ref(),
        "OUTCOMES_TOPIC_ARN": messaging.outcomes.arn,
        "ORDER_RETENTION_DAYS": platform.pipeline.order_retention_days.ref(),
    }
    return Services(
        api=_add_api(template, platform, security_groups, balancer, messaging, tables, timing, alarms.api),
        processor=_add_processor(
            template, platform, security_groups, messaging, tables, timing, processor_on, alarms.processor
        ),
        gateway=_add_gateway(template, platform, security_groups, gateway_on),
        api_on=images_on,
        processor_on=processor_on,
    )


def _add_api(
    template: Template,
    platform: Platform,
    security_groups: SecurityGroups,
    balancer: LoadBalancer,
    messaging: Messaging,
    tables: Tables,
    timing: dict[str, object],
    alarms: Sequence[cloudwatch.Alarm],
) -> ecs.Service:
    workload = Workload(
        title="Api",
        name="order-api",
        condition=platform.parameters.images_on,
        repository=platform.repositories.api,
        port=API_PORT,
        size=platform.parameters.api_size.ref(),
        environment={
            **timing,
            "ORDERS_TOPIC_ARN": messaging.topic.ref(),
            "PRODUCTS_TABLE": tables.products.ref(),
            "DRAIN_GRACE_SECONDS": API_DRAIN_GRACE_SECONDS,
            "SYNC_LIMIT": platform.parameters.capacity.sync_limit,
        },
        secrets=_order_id_secrets(platform),
        statements=[
            allow("sns:Publish", on=messaging.topic.ref()),
            allow("dynamodb:Scan", on=tables.products.get_att("Arn")),
            *_settling(messaging, tables),
        ],
        group=security_groups.api.ref(),
        stop_timeout_seconds=API_STOP_SECONDS,
        deployment_alarms=alarms,
        load_balancers=[
            ecs.LoadBalancer(ContainerName="order-api", ContainerPort=API_PORT, TargetGroupArn=balancer.targets.ref())
        ],
        # A target group must hang on a listener before a service may use it; with a certificate that is the HTTPS one.
        depends_on=[str(balancer.attached.title)],
    )
    return add_service(template, workload, platform=platform)


def _order_id_secrets(platform: Platform) -> dict[str, object]:
    secret, other_version = platform.execution.order_id_secret, platform.parameters.previous_order_id_secret
    return {
        "ORDER_ID_SECRET": secret.ref(),
        # The same version twice unless secrets are being exchanged: then `:::` names another one's stage.
        "ORDER_ID_SECRET_PREVIOUS": Sub(f"${{{secret.title}}}::${{{other_version.title}}}:"),
    }


def _settling(messaging: Messaging, tables: Tables) -> list[object]:
    """What whoever settles orders may do."""
    return [
        messaging.outcomes.may_publish,
        allow(*ORDERS_ACTIONS, on=tables.orders.get_att("Arn")),
        allow(*STOCK_ACTIONS, on=tables.stock.get_att("Arn")),
    ]


def _add_processor(
    template: Template,
    platform: Platform,
    security_groups: SecurityGroups,
    messaging: Messaging,
    tables: Tables,
    timing: dict[str, object],
    condition: str,
    alarms: Sequence[cloudwatch.Alarm],
) -> ecs.Service:
    workload = Workload(
        title="Processor",
        name="order-processor",
        condition=condition,
        repository=platform.repositories.processor,
        port=PROCESSOR_PORT,
        size=platform.parameters.processor_size.ref(),
        environment={
            **timing,
            "QUEUE_URL": messaging.queue.ref(),
            "DEAD_LETTER_QUEUE_URL": messaging.dead_letters.ref(),
            "WORKERS": platform.parameters.capacity.workers.ref(),
            "VISIBILITY_SECONDS": platform.pipeline.visibility_seconds.ref(),
            "MAX_RECEIVES": platform.pipeline.max_receives.ref(),
        },
        statements=[
            allow(*QUEUE_ACTIONS, on=messaging.queue.get_att("Arn")),
            allow("sqs:SendMessage", on=messaging.dead_letters.get_att("Arn")),
            *_settling(messaging, tables),
        ],
        group=security_groups.consumer.ref(),
        stop_timeout_seconds=PROCESSOR_STOP_SECONDS,
        deployment_alarms=alarms,
        on_spot=True,
        in_a_deployment=platform.parameters.capacity.processors_in_a_deployment,
    )
    return add_service(template, workload, platform=platform)


def _add_gateway(
    template: Template, platform: Platform, security_groups: SecurityGroups, condition: str
) -> ecs.Service:
    workload = Workload(
        title="Gateway",
        name=GATEWAY_NAME,
        condition=condition,
        repository=platform.repositories.gateway,
        port=GATEWAY_PORT,
        size=None,
        environment={
            "CAPACITY": platform.parameters.capacity.gateway_capacity.ref(),
            "LATENCY_SECONDS": platform.parameters.payment_seconds.ref(),
        },
        statements=[],
        group=security_groups.gateway.ref(),
        stop_timeout_seconds=GATEWAY_STOP_SECONDS,
        writable_folder=GATEWAY_DATA,
        # One ledger: never two of it at once.
        in_a_deployment=(0, 100),
    )
    return add_service(template, workload, platform=platform)
