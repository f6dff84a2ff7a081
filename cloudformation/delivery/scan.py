"""What the registry found in the images of a tag: known weaknesses, of which the worst stand in the way."""

import json
from collections.abc import Mapping

from cloudformation.delivery.commands import CommandFailedError, command, output_of

# Severities with which an image is not deployed.
REFUSED = ("CRITICAL", "HIGH")


def scan(*, tag: str, outputs: Mapping[str, str], repositories: Mapping[str, str]) -> str:
    """A line for each service, once its scan has ended: how many weaknesses of which severity.

    `repositories` says for each service which of `outputs` is the address of its images.

    Raises:
        CommandFailedError: An image has weaknesses that stand in the way, or could not be asked about.
    """
    found = {service: _severities(outputs[output], tag) for service, output in repositories.items()}
    lines = "".join(f"{service}: {_in_words(counts)}\n" for service, counts in found.items())
    bad = sorted(service for service, counts in found.items() if counts.keys() & set(REFUSED))
    if bad:
        raise CommandFailedError(
            f"{lines}{', '.join(bad)}: {' or '.join(REFUSED)} stands in the way: "
            "renew the base image, or the lock (make lock ARGS=--upgrade)"
        )
    return lines


def _severities(uri: str, tag: str) -> Mapping[str, int]:
    image = ("--repository-name", uri.partition("/")[2], "--image-id", f"imageTag={tag}")
    output_of(command("aws", "ecr", "wait", "image-scan-complete", *image))
    asked = command(
        "aws", "ecr", "describe-image-scan-findings", *image,
        "--query", "imageScanFindings.findingSeverityCounts", "--output", "json",
    )  # fmt: skip
    counts: Mapping[str, int] = json.loads(output_of(asked)) or {}
    return counts


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {severity.lower()}" for severity, number in sorted(counts.items())) or "nothing known"
