"""Bytes to an endpoint and back: aiohttp's session, and its errors by botocore's names."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """How long one attempt may take, and how many are under way.

    Attributes:
        connect_timeout: Until there is a connection.
        read_timeout: The longest silence of a connection in use.
        connections: The most requests in flight; others wait for a connection.
        keep_alive: How long an idle connection is kept.
    """

    connect_timeout: timedelta
    read_timeout: timedelta
    connections: int
    keep_alive: timedelta

    @property
    def client_timeout(self) -> aiohttp.ClientTimeout:
        """The two timeouts as aiohttp takes them."""
        return aiohttp.ClientTimeout(
            sock_connect=self.connect_timeout.total_seconds(), sock_read=self.read_timeout.total_seconds()
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Posts bodies to one endpoint."""

    def __init__(self, *, session: aiohttp.ClientSession, endpoint_url: str, proxy: str | None) -> None:
        """Take an open session; whoever opened it closes it."""
        self._session = session
        self._endpoint_url = endpoint_url
        self._url = URL(endpoint_url).with_path("/")
        self._proxy = proxy

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request, and read its answer to the end.

        Raises:
            BotoCoreError: There is no whole answer; the error is the one that aiobotocore raises for the same cause.
        """
        with _botocore_errors(self._endpoint_url, self._proxy):
            async with self._session.post(
                self._url, data=body, headers=headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())


@asynccontextmanager
async def open_transport(
    endpoint_url: str, *, limits: TransportLimits, ca_bundle: str | None
) -> AsyncIterator[Transport]:
    """Open a session for one endpoint; nothing is connected yet. It is closed with the block."""
    connector = aiohttp.TCPConnector(
        limit=limits.connections,
        keepalive_timeout=limits.keep_alive.total_seconds(),
        ssl=await _tls(endpoint_url, ca_bundle),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=limits.client_timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    ) as session:
        yield Transport(session=session, endpoint_url=endpoint_url, proxy=_proxy(endpoint_url))


def _proxy(url: str) -> str | None:
    """As botocore finds it, whose module for it takes longer to import than all of this package."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


async def _tls(endpoint_url: str, ca_bundle: str | None) -> ssl.SSLContext | bool:
    if URL(endpoint_url).scheme != "https":
        return True
    # It reads files.
    certificates = ca_bundle or str(files("botocore").joinpath("cacert.pem"))
    return await asyncio.to_thread(ssl.create_default_context, cafile=certificates)


@contextmanager
def _botocore_errors(url: str, proxy: str | None) -> Iterator[None]:
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
