"""The payment gateway behind HTTP, and which of its answers are definite."""

import json
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashmsg import too_deep
from flashpay.errors import (
    ConflictingChargeError,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    KeyReusedError,
)
from flashpay.exchanges import Exchange, GatewayAnswer
from flashpay.gateway import (
    Approved,
    ChargeKnown,
    ChargeRequest,
    ChargeResult,
    Declined,
    NotCharged,
    NotRefunded,
    Refunded,
    RefundKnown,
    RefundRequest,
)

_Model = TypeVar("_Model", bound=BaseModel)

_CHARGES, _REFUNDS = "/v1/charges", "/v1/refunds"
_REASON_LIMIT = 200
# The gateway found fault with our access, not with this order: no order may be given up for it.
_ACCESS = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
}
_OVERLOADED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_TRY_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


class _Receipt(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    charge_id: str = Field(min_length=1, max_length=_REASON_LIMIT)
    status: Literal["succeeded"]
    order_id: str
    amount_minor: int
    currency: str


class _RefundReceipt(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    refund_id: str = Field(min_length=1, max_length=_REASON_LIMIT)
    status: Literal["refunded"]
    order_id: str
    amount_minor: int
    currency: str


class _Refusal(BaseModel):
    reason: str = Field(min_length=1)
    order_id: str | None = None


class _Unknown(BaseModel):
    type: Literal["urn:flash-sale:charge-unknown", "urn:flash-sale:refund-unknown"]
    idempotency_key: str


class HttpGateway:
    """Charges by `POST` to `/v1/charges` with the request's key as `Idempotency-Key`, looks up by GET of the key.

    Refunds are asked for at `/v1/refunds` in the same way.

    Definite answers are a 200 whose receipt names this very order and amount, and a 402 that says why. A lookup
    also knows a 404 that says in so many words that there is no such charge; a bare one comes from somebody who has
    no lookups. Everything else is no answer.
    """

    def __init__(self, exchange: Exchange) -> None:
        """Ask over an exchange; whoever opened it closes it."""
        self._exchange = exchange

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - becomes aiohttp's own total timeout
        """See `Gateway.charge`; `timeout` covers everything, the wait for a connection included."""
        return _charged(await self._ask("POST", _CHARGES, request, timeout), request)

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ASYNC109 - as above
        """See `Gateway.lookup`."""
        return _looked_up(await self._ask("GET", _of(_CHARGES, request), request, timeout), request)

    async def refund(self, request: RefundRequest, *, timeout: timedelta) -> Refunded:  # noqa: ASYNC109 - as above
        """See `Refunds.refund`."""
        return _refunded(await self._ask("POST", _REFUNDS, request, timeout), request)

    async def lookup_refund(self, request: RefundRequest, *, timeout: timedelta) -> RefundKnown:  # noqa: ASYNC109 - as above
        """See `Refunds.lookup_refund`."""
        answer = await self._ask("GET", _of(_REFUNDS, request), request, timeout)
        if answer.status == HTTPStatus.NOT_FOUND and _says_unknown(answer.body, request):
            return NotRefunded()
        try:
            return _refunded(answer, request)
        except GatewayRefusedError as error:
            raise _refused_question(error, answer) from error

    async def _ask(
        self,
        method: str,
        path: str,
        request: ChargeRequest | RefundRequest,
        timeout: timedelta,  # noqa: ASYNC109 - as above
    ) -> GatewayAnswer:
        headers = {"Idempotency-Key": request.key}
        if request.traceparent is not None:
            headers["traceparent"] = request.traceparent
        body = b""
        if method == "POST":
            headers["Content-Type"] = "application/json"
            body = _body(request)
        return await self._exchange.ask(method, path, body=body, headers=headers, timeout=timeout)


def _of(path: str, request: ChargeRequest | RefundRequest) -> str:
    return f"{path}/{quote(request.key, safe='')}"


def _body(request: ChargeRequest | RefundRequest) -> bytes:
    said: dict[str, str | int] = {
        "order_id": request.order_id,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "customer_id": request.customer_id,
    }
    if isinstance(request, RefundRequest):
        said["charge_id"] = request.charge_id
    return json.dumps(said).encode()


def _charged(answer: GatewayAnswer, request: ChargeRequest) -> ChargeResult:
    if answer.status == HTTPStatus.OK:
        return _approved(answer, request)
    if answer.status == HTTPStatus.PAYMENT_REQUIRED:
        return _declined(answer, request)
    raise _no_answer(answer, request)


def _looked_up(answer: GatewayAnswer, request: ChargeRequest) -> ChargeKnown:
    if answer.status == HTTPStatus.OK:
        return _approved(answer, request)
    if answer.status == HTTPStatus.PAYMENT_REQUIRED:
        return _declined(answer, request)
    if answer.status == HTTPStatus.NOT_FOUND and _says_unknown(answer.body, request):
        return NotCharged()
    error = _no_answer(answer, request)
    raise error if isinstance(error, GatewayUnavailableError) else _refused_question(error, answer)


def _refunded(answer: GatewayAnswer, request: RefundRequest) -> Refunded:
    if answer.status != HTTPStatus.OK:
        raise _no_answer(answer, request)
    receipt = _parsed(_RefundReceipt, answer.body)
    if receipt is None:
        raise _unreadable("not a receipt of the payment gateway", answer)
    _check(receipt.refund_id, receipt, request)
    return Refunded(refund_id=receipt.refund_id)


def _refused_question(error: FlashpayError, answer: GatewayAnswer) -> GatewayUnavailableError:
    # A question that is refused says nothing about what it is about.
    return GatewayUnavailableError(str(error), reason="bad_response", status=answer.status)


def _approved(answer: GatewayAnswer, request: ChargeRequest) -> Approved:
    receipt = _parsed(_Receipt, answer.body)
    if receipt is None:
        raise _unreadable("not a receipt of the payment gateway", answer)
    _check(receipt.charge_id, receipt, request)
    return Approved(charge_id=receipt.charge_id)


def _check(name: str, receipt: _Receipt | _RefundReceipt, request: ChargeRequest | RefundRequest) -> None:
    asked = (request.order_id, request.amount_minor, request.currency)
    if (receipt.order_id, receipt.amount_minor, receipt.currency) != asked:
        raise ConflictingChargeError(
            f"the receipt {name} is for something else than was asked of {request.order_id}", reason="answer_mismatch"
        )


def _declined(answer: GatewayAnswer, request: ChargeRequest) -> Declined:
    refusal = _parsed(_Refusal, answer.body)
    if refusal is None:
        # A 402 of somebody in between is no word of the gateway.
        raise _unreadable("not a decline of the payment gateway", answer)
    if refusal.order_id not in {None, request.order_id}:
        raise _unreadable(f"a decline of another order than {request.order_id}", answer)
    return Declined(reason=refusal.reason[:_REASON_LIMIT])


def _says_unknown(body: bytes, request: ChargeRequest | RefundRequest) -> bool:
    unknown = _parsed(_Unknown, body)
    return unknown is not None and unknown.idempotency_key == request.key


def _parsed(model: type[_Model], body: bytes) -> _Model | None:
    """What a body says, None when it is not of this form; its depth is bounded before a parser walks it."""
    try:
        return None if too_deep(body) else model.model_validate_json(body)
    except ValidationError:
        return None


def _unreadable(message: str, answer: GatewayAnswer) -> GatewayUnavailableError:
    return GatewayUnavailableError(message, reason="bad_response", status=answer.status)


def _no_answer(answer: GatewayAnswer, request: ChargeRequest | RefundRequest) -> FlashpayError:
    status = answer.status
    said = f"the payment gateway answers {status} to {request.order_id}"
    if status == HTTPStatus.CONFLICT:
        return GatewayInFlightError(said, reason="in_flight", retry_after=_retry_after(answer), status=status)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return KeyReusedError(said, reason="key_reused")
    reason = _indefinite(status)
    if reason is None:
        return GatewayRefusedError(said, reason="bad_request")
    return GatewayUnavailableError(said, reason=reason, retry_after=_retry_after(answer), status=status)


def _indefinite(status: int) -> str | None:
    """Why an answer of this status is none; None when it is a refusal of the request."""
    if status in _OVERLOADED:
        return "overloaded"
    if status in _TRY_AGAIN:
        return "timeout"
    if status in _ACCESS:
        return "access"
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return None if client_error else "server_error"


def _retry_after(answer: GatewayAnswer) -> timedelta | None:
    # Only the seconds form: the date form needs two clocks to agree, and no gateway of ours sends it.
    value = answer.retry_after.strip()
    return timedelta(seconds=int(value)) if re.fullmatch(r"[0-9]{1,6}", value) else None
