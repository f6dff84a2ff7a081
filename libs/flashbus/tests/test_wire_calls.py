"""One call of the signed client, beside the same call of aiobotocore: what is answered, refused, or never comes."""

import asyncio
import contextlib
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import get_session
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from flashbus import clients
from flashbus.testing.service import Service, serving
from flashbus.wire.clients import dynamo_client, sns_client, sqs_client

pytestmark = pytest.mark.real_time

OpenClient = Callable[..., AbstractAsyncContextManager[Any]]
SIGNED = {"sns": sns_client, "sqs": sqs_client, "dynamodb": dynamo_client}


@pytest.fixture(params=["aiobotocore", "signed"])
def open_client(request: pytest.FixtureRequest) -> OpenClient:
    """What opens the client of a service: the same cases for both."""
    if request.param == "aiobotocore":
        return clients.aws_client
    return lambda service, **options: SIGNED[service](**options)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    for name, value in {**keys, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal(code: str, status: int = 400, **more: object) -> web.Response:
    return web.json_response({"__type": f"com.amazonaws#{code}", "message": "no", **more}, status=status)


def at(url: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1"}


OK = '{"Item": {"order_id": {"S": "1"}}}'


async def get_item(open_client: OpenClient, url: str, **options: Any) -> Any:  # noqa: ANN401 - as it came
    async with open_client("dynamodb", environ=at(url), **options) as client:
        return await client.get_item(TableName="t", Key={"order_id": {"S": "1"}})


REFUSALS = {
    "a code with a namespace": (lambda: refusal("ResourceNotFoundException"), "ResourceNotFoundException", 400),
    "a server error without a body": (lambda: web.Response(status=500), "500", 500),
    "a proxy's page": (lambda: web.Response(status=503, text="<html>busy</html>"), "503", 503),
    "a refused page": (lambda: web.Response(status=403, text="<html>no</html>"), "403", 403),
    "expired credentials": (lambda: refusal("ExpiredTokenException"), "ExpiredTokenException", 400),
}


@pytest.mark.parametrize(("answer", "code", "status"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_its_code_and_its_status(
    open_client: OpenClient, answer: Callable[[], web.Response], code: str, status: int
) -> None:
    async with serving(answer) as (_, url):
        with pytest.raises(ClientError) as caught:
            await get_item(open_client, url, max_attempts=1)
    said: Any = caught.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


async def test_a_refused_write_shows_the_item_that_stood_in_its_way(open_client: OpenClient) -> None:
    item = {"order_id": {"S": "1"}}
    async with serving(lambda: refusal("ConditionalCheckFailedException", Item=item)) as (service, url):
        with pytest.raises(ClientError) as caught:
            await get_item(open_client, url)
    said: Any = caught.value.response
    assert (said["Error"]["Code"], said["Item"]) == ("ConditionalCheckFailedException", item)
    assert len(service.asked) == 1


async def test_a_refused_transaction_shows_its_reasons(open_client: OpenClient) -> None:
    writes = [{"Delete": {"TableName": "t", "Key": {"id": {"S": "1"}}}}]
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"id": {"S": "1"}}}]
    async with (
        serving(lambda: refusal("TransactionCanceledException", CancellationReasons=reasons)) as (_, url),
        open_client("dynamodb", environ=at(url)) as client,
    ):
        with pytest.raises(ClientError) as caught:
            await client.transact_write_items(TransactItems=writes, ClientRequestToken="t")
    said: Any = caught.value.response
    assert said["CancellationReasons"] == reasons


async def test_a_code_of_sqs_is_its_old_name(open_client: OpenClient) -> None:
    def absent() -> web.Response:
        answer = refusal("QueueDoesNotExist")
        answer.headers["x-amzn-query-error"] = "AWS.SimpleQueueService.NonExistentQueue;Sender"
        return answer

    async with (
        serving(absent) as (_, url),
        open_client("sqs", environ=at(url)) as client,
    ):
        with pytest.raises(ClientError, match="NonExistentQueue"):
            await client.receive_message(QueueUrl="http://queue")


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
async def test_a_throttled_call_is_tried_again(open_client: OpenClient, code: str) -> None:
    async with serving(lambda: refusal(code), lambda: web.Response(text=OK)) as (service, url):
        assert (await get_item(open_client, url))["Item"] == {"order_id": {"S": "1"}}
    assert len(service.asked) == 2


@pytest.mark.parametrize(("allowed", "calls"), [({}, 3), ({"max_attempts": 2}, 2)])
async def test_a_server_that_fails_is_asked_as_often_as_allowed(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch, allowed: Mapping[str, int], calls: int
) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: sleep(0))
    async with serving(lambda: web.Response(status=500)) as (service, url):
        with pytest.raises(ClientError):
            await get_item(open_client, url, **allowed)
    assert len(service.asked) == calls


