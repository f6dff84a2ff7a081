"""What the scanner of the template finds and we accept, each with its reason; anything else fails the tests."""

from collections.abc import Mapping
from typing import Any

_KEY_BY_PARAMETER = "the customer key is chosen by CustomerKey, which the scanner cannot see; else AWS's own key"
_IMAGES = (
    "under a key of ECR: another encryption would be another, empty repository, and images hold nothing of customers"
)
_PLAIN_HTTP = "answers plainly only where no certificate is given, else it redirects to HTTPS (CertificateArn)"

ACCEPTED: dict[str, dict[str, str]] = {
    "OrdersTable": {"CKV_AWS_119": _KEY_BY_PARAMETER},
    "ProductsTable": {"CKV_AWS_119": _KEY_BY_PARAMETER},
    "StockTable": {"CKV_AWS_119": _KEY_BY_PARAMETER},
    "ApiRepository": {"CKV_AWS_136": _IMAGES},
    "ProcessorRepository": {"CKV_AWS_136": _IMAGES},
    "GatewayRepository": {"CKV_AWS_136": _IMAGES},
    "Function": {"CKV_AWS_116": "what it fails goes to FunctionFailures, by the invoke config of its alias"},
    "AlarmTopic": {"CKV_AWS_26": "under the customer key if there is one; under AWS's own no alarm could call it"},
    "BalancerGroup": {"CKV_AWS_260": "the shop is open to everybody"},
    "Balancer": {"CKV_AWS_91": "every request leaves a line in the API's own log, with the same fields"},
    "HttpListener": {"CKV_AWS_2": _PLAIN_HTTP, "CKV_AWS_103": _PLAIN_HTTP},
}


def with_skips(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with each accepted finding marked for the scanner beside its reason."""
    resources = {
        title: resource | _marks(ACCEPTED[title]) if title in ACCEPTED else resource
        for title, resource in template["Resources"].items()
    }
    return {**template, "Resources": resources}


def _marks(reasons: Mapping[str, str]) -> dict[str, Any]:
    skips = [{"id": check, "comment": reason} for check, reason in reasons.items()]
    return {"Metadata": {"checkov": {"skip": skips}}}
