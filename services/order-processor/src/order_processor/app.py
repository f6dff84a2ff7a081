"""The consumer and its wiring, the same in production and in tests."""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry

from flashbus.backoff import Backoff
from flashbus.consumer import Consumer
from flashops.logs import WriteInfo, write_info
from flashops.metrics import outcome_counter
from flashops.owner import owner_name
from flashpay import CircuitBreaker, Clock, FlashpayError, Ledger, Settler, utc_now
from order_processor.connections import Connections
from order_processor.handler import MessageHandler
from order_processor.message_settler import MessageSettler
from order_processor.metrics import Metrics
from order_processor.observer import MetricsObserver
from order_processor.settings import SERVICE, Settings

# Asked for when an order's own item fails: does the ledger answer at all?
_NO_ORDER = "no-order"


def build_consumer(
    settings: Settings,
    *,
    connections: Connections,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    clock: Clock = utc_now,
    write_line: WriteInfo = write_info,
) -> Consumer:
    """Join the parts of a processor; the same for real connections and for fakes.

    Args:
        settings: How much, how often, how long.
        connections: What it talks to.
        registry: Where its metrics are shown.
        stop: Set, it begins the drain.
        clock: The wall clock that leases are compared with.
        write_line: Writes the line of a message.
    """
    metrics, backoff = Metrics(registry), Backoff()
    breaker = _breaker(settings, connections.ledger)
    settler = _settler(settings, connections, clock)
    message_settler = MessageSettler(settler=settler, breaker=breaker, max_receives=settings.max_receives, clock=clock)
    consumer = Consumer(
        queue=connections.queue,
        dead_letters=connections.dead_letter_queue,
        handler=MessageHandler(message_settler=message_settler, backoff=backoff, metrics=metrics).handle,
        stop=stop,
        limits=settings.limits,
        admission=breaker,
        observer=MetricsObserver(metrics),
        backoff=backoff,
        write_line=write_line,
    )
    if connections.announcer is not None:
        connections.announcer.on_told = outcome_counter(registry)
    metrics.slots.set(settings.workers)
    _show_state(metrics, consumer, breaker)
    return consumer


def _show_state(metrics: Metrics, consumer: Consumer, breaker: CircuitBreaker) -> None:
    metrics.slots_busy.set_function(lambda: consumer.busy)
    metrics.paused.set_function(lambda: 0 if breaker.closed else 1)
    metrics.stalled.set_function(lambda: int(consumer.stalled))


def _settler(settings: Settings, connections: Connections, clock: Clock) -> Settler:
    return Settler(
        ledger=connections.ledger,
        gateway=connections.gateway,
        stock=None if connections.stock is None else connections.stock.endings,
        limits=None if connections.stock is None else connections.stock.limits,
        announcer=connections.announcer,
        owner=owner_name(SERVICE),
        lease=settings.lease,
        payment_timeout=settings.payment_timeout,
        key_window=settings.gateway_key_window,
        patience=settings.patience,
        clock=clock,
    )


def _breaker(settings: Settings, ledger: Ledger) -> CircuitBreaker:
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
