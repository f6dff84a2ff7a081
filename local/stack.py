"""Deploy the generated template into the account an environment names, and take it down again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.aws import aws_client

POLL_SECONDS = 0.1
DEPLOY_SECONDS = 120


class StackFailedError(Exception):
    """A stack did not reach its end state; the message holds the reason CloudFormation gave."""


async def deploy_stack(
    environment: Mapping[str, str], *, name: str, template: str, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Create the stack `name` from a template body and return its outputs by name.

    Raises StackFailedError with the first failed resource's reason.
    """
    async with aws_client("cloudformation", environment) as cloudformation:
        try:
            await cloudformation.create_stack(**_stack(name, template, parameters))
        except ClientError as exc:
            raise StackFailedError(f"stack {name}: {exc}") from exc
        created = await _settled(cloudformation, name)
        if created["StackStatus"] != "CREATE_COMPLETE":
            raise StackFailedError(f"stack {name}: {created['StackStatus']}: {await _reason(cloudformation, name)}")
        return {output["OutputKey"]: output["OutputValue"] for output in created.get("Outputs", [])}


def _stack(name: str, template: str, parameters: Mapping[str, str]) -> dict[str, object]:
    return {
        "StackName": name,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }


async def delete_stack(environment: Mapping[str, str], *, name: str) -> None:
    """Delete the stack `name` and wait until it is gone; raises StackFailedError when it stays."""
    async with aws_client("cloudformation", environment) as cloudformation:
        await cloudformation.delete_stack(StackName=name)
        try:
            stack = await _settled(cloudformation, name)
        except ClientError as exc:
            if "does not exist" in str(exc):
                return
            raise
        if stack["StackStatus"] != "DELETE_COMPLETE":
            raise StackFailedError(f"stack {name}: {stack['StackStatus']}: {await _reason(cloudformation, name)}")


async def upload(environment: Mapping[str, str], *, bucket: str, key: str, file: Path) -> None:
    """Put a file into a bucket, made when it is missing."""
    async with aws_client("s3", environment) as s3:
        names = {entry["Name"] for entry in (await s3.list_buckets())["Buckets"]}
        if bucket not in names:
            await s3.create_bucket(Bucket=bucket)
        await s3.put_object(Bucket=bucket, Key=key, Body=await asyncio.to_thread(file.read_bytes))


async def _settled(cloudformation: Any, name: str) -> dict[str, Any]:  # noqa: ANN401  # an untyped client
    async with asyncio.timeout(DEPLOY_SECONDS):
        while True:
            stack: dict[str, Any] = (await cloudformation.describe_stacks(StackName=name))["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            await asyncio.sleep(POLL_SECONDS)


async def _reason(cloudformation: Any, name: str) -> str:  # noqa: ANN401  # an untyped client
    events = (await cloudformation.describe_stack_events(StackName=name))["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    if not failed:
        return "no reason was given"
    first = failed[-1]  # events come newest first
    return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason was given')}"
