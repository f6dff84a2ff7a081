"""The real server on a free loopback port, with fakes behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashbus.testing import FakeTopic, wait_until
from flashmsg import OrderPlaced, decode
from flashops.connections import ConnectionMetrics
from flashops.health import Health
from flashops.http import Runner
from flashops.operations import operations_server
from flashpay import Announcer, Retention
from flashpay.testing import FakeGateway, FakeOutcomes, FakeRefunds, MemoryLedger
from flashstock.stock import Stock
from order_api.app import create_app
from order_api.catalogue import Product
from order_api.connections import Connections
from order_api.order_ids import OrderIds
from order_api.settings import Settings
from order_api.testing.products import FakeProducts

SECRET = "a-secret-of-tests-that-has-32-bytes-or-more"  # noqa: S105 - certifies nothing outside tests
PEN = Product(product_id="pen", name="Pen", unit_price_minor=250, currency="EUR")
PHONE = Product(product_id="phone-x", name="Phone X", unit_price_minor=89_900, currency="EUR")


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of an API that starts; `variables` replace or add some."""
    return {
        "ORDERS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:order-processing-events",
        "ORDERS_TABLE": "orders",
        "PRODUCTS_TABLE": "products",
        "ORDER_ID_SECRET": SECRET,
        "GATEWAY_URL": "http://127.0.0.1:1",
        "PUBLISH_LINGER_SECONDS": "0.001",
    } | variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it came over the socket."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - a test looks at whatever came
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def fields(self) -> list[str]:
        """The fields that a problem document names."""
        return [error["field"] for error in self.json["errors"]]

    @property
    def problem(self) -> tuple[int, str]:
        """Status and kind of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"  # noqa: S101 - for tests alone
        return self.status, self.json["type"].removeprefix("urn:flash-sale:problem:")

    @property
    def repeat_headers(self) -> dict[str, str]:
        """The headers with which a problem document of unknown outcome says to repeat the request."""
        return {"Idempotency-Key": self.json["idempotency_key"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApi:
    """A running API and everything behind it."""

    port: int
    session: aiohttp.ClientSession
    topic: FakeTopic
    ledger: MemoryLedger
    gateway: FakeGateway
    refunds: FakeRefunds
    products: FakeProducts
    registry: CollectorRegistry
    health: Health
    runner: Runner
    operations_port: int
    ids: OrderIds = field(default_factory=lambda: OrderIds(secret=SECRET.encode()))

    async def order(
        self,
        mode: str,
        *,
        product_id: str = "pen",
        quantity: int = 2,
        customer_id: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Place an order of one line; `mode` is async or sync."""
        body = {"customer_id": customer_id, "items": [{"product_id": product_id, "quantity": quantity}]}
        return await self.request("POST", f"/orders/{mode}", json=body, headers=headers)

    async def request(self, method: str, path: str, **options: Any) -> Answer:  # noqa: ANN401 - aiohttp's own options
        """Send a request the way a well-behaved client does."""
        return await self._request(method, self.port, path, **options)

    async def ask(self, path: str) -> Answer:
        """Get something from the operations port."""
        return await self._request("GET", self.operations_port, path)

    async def _request(self, method: str, port: int, path: str, **options: Any) -> Answer:  # noqa: ANN401 - the same
        url = f"http://127.0.0.1:{port}{path}"
        async with self.session.request(method, url, **options) as response:
            return Answer(status=response.status, headers=response.headers, body=await response.read())

    async def sell(self, *products: Product) -> None:
        """Change what is for sale, and return once the API has read it; its refresh must be short."""
        self.products.products = {product.product_id: product for product in products}
        loads = self.products.loads
        await wait_until(lambda: self.products.loads >= loads + 2)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of one series, 0 when there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    @property
    def events(self) -> list[OrderPlaced]:
        """What was published, decoded as a consumer would."""
        return [decode(entry.message) for entry in self.topic.published]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fakes:
    topic: FakeTopic
    ledger: MemoryLedger
    gateway: FakeGateway
    refunds: FakeRefunds
    announcer: Announcer | None

    @classmethod
    def of(cls, outcomes: FakeOutcomes | None) -> Self:
        gateway, ledger = FakeGateway(), MemoryLedger(retention=Retention(announced=outcomes is not None))
        return cls(
            topic=FakeTopic(),
            ledger=ledger,
            gateway=gateway,
            refunds=FakeRefunds(gateway=gateway),
            announcer=None if outcomes is None else Announcer(ledger=ledger, publish=outcomes.publish),
        )

    def connections(self, products: FakeProducts, stock: Stock | None) -> Connections:
        return Connections(
            topic=self.topic,
            ledger=self.ledger,
            gateway=self.gateway,
            refunds=self.refunds,
            products=products,
            stock=stock,
            announcer=self.announcer,
        )


@asynccontextmanager
async def running_shop(
    *,
    wait_ready: bool = True,
    products: FakeProducts | None = None,
    stock: Stock | None = None,
    outcomes: FakeOutcomes | None = None,
    **variables: str,
) -> AsyncIterator[RunningApi]:
    """Run the API; `variables` are its environment.

    Args:
        wait_ready: Return only once the catalogue is loaded, and the stock if there is one.
        products: What is for sale; two products by default.
        stock: Where limited products have their units; nothing is limited by default.
        outcomes: Where ends of orders are told; nowhere by default.
        variables: Replace or add environment variables.
    """
    source = FakeProducts(PEN, PHONE) if products is None else products
    fakes = _Fakes.of(outcomes)
    health, registry = Health(), CollectorRegistry()
    settings = Settings.from_environment(environment(**variables))
    app = create_app(settings, connections=fakes.connections(source, stock), health=health, registry=registry)
    async with _serving(app, settings, health, registry) as (runner, operations), aiohttp.ClientSession() as session:
        if wait_ready:
            async with asyncio.timeout(10):
                while not (await health.ready()).ready:  # noqa: ASYNC110 - it is asked for, and tells nobody
                    await asyncio.sleep(0.005)
        yield RunningApi(
            port=int(runner.addresses[0][1]),
            operations_port=operations,
            session=session,
            topic=fakes.topic,
            ledger=fakes.ledger,
            gateway=fakes.gateway,
            refunds=fakes.refunds,
            products=source,
            registry=registry,
            health=health,
            runner=runner,
        )


@asynccontextmanager
async def _serving(
    app: web.Application, settings: Settings, health: Health, registry: CollectorRegistry
) -> AsyncIterator[tuple[Runner, int]]:
    metrics, limits = ConnectionMetrics(registry), settings.connection_limits
    runner = Runner(app, metrics=metrics, limits=limits, shutdown_timeout=timedelta(seconds=10))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with operations_server(
            host="127.0.0.1", port=0, registry=registry, health=health, limits=limits, metrics=metrics
        ) as operations_port:
            yield runner, operations_port
    finally:
        await runner.cleanup()


async def exchange(port: int, request: bytes, *, longest_seconds: float = 10, has_body: bool = True) -> Answer:
    """Send bytes as they are and read one answer; the connection is closed afterwards.

    Raises:
        asyncio.IncompleteReadError: The server closed without an answer.
    """
    async with asyncio.timeout(longest_seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await read_answer(reader, has_body=has_body)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """Read one answer with a `Content-Length`; that to a `HEAD` has no body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.title(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("Content-Length", "0")) if has_body else 0)
    return Answer(status=int(head[0].split()[1]), headers=headers, body=body)
