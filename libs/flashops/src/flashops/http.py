"""Serve an aiohttp application until the stop signal, then leave without dropping anyone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import hdrs, web

from flashops.health import Health
from flashops.lifecycle import Shutdown

# Longer than the 60 s after which a load balancer gives an idle connection up, so that it is
# never this side that closes a connection a request is just travelling on.
KEEPALIVE_SECONDS = 75.0


async def run_app(
    app: web.Application,
    *,
    host: str,
    port: int,
    shutdown: Shutdown,
    health: Health,
    drain_grace: timedelta,
    shutdown_timeout: timedelta = timedelta(seconds=10),
    on_listening: Callable[[str, int], object] | None = None,
) -> None:
    """Serve `app` until `shutdown` is set, then drain and clean up.

    The order of leaving: `/readyz` turns false and answers carry `Connection: close`; requests
    are still served for `drain_grace`, in which the load balancer looks away; then the listener
    closes, requests in progress get `shutdown_timeout`, idle connections none, and the
    application's cleanup runs.

    Args:
        app: Not yet started.
        host: Address to listen on.
        port: 0 takes a free port.
        shutdown: Already installed.
        health: The one whose routes `app` serves.
        drain_grace: How long requests are taken after readiness turned false.
        shutdown_timeout: The most that requests in progress may take after that.
        on_listening: Called with the address and port really bound.

    Raises:
        OSError: The address cannot be bound.
    """
    app.on_response_prepare.append(_closes_while_draining(health))
    # aiohttp waits its timeout twice: for handlers to finish, then for their cancellation.
    half = shutdown_timeout.total_seconds() / 2
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=half, keepalive_timeout=KEEPALIVE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        if on_listening is not None:
            on_listening(*runner.addresses[0][:2])
        await shutdown.event.wait()
        health.set_draining()
        await asyncio.sleep(drain_grace.total_seconds())
    finally:
        await runner.cleanup()


def _closes_while_draining(
    health: Health,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def close(_request: web.Request, response: web.StreamResponse) -> None:
        if health.draining:
            # The header tells the client; force_close alone would let it send into a closing connection.
            response.headers[hdrs.CONNECTION] = "close"
            response.force_close()

    return close
