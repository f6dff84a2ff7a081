"""A TCP proxy between two parties whose line can be made bad while it runs."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

_CHUNK_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Down:
    """Nobody listens: open connections break, new ones are refused."""


@dataclass(frozen=True, kw_only=True)
class BlackHole:
    """Connections open, and nothing arrives on either side."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Every request is on its way for so much longer."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """So many bytes a second and connection, in each direction."""

    bytes_a_second: float


@dataclass(frozen=True, kw_only=True)
class Reset:
    """A share of the requests does not arrive: the connection breaks."""

    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CutReply:
    """A share of the requests arrives, and of the reply only the first bytes come back before the connection breaks."""

    share: float = 1.0
    kept_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class OtherReply:
    """A share of the requests is answered by `reply`, and arrives all the same, or not, as `arrives` says."""

    reply: bytes
    share: float = 1.0
    arrives: bool = False


Fault: TypeAlias = Down | BlackHole | Latency | Bandwidth | Reset | CutReply | OtherReply


@dataclass(eq=False, kw_only=True)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    struck: Fault | None = None  # what became of the request that is on its way
    replied: bool = True

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


@dataclass(eq=False, kw_only=True)
class TcpProxy:
    """Passes bytes on, as `fault` lets them.

    A request begins with the first bytes from the client after those from the server: enough for HTTP without
    pipelining, where each request is dealt one fate.

    Attributes:
        upstream: Where the server is, host and port; may be named after the proxy is opened.
        port: Where the proxy listens, on the loopback interface.
        fault: What is wrong with the line now; `suffer` changes it.
        strikes: How many requests the fault has hit so far; being down counts once.
    """

    upstream: tuple[str, int] = ("127.0.0.1", 0)
    rng: random.Random = field(default_factory=random.Random)
    port: int = 0
    fault: Fault | None = None
    strikes: int = 0
    _connections: set[_Connection] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The proxy's address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    async def suffer(self, fault: Fault | None) -> None:
        """From now on the line has this fault; None makes it good again."""
        self.fault = fault
        if isinstance(fault, Down):
            self.strikes += 1  # who is refused meanwhile is not seen here
            await self._close()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        listening = _bound(self.port)
        self._server = await asyncio.start_server(self._serve, sock=listening)

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self._connections):
            connection.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(client=writer, server=server_writer)
        self._connections.add(connection)
        pumps = [
            asyncio.create_task(self._pump_requests(reader, connection), name="requests"),
            asyncio.create_task(self._pump_replies(server_reader, connection), name="replies"),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            with contextlib.suppress(OSError):
                await asyncio.gather(*pumps, return_exceptions=True)
                writer.close()
                server_writer.close()
            self._connections.discard(connection)

    async def _pump_requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while chunk := await _read(reader):
            if connection.replied:
                connection.replied, connection.struck = False, self._drawn()
            match connection.struck:
                case BlackHole():
                    continue
                case Reset():
                    connection.abort()
                    return
                case OtherReply(reply=reply, arrives=False):
                    connection.client.write(reply)
                    connection.struck = BlackHole()  # the client closes
                    continue
                case Latency(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Bandwidth(bytes_a_second=pace):
                    await asyncio.sleep(len(chunk) / pace)
            connection.server.write(chunk)

    async def _pump_replies(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while chunk := await _read(reader):
            connection.replied = True
            match connection.struck:
                case CutReply(kept_bytes=kept):
                    await self._last_words(connection, chunk[:kept])
                    return
                case OtherReply(reply=reply):
                    await self._last_words(connection, reply, close=True)
                    return
                case Bandwidth(bytes_a_second=pace):
                    await asyncio.sleep(len(chunk) / pace)
            if isinstance(connection.struck, BlackHole) or isinstance(self.fault, BlackHole):
                continue
            connection.client.write(chunk)

    async def _last_words(self, connection: _Connection, words: bytes, *, close: bool = False) -> None:
        connection.client.write(words)
        with contextlib.suppress(OSError):
            await connection.client.drain()
        if not close:
            connection.abort()

    def _drawn(self) -> Fault | None:
        fault = self.fault
        if isinstance(fault, Reset | CutReply | OtherReply) and self.rng.random() >= fault.share:
            return None
        self.strikes += fault is not None
        return fault


@asynccontextmanager
async def tcp_proxy(
    upstream: tuple[str, int] = ("127.0.0.1", 0), *, rng: random.Random | None = None
) -> AsyncIterator[TcpProxy]:
    """Run a proxy in front of `upstream` for the length of the block."""
    # Bound and never listening, it keeps the port while the proxy is down: connections are refused meanwhile.
    with _bound(0) as keeper:
        proxy = TcpProxy(upstream=upstream, rng=rng or random.Random(), port=keeper.getsockname()[1])  # noqa: S311 - faults, no secret
        await proxy.suffer(None)
        try:
            yield proxy
        finally:
            await proxy.suffer(Down())


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK_BYTES)
    except OSError:
        return b""


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
