"""`POST /v1/charges`, `POST /v1/refunds`, and GET of either by its idempotency key: what merchants call."""

import time
from dataclasses import dataclass

import structlog
from aiohttp import web
from pydantic import ValidationError

from flashops.problems import problem
from flashops.tracing import Traceparent
from payment_gateway.bodies import BadRequestError, idempotency_key, invalid, read_json_body
from payment_gateway.charges import Charge, ChargeRequest, ChargeStatus, RefundRequest
from payment_gateway.errors import (
    AdmissionTimeoutError,
    ChargeStoreError,
    ChargeUnknownError,
    InjectedFailureError,
    KeyInFlightError,
    KeyReusedError,
    ProviderError,
)
from payment_gateway.metrics import Metrics
from payment_gateway.provider import ChargeAnswer, Provider

_STATUSES: dict[type[ProviderError], int] = {
    KeyReusedError: 422,
    ChargeUnknownError: 400,
    KeyInFlightError: 409,
    AdmissionTimeoutError: 503,
    InjectedFailureError: 500,
    ChargeStoreError: 503,
}
_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What is asked for: a charge or its refund. `statuses` are its definite answers."""

    name: str
    model: type[ChargeRequest]
    statuses: frozenset[ChargeStatus]


_CHARGE = _Kind(name="charge", model=ChargeRequest, statuses=frozenset({ChargeStatus.SUCCEEDED, ChargeStatus.DECLINED}))
_REFUND = _Kind(name="refund", model=RefundRequest, statuses=frozenset({ChargeStatus.REFUNDED}))


def add_charge_routes(app: web.Application, *, provider: Provider, metrics: Metrics) -> None:
    """Serve `POST /v1/charges` and `POST /v1/refunds`, and lookups of either by its idempotency key."""
    for kind in (_CHARGE, _REFUND):
        _add_routes(app, kind, provider=provider, metrics=metrics)


def _add_routes(app: web.Application, kind: _Kind, *, provider: Provider, metrics: Metrics) -> None:
    async def post(request: web.Request) -> web.Response:
        started = time.perf_counter()
        outcome, response, fields = await _answer(request, kind, provider)
        seconds = time.perf_counter() - started
        metrics.observe(outcome, seconds)
        event = f"{kind.name}_answered"
        _logger.info(event, outcome=outcome, seconds=round(seconds, 6), status=response.status, **fields)
        return response

    async def get(request: web.Request) -> web.Response:
        outcome, response = _lookup(request.match_info["idempotency_key"], kind, provider)
        metrics.count_lookup(outcome)
        return response

    app.router.add_post(f"/v1/{kind.name}s", post)
    app.router.add_get(f"/v1/{kind.name}s/{{idempotency_key}}", get)


async def _answer(request: web.Request, kind: _Kind, provider: Provider) -> tuple[str, web.Response, dict[str, object]]:
    fields: dict[str, object] = {}
    try:
        key = fields["idempotency_key"] = idempotency_key(request)
        asked = _parsed(kind, await read_json_body(request))
        fields["order_id"] = asked.order_id
        trace = Traceparent.parse(request.headers.get("traceparent"))
        if trace is not None:
            fields["trace_id"] = trace.trace_id
        answer = await _asked(provider, key, asked, traceparent=None if trace is None else str(trace))
    except BadRequestError as exc:
        return "bad_request", exc.response, fields
    except ProviderError as exc:
        return exc.outcome, _refusal(exc), fields
    if answer.reply_lost:
        _hang_up(request)
        return "reply_lost", web.Response(status=500), fields
    return "replayed" if answer.replayed else answer.charge.status, _definite(answer), fields


async def _asked(provider: Provider, key: str, asked: ChargeRequest, *, traceparent: str | None) -> ChargeAnswer:
    if isinstance(asked, RefundRequest):
        return await provider.refund(key, asked, traceparent=traceparent)
    return await provider.charge(key, asked, traceparent=traceparent)


def _lookup(key: str, kind: _Kind, provider: Provider) -> tuple[str, web.Response]:
    try:
        charge = provider.lookup(key)
    except ProviderError as exc:
        return exc.outcome, _refusal(exc)
    if charge is None or charge.status not in kind.statuses:
        return "unknown", _unknown(kind, key)
    return "found", _definite(ChargeAnswer(charge=charge, replayed=True, reply_lost=False))


def _unknown(kind: _Kind, key: str) -> web.Response:
    # Type and key tell this apart from a proxy's 404: only the gateway itself knows that there is no charge.
    return problem(
        404,
        f"No such {kind.name}",
        type=f"urn:flash-sale:{kind.name}-unknown",
        detail=f"There is no {kind.name} under this key, and none is in flight",
        members={"idempotency_key": key},
    )


def _parsed(kind: _Kind, body: bytes) -> ChargeRequest:
    try:
        return kind.model.model_validate_json(body)
    except ValidationError as exc:
        raise invalid(exc, status=400) from exc


def _definite(answer: ChargeAnswer) -> web.Response:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.charge.status is ChargeStatus.DECLINED:
        return _declined(answer.charge, headers)
    name = "refund_id" if answer.charge.status is ChargeStatus.REFUNDED else "charge_id"
    return web.json_response(
        {
            name: answer.charge.charge_id,
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
    members = {"charge_status": charge.status, "reason": charge.reason, "order_id": charge.order_id}
    return problem(402, "The charge is declined", members=members, headers=headers)


def _refusal(error: ProviderError) -> web.Response:
    headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return problem(
        _STATUSES[type(error)], error.outcome.replace("_", " ").capitalize(), detail=str(error), headers=headers
    )


def _hang_up(request: web.Request) -> None:
    # The charge is stored; the client sees a broken connection and cannot know whether it was made.
    if request.transport is not None:
        request.transport.abort()
