"""The client against the real API over a socket, with faults behind it and on the way to it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from examples import repeating_client
from examples.repeating_client import RefusedError, place
from flashpay import Settler
from order_api.testing import PEN, RunningApi, running_shop, wait_until

KEY = "basket-1"
ORDER = {"customer_id": 1, "items": [{"product_id": "pen", "quantity": 2}]}


@pytest.fixture
async def shop() -> AsyncIterator[RunningApi]:
    async with running_shop() as running:
        yield running


def _url(shop: RunningApi, mode: str = "async") -> str:
    return f"http://127.0.0.1:{shop.port}/orders/{mode}"


async def _placed(
    shop: RunningApi, url: str, order: Mapping[str, Any] = ORDER, *, seconds: float = 30
) -> dict[str, Any]:
    return await place(shop.session, url, order, key=KEY, patience=timedelta(seconds=seconds))


async def _settle_the_first_order(shop: RunningApi) -> None:
    await wait_until(lambda: shop.topic.published)
    await Settler(ledger=shop.ledger, gateway=shop.gateway, owner="test").settle(shop.events[0].data)


async def test_an_order_whose_acknowledgement_is_lost_is_repeated_until_it_is_known_and_charged_once(
    shop: RunningApi,
) -> None:
    shop.topic.losing = True
    placing = asyncio.create_task(_placed(shop, _url(shop)))
    await wait_until(lambda: shop.metric("orders_rejected_total", reason="outcome_unknown") == 1)
    shop.topic.losing = False
    await wait_until(lambda: len(shop.events) == 2)
    await _settle_the_first_order(shop)
    order = await placing
    assert (order["status"], order["total_minor"]) == ("completed", 2 * PEN.unit_price_minor)
    assert {event.id for event in shop.events} == {order["order_id"]}
    assert len(shop.gateway.charges) == 1


async def test_it_comes_back_when_it_is_told_to(shop: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(repeating_client, "asyncio", SimpleNamespace(sleep=noted, timeout=asyncio.timeout))
    shop.topic.down = True
    with pytest.raises(TimeoutError):
        await _placed(shop, _url(shop), seconds=1)
    assert slept
    # Its own pauses are fractions; the API spreads whole seconds.
    assert all(seconds == int(seconds) and 1 <= seconds <= 60 for seconds in slept)


@asynccontextmanager
async def _losing_the_first_answer(shop: RunningApi) -> AsyncIterator[str]:
    """A way to the shop on which the first request arrives and its answer does not."""
    answers = 0

    async def pass_on(request: web.Request) -> web.Response:
        nonlocal answers
        headers = {name: request.headers[name] for name in ("Content-Type", "Idempotency-Key")}
        answer = await shop.request("POST", request.path, data=await request.read(), headers=headers)
        answers += 1
        if answers == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/orders/sync", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/orders/sync"
    finally:
        await runner.cleanup()


async def test_a_request_that_nobody_answers_is_repeated_and_charged_once(shop: RunningApi) -> None:
    async with _losing_the_first_answer(shop) as url:
        order = await _placed(shop, url)
    assert order["status"] == "completed"
    assert len(shop.gateway.charges) == 1


async def test_what_is_refused_is_not_repeated(shop: RunningApi) -> None:
    with pytest.raises(RefusedError, match=r"items\.0\.product_id"):
        await _placed(shop, _url(shop), {"customer_id": 1, "items": [{"product_id": "pencil", "quantity": 1}]})
    await _placed(shop, _url(shop, "sync"))
    with pytest.raises(RefusedError, match="mismatch"):
        await _placed(shop, _url(shop, "sync"), {"customer_id": 1, "items": [{"product_id": "pen", "quantity": 3}]})


async def test_who_lost_patience_can_ask_again_with_the_key(shop: RunningApi) -> None:
    with pytest.raises(TimeoutError):
        await _placed(shop, _url(shop), seconds=0.2)
    await _settle_the_first_order(shop)
    order = await _placed(shop, _url(shop))
    assert (order["status"], order["order_id"]) == ("completed", shop.events[0].id)
    assert len(shop.gateway.charges) == 1


async def test_the_program_prints_what_became_of_the_order(shop: RunningApi) -> None:
    arguments = ["-m", "examples.repeating_client", f"http://127.0.0.1:{shop.port}", "pen"]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    try:
        await _settle_the_first_order(shop)
        output, _ = await asyncio.wait_for(process.communicate(), timeout=30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert json.loads(output)["order_id"] == shop.events[0].id
    assert json.loads(output)["status"] == "completed"


async def test_a_shop_that_is_not_there_leaves_it_unknown(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{unused_tcp_port}/orders/async"
        with pytest.raises(TimeoutError):
            await place(session, url, ORDER, key=KEY, patience=timedelta(seconds=0.2))