async def test_an_answer_whose_checksum_is_wrong_is_asked_for_again(open_client: OpenClient) -> None:
    def garbled() -> web.Response:
        return web.Response(text=OK, headers={"x-amz-crc32": "1"})

    def whole() -> web.Response:
        return web.Response(text=OK, headers={"x-amz-crc32": str(zlib.crc32(OK.encode()))})

    async with serving(garbled, whole) as (service, url):
        assert (await get_item(open_client, url))["Item"] == {"order_id": {"S": "1"}}
    assert len(service.asked) == 2


async def test_every_attempt_is_signed_with_the_keys_of_its_moment(
    open_client: OpenClient, variables: pytest.MonkeyPatch
) -> None:
    class Renewing(AioCredentials):  # type: ignore[misc]
        """Credentials that are others whenever they are asked for."""

        asked = 0

        async def get_frozen_credentials(self) -> ReadOnlyCredentials:
            self.asked += 1
            return ReadOnlyCredentials(f"key{self.asked}", "secret", f"token{self.asked}")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        variables.delenv(name)
    session = get_session()
    session._credentials = Renewing("", "")
    async with serving(lambda: web.Response(status=500), lambda: web.Response(text=OK)) as (service, url):
        await get_item(open_client, url, session=session)
    shown = [
        (request.headers["authorization"].split("/")[0], request.headers["x-amz-security-token"])
        for request in service.asked
    ]
    assert [key.rpartition("=")[2].removeprefix("key") for key, _ in shown] == [
        token.removeprefix("token") for _, token in shown
    ]
    assert shown[0] != shown[1]


