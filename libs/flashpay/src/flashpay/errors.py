"""What can go wrong between a claim and a recorded charge, and whether trying again can cure it."""

from datetime import timedelta
from typing import ClassVar


class FlashpayError(Exception):
    """An order that was not settled by this attempt.

    `retryable` says whether the same order may settle later. `reason` is one of a fixed few labels, fit for
    a metric.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class GatewayUnavailableError(FlashpayError):
    """No definite answer: the charge may or may not have happened. Try again with the same key.

    Reasons: `timeout`, `connection`, `server_error`, `overloaded`, `access`, `bad_response`, `breaker_open`.
    `retry_after` is what the gateway asked for, if it did.
    """

    retryable = True

    def __init__(self, message: str, *, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class GatewayInFlightError(GatewayUnavailableError):
    """The gateway is working on this very key for another attempt; it is healthy. Reason: `in_flight`."""


class GatewayRefusedError(FlashpayError):
    """The gateway refuses the request itself: our bug, or a key used before with another content.

    It is no decline and is never recorded as one. Reasons: `bad_request`, `key_reused`, `answer_mismatch`.
    """


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


class ConflictingChargeError(FlashpayError):
    """The ledger already holds another definite answer than the gateway's: one of the two is wrong.

    It cannot happen while the gateway honours its idempotency keys. A human must look. Reason:
    `conflicting_charge`.
    """
