"""Bytes to an endpoint and back: straight, or through a proxy by aiohttp's session."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.resources import files
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from yarl import URL

from flashbus.wire.connection import Answer
from flashbus.wire.direct import DirectTransport
from flashbus.wire.limits import TransportLimits


class Transport(Protocol):
    """Posts bodies to one endpoint."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request, and read its answer to the end.

        Raises:
            BotoCoreError: There is no whole answer; the error is the one that aiobotocore raises for the same cause.
        """
        ...


class ProxiedTransport:
    """Posts bodies to one endpoint through a proxy, by aiohttp's session."""

    def __init__(self, *, session: aiohttp.ClientSession, endpoint_url: str, proxy: str) -> None:
        """Take an open session; whoever opened it closes it."""
        self._session = session
        self._endpoint_url = endpoint_url
        self._url = URL(endpoint_url).with_path("/")
        self._proxy = proxy

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `Transport.post`."""
        with _botocore_errors(self._endpoint_url, self._proxy):
            async with self._session.post(
                self._url, data=body, headers=headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, headers, await response.read())


@asynccontextmanager
async def open_transport(
    endpoint_url: str, *, limits: TransportLimits, ca_bundle: str | None
) -> AsyncIterator[Transport]:
    """Open the way to one endpoint; nothing is connected yet. It is closed with the block."""
    tls, proxy = await _tls(endpoint_url, ca_bundle), _proxy(endpoint_url)
    if proxy is not None:
        async with _session(limits, tls) as session:
            yield ProxiedTransport(session=session, endpoint_url=endpoint_url, proxy=proxy)
        return
    with closing(DirectTransport(endpoint_url, limits=limits, tls=tls)) as direct:
        yield direct


def _session(limits: TransportLimits, tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    connect, read = limits.connect_timeout.total_seconds(), limits.read_timeout.total_seconds()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=limits.connections,
            keepalive_timeout=limits.keep_alive.total_seconds(),
            ssl=True if tls is None else tls,
        ),
        timeout=aiohttp.ClientTimeout(sock_connect=connect, sock_read=read),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )


def _proxy(url: str) -> str | None:
    """As botocore finds it, whose module for it takes longer to import than all of this package."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


async def _tls(endpoint_url: str, ca_bundle: str | None) -> ssl.SSLContext | None:
    if URL(endpoint_url).scheme != "https":
        return None
    # It reads files.
    certificates = ca_bundle or str(files("botocore").joinpath("cacert.pem"))
    return await asyncio.to_thread(ssl.create_default_context, cafile=certificates)


@contextmanager
def _botocore_errors(url: str, proxy: str) -> Iterator[None]:
    """Rename errors as aiobotocore's own session does: callers tell by them what may have arrived."""
    try:
        yield
    except aiohttp.ClientSSLError as error:
        raise SSLError(endpoint_url=url, error=error) from error
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
        raise ProxyConnectionError(proxy_url=proxy, error=error) from error
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise ConnectionClosedError(endpoint_url=url, error=error) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise ConnectTimeoutError(endpoint_url=url, error=error) from error
    except TimeoutError as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise EndpointConnectionError(endpoint_url=url, error=error) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise HTTPClientError(error=error) from error
