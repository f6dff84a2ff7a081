"""The stocks under test. Tests run in virtual time, except those of which some talk to the embedded AWS."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest
from aiobotocore.session import AioSession

from flashbus.testing import VirtualTimeLoop
from flashstock.dynamo import DynamoTable
from flashstock.seller import Seller
from flashstock.stock import Stock
from flashstock.table import Delete, Item, Put, StockTable, Update, Write
from flashstock.testing import MemoryDynamo, MemoryTable, Sale


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    # The marks of a fixture's parameters are not known yet when a loop is chosen.
    if "table" in getattr(item, "fixturenames", ()):
        return {"real time": asyncio.SelectorEventLoop}
    return {"virtual time": VirtualTimeLoop}


class RepeatingTable:
    """Sends every single write twice and gives the second answer: a client's retry after a lost reply."""

    def __init__(self, inner: StockTable) -> None:
        self._inner = inner

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        return await self._inner.read(ids)

    async def write(self, write: Put | Update | Delete) -> Item:
        await self._inner.write(write)
        return await self._inner.write(write)

    async def transact(self, writes: Sequence[Write]) -> None:
        await self._inner.transact(writes)


class EmbeddedAws(Protocol):
    """What the root's `embedded_aws` fixture gives."""

    @property
    def environment(self) -> dict[str, str]: ...


@pytest.fixture(scope="session")
def aws_session() -> AioSession:
    """Shared, because it loads the service models once."""
    return AioSession()


@asynccontextmanager
async def _dynamo_table(session: AioSession, environment: Mapping[str, str]) -> AsyncIterator[StockTable]:
    name = f"stock-{uuid.uuid4().hex[:12]}"
    client: Any
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
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        yield DynamoTable(client=client, name=name)
        await client.delete_table(TableName=name)


@pytest.fixture(
    params=["memory", "memory behind DynamoDB's calls", pytest.param("dynamo", marks=pytest.mark.embedded_aws)]
)
async def table(request: pytest.FixtureRequest, aws_session: AioSession) -> AsyncIterator[StockTable]:
    """Every table that keeps the contract, empty."""
    if request.param == "memory":
        yield MemoryTable()
        return
    if request.param.startswith("memory"):
        yield DynamoTable(client=MemoryDynamo(MemoryTable()), name="stock")
        return
    environment = request.getfixturevalue("embedded_aws").environment
    async with _dynamo_table(aws_session, environment) as dynamo:
        yield dynamo


@pytest.fixture(params=["", "with lost replies"], ids=["", "with_lost_replies"])
def stock(request: pytest.FixtureRequest, table: StockTable) -> Stock:
    """A stock on every table, with and without lost replies."""
    return Stock(RepeatingTable(table) if request.param else table)


@pytest.fixture
def sale() -> Sale:
    """A sale in memory, whose counters are checked after every write."""
    return Sale()


class FreezableTable:
    """The table as one process sees it, which can be stopped and go on later, requests under way included."""

    def __init__(self, inner: StockTable) -> None:
        self._inner = inner
        self._runs = asyncio.Event()
        self._runs.set()

    def freeze(self) -> None:
        self._runs.clear()

    def thaw(self) -> None:
        self._runs.set()

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        await self._runs.wait()
        return await self._inner.read(ids)

    async def write(self, write: Put | Update | Delete) -> Item:
        await self._runs.wait()
        item = await self._inner.write(write)
        await self._runs.wait()
        return item

    async def transact(self, writes: Sequence[Write]) -> None:
        await self._runs.wait()
        await self._inner.transact(writes)
        await self._runs.wait()


@pytest.fixture
def process(sale: Sale) -> FreezableTable:
    """The sale's table as one process sees it."""
    return FreezableTable(sale.table)


async def _kill(seller: Seller) -> None:
    """End everything that a seller does, as if its process had died: nothing is said to anybody."""
    for task in seller._tasks:
        task.cancel()
    if seller._session is not None:
        await seller._session.stop()


@pytest.fixture
def kill() -> Callable[[Seller], Awaitable[None]]:
    return _kill
