"""What the function talks to: DynamoDB, the payment gateway, and the dead-letter queue when poison needs it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import aiohttp
from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashmsg import Reservation
from flashpay import DynamoLedger, Gateway, HttpGateway, Ledger, OpenStock, open_stock
from lambda_handler.dead_letters import QueueDeadLetters
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import DeadLetters
from lambda_handler.settings import Settings

# Connections that a frozen environment kept may be dead when it thaws: none is used again after this.
_KEEP_ALIVE = timedelta(seconds=15)


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Everything outside of this environment that the function talks to."""

    ledger: Ledger
    gateway: Gateway
    dead_letters: DeadLetters | None
    stock: OpenStock | None = None


@asynccontextmanager
async def open_connections(settings: Settings, *, log: JsonLog) -> AsyncIterator[Connections]:
    """Open the ledger's client and the gateway's session; the queue's client only when poison needs it.

    No connection is made yet: a snapshot may be taken before the first event, and its connections would be dead.
    """
    async with AsyncExitStack() as exits:
        client = partial(
            aws_client, session=get_session(), keep_alive=_KEEP_ALIVE, environ={"AWS_REGION": settings.region}
        )
        dynamodb = await exits.enter_async_context(client("dynamodb"))
        connector = aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE.total_seconds())
        http = await exits.enter_async_context(aiohttp.ClientSession(connector=connector))
        stock = None
        if settings.stock_table is not None:
            stock = await exits.enter_async_context(
                open_stock(client=dynamodb, table=settings.stock_table, on_oversold=partial(_tell_oversold, log))
            )
        dead_letters = None
        if settings.dead_letter_queue_url is not None:
            dead_letters = QueueDeadLetters(
                queue_url=settings.dead_letter_queue_url,
                open_client=lambda: exits.enter_async_context(client("sqs")),
            )
        yield Connections(
            ledger=DynamoLedger(client=dynamodb, table=settings.orders_table),
            gateway=HttpGateway(session=http, base_url=settings.gateway_url),
            dead_letters=dead_letters,
            stock=stock,
        )


def _tell_oversold(log: JsonLog, reservation: Reservation) -> None:
    log.write("sold_without_units", reservation=reservation.id, units=json.dumps(dict(reservation.units)))
