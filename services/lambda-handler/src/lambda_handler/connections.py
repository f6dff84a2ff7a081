"""What the function talks to: DynamoDB, the payment gateway, and the dead-letter queue when poison needs it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from flashbus.sns import SnsTopic
from flashbus.topic import Entry, Topic
from flashbus.wire.clients import dynamo_client, sns_client, sqs_client
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
from lambda_handler.dead_letters import QueueDeadLetters
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import DeadLetters
from lambda_handler.settings import Settings

# Connections that a frozen environment kept may be dead when it thaws: none is used again after this.
_KEEP_ALIVE = timedelta(seconds=15)
# To the gateway: above any batch that the template asks for, whose records are settled together.
_CONNECTIONS = 100


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Everything outside of this environment that the function talks to."""

    ledger: Ledger
    gateway: Gateway
    dead_letters: DeadLetters | None
    stock: OpenStock | None = None
    announcer: Announcer | None = None


@asynccontextmanager
async def open_connections(settings: Settings, *, log: JsonLog) -> AsyncIterator[Connections]:
    """Open the ledger's client and the way to the gateway; the queue's client only when poison needs it.

    No connection is made yet: a snapshot may be taken before the first event, and its connections would be dead.
    """
    async with AsyncExitStack() as exits:
        environ = {"AWS_REGION": settings.region}
        dynamodb = await exits.enter_async_context(dynamo_client(keep_alive=_KEEP_ALIVE, environ=environ))
        paying = await exits.enter_async_context(open_direct(settings.gateway_url, limits=_gateway_limits(settings)))
        stock = None
        if settings.stock_table is not None:
            stock = await exits.enter_async_context(
                open_stock(client=dynamodb, table=settings.stock_table, on_oversold=partial(_tell_oversold, log))
            )
        ledger = DynamoLedger(client=dynamodb, table=settings.orders_table, retention=settings.retention)
        announcer = None
        if settings.outcomes_topic_arn is not None:
            # SnsTopic tries again by itself.
            sns = await exits.enter_async_context(sns_client(keep_alive=_KEEP_ALIVE, environ=environ, max_attempts=1))
            topic = SnsTopic(client=sns, topic_arn=settings.outcomes_topic_arn)
            announcer = Announcer(ledger=ledger, publish=partial(_publish, topic), on_told=partial(_tell_owed, log))
        dead_letters = None
        if settings.dead_letter_queue_url is not None:
            dead_letters = QueueDeadLetters(
                queue_url=settings.dead_letter_queue_url,
                open_client=lambda: exits.enter_async_context(sqs_client(keep_alive=_KEEP_ALIVE, environ=environ)),
            )
        yield Connections(
            ledger=ledger,
            gateway=HttpGateway(DirectExchange(paying, base_url=settings.gateway_url)),
            dead_letters=dead_letters,
            stock=stock,
            announcer=announcer,
        )


def _gateway_limits(settings: Settings) -> TransportLimits:
    return TransportLimits.behind(
        settings.payment_timeout, connections=_CONNECTIONS, answer_bytes=ANSWER_LIMIT_BYTES, keep_alive=_KEEP_ALIVE
    )


class OutcomeRefusedError(Exception):
    """The topic did not take an outcome."""


async def _publish(topic: Topic, body: str, attributes: Mapping[str, str]) -> None:
    # One by one: the bus's publisher logs through structlog, which a cold start should not pay for.
    for refusal in (await topic.publish_batch([Entry(body, attributes)])).values():
        raise OutcomeRefusedError(refusal.code)


def _tell_owed(log: JsonLog, order_id: str, error: Exception | None) -> None:
    if error is not None:
        log.write("outcome_owed", order_id=order_id, error=repr(error))


def _tell_oversold(log: JsonLog, reservation: Reservation) -> None:
    log.write("sold_without_units", reservation=reservation.id, units=json.dumps(dict(reservation.units)))
