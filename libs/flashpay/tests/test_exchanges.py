"""What both ways to a gateway send, and whom they trust."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from flashbus.wire.connection import Answer
from flashpay import DirectExchange, GatewayUnavailableError
from flashpay.exchanges import GatewayAnswer
from flashpay.testing.provider import RECEIPT, REQUEST, OpenExchange, Provider

TIMEOUT = timedelta(seconds=5)
CONNECTIONS = 4  # of the fixture's direct exchange
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "ord_a"}


@asynccontextmanager
async def serving(asked: list[web.Request], certificate: Path | None = None) -> AsyncIterator[str]:
    """A server that answers everything, and keeps the requests; its host and port."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        asked.append(request)
        return web.Response(text="ok", headers={"Retry-After": "7"} if request.method == "POST" else None)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = TestServer(app, scheme="http" if certificate is None else "https")
    await server.start_server(ssl=context)
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.close()


async def test_a_gateway_below_a_path_and_behind_a_password_is_asked_there_and_with_it(
    open_exchange: OpenExchange,
) -> None:
    asked: list[web.Request] = []
    async with serving(asked) as host, open_exchange(f"http://shop:p%40ss@{host}/pay%20here/") as exchange:
        answer = await exchange.ask("POST", "/v1/charges", body=b"{}", headers=HEADERS, timeout=TIMEOUT)
        other = await exchange.ask("GET", "/v1/charges/a%2Fb", body=b"", headers={}, timeout=TIMEOUT)
    assert (answer.status, answer.body, answer.retry_after) == (200, b"ok", "7")
    assert other == GatewayAnswer(status=200, body=b"ok") == GatewayAnswer(status=200, body=b"ok", retry_after="")
    assert [request.raw_path for request in asked] == ["/pay%20here/v1/charges", "/pay%20here/v1/charges/a%2Fb"]
    for request in asked:
        assert request.headers["Authorization"] == f"Basic {b64encode(b'shop:p@ss').decode()}"
        assert request.headers["Host"] == host
    assert {name: asked[0].headers[name] for name in HEADERS} == HEADERS


async def test_a_user_may_have_no_password(open_exchange: OpenExchange) -> None:
    asked: list[web.Request] = []
    async with serving(asked) as host, open_exchange(f"http://shop@{host}") as exchange:
        await exchange.ask("GET", "/v1/charges/a", body=b"", headers={}, timeout=TIMEOUT)
    assert [request.headers["Authorization"] for request in asked] == [f"Basic {b64encode(b'shop:').decode()}"]


async def test_a_certificate_that_nobody_vouches_for_is_no_gateway(
    open_exchange: OpenExchange, certificate: Path
) -> None:
    asked: list[web.Request] = []
    async with serving(asked, certificate) as host, open_exchange(f"https://{host}") as exchange:
        with pytest.raises(GatewayUnavailableError) as caught:
            await exchange.ask("POST", "/v1/charges", body=b"{}", headers=HEADERS, timeout=TIMEOUT)
    assert caught.value.reason == "connection"
    assert asked == []


# aiohttp loads the certificates once, when it is imported.
@pytest.mark.parametrize("open_exchange", ["direct"], indirect=True)
async def test_the_systems_certificates_are_those_that_count(
    open_exchange: OpenExchange, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
    async with serving([], certificate) as host, open_exchange(f"https://{host}") as exchange:
        answer = await exchange.ask("POST", "/v1/charges", body=b"{}", headers=HEADERS, timeout=TIMEOUT)
    assert answer.body == b"ok"


async def test_an_answer_that_is_too_long_is_told_with_its_status(provider: Provider) -> None:
    provider.answer(402, b" " * 10_000_000)
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert (caught.value.reason, caught.value.status) == ("bad_response", 402)


@pytest.mark.parametrize("open_exchange", ["direct"], indirect=True)
async def test_a_charge_that_waits_for_a_connection_spends_its_time_and_is_not_sent(provider: Provider) -> None:
    go_on, taken = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        if len(provider.bodies) == CONNECTIONS:
            taken.set()
        await go_on.wait()
        return web.json_response(RECEIPT)

    provider.handler = slow
    first = [asyncio.create_task(provider.gateway.charge(REQUEST, timeout=TIMEOUT)) for _ in range(CONNECTIONS)]
    await taken.wait()
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(replace(REQUEST, order_id="ord_late"), timeout=timedelta(milliseconds=50))
    go_on.set()
    await asyncio.gather(*first)
    assert caught.value.reason == "timeout"
    assert len(provider.bodies) == CONNECTIONS


class Fixed:
    """Connections that answer, or fail, as they are told."""

    def __init__(self, *, answer: Answer | None = None, error: Exception | None = None) -> None:
        self._answer, self._error = answer, error
        self.asked: list[tuple[str, str, bytes, Mapping[str, str]]] = []

    async def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.asked.append((method, target, body, headers))
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer


async def test_over_connections_of_our_own_an_answer_is_asked_for_as_it_can_be_read() -> None:
    connections = Fixed(answer=Answer(200, {"retry-after": "3"}, b"{}"))
    exchange = DirectExchange(connections, base_url="https://pay.test:8443/shop/")
    answer = await exchange.ask("POST", "/v1/charges", body=b"{}", headers={"traceparent": "00-t"}, timeout=TIMEOUT)
    assert answer == GatewayAnswer(status=200, body=b"{}", retry_after="3")
    said = {"host": "pay.test:8443", "accept": "*/*", "accept-encoding": "identity", "traceparent": "00-t"}
    assert connections.asked == [("POST", "/shop/v1/charges", b"{}", said)]


async def test_an_answer_that_was_cut_off_is_none_however_little_of_it_was_read() -> None:
    cut = DirectExchange(Fixed(answer=Answer(402, {}, b"{}", is_whole=False)), base_url="http://pay.test")
    with pytest.raises(GatewayUnavailableError) as caught:
        await cut.ask("POST", "/v1/charges", body=b"{}", headers=HEADERS, timeout=TIMEOUT)
    assert (caught.value.reason, caught.value.status) == ("bad_response", 402)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectTimeoutError(endpoint_url="http://pay.test"), "timeout"),
        (ReadTimeoutError(endpoint_url="http://pay.test"), "timeout"),
        (EndpointConnectionError(endpoint_url="http://pay.test"), "connection"),
        (ConnectionResetError(), "connection"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_why_there_is_no_answer_is_told_in_the_gateways_words(error: Exception, reason: str) -> None:
    exchange = DirectExchange(Fixed(error=error), base_url="http://pay.test")
    with pytest.raises(GatewayUnavailableError) as caught:
        await exchange.ask("POST", "/v1/charges", body=b"{}", headers=HEADERS, timeout=TIMEOUT)
    assert caught.value.reason == reason
