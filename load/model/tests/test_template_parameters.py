"""The planner's names and values are those of the template."""

import re
from datetime import UTC, datetime

import pytest

from cloudformation.build import build_template
from load.model import plan
from load.model.scheduled_sale import prepared_api_tasks
from load.model.template_parameters import (
    ACCEPTABLE_WAIT_SECONDS,
    FLAG,
    GATEWAY_CAPACITIES,
    MAXIMUM_API_TASKS,
    PAYMENT_SECONDS,
    PRE_SCALE,
    SALE_RATES,
    WORKERS,
)


def test_every_override_is_a_parameter_of_the_template_and_allowed_there() -> None:
    declared = build_template("all").to_dict()["Parameters"]
    assert declared["Workers"]["AllowedValues"] == [str(step) for step in WORKERS]
    assert declared["GatewayCapacity"]["AllowedValues"] == [str(step) for step in GATEWAY_CAPACITIES]
    for name, bounds in (("PaymentSeconds", PAYMENT_SECONDS), ("AcceptableWaitSeconds", ACCEPTABLE_WAIT_SECONDS)):
        assert (declared[name]["MinValue"], declared[name]["MaxValue"]) == bounds
    assert set(declared[PRE_SCALE]["AllowedValues"]) == set(FLAG.values())
    assert declared["MaximumApiTasks"]["AllowedValues"] == [str(step) for step in MAXIMUM_API_TASKS]
    assert declared["SaleOrdersPerSecond"]["AllowedValues"] == [str(rate) for rate in SALE_RATES]
    for start in (None, datetime(2027, 11, 27, 9, tzinfo=UTC)):
        for override in plan(rate=60, payment=3, wait=60, burst=3600, start=start).template.overrides():
            name, _, value = override.partition("=")
            assert value in declared[name].get("AllowedValues", [value])
            assert re.fullmatch(declared[name].get("AllowedPattern", ".*"), value)


def test_a_sale_has_the_api_tasks_there_that_are_priced_here() -> None:
    prepared = build_template("all").to_dict()["Mappings"]["Sale"]
    assert {rate: prepared_api_tasks(int(rate)) for rate in prepared} == {
        rate: made["ApiTasks"] for rate, made in prepared.items()
    }


def test_a_dated_sale_lies_between_its_moments_and_has_its_tasks() -> None:
    found = plan(rate=1500, payment=0.1, wait=60, burst=1800, start=datetime(2027, 11, 27, 9)).template  # noqa: DTZ001
    chosen = dict(found.parameters)
    assert (chosen["SaleStart"], chosen["SaleEnd"]) == ("2027-11-27T08:50:00", "2027-11-27T09:30:00")
    assert (chosen["SaleOrdersPerSecond"], chosen["MaximumApiTasks"]) == (2000, 20)
    assert (chosen[PRE_SCALE], found.first_tasks) == (FLAG[False], found.max_tasks)


def test_pre_scale_means_there_what_it_means_here() -> None:
    template = build_template("all").to_dict()
    (condition,) = (
        name
        for name, test in template["Conditions"].items()
        if test == {"Fn::Equals": [{"Ref": PRE_SCALE}, FLAG[True]]}
    )
    scaling = template["Resources"]["ProcessorScaling"]["Properties"]
    assert scaling["MinCapacity"] == {"Fn::If": [condition, scaling["MaxCapacity"], 1]}


@pytest.mark.parametrize("workers_per_task", WORKERS)
@pytest.mark.parametrize("capacity", [3, *GATEWAY_CAPACITIES])
def test_workers_and_most_tasks_are_those_of_the_template(capacity: int, workers_per_task: int) -> None:
    held = plan(
        rate=0.3, payment=3, wait=600, burst=60, workers_per_task=workers_per_task, gateway_capacity=capacity
    ).template
    assert held.workers_per_task <= held.gateway_capacity <= capacity
    table = build_template("all").to_dict()["Mappings"]["ProcessorTasks"]
    assert held.max_tasks == table[str(held.gateway_capacity)][str(held.workers_per_task)]


@pytest.mark.parametrize(
    ("payment", "note"),
    [
        (0.6, "PaymentSeconds: the template takes whole seconds, 1 and not 0.6"),
        (2.5, "PaymentSeconds: the template takes whole seconds, 3 and not 2.5"),
        (20.0, "PaymentSeconds: the template takes 1 to 14, not 20"),
    ],
)
def test_a_payment_time_that_the_template_cannot_hold_is_not_rounded_in_silence(payment: float, note: str) -> None:
    assert note in plan(rate=2, payment=payment, wait=60, burst=60).template.notes
