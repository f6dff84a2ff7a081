"""The processor's settings."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from flashbus.consumer import ConsumerLimits
from flashbus.queue import BATCH_LIMIT
from flashops.settings import Seconds, ServiceSettings
from flashpay import Retention, RetentionDays

SERVICE = "order-processor"
Duration = Annotated[timedelta, Seconds(gt=0)]

# Each ten slots have one, up to the first few; beyond those each two hundred. Payments that began together end
# together, and a thousand slots then wait for a hundred receives; but what many receives bring at once begins at
# once, and ends faster than it can be worked (decision 78).
_FIRST_POLLERS, _SLOTS_OF_ANOTHER = 4, 200


class Settings(ServiceSettings):
    """Everything that the environment decides; see `--help`."""

    port: int = Field(
        default=8081, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 takes a free one"
    )
    queue_url: str = Field(description="URL of the queue of placed orders")
    dead_letter_queue_url: str = Field(description="URL of the queue for messages that are given up")
    orders_table: str = Field(description="Name of the ledger table")
    stock_table: str = Field(default="", description="Name of the stock table; empty: nothing is limited")
    outcomes_topic_arn: str = Field(
        default="",
        pattern=r"^arn:aws[a-z-]*:sns:\S+$",
        description="Topic of outcomes; empty: nobody is told how orders end",
    )
    order_retention_days: RetentionDays = Field(
        default=0, description="Days that an order stays in the ledger after its end; 0 for ever, 30 at least"
    )
    gateway_url: str = Field(pattern=r"^https?://[^/]+", description="Base URL of the payment gateway")
    workers: int = Field(default=20, ge=1, le=1000, description="Slots: the most payments at once")
    pollers: int = Field(
        default=0, ge=0, le=64, description="Receives in progress at once; 0 chooses by WORKERS, 2 to 5"
    )
    visibility: Annotated[timedelta, Seconds(ge=1, le=43200, whole=True)] = Field(
        default=timedelta(seconds=60), description="How long a message stays hidden unless extended"
    )
    lease: Duration = Field(default=timedelta(seconds=30), description="How long a claim on an order is exclusive")
    payment_timeout: Duration = Field(default=timedelta(seconds=10), description="The most one charge may take")
    gateway_key_window: Duration = Field(
        default=timedelta(hours=24),
        description="How long the gateway keeps a key; an older charge is looked up before it is sent again",
    )
    patience: Duration = Field(
        default=timedelta(seconds=300),
        description="How long a charge without an answer keeps its slot while it may be in flight",
    )
    wait: Annotated[timedelta, Seconds(ge=0, le=20, whole=True)] = Field(
        default=timedelta(seconds=20), description="Long poll; an idle processor may take this long to stop"
    )
    max_receives: int = Field(
        default=100, ge=2, le=1000, description="Deliveries after which a failing order is given up"
    )
    drain: Duration = Field(
        default=timedelta(seconds=40), description="How long work in flight may take to finish after SIGTERM"
    )
    breaker_threshold: int = Field(
        default=5, ge=1, description="Orders failing in a row after which the gateway (or the ledger) is left alone"
    )
    breaker_cool_down: Duration = Field(
        default=timedelta(seconds=5), description="How long it is left alone before one message finds out"
    )

    stall: Duration = Field(
        default=timedelta(seconds=300),
        description="After how long without any message coming to its end /readyz says so",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _longer("VISIBILITY_SECONDS", self.visibility, "LEASE_SECONDS", self.lease)
        _longer("LEASE_SECONDS", self.lease, "PAYMENT_TIMEOUT_SECONDS", self.payment_timeout)
        _longer("DRAIN_SECONDS", self.drain, "PAYMENT_TIMEOUT_SECONDS", self.payment_timeout)
        _longer("DRAIN_SECONDS", self.drain, "WAIT_SECONDS", self.wait)
        # An outage must be known as one before it exhausts a message.
        _more("MAX_RECEIVES", self.max_receives, "BREAKER_THRESHOLD", self.breaker_threshold)
        return self

    @property
    def retention(self) -> Retention:
        """What is left to do with an order that has ended."""
        return Retention.of_settings(outcomes_topic=self.outcomes_topic_arn, days=self.order_retention_days)

    @property
    def poller_count(self) -> int:
        """Enough for one to be on its way while another comes back; few, so that each brings many."""
        if self.pollers:
            return self.pollers
        first = min(_FIRST_POLLERS, self.workers // BATCH_LIMIT)
        return min(self.workers, max(2, first, self.workers // _SLOTS_OF_ANOTHER))

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


def _more(name: str, value: float, other_name: str, other: float) -> None:
    if value <= other:
        raise ValueError(f"{name} ({value:g}) must be greater than {other_name} ({other:g})")


def _longer(name: str, duration: timedelta, other_name: str, other: timedelta) -> None:
    _more(name, duration.total_seconds(), other_name, other.total_seconds())
