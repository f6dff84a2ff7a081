"""What a deployment would change, and what a deletion would leave, said beforehand."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cloudformation.build import build_template, render_template
from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.change_set import in_words
from cloudformation.delivery.retained import retained_titles
from cloudformation.delivery.steps import main
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.stack import delete_stack, deploy_stack


def change(action: str, title: str, replacement: str | None = None, *properties: str) -> dict[str, object]:
    details = [{"Target": {"Attribute": "Properties", "Name": name}} for name in properties]
    resource = {"Action": action, "LogicalResourceId": title, "ResourceType": "AWS::A::B", "Details": details}
    return {"ResourceChange": resource | ({"Replacement": replacement} if replacement else {})}


CHANGES = [
    change("Add", "Fresh"),
    change("Modify", "Calm", "False", "Name"),
    change("Modify", "Perhaps", "Conditional", "Name"),
    change("Remove", "Gone"),
    change("Modify", "Other", "True", "Name", "Size", "Name"),
]


def test_replacements_come_first_and_say_by_which_property() -> None:
    assert in_words(CHANGES).splitlines() == [
        "REPLACE      Other  AWS::A::B (Name, Size)",
        "may REPLACE  Perhaps  AWS::A::B (Name)",
        "remove       Gone  AWS::A::B",
        "change       Calm  AWS::A::B (Name)",
        "add          Fresh  AWS::A::B",
    ]


def test_the_change_set_is_shown_and_deleted_and_nothing_is_deployed(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.with_name("changes").write_text(json.dumps({"Changes": CHANGES}))
    assert main(["changes", "Workers=5"]) == 0
    assert capsys.readouterr().out.startswith("REPLACE      Other")
    lines = calls.read_text().splitlines()
    assert any("--no-execute-changeset --parameter-overrides Workers=5" in line for line in lines)
    assert lines[-1] == "aws cloudformation delete-change-set --change-set-name arn:aws:1:changeSet/c/2"
    assert not [line for line in lines if "deploy --template" in line and "--no-execute-changeset" not in line]


def test_of_a_stack_that_is_not_there_no_change_set_is_made(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls.with_name("stacks").write_text("[]")
    assert main(["changes"]) == 1
    assert "there is no stack flash-sale" in capsys.readouterr().err
    assert "no-execute" not in calls.read_text()


@pytest.mark.parametrize(
    ("retain", "said", "unsaid"),
    [("true", "  OrdersTable  orders-x\n", "nothing of"), ("false", "nothing of flash-sale stays", "OrdersTable")],
)
def test_a_deletion_says_beforehand_what_stays(
    calls: Path, capsys: pytest.CaptureFixture[str], retain: str, said: str, unsaid: str
) -> None:
    parameters = [{"ParameterKey": "RetainData", "ParameterValue": retain}]
    calls.with_name("stacks").write_text(json.dumps([{"StackName": "flash-sale", "Parameters": parameters}]))
    resources = [{"LogicalResourceId": "OrdersTable", "PhysicalResourceId": "orders-x"}, {"LogicalResourceId": "Vpc"}]
    calls.with_name("resources").write_text(json.dumps({"StackResourceSummaries": resources}))
    assert main(["destroy", "--yes"]) == 0
    told = capsys.readouterr().err
    assert said in told
    assert unsaid not in told
    assert "Vpc" not in told
    assert "bucket of templates and function zips stays" in told


def test_what_stays_is_what_holds_data() -> None:
    kinds = {str(build_template("all").resources[title].resource_type) for title in retained_titles()}
    assert kinds == {
        "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::KMS::Key", "AWS::SecretsManager::Secret"
    }  # fmt: skip


def output_of_deploy(*words: str, template: str, environment: dict[str, str]) -> str:
    made = subprocess.run(  # noqa: S603  # our own script
        [PROJECT / "cloudformation" / "deploy", *words],
        input=template, capture_output=True, text=True, env=os.environ | environment, check=True,
    )  # fmt: skip
    return made.stdout


@pytest.mark.embedded_aws
async def test_a_real_change_set_is_found_in_what_the_command_line_says(
    embedded_aws: RunningEmulator, real: dict[str, str]
) -> None:
    name, template = "previewed", render_template("pipeline")
    await deploy_stack(embedded_aws.environment, name=name, template=template, parameters={"RetainData": "false"})
    words = ["--stack-name", name, "--no-execute-changeset", "--parameter-overrides", "VisibilitySeconds=90"]
    try:
        named = re.search(r"arn:\S+:changeSet/\S+", output_of_deploy(*words, template=template, environment=real))
        assert named is not None
        async with aws_client("cloudformation", embedded_aws.environment) as cloudformation:
            described = await cloudformation.describe_change_set(ChangeSetName=named[0])
        assert re.search(r"^change +Queue  AWS::SQS::Queue", in_words(described["Changes"]), re.MULTILINE)
    finally:
        await delete_stack(embedded_aws.environment, name=name)
