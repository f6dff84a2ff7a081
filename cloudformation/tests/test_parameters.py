"""Parameters out of range or at odds with each other are refused before anything is created, with a sentence."""

import json
from typing import Any

import pytest

from cloudformation.build import render_template
from cloudformation.emulated import emulated
from local.emulator import RunningEmulator
from local.stack import StackFailedError, deploy_stack

Parameters = dict[str, str]
WHOLE = json.dumps(emulated(json.loads(render_template("all"))))


@pytest.mark.embedded_aws
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"Workers": "100", "GatewayCapacity": "50"}, "Workers exceed GatewayCapacity: choose fewer Workers"),
        ({"Workers": "20", "GatewayCapacity": "5"}, "Workers exceed GatewayCapacity"),
        ({"Workers": "5", "GatewayCapacity": "1"}, "Workers exceed GatewayCapacity"),
        (
            {"Consumer": "lambda-sqs", "ArtifactBucket": "abc", "ArtifactKey": "k", "GatewayCapacity": "5"},
            "raise GatewayCapacity to 20",
        ),
        ({"Workers": "7"}, "Workers"),
        ({"Consumer": "lambda"}, "run make lambda, upload it, and give ArtifactBucket and ArtifactKey"),
        ({"Consumer": "lambda-sqs", "ArtifactBucket": "abc"}, "run make lambda"),
        ({"PaymentGateway": "external"}, "PaymentGateway external needs GatewayUrl"),
        (
            {"PaymentGateway": "external", "GatewayUrl": "https://p.example", "NatGateways": "0"},
            "cannot be reached with NatGateways 0: choose 1 or 2",
        ),
        ({"GatewayUrl": "http://plain.example"}, "must be an https URL"),
        ({"AlarmEmail": "a@b.example"}, "AlarmEmail needs CustomerKey true"),
        ({"AlarmEmail": "nobody", "CustomerKey": "true"}, "must be an e-mail address"),
        ({"MonthlyBudgetDollars": "100"}, "MonthlyBudgetDollars needs AlarmEmail"),
        ({"LeaseSeconds": "14"}, "LeaseSeconds"),
        ({"VisibilitySeconds": "44"}, "VisibilitySeconds"),
        ({"PaymentTimeoutSeconds": "15"}, "PaymentTimeoutSeconds"),
        ({"FunctionTimeout": "31"}, "FunctionTimeout"),
        ({"NatGateways": "3"}, "NatGateways"),
        ({"CertificateArn": "mine"}, "must be the ARN of an ACM certificate"),
        ({"ImageTag": "a b"}, "must be an image tag"),
    ],
)
async def test_a_contradiction_is_refused_with_what_to_do(
    embedded_aws: RunningEmulator, parameters: Parameters, sentence: str
) -> None:
    with pytest.raises(StackFailedError, match=sentence):
        await deploy_stack(embedded_aws.environment, name="refused", template=WHOLE, parameters=parameters)


def test_every_bound_is_a_choice_a_range_or_a_pattern(whole: dict[str, Any]) -> None:
    for name, parameter in whole["Parameters"].items():
        bounded = {"AllowedValues", "MinValue", "AllowedPattern"} & set(parameter)
        assert bounded, f"{name} takes anything"
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"].startswith("must be"), name
