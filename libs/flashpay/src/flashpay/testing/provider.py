"""A payment provider over a real socket, whose every answer a test decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from flashpay.exchanges import Exchange, SessionExchange
from flashpay.gateway import ChargeRequest
from flashpay.http_gateway import HttpGateway

REQUEST = ChargeRequest(order_id="ord_sample", amount_minor=3998, currency="EUR", customer_id=7)
RECEIPT: dict[str, Any] = {
    "charge_id": "ch_1",
    "status": "succeeded",
    "order_id": "ord_sample",
    "amount_minor": 3998,
    "currency": "EUR",
    "created_at": "2026-11-27T20:00:00Z",
}

POOR_CUSTOMER = 13

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Provider:
    """A server that answers every charge the same way and keeps what it was sent."""

    gateway: HttpGateway
    handler: Handler | None = None
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def answer(self, status: int, body: object = None, *, headers: dict[str, str] | None = None) -> None:
        """Answer so from now on: bytes as they are, anything else as JSON."""

        async def respond(_request: web.Request) -> web.Response:
            if isinstance(body, bytes):
                return web.Response(status=status, body=body, headers=headers)
            return web.json_response(body, status=status, headers=headers)

        self.handler = respond


OpenExchange = Callable[[str], AbstractAsyncContextManager[Exchange]]
"""Opens an exchange with a base URL."""


@asynccontextmanager
async def session_exchange(base_url: str) -> AsyncIterator[Exchange]:
    """An exchange through a session of its own."""
    async with aiohttp.ClientSession() as session:
        yield SessionExchange(session, base_url=base_url)


@asynccontextmanager
async def running_provider(open_exchange: OpenExchange = session_exchange) -> AsyncIterator[Provider]:
    """A provider that listens, and the gateway that talks to it."""

    async def charges(request: web.Request) -> web.StreamResponse:
        current.headers.append(dict(request.headers))
        current.bodies.append(await request.json() if request.can_read_body else None)
        current.paths.append(request.raw_path)
        assert current.handler is not None  # noqa: S101 - a test's own mistake
        return await current.handler(request)

    app = web.Application()
    app.router.add_post("/v1/charges", charges)
    app.router.add_get("/v1/charges/{key}", charges)
    async with TestServer(app) as server, open_exchange(str(server.make_url("/"))) as exchange:
        current = Provider(gateway=HttpGateway(exchange))
        yield current


async def charge(request: web.Request) -> web.Response:
    """Answer a charge as a provider does: `POOR_CUSTOMER` is declined, everybody else pays."""
    order = await request.json()
    shared = {name: order[name] for name in ("order_id", "amount_minor", "currency")}
    if order["customer_id"] == POOR_CUSTOMER:
        return web.json_response(shared | {"status": "declined", "reason": "card_declined"}, status=402)
    answer = {"charge_id": f"ch_{order['order_id']}", "status": "succeeded", "created_at": "2026-11-27T20:00:00Z"}
    return web.json_response(shared | answer)
