"""The processor's settings."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from flashbus.consumer import ConsumerLimits
from flashbus.queue import BATCH_LIMIT
from flashops.settings import ServiceSettings

_MOST_POLLERS = 4


class ProcessorSettings(ServiceSettings):
    """Read from the environment by `from_environment`; durations are seconds."""

    port: int = Field(
        default=8081, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 takes a free one"
    )
    queue_url: str = Field(description="URL of the queue of placed orders")
    dead_letter_queue_url: str = Field(description="URL of the queue for messages that are given up")
    orders_table: str = Field(description="Name of the ledger table")
    gateway_url: str = Field(pattern=r"^https?://[^/]+", description="Base URL of the payment gateway")
    workers: int = Field(default=20, ge=1, le=1000, description="Slots: the most payments at once")
    pollers: int = Field(
        default=0, ge=0, le=64, description="Receives in progress at once; 0 chooses by WORKERS, 2 to 4"
    )
    visibility_seconds: int = Field(
        default=60, ge=1, le=43200, description="How long a message stays hidden unless extended"
    )
    lease_seconds: float = Field(default=30, gt=0, description="How long a claim on an order is exclusive")
    payment_timeout_seconds: float = Field(default=10, gt=0, description="The most one charge may take")
    patience_seconds: float = Field(
        default=300, gt=0, description="How long a charge without an answer keeps its slot while it may be in flight"
    )
    wait_seconds: int = Field(
        default=20, ge=0, le=20, description="Long poll; an idle processor may take this long to stop"
    )
    max_receives: int = Field(
        default=100, ge=2, le=1000, description="Deliveries after which a failing order is given up"
    )
    drain_seconds: float = Field(
        default=40, gt=0, description="How long work in flight may take to finish after SIGTERM"
    )
    breaker_threshold: int = Field(
        default=5, ge=1, description="Orders failing in a row after which the gateway (or the ledger) is left alone"
    )
    breaker_cool_down_seconds: float = Field(
        default=5, gt=0, description="How long it is left alone before one message finds out"
    )

    stall_seconds: float = Field(
        default=300, gt=0, description="After how long without any message coming to its end /readyz says so"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _more("VISIBILITY_SECONDS", self.visibility_seconds, "LEASE_SECONDS", self.lease_seconds)
        _more("LEASE_SECONDS", self.lease_seconds, "PAYMENT_TIMEOUT_SECONDS", self.payment_timeout_seconds)
        _more("DRAIN_SECONDS", self.drain_seconds, "PAYMENT_TIMEOUT_SECONDS", self.payment_timeout_seconds)
        _more("DRAIN_SECONDS", self.drain_seconds, "WAIT_SECONDS", self.wait_seconds)
        # An outage must be known as one before it exhausts a message.
        _more("MAX_RECEIVES", self.max_receives, "BREAKER_THRESHOLD", self.breaker_threshold)
        return self

    @property
    def poller_count(self) -> int:
        """Enough for one to be on its way while another comes back; few, so that each brings many."""
        if self.pollers:
            return self.pollers
        return min(self.workers, max(2, min(_MOST_POLLERS, self.workers // BATCH_LIMIT)))

    @property
    def wait(self) -> timedelta:
        return timedelta(seconds=self.wait_seconds)

    @property
    def visibility(self) -> timedelta:
        return timedelta(seconds=self.visibility_seconds)

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def payment_timeout(self) -> timedelta:
        return timedelta(seconds=self.payment_timeout_seconds)

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.patience_seconds)

    @property
    def drain(self) -> timedelta:
        return timedelta(seconds=self.drain_seconds)

    @property
    def stall(self) -> timedelta:
        return timedelta(seconds=self.stall_seconds)

    @property
    def limits(self) -> ConsumerLimits:
        """What the consumer of the queue is told of all this."""
        return ConsumerLimits(
            slots=self.workers,
            pollers=self.poller_count,
            wait=self.wait,
            visibility=self.visibility,
            drain=self.drain,
            stall=self.stall,
        )

    @property
    def breaker_cool_down(self) -> timedelta:
        return timedelta(seconds=self.breaker_cool_down_seconds)


def _more(name: str, value: float, other_name: str, other: float) -> None:
    if value <= other:
        raise ValueError(f"{name} ({value:g}) must be greater than {other_name} ({other:g})")
