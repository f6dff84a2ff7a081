"""The bucket on the way to a stack: made once, by the real command line against the embedded AWS."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudformation.delivery.artifact import PROJECT
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.stack import delete_stack

BUCKET = PROJECT / "cloudformation" / "bucket"
STACK = "flash-sale-artifacts"
NAME = "flash-sale-artifacts-000000000000-eu-central-1"


def bucket(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own script
        [BUCKET, *arguments], capture_output=True, text=True, env=os.environ | environment, check=False
    )


class _Reader(yaml.SafeLoader):
    """Takes CloudFormation's short forms for the texts they stand before."""


_Reader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


@pytest.fixture
def properties() -> Any:  # noqa: ANN401  # any part of a template
    text = BUCKET.with_suffix(".yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=_Reader)["Resources"]["Bucket"]["Properties"]  # noqa: S506  # a safe one


@pytest.mark.embedded_aws
async def test_the_first_call_makes_the_bucket_and_every_call_prints_its_name(
    embedded_aws: RunningEmulator, real: dict[str, str]
) -> None:
    region = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
    here, environment = embedded_aws.environment | region, real | region
    first = bucket(environment=environment)
    assert (first.returncode, first.stdout) == (0, f"{NAME}\n"), first.stderr
    assert f"bucket: made {NAME}" in first.stderr
    again = bucket("--region", "eu-central-1", environment=environment)
    assert (again.returncode, again.stdout, again.stderr) == (0, f"{NAME}\n", "")
    async with aws_client("s3", here) as s3:
        block = (await s3.get_public_access_block(Bucket=NAME))["PublicAccessBlockConfiguration"]
        rules = (await s3.get_bucket_encryption(Bucket=NAME))["ServerSideEncryptionConfiguration"]["Rules"]
    assert set(block.values()) == {True}
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    await delete_stack(here, name=STACK)


def test_templates_expire_and_zips_stay_for_a_rollback(properties: dict[str, Any]) -> None:
    expiring = {
        rule.get("Prefix"): rule["ExpirationInDays"]
        for rule in properties["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    assert expiring == {"templates/": 7}


def test_the_bucket_is_named_after_account_and_region(properties: dict[str, Any]) -> None:
    assert properties["BucketName"] == "flash-sale-artifacts-${AWS::AccountId}-${AWS::Region}"


def test_any_other_failure_makes_nothing_and_is_told(tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\necho "$2" >>{tmp_path}/calls\necho "Unable to locate credentials" >&2\nexit 253\n')
    aws.chmod(0o755)
    done = bucket(environment={"AWS": str(aws)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bucket: Unable to locate credentials\n"
    assert (tmp_path / "calls").read_text().split() == ["describe-stacks"] * 2


def test_a_warning_of_the_command_line_is_no_part_of_the_name(tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\necho "this Python is old" >&2\necho ours\n')
    aws.chmod(0o755)
    assert bucket(environment={"AWS": str(aws)}).stdout == "ours\n"


def test_a_bucket_that_could_not_be_made_is_told(tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\n[ "$2" = deploy ] && exit 255\necho "Stack with id x does not exist" >&2\nexit 254\n')
    aws.chmod(0o755)
    done = bucket(environment={"AWS": str(aws)})
    assert (done.returncode, done.stdout) == (255, "")


def test_without_the_command_line_it_says_so(tmp_path: Path) -> None:
    done = bucket(environment={"AWS": str(tmp_path / "missing")})
    assert done.returncode == 127
    assert "not installed" in done.stderr


def test_help_needs_no_command_line() -> None:
    assert bucket("--help", environment={"AWS": "missing"}).stdout.startswith("Usage: cloudformation/bucket")
