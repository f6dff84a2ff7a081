"""The API's settings."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from flashops.settings import Seconds, ServiceSettings
from flashpay import Retention, RetentionDays
from order_api.order_ids import MIN_SECRET_BYTES, OrderIds

SERVICE = "order-api"
Duration = Annotated[timedelta, Seconds(gt=0, le=3600)]


class Settings(ServiceSettings):
    """Everything that the environment decides; see `--help`."""

    orders_topic_arn: str = Field(pattern=r"^arn:aws[a-z-]*:sns:\S+$", description="Topic that accepted orders go to")
    orders_table: str = Field(description="DynamoDB table of the ledger")
    products_table: str = Field(description="DynamoDB table of the catalogue")
    stock_table: str = Field(default="", description="DynamoDB table of limited stock; empty: nothing is limited")
    outcomes_topic_arn: str = Field(
        default="",
        pattern=r"^arn:aws[a-z-]*:sns:\S+$",
        description="Topic of outcomes; empty: nobody is told how orders end",
    )
    order_retention_days: RetentionDays = Field(
        default=0, description="Days that an order stays in the ledger after its end; 0 for ever, 30 at least"
    )
    order_id_secret: SecretStr = Field(
        description=f"Secret that certifies order ids, at least {MIN_SECRET_BYTES} bytes, the same in every instance"
    )
    order_id_secret_previous: SecretStr | None = Field(
        default=None, description="Another secret whose order ids are still ours, while ORDER_ID_SECRET is exchanged"
    )
    gateway_url: str = Field(pattern=r"^https?://\S+$", description="Base URL of the payment gateway")
    sync_limit: int = Field(
        default=10, ge=0, le=10_000, description="Most orders settled in a request at once; 0 closes POST /orders/sync"
    )
    sync_wait: Annotated[timedelta, Seconds(ge=0, le=3600)] = Field(
        default=timedelta(seconds=1), description="Most a sync order waits for its turn"
    )
    sync_deadline: Duration = Field(
        default=timedelta(seconds=20), description="After this a sync order goes to the queue"
    )
    sync_fallback: bool = Field(default=True, description="false: the naive shop, a late sync order gets 503")
    payment_timeout: Duration = Field(default=timedelta(seconds=10), description="Most one charge may take")
    lease: Duration = Field(
        default=timedelta(seconds=30), description="How long a claim is exclusive; above the payment timeout"
    )
    gateway_key_window: Annotated[timedelta, Seconds(gt=0, le=7_776_000)] = Field(
        default=timedelta(hours=24),
        description="How long the gateway keeps a key; older charges are looked up first, older refunds not sent again",
    )
    publish_linger: Annotated[timedelta, Seconds(ge=0, le=1)] = Field(
        default=timedelta(milliseconds=5), description="How long a batch waits for more orders"
    )
    publish_timeout: Duration = Field(
        default=timedelta(milliseconds=800),
        description="Most an order waits for SNS, and its key for the ledger; then 503",
    )
    catalogue_refresh: Duration = Field(default=timedelta(seconds=30), description="Age at which prices are read again")
    stock_refresh: Duration = Field(default=timedelta(seconds=1), description="Age at which what is left is read again")
    stock_lease: Duration = Field(
        default=timedelta(seconds=10),
        description="How long a silent process keeps its stock; the same in every instance",
    )
    body_limit_bytes: int = Field(default=65_536, ge=1, le=1_048_576, description="Largest body")
    body_timeout: Duration = Field(
        default=timedelta(seconds=10), description="Most a body may take to arrive; then 408"
    )
    operations_host: str = Field(default="127.0.0.1", description="Address of the operations port")
    operations_port: int = Field(
        default=8079, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 takes a free one"
    )
    drain_grace: Annotated[timedelta, Seconds(ge=0, le=300)] = Field(
        default=timedelta(seconds=1), description="How long requests are taken after readiness turned false"
    )

    @field_validator("order_id_secret", "order_id_secret_previous")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes")
        return secret

    @model_validator(mode="after")
    def _lease_outlives_payment(self) -> Self:
        if self.lease <= self.payment_timeout:
            raise ValueError("LEASE_SECONDS: must be more than PAYMENT_TIMEOUT_SECONDS")
        return self

    @property
    def retention(self) -> Retention:
        """What is left to do with an order that has ended."""
        return Retention.of_settings(outcomes_topic=self.outcomes_topic_arn, days=self.order_retention_days)

    @property
    def order_ids(self) -> OrderIds:
        """What issues ids under the secret, and recognises those of the previous one too."""
        previous = self.order_id_secret_previous
        return OrderIds(
            secret=self.order_id_secret.get_secret_value().encode(),
            previous=None if previous is None else previous.get_secret_value().encode(),
        )

    @property
    def shutdown_timeout(self) -> timedelta:
        """The most that requests in progress need: a sync order's deadline, then its key's write and its publish."""
        longest = max(self.sync_wait + self.payment_timeout, self.sync_deadline)
        return longest + 2 * self.publish_timeout + timedelta(seconds=1)
