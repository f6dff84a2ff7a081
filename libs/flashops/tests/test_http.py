"""Leaving: readiness first, then a grace, then the cleanup; nobody is cut off, nobody holds it up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops.connections import ConnectionMetrics
from flashops.health import Health, add_health_routes
from flashops.http import Runner, run_app
from flashops.lifecycle import Shutdown


@dataclass
class Service:
    shutdown: Shutdown = field(default_factory=Shutdown)
    health: Health = field(default_factory=Health)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    cleaned: bool = False
    host: str = ""
    port: int = 0
    done: asyncio.Task[None] | None = None

    async def slow(self, _request: web.Request) -> web.Response:
        self.entered.set()
        await self.release.wait()
        return web.Response(text="done")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        self.entered.set()
        await asyncio.Event().wait()
        return answer

    async def lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        self.cleaned = True

    @property
    def running(self) -> asyncio.Task[None]:
        assert self.done is not None
        return self.done


Start = Callable[..., AbstractAsyncContextManager[tuple[Service, aiohttp.ClientSession]]]


@pytest.fixture
def start() -> Start:
    @asynccontextmanager
    async def start(
        *, grace: float = 0.0, patience: float = 5.0
    ) -> AsyncIterator[tuple[Service, aiohttp.ClientSession]]:
        service, listening = Service(), asyncio.Event()
        app = web.Application()
        add_health_routes(app, service.health)
        app.router.add_get("/slow", service.slow)
        app.router.add_get("/endless", service.endless)
        app.cleanup_ctx.append(service.lifetime)

        def on_listening(host: str, port: int) -> None:
            service.host, service.port = host, port
            listening.set()

        runner = Runner(
            app, metrics=ConnectionMetrics(CollectorRegistry()), shutdown_timeout=timedelta(seconds=patience)
        )
        service.done = asyncio.create_task(
            run_app(
                runner,
                host="127.0.0.1",
                port=0,
                shutdown=service.shutdown,
                health=service.health,
                drain_grace=timedelta(seconds=grace),
                on_listening=on_listening,
            )
        )
        await listening.wait()
        async with aiohttp.ClientSession(base_url=f"http://127.0.0.1:{service.port}") as session:
            yield service, session
        service.shutdown.request()
        await service.running

    return start


async def finished(work: asyncio.Task[None], seconds: float) -> None:
    """Await `work`, at most `seconds`."""
    async with asyncio.timeout(seconds):
        await work


async def test_an_idle_connection_is_kept_longer_than_a_load_balancer_keeps_it() -> None:
    runner = Runner(web.Application(), metrics=ConnectionMetrics(CollectorRegistry()))
    await runner.setup()
    assert runner.server is not None
    connection = runner.server()
    assert connection.keepalive_timeout == 75
    await runner.cleanup()


def test_requests_in_progress_get_ten_seconds_unless_told_otherwise() -> None:
    runner = Runner(web.Application(), metrics=ConnectionMetrics(CollectorRegistry()))
    # aiohttp takes its timeout twice.
    assert runner._shutdown_timeout * 2 == 10


async def test_readiness_turns_false_while_requests_are_still_served(start: Start) -> None:
    async with start(grace=1.0) as (service, session):
        assert (await session.get("/readyz")).status == 200
        service.shutdown.request()
        await asyncio.sleep(0)
        answer = await session.get("/readyz")
        assert answer.status == 503
        assert answer.headers["Connection"] == "close"
        assert (await session.get("/livez")).status == 200
        assert not service.cleaned
        await service.running
        assert service.cleaned


async def test_the_address_really_bound_is_told(start: Start) -> None:
    async with start() as (service, _session):
        assert (service.host, service.port > 0) == ("127.0.0.1", True)


async def test_a_request_in_progress_is_answered(start: Start) -> None:
    async with start() as (service, session):
        answer = asyncio.create_task(session.get("/slow").__aenter__())
        await service.entered.wait()
        service.shutdown.request()
        await asyncio.sleep(0.02)
        assert not service.running.done()
        service.release.set()
        assert await (await answer).text() == "done"
        await finished(service.running, 2)


async def test_idle_and_half_open_connections_do_not_hold_it_up(start: Start) -> None:
    async with start(patience=20.0) as (service, session):
        await (await session.get("/livez")).read()
        _, silent = await asyncio.open_connection("127.0.0.1", service.port)
        _, half = await asyncio.open_connection("127.0.0.1", service.port)
        half.write(b"GET /livez HTTP/1.1\r\nHost:")
        await half.drain()
        await asyncio.sleep(0.02)
        service.shutdown.request()
        try:
            await finished(service.running, 10)  # half of the patience: nobody was waited for
            assert service.running.done()
        finally:
            silent.close()
            half.close()


async def test_an_endless_answer_is_ended_within_the_timeout(start: Start) -> None:
    async with start(patience=0.2) as (service, session):
        stream = asyncio.create_task(session.get("/endless").__aenter__())
        await service.entered.wait()
        service.shutdown.request()
        await finished(service.running, 5)  # without the timeout it would never end
        with pytest.raises(aiohttp.ClientError):
            await (await stream).read()


async def test_the_address_in_use_is_an_error(start: Start) -> None:
    async with start() as (service, _session):
        with pytest.raises(OSError, match="address"):
            await run_app(
                Runner(web.Application(), metrics=ConnectionMetrics(CollectorRegistry())),
                host="127.0.0.1",
                port=service.port,
                shutdown=Shutdown(),
                health=Health(),
                drain_grace=timedelta(0),
            )
