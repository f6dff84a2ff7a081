"""Alarms as CloudWatch keeps them, and the topic they call; what is watched is in `watches`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

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
    """One alarm: it rings when the metric is above the threshold, or `below` it, for so many minutes.

    `less` and `more` are metrics that are taken from it and added to it.
    """

    title: str
    what: str
    runbook: str
    metric: Metric
    less: Metric | None = None
    more: Metric | None = None
    threshold: object = 0
    below: bool = False
    minutes: int = 5
    # A metric that is not there: usually nothing happens, sometimes nothing is left that could say so.
    missing: Literal["notBreaching", "breaching"] = "notBreaching"
    condition: str | None = None
    actions: tuple[object, ...] = field(default=())


def add_alarm_topic(template: Template, *, parameters: PlatformParameters, encryption: Encryption) -> sns.Topic:
    """Add the topic that every alarm calls, which tells AlarmEmail."""
    topic = template.add_resource(
        sns.Topic(
            "AlarmTopic",
            # Not under AWS's own key, with which CloudWatch may publish nothing; an alarm says nothing of customers.
            KmsMasterKeyId=encryption.key_arn,
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
    return topic


def add_alarms(template: Template, *, topic: sns.Topic, watches: Iterable[Watch]) -> list[cloudwatch.Alarm]:
    """Add an alarm for each watch; returns them in the same order."""
    return [template.add_resource(_alarm(watch, topic)) for watch in watches]


def _alarm(watch: Watch, topic: sns.Topic) -> cloudwatch.Alarm:
    alarm = cloudwatch.Alarm(
        f"{watch.title}Alarm",
        AlarmDescription=f"{watch.what}. Runbook: {watch.runbook}.",
        AlarmActions=[topic.ref(), *watch.actions],
        ComparisonOperator="LessThanThreshold" if watch.below else "GreaterThanThreshold",
        Threshold=watch.threshold,
        EvaluationPeriods=watch.minutes,
        TreatMissingData=watch.missing,
    )
    metric = watch.metric
    if watch.less is not None:
        alarm.Metrics = _formula("m - n", metric, watch.less)
    elif watch.more is not None:
        # Without FILL there is no sum where one of the two has nothing to say.
        alarm.Metrics = _formula("FILL(m, 0) + FILL(n, 0)", metric, watch.more)
    else:
        alarm.Namespace, alarm.MetricName, alarm.Period = metric.namespace, metric.name, PERIOD_SECONDS
        if metric.dimensions:
            alarm.Dimensions = _dimensions(metric)
        if metric.statistic.startswith("p"):
            alarm.ExtendedStatistic = metric.statistic
        else:
            alarm.Statistic = metric.statistic
    if watch.condition is not None:
        alarm.Condition = watch.condition
    return alarm


def _formula(expression: str, one: Metric, other: Metric) -> list[cloudwatch.MetricDataQuery]:
    result = cloudwatch.MetricDataQuery(Id="result", Expression=expression)
    return [result, _query("m", one), _query("n", other)]


def _dimensions(metric: Metric) -> list[cloudwatch.MetricDimension]:
    return [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in metric.dimensions.items()]


def _query(name: str, metric: Metric) -> cloudwatch.MetricDataQuery:
    measured = cloudwatch.Metric(Namespace=metric.namespace, MetricName=metric.name, Dimensions=_dimensions(metric))
    return cloudwatch.MetricDataQuery(
        Id=name,
        ReturnData=False,
        MetricStat=cloudwatch.MetricStat(Metric=measured, Period=PERIOD_SECONDS, Stat=metric.statistic),
    )
