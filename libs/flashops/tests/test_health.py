"""Liveness asks whether the process answers, readiness whether it may get work."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from flashops.health import Health, add_health_routes

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def health() -> Health:
    return Health(check_timeout=timedelta(milliseconds=20))


@pytest.fixture
async def client(health: Health) -> AsyncIterator[Client]:
    app = web.Application()
    add_health_routes(app, health)
    async with TestClient(TestServer(app)) as client:
        yield client


async def well() -> None:
    pass


async def broken() -> None:
    raise ConnectionError("secret address")


async def negative() -> bool:
    return False


async def stuck() -> None:
    await asyncio.Event().wait()


async def test_ready_when_every_check_passes(health: Health, client: Client) -> None:
    health.add_check("queue", well)
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"status": "ready", "checks": {"queue": "ok"}})


async def test_a_failing_check_is_named(health: Health, client: Client) -> None:
    for check in (well, broken, negative, stuck):
        health.add_check(check.__name__, check)
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {
        "status": "unready",
        "checks": {"well": "ok", "broken": "failed: ConnectionError", "negative": "failed", "stuck": "timed out"},
    }


async def test_a_check_has_two_seconds_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[float] = []
    timeout = asyncio.timeout

    def noted(seconds: float) -> asyncio.Timeout:
        allowed.append(seconds)
        return timeout(seconds)

    monkeypatch.setattr(asyncio, "timeout", noted)
    health = Health()
    health.add_check("queue", well)
    assert (await health.ready()).ready
    assert allowed == [2]


async def test_draining_is_unready_but_alive(health: Health, client: Client) -> None:
    health.add_check("queue", well)
    health.set_draining()
    assert (await client.get("/readyz")).status == 503
    answer = await client.get("/livez")
    assert (answer.status, await answer.json()) == (200, {"status": "alive"})


async def test_no_cache_keeps_an_answer(client: Client) -> None:
    assert (await client.get("/livez")).headers["Cache-Control"] == "no-store"
