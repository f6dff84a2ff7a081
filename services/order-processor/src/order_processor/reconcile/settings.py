"""The reconciler's settings."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from flashops.settings import Seconds, ServiceSettings
from flashpay import Retention, RetentionDays

Duration = Annotated[timedelta, Seconds(gt=0)]


class Settings(ServiceSettings):
    """Everything that the environment decides; see `--help`."""

    orders_table: str = Field(description="Name of the ledger table")
    stock_table: str = Field(default="", description="Name of the table of limited stock; empty where nothing is")
    orders_topic_arn: str = Field(pattern=r"^arn:aws[a-z-]*:sns:\S+$", description="Topic that orders are queued by")
    dead_letter_queue_url: str = Field(description="URL of the queue for orders that are given up")
    outcomes_topic_arn: str = Field(
        default="",
        pattern=r"^arn:aws[a-z-]*:sns:\S+$",
        description="Topic of outcomes; empty: nobody is told how orders end",
    )
    order_retention_days: RetentionDays = Field(
        default=0, description="Days that an order stays in the ledger after its end; 0 for ever, 30 at least"
    )
    gateway_url: str = Field(pattern=r"^https?://[^/]+", description="Base URL of the payment gateway")
    lease: Duration = Field(default=timedelta(seconds=30), description="How long a claim on an order is exclusive")
    payment_timeout: Duration = Field(default=timedelta(seconds=10), description="The most one charge may take")
    reconcile_after: Duration = Field(
        default=timedelta(minutes=15), description="An order that nothing happened to for so long is looked into"
    )
    gateway_key_window: Duration = Field(
        default=timedelta(hours=24), description="How long the gateway keeps a key; older orders are never queued again"
    )
    reconcile_limit: int = Field(default=10_000, ge=1, description="Most orders that one run does something about")
    reconcile_time: Duration = Field(
        default=timedelta(minutes=10),
        description="Most that one run takes, less than from one to the next; the next goes on; --charges takes longer",
    )
    metrics_file: str = Field(
        default="", description="File that a run's metrics are written to, for a textfile collector; empty: none"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.reconcile_after <= self.lease:
            raise ValueError("RECONCILE_AFTER_SECONDS: must be more than LEASE_SECONDS")
        return self

    @property
    def retention(self) -> Retention:
        """What is left to do with an order that has ended."""
        return Retention.of_settings(outcomes_topic=self.outcomes_topic_arn, days=self.order_retention_days)
