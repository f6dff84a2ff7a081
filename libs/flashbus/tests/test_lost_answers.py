"""However an answer of SQS or SNS is lost, it is one of our errors that says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from flashbus.clients import aws_client
from flashbus.queue import QueueUnavailableError
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from flashbus.topic import Entry, TopicError

pytestmark = pytest.mark.real_time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 100\r\n\r\n"
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
async def test_a_lost_answer_is_one_of_our_errors(answer: bytes | None) -> None:
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
