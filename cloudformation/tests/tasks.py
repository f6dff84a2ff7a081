"""What ECS would start of a stack: each service's task as a process here, by its definition and its image."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudformation.resources.security_groups import GATEWAY_PORT
from cloudformation.resources.services import GATEWAY_NAME
from cloudformation.tests.dockerfile import image
from cloudformation.tests.template_reading import Document
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess

LOOPBACK = "127.0.0.1"
# Both of one value, unless secrets are being exchanged.
SECRETS = ("ORDER_ID_SECRET", "ORDER_ID_SECRET_PREVIOUS")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One container of a stack, and where it is to listen here."""

    definition: Document
    environment: Mapping[str, str]
    port: int
    operations_port: int

    @property
    def name(self) -> str:
        """The service's."""
        return str(self.definition["name"])

    @property
    def url(self) -> str:
        """Where it takes requests."""
        return f"http://{LOOPBACK}:{self.port}"


async def tasks(aws: RunningEmulator, *, stack: str, cluster: str) -> dict[str, Task]:
    """One task of every service in the cluster of a stack, by the service's name."""
    async with aws_client("ecs", aws.environment) as ecs:
        arns = (await ecs.list_services(cluster=cluster))["serviceArns"]
        services = (await ecs.describe_services(cluster=cluster, services=arns))["services"]
        described = [await ecs.describe_task_definition(taskDefinition=each["taskDefinition"]) for each in services]
    secret = await _order_id_secret(aws, stack)
    definitions = [only for each in described for only in each["taskDefinition"]["containerDefinitions"]]
    return {
        definition["name"]: Task(
            definition=definition,
            environment={
                **{entry["name"]: entry["value"] for entry in definition["environment"]},
                # What each secret is, the embedded AWS forgets; how many there are it does not.
                **(dict.fromkeys(SECRETS, secret) if len(definition.get("secrets", [])) == len(SECRETS) else {}),
            },
            port=free_port(),
            operations_port=free_port(),
        )
        for definition in definitions
    }


async def _order_id_secret(aws: RunningEmulator, stack: str) -> str:
    async with aws_client("cloudformation", aws.environment) as cloudformation:
        found = await cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="OrderIdSecret")
    async with aws_client("secretsmanager", aws.environment) as secrets:
        secret = await secrets.get_secret_value(SecretId=found["StackResourceDetail"]["PhysicalResourceId"])
    return str(secret["SecretString"])


def process(task: Task, *, aws: RunningEmulator, folder: Path, namespace: str, gateway: str) -> ManagedProcess:
    """The task as a process that reaches the embedded AWS, and finds at `gateway` what its DNS calls so."""
    shipped = image(task.name)
    answers = {f"http://{GATEWAY_NAME}.{namespace}:{GATEWAY_PORT}": gateway}
    api = "OPERATIONS_PORT" in shipped.variables
    return ManagedProcess(
        name=task.name,
        argv=[sys.executable, *shipped.command[1:]],
        environment={
            **shipped.variables,
            **{name: answers.get(value, value) for name, value in task.environment.items()},
            **aws.environment,
            "PYTHONPATH": "",
            "HOST": LOOPBACK,
            "PORT": str(task.port),
            "OPERATIONS_HOST": LOOPBACK,
            "OPERATIONS_PORT": str(task.operations_port),
            "CHARGE_STORE_PATH": str(folder / "payments.sqlite3"),
        },
        log_path=folder / f"{task.name}.log",
        ready_url=f"http://{LOOPBACK}:{task.operations_port if api else task.port}/readyz",
    )
