"""The pipe that people expect, against the real AWS command line and the embedded AWS."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloudformation.build import render_template
from cloudformation.delivery.artifact import PROJECT
from flashmsg import OrderPlaced, decode_sqs_body, encode
from flashpay.testing.orders import sample_order
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.waiting import wait_until

INLINE_LIMIT_BYTES = 51_200
DEPLOY = PROJECT / "cloudformation" / "deploy"
FAKE_AWS = """#!/bin/sh
case "$*" in
    *StackStatus*) echo "${STATUS:-}"; exit 0 ;;
    *create-service-linked-role*) echo role >>"$SEEN.before"; echo "${ROLE:-}" >&2; [ -z "${ROLE:-}" ]; exit ;;
    *delete-stack* | *stack-delete-complete*) echo "$2 $3" >>"$SEEN.before"; exit 0 ;;
    *describe-stacks*) echo "$@" >>"$SEEN.lookups"; echo made; exit 0 ;;
esac
printf "%s\\n" "$@" >"$SEEN"
cp "$4" "$SEEN.template"
exit "${EXIT:-0}"
"""
Finished = subprocess.CompletedProcess[str]


def deploy(*arguments: str, template: str, environment: dict[str, str]) -> Finished:
    return subprocess.run(  # noqa: S603  # our own script
        [DEPLOY, *arguments], input=template, capture_output=True, text=True, env=os.environ | environment, check=False
    )


@dataclass(frozen=True, kw_only=True)
class FakeAws:
    """An `aws` that writes down how it was called, and with which template."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS": str(self.folder / "aws"), "TMPDIR": str(self.folder / "tmp"), "SEEN": str(self.folder / "seen")}

    @property
    def words(self) -> list[str]:
        return (self.folder / "seen").read_text().splitlines()


@pytest.fixture
def fake_aws(tmp_path: Path) -> FakeAws:
    (tmp_path / "tmp").mkdir()
    program = tmp_path / "aws"
    program.write_text(FAKE_AWS)
    program.chmod(0o755)
    return FakeAws(folder=tmp_path)


