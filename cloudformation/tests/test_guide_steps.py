"""docs/deploy.md as a shell reads it: its numbered steps one after the other, in an account where nothing is yet.

Real are make, our scripts, the AWS command line, curl, and the services, which run as processes in the place of tasks.
Docker only notes down what it was told, the template goes without what the embedded AWS refuses, and what is asked of
quotas is answered here. Dry are the preflight, which the first deployment repeats, and step 4, whose zip for AWS comes
from the package index.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.tests import loaded_command_line
from cloudformation.tests.guide import steps
from cloudformation.tests.tasks import Task, process, tasks
from local.aws import aws_client
from local.emulator import RunningEmulator, emulator
from local.waiting import wait_until

STACK = "flash"
BUCKET = "flash-sale-artifacts-000000000000-us-east-1"
DOCKER = """#!/bin/sh
echo "$@" >>{folder}/docker.calls
[ "$1" != login ] || cat >{folder}/password
"""
AWS = """#!/bin/sh
echo "$@" >>{folder}/aws.calls
case "$1 $2" in
    "service-quotas get-service-quota") echo '{{"Quota": {{"Value": 100}}}}'; exit ;;
    "iam simulate-principal-policy") echo '{{"EvaluationResults": []}}'; exit ;;
    "cloudformation deploy")
        # The command names its change set by the second, and no account is fast enough for two in one.
        /bin/sleep 1
        option=
        for word in "$@"; do
            case "$option $word" in
                *.yaml) ;;
                "--template-file "*) {python} -m cloudformation.tests.emulated "$word" ;;
            esac
            option=$word
        done ;;
