"""The payment provider as settle() sees it: a call with two definite answers, and a question about the past."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """One charge. The idempotency key is `order_id`, always; `amount_minor` is in minor units of `currency`."""

    order_id: str
    amount_minor: int
    currency: str
    customer_id: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The customer was charged."""

    charge_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The provider said no, for good; the customer was not charged."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCharged:
    """The provider knows of no charge under this key and works on none."""


ChargeResult: TypeAlias = Approved | Declined
ChargeKnown: TypeAlias = Approved | Declined | NotCharged


class Gateway(Protocol):
    """Charges orders, each at most once however often it is asked."""

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - the deadline belongs to the call: a gateway bounds its own connection by it
        """Charge an order and wait for the definite answer.

        Raises:
            GatewayInFlightError: An earlier request with this key is being worked on.
            GatewayUnavailableError: No definite answer within `timeout`; try again with the same order id.
            GatewayRefusedError: The request itself is refused; trying again cannot help.
            ConflictingChargeError: The receipt is for another charge.
        """
        ...

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ASYNC109 - as above
        """Ask what became of a charge, without charging.

        Raises:
            GatewayInFlightError: It is being worked on.
            GatewayUnavailableError: Not known: no answer, or none that says so, as from a provider without lookups.
            ConflictingChargeError: The receipt is for another charge.
        """
        ...
