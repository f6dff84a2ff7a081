"""Run the gateway: `python -m payment_gateway`."""

import os
import secrets
import sys

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops import event_loop
from flashops.command_line import load_settings
from flashops.connections import ConnectionMetrics
from flashops.health import Health
from flashops.http import Runner, run_app
from flashops.lifecycle import Shutdown
from flashops.logs import configure_logging
from flashops.metrics import process_registry
from flashops.streams import StandardStreams, guard_standard_streams
from payment_gateway.app import create_app
from payment_gateway.behaviour import Behaviour
from payment_gateway.charge_store import ChargeStore
from payment_gateway.errors import ChargeStoreError
from payment_gateway.provider import Provider
from payment_gateway.settings import SERVICE, Settings

_PROGRAM = "python -m payment_gateway"


async def serve(settings: Settings, *, streams: StandardStreams) -> None:
    """Serve until SIGTERM or SIGINT; raises ChargeStoreError or OSError when that cannot begin."""
    behaviour = settings.behaviour(drawn_seed=secrets.randbits(31))
    health, registry = Health(), process_registry(lines_dropped=lambda: streams.dropped)
    async with Shutdown() as shutdown:
        with ChargeStore(settings.charge_store_path) as store:
            provider = Provider(store=store, behaviour=behaviour)
            app = create_app(provider=provider, store=store, health=health, registry=registry)
            await _serve(app, settings, behaviour, health=health, registry=registry, shutdown=shutdown)
    structlog.get_logger().info("stopped")


async def _serve(
    app: web.Application,
    settings: Settings,
    behaviour: Behaviour,
    *,
    health: Health,
    registry: CollectorRegistry,
    shutdown: Shutdown,
) -> None:
    def log_listening(host: str, port: int) -> None:
        path = str(settings.charge_store_path)
        structlog.get_logger().info("listening", host=host, port=port, charge_store_path=path, **behaviour.model_dump())

    await run_app(
        Runner(app, metrics=ConnectionMetrics(registry), limits=settings.connection_limits),
        host=settings.host,
        port=settings.port,
        shutdown=shutdown,
        health=health,
        drain_grace=settings.drain_grace,
        on_listening=log_listening,
    )


def main() -> int:
    """Return the exit status: 0 after a signal, 1 when the charge store or the port cannot be opened."""
    streams = guard_standard_streams()
    settings = load_settings(
        Settings,
        program=_PROGRAM,
        description="A simulated payment provider over HTTP; its charge store records every charge.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    configure_logging(service=SERVICE, level=settings.log_level, environment=settings.environment)
    for old, present in Settings.old_variables_in(os.environ).items():
        structlog.get_logger().warning("setting_renamed", old=old, present=present)
    try:
        event_loop.run(serve(settings, streams=streams))
    except ChargeStoreError as exc:
        variable = Settings.variables(os.environ)["charge_store_path"]
        sys.stderr.write(f"{_PROGRAM}: {variable}: {exc}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"{_PROGRAM}: HOST, PORT: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
