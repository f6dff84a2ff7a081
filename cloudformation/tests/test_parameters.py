"""Parameters out of range or at odds with each other are refused before anything is created, with a sentence."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import aws_client
from local.emulator import RunningEmulator

Parameters = dict[str, str]


@pytest.mark.embedded_aws
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"Workers": "100", "GatewayCapacity": "50"}, "Workers exceed GatewayCapacity less SyncPayments: choose fewer"),
        ({"SyncPayments": "50", "GatewayCapacity": "50"}, "Workers exceed GatewayCapacity less SyncPayments"),
        ({"MaximumApiTasks": "20"}, "SyncPayments are fewer than two for each"),
        ({"MaximumApiTasks": "30"}, "MaximumApiTasks"),
        (
            {
                "Consumer": "lambda-sqs",
                "ArtifactBucket": "abc",
                "ArtifactKey": "k",
                "GatewayCapacity": "20",
                "Workers": "1",
            },
            "raise GatewayCapacity to 20",
        ),
        ({"Workers": "7"}, "Workers"),
        ({"Consumer": "lambda"}, "or run make lambda, upload it, and give ArtifactBucket and ArtifactKey"),
        ({"Consumer": "lambda-sqs", "ArtifactBucket": "abc"}, "run make lambda"),
        ({"PaymentGateway": "external"}, "PaymentGateway external needs GatewayUrl"),
        (
            {"PaymentGateway": "external", "GatewayUrl": "https://p.example", "NatGateways": "0"},
            "cannot be reached with NatGateways 0: choose 1 or 2",
        ),
        ({"GatewayUrl": "http://plain.example"}, "must be an https URL"),
        ({"AlarmEmail": "nobody"}, "must be an e-mail address"),
        ({"MonthlyBudgetDollars": "100"}, "MonthlyBudgetDollars needs AlarmEmail"),
        ({"LeaseSeconds": "14"}, "LeaseSeconds"),
        ({"VisibilitySeconds": "44"}, "VisibilitySeconds"),
        ({"PaymentTimeoutSeconds": "15"}, "PaymentTimeoutSeconds"),
        ({"FunctionTimeout": "31"}, "FunctionTimeout"),
        ({"NatGateways": "3"}, "NatGateways"),
        ({"DomainName": "shop.example"}, "DomainName needs HostedZoneId"),
        ({"DomainName": "shop.example", "HostedZoneId": "Z1", "CertificateArn": "arn:aws:acm:x"}, "not both"),
        ({"RequestsPerAddress": "9"}, "must be 0, or 10 to 9999999"),
        ({"CertificateArn": "mine"}, "must be the ARN of an ACM certificate"),
        ({"ImageTag": "a b"}, "must be an image tag"),
    ],
)
async def test_a_contradiction_is_refused_with_what_to_do(
    embedded_aws: RunningEmulator, whole_url: str, parameters: Parameters, sentence: str
) -> None:
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    async with aws_client("cloudformation", embedded_aws.environment) as cloudformation:
        with pytest.raises(ClientError, match=sentence):
            await cloudformation.create_stack(
                StackName="refused", TemplateURL=whole_url, Parameters=given, Capabilities=["CAPABILITY_IAM"]
            )


def test_every_bound_is_a_choice_a_range_or_a_pattern(whole: dict[str, Any]) -> None:
    for name, parameter in whole["Parameters"].items():
        bounded = {"AllowedValues", "MinValue", "AllowedPattern"} & set(parameter)
        assert bounded, f"{name} takes anything"
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"].startswith("must be"), name
