"""The shoppers, in a process of their own: locust patches the standard library of whoever imports it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from load.scenario import Arm, Arrivals, Phase, Scenario
from load.traffic.generators import LoadFiles, load_process, write_plan
from load.traffic.journal import read_journal


class FakeShop:
    """Takes every order at once."""

    def __init__(self) -> None:
        self.orders: list[dict[str, object]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.orders.append(await request.json())
        return web.json_response({"order_id": f"ord_{len(self.orders)}", "status": "pending"}, status=202)


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
async def server(shop: FakeShop) -> AsyncIterator[BaseTestServer]:
    app = web.Application()
    app.router.add_post("/orders/async", shop.take)
    async with TestServer(app) as running:
        yield running


async def test_shoppers_walk_through_the_phases_and_write_everything_down(
    tmp_path: Path, shop: FakeShop, server: BaseTestServer
) -> None:
    scenario = Scenario(
        name="burst",
        title="A burst, then shoppers",
        arm=Arm.LAMBDA,
        think_seconds=(0.1, 0.2),
        phases=(
            Phase(name="cold", arrivals=Arrivals.BURST, users=3, seconds=1.5),
            Phase(name="busy", users=5, seconds=2),
        ),
    )
    files = LoadFiles(folder=tmp_path)
    url = str(server.make_url("")).rstrip("/")
    write_plan(scenario, files, url=url)
    async with load_process(scenario, files, url=url) as generator:
        async with asyncio.timeout(45):
            while generator.returncode is None:  # noqa: ASYNC110  # a process has no event
                await asyncio.sleep(0.05)
    assert generator.returncode == 0, generator.log_tail()
    marks, requests = read_journal(files.journal, scenario)
    assert [mark.name for mark in marks] == ["cold", "busy"]
    assert sum(request.phase == "cold" for request in requests) == 3
    assert sum(request.phase == "busy" for request in requests) > 10
    assert len(shop.orders) == len(requests)
    assert all(request.is_accepted for request in requests)
    assert {order["customer_id"] for order in shop.orders} == {1, 2, 3, 4, 5}
    assert all(0.1 <= request.think_seconds <= 0.2 for request in requests)
