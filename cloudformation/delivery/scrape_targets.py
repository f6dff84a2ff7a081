"""The addresses of all tasks, as Prometheus reads them from a file: a DNS answer of Cloud Map names eight at most."""

import json
from collections.abc import Mapping

from cloudformation.delivery.commands import Command, command, output_of
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, GATEWAY_PORT, PROCESSOR_PORT

PORTS = {"order-api": API_OPERATIONS_PORT, "order-processor": PROCESSOR_PORT, "payment-gateway": GATEWAY_PORT}
# The most that one question is answered with.
INSTANCES = "1000"


def discovery_commands(outputs: Mapping[str, str]) -> dict[str, Command]:
    """The question for the tasks of each service, by its name."""
    return {
        service: command(
            "aws", "servicediscovery", "discover-instances", "--namespace-name", outputs["DiscoveryNamespace"],
            "--service-name", service, "--max-results", INSTANCES, "--health-status", "ALL",
            "--query", "Instances[].Attributes.AWS_INSTANCE_IPV4", "--output", "json",
        )
        for service in PORTS
    }  # fmt: skip


def scrape_targets(outputs: Mapping[str, str]) -> str:
    """The content of a file for `file_sd_configs`; raises CommandFailedError."""
    groups = [
        {
            "targets": [f"{address}:{PORTS[service]}" for address in sorted(json.loads(output_of(asked) or "[]"))],
            "labels": {"job": service},
        }
        for service, asked in discovery_commands(outputs).items()
    ]
    return json.dumps(groups, indent=1) + "\n"
