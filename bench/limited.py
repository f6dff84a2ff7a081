"""One product of limited stock, for the intake to sell."""

import asyncio
from collections.abc import Mapping

from bench.stock_table import NAME
from flashbus.clients import aws_client
from flashstock.dynamo import dynamo_stock

_PRODUCT = "gadget"
_PLENTY = 100_000_000


def limit_product(environment: Mapping[str, str], *, units: int = _PLENTY) -> None:
    """Give the product its stock, in the table that these variables lead to."""
    asyncio.run(_limit_product(environment, units))


async def _limit_product(environment: Mapping[str, str], units: int) -> None:
    async with aws_client("dynamodb", environ=environment) as dynamodb:
        await dynamo_stock(client=dynamodb, table=NAME).counters.set_total(_PRODUCT, units)