esac
# Version 1 asks AWS for queues whatever AWS_ENDPOINT_URL says, and only the option keeps it from it.
exec {python} -SEs {loaded} {socket} --endpoint-url "$AWS_ENDPOINT_URL" "$@"
"""
# What is installed is not to be installed again for being older than its lock.
MAKE = """#!/bin/sh
exec {make} --old-file=.venv/.installed --old-file=.venv-emulator/.installed "$@"
"""
PYTHON = """#!/bin/sh
exec {python} "$@"
"""
# An empty catalogue is read again every second; on a busy machine later than the guide's two.
SLEEP = """#!/bin/sh
until {curl} --silent --fail "$(cat {folder}/api)/products" | grep -q lamp; do :; done
"""


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A shell in a checkout of the project, with an account of its own."""

    aws: RunningEmulator
    folder: Path

    @property
    def _environment(self) -> dict[str, str]:
        # An empty home: no configuration of the user's own.
        own = {"HOME": str(self.folder), "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "AWS_PAGER": ""}
        return os.environ | self.aws.environment | own

    async def type(self, commands: str, *, answer: str = "") -> str:
        """What the commands print; the first one that fails ends them, and the test."""
        shell = await asyncio.create_subprocess_exec(
            "sh", "-e", "-c", commands,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self.folder / "checkout", env=self._environment,
        )  # fmt: skip
        printed, said = await shell.communicate(answer.encode())
        assert shell.returncode == 0, f"{printed.decode()}\n{said.decode()}"
        return printed.decode()

    def noted(self, tool: str) -> list[str]:
        """How a tool was called."""
        return (self.folder / f"{tool}.calls").read_text(encoding="utf-8").splitlines()


@pytest.fixture
async def command_line(aws_command: str) -> AsyncIterator[Path]:
    """Where the real AWS command line takes calls: to load it anew for each was two fifths of the work."""
    # Not in the test's own folder: the path of a socket is short.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "aws"
        python = Path(aws_command).with_name("python")
        process = await asyncio.create_subprocess_exec(python, loaded_command_line.__file__, "serve", path)

        async def listens() -> bool:
            assert process.returncode is None
            return path.exists()

        await wait_until(listens)
        yield path
        process.terminate()
        await process.wait()


@pytest.fixture
async def terminal(command_line: Path, tmp_path: Path) -> AsyncIterator[Terminal]:
    for name in ("bin", "checkout"):
        (tmp_path / name).mkdir()
    # What the guide writes is not to be left in the project.
    for path in PROJECT.iterdir():
        (tmp_path / "checkout" / path.name).symlink_to(path)
    real = {"python": sys.executable, "make": shutil.which("make"), "curl": shutil.which("curl")}
    real |= {"loaded": loaded_command_line.__file__, "socket": str(command_line)}
    stand_ins = {"docker": DOCKER, "aws": AWS, "make": MAKE, "python": PYTHON, "sleep": SLEEP}
    for name, text in stand_ins.items():
        program = tmp_path / "bin" / name
        program.write_text(text.format(folder=tmp_path, **real), encoding="utf-8")
        program.chmod(0o755)
    async with emulator(tmp_path / "account") as aws:
        yield Terminal(aws=aws, folder=tmp_path)


async def outputs(terminal: Terminal) -> dict[str, str]:
    async with aws_client("cloudformation", terminal.aws.environment) as cloudformation:
        (stack,) = (await cloudformation.describe_stacks(StackName=STACK))["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@asynccontextmanager
async def running_services(terminal: Terminal) -> AsyncIterator[dict[str, Task]]:
    """The services of the stack; customers find the API where the load balancer would be."""
    there = await outputs(terminal)
    services = await tasks(terminal.aws, stack=STACK, cluster=there["ClusterName"])
    gateway, namespace = services["payment-gateway"].url, there["DiscoveryNamespace"]
    processes = [
        process(task, aws=terminal.aws, folder=terminal.folder, namespace=namespace, gateway=gateway)
        for task in services.values()
    ]
    api = services["order-api"]
    (terminal.folder / "api").write_text(api.url)
    (terminal.folder / ".curlrc").write_text(f'silent\nfail\nconnect-to = "::127.0.0.1:{api.port}"\n')
    async with AsyncExitStack() as exits:
        for each in processes:
            each.start()
            exits.push_async_callback(each.aclose)
        await asyncio.gather(*(each.ready() for each in processes))
        yield services


async def stacks(terminal: Terminal) -> list[str]:
    async with aws_client("cloudformation", terminal.aws.environment) as cloudformation:
        found = (await cloudformation.describe_stacks())["Stacks"]
    return [stack["StackName"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"]


async def uploaded(terminal: Terminal) -> list[str]:
    async with aws_client("s3", terminal.aws.environment) as s3:
        page = await s3.list_objects_v2(Bucket=BUCKET, Prefix="templates/")
    return [entry["Key"] for entry in page.get("Contents", [])]


def dry(commands: str, *, step: str) -> str:
    """The same commands, with `make` only showing what this step would do."""
    shown = commands.replace(f"make {step} ARGS='", f"make {step} ARGS='--dry-run ")
    assert shown != commands
    return shown


@pytest.mark.embedded_aws
@pytest.mark.long
@pytest.mark.timeout(240)  # the command line is called some fifty times
async def test_the_steps_of_the_guide_lead_from_an_empty_account_to_an_order_and_back(terminal: Terminal) -> None:
    stack, images, order, function, taking_down = steps()
    assert await stacks(terminal) == []
    printed = await terminal.type(dry(stack, step="preflight"))
    assert "No changes to deploy" in printed, "a pipe and a file are the same stack"
    assert await uploaded(terminal), "the first deployment makes the bucket that they go through"

    await terminal.type(images)
    pushed = {words.split()[1] for words in terminal.noted("docker") if words.startswith("push ")}
    assert "--parameter-overrides ImageTag=v1 " in "\n".join(terminal.noted("aws"))
    async with running_services(terminal) as services:
        assert set(services) == {"order-api", "order-processor", "payment-gateway"}
        assert {task.definition["image"] for task in services.values()} == pushed
        before, brace, answer = (await terminal.type(order)).partition("{")
        accepted, shown = json.JSONDecoder().raw_decode(brace + answer)
        assert "lamp: 100 in all, 100 available" in before
        assert accepted["status"] == "pending"
        assert "lamp: 120 in all, 118 available" in answer[shown - 1 :], "it is limited from its first order on"

        async def completed() -> bool:
            asked = await terminal.type(f'curl "{services["order-api"].url}{accepted["status_url"]}"')
            return str(json.loads(asked)["status"]) == "completed"

        await wait_until(completed)
        assert '"service": "order-api"' in await terminal.type(f"make status ARGS='--stack {STACK}'")

    assert "Consumer=lambda-sqs" in await terminal.type(dry(function, step="deploy"))
    assert STACK in await stacks(terminal)
    await terminal.type(taking_down, answer=f"{STACK}\n")
    assert await stacks(terminal) == []
