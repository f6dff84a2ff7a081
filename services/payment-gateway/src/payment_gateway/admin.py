"""`/admin`: change how the provider behaves, and read from its charge store what it really did.

It has no password: the gateway simulates a provider for tests and listens on the loopback by default.
"""

from dataclasses import asdict
from datetime import datetime

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from payment_gateway.admission import AdmissionQueue
from payment_gateway.bodies import BadRequestError, invalid, read_json_body
from payment_gateway.charge_store import ChargeStore
from payment_gateway.charges import Charge
from payment_gateway.provider import Provider

_logger = structlog.get_logger()


class PageQuery(BaseModel):
    """Which stored charges to list: at most `limit`, after the one with id `after`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(default=0, ge=0, le=2**63 - 1)
    limit: int = Field(default=100, ge=1, le=1000)


def add_admin_routes(app: web.Application, *, provider: Provider, store: ChargeStore) -> None:
    """Serve `/admin/behaviour`, `/admin/charges` and `/admin/summary`."""
    _add_behaviour_routes(app, provider=provider)
    _add_record_routes(app, provider=provider, store=store)


def _add_behaviour_routes(app: web.Application, *, provider: Provider) -> None:
    async def get_behaviour(_request: web.Request) -> web.Response:
        return web.json_response(provider.behaviour.model_dump())

    async def patch_behaviour(request: web.Request) -> web.Response:
        try:
            behaviour = provider.behaviour.changed(await read_json_body(request))
        except BadRequestError as exc:
            return exc.response
        except ValidationError as exc:
            return invalid(exc, status=422).response
        provider.behave(behaviour)
        _logger.info("behaviour_changed", **behaviour.model_dump())
        return web.json_response(behaviour.model_dump())

    app.router.add_get("/admin/behaviour", get_behaviour)
    app.router.add_patch("/admin/behaviour", patch_behaviour)


def _add_record_routes(app: web.Application, *, provider: Provider, store: ChargeStore) -> None:
    async def get_charges(request: web.Request) -> web.Response:
        try:
            query = PageQuery.model_validate(dict(request.query))
        except ValidationError as exc:
            return invalid(exc, status=422).response
        # One more than asked for tells whether there is a next page.
        charges = store.page(after=query.after, limit=query.limit + 1)
        page = charges[: query.limit]
        following = page[-1].id if len(charges) > len(page) else None
        return web.json_response({"charges": [_shown(charge) for charge in page], "next": following})

    async def get_summary(_request: web.Request) -> web.Response:
        return web.json_response(asdict(store.totals()) | _state(provider.admission))

    app.router.add_get("/admin/charges", get_charges)
    app.router.add_get("/admin/summary", get_summary)


def _state(admission: AdmissionQueue) -> dict[str, int]:
    return {
        "in_flight": admission.in_flight,
        "waiting": admission.waiting,
        "peak_in_flight": admission.peak_in_flight,
    }


def _shown(charge: Charge) -> dict[str, object]:
    """Return a charge as JSON fields; times are seconds since the epoch, for analysis."""
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in asdict(charge).items()}
