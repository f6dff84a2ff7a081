"""The wiring: from settings to a running processor."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import structlog
from aiobotocore.session import get_session
from prometheus_client import CollectorRegistry

from flashbus.backoff import Backoff
from flashbus.clients import aws_client
from flashbus.consumer import Consumer
from flashbus.queue import MessageSender, Queue
from flashbus.sqs import SqsQueue
from flashops.health import Health
from flashops.lifecycle import Shutdown
from flashops.operations import operations_server
from flashpay import CircuitBreaker, Clock, DynamoLedger, FlashpayError, Gateway, HttpGateway, Ledger, Settler
from flashpay.ledger import utc_now
from order_processor.handler import MessageHandler
from order_processor.message_settler import MessageSettler
from order_processor.metrics import Metrics
from order_processor.observer import MetricsObserver
from order_processor.settings import ProcessorSettings

# Asked for when an order's own item fails: does the ledger answer at all?
_NO_ORDER = "no-order"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Everything outside of this process that the processor talks to."""

    queue: Queue
    dead_letter_queue: MessageSender
    ledger: Ledger
    gateway: Gateway


def build_consumer(
    settings: ProcessorSettings,
    *,
    resources: Resources,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    clock: Clock = utc_now,
) -> Consumer:
    """Join the parts of a processor; the same for the real resources and for fakes.

    Args:
        settings: How much, how often, how long.
        resources: What it talks to.
        registry: Where its metrics are shown.
        stop: Set, it begins the drain.
        clock: The wall clock that leases are compared with.
    """
    metrics, backoff = Metrics(registry), Backoff()
    breaker = _breaker(settings, resources.ledger)
    settler = _settler(settings, resources, clock)
    message_settler = MessageSettler(settler=settler, breaker=breaker, max_receives=settings.max_receives, clock=clock)
    consumer = Consumer(
        queue=resources.queue,
        dead_letters=resources.dead_letter_queue,
        handler=MessageHandler(message_settler=message_settler, backoff=backoff, metrics=metrics).handle,
        stop=stop,
        limits=settings.limits,
        admission=breaker,
        observer=MetricsObserver(metrics),
        backoff=backoff,
    )
    metrics.slots.set(settings.workers)
    metrics.slots_busy.set_function(lambda: consumer.busy)
    metrics.paused.set_function(lambda: 0 if breaker.closed else 1)
    metrics.stalled.set_function(lambda: int(consumer.stalled))
    return consumer


def _settler(settings: ProcessorSettings, resources: Resources, clock: Clock) -> Settler:
    return Settler(
        ledger=resources.ledger,
        gateway=resources.gateway,
        owner=f"{socket.gethostname()}:{os.getpid()}",
        lease=settings.lease,
        payment_timeout=settings.payment_timeout,
        patience=settings.patience,
        clock=clock,
    )


def _breaker(settings: ProcessorSettings, ledger: Ledger) -> CircuitBreaker:
    def tell_outage(error: FlashpayError) -> None:
        structlog.get_logger().warning("outage_started", reason=error.reason, error=str(error))

    def tell_recovery(open_for: timedelta) -> None:
        structlog.get_logger().warning("outage_ended", seconds=round(open_for.total_seconds(), 3))

    return CircuitBreaker(
        slots=settings.workers,
        ask_ledger=lambda: ledger.get(_NO_ORDER),
        threshold=settings.breaker_threshold,
        cool_down=settings.breaker_cool_down,
        patience=settings.patience,
        on_open=tell_outage,
        on_close=tell_recovery,
    )


@asynccontextmanager
async def open_resources(settings: ProcessorSettings) -> AsyncIterator[Resources]:
    """Connect to the queues, the ledger and the gateway that the settings name."""
    session = get_session()
    async with AsyncExitStack() as exits:
        sqs = await exits.enter_async_context(aws_client("sqs", session=session))
        polling = await exits.enter_async_context(
            aws_client(
                "sqs",
                session=session,
                # A long poll is silent until its end.
                read_timeout=settings.wait + timedelta(seconds=5),
                max_pool_connections=settings.poller_count + 1,
            )
        )
        dynamodb = await exits.enter_async_context(
            aws_client("dynamodb", session=session, max_pool_connections=settings.workers + 1)
        )
        # The slots bound the connections; aiohttp's own limit would hold payments up unseen.
        http = await exits.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=settings.workers + 1))
        )
        yield Resources(
            queue=SqsQueue(url=settings.queue_url, client=sqs, polling_client=polling),
            dead_letter_queue=SqsQueue(url=settings.dead_letter_queue_url, client=sqs, polling_client=polling),
            ledger=DynamoLedger(client=dynamodb, table=settings.orders_table),
            gateway=HttpGateway(session=http, base_url=settings.gateway_url),
        )


async def run_processor(settings: ProcessorSettings, *, registry: CollectorRegistry) -> None:
    """Work the queue until SIGTERM or SIGINT, finish what is in flight, return; metrics go to `registry`."""
    health = Health()
    async with Shutdown() as shutdown, open_resources(settings) as resources:
        consumer = build_consumer(settings, resources=resources, registry=registry, stop=shutdown.event)

        async def receiving() -> bool:
            return consumer.receiving

        async def progressing() -> bool:
            return not consumer.stalled

        health.add_check("queue", receiving)
        health.add_check("progress", progressing)
        async with operations_server(
            host=settings.host,
            port=settings.port,
            registry=registry,
            health=health,
            limits=settings.connection_limits,
        ) as port:
            structlog.get_logger().info("processor_started", workers=settings.workers, port=port)
            await _run_until_drained(consumer, health, shutdown)
    structlog.get_logger().info("processor_stopped")


async def _run_until_drained(consumer: Consumer, health: Health, shutdown: Shutdown) -> None:
    async def turn_unready() -> None:
        await shutdown.event.wait()
        health.set_draining()

    unready = asyncio.create_task(turn_unready(), name="readiness")
    try:
        await consumer.run()
    finally:
        unready.cancel()
