"""What the answers of SNS say of the entries: taken, certainly not taken, or nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from flashbus.clients import aws_client
from flashbus.sns import SnsTopic
from flashbus.topic import Entry, Refusal, TopicError
from flashbus.wire.clients import sns_client
from local.ports import free_port

pytestmark = pytest.mark.real_time

URL = "http://sns"
THREE = [Entry("a"), Entry("b"), Entry("c")]
TAKEN: Mapping[str, Any] = {"Successful": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]}
Outcome = Mapping[str, Any] | Exception
OpenClient = Callable[..., AbstractAsyncContextManager[Any]]


class ScriptedSns:
    """Gives one outcome after the other, the last one again and again."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.calls = 0
        self._outcomes = outcomes

    async def publish_batch(self, **_arguments: object) -> Mapping[str, Any]:
        self.calls += 1
        outcome = self._outcomes[min(self.calls, len(self._outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def topic_of(client: ScriptedSns) -> SnsTopic:
    return SnsTopic(client=client, topic_arn="arn", jitter=lambda: 0.0)


def answered(status: int, code: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PublishBatch")


def unconnected() -> EndpointConnectionError:
    key: Any = None
    return EndpointConnectionError(endpoint_url=URL, error=aiohttp.ClientConnectorError(key, OSError(111, "refused")))


def reset_under_way() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url=URL, error=aiohttp.ClientOSError(104, "reset by peer"))


THROTTLED = [
    answered(400, name + ending)
    for name in ("KMSThrottling", "RequestThrottled", "Throttled", "Throttling", "TooManyRequests")
    for ending in ("", "Exception")
]
NEVER_SENT = [
    ConnectTimeoutError(endpoint_url=URL),
    CredentialRetrievalError(provider="p", error_msg="m"),
    NoCredentialsError(),
    ParamValidationError(report="r"),
    PartialCredentialsError(provider="p", cred_var="v"),
]
NOT_TAKEN = [
    answered(403, "AuthorizationError"),
    answered(404, "NotFound"),
    answered(400, "InvalidParameter"),
    answered(429, "Throttled"),
    *THROTTLED,
    unconnected(),
    *NEVER_SENT,
]
UNKNOWN = [
    answered(500, "InternalFailure"),
    answered(502, "502"),
    answered(503, "ServiceUnavailable"),
    answered(400, "RequestTimeout"),
    answered(400, "RequestTimeoutException"),
    answered(400, "PriorRequestNotComplete"),
    ClientError({"Error": {"Code": "Odd"}}, "PublishBatch"),
    ReadTimeoutError(endpoint_url=URL),
    ConnectionClosedError(endpoint_url=URL),
    reset_under_way(),
    BotoCoreError(),
    ResponseParserError("no XML"),
    aiohttp.ServerDisconnectedError(),
    ConnectionResetError(104, "reset by peer"),
]


@pytest.mark.parametrize("error", NOT_TAKEN, ids=repr)
async def test_what_was_refused_as_a_whole_or_never_sent_was_certainly_not_taken(error: Exception) -> None:
    with pytest.raises(TopicError) as caught:
        await topic_of(ScriptedSns(error)).publish_batch(THREE)
    assert caught.value.certain
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", UNKNOWN, ids=repr)
async def test_without_an_answer_nobody_knows(error: Exception) -> None:
    with pytest.raises(TopicError) as caught:
        await topic_of(ScriptedSns(error)).publish_batch(THREE)
    assert not caught.value.certain


@pytest.mark.parametrize("first", UNKNOWN, ids=repr)
@pytest.mark.parametrize("second", [answered(403, "AuthorizationError"), unconnected()], ids=repr)
async def test_a_lost_first_attempt_makes_every_later_refusal_uncertain(first: Exception, second: Exception) -> None:
    client = ScriptedSns(first, second)
    with pytest.raises(TopicError) as caught:
        await topic_of(client).publish_batch(THREE)
    assert not caught.value.certain
    assert client.calls == 2


async def test_a_lost_first_attempt_makes_a_refused_entry_uncertain() -> None:
    answer = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "InvalidParameter", "SenderFault": True}]}
    client = ScriptedSns(ConnectionClosedError(endpoint_url=URL), answer)
    refusals = await topic_of(client).publish_batch(THREE[:2])
    assert refusals == {1: Refusal("InvalidParameter", certain=False)}


@pytest.mark.parametrize("first", [*UNKNOWN, unconnected(), *THROTTLED], ids=repr)
async def test_a_failure_that_may_pass_is_tried_once_more(first: Exception) -> None:
    client = ScriptedSns(first, TAKEN)
    assert await topic_of(client).publish_batch(THREE) == {}
    assert client.calls == 2


@pytest.mark.parametrize(
    "final",
    [answered(400, "InvalidParameter"), answered(403, "AuthorizationError"), answered(404, "NotFound"), *NEVER_SENT],
    ids=repr,
)
async def test_a_failure_that_will_not_pass_is_not_tried_again(final: Exception) -> None:
    client = ScriptedSns(final, TAKEN)
    with pytest.raises(TopicError):
        await topic_of(client).publish_batch(THREE)
    assert client.calls == 1


