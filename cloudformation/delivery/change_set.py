"""What a deployment would change, as CloudFormation itself says: replacements first."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cloudformation.delivery.commands import Command, CommandFailedError, command, output_of

NOTHING = "nothing would change\n"


def preview(deployment: Command) -> str:
    """Make the change set of a deployment, put it into words, and delete it; raises CommandFailedError."""
    made = output_of(deployment)
    if "No changes to deploy" in made:
        return NOTHING
    named = re.search(r"arn:\S+:changeSet/\S+", made)
    if named is None:
        raise CommandFailedError(f"no change set in the answer of {deployment}:\n{made}")
    described = command(
        "aws", "cloudformation", "describe-change-set", "--change-set-name", named[0], "--output", "json"
    )
    try:
        return in_words(json.loads(output_of(described))["Changes"])
    finally:
        output_of(command("aws", "cloudformation", "delete-change-set", "--change-set-name", named[0]))


def in_words(changes: Sequence[Mapping[str, Any]]) -> str:
    """One line a resource: what is replaced, what may be, what is removed, changed and added, in this order."""
    lines = sorted(_line(change["ResourceChange"]) for change in changes)
    return "".join(f"{verb:<12} {title}  {kind}{why}\n" for _, verb, title, kind, why in lines) or NOTHING


def _line(change: Mapping[str, Any]) -> tuple[int, str, str, str, str]:
    verbs = {
        "True": (0, "REPLACE"),
        "Conditional": (1, "may REPLACE"),
        "Remove": (2, "remove"),
        "Modify": (3, "change"),
        "Add": (4, "add"),
    }
    action = change["Action"]
    replacement = change.get("Replacement")
    rank, verb = verbs[replacement if action == "Modify" and replacement in verbs else action]
    # The same property is named once for each of the values in it.
    properties = {detail["Target"].get("Name") or detail["Target"]["Attribute"] for detail in change.get("Details", ())}
    why = f" ({', '.join(sorted(properties))})" if properties else ""
    return rank, verb, change["LogicalResourceId"], change["ResourceType"], why
