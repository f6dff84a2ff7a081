"""The payment gateway behind HTTP, and which of its answers are definite."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashmsg import too_deep
from flashpay.errors import GatewayInFlightError, GatewayRefusedError, GatewayUnavailableError
from flashpay.gateway import Approved, ChargeRequest, ChargeResult, Declined

_BODY_LIMIT_BYTES = 64 * 1024
_REASON_LIMIT = 200
# The gateway found fault with our access, not with this order: no order may be given up for it.
_ACCESS = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
}
_DEFINITE = {HTTPStatus.OK, HTTPStatus.PAYMENT_REQUIRED}
_OVERLOADED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_TRY_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


class _Receipt(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    charge_id: str = Field(min_length=1, max_length=_REASON_LIMIT)
    status: Literal["succeeded"]
    order_id: str
    amount_minor: int
    currency: str


class _Refusal(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    reason: str = Field(min_length=1)


class HttpGateway:
    """Charges by `POST {base_url}/v1/charges` with the order id as `Idempotency-Key`.

    Definite answers are a 200 whose receipt names this very order and amount, and a 402 that says why.
    Everything else is no answer.

    Args:
        session: Opened and closed by the caller.
        base_url: Where the gateway is, such as `http://127.0.0.1:8090`.
    """

    def __init__(self, *, session: aiohttp.ClientSession, base_url: str) -> None:
        url = urlsplit(base_url)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError(f"the payment gateway's URL must be http(s)://host[:port], not {base_url!r}")
        self._session = session
        self._url = f"{base_url.rstrip('/')}/v1/charges"

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - becomes aiohttp's own total timeout
        """See `Gateway.charge`; `timeout` covers everything, the wait for a connection included."""
        try:
            async with self._session.post(
                self._url,
                json=_body(request),
                headers=_headers(request),
                timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
                allow_redirects=False,
            ) as response:
                return _read(response, await _limited_body(response), request)
        except TimeoutError as error:
            raise GatewayUnavailableError(
                f"no answer from the payment gateway in {timeout.total_seconds():g} s", reason="timeout"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise GatewayUnavailableError(
                f"the connection to the payment gateway failed: {error}", reason="connection"
            ) from error


def _body(request: ChargeRequest) -> dict[str, str | int]:
    return {
        "order_id": request.order_id,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "customer_id": request.customer_id,
    }


def _headers(request: ChargeRequest) -> dict[str, str]:
    headers = {"Idempotency-Key": request.order_id}
    if request.traceparent is not None:
        headers["traceparent"] = request.traceparent
    return headers


async def _limited_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _BODY_LIMIT_BYTES:
            raise GatewayUnavailableError("the payment gateway's answer is too long", reason="bad_response")
    return bytes(body)


def _read(response: aiohttp.ClientResponse, body: bytes, request: ChargeRequest) -> ChargeResult:
    if response.status in _DEFINITE and too_deep(body):
        raise GatewayUnavailableError("the payment gateway's answer is nested too deeply", reason="bad_response")
    if response.status == HTTPStatus.OK:
        return _approved(body, request)
    if response.status == HTTPStatus.PAYMENT_REQUIRED:
        return _declined(body)
    if HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _client_error(response, request)
    raise GatewayUnavailableError(
        f"the payment gateway answers {response.status}",
        reason="overloaded" if response.status in _OVERLOADED else "server_error",
        retry_after=_retry_after(response),
    )


def _approved(body: bytes, request: ChargeRequest) -> Approved:
    try:
        receipt = _Receipt.model_validate_json(body)
    except ValidationError as error:
        raise GatewayUnavailableError("not a receipt of the payment gateway", reason="bad_response") from error
    if (receipt.order_id, receipt.amount_minor, receipt.currency) != (
        request.order_id,
        request.amount_minor,
        request.currency,
    ):
        raise GatewayRefusedError(
            f"the receipt {receipt.charge_id} is for another charge than the one asked of {request.order_id}",
            reason="answer_mismatch",
        )
    return Approved(charge_id=receipt.charge_id)


def _declined(body: bytes) -> Declined:
    try:
        refusal = _Refusal.model_validate_json(body)
    except ValidationError as error:
        # A 402 of somebody in between is no word of the gateway.
        raise GatewayUnavailableError("not a decline of the payment gateway", reason="bad_response") from error
    return Declined(reason=refusal.reason[:_REASON_LIMIT])


def _client_error(
    response: aiohttp.ClientResponse, request: ChargeRequest
) -> GatewayUnavailableError | GatewayRefusedError:
    status = response.status
    said = f"the payment gateway answers {status} to {request.order_id}"
    retry_after = _retry_after(response)
    if status == HTTPStatus.CONFLICT:
        return GatewayInFlightError(said, reason="in_flight", retry_after=retry_after)
    if status in _OVERLOADED:
        return GatewayUnavailableError(said, reason="overloaded", retry_after=retry_after)
    if status in _TRY_AGAIN:
        return GatewayUnavailableError(said, reason="timeout", retry_after=retry_after)
    if status in _ACCESS:
        return GatewayUnavailableError(said, reason="access", retry_after=retry_after)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return GatewayRefusedError(said, reason="key_reused")
    return GatewayRefusedError(said, reason="bad_request")


def _retry_after(response: aiohttp.ClientResponse) -> timedelta | None:
    # Only the seconds form: the date form needs two clocks to agree, and no gateway of ours sends it.
    value = response.headers.get("Retry-After", "").strip()
    return timedelta(seconds=int(value)) if re.fullmatch(r"[0-9]{1,6}", value) else None
