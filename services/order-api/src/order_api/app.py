"""The application and its wiring, the same in production and in tests."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry

from flashbus.publisher import GroupCommitPublisher, Topic
from flashops.health import Health, add_health_routes
from flashops.metrics import add_metrics_route
from flashpay import Gateway, Ledger, Settler
from order_api import app_keys
from order_api.async_orders import post_async_order
from order_api.bodies import leave_expectation
from order_api.catalogue import Catalogue, ProductSource
from order_api.intake import Intake
from order_api.metrics import Metrics
from order_api.openapi import document_json
from order_api.order_ids import OrderIds
from order_api.order_status import get_order
from order_api.settings import Settings
from order_api.sync_desk import SyncDesk
from order_api.sync_orders import post_sync_order
from order_api.telemetry import server_logger, telemetry
from order_api.views import HealthView

# How the server treats connections. A body that a refusal left unread is drained this long, so that the
# client sees the answer and not a reset; it is never decompressed, as encodings are refused.
_CONNECTIONS: Mapping[str, object] = {"lingering_time": 0.5, "auto_decompress": False}
_CATALOGUE = web.AppKey("catalogue", Catalogue)
_HEALTH_BODY = HealthView().model_dump_json().encode()


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    topic: Topic,
    ledger: Ledger,
    gateway: Gateway,
    products: ProductSource,
    health: Health | None = None,
    registry: CollectorRegistry | None = None,
    now: Callable[[], datetime] = utc_now,
) -> web.Application:
    """Wire the API.

    Args:
        settings: Read once.
        topic: Where accepted orders go.
        ledger: Where orders are kept.
        gateway: Charges.
        products: Where prices come from.
        health: Served at `/livez` and `/readyz`, a fresh one by default.
        registry: Served at `/metrics`, a fresh one by default.
        now: The time in UTC.

    Returns:
        The application, not started. It opens nothing that it was given and closes nothing of it.
    """
    health = health or Health()
    registry = registry or CollectorRegistry()
    metrics = Metrics(registry)
    connections = {**_CONNECTIONS, "logger": server_logger(metrics)}
    app = web.Application(middlewares=[telemetry(metrics)], handler_args=connections)
    app[app_keys.SETTINGS] = settings
    app[app_keys.METRICS] = metrics
    app[app_keys.LEDGER] = ledger
    app[app_keys.OPENAPI] = document_json()
    app[_CATALOGUE] = _catalogue(settings, products, metrics)
    app[app_keys.INTAKE] = Intake(
        ids=OrderIds(secret=settings.order_id_secret.get_secret_value().encode()),
        catalogue=app[_CATALOGUE],
        now=now,
    )
    app[app_keys.PUBLISHER] = _publisher(settings, topic, metrics)
    app[app_keys.DESK] = _desk(settings, ledger, gateway, metrics)
    app.cleanup_ctx.append(_running)
    health.add_check("catalogue", app[_CATALOGUE].check)
    _add_routes(app)
    add_health_routes(app, health)
    add_metrics_route(app, registry)
    return app


def _catalogue(settings: Settings, products: ProductSource, metrics: Metrics) -> Catalogue:
    return Catalogue(
        source=products,
        refresh=timedelta(seconds=settings.catalogue_refresh_seconds),
        on_refresh=metrics.catalogue_refreshed,
        on_failure=metrics.catalogue_failed,
    )


def _publisher(settings: Settings, topic: Topic, metrics: Metrics) -> GroupCommitPublisher:
    return GroupCommitPublisher(
        topic=topic,
        linger=timedelta(seconds=settings.publish_linger_seconds),
        timeout=timedelta(seconds=settings.publish_timeout_seconds),
        on_batch=metrics.batch,
    )


def _desk(settings: Settings, ledger: Ledger, gateway: Gateway, metrics: Metrics) -> SyncDesk:
    settler = Settler(
        ledger=ledger,
        gateway=gateway,
        owner=f"order-api/{socket.gethostname()}:{os.getpid()}",
        lease=timedelta(seconds=settings.lease_seconds),
        payment_timeout=timedelta(seconds=settings.payment_timeout_seconds),
    )
    return SyncDesk(
        settler=settler,
        limit=settings.sync_limit,
        wait=timedelta(seconds=settings.sync_wait_seconds),
        deadline=timedelta(seconds=settings.sync_deadline_seconds),
        on_settled=metrics.settled,
        on_change=metrics.sync_in_flight.set,
    )


async def _running(app: web.Application) -> AsyncIterator[None]:
    # Requests have ended before this is left: what they began is finished, then drained.
    async with app[_CATALOGUE], app[app_keys.PUBLISHER]:
        yield
        await app[app_keys.DESK].aclose()


def _add_routes(app: web.Application) -> None:
    app.router.add_post("/orders/async", post_async_order, expect_handler=leave_expectation)
    app.router.add_post("/orders/sync", post_sync_order, expect_handler=leave_expectation)
    app.router.add_get("/orders/{order_id}", get_order)
    app.router.add_get("/health", _health)
    app.router.add_get("/openapi.json", _openapi)


async def _health(_request: web.Request) -> web.Response:
    return web.Response(body=_HEALTH_BODY, content_type="application/json")


async def _openapi(request: web.Request) -> web.Response:
    return web.Response(body=request.app[app_keys.OPENAPI], content_type="application/json")
