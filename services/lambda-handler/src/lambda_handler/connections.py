"""The real parts of the function, opened together and closed in turn."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import aiohttp
from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashpay import DynamoLedger, HttpGateway, Settler
from lambda_handler.consumer import Consumer
from lambda_handler.dead_letters import QueueDeadLetters
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import RecordSettler
from lambda_handler.settings import FunctionSettings

# Connections that a frozen environment kept may be dead when it thaws: none is used again after this.
_KEEP_ALIVE = timedelta(seconds=15)


@asynccontextmanager
async def open_consumer(settings: FunctionSettings, *, log: JsonLog) -> AsyncIterator[Callable[[], Consumer]]:
    """Open the ledger's client and the gateway's session; the queue's client only when poison needs it.

    No connection is made yet: a snapshot may be taken before the first event, and its connections would be dead.

    Yields:
        What makes a consumer; each is an owner of its own.
    """
    async with AsyncExitStack() as exits:
        client = partial(
            aws_client, session=get_session(), keep_alive=_KEEP_ALIVE, environ={"AWS_REGION": settings.region}
        )
        dynamodb = await exits.enter_async_context(client("dynamodb"))
        connector = aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE.total_seconds())
        http = await exits.enter_async_context(aiohttp.ClientSession(connector=connector))
        ledger = DynamoLedger(client=dynamodb, table=settings.orders_table)
        dead_letters = None
        if settings.dead_letter_queue_url is not None:
            dead_letters = QueueDeadLetters(
                queue_url=settings.dead_letter_queue_url,
                open_client=lambda: exits.enter_async_context(client("sqs")),
            )

        def make_consumer() -> Consumer:
            settler = Settler(
                ledger=ledger,
                gateway=HttpGateway(session=http, base_url=settings.gateway_url),
                owner=f"lambda-{secrets.token_hex(4)}",
                lease=settings.lease,
                payment_timeout=settings.payment_timeout,
            )
            record_settler = RecordSettler(
                settler=settler,
                dead_letters=dead_letters,
                max_receives=settings.max_receives,
                payment_timeout=settings.payment_timeout,
            )
            return Consumer(record_settler=record_settler, log=log)

        yield make_consumer
