"""A service without HTTP of its own can be scraped and asked for its health."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from flashops.connections import ConnectionLimits, ConnectionMetrics
from flashops.health import Health
from flashops.http import Runner
from flashops.operations import operations_server


async def test_the_three_routes_answer_on_the_port_really_bound() -> None:
    registry, health = CollectorRegistry(), Health()
    Counter("messages", "Messages.", registry=registry).inc()
    async with (
        operations_server(host="127.0.0.1", port=0, registry=registry, health=health) as port,
        aiohttp.ClientSession(base_url=f"http://127.0.0.1:{port}") as session,
    ):
        assert "messages_total 1.0" in await (await session.get("/metrics")).text()
        assert (await session.get("/livez")).status == 200
        assert (await session.get("/readyz")).status == 200
        health.set_draining()
        assert (await session.get("/readyz")).status == 503


async def test_its_connections_are_bounded_and_counted_with_those_of_the_process() -> None:
    registry, health, of_the_process = CollectorRegistry(), Health(), CollectorRegistry()
    async with (
        operations_server(
            host="127.0.0.1",
            port=0,
            registry=registry,
            health=health,
            limits=ConnectionLimits(most=1),
            metrics=ConnectionMetrics(of_the_process),
        ) as port,
        aiohttp.ClientSession(base_url=f"http://127.0.0.1:{port}") as one,
        aiohttp.ClientSession(base_url=f"http://127.0.0.1:{port}") as other,
    ):
        assert (await one.get("/livez")).status == 200
        assert (await other.get("/livez")).status == 503
    assert of_the_process.get_sample_value("http_server_refused_connections_total") == 1
    assert registry.get_sample_value("http_server_refused_connections_total") is None


async def test_its_connections_are_counted_in_its_registry_when_the_process_has_no_other_port() -> None:
    registry = CollectorRegistry()
    async with operations_server(host="127.0.0.1", port=0, registry=registry, health=Health()):
        assert registry.get_sample_value("http_server_open_connections") == 0


async def test_whoever_is_still_connected_is_not_waited_for_longer_than_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[timedelta] = []

    def runner(*parts: Any, shutdown_timeout: timedelta, **options: Any) -> Runner:  # noqa: ANN401 - passed on
        given.append(shutdown_timeout)
        return Runner(*parts, shutdown_timeout=shutdown_timeout, **options)

    monkeypatch.setattr("flashops.operations.Runner", runner)
    async with operations_server(host="127.0.0.1", port=0, registry=CollectorRegistry(), health=Health()):
        assert given == [timedelta(seconds=2)]
