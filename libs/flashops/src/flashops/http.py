"""Serve an aiohttp application until the stop signal, then leave without dropping anyone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import hdrs, web

from flashops.connections import Connection, ConnectionLimits, ConnectionMetrics, Connections
from flashops.descriptors import allow_descriptors
from flashops.health import Health
from flashops.lifecycle import Shutdown

# Longer than the 60 s after which a load balancer gives an idle connection up, so that it is
# never this side that closes a connection a request is just travelling on.
KEEPALIVE_SECONDS = 75.0
# What a refusal left unread of a body is drained this long, so that the client sees the answer and not a reset.
_LINGERING_SECONDS = 0.5


class Runner(web.AppRunner):
    """aiohttp's runner for an application whose connections are ours: `Connection` says what that means."""

    def __init__(
        self,
        app: web.Application,
        *,
        metrics: ConnectionMetrics,
        limits: ConnectionLimits | None = None,
        shutdown_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        """Prepare to serve `app`; its requests in progress get `shutdown_timeout` when it ends."""
        # aiohttp waits its timeout twice: for handlers to finish, then for their cancellation.
        super().__init__(app, shutdown_timeout=shutdown_timeout.total_seconds() / 2)
        self._limits = limits or ConnectionLimits()
        self._metrics = metrics

    async def _make_server(self) -> web.Server:
        limits = replace(self._limits, most=allow_descriptors(self._limits.most))
        return _Server(await super()._make_server(), connections=Connections(limits=limits, metrics=self._metrics))


class _Server(web.Server):
    def __init__(self, made: web.Server, *, connections: Connections) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory)
        self._bounded = connections
        self._options: dict[str, Any] = {
            "access_log": None,
            # Bodies in an encoding are refused, so none is ever decompressed.
            "auto_decompress": False,
            "keepalive_timeout": KEEPALIVE_SECONDS,
            "lingering_time": _LINGERING_SECONDS,
        }

    def __call__(self) -> web.RequestHandler:
        return Connection(self, connections=self._bounded, loop=self._loop, **self._options)


async def run_app(
    runner: Runner,
    *,
    host: str,
    port: int,
    shutdown: Shutdown,
    health: Health,
    drain_grace: timedelta,
    on_listening: Callable[[str, int], object] | None = None,
) -> None:
    """Serve until `shutdown` is set, then drain and clean up.

    The order of leaving: `/readyz` turns false and answers carry `Connection: close`; requests
    are still served for `drain_grace`, in which the load balancer looks away; then the listener
    closes, requests in progress get the runner's `shutdown_timeout`, idle connections none, and the
    application's cleanup runs.

    Args:
        runner: Not yet set up.
        host: Address to listen on.
        port: 0 takes a free port.
        shutdown: Already installed.
        health: The one that the load balancer asks.
        drain_grace: How long requests are taken after readiness turned false.
        on_listening: Called with the address and port really bound.

    Raises:
        OSError: The address cannot be bound.
    """
    runner.app.on_response_prepare.append(_closes_while_draining(health))
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
