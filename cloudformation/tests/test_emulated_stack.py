"""As much of the whole stack as the embedded AWS takes, deployed and taken down again."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloudformation.tests.emulated import REFUSED_KINDS, REFUSED_RESOURCES, emulated
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.stack import delete_stack, upload

ZIPS = "whole-zips"
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


async def deploy(aws: RunningEmulator, url: str, *, name: str, parameters: dict[str, str]) -> dict[str, str]:
    """Create or update the stack, and return its outputs."""
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    stack = {"StackName": name, "TemplateURL": url, "Parameters": given, "Capabilities": ["CAPABILITY_IAM"]}
    async with aws_client("cloudformation", aws.environment) as cloudformation:
        if name in {each["StackName"] for each in (await cloudformation.describe_stacks())["Stacks"]}:
            await cloudformation.update_stack(**stack)
            waiter = cloudformation.get_waiter("stack_update_complete")
        else:
            await cloudformation.create_stack(**stack)
            waiter = cloudformation.get_waiter("stack_create_complete")
        await waiter.wait(StackName=name, WaiterConfig={"Delay": 0.1})
    return await outputs_of(aws, name)


async def outputs_of(aws: RunningEmulator, name: str) -> dict[str, str]:
    async with aws_client("cloudformation", aws.environment) as cloudformation:
        (stack,) = (await cloudformation.describe_stacks(StackName=name))["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.mark.embedded_aws
@pytest.mark.timeout(180)  # the first of them builds the function's zip
@pytest.mark.parametrize("variant", sorted(VARIANTS))
async def test_the_whole_stack_deploys_and_leaves_nothing(
    embedded_aws: RunningEmulator, whole_url: str, local_artifact: Path, whole: dict[str, Any], variant: str
) -> None:
    name, environment = f"whole-{variant}", embedded_aws.environment
    parameters = {"RetainData": "false", **VARIANTS[variant]}
    if "Consumer" in parameters:
        await upload(environment, bucket=ZIPS, key=local_artifact.name, file=local_artifact)
        parameters |= {"ArtifactBucket": ZIPS, "ArtifactKey": local_artifact.name}
    try:
        outputs = await deploy(embedded_aws, whole_url, name=name, parameters=parameters)
        made = await resources(embedded_aws, name)
        always = {title for title, r in emulated(whole)["Resources"].items() if "Condition" not in r}
        assert always <= made
        assert ("ApiService" in made) == ("ImageTag" in parameters)
        assert ("ProcessorService" in made) == (variant == "services")
        assert ("HttpsListener" in made) == (variant == "https")
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
async def test_another_number_of_workers_reaches_the_processors(embedded_aws: RunningEmulator, whole_url: str) -> None:
    name, environment = "whole-update", embedded_aws.environment
    parameters = {"ImageTag": "v1", "RetainData": "false", "Workers": "20"}
    try:
        await deploy(embedded_aws, whole_url, name=name, parameters=parameters)
        outputs = await deploy(embedded_aws, whole_url, name=name, parameters=parameters | {"Workers": "5"})
        async with aws_client("ecs", environment) as ecs:
            services = await ecs.describe_services(cluster=outputs["ClusterName"], services=["order-processor"])
            task = services["services"][0]["taskDefinition"]
            described = await ecs.describe_task_definition(taskDefinition=task)
        (container,) = described["taskDefinition"]["containerDefinitions"]
        assert {"name": "WORKERS", "value": "5"} in container["environment"]
    finally:
        await delete_stack(environment, name=name)
