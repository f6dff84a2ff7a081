"""The consumer and its wiring."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from flashpay import Settler
from lambda_handler.connections import Connections, open_connections
from lambda_handler.consumer import BatchConsumer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import RecordSettler
from lambda_handler.settings import SERVICE, Settings


@asynccontextmanager
async def open_consumer(settings: Settings, *, log: JsonLog) -> AsyncIterator[Callable[[], BatchConsumer]]:
    """Open the connections.

    Yields:
        What makes a consumer; each is an owner of its own.
    """
    async with open_connections(settings, log=log) as connections:
        yield lambda: build_consumer(settings, connections=connections, log=log)


def build_consumer(settings: Settings, *, connections: Connections, log: JsonLog) -> BatchConsumer:
    """Join the parts of a consumer; the same for real connections and for fakes."""
    record_settler = RecordSettler(
        settler=_settler(settings, connections),
        dead_letters=connections.dead_letters,
        max_receives=settings.max_receives,
        payment_timeout=settings.payment_timeout,
    )
    return BatchConsumer(record_settler=record_settler, announcer=connections.announcer, log=log)


def _settler(settings: Settings, connections: Connections) -> Settler:
    return Settler(
        ledger=connections.ledger,
        gateway=connections.gateway,
        stock=None if connections.stock is None else connections.stock.endings,
        limits=None if connections.stock is None else connections.stock.limits,
        announcer=connections.announcer,
        # Environments of one snapshot share host name and process id: a number drawn in each tells them apart.
        owner=f"{SERVICE}/{secrets.token_hex(4)}",
        lease=settings.lease,
        payment_timeout=settings.payment_timeout,
        key_window=settings.gateway_key_window,
    )
