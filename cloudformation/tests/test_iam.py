"""Least privilege, held by walking every statement and by reading what the code calls."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.resources.iam import WITHOUT_RESOURCE, everywhere
from cloudformation.tests.called_actions import called_actions
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import walk

Document = dict[str, Any]
FLASHPAY = PROJECT / "libs" / "flashpay" / "src"
FLASHSTOCK = PROJECT / "libs" / "flashstock" / "src"
FLASHBUS = PROJECT / "libs" / "flashbus" / "src" / "flashbus"
SERVICES = {"ApiRole": "order-api", "ProcessorRole": "order-processor", "FunctionRole": "lambda-handler"}
# What AWS does in a function's name: logs, the event source mapping, interfaces in the VPC.
PLATFORM_ACTIONS = {
    "FunctionRole": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    }
}


# Commands of their own: the reconciler has its own role, the dead-letter command the operator's.
COMMANDS = {"dlq", "reconcile"}
RECONCILER = PROJECT / "services" / "order-processor" / "src" / "order_processor" / "reconcile"
FINDERS = {FLASHPAY / "flashpay" / name for name in ("unsettled.py", "paid.py")}


def python_files(folder: Path) -> list[Path]:
    """The modules of a folder, without what only tests use, and without the commands."""
    return [file for file in sorted(folder.rglob("*.py")) if not {"testing", *COMMANDS} & set(file.parts)]


def sources(service: str) -> list[Path]:
    """A service's own code, flashpay, flashstock, and those modules of the bus that it imports (none uses all)."""
    own = [file for file in python_files(PROJECT / "services" / service / "src") if file.name != "topic_sender.py"]
    text = "\n".join(file.read_text(encoding="utf-8") for file in own)
    imported = set(re.findall(r"^from flashbus\.(\w+) import", text, re.MULTILINE))
    if "sns_publisher" in imported:
        imported.add("sns")  # what it publishes through
    flashpay = [file for file in python_files(FLASHPAY) if file not in FINDERS]
    return [*own, *flashpay, FLASHSTOCK, *(FLASHBUS / f"{name}.py" for name in sorted(imported))]


