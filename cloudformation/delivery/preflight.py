"""What stands in the way of a deployment, asked of the account before it.

Everything is read and nothing changed. A finding is a sentence that says what to do.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cloudformation.delivery.commands import CommandFailedError, command, output_of
from cloudformation.delivery.running_stack import find_stack
from cloudformation.parameters.capacity import consumer_share, maximum_invocations, maximum_processors
from cloudformation.parameters.platform import TASK_SIZES

# AWS's codes of the quotas that this stack may meet; CloudShell users find them under the same.
FARGATE_VCPUS = ("fargate", "L-3032A538")
ADDRESSES = ("ec2", "L-0263D0A3")
VPCS = ("vpc", "L-F678F1CE")
CPU_UNITS = 1024
UNRESERVED = 100
# Of all that goes through the bucket; without it the first deployment makes it.
BUCKET_STACK = "flash-sale-artifacts"
# The services that run as the stack's roles in any case.
TASKS = frozenset({"ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"})
ROLE_ACTIONS = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the stack would need at its largest."""

    architecture: str
    vcpus: float
    addresses: int
    invocations: int
    makes_roles: bool
    # The ready role where none is made, and who takes it: AWS asks it of the role when it makes function and schedules.
    ready_role: str = ""
    assumed_by: frozenset[str] = frozenset()
    # In a sale, which is the most there ever are; 0 without one. Queues have no quota that this stack could meet.
    messages_per_second: int = 0
    # What a stack that runs has of the account is its own.
    exists: bool = False


def plan(parameters: Mapping[str, str], *, exists: bool = False) -> Plan:
    """The plan of a stack with these parameters; every parameter is there."""
    share = consumer_share(int(parameters["GatewayCapacity"]), int(parameters["SyncPayments"]))
    tasks = maximum_processors(share, int(parameters["Workers"])) if parameters["Consumer"] == "ecs" else 0
    api = int(parameters["MaximumApiTasks"]) * _vcpus(parameters["ApiSize"])
    processors = tasks * _vcpus(parameters["ProcessorSize"])
    gateway = _vcpus("small") if parameters["PaymentGateway"] == "simulated" else 0.0
    # What is reserved for one function AWS takes from the account's limit, of which a hundred stay unreserved.
    invocations = {"ecs": 0, "lambda": share + UNRESERVED, "lambda-sqs": maximum_invocations(share)}
    return Plan(
        architecture=parameters["Architecture"],
        vcpus=api + processors + gateway,
        addresses=int(parameters["NatGateways"]),
        invocations=invocations[parameters["Consumer"]],
        makes_roles=not parameters["RoleArn"],
        ready_role=parameters["RoleArn"],
        assumed_by=TASKS | ({"lambda.amazonaws.com"} if parameters["Consumer"] != "ecs" else frozenset()),
        messages_per_second=int(parameters["SaleOrdersPerSecond"]) if parameters["SaleStart"] else 0,
        exists=exists,
    )


def findings(wanted: Plan) -> list[str]:
    """Every sentence about what is missing; none when nothing is."""
    try:
        identity = json.loads(_asked("sts", "get-caller-identity"))
    except CommandFailedError as error:
        return [f"No credentials that AWS takes, or no region: set AWS_PROFILE and AWS_REGION ({error})."]
    checks: Sequence[Callable[[], str | None]] = (
        lambda: _roles(wanted, str(identity["Arn"])),
        lambda: _ready_role(wanted),
        lambda: _quota(FARGATE_VCPUS, wanted.vcpus, "vCPUs of Fargate", "choose smaller sizes or fewer tasks"),
        lambda: _room(wanted, ADDRESSES, wanted.addresses, "addresses", "choose fewer NatGateways"),
        lambda: _room(wanted, VPCS, 1, "VPCs", "delete one that nobody needs"),
        lambda: _concurrency(wanted),
        lambda: _messages(wanted),
        _bucket,
        lambda: _builder(wanted),
    )
    return [sentence for check in checks if (sentence := _sentence(check)) is not None]


