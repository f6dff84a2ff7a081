"""Payments at once, over all services and in every choice that is not refused, are within what the gateway takes."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cloudformation.parameters.pipeline import CONSUMERS
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document

PAYING = (
    "ApiTask",
    "ApiService",
    "ApiScaling",
    "ProcessorTask",
    "ProcessorService",
    "ProcessorScaling",
    "Function",
    "FunctionQueueMapping",
)
CHOSEN = ("GatewayCapacity", "SyncPayments", "Workers", "MaximumApiTasks", "ProcessorRollout")
ARTIFACT = {"ArtifactBucket": "abc", "ArtifactKey": "a.zip", "ImageTag": "v1"}


def choices(template: Document) -> Iterator[dict[str, str]]:
    values = [template["Parameters"][name]["AllowedValues"] for name in CHOSEN]
    for consumer, *chosen in itertools.product(CONSUMERS, *values):
        yield {"Consumer": consumer, **dict(zip(CHOSEN, chosen, strict=True))}


def paying(template: Document) -> Document:
    """The template with nothing in it but what makes payments."""
    return {**template, "Resources": {title: template["Resources"][title] for title in PAYING}}


def evaluated(template: Document, chosen: Mapping[str, str]) -> Evaluation:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | ARTIFACT | dict(chosen))


def variable(task: Document, name: str) -> int:
    (container,) = task["Properties"]["ContainerDefinitions"]
    return int(next(entry["Value"] for entry in container["Environment"] if entry["Name"] == name))


def most_tasks(service: Document, scaling: Document) -> int:
    """Of every version together, while one replaces the other."""
    percent = service["Properties"]["DeploymentConfiguration"].get("MaximumPercent", 200)
    return int(scaling["Properties"]["MaxCapacity"]) * int(percent) // 100


def payments_at_once(found: dict[str, Any]) -> int:
    """The most that these resources ever make."""
    payments = most_tasks(found["ApiService"], found["ApiScaling"]) * variable(found["ApiTask"], "SYNC_LIMIT")
    if "ProcessorService" in found:
        tasks = most_tasks(found["ProcessorService"], found["ProcessorScaling"])
        return payments + tasks * variable(found["ProcessorTask"], "WORKERS")
    # Whatever calls the function, no more of them run than are reserved; the topic's are not bounded otherwise.
    mapping, function = found["FunctionQueueMapping"]["Properties"], found["Function"]["Properties"]
    if mapping["BatchSize"] == 1:
        return payments + int(function["ReservedConcurrentExecutions"])
    return payments + int(mapping["ScalingConfig"]["MaximumConcurrency"]) * int(mapping["BatchSize"])


def test_payments_at_once_never_exceed_what_the_gateway_takes(whole: Document) -> None:
    template, taken = paying(whole), 0
    for chosen in choices(template):
        found = evaluated(template, chosen)
        if found.refusals():
            continue
        taken += 1
        assert payments_at_once(found.resources()) <= int(chosen["GatewayCapacity"]), chosen
    assert taken > 100


def test_most_of_the_gateway_is_made_use_of(whole: Document) -> None:
    found = evaluated(paying(whole), {"SyncPayments": "0"})
    assert payments_at_once(found.resources()) == 100
    assert payments_at_once(evaluated(paying(whole), {}).resources()) == 4 * 20 + 2 * 10


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"Workers": "100"}, "Workers exceed GatewayCapacity less SyncPayments"),
        ({"GatewayCapacity": "20", "Workers": "1"}, "Workers exceed GatewayCapacity less SyncPayments"),
        ({"MaximumApiTasks": "20"}, "SyncPayments are fewer than two for each of MaximumApiTasks"),
        ({"Consumer": "lambda-sqs", "GatewayCapacity": "20", "SyncPayments": "0", "Workers": "20"}, ""),
        (
            {"Consumer": "lambda-sqs", "GatewayCapacity": "5", "SyncPayments": "0", "Workers": "5"},
            "raise GatewayCapacity",
        ),
        ({"Workers": "100", "SyncPayments": "0"}, ""),
        ({"ProcessorRollout": "side-by-side", "GatewayCapacity": "50"}, "needs room for two tasks"),
        ({"ProcessorRollout": "side-by-side"}, ""),
        ({"SyncPayments": "0", "MaximumApiTasks": "100"}, ""),
    ],
)
def test_what_exceeds_the_gateway_is_refused_with_what_to_do(
    whole: Document, chosen: dict[str, str], sentence: str
) -> None:
    refusals = evaluated(whole, chosen).refusals()
    assert len(refusals) == bool(sentence)
    assert all(sentence in refusal for refusal in refusals)


def test_a_new_processor_is_up_before_an_old_one_drains_where_there_is_room_for_both(whole: Document) -> None:
    found = evaluated(whole, {"ProcessorRollout": "side-by-side"}).resources()
    deployment = found["ProcessorService"]["Properties"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert found["ProcessorScaling"]["Properties"]["MaxCapacity"] == 2
    deployment = evaluated(whole, {}).resources()["ProcessorService"]["Properties"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)


def test_a_function_polls_with_as_many_as_lambda_takes_at_least(whole: Document) -> None:
    assert all(row["Invocations"] >= 2 for row in whole["Mappings"]["Concurrency"].values())


def test_where_the_topic_calls_the_function_what_is_left_in_the_queue_is_settled_within_the_same_bound(
    whole: Document,
) -> None:
    mapping = evaluated(whole, {"Consumer": "lambda"}).resources()["FunctionQueueMapping"]["Properties"]
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})


def test_a_sale_can_be_met_with_all_processors(whole: Document) -> None:
    for flag, least in (("true", 4), ("false", 1)):
        target = evaluated(whole, {"PreScale": flag}).resources()["ProcessorScaling"]["Properties"]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (least, 4)
