"""The planner's names and values are those of the template."""

from cloudformation.build import build_template
from load.model import plan
from load.model.template_parameters import ACCEPTABLE_WAIT_SECONDS, GATEWAY_CAPACITIES, PAYMENT_SECONDS, WORKERS


def test_every_override_is_a_parameter_of_the_template_and_allowed_there() -> None:
    declared = build_template("all").to_dict()["Parameters"]
    assert declared["Workers"]["AllowedValues"] == [str(step) for step in WORKERS]
    assert declared["GatewayCapacity"]["AllowedValues"] == [str(step) for step in GATEWAY_CAPACITIES]
    for name, bounds in (("PaymentSeconds", PAYMENT_SECONDS), ("AcceptableWaitSeconds", ACCEPTABLE_WAIT_SECONDS)):
        assert (declared[name]["MinValue"], declared[name]["MaxValue"]) == bounds
    for override in plan(rate=60, payment=3, wait=60, burst=3600).template.overrides():
        name, _, value = override.partition("=")
        assert value in declared[name].get("AllowedValues", [value])