def statements(role: Document) -> Iterator[Document]:
    for policy in role["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def roles(template: Document) -> dict[str, Document]:
    return {t: r for t, r in template["Resources"].items() if r["Type"] == "AWS::IAM::Role"}


def actions(role: Document) -> set[str]:
    return {action for statement in statements(role) for action in statement["Action"]}


def test_no_role_has_a_wildcard_action(whole: Document) -> None:
    found = {title: actions(role) for title, role in roles(whole).items()}
    assert found
    assert not [action for allowed in found.values() for action in allowed if "*" in action]


def test_only_actions_without_a_resource_are_allowed_on_everything(whole: Document) -> None:
    everything = {
        action
        for role in roles(whole).values()
        for statement in statements(role)
        if statement["Resource"] == "*"
        for action in statement["Action"]
    }
    assert everything == set(WITHOUT_RESOURCE)


def test_every_other_resource_is_one_of_the_stack(whole: Document) -> None:
    for title, role in roles(whole).items():
        for statement in statements(role):
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for resource in resources:
                if resource == "*":
                    continue
                # Part of one: an index of a table, versions and aliases of a function.
                part = re.fullmatch(r"\$\{(\w+)\.Arn\}(/index/unsettled|:\*)", resource.get("Fn::Sub", ""))
                named = resource.get("Ref") or resource.get("Fn::GetAtt", ["", ""])[1] == "Arn"
                named = named or (part is not None and part[1] in whole["Resources"])
                assert named, f"{title} allows {statement['Action']} on {resource}"


@pytest.mark.parametrize("title", sorted(SERVICES))
def test_a_role_allows_exactly_what_its_code_calls(whole: Document, title: str) -> None:
    called = called_actions(sources(SERVICES[title]))
    assert called, "the code calls AWS"
    assert actions(roles(whole)[title]) == called | PLATFORM_ACTIONS.get(title, set())


@pytest.mark.parametrize("title", ["ApiRole", "FunctionRole", "ProcessorRole", "ReconcilerRole"])
def test_whoever_settles_may_tell_of_it_where_that_is_switched_on(whole: Document, title: str) -> None:
    (policy,) = whole["Resources"][title]["Properties"]["Policies"]
    (told,) = (
        statement["Fn::If"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Fn::If", [""])[0] == "OutcomeEventsOn"
    )
    assert (told[1]["Action"], told[1]["Resource"]) == (["sns:Publish"], {"Ref": "OutcomesTopic"})
    assert told[2] == {"Ref": "AWS::NoValue"}


def test_the_reconciler_may_find_orders_record_them_and_send_them_on(whole: Document) -> None:
    called = called_actions([RECONCILER, FLASHPAY, FLASHSTOCK, FLASHBUS / "sns.py"])
    assert "dynamodb:Query" in called
    assert actions(roles(whole)["ReconcilerRole"]) == called | {"sqs:SendMessage"}


def test_the_schedule_may_run_the_reconciler_on_this_cluster_alone(whole: Document) -> None:
    run, hand_over = statements(roles(whole)["ReconcilerScheduleRole"])
    assert (run["Action"], run["Resource"]) == (["ecs:RunTask"], {"Ref": "ReconcilerTask"})
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Fn::GetAtt": ["Cluster", "Arn"]}}}
    assert hand_over["Action"] == ["iam:PassRole"]
    assert {resource["Fn::GetAtt"][0] for resource in hand_over["Resource"]} == {"ExecutionRole", "ReconcilerRole"}


def test_the_simulated_gateway_may_do_nothing(whole: Document) -> None:
    assert called_actions([PROJECT / "services" / "payment-gateway" / "src"]) == set()
    assert "TaskRoleArn" not in whole["Resources"]["GatewayTask"]["Properties"]


def test_an_action_with_a_resource_is_refused_on_everything() -> None:
    with pytest.raises(KeyError):
        everywhere("dynamodb:PutItem")


def test_called_actions_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "async def f(self, client):\n"
        "    await self._client.delete_message_batch(Entries=[])\n"
        "    await client.publish_batch()\n"
        "    self.other.put_item()\n"
    )
    assert called_actions([tmp_path]) == {"sqs:DeleteMessage", "sns:Publish"}


def test_the_key_is_usable_by_sns_for_the_queue_and_through_the_services_of_this_account(whole: Document) -> None:
    policy = whole["Resources"]["Key"]["Properties"]["KeyPolicy"]["Statement"]
    for statement in policy:
        principal = statement["Principal"]
        if principal == {"AWS": "*"} or "Service" in principal:
            assert statement["Condition"], "anybody's statement is bound to this account or its log groups"
    topics = next(s for s in policy if "sns.amazonaws.com" in s["Principal"].get("Service", []))
    assert set(topics["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}


@pytest.mark.parametrize("consumer", ["ecs", "lambda", "lambda-sqs"])
def test_with_a_ready_role_none_is_made_and_everything_uses_it(whole: Document, consumer: str) -> None:
    ready = "arn:aws:iam::000000000000:role/LabRole"
    given = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    given |= {"ImageTag": "v1", "Consumer": consumer, "RoleArn": ready, "ArtifactBucket": "abc", "ArtifactKey": "k"}
    resources = Evaluation(template=whole, parameters=given).resources()
    assert not [title for title, resource in resources.items() if resource["Type"].startswith("AWS::IAM::")]
    assert not [
        part for part in walk(resources) if isinstance(part, dict) and str(part.get("Fn::GetAtt")).count("Role")
    ]
    for resource in resources.values():
        for name in ("ExecutionRoleArn", "TaskRoleArn", "Role"):
            assert resource.get("Properties", {}).get(name, ready) == ready
    for title in ("ApiTask", "Function"):
        assert ready in list(walk(resources[title]))
