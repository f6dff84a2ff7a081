"""The operations port of a service that speaks no HTTP itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops.health import Health, add_health_routes
from flashops.metrics import add_metrics_route


@asynccontextmanager
async def operations_server(*, host: str, port: int, registry: CollectorRegistry, health: Health) -> AsyncIterator[int]:
    """Serve `/metrics`, `/livez` and `/readyz` while the block runs.

    Yields:
        The port really bound; it differs from `port` when that is 0.

    Raises:
        OSError: The address cannot be bound.
    """
    app = web.Application()
    add_metrics_route(app, registry)
    add_health_routes(app, health)
    # A scrape takes milliseconds: whoever is still connected after a second is not waited for.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