def _sentence(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except CommandFailedError as error:
        return f"This could not be asked, and may stand in the way: {error}."


def _vcpus(size: str) -> float:
    return int(TASK_SIZES[size][0]) / CPU_UNITS


def _asked(*words: str) -> str:
    return output_of(command("aws", *words, "--output", "json"))


def _roles(wanted: Plan, arn: str) -> str | None:
    # The root user may do everything, and IAM simulates nothing of it.
    if not wanted.makes_roles or arn.endswith(":root"):
        return None
    try:
        # The role itself, of which the caller's ARN only names a session.
        account, name = arn.split(":")[4], arn.split("/")[1] if ":assumed-role/" in arn else ""
        source = f"arn:{arn.split(':')[1]}:iam::{account}:role/{name}" if name else arn
        said = json.loads(
            _asked("iam", "simulate-principal-policy", "--policy-source-arn", source, "--action-names", *ROLE_ACTIONS)
        )
    except CommandFailedError:
        return "Whether roles may be made could not be asked: if a deployment fails with AccessDenied, give RoleArn."
    denied = [each["EvalActionName"] for each in said["EvaluationResults"] if each["EvalDecision"] != "allowed"]
    return f"{', '.join(denied)} is not allowed here: give RoleArn a ready role (docs/deploy.md)." if denied else None


def _ready_role(wanted: Plan) -> str | None:
    if not wanted.ready_role:
        return None
    name = wanted.ready_role.rpartition("/")[2]
    try:
        role = json.loads(_asked("iam", "get-role", "--role-name", name))["Role"]
    except CommandFailedError:
        services = ", ".join(sorted(wanted.assumed_by))
        return f"Who may assume {name} could not be asked: a deployment fails unless {services} may."
    trusted: set[str] = set()
    for statement in role["AssumeRolePolicyDocument"]["Statement"]:
        services = statement["Principal"].get("Service", []) if isinstance(statement["Principal"], dict) else []
        trusted |= {services} if isinstance(services, str) else set(services)
    missing = ", ".join(sorted(wanted.assumed_by - trusted))
    return f"{missing} may not assume {name}: give RoleArn another, or add it to the role's trust." if missing else None


def _quota(quota: tuple[str, str], needed: float, what: str, otherwise: str) -> str | None:
    service, code = quota
    try:
        said = json.loads(
            _asked("service-quotas", "get-service-quota", "--service-code", service, "--quota-code", code)
        )
    except CommandFailedError:
        return f"What the account may have could not be asked: this takes up to {needed:g} {what} (quota {code})."
    allowed = float(said["Quota"]["Value"])
    if needed <= allowed:
        return None
    return f"This takes up to {needed:g} {what}, the account may have {allowed:g}: raise quota {code}, or {otherwise}."


def _room(wanted: Plan, quota: tuple[str, str], needed: int, what: str, otherwise: str) -> str | None:
    if wanted.exists or not needed:
        return None
    used = len(json.loads(_asked("ec2", f"describe-{what.lower()}"))[what.capitalize()])
    return _quota(quota, used + needed, f"{what}, the {used} that there are among them", otherwise)


def _concurrency(wanted: Plan) -> str | None:
    if not wanted.invocations:
        return None
    said = json.loads(_asked("lambda", "get-account-settings"))
    allowed = int(said["AccountLimit"]["ConcurrentExecutions"])
    if wanted.invocations <= allowed:
        return None
    return (
        f"This stack needs a limit of {wanted.invocations} invocations at once, the account's is {allowed}, as new "
        "ones are: ask for more (quota L-B99A9384), lower GatewayCapacity, or choose Consumer lambda-sqs or ecs."
    )


def _messages(wanted: Plan) -> str | None:
    if not wanted.messages_per_second:
        return None
    said = json.loads(_asked("service-quotas", "list-service-quotas", "--service-code", "sns"))
    # Found by its name, which differs between regions in what it adds.
    allowed = [
        float(quota["Value"])
        for quota in said["Quotas"]
        if re.search("publish.* per second", quota["QuotaName"], re.IGNORECASE) and "FIFO" not in quota["QuotaName"]
    ]
    if not allowed:
        return f"How many messages SNS takes could not be asked: the sale brings {wanted.messages_per_second} a second."
    if wanted.messages_per_second <= min(allowed):
        return None
    return (
        f"The sale brings {wanted.messages_per_second} messages a second, SNS takes {min(allowed):g} of the account "
        "here: ask for more in time, or choose another region."
    )


def _bucket() -> str | None:
    made = find_stack(BUCKET_STACK)
    if not made.exists:
        return None
    if "BucketName" not in made.outputs:
        return f"The stack {BUCKET_STACK} was never finished: delete it, and the next deployment makes it anew."
    try:
        output_of(command("aws", "s3api", "head-bucket", "--bucket", made.outputs["BucketName"]))
    except CommandFailedError:
        return (
            f"The bucket {made.outputs['BucketName']} of templates cannot be reached: ask for the right, "
            "or give --s3-bucket another."
        )
    return None


def _builder(wanted: Plan) -> str | None:
    try:
        output_of(command("docker", "buildx", "version"))
    except CommandFailedError:
        return (
            f"No docker with buildx, which builds the images for {wanted.architecture}: install it, or build elsewhere."
        )
    return None
