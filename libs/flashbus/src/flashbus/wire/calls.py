"""One call: signed, sent, tried again as botocore's standard mode does, and its refusal read by botocore's parsers."""

import asyncio
import json
import random
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ChecksumError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.retries.quota import RetryQuota

from flashbus.credentials import retrieving
from flashbus.parser_error import response_parser_error
from flashbus.wire.account import Credentials
from flashbus.wire.connection import Answer
from flashbus.wire.signature import Keys, Signer
from flashbus.wire.transport import Transport

if TYPE_CHECKING:
    from botocore.parsers import ResponseParser

_FIRST_REFUSAL = 300
_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
# What botocore's standard mode tries again; the cost of one retry comes out of a quota that successes refill.
_TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "RequestThrottled",
        "SlowDown",
        "EC2ThrottledException",
    }
)
_RETRY_COST = 5
_LONGEST_PAUSE_SECONDS = 20.0


class Caller:
    """Makes the calls of one service.

    Args:
        transport: To its endpoint.
        signer: For that endpoint.
        credentials: Asked at every attempt: they renew themselves.
        refusals: Gives botocore's parser of what the service answers when it refuses, once it does.
        attempts: The most for one call, the first one included.
        jitter: A number from 0 to 1.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        signer: Signer,
        credentials: Credentials,
        refusals: "Callable[[], ResponseParser]",
        attempts: int,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._signer = signer
        self._credentials = credentials
        self._refusals = refusals
        self._attempts = attempts
        self._jitter = jitter
        self._quota = RetryQuota()

    async def call(self, operation: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the body of the answer.

        Raises:
            ClientError: The service refused.
            BotoCoreError: There is no answer, or there are no credentials.
            ResponseParserError: The refusal cannot be read.
        """
        attempt = 1
        while True:
            try:
                answer = await self._send(body, headers)
                if answer.status < _FIRST_REFUSAL:
                    self._quota.release(1)
                    return answer.body
                raise _refusal(operation, answer, self._refusals())
            except (BotoCoreError, ClientError) as error:
                if not self._goes_on(attempt, error):
                    raise
            await asyncio.sleep(min(self._jitter() * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS))
            attempt += 1

    def _goes_on(self, attempt: int, error: BotoCoreError | ClientError) -> bool:
        return attempt < self._attempts and _may_pass(error) and self._quota.acquire(_RETRY_COST)

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        keys = await self._keys()
        answer = await self._transport.post(body, self._signer.headers(keys, body, headers))
        expected = answer.headers.get("x-amz-crc32")
        if expected is not None and expected != str(actual := zlib.crc32(answer.body)):
            raise ChecksumError(checksum_type="crc32", expected_checksum=expected, actual_checksum=actual)
        return answer

    async def _keys(self) -> Keys:
        with retrieving():
            return await self._credentials.get_frozen_credentials()


def _may_pass(error: BotoCoreError | ClientError) -> bool:
    if isinstance(error, ClientError):
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status in _TRANSIENT_STATUSES or code in _TRANSIENT or code in _THROTTLED
    return isinstance(error, (BotocoreConnectionError, HTTPClientError, ChecksumError))


def _refusal(operation: str, answer: Answer, parser: "ResponseParser") -> ClientError:
    """An answer that is none, by botocore's own reading; what a JSON refusal says besides is kept, such as an item."""
    try:
        parsed = parser.parse({"status_code": answer.status, "headers": answer.headers, "body": answer.body}, None)
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError) as error:
        raise response_parser_error()(f"{operation}: HTTP {answer.status} with a body that is no error") from error
    return ClientError({**_said(answer.body), **parsed}, operation)


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
