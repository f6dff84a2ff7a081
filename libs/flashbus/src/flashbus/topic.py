"""Where batches go: what an entry is, and what a topic may answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# The limits of one SNS PublishBatch.
MAX_BATCH_ENTRIES = 10
MAX_BATCH_BYTES = 256 * 1024
_STRING_TYPE_BYTES = len("String")


@dataclass(slots=True)
class Entry:
    """One message: its body and its attributes, all of type String."""

    message: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What counts against the limit of a batch: the body, and name, type and value of attributes."""
        message, rest = self.message, "".join([*self.attributes, *self.attributes.values()])
        # Looked at from outside: a message that waits is in no near cache any more.
        ascii_only = message.isascii() and rest.isascii()
        size = len(message) + len(rest) if ascii_only else len(message.encode()) + len(rest.encode())
        return size + _STRING_TYPE_BYTES * len(self.attributes)


class TopicError(Exception):
    """The whole call failed; `certain` when nothing in it can have been taken."""

    def __init__(self, message: str, *, certain: bool) -> None:
        super().__init__(message)
        self.certain = certain


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry was not acknowledged: the topic's code, and whether it is certain that it was not taken."""

    code: str
    certain: bool


class Topic(Protocol):
    """Where batches go; SNS in production."""

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        """Publish at most ten entries in one call.

        Returns:
            The entries that were NOT acknowledged, by index.

        Raises:
            TopicError: The call as a whole failed.
        """
