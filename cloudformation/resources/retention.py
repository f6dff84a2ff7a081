"""What stays of a resource when its stack, or its place in it, goes."""

from troposphere import If


def when_removed(retain_data_on: str) -> If:
    """The deletion policy of what is kept under that condition; a failed creation leaves nothing behind."""
    return If(retain_data_on, "RetainExceptOnCreate", "Delete")


def when_replaced(retain_data_on: str) -> If:
    """The policy of the same for what another resource takes the place of."""
    return If(retain_data_on, "Retain", "Delete")
