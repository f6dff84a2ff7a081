"""Bytes to an endpoint and back through a proxy, by aiohttp's session; imported only where there is a proxy."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

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
from flashbus.wire.limits import TransportLimits


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
async def open_proxied(
    endpoint_url: str, *, proxy: str, limits: TransportLimits, tls: ssl.SSLContext | None
) -> AsyncIterator[ProxiedTransport]:
    """Open the way to one endpoint through a proxy."""
    async with _session(limits, tls) as session:
        yield ProxiedTransport(session=session, endpoint_url=endpoint_url, proxy=proxy)


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
