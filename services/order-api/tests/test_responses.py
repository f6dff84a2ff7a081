"""The 202 that is written down as a whole is what aiohttp would send."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops.connections import ConnectionMetrics
from flashops.http import Runner
from order_api.responses import WrittenAcceptance, acceptance_response
from order_api.testing.harness import Answer, RunningApi, exchange, read_answer
from order_api.views import OrderAccepted

ORDER_ID = "ord_" + "a" * 40


async def written(_request: web.Request) -> web.StreamResponse:
    response = WrittenAcceptance(ORDER_ID)
    response.headers["traceresponse"] = "00-of-somebody"
    return response


async def plain(_request: web.Request) -> web.StreamResponse:
    return web.Response(
        status=202,
        body=OrderAccepted.json_of(ORDER_ID),
        content_type="application/json",
        headers={"Location": f"/orders/{ORDER_ID}", "Cache-Control": "no-store", "traceresponse": "00-of-somebody"},
    )


async def accepted(request: web.Request) -> web.StreamResponse:
    return acceptance_response(request, ORDER_ID)


async def _close(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()


@asynccontextmanager
async def port(*, draining: bool = False) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes([web.post("/written", written), web.post("/plain", plain), web.post("/accepted", accepted)])
    if draining:
        app.on_response_prepare.append(_close)
    runner = Runner(app, metrics=ConnectionMetrics(CollectorRegistry()))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def request(path: str, *, version: str = "1.1", more: str = "") -> bytes:
    return f"POST {path} HTTP/{version}\r\nHost: shop\r\nContent-Length: 0\r\n{more}\r\n".encode()


def seen(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, {name: text for name, text in answer.headers.items() if name != "Date"}, answer.body


@pytest.mark.parametrize("more", ["", "Connection: close\r\n", "Connection: keep-alive\r\n"])
@pytest.mark.parametrize("draining", [False, True])
async def test_it_says_what_the_plain_one_says(more: str, *, draining: bool) -> None:
    async with port(draining=draining) as number:
        ours = await exchange(number, request("/written", more=more))
        theirs = await exchange(number, request("/plain", more=more))
        assert seen(ours) == seen(theirs)
        assert set(ours.headers) == set(theirs.headers)
        assert ours.headers["Date"][-4:] == theirs.headers["Date"][-4:] == " GMT"


@pytest.mark.parametrize(("draining", "more"), [(True, ""), (False, "Connection: close\r\n")])
async def test_it_ends_a_connection_that_shall_end(more: str, *, draining: bool) -> None:
    async with port(draining=draining) as number:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(request("/written", more=more))
        assert (await read_answer(reader)).headers["Connection"] == "close"
        assert await reader.read() == b""
        writer.close()


async def test_requests_in_a_row_are_answered_in_a_row() -> None:
    async with port() as number:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(request("/written") * 3)
        for _ in range(3):
            assert (await read_answer(reader)).json["order_id"] == ORDER_ID
        writer.close()


async def test_a_client_that_does_not_read_is_answered_no_further() -> None:
    async with port() as number:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", number))
        client.settimeout(0)
        sent, quiet = 0, 0
        while quiet < 20:
            try:
                sent += client.send(request("/written") * 100)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.01)
            assert sent < 100_000_000
        client.close()


async def test_http_1_0_is_answered_in_its_own_words() -> None:
    async with port() as number:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(request("/accepted", version="1.0"))
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.0 202 Accepted\r\n")
        assert answer.endswith(OrderAccepted.json_of(ORDER_ID))


async def test_an_order_is_answered_that_way(shop: RunningApi) -> None:
    answer = await shop.order("async")
    assert answer.status == 202
    assert answer.headers["Location"] == answer.json["status_url"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["traceresponse"].startswith("00-")
