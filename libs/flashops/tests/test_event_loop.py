"""What the services' event loop adds to uvloop's."""

import asyncio
import socket
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flashops import event_loop
from flashops.event_loop import ServiceLoop

Place: TypeAlias = tuple[str, int]


@pytest.fixture
def deaf() -> Iterator[Place]:
    """A place that never answers who connects: its backlog is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


def run_where(places: list[Place], main: Coroutine[Any, Any, None]) -> None:
    """Run in a loop in which aws.test is at these places."""

    class Resolving(ServiceLoop):
        async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:  # noqa: ANN401 - as uvloop's
            if host != "aws.test":
                return await super().getaddrinfo(host, port, **options)
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]

    with asyncio.Runner(loop_factory=Resolving) as runner:
        runner.run(main)


async def said_by(host: str, port: int, **options: Any) -> bytes:  # noqa: ANN401 - as asyncio has them
    """What a server says to who connects as the signed calls do."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, _ = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader),
        host,
        port,
        happy_eyeballs_delay=0.05,
        **options,
    )
    said = await reader.read()
    transport.close()
    return said


def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"here")
    writer.close()


def test_a_host_is_reached_though_its_first_address_never_answers(deaf: Place) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    async def main() -> None:
        async with await asyncio.start_server(greet, sock=listening), asyncio.timeout(5):
            assert await said_by("aws.test", 443) == b"here"

    run_where([deaf, listening.getsockname()], main())


def test_a_host_that_nobody_answers_for_is_given_up(deaf: Place) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await said_by("aws.test", 443)

    run_where([deaf], main())


def test_a_host_that_refuses_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        place = bound.getsockname()

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await said_by(*place)

    event_loop.run(main())


def test_the_certificate_is_that_of_the_host_that_was_asked_for(certificate: Path) -> None:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=str(certificate))

    async def main() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=ours) as server, asyncio.timeout(5):
            port = server.sockets[0].getsockname()[1]
            assert await said_by("127.0.0.1", port, ssl=theirs) == b"here"
            with pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
                await said_by("localhost", port, ssl=theirs)

    event_loop.run(main())


def test_without_a_race_it_connects_as_uvloop_does() -> None:
    async def main() -> bytes:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server, asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            said = await reader.read()
            writer.close()
            return said

    assert event_loop.run(main()) == b"here"