@pytest.mark.parametrize(
    ("failed", "refusal"),
    [
        ({"Code": "InternalError", "SenderFault": False}, Refusal("InternalError", certain=False)),
        ({"Code": "ServiceUnavailable"}, Refusal("ServiceUnavailable", certain=False)),
        ({}, Refusal("unknown", certain=False)),
        ({"Code": "InvalidParameter", "SenderFault": True}, Refusal("InvalidParameter", certain=True)),
        ({"Code": "Throttled", "SenderFault": False}, Refusal("Throttled", certain=True)),
    ],
    ids=str,
)
async def test_failed_entries_of_a_200_are_told_by_index(failed: dict[str, Any], refusal: Refusal) -> None:
    answer = {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": [{"Id": "1", **failed}]}
    assert await topic_of(ScriptedSns(answer)).publish_batch(THREE) == {1: refusal}


async def test_of_an_entry_that_the_answer_does_not_mention_nobody_knows() -> None:
    client = ScriptedSns({"Successful": [{"Id": "1"}]})
    assert await topic_of(client).publish_batch(THREE[:2]) == {0: Refusal("missing", certain=False)}


async def test_of_an_entry_that_is_said_to_be_both_nobody_knows() -> None:
    answer = {**TAKEN, "Failed": [{"Id": "1", "Code": "InvalidParameter", "SenderFault": True}]}
    refusals = await topic_of(ScriptedSns(answer)).publish_batch(THREE)
    assert refusals == {1: Refusal("InvalidParameter", certain=False)}


GARBLED: list[dict[str, Any]] = [
    {"Successful": [{"Id": "first"}]},
    {"Successful": [{}]},
    {"Successful": 5},
    {"Successful": [None]},
    {"Failed": [{"Id": "9" * 5_000}]},
]


@pytest.mark.parametrize("answer", GARBLED, ids=lambda answer: str(answer)[:40])
async def test_of_an_answer_that_cannot_be_read_nobody_knows_and_it_is_asked_for_again(answer: dict[str, Any]) -> None:
    with pytest.raises(TopicError) as caught:
        await topic_of(ScriptedSns(answer)).publish_batch(THREE)
    assert not caught.value.certain
    assert await topic_of(client := ScriptedSns(answer, TAKEN)).publish_batch(THREE) == {}
    assert client.calls == 2


async def test_entries_that_were_never_sent_are_nobodys() -> None:
    answer = {"Successful": [*TAKEN["Successful"], {"Id": "7"}], "Failed": [{"Id": "3", "Code": "Odd"}, {"Id": "-1"}]}
    assert await topic_of(ScriptedSns(answer)).publish_batch(THREE) == {}


# The real clients over real sockets: what they make of a connection that is refused, lost or silent.


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(params=[partial(aws_client, "sns"), sns_client], ids=["aiobotocore", "signed"])
def open_client(request: pytest.FixtureRequest) -> OpenClient:
    opens: OpenClient = request.param
    return opens


async def failure(open_client: OpenClient, url: str, monkeypatch: pytest.MonkeyPatch) -> TopicError:
    for name, value in {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with open_client(max_attempts=1, read_timeout=timedelta(seconds=0.2)) as client:
        topic = SnsTopic(client=client, topic_arn="arn:aws:sns:us-east-1:000000000000:t", jitter=lambda: 0.0)
        with pytest.raises(TopicError) as caught:
            await topic.publish_batch(THREE)
    return caught.value


async def test_a_refused_connection_is_certain(open_client: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await failure(open_client, f"http://127.0.0.1:{free_port()}", monkeypatch)).certain


async def test_who_cannot_be_trusted_is_certainly_not_sent_to(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(failing) as url:
        assert (await failure(open_client, url.replace("http:", "https:"), monkeypatch)).certain


async def cut(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silent(request: web.Request) -> web.StreamResponse:
    await request.read()
    await asyncio.sleep(0.5)
    return web.Response()


async def broken(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=200, text="<html>a proxy's page", content_type="text/html")


def error_document(code: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"


async def failing(_request: web.Request) -> web.StreamResponse:
    return web.Response(
        status=503, text="<ErrorResponse><Error><Code>ServiceUnavailable</Code></Error></ErrorResponse>"
    )


@pytest.mark.parametrize("handler", [cut, silent, broken, failing])
async def test_a_lost_answer_is_not_certain(
    open_client: OpenClient,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(handler) as url:
        assert not (await failure(open_client, url, monkeypatch)).certain


async def test_the_client_does_not_try_again_behind_our_back(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    async def once_lost(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return await (cut(request) if calls == 1 else denied())

    async with serving(once_lost) as url:
        assert not (await failure(open_client, url, monkeypatch)).certain
    assert calls == 2


async def denied() -> web.StreamResponse:
    return web.Response(status=403, text=error_document("AuthorizationError"))
