"""Bodies that come slowly, never end, or are announced too large."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp.test_utils import make_mocked_request

from order_api.bodies import read_json_body
from order_api.rejections import Rejection
from order_api.testing import RunningApi, exchange, read_answer, running_shop

HEAD = b"POST /orders/async HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
BODY = b'{"customer_id":1,"items":[{"product_id":"pen","quantity":1}]}'


async def test_a_body_announced_too_large_is_refused_before_it_is_sent(shop: RunningApi) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        answer = await read_answer(reader)
        assert await reader.read() == b""
        writer.close()
    assert (answer.problem, answer.fields) == ((413, "too-large"), ["body"])
    assert answer.headers["Connection"] == "close"


async def test_a_chunked_body_without_end_is_cut_off(shop: RunningApi) -> None:
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    sent = 0
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        answering = asyncio.create_task(read_answer(reader))
        with pytest.raises(ConnectionError):  # noqa: PT012 - the server hangs up in the middle
            while True:
                writer.write(chunk)
                sent += 0x2000
                await writer.drain()
                await asyncio.sleep(0.001)
        answer = await answering
        writer.close()
    assert (answer.problem, answer.fields) == ((413, "too-large"), ["body"])
    assert sent < 100_000_000
    assert shop.topic.calls == []


async def test_a_body_that_trickles_in_is_given_up_after_the_deadline() -> None:
    async with running_shop(BODY_TIMEOUT_SECONDS="0.1") as shop, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY))
        answering = asyncio.create_task(read_answer(reader))
        for byte in BODY:
            if answering.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        answer = await answering
        writer.close()
        assert (answer.problem, answer.fields) == ((408, "slow-body"), ["body"])
        assert answer.json["title"] == "The body did not arrive within 0.1 seconds"
        assert answer.headers["Connection"] == "close"
        assert shop.topic.calls == []


async def test_a_client_who_hangs_up_in_the_body_does_no_harm(shop: RunningApi) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:20])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await shop.order("async")).status == 202
    assert len(shop.topic.published) == 1


async def test_a_client_who_asks_first_is_told_to_go_on(shop: RunningApi) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await read_answer(reader)).status == 202
        writer.close()


async def test_a_client_who_asks_first_and_hangs_up_is_no_fault_of_ours() -> None:
    class GoneWriter:
        async def write(self, _chunk: bytes) -> None:
            raise ConnectionResetError("Cannot write to closing transport")

    headers = {"Content-Type": "application/json", "Expect": "100-continue"}
    request = make_mocked_request("POST", "/orders/async", headers=headers, writer=GoneWriter())
    with pytest.raises(Rejection) as caught:
        await read_json_body(request, limit_bytes=100, deadline=timedelta(seconds=5))
    assert (caught.value.status, caught.value.reason) == (400, "unreadable_body")


@pytest.mark.parametrize(
    ("header", "status"),
    [(b"Content-Length: 1000000", 413), (b"Content-Encoding: gzip\r\nContent-Length: 5", 415)],
)
async def test_a_client_who_asks_first_is_refused_without_sending(shop: RunningApi, header: bytes, status: int) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(HEAD + b"Expect: 100-continue\r\n" + header + b"\r\n\r\n")
        answer = await read_answer(reader)
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
        writer.close()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /products", 200),
        (b"GET /products/none", 404),
        (b"GET /health", 200),
        (b"GET /openapi.json", 200),
        (b"GET /orders/none", 404),
        (b"DELETE /orders/none", 404),
        (b"POST /orders/none/cancel", 404),
    ],
)
async def test_what_a_client_expects_that_nobody_knows_changes_no_answer(
    shop: RunningApi, line: bytes, status: int
) -> None:
    head = line + b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"
    answer = await exchange(shop.port, head + b"Expect: the unexpected\r\n\r\n")
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/")
    assert answer.headers["Traceresponse"]
    assert answer.body == (await exchange(shop.port, head + b"\r\n")).body
    assert (await exchange(shop.port, head + b"Expect: 100-Continue\r\n\r\n")).status == 100


async def test_a_connection_is_kept_for_the_next_order_after_a_refusal(shop: RunningApi) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        statuses = []
        for body in (b"{}", BODY, b"[", BODY):
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            statuses.append((await read_answer(reader)).status)
        writer.close()
    assert statuses == [422, 202, 400, 202]
