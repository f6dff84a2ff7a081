"""The application and its wiring, the same in production and in tests."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry

from flashbus.publisher import GroupCommitPublisher
from flashbus.topic import Topic
from flashops.health import Health
from flashops.logs import WriteInfo, write_info
from flashops.metrics import outcome_counter
from flashops.owner import owner_name
from flashpay import Canceller, Refunder, Reservations, Settler, utc_now
from flashstock.stock import Stock
from order_api import app_keys
from order_api.async_orders import post_async_order
from order_api.bodies import leave_expectation, send_continue
from order_api.cancelling import cancel_order
from order_api.catalogue import Catalogue, ProductSource
from order_api.connections import Connections
from order_api.intake import Intake
from order_api.limited_products import LimitedProducts
from order_api.metrics import Metrics
from order_api.openapi import document_json
from order_api.order_book import OrderBook
from order_api.order_status import get_order
from order_api.product_listing import ProductListing
from order_api.products import get_product, get_products
from order_api.retry_after import RetryAfter
from order_api.selling import Selling, selling
from order_api.settings import SERVICE, Settings
from order_api.settlement_limiter import SettlementLimiter
from order_api.sync_orders import post_sync_order
from order_api.telemetry import telemetry
from order_api.views import HealthView

_CATALOGUE = web.AppKey("catalogue", Catalogue)
_SELLING = web.AppKey("selling", Selling)
_HEALTH_BODY = HealthView().model_dump_json().encode()


def create_app(
    settings: Settings,
    *,
    connections: Connections,
    health: Health | None = None,
    registry: CollectorRegistry | None = None,
    now: Callable[[], datetime] = utc_now,
    write_line: WriteInfo = write_info,
) -> web.Application:
    """Wire the API.

    Args:
        settings: Read once.
        connections: What it talks to; the real parts or fakes.
        health: Told what readiness depends on; it and the registry are served on the operations port.
        registry: Where the metrics are kept, a fresh one by default.
        now: The time in UTC.
        write_line: Writes the line of a request.

    Returns:
        The application, not started. It opens nothing that it was given and closes nothing of it.
    """
    registry, health = registry or CollectorRegistry(), health or Health()
    metrics = Metrics(registry)
    app = web.Application(middlewares=[telemetry(metrics, write_line)])
    app[app_keys.OPENAPI] = document_json()
    app[app_keys.SETTINGS] = settings
    app[app_keys.METRICS] = metrics
    if connections.announcer is not None:
        connections.announcer.on_told = outcome_counter(registry)
    _add_parts(app, settings, connections, metrics, now)
    _add_selling(app, settings, connections, registry)
    _add_catalogue(app, settings, connections, metrics, now)
    app.cleanup_ctx.append(_running)
    health.add_check("catalogue", app[_CATALOGUE].check)
    if connections.stock is not None:
        health.add_check("stock", app[_SELLING].levels.check)
    _add_routes(app)
    return app


def _add_parts(
    app: web.Application,
    settings: Settings,
    connections: Connections,
    metrics: Metrics,
    now: Callable[[], datetime],
) -> None:
    app[app_keys.RETRY_AFTER] = RetryAfter()
    app[app_keys.CANCELLER] = _canceller(settings, connections, now)
    app[app_keys.BOOK] = OrderBook(ledger=connections.ledger, timeout=settings.publish_timeout)
    app[app_keys.PUBLISHER] = _publisher(settings, connections.topic, metrics)
    app[app_keys.SETTLEMENT_LIMITER] = _settlement_limiter(settings, connections, metrics)


def _add_selling(
    app: web.Application, settings: Settings, connections: Connections, registry: CollectorRegistry
) -> None:
    app[_SELLING] = selling(
        settings,
        stock=connections.stock,
        ledger=connections.ledger,
        publisher=app[app_keys.PUBLISHER],
        registry=registry,
    )
    app[app_keys.SALE] = app[_SELLING].sale


def _add_catalogue(
    app: web.Application,
    settings: Settings,
    connections: Connections,
    metrics: Metrics,
    now: Callable[[], datetime],
) -> None:
    levels = app[_SELLING].levels
    app[_CATALOGUE] = _catalogue(settings, LimitedProducts(source=connections.products, levels=levels), metrics)
    app[app_keys.INTAKE] = Intake(
        ids=settings.order_ids,
        catalogue=app[_CATALOGUE],
        retry_after=app[app_keys.RETRY_AFTER],
        now=now,
    )
    app[app_keys.LISTING] = ProductListing(catalogue=app[_CATALOGUE], stock=levels)


def _catalogue(settings: Settings, products: ProductSource, metrics: Metrics) -> Catalogue:
    return Catalogue(
        source=products,
        refresh=settings.catalogue_refresh,
        on_refresh=metrics.catalogue_refreshed,
        on_failure=metrics.catalogue_failed,
    )


def _publisher(settings: Settings, topic: Topic, metrics: Metrics) -> GroupCommitPublisher:
    return GroupCommitPublisher(
        topic=topic,
        linger=settings.publish_linger,
        timeout=settings.publish_timeout,
        on_batch=metrics.batch,
    )


def _settlement_limiter(settings: Settings, connections: Connections, metrics: Metrics) -> SettlementLimiter:
    settler = Settler(
        ledger=connections.ledger,
        gateway=connections.gateway,
        stock=None if connections.stock is None else connections.stock.endings,
        limits=None if connections.stock is None else connections.stock.limits,
        announcer=connections.announcer,
        owner=owner_name(SERVICE),
        lease=settings.lease,
        payment_timeout=settings.payment_timeout,
        key_window=settings.gateway_key_window,
    )
    return SettlementLimiter(
        settler=settler,
        limit=settings.sync_limit,
        wait=settings.sync_wait,
        deadline=settings.sync_deadline,
        on_settled=metrics.settled,
        on_change=metrics.sync_in_flight.set,
    )


def _canceller(settings: Settings, connections: Connections, now: Callable[[], datetime]) -> Canceller:
    reservations = _reservations(connections.stock)
    refunder = Refunder(
        ledger=connections.ledger,
        refunds=connections.refunds,
        reservations=reservations,
        timeout=settings.payment_timeout,
        key_window=settings.gateway_key_window,
        clock=now,
    )
    return Canceller(
        ledger=connections.ledger,
        refunder=refunder,
        reservations=reservations,
        announcer=connections.announcer,
        forgetful=settings.retention.keep is not None,
        # A refund that is answered in time is noted, and more than that if all goes well.
        timeout=settings.payment_timeout + settings.publish_timeout,
    )


def _reservations(stock: Stock | None) -> Reservations:
    return Reservations(stock=stock.endings, limits=stock.limits) if stock else Reservations(stock=None, limits=None)


async def _running(app: web.Application) -> AsyncIterator[None]:
    # Requests have ended before this is left: what they began is finished, then drained.
    async with app[_CATALOGUE], app[app_keys.PUBLISHER], app[_SELLING].running():
        yield
        await app[app_keys.SETTLEMENT_LIMITER].aclose()


def _add_routes(app: web.Application) -> None:
    app.router.add_post("/orders/async", post_async_order, expect_handler=leave_expectation)
    app.router.add_post("/orders/sync", post_sync_order, expect_handler=leave_expectation)
    app.router.add_get("/orders/{order_id}", get_order, expect_handler=send_continue)
    app.router.add_delete("/orders/{order_id}", cancel_order, expect_handler=send_continue)
    app.router.add_post("/orders/{order_id}/cancel", cancel_order, expect_handler=send_continue)
    app.router.add_get("/products", get_products, expect_handler=send_continue)
    app.router.add_get("/products/{product_id}", get_product, expect_handler=send_continue)
    app.router.add_get("/health", _health, expect_handler=send_continue)
    app.router.add_get("/openapi.json", _openapi, expect_handler=send_continue)


async def _health(_request: web.Request) -> web.Response:
    return web.Response(body=_HEALTH_BODY, content_type="application/json")


async def _openapi(request: web.Request) -> web.Response:
    return web.Response(body=request.app[app_keys.OPENAPI], content_type="application/json")
