"""The queue on SQS."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from flashbus.attributes import message_attributes
from flashbus.parser_error import response_parser_error
from flashbus.queue import EntryFailure, Message, QueueUnavailableError, VisibilityChange

_GONE = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
# What botocore, and we, make of a 200 that is no answer of SQS: a proxy's page, bytes cut or mixed up.
_GARBLED = (ValueError, TypeError, AttributeError, LookupError, OverflowError)


class SqsClient(Protocol):
    """The calls of the SQS client that are made here."""

    async def receive_message(self, **arguments: object) -> dict[str, Any]: ...
    async def delete_message_batch(self, **arguments: object) -> dict[str, Any]: ...
    async def change_message_visibility_batch(self, **arguments: object) -> dict[str, Any]: ...
    async def send_message(self, **arguments: object) -> dict[str, Any]: ...


class SqsQueue:
    """One SQS queue.

    Args:
        url: The queue's URL.
        client: For everything but receiving; short timeouts.
        polling_client: For receiving; its read timeout is longer than the longest wait. By default `client`.
    """

    def __init__(self, *, url: str, client: SqsClient, polling_client: SqsClient | None = None) -> None:
        self._url = url
        self._client = client
        self._polling_client = polling_client or client

    async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
        """See `Queue.receive`; waits and visibilities are whole seconds, rounded up."""
        async with _wrapped("receive"):
            answer = await self._polling_client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=_whole_seconds(wait),
                VisibilityTimeout=_whole_seconds(visibility),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
            return [_message(raw) for raw in answer.get("Messages", [])]

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        """See `Queue.delete_batch`."""
        entries = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
        async with _wrapped("delete"):
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            return _failures(answer, receipts)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """See `Queue.change_visibility`; whole seconds, rounded up."""
        entries = [
            {
                "Id": str(index),
                "ReceiptHandle": change.receipt,
                "VisibilityTimeout": _whole_seconds(change.after),
            }
            for index, change in enumerate(changes)
        ]
        async with _wrapped("change_visibility"):
            answer = await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            return _failures(answer, [change.receipt for change in changes])

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        """See `MessageSender.send`."""
        async with _wrapped("send"):
            answer = await self._client.send_message(
                QueueUrl=self._url, MessageBody=body, MessageAttributes=message_attributes(attributes)
            )
            if not answer["MessageId"]:  # what was sent may be the only copy: only its id says that it was taken
                raise ValueError("no message id")


@asynccontextmanager
async def _wrapped(operation: str) -> AsyncIterator[None]:
    try:
        yield
    except ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", "unknown"))
        raise QueueUnavailableError(f"{operation}: {code}", reason="refused") from exc
    except (BotoCoreError, aiohttp.ClientError, OSError) as exc:
        raise QueueUnavailableError(f"{operation}: {_told(exc)}", reason="unreachable") from exc
    except (*_GARBLED, response_parser_error()) as exc:
        raise QueueUnavailableError(f"{operation}: {type(exc).__name__}: {exc}", reason="garbled") from exc


def _told(error: Exception) -> str:
    # Of a connection that breaks there is no more to say than its name; of credentials there is.
    name, words = type(error).__name__, str(error)
    return f"{name}: {words}" if words else name


def _whole_seconds(duration: timedelta) -> int:
    return math.ceil(duration.total_seconds())


def _message(raw: Mapping[str, Any]) -> Message:
    attributes = {
        name: value["StringValue"] for name, value in raw.get("MessageAttributes", {}).items() if "StringValue" in value
    }
    ours = raw.get("Attributes", {})
    return Message(
        message_id=raw["MessageId"],
        receipt=raw["ReceiptHandle"],
        body=raw["Body"],
        receive_count=int(ours.get("ApproximateReceiveCount", 1)),
        attributes=attributes,
        sent_at=datetime.fromtimestamp(int(ours["SentTimestamp"]) / 1000, UTC) if "SentTimestamp" in ours else None,
    )


def _failures(answer: Mapping[str, Any], receipts: Sequence[str]) -> list[EntryFailure]:
    failed = {int(entry["Id"]): str(entry["Code"]) for entry in answer.get("Failed", [])}
    done = {int(entry["Id"]) for entry in answer.get("Successful", [])}
    # What the answer does not mention may not have been done: doing it again is harmless.
    failed |= {index: "missing" for index in range(len(receipts)) if index not in done and index not in failed}
    return [
        EntryFailure(receipt=receipts[index], code=code, gone=code.rpartition(".")[2] in _GONE)
        for index, code in failed.items()
    ]
