"""`POST /v1/charges` and `GET /v1/charges/{idempotency_key}`: what merchants call."""

import json
import time

import structlog
from aiohttp import web
from pydantic import ValidationError

from flashops.problems import CONTENT_TYPE, problem
from flashops.tracing import Traceparent
from payment_gateway.bodies import BadRequestError, idempotency_key, invalid, read_json_body
from payment_gateway.charges import Charge, ChargeRequest, ChargeStatus
from payment_gateway.errors import (
    AdmissionTimeoutError,
    ChargeStoreError,
    InjectedFailureError,
    KeyInFlightError,
    KeyReusedError,
    ProviderError,
)
from payment_gateway.metrics import Metrics
from payment_gateway.provider import ChargeAnswer, Provider

_STATUSES: dict[type[ProviderError], int] = {
    KeyReusedError: 422,
    KeyInFlightError: 409,
    AdmissionTimeoutError: 503,
    InjectedFailureError: 500,
    ChargeStoreError: 503,
}
CHARGE_UNKNOWN = "urn:flash-sale:charge-unknown"
_logger = structlog.get_logger()


def add_charge_routes(app: web.Application, *, provider: Provider, metrics: Metrics) -> None:
    """Serve `POST /v1/charges`, and lookups of a charge by its idempotency key."""

    async def post_charge(request: web.Request) -> web.Response:
        started = time.perf_counter()
        outcome, response, fields = await _charge(request, provider)
        seconds = time.perf_counter() - started
        metrics.observe(outcome, seconds)
        _logger.info("charge_answered", outcome=outcome, seconds=round(seconds, 6), status=response.status, **fields)
        return response

    async def get_charge(request: web.Request) -> web.Response:
        outcome, response = _lookup(request.match_info["idempotency_key"], provider)
        metrics.count_lookup(outcome)
        return response

    app.router.add_post("/v1/charges", post_charge)
    app.router.add_get("/v1/charges/{idempotency_key}", get_charge)


async def _charge(request: web.Request, provider: Provider) -> tuple[str, web.Response, dict[str, object]]:
    fields: dict[str, object] = {}
    try:
        key = fields["idempotency_key"] = idempotency_key(request)
        asked = _parsed(await read_json_body(request))
        fields["order_id"] = asked.order_id
        trace = Traceparent.parse(request.headers.get("traceparent"))
        if trace is not None:
            fields["trace_id"] = trace.trace_id
        answer = await provider.charge(key, asked, traceparent=None if trace is None else str(trace))
    except BadRequestError as exc:
        return "bad_request", exc.response, fields
    except ProviderError as exc:
        return exc.outcome, _refusal(exc), fields
    if answer.reply_lost:
        _hang_up(request)
        return "reply_lost", web.Response(status=500), fields
    return "replayed" if answer.replayed else answer.charge.status, _definite(answer), fields


def _lookup(key: str, provider: Provider) -> tuple[str, web.Response]:
    try:
        charge = provider.lookup(key)
    except ProviderError as exc:
        return exc.outcome, _refusal(exc)
    if charge is None:
        return "unknown", _unknown(key)
    return "found", _definite(ChargeAnswer(charge=charge, replayed=True, reply_lost=False))


def _unknown(key: str) -> web.Response:
    # Type and key tell this apart from a proxy's 404: only the gateway itself knows that there is no charge.
    document = {
        "type": CHARGE_UNKNOWN,
        "title": "No such charge",
        "status": 404,
        "detail": "Nothing was charged under this key, and nothing is in flight",
        "idempotency_key": key,
    }
    return web.Response(body=json.dumps(document).encode(), status=404, content_type=CONTENT_TYPE)


def _parsed(body: bytes) -> ChargeRequest:
    try:
        return ChargeRequest.model_validate_json(body)
    except ValidationError as exc:
        raise invalid(exc, status=400) from exc


def _definite(answer: ChargeAnswer) -> web.Response:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.charge.status is ChargeStatus.DECLINED:
        return _declined(answer.charge, headers)
    return web.json_response(
        {
            "charge_id": answer.charge.charge_id,
            "status": answer.charge.status,
            "order_id": answer.charge.order_id,
            "amount_minor": answer.charge.amount_minor,
            "currency": answer.charge.currency,
            "created_at": answer.charge.finished_at.isoformat(),
        },
        headers=headers,
    )


def _declined(charge: Charge, headers: dict[str, str]) -> web.Response:
    # `status` is the number in every problem document (RFC 9457), so the charge's own has another name.
    document = {
        "type": "about:blank",
        "title": "The charge is declined",
        "status": 402,
        "charge_status": charge.status,
        "reason": charge.reason,
        "order_id": charge.order_id,
    }
    return web.Response(body=json.dumps(document).encode(), status=402, content_type=CONTENT_TYPE, headers=headers)


def _refusal(error: ProviderError) -> web.Response:
    headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return problem(
        _STATUSES[type(error)], error.outcome.replace("_", " ").capitalize(), detail=str(error), headers=headers
    )


def _hang_up(request: web.Request) -> None:
    # The charge is stored; the client sees a broken connection and cannot know whether it was made.
    if request.transport is not None:
        request.transport.abort()
