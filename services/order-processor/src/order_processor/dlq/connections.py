"""What the command talks to: the dead-letter queues, where their letters go back to, and the ledger."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiobotocore.session import AioSession, get_session

from flashbus.clients import aws_client
from flashbus.queue import MessageSender, Queue
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from flashpay import DynamoLedger, Reservations
from order_processor.connections import stock_of
from order_processor.dlq.last_traces import LastTraces
from order_processor.dlq.places import Books, Home, Places, QueueName
from order_processor.topic_sender import TopicSender


@dataclass(frozen=True, kw_only=True)
class Connections:
    """The dead-letter queues there are, the ways back, and what ends the orders of discarded letters."""

    queues: dict[QueueName, Queue]
    senders: dict[Home, MessageSender]
    last_traces: LastTraces | None = None


@asynccontextmanager
async def open_connections(stack: str | None) -> AsyncIterator[Connections]:
    """Connect to what the outputs of a stack name, or without one the environment."""
    session = get_session()
    async with AsyncExitStack() as exits:
        if stack is None:
            places = Places.from_environment(os.environ)
        else:
            places = await Places.from_stack(
                await exits.enter_async_context(aws_client("cloudformation", session=session)), stack
            )
        sqs = await exits.enter_async_context(aws_client("sqs", session=session))
        senders: dict[Home, MessageSender] = {}
        if "queue" in places.homes:
            senders["queue"] = SqsQueue(url=places.homes["queue"], client=sqs)
        if "topic" in places.homes:
            # SnsTopic tries again by itself.
            sns = await exits.enter_async_context(aws_client("sns", session=session, max_attempts=1))
            senders["topic"] = TopicSender(SnsTopic(client=sns, topic_arn=places.homes["topic"]))
        queues: dict[QueueName, Queue] = {
            name: SqsQueue(url=url, client=sqs) for name, url in places.dead_letter_urls.items()
        }
        last_traces = None
        if places.books.orders_table:
            last_traces = await exits.enter_async_context(_open_books(places.books, session))
        yield Connections(queues=queues, senders=senders, last_traces=last_traces)


@asynccontextmanager
async def _open_books(books: Books, session: AioSession) -> AsyncIterator[LastTraces]:
    async with AsyncExitStack() as exits:
        dynamodb = await exits.enter_async_context(aws_client("dynamodb", session=session))
        stock = await exits.enter_async_context(stock_of(books.stock_table, dynamodb))
        yield LastTraces(
            ledger=DynamoLedger(client=dynamodb, table=books.orders_table, retention=books.retention),
            reservations=Reservations(
                stock=None if stock is None else stock.endings, limits=None if stock is None else stock.limits
            ),
        )
