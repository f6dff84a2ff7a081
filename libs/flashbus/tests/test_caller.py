"""What a signed call tries again, how often, and how long it waits in between."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.parsers import JSONParser

from flashbus.wire.account import Credentials
from flashbus.wire.calls import Caller
from flashbus.wire.connection import Answer
from flashbus.wire.signature import Signer


class Keys(NamedTuple):
    access_key: str = "mine"
    secret_key: str = "secret"
    token: str | None = None

    async def get_frozen_credentials(self) -> "Keys":
        return self


class Failing:
    """Credentials that cannot be had."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get_frozen_credentials(self) -> Keys:
        raise self._error


class Scripted:
    """Gives one answer after the other, the last one again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.asked_at: list[float] = []
        self._answers = answers

    async def post(self, _body: bytes, _headers: Mapping[str, str]) -> Answer:
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = self._answers[min(len(self.asked_at), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


OK = Answer(200, {}, b"{}")


def refused(code: str, status: int = 400) -> Answer:
    return Answer(status, {}, b'{"__type": "com.amazonaws#%s"}' % code.encode())


def caller(
    transport: Scripted, *, attempts: int = 3, jitter: float = 0.0, credentials: Credentials | None = None
) -> Caller:
    return Caller(
        transport=transport,
        signer=Signer(service="sqs", region="eu-west-1", host="sqs.test"),
        credentials=credentials or Keys(),
        refusals=JSONParser,
        attempts=attempts,
        jitter=lambda: jitter,
    )


async def call(of: Caller) -> bytes:
    return await of.call("SendMessage", b"{}", {})


CLOSED: dict[str, Any] = {"endpoint_url": "http://sqs.test", "error": None}
PASSING = [
    *(refused("Odd", status) for status in (500, 502, 503, 504)),
    *map(refused, ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")),
    *map(refused, ("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException")),
    *map(refused, ("TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestThrottled")),
    *map(refused, ("TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded")),
    *map(refused, ("LimitExceededException", "SlowDown", "EC2ThrottledException")),
    Answer(200, {"x-amz-crc32": "1"}, b"{}"),
    ConnectionClosedError(**CLOSED),
    EndpointConnectionError(**CLOSED),
    HTTPClientError(error="cut"),
]
FINAL = [
    refused("ValidationException"),
    refused("Odd", 501),
    refused("AccessDenied", 403),
    NoCredentialsError(),
    BotoCoreError(),
]


@pytest.mark.parametrize("answer", PASSING, ids=repr)
async def test_what_may_pass_is_tried_again(answer: Answer | Exception) -> None:
    transport = Scripted(answer, OK)
    assert await call(caller(transport)) == b"{}"
    assert len(transport.asked_at) == 2


@pytest.mark.parametrize("answer", FINAL, ids=repr)
async def test_what_will_not_pass_is_tried_once(answer: Answer | Exception) -> None:
    transport = Scripted(answer, OK)
    with pytest.raises((ClientError, BotoCoreError)):
        await call(caller(transport))
    assert len(transport.asked_at) == 1


UNOBTAINABLE = [
    # botocore's, when what was fetched has expired too: as after a jump of the clock.
    RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    KeyError("AccessKeyId"),
    ValueError("no moment"),
    ConnectionResetError(104, "reset by peer"),
]


@pytest.mark.parametrize("error", UNOBTAINABLE, ids=repr)
async def test_credentials_that_cannot_be_had_are_an_error_of_a_call_that_was_never_sent(error: Exception) -> None:
    transport = Scripted(OK)
    with pytest.raises(CredentialRetrievalError, match=re.escape(repr(error))) as caught:
        await call(caller(transport, credentials=Failing(error)))
    assert caught.value.__cause__ is error
    assert not transport.asked_at


async def test_botocores_own_word_about_credentials_is_kept() -> None:
    error = NoCredentialsError()
    with pytest.raises(NoCredentialsError) as caught:
        await call(caller(Scripted(OK), credentials=Failing(error)))
    assert caught.value is error


async def test_the_pauses_double_up_to_twenty_seconds() -> None:
    transport = Scripted(refused("Odd", 500))
    with pytest.raises(ClientError):
        await call(caller(transport, attempts=8, jitter=1.0))
    first, *later = transport.asked_at
    assert [at - first for at in later] == pytest.approx([1, 3, 7, 15, 31, 51, 71], abs=1e-3)


async def test_the_pauses_are_a_part_of_that_by_chance() -> None:
    transport = Scripted(refused("Odd", 500), refused("Odd", 500), OK)
    await call(caller(transport, jitter=0.25))
    assert transport.asked_at[-1] - transport.asked_at[0] == pytest.approx(0.25 + 0.5, abs=1e-6)


async def test_a_hundred_attempts_more_are_the_most_and_five_answers_pay_for_another() -> None:
    transport = Scripted(refused("Odd", 500))
    asking = caller(transport, attempts=1_000)
    for attempts in (101, 1):
        before = len(transport.asked_at)
        with pytest.raises(ClientError):
            await call(asking)
        assert len(transport.asked_at) - before == attempts
    transport._answers = (OK,)
    for _ in range(5):
        await call(asking)
    transport._answers = (refused("Odd", 500),)
    before = len(transport.asked_at)
    with pytest.raises(ClientError):
        await call(asking)
    assert len(transport.asked_at) - before == 2
