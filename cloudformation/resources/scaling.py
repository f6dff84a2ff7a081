"""How many tasks run: the API follows its requests, the processor the work that waits.

The processor's rule is backlog per task: a task is due when the visible messages, divided by the payments all tasks
can make, wait longer than is acceptable. Written as seconds of waiting,

    visible x payment seconds / (running tasks x workers)  against  acceptable wait

which is the same as visible / running against acceptable wait / payment seconds x workers, without the division that
CloudFormation cannot do. A scaled-in task is not killed while it works: it drains within its stop timeout.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import If, Join, NoValue, Parameter, Sub, Template, ecs
from troposphere import applicationautoscaling as scaling

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.parameters.sale import ORDERS_PER_TASK, SaleParameters
from cloudformation.resources.cluster import Cluster
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.services import Services

# A minute.
API_REQUESTS_PER_TASK = 60 * ORDERS_PER_TASK
SCALE_OUT_SECONDS = 60
# Longer than a drain, so that a second task is not taken before the first has shown what its going does.
SCALE_IN_SECONDS = 300


def add_scaling(
    template: Template,
    *,
    parameters: PlatformParameters,
    sale: SaleParameters,
    cluster: Cluster,
    balancer: LoadBalancer,
    messaging: Messaging,
    services: Services,
) -> scaling.ScalingPolicy:
    """Add targets and policies of API and processor; returns the steps that the queue-age alarm takes."""
    api = _add_target(template, "Api", services.api, cluster, services.api_on, _api_bounds(parameters, sale))
    requests = scaling.TargetTrackingScalingPolicyConfiguration(
        PredefinedMetricSpecification=_requests(balancer), TargetValue=API_REQUESTS_PER_TASK
    )
    _add_tracking(template, "ApiRequests", api, services.api_on, requests)
    bounds = _processor_bounds(parameters, sale)
    processor = _add_target(template, "Processor", services.processor, cluster, services.processor_on, bounds)
    backlog = scaling.TargetTrackingScalingPolicyConfiguration(
        CustomizedMetricSpecification=scaling.CustomizedMetricSpecification(
            Metrics=_waiting_seconds(parameters, cluster, messaging)
        ),
        TargetValue=parameters.acceptable_wait_seconds.ref(),
    )
    _add_tracking(template, "ProcessorBacklog", processor, services.processor_on, backlog)
    return _add_age_steps(template, processor, services.processor_on)


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    """The fewest and the most tasks, on ordinary days and in a sale."""

    least: object
    most: object
    sale: SaleParameters
    sale_least: object

    def scheduled(self) -> If:
        """The actions by which a sale begins and ends."""
        return If(
            self.sale.sale_on,
            [
                self._action("SaleStart", self.sale.start, least=self.sale_least),
                self._action("SaleEnd", self.sale.end, least=self.least),
            ],
            NoValue,
        )

    def _action(self, name: str, moment: Parameter, *, least: object) -> scaling.ScheduledAction:
        return scaling.ScheduledAction(
            ScheduledActionName=name,
            Schedule=Sub(f"at(${{{moment.title}}})"),
            ScalableTargetAction=scaling.ScalableTargetAction(MinCapacity=least, MaxCapacity=self.most),
        )


def _api_bounds(parameters: PlatformParameters, sale: SaleParameters) -> _Bounds:
    return _Bounds(
        least=parameters.minimum_api_tasks.ref(),
        most=parameters.capacity.maximum_api_tasks.ref(),
        sale=sale,
        sale_least=sale.api_tasks,
    )


def _processor_bounds(parameters: PlatformParameters, sale: SaleParameters) -> _Bounds:
    most = parameters.capacity.maximum_processors
    return _Bounds(least=If(parameters.pre_scale_on, most, 1), most=most, sale=sale, sale_least=most)


def _add_target(
    template: Template, title: str, service: ecs.Service, cluster: Cluster, condition: str, bounds: _Bounds
) -> scaling.ScalableTarget:
    return template.add_resource(
        scaling.ScalableTarget(
            f"{title}Scaling",
            Condition=condition,
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Join("/", ["service", cluster.cluster.ref(), service.get_att("Name")]),
            MinCapacity=bounds.least,
            MaxCapacity=bounds.most,
            ScheduledActions=bounds.scheduled(),
        )
    )


def _add_tracking(
    template: Template,
    title: str,
    target: scaling.ScalableTarget,
    condition: str,
    configuration: scaling.TargetTrackingScalingPolicyConfiguration,
) -> None:
    configuration.ScaleOutCooldown, configuration.ScaleInCooldown = SCALE_OUT_SECONDS, SCALE_IN_SECONDS
    template.add_resource(
        scaling.ScalingPolicy(
            f"{title}Policy",
            Condition=condition,
            PolicyName=title,
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=target.ref(),
            TargetTrackingScalingPolicyConfiguration=configuration,
        )
    )


def _requests(balancer: LoadBalancer) -> scaling.PredefinedMetricSpecification:
    names = [balancer.balancer.get_att("LoadBalancerFullName"), balancer.targets.get_att("TargetGroupFullName")]
    return scaling.PredefinedMetricSpecification(
        PredefinedMetricType="ALBRequestCountPerTarget", ResourceLabel=Join("/", names)
    )


def _waiting_seconds(
    parameters: PlatformParameters, cluster: Cluster, messaging: Messaging
) -> list[scaling.TargetTrackingMetricDataQuery]:
    waiting = Sub(
        "visible * ${Payment} / (FILL(running, 1) * ${Workers})",
        Payment=parameters.payment_seconds.ref(),
        Workers=parameters.capacity.workers.ref(),
    )
    visible, running = "ApproximateNumberOfMessagesVisible", "RunningTaskCount"
    tasks = {"ClusterName": cluster.cluster.ref(), "ServiceName": "order-processor"}
    return [
        _measured("visible", "AWS/SQS", visible, {"QueueName": messaging.queue.get_att("QueueName")}),
        _measured("running", "ECS/ContainerInsights", running, tasks),
        scaling.TargetTrackingMetricDataQuery(Id="waiting", Expression=waiting, ReturnData=True),
    ]


def _measured(
    name: str, namespace: str, metric: str, dimensions: Mapping[str, object]
) -> scaling.TargetTrackingMetricDataQuery:
    measured = scaling.TargetTrackingMetric(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[scaling.TargetTrackingMetricDimension(Name=key, Value=value) for key, value in dimensions.items()],
    )
    return scaling.TargetTrackingMetricDataQuery(
        Id=name, ReturnData=False, MetricStat=scaling.TargetTrackingMetricStat(Metric=measured, Stat="Average")
    )


def _add_age_steps(template: Template, target: scaling.ScalableTarget, condition: str) -> scaling.ScalingPolicy:
    """Add tasks at once when the oldest message has waited too long: the average may look fine by then."""
    return template.add_resource(
        scaling.ScalingPolicy(
            "ProcessorAgePolicy",
            Condition=condition,
            PolicyName="ProcessorAge",
            PolicyType="StepScaling",
            ScalingTargetId=target.ref(),
            StepScalingPolicyConfiguration=scaling.StepScalingPolicyConfiguration(
                AdjustmentType="PercentChangeInCapacity",
                MinAdjustmentMagnitude=1,
                Cooldown=SCALE_OUT_SECONDS,
                MetricAggregationType="Maximum",
                StepAdjustments=[
                    scaling.StepAdjustment(
                        MetricIntervalLowerBound=0, MetricIntervalUpperBound=60, ScalingAdjustment=50
                    ),
                    scaling.StepAdjustment(MetricIntervalLowerBound=60, ScalingAdjustment=100),
                ],
            ),
        )
    )
