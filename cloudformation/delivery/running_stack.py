"""The stack as it runs: what it was deployed with, and what it put out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudformation.delivery.commands import command, output_of


@dataclass(frozen=True, kw_only=True)
class RunningStack:
    """Parameters and outputs by name; both empty for a stack that does not exist."""

    exists: bool = False
    # As CloudFormation calls it.
    status: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


def find_stack(name: str) -> RunningStack:
    """Ask CloudFormation for the stack; raises CommandFailedError where it cannot be asked."""
    # Filtered by us: asked for one name, the command line fails alike for a stack that is not there and for no rights.
    asked = command(
        "aws", "cloudformation", "describe-stacks", "--query", f"Stacks[?StackName=='{name}']", "--output", "json"
    )
    found: list[dict[str, Any]] = json.loads(output_of(asked) or "[]")
    if not found:
        return RunningStack()
    (stack,) = found
    return RunningStack(
        exists=True,
        status=str(stack.get("StackStatus", "")),
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])},
        outputs={each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
    )
