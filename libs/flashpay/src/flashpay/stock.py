"""The stock that orders are settled with, in its table: endings that come together share a transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from flashmsg import Reservation
from flashpay.reservations import PurchaseLimits, Stock
from flashstock.dynamo import DynamoClient, dynamo_stock
from flashstock.endings import Ending, Endings
from flashstock.observer import StockObserver
from flashstock.settlement_writer import SettlementWriter


@asynccontextmanager
async def open_stock(
    *, client: DynamoClient, table: str, on_oversold: Callable[[Reservation], object]
) -> AsyncIterator["OpenStock"]:
    """Limited stock in a DynamoDB table; leaving the block waits for endings on their way. Nothing is connected yet.

    Args:
        client: An aiobotocore DynamoDB client, opened and closed by the caller.
        table: The name of the stock table.
        on_oversold: Told of a reservation that was paid after its units had been returned and sold to others.
    """
    stock = dynamo_stock(client=client, table=table, observer=_Oversold(on_oversold))
    async with SettlementWriter(endings=stock.endings) as writer:
        yield OpenStock(endings=_GroupCommit(writer=writer, endings=stock.endings), limits=stock.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStock:
    """What a `Settler` needs of limited stock."""

    endings: Stock
    limits: PurchaseLimits


class _Oversold(StockObserver):
    def __init__(self, tell: Callable[[Reservation], object]) -> None:
        self._tell = tell

    def oversold(self, reservation: Reservation) -> None:
        self._tell(reservation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GroupCommit:
    writer: SettlementWriter
    endings: Endings

    async def settle(self, endings: Sequence[Ending], /) -> None:
        """See `Stock.settle`."""
        await asyncio.gather(*map(self.writer.settle, endings))

    async def reopen(self, reservation: Reservation, /, *, reopened: int) -> None:
        """See `Stock.reopen`."""
        await self.endings.reopen(reservation, reopened=reopened)
