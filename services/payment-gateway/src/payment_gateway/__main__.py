"""Run the gateway: `python -m payment_gateway`."""

import asyncio
import os
import secrets
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
from payment_gateway.app import create_app
from payment_gateway.errors import LedgerError
from payment_gateway.ledger import Ledger
from payment_gateway.provider import Provider
from payment_gateway.settings import Settings

_PROGRAM = "payment_gateway"


async def serve(settings: Settings, *, streams: StandardStreams) -> None:
    """Serve until SIGTERM or SIGINT; raises LedgerError or OSError when that cannot begin."""
    logger = structlog.get_logger()
    behaviour = settings.behaviour(drawn_seed=secrets.randbits(31))
    health = Health()
    async with Shutdown() as shutdown:
        with Ledger(settings.ledger_path) as ledger:
            provider = Provider(ledger=ledger, behaviour=behaviour)
            await run_app(
                create_app(
                    provider=provider,
                    ledger=ledger,
                    health=health,
                    registry=process_registry(lines_dropped=lambda: streams.dropped),
                ),
                host=settings.host,
                port=settings.port,
                shutdown=shutdown,
                health=health,
                drain_grace=timedelta(seconds=settings.drain_grace_seconds),
                on_listening=lambda host, port: logger.info(
                    "listening", host=host, port=port, ledger=str(settings.ledger_path), **behaviour.model_dump()
                ),
            )
    logger.info("stopped")


def main() -> int:
    """Return the exit status: 0 after a signal, 1 when the ledger or the port cannot be had."""
    streams = guard_standard_streams()
    settings = load_settings(
        Settings,
        program=f"python -m {_PROGRAM}",
        description="A simulated payment provider over HTTP; its ledger is the witness of every charge.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    configure_logging(service=_PROGRAM, level=settings.log_level, environment=settings.environment)
    try:
        asyncio.run(serve(settings, streams=streams))
    except LedgerError as exc:
        sys.stderr.write(f"{_PROGRAM}: LEDGER_PATH: {exc}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"{_PROGRAM}: HOST, PORT: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