async def test_without_credentials_nothing_is_sent(
    open_client: OpenClient, variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        variables.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        variables.setenv(name, str(tmp_path / "absent"))
    async with serving(lambda: web.Response(text=OK)) as (service, url):
        with pytest.raises(NoCredentialsError):
            await get_item(open_client, url)
    assert not service.asked


async def test_nobody_there_is_an_endpoint_that_cannot_be_reached(open_client: OpenClient) -> None:
    with pytest.raises(EndpointConnectionError):
        await get_item(open_client, f"http://127.0.0.1:{unused_port()}", max_attempts=1)


@asynccontextmanager
async def hanging_up(until: bytes | None) -> AsyncIterator[str]:
    """A server that reads up to these bytes, or until the client leaves, and then closes without a word."""
    left = asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await (reader.read() if until is None else reader.readuntil(until))
            writer.close()
            await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await left.wait()


async def test_silence_is_a_timeout(open_client: OpenClient) -> None:
    async with hanging_up(None) as url:
        with pytest.raises(ReadTimeoutError):
            await get_item(open_client, url, max_attempts=1, read_timeout=timedelta(seconds=0.2))


async def test_a_connection_that_closes_is_one_that_was_closed(open_client: OpenClient) -> None:
    async with hanging_up(b"\r\n\r\n") as url:
        with pytest.raises(ConnectionClosedError):
            await get_item(open_client, url, max_attempts=1)


@pytest.mark.parametrize("status", [300, 301])
async def test_a_redirect_is_not_followed(open_client: OpenClient, status: int) -> None:
    def elsewhere() -> web.Response:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"})

    async with serving(elsewhere) as (service, url):
        with contextlib.suppress(ClientError, EndpointConnectionError):
            await get_item(open_client, url, max_attempts=1)
    assert len(service.asked) == 1


async def test_an_endpoint_may_have_an_address_of_the_new_kind(open_client: OpenClient) -> None:
    async with serving(lambda: web.Response(text=OK), host="::1") as (service, url):
        assert (await get_item(open_client, url))["Item"]
    assert service.asked[0].headers["host"] == url.removeprefix("http://")


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_must_be_one_that_is_trusted(
    open_client: OpenClient, variables: pytest.MonkeyPatch, certificate: Path, *, trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusted:
        variables.setenv("AWS_CA_BUNDLE", str(certificate.with_name("cert.pem")))
    service, app = Service([lambda: web.Response(text=OK)]), web.Application()
    app.router.add_post("/", service.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    url = str(server.make_url("")).rstrip("/")
    if trusted:
        assert (await get_item(open_client, url, max_attempts=1))["Item"]
    else:
        with pytest.raises(SSLError):
            await get_item(open_client, url, max_attempts=1)
    await server.close()


FAILED = """<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed><member>
<Id>1</Id><Code>InternalError</Code><Message>a &lt; b</Message><SenderFault>false</SenderFault></member>
<member><Id>2</Id><Code>InvalidParameter</Code><SenderFault>true</SenderFault></member></Failed><Successful><member><Id>0</Id>
<MessageId>m</MessageId></member></Successful></PublishBatchResult></PublishBatchResponse>"""
DENIED = """<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
<Code>AuthorizationError</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"""


async def publish(open_client: OpenClient, url: str, *messages: str) -> Any:  # noqa: ANN401 - as it came
    entries = [
        {
            "Id": str(index),
            "Message": message,
            "MessageAttributes": {"trace/parent": {"DataType": "String", "StringValue": message}},
        }
        for index, message in enumerate(messages)
    ]
    async with open_client("sns", environ=at(url), max_attempts=1) as client:
        return await client.publish_batch(TopicArn="arn:aws:sns:eu-west-1:1:t", PublishBatchRequestEntries=entries)


async def test_the_failed_entries_of_a_batch_are_told_from_the_others(open_client: OpenClient) -> None:
    async with serving(lambda: web.Response(text=FAILED, content_type="text/xml")) as (_, url):
        answer = await publish(open_client, url, "a", "b", "c")
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("1", "InternalError", False),
        ("2", "InvalidParameter", True),
    ]
    assert answer["Failed"][0]["Message"] == "a < b"


async def test_a_refused_batch_is_a_refusal(open_client: OpenClient) -> None:
    async with serving(lambda: web.Response(status=403, text=DENIED, content_type="text/xml")) as (_, url):
        with pytest.raises(ClientError, match="AuthorizationError") as caught:
            await publish(open_client, url, "a")
    said: Any = caught.value.response
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 403


async def test_the_two_clients_ask_the_same() -> None:
    texts = ['{"a": [1, "%2B", "x+y/z"]}', "ünïcödé ☂ 😀", "a&b=c;d~e_f.g-h*(!)'\n\t"]
    async with serving(lambda: web.Response(text=FAILED, content_type="text/xml")) as (service, url):
        for opened in (clients.aws_client, lambda name, **options: SIGNED[name](**options)):
            await publish(opened, url, *texts)
    theirs, ours = (sorted(body.replace(b"+", b"%20").split(b"&")) for body in service.bodies)
    assert ours == theirs


async def test_the_two_clients_put_the_same_item() -> None:
    arguments = {
        "TableName": "t",
        "Item": {"order_id": {"S": 'ü"☂'}, "n": {"N": "1"}, "l": {"L": [{"BOOL": True}, {"NULL": True}]}},
    }
    async with serving(lambda: web.Response(text="{}")) as (service, url):
        for opened in (
            clients.aws_client("dynamodb", environ=at(url)),
            dynamo_client(environ=at(url)),
        ):
            async with opened as client:
                await client.put_item(**arguments)
    theirs, ours = map(json.loads, service.bodies)
    assert ours == theirs
    named = ("x-amz-target", "content-type", "host")
    assert [[request.headers[name] for name in named] for request in service.asked[:1]] == [
        [request.headers[name] for name in named] for request in service.asked[1:]
    ]
