"""Which AWS actions a package's code calls, read from its source: what its role must allow, no more and no less."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from botocore import xform_name
from botocore.session import get_session

SERVICES = ("dynamodb", "sns", "sqs")
# AWS authorises a batch as the single action, and a transaction as the writes that may be in it.
_AUTHORISED_AS = {
    "sns:PublishBatch": {"sns:Publish"},
    "dynamodb:TransactWriteItems": {
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    },
}


def called_actions(sources: Iterable[Path]) -> set[str]:
    """The IAM actions behind every `...client.operation(...)` in these folders and modules."""
    known = _actions_by_method()
    return {
        action
        for source in sources
        for file in ([source] if source.is_file() else sorted(source.rglob("*.py")))
        if "testing" not in file.parts and file.name != "testing.py"
        for method in _client_calls(ast.parse(file.read_text(encoding="utf-8")))
        if method in known
        for action in known[method]
    }


def _client_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            receiver = node.value
            name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
            if name.endswith("client"):
                yield node.attr


def _actions_by_method() -> dict[str, set[str]]:
    session = get_session()
    actions: dict[str, set[str]] = {}
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            action = f"{service}:{operation}"
            if service == "sqs":
                action = action.removesuffix("Batch")
            actions[xform_name(operation)] = _AUTHORISED_AS.get(action, {action})
    return actions
