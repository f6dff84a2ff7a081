"""The topic on SNS."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from flashbus.attributes import message_attributes
from flashbus.parser_error import response_parser_error
from flashbus.session_errors import connector_error, session_error
from flashbus.topic import Entry, Refusal, TopicError
from flashbus.wire.unconnected import UnconnectedError, UntrustedError

_FOREIGN = (BotoCoreError, ClientError, OSError)
# What is made of a 200 that is no answer of SNS.
_GARBLED = (ValueError, TypeError, AttributeError, LookupError)
_NEVER_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
_THROTTLED = frozenset(
    name + ending
    for name in ("KMSThrottling", "RequestThrottled", "Throttled", "Throttling", "TooManyRequests")
    for ending in ("", "Exception")
)
# A client error by its status, and yet about a request that may have arrived.
_CUT_SHORT = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
_CLIENT_ERRORS = range(400, 500)
_ATTEMPTS = 2
_LONGEST_PAUSE_SECONDS = 0.1


class SnsClient(Protocol):
    """The one call that we make of an aiobotocore SNS client."""

    async def publish_batch(self, **arguments: object) -> Mapping[str, Any]:
        """Publish up to ten messages."""


class SnsTopic:
    """One SNS topic as the publisher's `Topic`.

    A call that failed is tried once more. Whether it is certain that nothing was taken depends on both attempts:
    the first one may have arrived although its answer did not.
    """

    def __init__(self, *, client: SnsClient, topic_arn: str, jitter: Callable[[], float] = random.random) -> None:
        """Take an open client, which must not try again by itself; whoever opened it closes it."""
        self._client = client
        self._topic_arn = topic_arn
        self._jitter = jitter

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        """See `Topic.publish_batch`."""
        certain, attempt = True, 1
        while True:
            try:
                return _refusals(await self._ask(entries), len(entries), certain=certain)
            except (*_FOREIGN, *session_error(), *_GARBLED, response_parser_error()) as exc:
                certain = certain and _was_not_taken(exc)
                if attempt == _ATTEMPTS or not _may_pass(exc):
                    raise TopicError(f"{type(exc).__name__}: {exc}", certain=certain) from exc
            await asyncio.sleep(self._jitter() * _LONGEST_PAUSE_SECONDS)
            attempt += 1

    async def _ask(self, entries: Sequence[Entry]) -> Mapping[str, Any]:
        requests = [_request_entry(index, entry) for index, entry in enumerate(entries)]
        return await self._client.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=requests)


def _was_not_taken(error: Exception) -> bool:
    """Whether one failed attempt is known to have left nothing behind: refused as a whole, or never sent."""
    if isinstance(error, ClientError):
        return _status(error) in _CLIENT_ERRORS and _code(error) not in _CUT_SHORT
    cause = error.kwargs.get("error") if isinstance(error, BotoCoreError) else error
    # As the two clients tell of it; unlike the others, it is soon worth another try.
    not_connected: tuple[type[Exception], ...] = (UnconnectedError, UntrustedError, *connector_error())
    return isinstance(error, (*_NEVER_SENT, *not_connected)) or isinstance(cause, not_connected)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return not _was_not_taken(error) or _code(error) in _THROTTLED
    return not isinstance(error, _NEVER_SENT)


def _refusals(answer: Mapping[str, Any], count: int, *, certain: bool) -> Mapping[int, Refusal]:
    acknowledged = {int(entry["Id"]) for entry in answer.get("Successful") or ()}
    # 202 is only for what SNS acknowledged; of what it does not mention nothing is known.
    refusals = {index: Refusal("missing", certain=False) for index in range(count) if index not in acknowledged}
    for entry in answer.get("Failed") or ():
        index, code = int(entry["Id"]), str(entry.get("Code", "unknown"))
        if index not in range(count):
            continue
        final = entry.get("SenderFault") is True or code in _THROTTLED
        refusals[index] = Refusal(code, certain=certain and final and index not in acknowledged)
    return refusals


def _status(error: ClientError) -> int | None:
    status: int | None = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _request_entry(index: int, entry: Entry) -> dict[str, object]:
    return {
        "Id": str(index),
        "Message": entry.message,
        "MessageAttributes": message_attributes(entry.attributes),
    }
