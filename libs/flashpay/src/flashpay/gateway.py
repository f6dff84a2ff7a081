"""The payment provider as we see it: a charge, its refund, and for each a question about the past."""

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

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A charge that is paid back, the whole of it."""

    order_id: str
    charge_id: str
    amount_minor: int
    currency: str
    customer_id: int
    traceparent: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key: made of the order alone, so that whoever asks, and however often, it is one refund."""
        return f"refund-{self.order_id}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """The customer has the money back."""

    refund_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRefunded:
    """The provider knows of no refund under this key and works on none."""


ChargeResult: TypeAlias = Approved | Declined
ChargeKnown: TypeAlias = Approved | Declined | NotCharged
RefundKnown: TypeAlias = Refunded | NotRefunded


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


class Refunds(Protocol):
    """Pays charges back, each at most once however often it is asked."""

    async def refund(self, request: RefundRequest, *, timeout: timedelta) -> Refunded:  # noqa: ASYNC109 - as above
        """Pay a charge back and wait for the definite answer.

        Raises:
            GatewayInFlightError: An earlier request with this key is being worked on.
            GatewayUnavailableError: No definite answer within `timeout`; try again with the same order.
            GatewayRefusedError: The request itself is refused; trying again cannot help.
            ConflictingChargeError: The receipt is for another refund.
        """
        ...

    async def lookup_refund(self, request: RefundRequest, *, timeout: timedelta) -> RefundKnown:  # noqa: ASYNC109 - as above
        """Ask what became of a refund, without asking for it; raises as `Gateway.lookup`."""
        ...
