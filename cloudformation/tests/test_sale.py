"""A sale is data: its tasks, the load balancer's capacity and warm tables follow from three parameters."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloudformation.delivery.sale import sale_findings
from cloudformation.delivery.steps import main
from cloudformation.parameters.sale import ORDERS_PER_TASK, SALE_RATES
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document

SALE = {"SaleStart": "2027-11-26T08:50:00", "SaleEnd": "2027-11-26T11:00:00", "ImageTag": "v1"}


def evaluated(template: Document, **chosen: str) -> Evaluation:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | chosen)


def properties(template: Document, title: str, **chosen: str) -> dict[str, Any]:
    found: dict[str, Any] = evaluated(template, **chosen).resources()[title]["Properties"]
    return found


def bounds(action: Document) -> tuple[str, Any, Any]:
    target = action["ScalableTargetAction"]
    return action["Schedule"]["Fn::Sub"][0], target["MinCapacity"], target["MaxCapacity"]


def test_a_sale_begins_with_all_processors_and_ends_as_before(whole: Document) -> None:
    target = properties(whole, "ProcessorScaling", **SALE)
    begin, end = target["ScheduledActions"]
    assert bounds(begin) == ("at(2027-11-26T08:50:00)", target["MaxCapacity"], target["MaxCapacity"])
    assert bounds(end) == ("at(2027-11-26T11:00:00)", target["MinCapacity"], target["MaxCapacity"])


@pytest.mark.parametrize("rate", SALE_RATES)
def test_a_sale_begins_with_the_api_tasks_for_its_rate(whole: Document, rate: int) -> None:
    chosen = SALE | {"SaleOrdersPerSecond": str(rate), "MinimumApiTasks": "3", "MaximumApiTasks": "100"}
    target = properties(whole, "ApiScaling", **chosen)
    begin, end = (bounds(action) for action in target["ScheduledActions"])
    assert begin[1] * ORDERS_PER_TASK >= rate
    assert int(whole["Parameters"]["MinimumApiTasks"]["MaxValue"]) <= begin[1] <= int(begin[2])
    assert end[1:] == ("3", "100")


def test_without_a_sale_nothing_of_it_is_there(whole: Document) -> None:
    found = evaluated(whole, ImageTag="v1").resources()
    assert not found.keys() & {"SaleEndSchedule", "SaleEndRole"}
    assert "ScheduledActions" not in found["ApiScaling"]["Properties"]
    assert "ScheduledActions" not in found["ProcessorScaling"]["Properties"]
    assert "MinimumLoadBalancerCapacity" not in found["Balancer"]["Properties"]
    assert "WarmThroughput" not in found["OrdersTable"]["Properties"]


@pytest.mark.parametrize(("rate", "units"), [("100", 100), ("2000", 100), ("5000", 200)])
def test_the_load_balancer_keeps_capacity_for_the_sale_until_it_ends(whole: Document, rate: str, units: int) -> None:
    found = evaluated(whole, **SALE, SaleOrdersPerSecond=rate).resources()
    assert found["Balancer"]["Properties"]["MinimumLoadBalancerCapacity"] == {"CapacityUnits": units}
    schedule = found["SaleEndSchedule"]["Properties"]
    assert schedule["ScheduleExpression"]["Fn::Sub"][0] == "at(2027-11-26T11:00:00)"
    assert json.loads(schedule["Target"]["Input"]["Fn::Sub"][0]) == {
        "LoadBalancerArn": "${Balancer}",
        "ResetCapacityReservation": True,
    }


def test_tables_are_warmed_for_more_writes_than_a_table_is_ready_for(whole: Document) -> None:
    assert "WarmThroughput" not in properties(whole, "OrdersTable", **SALE, SaleOrdersPerSecond="1000")
    for rate in ("2000", "5000"):
        table = properties(whole, "OrdersTable", **SALE, SaleOrdersPerSecond=rate)
        (index,) = table["GlobalSecondaryIndexes"]
        for warmed in (table, index):
            assert warmed["WarmThroughput"]["WriteUnitsPerSecond"] == 20_000


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"SaleEnd": ""}, "SaleStart and SaleEnd belong together"),
        ({"SaleStart": ""}, "SaleStart and SaleEnd belong together"),
        ({"SaleOrdersPerSecond": "2000"}, "SaleOrdersPerSecond need more API tasks than MaximumApiTasks"),
    ],
)
def test_half_a_sale_is_refused(whole: Document, chosen: dict[str, str], sentence: str) -> None:
    assert evaluated(whole, **SALE).refusals() == []
    (refusal,) = evaluated(whole, **SALE | chosen).refusals()
    assert sentence in refusal


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2027-11-26T08:50:00", "2027-11-26T08:50:00", "is not after SaleStart"),
        ("2027-11-24T08:50:00", "2027-11-24T11:00:00", "The sale ended at"),
        ("2027-11-25T08:50:00", "2027-11-26T11:00:00", "is past"),
        ("2027-13-26T08:50:00", "2027-11-26T11:00:00", "must be times of UTC"),
    ],
)
def test_times_that_cannot_be_are_a_sentence(start: str, end: str, sentence: str) -> None:
    (finding,) = sale_findings({"SaleStart": start, "SaleEnd": end}, now=datetime(2027, 11, 25, 12, tzinfo=UTC))
    assert sentence in finding


def test_a_sale_to_come_and_no_sale_are_nothing_to_say(whole: Document) -> None:
    now = datetime(2027, 11, 25, 12, tzinfo=UTC)
    assert sale_findings(SALE, now=now) == []
    assert sale_findings({name: str(p["Default"]) for name, p in whole["Parameters"].items()}, now=now) == []


def test_a_sale_that_is_over_is_refused_when_asked_for_and_said_of_a_stack_that_has_it(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--s3-bucket", "mine", "SaleStart=2020-01-01T00:00:00", "SaleEnd=2020-01-02T00:00:00"]) == 2
    assert "The sale ended at" in capsys.readouterr().err
    assert "cloudformation deploy" not in calls.read_text()
    kept = [("SaleStart", "2020-01-01T00:00:00"), ("SaleEnd", "2020-01-02T00:00:00")]
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in kept]
    (calls.parent / "stacks").write_text(json.dumps([{"StackName": "flash-sale", "Parameters": parameters}]))
    assert main(["deploy", "--s3-bucket", "mine", "Workers=5"]) == 0
    assert "SaleStart= SaleEnd= takes it out" in capsys.readouterr().err
    assert "cloudformation deploy" in calls.read_text()
