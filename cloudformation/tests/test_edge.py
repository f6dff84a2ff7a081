"""Where customers come in: the URL's certificate verifies, one address has its bounds, sync orders can be closed."""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import of_kind
from order_api.openapi import document

GIVEN = {"DomainName": "shop.example", "HostedZoneId": "Z1"}


def resources(template: dict[str, Any], **given: str) -> dict[str, Any]:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    return Evaluation(template=template, parameters=defaults | given).resources()


def test_a_domain_brings_its_certificate_and_its_alias(whole: dict[str, Any]) -> None:
    found = resources(whole, **GIVEN)
    (certificate,) = found["HttpsListener"]["Properties"]["Certificates"]
    assert certificate["CertificateArn"] == {"Ref": "Certificate"}
    made = found["Certificate"]["Properties"]
    assert (made["DomainName"], made["ValidationMethod"]) == ("shop.example", "DNS")
    assert made["DomainValidationOptions"] == [{"DomainName": "shop.example", "HostedZoneId": "Z1"}]
    alias = found["Alias"]["Properties"]
    assert (alias["Name"], alias["HostedZoneId"]) == ("shop.example", "Z1")
    assert alias["AliasTarget"]["DNSName"] == {"Fn::GetAtt": ["Balancer", "DNSName"]}
    (action,) = found["HttpListener"]["Properties"]["DefaultActions"]
    assert action["RedirectConfig"]["Protocol"] == "HTTPS"


def test_the_url_has_the_name_that_the_certificate_has(whole: dict[str, Any]) -> None:
    scheme, host = whole["Outputs"]["ApiUrl"]["Value"]["Fn::Join"][1]
    assert scheme == {"Fn::If": ["HasCertificate", "https", "http"]}
    assert host == {"Fn::If": ["HasDomain", {"Ref": "DomainName"}, {"Fn::GetAtt": ["Balancer", "DNSName"]}]}


def test_without_a_domain_nothing_of_it_is_made(whole: dict[str, Any]) -> None:
    assert not resources(whole).keys() & {"Certificate", "Alias", "HttpsListener", "WebAcl"}


@pytest.mark.parametrize("requests", ["10", "500"])
def test_an_address_that_asks_too_often_is_refused(whole: dict[str, Any], requests: str) -> None:
    found = resources(whole, RequestsPerAddress=requests)
    (rule,) = found["WebAcl"]["Properties"]["Rules"]
    assert rule["Statement"]["RateBasedStatement"] == {"AggregateKeyType": "IP", "Limit": requests}
    assert "Block" in rule["Action"]
    assert "Allow" in found["WebAcl"]["Properties"]["DefaultAction"]
    assert found["WebAclAssociation"]["Properties"]["ResourceArn"] == {"Ref": "Balancer"}


def test_customers_reach_every_path_of_the_interface_and_no_other(whole: dict[str, Any]) -> None:
    (rule,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::ListenerRule").values()
    (condition,) = rule["Conditions"]
    patterns = condition["PathPatternConfig"]["Values"]
    paths = [re.sub(r"{\w+}", "x", path) for path in document()["paths"]]
    for path in ("/openapi.json", *paths):
        assert any(fnmatchcase(path, pattern) for pattern in patterns), path
    for path in ("/", "/metrics", "/livez", "/readyz", "/admin", "/order", "/ORDERS/sync"):
        assert not any(fnmatchcase(path, pattern) for pattern in patterns), path
    assert len(patterns) <= 5, "a rule takes no more"


@pytest.mark.parametrize("given", [{}, GIVEN])
def test_what_is_not_public_is_refused_by_the_listener_itself(whole: dict[str, Any], given: dict[str, str]) -> None:
    found = resources(whole, **given)
    listener = found[found["PublicPaths"]["Properties"]["ListenerArn"]["Ref"]]["Properties"]
    (action,) = listener["DefaultActions"]
    assert (action["Type"], action["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "404")


def test_synchronous_orders_can_be_closed(whole: dict[str, Any]) -> None:
    """By the API, which knows every spelling of a path, where a rule of the load balancer knows one."""
    (api,) = resources(whole, ImageTag="v1", SyncPayments="0")["ApiTask"]["Properties"]["ContainerDefinitions"]
    assert {"Name": "SYNC_LIMIT", "Value": "0"} in api["Environment"]
