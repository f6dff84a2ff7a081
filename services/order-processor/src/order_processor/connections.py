"""What the processor talks to: SQS, DynamoDB and the payment gateway."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from aiobotocore.session import get_session

from flashbus.queue import MessageSender, Queue
from flashbus.sns_publisher import open_publisher
from flashbus.sqs import SqsQueue
from flashbus.wire.clients import dynamo_client, sqs_client
from flashbus.wire.direct import open_direct
from flashbus.wire.limits import TransportLimits
from flashmsg import Reservation
from flashpay import (
    ANSWER_LIMIT_BYTES,
    Announcer,
    DirectExchange,
    DynamoLedger,
    Gateway,
    HttpGateway,
    Ledger,
    OpenStock,
    open_stock,
)
from order_processor.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Everything outside of this process that the processor talks to."""

    queue: Queue
    dead_letter_queue: MessageSender
    ledger: Ledger
    gateway: Gateway
    stock: OpenStock | None = None
    announcer: Announcer | None = None


@asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[Connections]:
    """Connect to the queues, the ledger, the stock and the gateway that the settings name."""
    session = get_session()
    async with AsyncExitStack() as exits:
        sqs = await exits.enter_async_context(sqs_client(session=session))
        polling = await exits.enter_async_context(
            sqs_client(
                session=session,
                # A long poll is silent until its end.
                read_timeout=settings.wait + timedelta(seconds=5),
                max_pool_connections=settings.poller_count + 1,
            )
        )
        dynamodb = await exits.enter_async_context(
            dynamo_client(session=session, max_pool_connections=settings.workers + 1)
        )
        stock = await exits.enter_async_context(stock_of(settings.stock_table, dynamodb))
        ledger = DynamoLedger(client=dynamodb, table=settings.orders_table, retention=settings.retention)
        announcer = None
        if settings.outcomes_topic_arn:
            publish = await exits.enter_async_context(open_publisher(settings.outcomes_topic_arn, session=session))
            announcer = await exits.enter_async_context(Announcer(ledger=ledger, publish=publish))
        paying = await exits.enter_async_context(open_direct(settings.gateway_url, limits=_gateway_limits(settings)))
        yield Connections(
            queue=SqsQueue(url=settings.queue_url, client=sqs, polling_client=polling),
            dead_letter_queue=SqsQueue(url=settings.dead_letter_queue_url, client=sqs, polling_client=polling),
            ledger=ledger,
            gateway=HttpGateway(DirectExchange(paying, base_url=settings.gateway_url)),
            stock=stock,
            announcer=announcer,
        )


def _gateway_limits(settings: Settings) -> TransportLimits:
    # The slots bound the connections; a limit below them would hold payments up unseen.
    return TransportLimits.behind(
        settings.payment_timeout, connections=settings.workers + 1, answer_bytes=ANSWER_LIMIT_BYTES
    )


@asynccontextmanager
async def stock_of(table: str, client: Any) -> AsyncIterator[OpenStock | None]:  # noqa: ANN401 - botocore's are untyped
    """Open the stock in a table, or none where no table is named; what is paid without its units is logged."""
    if not table:
        yield None
        return
    async with open_stock(client=client, table=table, on_oversold=_tell_oversold) as stock:
        yield stock


def _tell_oversold(reservation: Reservation) -> None:
    """Log that a reservation was paid after its units had been sold to others."""
    structlog.get_logger().error("sold_without_units", reservation=reservation.id, units=dict(reservation.units))
