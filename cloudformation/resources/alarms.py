"""Alarms as CloudWatch keeps them, and the topic they call; what is watched is in `watches`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from troposphere import If, NoValue, Output, Template, cloudwatch, sns

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.encryption import Encryption

PERIOD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric and the one thing it is of."""

    namespace: object
    name: str
    dimensions: Mapping[str, object]
    statistic: str = "Maximum"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One alarm: it rings when the metric, less `minus` if given, is above the threshold for so many minutes.

    With `silence` it rings for minutes without a value too.
    """

    title: str
    what: str
    runbook: str
    metric: Metric
    minus: Metric | None = None
    threshold: object = 0
    minutes: int = 5
    condition: str | None = None
    silence: bool = False
    actions: tuple[object, ...] = field(default=())


def add_alarms(
    template: Template, *, parameters: PlatformParameters, encryption: Encryption, watches: Iterable[Watch]
) -> None:
    """Add the alarms and their topic, which tells AlarmEmail."""
    topic = template.add_resource(
        sns.Topic(
            "AlarmTopic",
            KmsMasterKeyId=encryption.topic_key,
            Subscription=If(
                parameters.alarm_email_on,
                [sns.Subscription(Protocol="email", Endpoint=parameters.alarm_email.ref())],
                NoValue,
            ),
        )
    )
    template.add_output(
        Output("AlarmTopicArn", Description="Topic that alarms call, for a chat or a pager", Value=topic.ref())
    )
    for watch in watches:
        template.add_resource(_alarm(watch, topic))


def _alarm(watch: Watch, topic: sns.Topic) -> cloudwatch.Alarm:
    alarm = cloudwatch.Alarm(
        f"{watch.title}Alarm",
        AlarmDescription=f"{watch.what}. Runbook: {watch.runbook}.",
        AlarmActions=[topic.ref(), *watch.actions],
        ComparisonOperator="GreaterThanThreshold",
        Threshold=watch.threshold,
        EvaluationPeriods=watch.minutes,
        TreatMissingData="breaching" if watch.silence else "notBreaching",
    )
    metric = watch.metric
    if watch.minus is not None:
        alarm.Metrics = [
            cloudwatch.MetricDataQuery(Id="less", Expression="m - n"),
            _query("m", metric),
            _query("n", watch.minus),
        ]
    else:
        alarm.Namespace, alarm.MetricName, alarm.Period = metric.namespace, metric.name, PERIOD_SECONDS
        alarm.Dimensions = _dimensions(metric)
        if metric.statistic.startswith("p"):
            alarm.ExtendedStatistic = metric.statistic
        else:
            alarm.Statistic = metric.statistic
    if watch.condition is not None:
        alarm.Condition = watch.condition
    return alarm


def _dimensions(metric: Metric) -> list[cloudwatch.MetricDimension]:
    return [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in metric.dimensions.items()]


def _query(name: str, metric: Metric) -> cloudwatch.MetricDataQuery:
    measured = cloudwatch.Metric(Namespace=metric.namespace, MetricName=metric.name, Dimensions=_dimensions(metric))
    return cloudwatch.MetricDataQuery(
        Id=name,
        ReturnData=False,
        MetricStat=cloudwatch.MetricStat(Metric=measured, Period=PERIOD_SECONDS, Stat=metric.statistic),
    )
