"""The gateway's HTTP application: every part, wired."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from flashops.health import Health, add_health_routes
from flashops.metrics import add_metrics_route
from flashops.problems import problem
from payment_gateway.admin import add_admin_routes
from payment_gateway.bodies import BODY_LIMIT_BYTES
from payment_gateway.charge_store import ChargeStore
from payment_gateway.charging import add_charge_routes
from payment_gateway.errors import ChargeStoreError
from payment_gateway.metrics import Metrics
from payment_gateway.provider import Provider

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_logger = structlog.get_logger()


def create_app(
    *, provider: Provider, store: ChargeStore, health: Health, registry: CollectorRegistry
) -> web.Application:
    """Build the application; the charge store is opened and closed by the caller."""
    metrics = Metrics(registry)
    metrics.watch(provider)
    app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[_problems])

    async def store_answers() -> None:
        store.page(after=0, limit=1)

    async def refuse_waiting_charges(_app: web.Application) -> None:
        provider.stop()

    health.add_check("charge_store", store_answers)
    add_charge_routes(app, provider=provider, metrics=metrics)
    add_admin_routes(app, provider=provider, store=store)
    add_health_routes(app, health)
    add_metrics_route(app, registry)
    app.on_shutdown.append(refuse_waiting_charges)
    return app


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exc:
        headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        return problem(exc.status, exc.reason, headers=headers)
    except ChargeStoreError as exc:
        return problem(503, "Charge store unavailable", detail=str(exc), headers={"Retry-After": "1"})
    except Exception:
        _logger.exception("request_failed", method=request.method, route=request.path)
        return problem(500, "Internal error")
