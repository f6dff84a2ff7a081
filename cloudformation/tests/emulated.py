"""The whole stack as far as the embedded AWS takes it, and the one list of what it does not.

Nothing here is deployed to AWS: tests deploy the rest of the stack into the embedded AWS with it.
`python -m cloudformation.tests.emulated FILE` leaves that rest in a template's file.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Kinds the embedded AWS refuses at the change set.
REFUSED_KINDS = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "the embedded AWS scales nothing",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "the embedded AWS scales nothing",
    "AWS::CodeDeploy::Application": "the embedded AWS moves an alias at once",
    "AWS::CodeDeploy::DeploymentGroup": "the embedded AWS moves an alias at once",
    "AWS::EC2::EIP": "the embedded AWS has no way out of a VPC",
    "AWS::EC2::NatGateway": "the embedded AWS has no way out of a VPC",
    "AWS::WAFv2::WebACLAssociation": "the embedded AWS has no firewall before its load balancer",
    "AWS::Logs::QueryDefinition": "the embedded AWS has no saved queries",
    "AWS::Budgets::Budget": "the embedded AWS costs nothing",
}
# Single resources of kinds it knows otherwise.
REFUSED_RESOURCES = {
    f"{title}Alarm": "it fails alarms on a formula of metrics and rolls back"
    for title in ("ApiBelowDesired", "OrdersThrottled", "ProcessorBelowDesired", "ProductsThrottled", "StockThrottled")
}


def emulated(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template without what is refused, and without the actions that name it."""
    refused = {
        title
        for title, resource in template["Resources"].items()
        if title in REFUSED_RESOURCES or resource["Type"] in REFUSED_KINDS
    }
    kept = {title: resource for title, resource in template["Resources"].items() if title not in refused}
    return {**template, "Resources": _without_references(kept, refused)}


def _without_references(value: Any, refused: set[str]) -> Any:  # noqa: ANN401  # any part of a template
    if isinstance(value, dict):
        if value.get("Ref") in refused:
            return {"Ref": "AWS::NoValue"}
        return {key: _without_references(item, refused) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_references(item, refused) for item in value]
    return value


def main(name: str) -> None:
    """Take what is refused out of the template in this file."""
    file = Path(name)
    file.write_text(json.dumps(emulated(json.loads(file.read_text(encoding="utf-8"))), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
