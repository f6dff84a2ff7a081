"""A gateway in this process, with its own ledger, and a client of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from flashops.health import Health
from payment_gateway.app import create_app
from payment_gateway.behaviour import Behaviour
from payment_gateway.ledger import Ledger
from payment_gateway.metrics import GatewayMetrics
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@pytest.fixture
def make_behaviour() -> Callable[..., Behaviour]:
    def make(**fields: Any) -> Behaviour:  # noqa: ANN401 - any field of the model
        quick: dict[str, Any] = {
            "latency_seconds": 0,
            "capacity": 0,
            "decline_rate": 0,
            "failure_rate": 0,
            "lost_reply_rate": 0,
            "queue_timeout_seconds": 30,
            "seed": 1,
        }
        return Behaviour(**quick | fields)

    return make


@pytest.fixture
def provider(ledger: Ledger, make_behaviour: Callable[..., Behaviour]) -> Provider:
    return Provider(ledger=ledger, behaviour=make_behaviour())


@pytest.fixture
async def client(ledger: Ledger, provider: Provider) -> AsyncIterator[Client]:
    app = create_app(
        provider=provider,
        ledger=ledger,
        health=Health(),
        metrics=GatewayMetrics(provider, registry=CollectorRegistry()),
    )
    async with TestClient(TestServer(app)) as client:
        yield client
