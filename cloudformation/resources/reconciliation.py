"""The reconciler: a job that a schedule runs, with a role of its own."""

import json
from collections.abc import Sequence

from troposphere import GetAtt, If, Region, Template, ecs, scheduler

from cloudformation.parameters.kinds import both
from cloudformation.resources.iam import ORDERS_ACTIONS, STOCK_ACTIONS, add_role, allow
from cloudformation.resources.messaging import Messaging
from cloudformation.resources.security_groups import SecurityGroups
from cloudformation.resources.tables import Tables, unsettled_index_arn
from cloudformation.resources.tasks import Platform, Workload, add_definition

# As often as an order may be looked into for the first time.
EVERY_MINUTES = 15
# Of those: a run that a hanging gateway holds up ends, with the orders in hand and its start, before the next begins.
RUNS_MINUTES = 10
NAME = "order-reconciler"
_PROGRAM = ("python", "-m", "order_processor.reconcile")
COMMAND = (*_PROGRAM, "--apply")
# Once while the provider still has the keys of all that was paid: it reads the whole table.
COMPARISON_COMMAND = (*_PROGRAM, "--charges")
COMPARED_EVERY_HOURS = 12
STOP_SECONDS = 30


def add_reconciler(
    template: Template,
    *,
    platform: Platform,
    security_groups: SecurityGroups,
    messaging: Messaging,
    tables: Tables,
    gateway_url: object,
) -> None:
    """Add the job and its schedules, once there are images."""
    workload = _workload(platform, security_groups, messaging, tables, gateway_url)
    definition = add_definition(template, workload, platform=platform)
    role = _add_schedule_role(template, definition, workload, platform)
    for title, rate, command in (
        ("ReconcilerSchedule", f"rate({EVERY_MINUTES} minutes)", COMMAND),
        ("ComparisonSchedule", f"rate({COMPARED_EVERY_HOURS} hours)", COMPARISON_COMMAND),
    ):
        _add_schedule(template, title, workload, rate, _target(platform, workload, definition, role, command))


def _target(
    platform: Platform, workload: Workload, definition: ecs.TaskDefinition, role: If, command: Sequence[str]
) -> scheduler.Target:
    return scheduler.Target(
        Arn=platform.cluster.cluster.get_att("Arn"),
        RoleArn=role,
        EcsParameters=scheduler.EcsParameters(
            TaskDefinitionArn=definition.ref(), LaunchType="FARGATE", NetworkConfiguration=_network(workload, platform)
        ),
        Input=json.dumps({"containerOverrides": [{"name": NAME, "command": command}]}),
        # The next run does what this one did not.
        RetryPolicy=scheduler.RetryPolicy(MaximumRetryAttempts=0),
    )


def _add_schedule(template: Template, title: str, workload: Workload, rate: str, target: scheduler.Target) -> None:
    template.add_resource(
        scheduler.Schedule(
            title,
            Condition=workload.condition,
            ScheduleExpression=rate,
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=target,
        )
    )


def _add_schedule_role(
    template: Template, definition: ecs.TaskDefinition, workload: Workload, platform: Platform
) -> If:
    cluster = platform.cluster.cluster.get_att("Arn")
    # This role is there only where the roles are ours.
    passed = [GetAtt("ExecutionRole", "Arn"), GetAtt(f"{workload.title}Role", "Arn")]
    return add_role(
        template,
        "ReconcilerScheduleRole",
        parameters=platform.pipeline,
        service="scheduler.amazonaws.com",
        statements=[
            allow("ecs:RunTask", on=definition.ref(), when={"ArnEquals": {"ecs:cluster": cluster}}),
            allow("iam:PassRole", on=passed),
        ],
        condition=both(template, "MakesReconcilerScheduleRole", workload.condition, platform.pipeline.own_roles_on),
    )


def _network(workload: Workload, platform: Platform) -> scheduler.NetworkConfiguration:
    return scheduler.NetworkConfiguration(
        AwsvpcConfiguration=scheduler.AwsVpcConfiguration(
            AssignPublicIp="DISABLED", SecurityGroups=[workload.group], Subnets=platform.network.private_subnet_refs
        )
    )


def _workload(
    platform: Platform, security_groups: SecurityGroups, messaging: Messaging, tables: Tables, gateway_url: object
) -> Workload:
    return Workload(
        title="Reconciler",
        name=NAME,
        condition=platform.parameters.images_on,
        repository=platform.repositories.processor,
        port=None,
        size=None,
        environment={
            "AWS_REGION": Region,
            "GATEWAY_URL": gateway_url,
            "ORDERS_TABLE": tables.orders.ref(),
            "STOCK_TABLE": tables.stock.ref(),
            "ORDERS_TOPIC_ARN": messaging.topic.ref(),
            "DEAD_LETTER_QUEUE_URL": messaging.dead_letters.ref(),
            "PAYMENT_TIMEOUT_SECONDS": platform.pipeline.payment_timeout_seconds.ref(),
            "LEASE_SECONDS": platform.pipeline.lease_seconds.ref(),
            "OUTCOMES_TOPIC_ARN": messaging.outcomes.arn,
            "ORDER_RETENTION_DAYS": platform.pipeline.order_retention_days.ref(),
            "RECONCILE_TIME_SECONDS": str(RUNS_MINUTES * 60),
        },
        statements=[
            allow(*ORDERS_ACTIONS, "dynamodb:Scan", on=tables.orders.get_att("Arn")),
            allow("dynamodb:Query", on=unsettled_index_arn(tables)),
            allow(*STOCK_ACTIONS, on=tables.stock.get_att("Arn")),
            allow("sns:Publish", on=messaging.topic.ref()),
            messaging.outcomes.may_publish,
            allow("sqs:SendMessage", on=messaging.dead_letters.get_att("Arn")),
        ],
        group=security_groups.consumer.ref(),
        stop_timeout_seconds=STOP_SECONDS,
        command=COMMAND,
    )
