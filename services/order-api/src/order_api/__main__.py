"""`python -m order_api`: serve until SIGTERM, then leave without losing an order."""

import asyncio
import os
import sys

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops import event_loop
from flashops.command_line import load_settings
from flashops.connections import ConnectionMetrics
from flashops.garbage import relax_garbage_collection
from flashops.health import Health
from flashops.http import Runner, run_app
from flashops.lifecycle import Shutdown
from flashops.logs import WriteInfo, configure_logging
from flashops.metrics import process_registry
from flashops.operations import operations_server
from flashops.streams import StandardStreams, guard_standard_streams
from order_api.app import create_app
from order_api.connections import open_connections
from order_api.settings import SERVICE, Settings


async def serve(settings: Settings, *, streams: StandardStreams, write_line: WriteInfo) -> None:
    """Serve until the stop signal."""
    health, registry = Health(), process_registry(lines_dropped=lambda: streams.dropped)
    async with Shutdown() as shutdown, open_connections(settings) as connections:
        app = create_app(settings, connections=connections, health=health, registry=registry, write_line=write_line)
        relax_garbage_collection()
        await _serve(app, settings, health=health, registry=registry, shutdown=shutdown)
    structlog.get_logger().info("stopped")


async def _serve(
    app: web.Application, settings: Settings, *, health: Health, registry: CollectorRegistry, shutdown: Shutdown
) -> None:
    metrics, limits = ConnectionMetrics(registry), settings.connection_limits
    runner = Runner(app, metrics=metrics, limits=limits, shutdown_timeout=settings.shutdown_timeout)
    listening = _listening_check(health)

    def tell(host: str, port: int) -> None:
        listening.set()
        structlog.get_logger().info("listening", host=host, port=port, operations_port=operations_port)

    # Up before the port for customers and until the last request has ended: readiness is false all the while.
    async with operations_server(
        host=settings.operations_host,
        port=settings.operations_port,
        registry=registry,
        health=health,
        limits=limits,
        metrics=metrics,
    ) as operations_port:
        await run_app(
            runner,
            host=settings.host,
            port=settings.port,
            shutdown=shutdown,
            health=health,
            drain_grace=settings.drain_grace,
            on_listening=tell,
        )


def _listening_check(health: Health) -> asyncio.Event:
    """Let readiness wait for the port for customers: for the event that is returned."""
    listening = asyncio.Event()

    async def listens() -> bool:
        return listening.is_set()

    health.add_check("listening", listens)
    return listening


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
    write_line = configure_logging(service=SERVICE, level=settings.log_level, environment=settings.environment)
    event_loop.run(serve(settings, streams=streams, write_line=write_line))


if __name__ == "__main__":
    main()
