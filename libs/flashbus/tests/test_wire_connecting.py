"""How a transport connects, how long it tries, and what it says of a way that is none."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from flashbus.wire.direct import DirectTransport, open_direct
from flashbus.wire.limits import TransportLimits
from flashbus.wire.proxied import ProxiedTransport, _botocore_errors
from flashbus.wire.transport import open_transport

LIMITS = TransportLimits(
    connect_timeout=timedelta(seconds=2),
    read_timeout=timedelta(seconds=5),
    connections=7,
    keep_alive=timedelta(seconds=12),
)


async def test_a_connection_that_does_not_come_about_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    async def never(_factory: Callable[[], object], *place: object, **options: object) -> None:
        asked.append((*place, options))
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", never)
    transport = DirectTransport("http://aws.test:4566", limits=LIMITS, tls=None)
    began = loop.time()
    with pytest.raises(ConnectTimeoutError, match=r"aws\.test:4566"):
        await transport.post(b"{}", {"host": "aws.test"})
    assert loop.time() - began == pytest.approx(2, abs=1e-3)
    assert asked == [("aws.test", 4566, {"ssl": None, "happy_eyeballs_delay": 0.25})]


async def test_who_asks_any_host_goes_by_the_certificates_of_the_system() -> None:
    async with open_direct("https://pay.test/v1/charges?a=b", limits=LIMITS) as secure:
        assert (secure._endpoint_url, secure._port) == ("https://pay.test", 443)
        assert secure._tls is not None
        assert secure._tls.check_hostname
    async with open_direct("http://pay.test:81/v1", limits=LIMITS) as plain:
        assert (plain._endpoint_url, plain._port, plain._tls) == ("http://pay.test:81", 81, None)


@pytest.mark.parametrize("url", ["pay.test", "http://", "", "http://pay.test:99999"])
async def test_who_cannot_be_asked_is_named(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"http(s)://host[:port], not {url!r}")):
        async with open_direct(url, limits=LIMITS):
            pytest.fail("it was opened")


async def test_the_way_through_a_proxy_has_the_same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    async with open_transport("http://aws.test:4566", limits=LIMITS, ca_bundle=None) as transport:
        assert isinstance(transport, ProxiedTransport)
        session = transport._session
        assert (session.timeout.sock_connect, session.timeout.sock_read, session.timeout.total) == (2, 5, None)
        assert isinstance(session.connector, aiohttp.TCPConnector)
        assert session.connector.limit == 7
        assert session.connector._keepalive_timeout == 12
        assert not session.auto_decompress
    assert session.closed


KEY: Any = SimpleNamespace(host="aws.test", port=4566, ssl=True)
RENAMED: list[tuple[Exception, type[Exception]]] = [
    (aiohttp.ClientConnectorSSLError(KEY, OSError("no certificate")), SSLError),
    (aiohttp.ClientProxyConnectionError(KEY, OSError("refused")), ProxyConnectionError),
    (aiohttp.ClientHttpProxyError(KEY, ()), ProxyConnectionError),
    (aiohttp.ServerDisconnectedError(), ConnectionClosedError),
    (aiohttp.ClientPayloadError(), ConnectionClosedError),
    (aiohttp.ClientResponseError(KEY, ()), ConnectionClosedError),
    (aiohttp.ConnectionTimeoutError(), ConnectTimeoutError),
    (aiohttp.SocketTimeoutError(), ReadTimeoutError),
    (TimeoutError(), ReadTimeoutError),
    (aiohttp.ClientOSError(104, "reset"), EndpointConnectionError),
    (ConnectionResetError(), EndpointConnectionError),
    (aiohttp.InvalidURL("no url"), HTTPClientError),
    (ValueError("no header"), HTTPClientError),
]


@pytest.mark.parametrize(("error", "renamed"), RENAMED, ids=lambda one: getattr(one, "__name__", type(one).__name__))
def test_an_error_on_the_way_through_a_proxy_is_the_one_that_aiobotocore_raises(
    error: Exception, renamed: type[Exception]
) -> None:
    with (
        pytest.raises(BotoCoreError) as caught,
        _botocore_errors("http://aws.test:4566", "http://proxy.test:3128"),
    ):
        raise error
    assert type(caught.value) is renamed
    assert caught.value.__cause__ is error
    named = {ProxyConnectionError: "proxy.test:3128", HTTPClientError: ""}.get(renamed, "aws.test:4566")
    assert named in str(caught.value)
