"""What the card provider's answers mean: which of them are definite, and whose fault the others are."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from flashpay import (
    Approved,
    ChargeRequest,
    ChargeResult,
    ConflictingChargeError,
    Declined,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    KeyReusedError,
)

AGAIN = timedelta(seconds=1)
CLIENT_ERRORS = range(400, 500)
# Trouble with our access or our pace: no order may be given up for it.
INDEFINITE = {401: "access", 403: "access", 404: "access", 408: "timeout", 429: "overloaded", 503: "overloaded"}
_Document = TypeVar("_Document", bound=BaseModel)


class Payment(BaseModel):
    """One payment: `amount` in minor units, `currency` in lower case."""

    id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str]
    decline_code: str | None = None


class Payments(BaseModel):
    """What the list finds."""

    data: tuple[Payment, ...]


class Error(BaseModel):
    """Why not: `code` is fit for a customer's eyes."""

    type: str
    code: str


class Refusal(BaseModel):
    """The body of an answer that is no success."""

    error: Error


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it came."""

    status: int
    body: bytes

    def read(self, document: type[_Document]) -> _Document:
        """What it says; GatewayUnavailableError when it is not the provider who speaks."""
        try:
            return document.model_validate_json(self.body)
        except ValidationError as exc:
            raise self.unavailable("bad_response") from exc

    def unavailable(self, reason: str | None = None) -> GatewayUnavailableError:
        """It says nothing about the charge."""
        reason = reason or INDEFINITE.get(
            self.status, "server_error" if self.status >= CLIENT_ERRORS.stop else "bad_response"
        )
        return GatewayUnavailableError(f"the provider answers {self.status}", reason=reason, status=self.status)


def told(payment: Payment, request: ChargeRequest) -> ChargeResult:
    """What a payment says of the charge that was asked; whatever is no end is in flight."""
    if payment.status in {"declined", "canceled"}:
        return Declined(reason=payment.decline_code or payment.status)
    asked = request.order_id, request.amount_minor, request.currency.lower()
    if (payment.metadata.get("order_id"), payment.amount, payment.currency) != asked:
        raise ConflictingChargeError(f"{payment.id} is another charge", reason="answer_mismatch")
    if payment.status == "succeeded":
        return Approved(charge_id=payment.id)
    raise GatewayInFlightError(f"{payment.id} is {payment.status}", reason="in_flight", retry_after=AGAIN, status=200)


def told_without_payment(answer: Answer, request: ChargeRequest) -> Declined:
    """What an answer without a payment says of the charge that was asked: a decline, or why there is none."""
    said = f"the provider answers {answer.status} to {request.order_id}"
    if answer.status == HTTPStatus.CONFLICT:
        raise GatewayInFlightError(said, reason="in_flight", retry_after=AGAIN, status=answer.status)
    if answer.status in INDEFINITE or answer.status not in CLIENT_ERRORS:
        raise answer.unavailable()
    error = answer.read(Refusal).error
    if error.type == "card_error":
        return Declined(reason=error.code)
    if error.type == "idempotency_error":
        raise KeyReusedError(said, reason="key_reused")
    raise GatewayRefusedError(f"{said}: {error.code}", reason="bad_request")
