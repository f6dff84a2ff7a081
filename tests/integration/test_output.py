"""A shop whose services' output is stalled, full or closed sells, charges and stops as any other."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws import aws_client
from local.processes import ManagedProcess
from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.conftest import OpenShop
from tests.integration.shopper import Shopper, ledger_statuses

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]

OFTEN = {"CATALOGUE_REFRESH_SECONDS": "0.2"}
CHATTY = {"LOG_LEVEL": "debug"}
NEW_PRICE = 777


@contextlib.contextmanager
def unread(log: Path) -> Iterator[None]:
    """A pipe that is full already and that nobody reads."""
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(log, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 1_000 + b"\n")
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n")
    os.close(writer)
    yield
    os.close(reader)


@contextlib.contextmanager
def closed(log: Path) -> Iterator[None]:
    """A pipe whose reader leaves once the writer has come."""
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    yield
    with contextlib.suppress(OSError):
        os.close(reader)


@contextlib.contextmanager
def full(log: Path) -> Iterator[None]:
    """A device without room."""
    log.symlink_to("/dev/full")
    yield


OUTPUTS = {"unread": unread, "closed": closed, "full": full}


async def start_with(kind: str, exits: contextlib.ExitStack, *services: ManagedProcess) -> None:
    """Start services anew with such an output."""
    for service in services:
        await service.aclose()
        service.log_path.rename(service.log_path.with_suffix(".before"))
        with contextlib.ExitStack() as until_started:
            until_started.enter_context(OUTPUTS[kind](service.log_path))
            service.start()
            if kind != "closed":
                exits.push(until_started.pop_all())
        await service.ready()


async def set_price(shop: RunningShop, minor: int) -> None:
    """Change what the desk lamp costs, as a shopkeeper does."""
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        await dynamodb.update_item(
            TableName=shop.outputs["ProductsTableName"],
            Key={"product_id": {"S": "desk-lamp"}},
            UpdateExpression="SET unit_price_minor = :price",
            ExpressionAttributeValues={":price": {"N": str(minor)}},
        )


async def charged(shopper: Shopper, order_id: str) -> int:
    """What the provider was asked for."""
    (row,) = [row for row in await shopper.charge_rows() if row["order_id"] == order_id]
    return int(row["amount_minor"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("kind", OUTPUTS)
async def test_orders_are_taken_at_the_price_of_now_and_the_drain_is_whole(shop_opener: OpenShop, kind: str) -> None:
    async with shop_opener(
        workers=8, payment_seconds=0.5, api_environment=OFTEN | CHATTY, processor_environment=CHATTY
    ) as (shop, shopper):
        assert shop.processor is not None
        with contextlib.ExitStack() as exits:
            services = (shop.gateway, shop.api, shop.processor)
            await start_with(kind, exits, *services)
            order_ids = await shopper.orders(8)
            assert await shopper.settled(order_ids) == {"completed": 8}
            await set_price(shop, NEW_PRICE)

            async def sold_at_the_new_price() -> bool:
                (order_id,) = await shopper.orders(1)
                await shopper.settled([order_id])
                return await charged(shopper, order_id) == NEW_PRICE

            await wait_until(sold_at_the_new_price)
            text = (await shopper.fetch(f"{shop.processor_url}/metrics"))[1]
            dropped = next(line for line in text.splitlines() if line.startswith("log_lines_dropped_total "))
            # A stalled pipe loses nothing before the buffer is full.
            assert (float(dropped.split()[1]) > 0) is (kind != "unread")
            last = await shopper.orders(8)

            async def all_at_work() -> bool:
                statuses = await ledger_statuses(shop)
                return all(order_id in statuses for order_id in last)

            await wait_until(all_at_work)
            assert await shop.processor.aclose() == 0
            assert "processing" not in (await ledger_statuses(shop)).values()
            assert await shop.api.aclose() == 0
            assert await shop.gateway.aclose() == 0
