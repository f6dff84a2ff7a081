"""The shoppers, in a process of their own: locust patches the standard library of whoever imports it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from load.scenario import Arm, Arrivals, Phase, Scenario
from load.traffic.generators import LOCUSTFILE, PROJECT, LoadFiles, load_process, write_plan
from load.traffic.journal_reader import read_journal
from local.waiting import wait_until


class FakeShop:
    """Takes every order at once."""

    def __init__(self) -> None:
        self.orders: list[dict[str, object]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.orders.append(await request.json())
        return web.json_response({"order_id": f"ord_{len(self.orders)}", "status": "pending"}, status=202)

    def products(self) -> set[str]:
        """What was ordered so far."""
        lines = [line for order in self.orders for line in cast("list[dict[str, str]]", order["items"])]
        return {line["product_id"] for line in lines}


async def sell(_request: web.Request) -> web.Response:
    return web.json_response({"products": [{"product_id": "lamp"}, {"product_id": "shoes"}]})


async def by_hand(*arguments: str, until: Callable[[], bool] | None = None) -> tuple[int | None, str]:
    """Run locust as a person would, and stop it as one would; its exit code and what it printed."""
    argv = ["-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--users", "2", *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, cwd=PROJECT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    ended = asyncio.create_task(process.communicate())
    if until is not None:

        async def enough() -> bool:
            return ended.done() or until()

        await wait_until(enough, seconds=45)
        if not ended.done():
            process.send_signal(signal.SIGINT)
    said, _ = await asyncio.wait_for(ended, 45)
    return process.returncode, said.decode()


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
async def server(shop: FakeShop) -> AsyncIterator[BaseTestServer]:
    app = web.Application()
    app.router.add_post("/orders/async", shop.take)
    app.router.add_post("/orders/sync", shop.take)
    app.router.add_get("/products", sell)
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


@pytest.mark.parametrize("arm", ["sync", "async"])
async def test_by_hand_the_products_come_from_the_shops_own_catalogue(
    arm: str, shop: FakeShop, server: BaseTestServer
) -> None:
    url = str(server.make_url("")).rstrip("/")
    code, said = await by_hand("--host", url, "--arm", arm, until=lambda: len(shop.products()) > 1)
    assert code == 0, said
    assert f"/orders/{arm}" in said
    assert shop.products() == {"lamp", "shoes"}


async def test_by_hand_a_shop_elsewhere_gets_no_load() -> None:
    code, said = await by_hand("--host", "http://shop.example")
    assert code == 1
    assert "http://shop.example is not on this machine; --allow-remote sends the load there" in said
