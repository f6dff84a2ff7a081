"""What can go wrong between a claim and a recorded charge, and whether trying again can cure it."""

from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

from flashpay.entries import LedgerEntry


class FlashpayError(Exception):
    """An order that was not settled by this attempt.

    `retryable` says whether the same order may settle later, `uncharged` that it is certain that its customer
    was not charged. `reason` is one of a fixed few labels, fit for a metric.
    """

    retryable: ClassVar[bool] = False
    uncharged: bool = False

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class GatewayUnavailableError(FlashpayError):
    """No definite answer: the charge may or may not have happened. Try again with the same key.

    Reasons: `timeout`, `connection`, `server_error`, `overloaded`, `access`, `bad_response`, `breaker_open`.
    `retry_after` is what the gateway asked for, if it did; `status` the HTTP status, None when nobody answered.
    `ended` is set when the gateway was asked about the charge afterwards, and does not work on it any more.
    """

    retryable = True

    def __init__(
        self, message: str, *, reason: str, retry_after: timedelta | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after
        self.status = status
        self.ended = False

    @property
    def answered(self) -> bool:
        """Whether somebody answered; if not, what was asked may still be worked on, unless it has `ended`."""
        return self.status is not None

    @property
    def alive(self) -> bool:
        """Whether the answer shows a gateway at work, if not for this request."""
        return self.status is not None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR


class GatewayInFlightError(GatewayUnavailableError):
    """The gateway is working on this very key for another attempt; it is healthy. Reason: `in_flight`."""


class GatewayRefusedError(FlashpayError):
    """The gateway refuses the request itself: our bug. It is no decline and is never recorded as one.

    An earlier attempt may have been charged all the same. Reasons: `bad_request`, `key_reused`.
    """


class KeyReusedError(GatewayRefusedError):
    """The key stands for another content, so what this order asks was never charged. Reason: `key_reused`."""

    uncharged = True


class LedgerUnavailableError(FlashpayError):
    """The ledger did not answer, or not in time; what it was asked to write may have been written.

    Reasons: `throttled`, `timeout`, `connection`, `server_error`, `access`, `contention`, `lease_expired`,
    `entry_missing`.
    """

    retryable = True


class LedgerRefusedError(FlashpayError):
    """The ledger calls the request itself wrong, or holds what it cannot hold: our bug.

    Reasons: `bad_request`, `corrupt_entry`.
    """


class StockUnsettledError(FlashpayError):
    """The order is where it should be, but its reserved units are not: the next delivery of its message settles them.

    `settled` says whether this very attempt brought the order to its end by a charge. `ended` is the order if it was
    this attempt, by whatever end: who counts orders counts it now, for the next delivery is a duplicate.
    Reason: `stock_unavailable`.
    """

    retryable = True
    ended: LedgerEntry | None = None

    def __init__(self, message: str, *, settled: bool) -> None:
        super().__init__(message, reason="stock_unavailable")
        self.settled = settled


class RefundForgottenError(FlashpayError):
    """A refund was decided on, and the gateway does not know of it, or may have forgotten: it is not sent again.

    A human must look whether the customer has the money. Reason: `refund_forgotten`.
    """


class ConflictingChargeError(FlashpayError):
    """Two definite answers that differ, or a receipt for another charge than the one asked: one of them is wrong.

    It cannot happen while the gateway honours its idempotency keys. A human must look, and nothing is written.
    Reasons: `conflicting_charge`, `conflicting_refund`, `answer_mismatch`.
    """


class OutcomeOwedError(FlashpayError):
    """The end of an order is not known to be published: it is owed still."""

    retryable = True


class UnfinishedError(FlashpayError):
    """No time was left for what follows from a cancellation: a repeat or the reconciler goes on. Reason: `timeout`."""

    retryable = True


class UnmetOrderError(FlashpayError):
    """The ledger has no entry of an order: it was accepted a moment ago, or ended long ago and is forgotten."""

    retryable = True
