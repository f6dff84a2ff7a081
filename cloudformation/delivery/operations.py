"""A running stack: how it does, what it logs, and its dead letters back into their queue."""

from collections.abc import Mapping

from cloudformation.delivery.commands import Command, command

SERVICES = ("order-api", "order-processor", "payment-gateway")
FUNCTION = "function"
QUEUES = ("QueueUrl", "DeadLetterQueueUrl", "SubscriptionDeadLetterQueueUrl", "FunctionFailureQueueUrl")
DEPTHS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
# ECS tells the newest first; the last few say why tasks stopped.
EVENTS = 3


def status_commands(*, stack: str, outputs: Mapping[str, str]) -> list[Command]:
    """The stack's state, its services with their last events, how much waits in every queue, and alarms that ring."""
    services = command(
        "aws", "ecs", "describe-services", "--cluster", outputs["ClusterName"], "--services", *SERVICES,
        "--query",
        "services[].{service:serviceName,desired:desiredCount,running:runningCount,rollout:deployments[0].rolloutState,"
        f"events:events[:{EVENTS}].message}}",
        "--output", "json",
    )  # fmt: skip
    queues = [
        command("aws", "sqs", "get-queue-attributes", "--queue-url", outputs[name], "--attribute-names", *DEPTHS)
        for name in QUEUES
    ]
    state = command(
        "aws", "cloudformation", "describe-stacks", "--stack-name", stack,
        "--query", "Stacks[0].[StackName,StackStatus]", "--output", "text",
    )  # fmt: skip
    ringing = command(
        "aws", "cloudwatch", "describe-alarms", "--alarm-name-prefix", f"{stack}-", "--state-value", "ALARM",
        "--query", "MetricAlarms[].[AlarmName,AlarmDescription]", "--output", "text",
    )  # fmt: skip
    return [state, services, *queues, ringing]


def logs_commands(*, outputs: Mapping[str, str], service: str, pattern: str) -> list[Command]:
    """Follow the log of a service, of the function, or of all services; with a pattern only the lines that match."""
    if service == FUNCTION:
        where = [f"/aws/lambda/{outputs['FunctionName']}"]
    else:
        where = [outputs["ServiceLogsName"], *(["--log-stream-name-prefix", f"{service}/"] if service else [])]
    narrowed = ["--filter-pattern", pattern] if pattern else []
    return [command("aws", "logs", "tail", *where, "--since", "15m", "--follow", "--format", "short", *narrowed)]
