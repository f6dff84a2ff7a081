"""However an answer of SQS or SNS is lost, it is one of our errors that says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from flashbus import clients
from flashbus.queue import EntryFailure, QueueUnavailableError, VisibilityChange
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from flashbus.topic import Entry, TopicError
from flashbus.wire.clients import sns_client, sqs_client

pytestmark = pytest.mark.real_time

OpenClient = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["aiobotocore", "signed"])
def aws_client(request: pytest.FixtureRequest) -> OpenClient:
    """What opens the client of a service: either one is to be trusted with the same answers."""
    if request.param == "aiobotocore":
        return clients.aws_client
    signed = {"sns": sns_client, "sqs": sqs_client}
    return lambda service, **options: signed[service](**options)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 100\r\n\r\n"


def whole(body: bytes) -> bytes:
    """An answer that comes complete."""
    return HEAD.replace(b"100", b"%d" % len(body)) + body


ANSWERS = {
    "closed at once": b"",
    "half a head": HEAD[:40],
    "half a body": HEAD + b'{"Messages": [',
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """A server on a port that gives every request these bytes and closes; for None it never answers."""
    ending = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await ending.wait()
            else:
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        ending.set()


def account(port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@pytest.mark.parametrize("answer", [*ANSWERS.values(), None], ids=[*ANSWERS, "none in time"])
async def test_a_lost_answer_is_one_of_our_errors(aws_client: OpenClient, answer: bytes | None) -> None:
    async with answering(answer) as port:
        bounds: dict[str, Any] = {"max_attempts": 1, "read_timeout": timedelta(seconds=0.5), "environ": account(port)}
        async with aws_client("sqs", **bounds) as sqs, aws_client("sns", **bounds) as sns:
            queue = SqsQueue(url=f"http://127.0.0.1:{port}/queue", client=sqs, polling_client=sqs)
            with pytest.raises(QueueUnavailableError) as caught:
                await queue.receive(most=1, wait=timedelta(0), visibility=timedelta(seconds=1))
            assert caught.value.reason == "unreachable"
            with pytest.raises(TopicError) as lost:
                await SnsTopic(client=sns, topic_arn="arn:aws:sns:us-east-1:000000000000:t").publish_batch([Entry("x")])
            assert not lost.value.certain


GARBLED = {
    "no UTF-8": b"\xff\xfe\x00",
    "no object": b"[]",
    "nothing": b"null",
    "messages without an id": b'{"Messages": [{}]}',
    "a number of messages": b'{"Messages": 5}',
    "a count that is none": b'{"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": "b", '
    b'"Attributes": {"ApproximateReceiveCount": "x"}}]}',
    "a moment of thousands of digits": b'{"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": "b", '
    b'"Attributes": {"SentTimestamp": "%b"}}]}' % (b"9" * 4_000),
}


@pytest.mark.parametrize("body", GARBLED.values(), ids=GARBLED)
async def test_what_is_no_answer_of_sqs_ends_no_loop(aws_client: OpenClient, body: bytes) -> None:
    async with answering(whole(body)) as port, aws_client("sqs", max_attempts=1, environ=account(port)) as sqs:
        queue = SqsQueue(url=f"http://127.0.0.1:{port}/queue", client=sqs)
        with pytest.raises(QueueUnavailableError) as caught:
            await queue.receive(most=1, wait=timedelta(0), visibility=timedelta(seconds=1))
        assert caught.value.reason == "garbled"


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"{}", b"[]"])
async def test_only_what_sqs_acknowledged_is_done(aws_client: OpenClient, body: bytes) -> None:
    async with answering(whole(body)) as port, aws_client("sqs", max_attempts=1, environ=account(port)) as sqs:
        queue = SqsQueue(url=f"http://127.0.0.1:{port}/queue", client=sqs)
        with pytest.raises(QueueUnavailableError) as caught:
            await queue.send("the only copy", attributes={})
        assert caught.value.reason == "garbled"


class MuteClient:
    """Acknowledges the first entry of a batch, and says nothing of the others."""

    async def receive_message(self, **_arguments: object) -> dict[str, Any]:
        return {}

    async def send_message(self, **_arguments: object) -> dict[str, Any]:
        return {}

    async def delete_message_batch(self, **_arguments: object) -> dict[str, Any]:
        return {"Successful": [{"Id": "0"}]}

    async def change_message_visibility_batch(self, **_arguments: object) -> dict[str, Any]:
        return {"Successful": [{"Id": "0"}]}


async def test_what_an_answer_does_not_mention_is_done_again() -> None:
    queue = SqsQueue(url="http://localhost/queue", client=MuteClient())
    again = [EntryFailure(receipt="b", code="missing", gone=False)]
    assert await queue.delete_batch(["a", "b"]) == again
    changes = [VisibilityChange(receipt=receipt, after=timedelta(0)) for receipt in "ab"]
    assert await queue.change_visibility(changes) == again
