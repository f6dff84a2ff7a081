"""Why an attempt at a charge got no definite answer, or may not have one."""

from typing import ClassVar


class ProviderError(Exception):
    """Base of what the provider refuses.

    `outcome` is a bounded label for metrics and logs; `retry_after_seconds` is how long to wait before the same
    request may succeed, when that is known.
    """

    outcome: ClassVar[str]

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class KeyReusedError(ProviderError):
    """The key was used for a charge with other content."""

    outcome = "key_reused"


class KeyInFlightError(ProviderError):
    """A request with this key is being worked on; its answer will be replayed."""

    outcome = "in_flight"


class AdmissionTimeoutError(ProviderError):
    """No capacity came free within the time a request waits, or the gateway is stopping."""

    outcome = "admission_timeout"


class InjectedFailureError(ProviderError):
    """An injected failure, before anything was charged."""

    outcome = "failed"


class ChargeUnknownError(ProviderError):
    """A refund of something that was never charged like this."""

    outcome = "charge_unknown"


class ChargeStoreError(ProviderError):
    """The charge store cannot be read or written; nothing was charged."""

    outcome = "charge_store_unavailable"
