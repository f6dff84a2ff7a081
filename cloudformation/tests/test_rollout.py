"""How another version takes over: tried first, and back when an alarm rings."""

from typing import Any

import pytest

from cloudformation.resources.alarms import PERIOD_SECONDS
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document

FUNCTION = {"ArtifactBucket": "abc", "ArtifactKey": "a.zip", "Consumer": "lambda-sqs"}
CANARY_SECONDS = 600
# Until CloudWatch has an invocation's error among its figures.
LATE_SECONDS = 120


def resources(template: Document, **chosen: str) -> dict[str, Any]:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | FUNCTION | chosen).resources()


def test_another_version_of_the_function_is_tried_before_it_takes_over(whole: Document) -> None:
    found = resources(whole)
    moved_by = found["FunctionAlias"].get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate")
    assert moved_by == {
        "ApplicationName": {"Ref": "FunctionRolloutApplication"},
        "DeploymentGroupName": {"Ref": "FunctionRolloutGroup"},
    }
    group = found["FunctionRolloutGroup"]["Properties"]
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes"
    assert group["AlarmConfiguration"]["Enabled"] == "true"
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    alarms = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
    assert "FunctionErrorsAlarm" in alarms
    for title in alarms:
        alarm = found[title]["Properties"]
        assert alarm["EvaluationPeriods"] * PERIOD_SECONDS + LATE_SECONDS < CANARY_SECONDS, title


def test_a_repair_goes_at_once_whatever_rings(whole: Document) -> None:
    group = resources(whole, FunctionRollout="at-once")["FunctionRolloutGroup"]["Properties"]
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaAllAtOnce"
    assert group["AlarmConfiguration"]["Enabled"] == "false"


@pytest.mark.parametrize("chosen", [{"RoleArn": "arn:aws:iam::000000000000:role/One"}, {"ArtifactKey": "none"}])
def test_nothing_moves_an_alias_where_there_is_no_role_or_no_function(whole: Document, chosen: dict[str, str]) -> None:
    found = resources(whole, **chosen)
    assert not any(title.startswith("FunctionRollout") for title in found)
    assert "UpdatePolicy" not in found.get("FunctionAlias", {})


def test_who_moves_the_alias_may_do_so_and_ask_for_its_alarms(whole: Document) -> None:
    (policy,) = whole["Resources"]["FunctionRolloutRole"]["Properties"]["Policies"]
    moves, asks = policy["PolicyDocument"]["Statement"]
    assert {"lambda:GetAlias", "lambda:UpdateAlias"} <= set(moves["Action"])
    alarms = whole["Resources"]["FunctionRolloutGroup"]["Properties"]["AlarmConfiguration"]["Alarms"]
    assert asks["Resource"] == [{"Fn::GetAtt": [alarm["Name"]["Ref"], "Arn"]} for alarm in alarms]


@pytest.mark.parametrize("title", ["ApiService", "ProcessorService"])
def test_a_deployment_of_tasks_rolls_back_by_alarm(whole: Document, title: str) -> None:
    alarms = whole["Resources"][title]["Properties"]["DeploymentConfiguration"]["Alarms"]
    assert (alarms["Enable"], alarms["Rollback"]) == (True, True)
    assert alarms["AlarmNames"]
