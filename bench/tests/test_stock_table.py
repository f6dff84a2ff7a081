"""The stub's stock table refuses on the wire as DynamoDB does; what it keeps is held by flashstock's table contract."""

from collections.abc import AsyncIterator

import pytest

from bench.processes import stub, variables
from bench.stock_table import NAME
from flashbus.wire.clients import dynamo_client
from flashstock.dynamo import DynamoTable
from flashstock.table import ConditionFailedError, Item, Put, StockTable, Update, Where

THING: Item = {"id": "thing", "n": 3}


@pytest.fixture
async def table() -> AsyncIterator[StockTable]:
    with stub(round_trip_ms=1.0) as aws:
        async with dynamo_client(environ=variables(aws.port)) as client:
            yield DynamoTable(client=client, name=NAME)


async def test_a_refused_write_tells_what_stands_in_its_way(table: StockTable) -> None:
    await table.write(Put(item=THING))
    late = Put(item={"id": "thing", "n": 2}, where=[Where(("n",), "<", 2)])
    with pytest.raises(ConditionFailedError) as refused:
        await table.write(late)
    with pytest.raises(ConditionFailedError) as cancelled:
        await table.transact([Update(id="other", add={("n",): 1}), late])
    assert refused.value.items == {0: THING}
    assert cancelled.value.items == {1: THING}
    assert await table.read(["thing", "other"]) == {"thing": THING}
    assert await table.write(Update(id="thing", add={("n",): 4})) == {"id": "thing", "n": 7}
