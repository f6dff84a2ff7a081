"""What stands in the way is said beforehand, a sentence each, and nothing is changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloudformation.build import build_template
from cloudformation.delivery.preflight import plan
from cloudformation.delivery.steps import main

DEFAULTS = {title: str(parameter.Default) for title, parameter in build_template("all").parameters.items()}


BUCKET = {"OutputKey": "BucketName", "OutputValue": "made"}
SALE = ["SaleStart=2099-01-01T00:00:00", "SaleEnd=2099-01-02T00:00:00", "SaleOrdersPerSecond=500"]


READY = ["RoleArn=arn:aws:iam::111111111111:role/LabRole"]


def trusting(*services: str) -> dict[str, Any]:
    """What IAM says of a role that these may assume; one alone stands there without a list."""
    names = [f"{service}.amazonaws.com" for service in services]
    statement = {"Effect": "Allow", "Principal": {"Service": names if len(names) > 1 else names[0]}}
    return {"Role": {"AssumeRolePolicyDocument": {"Statement": [statement]}}}


@pytest.fixture
def account(calls: Path) -> dict[str, str]:
    """A fake `aws` whose answers by operation may be changed before it is asked: `exit 1` for a refusal."""
    answers = {
        "get-caller-identity": {"Arn": "arn:aws:sts::111111111111:assumed-role/Deployer/me"},
        "simulate-principal-policy": {
            "EvaluationResults": [{"EvalActionName": "iam:CreateRole", "EvalDecision": "allowed"}]
        },
        "get-role": trusting("ecs-tasks", "lambda", "scheduler"),
        "L-3032A538": {"Quota": {"Value": 6}},
        "L-0263D0A3": {"Quota": {"Value": 5}},
        "L-F678F1CE": {"Quota": {"Value": 5}},
        "describe-addresses": {"Addresses": [{}]},
        "describe-vpcs": {"Vpcs": [{}, {}]},
        "get-account-settings": {"AccountLimit": {"ConcurrentExecutions": 10}},
        "list-service-quotas": {"Quotas": [{"QuotaName": "Messages Published per Second", "Value": 300}]},
        "flash-sale-artifacts": [{"StackName": "flash-sale-artifacts", "Outputs": [BUCKET]}],
        "head-bucket": {},
    }
    folder = calls.parent
    cases = "".join(f"*{word}*) . {folder}/{word} ;;\n" for word in answers)
    (folder / "aws").write_text(f'#!/bin/sh\necho aws "$@" >>{calls}\ncase "$*" in\n{cases}esac\n')
    for word, answer in answers.items():
        (folder / word).write_text(f"echo '{json.dumps(answer)}'")
    return {word: str(folder / word) for word in answers}


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_an_account_with_room_is_told_so_and_nothing_is_changed(
    account: dict[str, str], calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account
    assert main(["preflight"]) == 0
    assert said(capsys) == ["nothing stands in the way"]
    asked = [line.split()[2] for line in calls.read_text().splitlines() if line.startswith("aws")]
    assert all(word.startswith(("describe-", "get-", "head-", "simulate-")) for word in asked)
    source = "--policy-source-arn arn:aws:iam::111111111111:role/Deployer "
    assert source in calls.read_text()


@pytest.mark.parametrize(
    ("word", "answer", "arguments", "sentence"),
    [
        ("get-caller-identity", "exit 1", [], "No credentials that AWS takes"),
        (
            "simulate-principal-policy",
            """echo '{"EvaluationResults": [{"EvalActionName": "iam:CreateRole", "EvalDecision": "implicitDeny"}]}'""",
            [],
            "iam:CreateRole is not allowed here: give RoleArn",
        ),
        ("simulate-principal-policy", "exit 1", [], "Whether roles may be made could not be asked"),
        ("L-3032A538", "", [], "could not be asked: this takes up to 3.75 vCPUs of Fargate (quota L-3032A538)"),
        ("L-3032A538", """echo '{"Quota": {"Value": 2}}'""", [], "This takes up to 3.75 vCPUs of Fargate"),
        (
            "L-0263D0A3",
            """echo '{"Quota": {"Value": 1}}'""",
            ["NatGateways=2"],
            "up to 3 addresses, the 1 that there are among them, the account may have 1: raise quota L-0263D0A3",
        ),
        ("L-F678F1CE", """echo '{"Quota": {"Value": 2}}'""", [], "up to 3 VPCs, the 2 that there are among them"),
        ("list-service-quotas", None, SALE, "The sale brings 500 messages a second, SNS takes 300"),
        ("list-service-quotas", """echo '{"Quotas": []}'""", SALE, "How many messages SNS takes could not be asked"),
        ("get-role", "exit 1", READY, "Who may assume LabRole could not be asked"),
        (
            "get-role",
            f"echo '{json.dumps(trusting('ecs-tasks'))}'",
            READY,
            "scheduler.amazonaws.com may not assume LabRole: give RoleArn another",
        ),
        (
            "get-role",
            f"echo '{json.dumps(trusting('ecs-tasks', 'scheduler'))}'",
            [*READY, "Consumer=lambda-sqs"],
            "lambda.amazonaws.com may not assume LabRole",
        ),
        ("head-bucket", "exit 1", [], "The bucket made of templates cannot be reached"),
        ("flash-sale-artifacts", """echo '[{"StackName": "flash-sale-artifacts"}]'""", [], "was never finished"),
        ("get-account-settings", None, ["Consumer=lambda"], "a limit of 180 invocations at once, the account's is 10"),
    ],
)
def test_what_is_missing_is_a_sentence_that_says_what_to_do(
    account: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    word: str,
    answer: str | None,
    arguments: list[str],
    sentence: str,
) -> None:
    if answer is not None:
        Path(account[word]).write_text(answer or "exit 1")
    assert main(["preflight", *arguments]) == 1
    (only,) = said(capsys)
    assert sentence in only


def test_without_docker_it_is_said_what_builds_the_images(
    account: dict[str, str], calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account
    (calls.parent / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert main(["preflight", "Architecture=x86_64"]) == 1
    assert "No docker with buildx, which builds the images for x86_64" in said(capsys)[0]


@pytest.mark.parametrize(
    ("parameters", "vcpus", "invocations"),
    [
        ({}, (10 + 4 + 1) / 4, 0),
        ({"SyncPayments": "0"}, (10 + 5 + 1) / 4, 0),
        ({"Consumer": "lambda-sqs"}, (10 + 1) / 4, 8),
        ({"Consumer": "lambda", "PaymentGateway": "external"}, 10 / 4, 180),
        ({"ProcessorSize": "large", "MaximumApiTasks": "20"}, 20 / 4 + 4 + 1 / 4, 0),
    ],
)
def test_the_plan_is_what_the_stack_takes_at_its_largest(
    parameters: dict[str, str], vcpus: float, invocations: int
) -> None:
    planned = plan(DEFAULTS | parameters)
    assert (planned.vcpus, planned.invocations) == (vcpus, invocations)


def test_a_ready_role_is_not_asked_about() -> None:
    assert not plan(DEFAULTS | {"RoleArn": "arn:aws:iam::000000000000:role/LabRole"}).makes_roles


def test_a_ready_role_that_all_services_may_assume_is_nothing_to_say(
    account: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert account
    assert main(["preflight", *READY, "Consumer=lambda-sqs"]) == 0
    assert said(capsys) == ["nothing stands in the way"]


def test_of_the_root_user_it_is_not_asked_what_it_may(account: dict[str, str], calls: Path) -> None:
    """IAM simulates nothing of it, and it may do everything."""
    Path(account["get-caller-identity"]).write_text("""echo '{"Arn": "arn:aws-us-gov:iam::111111111111:root"}'""")
    Path(account["simulate-principal-policy"]).write_text("exit 1")
    assert main(["preflight"]) == 0
    assert "simulate-principal-policy" not in calls.read_text()


def test_a_first_deployment_says_what_it_finds_and_goes_on(
    account: dict[str, str], calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(account["get-account-settings"]).write_text("exit 1")
    Path(account["L-3032A538"]).write_text("""echo '{"Quota": {"Value": 2}}'""")
    assert main(["deploy", "--s3-bucket", "mine", "Workers=5", "MaximumApiTasks=20"]) == 0
    assert "This takes up to 9.25 vCPUs of Fargate, the account may have 2" in capsys.readouterr().err
    assert "aws cloudformation deploy" in calls.read_text()


def test_what_cannot_be_asked_is_said_to_be_so(account: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(account["get-account-settings"]).write_text("exit 1")
    assert main(["preflight", "Consumer=lambda"]) == 1
    assert "This could not be asked, and may stand in the way: aws lambda get-account-settings" in said(capsys)[0]
