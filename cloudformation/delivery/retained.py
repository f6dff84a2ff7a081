"""What stays when the stack goes."""

import json

from cloudformation.build import build_template
from cloudformation.delivery.commands import command, output_of
from cloudformation.delivery.running_stack import RunningStack

BUCKET_STAYS = "the bucket of templates and function zips stays: docs/deploy.md says how it goes\n"


def retained_titles() -> list[str]:
    """The resources that outlive the stack unless RetainData is false."""
    resources = build_template("all").resources
    return sorted(title for title, resource in resources.items() if getattr(resource, "DeletionPolicy", None))


def what_stays(stack: str, running: RunningStack) -> str:
    """A line for each resource that a deletion leaves behind, with the name that it has."""
    if not running.exists:
        return f"there is no stack {stack}\n"
    if running.parameters.get("RetainData") == "false":
        return f"nothing of {stack} stays: RetainData is false\n{BUCKET_STAYS}"
    asked = command("aws", "cloudformation", "list-stack-resources", "--stack-name", stack, "--output", "json")
    resources = json.loads(output_of(asked))["StackResourceSummaries"]
    names = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}
    kept = "".join(f"  {title}  {names[title]}\n" for title in retained_titles() if title in names)
    return f"what holds data stays, until you deploy with RetainData=false first, and costs on:\n{kept}{BUCKET_STAYS}"
