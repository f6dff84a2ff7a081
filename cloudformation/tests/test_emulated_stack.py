"""As much of the whole stack as the embedded AWS takes, deployed and taken down again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.tests.emulated import REFUSED_KINDS, REFUSED_RESOURCES, emulated
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.stack import delete_stack

DEPLOY = PROJECT / "cloudformation" / "deploy"
BUCKET = "flash-sale-artifacts-000000000000-us-east-1"
VARIANTS: dict[str, dict[str, str]] = {
    "first": {},
    "services": {"ImageTag": "v1"},
    "function": {"ImageTag": "v1", "Consumer": "lambda", "NatGateways": "0", "CustomerKey": "true"},
    "learner": {"ImageTag": "v1", "Consumer": "lambda-sqs", "RoleArn": "arn:aws:iam::000000000000:role/LabRole"},
    "https": {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x", "NatGateways": "2"},
}


async def resources(aws: RunningEmulator, name: str) -> set[str]:
    async with aws_client("cloudformation", aws.environment) as cloudformation:
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        return {entry["LogicalResourceId"] async for page in pages for entry in page["StackResourceSummaries"]}


def deploy_whole(
    template: dict[str, Any], *, name: str, parameters: dict[str, str], environment: dict[str, str]
) -> None:
    """By the pipe: the template is too large for any other way than the bucket."""
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    done = subprocess.run(  # noqa: S603  # our own script
        [DEPLOY, "--stack-name", name, "--parameter-overrides", *overrides],
        input=json.dumps(emulated(template), indent=1),
        capture_output=True, text=True, env=os.environ | environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def upload(zipped: Path, environment: dict[str, str]) -> str:
    """Put the function's zip into the bucket that templates go through, and return its name."""

    def output_of(*words: str) -> str:
        return subprocess.run(words, capture_output=True, text=True, env=os.environ | environment, check=True).stdout  # noqa: S603  # ours

    bucket = output_of(str(DEPLOY.with_name("bucket"))).strip()
    output_of(environment["AWS"], "s3", "cp", str(zipped), f"s3://{bucket}/{zipped.name}")
    return bucket


def status(name: str, environment: dict[str, str]) -> str:
    """What `make status` says of the stack, by the real command line."""
    tool = Path(environment["HOME"]) / "aws"
    # Its version 1 asks AWS for queues whatever AWS_ENDPOINT_URL says, and only the option keeps it from it.
    tool.write_text(f'#!/bin/sh\nexec {environment["AWS"]} --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    tool.chmod(0o755)
    found = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603  # our own module
        [sys.executable, "-m", "cloudformation.delivery", "status", "--stack", name],
        capture_output=True, text=True, env=os.environ | environment | {"PATH": found}, check=False, cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


async def uploaded(aws: RunningEmulator) -> list[str]:
    """The templates in the bucket that the deployments made."""
    async with aws_client("s3", aws.environment) as s3:
        page = await s3.list_objects_v2(Bucket=BUCKET, Prefix="templates/")
    return [entry["Key"] for entry in page.get("Contents", [])]


async def outputs_of(aws: RunningEmulator, name: str) -> dict[str, str]:
    async with aws_client("cloudformation", aws.environment) as cloudformation:
        (stack,) = (await cloudformation.describe_stacks(StackName=name))["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.mark.embedded_aws
@pytest.mark.parametrize("variant", sorted(VARIANTS))
async def test_the_whole_stack_deploys_and_leaves_nothing(
    embedded_aws: RunningEmulator, real: dict[str, str], local_artifact: Path, whole: dict[str, Any], variant: str
) -> None:
    name, environment = f"whole-{variant}", embedded_aws.environment
    parameters = {"RetainData": "false", **VARIANTS[variant]}
    if "Consumer" in parameters:
        parameters |= {"ArtifactBucket": upload(local_artifact, real), "ArtifactKey": local_artifact.name}
    try:
        deploy_whole(whole, name=name, parameters=parameters, environment=real)
        assert await uploaded(embedded_aws)
        outputs = await outputs_of(embedded_aws, name)
        made = await resources(embedded_aws, name)
        always = {title for title, r in emulated(whole)["Resources"].items() if "Condition" not in r}
        assert always <= made
        assert ("ApiService" in made) == ("ImageTag" in parameters)
        assert ("ProcessorService" in made) == (variant == "services")
        assert ("HttpsListener" in made) == (variant == "https")
        said = status(name, real)
        assert ('"service": "order-api"' in said) == ("ImageTag" in parameters)
        assert outputs["ApiUrl"].startswith("https://" if variant == "https" else "http://")
    finally:
        await delete_stack(environment, name=name)
    async with aws_client("sqs", environment) as sqs:
        assert not (await sqs.list_queues(QueueNamePrefix=name)).get("QueueUrls")


def test_what_is_refused_is_in_the_template_and_has_a_reason(whole: dict[str, Any]) -> None:
    kinds = {resource["Type"] for resource in whole["Resources"].values()}
    assert set(REFUSED_KINDS) <= kinds
    assert set(REFUSED_RESOURCES) <= set(whole["Resources"])
    assert all((REFUSED_KINDS | REFUSED_RESOURCES).values())


def test_nothing_refers_to_what_was_taken_out(whole: dict[str, Any]) -> None:
    kept = emulated(whole)["Resources"]
    for title in set(whole["Resources"]) - set(kept):
        assert f'"Ref": "{title}"' not in json.dumps(kept)


@pytest.mark.embedded_aws
async def test_another_number_of_workers_reaches_the_processors(
    embedded_aws: RunningEmulator, real: dict[str, str], whole: dict[str, Any]
) -> None:
    name, environment = "whole-update", embedded_aws.environment
    parameters = {"ImageTag": "v1", "RetainData": "false", "Workers": "20"}
    deploy_whole(whole, name=name, parameters=parameters, environment=real)
    outputs = await outputs_of(embedded_aws, name)
    changed = [{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters | {"Workers": "5"}).items()]
    async with aws_client("cloudformation", environment) as cloudformation, aws_client("ecs", environment) as ecs:
        await cloudformation.update_stack(
            StackName=name, UsePreviousTemplate=True, Parameters=changed, Capabilities=["CAPABILITY_IAM"]
        )
        await cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
        services = await ecs.describe_services(cluster=outputs["ClusterName"], services=["order-processor"])
        task = services["services"][0]["taskDefinition"]
        described = await ecs.describe_task_definition(taskDefinition=task)
        (container,) = described["taskDefinition"]["containerDefinitions"]
        assert {"name": "WORKERS", "value": "5"} in container["environment"]
    await delete_stack(environment, name=name)
