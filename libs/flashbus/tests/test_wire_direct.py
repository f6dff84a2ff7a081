"""The transport without a proxy, at the other end of a socket that answers byte by byte as a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp.test_utils import unused_port
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from flashbus.wire.connection import Answer
from flashbus.wire.direct import DirectTransport
from flashbus.wire.limits import TransportLimits

pytestmark = pytest.mark.real_time

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Endpoint:
    """Answers every request with `answer`, as it is, and counts connections; None hangs up."""

    def __init__(self, answer: bytes | None = OK, *, then: bytes = b"", hangs_up: bool = False) -> None:
        self.answer, self.then, self.hangs_up = answer, then, hangs_up
        self.requests: list[bytes] = []
        self.connections = self.open = self.most_open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while head := await self._head(reader):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
                    writer.write(self.then)
                if self.hangs_up or self.answer is None:
                    break
        finally:
            self.open -= 1

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@asynccontextmanager
async def transport_to(
    serve: Serve,
    *,
    connections: int = 4,
    read_timeout: float = 5,
    keep_alive: float = 5,
    answer_bytes: int | None = None,
) -> AsyncIterator[DirectTransport]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve_to_the_end, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = TransportLimits(
        connect_timeout=timedelta(seconds=5),
        read_timeout=timedelta(seconds=read_timeout),
        connections=connections,
        keep_alive=timedelta(seconds=keep_alive),
        answer_bytes=answer_bytes,
    )
    transport = DirectTransport(f"http://127.0.0.1:{port}", limits=limits, tls=None)
    try:
        yield transport
    finally:
        transport.close()
        server.close()
        await asyncio.gather(*[task for task in serving if task is not None])


async def post(transport: DirectTransport, body: bytes = b"{}") -> Answer:
    return await transport.post(body, {"host": "aws.test", "x-amz-target": "T"})


async def test_a_request_is_its_headers_its_length_and_its_body() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve) as transport:
        assert await post(transport, b'{"a":1}') == Answer(200, {"content-length": "2"}, b"ok")
    expected = b'POST / HTTP/1.1\r\nhost: aws.test\r\nx-amz-target: T\r\ncontent-length: 7\r\n\r\n{"a":1}'
    assert endpoint.requests == [expected]


async def test_one_connection_serves_request_after_request() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve) as transport:
        for _ in range(20):
            assert (await post(transport)).body == b"ok"
    assert (endpoint.connections, len(endpoint.requests)) == (1, 20)


ANSWERS = {
    "in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"),
    "in two parts": (OK[:20], OK[20:]),
    "after an interim one": (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n", OK),
}


@pytest.mark.parametrize(("first", "rest"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_comes_as_it_likes(first: bytes, rest: bytes) -> None:
    endpoint = Endpoint(first, then=rest)
    async with transport_to(endpoint.serve) as transport:
        for _ in range(2):
            answer = await post(transport)
            assert (answer.status, answer.body) == (200, b"ok")
            assert "x" not in answer.headers
    assert endpoint.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    endpoint = Endpoint(b"HTTP/1.1 503 Busy\r\n\r\nbusy", hangs_up=True)
    async with transport_to(endpoint.serve) as transport:
        for _ in range(2):
            assert await post(transport) == Answer(503, {}, b"busy")
    assert endpoint.connections == 2


async def test_a_connection_that_is_to_close_is_not_used_again() -> None:
    endpoint = Endpoint(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    async with transport_to(endpoint.serve) as transport:
        assert [(await post(transport)).body for _ in range(3)] == [b"ok"] * 3
    assert endpoint.connections == 3


NO_ANSWERS = {
    "nothing": None,
    "half a head": OK[:20],
    "half a body": OK[:-1],
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\no",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_whole_answer_is_a_closed_connection(answer: bytes | None) -> None:
    endpoint = Endpoint(answer, hangs_up=True)
    async with transport_to(endpoint.serve) as transport:
        with pytest.raises(ConnectionClosedError):
            await post(transport)
        endpoint.answer, endpoint.hangs_up = OK, False
        assert (await post(transport)).body == b"ok"


async def test_what_comes_behind_an_answer_is_nobodys_answer() -> None:
    endpoint = Endpoint(OK, then=OK.replace(b"ok", b"no"))
    async with transport_to(endpoint.serve) as transport:
        assert (await post(transport)).body == b"ok"
        await until(lambda: endpoint.open == 0)
        assert (await post(transport)).body == b"ok"
    assert endpoint.connections == 2


@pytest.mark.parametrize("excess", [OK.replace(b"ok", b"no"), OK[:20], OK[:-1]])
async def test_what_comes_in_the_same_bytes_is_nobodys_answer(excess: bytes) -> None:
    endpoint = Endpoint(OK + excess)
    async with transport_to(endpoint.serve) as transport:
        assert [(await post(transport)).body for _ in range(3)] == [b"ok"] * 3
    assert endpoint.connections == 3


async def test_a_connection_that_the_other_side_has_closed_meanwhile_is_not_used() -> None:
    endpoint = Endpoint(hangs_up=True)
    async with transport_to(endpoint.serve) as transport:
        await post(transport)
        await until(lambda: endpoint.open == 0)
        await asyncio.sleep(0.05)  # the end is on its way to us
        assert (await post(transport)).body == b"ok"


async def test_an_idle_connection_is_kept_for_a_while() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve, keep_alive=0.0) as transport:
        for _ in range(2):
            await post(transport)
    assert endpoint.connections == 2


async def test_silence_is_a_timeout_and_the_connection_is_gone() -> None:
    endpoint = Endpoint(OK[:30])
    async with transport_to(endpoint.serve, read_timeout=0.1) as transport:
        with pytest.raises(ReadTimeoutError):
            await post(transport)
        await until(lambda: endpoint.open == 0)


async def test_an_answer_that_drips_is_no_silence() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        for byte in OK:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with transport_to(drip, read_timeout=0.3) as transport:
        assert (await post(transport)).body == b"ok"


async def test_a_call_that_is_given_up_takes_its_connection_along() -> None:
    endpoint = Endpoint(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    async with transport_to(endpoint.serve) as transport:
        asking = asyncio.create_task(post(transport))
        await until(lambda: bool(endpoint.requests))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: endpoint.open == 0)
        endpoint.answer = OK
        assert (await post(transport)).body == b"ok"


async def test_there_are_no_more_connections_than_allowed_and_all_are_served() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve, connections=3) as transport:
        answers = await asyncio.gather(*[post(transport) for _ in range(50)])
    assert [answer.body for answer in answers] == [b"ok"] * 50
    assert 1 <= endpoint.most_open <= 3


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, more: bytes) -> None:
    """Answer without end."""
    await reader.readuntil(b"{}")
    writer.write(head)
    while True:
        writer.write(more)
        await writer.drain()


async def test_an_answer_over_the_limit_is_cut_off_and_is_the_last_of_its_connection() -> None:
    head, connections = b"HTTP/1.1 402 No\r\nContent-Length: 99999999\r\n\r\n", 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await pour(reader, writer, head, b"x" * 500)

    async with transport_to(serve, answer_bytes=1000) as transport:
        for _ in range(2):
            answer = await post(transport)
            assert (answer.status, answer.is_whole) == (402, False)
            assert set(answer.body) == set(b"x")
    assert connections == 2


async def test_a_head_without_end_is_no_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pour(reader, writer, b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n" * 50)

    async with transport_to(serve, answer_bytes=1000) as transport:
        with pytest.raises(ConnectionClosedError):
            await post(transport)


async def test_answers_within_the_limit_are_whole_however_many_a_connection_has_had() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve, answer_bytes=len(OK)) as transport:
        answers = [await post(transport) for _ in range(5)]
    assert [answer.is_whole for answer in answers] == [True] * 5
    assert endpoint.connections == 1


async def test_a_request_without_a_body_says_so() -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve) as transport:
        assert (await transport.request("GET", "/v1/charges/a%2Fb", b"", {"host": "pay.test"})).body == b"ok"
    assert endpoint.requests == [b"GET /v1/charges/a%2Fb HTTP/1.1\r\nhost: pay.test\r\ncontent-length: 0\r\n\r\n"]


async def test_nobody_there_is_an_endpoint_that_cannot_be_reached() -> None:
    limits = TransportLimits(
        connect_timeout=timedelta(seconds=5),
        read_timeout=timedelta(seconds=5),
        connections=1,
        keep_alive=timedelta(seconds=5),
    )
    transport = DirectTransport(f"http://127.0.0.1:{unused_port()}", limits=limits, tls=None)
    for _ in range(2):  # and the place is free again
        with pytest.raises(EndpointConnectionError):
            await post(transport)


@pytest.mark.parametrize("value", ["a\r\nx-other: b", "a\nb", "a\rb"])
async def test_a_header_with_a_line_break_is_sent_to_nobody(value: str) -> None:
    endpoint = Endpoint()
    async with transport_to(endpoint.serve) as transport:
        with pytest.raises(HTTPClientError):
            await transport.post(b"{}", {"host": "aws.test", "x-amz-security-token": value})
    assert endpoint.connections == 0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the other end of a socket tells nobody
            await asyncio.sleep(0.005)
