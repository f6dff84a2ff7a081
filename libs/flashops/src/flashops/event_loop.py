"""The event loop of the services: uvloop's (decision 83)."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop
from aiohappyeyeballs import start_connection

_Result = TypeVar("_Result")


class ServiceLoop(uvloop.Loop):
    """uvloop's loop, and asyncio's race between the addresses of a host, which it does not know."""

    # uvloop's own types name neither what may be left out nor what it returns.
    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,  # noqa: ANN401
        port: Any = None,  # noqa: ANN401
        *,
        happy_eyeballs_delay: float | None = None,
        **options: Any,  # noqa: ANN401 - as asyncio has them
    ) -> Any:  # noqa: ANN401
        """As `asyncio.loop.create_connection`; a delay is for a host and a port, and no local address."""
        if happy_eyeballs_delay is None:
            return await super().create_connection(protocol_factory, host, port, **options)
        addresses = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connected = await start_connection(addresses, happy_eyeballs_delay=happy_eyeballs_delay, loop=self)
        if options.get("ssl"):
            options.setdefault("server_hostname", host)
        try:
            return await super().create_connection(protocol_factory, sock=connected, **options)
        except BaseException:
            connected.close()
            raise


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a service's main coroutine to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=ServiceLoop) as runner:
        return runner.run(main)
