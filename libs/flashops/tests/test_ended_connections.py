"""Connections that the server ends, and whether their clients can read why."""

import asyncio
import gc
import socket
import time

import pytest

from flashops.connections import Connection
from flashops.framing import Framing
from libs.flashops.tests.port import LONG, SECOND, Open, statuses


@pytest.mark.parametrize("sent", [b"", b"GET /in HT", b"\r\n"], ids=["silent", "half", "an empty line"])
async def test_a_head_that_does_not_come_ends_the_connection(opened: Open, sent: bytes) -> None:
    async with opened(head_seconds=0.3) as port:
        started = time.monotonic()
        answer = await port.exchange(sent)
        assert 0.2 < time.monotonic() - started < 3
        assert statuses(answer) == ([408] if sent.strip() else [])
        assert port.metric("http_server_late_heads_total") == 1
        await port.until("http_server_open_connections", 0)


async def test_dripping_does_not_put_the_deadline_off(opened: Open) -> None:
    async with opened(head_seconds=0.3) as port:
        reader, writer = await port.open()
        answer = asyncio.create_task(reader.read())
        sent = 0
        while not answer.done() and sent < len(SECOND) - 1:
            writer.write(SECOND[sent : sent + 1])
            sent += 1
            await asyncio.sleep(0.02)
        assert sent < len(SECOND) - 1  # however long each of them took
        assert statuses(await answer) == [408]
        writer.close()
        assert port.served == []


async def test_a_closed_connection_is_gone_without_the_garbage_collector(opened: Open) -> None:
    async with opened() as port:
        gc.collect()
        gc.disable()
        try:
            before = _alive()
            for _ in range(5):
                await port.exchange(SECOND.replace(b"Host", b"Connection: close\r\nHost"))
            await port.until("http_server_open_connections", 0)
            await asyncio.sleep(0.05)
            assert [one for one in _alive() if not any(one is other for other in before)] == []
        finally:
            gc.enable()


async def test_who_still_sends_reads_why_the_connection_ends(opened: Open) -> None:
    async with opened(head_seconds=0.2) as port:
        reader, writer = await port.open()
        writer.write(SECOND[:1])
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(SECOND[1:])
        await asyncio.sleep(0.1)
        writer.write(SECOND)  # a reset would make this fail, or the reading of the end
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
        await port.until("http_server_open_connections", 0)
        assert statuses(answer) == [408]
        assert port.served == []


async def test_a_client_that_keeps_what_was_ended_loses_it(opened: Open) -> None:
    async with opened(head_seconds=0.2) as port:
        _reader, writer = await port.open()
        writer.write(SECOND[:1])
        await port.until("http_server_late_heads_total", 1)
        assert await _closed([writer]) == 0
        await port.until("http_server_open_connections", 0)
        assert await _closed([writer]) == 1


async def test_an_idle_connection_stays_and_its_next_head_has_a_deadline(opened: Open) -> None:
    async with opened(head_seconds=0.3) as port:
        reader, writer = await port.open()
        writer.write(SECOND)
        await reader.readuntil(b"/second 0")
        await asyncio.sleep(0.7)
        writer.write(SECOND)
        await reader.readuntil(b"/second 0")
        writer.write(SECOND[:10])
        async with asyncio.timeout(5):
            assert statuses(await reader.read()) == [408]
        writer.close()


async def test_a_late_head_takes_no_answer_from_the_request_before(opened: Open) -> None:
    async with opened(head_seconds=0.2) as port:
        reader, writer = await port.open()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n" + SECOND[:10])
        await asyncio.sleep(0.6)
        port.release.set()
        async with asyncio.timeout(5):
            answers = await reader.read()
        writer.close()
        assert port.served == ["/slow"]
        assert statuses(answers) == [200, 408]


async def test_a_client_that_does_not_read_loses_its_connection(opened: Open) -> None:
    async with opened(read_seconds=0.3) as port:
        _reader, writer = await port.open()
        writer.write(b"GET /long HTTP/1.1\r\nHost: shop\r\n\r\n")
        await port.until("http_server_unread_answers_total", 1)
        await port.until("http_server_open_connections", 0)
        writer.close()
        assert port.metric("http_server_late_heads_total") == 0


async def test_a_client_that_reads_slowly_keeps_it(opened: Open) -> None:
    async with opened(read_seconds=0.5) as port:
        reader, writer = await port.open()
        writer.write(b"GET /long HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        got = len(await reader.readuntil(b"\r\n\r\n"))
        while part := await reader.read(1_000_000):
            got += len(part)
            await asyncio.sleep(0.05)
        writer.close()
        assert got > LONG
        assert port.metric("http_server_unread_answers_total") == 0


async def test_one_connection_too_many_is_refused_and_counted(opened: Open) -> None:
    async with opened(most=3) as port:
        writers = [(await port.open())[1] for _ in range(3)]
        await port.until("http_server_open_connections", 3)
        assert statuses(await port.exchange(b"")) == [503]
        assert port.metric("http_server_refused_connections_total") == 1
        writers[0].close()
        await port.until("http_server_open_connections", 2)
        answer = await port.exchange(SECOND.replace(b"Host", b"Connection: close\r\nHost"))
        assert statuses(answer) == [200]
        await port.until("http_server_open_connections", 2)
        writers.append((await port.open())[1])
        await port.until("http_server_open_connections", 3)
        assert statuses(await port.exchange(b"")) == [503]
        for writer in writers:
            writer.close()


async def test_who_is_refused_reads_so_though_a_request_is_there(opened: Open) -> None:
    async with opened(most=0) as port:
        for _ in range(20):
            client = socket.create_connection(("127.0.0.1", port.number))
            client.sendall(SECOND)  # there before the server takes the connection
            reader, writer = await asyncio.open_connection(sock=client)
            assert statuses(await reader.read()) == [503]
            writer.close()
        assert port.metric("http_server_refused_connections_total") == 20
        assert port.served == []


async def test_who_was_refused_stays_neither_for_long_nor_with_many_others(opened: Open) -> None:
    async with opened(most=0) as port:
        connections = [await port.open() for _ in range(160)]
        assert {tuple(statuses(await reader.read())) for reader, _writer in connections} == {(503,)}
        writers = [writer for _reader, writer in connections]
        assert await _closed(writers) == 160 - 128
        async with asyncio.timeout(5):
            while await _closed(writers) < 160:  # noqa: ASYNC110 - the server signals nothing
                await asyncio.sleep(0.05)


def _alive() -> list[object]:
    """Return every connection there is: aiohttp keeps the applications of earlier tests, and these their last ones."""
    return [one for one in gc.get_objects() if isinstance(one, Connection | Framing)]


async def _closed(writers: list[asyncio.StreamWriter]) -> int:
    """Return how many connections their server has closed: the second write after that fails."""
    for _ in range(2):
        for writer in writers:
            if not writer.transport.is_closing():
                writer.write(b"x")
        await asyncio.sleep(0.01)
    return sum(writer.transport.is_closing() for writer in writers)
