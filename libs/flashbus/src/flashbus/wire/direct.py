"""Requests straight to an endpoint, over connections that are kept: a fraction of the work of a general client."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)
from yarl import URL

from flashbus.wire.connection import Answer, Connection, NoAnswerError, SilenceError
from flashbus.wire.limits import TransportLimits
from flashbus.wire.unconnected import UnconnectedError, UntrustedError

_SECOND_ADDRESS_AFTER_SECONDS = 0.25  # of RFC 8305


class DirectTransport:
    """Sends requests to one endpoint; `close` it in the end."""

    def __init__(self, endpoint_url: str, *, limits: TransportLimits, tls: ssl.SSLContext | None) -> None:
        """Connect to nobody yet; `tls` where the endpoint is https."""
        url = URL(endpoint_url)
        self._endpoint_url = endpoint_url
        self._host, self._port, self._tls = url.host or "", url.port or 0, tls
        self._limits = limits
        self._places = asyncio.Semaphore(limits.connections)
        # The one that was used last at the end, each with when it is too old.
        self._idle: deque[tuple[float, Connection]] = deque()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `Transport.post`."""
        return await self.request("POST", "/", body, headers)

    async def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request, and read its answer to the end.

        Args:
            method: Such as `POST`.
            target: The path, percent-encoded.
            body: May be empty.
            headers: All but the length; the host is one of them.

        Raises:
            BotoCoreError: There is no whole answer; the error is the one that aiobotocore raises for the same cause.
        """
        request = _request(f"{method} {target}", body, headers)
        async with self._places:
            connection = self._kept() or await self._connect()
            try:
                answer = await connection.ask(request)
            except NoAnswerError as error:
                raise ConnectionClosedError(endpoint_url=self._endpoint_url, error=error) from error
            except SilenceError as error:
                raise ReadTimeoutError(endpoint_url=self._endpoint_url, error=error) from error
            self._keep(connection)
            return answer

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop()[1].abort()

    def _kept(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            too_old, connection = self._idle.pop()
            if connection.is_open and now < too_old:
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        while self._idle and self._idle[0][0] <= now:
            self._idle.popleft()[1].abort()
        if connection.is_open:
            self._idle.append((now + self._limits.keep_alive.total_seconds(), connection))

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout.total_seconds()):
                _transport, connection = await loop.create_connection(
                    self._new_connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    happy_eyeballs_delay=_SECOND_ADDRESS_AFTER_SECONDS,
                )
        except ssl.SSLError as error:
            raise UntrustedError(endpoint_url=self._endpoint_url, error=error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._endpoint_url, error=error) from error
        except OSError as error:
            raise UnconnectedError(endpoint_url=self._endpoint_url, error=error) from error
        return connection

    def _new_connection(self) -> Connection:
        silence = self._limits.read_timeout.total_seconds()
        return Connection(silence_seconds=silence, answer_bytes=self._limits.answer_bytes)


@asynccontextmanager
async def open_direct(url: str, *, limits: TransportLimits) -> AsyncIterator[DirectTransport]:
    """Open the way to a host that the system's certificates vouch for; it is first connected to for a request.

    Raises:
        ValueError: Nobody can be asked at this URL.
    """
    origin = _origin(url)
    # It reads files.
    tls = await asyncio.to_thread(ssl.create_default_context) if origin.scheme == "https" else None
    with closing(DirectTransport(str(origin), limits=limits, tls=tls)) as direct:
        yield direct


def _origin(url: str) -> URL:
    try:
        return URL(url).origin()
    except ValueError as error:
        raise ValueError(f"must be http(s)://host[:port], not {url!r}") from error


def _request(line: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise HTTPClientError(error="a header has a line break")
    head = f"{line} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body
