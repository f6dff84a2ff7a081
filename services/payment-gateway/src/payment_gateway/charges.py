"""What is asked of the provider, and what it did."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_MAX_SAFE_INTEGER = 2**53 - 1


class ChargeStatus(StrEnum):
    """The definite answers, the third to a refund; none ever changes."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REFUNDED = "refunded"


class ChargeRequest(BaseModel):
    """What a merchant asks: take `amount_minor` minor units of `currency` for an order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    order_id: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
    amount_minor: Annotated[int, Field(ge=0, le=_MAX_SAFE_INTEGER)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    customer_id: Annotated[int, Field(ge=1, le=_MAX_SAFE_INTEGER)]


class RefundRequest(ChargeRequest):
    """What a merchant asks: pay a charge back, the whole of it."""

    charge_id: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One definite answer, as the charge store keeps it; a refund is one too, under a key of its own.

    `id` numbers the answers in the sequence in which they were given. `attempts` counts the requests with this
    key so far, replays included. `started_at` is when the charge was admitted. `charge_id` names the movement of
    money, taken or paid back; `reason` is set when there was none.
    """

    id: int
    idempotency_key: str
    status: ChargeStatus
    charge_id: str | None
    reason: str | None
    order_id: str
    amount_minor: int
    currency: str
    customer_id: int
    traceparent: str | None
    started_at: datetime
    finished_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Totals over the whole charge store. The two `…_more_than_once` must be 0: the tests rely on it."""

    charges: int
    declined: int
    refunds: int
    attempts: int
    replays: int
    orders_charged_more_than_once: int
    orders_refunded_more_than_once: int
