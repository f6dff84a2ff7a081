"""The operations port: what machines ask of a service, apart from what its customers ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops.connections import ConnectionLimits, ConnectionMetrics
from flashops.health import Health, add_health_routes
from flashops.http import Runner
from flashops.metrics import add_metrics_route


@asynccontextmanager
async def operations_server(
    *,
    host: str,
    port: int,
    registry: CollectorRegistry,
    health: Health,
    limits: ConnectionLimits | None = None,
    metrics: ConnectionMetrics | None = None,
) -> AsyncIterator[int]:
    """Serve `/metrics`, `/livez` and `/readyz` while the block runs.

    Args:
        host: Address to listen on.
        port: 0 takes a free port.
        registry: Served at `/metrics`.
        health: Served at `/livez` and `/readyz`.
        limits: What is allowed on this port; the defaults unless given.
        metrics: Those of the process, when it has another port; by default made in `registry`.

    Yields:
        The port really bound; it differs from `port` when that is 0.

    Raises:
        OSError: The address cannot be bound.
    """
    app = web.Application()
    add_metrics_route(app, registry)
    add_health_routes(app, health)
    # A scrape takes milliseconds: whoever is still connected after a second is not waited for.
    runner = Runner(
        app, metrics=metrics or ConnectionMetrics(registry), limits=limits, shutdown_timeout=timedelta(seconds=2)
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
