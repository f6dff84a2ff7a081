"""What the API talks to: SNS, DynamoDB and the payment gateway."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import structlog
from aiobotocore.session import AioSession, get_session

from flashbus.sns import SnsClient, SnsTopic
from flashbus.sns_publisher import open_publisher
from flashbus.topic import Topic
from flashbus.wire.clients import dynamo_client, sns_client
from flashmsg import Reservation
from flashpay import Announcer, DynamoLedger, Gateway, HttpGateway, Ledger, Refunds, SessionExchange
from flashstock.dynamo import DynamoClient, dynamo_stock
from flashstock.observer import StockObserver
from flashstock.stock import Stock
from order_api.catalogue import ProductSource
from order_api.dynamo_products import DynamoProducts
from order_api.settings import Settings

# A lookup that a customer waits for; DynamoDB answers in milliseconds or not at all.
_DYNAMO_TIMEOUT = timedelta(seconds=2)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What the API talks to; no `stock` where nothing is limited, no `announcer` where nobody is told of ends."""

    topic: Topic
    ledger: Ledger
    gateway: Gateway
    refunds: Refunds
    products: ProductSource
    stock: Stock | None = None
    announcer: Announcer | None = None


@asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[Connections]:
    """Open clients of everything outside; they are closed with the block. Nothing is called yet."""
    session = get_session()
    async with AsyncExitStack() as stack:
        sns = await stack.enter_async_context(_sns_client(settings.publish_timeout, session))
        dynamo = await stack.enter_async_context(
            dynamo_client(connect_timeout=_DYNAMO_TIMEOUT, read_timeout=_DYNAMO_TIMEOUT, session=session)
        )
        # Each with connections of its own: refunds must not keep those waiting who pay, nor the reverse. Of 0 aiohttp
        # makes "as many as there are".
        charging, refunding = [
            await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=max(1, settings.sync_limit)))
            )
            for _ in range(2)
        ]
        ledger = DynamoLedger(client=dynamo, table=settings.orders_table, retention=settings.retention)
        announcer = None
        if settings.outcomes_topic_arn:
            publish = await stack.enter_async_context(open_publisher(settings.outcomes_topic_arn, session=session))
            announcer = await stack.enter_async_context(Announcer(ledger=ledger, publish=publish))
        yield Connections(
            topic=SnsTopic(client=sns, topic_arn=settings.orders_topic_arn),
            ledger=ledger,
            gateway=HttpGateway(SessionExchange(charging, base_url=settings.gateway_url)),
            refunds=HttpGateway(SessionExchange(refunding, base_url=settings.gateway_url)),
            products=DynamoProducts(client=dynamo, table=settings.products_table),
            stock=_stock(dynamo, settings.stock_table),
            announcer=announcer,
        )


def _sns_client(publish_timeout: timedelta, session: AioSession) -> AbstractAsyncContextManager[SnsClient]:
    # The publisher's own deadline ends a call. The topic tries again itself: behind the client's own retries a first
    # attempt that may have arrived could not be told from one that did not.
    return sns_client(
        # Sooner than the publisher's deadline: what never got a connection was certainly not taken.
        connect_timeout=publish_timeout / 2,
        read_timeout=publish_timeout,
        max_attempts=1,
        session=session,
    )


def _stock(client: DynamoClient, table: str) -> Stock | None:
    return dynamo_stock(client=client, table=table, observer=OversoldLog()) if table else None


class OversoldLog(StockObserver):
    """Says what somebody has to look after: a customer has paid, and others have the units."""

    def oversold(self, reservation: Reservation) -> None:
        """See `StockObserver.oversold`."""
        log.error("sold_without_units", reservation=reservation.id, units=dict(reservation.units))
