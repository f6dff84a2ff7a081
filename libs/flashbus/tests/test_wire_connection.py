"""How long a connection listens, request after request, in virtual time."""

import asyncio

import pytest

from flashbus.wire.connection import Connection, SilenceError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """Takes what is written, and knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def connected(*, silence_seconds: float) -> tuple[Connection, Wire]:
    connection, wire = Connection(silence_seconds=silence_seconds), Wire()
    connection.connection_made(wire)
    return connection, wire


async def test_a_later_request_is_given_all_its_time_and_no_more() -> None:
    loop = asyncio.get_running_loop()
    connection, wire = connected(silence_seconds=10)
    loop.call_later(1, connection.data_received, OK)
    assert (await connection.ask(b"first")).body == b"ok"
    await asyncio.sleep(7)
    began = loop.time()
    with pytest.raises(SilenceError):
        await connection.ask(b"second")
    assert loop.time() - began == pytest.approx(10)
    assert wire.closed


async def test_a_request_after_a_long_rest_is_given_all_its_time_and_no_more() -> None:
    loop = asyncio.get_running_loop()
    connection, wire = connected(silence_seconds=10)
    loop.call_later(1, connection.data_received, OK)
    assert (await connection.ask(b"first")).body == b"ok"
    await asyncio.sleep(25)
    began = loop.time()
    with pytest.raises(SilenceError):
        await connection.ask(b"second")
    assert loop.time() - began == pytest.approx(10)
    assert wire.closed


async def test_what_comes_puts_the_end_off() -> None:
    loop = asyncio.get_running_loop()
    connection, _wire = connected(silence_seconds=10)
    began = loop.time()
    for number, part in enumerate((OK[:20], OK[20:30], OK[30:]), start=1):
        loop.call_later(9 * number, connection.data_received, part)
    assert (await connection.ask(b"slow")).body == b"ok"
    assert loop.time() - began == pytest.approx(27)