def test_the_template_from_the_pipe_arrives_in_a_file_and_the_arguments_are_passed_on(fake_aws: FakeAws) -> None:
    done = deploy(
        "--stack-name", "a b", "--parameter-overrides", "X=1 2", template="{}", environment=fake_aws.environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert fake_aws.words[:3] == ["cloudformation", "deploy", "--template-file"]
    assert fake_aws.words[4:8] == ["--stack-name", "a b", "--parameter-overrides", "X=1 2"]
    assert fake_aws.words[8:] == [
        "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
        "--tags", "project=flash-sale", "--no-fail-on-empty-changeset",
    ]  # fmt: skip
    assert (fake_aws.folder / "seen.template").read_text() == "{}"


def test_what_is_given_is_not_added(fake_aws: FakeAws) -> None:
    given = ("--stack-name", "s", "--tags", "a=b", "--capabilities", "CAPABILITY_IAM", "--fail-on-empty-changeset")
    deploy(*given, template="{}", environment=fake_aws.environment)
    assert fake_aws.words[4:] == list(given)


@pytest.mark.parametrize(
    ("size", "arguments", "added"),
    [
        (INLINE_LIMIT_BYTES, [], []),
        (INLINE_LIMIT_BYTES + 1, [], ["--s3-bucket", "made", "--s3-prefix", "templates"]),
        (INLINE_LIMIT_BYTES + 1, ["--s3-bucket", "mine"], []),
        (INLINE_LIMIT_BYTES + 1, ["--s3-bucket=mine"], []),
    ],
)
def test_only_a_template_above_the_inline_limit_goes_through_the_bucket(
    fake_aws: FakeAws, size: int, arguments: list[str], added: list[str]
) -> None:
    given = ("--stack-name", "s", "--tags", "a=b", "--capabilities", "c", "--fail-on-empty-changeset", *arguments)
    assert deploy(*given, template="x" * size, environment=fake_aws.environment).returncode == 0
    assert fake_aws.words[4:] == [*given, *added]


@pytest.mark.parametrize("form", ["{}\n{}", "{}={}"])
def test_the_bucket_is_looked_for_in_the_account_and_region_of_the_stack(fake_aws: FakeAws, form: str) -> None:
    options = {
        "--stack-name": "s",
        "--region": "eu-central-1",
        "--profile": "my shop",
        "--endpoint-url": "http://aws.test",
    }
    words = [word for pair in options.items() for word in form.format(*pair).splitlines()]
    template = "x" * (INLINE_LIMIT_BYTES + 1)
    assert deploy(*words, template=template, environment=fake_aws.environment).returncode == 0
    lookups = (fake_aws.folder / "seen.lookups").read_text().splitlines()
    assert len(lookups) == 1
    assert lookups[0].endswith("--region eu-central-1 --profile my shop --endpoint-url http://aws.test")


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "CREATE_COMPLETE", ""])
def test_what_a_failed_first_creation_left_is_deleted_first_and_nothing_else_is(fake_aws: FakeAws, status: str) -> None:
    done = deploy("--stack-name", "s", template="{}", environment=fake_aws.environment | {"STATUS": status})
    assert done.returncode == 0
    before = fake_aws.folder / "seen.before"
    assert before.exists() == (status == "ROLLBACK_COMPLETE")
    if before.exists():
        assert before.read_text() == "delete-stack --stack-name\nwait stack-delete-complete\n"
        assert "the first creation of s failed" in done.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", ""),
        ("Service role name AWSServiceRoleForECS has been taken in this account", ""),
        ("Role with name AWSServiceRoleForECS already exists.", ""),
        ("AccessDenied", "Access"),
    ],
)
def test_the_service_linked_role_of_ecs_is_made_and_what_forbids_it_stops_nothing(
    fake_aws: FakeAws, answer: str, said: str
) -> None:
    template = '{"Type": "AWS::ECS::Service"}'
    done = deploy("--stack-name", "s", template=template, environment=fake_aws.environment | {"ROLE": answer})
    assert done.returncode == 0
    assert (fake_aws.folder / "seen.before").read_text() == "role\n"
    assert fake_aws.words[:2] == ["cloudformation", "deploy"]
    assert bool(done.stderr) == bool(said)
    assert said in done.stderr


@pytest.mark.parametrize(("status", "roles"), [("REVIEW_IN_PROGRESS", "role\n"), ("CREATE_COMPLETE", "")])
def test_a_stack_that_is_there_has_the_service_linked_role_already(fake_aws: FakeAws, status: str, roles: str) -> None:
    deploy("--stack-name", "s", template="AWS::ECS::Service", environment=fake_aws.environment | {"STATUS": status})
    before = fake_aws.folder / "seen.before"
    assert (before.read_text() if before.exists() else "") == roles


def test_a_change_set_alone_changes_nothing_else(fake_aws: FakeAws) -> None:
    environment = fake_aws.environment | {"STATUS": "ROLLBACK_COMPLETE"}
    deploy("--stack-name", "s", "--no-execute-changeset", template="AWS::ECS::Service", environment=environment)
    assert not (fake_aws.folder / "seen.before").exists()


