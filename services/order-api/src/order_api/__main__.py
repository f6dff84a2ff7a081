"""`python -m order_api`: serve until SIGTERM, then leave without losing an order."""

import asyncio
import os
import sys
from datetime import timedelta

import structlog

from flashops.command_line import load_settings
from flashops.health import Health
from flashops.http import run_app
from flashops.lifecycle import Shutdown
from flashops.logs import configure_logging
from flashops.metrics import process_registry
from flashops.streams import StandardStreams, guard_standard_streams
from order_api.app import create_app
from order_api.connections import connected
from order_api.settings import Settings


async def serve(settings: Settings, *, streams: StandardStreams) -> None:
    """Serve until the stop signal."""
    log = structlog.get_logger()
    health = Health()
    async with Shutdown() as shutdown, connected(settings) as outside:
        app = create_app(
            settings,
            topic=outside.topic,
            ledger=outside.ledger,
            gateway=outside.gateway,
            products=outside.products,
            health=health,
            registry=process_registry(lines_dropped=lambda: streams.dropped),
        )
        await run_app(
            app,
            host=settings.host,
            port=settings.port,
            shutdown=shutdown,
            health=health,
            drain_grace=timedelta(seconds=settings.drain_grace_seconds),
            shutdown_timeout=settings.shutdown_timeout,
            on_listening=lambda host, port: log.info("listening", host=host, port=port),
        )
    log.info("stopped")


def main() -> None:
    """Run the service; see `--help`."""
    streams = guard_standard_streams()
    settings = load_settings(
        Settings,
        program="python -m order_api",
        description="The shop's HTTP intake. SIGTERM ends it without losing an order.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    configure_logging(service="order-api", level=settings.log_level, environment=settings.environment)
    asyncio.run(serve(settings, streams=streams))


if __name__ == "__main__":
    main()
