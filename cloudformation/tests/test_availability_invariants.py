"""What must hold for orders to be taken and kept: in a deployment, over a weekend, and while Spot takes tasks away."""

from typing import Any

from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document, of_kind

DAY_SECONDS = 24 * 3600
# From Friday's evening to Monday's, and the day to mend it.
UNATTENDED_DAYS = 4
# The longest that Lambda keeps an event which the function cannot take.
LONGEST_EVENT_AGE_SECONDS = 6 * 3600


def running(template: Document, **chosen: str) -> dict[str, Any]:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | {"ImageTag": "v1"} | chosen).resources()


def test_orders_are_taken_all_through_a_deployment(whole: Document) -> None:
    deployed = running(whole)["ApiService"]["Properties"]["DeploymentConfiguration"]
    # Without a word ECS starts the new tasks first.
    assert deployed.get("MinimumHealthyPercent", 100) >= 100
    assert deployed.get("MaximumPercent", 200) > 100


def test_there_are_never_two_of_the_simulated_gateway(whole: Document) -> None:
    """Each has charges of its own, and neither knows what the other charged."""
    deployed = running(whole)["GatewayService"]["Properties"]["DeploymentConfiguration"]
    assert (deployed["MinimumHealthyPercent"], deployed["MaximumPercent"]) == (0, 100)


def test_orders_are_taken_without_a_sale_too_and_one_lost_task_is_not_the_last(whole: Document) -> None:
    fewest = whole["Parameters"]["MinimumApiTasks"]
    assert running(whole)["ApiScaling"]["Properties"]["MinCapacity"] == str(fewest["Default"])
    assert fewest["MinValue"] >= 1
    assert fewest["Default"] >= 2


def test_the_first_processor_is_never_on_spot(whole: Document) -> None:
    strategy = running(whole, SpotPerOnDemand="10")["ProcessorService"]["Properties"]["CapacityProviderStrategy"]
    bases = {each["CapacityProvider"]: each.get("Base", 0) for each in strategy}
    assert bases["FARGATE"] >= 1
    assert bases["FARGATE_SPOT"] == 0


def test_an_order_waits_for_as_long_as_nobody_may_look(either: Document) -> None:
    for title, queue in of_kind(either, "AWS::SQS::Queue").items():
        assert queue["MessageRetentionPeriod"] >= UNATTENDED_DAYS * DAY_SECONDS, title
    (config,) = of_kind(either, "AWS::Lambda::EventInvokeConfig").values()
    assert config["MaximumEventAgeInSeconds"] == LONGEST_EVENT_AGE_SECONDS
