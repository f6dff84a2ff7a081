"""How many tasks run: the API follows its requests, the processor the work that waits.

The processor's rule is backlog per task: a task is due when the visible messages, divided by the payments all tasks
can make, wait longer than is acceptable. Written as seconds of waiting,

    visible x payment seconds / (running tasks x workers)  against  acceptable wait

which is the same as visible / running against acceptable wait / payment seconds x workers, without the division that
CloudFormation cannot do. A scaled-in task is not killed while it works: it drains within its stop timeout.
"""

from troposphere import If, Join, Sub, Template, ecs
from troposphere import applicationautoscaling as scaling

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.cluster import Cluster
from cloudformation.resources.load_balancer import LoadBalancer
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.services import Services

# A minute; a task of the smallest size takes about three times as many.
API_REQUESTS_PER_TASK = 6000
SCALE_OUT_SECONDS = 60
# Longer than a drain, so that a second task is not taken before the first has shown what its going does.
SCALE_IN_SECONDS = 300


def add_scaling(
    template: Template,
    *,
    parameters: PlatformParameters,
    cluster: Cluster,
    balancer: LoadBalancer,
    messaging: Messaging,
    services: Services,
) -> scaling.ScalingPolicy:
    """Add targets and policies of API and processor; returns the steps that the queue-age alarm takes."""
    api = _add_target(
        template,
        "Api",
        services.api,
        cluster,
        services.api_on,
        least=parameters.minimum_api_tasks.ref(),
        most=parameters.capacity.maximum_api_tasks.ref(),
    )
    label = Join(
        "/", [balancer.balancer.get_att("LoadBalancerFullName"), balancer.targets.get_att("TargetGroupFullName")]
    )
    requests = scaling.TargetTrackingScalingPolicyConfiguration(
        PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(
            PredefinedMetricType="ALBRequestCountPerTarget", ResourceLabel=label
        ),
        TargetValue=API_REQUESTS_PER_TASK,
        ScaleOutCooldown=SCALE_OUT_SECONDS,
        ScaleInCooldown=SCALE_IN_SECONDS,
    )
    _add_tracking(template, "ApiRequests", api, services.api_on, requests)
    processor = _add_target(
        template,
        "Processor",
        services.processor,
        cluster,
        services.processor_on,
        least=If(parameters.pre_scale_on, parameters.capacity.maximum_processors, 1),
        most=parameters.capacity.maximum_processors,
    )
    backlog = scaling.TargetTrackingScalingPolicyConfiguration(
        CustomizedMetricSpecification=scaling.CustomizedMetricSpecification(
            Metrics=_waiting_seconds(parameters, cluster, messaging)
        ),
        TargetValue=parameters.acceptable_wait_seconds.ref(),
        ScaleOutCooldown=SCALE_OUT_SECONDS,
        ScaleInCooldown=SCALE_IN_SECONDS,
    )
    _add_tracking(template, "ProcessorBacklog", processor, services.processor_on, backlog)
    return _add_age_steps(template, processor, services.processor_on)


def _add_target(
    template: Template,
    title: str,
    service: ecs.Service,
    cluster: Cluster,
    condition: str,
    *,
    least: object,
    most: object,
) -> scaling.ScalableTarget:
    return template.add_resource(
        scaling.ScalableTarget(
            f"{title}Scaling",
            Condition=condition,
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Join("/", ["service", cluster.cluster.ref(), service.get_att("Name")]),
            MinCapacity=least,
            MaxCapacity=most,
        )
    )


def _add_tracking(
    template: Template,
    title: str,
    target: scaling.ScalableTarget,
    condition: str,
    configuration: scaling.TargetTrackingScalingPolicyConfiguration,
) -> None:
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


def _waiting_seconds(
    parameters: PlatformParameters, cluster: Cluster, messaging: Messaging
) -> list[scaling.TargetTrackingMetricDataQuery]:
    def measured(name: str, namespace: str, metric: str, **dimensions: object) -> scaling.TargetTrackingMetricDataQuery:
        return scaling.TargetTrackingMetricDataQuery(
            Id=name,
            ReturnData=False,
            MetricStat=scaling.TargetTrackingMetricStat(
                Metric=scaling.TargetTrackingMetric(
                    Namespace=namespace,
                    MetricName=metric,
                    Dimensions=[
                        scaling.TargetTrackingMetricDimension(Name=key, Value=value)
                        for key, value in dimensions.items()
                    ],
                ),
                Stat="Average",
            ),
        )

    waiting = Sub(
        "visible * ${Payment} / (FILL(running, 1) * ${Workers})",
        Payment=parameters.payment_seconds.ref(),
        Workers=parameters.capacity.workers.ref(),
    )
    return [
        measured(
            "visible",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            QueueName=messaging.queue.get_att("QueueName"),
        ),
        measured(
            "running",
            "ECS/ContainerInsights",
            "RunningTaskCount",
            ClusterName=cluster.cluster.ref(),
            ServiceName="order-processor",
        ),
        scaling.TargetTrackingMetricDataQuery(Id="waiting", Expression=waiting, ReturnData=True),
    ]


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
