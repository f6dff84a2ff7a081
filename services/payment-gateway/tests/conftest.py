"""A gateway in this process, with its own charge store, and a client of it."""

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
from payment_gateway.charge_store import ChargeStore
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChargeStore]:
    with ChargeStore(tmp_path / "charges.sqlite3") as store:
        yield store


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
def provider(store: ChargeStore, make_behaviour: Callable[..., Behaviour]) -> Provider:
    return Provider(store=store, behaviour=make_behaviour())


@pytest.fixture
async def client(store: ChargeStore, provider: Provider) -> AsyncIterator[Client]:
    app = create_app(
        provider=provider,
        store=store,
        health=Health(),
        registry=CollectorRegistry(),
    )
    async with TestClient(TestServer(app)) as client:
        yield client
