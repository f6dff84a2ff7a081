"""What every parameter changes in a running stack: what is replaced or lost is listed here, with its reason."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from cloudformation.build import build_template
from cloudformation.tests.changes import Changes, changes
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document

Resources = dict[str, Document]
ARTIFACT = {"ArtifactBucket": "abc", "ArtifactKey": "a.zip"}
EXTERNAL = {"PaymentGateway": "external", "GatewayUrl": "https://a.example"}
STACKS = {
    "tasks": {"ImageTag": "v1"},
    "tasks before a sale": {
        "ImageTag": "v1",
        "SaleStart": "2032-01-01T00:00:00",
        "SaleEnd": "2032-01-02T00:00:00",
    },
    "function called by the topic": {"ImageTag": "v1", "Consumer": "lambda", **ARTIFACT},
    "function polling the queue": {"ImageTag": "v1", "Consumer": "lambda-sqs", **ARTIFACT},
    "tasks and an external gateway": {"ImageTag": "v1", **EXTERNAL},
    "tasks under a domain": {"ImageTag": "v1", "DomainName": "shop.example", "HostedZoneId": "Z1"},
    "function and an external gateway": {"ImageTag": "v1", "Consumer": "lambda", **ARTIFACT, **EXTERNAL},
}
TEXTS = {
    "ImageTag": ["v1", "v2"],
    "GatewayUrl": ["https://a.example", "https://b.example"],
    "ArtifactBucket": ["abc", "xyz"],
    "ArtifactKey": ["a.zip", "b.zip"],
    "CertificateArn": ["arn:aws:acm:x", "arn:aws:acm:y"],
    "DomainName": ["shop.example", "sale.example"],
    "HostedZoneId": ["Z1", "Z2"],
    "RequestsPerAddress": ["10", "500"],
    "SaleStart": ["2030-01-01T00:00:00", "2031-01-01T00:00:00"],
    "SaleEnd": ["2030-01-02T00:00:00", "2031-01-02T00:00:00"],
    "RoleArn": ["arn:aws:iam::000000000000:role/One", "arn:aws:iam::000000000000:role/Other"],
    "AlarmEmail": ["a@b.example", "c@d.example"],
}
# Replaced by design: both are immutable, what runs moves on to the new one, and the old one goes afterwards.
IMMUTABLE_KINDS = {
    "AWS::ECS::TaskDefinition": "a revision; tasks of the old one work until those of the new one run",
    "AWS::Lambda::Version": "the alias moves to the new one first",
}
_DOMAIN = "another name has another certificate and record, made before the old ones go"
REPLACED = {
    ("DomainName", "PublicPaths"): "as with CertificateArn",
    ("DomainName", "Certificate"): _DOMAIN,
    ("DomainName", "Alias"): _DOMAIN,
    ("HostedZoneId", "Certificate"): _DOMAIN,
    ("HostedZoneId", "Alias"): _DOMAIN,
    ("CertificateArn", "PublicPaths"): "a rule of the listener that leads to the API, which is another one with HTTPS",
}
# Kinds and single resources that hold what is nowhere else.
HOLDING_KINDS = {
    "AWS::DynamoDB::Table",
    "AWS::EC2::EIP",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::SecretsManager::Secret",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
}
HOLDING = {"GatewayTask"}
FORGETS = "the simulated gateway forgets its charges: another provider to the shop, and not for a sale (docs/deploy.md)"
_NO_ZIP = "taking the zip away says to take the function away, whose events must be done by then (docs/deploy.md)"
_NAT = "fewer ways out have fewer addresses: tell the provider before, if it admits ours alone"
LOST = {
    **{(name, "GatewayTask"): FORGETS for name in ("GatewayCapacity", "ImageTag", "PaymentGateway", "PaymentSeconds")},
    ("Architecture", "GatewayTask"): FORGETS,
    ("RoleArn", "GatewayTask"): FORGETS,
    ("ArtifactBucket", "Function"): _NO_ZIP,
    ("ArtifactKey", "Function"): _NO_ZIP,
    ("CustomerKey", "Key"): "kept unless RetainData is false: what was encrypted with it is read with it",
    ("OutcomeEvents", "OutcomesTopic"): "nobody is told any more, and subscriptions go with it (docs/deploy.md)",
    ("NatGateways", "NatAddress0"): _NAT,
    ("NatGateways", "NatAddress1"): _NAT,
}


def defaults(template: Document) -> dict[str, str]:
    return {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}


def choices(name: str, parameter: Document) -> list[str]:
    """The values to go between: every allowed one, both ends of a range, some texts."""
    ends = [str(parameter[end]) for end in ("MinValue", "MaxValue") if end in parameter]
    given = [str(value) for value in parameter.get("AllowedValues", TEXTS.get(name, ends))]
    return sorted({*given, str(parameter["Default"])})


def updates(template: Document, name: str) -> Iterator[tuple[Resources, Resources]]:
    """The resources before and after every change of one parameter, in stacks of every kind."""
    for stack in STACKS.values():
        parameters = defaults(template) | stack
        states = [
            Evaluation(template=template, parameters=parameters | {name: value}).resources()
            for value in choices(name, template["Parameters"][name])
        ]
        yield from itertools.permutations(states, 2)


def all_changes(template: Document, name: str) -> Changes:
    found = [changes(before, after) for before, after in updates(template, name)]
    return Changes(
        replaced=frozenset[str]().union(*(each.replaced for each in found)),
        removed=frozenset[str]().union(*(each.removed for each in found)),
        updated=frozenset[str]().union(*(each.updated for each in found)),
    )


def unexpected_replacements(template: Document, name: str) -> set[tuple[str, str]]:
    replaced = all_changes(template, name).replaced
    mutable = {title for title in replaced if template["Resources"][title]["Type"] not in IMMUTABLE_KINDS}
    return {(name, title) for title in mutable} - set(REPLACED)


def losses(template: Document, name: str) -> set[tuple[str, str]]:
    found = all_changes(template, name)
    return {
        (name, title)
        for title in found.replaced | found.removed
        if title in HOLDING or template["Resources"][title]["Type"] in HOLDING_KINDS
    }


PARAMETERS = sorted(build_template("all").parameters)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_replaces_and_loses_only_what_is_listed(whole: Document, name: str) -> None:
    assert unexpected_replacements(whole, name) == set()
    assert losses(whole, name) == {(parameter, title) for parameter, title in LOST if parameter == name}


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_changes_something(whole: Document, name: str) -> None:
    found = all_changes(whole, name)
    assert found.replaced | found.removed | found.updated


def test_another_certificate_alone_replaces_nothing(whole: Document) -> None:
    one, other = (
        Evaluation(template=whole, parameters=defaults(whole) | {"CertificateArn": f"arn:aws:acm:{name}"}).resources()
        for name in "xy"
    )
    assert changes(one, other).replaced == set()
    assert changes(one, other).updated == {"HttpsListener"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_new_version_of_the_function_is_asked_for_exactly_when_the_function_changes(
    whole: Document, name: str
) -> None:
    for before, after in updates(whole, name):
        if "Function" in before and "Function" in after:
            one, other = (versioned(resources["Function"]["Properties"]) for resources in (before, after))
            assert ("FunctionVersion" in changes(before, after).replaced) == (one != other)


def versioned(function: Document) -> Document:
    """What is part of a version; the zip by its key, which holds the hash of its content."""
    part = {name: value for name, value in function.items() if name != "ReservedConcurrentExecutions"}
    return part | {"Code": function["Code"]["S3Key"]}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(("ecs", "lambda", "lambda-sqs"), 2)))
def test_another_consumer_leaves_no_order_that_nobody_settles(whole: Document, before: str, after: str) -> None:
    parameters = defaults(whole) | {"ImageTag": "v1", **ARTIFACT}
    old, new = (
        Evaluation(template=whole, parameters=parameters | {"Consumer": consumer}).resources()
        for consumer in (before, after)
    )
    for resources in (old, new):
        # The topic delivers to exactly one of the two, and the queue is polled whichever it is.
        assert len(resources.keys() & {"QueueSubscription", "FunctionSubscription"}) == 1
        assert len(resources.keys() & {"ProcessorService", "FunctionQueueMapping"}) == 1
    # Events that Lambda has accepted are settled by the function, or end in its queue of failures.
    for title in ("Function", "FunctionAlias", "FunctionInvokeConfig", "FunctionFailures", "TopicMayInvoke"):
        assert title not in old or title in new
    assert changes(old, new).replaced == set()


def test_another_share_of_spot_forces_a_deployment(whole: Document) -> None:
    for before, after in updates(whole, "SpotPerOnDemand"):
        if "ProcessorService" in before:
            one, other = (resources["ProcessorService"]["Properties"] for resources in (before, after))
            assert one["CapacityProviderStrategy"] != other["CapacityProviderStrategy"]
            assert one["ForceNewDeployment"] != other["ForceNewDeployment"]


def test_a_repository_that_follows_the_customer_key_would_be_found(whole: Document) -> None:
    template = copy.deepcopy(whole)
    encryption: dict[str, Any] = {"EncryptionType": {"Fn::If": ["CustomerKeyOn", "KMS", "AES256"]}}
    template["Resources"]["ApiRepository"]["Properties"]["EncryptionConfiguration"] = encryption
    assert ("CustomerKey", "ApiRepository") in unexpected_replacements(template, "CustomerKey")
    assert ("CustomerKey", "ApiRepository") in losses(template, "CustomerKey")


def test_a_replacement_is_followed_to_what_names_the_replaced(whole: Document) -> None:
    template = copy.deepcopy(whole)
    template["Resources"]["Vpc"]["Properties"]["InstanceTenancy"] = "default"
    template["Resources"]["Vpc"]["Properties"]["CidrBlock"] = {
        "Fn::If": ["CustomerKeyOn", "10.1.0.0/16", "10.0.0.0/16"]
    }
    found = {title for _, title in unexpected_replacements(template, "CustomerKey")}
    assert {"Vpc", "PrivateSubnet0", "ApiTargets", "Namespace", "ApiDiscovery"} <= found
