"""The topic on SNS."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from flashbus.publisher import Entry, TopicError


class SnsClient(Protocol):
    """The one call that we make of an aiobotocore SNS client."""

    async def publish_batch(self, **arguments: object) -> Mapping[str, Any]:
        """Publish up to ten messages."""


class SnsTopic:
    """One SNS topic as the publisher's `Topic`."""

    def __init__(self, *, client: SnsClient, topic_arn: str) -> None:
        """Take an open client; whoever opened it closes it."""
        self._client = client
        self._topic_arn = topic_arn

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, str]:
        """See `Topic.publish_batch`."""
        requests = [_request_entry(index, entry) for index, entry in enumerate(entries)]
        try:
            answer = await self._client.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=requests)
        except (BotoCoreError, ClientError, OSError) as exc:
            raise TopicError(f"{type(exc).__name__}: {exc}") from exc
        acknowledged = {int(entry["Id"]) for entry in answer.get("Successful") or ()}
        refused = {int(entry["Id"]): str(entry.get("Code", "unknown")) for entry in answer.get("Failed") or ()}
        # Neither taken nor refused is not taken: a caller is told of success only when SNS acknowledged it.
        missing = {index: "missing" for index in range(len(entries)) if index not in acknowledged}
        return missing | refused


def _request_entry(index: int, entry: Entry) -> dict[str, object]:
    return {
        "Id": str(index),
        "Message": entry.message,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in entry.attributes.items()
        },
    }
