"""A service without HTTP of its own can be scraped and asked for its health."""

import aiohttp
from prometheus_client import CollectorRegistry, Counter

from flashops.health import Health
from flashops.operations import operations_server


async def test_the_three_routes_answer_on_the_port_really_bound() -> None:
    registry, health = CollectorRegistry(), Health()
    Counter("messages", "Messages.", registry=registry).inc()
    async with (
        operations_server(host="127.0.0.1", port=0, registry=registry, health=health) as port,
        aiohttp.ClientSession(base_url=f"http://127.0.0.1:{port}") as session,
    ):
        assert "messages_total 1.0" in await (await session.get("/metrics")).text()
        assert (await session.get("/livez")).status == 200
        assert (await session.get("/readyz")).status == 200
        health.set_draining()
        assert (await session.get("/readyz")).status == 503
