"""`python -m order_processor`: settle queued orders until SIGTERM."""

import asyncio
import os
import sys

import structlog

from flashbus.consumer import Consumer
from flashops import event_loop
from flashops.command_line import load_settings
from flashops.garbage import relax_garbage_collection
from flashops.health import Health
from flashops.lifecycle import Shutdown
from flashops.logs import WriteInfo, configure_logging
from flashops.metrics import process_registry
from flashops.operations import operations_server
from flashops.streams import StandardStreams, guard_standard_streams
from order_processor.app import build_consumer
from order_processor.connections import open_connections
from order_processor.settings import SERVICE, Settings
from order_processor.stall_log import log_stalls


async def serve(settings: Settings, *, streams: StandardStreams, write_line: WriteInfo) -> None:
    """Work the queue until SIGTERM or SIGINT, finish what is in flight, return."""
    health, registry = Health(), process_registry(lines_dropped=lambda: streams.dropped)
    async with Shutdown() as shutdown, open_connections(settings) as connections:
        consumer = build_consumer(
            settings, connections=connections, registry=registry, stop=shutdown.event, write_line=write_line
        )

        _add_checks(health, consumer)
        relax_garbage_collection(at_once=settings.workers)
        async with operations_server(
            host=settings.host,
            port=settings.port,
            registry=registry,
            health=health,
            limits=settings.connection_limits,
        ) as port:
            structlog.get_logger().info("listening", host=settings.host, port=port, workers=settings.workers)
            await _run_until_drained(consumer, health, shutdown)
    structlog.get_logger().info("stopped")


def _add_checks(health: Health, consumer: Consumer) -> None:
    async def receiving() -> bool:
        return consumer.receiving

    async def progressing() -> bool:
        return not consumer.stalled

    health.add_check("queue", receiving)
    health.add_check("progress", progressing)


async def _run_until_drained(consumer: Consumer, health: Health, shutdown: Shutdown) -> None:
    async def turn_unready() -> None:
        await shutdown.event.wait()
        health.set_draining()

    unready = asyncio.create_task(turn_unready(), name="readiness")
    stalls = asyncio.create_task(log_stalls(consumer, stop=shutdown.event), name="stall log")
    try:
        await consumer.run()
    finally:
        unready.cancel()
        stalls.cancel()


def main() -> None:
    """Run the processor; exit status 0 after a drain, 2 for a wrong setting."""
    streams = guard_standard_streams()
    settings = load_settings(
        Settings,
        program="python -m order_processor",
        description="Settles queued orders in a bounded number of slots.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    write_line = configure_logging(service=SERVICE, level=settings.log_level, environment=settings.environment)
    event_loop.run(serve(settings, streams=streams, write_line=write_line))


if __name__ == "__main__":
    main()
