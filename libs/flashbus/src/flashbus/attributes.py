"""Text attributes of a message in the form that SNS and SQS take them."""

from collections.abc import Mapping


def message_attributes(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The `MessageAttributes` of a publish or a send."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
