"""The ledgers under test, the clients that a DynamoDB ledger may meet, and what settles over them."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol

import pytest
from aiobotocore.session import AioSession

from flashbus.wire.direct import open_direct
from flashbus.wire.limits import TransportLimits
from flashpay import (
    ANSWER_LIMIT_BYTES,
    DirectExchange,
    DynamoClient,
    DynamoLedger,
    DynamoPaid,
    Ledger,
    PaidOrders,
    Settler,
)
from flashpay.exchanges import Exchange
from flashpay.retention import Retention
from flashpay.testing import FakeGateway, FakeStock, ManualClock, MemoryLedger
from flashpay.testing.provider import OpenExchange, Provider, running_provider, session_exchange
from flashpay.unsettled import INDEX, DynamoUnsettled, UnsettledOrders


class RepeatingClient:
    """Sends every request twice and returns the second answer: botocore after a lost reply."""

    def __init__(self, inner: DynamoClient) -> None:
        self._inner = inner

    async def get_item(self, **arguments: object) -> Mapping[str, Any]:
        return await self._inner.get_item(**arguments)

    async def put_item(self, **arguments: object) -> Mapping[str, Any]:
        return await self._twice(self._inner.put_item, arguments)

    async def update_item(self, **arguments: object) -> Mapping[str, Any]:
        return await self._twice(self._inner.update_item, arguments)

    @staticmethod
    async def _twice(
        call: Callable[..., Awaitable[Mapping[str, Any]]], arguments: Mapping[str, object]
    ) -> Mapping[str, Any]:
        await call(**arguments)
        return await call(**arguments)


class EmbeddedAws(Protocol):
    """What the root's `embedded_aws` fixture gives."""

    @property
    def environment(self) -> dict[str, str]: ...


@asynccontextmanager
async def _orders_table(session: AioSession, environment: Mapping[str, str]) -> AsyncIterator[tuple[Any, str]]:
    name = f"orders-{uuid.uuid4().hex[:12]}"
    async with session.create_client(
        "dynamodb",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    ) as client:
        await client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "order_id", "AttributeType": "S"},
                {"AttributeName": "unsettled", "AttributeType": "S"},
                {"AttributeName": "updated_at", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": INDEX,
                    "KeySchema": [
                        {"AttributeName": "unsettled", "KeyType": "HASH"},
                        {"AttributeName": "updated_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        yield client, name
        await client.delete_table(TableName=name)


@pytest.fixture(scope="session")
def aws_session() -> AioSession:
    """Shared, because it loads the service models once."""
    return AioSession()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryLedger:
    return MemoryLedger(clock=clock)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def stock() -> FakeStock:
    """Ten gadgets; the units of two reservations are reserved."""
    stock = FakeStock()
    await stock.set_up(total=10, reserved=4)
    return stock


@pytest.fixture
def settler(memory: MemoryLedger, gateway: FakeGateway, stock: FakeStock, clock: ManualClock) -> Settler:
    """With the memory, the gateway, the stock and the clock of its test."""
    lease = timedelta(seconds=30)
    return Settler(
        ledger=memory,
        gateway=gateway,
        stock=stock,
        limits=stock.stock.limits,
        owner="worker",
        lease=lease,
        clock=clock,
    )


@asynccontextmanager
async def direct_exchange(base_url: str) -> AsyncIterator[Exchange]:
    patience = timedelta(seconds=15)
    limits = TransportLimits(
        connect_timeout=patience,
        read_timeout=patience,
        connections=4,
        keep_alive=patience,
        answer_bytes=ANSWER_LIMIT_BYTES,
    )
    async with open_direct(base_url, limits=limits) as connections:
        yield DirectExchange(connections, base_url=base_url)


@pytest.fixture(params=["session", "direct"])
def open_exchange(request: pytest.FixtureRequest) -> OpenExchange:
    """Both ways to a gateway."""
    return {"session": session_exchange, "direct": direct_exchange}[request.param]


@pytest.fixture
async def provider(open_exchange: OpenExchange) -> AsyncIterator[Provider]:
    async with running_provider(open_exchange) as running:
        yield running


@pytest.fixture
async def orders_table(embedded_aws: EmbeddedAws, aws_session: AioSession) -> AsyncIterator[tuple[Any, str]]:
    """A client of the embedded AWS and the name of an empty orders table in it."""
    async with _orders_table(aws_session, embedded_aws.environment) as client_and_name:
        yield client_and_name


@pytest.fixture(
    params=[
        "memory",
        pytest.param("dynamo", marks=pytest.mark.embedded_aws),
        pytest.param("dynamo_with_lost_replies", marks=pytest.mark.embedded_aws),
    ]
)
async def ledger(request: pytest.FixtureRequest, clock: ManualClock, aws_session: AioSession) -> AsyncIterator[Ledger]:
    """Every ledger that keeps the contract, empty."""
    if request.param == "memory":
        yield MemoryLedger(clock=clock)
        return
    environment = request.getfixturevalue("embedded_aws").environment
    async with _orders_table(aws_session, environment) as (client, name):
        used = RepeatingClient(client) if request.param == "dynamo_with_lost_replies" else client
        yield DynamoLedger(client=used, table=name, clock=clock)


IndexedLedger = tuple[Ledger, UnsettledOrders]


@pytest.fixture(params=["memory", pytest.param("dynamo", marks=pytest.mark.embedded_aws)])
async def ledger_of(
    request: pytest.FixtureRequest, clock: ManualClock, aws_session: AioSession
) -> AsyncIterator[Callable[[Retention], IndexedLedger]]:
    """Make a ledger that keeps the contract, and what finds its unsettled orders; all of a test have one table."""
    if request.param == "memory":

        def in_memory(retention: Retention) -> IndexedLedger:
            memory = MemoryLedger(retention=retention, clock=clock)
            return memory, memory

        yield in_memory
        return
    environment = request.getfixturevalue("embedded_aws").environment
    async with _orders_table(aws_session, environment) as (client, table):

        def in_dynamo(retention: Retention) -> IndexedLedger:
            ledger = DynamoLedger(client=client, table=table, retention=retention, clock=clock)
            return ledger, DynamoUnsettled(client=client, table=table)

        yield in_dynamo


@pytest.fixture(params=["memory", pytest.param("dynamo", marks=pytest.mark.embedded_aws)])
async def audited_ledger(
    request: pytest.FixtureRequest, clock: ManualClock, aws_session: AioSession
) -> AsyncIterator[tuple[Ledger, PaidOrders]]:
    """Every ledger that keeps the contract, and what finds its paid orders, a few at a time."""
    if request.param == "memory":
        memory = MemoryLedger(clock=clock)
        yield memory, memory
        return
    environment = request.getfixturevalue("embedded_aws").environment
    async with _orders_table(aws_session, environment) as (client, table):
        paged = _Paged(client)
        yield DynamoLedger(client=client, table=table, clock=clock), DynamoPaid(client=paged, table=table)


class _Paged:
    """Two items a page, so that there are several."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - an aiobotocore client, untyped
        self._inner = inner

    async def scan(self, **arguments: object) -> dict[str, Any]:
        page: dict[str, Any] = await self._inner.scan(**arguments, Limit=2)
        return page


@pytest.fixture
def indexed_ledger(ledger_of: Callable[[Retention], IndexedLedger]) -> IndexedLedger:
    """One that tells nobody and forgets nothing."""
    return ledger_of(Retention())
