"""Raw bytes at a real port, read by either of aiohttp's parsers: refused, closed, and served to nobody else."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashops.connections import ConnectionLimits, ConnectionMetrics, Connections
from flashops.framing import Framing
from libs.flashops.tests.port import SECOND, Open, statuses

CHUNKED = b"POST /in HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"

HIDDEN = b"CONNECT shop:80 HTTP/1.1\r\nHost: shop\r\n"
SMUGGLED = {
    "a request in the body of CONNECT": [HIDDEN + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND],
    "a request behind CONNECT": [HIDDEN + b"\r\n" + SECOND],
    "a request behind CONNECT, later": [HIDDEN + b"\r\n", SECOND],
    "a coding that nobody decodes": [
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"3\r\nabc\r\n0\r\n\r\n" + SECOND,
    ],
    "an empty coding": [CHUNKED.replace(b"chunked", b"") + SECOND],
    "a length beside chunks": [CHUNKED.replace(b"Host", b"Content-Length: 3\r\nHost") + b"0\r\n\r\n" + SECOND],
    "an extension": [CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n" + SECOND],
    "a large extension": [CHUNKED + b"3;" + b"e" * 200_000 + b"\r\nabc\r\n0\r\n\r\n" + SECOND],
    "many trailers": [CHUNKED + b"0\r\n" + b"".join(b"T%d: x\r\n" % n for n in range(5_000)) + b"\r\n" + SECOND],
    "a request behind an upgrade": [
        b"GET /in HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SECOND
    ],
    "a request behind an upgrade to websocket": [
        b"GET /in HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + SECOND
    ],
    "a head of a megabyte": [
        b"GET /in HTTP/1.1\r\nHost: shop\r\n"
        + b"".join(b"X%d: %b\r\n" % (n, b"x" * 8_000) for n in range(120))
        + b"\r\n",
    ],
    "a folded header": [b"GET /in HTTP/1.1\r\nHost: shop\r\nX: a\r\n b\r\n\r\n" + SECOND],
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_what_has_two_readings_is_refused_and_nothing_of_it_served(opened: Open, name: str) -> None:
    async with opened() as port:
        answer = await port.exchange(*SMUGGLED[name])
        assert statuses(answer) == [400]
        assert port.served == []
        assert port.metric("http_server_malformed_requests_total") == 1


@pytest.mark.parametrize(
    "rest",
    [b"zz\r\n", b"1;a=b\r\nx\r\n", b"0\r\nX: y\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"1;" + b"e" * 100_000],
    ids=["no size", "extension", "trailer", "too long", "extension without an end"],
)
async def test_a_body_that_goes_wrong_on_the_way_ends_its_own_request(opened: Open, rest: bytes) -> None:
    async with opened() as port:
        answer = await port.exchange(CHUNKED + b"3\r\nabc\r\n", rest, SECOND)
        assert statuses(answer) == [400]
        assert port.served == []
        assert port.failed == ["/in"]


async def test_bytes_of_strangers_fill_no_log(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as port:
        for parts in ([b"\x16\x03\x01garbage\r\n\r\n"], [CHUNKED, b"zz\r\n"], SMUGGLED["an extension"]):
            await port.exchange(*parts)
    assert caplog.records == []


def test_what_the_server_warns_of_is_logged_and_its_chatter_is_not(caplog: pytest.LogCaptureFixture) -> None:
    logger = Connections(limits=ConnectionLimits(), metrics=ConnectionMetrics(CollectorRegistry())).logger
    logger.info("chatter")
    logger.warning("a warning")
    logger.error("an error")
    assert caplog.messages == ["a warning", "an error"]


def test_what_a_port_counts_is_explained() -> None:
    registry = CollectorRegistry()
    ConnectionMetrics(registry)
    explained = {family.name: family.documentation for family in registry.collect()}
    assert all(words.endswith(".") for words in explained.values())
    assert list(explained) == [
        "http_server_open_connections",
        "http_server_refused_connections",
        "http_server_late_heads",
        "http_server_unread_answers",
        "http_server_malformed_requests",
    ]


def test_a_port_has_limits_though_nobody_sets_any() -> None:
    limits = ConnectionLimits()
    assert (limits.most, limits.head_timeout, limits.read_timeout) == (
        4096,
        timedelta(seconds=10),
        timedelta(seconds=30),
    )


async def test_a_connection_serves_one_request_after_the_other(opened: Open) -> None:
    async with opened() as port:
        reader, writer = await port.open()
        pieces = (
            SECOND + SECOND,
            CHUNKED + b"3\r\nabc\r\n0\r\n\r\n\r\n" + SECOND,
            b"GET /upgrade HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"GET http://elsewhere/absolute HTTP/1.1\r\nHost: shop\r\n\r\n",
            b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            SECOND.replace(b"keep", b"keep").replace(b"Host", b"Connection: close\r\nHost"),
        )
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            answers = await reader.read()
        writer.close()
        assert port.served == ["/second", "/second", "/in", "/second", "/upgrade", "/absolute", "/old", "/second"]
        assert answers.count(b" 200 OK") == 8


async def test_more_requests_at_once_than_wait_to_be_handled_and_bodies_larger_than_buffers_are_all_served(
    opened: Open,
) -> None:
    body = bytes(2**20)
    large = b"POST /large HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    last = SECOND.replace(b"Host", b"Connection: close\r\nHost")
    async with opened() as port:
        answers = await port.exchange((SECOND.replace(b"0", b"3") + b"abc") * 100 + large * 2 + last)
        assert port.served == ["/second"] * 100 + ["/large"] * 2 + ["/second"]
        assert answers.count(b"/large %d" % len(body)) == 2


async def test_a_request_that_came_whole_is_looked_at_once(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes] = []
    follow = Framing.follow

    def noted(framing: Framing, data: bytes) -> None:
        looked_at.append(data)
        follow(framing, data)

    monkeypatch.setattr(Framing, "follow", noted)
    request = b"POST /in HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    async with opened() as port:
        answer = await port.exchange(request)
    assert answer.endswith(b"/in 3")
    assert looked_at == [request]
