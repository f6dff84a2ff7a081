"""What the reconciler talks to: DynamoDB, SNS, SQS and the payment gateway."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashbus.queue import MessageSender
from flashbus.sns import SnsTopic
from flashbus.sns_publisher import open_publisher
from flashbus.sqs import SqsQueue
from flashpay import (
    Announcer,
    DynamoLedger,
    DynamoPaid,
    DynamoUnsettled,
    Gateway,
    HttpGateway,
    Ledger,
    OpenStock,
    PaidOrders,
    Refunds,
    SessionExchange,
    UnsettledOrders,
)
from order_processor.connections import stock_of
from order_processor.reconcile.settings import Settings
from order_processor.topic_sender import TopicSender


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Everything outside of this process that the reconciler talks to."""

    ledger: Ledger
    unsettled: UnsettledOrders
    paid: PaidOrders
    gateway: Gateway
    refunds: Refunds
    orders: MessageSender
    dead_letters: MessageSender
    stock: OpenStock | None = None
    announcer: Announcer | None = None


@asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[Connections]:
    """Connect to what the settings name."""
    session = get_session()
    async with AsyncExitStack() as exits:
        dynamodb = await exits.enter_async_context(aws_client("dynamodb", session=session))
        sqs = await exits.enter_async_context(aws_client("sqs", session=session))
        # SnsTopic tries again by itself.
        sns = await exits.enter_async_context(aws_client("sns", session=session, max_attempts=1))
        http = await exits.enter_async_context(aiohttp.ClientSession())
        stock = await exits.enter_async_context(stock_of(settings.stock_table, dynamodb))
        gateway = HttpGateway(SessionExchange(http, base_url=settings.gateway_url))
        ledger = DynamoLedger(client=dynamodb, table=settings.orders_table, retention=settings.retention)
        announcer = None
        if settings.outcomes_topic_arn:
            publish = await exits.enter_async_context(open_publisher(settings.outcomes_topic_arn, session=session))
            announcer = await exits.enter_async_context(Announcer(ledger=ledger, publish=publish))
        yield Connections(
            ledger=ledger,
            unsettled=DynamoUnsettled(client=dynamodb, table=settings.orders_table),
            paid=DynamoPaid(client=dynamodb, table=settings.orders_table),
            gateway=gateway,
            refunds=gateway,
            orders=TopicSender(SnsTopic(client=sns, topic_arn=settings.orders_topic_arn)),
            dead_letters=SqsQueue(url=settings.dead_letter_queue_url, client=sqs),
            stock=stock,
            announcer=announcer,
        )
