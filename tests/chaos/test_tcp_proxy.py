"""The proxy does to a line what its faults say, and nothing to a good one."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from local.waiting import wait_until
from tests.chaos.tcp_proxy import (
    Bandwidth,
    BlackHole,
    CutReply,
    Down,
    Fault,
    Latency,
    OtherReply,
    Reset,
    TcpProxy,
    tcp_proxy,
)

WHOLE = "x" * 3_000
TEAPOT = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A client and a server with the proxy between them; `arrived` is what the server got."""

    proxy: TcpProxy
    session: aiohttp.ClientSession
    arrived: list[str] = field(default_factory=list)

    async def ask(self, what: str = "hello") -> tuple[int, str]:
        async with self.session.post(f"{self.proxy.url}/", data=what) as answer:
            return answer.status, await answer.text()

    async def fails(self) -> bool:
        try:
            await self.ask()
        except (aiohttp.ClientError, TimeoutError):
            return True
        return False


@asynccontextmanager
async def line(*, patience: float = 5) -> AsyncIterator[Line]:
    arrived: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append(await request.text())
        return web.Response(text=WHOLE)

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with (
            tcp_proxy(runner.addresses[0], rng=random.Random(1)) as proxy,  # noqa: S311 - faults, no secret
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as session,
        ):
            yield Line(proxy=proxy, session=session, arrived=arrived)
    finally:
        await runner.cleanup()


async def test_a_good_line_passes_everything_on() -> None:
    async with line() as good:
        assert [await good.ask(f"{n}") for n in range(3)] == [(200, WHOLE)] * 3
        assert good.arrived == ["0", "1", "2"]
        assert good.proxy.strikes == 0


async def test_down_breaks_what_is_open_refuses_what_comes_and_ends() -> None:
    async with line() as bad:
        await bad.ask()  # leaves a connection open
        await bad.proxy.suffer(Down())
        assert await bad.fails()
        with pytest.raises(aiohttp.ClientConnectorError):
            await bad.ask()
        assert bad.proxy.strikes == 1
        await bad.proxy.suffer(None)
        assert await bad.ask() == (200, WHOLE)
        assert len(bad.arrived) == 2


async def test_a_black_hole_takes_everything_and_answers_nothing() -> None:
    async with line(patience=0.2) as bad:
        await bad.proxy.suffer(BlackHole())
        with pytest.raises(TimeoutError):
            await bad.ask()
        assert bad.arrived == []
        await bad.proxy.suffer(None)
        assert await bad.ask() == (200, WHOLE)


async def test_a_reply_on_its_way_is_lost_in_a_black_hole() -> None:
    async with line(patience=0.5) as bad:
        await bad.proxy.suffer(Latency(seconds=0.1))
        asking = asyncio.create_task(bad.ask())

        async def on_its_way() -> bool:
            return bad.proxy.strikes > 0

        await wait_until(on_its_way, every=0.001)
        await bad.proxy.suffer(BlackHole())
        with pytest.raises(TimeoutError):
            await asking
        assert bad.arrived == ["hello"]


async def test_a_reset_keeps_the_request_from_arriving() -> None:
    async with line() as bad:
        await bad.proxy.suffer(Reset())
        assert await bad.fails()
        assert bad.arrived == []


@pytest.mark.parametrize("kept_bytes", [0, 40])
async def test_a_cut_reply_belongs_to_a_request_that_arrived(kept_bytes: int) -> None:
    async with line() as bad:
        await bad.proxy.suffer(CutReply(kept_bytes=kept_bytes))
        assert await bad.fails()
        assert bad.arrived == ["hello"]
        assert bad.proxy.strikes == 1


@pytest.mark.parametrize("arrives", [True, False])
async def test_another_reply_is_given_whether_or_not_the_request_arrives(*, arrives: bool) -> None:
    async with line() as bad:
        await bad.proxy.suffer(OtherReply(reply=TEAPOT, arrives=arrives))
        assert [await bad.ask(), await bad.ask()] == [(418, "")] * 2
        assert bad.arrived == ["hello"] * (2 * arrives)
        await bad.proxy.suffer(None)
        assert await bad.ask() == (200, WHOLE)


@pytest.mark.parametrize(("fault", "at_least"), [(Latency(seconds=0.1), 0.1), (Bandwidth(bytes_a_second=30_000), 0.1)])
async def test_a_slow_line_is_slow_and_whole(fault: Fault, at_least: float) -> None:
    async with line() as slow:
        await slow.proxy.suffer(fault)
        began = time.perf_counter()
        assert await slow.ask() == (200, WHOLE)
        assert time.perf_counter() - began >= at_least


async def test_a_share_of_the_requests_is_struck_and_counted() -> None:
    async with line() as bad:
        await bad.proxy.suffer(Reset(share=0.3))
        failed = sum([await bad.fails() for _ in range(50)])
        assert 5 <= failed <= 25
        assert bad.proxy.strikes == failed
