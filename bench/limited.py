"""The tables of a limited product in the embedded AWS: the stub keeps nothing, and stock is all about what was kept."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.processes import cores
from flashbus.clients import aws_client
from flashstock.dynamo import dynamo_stock
from local.emulator import RunningEmulator, blocking_emulator

PRODUCT = "gadget"
_UNITS = 100_000_000
_KEYS = {"orders": "order_id", "products": "product_id", "stock": "id"}


@contextmanager
def limited_product() -> Iterator[Mapping[str, str]]:
    """Yield the variables that send DynamoDB's calls to tables with one product of plenty of stock."""
    with _beside_what_is_measured() as emulator:
        asyncio.run(_prepare(emulator.environment))
        yield {"AWS_ENDPOINT_URL_DYNAMODB": emulator.environment["AWS_ENDPOINT_URL"], "STOCK_TABLE": "stock"}


@contextmanager
def _beside_what_is_measured() -> Iterator[RunningEmulator]:
    before = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    if before:
        os.sched_setaffinity(0, {cores()[1]})  # inherited by the emulator
    with blocking_emulator() as emulator:
        if before:
            os.sched_setaffinity(0, before)
        yield emulator


async def _prepare(environment: Mapping[str, str]) -> None:
    async with aws_client("dynamodb", environ=environment) as dynamodb:
        for table, key in _KEYS.items():
            await dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        product = {"product_id": {"S": PRODUCT}, "name": {"S": "Gadget"}, "currency": {"S": "EUR"}}
        await dynamodb.put_item(TableName="products", Item={**product, "unit_price_minor": {"N": "100"}})
        await dynamo_stock(client=dynamodb, table="stock").counters.set_total(PRODUCT, _UNITS)
