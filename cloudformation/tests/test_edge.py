"""Where customers come in: the URL's certificate verifies, one address has its bounds, sync orders can be closed."""

from typing import Any

import pytest

from cloudformation.resources.load_balancer import SYNC_ORDERS
from cloudformation.tests.evaluation import Evaluation

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
    assert not resources(whole).keys() & {"Certificate", "Alias", "HttpsListener", "WebAcl", "AsyncOnly"}


@pytest.mark.parametrize("requests", ["10", "500"])
def test_an_address_that_asks_too_often_is_refused(whole: dict[str, Any], requests: str) -> None:
    found = resources(whole, RequestsPerAddress=requests)
    (rule,) = found["WebAcl"]["Properties"]["Rules"]
    assert rule["Statement"]["RateBasedStatement"] == {"AggregateKeyType": "IP", "Limit": requests}
    assert "Block" in rule["Action"]
    assert "Allow" in found["WebAcl"]["Properties"]["DefaultAction"]
    assert found["WebAclAssociation"]["Properties"]["ResourceArn"] == {"Ref": "Balancer"}


def test_synchronous_orders_can_be_closed(whole: dict[str, Any]) -> None:
    rule = resources(whole, SyncOrders="false")["AsyncOnly"]["Properties"]
    (condition,) = rule["Conditions"]
    assert condition["PathPatternConfig"]["Values"] == list(SYNC_ORDERS)
    assert rule["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
