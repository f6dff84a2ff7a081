"""What the tests of this folder share."""

import asyncio
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudformation.build import render_template
from cloudformation.delivery.artifact import PROJECT, build_local_artifact
from cloudformation.tests.emulated import emulated
from local.emulator import RunningEmulator
from local.stack import upload

RUNNING_STACK = """[{"StackName": "flash-sale", "Parameters": [{"ParameterKey": "Consumer", "ParameterValue": "ecs"}],
 "Outputs": [{"OutputKey": "ApiRepositoryUri", "OutputValue": "1.dkr.example/api"},
  {"OutputKey": "ProcessorRepositoryUri", "OutputValue": "1.dkr.example/processor"},
  {"OutputKey": "GatewayRepositoryUri", "OutputValue": "1.dkr.example/gateway"}]}]"""


@pytest.fixture(scope="session")
def local_artifact() -> Path:
    """The function's zip for this interpreter; built once, or found from the last run."""
    return build_local_artifact()


@pytest.fixture(scope="session")
def whole() -> dict[str, Any]:
    """The whole stack's template, as it is deployed."""
    document: dict[str, Any] = json.loads(render_template("all"))
    return document


@pytest.fixture(scope="session")
def holds(whole: dict[str, Any]) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Asserts an invariant of the template as it is; once, however many mistakes it is to see."""
    return functools.cache(lambda invariant: invariant(whole))


@pytest.fixture(scope="session")
def pipeline() -> dict[str, Any]:
    """The pipeline part's template."""
    document: dict[str, Any] = json.loads(render_template("pipeline"))
    return document


@pytest.fixture(scope="session")
def whole_url(embedded_aws: RunningEmulator, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where CloudFormation finds the whole stack's template, which is too large to be passed inline."""
    file = tmp_path_factory.mktemp("whole") / "whole.json"
    file.write_text(json.dumps(emulated(whole)), encoding="utf-8")
    asyncio.run(upload(embedded_aws.environment, bucket="whole", key=file.name, file=file))
    return f"{embedded_aws.endpoint_url}/whole/{file.name}"


@pytest.fixture(params=["pipeline", "whole"])
def either(request: pytest.FixtureRequest) -> dict[str, Any]:
    template: dict[str, Any] = request.getfixturevalue(request.param)
    return template


def _tool(environment: str, name: str) -> str:
    tool = PROJECT / environment / "bin" / name
    assert tool.exists(), f"{name} is not installed in {environment}: run `make tools`"
    return str(tool)


@pytest.fixture(scope="session")
def aws_command() -> str:
    """The real AWS command line, in an environment of its own."""
    return _tool(".venv-awscli", "aws")


@pytest.fixture
def real(embedded_aws: RunningEmulator, aws_command: str, tmp_path: Path) -> dict[str, str]:
    """The environment in which our scripts call the real AWS command line against the embedded AWS."""
    # An empty home: no configuration of the user's own.
    return embedded_aws.environment | {"AWS": aws_command, "HOME": str(tmp_path), "AWS_PAGER": ""}


@pytest.fixture(scope="session")
def checkov_command() -> str:
    return _tool(".venv-checkov", "checkov")


@pytest.fixture(scope="session")
def hadolint_command() -> str:
    return _tool(".venv-checkov", "hadolint")


@pytest.fixture(scope="session")
def zizmor_command() -> str:
    return _tool(".venv-checkov", "zizmor")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of every call of the fake `docker` and `aws`, the only tools on PATH besides the system's.

    Beside it, `stacks`, `resources` and `changes` hold what CloudFormation answers when asked for them.
    """
    log = tmp_path / "calls"
    (tmp_path / "stacks").write_text(RUNNING_STACK)
    (tmp_path / "resources").write_text('{"StackResourceSummaries": []}')
    aws = f"""case "$*" in
    *BucketName*) echo made ;; *get-login-password) echo secret ;;
    *"Stacks[?"*) cat {tmp_path}/stacks ;; *list-stack-resources*) cat {tmp_path}/resources ;;
    *describe-change-set*) cat {tmp_path}/changes ;;
    *no-execute-changeset*) echo "Run: aws describe-change-set --change-set-name arn:aws:1:changeSet/c/2" ;;
    esac"""
    for tool, answer in (("docker", ""), ("aws", aws)):
        program = tmp_path / tool
        program.write_text(f'#!/bin/sh\necho {tool} "$@" >>{log}\n{answer}\n[ "$1" != "${{FAIL:-}}" ]\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    return log
