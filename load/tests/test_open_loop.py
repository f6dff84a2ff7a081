import asyncio
import itertools
import json
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import BaseTestServer, TestServer

from load.traffic.baskets import Baskets, Customer
from load.traffic.hosts import is_local, refusal_of
from load.traffic.journal import Journal
from load.traffic.open_loop import Generator, due_times, main

PRODUCTS = ["lamp", "shoes", "jacket", "board"]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps([{"product_id": name} for name in PRODUCTS]), encoding="utf-8")
    return path


@pytest.fixture
def baskets(catalogue: Path) -> Baskets:
    return Baskets.of_plan({"catalogue": str(catalogue)})


def test_constant_arrivals_are_even() -> None:
    moments = list(due_times("constant", rate=50, seconds=2, seed=1))
    assert len(moments) == 100
    assert moments[10] == pytest.approx(0.2)


def test_poisson_arrivals_have_the_rate_and_the_spread() -> None:
    moments = list(due_times("poisson", rate=100, seconds=100, seed=1))
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert len(moments) == pytest.approx(10_000, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)


def test_a_seed_repeats_everything(baskets: Baskets) -> None:
    assert list(due_times("poisson", rate=5, seconds=9, seed=3)) == list(
        due_times("poisson", rate=5, seconds=9, seed=3)
    )
    assert list(due_times("poisson", rate=5, seconds=9, seed=3)) != list(
        due_times("poisson", rate=5, seconds=9, seed=4)
    )
    assert Customer(7, seed=1, baskets=baskets).order() == Customer(7, seed=1, baskets=baskets).order()


def test_orders_are_drawn_from_the_catalogue(baskets: Baskets) -> None:
    for number in range(1, 50):
        order = Customer(number, seed=1, baskets=baskets).order()
        names = [item["product_id"] for item in order["items"]]
        assert order["customer_id"] == number
        assert 1 <= len(names) == len(set(names)) <= 3
        assert set(names) <= set(PRODUCTS)


def test_with_products_named_each_order_is_one_unit_of_one_of_them() -> None:
    baskets = Baskets(wanted=["lamp", "shoes"])
    orders = [Customer(number, seed=1, baskets=baskets).order() for number in range(1, 50)]
    assert {item["product_id"] for order in orders for item in order["items"]} == {"lamp", "shoes"}
    assert all(len(order["items"]) == 1 and order["items"][0]["quantity"] == 1 for order in orders)


@pytest.fixture
async def stalling_shop() -> AsyncIterator[BaseTestServer]:
    """Answers the first order after a while and refuses every third."""
    seen = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal seen
        await request.json()
        seen += 1
        number = seen
        if number == 1:
            await asyncio.sleep(0.3)
        if number % 3 == 0:
            return web.json_response({"title": "Too many"}, status=503)
        return web.json_response({"order_id": f"ord_{number}", "status": "pending"}, status=202)

    app = web.Application()
    app.router.add_post("/orders/async", take)
    async with TestServer(app) as server:
        yield server


async def test_a_stall_does_not_slow_the_arrivals(
    tmp_path: Path, catalogue: Path, stalling_shop: BaseTestServer
) -> None:
    plan: dict[str, Any] = {
        "url": str(stalling_shop.make_url("")).rstrip("/"),
        "path": "/orders/async",
        "phases": [{"name": "open", "arrivals": "constant", "rate": 50, "seconds": 0.3}],
        "seed": 1,
        "catalogue": str(catalogue),
    }
    path = tmp_path / "journal"
    with path.open("w", encoding="utf-8") as journal:
        async with ClientSession() as session:
            await Generator(plan=plan, session=session, journal=Journal(journal)).run()
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    requests = [entry["request"] for entry in entries if "request" in entry]
    assert len(requests) == 15
    assert sum(request["status"] == 503 and request["reason"] == "Too many" for request in requests) == 5
    assert max(request["done"] - request["due"] for request in requests) > 0.29
    dues = sorted(request["due"] for request in requests)
    assert dues[-1] - dues[0] == pytest.approx(0.28, abs=0.001)
    assert any("end" in entry for entry in entries)


async def test_a_shop_that_is_gone_is_written_down(tmp_path: Path, catalogue: Path) -> None:
    plan: dict[str, Any] = {
        "url": "http://127.0.0.1:9",
        "path": "/orders/async",
        "phases": [{"name": "open", "arrivals": "constant", "rate": 20, "seconds": 0.1}],
        "seed": 1,
        "catalogue": str(catalogue),
    }
    path = tmp_path / "journal"
    with path.open("w", encoding="utf-8") as journal:
        async with ClientSession() as session:
            await Generator(plan=plan, session=session, journal=Journal(journal)).run()
    requests = [json.loads(line)["request"] for line in path.read_text().splitlines() if "request" in line]
    assert [request["status"] for request in requests] == [0, 0]
    assert requests[0]["reason"] == "ClientConnectorError"


async def test_a_shop_elsewhere_gets_no_load_unless_that_is_allowed(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"url": "http://shop.example:8080", "phases": []}), encoding="utf-8")
    with pytest.raises(SystemExit, match="--allow-remote"):
        await main(plan)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "http://127.9.9.9"])
def test_this_machine_is_local(url: str) -> None:
    assert is_local(url)
    assert refusal_of(url, allow_remote=False) is None


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0", "localhost", ""])
def test_everything_else_is_not(url: str) -> None:
    assert not is_local(url)
    assert refusal_of(url, allow_remote=True) is None