@pytest.mark.parametrize("code", ["0", "255"])
def test_the_exit_code_is_kept_and_the_file_is_gone(fake_aws: FakeAws, code: str) -> None:
    done = deploy("--stack-name", "s", template="{}", environment=fake_aws.environment | {"EXIT": code})
    assert done.returncode == int(code)
    assert list((fake_aws.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "template", "code", "sentence"),
    [
        (["--stack-name", "s"], "", 2, "standard input held no template"),
        (["--template-file", "x"], "{}", 2, "the template comes from standard input"),
        (["--template-file=x"], "{}", 2, "the template comes from standard input"),
        ([], '{"Type": "AWS::ECS::Service"}', 2, "--stack-name NAME is missing"),
        (["--stack-name="], '{"Type": "AWS::ECS::Service"}', 2, "--stack-name NAME is missing"),
        (["--stack-name", "--region"], '{"Type": "AWS::ECS::Service"}', 2, "--stack-name NAME is missing"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    fake_aws: FakeAws, arguments: list[str], template: str, code: int, sentence: str
) -> None:
    done = deploy(*arguments, template=template, environment=fake_aws.environment)
    assert done.returncode == code
    assert sentence in done.stderr
    assert not (fake_aws.folder / "seen").exists()
    assert not (fake_aws.folder / "seen.before").exists(), "nothing is made for a call that goes nowhere"


def test_without_the_command_line_it_says_so(tmp_path: Path) -> None:
    done = deploy("--stack-name", "s", template="{}", environment={"AWS": str(tmp_path / "missing")})
    assert done.returncode == 127
    assert "not installed" in done.stderr


def test_help_needs_neither_template_nor_command_line() -> None:
    done = deploy("--help", template="", environment={"AWS": "missing"})
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: python -m cloudformation.build | cloudformation/deploy")


@pytest.fixture
def aws(real: dict[str, str]) -> Callable[..., Any]:
    def call(*words: str) -> Any:  # noqa: ANN401  # any JSON
        command = [real["AWS"], *words, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | real, check=False)  # noqa: S603  # our own
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    return call


@pytest.mark.embedded_aws
@pytest.mark.timeout(120)
async def test_the_pipeline_deploys_updates_and_goes_by_the_real_command_line(
    embedded_aws: RunningEmulator, real: dict[str, str], aws: Callable[..., Any]
) -> None:
    name = "by-command-line"
    template = render_template("pipeline")

    def deployed(*overrides: str) -> Finished:
        arguments = ("--stack-name", name, "--parameter-overrides", "RetainData=false", *overrides)
        return deploy(*arguments, template=template, environment=real)

    first = deployed()
    assert first.returncode == 0, first.stderr
    (stack,) = aws("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert stack["Tags"] == [{"Key": "project", "Value": "flash-sale"}]
    await an_order_flows(embedded_aws, outputs)

    await another_second()
    again = deployed()
    assert (again.returncode, "No changes to deploy" in again.stdout) == (0, True)

    assert await visibility(embedded_aws, outputs) == "60"
    await another_second()
    update = deployed("VisibilitySeconds=90")
    assert update.returncode == 0, update.stderr
    assert await visibility(embedded_aws, outputs) == "90"

    aws("cloudformation", "delete-stack", "--stack-name", name)
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", name)
    assert name not in await names_left(embedded_aws)


async def another_second() -> None:
    """Wait for the clock: the command line names a change set by the second."""
    now = int(time.time())

    async def later() -> bool:
        return int(time.time()) > now

    await wait_until(later)


async def visibility(embedded_aws: RunningEmulator, outputs: dict[str, str]) -> str:
    async with aws_client("sqs", embedded_aws.environment) as sqs:
        asked = {"QueueUrl": outputs["QueueUrl"], "AttributeNames": ["VisibilityTimeout"]}
        return str((await sqs.get_queue_attributes(**asked))["Attributes"]["VisibilityTimeout"])


async def names_left(embedded_aws: RunningEmulator) -> str:
    environment, left = embedded_aws.environment, []
    for service, call in (("sqs", "list_queues"), ("sns", "list_topics"), ("dynamodb", "list_tables")):
        async with aws_client(service, environment) as client:
            left.append(await getattr(client, call)())
    return json.dumps(left, default=str)


async def an_order_flows(embedded_aws: RunningEmulator, outputs: dict[str, str]) -> None:
    placed = OrderPlaced.of(sample_order())
    async with (
        aws_client("sns", embedded_aws.environment) as sns,
        aws_client("sqs", embedded_aws.environment) as sqs,
    ):
        await sns.publish(TopicArn=outputs["TopicArn"], Message=encode(placed))
        received = await sqs.receive_message(QueueUrl=outputs["QueueUrl"], WaitTimeSeconds=10)
    (message,) = received["Messages"]
    assert decode_sqs_body(message["Body"]) == placed
